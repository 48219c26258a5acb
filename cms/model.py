"""The content model of a site at one commit: its settings and its collections, read from ``cms.toml`` and ``schemas/``."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any
from zoneinfo import ZoneInfo

from cms.entry import META_KINDS, RESERVED
from cms.errors import CMSError, InvalidSchema, InvalidSettings
from cms.finding import Finding, finding_of
from cms.overlay import Reader
from cms.paths import PathMatch, PathPattern
from cms.refs import BlobId, CommitId
from cms.schema import Collection, find_line, read_schema
from cms.settings import SCHEMAS_FOLDER, SETTINGS_FILE, Settings, nearest, read_settings

SORT_LIMIT = 5


@dataclass(frozen=True, kw_only=True)
class ContentModel:
    """Settings and collections, and what is wrong with the files they were read from.

    Attributes:
        sources: blob ids of ``cms.toml`` and the schema files by path: as long as they are the same, so is the model.
        is_inferred: nobody wrote it down; it was guessed from the content.
        findings: problems of ``cms.toml`` and the schemas; a collection with a broken schema is not served.
    """

    settings: Settings
    collections: Mapping[str, Collection]
    sources: Mapping[str, str]
    is_inferred: bool = False
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone."""
        return self.settings.zone

    @property
    def locales(self) -> tuple[str, ...]:
        """The site's locales."""
        return self.settings.site.locales

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Folders that hold all content; none when it may be anywhere."""
        folders = {
            pattern.prefix.rpartition("/")[0]
            for collection in self.collections.values()
            for pattern in collection.patterns
        }
        if "" in folders:
            return ()
        return tuple(sorted(folders))

    @property
    def names(self) -> frozenset[str]:
        """The names of all collections, also of those whose schema cannot be read."""
        written = (PurePosixPath(path).stem for path in self.sources if path != SETTINGS_FILE)
        return frozenset((*self.collections, *written))

    @property
    def fingerprint(self) -> str:
        """Changes whenever a file could be read differently."""
        parts = [self.settings.site.time_zone, *self.locales, *(item.fingerprint for item in self.collections.values())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def reads_like(self, other: "ContentModel") -> bool:
        """Whether *other* makes the same entries of the same files; titles, people and rules may differ."""
        one, two = self.settings, other.settings
        return self is other or (
            self.fingerprint == other.fingerprint
            and one.site.default_locale == two.site.default_locale
            and one.search == two.search
            and self.is_inferred == other.is_inferred
        )

    def parse_fingerprint(self, collection: Collection) -> str:
        """Changes whenever the bytes of an entry of *collection* could be read differently."""
        parts = (collection.fingerprint, self.settings.site.time_zone, *self.locales)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

    def place(self, path: str) -> tuple[Collection, PathMatch] | None:
        """The collection that *path* belongs to, and what the path says; the first collection that matches wins."""
        for prefix, suffix, pattern, collection in self._patterns:
            if path.startswith(prefix) and path.endswith(suffix):
                found = pattern.match(path)
                if found is not None:
                    return collection, found
        return None

    @cached_property
    def memo(self) -> dict[tuple[str, ...], Any]:
        """What queries work out from the model alone, such as resolved field paths; bounded by those who use it."""
        return {}

    @cached_property
    def _patterns(self) -> list[tuple[str, str, PathPattern, Collection]]:
        return [
            (pattern.prefix, pattern.suffix, pattern, collection)
            for collection in self.collections.values()
            for pattern in collection.patterns
        ]


def read_model(reader: Reader, commit: CommitId) -> ContentModel | None:
    """The model written down at *commit*, or ``None`` when there is neither ``cms.toml`` nor a schema.

    Raises:
        InvalidSettings: ``cms.toml`` is wrong; nothing can be served by guessing what it meant.
        RepositoryProblem: the files cannot be read.
    """
    sources = dict(_sources(reader, commit))
    if not sources:
        return None
    settings = Settings()
    if SETTINGS_FILE in sources:
        settings = _settings(reader.read_blob(sources[SETTINGS_FILE]))
    findings: list[Finding] = []
    collections: dict[str, Collection] = {}
    texts: dict[str, str] = {}
    for path, blob in sources.items():
        if path == SETTINGS_FILE:
            continue
        name = path.rpartition("/")[2].rpartition(".")[0]
        try:
            if name in collections:
                raise CMSError(f"there is another schema for the collection {name!r}", path=path)
            source = reader.read_blob(blob)
            collections[name] = read_schema(name, source, path=path, locales=settings.site.locales)
            texts[path] = source.decode("utf-8-sig")
        except CMSError as error:
            findings.append(finding_of(error, path=path))
    findings += [finding_of(error) for error in check_references(collections, texts)]
    if not any(path != SETTINGS_FILE for path in sources):
        findings.append(
            Finding(
                message=f"there is no schema in {SCHEMAS_FOLDER}/, so there is nothing to serve",
                path=SETTINGS_FILE,
                rule="no-schemas",
                hint="write one (docs/schemas.md) or let 'cms adopt' infer them",
            )
        )
    return ContentModel(
        settings=settings, collections=without_wrong_sorts(collections), sources=sources, findings=tuple(findings)
    )


def _sources(reader: Reader, commit: CommitId) -> Iterator[tuple[str, BlobId]]:
    settings = reader.find_blob(commit, SETTINGS_FILE)
    if settings is not None:
        yield SETTINGS_FILE, settings
    for file in sorted(reader.list_files(commit, prefixes=(SCHEMAS_FOLDER,)), key=lambda file: file.path):
        if file.path.count("/") == 1 and file.path.endswith((".yaml", ".yml")):
            yield file.path, file.blob


def _settings(source: bytes) -> Settings:
    try:
        return read_settings(source.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InvalidSettings(f"{SETTINGS_FILE} is not UTF-8", path=SETTINGS_FILE) from error


def with_branch(model: ContentModel, branch: str) -> ContentModel:
    """The same model with another published branch."""
    site = replace(model.settings.site, branch=branch)
    return replace(model, settings=replace(model.settings, site=site))


def field_pointer(schema: Mapping[str, Any], name: str, keyword: str) -> list[str]:
    """Where *keyword* of the field of that dotted *name* stands; as far as it can be told without following anything."""
    pointer: list[str] = []
    node: Any = schema
    for part in name.split("."):
        steps = ["properties", part] if "properties" in node else ["items", "properties", part]
        for step in steps:
            node = node.get(step) if isinstance(node, dict) else None
        pointer += steps
        if not isinstance(node, dict):
            return pointer
    below = node.get("items")
    if keyword not in node and isinstance(below, dict) and keyword in below:
        pointer.append("items")
    return [*pointer, keyword]


def check_references(
    collections: Mapping[str, Collection], texts: Mapping[str, str] | None = None
) -> list[InvalidSchema]:
    """Every ``x-reference`` that names a collection that does not exist, and every ``x-sort`` that names no field.

    Args:
        texts: the source of each schema by its path, to tell the line.
    """

    def wrong(collection: Collection, message: str, keyword: str, pointer: Sequence[str]) -> InvalidSchema:
        line = find_line(texts[collection.path], pointer) if texts and collection.path in texts else 1
        return InvalidSchema(message, path=collection.path, line=line, keyword=keyword)

    found = []
    for collection in collections.values():
        for item in collection.walk_fields():
            for target in item.references:
                if target not in collections:
                    message = f"{item.name}: x-reference names {target!r}, which is no collection"
                    pointer = field_pointer(collection.schema, item.name, "x-reference")
                    found.append(wrong(collection, message + nearest(target, collections), "x-reference", pointer))
        reason = _wrong_sort(collection, collections)
        if reason:
            found.append(wrong(collection, reason, "x-sort", ["x-sort"]))
    return found


def without_wrong_sorts(collections: Mapping[str, Collection]) -> dict[str, Collection]:
    """*collections* with no ``x-sort`` where it names what is not there, so that they can be served in another order."""
    return {
        name: replace(collection, sort="") if _wrong_sort(collection, collections) else collection
        for name, collection in collections.items()
    }


def _wrong_sort(collection: Collection, collections: Mapping[str, Collection]) -> str:
    names = [part.strip().lstrip("+-") for part in collection.sort.split(",") if part.strip()]
    if len(names) > SORT_LIMIT:
        return f"x-sort names more than {SORT_LIMIT} fields"
    for name in names:
        if not _has_value(collection, name.split("."), collections):
            known = [*(key for key in collection.fields if key not in RESERVED), *META_KINDS]
            return f"x-sort names {name!r}, which is nothing that can be sorted by{nearest(name, known)}"
    return ""


def _has_value(
    collection: Collection, parts: Sequence[str], collections: Mapping[str, Collection], hops: int = 0
) -> bool:
    """Whether *parts* lead to something that can be ordered, in the collection itself or behind references."""
    head, rest = parts[0], parts[1:]
    if head in META_KINDS and not rest:
        return True
    item = collection.fields.get(head[:-1] if head[:-1] in RESERVED and head.endswith("_") else head)
    if item is not None and item.references and rest:
        targets = [collections[name] for name in item.references if name in collections]
        return hops < 3 and any(_has_value(target, rest, collections, hops + 1) for target in targets)
    for part in rest:
        if item is None or (item.kind == "any" and not item.properties):
            break
        item = item.properties.get(part)
    return item is not None and item.kind != "object"
