"""How well questions are answered, with a floor; the whole table is ``python -m tests.search.evaluation``.

Over the content of this repository and, where the corpora lie beside it, one real site; the other sites take too long here.
"""

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.search.evaluation import (
    CONTENT,
    CORPORA,
    DEV,
    OWN,
    Expected,
    Question,
    Score,
    evaluate,
    mean,
    opened,
    own_search,
    read_questions,
    score,
)

FLOORS = {
    (CONTENT, "own"): (0.98, 0.97),
    (CONTENT, "held"): (0.95, 0.88),
    (CONTENT, "late"): (0.94, 0.93),
    ("felleslosninger-docs", "own"): (0.96, 0.95),
    ("felleslosninger-docs", "held"): (0.98, 0.91),
    ("felleslosninger-docs", "late"): (0.98, 0.97),
    ("felleslosninger-docs", "dev"): (0.89, 0.87),
}


@pytest.mark.parametrize("corpus", sorted({corpus for corpus, _ in FLOORS}))
def test_questions_are_answered_as_well_as_before(corpus: str, tmp_path: Path) -> None:
    if corpus != CONTENT and not (CORPORA / f"{corpus}.bundle").exists():
        pytest.skip("the corpora are not beside the repository")
    questions = [question for question in read_questions(OWN, DEV) if question.corpus == corpus]
    with opened(corpus, tmp_path) as site:
        scores = evaluate(questions, {corpus: own_search(site)})
    for (name, kept), (recall, ndcg) in FLOORS.items():
        ids = [question.id for question in questions if question.set == kept]
        if name == corpus:
            reached = mean(scores[id] for id in ids)
            assert reached.recall >= recall, f"recall of {kept}: {reached}"
            assert reached.ndcg >= ndcg, f"nDCG of {kept}: {reached}"


def _question(**grades: int) -> Question:
    expect = [Expected(path, grade) for path, grade in grades.items()]
    return Question(id="x", corpus="c", query="q", lang="nb", kind="k", expect=expect)


def test_nothing_in_the_repository_is_asked_for_that_is_not_there() -> None:
    root = OWN.parents[2]
    own = [question for question in read_questions(OWN) if question.corpus == CONTENT]
    assert len(own) > 150
    assert [each.path for question in own for each in question.expect if not (root / each.path).exists()] == []
    assert all(question.expect for question in read_questions(OWN))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (["a", "b"], Score(recall=1.0, precision=1.0, ndcg=1.0)),
        ([], Score(recall=0.0, precision=0.0, ndcg=0.0)),
        (["x", "a"], Score(recall=0.5, precision=0.5, ndcg=0.521)),
        (["x"] * 10 + ["a"], Score(recall=0.0, precision=0.0, ndcg=0.0)),
    ],
)
def test_a_score_is_what_books_say_it_is(found: Sequence[str], expected: Score) -> None:
    given = score(_question(a=2, b=1), found)
    assert Score(recall=given.recall, precision=given.precision, ndcg=round(given.ndcg, 3)) == expected
