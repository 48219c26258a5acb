"""``cms serve`` of a site that is edited: what it prints for those who write, the one-time link, and the schedule, as a process."""

import re
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from cms.auth import Accounts
from cms.workflow.verdicts import approve, schedule
from cms.workflow.writing import start_draft, write_entry
from tests.editing.tools import FILES, Newsroom, post
from tests.githttp.server import git, refs
from tests.githttp.test_http import wait_until
from tests.repo import Repo
from tests.test_serve import Server

PASSWORD = "a few words in a row"
FORM = {"person": "mia", "password": PASSWORD, "again": PASSWORD}
SAME_ORIGIN = {"Sec-Fetch-Site": "same-origin"}
MAIN = "refs/heads/main"
Serve = Callable[..., Server]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts servers with a state folder of their own, and ends them after the test."""
    monkeypatch.setenv("CMS_STATE", str(tmp_path / "state"))
    started: list[Server] = []

    def start(path: Path, *options: str) -> Server:
        started.append(Server(str(path), *options))
        return started[-1]

    yield start
    for server in started:
        server.stop(signal.SIGKILL)
        server.process.communicate()


def read_on(server: Server, pattern: str) -> str:
    """What the server prints that fits *pattern*, which may come after it says where it listens."""
    assert server.process.stdout is not None
    for line in server.process.stdout:
        server.printed += line
        if found := re.search(pattern, line):
            return found[1]
    raise AssertionError(f"it never printed that: {server.printed}")


def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}"


# -- the first start ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_first_start_prints_a_link_that_makes_one_account_once(repo: Repo, serve: Serve, workers: str) -> None:
    repo.commit(FILES)
    server = serve(repo.path, "--workers", workers)
    assert read_on(server, r"^  git clone (\S+)$") == f"{address(server)}/git/site.git"
    link = read_on(server, r"^  (\S+/setup/\S+)$")
    assert link.startswith(f"{address(server)}/setup/")
    with httpx2.Client() as client:
        form = client.get(link)
        assert (form.status_code, '<option value="mia"' in form.text) == (200, True)
        assert client.post(link, data={**FORM, "again": "something else"}, headers=SAME_ORIGIN).status_code == 422
        assert "Mia Vik can sign in as mia" in client.post(link, data=FORM, headers=SAME_ORIGIN).text
        for _ in range(4):  # whichever worker answers
            assert client.get(link).status_code == 404
            assert client.post(link, data=FORM, headers=SAME_ORIGIN).status_code == 404
            assert client.get(f"{address(server)}/api/v1/me", auth=("mia", PASSWORD)).json()["data"]["person"] == "mia"
        assert client.get(f"{address(server)}/api/v1/me", auth=("mia", "another password")).status_code == 401


def test_the_printed_address_can_be_cloned_with_the_password_of_the_link(
    repo: Repo, serve: Serve, tmp_path: Path
) -> None:
    repo.commit(FILES)
    server = serve(repo.path)
    printed = read_on(server, r"^  git clone (\S+)$")
    link = read_on(server, r"^  (\S+/setup/\S+)$")
    httpx2.post(link, data=FORM, headers=SAME_ORIGIN)
    words = PASSWORD.replace(" ", "%20")
    done = git(tmp_path, "clone", "-q", printed.replace("://", f"://mia:{words}@"), "clone")
    assert done.code == 0, done.output
    assert (tmp_path / "clone/cms.toml").exists()


def test_a_site_with_accounts_gets_no_link_and_one_without_people_not_even_an_address(
    repo: Repo, serve: Serve, tmp_path: Path
) -> None:
    repo.commit(FILES)
    accounts = Accounts.open(tmp_path / "state")
    accounts.add_user("mia", password=PASSWORD, now=datetime.now(UTC))
    accounts.close()
    server = serve(repo.path)
    server.get("/healthz")
    server.stop()
    assert server.process.stdout is not None
    rest = server.process.stdout.read()
    assert "git clone" in rest
    assert "/setup/" not in rest
    other = Repo.create(tmp_path / "other.git")
    other.commit({"cms.toml": "[site]\ntitle = 'Read only'\n"})
    server = serve(other.path)
    server.stop()
    assert server.process.stdout is not None
    assert "git clone" not in server.process.stdout.read()


def test_a_new_start_makes_a_new_link_and_ends_the_old_one(repo: Repo, serve: Serve) -> None:
    repo.commit(FILES)
    first = serve(repo.path)
    old = read_on(first, r"/setup/(\S+)$")
    first.stop()
    second = serve(repo.path)
    new = read_on(second, r"/setup/(\S+)$")
    assert httpx2.get(f"{address(second)}/setup/{old}").status_code == 404
    assert httpx2.get(f"{address(second)}/setup/{new}").status_code == 200


# -- the schedule ------------------------------------------------------------------------------------------------------


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """A newsroom whose own process publishes nothing at a time."""
    made = Newsroom(tmp_path, now=datetime.now(UTC))
    made.office.scheduler.stop()
    yield made
    made.site.close()


def set_time(room: Newsroom, name: str, slug: str, due: datetime, *, now: datetime) -> None:
    """A draft that is approved, and goes public at *due*."""
    start_draft(room.flow, room.who("ola"), name, now=now)
    write_entry(room.flow, room.who("ola"), name, post(slug), {"title": name}, now=now)
    approve(room.flow, room.who("eva"), name, expected=None, now=now)
    schedule(room.flow, room.who("pia"), name, due, now=now)


def publications(room: Newsroom) -> list[tuple[str, str, datetime]]:
    """(who, how, when) of every publication, by the log."""
    return [(entry.person, entry.via, entry.at) for entry in room.office.log.entries() if entry.act == "publish"]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_draft_goes_public_by_itself_when_its_time_has_come_once_and_not_before(
    room: Newsroom, serve: Serve, workers: str
) -> None:
    now = datetime.now(UTC)
    due = now + timedelta(seconds=3)
    set_time(room, "easter", "easter", due, now=now)
    server = serve(room.repo.path, "--workers", workers)
    wait_until(lambda: list(refs(room.repo)) == ["refs/cms/log", MAIN])
    wait_until(lambda: server.get("/api/v1/entries/posts/easter")[0] == 200)
    server.stop()
    assert [(person, via) for person, via, _ in publications(room)] == [("pia", "schedule")]
    assert publications(room)[0][2] >= due.replace(microsecond=0)


def test_what_became_due_while_no_server_ran_goes_public_at_the_next_start_in_its_order(
    room: Newsroom, serve: Serve
) -> None:
    past = datetime.now(UTC) - timedelta(hours=5)
    set_time(room, "late", "a", past + timedelta(hours=2), now=past)
    set_time(room, "early", "b", past + timedelta(hours=1), now=past)
    assert refs(room.repo)[MAIN] == room.first
    serve(room.repo.path)
    wait_until(lambda: list(refs(room.repo)) == ["refs/cms/log", MAIN])
    subjects = room.repo.git("log", "--first-parent", "--format=%s", f"{room.first}..main").splitlines()
    assert [subject.partition(":")[0] for subject in subjects] == ["Publish late", "Publish early"]
    assert len(publications(room)) == 2
