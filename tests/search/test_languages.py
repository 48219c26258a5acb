"""What a Norwegian, English or other reader may expect of words."""

import pytest

from cms.search import Engine, analysis
from tests.search.tools import document, fill, found

NORWEGIAN = {
    "bærum": "Kommunen ligger i Bærum ved fjorden.",
    "ålesund": "Jugendbyen Ålesund har mange båter.",
    "tromsø": "I Tromsø bor det mange studenter i nord.",
    "sau": "Et får beiter på fjellet, mange får beiter der.",
    "vei": "Byen er ikke langt unna, det er en vei dit.",
    "barnehage": "Barnehagene får nye barnehagelærere og flere barnehageplasser.",
    "nynorsk": "Kommunane bygger ikkje fleire barnehagar.",
    "måling": "Snøbrøyting om vinteren etter 18-månedersregelen.",
    "ip": "Brannmuren slipper inn IP-adresser fra listen LEVETID_UTLOPT.",
    "krav": "Innsynskrav sendes til arkivet.",
    "ski": "Løypene er preparert, og løypa er lang.",
}

CASES = [
    ("barum", {"bærum"}), ("baerum", {"bærum"}), ("Bærum", {"bærum"}), ("BÆRUM", {"bærum"}), ("Bærum".replace("æ", "ä"), {"bærum"}),
    ("tromso", {"tromsø"}), ("Tromsö", {"tromsø"}), ("tromsoe", {"tromsø"}), ("alesund", {"ålesund"}), ("aalesund", {"ålesund"}),
    ("A\u030alesund", {"ålesund"}), ("fjord", {"bærum"}), ("båt", {"ålesund"}), ("kommune", {"bærum", "nynorsk"}),
    ("barnehage", {"barnehage", "nynorsk"}), ("barnehager", {"barnehage", "nynorsk"}), ("barnehageplass", {"barnehage"}),
    ("plasser", {"barnehage"}), ("brøyting", {"måling"}), ("broyting", {"måling"}), ("snobroyting", {"måling"}), ("ipadresser", {"ip"}), ("ip-adresser", {"ip"}),
    ("adresser", {"ip"}), ("levetid utløpt", {"ip"}), ("18-månedersregel", {"måling"}), ("innsyns krav", {"krav"}),
    ("løype", {"ski"}), ("loype", {"ski"}), ("løyper", {"ski"}), ("bor det by i nord", set()), ("by", {"vei"}), ("lærere", {"barnehage"}), ("lærarane", {"barnehage"}), ("barnehageplasser", {"barnehage"}), ("veg", {"vei"}), ("ikkje langt unna", {"vei"}),
    ("ikke langt unna", {"vei"}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_norwegian_is_found(engine: Engine, text: str, expected: set[str]) -> None:
    fill(engine, **NORWEGIAN)
    assert set(found(engine, text)) == expected


def test_typed_with_a_ring_it_is_sheep_and_never_far(engine: Engine) -> None:
    fill(engine, sheep="et får", father="min far", faraway="fjernt land")
    assert found(engine, "får") == ["sheep"]
    assert found(engine, "far")[0] == "father"


def test_words_that_are_english_stop_words_mean_something_in_norwegian(engine: Engine) -> None:
    fill(engine, town="en by ved havet", ice="blank is", two="to båter", none="noe annet")
    assert [found(engine, text) for text in ("by", "is", "to")] == [["town"], ["ice"], ["two"]]


def test_every_document_is_read_in_its_own_language(engine: Engine) -> None:
    engine.update([document("en", "She was searching for gardens", locale="en-GB")], [])
    engine.update(
        [document("nb", "Hagene ligger ved fjordene"), document("de", "Die Gärten sind schön", locale="de")], []
    )
    assert [found(engine, text) for text in ("search", "fjord", "Garten", "garden")] == [["en"], ["nb"], ["de"], ["en"]]


def test_the_readers_language_comes_first(engine: Engine) -> None:
    engine.update([document("nb", "system"), document("en", "system", locale="en")], [])
    assert found(engine, "system", locale="nb") == ["nb", "en"]
    assert found(engine, "system", locale="en") == ["en", "nb"]


def test_chinese_japanese_and_thai_are_found_inside_a_sentence(engine: Engine) -> None:
    engine.update(
        [
            document("zh", "云原生技术有利于各组织", locale="zh-cn"),
            document("ja", "私は東京タワーに行きました", locale="ja"),
        ],
        [],
    )
    assert [found(engine, text) for text in ("原生", "技术", "東京", "技原")] == [["zh"], ["zh"], ["ja"], []]


def test_a_text_plainly_in_another_language_than_its_locale_is_read_in_that() -> None:
    norwegian = "Det er ikke så lett å si hva som er best for dem som bor på et sted der det er langt til skolen."
    assert analysis.language_of_text("en", norwegian).name == "norwegian"
    assert analysis.language_of_text("nn", "Short title").name == "norwegian"
    assert analysis.language_of_text("fr", norwegian).name == "french"


@pytest.mark.parametrize(
    ("locale", "name"), [("nb", "norwegian"), ("nn-NO", "norwegian"), ("no", "norwegian"), ("en_US", "none"), ("EN-gb", "english"), ("xx", "none"), ("", "none")]
)  # fmt: skip
def test_a_locale_has_a_language(locale: str, name: str) -> None:
    assert analysis.language_of(locale).name == name


ONE_WORD = [
    "lærer læreren lærere lærerne lærar læraren lærarar lærarane", "by byer byen byene byar byane", "bok bøker boka boken bøkene",
    "natt netter natta natten nettene", "mann menn mannen mennene", "søke søker søkte søkt søkje søkjer", "øy øya øyer øyene",
    "regel regler regelen reglar", "senter sentre senteret sentrene", "program programmer programmet", "skjema skjemaet skjemaer",
    "skrive skrev skrevet skriver", "voksen voksne voksent", "sykkel sykler sykkelen", "kapsel kapsler kapselen",
    "tilgjengelig tilgjengelighet tilgjengeleg tilgjengelegheit", "innbygger innbyggere innbyggerne innbyggjar innbyggjarane",
    "digital digitalt digitale", "nummer numre nummeret", "kokebok kokebøker", "beskrive beskrevet beskriver", "idé ideer ideen ide",
    "gründer gründere gründeren", "sommer sommeren somre sommar somrar", "vei veien veier", "museum museet museer",
]  # fmt: skip


@pytest.mark.parametrize("forms", ONE_WORD, ids=lambda forms: forms.split()[0])
def test_forms_of_a_norwegian_word_are_one(forms: str) -> None:
    norwegian = analysis.language("norwegian")
    assert len({norwegian.stem(form) for form in forms.split()}) == 1


@pytest.mark.parametrize(
    "words", ["far får", "hund hundre", "stjerne sterne", "nett natt", "by be", "sommer som", "hjerne hjerte"]
)
def test_other_words_stay_apart(words: str) -> None:
    norwegian = analysis.language("norwegian")
    assert len({norwegian.stem(word) for word in words.split()}) == 2
