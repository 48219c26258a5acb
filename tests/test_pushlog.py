"""The push log: written before refs move, read as it grows, and worth nothing where somebody touched it."""

import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import structlog

from cms.errors import Conflict, RepositoryProblem
from cms.pushlog import LogEntry, Move, PushLog
from cms.refs import PUSH_LOG, CommitId, TreeId
from cms.serverkey import ServerKey
from cms.store import Store
from cms.trailers import all_trailers, find_trailer, with_trailers
from cms.writer import Ident, Writer
from tests.newsroom import stop_syncing
from tests.repo import Repo

DRAFT = "refs/heads/drafts/easter"
AT = datetime(2026, 11, 22, 9, 30, tzinfo=UTC)
ONE, TWO, THREE = (CommitId(digit * 40) for digit in "123")
EMPTY_TREE = TreeId("4b825dc642cb6eb9a060e54bf8d69288fbee4904")


@dataclass
class Server:
    """A repository with a server's key and log."""

    repo: Repo
    state: Path

    def __post_init__(self) -> None:
        self.store = Store.open(self.repo.path)
        self.key = ServerKey.load_or_create(self.state)
        self.writer = Writer(self.store, signer=self.key)
        self.log = PushLog(self.store)
        self.minutes = 0

    def append(self, *moves: Move, act: str = "push", person: str = "ola", note: str = "") -> LogEntry:
        self.minutes += 1
        at = AT + timedelta(minutes=self.minutes)
        return self.log.append(self.writer, act=act, person=person, via="git", moves=moves, note=note, at=at)

    def rotate(self) -> LogEntry:
        return self.log.rotate(self.writer, person="kari", via="shell", at=AT)

    def raw(self, commit: str) -> str:
        return self.repo.git("cat-file", "commit", commit)

    def put(self, raw: str) -> CommitId:
        """Move the log to a commit made by hand."""
        made = self.repo.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw.encode())
        self.repo.git("update-ref", PUSH_LOG, made)
        return CommitId(made)

    def write(
        self, writer: Writer, subject: str, trailers: list[tuple[str, str]], tree: TreeId = EMPTY_TREE
    ) -> LogEntry:
        """Append to the log what need not be an entry."""
        who = Ident(name="Branchpress", email="branchpress@localhost", at=AT)
        tip = self.store.resolve(PUSH_LOG)
        assert tip is not None
        message = with_trailers(subject, trailers)
        made = writer.write_commit(tree=tree, parents=[tip], author=who, committer=who, message=message)
        writer.move_ref(PUSH_LOG, old=tip, new=made)
        return self.fresh().entries()[-1]

    def name_key(self, writer: Writer, act: str, key: str) -> LogEntry:
        """Append what introduces *key*."""
        trailers = [("Act", act), ("Acted-by", "kari"), ("Via", "shell"), ("Server-Key", key)]
        return self.write(writer, f"{act} by kari", trailers)

    def fresh(self, *trusted: str) -> PushLog:
        return PushLog(Store.open(self.repo.path), trusted=trusted)


@pytest.fixture(autouse=True)
def hasty_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_syncing(monkeypatch)


@pytest.fixture
def server(repo: Repo, tmp_path: Path) -> Server:
    return Server(repo, tmp_path / "state")


class CountingStore(Store):
    """Counts how many commits are read, and how many signatures."""

    commits = signatures = 0

    def commit(self, id: CommitId):  # type: ignore[no-untyped-def]
        type(self).commits += 1
        return super().commit(id)

    def signature(self, commit: CommitId) -> tuple[bytes, str] | None:
        type(self).signatures += 1
        return super().signature(commit)


def acts(entries: object) -> list[str]:
    assert isinstance(entries, list)
    return [entry.act for entry in entries]


def import_chain(repo: Repo, count: int) -> None:
    """A long log by Git's own import; unsigned, for reading."""
    parts = []
    for number in range(count):
        text = (
            f"push x by ola\n\nAct: push\nActed-by: ola\nVia: git\nRef: refs/heads/drafts/d{number % 500} {ONE} {TWO}\n"
        )
        head = f"commit {PUSH_LOG}\ncommitter B <b@localhost> {1_700_000_000 + number} +0000\ndata {len(text)}\n{text}"
        parts.append(head)
    repo.git("fast-import", "--quiet", stdin="".join(parts).encode())


# -- writing ---------------------------------------------------------------------------------------------------------------


