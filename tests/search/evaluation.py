"""How well questions are answered over real sites: recall, precision and nDCG among the first ten hits, by kind of question.

``python -m tests.search.evaluation`` prints the table, with other engines beside ours for comparison. Our answers come
through the whole system (model, catalog, engine, corrections); the others index the same texts and know the same entries.

The questions are ``queries.jsonl`` here and ``queries-dev.jsonl`` beside the repository. Grades were given by reading the
texts, before looking at answers: 2 is what the reader looks for, 1 is worth finding too. Answers to the sets ``dev`` and
``own`` were looked at while the search was made better; ``held`` was written when that was done.
"""

import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from cms.catalog import EVERY_LOCALE
from cms.inferred import infer_model
from cms.query import Query
from cms.refs import BlobId
from cms.search import SearchDocument
from cms.searchtexts import search_document
from cms.site import Site
from tests.repo import Repo
from tests.search import baselines

ROOT = Path(__file__).parents[2]
CORPORA = ROOT.parent / "shared" / "corpora"
OWN = Path(__file__).with_name("queries.jsonl")
DEV = CORPORA / "queries-dev.jsonl"
CONTENT = "content"
LOOKED_AT = 10
_TABLE = "{:<32}{:>8}{:>8}{:>8}{:>8}"


class Expected(msgspec.Struct, frozen=True):
    """A document that answers a question, and how well (2, 1)."""

    path: str
    grade: int


class Question(msgspec.Struct, frozen=True):
    """What a reader typed, and what should be found."""

    id: str
    corpus: str
    query: str
    lang: str
    kind: str
    expect: list[Expected]
    note: str = ""
    set: str = "own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The measures of one answer, or their means."""

    recall: float
    precision: float
    ndcg: float


Search = Callable[[str], Sequence[str]]
Answers = Mapping[str, Sequence[str]]


def read_questions(*files: Path) -> list[Question]:
    """The questions of all files that exist."""
    lines = [line for file in files if file.exists() for line in file.read_bytes().splitlines()]
    return [msgspec.json.decode(line, type=Question) for line in lines]


def score(question: Question, found: Sequence[str]) -> Score:
    """Recall and nDCG against all that is expected (at most ten of it); precision is the share of the hits shown."""
    shown = list(found[:LOOKED_AT])
    grades = {expected.path: expected.grade for expected in question.expect}
    hits = sum(path in grades for path in shown)
    gained = sum((2 ** grades.get(path, 0) - 1) / math.log2(place + 2) for place, path in enumerate(shown))
    best = sorted(grades.values(), reverse=True)[:LOOKED_AT]
    possible = sum((2**grade - 1) / math.log2(place + 2) for place, grade in enumerate(best))
    return Score(
        recall=hits / min(LOOKED_AT, len(grades)), precision=hits / len(shown) if shown else 0.0, ndcg=gained / possible
    )


def mean(scores: Iterable[Score]) -> Score:
    """The mean of each measure."""
    every = list(scores)
    count = max(1, len(every))
    return Score(
        recall=sum(each.recall for each in every) / count,
        precision=sum(each.precision for each in every) / count,
        ndcg=sum(each.ndcg for each in every) / count,
    )


@contextmanager
def opened(corpus: str, folder: Path) -> Iterator[Site]:
    """A corpus, or the content of this repository, served and indexed."""
    path = folder / f"{corpus}.git"
    if corpus == CONTENT:
        files = [file for name in (CONTENT, "schemas") for file in (ROOT / name).rglob("*") if file.is_file()]
        files.append(ROOT / "cms.toml")
        Repo.create(path).commit({file.relative_to(ROOT).as_posix(): file.read_bytes() for file in files})
    else:
        bundle = CORPORA / f"{corpus}.bundle"
        subprocess.run(["git", "clone", "--quiet", "--bare", str(bundle), str(path)], check=True)
    site = Site.open(path, infer=infer_model)
    site.searcher.update(site.catalog.snapshot)
    try:
        yield site
    finally:
        site.close()


def queries_of(site: Site) -> list[Query]:
    """All collections, as ``GET /search`` would ask; in the demo content all languages count."""
    catalog = site.catalog
    chain = EVERY_LOCALE if site.store.git_dir.name == f"{CONTENT}.git" else catalog.default_chain
    return [Query(collection=shelf.collection, chain=chain, limit=LOOKED_AT) for shelf in catalog.shelves.values()]


