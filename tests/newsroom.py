"""A newsroom in a real repository, for tests of what can be proven: drafts, verdicts and publications as the server and people make them."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pygit2
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cms.pushlog import Move, PushLog
from cms.refs import BlobId, CommitId, draft_ref
from cms.serverkey import ServerKey
from cms.signatures import Signer, sshsig
from cms.store import Store
from cms.trailers import with_trailers
from cms.writer import Ident, Writer
from tests.repo import Repo

MAIN = "refs/heads/main"
START = datetime(2026, 5, 1, 8, 0, tzinfo=UTC)
PEOPLE = {"kari": "Kari Nordmann", "ola": "Ola Hansen", "eva": "Eva Lie"}
SCHEMA = "x-path: content/posts/{slug}.md\ntype: object\nproperties:\n  title: {type: string}\n"
ROLES = """
[[roles]]
role = "writer"
who = ["kari", "ola", "eva"]
[[roles]]
role = "reviewer"
who = ["kari", "eva"]
[[roles]]
role = "publisher"
who = ["kari", "eva"]
[[roles]]
role = "maintainer"
who = ["eva"]
"""
A, B = "content/posts/a.md", "content/posts/b.md"


def stop_syncing(patch: pytest.MonkeyPatch) -> None:
    """Sync nothing: waiting for the disk would be most of the time. What survives a power cut is tested elsewhere."""
    patch.setattr(os, "fsync", lambda handle: None)


@dataclass(frozen=True)
class PersonKey:
    """A person's own signing key; signs as Git does with ``gpg.format=ssh``."""

    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)

    @property
    def public_key(self) -> str:
        """One line."""
        return sshsig.public_line(self.private.public_key())

    def sign(self, payload: bytes) -> str:
        """An armoured signature."""
        return sshsig.sign(self.private, payload)


def post(title: str) -> bytes:
    """A valid post."""
    return f"---\ntitle: {title}\n---\n{title}\n".encode()


def people_toml(keys: Mapping[str, str], rules: str = "", roles: str = ROLES) -> bytes:
    """A ``cms.toml`` with the three people."""
    tables = [
        f'[people.{id}]\nname = "{name}"\nemails = ["{id}@example.org"]\nkeys = {[keys[id]] if id in keys else []}\n'
        for id, name in PEOPLE.items()
    ]
    return "".join([*tables, roles, rules]).encode()