def test_an_entry_says_who_moved_what_from_where_to_where(server: Server) -> None:
    entry = server.append(Move(DRAFT, None, ONE), Move("refs/heads/main", TWO, THREE), note="first\n try")
    assert server.log.entries() == [entry]
    assert (entry.act, entry.person, entry.via, entry.note) == ("push", "ola", "git", "first try")
    assert entry.moves == (Move(DRAFT, None, ONE), Move("refs/heads/main", TWO, THREE))
    assert entry.at == AT + timedelta(minutes=1)
    assert entry.is_valid
    assert entry == server.fresh().entries()[0]


def test_an_entry_is_a_signed_commit_of_the_empty_tree_that_a_person_can_read(server: Server) -> None:
    server.append(Move(DRAFT, None, ONE))
    entry = server.append(Move(DRAFT, ONE, TWO), Move("refs/tags/v1", None, TWO))
    head, _, message = server.raw(entry.id).partition("\n\n")
    assert head.startswith(f"tree {EMPTY_TREE}\nparent ")
    assert "gpgsig -----BEGIN SSH SIGNATURE-----" in head
    assert message == (
        "push drafts/easter and 1 more by ola\n\nAct: push\nActed-by: ola\nVia: git\n"
        f"Ref: {DRAFT} {ONE} {TWO}\nRef: refs/tags/v1 {'0' * 40} {TWO}"
    )
    assert find_trailer(message, "acted-by") == "ola"
    assert len(all_trailers(message, "ref")) == 2


def test_git_itself_verifies_the_log(server: Server, tmp_path: Path) -> None:
    server.append(Move(DRAFT, None, ONE))
    server.append(Move(DRAFT, ONE, TWO))
    (tmp_path / "allowed").write_text(f"server {server.key.public_key}\n")
    options = ("-c", f"gpg.ssh.allowedSignersFile={tmp_path}/allowed")
    assert server.repo.git(*options, "log", "--format=%G? %GS", PUSH_LOG) == "G server\nG server"
    server.repo.git("fsck", "--strict")


def test_the_first_entry_names_the_key_and_the_next_do_not(server: Server) -> None:
    first, second = server.append(Move(DRAFT, None, ONE)), server.append(Move(DRAFT, ONE, TWO))
    assert first.server_key == server.key.public_key
    assert second.server_key == ""
    assert server.log.server_keys() == {server.key.public_key}
    assert server.log.current_key() == server.key.public_key


