"""A proof in words, and as JSON: the same for the command line and the API."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from cms.proof.grounds import Act, EntryProof, Ground, Report, Standing
from cms.proof.newsroom import Deed
from cms.workflow.wording import count_of, hide_addresses, list_names

SHORT = 10
_INDENT = "    "


def entry_json(proof: EntryProof, zone: ZoneInfo) -> dict[str, Any]:
    """One live file. Holds names, and no e-mail addresses."""
    publication = proof.publication
    return {
        "path": proof.path,
        "collection": proof.collection,
        "slug": proof.slug or None,
        "locale": proof.locale or None,
        "blob": proof.blob,
        "standing": proof.standing.value,
        "why": proof.why or None,
        "is_signed": proof.is_signed,
        "origin": {"commit": proof.origin, "at": _iso(proof.originated_at, zone)},
        "publication": None
        if publication is None
        else {
            "commit": publication.commit,
            "at": _iso(publication.at, zone),
            "draft": publication.draft or None,
            "by": act_json(publication.act, zone),
            "bypass": publication.bypass or None,
        },
        "writers": [act_json(act, zone) for act in proof.writers],
        "approvals": [
            {**act_json(act, zone), "counts": act.counts, "why_not": act.why_not or None} for act in proof.approvals
        ],
        "needed": proof.needed,
    }


def act_json(act: Act, zone: ZoneInfo) -> dict[str, Any]:
    """One commit, and whose it is."""
    return {
        "commit": act.commit,
        "at": _iso(act.at, zone),
        "person": act.person,
        "name": hide_addresses(act.name),
        "claimed": hide_addresses(act.claimed),
        "co_authors": list(map(hide_addresses, act.co_authors)),
        "ground": act.ground.value,
        "key": act.key or None,
        "is_logged": act.is_logged,
    }


def report_json(report: Report, zone: ZoneInfo) -> dict[str, Any]:
    """Everything live."""
    approved = [entry for entry in report.entries if entry.standing is Standing.APPROVED]
    signed = sum(entry.is_signed for entry in approved)
    return {
        "commit": report.commit,
        "ref": report.ref,
        "is_proven": report.is_proven,
        "summary": {
            "files": len(report.entries),
            **{standing.value.replace("-", "_"): number for standing, number in report.counts.items()},
            "approved_by_signatures": signed,
            "approved_on_the_servers_word": len(approved) - signed,
        },
        "keys_from": report.keys_from,
        "server_keys": [{"key": trust.key, "is_trusted": trust.is_trusted} for trust in report.server_keys],
        "log_entries": report.log_entries,
        "problems": list(report.problems),
        "notes": list(report.notes),
        "entries": [entry_json(entry, zone) for entry in report.entries],
    }


def tell_summary(report: Report) -> Iterator[str]:
    """How many files stand how, most reassuring first."""
    approved = [entry for entry in report.entries if entry.standing is Standing.APPROVED]
    signed = sum(entry.is_signed for entry in approved)
    rows = (
        (signed, "approved, by people's own signatures"),
        (len(approved) - signed, "approved, on the server's word"),
        (report.counts[Standing.IMPORTED], "from before the workflow: never published through a draft"),
        (report.counts[Standing.BYPASSED], "published without the approvals, by a bypass"),
        (report.counts[Standing.UNAPPROVED], "published without valid approvals"),
        (report.counts[Standing.PAST_THE_WORKFLOW], "put on the branch past the workflow"),
    )
    width = max(len(f"{number:,}") for number, _ in rows)
    for number, words in rows:
        if number:
            yield f"{number:>{width},}  {words}"


def tell_entry(proof: EntryProof, zone: ZoneInfo) -> Iterator[str]:
    """One live file: a line for itself, and one for each act behind it."""
    name = f"{proof.collection}/{proof.slug} ({proof.locale})" if proof.collection is not None else proof.path
    head = {
        Standing.APPROVED: "approved" if proof.is_signed else "approved, on the server's word",
        Standing.BYPASSED: "published by a bypass",
        Standing.UNAPPROVED: "not approved",
        Standing.PAST_THE_WORKFLOW: "past the workflow",
        Standing.IMPORTED: "imported",
    }[proof.standing]
    if proof.publication is None:
        place = f"{proof.origin[:SHORT]}, {_local(proof.originated_at, zone)}"
        yield f"{name}  {head}: {proof.why}" if proof.why else f"{name}  {head}: {place}"
        return
    yield f"{name}  {head}" + (f": {proof.why}" if proof.why else "")
    draft = f", draft {proof.publication.draft}" if proof.publication.draft else ""
    yield f"{_INDENT}published {_tell_act(proof.publication.act, zone, draft)}"
    for writer in proof.writers:
        yield f"{_INDENT}written   {_tell_act(writer, zone)}"
    for approval in proof.approvals:
        word = "approved " if approval.counts else "(approved"
        why_not = "" if approval.counts else f": does not count, {approval.why_not})"
        yield f"{_INDENT}{word} {_tell_act(approval, zone)}{why_not}"


def _tell_act(act: Act, zone: ZoneInfo, what: str = "") -> str:
    others = [*([act.claimed] if act.claimed != act.name else []), *act.co_authors]
    names = f", naming {list_names(others)}" if others else ""
    key = f" {act.key}" if act.ground is Ground.SIGNED else ""
    logged = ", and its log agrees" if act.ground is Ground.SERVER and act.is_logged else ""
    return f"by {act.name}, {_local(act.at, zone)}, {act.commit[:SHORT]}{what}{names} ({act.ground.words}{key}{logged})"


def tell_verdict(report: Report) -> str:
    """The whole in one sentence."""
    faults = sum(entry.standing.is_fault for entry in report.entries)
    files = count_of(len(report.entries), "live file")
    if report.is_proven:
        return f"{files}: everything is approved by the rules, or older than they are"
    if not faults:
        return f"{files}, and something is wrong with the whole"
    return f"{files}, of which {faults:,} {'is' if faults == 1 else 'are'} not approved as the rules ask"


def ordered(entries: Sequence[EntryProof]) -> list[EntryProof]:
    """What somebody should look at first, then entries, then other files that were published."""
    shown = [entry for entry in entries if entry.collection is not None or entry.standing is not Standing.IMPORTED]
    return sorted(shown, key=lambda entry: (not entry.standing.is_fault, entry.collection is None, entry.path))


def deed_json(deed: Deed, zone: ZoneInfo) -> dict[str, Any]:
    """One act of the newsroom."""
    led_to = deed.led_to
    return {
        "at": _iso(deed.at, zone),
        "person": deed.person,
        "name": deed.name,
        "did": deed.did,
        "draft": deed.draft,
        "via": deed.via or None,
        "says": deed.says or None,
        "details": list(deed.details),
        "commit": deed.commit,
        "led_to": led_to
        and {"what": led_to.what, "at": _iso(led_to.at, zone), "name": led_to.name, "commit": led_to.commit},
        "is_attested": deed.is_attested,
    }


def tell_deed(deed: Deed, zone: ZoneInfo, *, has_log: bool) -> Iterator[str]:
    """One act of the newsroom: a line for itself, and one for each thing more to know."""
    what = " ".join(part for part in (deed.did, deed.draft) if part)
    via = f" ({deed.via})" if deed.via else ""
    says = f": {deed.says}" if deed.says else ""
    yield f"{_local(deed.at, zone)}  {deed.name} {what}{via}{says}"
    for detail in deed.details:
        yield f"{_INDENT}{detail}"
    led_to = deed.led_to
    if led_to is not None:
        commit = f", {led_to.commit[:SHORT]}" if led_to.commit else ""
        yield f"{_INDENT}led to: {led_to.what} {_local(led_to.at, zone)} by {led_to.name}{commit}"
    if has_log and not deed.is_attested:
        yield f"{_INDENT}! the entry of the log is not signed with the server's key: nobody vouches for this"


def _iso(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat()


def _local(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M")
