"""The content model of a repository that has none written down: inferred by ``adopt``, compiled, and kept in memory only.

``cms adopt`` writes the same texts into the repository, where a person can improve them.
"""

from collections.abc import Iterator

from cms.adopt import Adoption, adopt, is_config, is_markdown
from cms.errors import CMSError, RepositoryProblem
from cms.finding import Finding, finding_of
from cms.model import ContentModel, check_references
from cms.objects import FileEntry
from cms.refs import CommitId
from cms.schema import Collection, read_schema
from cms.settings import SCHEMAS_FOLDER, read_settings
from cms.store import Store

SAMPLE = 20


def adopt_commit(store: Store, commit: CommitId, branch: str) -> Adoption:
    """Look at every file of *commit* and infer settings and schemas.

    Args:
        branch: short name of the branch to publish.

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
    return adopt(
        _sources(store, content),
        others=[file.path for file in rest],
        configs=configs,
        name=repository_name(store),
        branch=branch,
    )


def infer_model(store: Store, commit: CommitId, branch: str) -> ContentModel:
    """The model that :func:`adopt_commit` would write down, with the notes it has for a person.

    Raises:
        RepositoryProblem: as for :func:`adopt_commit`.
    """
    adoption = adopt_commit(store, commit, branch)
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
    return ContentModel(
        settings=settings,
        collections=collections,
        sources={},
        is_inferred=True,
        findings=tuple(findings),
        notes=adoption.notes,
    )


def repository_name(store: Store) -> str:
    """What the folder of the repository is called, which is all that Git knows of its name."""
    folder = store.work_tree or store.git_dir
    return folder.resolve().name.removesuffix(".git")


def _sources(store: Store, files: list[FileEntry]) -> Iterator[tuple[str, bytes]]:
    blobs = store.read_blobs(file.blob for file in files)
    for file, (_, source) in zip(files, blobs, strict=True):
        if source is not None:
            yield file.path, source
