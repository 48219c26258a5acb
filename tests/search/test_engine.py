"""What the words of the ``Engine`` interface mean, as a table of cases and a few longer ones."""

from pathlib import Path

import pytest

from cms.errors import SearchUnavailable
from cms.search import Engine, SearchDocument, Visible
from tests.search.tools import Open, document, fill, found

BODIES = {
    "ferry": "The electric ferry crosses the fjord every hour.",
    "bus": "An electric bus drives along the fjord.",
    "train": "The train crosses the mountain in the evening.",
    "code": "Written in C++ and node.js, version 3.10, for customers of R&D; see error E-1042.",
}

CASES = [
    ("one word", "ferry", {"ferry"}),
    ("words side by side must all be there", "electric fjord", {"ferry", "bus"}),
    ("a word that is nowhere leaves nothing", "electric submarine", set()),
    ("AND is tolerated", "electric AND bus", {"bus"}),
    ("OR", "bus OR train", {"bus", "train"}),
    ("OR binds weaker than words side by side", "electric bus OR mountain train", {"bus", "train"}),
    ("parentheses", "electric (bus OR train)", {"bus"}),
    ("minus", "electric -bus", {"ferry"}),
    ("NOT", "electric NOT bus", {"ferry"}),
    ("minus before a phrase", 'crosses -"the fjord"', {"train"}),
    ("only minus", "-electric", {"train", "code"}),
    ("phrase", '"crosses the fjord"', {"ferry"}),
    ("phrase in another order", '"fjord the crosses"', set()),
    ("phrase that is not closed", '"electric bus', {"bus"}),
    ("curly quotes", "“electric bus”", {"bus"}),
    ("guillemets", "«electric bus»", {"bus"}),
    ("capital letters", "FERRY", {"ferry"}),
    ("other ending", "ferries", {"ferry"}),
    ("beginning of a word", "moun", {"train"}),
    ("a stop word is not insisted on", "which ferry", {"ferry"}),
    ("one word of a question may be missing", "how does the electric ferry cross a lake", {"ferry"}),
    ("of two words of a question neither", "where is the electric train", set()),
    ("a question word elsewhere asks nothing", "electric ferry lake how", set()),
    ("only stop words", "in and for", {"code"}),
    ("sign as part of a word", "C++", {"code"}),
    ("dot inside a word", "node.js", {"code"}),
    ("number with a dot", "3.10", {"code"}),
    ("number", "1042", {"code"}),
    ("number with letters", "E-1042", {"code"}),
    ("hyphen left out", "E1042", {"code"}),
    ("known field", "body:ferry", {"ferry"}),
    ("known field without the word", "title:ferry", set()),
    ("unknown field is a word", "version:3.10", {"code"}),
    ("wildcard is left out", "ferr*", {"ferry"}),
    ("distance is left out", "ferry~2", {"ferry"}),
    ("nothing but space", "   ", set()),
    ("nothing but signs", "?! ... --", set()),
    ("operators alone", "AND OR NOT", set()),
    ("emoji", "🚀", set()),
    ("emoji beside a word", "🚀 ferry", {"ferry"}),
]


