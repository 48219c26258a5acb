"""Drafts as JSON: what the state of a draft looks like to somebody who may see it."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from cms.dates import format_rfc3339
from cms.policy import Policy
from cms.workflow.actions import allowed_actions
from cms.workflow.outcome import DraftState, EntryState, Remark
from cms.workflow.publishing import Publication


def listed(state: DraftState, zone: ZoneInfo) -> dict[str, Any]:
    """A draft in a list."""
    return {
        "name": state.name,
        "status": state.status.value,
        "owner": state.owner,
        "head": state.head,
        "published": state.published,
        "publish_at": _time(state.publish_at, zone),
        "entries": len(state.entries),
        "missing": list(state.missing),
    }


def describe_state(state: DraftState, policy: Policy, zone: ZoneInfo) -> dict[str, Any]:
    """A draft by itself, with what it still needs and what the state of it allows."""
    return {
        **listed(state, zone),
        "base": state.base,
        "scheduled_by": state.scheduled_by,
        "writers": [policy.name(person) for person in sorted(state.writers) if person in policy.people],
        "entries": [_entry(entry) for entry in state.entries],
        "remarks": [_remark(remark, policy, zone) for remark in state.remarks],
        "blocking": [remark.commit for remark in state.blocking],
        "findings": [msgspec.to_builtins(finding) for finding in state.findings],
        "conflicts": [
            {
                "path": clash.path,
                "field": clash.field,
                "base": clash.base,
                "published": clash.ours,
                "draft": clash.theirs,
                "message": clash.message,
            }
            for clash in state.clashes
        ],
        "actions": [action.value for action in allowed_actions(state.status)],
    }


def _entry(entry: EntryState) -> dict[str, Any]:
    return {
        "path": entry.path,
        "collection": entry.collection,
        "slug": entry.slug,
        "locale": entry.locale,
        "change": entry.change,
        "blob": entry.blob,
        "needed": entry.needed,
        "approvals": list(entry.approvals),
        "lapsed": list(entry.lapsed),
        "writers": [writer for writer in sorted(entry.writers) if not writer.startswith("?")],
        "may_approve": list(entry.may_approve),
        "missing": entry.missing,
    }


def _remark(remark: Remark, policy: Policy, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "commit": remark.commit,
        "at": _time(remark.at, zone),
        "person": remark.person,
        "name": policy.name(remark.person) if remark.person is not None else remark.claimed,
        "verdict": remark.verdict,
        "message": remark.message,
        "anchor": remark.anchor or None,
        "counts": remark.counts,
        "why_not": remark.why_not or None,
    }


def describe_publication(publication: Publication) -> dict[str, Any]:
    """What was published."""
    return {
        "draft": publication.draft,
        "commit": publication.commit,
        "head": publication.head,
        "paths": list(publication.paths),
        "approved_by": list(publication.approved_by),
        "bypass": publication.bypass or None,
        "is_repeated": publication.is_repeated,
    }


def _time(moment: datetime | None, zone: ZoneInfo) -> str | None:
    return None if moment is None else format_rfc3339(moment, zone)
