"""Drafts as JSON: what the state of a draft looks like to somebody who may see it."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from cms.dates import format_rfc3339
from cms.permissions import Principal, allows
from cms.policy import Policy
from cms.workflow.actions import Action
from cms.workflow.flow import Workflow
from cms.workflow.outcome import DraftState, EntryState, Remark, describe_clash
from cms.workflow.possible import possible_actions
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


def describe_outcome(state: DraftState, flow: Workflow, who: Principal, zone: ZoneInfo) -> dict[str, Any]:
    """A draft as *who* may see it after an act; where it is and no more to a token that may act and not read."""
    policy = flow.policy()
    if allows("draft.read", who, policy, flow.target_of(state, who)):
        return describe_state(state, policy, zone, possible_actions(flow, who, state))
    return {"name": state.name, "status": state.status.value, "head": state.head}


def describe_state(
    state: DraftState, policy: Policy, zone: ZoneInfo, actions: Collection[Action] = ()
) -> dict[str, Any]:
    """A draft by itself, with what it still needs and which *actions* are open to who asks."""
    return {
        **listed(state, zone),
        "base": state.base,
        "scheduled_by": state.scheduled_by,
        "writers": [person for person in sorted(state.writers) if person in policy.people],
        "entries": [_entry(entry) for entry in state.entries],
        "remarks": [describe_remark(remark, policy, zone) for remark in state.remarks],
        "blocking": [remark.commit for remark in state.blocking],
        "findings": [msgspec.to_builtins(finding) for finding in state.findings],
        "people": {person: policy.name(person) for person in sorted(_people(state)) if person in policy.people},
        "conflicts": [describe_clash(clash) for clash in state.clashes],
        "actions": [action.value for action in actions],
    }


def _people(state: DraftState) -> set[str]:
    """Everybody whom the description of a draft names by id."""
    named = {*state.writers, *(remark.person for remark in state.remarks), state.owner, state.scheduled_by}
    for entry in state.entries:
        named |= {*entry.approvals, *entry.lapsed, *entry.writers, *entry.may_approve}
    return {person for person in named if person is not None}


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


def describe_remark(remark: Remark, policy: Policy, zone: ZoneInfo) -> dict[str, Any]:
    """Something that was said about a draft."""
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
