"""The state of a draft: a pure fold over its commits, the rules of the moment, and the time.

There is no status field anywhere that could drift. Whoever wants to know looks at the facts (``gather``) and folds them; the same facts and the
same policy always give the same state. What follows from a verdict is worked out anew each time: an approval by somebody who is no reviewer
any more stops counting, and one whose bytes come back counts again.

Who said what is found out in ``voices``, what approvals cover in ``coverage``, who may what in ``rights``.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

from cms.errors import InvalidSettings
from cms.policy import Policy
from cms.workflow import rights
from cms.workflow.coverage import Coverage
from cms.workflow.facts import Facts
from cms.workflow.outcome import DraftState, EntryState, Remark, Status
from cms.workflow.voices import Floor, Voice, hear, take_the_floor
from cms.workflow.wording import count_of, list_names

__all__ = ["DraftState", "EntryState", "Remark", "Status", "fold", "why_no_publishing"]

QUOTED_MOST = 80


def fold(facts: Facts, policy: Policy | InvalidSettings, now: datetime) -> DraftState:
    """The state that follows from *facts* under *policy* at *now*.

    Args:
        policy: as it stands on the published branch; or why it cannot be used: then nobody's word counts and nothing can go on.
        now: an aware time.
    """
    return _Fold(facts, policy, now).state()


def why_no_publishing(state: DraftState, policy: Policy, person: str) -> str:
    """Why *person* could not publish the draft even if nothing were missing; empty when they could.

    Besides the role it is about protected files for which the rules ask for no approval: a maintainer must publish those.
    """
    return rights.why_no_publishing(state.entries, policy, person)


class _Fold:
    """One fold, while it is made."""

    def __init__(self, facts: Facts, policy: Policy | InvalidSettings, now: datetime) -> None:
        self.facts = facts
        self.now = now
        self.problem = policy if isinstance(policy, InvalidSettings) else None
        self.policy = Policy() if isinstance(policy, InvalidSettings) else policy
        self.rights = rights.Rights(facts, self.policy)
        self.voices = hear(facts.commits, facts.name, self.policy)
        self.floor: Floor = take_the_floor(self.voices, self.policy, self.rights.why_no_lift)
        self.coverage = Coverage(self.rights, self.floor)
        self.blocking = [
            standing.objection
            for person, standing in self.floor.standings.items()
            if standing.objection is not None and self.rights.is_reviewer(person)
        ]
        self.schedule = self._find_schedule()

    def state(self) -> DraftState:
        facts = self.facts
        remarks = tuple(self._remark(voice) for voice in self.voices)
        blocking = {voice.commit.id for voice in self.blocking}
        status = self._status()
        schedule = self.schedule if status is not Status.PUBLISHED else None
        return DraftState(
            name=facts.name,
            head=facts.head,
            published=facts.published,
            base=facts.base,
            owner=facts.started_by,
            status=status,
            entries=self.coverage.entries,
            remarks=remarks,
            blocking=tuple(remark for remark in remarks if remark.commit in blocking),
            publish_at=schedule.publish_at if schedule else None,
            scheduled_by=schedule.person if schedule else None,
            is_due=schedule is not None and schedule.publish_at is not None and schedule.publish_at <= self.now,
            findings=facts.findings,
            clashes=facts.merge.clashes,
            missing=() if status is Status.PUBLISHED else tuple(self._missing()),
            writers=self.rights.all_writers,
            merge=facts.merge,
        )

    # -- the status ----------------------------------------------------------------------------------------------------

    def _status(self) -> Status:
        if self.facts.is_published:
            return Status.PUBLISHED
        if self.facts.merge.clashes:
            return Status.CONFLICTING
        if self._errors:
            return Status.INVALID
        if self.blocking:
            return Status.CHANGES_REQUESTED
        if self._is_ready:
            return Status.SCHEDULED if self.schedule is not None else Status.APPROVED
        if any(self._is_request(person) for person in self.floor.standings):
            return Status.IN_REVIEW
        return Status.DRAFT

    @property
    def _errors(self) -> list[str]:
        return [str(finding) for finding in self.facts.findings if finding.severity == "error"]

    @property
    def _is_ready(self) -> bool:
        return self.problem is None and bool(self.facts.files) and self.coverage.is_satisfied

    def _is_request(self, person: str) -> bool:
        return self.floor.of(person).request is not None and self.rights.holds_any(person)

    # -- the schedule --------------------------------------------------------------------------------------------------

    def _find_schedule(self) -> Voice | None:
        """The verdict that says when the draft goes public; None when none does.

        The newest one decides. When its giver may not publish (any more) there is no schedule, and what it replaced does not come back:
        a moment that an editor took away must not fire because the editor left. What somebody set who had no right to when they did, and
        no right now, is as if it had never been said.
        """
        chosen: Voice | None = None
        decider = ""
        for voice in reversed(self.voices):
            if not voice.is_timed or voice.person is None:
                continue
            reason = self.rights.why_no_schedule(voice.person)
            if decider:
                self._spend(voice, f"{self.policy.name(decider)} said something else later")
            elif reason and not _had_a_say(voice):
                self._spend(voice, reason)
            else:
                decider = voice.person
                if reason or voice.bad_moment:
                    self._spend(voice, reason or voice.bad_moment)
                elif voice.publish_at is not None:
                    chosen = voice
        return chosen

    def _spend(self, voice: Voice, reason: str) -> None:
        if voice.verdict in ("schedule", "unschedule"):
            self.floor.spent.setdefault(voice.commit.id, reason)

    # -- remarks -------------------------------------------------------------------------------------------------------

    def _remark(self, voice: Voice) -> Remark:
        why_not = voice.why_not or self.floor.spent.get(voice.commit.id, "") or self._why_not(voice)
        commit = voice.commit
        return Remark(
            commit=commit.id,
            at=commit.attestation.at or commit.committed_at,
            person=voice.person,
            claimed=commit.author.name or commit.author.email,
            verdict=voice.verdict,
            message=commit.message,
            anchor=voice.anchor,
            counts=not why_not,
            why_not=why_not,
        )

    def _why_not(self, voice: Voice) -> str:
        """Why a verdict that is somebody's, and stands, bears on nothing; empty when it does."""
        assert voice.person is not None
        name = self.policy.name(voice.person)
        if voice.verdict == "approve":
            return self.coverage.why_unused(voice)
        if voice.verdict == "changes" and not self.rights.is_reviewer(voice.person):
            return f"{name} is no reviewer of anything in the draft"
        if voice.verdict == "request" and not self.rights.holds_any(voice.person):
            return f"{name} has no role in cms.toml"
        return ""

    # -- what is missing -----------------------------------------------------------------------------------------------

    def _missing(self) -> Iterator[str]:
        if self.problem is not None:
            yield f"nobody can approve or publish anything until cms.toml is corrected on the published branch: {self.problem}"
            return
        yield from self._missing_merge()
        yield from (self._objection(voice) for voice in self.blocking)
        if not self.facts.files:
            yield "there is nothing to publish yet: the draft changes nothing"
        yield from self.coverage.sentences()

    def _missing_merge(self) -> Iterator[str]:
        clashes, errors = self.facts.merge.clashes, self._errors
        if clashes:
            yield f"it cannot be merged: {clashes[0].finding()}{_and_more(clashes)}"
        if errors:
            yield f"{count_of(len(errors), 'error')} to correct: {errors[0]}{_and_more(errors)}"

    def _objection(self, voice: Voice) -> str:
        assert voice.person is not None
        name = self.policy.name(voice.person)
        said = voice.commit.message.partition("\n")[0]
        quoted = f" ({said[:QUOTED_MOST].rstrip()}{'…' if len(said) > QUOTED_MOST else ''})" if said else ""
        lifters = [self.policy.name(person) for person in self.rights.lifters(voice.person)]
        lift = f", or {list_names(lifters, 'or')} can lift that" if lifters else ""
        return f"{name} asked for changes{quoted}: {name} can approve or withdraw{lift}"


def _had_a_say(voice: Voice) -> bool:
    """Whether the server let in a moment by somebody who was a publisher then."""
    attestation = voice.commit.attestation
    return attestation.could_publish and (attestation.is_server or attestation.pusher is not None)


def _and_more(things: Sequence[object]) -> str:
    return f", and {len(things) - 1:,} more" if len(things) > 1 else ""
