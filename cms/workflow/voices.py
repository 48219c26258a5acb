"""Whose word it is: the verdicts in a draft's commits, who stands behind each, and what everybody says last.

A verdict is somebody's when the server made it for them, when it is signed by a key of theirs, or when they pushed it; what the commit itself
says of its author proves nothing. Of one person the newest verdict counts.

Not here: what an approval covers (``coverage``), and what somebody may do (``rights``).
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cms.policy import Policy
from cms.refs import CommitId
from cms.trailers import without_trailers
from cms.workflow.facts import Claim, CommitFacts

VERDICTS = ("request", "approve", "changes", "comment", "withdraw", "lift")
SCHEDULE, UNSCHEDULE = "schedule", "unschedule"
NEVER = "never"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?(?:[Zz]|[+-]\d\d:\d\d)")
_KEYS = frozenset({"review", "anchor", "lifts", "publish-at", "acted-by", "draft"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One commit that says something, and whose word that is.

    Attributes:
        person: None when nobody vouches for it; *why_not* says so.
        verdict: one of VERDICTS, ``schedule`` or ``unschedule``; anything else that was written comes with a *why_not*.
        is_timed: it sets, or takes away, the moment of publication, *publish_at*; *bad_moment* says why what it names is none.
    """

    commit: CommitFacts
    verdict: str
    person: str | None = None
    why_not: str = ""
    anchor: str = ""
    lifts: str = ""
    is_timed: bool = False
    publish_at: datetime | None = None
    bad_moment: str = ""

    @property
    def anchored_path(self) -> str:
        """The file that the anchor names; empty without one."""
        whole = self.anchor.partition("#")[0]
        path, _, line = whole.rpartition(":")
        return path if path and line.isdecimal() else whole


def spoken(message: str) -> str:
    """What somebody wrote, of the message of a verdict: without the trailers that say what it is."""
    return without_trailers(message, _KEYS).strip()


def hear(commits: Sequence[CommitFacts], draft: str, policy: Policy) -> list[Voice]:
    """Everything that the commits of the draft say, oldest first."""
    return [voice for commit in commits for voice in _voices(commit, draft, policy)]


def _voices(commit: CommitFacts, draft: str, policy: Policy) -> Iterator[Voice]:
    raw_verdict, raw_moment = commit.find_trailer("review"), commit.find_trailer("publish-at")
    if raw_verdict is None and raw_moment is None:
        return
    verdict = (raw_verdict or "").strip().casefold()
    moment, bad_moment = (None, "") if raw_moment is None else _moment(raw_moment)
    if raw_verdict is None:
        verdict = SCHEDULE if moment is not None or bad_moment else UNSCHEDULE
    person, why_not = _whose(commit, draft, policy)
    if not commit.is_empty:
        what = "a merge" if len(commit.parents) > 1 else "it changes files too, and"
        person, why_not = None, f"{what} is no verdict: that is a commit of its own (git commit --allow-empty)"
    elif raw_verdict is not None and verdict not in VERDICTS:
        person, why_not = None, f"{verdict!r} is no verdict; there are {', '.join(VERDICTS)}"
    yield Voice(
        commit=commit,
        verdict=verdict,
        person=person,
        why_not=why_not,
        anchor=(commit.find_trailer("anchor") or "").strip(),
        lifts=(commit.find_trailer("lifts") or "").strip(),
        is_timed=raw_moment is not None,
        publish_at=moment,
        bad_moment=bad_moment,
    )


def _moment(text: str) -> tuple[datetime | None, str]:
    """Read ``Publish-At``: (when, None for never; what is wrong with it)."""
    text = text.strip()
    if text.casefold() == NEVER:
        return None, ""
    wrong = f"{text[:40]!r} is no moment; write it as 2026-05-17T07:00:00+02:00, or {NEVER!r}"
    if not _MOMENT.fullmatch(text):
        return None, wrong
    try:
        return datetime.fromisoformat(text.upper()).astimezone(UTC), ""
    except (ValueError, OverflowError):
        return None, wrong


def _whose(commit: CommitFacts, draft: str, policy: Policy) -> tuple[str | None, str]:
    """Whose word a commit is: (id, why it is nobody's)."""
    attestation = commit.attestation
    about = commit.find_trailer("draft")
    if about is not None and about != draft:
        return None, f"it is about the draft {about!r}"
    if attestation.elsewhere:
        return None, f"it was given on {attestation.elsewhere}; a verdict counts only where it was given"
    signer = policy.find_by_key(attestation.key) if attestation.key and not attestation.is_server else None
    if attestation.is_server:
        person, why_not = commit.find_trailer("acted-by"), ""
        if person is None or about is None:
            return None, f"the server signed it, but it does not say for {'whom' if person is None else 'which draft'}"
    elif signer is not None:
        person, why_not = signer, _contradiction(commit, signer, "signed", policy)
    elif attestation.pusher is not None:
        person, why_not = attestation.pusher, _contradiction(commit, attestation.pusher, "pushed", policy)
    else:
        known = "the key that signed it is nobody's in cms.toml" if attestation.key else "it is not signed"
        return None, f"nobody vouches for it: {known}, and the server did not see who pushed it"
    if not why_not and person not in policy.people:
        why_not = f"{person} is not in cms.toml any more"
    return (None, why_not) if why_not else (person, "")


