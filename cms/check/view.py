"""A snapshot as the rules look at it: which entries there are, and which files."""

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from cms.check.files import Files
from cms.entry import Entry
from cms.overlay import Reader
from cms.postings import NAMES, VALUES, Key, fold, is_asset, is_reference, meanings, postings_of
from cms.schema import Collection, Field
from cms.snapshot import Snapshot

#: So many times a slug is looked for that was probably meant, and among so many: comparing closely takes its time.
SUGGESTIONS_LIMIT = 100
COMPARED_LIMIT = 500
#: The name of another draft that has an entry, by collection and slug; None when there is none.
FindDraft = Callable[[str, str], str | None]


class Standing(NamedTuple):
    """Whether there is an entry of some slug, in whatever locale, and one that is not hidden."""

    is_there: bool
    is_public: bool


class View:
    """One snapshot while it is judged."""

    def __init__(
        self, snapshot: Snapshot, reader: Reader, find_draft: FindDraft | None = None, *, suggests: bool = True
    ) -> None:
        """Look at *snapshot*, whose tree *reader* can read.

        Args:
            find_draft: tells where an entry is that is not here.
            suggests: look for what was meant; in vain where nobody reads it.
        """
        self.snapshot = snapshot
        self.model = snapshot.model
        self.names = postings_of(snapshot, NAMES)
        self.values = postings_of(snapshot, VALUES)
        self.files = Files(reader, snapshot.commit.tree)
        self.find_draft = find_draft
        self._linking = {
            name: collection
            for name, collection in self.model.collections.items()
            if any(map(is_link, collection.walk_fields()))
        }
        self._standings: dict[Key, Standing] = {}
        self._suggests = suggests
        self._suggested: dict[tuple[str, tuple[str, ...]], str] = {}
        self._edges: dict[str, Mapping[str, list[str]]] = {}

    def linking(self, entry: Entry) -> Collection | None:
        """The collection of *entry* when its fields may name entries or files."""
        return self._linking.get(entry.collection)

    def entries_at(self, paths: Iterable[str]) -> list[Entry]:
        """The entries of the files at *paths*; of a path without an entry none."""
        return [entry for path in paths if (entry := self.snapshot.find(path)) is not None]

    def standing(self, key: Key) -> Standing:
        """What there is of the collection and the slug of *key*."""
        found = self._standings.get(key)
        if found is None:
            collection, slug = key
            same = self.entries_at(self.names.get((collection, fold(slug))))
            hidden = [entry.parsed.hidden for entry in same if entry.slug == slug]
            found = self._standings[key] = Standing(bool(hidden), not all(hidden))
        return found

    def __contains__(self, key: object) -> bool:
        return isinstance(key, tuple) and self.standing((str(key[0]), str(key[1]))).is_there

    def suggest(self, value: object, collections: tuple[str, ...]) -> str:
        """The slug that was probably meant; empty when none is near, or when there have been too many questions."""
        key = str(value), collections
        if key not in self._suggested:
            if len(self._suggested) >= SUGGESTIONS_LIMIT or not self._suggests:
                return ""
            wanted = fold(key[0].rpartition("/")[2])
            likely = [name for collection in collections for name in self._likely(wanted, collection)]
            near = difflib.get_close_matches(wanted, likely, n=1)
            meant = self._named(near[0], collections) if near else ""
            self._suggested[key] = f"did you mean {meant!r}?" if meant else ""
        return self._suggested[key]

    def _likely(self, wanted: str, collection: str) -> Sequence[str]:
        """The slugs of *collection*; of very many those that could be *wanted* with an error in it."""
        edges = self._edges.get(collection)
        if edges is None:
            edges = self._edges[collection] = _by_edge(self.names.names(collection))
        if len(edges[""]) <= COMPARED_LIMIT:
            return edges[""]
        same = dict.fromkeys([*edges.get(f"{wanted[:2]}…", ()), *edges.get(f"…{wanted[-2:]}", ())])
        longest = max(2, len(wanted) // 4)
        likely = [name for name in same if abs(len(name) - len(wanted)) <= longest]
        likely.sort(key=lambda name: (name[:4] != wanted[:4], name[-4:] != wanted[-4:]))
        return likely[:COMPARED_LIMIT]

    def _named(self, folded: str, collections: Iterable[str]) -> str:
        paths = [path for name in collections for path in self.names.get((name, folded))]
        return min((entry.slug for entry in self.entries_at(paths)), default="")

    def find_draft_of(self, value: object, collections: Iterable[str]) -> str | None:
        """The name of another draft that has what the reference *value* names."""
        if self.find_draft is None:
            return None
        found = (self.find_draft(*key) for key in meanings(value, collections))
        return next((name for name in found if name is not None), None)


def is_link(item: Field) -> bool:
    """Whether values of the field name entries or files."""
    return is_reference(item) or is_asset(item)


def _by_edge(names: Iterable[str]) -> Mapping[str, list[str]]:
    """All *names*, and those that begin, or end, with the same two letters: few errors touch both."""
    found: dict[str, list[str]] = {"": []}
    for name in names:
        found[""].append(name)
        found.setdefault(f"{name[:2]}…", []).append(name)
        found.setdefault(f"…{name[-2:]}", []).append(name)
    return found