@pytest.mark.parametrize(("text", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_query_finds(engine: Engine, text: str, expected: set[str]) -> None:
    engine.update([document(identity, body, locale="en") for identity, body in BODIES.items()], [])
    assert set(found(engine, text)) == expected


HOSTILE = [
    "(" * 5_000, ")" * 5_000, '"' * 4_999, "-" * 5_000, "a " * 5_000, "x" * 10_000, "NOT " * 500, "title:" * 500 + "x",
    "*", "?", "[a TO z]", "{1 TO}", "/.*/", "foo^^^", "foo~~~", "\\", "\0", "\ud800", "a\x1fb", "' OR 1=1 --", "id:abc", "*:*",
    "%s %n", "<script>", "../../etc", "ﷺ" * 100, "İ" * 100, "e\u0301" * 200, "（全角）", "𝕳𝖊𝖑𝖑𝖔", "a:b:c:d", "- - -", "((a OR (b", "AND AND a",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_nothing_that_is_typed_is_an_error(engine: Engine, text: str) -> None:
    indexed = document("one", "hello a b")
    engine.update([indexed], [])
    assert {hit.id for hit in engine.search(text, locale=None, visible=Visible({"one"}))} <= {"one"}
    assert engine.snippets(text, indexed)


def test_some_of_the_words_are_enough_when_asked_for_any(engine: Engine) -> None:
    fill(engine, both="rød båt", one="rød bil", none="blå sykkel")
    assert found(engine, "rød båt submarine") == []
    assert found(engine, "rød båt submarine", match="any") == ["both", "one"]


def test_title_comes_before_summary_before_body(engine: Engine) -> None:
    long = "ferje " * 20
    engine.update(
        [
            document("body", long),
            document("summary", "", summary="ferje og buss"),
            document("title", "", title="Ny ferje"),
        ],
        [],
    )
    assert found(engine, "ferje") == ["title", "summary", "body"]


def test_exact_comes_before_stem_before_compound_before_beginning(engine: Engine) -> None:
    engine.update(
        [document("prefix", title="Planetene"), document("part", title="Skoleplan"), document("stem", title="Planer")],
        [],
    )
    engine.update([document("exact", title="Plan")], [])
    assert found(engine, "plan") == ["exact", "stem", "part", "prefix"]


def test_further_fields_count_by_their_weight(engine: Engine) -> None:
    light = SearchDocument("light", "nb", "", "", "", {"tags": ("havbruk", 0.5)})
    heavy = SearchDocument("heavy", "nb", "", "", "", {"tags": ("havbruk", 4.0)})
    engine.update([light, heavy], [])
    assert found(engine, "havbruk") == ["heavy", "light"]


def test_equal_scores_are_ordered_by_id(engine: Engine) -> None:
    fill(engine, c="laks", a="laks", b="laks")
    assert found(engine, "laks") == ["a", "b", "c"]


def test_only_visible_documents_are_found(engine: Engine) -> None:
    fill(engine, public="laks", secret="laks")
    assert [hit.id for hit in engine.search("laks", locale=None, visible=Visible({"public"}))] == ["public"]


def test_a_removed_document_is_not_found_even_by_what_it_lacks(engine: Engine) -> None:
    fill(engine, a="laks", b="torsk")
    engine.update([], ["a", "unknown"])
    assert engine.ids() == {"b"}
    assert found(engine, "laks") == []
    assert found(engine, "-laks") == ["b"]


def test_an_id_in_add_and_remove_is_replaced(engine: Engine) -> None:
    fill(engine, a="laks")
    engine.update([document("a", "torsk")], ["a"])
    assert (found(engine, "laks"), found(engine, "torsk")) == ([], ["a"])


def test_an_id_twice_in_a_batch_or_indexed_before_is_written_once(engine: Engine) -> None:
    seen: list[int] = []
    engine.update([document("a", "laks"), document("a", "laks"), document("b", "laks")], [], seen.append)
    engine.update([document("a", "laks")], [], seen.append)
    assert found(engine, "laks") == ["a", "b"]
    assert seen == [2]


def test_many_small_updates_leave_few_files_and_right_answers(folder: Path, open_index: Open) -> None:
    engine = open_index(folder, batch_documents=2)
    for n in range(60):
        engine.update([document(f"d{n:02}", f"laks nummer{n}")], [f"d{n - 1:02}"] if n % 3 == 0 else [])
    assert len(found(engine, "laks")) == len(engine.ids()) == 41
    assert found(engine, "nummer58") == ["d58"]
    assert len({path.stem for path in folder.glob("g-*/*") if path.suffix in {".seg", ".idx"}}) < 20


def test_another_reader_of_the_folder_sees_a_commit_at_once(engine: Engine, folder: Path, open_index: Open) -> None:
    other = open_index(folder)
    fill(engine, a="laks")
    assert found(other, "laks") == ["a"]


def test_past_the_deadline_there_is_no_half_answer(engine: Engine) -> None:
    fill(engine, a="laks")
    with pytest.raises(SearchUnavailable, match="fewer or rarer words"):
        engine.search("laks", locale=None, visible=Visible({"a"}), deadline_seconds=-1)
    assert not engine.is_broken


def test_an_empty_document_is_indexed_and_found_by_what_it_lacks(engine: Engine) -> None:
    fill(engine, empty="", full="laks")
    assert found(engine, "-laks") == ["empty"]
