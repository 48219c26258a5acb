"""Misspelt words: what is proposed instead, and what is never touched."""

import pytest

from cms.search import Engine, Visible
from cms.search.corrections import osa_distance
from tests.search.tools import document

TEXTS = {
    "a": "Kommunen bygger nye barnehager og et kunstsenter.",
    "b": "Virksomhetssertifikatet fornyes, og innloggingshistorikken vises.",
    "c": "Regnbed og søppelkasser på stranda, med snøbrøyting om vinteren.",
}
HIDDEN = document("hidden", "Nattravnen i Bakkebygrenda sover hos kommunalsjefen.")


def corrected(engine: Engine, text: str) -> str | None:
    known = {identity: document(identity, body) for identity, body in TEXTS.items()}
    engine.update([*known.values(), HIDDEN], [])
    return engine.correct(text, locale="nb", visible=Visible(known), among=known.keys(), read=known.__getitem__)


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("komunen", "kommunen"), ("barnehgaer", "barnehager"), ("Barnehgaer", "Barnehager"), ("kunstsentr", None), ("kunstsneter", "kunstsenter"),
        ("virksomhetssertfikatet", "virksomhetssertifikatet"), ("inloggingshistoriken", "innloggingshistorikken"), ("regnbad", "regnbed"),
        ("soppelkasserne", None), ("soppelkaser", "søppelkasser"), ("barnehager", None), ("barnehage", None), ("brøyting", None), ("sol", None), ("xylofonspill", None),
        ("nye barnehgaer", "nye barnehager"), ('"nye barnehgaer"', '"nye barnehager"'), ("nye -barnehgaer", None), ("title:komunen", "title:kommunen"),
        ("nattravnn", None), ("bakkebygrendaa", None), ("kommunalsjefn", None), ("", None), ("komunen OR regnbad", "kommunen OR regnbed"),
    ],
)  # fmt: skip
def test_a_word_is_corrected_to_one_that_a_reader_may_see(engine: Engine, typed: str, expected: str | None) -> None:
    assert corrected(engine, typed) == expected


@pytest.mark.parametrize("text", ["(" * 400, "x" * 3000, "æ" * 300, "abcd " * 60, "\0\ud800", '"-"-"', "title:title:"])
def test_nothing_that_is_typed_is_an_error(engine: Engine, text: str) -> None:
    corrected(engine, text)


@pytest.mark.parametrize(
    ("one", "other", "distance"),
    [("ab", "ab", 0), ("ab", "ba", 1), ("abc", "ac", 1), ("abc", "axc", 1), ("abc", "abxc", 1), ("abcd", "badc", 2), ("abc", "xyz", 3), ("", "abc", 3)],
)  # fmt: skip
def test_the_distance_counts_letters_and_swaps(one: str, other: str, distance: int) -> None:
    assert osa_distance(one, other, 2) == distance
