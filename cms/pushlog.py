"""The push log: who moved which ref, from where to where, and when; attested by the server, in Git itself.

``refs/cms/log`` is a chain of commits of the empty tree, each signed with the server's key and written *before* the refs move, so
that nothing can happen that it does not know of. It travels with a mirror, and every entry vouches for all before it.

Which keys count follows from the chain alone: the first entry names the first key and is signed with it, an entry that names
another is signed with the one before. What is signed with anything else is there, and attests nothing. Signatures are checked
when somebody asks, and once.

A log of which only the end is there (a shallow clone), or that begins with a key nobody trusts, still counts as far as it is
signed with keys that the caller trusts.
"""

import random
import re
import threading
import time
from bisect import bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from sys import intern

import msgspec
import structlog

from cms.errors import Conflict, RefMoved, RepositoryProblem
from cms.objects import Commit, parse_commit
from cms.refs import PUSH_LOG, CommitId, TreeId, is_commit_id, is_ref, short_name
from cms.serverkey import ServerKey
from cms.signatures import parse_public_key, short_fingerprint, verify
from cms.store import Store
from cms.writer import Ident, Writer

APPEND_SECONDS = 20.0
_PAUSE_SECONDS = (0.002, 0.03)
_NOBODY = "0" * 40
_EMPTY_TREE = TreeId("4b825dc642cb6eb9a060e54bf8d69288fbee4904")
_SERVER = ("Branchpress", "branchpress@localhost")
_ENTRY = re.compile(
    r"[^\n]+\n\nAct: ([^\n]*)\nActed-by: ([^\n]*)\nVia: ([^\n]*)\n((?:Ref: [^\n]+\n)*)"
    r"(?:Server-Key: ([^\n]+)\n)?(?:Note: ([^\n]+)\n)?"
)
_MOVES = re.compile(r"Ref: (\S+) ([0-9a-f]{40}) ([0-9a-f]{40})\n")
_MAX_NOTE = 2_000

log = structlog.get_logger(__name__)


class Move(msgspec.Struct, frozen=True, gc=False):
    """A ref that moved: ``old`` is None when it was made, ``new`` when it was deleted."""

    ref: str
    old: CommitId | None
    new: CommitId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One act.

    Attributes:
        id: the commit of the entry itself.
        act: ``push``, ``start``, ``write``, ``verdict``, ``publish`` … in one word.
        person: id of who acted; what the server knows, not what a commit says.
        via: how they came: ``git``, ``api``, ``shell`` …
        server_key: the key that this entry introduces; empty in almost all.
    """

    id: CommitId
    at: datetime
    act: str
    person: str
    via: str
    moves: tuple[Move, ...]
    note: str = ""
    server_key: str = ""
    _log: "PushLog" = field(repr=False, compare=False)

    @property
    def is_valid(self) -> bool:
        """Whether the server's key of that time signed this entry. One that is not valid attests nothing."""
        return self._log.signed_by(self) is not None


class _Segment(msgspec.Struct, frozen=True, gc=False):
    """From this place of the log on, entries count that are signed with one of these keys."""

    start: int
    keys: frozenset[str]


class _State:
    """All that was read. Only grows; a log that was rewritten gets a new one."""

    def __init__(self) -> None:
        self.entries: list[LogEntry] = []
        self.places: dict[CommitId, int] = {}
        self.by_ref: dict[str, list[int]] = {}
        self.segments: list[_Segment] = []
        #: Whether its beginning is there.
        self.is_whole = True
        self.signers: dict[CommitId, str | None] = {}
        self.lives: dict[str, tuple[int, list[LogEntry]]] = {}


