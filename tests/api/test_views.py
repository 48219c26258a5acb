"""Views over HTTP: every endpoint at a branch, a tag, a commit, a moment, a draft and several; and who may see which."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.api.newsdesk import Newsdesk
from tests.api.tools import MODEL, SETTINGS, Client, post
from tests.repo import Repo

PUBLIC = f"{SETTINGS}[history]\npublic = true\n"
FOREVER = "public, max-age=31536000, immutable"
PNG = b"\x89PNG\r\n\x1a\n"
NOBODY = "f" * 40


class Past:
    """A site with a past that everybody may read, and what its commits are called."""

    def __init__(self, path: Path, *, settings: str = PUBLIC) -> None:
        self.repo = repo = Repo.create(path)
        day = datetime(2024, 3, 1, 12, tzinfo=UTC)
        files: dict[str, str | bytes] = {
            **MODEL,
            "cms.toml": settings,
            "posts/a.md": post("First words", tags="[old]", image="{url: images/a.png}", related="[gone]"),
            "posts/gone.md": post("Withdrawn", body="Kanarifugl."),
            "posts/later.md": post("Later", publish_at="2024-03-05T12:00:00Z"),
            "posts/brief.md": post("Brief", expire_at="2024-03-02T06:00:00Z"),
            "images/a.png": PNG + b"old",
        }
        self.one = repo.commit(files, at=day)
        repo.git("tag", "v1", self.one)
        self.side = repo.commit(
            {"posts/a.md": post("Never published")}, branch="side", parents=[self.one], at=day + timedelta(hours=1)
        )
        repo.git("tag", "secret", self.side)
        self.two = repo.commit(
            {"posts/a.md": post("Second words", tags="[new]"), "posts/gone.md": None, "images/a.png": PNG + b"new"},
            at=day + timedelta(days=1),
        )
        self.three = repo.commit({"posts/later.md": None}, at=day + timedelta(days=2))
        self.client = Client(repo.path)

    def slugs(self, query: str) -> list[str]:
        return self.client.slugs(query)


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    found = Past(tmp_path_factory.mktemp("past") / "site.git")
    yield found
    found.client.site.close()


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    """The same, with a past that nobody may read."""
    found = Past(tmp_path_factory.mktemp("closed") / "site.git", settings=SETTINGS)
    yield found
    found.client.site.close()


# -- what a view shows -----------------------------------------------------------------------------------------------------


def test_a_list_shows_what_was_there(past: Past) -> None:
    assert past.slugs(f"ref={past.one}&sort=slug") == ["a", "brief", "gone"]
    assert past.slugs("ref=v1&sort=slug") == ["a", "brief", "gone"]
    assert past.slugs("at=2024-03-01T12:00:00Z&sort=slug") == ["a", "brief", "gone"]
    assert past.slugs("at=2024-03-02T12:30:00Z") == ["a"]
    assert past.slugs("ref=main") == past.slugs("") == ["a"]


def test_an_entry_its_history_and_its_references_are_those_of_then(past: Past) -> None:
    entry = past.client.data(f"/entries/posts/a?ref={past.one}&format=text&include=related")
    assert entry["title"] == "First words"
    assert entry["updated_at"] == "2024-03-01T13:00:00+01:00"
    assert [other["title"] for other in entry["related"]] == ["Withdrawn"]
    now = past.client.data("/entries/posts/a")
    assert (now["title"], now["updated_at"]) == ("Second words", "2024-03-02T13:00:00+01:00")


def test_facets_completions_and_search_are_those_of_then(past: Past) -> None:
    then = f"ref={past.one}"
    facets = past.client.meta(f"/entries/posts?facet=tags&limit=0&{then}")["facets"]["tags"]
    assert [item["value"] for item in facets] == ["old"]
    assert [item["text"] for item in past.client.data(f"/suggest?q=withd&{then}")] == ["Withdrawn", "Withdrawn"]
    assert [item["slug"] for item in past.client.data(f"/search?q=kanarifugl&{then}")] == ["gone"]
    assert past.client.data("/suggest?q=withd") == past.client.data("/search?q=kanarifugl") == []


def test_an_asset_is_the_one_of_then_and_is_linked_so(past: Past) -> None:
    url = past.client.data(f"/entries/posts/a?ref={past.one}")["image"]["url"]
    assert url == f"/api/v1/assets/images/a.png?ref={past.one}"
    assert past.client.ask(url).content == PNG + b"old"
    assert past.client.ask("/assets/images/a.png").content == PNG + b"new"


def test_links_lead_on_in_the_same_view(past: Past) -> None:
    answer = past.client.ask(f"/entries/posts?ref={past.one}&limit=1&sort=slug").json()
    following = past.client.ask(answer["links"]["next"]).json()
    assert [entry["slug"] for entry in following["data"]] == ["brief"]
    assert following["meta"]["commit"] == past.one
    site = past.client.ask(f"/?at={quote('2024-03-01T12:00:00+00:00')}").json()
    assert past.client.ask(site["links"]["entries:posts"]).json()["meta"]["total"] == 3


def test_an_answer_says_which_view_it_is_of(past: Past) -> None:
    answer = past.client.ask("/entries/posts?ref=v1")
    assert answer.json()["meta"]["view"] == "v1"
    assert answer.json()["meta"]["commit"] == answer.headers["content-commit"] == past.one
    assert past.client.meta("/entries/posts?at=2024-03-02T12:30:00Z")["view"] == "main@2024-03-02T12:30:00Z"
    assert past.client.meta("/collections?ref=main")["view"] == "main"


def test_what_was_withdrawn_by_then_is_gone_and_what_came_later_never_was(past: Past) -> None:
    assert past.client.ask(f"/entries/posts/gone?ref={past.two}").status_code == 410
    assert past.client.ask(f"/entries/posts/gone?ref={past.one}").status_code == 200
    assert past.client.ask(f"/entries/posts/later?ref={past.one}").status_code == 404


# -- embargoes ------------------------------------------------------------------------------------------------------------------


def test_an_embargo_that_outlived_its_text_is_never_over(past: Past) -> None:
    """It was to end on the 5th, and the text was taken away on the 3rd: nobody ever saw it."""
    for query in (f"ref={past.two}&at=2024-03-06", f"ref={past.one}&at=2024-03-05T12:00:00Z"):
        refused = past.client.problem(f"/entries/posts?{query}")
        assert "published from" in refused["detail"]
    assert "later" not in past.slugs("at=2024-03-06") + past.slugs(f"ref={past.two}")


def test_what_expired_is_there_as_long_as_it_was(past: Past) -> None:
    assert "brief" in past.slugs(f"ref={past.one}&at=2024-03-02T05:59:59Z")
    assert "brief" not in past.slugs(f"ref={past.one}&at=2024-03-02T06:00:00Z")


# -- who may see what ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", ["ref=v1", "ref=secret", "ref=side", f"ref={NOBODY}", "ref=nothing", "at=2024-03-01", "at=1999-01-01", "ref=main&at=2024-03-01"])  # fmt: skip
def test_a_closed_past_is_refused_alike_whatever_is_asked_for(closed: Past, query: str) -> None:
    refused = closed.client.ask(f"/entries/posts?{query}")
    assert refused.status_code == 403
    assert refused.text == closed.client.ask(f"/entries/posts?ref={closed.one}").text
    assert "public = true in the table [history] of cms.toml" in refused.json()["detail"]


def test_what_is_published_now_may_be_named(closed: Past) -> None:
    plain = closed.client.ask("/entries/posts")
    for query in ("ref=main", "ref=refs/heads/main", f"ref={closed.three}"):
        named = closed.client.ask(f"/entries/posts?{query}")
        assert named.json()["data"] == plain.json()["data"]
        assert "immutable" not in named.headers["cache-control"]


@pytest.mark.parametrize("path", ["/entries/posts", "/entries/posts/a", "/search?q=a", "/suggest?q=a", "/assets/images/a.png", "/collections", "/collections/posts", "/", "/openapi.json"])  # fmt: skip
def test_what_was_never_published_is_as_if_it_were_not(past: Past, path: str) -> None:
    for hidden, absent in ((past.side, NOBODY), ("secret", "absent"), ("side", "gone")):
        mark = "&" if "?" in path else "?"
        one, other = (past.client.ask(f"{path}{mark}ref={name}") for name in (hidden, absent))
        assert one.status_code == other.status_code == 404
        assert one.text.replace(hidden, absent) == other.text
        assert one.headers == {**other.headers, "content-length": one.headers["content-length"]}


def test_the_future_is_for_those_who_may_read_drafts(past: Past) -> None:
    assert past.client.ask("/entries/posts?at=2099-01-01").status_code == 401
    assert past.client.ask("/entries/posts?draft=x").status_code == 401


def test_a_wrong_secret_is_not_taken_for_none(desk: Newsdesk) -> None:
    for query in ("ref=main", "draft=x", "at=2020-01-01"):
        assert desk.ask("GET", f"/entries/posts?{query}", secret="cmst_wrong").status_code == 401


def test_part_of_an_id_is_told_so(past: Past) -> None:
    assert "ids are not abbreviated" in past.client.problem(f"/entries/posts?ref={past.one[:10]}")["detail"]


# -- caches -------------------------------------------------------------------------------------------------------------------------


def test_a_full_commit_id_is_an_answer_for_ever(past: Past) -> None:
    answer = past.client.ask(f"/entries/posts?ref={past.one}")
    assert answer.headers["cache-control"] == FOREVER
    assert answer.headers["vary"] == "Accept-Encoding, Authorization"
    assert not answer.headers["etag"].startswith("W/")
    again = past.client.ask(f"/entries/posts?ref={past.one}", If_None_Match=answer.headers["etag"])
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize("query", ["ref=v1", "at=2024-03-01T12:00:00Z", "ref=main"])
def test_a_name_or_a_moment_is_not(past: Past, query: str) -> None:
    assert past.client.ask(f"/entries/posts?{query}").headers["cache-control"] == "public, max-age=600, must-revalidate"


@pytest.mark.parametrize("path", ["/search?q=words&", "/entries/posts?search=words&", "/openapi.json?", "/?"])
def test_what_is_made_of_more_than_the_view_is_not_for_ever(past: Past, path: str) -> None:
    assert "immutable" not in past.client.ask(f"{path}ref={past.one}").headers["cache-control"]


PINNED = ("/entries/posts?sort=-updated_at&ref={}", "/entries/posts/a?format=html,toc&ref={}", "/collections?ref={}", "/suggest?q=f&ref={}")  # fmt: skip


def test_the_same_commit_gives_the_same_bytes_on_every_node(past: Past, tmp_path: Path) -> None:
    other = Past(tmp_path / "other.git")
    other.repo.commit({"posts/b.md": post("News"), "posts/a.md": None, "cms.toml": PUBLIC + "# newer\n"})
    fresh = Client(other.repo.path)
    for path in PINNED:
        for commit in (past.two, past.one, past.three):
            one, two = past.client.ask(path.format(commit)), fresh.ask(path.format(commit))
            assert (one.status_code, one.content) == (two.status_code, two.content), path
            assert one.headers == two.headers
    for client in (other.client, fresh):
        client.site.close()


def test_a_view_leaves_nothing_where_everybody_is_answered(past: Past) -> None:
    before = past.client.ask("/entries/posts?sort=title").content
    past.client.ask(f"/entries/posts?sort=title&ref={past.one}")
    past.client.ask(f"/entries/posts?sort=title&ref={past.two}")
    assert past.client.ask("/entries/posts?sort=title").content == before


def test_head_asks_for_the_same(past: Past) -> None:
    got, asked = (past.client.ask(f"/entries/posts?ref={past.one}", method) for method in ("GET", "HEAD"))
    assert (asked.status_code, asked.content, asked.headers) == (200, b"", got.headers)


# -- what never comes back -------------------------------------------------------------------------------------------------------------


NEVER = f'{PUBLIC}never = ["posts/gone.md", "images/**"]\n'


@pytest.fixture(scope="module")
def purged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    found = Past(tmp_path_factory.mktemp("purged") / "site.git")
    found.repo.commit({"cms.toml": NEVER})
    yield found
    found.client.site.close()


@pytest.mark.parametrize("path", ["/entries/posts?{}", "/entries/posts/gone?{}", "/entries/posts/a?depth=1&{}", "/search?q=kanarifugl&{}", "/suggest?q=withd&{}", "/entries/posts?facet=tags&search=withdrawn&{}"])  # fmt: skip
def test_what_is_withheld_shows_nowhere_in_the_past(purged: Past, path: str) -> None:
    for view in (f"ref={purged.one}", f"ref={purged.two}", "at=2024-03-01T12:00:00Z", "ref=v1"):
        answer = purged.client.ask(path.format(view))
        told = answer.text.replace("/entries/posts/gone", "").replace("'gone'", "").replace('"slug":"gone"', "")
        assert "gone" not in told
        assert "Withdrawn" not in told


def test_what_is_withheld_is_missing_and_not_gone(purged: Past) -> None:
    absent = purged.client.ask(f"/entries/posts/none?ref={purged.two}")
    hidden = purged.client.ask(f"/entries/posts/gone?ref={purged.two}")
    assert hidden.status_code == 404
    assert hidden.text.replace("gone", "none") == absent.text
    assert purged.client.ask(f"/assets/images/a.png?ref={purged.one}").status_code == 404
    assert purged.client.ask("/assets/images/a.png").status_code == 200


# -- people -----------------------------------------------------------------------------------------------------------------------------


def data(desk: Newsdesk, path: str, by: str = "eva") -> Any:
    return desk.get(path, by)


def test_a_draft_is_read_everywhere_as_if_it_were_published(desk: Newsdesk) -> None:
    desk.begin("x", title="Kanarifugl", tags=["gul"])
    assert data(desk, "/entries/posts/a?draft=x")["title"] == "Kanarifugl"
    assert [post["slug"] for post in data(desk, "/entries/posts?draft=x&filter[tags]=gul")] == ["a"]
    assert [item["slug"] for item in data(desk, "/search?q=kanarifugl&draft=x")] == ["a"]
    assert data(desk, "/suggest?q=kana&draft=x")[0]["text"] == "Kanarifugl"
    assert data(desk, "/entries/posts/b?draft=x&include=related")["related"][0]["title"] == "Kanarifugl"
    assert data(desk, "/entries/posts/a")["title"] == "A"


def test_an_answer_names_the_draft_and_nobody_keeps_it(desk: Newsdesk) -> None:
    head = desk.begin("x")
    answer = desk.ask("GET", "/entries/posts/a?draft=x", "eva")
    meta = answer.json()["meta"]
    assert meta == {"commit": desk.room.main, "view": "draft:x", "drafts": [{"name": "x", "head": head}]}
    assert answer.headers["cache-control"] == "private, no-store"
    assert "access-control-allow-origin" not in answer.headers
    assert "surrogate-key" not in answer.headers
    assert answer.json()["links"]["self"].endswith("&draft=x")


def test_a_draft_is_shown_as_publishing_would_make_it(desk: Newsdesk) -> None:
    desk.begin("x", title="Mine")
    desk.begin("y", slug="b", title="Theirs")
    desk.say("approve", "y")
    desk.do("POST", "/drafts/y/publication", "pia", {"head": desk.get("/drafts/y")["head"]})
    assert [post["title"] for post in data(desk, "/entries/posts?draft=x&sort=slug")] == ["Mine", "Theirs"]


def test_a_draft_that_clashes_says_so_by_field(desk: Newsdesk) -> None:
    desk.begin("x", title="Mine")
    desk.begin("y", title="Theirs")
    desk.say("approve", "y")
    desk.do("POST", "/drafts/y/publication", "pia", {"head": desk.get("/drafts/y")["head"]})
    refused = desk.ask("GET", "/entries/posts?draft=x", "eva")
    assert refused.status_code == 409
    assert refused.json()["errors"][0]["field"] == "title"
    assert refused.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("by", ["", "rune", "gone"])
def test_a_draft_is_nothing_to_those_who_may_not_read_it(desk: Newsdesk, by: str) -> None:
    desk.begin("x")
    for parameter in ("draft", "with"):
        there, absent = (desk.ask("GET", f"/entries/posts?{parameter}={name}", by) for name in ("x", "y"))
        assert there.status_code == absent.status_code == (401 if not by else 404)
        assert there.text.replace("'x'", "'y'").replace('"x"', '"y"') == absent.text


def test_who_is_listed_reads_the_past_and_who_may_read_drafts_reads_all(desk: Newsdesk) -> None:
    first = desk.room.main
    head = desk.begin("x")
    desk.say("approve")
    desk.do("POST", "/drafts/x/publication", "pia", {"head": desk.get("/drafts/x")["head"]})
    old = f"/entries/posts/a?ref={first}"
    assert [desk.ask("GET", old, by).status_code for by in ("rune", "ola", "", "gone")] == [200, 200, 403, 403]
    way = f"/entries/posts/a?ref={head}"
    assert [desk.ask("GET", way, by).status_code for by in ("rune", "ola", "")] == [404, 200, 403]
    narrowed = desk.token("ola", "draft.create")
    assert desk.ask("GET", old, secret=narrowed).status_code == 403


def test_what_only_some_may_read_is_kept_by_nobody(desk: Newsdesk) -> None:
    answer = desk.ask("GET", f"/entries/posts?ref={desk.room.main}&at=2026-04-25", "ola")
    assert answer.headers["cache-control"] == "private, no-store"
    assert desk.ask("GET", f"/entries/posts?ref={desk.room.main}&at=2026-04-25").status_code == 403


def test_a_fault_of_ours_is_told_as_one(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("kanarifugl")

    monkeypatch.setattr(past.client.site.views, "open", fail)
    answer = past.client.ask("/entries/posts?ref=main")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
    assert "kanari" not in answer.text
    assert answer.headers["cache-control"] == "no-store"
