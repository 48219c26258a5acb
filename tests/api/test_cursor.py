"""Lists by cursor: every entry of one state exactly once, whatever is published meanwhile, and nothing for who was not there."""

import base64
import os
import random
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from cms.cursor import Cursor, Cursors, State
from cms.errors import InvalidQuery
from cms.refs import CommitId
from cms.views import PINNED_SECONDS
from tests.api.newsdesk import Newsdesk
from tests.api.tools import MODEL, Client, person, post
from tests.repo import Repo

WALKS = int(os.environ.get("CMS_WALKS", "3"))
SORTS = ("slug", "-date,title", "-updated_at", "author.name,-stars", "-referenced_by.count")
Files = dict[str, str | bytes | None]


class Site:
    """A site that publishes while it is read, and its clock."""

    def __init__(self, repo: Repo, files: Files) -> None:
        self.repo = repo
        repo.commit({**MODEL, **files})
        self.now = datetime.now(UTC).timestamp()
        self.client = Client(repo.path, lambda: self.now)

    def ask(self, path: str) -> Any:
        answer = self.client.ask(path)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def walk(self, path: str, between: Callable[[], object] = lambda: None) -> list[Any]:
        """All pages from *path* on."""
        pages: list[Any] = []
        following: str | None = path
        while following is not None:
            pages.append(self.ask(following))
            following = pages[-1]["links"].get("next")
            between()
        return pages


@pytest.fixture
def site(repo: Repo) -> Iterator[Site]:
    """Twelve posts and two people."""
    chance = random.Random(1)
    posts = {f"posts/p{number:02}.md": write_post(chance) for number in range(12)}
    opened = Site(repo, {**posts, "people/a.md": person("Ada"), "people/b.md": person("Bo")})
    yield opened
    opened.client.site.close()


def write_post(chance: random.Random) -> str:
    return post(
        chance.choice(["One", "Two"]),
        date=f"20{chance.randint(10, 20)}-01-01",
        author=chance.choice("ab"),
        stars=str(chance.randint(0, 5)),
        related=f"[p{chance.randint(0, 11):02}]",
    )


def publish(site: Site, chance: random.Random) -> None:
    """Anything that moves, adds or removes entries."""
    name = f"posts/p{chance.randint(0, 15):02}.md"
    files: Files = {name: None if chance.random() < 0.3 else write_post(chance)}
    if chance.random() < 0.2:
        files["people/a.md"] = person(chance.choice(["Ada", "Zoe"]))
    site.repo.commit(files)


def shown(pages: list[Any]) -> list[Any]:
    return [entry for page in pages for entry in page["data"]]


@pytest.mark.parametrize("seed", range(WALKS))
def test_a_walk_tells_every_entry_of_its_state_once_while_others_publish(site: Site, seed: int) -> None:
    chance = random.Random(seed)
    for number, sort in enumerate(SORTS):
        query = f"sort={sort}&limit={number % 4 + 1}&include=author"
        before = site.ask(f"/entries/posts?sort={sort}&limit=100&include=author")
        pages = site.walk(f"/entries/posts?{query}&cursor=*", lambda: publish(site, chance))
        assert shown(pages) == before["data"]
        assert {(page["meta"]["commit"], page["meta"]["total"]) for page in pages} == {
            (before["meta"]["commit"], before["meta"]["total"])
        }


def test_pages_lead_back_and_to_the_first_and_are_of_any_size(site: Site) -> None:
    pages = site.walk("/entries/posts?sort=slug&limit=5&cursor=*", lambda: publish(site, random.Random(3)))
    assert [len(page["data"]) for page in pages] == [5, 5, 2]
    assert "prev" not in pages[0]["links"]
    assert site.ask(pages[2]["links"]["prev"])["data"] == pages[1]["data"]
    assert site.ask(pages[2]["links"]["first"])["data"] == pages[0]["data"]
    larger = site.ask(f"/entries/posts?sort=slug&limit=7&cursor={pages[0]['meta']['cursor']}")
    assert larger["data"] == shown(pages)[5:]
    assert "cursor" not in larger["meta"]


def test_how_entries_look_may_change_on_the_way_and_what_is_listed_may_not(site: Site) -> None:
    cursor = site.ask("/entries/posts?filter[author]=a&sort=slug&limit=1&cursor=")["meta"]["cursor"]
    page = site.ask(f"/entries/posts?sort=slug&fields=slug&filters[author]=a&facet=author&cursor={cursor}")
    assert set(page["data"][0]) == {"slug"}
    for other in ("sort=slug", "filter[author]=b&sort=slug", "filter[author]=a&sort=title", "filter[author]=a&sort=slug&distinct=stars"):  # fmt: skip
        problem = site.client.problem(f"/entries/posts?{other}&cursor={cursor}")
        assert problem["parameter"] == "cursor"
    assert site.client.problem(f"/entries/people?filter[author]=a&cursor={cursor}")["parameter"] == "cursor"


