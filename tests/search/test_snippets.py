"""What a reader is shown of a hit."""

import re

import pytest

from cms.search import SearchDocument
from cms.search.snippets import make_snippets
from tests.search.tools import document

LONG = "Først en lang innledning uten noe av interesse for leseren. " * 20


def body(text: str, content: str, *, locale: str = "nb", length: int = 80) -> str:
    return make_snippets(text, document("a", content, locale=locale), length=length)[1].html


@pytest.mark.parametrize(
    ("text", "content", "expected"),
    [
        ("fjell", "Høye fjellene i nord", "Høye <mark>fjellene</mark> i nord"),
        ("barum", "Veien til Bærum", "Veien til <mark>Bærum</mark>"),
        ("brøyting", "Ny snøbrøyting nå", "Ny <mark>snøbrøyting</mark> nå"),
        ("ipadresser", "Våre IP-adresser her", "Våre <mark>IP-adresser</mark> her"),
        ("får", "Det er far som går", "Det er far som går"),
        ("a & b <c>", "x < y & b", "x &lt; y &amp; <mark>b</mark>"),
        ("innsyns krav", "Et innsynskrav til", "Et <mark>innsynskrav</mark> til"),
        ("laks -torsk", "laks og torsk", "<mark>laks</mark> og torsk"),
        ("", "Bare begynnelsen", "Bare begynnelsen"),
        ("finnes ikke", "Bare begynnelsen", "Bare begynnelsen"),
        ("laks", "", ""),
    ],
)
def test_words_are_marked(text: str, content: str, expected: str) -> None:
    assert body(text, content) == expected


def test_the_best_place_is_shown_not_the_first() -> None:
    shown = body("rød laks", f"{LONG} laks {LONG} rød laks i elva {LONG}")
    assert "<mark>rød</mark> <mark>laks</mark> i elva" in shown
    assert shown.startswith("… ")
    assert shown.endswith(" …")


def test_without_a_match_the_beginning_is_shown() -> None:
    shown = make_snippets("laks", document("a", LONG), length=50)[1]
    assert (shown.html, shown.marked) == ("Først en lang innledning uten noe av interesse for …", False)


def test_a_snippet_is_about_as_long_as_asked() -> None:
    plain = re.sub("<[^>]+>|…", "", body("laks", f"{LONG} laks {LONG}", length=120))
    assert 80 <= len(plain) <= 130


def test_the_title_comes_first_and_whole_and_other_fields_only_where_marked() -> None:
    entry = SearchDocument(
        "a", "nb", "Om laks", "Kort om laks", "Tekst", {"tags": ("laks sei", 1.0), "by": ("Bergen", 1.0)}
    )
    assert [snippet.field for snippet in make_snippets("laks", entry, length=20)] == [
        "title",
        "body",
        "summary",
        "tags",
    ]


def test_markup_in_the_text_stays_text() -> None:
    shown = body("script", "<script>alert('x')</script>")
    assert shown == "&lt;<mark>script</mark>&gt;alert(&#x27;x&#x27;)&lt;/<mark>script</mark>&gt;"