class Newsroom:
    """One repository with its server. Everything happens a minute after what happened before.

    How somebody does something is one of: ``signed`` (in their clone, with their key), ``pushed`` (unsigned, and the log saw who
    pushed it), ``server`` (over the API), ``claimed`` (nobody vouches for it).
    """

    def __init__(
        self, folder: Path, *, rules: str = "", settings: str = "", keys: Mapping[str, PersonKey] | None = None
    ) -> None:
        self.repo = Repo.create(folder / "site.git")
        self.store = Store.open(self.repo.path)
        self.state = folder / "state"
        self.server = ServerKey.load_or_create(self.state)
        self.log = PushLog(self.store)
        self.keys = {id: PersonKey() for id in PEOPLE} if keys is None else dict(keys)
        self.now = START
        self.has_log = True
        self._server = self._writer(self.server)
        public = {id: key.public_key for id, key in self.keys.items()}
        self.policy_files = {
            "cms.toml": settings.encode() + people_toml(public, rules),
            "schemas/posts.yaml": SCHEMA.encode(),
        }
        self.main = self.commit({**self.policy_files, A: post("Old")}, [], "Import", by="kari", how="claimed")
        self._server.move_ref(MAIN, old=None, new=self.main)
        self.heads: dict[str, CommitId] = {}

    def _writer(self, signer: Signer | None) -> Writer:
        writer = Writer(self.store, signer=signer)
        pygit2.settings.enable_fsync_gitdir(False)
        return writer

    # -- commits -------------------------------------------------------------------------------------------------------

    def commit(
        self,
        files: Mapping[str, bytes | None],
        parents: list[CommitId],
        message: str,
        *,
        by: str,
        how: str,
        author: str = "",
        key: PersonKey | None = None,
        trailers: list[tuple[str, str]] | None = None,
    ) -> CommitId:
        """Write a commit as *by* does in this way; *author* is whom it names as its author, *key* what it is signed with."""
        self.now += timedelta(minutes=1)
        signer = self.server if how == "server" else key or (self.keys[by] if how == "signed" else None)
        writer = self._writer(signer)
        base = self.store.commit(parents[0]).tree if parents else None
        blobs: dict[str, BlobId | None] = {
            path: None if text is None else writer.write_blob(text) for path, text in files.items()
        }
        tree = writer.write_tree(base, blobs) if blobs or base is None else base
        who = self.ident(author or by)
        committer = Ident(name="Branchpress", email="cms@localhost", at=self.now) if how == "server" else self.ident(by)
        extra = [*(trailers or []), *([("Acted-by", by)] if how == "server" else [])]
        text = with_trailers(message, extra) if extra else message
        return writer.write_commit(tree=tree, parents=parents, author=who, committer=committer, message=text)

    def ident(self, person: str) -> Ident:
        """Who a commit names."""
        return Ident(name=PEOPLE.get(person, person), email=f"{person}@example.org", at=self.now)

    def record(self, act: str, by: str, via: str, *moves: Move, note: str = "") -> None:
        """Write to the log, if there is one."""
        if self.has_log:
            self.log.append(self._server, act=act, person=by, via=via, moves=moves, note=note, at=self.now)

    # -- acts ----------------------------------------------------------------------------------------------------------

    def write(
        self, draft: str, files: Mapping[str, bytes | None], *, by: str = "ola", how: str = "signed", author: str = ""
    ) -> CommitId:
        """Change files in a draft, which begins with it if it is not there."""
        made = self.commit(files, [self.heads.get(draft, self.main)], "Write", by=by, how=how, author=author)
        return self.push(draft, made, by=by, how=how)

    def say(
        self,
        draft: str,
        word: str,
        *,
        by: str = "kari",
        how: str = "signed",
        message: str = "",
        trailers: list[tuple[str, str]] | None = None,
        key: PersonKey | None = None,
        author: str = "",
    ) -> CommitId:
        """Give a verdict on the head of a draft."""
        said = [("Review", word), *(trailers or []), *([("Draft", draft)] if how == "server" else [])]
        text = message or word.capitalize()
        made = self.commit({}, [self.heads[draft]], text, by=by, how=how, key=key, trailers=said, author=author)
        return self.push(draft, made, by=by, how=how)

    def push(self, draft: str, commit: CommitId, *, by: str, how: str = "pushed") -> CommitId:
        """Move a draft; ``claimed`` leaves no trace in the log."""
        old = self.heads.get(draft)
        ref = draft_ref(draft)
        if how != "claimed":
            self.record(
                "push" if how != "server" else "write", by, "api" if how == "server" else "git", Move(ref, old, commit)
            )
        self._server.move_ref(ref, old=old, new=commit)
        self.heads[draft] = commit
        return commit

    def publish(
        self,
        draft: str,
        *,
        by: str = "kari",
        how: str = "server",
        bypass: str = "",
        extra: Mapping[str, bytes | None] | None = None,
        named: str = "",
    ) -> CommitId:
        """Merge a draft into the published branch; *extra* files are what an evil merge adds, *named* who it says published it."""
        head = self.heads.pop(draft)
        base = self.store.merge_base(self.main, head)
        changes = self.store.diff(base, head) if base else []
        files = {change.path: self.store.read_blob(change.new) if change.new else None for change in changes}
        trailers = [("Draft", draft), ("Published-by", named or by), *([("Bypass", bypass)] if bypass else [])]
        parents = [self.main, head]
        merge = self.commit({**files, **(extra or {})}, parents, f"Publish {draft}", by=by, how=how, trailers=trailers)
        ref = draft_ref(draft)
        act = "bypass" if bypass else "publish" if how == "server" else "push"
        if how != "claimed":
            self.record(act, by, "api", Move(MAIN, self.main, merge), Move(ref, head, None), note=bypass)
        self._server.move_ref(MAIN, old=self.main, new=merge)
        self._server.move_ref(ref, old=head, new=None)
        self.main = merge
        return merge

    def close(self, draft: str, *, by: str, note: str) -> None:
        """Give a draft up."""
        self.now += timedelta(minutes=1)
        head = self.heads.pop(draft)
        self.record("close", by, "api", Move(draft_ref(draft), head, None), note=note)
        self._server.move_ref(draft_ref(draft), old=head, new=None)

    def put_on_main(self, files: Mapping[str, bytes | None]) -> CommitId:
        """Commit on the published branch itself, past everything."""
        made = self.commit(files, [self.main], "Straight", by="ola", how="claimed")
        self._server.move_ref(MAIN, old=self.main, new=made)
        self.main = made
        return made

    def rotate(self) -> None:
        """Replace the server's key."""
        self.log.rotate(self._server, person="eva", via="shell", at=self.now)
