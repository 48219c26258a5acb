"""What a request wants to read from: the parameters that name a view."""

from zoneinfo import ZoneInfo

import pytest

from cms.errors import InvalidQuery
from cms.view import Label, ViewSpec, moment_text, names_view, read_moment, read_view

OSLO = ZoneInfo("Europe/Oslo")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize("raw", [b"ref=x", b"a=1&at=2026-01-01", b"draft", b"with[]=a", b"r%65f=x", b"%61t=x", b"x=%20&preview=t", b"%72ef%5B0%5D=x"])  # fmt: skip
def test_a_view_is_noticed_however_it_is_written(raw: bytes) -> None:
    assert names_view(raw)


@pytest.mark.parametrize("raw", [b"", b"q=ref", b"q=ref%3Dx", b"filter[ref]=x", b"filter%5Bref%5D=x", b"refs=x", b"preat=1", b"REF=x", b"%ff=x", b"sort=at"])  # fmt: skip
def test_other_parameters_name_no_view(raw: bytes) -> None:
    assert not names_view(raw)


@pytest.mark.parametrize("name", ["main", "release/2.0", "v1.0", "2024", "deadbeef", "refs/heads/main", "refs/tags/v1", COMMIT])  # fmt: skip
def test_a_ref_is_a_branch_a_tag_or_a_full_commit_id(name: str) -> None:
    assert read_view([("ref", name), ("sort", "title")]) == ViewSpec(ref=name)


@pytest.mark.parametrize("name", ["HEAD", "main~1", "main^", "main@{1}", "@", ":/fix", "a..b", "a b", "-x", "x.lock", "refs/cms/log", "refs/stash", COMMIT.upper(), "a\0b", "a\u202eb", "/x", "x/", "*"])  # fmt: skip
def test_other_notations_are_refused_with_what_is_accepted(name: str) -> None:
    with pytest.raises(InvalidQuery, match="ref: ") as refused:
        read_view([("ref", name)])
    assert refused.value.facts["parameter"] == "ref"


def test_a_draft_is_not_a_ref() -> None:
    with pytest.raises(InvalidQuery, match="ask for a draft with draft=easter"):
        read_view([("ref", "drafts/easter")])


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([("ref", "a"), ("draft", "b")], "ref or draft"),
        ([("draft", "a"), ("with", "b")], "draft or with"),
        ([("draft", "a"), ("at", "2026-01-01")], "at goes with ref"),
        ([("preview", "t"), ("at", "2026-01-01")], "at goes with ref"),
        ([("preview", "t"), ("with", "a,b")], "a preview shows one draft"),
        ([("ref", "a"), ("ref", "b")], "given twice"),
        ([("ref[0]", "a")], "no brackets"),
        ([("ref", "")], "ref is empty"),
        ([("with", "a,,b")], "separated by commas"),
        ([("with", "a,b,a")], "named twice"),
        ([("with", ",".join(f"d{number}" for number in range(11)))], "at most 10 drafts"),
        ([("draft", "a/../b")], "cannot be the name of a draft"),
        ([("with", "a,b~1")], "cannot be the name of a draft"),
    ],
)
def test_what_cannot_be_meant_is_said(pairs: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(InvalidQuery, match=said):
        read_view(pairs)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-05-17", "2026-05-16T22:00:00Z"),
        ("2026-05-17T07:00:00+02:00", "2026-05-17T05:00:00Z"),
        ("2026-05-17T07:00:00 02:00", "2026-05-17T05:00:00Z"),
        ("2026-05-17T07:00:00Z", "2026-05-17T07:00:00Z"),
        ("2026-05-17T07:00Z", "2026-05-17T07:00:00Z"),
    ],
)
def test_a_moment_is_a_day_or_a_time_with_its_zone(text: str, moment: str) -> None:
    assert moment_text(read_moment(text, OSLO)) == moment


@pytest.mark.parametrize("text", ["yesterday", "2026-13-01", "2026-05-17T07:00:00", "17.05.2026", "1e9", "0001-01-01", "9999-12-31T23:59:59-12:00", "2026-05-17 x", "²026-01-01"])  # fmt: skip
def test_no_other_moment_is_guessed(text: str) -> None:
    with pytest.raises(InvalidQuery, match="at: "):
        read_moment(text, OSLO)


def test_a_view_can_be_asked_for_again() -> None:
    spec = read_view([("ref", "release/2.0"), ("at", "2026-05-17T07:00:00+02:00")])
    assert spec.query == "ref=release/2.0&at=2026-05-17T07:00:00%2B02:00"
    assert Label(name="x", commit=COMMIT, query=spec.query).link("/a?b=1") == f"/a?b=1&{spec.query}"  # type: ignore[arg-type]


def test_a_token_that_came_in_a_header_goes_into_no_link() -> None:
    assert ViewSpec(draft="x", preview="cmsp_secret", is_in_header=True).query == "draft=x"
    assert "cmsp_secret" not in repr(ViewSpec(preview="cmsp_secret"))