def own_search(site: Site) -> Search:
    """What a reader of the site gets: paths, best first."""
    queries = queries_of(site)

    def search(text: str) -> list[str]:
        found = site.searcher.search(site.catalog, queries, text, by_relevance=True)
        return [entry.path for entry in found.entries]

    return search


def documents_of(site: Site) -> dict[str, SearchDocument]:
    """The texts that may be found, by path."""
    catalog = site.catalog
    return {
        entry.path: search_document(entry, query.collection, site.bodies.get(BlobId(entry.blob)).text)
        for query in queries_of(site)
        for entries in catalog.documents(query.collection.name, query.chain).values()
        for entry in entries
    }


def evaluate(questions: Sequence[Question], searches: Mapping[str, Search]) -> dict[str, Score]:
    """The score of each question, by its id; *searches* by corpus."""
    return {question.id: score(question, searches[question.corpus](question.query)) for question in questions}


def groups(questions: Sequence[Question]) -> Iterator[tuple[str, list[str]]]:
    """Names of groups of questions with the ids in them: all, by set, by corpus, by kind."""
    yield "all", [question.id for question in questions]
    for name, kept in (
        ("given (dev)", "dev"),
        ("written first (own)", "own"),
        ("written last (held)", "held"),
        ("written later (late)", "late"),
    ):
        yield name, [question.id for question in questions if question.set == kept]
    for corpus in sorted({question.corpus for question in questions}):
        yield f"in {corpus}", [question.id for question in questions if question.corpus == corpus]
    own = [question for question in questions if question.set != "dev"]
    for kind in sorted({question.kind for question in own}):
        yield kind, [question.id for question in own if question.kind == kind]


def report(questions: Sequence[Question], scores: Mapping[str, Score]) -> list[str]:
    """The table of one engine."""
    lines = [_TABLE.format("", "queries", "recall", "prec.", "nDCG")]
    for name, ids in groups(questions):
        if ids:
            means = mean(scores[id] for id in ids)
            numbers = (f"{value:.3f}" for value in (means.recall, means.precision, means.ndcg))
            lines.append(_TABLE.format(name, len(ids), *numbers))
    return lines


def main(arguments: Sequence[str]) -> None:
    """Print the table; ``-v`` also the questions that are not answered well, ``--own`` leaves the other engines out."""
    questions = [
        question
        for question in read_questions(OWN, DEV)
        if question.corpus == CONTENT or (CORPORA / f"{question.corpus}.bundle").exists()
    ]
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        sites = {
            corpus: stack.enter_context(opened(corpus, Path(temporary)))
            for corpus in sorted({question.corpus for question in questions})
        }
        searches = {corpus: own_search(site) for corpus, site in sites.items()}
        started = time.process_time()
        scores = evaluate(questions, searches)
        seconds = time.process_time() - started
        print("\n".join(report(questions, scores)))  # noqa: T201
        print(f"{seconds * 1000 / len(questions):.1f} ms of processor time for a question")  # noqa: T201
        if "-v" in arguments:
            _print_weak(questions, scores, searches)
        if "--own" not in arguments:
            _print_baselines(questions, sites)


def _print_weak(questions: Sequence[Question], scores: Mapping[str, Score], searches: Mapping[str, Search]) -> None:
    for question in questions:
        given = scores[question.id]
        if given.ndcg < 0.85 or given.recall < 0.9:
            print(f"\n{question.id} {question.query} ({question.kind}) recall {given.recall:.2f} nDCG {given.ndcg:.2f}")  # noqa: T201
            grades = {expected.path: expected.grade for expected in question.expect}
            found = list(searches[question.corpus](question.query))[:LOOKED_AT]
            print("".join(f"   {grades.get(path, '-')} {path}\n" for path in found), end="")  # noqa: T201
            print("".join(f"   {grades[path]} missing {path}\n" for path in grades if path not in found), end="")  # noqa: T201


def _print_baselines(questions: Sequence[Question], sites: Mapping[str, Site]) -> None:
    documents = {corpus: documents_of(site) for corpus, site in sites.items()}
    print("\n" + _TABLE.format("for comparison", "queries", "recall", "prec.", "nDCG"))  # noqa: T201
    for name, make in baselines.engines().items():
        for match in ("all words", "any word"):
            searches = {corpus: make(texts, match == "any word") for corpus, texts in documents.items()}
            means = mean(evaluate(questions, searches).values())
            numbers = (f"{value:.3f}" for value in (means.recall, means.precision, means.ndcg))
            print(_TABLE.format(f"{name}, {match}", len(questions), *numbers))  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
