"""Checking: everything that is wrong, or odd, with the content at one commit.

What one file says for itself was judged when it was read (``coerce``) and is in the snapshot; here come the rules that need all files:
references, assets, unique fields, keys and places. Files are read again only to say at which line something is wrong.

Not here: printing (``cli``), and what a push is told (the same findings, refused or let through).
"""

import difflib
import posixpath
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from cms import frontmatter
from cms.cache import DerivedCache
from cms.coerce import parse_entry
from cms.entry import RESERVED, Entry, Parsed
from cms.errors import CMSError, InvalidSettings
from cms.finding import Finding, finding_of
from cms.guide import find_unknown_pins
from cms.model import ContentModel, read_model
from cms.objects import TreeListing
from cms.refs import BlobId, CommitId, short_name
from cms.schema import Collection, Field
from cms.snapshot import Progress, Snapshot, build_snapshot
from cms.store import Store

InferModel = Callable[[Store, CommitId, str], ContentModel]
Path = tuple[str | int, ...]
RESERVED_RULE = "reserved"
SUGGESTIONS_LIMIT = 100
CONTENT_SUFFIXES = (".md", ".markdown", ".mdx")


class Place(NamedTuple):
    """A finding whose line is still to be looked up: the value at ``path`` of the front matter."""

    entry: Entry
    path: Path
    finding: Finding


def check_commit(
    store: Store,
    commit: CommitId,
    *,
    name: str,
    infer: InferModel,
    cache: DerivedCache,
    progress: Progress | None = None,
) -> list[Finding]:
    """Everything wrong or odd at *commit*, settings and schemas included, ordered by path and line.

    Args:
        name: the ref that *commit* was found by; the cache keeps what it learns under it.
        infer: makes a content model where none is written down.

    Raises:
        RepositoryProblem: the commit or its trees cannot be read.
    """
    try:
        model = read_model(store, commit) or infer(store, commit, short_name(name))
    except InvalidSettings as error:
        return [finding_of(error)]
    snapshot = build_snapshot(store, commit, model, cache=cache, progress=progress)
    return check_snapshot(snapshot, store)


def check_snapshot(snapshot: Snapshot, store: Store) -> list[Finding]:
    """Everything wrong or odd in *snapshot*, ordered by path and line.

    Raises:
        RepositoryProblem: the tree of the commit cannot be read.
    """
    listing = store.list_files(snapshot.commit.id)
    refused = list(read_refused(snapshot, listing, store))
    entries = sorted([*snapshot.files.values(), *refused], key=lambda entry: entry.path)
    model = snapshot.model
    places = [
        *find_broken_references(model, entries),
        *find_missing_assets(model, entries, listing),
        *find_repeated(model, entries),
    ]
    found = [*model.findings, *read_findings(snapshot)]
    found += find_shared_keys(entries)
    found += find_similar_slugs(entries)
    found += find_strays(model, listing)
    found += find_unknown_pins(snapshot.guide, {(entry.collection, entry.slug) for entry in entries})
    found += locate(places, store)
    return sorted(
        found, key=lambda finding: (finding.path, finding.line, finding.column, finding.field, finding.message)
    )


def read_refused(snapshot: Snapshot, listing: TreeListing, store: Store) -> Iterator[Entry]:
    """The entries that are not in *snapshot* because of an error: they have references too, and others refer to them."""
    model = snapshot.model
    blobs = {file.path: file.blob for file in listing if file.path in snapshot.findings}
    refused = [path for path in blobs if path not in snapshot.files and model.place(path) is not None]
    sources = store.read_blobs(blobs[path] for path in refused)
    for path, (blob, source) in zip(refused, sources, strict=True):
        place = model.place(path)
        if place is None:
            continue
        collection, match = place
        parsed = Parsed(fields={})
        if source is not None:
            parsed = parse_entry(source, collection, model.zone, frozenset(model.locales))
        yield Entry(
            collection=collection.name,
            slug=parsed.slug or match.slug,
            locale=parsed.locale or match.locale or model.settings.site.default_locale,
            path=path,
            blob=blob,
            parsed=parsed,
        )


def read_findings(snapshot: Snapshot) -> Iterator[Finding]:
    """What was found when the files were read; a reserved name, which is in most files or in none, once for a collection."""
    shadowed: dict[tuple[str, str], list[Finding]] = {}
    for path in sorted(snapshot.findings):
        for finding in snapshot.findings[path]:
            entry = snapshot.files.get(path)
            if finding.rule == RESERVED_RULE and entry is not None:
                shadowed.setdefault((entry.collection, finding.field), []).append(finding)
            else:
                yield finding
    for first, *others in shadowed.values():
        more = f", here and in {len(others):,} other file{'s' if len(others) > 1 else ''}" if others else ""
        yield msgspec.structs.replace(first, message=first.message + more)


