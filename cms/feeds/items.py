"""The items of feeds, made of the entries of one catalog."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from cms.assets import kind_of
from cms.bodies import Bodies
from cms.catalog import EVERY_LOCALE, Catalog, LocaleChain
from cms.dates import format_rfc3339
from cms.dependencies import Keys, collection_key, file_key
from cms.entry import Entry
from cms.errors import InvalidQuery
from cms.feeds.addresses import Addresses, escape
from cms.feeds.item import Enclosure, Feed, Item
from cms.params import LIST_PARAMETERS, ListRequest, Pairs, read_list_request, read_parameters
from cms.postings import asset_path, is_asset, walk_values
from cms.query import default_sort
from cms.refs import BlobId
from cms.schema import Collection, Field
from cms.settings import nearest

#: What of a list's parameters says how entries look, or counts them; a feed has its own form.
SHAPING = frozenset(
    (
        *("fields", "include", "depth", "facet", "facet.limit", "highlight"),
        *("cursor", "aggregate", "group_by", "group.limit", "distinct"),
    )
)
FEED_PARAMETERS = tuple(name for name in LIST_PARAMETERS if name not in SHAPING)
BODIES = ("html", "text")
AUTHORS = ("author", "authors")
TAGS = ("tags", "keywords", "category", "categories")
#: The day in the tag URI of what has no history, and when a feed without items last changed.
NO_DAY = datetime(2000, 1, 1, tzinfo=UTC)


def read_feed_request(pairs: Pairs, catalog: Catalog, collection: Collection) -> ListRequest:
    """The parameters of a feed: those of a list, newest first unless another order is asked for.

    Raises:
        InvalidQuery: naming the parameter.
    """
    parameters = read_parameters(pairs, FEED_PARAMETERS)
    for name in parameters.words("format"):
        if name not in BODIES:
            raise InvalidQuery(
                f"format: a feed has the body as html or text, not {name!r}{nearest(name, BODIES)}", parameter="format"
            )
    wanted = read_list_request(pairs, catalog, collection)
    sort = wanted.queries[0].sort or _newest(catalog, collection)
    return replace(wanted, queries=(replace(wanted.queries[0], sort=sort),), by_relevance=False)


def _newest(catalog: Catalog, collection: Collection) -> tuple[tuple[str, bool], ...]:
    own = default_sort(catalog.model, collection)
    has_dates = own[:1] == (("published_at", True),) or collection.date_field is not None
    return own if own[:1] == (("published_at", True),) else (("published_at" if has_dates else "created_at", True),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What is to be known of the files that entries name.

    Attributes:
        size_bytes: the size of a file at the commit of the catalog; None when there is none.
        url: the path on the server.
    """

    size_bytes: Callable[[str], int | None]
    url: Callable[[str], str]


