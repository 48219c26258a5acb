"""Blame and history in words, and as JSON: the same for the command line and the API. Names, and never an e-mail address."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from zoneinfo import ZoneInfo

from cms.blame.attribution import Blame, Origin
from cms.blame.parts import ITEM, PARAGRAPH, Part
from cms.blame.record import Change, plain_words
from cms.blame.versions import Version
from cms.dates import format_rfc3339
from cms.entry import Entry
from cms.policy import Policy
from cms.proof.grounds import ChangeProof
from cms.proof.telling import entry_json
from cms.workflow.outcome import Remark
from cms.workflow.wording import hide_addresses, list_names

SHORT = 10
SHOWN_MOST = 60
_INDENT = "    "


def history_json(
    change: Change | None, entry: Entry, changes: Iterable[Change], policy: Policy, zone: ZoneInfo
) -> dict[str, Any]:
    """An entry: how it stands, by the *change* that made it what it is, and the *changes* that led there."""
    proof = change.proof if change is not None else None
    if proof is None:
        told: dict[str, Any] = {"standing": None, "origin": None, "publication": None, "writers": [], "approvals": []}
    else:
        told = entry_json(proof.file, zone)
    return {**told, **_place_json(entry), "commits": [change_json(each, policy, zone) for each in changes]}


def change_json(change: Change, policy: Policy, zone: ZoneInfo) -> dict[str, Any]:
    """One commit that changed a file."""
    version, writer, proof = change.version, change.writer, change.proof
    before = version.earlier[0] if version.earlier else None
    return {
        "commit": writer.commit,
        "at": format_rfc3339(change.at, zone),
        "written_at": format_rfc3339(change.authored_at, zone),
        "by": {"person": writer.person, "name": hide_addresses(writer.name), "ground": writer.ground.value},
        "change": version.change,
        "path": version.path,
        "from": before.path if before is not None and before.path != version.path else None,
        "why": hide_addresses(change.why),
        "approved_by": approvals_of(proof),
        "standing": proof.file.standing.value if proof is not None else None,
        "publication": publication_json(proof, policy, zone),
    }


def approvals_of(proof: ChangeProof | None) -> list[dict[str, Any]]:
    """Who approved what was published, of those whose approval counted."""
    acts = proof.file.approvals if proof is not None else ()
    found = {act.person: act for act in reversed(acts) if act.counts}
    return [{"person": act.person, "name": hide_addresses(act.name)} for act in reversed(found.values())]


def publication_json(proof: ChangeProof | None, policy: Policy, zone: ZoneInfo) -> dict[str, Any] | None:
    """What brought a change to the published branch, with what was said about it before; ``None``: nothing has."""
    if proof is None:
        return None
    file, publication = proof.file, proof.file.publication
    act = publication.act if publication is not None else None
    return {
        "commit": file.origin,
        "at": format_rfc3339(file.originated_at, zone),
        "draft": publication.draft or None if publication is not None else None,
        "by": {"person": act.person, "name": hide_addresses(act.name)} if act is not None else None,
        "bypass": hide_addresses(publication.bypass) or None if publication is not None else None,
        "verdicts": [_remark_json(remark, policy, zone) for remark in proof.remarks],
    }


def _remark_json(remark: Remark, policy: Policy, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "commit": remark.commit,
        "at": format_rfc3339(remark.at, zone),
        "person": remark.person,
        "name": hide_addresses(policy.name(remark.person) if remark.person is not None else remark.claimed),
        "verdict": remark.verdict,
        "message": hide_addresses(plain_words(remark.message)),
        "anchor": remark.anchor or None,
        "counts": remark.counts,
    }


def _place_json(entry: Entry) -> dict[str, Any]:
    return {
        "path": entry.path,
        "collection": entry.collection,
        "slug": entry.slug,
        "locale": entry.locale,
        "blob": entry.blob,
    }


def blame_json(
    blame: Blame, entry: Entry, changes: Mapping[Version, Change], policy: Policy, zone: ZoneInfo
) -> dict[str, Any]:
    """Fields with their items, paragraphs of the text, and the commits that these name."""
    fields: list[dict[str, Any]] = []
    lists: dict[str, dict[str, Any]] = {}
    body: list[dict[str, Any]] = []
    for origin in blame.origins or ():
        part = origin.part
        told = _origin_json(origin, changes.get(origin.version), zone)
        if part.kind == PARAGRAPH:
            body.append({"paragraph": part.number, "line": part.line, "text": part.value, **told})
        elif part.kind == ITEM:
            lists[part.name].setdefault("items", []).append({"index": part.number, "value": part.value, **told})
        else:
            lists[part.name] = {"field": part.name, "value": part.value, **told}
            fields.append(lists[part.name])
    return {
        **_place_json(entry),
        "is_readable": blame.origins is not None,
        "fields": fields,
        "body": body,
        "commits": {change.writer.commit: change_json(change, policy, zone) for change in changes.values()},
    }


def _origin_json(origin: Origin, change: Change | None, zone: ZoneInfo) -> dict[str, Any]:
    if change is None:
        return {"commit": None, "since": None, "by": None}
    told = {
        "commit": change.writer.commit,
        "since": format_rfc3339(change.at, zone),
        "by": hide_addresses(change.writer.name),
    }
    return {**told, "is_older": True} if origin.is_older else told


def tell_blame(blame: Blame, changes: Mapping[Version, Change], zone: ZoneInfo) -> Iterator[str]:
    """A line for each part, and one for each commit that is named."""
    if blame.origins is None:
        yield "The file cannot be taken apart: it is too large, or its front matter cannot be read."
    origins = blame.origins or ()
    writers = {version: hide_addresses(change.writer.name) for version, change in changes.items()}
    width = max((len(writers.get(origin.version, "")) for origin in origins), default=0)
    for origin in origins:
        what = _tell_part(origin.part)
        if what:
            when = _tell_origin(origin, changes.get(origin.version), zone)
            yield f"{when}  {writers.get(origin.version, ''):<{width}}  {what}"
    named = {origin.version for origin in origins}
    for version, change in changes.items():
        if version in named:
            yield ""
            yield from tell_change(change, zone)


def _tell_part(part: Part) -> str:
    """One line; nothing of a field that holds others, which have lines of their own."""
    if part.kind == ITEM:
        return f"  - {_short(part.value)}"
    if part.kind == PARAGRAPH:
        return f"line {part.line}: {_short(part.value)}"
    return "" if isinstance(part.value, dict) and part.value else f"{part.name}: {_short(part.value)}"


def _tell_origin(origin: Origin, change: Change | None, zone: ZoneInfo) -> str:
    commit = change.writer.commit[:SHORT] if change is not None else "-"
    day = f"{change.at.astimezone(zone):%Y-%m-%d}" if change is not None else "not yet"

    return f"{commit:<{SHORT}} {'<' if origin.is_older else ' '}{day:<10}"


def tell_change(change: Change, zone: ZoneInfo) -> Iterator[str]:
    """One commit that changed a file: what, who, when, why, and how it came to be live."""
    version, writer = change.version, change.writer
    before = version.earlier[0].path if version.earlier else version.path
    moved = f" from {before}" if before != version.path else ""
    when = f"{change.at.astimezone(zone):%Y-%m-%d %H:%M}"
    name = hide_addresses(writer.name)
    yield f"{writer.commit[:SHORT]}  {when}  {name} {version.change} {version.path}{moved} ({writer.ground.words})"
    for line in hide_addresses(change.why).splitlines():
        yield f"{_INDENT}{line}".rstrip()
    yield from (f"{_INDENT}{line}" for line in _tell_publication(change.proof, zone))


def _tell_publication(proof: ChangeProof | None, zone: ZoneInfo) -> Iterator[str]:
    if proof is None:
        yield "not published"
        return
    file, publication = proof.file, proof.file.publication
    approved = [approval["name"] for approval in approvals_of(proof)]
    if approved:
        yield f"approved by {list_names(approved)}"
    when = f"{file.originated_at.astimezone(zone):%Y-%m-%d %H:%M}"
    if publication is not None:
        draft = f", draft {publication.draft}" if publication.draft else ""
        bypass = f", past the approvals: {hide_addresses(publication.bypass)}" if publication.bypass else ""
        yield f"published {when} by {hide_addresses(publication.act.name)} in {file.origin[:SHORT]}{draft}{bypass}"
    else:
        yield f"on the published branch since {when}, by {file.origin[:SHORT]}"


def _short(value: Any) -> str:
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    text = hide_addresses(" ".join(str(value).split()))
    return text if len(text) <= SHOWN_MOST else f"{text[: SHOWN_MOST - 1]}…"


def named_versions(blame: Blame) -> Sequence[Version]:
    """The versions that some part comes from, and the newest."""
    found: Iterable[Version] = (origin.version for origin in blame.origins or ())
    return list(dict.fromkeys([blame.versions.newest, *found]))
