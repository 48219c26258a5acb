"""Views: what a request wants the content to be read from, as its parameters say it. Pure.

``ref`` names a branch, a tag or a full commit id, ``draft`` one draft, ``with`` several that are laid over one another, ``at`` a moment, and
``preview`` is a token for a draft. What they stand for in a repository, and who may see it, is said in ``views``.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from cms.errors import InvalidQuery, RefNotFound
from cms.refs import BRANCHES, DRAFTS, TAGS, CommitId, branch_ref, draft_ref, is_commit_id

VIEW_PARAMETERS = ("ref", "at", "draft", "with", "preview")
DRAFTS_MOST = 10
SHOWN = 100
REF_SYNTAX = "give the name of a branch or a tag, or a commit id with all of its 40 digits"
AT_SYNTAX = "give a day such as 2026-05-17, or a time with its zone such as 2026-05-17T07:00:00+02:00"
#: One of the parameters, each letter of which may be percent-encoded.
_NAMED = re.compile(
    rb"(?:^|&)(?:%b)(?:[=&\[]|%%5[bB]|\Z)"
    % b"|".join(b"".join(b"(?:%c|%%%02x)" % (letter, letter) for letter in name.encode()) for name in VIEW_PARAMETERS)
)
_ABBREVIATED = re.compile(r"[0-9a-f]{4,39}")
_NOTATION = re.compile(r"[~^:?*\[\\\x00-\x20\x7f]|@\{|\.\.")
_HEX = re.compile(r"[0-9a-fA-F]{40}")
#: A plus sign that was not encoded has become a blank on its way.
_LOST_PLUS = re.compile(r"(T[0-9:.]+) ([0-9]{2}:?[0-9]{2})\Z")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEARS = range(1971, 9999)


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewSpec:
    """What was asked for; at most one of *ref*, *draft* and *drafts*.

    Attributes:
        at: as it was written; what it means depends on the site's time zone.
        preview: a secret; *is_in_header*: it was not sent in the query, and must not get there.
    """

    ref: str = ""
    at: str = ""
    draft: str = ""
    drafts: tuple[str, ...] = ()
    preview: str = field(default="", repr=False)
    is_in_header: bool = False

    @property
    def query(self) -> str:
        """The parameters that ask for the same again."""
        parts = [("ref", self.ref), ("at", self.at), ("draft", self.draft)]
        parts += [("with", ",".join(self.drafts)), ("preview", "" if self.is_in_header else self.preview)]
        return "&".join(f"{name}={quote(value, safe=',:/')}" for name, value in parts if value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What answers say of the view that they were read from.

    Attributes:
        name: for people.
        commit: what the content was read from, or what drafts were laid over.
        key: what tells its answers from those of another view of the same commit at the same moment.
        query: the parameters that ask for it; they may hold a secret of the caller.
        note: more to be said of it in ``meta``.
        is_pinned: its answers will never change.
    """

    name: str
    commit: CommitId
    key: str = ""
    query: str = ""
    note: Mapping[str, Any] = field(default_factory=dict, hash=False)
    is_pinned: bool = False

    def link(self, url: str) -> str:
        """*url*, leading into this view."""
        return f"{url}{'&' if '?' in url else '?'}{self.query}" if self.query else url


def names_view(raw: bytes) -> bool:
    """Whether a raw query string names a view, also where names are percent-encoded. Asked at every request."""
    return bool(raw) and _NAMED.search(raw) is not None


