"""Facets: the fields that lists are counted, grouped and thinned out by, and how their values are shown.

A facet is a field, also one behind references, or ranges of its values (:mod:`cms.buckets`). Its *keys* are what is counted and compared;
:meth:`Facet.showing` makes of a key what an answer says.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cms.buckets import Bucket, Range, read_bucket
from cms.catalog import Catalog, LocaleChain
from cms.coerce import timestamp_text
from cms.entry import Entry
from cms.errors import InvalidQuery
from cms.fieldpath import FieldPath, Lookup, resolve_path
from cms.model import ContentModel
from cms.schema import Collection

KeysOf = Callable[[Entry, Lookup], Sequence[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facet:
    """One facet asked for: a field, or ranges of its values."""

    name: str
    path: FieldPath
    bucket: Bucket | None = None

    def reading(self, catalog: Catalog) -> KeysOf:
        """Reads the keys of an entry, each once, in the order of its values."""
        read, bucket = self.path.read, self.bucket
        if bucket is None:
            return lambda entry, lookup: _scalars(read(entry, lookup))
        place = bucket.place(catalog.zone)
        return lambda entry, lookup: _once([place(value) for value in read(entry, lookup)])

    def showing(self, catalog: Catalog, chain: LocaleChain) -> Callable[[Any], "FacetValue"]:
        """Makes what is shown of a key, with a count of none; labels are in the language that *chain* prefers."""
        bucket = self.bucket
        if bucket is not None:
            return lambda key: _of_range(bucket.range(key))
        if self.path.kind == "date-time":
            return lambda key: FacetValue(value=timestamp_text(key, catalog.zone), label=None)
        label = _labelling(catalog, self.path, chain)
        return lambda key: FacetValue(value=key, label=label(key))

    def rank(self, key: Any, count: int) -> Any:
        """Where a value stands among the others: ranges one after another, everything else by count."""
        return (self.bucket.rank(key),) if self.bucket is not None else (-count, str(key))


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetValue:
    """One value of a facet, and how many entries have it; *low* and *high* as in :class:`cms.buckets.Range`."""

    value: Any
    label: str | None
    count: int = 0
    low: float | None = None
    high: float | None = None


def read_facet(model: ContentModel, collection: Collection, text: str, parameter: str = "facet") -> Facet:
    """``category``, ``author.name``, ``published_at.year`` or ``price.100`` as a facet.

    Raises:
        InvalidQuery: an unknown field, or one whose values cannot be counted.
    """

    def kind_of(name: str) -> str:
        try:
            return resolve_path(model, collection, name, parameter=parameter).kind
        except InvalidQuery:
            return ""

    ranged = read_bucket(text, kind_of, parameter)
    if ranged is not None:
        name, bucket = ranged
        return Facet(name=text, path=resolve_path(model, collection, name, parameter=parameter), bucket=bucket)
    path = resolve_path(model, collection, text, parameter=parameter)
    if path.kind == "object":
        raise InvalidQuery(f"{text!r} is an object; name a field inside it", parameter=parameter)
    return Facet(name=text, path=path)


def _scalars(values: Sequence[Any]) -> Sequence[Any]:
    """What of *values* can be counted, each once."""
    return _once([value for value in values if isinstance(value, str | int | float)])


def _once(keys: Sequence[Hashable]) -> Sequence[Hashable]:
    return keys if len(keys) < 2 else list(dict.fromkeys(keys))


def _of_range(found: Range) -> FacetValue:
    return FacetValue(value=found.value, label=found.label, low=found.low, high=found.high)


def _labelling(catalog: Catalog, path: FieldPath, chain: LocaleChain) -> Callable[[Any], str | None]:
    """How a value is called: by the title of the entry that it names, or as the schema says."""
    item = path.field
    locale = next((part for part in chain if part not in ("", "*")), catalog.default_chain[0])
    if item is None or not (item.references or item.value_labels):
        return lambda _: None
    if not item.references:
        return lambda value: _in_locale(item.value_labels.get(value), (locale, *catalog.default_chain))

    def label(value: Any) -> str | None:
        target = catalog.find_reference(value, item.references, locale)
        return target.parsed.title if target is not None else None

    return label


def _in_locale(label: Any, locales: Sequence[str]) -> str | None:
    """A text, or of one for each locale the first that there is."""
    if isinstance(label, Mapping):
        return next((str(label[locale]) for locale in locales if locale in label), None)
    return label if isinstance(label, str) else None
