"""How well real questions are answered over a real site: recall among the first ten, with a floor.

The questions and the site are beside the repository (``../shared/corpora``); without them this is skipped. The documents
are made simply here, without the rest of the system, so that a change of the numbers is a change of the search.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

from cms.search import Engine, Match, SearchDocument, open_engine

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"
FLOOR = {"all": 0.72, "any": 0.78}

_FRONT_MATTER = re.compile(r"\A---\r?\n(.*?)\r?\n---\r?\n", re.DOTALL)
_FIELD = re.compile(r"^(title|description|summary):\s*[\"']?(.*?)[\"']?\s*$", re.MULTILINE)
_MARKUP = re.compile(r"\]\([^)]*\)|<[^>]+>|[*`#|]")

pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason="the corpora are not beside the repository")


def _document(path: str, text: str) -> SearchDocument:
    matter = _FRONT_MATTER.match(text)
    fields: dict[str, str] = dict(_FIELD.findall(matter[1])) if matter else {}
    summary = fields.get("description", fields.get("summary", ""))
    body = _MARKUP.sub(" ", text[matter.end() :] if matter else text)
    return SearchDocument(path, "nb", fields.get("title", ""), summary, body)


def _documents(bundle: Path, folder: Path) -> list[SearchDocument]:
    subprocess.run(["git", "clone", "-q", "--bare", str(bundle), str(folder)], check=True, capture_output=True)
    git = ["git", "-C", str(folder)]
    names = subprocess.run([*git, "ls-tree", "-r", "-z", "--name-only", "HEAD"], check=True, capture_output=True).stdout
    paths = [name for name in names.decode().split("\0") if name.endswith((".md", ".markdown"))]
    asked = "".join(f"HEAD:{path}\n" for path in paths).encode()
    answer = subprocess.run([*git, "cat-file", "--batch"], input=asked, check=True, capture_output=True).stdout
    documents = []
    for path in paths:
        header, _, answer = answer.partition(b"\n")
        size = int(header.split()[-1])
        documents.append(_document(path, answer[:size].decode("utf-8", "replace")))
        answer = answer[size + 1 :]
    return documents


def _queries() -> dict[str, list[tuple[str, set[str]]]]:
    """For each corpus its questions, with the paths expected."""
    queries: dict[str, list[tuple[str, set[str]]]] = {}
    for line in (CORPORA / "queries-dev.jsonl").read_text("utf-8").splitlines():
        query = json.loads(line)
        queries.setdefault(query["corpus"], []).append((query["query"], {entry["path"] for entry in query["expect"]}))
    return queries


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Engine]:
    folder = tmp_path_factory.mktemp("evaluation")
    engines = {}
    for corpus in _queries():
        engines[corpus] = open_engine(folder / corpus, fingerprint="evaluation")
        engines[corpus].update(_documents(CORPORA / f"{corpus}.bundle", folder / f"{corpus}.git"), [])
    return engines


@pytest.mark.parametrize("match", ["all", "any"])
def test_most_of_what_is_expected_is_among_the_first_ten(engines: dict[str, Engine], match: Match) -> None:
    recalls = []
    for corpus, queries in _queries().items():
        engine = engines[corpus]
        for text, expected in queries:
            hits = engine.search(text, locale="nb", allowed=engine.ids(), match=match, deadline_seconds=30)
            recalls.append(len(expected & {hit.id for hit in hits[:10]}) / len(expected))
            print(f"{recalls[-1]:.2f} {text}")  # noqa: T201 (shown by pytest -s)
    assert sum(recalls) / len(recalls) >= FLOOR[match]
