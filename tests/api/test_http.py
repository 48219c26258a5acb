"""Validators, caches, encodings, methods and other origins: what HTTP asks of every answer."""

import pytest

from tests.api.conftest import Serve
from tests.api.tools import MODEL, SETTINGS, Client, post
from tests.repo import Repo

CACHED = (
    *("/", "/collections", "/collections/posts", "/entries/posts", "/entries/posts?limit=2&page=2", "/entries/posts/apple"),
    *("/search?q=fisk", "/openapi.json", "/assets/images/apple.png"),
)  # fmt: skip
EVERY = (
    *CACHED,
    "/entries/posts/pie",
    "/entries/posts/nothing",
    "/entries/posts?x=1",
    "/nothing",
    "/healthz",
    "/readyz",
)


@pytest.mark.parametrize("path", CACHED)
def test_an_answer_names_its_commit_and_how_to_ask_again(blog: Client, path: str) -> None:
    answer = blog.ask(path)
    assert answer.headers["content-commit"] == blog.site.catalog.snapshot.commit.id
    assert answer.headers["cache-control"] == "public, max-age=600, must-revalidate"
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["etag"].startswith('"' if "/assets/" in path else 'W/"')
    assert "model" in answer.headers["surrogate-key"].split(" ")
    again = blog.ask(path, If_None_Match=answer.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")
    for name in ("etag", "cache-control", "vary", "content-commit", "access-control-allow-origin", "surrogate-key"):
        assert again.headers[name] == answer.headers[name]
    assert "content-length" not in again.headers or again.headers["content-length"] == "0"


@pytest.mark.parametrize("path", EVERY)
def test_head_is_get_without_a_body(blog: Client, path: str) -> None:
    get, head = blog.ask(path), blog.ask(path, "HEAD")
    assert (head.status_code, head.content) == (get.status_code, b"")
    assert dict(head.headers) == dict(get.headers)


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("{etag}", 304),
        ("W/{etag}", 304),
        ('"other", {etag}', 304),
        ('W/"other",W/{etag} , "more"', 304),
        ("*", 304),
        ('"other"', 200),
        ('W/"other"', 200),
        ("{bare}", 200),
        ('"{bare}x"', 200),
        ("", 200),
    ],
)
def test_a_condition_is_a_list_of_tags_compared_weakly(blog: Client, condition: str, status: int) -> None:
    etag = blog.ask("/entries/posts/apple").headers["etag"]
    strong = etag.removeprefix("W/")
    text = condition.format(etag=strong, bare=strong.strip('"'))
    assert blog.ask("/entries/posts/apple", If_None_Match=text).status_code == status


def test_different_answers_have_different_tags(blog: Client) -> None:
    paths = [*CACHED, "/entries/posts?fields=slug", "/entries/posts?locale=nn", "/entries/posts/bread"]
    assert len({blog.ask(path).headers["etag"] for path in paths}) == len(paths)


@pytest.mark.parametrize("path", ["/entries/posts", "/assets/images/apple.png"])
def test_one_tag_is_that_of_all_encodings(blog: Client, path: str) -> None:
    found = [blog.ask(path, Accept_Encoding=name).headers["etag"] for name in ("identity", "gzip", "br")]
    assert len(set(found)) == 1
    for tag in found:
        assert blog.ask(path, If_None_Match=tag).status_code == 304
        assert blog.ask(path, If_None_Match=tag, Accept_Encoding="br").headers["etag"] == found[2]


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("br", "br"),
        ("gzip", "gzip"),
        ("gzip, deflate, br", "br"),
        ("GZIP", "gzip"),
        ("br;q=0.2, gzip;q=0.8", "gzip"),
        ("br;q=0, gzip", "gzip"),
        ("br;q=0, gzip; q=0.000", None),
        ("*", "br"),
        ("*, br;q=0", "gzip"),
        ("*;q=0", None),
        ("gzip;q=0, *;q=0.5", "br"),
        ("identity, gzip;q=0.5", None),
        ("deflate", None),
        ("gzip;q=much", None),
        ("", None),
    ],
)
def test_the_encoding_is_the_best_of_those_accepted(blog: Client, accepted: str, encoding: str | None) -> None:
    answer = blog.ask("/entries/posts", Accept_Encoding=accepted)
    assert answer.headers.get("content-encoding") == encoding
    assert answer.json() == blog.ask("/entries/posts").json()
    assert answer.headers["vary"] == "Accept-Encoding"


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_an_encoded_answer_is_shorter_and_says_its_length(blog: Client, encoding: str) -> None:
    plain, packed = blog.ask("/openapi.json"), blog.ask("/openapi.json", Accept_Encoding=encoding)
    assert packed.content == plain.content
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) == len(plain.content)


def test_images_and_small_answers_are_not_compressed(blog: Client) -> None:
    for path in ("/assets/images/apple.png", "/healthz", "/entries/posts?limit=0"):
        assert "content-encoding" not in blog.ask(path, Accept_Encoding="gzip, br").headers


@pytest.mark.parametrize("path", EVERY)
def test_any_origin_may_read_every_answer(blog: Client, path: str) -> None:
    answer = blog.ask(path, Origin="https://elsewhere.example")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert {"ETag", "Link", "Content-Commit"} <= set(answer.headers["access-control-expose-headers"].split(", "))
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_preflight_is_answered_without_asking_anything(blog: Client) -> None:
    answer = blog.ask(
        "/entries/posts", "OPTIONS", Origin="https://elsewhere.example", Access_Control_Request_Method="GET"
    )
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["allow"] == answer.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    assert "If-None-Match" in answer.headers["access-control-allow-headers"]


def test_last_modified_is_the_time_of_the_commit(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post()})
    assert serve().ask("/entries/posts").headers["last-modified"] == "Mon, 01 Jan 2024 12:01:00 GMT"


def test_a_site_that_says_nothing_of_caching_is_asked_again_each_time(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "cms.toml": SETTINGS.partition("[server]")[0], "posts/a.md": post()})
    assert serve().ask("/entries/posts").headers["cache-control"] == "public, max-age=0, must-revalidate"


def test_a_commit_is_seen_by_the_next_request_and_changes_its_validators(serve: Serve, repo: Repo) -> None:
    first = repo.commit({**MODEL, "posts/a.md": post("Old")})
    client = serve()
    before = client.ask("/entries/posts/a")
    second = repo.commit({"posts/a.md": post("New"), "posts/b.md": post("More")})
    after = client.ask("/entries/posts/a", If_None_Match=before.headers["etag"])
    assert (after.status_code, after.json()["data"]["title"]) == (200, "New")
    assert (before.headers["content-commit"], after.headers["content-commit"]) == (first, second)
    assert client.slugs("sort=slug") == ["a", "b"]
    assert client.data("/search?q=More")[0]["slug"] == "b"


def test_a_deleted_file_is_gone_with_the_next_request(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post(), "posts/b.md": post()})
    client = serve()
    assert client.ask("/entries/posts/a").status_code == 200
    repo.commit({"posts/a.md": None})
    assert client.ask("/entries/posts/a").status_code == 410
    assert client.slugs() == ["b"]


def test_a_commit_that_breaks_the_model_leaves_the_last_good_state(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post()})
    client = serve()
    repo.commit({"schemas/posts.yaml": "type: [", "posts/b.md": post()})
    assert client.slugs() == ["a"]
    assert client.ask("/readyz").json()["status"] == "degraded"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_what_is_true_only_now_is_never_kept(blog: Client, path: str) -> None:
    assert blog.ask(path).headers["cache-control"] == "no-store"
