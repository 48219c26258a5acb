"""What a merge of two commits makes: the files that change, the bytes that are new, and what a person must decide.

Looks only at what both sides changed since their common base, so that the cost follows the two changes and not the site. The
same two commits always give the same. Nothing is written.

- A file that one side changed is taken as it is there; one that both changed is merged (``filemerge``).
- A file that one side deleted and the other changed clashes, unless it was moved: then the change goes where the file went.
- When histories crossed and there are several common bases, these are merged first, as Git does; what clashes there has no base
  to go by, and clashes wherever the two sides differ.
- Modes of files are those of the published branch. Links and submodules are not merged: where a draft adds or changes one, that
  is a clash.

Not here: who may merge what and when (``workflow``), writing the result (``writer``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cms.errors import Conflict, InvalidContent
from cms.filemerge import Clash, merge_texts
from cms.moves import find_moves
from cms.overlay import Overlay, Reader, blob_id
from cms.rawobjects import require_path
from cms.refs import BlobId, CommitId, TreeId
from cms.rowdiff import Entry, EntryChange, diff_entries
from cms.store import Store

__all__ = ["Clash", "Merge", "merge_drafts", "merge_onto", "merge_texts"]

_MAX_DEPTH = 4
NO_BASE = CommitId("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Merge:
    """What merging made.

    Attributes:
        changes: what differs from *ours*: path to blob, None where a file goes. Without what clashes.
        contents: the bytes of blobs in *changes* that merging made; they may not be in the repository.
        clashes: by path; with any of them nothing can be published.
        base: the common base, of several the newest; empty when there is none.
    """

    changes: Mapping[str, BlobId | None]
    contents: Mapping[BlobId, bytes]
    clashes: tuple[Clash, ...]
    base: CommitId


def merge_drafts(
    store: Store, *, ours: CommitId, theirs: CommitId, base: CommitId | None = None, reader: Reader | None = None
) -> Merge:
    """Merge the commit *theirs*, the head of a draft, into *ours*, the published branch.

    Args:
        base: what counts as the common base; by default what the history says, and if that says nothing the empty tree.
        reader: reads trees and blobs instead of *store*, which it must agree with.

    Raises:
        RepositoryProblem: a commit, tree or blob is missing or damaged.
    """
    bases = [base] if base is not None else store.merge_bases(ours, theirs)
    tree = store.commit(ours).tree
    return merge_onto(store, ours=tree, theirs=theirs, bases=bases, reader=reader if reader is not None else store)


def merge_onto(store: Store, *, ours: TreeId, theirs: CommitId, bases: Sequence[CommitId], reader: Reader) -> Merge:
    """Merge the commit *theirs* into the tree *ours*, which may not be that of any commit.

    Args:
        bases: the best common ancestors of *theirs* and of what *ours* was made of, the newest first.
        reader: reads *ours*, and everything that *store* has.

    Raises:
        RepositoryProblem: a commit, tree or blob is missing or damaged.
    """
    begin = _begin(store, reader, bases, 0)
    merge = _TreeMerge(begin, ours, store.commit(theirs).tree)
    merge.run()
    return Merge(
        changes=dict(sorted(merge.changes.items())),
        contents=merge.contents,
        clashes=tuple(sorted(merge.clashes, key=lambda clash: (clash.path, clash.line, clash.field))),
        base=bases[0] if bases else NO_BASE,
    )


@dataclass(frozen=True, slots=True)
class _Base:
    """What both sides began with, and who reads it. At the paths in *unsure* it is not known."""

    reader: Reader
    tree: TreeId | None
    unsure: frozenset[str] = frozenset()


def _begin(store: Store, reader: Reader, bases: Sequence[CommitId], depth: int) -> _Base:
    """Make one base of all: of several, the first with the others merged into it. Its reader also sees what *reader* sees."""
    if not bases:
        return _Base(reader, None)
    tree = store.commit(bases[0]).tree
    found = _Base(reader, tree)
    changes: dict[str, BlobId | None] = {}
    contents: dict[BlobId, bytes] = {}
    for other in bases[1:]:
        before = store.merge_bases(bases[0], other) if depth < _MAX_DEPTH else []
        begin = _begin(store, found.reader, before, depth + 1)
        merge = _TreeMerge(begin, found.tree or tree, store.commit(other).tree)
        merge.run()
        changes |= merge.changes
        contents |= merge.contents
        unsure = found.unsure | {clash.path for clash in merge.clashes}
        try:
            overlay = Overlay(begin.reader, bases[0], changes, contents)
        except (Conflict, InvalidContent):  # a file where a folder is
            return _Base(found.reader, found.tree, unsure | changes.keys())
        found = _Base(overlay, overlay.tree, unsure)
    return found


class _TreeMerge:
    """One merge of two trees: what changes, the bytes that are new, and what clashes."""

    def __init__(self, base: _Base, ours: TreeId, theirs: TreeId) -> None:
        self._base = base
        self._reader = base.reader
        self._ours = diff_entries(base.tree, ours, base.reader.read_tree)
        self._theirs = diff_entries(base.tree, theirs, base.reader.read_tree) if ours != theirs else {}
        # Folders in which the published branch has something new, with an example.
        self._our_folders = {
            path[:place]: path
            for path, change in self._ours.items()
            if change.new is not None
            for place, character in enumerate(path)
            if character == "/"
        }
        self.changes: dict[str, BlobId | None] = {}
        self.contents: dict[BlobId, bytes] = {}
        self.clashes: list[Clash] = []

    def run(self) -> None:
        """Look at every path that the draft changed."""
        done = self._merge_moved() if self._ours else set()
        for path in sorted(self._theirs.keys() - done):
            self._merge_path(path)
        for path in self._base.unsure - done:
            self._require_alike(path)

    def _clash(self, path: str, message: str) -> None:
        shown = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        self.clashes.append(Clash(path=shown, message=message))

    def _require_alike(self, path: str) -> None:
        """Let a path whose base is not known clash, unless both sides have the same there."""
        ours, theirs = self._ours.get(path), self._theirs.get(path)
        if (ours and ours.new) != (theirs and theirs.new) and path not in {clash.path for clash in self.clashes}:
            self.changes.pop(path, None)
            self._clash(path, "both sides had merged it before, each in its own way")

    def _merge_path(self, path: str) -> None:
        theirs, ours = self._theirs[path], self._ours.get(path)
        old, new = theirs.old, theirs.new
        if ours is None:
            self._take(path, old, new)
        elif ours.new == new or (old and new and old.id == new.id and old.is_file and new.is_file):
            return  # the same on both sides, or only another mode
        elif ours.new is None:
            self._clash(path, f"the published branch deletes {_kind(old)} that the draft changes")
        elif new is None:
            if ours.old and ours.old.id == ours.new.id and ours.new.is_file:
                self.changes[path] = None
            else:
                self._clash(path, f"the draft deletes {_kind(old)} that the published branch changed")
        else:
            self._merge_files(path, old, ours.new, new)

    def _take(self, path: str, old: Entry | None, new: Entry | None) -> None:
        """Take what the draft has, where the published branch changed nothing."""
        if new is None:
            self.changes[path] = None
        elif not new.is_file:
            self._clash(path, f"the draft makes this {new.kind}, which cannot be published")
        elif old is None and (problem := self._cannot_add(path)) is not None:
            self._clash(path, problem)
        elif old is None or old.id != new.id or not old.is_file:
            self.changes[path] = new.id

    def _cannot_add(self, path: str) -> str | None:
        """Say why the draft cannot add a file at *path*."""
        try:
            require_path(path)
        except InvalidContent as error:
            return str(error)
        folders = [path[:place] for place, character in enumerate(path) if character == "/"]
        others = [folder for folder in folders if folder in self._ours and self._ours[folder].new is not None]
        other = next(iter(others), None) or self._our_folders.get(path)
        return None if other is None else f"the draft puts a file here, and the published branch added {other}"

    def _merge_files(self, path: str, base: Entry | None, ours: Entry, theirs: Entry) -> None:
        """Merge what both sides have at *path*; *base* is None when both added it."""
        if ours.id == theirs.id and ours.is_file and theirs.is_file:
            return
        if not (ours.is_file and theirs.is_file and (base is None or base.is_file)):
            kinds = f"{_kind(ours)} in the published branch and {_kind(theirs)} in the draft"
            self._clash(path, f"both changed what this is: {kinds}")
            return
        before = None if base is None else self._reader.read_blob(base.id)
        texts = [self._reader.read_blob(side.id) for side in (ours, theirs)]
        merged = merge_texts(before, *texts, path=path)
        if isinstance(merged, bytes):
            self._put(path, merged, ours, theirs)
        else:
            self.clashes += merged

    def _put(self, path: str, merged: bytes, ours: Entry, theirs: Entry) -> None:
        id = blob_id(merged)
        if id != ours.id:
            self.changes[path] = id
        if id not in (ours.id, theirs.id):
            self.contents[id] = merged

    def _merge_moved(self) -> set[str]:
        """Merge files that one side moved and the other changed or moved as well; return the paths that are settled."""
        gone = {
            path
            for path in self._ours.keys() & self._theirs.keys()
            if None in (self._ours[path].new, self._theirs[path].new) and _has_file(self._ours[path].old)
        }
        our_moves = self._moves(self._ours, gone)
        their_moves = self._moves(self._theirs, gone)
        done: set[str] = set()
        for path in sorted(our_moves.keys() | their_moves.keys()):
            done |= self._merge_move(path, our_moves.get(path), their_moves.get(path))
        return done

    def _moves(self, side: Mapping[str, EntryChange], gone: set[str]) -> dict[str, str]:
        wanted = [path for path in gone if side[path].new is None]
        if not wanted:
            return {}
        removed = {path: change.old.id for path, change in side.items() if change.old and change.new is None}
        added = {
            path: change.new.id
            for path, change in side.items()
            if change.old is None and change.new and _has_file(change.new)
        }
        return find_moves(wanted, removed, added, self._reader.read_blob)

    def _merge_move(self, path: str, ours: str | None, theirs: str | None) -> set[str]:
        """Merge one file that was moved by one side, or by both; return the paths that are settled."""
        target = ours or theirs
        assert target is not None
        settled = {path, *filter(None, (ours, theirs))}
        our_new, their_new = self._ours[ours or path].new, self._theirs[theirs or path].new
        who, other = ("published branch", "draft") if ours else ("draft", "published branch")
        if ours and theirs and ours != theirs:
            self._clash(path, f"the published branch moved this file to {ours}, and the draft to {theirs}")
        elif our_new is None or their_new is None:
            self._clash(target, f"the {who} moved {path} here, and the {other} deleted it")
        elif (not theirs and target in self._theirs) or (not ours and target in self._ours):
            self._clash(target, f"the {who} moved {path} here, and the {other} has another file of that name")
        elif not ours and (problem := self._cannot_add(target)) is not None:
            self._clash(target, problem)
        else:
            if not ours:
                self.changes |= {path: None, target: our_new.id}
            before = len(self.clashes)
            self._merge_files(target, self._theirs[path].old, our_new, their_new)
            if not ours and len(self.clashes) > before:
                del self.changes[path], self.changes[target]
        return settled


def _kind(entry: Entry | None) -> str:
    return entry.kind if entry is not None else "nothing"


def _has_file(entry: Entry | None) -> bool:
    return entry is not None and entry.is_file