class PushLog:
    """The push log of a repository, read as far as it goes and kept in memory. Safe to use from many threads."""

    def __init__(self, store: Store, *, trusted: Collection[str] = ()) -> None:
        """Take the log of *store*; nothing is read yet.

        Args:
            trusted: server keys that are known by other means. With none the first key of the log is trusted because it is the
                first; with some the log counts as a whole when one of them signed in it, else entry by entry.
        """
        self._store = store
        self._trusted = frozenset(trusted)
        self._watch = store.watch(PUSH_LOG)
        self._turn = threading.Lock()
        self._lock = threading.RLock()
        self._state = _State()
        self._is_anchored: bool | None = None

    # -- reading -------------------------------------------------------------------------------------------------------

    def entries(self) -> Sequence[LogEntry]:
        """Return all entries, oldest first, also those that are not valid.

        Raises:
            RepositoryProblem: the repository cannot be read.
        """
        return self._read().entries

    def life(self, ref: str) -> Sequence[LogEntry]:
        """Return the valid entries of *ref* since it was last created, oldest first; its deletion belongs to its life."""
        with self._lock:
            state = self._read()
            places = state.by_ref.get(ref, [])
            seen, life = state.lives.get(ref, (0, []))
            fresh: list[LogEntry] = []
            for place in reversed(places[seen:]):
                entry = state.entries[place]
                if not entry.is_valid:
                    continue
                fresh.append(entry)
                if any(move.ref == ref and move.old is None for move in entry.moves):
                    life = []
                    break
            if len(places) > seen:
                life = [*life, *reversed(fresh)]
                state.lives[ref] = len(places), life
            return life

    def about(self, ref: str) -> Sequence[LogEntry]:
        """Return the valid entries of *ref* in all its lives, oldest first."""
        with self._lock:
            state = self._read()
            return [entry for place in state.by_ref.get(ref, ()) if (entry := state.entries[place]).is_valid]

    def server_keys(self) -> frozenset[str]:
        """Return all keys that the chain leads through, as far as it is to be believed, and those that were trusted before."""
        with self._lock:
            state = self._read()
            keys = {key for segment in state.segments for key in segment.keys} if self._counts(state) else ()
            return self._trusted.union(keys)

    def current_key(self) -> str | None:
        """Return the key that the next entry must be signed with; None when the chain names none."""
        with self._lock:
            state = self._read()
            if not state.segments or not self._counts(state):
                return None
            keys = state.segments[-1].keys
            return next(iter(keys)) if len(keys) == 1 else None

    def is_whole(self) -> bool:
        """Say whether the log begins at its beginning, with an entry that names the key it is signed with."""
        with self._lock:
            return self._read().is_whole

    def signed_by(self, entry: LogEntry) -> str | None:
        """Return the server's key that signed *entry*; None when none did that counted then."""
        with self._lock:
            state = self._state
            key, place = self._signer(state, entry.id), state.places.get(entry.id)
            if key is None or place is None:
                return None
            counting = _keys_at(state, place) if self._counts(state) else self._trusted
            return key if key in counting else None

    def vouches(self, trusted: Collection[str]) -> bool:
        """Say whether a key in *trusted* stands behind this chain: it is one of its keys, and signed in its own part of it.

        An entry vouches for all before it, and a key for the one that it names as the next.
        """
        with self._lock:
            state = self._read()
            if not state.segments:
                return False
            ends = [segment.start for segment in state.segments[1:]] + [len(state.entries)]
            for segment, end in zip(state.segments, ends, strict=True):
                wanted = segment.keys.intersection(trusted)
                for entry in islice(state.entries, segment.start, end) if wanted else ():
                    if self._signer(state, entry.id) in wanted:
                        return True
        return False

    # -- writing -------------------------------------------------------------------------------------------------------

    def append(
        self,
        writer: Writer,
        *,
        act: str,
        person: str,
        via: str,
        moves: Iterable[Move],
        note: str = "",
        at: datetime,
    ) -> LogEntry:
        """Write an entry, after which the refs may move. Entries of others that come in between only delay this one.

        Args:
            writer: must sign with the server's key that the log names.
            act, person, via: one line each, without blanks at the ends.
            note: shortened to one line.

        Raises:
            Conflict: the log is signed with another key than the writer's.
            RefMoved: others kept writing for longer than APPEND_SECONDS.
            RepositoryProblem, InvalidSettings: the disk or the key refuse.
            ValueError: a line break where none may be, or a writer without the server's key.
        """
        return self._append(writer, _Draft(act, person, via, tuple(moves), note, at))

    def rotate(self, writer: Writer, *, person: str, via: str, at: datetime, note: str = "") -> LogEntry:
        """Replace the server's key: the old one signs an entry that names the new one, which then signs the next.

        Can be repeated when it was cut short at any point.

        Raises:
            as ``append``.
        """
        key = _server_key(writer)
        if not self.entries():
            self._append(writer, _Draft("setup", person, via, (), "", at))
        self._require_current(key, self._read())
        new = key.prepare_next()
        entry = self._append(writer, _Draft("rotate", person, via, (), note, at, new))
        key.adopt_next(new, at=at)
        self._append(writer, _Draft("rotated", person, via, (), "", at))
        return entry

    def begin_anew(self, writer: Writer, *, person: str, via: str, at: datetime, note: str = "") -> LogEntry:
        """Go on with the writer's key where the one that the log names is lost.

        The entry says so, signed with the new key alone: it counts for those who are told that key, not by itself.

        Raises:
            as ``append``, but for the key.
        """
        draft = _Draft("setup", person, via, (), note, at, _server_key(writer).public_key)
        return self._append(writer, draft, is_anew=True)

    def _append(self, writer: Writer, draft: "_Draft", *, is_anew: bool = False) -> LogEntry:
        key = _server_key(writer)
        give_up_at = time.monotonic() + APPEND_SECONDS
        writer.write_tree(None, {})
        with self._turn:
            while True:
                state = self._read()
                tip = state.entries[-1].id if state.entries else None
                if not is_anew:
                    self._require_current(key, state)
                commit = writer.write_commit(
                    tree=_EMPTY_TREE,
                    parents=[tip] if tip else [],
                    author=Ident(name=_SERVER[0], email=_SERVER[1], at=draft.at),
                    committer=Ident(name=_SERVER[0], email=_SERVER[1], at=draft.at),
                    message=draft.message(key.public_key if tip is None else ""),
                )
                try:
                    writer.move_ref(PUSH_LOG, old=tip, new=commit, message=draft.act)
                except RefMoved:
                    if time.monotonic() > give_up_at:
                        raise
                    time.sleep(random.uniform(*_PAUSE_SECONDS))  # noqa: S311 - no secret
                    continue
                with self._lock:
                    state = self._read()
                    return state.entries[state.places[commit]]

    def _require_current(self, key: ServerKey, state: _State) -> None:
        """Refuse to write what would attest nothing."""
        if not state.entries:
            return
        wanted = self.current_key()
        if wanted is None:
            raise Conflict(
                f"the log of the repository ({PUSH_LOG}) does not say which key it is signed with, so nothing can be added to it",
                hint=f"fetch {PUSH_LOG} whole from a mirror; if there is none, `cms key rotate --lost` begins anew on top of it",
            )
        if key.public_key != wanted and not key.adopt_next(wanted, at=state.entries[-1].at):
            raise Conflict(
                f"the log of the repository ({PUSH_LOG}) is signed with {short_fingerprint(wanted)}, and the server's key in "
                f"{key.folder} is {short_fingerprint(key.public_key)}",
                hint="restore the state folder that belongs to this repository from a backup; if the key is lost, "
                "`cms key rotate --lost` begins anew on top of the log",
            )

    # -- keeping up ----------------------------------------------------------------------------------------------------

    def _read(self) -> _State:
        """Bring what is known up to the present commit."""
        tip = self._watch.current()
        state = self._state
        known = state.entries[-1].id if state.entries else None
        if tip == known:
            return state
        with self._lock:
            return self._advance(tip)

    def _advance(self, tip: CommitId | None) -> _State:
        state = self._state
        fresh: list[LogEntry] = []
        id, is_whole = tip, True
        while id is not None and id not in state.places:
            try:
                commit = self._store.commit(id)
            except RepositoryProblem:
                if not fresh or not self._is_border(fresh[-1].id):
                    raise
                id, is_whole = None, False
                break
            fresh.append(self._parse(commit))
            id = commit.parents[0] if commit.parents else None
        last = state.entries[-1].id if state.entries else None
        if id != last:
            log.warning("pushlog.rewritten", was=last, now=tip, reason="the log does not lead to what it was before")
            kept = state.entries[: state.places[id] + 1] if id is not None else []
            is_whole = state.is_whole if kept else is_whole
            state = _State()
            state.is_whole = is_whole
            fresh.extend(reversed(kept))
        elif last is None:
            state.is_whole = is_whole
        for entry in reversed(fresh):
            self._take(state, entry)
        self._state, self._is_anchored = state, None
        return state

    def _is_border(self, id: CommitId) -> bool:
        """Whether the repository is a shallow clone, and *id* the oldest that it has."""
        try:
            return id in (self._store.common_dir / "shallow").read_text("ascii", "replace").split()
        except OSError:
            return False

    def _take(self, state: _State, entry: LogEntry) -> None:
        place = len(state.entries)
        state.entries.append(entry)
        state.places[entry.id] = place
        for ref in {move.ref for move in entry.moves}:
            state.by_ref.setdefault(ref, []).append(place)
        if place == 0:
            is_own = state.is_whole and self._signer(state, entry.id) == (entry.server_key or _NOBODY)
            state.is_whole = is_own
            state.segments.append(_Segment(0, frozenset({entry.server_key}) if is_own else self._trusted))
        elif entry.server_key:
            signer = self._signer(state, entry.id)
            if signer is not None and signer in _keys_at(state, place):
                state.segments.append(_Segment(place + 1, frozenset({entry.server_key})))
            elif signer == entry.server_key and signer in self._trusted:
                state.segments.append(_Segment(place, frozenset({entry.server_key})))

    def _parse(self, commit: Commit) -> LogEntry:
        """Read a commit as an entry; one that ``append`` did not write says nothing."""
        match = _ENTRY.fullmatch(commit.message)
        act, person, via, raw_moves, raw_key, note = match.groups("") if match else ("",) * 6
        return LogEntry(
            id=commit.id,
            at=commit.committed_at,
            act=intern(act),
            person=intern(person),
            via=intern(via),
            moves=tuple(Move(intern(ref), _id(old), _id(new)) for ref, old, new in _MOVES.findall(raw_moves)),
            note=note,
            server_key=(raw_key and parse_public_key(raw_key)) or "",
            _log=self,
        )

    # -- signatures ----------------------------------------------------------------------------------------------------

    def _signer(self, state: _State, id: CommitId) -> str | None:
        """Return the key of an entry's signature, whoever's that is; None also for what is no entry. Checked once."""
        if id not in state.signers:
            signed = self._store.signature(id)
            found = verify(*signed) if signed is not None else None
            is_ours = found is not None and signed is not None and self._is_entry(parse_commit(id, signed[0]))
            state.signers[id] = found.key if found is not None and is_ours else None
        return state.signers[id]

    def _is_entry(self, commit: Commit) -> bool:
        """Whether a commit is one that ``append`` writes, to the letter.

        The same key signs commits with text of others in them, which could be made to look like an entry.
        """
        entry = self._parse(commit)
        draft = _Draft(entry.act, entry.person, entry.via, entry.moves, entry.note, entry.at, entry.server_key)
        try:
            message = draft.message("")
        except ValueError:
            return False
        return commit.tree == _EMPTY_TREE and len(commit.parents) <= 1 and commit.message == message

    def _counts(self, state: _State) -> bool:
        """Whether the chain as a whole is to be believed."""
        if not self._trusted:
            return state.is_whole
        if self._is_anchored is None:
            self._is_anchored = self.vouches(self._trusted)
        return self._is_anchored


