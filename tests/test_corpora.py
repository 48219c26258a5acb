"""Real repositories, served as they are: nothing of them is lost without a word, and nothing asked of them fails."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cms.adopt import is_markdown
from cms.catalog import EVERY_LOCALE
from cms.check import check_snapshot
from cms.facets import read_facet
from cms.fieldpath import paths_of, resolve_path
from cms.inferred import infer_model
from cms.present import FORMATS, Presenter, Shape
from cms.query import Query, default_sort, read_sort, run_query
from cms.site import Site

CORPORA = Path(__file__).parents[2] / "shared" / "corpora"
NAMES = ("rust-blog", "18f-blog", "felleslosninger-docs", "cncf-glossary", "weird-dev")
#: How many Markdown files must be served at least; the others are broken, or speak of the repository.
SERVED = {"rust-blog": 754, "18f-blog": 567, "felleslosninger-docs": 594, "cncf-glossary": 954, "weird-dev": 50}


@pytest.fixture(scope="module", params=NAMES)
def corpus(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One of the repositories, opened once for all tests of this module."""
    bundle = CORPORA / f"{request.param}.bundle"
    if not bundle.exists():
        pytest.skip(f"the corpora are not at {CORPORA}")
    folder = tmp_path_factory.mktemp("corpora") / f"{request.param}.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(bundle), str(folder)], check=True)
    site = Site.open(folder, infer=infer_model)
    yield site
    site.close()


def name_of(site: Site) -> str:
    """Which corpus it is."""
    return site.store.git_dir.name.removesuffix(".git")


def test_every_markdown_file_is_served_or_named_with_a_reason(corpus: Site) -> None:
    snapshot = corpus.catalog.snapshot
    findings = check_snapshot(snapshot, corpus.store)
    paths = [file.path for file in corpus.store.list_files(snapshot.commit.id) if is_markdown(file.path)]
    reported = {finding.path for finding in findings}
    left_out = " ".join(note for note in snapshot.model.notes if note.startswith("left out"))
    silent = [path for path in paths if path not in snapshot.files and path not in reported and path not in left_out]
    errors = sum(finding.severity == "error" for finding in findings)
    print(f"{name_of(corpus)}: {len(paths)} Markdown files, {len(snapshot.files)} served, {errors} errors")  # noqa: T201
    assert silent == []
    assert len(snapshot.files) >= SERVED[name_of(corpus)]


def test_every_finding_tells_a_writer_where_and_what(corpus: Site) -> None:
    for finding in corpus.findings():
        assert finding.path
        assert finding.severity == "warning" or finding.line > 0
        assert not re.search(r"None|Traceback|object at 0x|Error\(|\\x", str(finding)), str(finding)


def test_no_finding_is_about_the_inferred_model_itself(corpus: Site) -> None:
    assert corpus.catalog.model.is_inferred
    assert corpus.catalog.model.findings == ()


def test_every_entry_can_be_shown(corpus: Site) -> None:
    catalog = corpus.catalog
    presenter = Presenter(catalog, corpus.bodies)
    entries = [entry for shelf in catalog.shelves.values() for group in shelf.slugs.values() for entry in group]
    for entry in entries:
        assert presenter.fragment(entry).startswith(b'{"id":"')
    whole = Shape(formats=FORMATS)
    for entry in entries[:: max(1, len(entries) // 40)]:
        assert presenter.render(entry, whole)


def test_every_collection_can_be_listed_sorted_and_counted_by_every_field(corpus: Site) -> None:
    catalog = corpus.catalog
    for shelf in catalog.shelves.values():
        whole = Query(collection=shelf.collection, chain=EVERY_LOCALE, limit=100)
        entries = run_query(catalog, whole).entries
        assert (len(entries) > 0) is (shelf.count > 0)
        assert default_sort(catalog.model, shelf.collection) is not None
        for path in paths_of(shelf.collection):
            if resolve_path(catalog.model, shelf.collection, path).kind == "object":
                continue
            sort = read_sort(catalog.model, shelf.collection, f"-{path}")
            facets = (read_facet(catalog.model, shelf.collection, path),)
            query = Query(collection=shelf.collection, chain=EVERY_LOCALE, sort=sort, facets=facets)
            assert run_query(catalog, query).total == run_query(catalog, whole).total


def test_names_that_differ_in_case_only_are_both_served(corpus: Site) -> None:
    catalog = corpus.catalog
    pairs = []
    for shelf in catalog.shelves.values():
        folded: dict[str, str] = {}
        for slug in shelf.slugs:
            other = folded.setdefault(slug.casefold(), slug)
            if other != slug:
                pairs.append((other, slug))
    warned = [finding for finding in check_snapshot(catalog.snapshot, corpus.store) if finding.rule == "similar-slug"]
    assert len(warned) == len(pairs)
    if name_of(corpus) == "felleslosninger-docs":
        assert pairs


def test_full_text_answers(corpus: Site) -> None:
    if name_of(corpus) not in ("felleslosninger-docs", "weird-dev"):
        pytest.skip("two of them are enough: an index takes its time")
    catalog = corpus.catalog
    corpus.searcher.update(catalog.snapshot)
    queries = [Query(collection=shelf.collection, chain=catalog.default_chain) for shelf in catalog.shelves.values()]
    found = corpus.searcher.search(catalog, queries, "the OR og", by_relevance=True)
    assert found.total > 0 or name_of(corpus) == "weird-dev"
    assert corpus.searcher.missing(catalog.snapshot) == {}
