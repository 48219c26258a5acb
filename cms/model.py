"""The content model of a site at one commit: its settings and its collections, read from ``cms.toml`` and ``schemas/``."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from zoneinfo import ZoneInfo

from cms.errors import CMSError, InvalidSettings
from cms.finding import Finding, finding_of
from cms.paths import PathMatch, PathPattern
from cms.refs import BlobId, CommitId
from cms.schema import Collection, check_references, read_schema
from cms.settings import SCHEMAS_FOLDER, SETTINGS_FILE, Settings, read_settings
from cms.store import Store


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
    def fingerprint(self) -> str:
        """Changes whenever a file could be read differently."""
        parts = [self.settings.site.time_zone, *self.locales, *(item.fingerprint for item in self.collections.values())]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]

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
    def _patterns(self) -> list[tuple[str, str, PathPattern, Collection]]:
        return [
            (pattern.prefix, pattern.suffix, pattern, collection)
            for collection in self.collections.values()
            for pattern in collection.patterns
        ]


def read_model(store: Store, commit: CommitId) -> ContentModel | None:
    """The model written down at *commit*, or ``None`` when there is neither ``cms.toml`` nor a schema.

    Raises:
        InvalidSettings: ``cms.toml`` is wrong; nothing can be served by guessing what it meant.
        RepositoryProblem: the files cannot be read.
    """
    sources = dict(_sources(store, commit))
    if not sources:
        return None
    settings = Settings()
    if SETTINGS_FILE in sources:
        settings = _settings(store.read_blob(sources[SETTINGS_FILE]))
    findings: list[Finding] = []
    collections: dict[str, Collection] = {}
    for path, blob in sources.items():
        if path == SETTINGS_FILE:
            continue
        name = path.rpartition("/")[2].rpartition(".")[0]
        try:
            if name in collections:
                raise CMSError(f"there is another schema for the collection {name!r}", path=path)
            collections[name] = read_schema(name, store.read_blob(blob), path=path, locales=settings.site.locales)
        except CMSError as error:
            findings.append(finding_of(error, path=path))
    findings += [finding_of(error) for error in check_references(collections)]
    if not any(path != SETTINGS_FILE for path in sources):
        findings.append(
            Finding(
                message=f"there is no schema in {SCHEMAS_FOLDER}/, so there is nothing to serve",
                path=SETTINGS_FILE,
                rule="no-schemas",
                hint="write one (docs/schemas.md) or let 'cms adopt' infer them",
            )
        )
    return ContentModel(settings=settings, collections=collections, sources=sources, findings=tuple(findings))


def _sources(store: Store, commit: CommitId) -> Iterator[tuple[str, BlobId]]:
    settings = store.find_blob(commit, SETTINGS_FILE)
    if settings is not None:
        yield SETTINGS_FILE, settings
    for file in sorted(store.list_files(commit, prefixes=(SCHEMAS_FOLDER,)), key=lambda file: file.path):
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
