"""What a reader may not see plays no part: an index with hidden texts answers like one that never had them."""

import os
import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from cms.search import Engine, SearchDocument, Visible, open_engine

ROUNDS = int(os.environ.get("BRANCHPRESS_VISIBLE_ROUNDS", "4"))
ASKED = 25
PATIENT = 60.0  # the machine may be busy
STEMS = ("barn", "hage", "skole", "plan", "kommune", "vei", "brøyting", "fjell", "fjord", "båt", "laks", "elv", "tur")
ENDINGS = ("", "en", "er", "ene", "s", "ing")


def _word(rng: random.Random) -> str:
    return "".join(rng.choices(STEMS, k=rng.choice((1, 1, 2, 2, 3)))) + rng.choice(ENDINGS)


def _document(rng: random.Random, identity: str) -> SearchDocument:
    words = [_word(rng) for _ in range(rng.randint(3, 40))]
    tags = {"tags": (_word(rng), rng.choice((0.5, 2.0)))} if rng.random() < 0.5 else {}
    locale = rng.choice(("nb", "nb", "nn", "en"))
    return SearchDocument(identity, locale, " ".join(words[:3]), " ".join(words[3:5]), " ".join(words), tags)


def _questions(rng: random.Random, documents: Sequence[SearchDocument]) -> list[str]:
    words = [word for document in documents for word in document.body.split()]
    found = []
    for _ in range(ASKED):
        one, other = rng.choice(words), rng.choice(words)
        at = rng.randrange(len(one))
        found.append(
            rng.choice(
                (
                    *(
                        one,
                        one[:4],
                        one[:3],
                        f"{one} {other}",
                        f'"{one} {other}"',
                        f"{one} OR {other}",
                        f"{one} -{other}",
                    ),
                    *(f"title:{one}", one[:at] + "x" + one[at:], one[:at] + one[at + 1 :], f"{one[:5]} {other[:5]}"),
                )
            )
        )
    return found


def _answers(engine: Engine, visible: Visible, question: str, known: dict[str, SearchDocument]) -> list[object]:
    few = Visible({identity for identity in known if identity.endswith(("1", "4", "7"))})
    return [
        *(
            [*engine.search(question, locale="nb", visible=visible, match=match, deadline_seconds=PATIENT)]
            for match in ("all", "any")
        ),
        [*engine.search(question, locale="nb", visible=visible, among=few, deadline_seconds=PATIENT)],
        engine.explain(question, known, locale="nb", visible=visible, deadline_seconds=PATIENT),
        engine.correct(
            question, locale="nb", visible=visible, among=visible, read=known.__getitem__, deadline_seconds=PATIENT
        ),
    ]


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_an_index_with_hidden_texts_answers_like_one_without(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    shown = {f"d{n}": _document(rng, f"d{n}") for n in range(rng.randint(5, 40))}
    hidden = [_document(rng, f"h{n}") for n in range(rng.randint(1, 60))]
    alone = open_engine(tmp_path / "alone", fingerprint="test")
    alone.update(shown.values(), [])
    mixed = open_engine(tmp_path / "mixed", fingerprint="test", batch_documents=rng.choice((3, 7, 1000)))
    mixed.update(rng.sample([*shown.values(), *hidden], len(shown) + len(hidden)), [])
    mixed.update([], [document.id for document in hidden[::3]])
    visible = Visible(frozenset(shown))
    for question in _questions(rng, [*shown.values(), *hidden]):
        assert _answers(mixed, visible, question, shown) == _answers(alone, visible, question, shown), question


def test_what_becomes_visible_counts_at_once(tmp_path: Path) -> None:
    rng = random.Random(5)
    documents = {f"d{n}": _document(rng, f"d{n}") for n in range(40)}
    engine = open_engine(tmp_path / "index", fingerprint="test", batch_documents=11)
    engine.update(documents.values(), [])
    ids = frozenset(documents)
    visible = Visible(ids)
    for question in _questions(rng, [*documents.values()]):
        differing = frozenset(rng.sample(sorted(documents), 2))
        ids = ids ^ differing
        visible = visible.changed(ids, differing)
        fresh = engine.search(question, locale="nb", visible=Visible(ids), deadline_seconds=PATIENT)
        assert [*engine.search(question, locale="nb", visible=visible, deadline_seconds=PATIENT)] == [*fresh]


def test_reasons_add_up_to_the_score(tmp_path: Path) -> None:
    rng = random.Random(7)
    documents = {f"d{n}": _document(rng, f"d{n}") for n in range(60)}
    engine = open_engine(tmp_path / "index", fingerprint="test")
    engine.update(documents.values(), [])
    visible = Visible(frozenset(documents))
    for question in _questions(rng, [*documents.values()]):
        hits = [*engine.search(question, locale="nb", visible=visible, match="any", deadline_seconds=PATIENT)]
        reasons = engine.explain(
            question, documents, locale="nb", visible=visible, match="any", deadline_seconds=PATIENT
        )
        assert reasons.keys() == {hit.id for hit in hits}
        for hit in hits:
            assert sum(reason.score for reason in reasons[hit.id]) == pytest.approx(hit.score), (question, hit)
