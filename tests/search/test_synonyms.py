"""Words that stand for each other, alone, side by side and inside compounds."""

import pytest

from cms.search import Engine, Visible, make_synonyms
from cms.search.analysis import language
from cms.search.synonyms import common_groups, parse_synonyms
from tests.search.tools import document, fill, found

PAIRS = {
    "skole": "Skulen ved fjorden", "skule": "Skolen ved fjorden", "kirker": "Ei gamal kyrkje", "ikke": "Det gjekk ikkje", "uke": "Ei veke til",
    "høringen": "Høyringa er open", "tjenester": "Ei ny teneste", "løsninger": "Denne løysinga", "nabohjelp": "Grannehjelp for alle",
    "sjukeheimen": "Et sykehjem i byen", "leiargrupper": "Ledergruppa møtes", "bruktmarknad": "Bruktmarkedet åpner", "vannledning": "Ein vassleidning",
    "møtested": "En møteplass", "klarspråk": "Et klart språk", "overvakning": "Overvåking av vann",
}  # fmt: skip


@pytest.mark.parametrize("word", sorted(set(PAIRS) - {"vannledning"}))
def test_a_word_is_found_in_the_other_written_language(engine: Engine, word: str) -> None:
    fill(engine, one=PAIRS[word], other="Noe helt annet om fisk")
    assert found(engine, word) == ["one"]


def test_the_word_itself_comes_before_its_synonym(engine: Engine) -> None:
    fill(engine, a="Ein skule ved fjorden", b="En skole ved fjorden")
    assert (found(engine, "skole"), found(engine, "skule")) == (["b", "a"], ["a", "b"])


def test_a_phrase_is_taken_as_it_is_written(engine: Engine) -> None:
    fill(engine, a="Ein ny skule", b="En ny skole")
    assert found(engine, '"ny skole"') == ["b"]


def test_what_is_not_wanted_is_the_word_and_not_its_synonyms(engine: Engine) -> None:
    fill(engine, a="Ein ny skule", b="En ny skole")
    assert found(engine, "ny -skole") == ["a"]


def test_synonyms_of_a_site_are_words_or_phrases_in_both_directions(engine: Engine) -> None:
    fill(engine, short="Om KI i skolen", long="Om kunstig intelligens i skolen", apart="Kunstig snø og intelligens")
    words = make_synonyms(parse_synonyms("# Ours\nki, kunstig intelligens\n\nalone\n"))
    ids = engine.ids()
    for text, expected in (("ki", {"short", "long"}), ("kunstig intelligens", {"short", "long", "apart"})):
        hits = engine.search(text, locale="nb", visible=Visible(ids), synonyms=words)
        assert {hit.id for hit in hits} == expected
    assert found(engine, "ki") == ["short"]


def test_a_synonym_is_marked_in_a_snippet(engine: Engine) -> None:
    assert engine.snippets("skole", document("a", title="Ein skule"))[0].html == "Ein <mark>skule</mark>"


def test_the_list_is_large_and_has_no_word_twice_in_a_group() -> None:
    groups = common_groups()
    assert len(groups) >= 300
    assert all(len(set(group)) == len(group) > 1 for group in groups)


def test_no_group_joins_what_the_stems_of_its_words_would_confuse() -> None:
    norwegian = language("norwegian")
    others = make_synonyms().of(("senter",), norwegian)
    assert others == ()
