"""A world in miniature, brought into a real repository: commits, signatures, branches and a signed push log."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pygit2
from pygit2.enums import ObjectType

from cms.model import ContentModel
from cms.policy import Policy
from cms.pushlog import PushLog
from cms.rawobjects import Ident, format_commit, format_signature
from cms.refs import PUSH_LOG, CommitId, TreeId, draft_ref
from cms.schema import read_schema
from cms.serverkey import ServerKey
from cms.settings import Settings
from cms.store import Store
from cms.trailers import with_trailers
from cms.workflow.gather import Gatherer
from cms.workflow.state import DraftState, fold
from tests.workflow.world import NOW, SERVER, START, Entry, Node, World, email_of

MAIN = "refs/heads/main"
EMPTY_TREE = TreeId("4b825dc642cb6eb9a060e54bf8d69288fbee4904")
NOBODY = "0" * 40
SCHEMA = b"type: object\nx-path: content/%s/{slug}.md\n"


def content_of(path: str, blob: str) -> bytes:
    """The bytes of a file: texts of different files or different blobs have nothing in common, so that none looks like another."""
    return b"".join(hashlib.sha256(f"{path} {blob} {line}".encode()).hexdigest().encode() + b"\n" for line in range(4))


def make_model(commit: CommitId) -> ContentModel:
    """The collections that a world has."""
    collections = {
        name: read_schema(name, SCHEMA % name.encode(), path=f"schemas/{name}.yaml", locales=("en",))
        for name in ("posts", "docs")
    }
    return ContentModel(settings=Settings(), collections=collections, sources={})


@dataclass
class Mirror:
    """A bare repository that shows a world; everybody has a key in it."""

    folder: Path
    ids: dict[str, CommitId] = field(default_factory=dict)
    entries: int = 0

    def __post_init__(self) -> None:
        self.git = pygit2.init_repository(str(self.folder / "site.git"), bare=True, initial_head="main")
        self.git.odb.write(ObjectType.TREE, b"")
        self.store = Store.open(self.folder / "site.git")
        self.keys: dict[str, ServerKey] = {}
        self.log_tip: CommitId | None = None

    def key(self, person: str) -> ServerKey:
        if person not in self.keys:
            self.keys[person] = ServerKey.load_or_create(self.folder / "keys" / person)
        return self.keys[person]

    def with_keys(self, policy: Policy) -> Policy:
        """*policy* with the keys that people have here."""
        people = {
            id: replace(person, keys=(self.key(id).public_key,) if person.keys else ())
            for id, person in policy.people.items()
        }
        return replace(policy, people=people)

    def show(self, world: World) -> None:
        """Bring everything that is new in *world* into the repository."""
        for id in list(world.nodes)[len(self.ids) :]:
            self.ids[id] = self.write(world.nodes[id])
        for entry in world.log[self.entries :]:
            self.append(entry, world)
        self.entries = len(world.log)
        wanted = {MAIN: world.main, **{draft_ref(name): head for name, head in world.heads.items()}}
        for ref in list(self.git.references):
            if ref not in wanted and ref != PUSH_LOG:
                self.git.references.delete(ref)
        for ref, id in wanted.items():
            self.point(ref, self.ids[id])

    def point(self, ref: str, commit: str) -> None:
        self.git.references.create(ref, commit, force=True)

    def write(self, node: Node) -> CommitId:
        author, committer = (
            Ident(name=claim, email=email_of(claim), at=node.at) for claim in (node.author, node.committer)
        )
        return self.commit(
            TreeId(self.tree(node.tree)),
            [self.ids[parent] for parent in node.parents],
            author,
            committer,
            with_trailers("Say something", node.all_trailers),
            node.key,
        )

    def commit(
        self, tree: TreeId, parents: list[CommitId], author: Ident, committer: Ident, message: str, key: str
    ) -> CommitId:
        head, tail = format_commit(tree=tree, parents=parents, author=author, committer=committer, message=message)
        signature = format_signature(self.key(key).sign(head + tail)) if key else b""
        return CommitId(str(self.git.odb.write(ObjectType.COMMIT, head + signature + tail)))

    def tree(self, files: Mapping[str, str]) -> str:
        """Write a tree of whole files."""
        nested: dict[str, Any] = {}
        for path, blob in files.items():
            *folders, name = path.split("/")
            node = nested
            for folder in folders:
                node = node.setdefault(folder, {})
            node[name] = self.git.create_blob(content_of(path, blob))
        return str(self._tree(nested))

    def _tree(self, nested: dict[str, Any]) -> Any:
        builder = self.git.TreeBuilder()
        for name, value in nested.items():
            if isinstance(value, dict):
                builder.insert(name, self._tree(value), 0o040000)
            else:
                builder.insert(name, value, 0o100644)
        return builder.write()

    def append(self, entry: Entry, world: World) -> None:
        """Write an entry of the log as the server does, without waiting for the disk."""
        old, new = (NOBODY if id is None else self.ids[id] for id in (entry.old, entry.new))
        is_ours = entry.new is not None and world.nodes[entry.new].key == SERVER
        is_verdict = is_ours and entry.new is not None and not world.changed(world.nodes[entry.new])
        act = "verdict" if is_verdict else "write" if is_ours else "push"
        trailers = [
            ("Act", act),
            ("Acted-by", entry.person),
            ("Via", "session" if is_ours else "git"),
            ("Ref", f"{draft_ref(entry.draft)} {old} {new}"),
        ]
        if self.log_tip is None:
            trailers.append(("Server-Key", self.key(SERVER).public_key))
        server = Ident(name="Branchpress", email="branchpress@localhost", at=START)
        message = with_trailers(f"{act} drafts/{entry.draft} by {entry.person}\n", trailers)
        parents = [] if self.log_tip is None else [self.log_tip]
        self.log_tip = self.commit(EMPTY_TREE, parents, server, server, message, SERVER)
        self.point(PUSH_LOG, self.log_tip)

    def gatherer(self, *, has_log: bool = True) -> Gatherer:
        """One that knows nothing yet."""
        log = PushLog(self.store) if has_log else None
        return Gatherer(self.store, MAIN, log=log, server_keys=[self.key(SERVER).public_key], model=make_model)

    def state(self, world: World, draft: str, policy: Policy, gatherer: Gatherer | None = None) -> DraftState:
        """The state of a draft, as gathered from the repository."""
        found = gatherer if gatherer is not None else self.gatherer(has_log=world.has_log)
        facts = found.gather(draft, self.ids[world.heads[draft]], self.ids[world.main])
        return fold(facts, self.with_keys(policy), NOW)
