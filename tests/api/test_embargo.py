"""What is not public yet, or no longer: told by nothing at all, until its moment comes.

Every test compares a site that holds a hidden person and a hidden post with the same site without them.
"""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import Serve
from tests.api.tools import MODEL, Client, person, post
from tests.repo import Repo

FAR = "2999-01-01T12:00:00Z"
PAST = "2001-01-01T12:00:00Z"
HIDDEN = {
    "embargoed": {"publish_at": FAR},
    "embargoed the way Hugo spells it": {"publishDate": FAR},
    "expired": {"expire_at": PAST},
    "expired the way Hugo spells it": {"expiryDate": PAST},
    "a draft": {"draft": "true"},
    "unpublished": {"published": "false"},
    "expired before it began": {"publish_at": PAST, "expire_at": PAST},
}
VISIBLE = {
    **MODEL,
    "people/kari.md": person("Kari"),
    "posts/open.md": post("Open fish", author="ola", related="[secret, kari]", tags="[a]"),
}
ASKED = (
    "/",
    "/collections",
    "/collections/posts",
    "/entries/posts",
    "/entries/posts?locale=*",
    "/entries/posts?limit=1",
    "/entries/posts?include=author,related",
    "/entries/posts?depth=3",
    "/entries/posts?fields=author.name",
    "/entries/posts?facet=tags,author,related,category",
    "/entries/posts?filter[author]=ola",
    "/entries/posts?filter[author][exists]=true",
    "/entries/posts?filter[author.name]=Ola",
    "/entries/posts?filter[not][related.title][contains]=Secret",
    "/entries/posts?sort=author.name",
    "/entries/posts?search=fish",
    "/entries/posts/open",
    "/entries/posts/open?include=related",
    "/entries/posts/secret",
    "/entries/posts/secret?locale=nn&fallback=nb",
    "/entries/posts/old-secret",
    "/entries/people",
    "/entries/people/ola",
    "/search?q=fish",
    "/search?q=secret",
    "/search?q=Ola",
    "/search?q=fish&facet=tags,author",
    *(f"/suggest?q={typed}&limit=50" for typed in ("o", "s", "secret", "fish", "ola", "b", "hush", "old", "open f")),
    "/suggest?q=f&locale=nn",
    "/suggest?q=f&locale=*",
)


def hidden_files(fields: dict[str, str]) -> dict[str, str]:
    dates = {name: value for name, value in fields.items() if name in ("publish_at", "expire_at")} or {
        "publish_at": FAR
    }
    return {
        "people/ola.md": person("Ola", **dates),
        "posts/secret.md": post(
            "Secret fish", tags="[a, b]", author="kari", aliases="[old-secret]", category="hush", **fields
        ),
        "posts/open.nn.md": post("Open fisk", **fields),
    }


def told(client: Client, path: str) -> Any:
    """What an answer says, but for the commit that it names."""
    answer = client.ask(path)
    body = answer.json()
    body.get("meta", {}).pop("commit", None)
    rows = body["data"] if isinstance(body.get("data"), list) else [body.get("data")]
    for row in rows:
        if isinstance(row, dict):
            row.pop("score", None)
    return answer.status_code, body


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Client:
    repo = Repo.create(tmp_path_factory.mktemp("without") / "site.git")
    repo.commit(VISIBLE)
    return Client(repo.path)


@pytest.fixture(scope="module", params=HIDDEN)
def client(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Client:
    repo = Repo.create(tmp_path_factory.mktemp("with") / "site.git")
    repo.commit({**VISIBLE, **hidden_files(HIDDEN[request.param])})
    return Client(repo.path)


@pytest.mark.parametrize("path", ASKED)
def test_what_is_hidden_is_told_by_no_answer(client: Client, without: Client, path: str) -> None:
    assert told(client, path) == told(without, path)


def timed_client(repo: Repo, begin: datetime, end: datetime) -> Client:
    repo.commit({**VISIBLE, **hidden_files({"publish_at": begin.isoformat(), "expire_at": end.isoformat()})})
    return Client(repo.path)


def test_at_its_moment_an_entry_appears_everywhere_and_at_the_other_disappears(repo: Repo) -> None:
    now = datetime.now(UTC)
    client = timed_client(repo, now + timedelta(days=1), now + timedelta(days=2))
    seen = []
    for days in (0, 1.5, 2.5):
        moment = (now + timedelta(days=days)).timestamp()
        catalog = client.site.catalog.advance(client.site.catalog.snapshot, moment)
        names = [entry.slug for entry in catalog.order("posts", catalog.default_chain, (("slug", False),))]
        alias, ola = catalog.find_alias("posts", "old-secret"), catalog.find_reference("ola", ["people"], "nb")
        seen.append((names, alias, ola is not None, catalog.shelves["posts"].count))
    assert seen == [(["open"], None, False, 1), (["open", "secret"], "secret", True, 3), (["open"], None, False, 1)]


@pytest.mark.parametrize(
    "path", ["/", "/entries/posts", "/entries/posts/open", "/search?q=fish", "/suggest?q=f", "/openapi.json"]
)
def test_no_cache_may_outlive_the_next_moment(repo: Repo, path: str) -> None:
    now = datetime.now(UTC)
    client = timed_client(repo, now + timedelta(seconds=100), now + timedelta(days=2))
    caching = client.ask(path).headers["cache-control"]
    age = int(caching.partition("max-age=")[2].partition(",")[0])
    assert 0 <= age <= client.site.catalog.valid_until - now.timestamp() <= 100


def test_a_redirect_may_not_outlive_the_moment_at_which_its_entry_expires(repo: Repo) -> None:
    now = datetime.now(UTC)
    client = timed_client(repo, now - timedelta(days=1), now + timedelta(seconds=100))
    answer = client.ask("/entries/posts/old-secret")
    assert (answer.status_code, answer.headers["location"]) == (308, "/api/v1/entries/posts/secret")
    assert int(answer.headers["cache-control"].partition("max-age=")[2].partition(",")[0]) <= 100


def test_an_entry_appears_by_itself_while_the_server_runs(serve: Serve, repo: Repo) -> None:
    begin = datetime.now(UTC) + timedelta(seconds=1.2)
    client = timed_client(repo, begin, begin + timedelta(days=1))
    before = client.ask("/entries/posts?sort=slug&facet=tags")
    assert [entry["slug"] for entry in before.json()["data"]] == ["open"]
    assert client.ask("/search?q=secret").json()["meta"]["total"] == 0
    time.sleep(max(0.0, begin.timestamp() - time.time()) + 0.01)
    after = client.ask("/entries/posts?sort=slug&facet=tags", If_None_Match=before.headers["etag"])
    assert [entry["slug"] for entry in after.json()["data"]] == ["open", "secret"]
    assert after.json()["meta"]["facets"]["tags"][0] == {"value": "a", "count": 2}
    assert client.data("/search?q=secret")[0]["slug"] == "secret"
    assert client.data("/entries/posts/open?include=author")["author"]["name"] == "Ola"
    assert (
        after.headers["last-modified"] > before.headers["last-modified"]
        or after.headers["etag"] != before.headers["etag"]
    )


def test_published_at_alone_hides_nothing(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "posts/future.md": post(date="2999-01-01")})
    assert serve().slugs() == ["future"]


def test_a_moment_that_cannot_be_read_keeps_its_file_back(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post(), "posts/b.md": post(publish_at="soon")})
    client = serve()
    assert client.slugs() == ["a"]
    finding = client.site.findings()[0]
    assert (finding.path, finding.field) == ("posts/b.md", "publish_at")
    assert client.ask("/readyz").json()["errors"] == 0