def test_a_moment_that_passes_moves_nothing(repo: Repo) -> None:
    start = datetime.now(UTC).timestamp()
    soon = datetime.fromtimestamp(start + 60, UTC).isoformat()
    people: Files = {f"people/p{number}.md": person(f"P{number}") for number in range(4)}
    site = Site(
        repo, {**people, "people/p1.md": person("P1", expire_at=soon), "people/a.md": person("A", publish_at=soon)}
    )
    site.now = start
    first = site.ask("/entries/people?sort=slug&limit=1&fields=slug&cursor=*")
    site.now = start + 120
    assert site.client.slugs("sort=slug", "people") == ["a", "p0", "p2", "p3"]
    assert [entry["slug"] for entry in shown(site.walk(first["links"]["next"]))] == ["p1", "p2", "p3"]
    site.client.site.close()


def test_a_walk_ends_when_it_takes_too_long_and_something_was_published(site: Site) -> None:
    following = site.ask("/entries/posts?limit=2&cursor=*")["links"]["next"]
    site.now += PINNED_SECONDS + 1
    assert site.client.ask(following).status_code == 200
    publish(site, random.Random(5))
    answer = site.client.ask(following)
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")


def test_what_is_withdrawn_for_good_is_left_out_and_nothing_else_moves(site: Site) -> None:
    before = [entry["slug"] for entry in site.ask("/entries/posts?sort=slug&limit=100")["data"]]
    pages = [site.ask("/entries/posts?sort=slug&limit=3&include=related&cursor=*")]
    never = f'{MODEL["cms.toml"]}[history]\nnever = ["posts/p01.md", "posts/p05.md"]\n'
    site.repo.commit({"cms.toml": never, "posts/p05.md": None})
    pages += site.walk(pages[0]["links"]["next"], lambda: publish(site, random.Random(4)))
    assert [entry["slug"] for entry in shown(pages)] == [slug for slug in before if slug != "p05"]
    assert "p05" not in str(pages[1:])
    assert {page["meta"]["total"] for page in pages[1:]} == {10}


def test_a_rewritten_history_is_not_walked_through(site: Site) -> None:
    following = site.ask("/entries/posts?limit=2&cursor=*")["links"]["next"]
    site.repo.commit({**MODEL, "posts/new.md": post()}, branch="other", parents=[])
    site.repo.git("update-ref", "refs/heads/main", "refs/heads/other")
    assert site.client.ask(following).status_code == 410


# -- who was not there -------------------------------------------------------------------------------------------------


def forge(site: Site, commit: str, told: int = 1) -> str:
    """A cursor of the whole list, but for the mark: made with another key."""
    real = site.client.site.cursors.read(site.ask("/entries/posts?limit=1&cursor=*")["meta"]["cursor"])
    state = State(commit=CommitId(commit), moment=site.client.site.catalog.valid_from)
    return Cursors(Path("/nowhere")).write(Cursor(digest=real.digest, told=told, state=state))


def test_nobody_can_make_a_cursor_for_what_is_gone_or_was_never_public(site: Site) -> None:
    past = site.client.site.catalog.snapshot.commit.id
    never = site.repo.commit({"posts/secret.md": post()}, branch="drafts/x", parents=[past])
    site.repo.commit({"posts/p00.md": None})
    answers = [
        site.client.ask(f"/entries/posts?limit=1&cursor={forge(site, commit)}") for commit in (past, never, "1" * 40)
    ]
    assert {answer.status_code for answer in answers} == {410}
    assert len({answer.content for answer in answers}) == 1


def test_a_cursor_for_what_everybody_sees_needs_no_mark_and_does_no_harm(site: Site) -> None:
    forged = forge(site, site.client.site.catalog.snapshot.commit.id, told=2**32 - 1)
    page = site.ask(f"/entries/posts?limit=1&cursor={forged}")
    assert page["data"] == []
    assert site.ask(page["links"]["prev"])["data"]


def test_a_cursor_with_any_letter_changed_opens_nothing(site: Site) -> None:
    cursor = site.ask("/entries/posts?limit=1&cursor=*")["meta"]["cursor"]
    publish(site, random.Random(2))
    assert site.client.ask(f"/entries/posts?limit=1&cursor={cursor}").status_code == 200
    for place in range(len(cursor)):
        changed = cursor[:place] + ("A" if cursor[place] != "A" else "B") + cursor[place + 1 :]
        assert site.client.ask(f"/entries/posts?limit=1&cursor={changed}").status_code in (400, 410)