def locate(places: Iterable[Place], store: Store) -> Iterator[Finding]:
    """The findings with their lines, each file read once."""
    by_blob: dict[str, list[Place]] = {}
    for place in places:
        by_blob.setdefault(place.entry.blob, []).append(place)
    for blob, source in store.read_blobs(BlobId(blob) for blob in by_blob):
        document = None if source is None else _read(source)
        for entry, path, finding in by_blob[blob]:
            line, column = document.mark(path) if document is not None else (0, 0)
            yield msgspec.structs.replace(
                finding, path=entry.path, line=line, column=column, field=".".join(map(str, path))
            )


def _read(source: bytes) -> frontmatter.Document | None:
    try:
        return frontmatter.read(source)
    except CMSError:
        return None


# -- fields --------------------------------------------------------------------------------------------------------


def walk_values(
    entry: Entry, collection: Collection, wanted: Callable[[Field], bool]
) -> Iterator[tuple[Field, Path, Any]]:
    """(field, path in the front matter, scalar) of every value of a field that is *wanted*."""
    for name, item in collection.fields.items():
        shown = f"{name}_" if name in RESERVED else name
        if shown in entry.parsed.fields:
            yield from _walk(item, entry.parsed.fields[shown], (name,), wanted)


def _walk(item: Field, value: Any, path: Path, wanted: Callable[[Field], bool]) -> Iterator[tuple[Field, Path, Any]]:
    if isinstance(value, list):
        for number, part in enumerate(value):
            yield from _walk(item, part, (*path, number), wanted)
    elif isinstance(value, dict):
        for key, inner in item.properties.items():
            if key in value:
                yield from _walk(inner, value[key], (*path, key), wanted)
    elif value is not None and wanted(item):
        yield item, path, value


def _wants(collection: Collection, wanted: Callable[[Field], bool]) -> bool:
    return any(map(wanted, collection.walk_fields()))


# -- references ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Targets:
    """The slugs of every collection: all, and those of which some file is not hidden. Suggests, a bounded number of times."""

    all: Mapping[str, set[str]]
    public: Mapping[str, set[str]]
    suggested: dict[tuple[str, tuple[str, ...]], str] = field(default_factory=dict)

    def split(self, value: object, collections: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """(collection, slug) of everything *value* could mean."""
        slug = str(value)
        for name in collections:
            yield name, slug
            if slug.startswith(f"{name}/"):
                yield name, slug[len(name) + 1 :]

    def suggest(self, value: object, collections: tuple[str, ...]) -> str:
        """The slug that was probably meant; empty when none is near, or when there have been too many questions."""
        key = str(value), collections
        if key not in self.suggested:
            if len(self.suggested) >= SUGGESTIONS_LIMIT:
                return ""
            slugs = [slug for name in collections for slug in self.all.get(name, ())]
            near = difflib.get_close_matches(key[0].rpartition("/")[2].casefold(), slugs, n=1)
            self.suggested[key] = f"did you mean {near[0]!r}?" if near else ""
        return self.suggested[key]


def find_broken_references(model: ContentModel, entries: Sequence[Entry]) -> Iterator[Place]:
    """References that name no entry (errors), and those of visible entries to hidden ones, which readers see as missing."""
    collections = model.collections
    every: dict[str, set[str]] = {name: set() for name in collections}
    public: dict[str, set[str]] = {name: set() for name in collections}
    for entry in entries:
        every[entry.collection].add(entry.slug)
        if not entry.parsed.hidden:
            public[entry.collection].add(entry.slug)
    targets = Targets(every, public)
    wanting = {name for name, collection in collections.items() if _wants(collection, _is_reference)}
    for entry in entries:
        if entry.collection in wanting:
            for item, path, value in walk_values(entry, collections[entry.collection], _is_reference):
                finding = check_reference(value, item.references, targets, is_hidden=entry.parsed.hidden)
                if finding is not None:
                    yield Place(entry, path, finding)


def _is_reference(item: Field) -> bool:
    return bool(item.references)


def check_reference(
    value: object, collections: tuple[str, ...], targets: Targets, *, is_hidden: bool
) -> Finding | None:
    """What is wrong with one reference of an entry that *is_hidden* or not."""
    meant = list(targets.split(value, collections))
    if not any(slug in targets.all.get(name, ()) for name, slug in meant):
        return Finding(
            message=f"there is no {value!r} in {' or '.join(collections)}",
            rule="reference",
            hint=targets.suggest(value, collections) or "correct the reference, or add the entry",
        )
    if not is_hidden and not any(slug in targets.public.get(name, ()) for name, slug in meant):
        return Finding(
            message=f"{value!r} is hidden, so readers do not see this reference",
            rule="reference-hidden",
            hint="publish that entry too, or remove the reference",
            severity="warning",
        )
    return None


# -- assets --------------------------------------------------------------------------------------------------------


def find_missing_assets(model: ContentModel, entries: Sequence[Entry], listing: TreeListing) -> Iterator[Place]:
    """Fields that name a file which is not in the repository."""
    collections = model.collections
    wanting = {name for name, collection in collections.items() if _wants(collection, _is_asset)}
    if not wanting:
        return
    paths = {file.path for file in listing}
    names: dict[str, str] = {}
    for entry in entries:
        if entry.collection not in wanting:
            continue
        for _, path, value in walk_values(entry, collections[entry.collection], _is_asset):
            if not isinstance(value, str) or _is_elsewhere(value) or value.lstrip("/") in paths:
                continue
            names = names or {known.casefold(): known for known in paths}
            yield Place(entry, path, missing_asset(value, entry, paths, names))


def _is_asset(item: Field) -> bool:
    return item.asset


def _is_elsewhere(value: str) -> bool:
    return "://" in value or value.startswith(("//", "data:")) or not value


def missing_asset(value: str, entry: Entry, paths: set[str], names: Mapping[str, str]) -> Finding:
    """The finding for an asset that is not there, with the path that was probably meant."""
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(entry.path), value))
    near = names.get(value.lstrip("/").casefold()) or (beside if beside in paths else "")
    return Finding(
        message=f"there is no file {value!r} in the repository",
        rule="asset",
        hint=f"did you mean {near!r}?" if near else "paths of files begin at the root of the repository",
    )