@dataclass(frozen=True, slots=True)
class _Draft:
    """An entry that is to be written."""

    act: str
    person: str
    via: str
    moves: tuple[Move, ...]
    note: str
    at: datetime
    server_key: str = ""

    def message(self, first_key: str) -> str:
        for move in self.moves:
            if not is_ref(move.ref) or not all(id is None or is_commit_id(id) for id in (move.old, move.new)):
                raise ValueError(f"{move} is no move of a ref")
        what = f" {short_name(self.moves[0].ref)}" if self.moves else ""
        more = f" and {len(self.moves) - 1} more" if len(self.moves) > 1 else ""
        key = self.server_key or first_key
        # Somebody's words, in which a line break or another control character must not end the trailer.
        note = " ".join("".join(letter if letter.isprintable() else " " for letter in self.note).split())[:_MAX_NOTE]
        words = (self.act, self.person, self.via)
        if any(word.strip() != word or not word.isprintable() for word in words):
            raise ValueError(f"{words} must be words on one line")
        by = f" by {self.person}" if self.person else ""
        lines = [f"{self.act}{what}{more}{by}", "", f"Act: {self.act}", f"Acted-by: {self.person}", f"Via: {self.via}"]
        lines += [f"Ref: {move.ref} {move.old or _NOBODY} {move.new or _NOBODY}" for move in self.moves]
        lines += [f"Server-Key: {key}"] if key else []
        lines += [f"Note: {note}"] if note else []
        return "\n".join(lines) + "\n"


def _keys_at(state: _State, place: int) -> frozenset[str]:
    """The keys that count for the entry at *place*."""
    number = bisect_right(state.segments, place, key=lambda segment: segment.start) - 1
    return state.segments[number].keys if number >= 0 else frozenset()


def _server_key(writer: Writer) -> ServerKey:
    signer = writer.signer
    if not isinstance(signer, ServerKey):
        raise ValueError("the push log is written with the server's key only")
    return signer


def _id(text: str) -> CommitId | None:
    return None if text == _NOBODY else CommitId(text)
