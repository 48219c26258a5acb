"""What is answered to requests over HTTP, also to those that stock Git does not make."""

import gzip
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from threading import Event

import pytest

from cms.errors import Conflict
from cms.githttp import conversation, relay
from cms.githttp.program import RECEIVE_PACK
from cms.githttp.slots import Slots
from cms.store import Store
from cms.workflow.push import Answer, Push
from tests.githttp.server import PATIENCE_SECONDS, House, Judge, Server, basic, git, refs
from tests.githttp.test_transport import DRAFT, commit
from tests.repo import Repo

UPLOAD, RECEIVE = "/git/site.git/git-upload-pack", "/git/site.git/git-receive-pack"
INFO = "/git/site.git/info/refs?service=git-upload-pack"


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all those tests that change nothing."""
    repo = Repo.create(tmp_path_factory.mktemp("lasting") / "site.git")
    repo.commit({"content/posts/a.md": "A"})
    running = Server(House(Store.open(repo.path)), Judge())
    yield running
    running.stop()


def ask(
    server: Server, path: str, body: bytes | None = None, *, person: str | None = "kari", **headers: str
) -> tuple[HTTPResponse, bytes]:
    """A request as *person*, and all of its answer."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE_SECONDS)
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if person is not None:
        sent["Authorization"] = basic(person, person)
    if body is not None:
        service = path.rpartition("/")[2]
        sent.setdefault("Content-Type", f"application/x-{service}-request")
    connection.request("GET" if body is None else "POST", path, body, sent)
    response = connection.getresponse()
    read = response.read()
    connection.close()
    return response, read


def lines(*texts: bytes) -> bytes:
    """*texts* as lines of Git's protocol."""
    return b"".join(b"%04x" % (len(text) + 4) + text for text in texts)


@pytest.mark.parametrize(
    "path",
    [
        *("/git/site.git/HEAD", "/git/site.git/info/refs", "/git/site.git/objects/info/packs", "/git/site.git/config"),
        *("/git/site.git/info/refs?service=git-upload-archive", "/git/site.git/info/refs?service=git-upload-pack&x=1"),
        *("/git/site.git/info/refs%0A?service=git-upload-pack", "/git/other.git/info/refs?service=git-upload-pack"),
        *("/git/site/info/refs?service=git-upload-pack", "/git/../site.git/info/refs?service=git-upload-pack"),
        *("/git/site.git/git-upload-archive", "/git/site-public.git/info/refs?service=git-upload-pack", "/git/"),
        "/git//site.git/info/refs?service=git-upload-pack",
    ],
)
def test_nothing_but_the_smart_protocol_of_the_repository_exists(lasting: Server, path: str) -> None:
    assert ask(lasting, path)[0].status == 404
    assert ask(lasting, path, person=None)[0].status == 404


def test_objects_cannot_be_had_by_their_names(server: Server, repo: Repo) -> None:
    for file in repo.path.glob("objects/??/*"):
        assert ask(server, f"/git/site.git/{file.relative_to(repo.path)}")[0].status == 404


@pytest.mark.parametrize("person", [None, "kari "])
def test_who_is_not_known_is_asked_for_a_name(lasting: Server, person: str | None) -> None:
    response, body = ask(lasting, INFO, person=person)
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == 'Basic realm="The news of ", charset="UTF-8"'
    assert b"refs/heads/main" not in body


def test_a_wrong_password_is_refused_by_git(server: Server, tmp_path: Path) -> None:
    done = git(tmp_path, "clone", server.address(secret="wrong"), "clone")
    assert done.code == 128
    assert "Authentication failed" in done.output


def test_who_has_no_role_is_told_what_is_missing(server: Server, tmp_path: Path) -> None:
    done = git(tmp_path, "clone", server.address("guest"), "clone")
    assert done.code == 128
    assert any("cloning this repository" in line for line in done.remarks)


