"""A real Git repository for tests, filled with content given inline."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pygit2

FIRST_COMMIT_AT = datetime(2024, 1, 1, 12, 0, tzinfo=UTC)
_MINUTE = timedelta(minutes=1)
_FILE, _TREE = 0o100644, 0o040000
_Nested = dict[str, Any]


@dataclass(slots=True)
class Repo:
    """One repository. Its commits are a minute apart from FIRST_COMMIT_AT on, so ids are the same in every run."""

    path: Path
    clock: datetime = FIRST_COMMIT_AT

    @classmethod
    def create(cls, path: Path, *, bare: bool = True) -> "Repo":
        """Make an empty repository whose HEAD is the unborn branch ``main``."""
        pygit2.init_repository(str(path), bare=bare, initial_head="main")
        return cls(path)

    def commit(
        self,
        files: Mapping[str, str | bytes | None],
        *,
        message: str = "Change content",
        author: tuple[str, str] = ("Kari Nordmann", "kari@example.org"),
        at: datetime | None = None,
        branch: str = "main",
        parents: list[str] | None = None,
        modes: Mapping[str, int] | None = None,
    ) -> str:
        """Commit *files* on top of *branch* and return the id of the commit.

        Args:
            files: path to its new content; None deletes the file; all others stay.
            author: name and e-mail, of author and committer alike.
            at: aware time of author and committer; a minute after the previous commit if not given.
            branch: made if it does not exist (then *files* is all there is).
            parents: ids, for a merge or to branch off; default is the tip of *branch*. The first one gives the tree.
            modes: file mode per path (0o120000 for a symbolic link ...), default 0o100644.
        """
        repo = pygit2.Repository(str(self.path))
        ref = f"refs/heads/{branch}"
        if parents is None:
            parents = [str(repo.references[ref].target)] if ref in repo.references else []
        self.clock = at or self.clock + _MINUTE
        base = repo[parents[0]].tree if parents else None
        nested: _Nested = {}
        for path, content in files.items():
            *folders, name = path.split("/")
            node = nested
            for folder in folders:
                node = node.setdefault(folder, {})
            node[name] = (content, (modes or {}).get(path, _FILE))
        tree = _write_tree(repo, base, nested) or repo.TreeBuilder().write()
        minutes = int((self.clock.utcoffset() or timedelta()).total_seconds() // 60)
        who = pygit2.Signature(*author, int(self.clock.timestamp()), minutes)
        commit = repo.create_commit(None, who, who, message, tree, parents)
        repo.references.create(ref, commit, force=True)
        if not repo.is_bare and not repo.head_is_unborn and repo.head.name == ref:
            repo.reset(commit, pygit2.enums.ResetMode.HARD)
        return str(commit)

    def git(self, *arguments: str, at: datetime | None = None, stdin: bytes = b"") -> str:
        """Run Git's own binary in the repository and return what it prints, without the last newline."""
        self.clock = at or self.clock + _MINUTE
        when = f"{int(self.clock.timestamp())} +0000"
        identity = {
            "GIT_AUTHOR_NAME": "Kari Nordmann",
            "GIT_AUTHOR_EMAIL": "kari@example.org",
            "GIT_COMMITTER_NAME": "Kari Nordmann",
            "GIT_COMMITTER_EMAIL": "kari@example.org",
            "GIT_AUTHOR_DATE": when,
            "GIT_COMMITTER_DATE": when,
        }
        done = subprocess.run(
            ["git", *arguments],
            cwd=self.path,
            env={**os.environ, **identity},
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        return done.stdout.decode(errors="surrogateescape").removesuffix("\n")


def _write_tree(repo: Any, base: Any, nested: _Nested) -> Any:
    """Write *nested* on top of the tree *base*; None when nothing is left of it."""
    builder = repo.TreeBuilder(base) if base is not None else repo.TreeBuilder()
    for name, value in nested.items():
        old = builder.get(name)
        if isinstance(value, dict):
            below = repo[old.id] if old is not None and old.filemode == _TREE else None
            written, mode = _write_tree(repo, below, value), _TREE
        else:
            content, mode = value
            if isinstance(content, str):
                content = content.encode()
            written = None if content is None else repo.create_blob(content)
        if written is not None:
            builder.insert(name, written, mode)
        elif old is not None:
            builder.remove(name)
    return builder.write() if len(builder) else None
