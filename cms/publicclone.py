"""The public clone: a repository of its own that holds what was published and nothing else, for anybody to clone.

It cannot be the repository where people work: Git gives any object in a repository to whoever asks for it by its id, drafts included. What
was published includes the commits of the drafts that were merged, and entries that are hidden until their day.

It is brought into step when somebody asks for it, by whichever process is asked, so that it cannot fall behind.
"""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog

from cms.errors import RepositoryProblem
from cms.gitprogram import require_git, run_git
from cms.refs import CommitId
from cms.store import Store

FOLDER = "public.git"
_NEW, _LOCK = "public.git.new", "public.lock"
_PURPOSE = "a public clone"
#: Nothing else than fetching from a folder is allowed to its programs, and they tidy up themselves when much has come together.
_VARIABLES = {"GIT_ALLOW_PROTOCOL": "file"}
_SETTINGS = ("-c", "gc.autoDetach=false", "-c", "core.fsync=all", "-c", "protocol.file.allow=always")

log = structlog.get_logger(__name__)


class PublicClone:
    """The public clone of one repository."""

    def __init__(self, store: Store, ref: str, folder: Path) -> None:
        """Nothing is made yet.

        Args:
            ref: the published branch.
            folder: the folder of the site's state, which is private to us.
        """
        self.path = folder / FOLDER
        self._store = store
        self._ref = ref
        self._folder = folder

    def bring_in_step(self) -> None:
        """Let it hold what is published now, and no more.

        Raises:
            RepositoryProblem: nothing is published, or Git's program fails.
        """
        published = self._store.resolve(self._ref)
        if published is None:
            raise RepositoryProblem("nothing is published yet")
        if self._holds(published):
            return
        with self._turn():
            has = self._tip()
            if has == published:
                return
            # What is not published any more must not stay: Git would go on giving it to whoever knows its id.
            if has is None or self._store.resolve(has) is None or not self._store.is_ancestor(has, published):
                self._make()
            else:
                self._fetch(self.path)
            log.info("public.advanced", commit=published)

    def _holds(self, published: CommitId) -> bool:
        return self._tip() == published

    def _tip(self) -> CommitId | None:
        if not self.path.is_dir():
            return None
        return Store.open(self.path).resolve(self._ref)

    def _make(self) -> None:
        new = self._folder / _NEW
        shutil.rmtree(new, ignore_errors=True)
        self._git(new, "init", "--quiet", "--bare")
        self._git(new, "symbolic-ref", "HEAD", self._ref)
        self._fetch(new)
        shutil.rmtree(self.path, ignore_errors=True)
        new.rename(self.path)

    def _fetch(self, folder: Path) -> None:
        source = str(self._store.common_dir)
        self._git(
            folder, *_SETTINGS, "fetch", "--quiet", "--no-tags", "--end-of-options", source, f"+{self._ref}:{self._ref}"
        )

    def _git(self, folder: Path, *arguments: str) -> None:
        git = require_git(folder, _PURPOSE)
        done = run_git(git, folder, list(arguments), variables=_VARIABLES)
        if done.code != 0:
            raise RepositoryProblem(f"the public clone cannot be brought into step: {done.complaint}", path=str(folder))

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with (self._folder / _LOCK).open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
