"""What is answered from memory after a publication that does not concern it."""

from collections.abc import Iterator

import pytest

from tests.api.tools import MODEL, Client, person, post
from tests.repo import Repo


@pytest.fixture
def client(repo: Repo) -> Iterator[Client]:
    repo.commit(
        {**MODEL, "people/kari.md": person("Kari"), "posts/a.md": post("A", author="kari"), "posts/b.md": post("B")}
    )
    opened = Client(repo.path)
    yield opened
    opened.site.close()


@pytest.mark.parametrize(
    "path", ["/entries/posts/b", "/entries/people", "/collections/people", "/entries/people?facet=boss"]
)
def test_a_publication_leaves_what_it_does_not_concern_valid(client: Client, repo: Repo, path: str) -> None:
    before = client.ask(path)
    commit = repo.commit({"posts/a.md": post("Another", author="kari")})
    after = client.ask(path)
    assert (after.headers["etag"], after.headers["content-commit"]) == (before.headers["etag"], commit)
    assert (after.json()["data"], after.json()["meta"]["commit"]) == (before.json()["data"], commit)
    assert client.ask(path, If_None_Match=before.headers["etag"]).status_code == 304


@pytest.mark.parametrize(
    "path", ["/entries/posts/a", "/entries/posts", "/entries/people/kari?fields=referenced_by.title", "/search?q=words"]
)
def test_what_it_concerns_is_answered_anew(client: Client, repo: Repo, path: str) -> None:
    before = client.ask(path)
    repo.commit({"posts/a.md": post("Another", author="kari")})
    after = client.ask(path, If_None_Match=before.headers["etag"])
    assert (after.status_code, "Another" in after.text) == (200, True)


def test_a_reference_to_what_is_hidden_is_not_told_by_its_name(client: Client, repo: Repo) -> None:
    repo.commit(
        {"posts/b.md": post("B", author="ghost"), "people/ghost.md": person("Ghost", publish_at="2999-01-01T00:00:00Z")}
    )
    hidden = client.ask("/entries/posts/b").headers["surrogate-key"]
    repo.commit({"people/ghost.md": None})
    assert client.ask("/entries/posts/b").headers["surrogate-key"] == hidden
    assert "x-people" in hidden.split()
    assert len([key for key in hidden.split() if key.startswith("e-")]) == 1


def test_other_settings_make_everything_anew(client: Client, repo: Repo) -> None:
    before = client.ask("/entries/posts/b")
    repo.commit({"schemas/posts.yaml": f"{MODEL['schemas/posts.yaml']}x-url: /p/{{slug}}/\n"})
    after = client.ask("/entries/posts/b", If_None_Match=before.headers["etag"])
    assert after.json()["data"]["url"] == "/p/b/"
