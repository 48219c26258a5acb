"""What is not published is in no answer, whatever is asked and however."""

import pytest

from tests.api.conftest import Serve
from tests.api.tools import BASE, MODEL, Client, post
from tests.repo import Repo

HIDDEN = {
    "draft": {"draft": "true"},
    "unpublished": {"published": "false"},
    "later": {"publish_at": "2999-01-01"},
    "gone": {"expire_at": "2001-01-01"},
    "wrong": {"draft": "true", "stars": "kanari"},
    "unclear": {"publish_at": "kanari"},
    "capital": {"Draft": "true"},
    "both": {"draft": "false", "DRAFT": "true"},
    "dashed": {"publish-at": "2999-01-01"},
    "camel": {"publishAt": "2999-01-01"},
    "hugo": {"ExpiryDate": "2001-01-01"},
    "status": {"Status": "draft"},
}
FIELDS = ("title", "category", "tags", "author", "related", "aliases", "slug", "path", "url", "first_author", "locale")
PATHS = (
    *("/", "/collections", "/collections/posts", "/collections/people", "/openapi.json", "/entries/posts?locale=*"),
    *("/entries/posts?depth=3", "/entries/posts/open?depth=3", "/entries/posts/open?format=html,text,markdown,toc"),
    *("/search?q=-nothing", "/search?q=fisk&facet=category,tags,author", "/entries/posts?search=fisk"),
    *(f"/entries/posts?facet={name}&facet.limit=1000" for name in FIELDS),
    *(f"/entries/posts?sort=-{name}&limit=100" for name in FIELDS),
    *(f"/entries/posts?filter[{name}][ne]=x" for name in FIELDS),
    *(f"/entries/posts?filter[{name}x]=x" for name in FIELDS),
    "/readyz",
    "/metrics",
)
ORACLES = (
    *("title][contains", "slug][contains", "path][contains", "category][starts", "author.name][contains"),
    *("related.title][icontains", "related][contains", "tags][any"),
)


@pytest.fixture
def site(serve: Serve, repo: Repo) -> Client:
    """One open post that names every hidden one, and a history and a branch that know more."""
    names = [f"kanari-{name}" for name in HIDDEN]
    hidden = {
        f"posts/kanari-{name}.md": post(f"Kanari {name}", "Kanari fisk.", author="kanari", category="kanari", tags="[kanari]", **fields)
        for name, fields in HIDDEN.items()
    }  # fmt: skip
    repo.commit({**MODEL, "posts/open.md": post("Kanari")}, message="kanari")
    repo.commit({"posts/secret.md": post("Kanari")}, branch="kanari")
    person = {"people/kanari.md": "---\nname: Kanari\nexpire_at: 2001-01-01\n---\n"}
    repo.commit(
        {**hidden, **person, "posts/open.md": post("Open", "A fisk.", author="kanari", related=f"[{', '.join(names)}]")}
    )
    return serve()


def test_nothing_unpublished_is_in_any_answer(site: Client) -> None:
    for path in PATHS:
        answer = site.ask(path)
        told = answer.text if path != "/readyz" else "".join(item["message"] for item in answer.json()["findings"])
        assert answer.status_code in (200, 400), path
        assert "kanari" not in (told + str(dict(answer.headers))).casefold(), path


@pytest.mark.parametrize("oracle", ORACLES)
def test_a_filter_cannot_find_out_what_is_unpublished(site: Client, oracle: str) -> None:
    for text in ("kanari", "Kanari", "kanari-draft"):
        assert site.meta(f"/entries/posts?filter[{oracle}]={text}")["total"] == 0


@pytest.mark.parametrize("name", HIDDEN)
@pytest.mark.parametrize("path", ["/entries/posts/{}", "/entries/posts/{}?locale=nb&depth=2", "/assets/posts/{}.png"])
def test_a_hidden_entry_is_refused_as_one_that_never_was(site: Client, name: str, path: str) -> None:
    hidden, absent = site.ask(path.format(f"kanari-{name}")), site.ask(path.format(f"absent-{name}"))
    assert hidden.status_code == absent.status_code == 404
    assert hidden.text.replace("kanari", "absent") == absent.text
    assert hidden.headers == absent.headers


@pytest.mark.parametrize("text", ["kanari", "kanari*", '"kanari fisk"', "title:kanari", "kanari OR nothing"])
def test_a_search_finds_nothing_that_is_unpublished(site: Client, text: str) -> None:
    assert site.ask(f"/search?q={text}").json()["meta"]["total"] == 0


def test_another_branch_or_commit_cannot_be_asked_for(site: Client) -> None:
    for name in ("ref", "branch", "commit", "view", "draft", "status", "preview", "now"):
        assert site.ask(f"/entries/posts?{name}=kanari").status_code in (400, 401, 403)
    assert site.ask(f"{BASE}/entries/posts/secret").status_code == 404