def test_whoever_is_revoked_between_two_requests_of_one_push_is_refused(
    clone: Path, house: House, repo: Repo, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    sign_in = house.sign_in

    def forget(*arguments: object) -> object:
        by = sign_in(*arguments)  # type: ignore[arg-type]
        if by is not None:
            house.revoked.add("kari")
        return by

    monkeypatch.setattr(house, "sign_in", forget)
    commit(clone)
    assert git(clone, "push", "origin", f"HEAD:{DRAFT}").code != 0
    assert DRAFT not in refs(repo)
    assert judge.asked == []


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        (UPLOAD, b"0000", {"Content-Type": "text/plain"}, 415),
        (UPLOAD, b"0000", {"Content-Encoding": "br"}, 415),
        (UPLOAD, b"no gzip", {"Content-Encoding": "gzip"}, 400),
        (UPLOAD, gzip.compress(b"0000", mtime=0)[:-4], {"Content-Encoding": "gzip"}, 400),
        (UPLOAD, gzip.compress(b"0000", mtime=0) + b"more", {"Content-Encoding": "gzip"}, 400),
        (UPLOAD, gzip.compress(bytes(64 * 1024 * 1024), 9, mtime=0), {"Content-Encoding": "gzip"}, 413),
        (RECEIVE, b"this is no push", {}, 400),
        (RECEIVE, b"0001", {}, 400),
        (RECEIVE, lines(b"0" * 40 + b" " + b"1" * 40 + b" refs/heads/a\nb\0report-status"), {}, 400),
        (RECEIVE, lines(*[b"0" * 40 + b" " + b"1" * 40 + b" refs/heads/a"] * 1001) + b"0000", {}, 400),
        (RECEIVE, lines(b"push-cert\0 report-status"), {}, 400),
        (RECEIVE, lines(b"0" * 40 + b" " + b"1" * 40 + b" refs/heads/a")[:-3], {}, 400),
    ],
)
def test_what_is_no_request_of_gits_is_refused(
    lasting: Server, path: str, body: bytes, headers: dict[str, str], status: int
) -> None:
    response, told = ask(lasting, path, body, **headers)
    assert (response.status, response.headers["Content-Type"]) == (status, "text/plain; charset=utf-8")
    assert told.endswith(b"\n")


def test_a_request_with_the_wrong_method_names_the_right_one(lasting: Server) -> None:
    response, _ = ask(lasting, UPLOAD)
    assert (response.status, response.headers["Allow"]) == (405, "POST")


def test_the_question_whether_a_large_push_may_come_is_answered(server: Server, judge: Judge) -> None:
    assert ask(server, RECEIVE, b"0000")[0].status == 200
    assert judge.asked == []


def test_answers_are_kept_by_nobody(lasting: Server) -> None:
    response, body = ask(lasting, INFO)
    assert body.startswith(b"001e# service=git-upload-pack\n0000")
    assert "no-cache" in response.headers["Cache-Control"]
    assert response.headers["Content-Type"] == "application/x-git-upload-pack-advertisement"


def test_the_version_of_the_protocol_is_all_that_is_handed_on(lasting: Server) -> None:
    assert b"version 2" in ask(lasting, INFO, Git_Protocol="x=1:version=2")[1]
    assert b"version 2" not in ask(lasting, INFO, Git_Protocol="version=22:hooks=/tmp")[1]


def test_with_all_slots_taken_the_next_ones_wait_and_the_rest_is_told_to_come_later(
    clone: Path, server: Server, judge: Judge
) -> None:
    server.relay._slots[RECEIVE_PACK] = Slots(at_once=1, waiting_most=0)
    commit(clone)
    done = git(clone, "push", "origin", f"HEAD:{DRAFT}")
    assert done.remarks == ["too many clones and pushes are under way; try again in 10 seconds"]
    response, _ = ask(server, RECEIVE, b"0000")
    assert (response.status, response.headers["Retry-After"]) == (503, "10")
    assert ask(server, INFO)[0].status == 200


@pytest.fixture
def judging(judge: Judge) -> Iterator[tuple[Event, Event]]:
    """(set when a push is being judged, to be set when that shall end)"""
    begun, may_end = Event(), Event()

    def answer(_: Push) -> Answer:
        begun.set()
        may_end.wait(PATIENCE_SECONDS)
        return Answer(accepted=True)

    judge.answer = answer
    yield begun, may_end
    may_end.set()


