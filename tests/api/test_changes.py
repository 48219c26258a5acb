"""``/changes``: keeping a copy in step, and being told nothing that the public never saw."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cms.api import changes
from cms.delta import timeline
from tests.api.newsdesk import Newsdesk
from tests.api.tools import MODEL, Client, person, post
from tests.repo import Repo

Serve = Callable[[], Client]
UNKNOWN = "0123456789" * 4
DAY = timedelta(days=1)
PAST = {**MODEL, "cms.toml": MODEL["cms.toml"] + "[history]\npublic = true\n"}


class Copy:
    """What somebody holds who follows ``/changes``."""

    def __init__(self, client: Client, query: str = "") -> None:
        self.client, self.query = client, query
        self.position = "start"
        self.entries: dict[str, Any] = {}
        self.told: list[tuple[str, str]] = []

    def follow(self) -> "Copy":
        """Ask what is new, page by page, and apply it."""
        url = f"/changes?since={self.position}{self.query}"
        self.told = []
        while url:
            answer = self.client.ask(url)
            assert answer.status_code == 200, answer.text
            found = answer.json()
            for change in found["data"]:
                self.apply(change)
            self.position = found["meta"].get("position", self.position)
            url = found["links"].get("next", "")
        return self

    def apply(self, change: Any) -> None:
        """Do what one change says."""
        self.told.append((change["change"], change["id"]))
        if change["change"] in ("deleted", "renamed"):
            del self.entries[change.get("from", change)["id"]]
        if "data" in change:
            self.entries[change["id"]] = change["data"]


def everything(client: Client, query: str = "") -> dict[str, Any]:
    """A full download."""
    found = {}
    for name in ("posts", "people"):
        for entry in client.data(f"/entries/{name}?locale=*&limit=100{query}"):
            found[entry["id"]] = entry
    return found


@pytest.fixture
def site(repo: Repo, serve: Serve) -> Client:
    """A small site that is only read."""
    repo.commit(
        {**MODEL, "posts/a.md": post("A", author="kari"), "posts/b.md": post("B"), "people/kari.md": person("Kari")}
    )
    return serve()


def test_a_copy_is_begun_page_by_page_and_kept_in_step(repo: Repo, site: Client) -> None:
    copy = Copy(site, "&limit=1").follow()
    assert copy.entries == everything(site)
    repo.commit(
        {
            "posts/a.md": None,
            "posts/c.md": post("A", author="kari"),
            "posts/b.en.md": post("B"),
            "people/kari.md": person("K"),
        }
    )
    assert copy.follow().entries == everything(site)
    assert copy.told == [
        ("updated", "people/kari@nb"),
        ("created", "posts/b@en"),
        ("updated", "posts/b@nb"),
        ("renamed", "posts/c@nb"),
    ]
    assert copy.follow().told == []


def test_bodies_and_included_entries_are_kept_in_step_too(repo: Repo, site: Client) -> None:
    query = "&depth=1&format=html,toc"
    copy = Copy(site, query).follow()
    repo.commit({"people/kari.md": person("Kari N."), "posts/b.md": post("B", "# New\n\nOther words.")})
    assert copy.follow().entries == everything(site, query)
    assert copy.told == [("updated", "people/kari@nb"), ("updated", "posts/a@nb"), ("updated", "posts/b@nb")]


def test_a_page_ends_before_it_includes_or_weighs_too_much(
    repo: Repo, site: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "PAGE_BYTES", 50_000)
    names = [f"p{number}" for number in range(60)]
    people: dict[str, str | bytes | None] = {f"people/{name}.md": person(name) for name in names}
    repo.commit({**people, **{f"posts/{name}.md": post(related=f"[{', '.join(names)}]") for name in names[:20]}})
    assert site.meta("/changes?since=start&fields=related.name&collection=posts&limit=999")["cursor"].startswith("18.")
    copy = Copy(site, "&format=html&limit=1000").follow()
    repo.commit({f"posts/{name}.md": post(name, "word " * 3_000) for name in names[:20]})
    page = site.ask(f"/changes?since={copy.position}{copy.query}")
    assert len(page.content) < 60_000
    assert "cursor" in page.json()["meta"]
    assert copy.follow().entries == everything(site, "&format=html")


def test_what_is_not_held_is_not_told(repo: Repo, site: Client) -> None:
    copies = [
        Copy(site, query).follow() for query in ("&collection=people", "&locale=en", "&fields=title&collection=posts")
    ]
    repo.commit({"posts/a.md": post("A", author="kari", stars="3")})
    assert [copy.follow().told for copy in copies] == [[], [], []]


def test_the_end_of_an_embargo_is_a_change_between_two_positions_of_one_commit(repo: Repo, site: Client) -> None:
    soon = datetime.now(UTC) + timedelta(milliseconds=400)
    copy = Copy(site)
    commit = repo.commit({"posts/c.md": post("C", publish_at=f'"{soon.isoformat()}"')})
    assert copy.follow().position == commit
    time.sleep(max(0.0, soon.timestamp() - time.time()) + 0.01)
    assert copy.follow().told == [("created", "posts/c@nb")]
    assert copy.position.startswith(f"{commit}@{soon.isoformat()[:19]}")
    assert (copy.follow().told, copy.entries) == ([], everything(site))


def test_pages_stay_of_one_state_while_others_publish(repo: Repo, site: Client) -> None:
    first = site.ask("/changes?since=start&limit=1").json()
    repo.commit({"posts/b.md": None, "people/kari.md": person("Somebody else")}, at=datetime.now(UTC))
    rest = site.ask(first["links"]["next"].replace("limit=1", "limit=10")).json()
    assert [change["id"] for change in rest["data"]] == ["posts/a@nb", "posts/b@nb"]
    assert rest["meta"]["position"] == first["meta"]["commit"]


def test_a_cursor_is_refused_when_what_it_leads_to_was_replaced_long_ago(repo: Repo, serve: Serve) -> None:
    withdrawn = repo.commit({**MODEL, "posts/a.md": post("Secret"), "posts/b.md": post()})
    repo.commit({"posts/a.md": None}, at=datetime.now(UTC) - 2 * timeline.CURSOR_SECONDS * timedelta(seconds=1))
    answer = serve().ask(f"/changes?since=start&cursor=0.{withdrawn}")
    assert (answer.status_code, answer.json()["code"]) == (410, "full-sync-needed")
    assert "Secret" not in answer.text


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_commit_that_was_never_published_is_answered_like_one_that_does_not_exist(repo: Repo, site: Client) -> None:
    draft = repo.commit({"posts/secret.md": post()}, branch="drafts/x", parents=[Copy(site).follow().position])
    answers = [site.ask(f"/changes?since={commit}") for commit in (draft, UNKNOWN)]
    assert answers[0].status_code == 410
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["code"] == "full-sync-needed"


def test_so_is_one_that_was_rewritten_away(repo: Repo, site: Client) -> None:
    old = Copy(site).follow().position
    repo.commit({**MODEL, "posts/z.md": post()}, branch="new")
    repo.git("update-ref", "refs/heads/main", "refs/heads/new")
    assert site.ask(f"/changes?since={old}").json()["code"] == "full-sync-needed"


def test_an_embargo_that_never_ended_in_public_cannot_be_looked_behind(repo: Repo, serve: Serve) -> None:
    past = datetime.now(UTC) - 2 * DAY
    held = post("Scandal", publish_at=f'"{(past + DAY).isoformat()}"')
    first = repo.commit({**MODEL, "posts/scandal.md": held, "posts/a.md": post()}, at=past)
    repo.commit({"posts/scandal.md": None}, at=past + timedelta(hours=1))
    later = (past + DAY + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    answer = serve().ask(f"/changes?since={first}@{later}")
    assert (answer.status_code, "scandal" in answer.text) == (410, False)


def test_a_moment_in_the_future_is_no_position(repo: Repo, site: Client) -> None:
    answer = site.problem(f"/changes?since={Copy(site).follow().position}@2999-01-01T00:00:00Z")
    assert answer["detail"] == "since: this position lies in the future"


def test_hidden_entries_leave_no_trace_in_changes_or_positions(repo: Repo, site: Client) -> None:
    copy = Copy(site).follow()
    commit = repo.commit(
        {
            "posts/x.md": post("X", draft="true", publish_at="2024-01-02", expire_at="2024-01-03"),
            "posts/y.md": post("Y", publish_at="2999-01-01", author="kari"),
            "people/gone.md": person("G", publish_at="2024-02-02", expire_at="2024-02-01"),
        }
    )
    assert (copy.follow().told, copy.position) == ([], commit)


def test_earlier_states_are_told_to_nobody_unless_the_site_shows_its_past(repo: Repo, site: Client) -> None:
    old = Copy(site).follow().position
    new = repo.commit({"posts/a.md": None})
    refused = [site.ask(f"/changes?since={new}&until={until}") for until in (old, UNKNOWN)]
    assert [answer.status_code for answer in refused] == [403, 403]
    assert refused[0].json() == refused[1].json()
    assert site.meta(f"/changes?since={old}&until={new}")["position"] == new


def test_where_the_past_is_public_a_delta_goes_back(repo: Repo, serve: Serve) -> None:
    old = repo.commit({**PAST, "posts/a.md": post("A"), "posts/b.md": post("B")})
    before = everything(site := serve())
    copy = Copy(site)
    repo.commit({"posts/a.md": None, "posts/b.md": post("B2"), "people/kari.md": person("Kari")})
    copy.query = f"&until={old}"
    copy.entries, copy.position = everything(site), site.meta("/entries/posts")["commit"]
    assert copy.follow().entries == before
    assert copy.position == old


def test_what_was_withdrawn_for_good_is_not_even_named_as_gone(repo: Repo, serve: Serve) -> None:
    never = {"cms.toml": MODEL["cms.toml"] + '[history]\nnever = ["posts/secret-*.md"]\n'}
    old = repo.commit({**MODEL, **never, "posts/secret-kari.md": post("S", body="x"), "posts/b.md": post("B")})
    site = serve()
    assert site.data(f"/changes?since={old}") == []
    repo.commit({"posts/secret-kari.md": None, "posts/b.md": post("B2")})
    answer = site.ask(f"/changes?since={old}")
    assert (answer.status_code, "secret" in answer.text) == (410, False)
    assert len(site.data("/changes?since=start")) == 1


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("", "since is missing: say which position you know"),
        ("since=", "since is missing"),
        ("since=main", "since: 'main' is no position; send what an earlier answer gave"),
        ("since=abc123", "since: 'abc123' is no position"),
        (f"since={UNKNOWN}@yesterday", "behind @ stands a time such as"),
        ("since=start&until=HEAD", "until: 'HEAD' is no position"),
        ("since=start&cursor=1", "cursor: this is none; follow links.next"),
        (f"since=start&cursor=²3.{UNKNOWN}", "cursor: this is none"),
        (f"since=start&until={UNKNOWN}&cursor=1.{UNKNOWN}", "leave until out"),
        ("since=start&limit=0", "limit: '0' is not a whole number from 1 to 1000"),
        ("since=start&collection=post", "there is no collection 'post'"),
        ("since=start&ref=main", "the parameter 'ref' is not known"),
        ("since=start&collection=people&fields=nmae", "did you mean 'name'?"),
        ("since=start&since=start", "'since' is given 2 times"),
    ],
)
def test_a_request_that_cannot_be_meant_is_told_what_to_do(blog: Client, query: str, said: str) -> None:
    assert said in blog.problem(f"/changes?{query}")["detail"]


# -- who may see more --------------------------------------------------------------------------------------------------


def test_who_may_read_drafts_counts_from_and_to_any_commit(still: Newsdesk) -> None:
    head = still.get("/drafts/x")["head"]
    answers = {by: still.ask("GET", f"/changes?since=start&until={head}", by) for by in ("eva", "rune", "")}
    assert [answer.status_code for answer in answers.values()] == [200, 410, 403]
    assert "New x" in answers["eva"].text
    assert answers["eva"].headers["cache-control"] == "no-store"
    back = still.ask("GET", f"/changes?since={head}", "ola").json()
    assert [(change["change"], change["id"]) for change in back["data"]] == [
        ("updated", "posts/a@nb"),
        ("affected", "posts/b@nb"),
    ]


def test_and_nobody_else_is_served_what_was_made_for_them(still: Newsdesk) -> None:
    head = still.get("/drafts/x")["head"]
    path = f"/changes?since={head}"
    assert [still.ask("GET", path, by).status_code for by in ("eva", "", "rune", "eva")] == [200, 410, 410, 200]


def test_what_people_publish_is_told_from_the_moment_of_its_publication(desk: Newsdesk) -> None:
    before = desk.ask("GET", "/changes?since=start").json()["meta"]["position"]
    head = desk.begin(title="New")
    desk.say("approve")
    desk.do("POST", "/drafts/x/publication", "eva", {"head": desk.get("/drafts/x")["head"]})
    found = desk.ask("GET", f"/changes?since={before}").json()
    assert [(change["change"], change["id"]) for change in found["data"]] == [
        ("updated", "posts/a@nb"),
        ("affected", "posts/b@nb"),
    ]
    assert desk.ask("GET", f"/changes?since={found['meta']['position']}").json()["data"] == []
    # Neither from a commit that only a draft was at, nor from what was published as it was before it was published.
    early = f"{found['meta']['commit']}@2020-01-01T12:00:00Z"
    assert [desk.ask("GET", f"/changes?since={position}").status_code for position in (head, early)] == [410, 410]


def test_answers_to_everybody_can_be_kept_and_asked_for_again(blog: Client) -> None:
    answer = blog.ask("/changes?since=start&limit=3")
    again = blog.ask("/changes?since=start&limit=3", If_None_Match=answer.headers["etag"])
    assert (answer.headers["cache-control"], again.status_code) == ("public, max-age=600, must-revalidate", 304)
    assert json.loads(answer.content)["links"]["next"] in answer.headers["link"]
