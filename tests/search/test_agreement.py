"""Whatever is asked of them, all engines find the same entries: over the content of this repository."""

import random
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from cms.search import Match, SearchDocument, Visible, open_engine
from tests.search.evaluation import CONTENT, documents_of, opened

pytest.importorskip("tantivy", reason="tantivy is not installed")

ASKED = 60
_WORD = re.compile(r"\w+")


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[SearchDocument]:
    with opened(CONTENT, tmp_path_factory.mktemp("agreement")) as site:
        return list({document.id: document for document in documents_of(site).values()}.values())


def _questions(documents: Sequence[SearchDocument]) -> list[str]:
    rng = random.Random(4)
    words = [word for document in documents for word in _WORD.findall(f"{document.title} {document.body[:400]}")]
    questions = []
    for _ in range(ASKED):
        at = rng.randrange(len(words) - 3)
        one, other = rng.sample(words, 2)
        shapes = [one, other[:5], f"{one} {other}", f'"{words[at]} {words[at + 1]}"', " ".join(words[at : at + 3])]
        shapes += [
            f"{one} -{other}",
            f"{one} OR {other}",
            f"title:{one}",
            f"{one[1:]}",
            f'-"{words[at]} {words[at + 1]}"',
        ]
        questions.append(rng.choice(shapes))
    return questions


@pytest.mark.parametrize("match", ["all", "any"])
def test_engines_find_the_same(documents: list[SearchDocument], tmp_path: Path, match: Match) -> None:
    engines = [open_engine(tmp_path / name, engine=name, fingerprint="agreement") for name in ("whoosh", "tantivy")]
    visible = Visible({document.id for document in documents})
    read = {document.id: document for document in documents}.__getitem__
    for engine in engines:
        engine.update(documents, [])
    for question in _questions(documents):
        found = [{hit.id for hit in e.search(question, locale="nb", visible=visible, match=match)} for e in engines]
        assert found[0] == found[1], question
        corrected = [
            engine.correct(question, locale="nb", visible=visible, among=visible, read=read) for engine in engines
        ]
        assert corrected[0] == corrected[1], question
