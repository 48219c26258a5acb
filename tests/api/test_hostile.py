"""Requests that nobody sends by accident: refused with a word, or answered as what they mean, and never a 500."""

import pytest

from tests.api.conftest import Serve
from tests.api.tools import Client
from tests.repo import Repo

OPEN_OBJECT = "type: object\nx-path: posts/{slug}.md\nproperties: {meta: {type: object}}\n"


@pytest.mark.parametrize("name", ["page", "%70age", "page[]", "page%5B%5D"])
def test_a_page_is_found_however_its_name_is_written(blog: Client, name: str) -> None:
    for _ in range(2):  # the second time from what is kept
        meta = blog.meta(f"/entries/posts?limit=2&{name}=2")
        assert (meta["page"], meta["limit"]) == (2, 2)


@pytest.mark.parametrize("query", ["page=%D9%A1", "limit=%D9%A1", "filter[stars]=%D9%A5", "filter[weight]=%D9%A5"])
def test_digits_of_other_scripts_are_no_numbers(blog: Client, query: str) -> None:
    assert blog.ask(f"/entries/posts?{query}").status_code == 400


@pytest.mark.parametrize("query", ["sort={}", "facet={}", "filter[{}]=x", "fields={}", "include={}"])
@pytest.mark.parametrize("step", ["image", "related", "author.boss"])
def test_a_path_without_end_is_refused(blog: Client, query: str, step: str) -> None:
    assert blog.ask("/entries/posts?" + query.format(".".join([step] * 600))).status_code == 400


def test_an_object_without_described_fields_is_not_followed_without_end(serve: Serve, repo: Repo) -> None:
    repo.commit({"schemas/posts.yaml": OPEN_OBJECT, "posts/a.md": "---\nmeta: {a: {b: 1}}\n---\n"})
    client = serve()
    assert client.slugs("filter[meta.a.b]=1") == ["a"]
    for query in ("sort={}", "facet={}", "filter[{}]=1"):
        assert client.ask("/entries/posts?" + query.format("meta" + ".a" * 3900)).status_code == 400


def test_a_refusal_names_no_folder_of_the_machine(serve: Serve, repo: Repo) -> None:
    repo.commit({"schemas/posts.yaml": OPEN_OBJECT, "posts/a.md": "---\nmeta: {}\n---\nWords.\n"})
    client = serve()
    repo.path.rename(repo.path.with_name("gone"))
    for path in ("/entries/posts/a", "/search?q=words"):
        answer = client.ask(path)
        assert answer.status_code == 503
        assert str(repo.path.parent) not in answer.text
    repo.path.with_name("gone").rename(repo.path)


def test_a_large_file_comes_whole_in_pieces_and_is_read_once(serve: Serve, repo: Repo) -> None:
    content = bytes(range(256)) * 4096 * 3 + b"end"
    repo.commit({"schemas/posts.yaml": OPEN_OBJECT, "posts/a.md": "---\n---\n", "film.mp4": content})
    client = serve()
    answers = [client.ask("/assets/film.mp4") for _ in range(2)]
    assert [answer.content == content for answer in answers] == [True, True]
    assert answers[0].headers["content-length"] == str(len(content))
    assert client.ask("/assets/film.mp4", "HEAD").content == b""
