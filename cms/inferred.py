"""The content model of a repository that has none written down: inferred by ``adopt``, compiled, and kept in memory only.

``cms adopt`` writes such texts into the repository, where a person can improve them. What is served is inferred from what the public sees:
a collection or a field that only drafts have must not be told of by the model.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import inf
from zoneinfo import ZoneInfo

from cms.adopt import Adoption, adopt, is_config, is_markdown
from cms.catalog import Catalog
from cms.coerce import is_public_at
from cms.errors import CMSError, InvalidFrontMatter, RepositoryProblem
from cms.finding import Finding, finding_of
from cms.frontmatter import read
from cms.model import ContentModel, check_references
from cms.objects import FileEntry
from cms.refs import BlobId, CommitId
from cms.schema import Collection, read_schema
from cms.settings import SCHEMAS_FOLDER, read_settings
from cms.snapshot import Snapshot
from cms.store import Store

SAMPLE = 20
ZONE = ZoneInfo("UTC")


def adopt_commit(store: Store, commit: CommitId, branch: str, now: float | None = None) -> Adoption:
    """Look at the files of *commit* and infer settings and schemas.

    Args:
        branch: short name of the branch to publish.
        now: only from what the public may see then (seconds since 1970); None: from every file.

    Raises:
        RepositoryProblem: the commit or its trees cannot be read, or none of its files; a single damaged file is left out.
    """
    listing = store.list_files(commit)
    content = [file for file in listing if is_markdown(file.path)]
    if content and not any(
        source is not None for _, source in store.read_blobs(file.blob for file in content[:SAMPLE])
    ):
        raise RepositoryProblem(
            "the content of the files is missing from the repository",
            hint="a partial clone (--filter=blob:none) must be made complete with `git fetch --refetch --no-filter`",
        )
    rest = [file for file in listing if not is_markdown(file.path)]
    configs = dict(_sources(store, [file for file in rest if is_config(file.path)]))
    sources = _sources(store, content)
    return adopt(
        sources if now is None else ((path, source) for path, source in sources if is_public_source(source, now)),
        others=[file.path for file in rest],
        configs=configs,
        name=repository_name(store),
        branch=branch,
    )


def infer_model(store: Store, commit: CommitId, branch: str, now: float | None = None) -> ContentModel:
    """The model that :func:`adopt_commit` would write down, with the notes it has for a person.

    Args:
        branch, now: as there.

    Raises:
        RepositoryProblem: as for :func:`adopt_commit`.
    """
    adoption = adopt_commit(store, commit, branch, now)
    settings = read_settings(adoption.settings_toml)
    collections: dict[str, Collection] = {}
    findings: list[Finding] = []
    for file, text in adoption.schemas.items():
        name = file.rpartition(".")[0]
        path = f"{SCHEMAS_FOLDER}/{file}"
        try:
            collections[name] = read_schema(name, text, path=path, locales=settings.site.locales)
        except CMSError as error:
            findings.append(finding_of(error, path=path))
    findings += [finding_of(error) for error in check_references(collections)]
    model = ContentModel(
        settings=settings,
        collections=collections,
        sources={},
        is_inferred=True,
        findings=tuple(findings),
        notes=adoption.notes,
    )
    return model if now is None else replace(model, notes=(*model.notes, *_unseen(store, commit, model, now)))


def _unseen(store: Store, commit: CommitId, model: ContentModel, now: float) -> Iterator[str]:
    """A note for every content file that the model has no place for because the public sees nothing of it."""
    placeless = [file for file in store.list_files(commit) if is_markdown(file.path) and not model.place(file.path)]
    for path, source in _sources(store, placeless):
        if not is_public_source(source, now):
            yield f"left out: {path} (it cannot be read, or the public does not see it)"


def is_public_source(source: bytes, now: float) -> bool:
    """Whether the public may see the entry with these bytes at *now*. A day without a zone begins late, in UTC."""
    try:
        return is_public_at(read(source).values, ZONE, now)
    except InvalidFrontMatter:
        return False


def lies_outside(store: Store, model: ContentModel, old: CommitId, new: CommitId, now: float) -> bool:
    """Whether, after *old*, *new* has a content file that the public sees and that lies in no collection of the inferred *model*."""

    def is_seen(blob: BlobId | None) -> bool:
        return blob is not None and is_public_source(store.read_blob(blob), now)

    return any(
        is_seen(change.new) and not is_seen(change.old)
        for change in store.diff(old, new)
        if is_markdown(change.path) and not model.place(change.path)
    )


def outgrows(store: Store, snapshot: Snapshot, now: float) -> bool:
    """Whether a file that just changed cannot be served by the inferred model, though the public may see it as far as it says itself.

    What is wrong with others must not even show in when a model is inferred anew.
    """
    refused = (snapshot.refused.get(path) for path in snapshot.changed or ())
    return any(is_public_source(store.read_blob(BlobId(entry.blob)), now) for entry in refused if entry is not None)


def next_growth(catalog: Catalog) -> float:
    """When an embargo ends that an entry is under which the inferred model of *catalog* does not foresee; infinity when there is none."""
    snapshot = catalog.snapshot
    if not snapshot.model.is_inferred or not snapshot.refused:
        return inf
    moments = (entry.parsed.publish_at for entry in snapshot.refused.values())
    return min((moment for moment in moments if moment is not None and moment > catalog.valid_from), default=inf)


def repository_name(store: Store) -> str:
    """What the folder of the repository is called, which is all that Git knows of its name."""
    folder = store.work_tree or store.git_dir
    return folder.resolve().name.removesuffix(".git")


def _sources(store: Store, files: list[FileEntry]) -> Iterator[tuple[str, bytes]]:
    blobs = store.read_blobs(file.blob for file in files)
    for file, (_, source) in zip(files, blobs, strict=True):
        if source is not None:
            yield file.path, source
