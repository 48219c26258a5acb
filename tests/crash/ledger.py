"""What was acknowledged, and whether the repository still says so: the invariants that hold after every crash."""

import subprocess
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pygit2

from cms.errors import CMSError
from cms.merge import merge_drafts
from cms.objects import Commit
from cms.overlay import Overlay
from cms.pushlog import PushLog
from cms.refs import PUSH_LOG, CommitId, draft_ref
from cms.store import Store
from cms.trailers import find_trailer
from tests.crash.desk import Place

MAIN = "refs/heads/main"


@dataclass(slots=True)
class Ledger:
    """Everything that one site acknowledged, over many crashes. ``problems`` stays empty in a house that keeps its word.

    Attributes:
        is_shared: somebody with a shell works here too, whose own unfinished work may be lost.
    """

    place: Place
    is_shared: bool = False
    heads: dict[str, CommitId] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    publications: list[CommitId] = field(default_factory=list)
    acts: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)
    locks_left: int = 0
    slowest_start: float = 0.0
    _tip: CommitId | None = None
    _log_tip: CommitId | None = None
    _checked: int = 0

    def hear(self, said: dict[str, Any]) -> None:
        """Note down what was acknowledged."""
        self.acts[said["act"]] += 1
        if said["act"] == "ready":
            self.slowest_start = max(self.slowest_start, said["seconds"])
            return
        if said["act"] in ("refused", "failed"):
            self.refusals[said["reason"].replace(str(self.place.folder), "")] += 1
        if said["act"] == "unmaintained":
            self.refusals[said["reason"].replace(str(self.place.folder), "")] += 1
            return
        if said["act"] == "shell":  # from here on the draft is in the hands of somebody who syncs nothing
            self.heads.pop(said["draft"], None)
            return
        if said["act"] == "remove":
            self.heads.pop(said["draft"])
            self.gone.add(said["draft"])
            return
        self.heads[said["draft"]] = said["head"]
        if said["act"] == "publish":
            self.publications.append(said["commit"])

    def check(self, *, deeply: bool) -> None:
        """Look whether all of it is there, and nothing else; *deeply* has Git's own program look at every object."""
        try:
            self._check_locks()
            if self.is_shared:
                self._repair()
            store = Store.open(self.place.repository)
            tip = store.resolve(MAIN)
            if tip is None:
                self.problems.append("the published branch is gone")
                return
            if not self.is_shared:
                self._check_refs(store)
            self._check_published(store, tip)
            self._check_drafts(store, tip)
            self._check_log(store)
            for _, data in store.read_blobs(file.blob for file in store.list_files(tip)):
                if data is None:
                    self.problems.append("a published file cannot be read")
        except CMSError as error:
            self.problems.append(f"{type(error).__name__}: {error}")
        if deeply and self.is_shared:
            self._check_reachable()
        elif deeply:
            self._check_objects()

    def _check_locks(self) -> None:
        self.locks_left += sum(1 for _ in (self.place.repository / "refs").rglob("*.lock"))

    def _check_refs(self, store: Store) -> None:
        names = {name.decode() for name in pygit2.Repository(str(store.git_dir)).raw_listall_references()}
        self.problems += [f"{name} leads nowhere" for name in names - store.refs("refs/").keys()]

    def _check_published(self, store: Store, tip: CommitId) -> None:
        if self._tip is not None and not store.is_ancestor(self._tip, tip):
            self.problems.append(f"the published branch went back from {self._tip} to {tip}")
        fresh, self._checked = self.publications[self._checked :], len(self.publications)
        self.problems += [f"publication {commit} is lost" for commit in fresh if not store.is_ancestor(commit, tip)]
        steps = Counter(
            (move.old, move.new) for entry in PushLog(store).entries() for move in entry.moves if move.ref == MAIN
        )
        commit = store.commit(tip)
        while commit.id != self._tip and commit.parents:
            self._check_step(store, commit, steps[commit.parents[0], commit.id])
            commit = store.commit(commit.parents[0])
        self._tip = tip

    def _check_step(self, store: Store, commit: Commit, records: int) -> None:
        """One publication: the merge of an approved draft, with a record of it."""
        if len(commit.parents) != 2:
            self.problems.append(f"{commit.id} on the published branch is no merge")
            return
        published, head = commit.parents
        merge = merge_drafts(store, ours=published, theirs=head)
        if Overlay(store, published, merge.changes, merge.contents).tree != commit.tree:
            self.problems.append(f"publication {commit.id} is not what was to be published")
        if find_trailer(store.commit(head).message, "Review") != "approve":
            self.problems.append(f"publication {commit.id} was not approved")
        # What was interrupted between its record and the move of the ref is recorded again when it is done again, and within
        # the same second it makes the same commit.
        if records < 1:
            self.problems.append(f"publication {commit.id} is not in the log")

    def _check_drafts(self, store: Store, tip: CommitId) -> None:
        """What was acknowledged in a draft is in it, or published."""
        self.problems += [f"the draft {draft} is back" for draft in self.gone if store.resolve(draft_ref(draft))]
        for draft, head in list(self.heads.items()):
            if store.is_ancestor(head, tip):
                if store.resolve(draft_ref(draft)) is None:
                    del self.heads[draft]
                continue
            found = store.resolve(draft_ref(draft))
            if found is None or not store.is_ancestor(head, found):
                self.problems.append(f"the draft {draft} lost {head}: it is at {found}")

    def _check_log(self, store: Store) -> None:
        log = PushLog(store)
        tip = store.resolve(PUSH_LOG)
        if self._log_tip is not None and (tip is None or not store.is_ancestor(self._log_tip, tip)):
            self.problems.append(f"the log went back from {self._log_tip} to {tip}")
        self.problems += [
            f"entry {entry.id} of the log is not valid" for entry in log.entries()[-20:] if not entry.is_valid
        ]
        self._log_tip = tip

    def _check_objects(self) -> None:
        command = ["git", f"--git-dir={self.place.repository}", "fsck", "--full", "--strict", "--no-dangling"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.problems.append(f"git fsck: {done.stderr.strip()}")

    def _check_reachable(self) -> None:
        """Read all that what was acknowledged leads to."""
        git = ["git", f"--git-dir={self.place.repository}"]
        tips = "\n".join([MAIN, *([PUSH_LOG] if self._log_tip else []), *self.heads.values()])
        command = [*git, "rev-list", "--objects", "--no-object-names", "--stdin"]
        listed = subprocess.run(command, input=tips.encode(), capture_output=True, check=False)
        read = subprocess.run(
            [*git, "cat-file", "--batch", "--buffer"], input=listed.stdout, capture_output=True, check=False
        )
        if listed.returncode or read.returncode or b" missing\n" in read.stdout:
            self.problems.append(f"git rev-list, cat-file: {(listed.stderr + read.stderr).decode().strip()}")

    def _repair(self) -> None:
        """Do what whoever looks after the server would: remove what a shell's work was torn into."""
        for folder in ("objects", "refs"):
            for path in (self.place.repository / folder).rglob("*"):
                if path.is_file() and path.stat().st_size == 0 and path.suffix != ".lock":
                    path.unlink()
        for path in (self.place.repository / "refs/heads/drafts").glob("*"):
            if path.suffix != ".lock" and self._is_torn(path.name):
                path.unlink()

    def _is_torn(self, draft: str) -> bool:
        store = Store.open(self.place.repository)
        try:
            head = store.resolve(draft_ref(draft))
            return head is None or not store.list_files(head)
        except CMSError:
            return True