def _contradiction(commit: CommitFacts, person: str, act: str, policy: Policy) -> str:
    """Why a commit that *person* signed or pushed names somebody else, so that it is not theirs; empty when it does not."""
    name = policy.name(person)
    committer, author = commit.committer, commit.author
    owner = _owner(committer, policy)
    if owner != person and (owner is not None or (act == "pushed" and committer.email.strip())):
        return f"{name} {act} it, but it names {_described(committer)} as its committer; give it in your own name"
    owner = _owner(author, policy)
    if owner is not None and owner != person:
        return f"{name} {act} it, but it names {_described(author)} as its author; everybody speaks for themselves"
    return ""


def _owner(claim: Claim, policy: Policy) -> str | None:
    return policy.find_by_email(claim.email) if claim.email.strip() else None


def _described(claim: Claim) -> str:
    return f"{claim.name} <{claim.email}>" if claim.email else claim.name


@dataclass(slots=True)
class Standing:
    """What one person says now: approvals that were not taken back, an open request for changes, a request for review."""

    approvals: list[Voice] = field(default_factory=list)
    objection: Voice | None = None
    request: Voice | None = None


@dataclass(slots=True)
class Floor:
    """What everybody says now.

    Attributes:
        spent: verdicts that were somebody's and do not count any more, or never did, with the reason.
    """

    standings: dict[str, Standing] = field(default_factory=dict)
    spent: dict[CommitId, str] = field(default_factory=dict)

    def of(self, person: str) -> Standing:
        """What *person* says."""
        return self.standings.setdefault(person, Standing())


def take_the_floor(voices: Sequence[Voice], policy: Policy, why_no_lift: Callable[[str], str]) -> Floor:
    """Go through the verdicts, oldest first, and keep what everybody says last.

    Args:
        why_no_lift: who lifts -> why they cannot; empty when they can.
    """
    floor = Floor()
    for voice in voices:
        if voice.person is None:
            continue
        standing = floor.of(voice.person)
        if voice.verdict == "approve":
            _end_objection(floor, standing, f"{policy.name(voice.person)} approved after it")
            standing.approvals.append(voice)
        elif voice.verdict == "changes":
            _end_approvals(floor, standing, f"{policy.name(voice.person)} asked for changes after it")
            _end_objection(floor, standing, f"{policy.name(voice.person)} asked again after it")
            standing.objection = voice
        elif voice.verdict == "withdraw":
            _withdraw(floor, voice, standing, f"{policy.name(voice.person)} withdrew it")
        elif voice.verdict == "request":
            standing.request = voice
        elif voice.verdict == "lift":
            _lift(floor, voice, policy, why_no_lift)
    return floor


def _end_objection(floor: Floor, standing: Standing, reason: str) -> None:
    if standing.objection is not None:
        floor.spent[standing.objection.commit.id] = reason
        standing.objection = None


def _end_approvals(floor: Floor, standing: Standing, reason: str) -> None:
    floor.spent |= {voice.commit.id: reason for voice in standing.approvals}
    standing.approvals.clear()


def _withdraw(floor: Floor, voice: Voice, standing: Standing, reason: str) -> None:
    if not standing.approvals and standing.objection is None and standing.request is None:
        floor.spent[voice.commit.id] = "there was nothing to take back"
    _end_objection(floor, standing, reason)
    _end_approvals(floor, standing, reason)
    if standing.request is not None:
        floor.spent[standing.request.commit.id] = reason
        standing.request = None


def _lift(floor: Floor, voice: Voice, policy: Policy, why_no_lift: Callable[[str], str]) -> None:
    """Take away somebody else's request for changes, or say why not."""
    assert voice.person is not None
    whose = voice.lifts if voice.lifts in policy.people else policy.find_by_email(voice.lifts) or ""
    objection = floor.standings[whose].objection if whose in floor.standings else None
    if not voice.lifts:
        reason = "it does not say whose request for changes is lifted (Lifts: <person>)"
    elif objection is None:
        reason = f"{policy.name(voice.lifts)} has no open request for changes"
    else:
        reason = why_no_lift(voice.person)
    if reason:
        floor.spent[voice.commit.id] = reason
    else:
        _end_objection(floor, floor.of(whose), f"{policy.name(voice.person)} lifted it")
