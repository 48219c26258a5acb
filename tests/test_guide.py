"""Synonyms and best bets as editors write them."""

import pytest

from cms.finding import Finding
from cms.guide import Guide, find_unknown_pins, read_bestbets, read_guide, read_synonyms
from cms.refs import CommitId
from cms.settings import SearchSettings
from cms.store import Store
from tests.repo import Repo

SYNONYMS, BETS = "content/search/synonyms.txt", "content/search/bestbets.yaml"


def synonyms(text: str) -> tuple[tuple[tuple[str, ...], ...], list[Finding]]:
    findings: list[Finding] = []
    return read_synonyms(text, SYNONYMS, findings), findings


def guide(text: str) -> Guide:
    findings: list[Finding] = []
    bets, places = read_bestbets(text, BETS, findings)
    return Guide(bets=bets, places=places, findings=tuple(findings))


def test_a_line_is_a_group_and_comments_are_left_out() -> None:
    groups, findings = synonyms("# all\n\nKI, AI ,  kunstig   Intelligens # new\r\nc#, c sharp\n   \na, a b\n")
    assert groups == (("ki", "ai", "kunstig intelligens"), ("c#", "c sharp"), ("a", "a b"))
    assert not findings


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("ki", "two different words"),
        ("ki, KI", "two different words"),
        ("ki, !?", "two different words"),
        (", ,x", "two different words"),
        (",".join(f"w{n}" for n in range(21)), "20 members at most"),
        ("a, one two three four five six", "longer than 5 words"),
        (f"a, {'b' * 81}", "80 characters"),
    ],
)
def test_a_wrong_group_is_left_out_and_named_with_its_line(line: str, message: str) -> None:
    groups, (finding,) = synonyms(f"ja, jo\n{line}\nnei, niks\n")
    assert groups == (("ja", "jo"), ("nei", "niks"))
    assert (finding.path, finding.line, finding.rule) == (SYNONYMS, 2, "synonyms")
    assert message in finding.message


def test_the_number_of_groups_is_bounded() -> None:
    groups, (finding,) = synonyms("".join(f"a{n}, b{n}\n" for n in range(2010)))
    assert (len(groups), finding.line) == (2000, 2001)


def test_a_bet_is_an_entry_a_list_or_either_for_a_locale() -> None:
    found = guide("KI: posts/ki\n'åpne data': [posts/a, cases/b]\nhjelp: {nb: posts/hjelp, en: [posts/help]}\n")
    assert found.pins("ki", "nb") == found.pins(" KI?! ", None) == ("posts/ki",)
    assert (
        found.pins("åpne data", "nb")
        == found.pins("Apne  data", "nb")
        == found.pins("aapne-data", "nb")
        == ("posts/a", "cases/b")
    )
    assert (found.pins("hjelp", "nb"), found.pins("hjelp", "en"), found.pins("hjelp", None)) == (
        ("posts/hjelp",),
        ("posts/help",),
        (),
    )
    assert found.pins("ki nå", "nb") == found.pins("", "nb") == found.pins("pne data", "nb") == ()


def test_what_is_typed_exactly_comes_before_what_it_may_mean() -> None:
    assert guide("får: posts/sau\nfar: posts/pappa\n").pins("far", None) == ("posts/pappa", "posts/sau")
    assert guide("får: posts/sau\nfar: posts/pappa\n").pins("får", None) == ("posts/sau",)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("ok: posts/a\nx: [", 2, ""),
        ("ok: posts/a\nx: posts\n", 2, "names no entry"),
        ("ok: posts/a\nx:\n  - posts/b\n  - nope\n", 4, "names no entry"),
        ("ok: posts/a\nx:\n", 2, "should be an entry"),
        ("ok: posts/a\nx: {nb: {a: b}}\n", 2, "must be followed"),
        ("ok: posts/a\nx: [[posts/b]]\n", 2, "should be an entry"),
        ("ok: posts/a\n'?!': posts/b\n", 2, "no word in it"),
        ("ok: posts/a\nOK!: posts/b\n", 2, "twice"),
        ("ok: posts/a\nx: &y posts/b\n", 2, ""),
        ("ok: posts/a\nx: [p/a, p/b, p/c, p/d, p/e, p/f]\n", 2, "5 entries at most"),
        ("- posts/a\n", 1, "must say"),
    ],
)  # fmt: skip
def test_a_wrong_bet_is_named_with_its_line(text: str, line: int, message: str) -> None:
    found = guide(text)
    assert [(finding.path, finding.line) for finding in found.findings] == [(BETS, line)]
    assert message in found.findings[0].message
    assert found.pins("ok", None) in (("posts/a",), ())


def test_a_wrong_bet_leaves_the_others() -> None:
    assert guide("x: nope\nok: [posts/a, nope]\n").pins("ok", None) == ("posts/a",)


def test_a_bet_on_an_entry_that_is_not_there_is_a_warning_with_its_line() -> None:
    found = list(find_unknown_pins(guide("a: posts/a\nb:\n  - posts/a\n  - posts/b/c\n"), {("posts", "a")}))
    assert [(finding.line, finding.severity) for finding in found] == [(4, "warning")]
    assert "posts/b/c" in found[0].message


def read(repo: Repo, known: Guide | None = None) -> Guide:
    store = Store.open(repo.path)
    commit = store.resolve("HEAD") or CommitId("")
    return read_guide(store, commit, SearchSettings(), known) if known else read_guide(store, commit, SearchSettings())


def test_the_files_are_read_at_the_commit_and_only_when_they_changed(repo: Repo) -> None:
    repo.commit({"a.md": "x"})
    nothing = read(repo)
    assert (nothing.groups, nothing.bets, nothing.findings) == ((), {}, ())
    repo.commit({SYNONYMS: "a, b\n", BETS: "a: posts/a\n"})
    first = read(repo, nothing)
    assert (first.groups, first.pins("a", None)) == ((("a", "b"),), ("posts/a",))
    repo.commit({"a.md": "y"})
    assert read(repo, first) is first
    repo.commit({SYNONYMS: None})
    assert (read(repo, first).groups, read(repo, first).pins("a", None)) == ((), ("posts/a",))


@pytest.mark.parametrize("content", [b"\xff\xfe", b"a, b\n" * 300_000])
def test_a_file_that_cannot_be_used_is_named(repo: Repo, content: bytes) -> None:
    repo.commit({SYNONYMS: content})
    found = read(repo)
    assert found.groups == ()
    assert [finding.path for finding in found.findings] == [SYNONYMS]
