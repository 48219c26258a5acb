"""What of a site is searched: the text of an entry, and which texts a catalog shows.

Not here: how they are found (``cms.search``), what is made of what was found (``searching``).
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from cms.catalog import EVERY_LOCALE, Catalog, LocaleChain
from cms.entry import RESERVED, Entry
from cms.layers import Layers
from cms.model import ContentModel
from cms.schema import Collection
from cms.search import SearchDocument, Visible

NAME = "texts"
SLUG = "slug"
SLUG_WEIGHT = 0.5
KEPT_MOST = 64
Selected = tuple[tuple[str, LocaleChain], ...]  # collections, each with the locales that are wanted of it
Documents = Mapping[str, Sequence[Entry]]


def search_fingerprint(model: ContentModel) -> str:
    """Changes whenever the same file would be indexed differently."""
    parts = [f"{SLUG}={SLUG_WEIGHT}"]
    parts += [
        f"{name}:{collection.title_field}:{collection.has_body}:"
        + ",".join(f"{item.name}={item.boost}" for item in collection.walk_fields() if item.boost)
        for name, collection in sorted(model.collections.items())
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def search_document(entry: Entry, collection: Collection, text: str) -> SearchDocument:
    """What of *entry* is searched: title, excerpt, body, the fields with a boost, and the slug."""
    fields: dict[str, tuple[str, float]] = {}
    summary = entry.parsed.fields.get("excerpt")
    for item in collection.walk_fields():
        if item.boost and item.name != collection.title_field and not item.references:
            head, _, rest = item.name.partition(".")
            shown = f"{head}_" if head in RESERVED else head
            found = " \n".join(_texts(entry.parsed.fields, [shown, *filter(None, rest.split("."))]))
            if found:
                fields[item.name] = (found, item.boost)
    fields.setdefault(SLUG, (entry.slug, SLUG_WEIGHT))
    return SearchDocument(
        id=entry.document_id,
        locale=entry.locale,
        title=entry.parsed.title or "",
        summary=summary if isinstance(summary, str) else "",
        body=text if collection.has_body else "",
        fields=fields,
    )


def _texts(value: Any, parts: Sequence[str]) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _texts(item, parts)
    elif parts:
        if isinstance(value, dict):
            yield from _texts(value.get(parts[0]), parts[1:])
    elif value is not None and not isinstance(value, dict):
        yield str(value)


class Union(Mapping[str, list[Entry]]):
    """The documents of several selections, none of which is in two."""

    def __init__(self, parts: Sequence[Mapping[str, list[Entry]]]) -> None:
        self.parts = parts

    def __getitem__(self, id: str) -> list[Entry]:
        for part in self.parts:
            found = part.get(id)
            if found is not None:
                return found
        raise KeyError(id)

    def __contains__(self, id: object) -> bool:
        return any(id in part for part in self.parts)

    def __iter__(self) -> Iterator[str]:
        for part in self.parts:
            yield from part

    def __len__(self) -> int:
        return sum(map(len, self.parts))


class VisibleTexts:
    """For selections of one catalog, which documents are in them; what is kept of them follows the catalog."""

    def __init__(
        self, earlier: "Mapping[Selected, tuple[Sequence[Layers[list[Entry]]], Visible]] | None" = None
    ) -> None:
        self._earlier = dict(earlier or {})
        self._known: dict[Selected, tuple[Sequence[Layers[list[Entry]]], Visible]] = {}

    def advance(self, removed: Sequence[Entry], added: Sequence[Entry]) -> "VisibleTexts":  # noqa: ARG002 (as of ``Derived``)
        """For the next catalog."""
        return VisibleTexts({**self._earlier, **self._known.copy()})

    def of(self, catalog: Catalog, selected: Selected) -> Visible:
        """The documents of *selected*; the same object while the same is visible."""
        known = self._known.get(selected)
        if known is None:
            layers = [_documents(catalog, name, chain) for name, chain in selected]
            ids: Mapping[str, list[Entry]] = layers[0] if len(layers) == 1 else Union(layers)
            earlier, visible = self._earlier.pop(selected, (None, None))
            if earlier is None or visible is None:
                visible = Visible(ids)
            else:
                pairs = zip(earlier, layers, strict=True)
                differing = frozenset().union(*(before.differing(after) for before, after in pairs))
                visible = visible.changed(ids, differing) if differing else visible
            while len(self._known) >= KEPT_MOST:
                self._known.pop(next(iter(self._known)), None)
            known = self._known[selected] = layers, visible
        return known[1]


def entries_of(documents: Documents, ids: Sequence[str]) -> list[Sequence[Entry]]:
    """What has each of *ids*."""
    return [*documents.several(ids)] if isinstance(documents, Layers) else [documents[id] for id in ids]


def _documents(catalog: Catalog, name: str, chain: LocaleChain) -> Layers[list[Entry]]:
    found = catalog.documents(name, chain)
    assert isinstance(found, Layers)
    return found


def visible_texts(catalog: Catalog, selected: Selected | None = None) -> Visible:
    """The documents that *selected* holds; without it all that the catalog shows."""
    kept = catalog.derived.setdefault(NAME, VisibleTexts())
    assert isinstance(kept, VisibleTexts)
    return kept.of(catalog, everything(catalog) if selected is None else selected)


def everything(catalog: Catalog) -> Selected:
    """All that *catalog* shows."""
    return tuple((name, EVERY_LOCALE) for name in catalog.shelves)


def documents_of(catalog: Catalog, selected: Selected | None = None) -> Documents:
    """The entries of *selected*, or all that the catalog shows, by document id."""
    parts = [_documents(catalog, *each) for each in (everything(catalog) if selected is None else selected)]
    return parts[0] if len(parts) == 1 else Union(parts)