def test_entries_of_many_writers_at_once_are_all_there_one_after_another(server: Server) -> None:
    server.append(Move(DRAFT, None, ONE))
    others = [Server(server.repo, server.state) for _ in range(2)]

    def write(one: Server) -> None:
        for number in range(6):
            one.append(Move(f"refs/heads/drafts/d{number}", None, ONE))

    threads = [threading.Thread(target=write, args=(one,)) for one in others for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    entries = server.log.entries()
    assert len(entries) == 25
    assert all(entry.is_valid for entry in entries)


@pytest.mark.parametrize(
    "move", [Move("main", None, ONE), Move(DRAFT, CommitId("HEAD"), ONE), Move("refs/a b", None, ONE)]
)
def test_a_move_that_is_none_is_refused_and_nothing_is_written(server: Server, move: Move) -> None:
    with pytest.raises(ValueError, match="no move of a ref"):
        server.append(move)
    assert server.log.entries() == []


def test_a_name_with_a_line_break_is_refused(server: Server) -> None:
    for person in ("ola\nAct: publish", "ola\r", "ola ", "o\0la"):
        with pytest.raises(ValueError, match="words on one line"):
            server.append(Move(DRAFT, None, ONE), person=person)


def test_a_note_cannot_end_its_line(server: Server) -> None:
    entry = server.append(Move(DRAFT, None, ONE), note="because\nActed-by: kari\r\n\0Act: publish")
    assert (entry.person, entry.act) == ("ola", "push")
    assert entry.note == "because Acted-by: kari Act: publish"
    assert entry.is_valid


def test_only_the_server_writes_the_log(server: Server) -> None:
    writer = Writer(server.store)
    with pytest.raises(ValueError, match="server's key only"):
        server.log.append(writer, act="push", person="ola", via="git", moves=[], at=AT)


def test_a_server_whose_key_the_log_does_not_name_writes_nothing(server: Server, tmp_path: Path) -> None:
    server.append(Move(DRAFT, None, ONE))
    other = Server(server.repo, tmp_path / "other")
    with pytest.raises(Conflict, match=r"is signed with SHA256:.*, and the server's key in .* is SHA256:"):
        other.append(Move(DRAFT, ONE, TWO))
    assert len(server.log.entries()) == 1


# -- the lives of a ref ----------------------------------------------------------------------------------------------------


def test_a_life_begins_when_the_ref_is_made_and_ends_with_its_deletion(server: Server) -> None:
    server.append(Move(DRAFT, None, ONE), act="start")
    server.append(Move("refs/heads/drafts/other", None, THREE))
    server.append(Move(DRAFT, ONE, None), act="close")
    assert acts(server.log.life(DRAFT)) == ["start", "close"]
    server.append(Move(DRAFT, None, TWO), act="push")
    server.append(Move(DRAFT, TWO, THREE), act="verdict")
    assert acts(server.log.life(DRAFT)) == acts(server.fresh().life(DRAFT)) == ["push", "verdict"]
    assert acts(server.log.about(DRAFT)) == ["start", "close", "push", "verdict"]
    assert server.log.life("refs/heads/drafts/none") == []


def test_a_life_that_was_read_before_goes_on(server: Server) -> None:
    for number in range(4):
        server.append(Move(DRAFT, ONE if number else None, ONE), act=f"act{number}")
        assert acts(server.log.life(DRAFT)) == [f"act{count}" for count in range(number + 1)]


def test_a_life_holds_nothing_that_is_not_signed(server: Server) -> None:
    server.append(Move(DRAFT, None, ONE), act="start")
    trailers = [("Act", "push"), ("Acted-by", "kari"), ("Via", "git"), ("Ref", f"{DRAFT} {'0' * 40} {TWO}")]
    server.write(Writer(server.store), "push drafts/easter by kari", trailers)
    server.append(Move(DRAFT, ONE, TWO), act="write")
    assert [entry.is_valid for entry in server.log.entries()] == [True, False, True]
    assert acts(server.log.life(DRAFT)) == ["start", "write"]


# -- reading ---------------------------------------------------------------------------------------------------------------


def test_there_may_be_no_log(server: Server) -> None:
    assert server.log.entries() == []
    assert server.log.life(DRAFT) == []
    assert server.log.server_keys() == frozenset()
    assert server.log.current_key() is None


def test_one_more_entry_costs_one_read_however_long_the_log_is(server: Server) -> None:
    import_chain(server.repo, 3_000)
    opened = CountingStore.open(server.repo.path)
    store = CountingStore(opened.git_dir, opened.common_dir, None)
    log = PushLog(store, trusted=[server.key.public_key])
    assert len(log.entries()) == 3_000
    assert log.life("refs/heads/drafts/d499") == []
    CountingStore.commits = CountingStore.signatures = 0
    raw = server.raw(PUSH_LOG)
    server.put(re.sub("^parent .*", f"parent {log.entries()[-1].id}", raw, flags=re.M) + "\n")
    assert len(log.entries()) == 3_001
    log.life("refs/heads/drafts/d499")
    assert (CountingStore.commits, CountingStore.signatures) == (1, 1)


def test_a_log_that_was_cut_back_is_read_anew_with_a_warning(server: Server) -> None:
    first = server.append(Move(DRAFT, None, ONE), act="start")
    server.append(Move(DRAFT, ONE, TWO))
    server.repo.git("update-ref", PUSH_LOG, first.id)
    with structlog.testing.capture_logs() as lines:
        assert acts(server.log.life(DRAFT)) == ["start"]
    assert [line["event"] for line in lines] == ["pushlog.rewritten"]
    assert server.log.entries()[0].is_valid


def test_a_log_that_was_replaced_is_read_anew_with_a_warning(server: Server, tmp_path: Path) -> None:
    server.append(Move(DRAFT, None, ONE))
    assert len(server.log.entries()) == 1
    server.repo.git("update-ref", "-d", PUSH_LOG)
    Server(server.repo, tmp_path / "other").append(Move(DRAFT, None, THREE), act="start")
    with structlog.testing.capture_logs() as lines:
        assert acts(server.log.life(DRAFT)) == ["start"]
    assert [line["event"] for line in lines] == ["pushlog.rewritten"]
    server.repo.git("update-ref", "-d", PUSH_LOG)
    assert server.log.entries() == []


def test_a_damaged_log_is_an_error_and_not_a_short_log(server: Server) -> None:
    first = server.append(Move(DRAFT, None, ONE))
    server.append(Move(DRAFT, ONE, TWO))
    (server.repo.path / "objects" / first.id[:2] / first.id[2:]).unlink()
    with pytest.raises(RepositoryProblem, match=f"object {first.id} is missing"):
        server.fresh().entries()


# -- tampering -------------------------------------------------------------------------------------------------------------


def test_an_entry_that_was_altered_attests_nothing(server: Server) -> None:
    server.append(Move(DRAFT, None, ONE))
    second = server.append(Move(DRAFT, ONE, TWO), person="ola")
    server.put(server.raw(second.id).replace("Acted-by: ola", "Acted-by: kari").replace("by ola", "by kari") + "\n")
    log = server.fresh()
    assert [(entry.person, entry.is_valid) for entry in log.entries()] == [("ola", True), ("kari", False)]


def test_a_signature_copied_to_another_entry_attests_nothing(server: Server) -> None:
    first, second = server.append(Move(DRAFT, None, ONE)), server.append(Move(DRAFT, ONE, TWO))
    copied = server.raw(second.id).replace(f"parent {first.id}", f"parent {second.id}") + "\n"
    server.put(copied)
    assert [entry.is_valid for entry in server.fresh().entries()] == [True, True, False]


def test_a_log_cut_off_at_the_front_attests_nothing(server: Server) -> None:
    server.append(Move(DRAFT, None, ONE))
    second = server.append(Move(DRAFT, ONE, TWO))
    orphan = re.sub("^parent .*\n", "", server.raw(second.id), flags=re.M)
    server.put(orphan + "\n")
    assert not server.fresh().is_whole()
    assert [entry.is_valid for entry in server.fresh().entries()] == [False]


def test_a_shallow_clone_of_the_log_counts_only_under_a_key_that_is_known(server: Server, tmp_path: Path) -> None:
    server.repo.commit({"a.md": "a"})
    for number in range(4):
        server.append(Move(DRAFT, ONE if number else None, TWO))
    clone = Repo.create(tmp_path / "clone.git")
    clone.git("fetch", "-q", "--depth=2", f"file://{server.repo.path}", f"{PUSH_LOG}:{PUSH_LOG}")
    store = Store.open(clone.path)
    assert [entry.is_valid for entry in PushLog(store).entries()] == [False, False]
    known = PushLog(store, trusted=[server.key.public_key])
    assert [entry.is_valid for entry in known.entries()] == [True, True]
    assert not known.is_whole()


def test_a_log_of_somebody_elses_key_is_whole_and_worth_nothing_where_the_real_key_is_known(
    server: Server, tmp_path: Path
) -> None:
    mallory = Server(server.repo, tmp_path / "mallory")
    mallory.append(Move(DRAFT, None, ONE))
    assert server.fresh().entries()[0].is_valid
    known = server.fresh(server.key.public_key)
    assert not known.entries()[0].is_valid
    assert known.life(DRAFT) == []
    assert not server.fresh().vouches([server.key.public_key])
    assert server.fresh().vouches([mallory.key.public_key])


def test_naming_the_real_key_as_the_next_does_not_make_a_forged_log_count(server: Server, tmp_path: Path) -> None:
    mallory = Server(server.repo, tmp_path / "mallory")
    mallory.append(Move(DRAFT, None, ONE))
    mallory.name_key(mallory.writer, "rotate", server.key.public_key)
    assert server.key.public_key in server.fresh().server_keys()
    known = server.fresh(server.key.public_key)
    assert [entry.is_valid for entry in known.entries()] == [False, False]
    assert known.server_keys() == {server.key.public_key}


def test_a_commit_that_the_server_signed_for_another_purpose_is_no_entry(server: Server) -> None:
    ref = f"{DRAFT} {'0' * 40} {TWO}"
    server.append(Move(DRAFT, None, ONE))
    trailers = [("Act", "push"), ("Acted-by", "kari"), ("Via", "git"), ("Ref", ref)]
    file = server.writer.write_tree(None, {"a": server.writer.write_blob(b"a")})
    subject = "push drafts/easter by kari"
    assert server.write(server.writer, subject, trailers).is_valid
    assert not server.write(server.writer, subject, trailers, file).is_valid
    assert not server.write(server.writer, subject, [*trailers, ("Review", "approve")]).is_valid
    assert not server.write(server.writer, "Looks good", trailers).is_valid
    assert [entry.is_valid for entry in server.fresh(server.key.public_key).entries()] == [
        True,
        True,
        False,
        False,
        False,
    ]


# -- rotation --------------------------------------------------------------------------------------------------------------


def test_after_a_rotation_old_and_new_entries_are_valid_and_the_chain_names_both_keys(server: Server) -> None:
    old = server.key.public_key
    server.append(Move(DRAFT, None, ONE))
    rotation = server.rotate()
    new = server.key.public_key
    server.append(Move(DRAFT, ONE, TWO))
    log = server.fresh()
    assert acts(log.entries()) == ["push", "rotate", "rotated", "push"]
    assert [log.signed_by(entry) for entry in log.entries()] == [old, old, new, new]
    assert rotation.server_key == new != old
    assert log.server_keys() == {old, new}
    assert log.current_key() == new


def test_whoever_trusts_either_key_can_believe_the_whole_log(server: Server) -> None:
    old = server.key.public_key
    server.append(Move(DRAFT, None, ONE))
    server.rotate()
    for key in (old, server.key.public_key):
        assert server.fresh().vouches([key])
        assert all(entry.is_valid for entry in server.fresh(key).entries())


def test_the_old_key_signs_nothing_after_a_rotation(server: Server, tmp_path: Path) -> None:
    server.append(Move(DRAFT, None, ONE))
    stolen = tmp_path / "stolen"
    stolen.mkdir()
    (stolen / "server_key").write_bytes((server.state / "server_key").read_bytes())
    (stolen / "server_key").chmod(0o600)
    old = server.key.public_key
    server.rotate()
    thief = Writer(server.store, signer=ServerKey.load_or_create(stolen))
    trailers = [("Act", "push"), ("Acted-by", "kari"), ("Via", "git"), ("Ref", f"{DRAFT} {ONE} {TWO}")]
    server.write(thief, "push drafts/easter by kari", trailers)
    for trusted in ((), (old, server.key.public_key)):
        assert [entry.is_valid for entry in server.fresh(*trusted).entries()] == [True, True, True, False]


def test_a_process_that_holds_the_old_key_writes_on_with_the_new_one(server: Server) -> None:
    server.append(Move(DRAFT, None, ONE))
    other = Server(server.repo, server.state)
    server.rotate()
    assert other.append(Move(DRAFT, ONE, TWO)).is_valid


def test_a_rotation_that_was_cut_short_is_finished_by_the_next_entry(server: Server) -> None:
    server.append(Move(DRAFT, None, ONE))
    old, new = server.key.public_key, server.key.prepare_next()
    server.name_key(server.writer, "rotate", new)
    entry = server.append(Move(DRAFT, ONE, TWO))
    assert (server.key.public_key, server.key.past_keys) == (new, (old,))
    assert [one.is_valid for one in server.log.entries()] == [True, True, True]
    assert server.log.signed_by(entry) == new


def test_a_rotation_that_the_old_key_did_not_sign_is_none(server: Server, tmp_path: Path) -> None:
    server.append(Move(DRAFT, None, ONE))
    mallory = ServerKey.load_or_create(tmp_path / "mallory")
    server.name_key(Writer(server.store, signer=mallory), "rotate", mallory.public_key)
    assert server.append(Move(DRAFT, ONE, TWO)).is_valid
    assert server.log.server_keys() == {server.key.public_key}
    assert [entry.is_valid for entry in server.log.entries()] == [True, False, True]


def test_after_the_key_was_lost_a_new_chain_counts_for_those_who_are_told_its_key(
    server: Server, tmp_path: Path
) -> None:
    server.append(Move(DRAFT, None, ONE))
    new = ServerKey.load_or_create(tmp_path / "new")
    writer = Writer(server.store, signer=new)
    log = server.fresh(new.public_key)
    with pytest.raises(Conflict, match="does not say which key"):
        log.append(writer, act="push", person="ola", via="git", moves=[Move(DRAFT, ONE, TWO)], at=AT)
    log.begin_anew(writer, person="kari", via="shell", at=AT)
    assert log.append(writer, act="push", person="ola", via="git", moves=[Move(DRAFT, ONE, TWO)], at=AT).is_valid
    assert [entry.is_valid for entry in log.entries()] == [True, True, True]
    assert [entry.is_valid for entry in server.fresh().entries()] == [True, False, False]


def test_the_key_can_be_replaced_before_anything_was_written(server: Server) -> None:
    old = server.key.public_key
    server.rotate()
    log = server.fresh()
    assert acts(log.entries()) == ["setup", "rotate", "rotated"]
    assert all(entry.is_valid for entry in log.entries())
    assert log.server_keys() == {old, server.key.public_key}


def test_an_empty_log_is_vouched_for_by_nobody_and_names_the_keys_that_are_trusted(server: Server) -> None:
    log = server.fresh(server.key.public_key)
    assert (log.server_keys(), log.current_key(), log.vouches([server.key.public_key])) == (
        frozenset({server.key.public_key}),
        None,
        False,
    )