def test_other_requests_are_answered_while_a_push_is_judged(
    clone: Path, server: Server, judging: tuple[Event, Event]
) -> None:
    begun, may_end = judging
    commit(clone)
    with subprocess.Popen(["git", "push", "-q", "origin", f"HEAD:{DRAFT}"], cwd=clone) as push:
        assert begun.wait(PATIENCE_SECONDS)
        assert ask(server, INFO)[0].status == 200
        may_end.set()
        assert push.wait(PATIENCE_SECONDS) == 0


def test_a_client_that_leaves_while_its_push_is_judged_changes_nothing(
    clone: Path, server: Server, repo: Repo, judging: tuple[Event, Event]
) -> None:
    begun, may_end = judging
    before = refs(repo)
    commit(clone)
    with subprocess.Popen(["git", "push", "-q", "origin", f"HEAD:{DRAFT}"], cwd=clone, start_new_session=True) as push:
        assert begun.wait(PATIENCE_SECONDS)
        os.killpg(push.pid, 9)
    wait_until(lambda: not children(repo) and not quarantines(repo))
    may_end.set()
    assert refs(repo) == before
    assert ask(server, RECEIVE, b"0000")[0].status == 200


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_client_that_leaves_in_the_middle_of_its_pack_changes_nothing(
    clone: Path, server: Server, repo: Repo, judge: Judge, share: float
) -> None:
    new, before = commit(clone, "big.bin", os.urandom(300_000)), refs(repo)
    pack = subprocess.run(
        ["git", "pack-objects", "--revs", "--stdout", "-q"], input=b"HEAD\n", cwd=clone, capture_output=True, check=True
    ).stdout
    body = lines(b"0" * 40 + f" {new} {DRAFT}".encode() + b"\0report-status side-band-64k") + b"0000" + pack
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head(RECEIVE, len(body)) + body[: int(len(body) * share)])
        wait_until(lambda: bool(children(repo)))
    wait_until(lambda: not children(repo) and not quarantines(repo))
    assert refs(repo) == before
    assert judge.asked == []


def test_a_client_that_stands_still_loses_its_slot(server: Server, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversation, "STILL_SECONDS_MOST", 0.3)
    monkeypatch.setattr(relay, "DROPPED_SECONDS_MOST", 0.1)
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(head(RECEIVE, 1000) + b"00")
        assert connection.recv(65536).startswith(b"HTTP/1.1 408 ")
    assert not children(repo)


def test_a_client_that_takes_nothing_loses_its_slot(
    repo: Repo, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conversation, "STILL_SECONDS_MOST", 0.5)
    head_of = repo.commit({"big.bin": os.urandom(30_000_000)})
    body = (
        lines(b"command=fetch", b"object-format=sha1")
        + b"0001"
        + lines(f"want {head_of}\n".encode(), b"done\n")
        + b"0000"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head(UPLOAD, len(body), "Git-Protocol: version=2\r\n") + body)
        wait_until(lambda: bool(children(repo)))
        wait_until(lambda: not children(repo))


