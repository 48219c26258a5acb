"""A repository whose states can be looked at at any moment, and a client that holds what it downloaded."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from cms.bodies import Bodies
from cms.cache import DerivedCache
from cms.catalog import Catalog, pick
from cms.delta import Change, Wanted, find_changes
from cms.history import History
from cms.model import read_model
from cms.present import DEPTH_LIMIT, Presenter, Shape
from cms.refs import CommitId
from cms.snapshot import build_snapshot, follow_snapshot
from cms.store import Store
from tests.repo import Repo

Held = dict[str, Any]
CMS = '[site]\nlocales = ["nb", "en"]\ndefault_locale = "nb"\n'
POSTS = """\
x-path: content/posts/{slug}.md
x-url: /{locale}/{slug}/
type: object
properties:
  title: {type: string}
  number: {type: number}
  author: {type: string, x-reference: authors}
  related: {type: array, items: {type: string}, x-reference: [posts, authors]}
"""
AUTHORS = "x-path: content/authors/{slug}.md\ntype: object\nproperties: {name: {type: string}, friend: {type: string, x-reference: authors}}\n"
MODEL = {"cms.toml": CMS, "schemas/posts.yaml": POSTS, "schemas/authors.yaml": AUTHORS}


@dataclass(frozen=True, slots=True)
class States:
    """Catalogs of any commit of a repository at any moment."""

    repo: Repo
    store: Store
    bodies: Bodies

    @classmethod
    def create(cls, folder: Path) -> "States":
        """A new repository in *folder*."""
        return cls.open(Repo.create(folder / "site.git"), folder)

    @classmethod
    def open(cls, repo: Repo, folder: Path) -> "States":
        """*repo*, with what is derived from it in *folder*."""
        store = Store.open(repo.path)
        cache = folder / "cache"
        cache.mkdir()
        return cls(repo, store, Bodies(store, DerivedCache(cache)))

    def at(self, commit: str, now: float) -> Catalog:
        """From nothing, as another process would have it."""
        id = CommitId(commit)
        model = read_model(self.store, id)
        assert model is not None
        return Catalog(replace(build_snapshot(self.store, id, model), history=History.build(self.store, id)), now)

    def after(self, old: Catalog, commit: str, now: float) -> Catalog:
        """From a neighbour, as the process that served it has it."""
        id = CommitId(commit)
        if id == old.snapshot.commit.id:
            return old.advance(old.snapshot, now)
        snapshot = replace(follow_snapshot(old.snapshot, self.store, id), history=History.build(self.store, id))
        if snapshot.changed is not None:
            moved = snapshot.history.differing(old.snapshot.history)
            snapshot = replace(snapshot, changed=snapshot.changed | {path for path in moved if path in snapshot.files})
        return old.advance(snapshot, now)

    def changes(self, old: Catalog | None, new: Catalog, wanted: Wanted | None = None) -> list[Change]:
        """What a client is told."""
        return find_changes(old, new, reader=self.store, bodies=self.bodies, wanted=wanted or Wanted())

    def show(self, catalog: Catalog, entry: Any, shape: Shape) -> Any:
        """*entry* as a client gets it."""
        return orjson.loads(orjson.dumps(Presenter(catalog, self.bodies).entry(entry, shape)))

    def download(self, catalog: Catalog, wanted: Wanted) -> Held:
        """Everything that a client can have of *catalog*."""
        return {
            entry.id: self.show(catalog, entry, wanted.shape)
            for name, shelf in catalog.shelves.items()
            if not wanted.collections or name in wanted.collections
            for entries in shelf.slugs.values()
            for entry in pick(entries, wanted.chain)
        }

    def apply(self, held: Held, changes: Sequence[Change], new: Catalog, wanted: Wanted) -> Held:
        """What a client holds after it was told *changes*."""
        held = dict(held)
        for change in changes:
            if change.before is not None and change.change in ("deleted", "renamed"):
                del held[change.before.id]
            if change.change in ("created", "updated", "renamed"):
                held[change.entry.id] = self.show(new, change.entry, wanted.shape)
        return held

    def names(self, old: Catalog | None, new: Catalog, wanted: Wanted | None = None) -> dict[str, tuple[str, ...]]:
        """``change id`` of each change, with its fields or what it is affected by."""
        return {
            f"{change.change} {change.entry.id}": change.fields or change.by
            for change in self.changes(old, new, wanted)
        }


DEEP = Shape(depth=DEPTH_LIMIT)


def text_of(fields: Mapping[str, object], body: str = "Text.") -> str:
    """A content file."""
    return "---\n" + "".join(f"{name}: {value}\n" for name, value in fields.items()) + f"---\n{body}\n"


def canonical(value: Any) -> bytes:
    """As JSON; 1 and 1.0 are different, the order of names does not matter."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    """The names that two JSON objects have different values for."""
    return {
        name
        for name in before.keys() | after.keys()
        if (name in before) != (name in after) or canonical(before.get(name)) != canonical(after.get(name))
    }