def read_view(pairs: Iterable[tuple[str, str]]) -> ViewSpec:
    """The view that the parameters of a request name; other parameters do not matter here.

    Raises:
        InvalidQuery: names the parameter.
    """
    found: dict[str, str] = {}
    for name, value in pairs:
        head = name.partition("[")[0]
        if head not in VIEW_PARAMETERS:
            continue
        if name != head:
            raise InvalidQuery(f"{head} takes no brackets", parameter=name)
        if head in found:
            raise InvalidQuery(f"{head!r} is given twice; once is enough", parameter=head)
        if not value:
            raise InvalidQuery(f"{head} is empty; leave it out, or say which", parameter=head)
        found[head] = value
    named = [name for name in ("ref", "draft", "with") if name in found]
    if len(named) > 1:
        raise InvalidQuery(f"give {named[0]} or {named[1]}, not both", parameter=named[1])
    for name in ("draft", "with", "preview"):
        if name in found and "at" in found:
            raise InvalidQuery(f"at goes with ref, or stands alone; {name} shows how it would be now", parameter="at")
    if "preview" in found and named and named != ["draft"]:
        raise InvalidQuery("a preview shows one draft and nothing else; leave it or the other out", parameter="preview")
    return ViewSpec(
        ref=_ref(found.get("ref", "")),
        at=found.get("at", ""),
        draft=_draft(found.get("draft", ""), "draft"),
        drafts=_drafts(found["with"]) if "with" in found else (),
        preview=found.get("preview", ""),
    )


def _ref(text: str) -> str:
    if not text:
        return ""
    shown = repr(text[:SHOWN])
    if _HEX.fullmatch(text) and not is_commit_id(text):
        raise InvalidQuery(f"ref: {shown} has capital letters, and commit ids have none", parameter="ref")
    if _NOTATION.search(text) or not text.isprintable() or text == "@":
        raise InvalidQuery(f"ref: {shown} is more than a name; {REF_SYNTAX}", parameter="ref")
    draft = text.removeprefix("refs/heads/")
    if draft.startswith("drafts/"):
        raise InvalidQuery(f"ref: ask for a draft with draft={draft[7 : SHOWN + 7]}", parameter="ref")
    try:
        branch_ref(text)
    except RefNotFound as error:
        raise InvalidQuery(
            f"ref: {shown} cannot be the name of a branch or a tag; {REF_SYNTAX}", parameter="ref"
        ) from error
    if text.startswith("refs/") and not text.startswith((BRANCHES, TAGS)):
        raise InvalidQuery(f"ref: {shown} is neither a branch nor a tag; {REF_SYNTAX}", parameter="ref")
    return text


def is_abbreviated(text: str) -> bool:
    """Whether *text* may be meant as part of a commit id; a branch or a tag may be called that all the same."""
    return _ABBREVIATED.fullmatch(text) is not None


def _draft(name: str, parameter: str) -> str:
    if not name:
        return ""
    try:
        draft_ref(name)
    except RefNotFound as error:
        shown = repr(name[:SHOWN])
        raise InvalidQuery(f"{parameter}: {shown} cannot be the name of a draft", parameter=parameter) from error
    return name.removeprefix(DRAFTS)


def _drafts(text: str) -> tuple[str, ...]:
    names = [name.strip() for name in text.split(",")]
    if not all(names):
        raise InvalidQuery("with: names of drafts, separated by commas, such as with=easter,summer", parameter="with")
    if len(names) > DRAFTS_MOST:
        raise InvalidQuery(f"with: at most {DRAFTS_MOST} drafts can be looked at together", parameter="with")
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise InvalidQuery(f"with: the draft {twice[:SHOWN]!r} is named twice", parameter="with")
    return tuple(_draft(name, "with") for name in names)


def read_moment(text: str, zone: ZoneInfo) -> float:
    """The moment that ``at`` names, in seconds since 1970: a day begins at midnight in the site's *zone*.

    Raises:
        InvalidQuery: it names none, or one without a time zone.
    """
    written = _LOST_PLUS.sub(r"\1+\2", text)
    try:
        if _DAY.fullmatch(written):
            day = date.fromisoformat(written)
            moment = datetime(day.year, day.month, day.day, tzinfo=zone)
        else:
            moment = datetime.fromisoformat(written)
    except ValueError as error:
        raise InvalidQuery(f"at: {text[:SHOWN]!r} is no moment; {AT_SYNTAX}", parameter="at") from error
    if moment.tzinfo is None:
        raise InvalidQuery(f"at: {text[:SHOWN]!r} names no time zone; {AT_SYNTAX}", parameter="at")
    if moment.year not in _YEARS:
        raise InvalidQuery(f"at: {text[:SHOWN]!r} is no moment that a site could have; {AT_SYNTAX}", parameter="at")
    return moment.timestamp()


def moment_text(seconds: float) -> str:
    """A moment as RFC 3339 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