def head(path: str, length: int, more: str = "") -> bytes:
    service = path.rpartition("/")[2]
    return (
        f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: {basic('kari', 'kari')}\r\n{more}"
        f"Content-Type: application/x-{service}-request\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def children(repo: Repo) -> list[str]:
    """The programs that work on *repo*."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes().split(b"\0")
            is_alive = "\nState:\tZ" not in (process / "status").read_text()
        except OSError:
            continue
        if is_alive and str(repo.path).encode() in command:
            found.append(b" ".join(command).decode())
    return found


def quarantines(repo: Repo) -> list[Path]:
    return list(repo.path.glob("objects/*incoming*"))


def wait_until(is_so: "object") -> None:
    assert callable(is_so)
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def test_a_person_that_pushes_much_leaves_slots_to_others(repo: Repo, clone: Path, server: Server) -> None:
    server.relay._slots[RECEIVE_PACK] = Slots(at_once=2, each_most=1, wait_seconds=0.2)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head(RECEIVE, 1000) + b"00")
        wait_until(lambda: bool(children(repo)))
        assert ask(server, RECEIVE, b"0000")[0].status == 503
        assert ask(server, RECEIVE, b"0000", person="ola")[0].status == 200


def test_a_repository_that_git_cannot_read_is_told_without_saying_where_it_is(server: Server, repo: Repo) -> None:
    (repo.path / "HEAD").rename(repo.path / "HEAD.away")
    response, body = ask(server, INFO)
    assert response.status == 500
    assert str(repo.path) not in body.decode()


def test_what_killed_pushes_received_is_cleared_away_by_the_next_one(clone: Path, server: Server, repo: Repo) -> None:
    old, young = (repo.path / "objects" / f"tmp_objdir-incoming-{name}" for name in ("old", "young"))
    for folder in (old, young):
        (folder / "aa").mkdir(parents=True)
    os.utime(old, (1, 1))
    commit(clone)
    assert git(clone, "push", "origin", f"HEAD:{DRAFT}").code == 0
    assert not old.exists()
    assert young.exists()


def test_who_may_not_clone_gets_nothing_by_its_id_either(server: Server, repo: Repo) -> None:
    wanted = refs(repo)["refs/heads/main"]
    body = (
        lines(b"command=fetch", b"object-format=sha1")
        + b"0001"
        + lines(f"want {wanted}\n".encode(), b"done\n")
        + b"0000"
    )
    for person in (None, "guest"):
        response, told = ask(server, UPLOAD, body, person=person, Git_Protocol="version=2")
        assert response.status == (401 if person is None else 403)
        assert b"PACK" not in told


def test_folders_of_killed_servers_are_cleared_away_and_those_of_living_ones_stay(server: Server, repo: Repo) -> None:
    folder = server.relay._folder.path
    dead = folder.with_name("branchpress-git-dead")
    dead.mkdir()
    (dead / "lock").touch()
    other = Server(House(Store.open(repo.path)), Judge())
    assert not dead.exists()
    assert folder.exists()
    other.stop()
    assert not other.relay._folder.path.exists()


def test_a_push_that_the_disk_refuses_to_keep_is_not_acknowledged(
    clone: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, since: float) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(relay, "sync_push", refuse)
    commit(clone)
    done = git(clone, "push", "origin", f"HEAD:{DRAFT}")
    assert done.code != 0
    assert "HTTP 507" in done.output


def test_an_answer_that_cannot_be_begun_refuses_the_push_and_is_ended(clone: Path, repo: Repo, judge: Judge) -> None:
    ended: list[bool] = []

    def begin() -> None:
        raise Conflict("the log is full")

    judge.answer = lambda _: Answer(accepted=True, begin=begin, end=lambda: ended.append(True))
    commit(clone)
    done = git(clone, "push", "origin", f"HEAD:{DRAFT}")
    assert done.remarks == ["error: the log is full"]
    assert DRAFT not in refs(repo)
    wait_until(lambda: ended == [True])


def test_what_an_answer_began_is_ended_once_when_the_refs_have_moved(clone: Path, repo: Repo, judge: Judge) -> None:
    seen: list[bool] = []
    judge.answer = lambda _: Answer(
        accepted=True,
        begin=lambda: seen.append(DRAFT in refs(repo)),
        end=lambda: seen.append(DRAFT in refs(repo)),
    )
    commit(clone)
    assert git(clone, "push", "origin", f"HEAD:{DRAFT}").code == 0
    assert seen == [False, True]


def test_a_secret_is_good_for_one_push_that_is_under_way(clone: Path, server: Server, judge: Judge) -> None:
    told: list[bytes] = []

    def answer(_: Push) -> Answer:
        with socket.socket(socket.AF_UNIX) as desk:
            desk.connect(str(server.relay._folder.path / "ask"))
            desk.sendall(b'{"secret": "guessed", "commands": [], "quarantine": "", "options": []}')
            desk.shutdown(socket.SHUT_WR)
            told.append(desk.recv(100))
        return Answer(accepted=False)

    judge.answer = answer
    commit(clone)
    git(clone, "push", "origin", f"HEAD:{DRAFT}")
    assert told == [b""]
