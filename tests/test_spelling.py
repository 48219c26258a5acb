"""The forms in which readers type a text."""

import unicodedata

import pytest

from cms.spelling import forms_of, key_of


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Bærum", "bærum"),
        ("  På studietur: «Gentænk velfærden 2019» ", "på studietur gentænk velfærden 2019"),
        ("SSO-sesjon", "sso sesjon"),
        ("Malmö, Växjö", "malmø væxjø"),
        (unicodedata.normalize("NFD", "Ålesund"), "ålesund"),
        ("STRASSE straße", "strasse strasse"),
        ("?!_", ""),
    ],
)
def test_a_key_is_the_words_in_lower_case(text: str, key: str) -> None:
    assert key_of(text) == key


@pytest.mark.parametrize(
    ("text", "typed"),
    [
        ("Bærum", "barum baerum bærum"),
        ("Tromsø", "tromso Tromsö tromsoe"),
        ("Ålesund", "alesund aalesund"),
        ("Idé", "ide idé"),
    ],
)
def test_a_text_is_found_by_what_is_typed_on_other_keyboards(text: str, typed: str) -> None:
    assert {key_of(word) for word in typed.split()} <= set(forms_of(key_of(text)))


def test_a_word_without_marks_has_one_form() -> None:
    assert forms_of("far") == ("far",)
    assert "får" not in forms_of("far")