class Items:
    """Makes the items of one feed."""

    def __init__(
        self,
        catalog: Catalog,
        bodies: Bodies,
        files: Files,
        first_paths: Mapping[str, str],
        formats: Sequence[str] = (),
    ) -> None:
        """
        Args:
            first_paths: for each file that had another path when it was first public, that path.
            formats: the forms of the body that are wanted.

        Raises:
            NotFound: nothing says where the site's pages are.
        """
        self.addresses = Addresses(catalog.model.settings)
        self._catalog = catalog
        self._bodies = bodies
        self._files = files
        self._first_paths = first_paths
        self._formats = formats
        self._keys: set[str] = set()

    @property
    def keys(self) -> Keys:
        """What the items that were made so far depend on, beside what says which entries they are."""
        return frozenset(self._keys)

    def item(self, entry: Entry) -> Item:
        """*entry* as an item."""
        catalog, addresses = self._catalog, self.addresses
        history = catalog.find_history(entry.path)
        parsed = entry.parsed
        committed_at = catalog.snapshot.commit.committed_at
        changed_at = history.updated_at if history is not None else committed_at
        published_at = history.created_at if history is not None else committed_at
        if parsed.publish_at is not None:
            published_at = _moment(parsed.publish_at)
            changed_at = max(changed_at, published_at)
        if entry.published_at is not None:
            published_at = _moment(entry.published_at)
        url = addresses.page(catalog.url_of(entry))
        collection = catalog.shelves[entry.collection].collection
        self._keys.add(collection_key(entry.collection))
        has_body = collection.has_body
        body = self._bodies.get(BlobId(entry.blob)) if has_body and self._formats else None
        return Item(
            id=self._id(entry, history.created_at if history is not None else None),
            title=parsed.title or entry.slug,
            url=url,
            locale=entry.locale or catalog.default_chain[0],
            summary=self._summary(entry, collection),
            html=addresses.in_html(body.html, url) if body is not None and "html" in self._formats else None,
            text=body.text if body is not None and "text" in self._formats else None,
            published_at=self._local(published_at),
            updated_at=self._local(changed_at),
            authors=tuple(self._names(entry, collection, AUTHORS)),
            tags=tuple(self._names(entry, collection, TAGS)),
            enclosures=tuple(self._enclosures(entry, collection)),
        )

    def _local(self, moment: datetime) -> datetime:
        """*moment* as the site's clocks show it, with an offset of whole minutes."""
        return datetime.fromisoformat(format_rfc3339(moment, self._catalog.zone))

    def _id(self, entry: Entry, created_at: datetime | None) -> str:
        """A tag URI of the moment and the path that the entry began with.

        Both stay when it is renamed; another entry that takes its old path began at another moment.
        """
        began = NO_DAY if created_at is None else created_at.astimezone(UTC)
        path = escape(self._first_paths.get(entry.path, entry.path))
        return f"tag:{self.addresses.authority},{began.date()}:{began:%H%M%S}/{path}"

    def _summary(self, entry: Entry, collection: Collection) -> str:
        own = entry.parsed.fields.get("excerpt")
        if isinstance(own, str) and own:
            return own
        return self._bodies.digest(BlobId(entry.blob)).excerpt if collection.has_body else ""

    def _names(self, entry: Entry, collection: Collection, names: Iterable[str]) -> Iterator[str]:
        """The texts in the fields *names*; of a reference the title of what it names, as far as that is public."""
        seen: set[str] = set()
        for name in names:
            value = entry.parsed.fields.get(name)
            for part in value if isinstance(value, list) else [value]:
                text = self._name(part, collection.fields.get(name), entry)
                if text and text not in seen:
                    seen.add(text)
                    yield text

    def _name(self, value: Any, field: Field | None, entry: Entry) -> str:
        if field is not None and field.references:
            self._keys.update(map(collection_key, field.references))
            target = self._catalog.find_reference(value, field.references, entry.locale)
            return "" if target is None else target.parsed.title or target.slug
        return value.strip() if isinstance(value, str) else ""

    def _enclosures(self, entry: Entry, collection: Collection) -> Iterator[Enclosure]:
        for _, _, value in walk_values(entry, collection, is_asset):
            path = asset_path(value)
            if path is None:
                url = self.addresses.page(value) if isinstance(value, str) else None
                kind = kind_of(value) if url is not None else ""
                if url is not None and kind:
                    yield Enclosure(url=url, kind=kind, size_bytes=None)
                continue
            kind = kind_of(path)
            self._keys.update([file_key(path)] if kind else [])
            size = self._files.size_bytes(path) if kind else None
            if size is not None:
                yield Enclosure(url=self.addresses.server(self._files.url(path)), kind=kind, size_bytes=size)


def make_feed(
    items: Items,
    catalog: Catalog,
    collection: Collection,
    chain: LocaleChain,
    entries: Sequence[Entry],
    links: Mapping[str, str],
) -> Feed:
    """A page of a feed.

    Args:
        links: the paths of its pages on this server.
    """
    site = catalog.model.settings.site
    locale = site.default_locale if chain == EVERY_LOCALE or not chain[0] else chain[0]
    label = collection.label.get(locale) or collection.title
    found = [items.item(entry) for entry in entries]
    whole = {relation: items.addresses.server(path) for relation, path in links.items()}
    return Feed(
        id=whole["first"],
        title=f"{site.title} – {label}",
        description=collection.description or site.description or label,
        author=site.title,
        home=f"{items.addresses.home}/",
        locale=locale,
        updated_at=max((item.updated_at for item in found), default=NO_DAY),
        items=found,
        links=whole,
    )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