# -- unique fields and keys ----------------------------------------------------------------------------------------


def find_repeated(model: ContentModel, entries: Sequence[Entry]) -> Iterator[Place]:
    """Values of unique fields that an entry before (by path) has too, in the same collection and locale."""
    collections = model.collections
    wanting = {name for name, collection in collections.items() if _wants(collection, _is_unique)}
    if not wanting:
        return
    first: dict[tuple[str, str, str, str], str] = {}
    for entry in entries:
        path = entry.path
        if entry.collection not in wanting:
            continue
        for item, where, value in walk_values(entry, collections[entry.collection], _is_unique):
            owner = first.setdefault((entry.collection, entry.locale, item.name, repr(value)), path)
            if owner != path:
                message = f"{value!r} is already used by {owner}, and must be unique in {entry.collection}"
                yield Place(entry, where, Finding(message=message, rule="unique", hint="use another value"))


def _is_unique(item: Field) -> bool:
    return item.unique


def find_shared_keys(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Files that claim the key of another one, which comes first by path and is served."""
    first: dict[tuple[str, str, str], str] = {}
    for entry in entries:
        path = entry.path
        owner = first.setdefault(entry.key, path)
        if owner != path:
            yield Finding(
                message=f"{owner} is {entry.id} already, and is served instead of this file",
                path=path,
                rule="duplicate-entry",
                hint="give one of them another name, slug or locale",
            )


def find_similar_slugs(entries: Sequence[Entry]) -> Iterator[Finding]:
    """Entries whose slugs look alike, in another case or another Unicode form: both are served, but not every file system can hold both."""
    first: dict[tuple[str, str, str], Entry] = {}
    for entry in entries:
        path = entry.path
        folded = unicodedata.normalize("NFC", entry.slug).casefold()
        other = first.setdefault((entry.collection, folded, entry.locale), entry)
        if other.slug != entry.slug:
            is_case = entry.slug.casefold() == other.slug.casefold()
            how = "upper and lower case" if is_case else "how Unicode writes its letters"
            yield Finding(
                message=f"the slug {entry.slug!r} differs from {other.slug!r} ({other.path}) only in {how}",
                path=path,
                rule="similar-slug",
                hint="rename one of them: Windows and macOS keep only one",
                severity="warning",
            )


def find_strays(model: ContentModel, listing: TreeListing) -> Iterator[Finding]:
    """Content files in the folder of a collection whose path fits none of its patterns."""
    folders: dict[str, str] = {}
    for collection in model.collections.values():
        for pattern in collection.patterns:
            folder = pattern.prefix.rpartition("/")[0]
            if folder:
                folders.setdefault(f"{folder}/", collection.name)
    prefixes = tuple(folders)
    for file in listing:
        if file.path.startswith(prefixes) and file.path.endswith(CONTENT_SUFFIXES) and model.place(file.path) is None:
            if any(item.patterns[0].excludes(file.path) for item in model.collections.values()):
                continue
            near = max((prefix for prefix in prefixes if file.path.startswith(prefix)), key=len)
            patterns = " or ".join(pattern.text for pattern in model.collections[folders[near]].patterns)
            yield Finding(
                message=f"the path fits no pattern of the collection {folders[near]!r}, so the file is not served",
                path=file.path,
                rule="stray-file",
                hint=f"x-path is {patterns}",
                severity="warning",
            )