@pytest.mark.parametrize(
    "text",
    ["x", "1", "*x", "%00", "A" * 75, "A" * 20, "é", base64.urlsafe_b64encode(b"\x02" * 40).decode(), "A" * 5000],
)
def test_what_is_no_cursor_is_refused(site: Site, text: str) -> None:
    problem = site.client.problem(f"/entries/posts?cursor={text}")
    assert problem["parameter"] == "cursor"


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("cursor=*&page=2", "page"),
        ("cursor=*&offset=2", "offset"),
        ("cursor=*&skip=2", "offset"),
        ("cursor=*&cursor=*", "cursor"),
        ("cursor=*&search=words", "cursor"),
        ("cursor=*&limit=0", "limit"),
        ("cursor[a]=*", "cursor"),
        ("cursors=*", "cursors"),
        ("cursor[]=*", "cursor"),
        ("%63ursor=*&page=1", "page"),
    ],
)
def test_what_does_not_go_with_a_cursor_is_named(site: Site, query: str, parameter: str | None) -> None:
    assert site.client.problem(f"/entries/posts?{query}").get("parameter") == parameter


def test_a_search_has_no_cursor(site: Site) -> None:
    assert site.client.problem("/search?q=words&cursor=*")["parameter"] == "cursor"


def test_nothing_keeps_a_page_that_leads_on(site: Site) -> None:
    for page in ("/entries/posts?limit=2&cursor=*", site.ask("/entries/posts?limit=2&cursor=*")["links"]["next"]):
        answer = site.client.ask(page)
        assert answer.headers["cache-control"] == "no-store"
        assert "etag" not in answer.headers
        assert answer.headers["link"].count("rel=") == len(answer.json()["links"]) - 1


# -- the key -----------------------------------------------------------------------------------------------------------


def test_all_processes_of_a_site_have_one_key_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    cursor = Cursor(digest=b"d" * 12, told=3, state=State(commit=CommitId("a" * 40), moment=1.5))
    text = Cursors(tmp_path / "cache").write(cursor)
    read = Cursors(tmp_path / "cache").read(text)
    assert (read.is_proven, read.told, read.state) == (True, 3, cursor.state)
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["cursor.key"]
    assert (tmp_path / "cache" / "cursor.key").stat().st_mode & 0o077 == 0


def test_a_damaged_key_is_made_anew_and_no_key_at_all_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "cursor.key").write_bytes(b"short")
    cursor = Cursor(digest=b"d" * 12, told=3, state=State(commit=CommitId("a" * 40), moment=1.5))
    assert Cursors(tmp_path).read(Cursors(tmp_path).write(cursor)).is_proven
    (tmp_path / "file").touch()
    alone = Cursors(tmp_path / "file")
    assert alone.read(alone.write(cursor)).is_proven
    assert not Cursors(tmp_path).read(alone.write(cursor)).is_proven
    with pytest.raises(InvalidQuery):
        alone.read("no cursor")


# -- named views -------------------------------------------------------------------------------------------------------


def test_a_walk_through_a_commit_is_the_same_on_every_server(repo: Repo, tmp_path: Path) -> None:
    files: Files = {f"posts/p{number}.md": post() for number in range(5)}
    files["cms.toml"] = f"{MODEL['cms.toml']}[history]\npublic = true\n"
    commit = repo.commit({**MODEL, **files})
    repo.commit({"posts/p1.md": None})
    shutil.copytree(repo.path, tmp_path / "copy.git")
    answers = []
    for path in (repo.path, tmp_path / "copy.git"):
        client = Client(path)
        first = client.ask(f"/entries/posts?ref={commit}&sort=slug&limit=2&cursor=*")
        second = client.ask(first.json()["links"]["next"])
        third = client.ask(second.json()["links"]["next"])
        assert [entry["slug"] for entry in third.json()["data"]] == ["p4"]
        assert "immutable" in second.headers["cache-control"]
        answers.append((first.content, second.content, third.content, second.headers["etag"]))
        assert client.problem(f"/entries/posts?limit=2&sort=slug&cursor={first.json()['meta']['cursor']}")
        client.site.close()
    assert answers[0] == answers[1]


def test_a_walk_through_a_draft_ends_when_the_draft_changes(desk: Newsdesk) -> None:
    desk.begin()
    first = desk.ask("GET", "/entries/posts?draft=x&limit=1&sort=slug&cursor=*", "eva").json()
    following = first["links"]["next"]
    second = desk.ask("GET", following, "eva").json()
    assert second["data"] != first["data"]
    assert desk.ask("GET", following).status_code == 401
    desk.do("PATCH", "/drafts/x/entries/posts/a", "ola", {"fields": {"title": "Newer"}})
    answer = desk.ask("GET", following, "eva")
    assert (answer.status_code, answer.json()["code"]) == (410, "gone")


def test_a_cursor_of_one_view_opens_no_other(desk: Newsdesk) -> None:
    desk.begin()
    drafted = desk.ask("GET", "/entries/posts?draft=x&limit=1&cursor=*", "eva").json()["meta"]["cursor"]
    public = desk.ask("GET", "/entries/posts?limit=1&cursor=*").json()["meta"]["cursor"]
    assert desk.ask("GET", f"/entries/posts?limit=1&cursor={drafted}").status_code == 400
    assert desk.ask("GET", f"/entries/posts?draft=x&limit=1&cursor={public}", "eva").status_code == 400
    assert desk.ask("GET", f"/entries/posts?ref=main&limit=1&cursor={drafted}", "eva").status_code in (400, 410)
