"""Pushes: which of them are accepted, and what their people read in the terminal. The rules of the verbs, for those who work with Git alone.

A push is accepted whole or not at all. Drafts take commits and verdicts (``pushed_drafts``), the published branch takes merges of approved
drafts (``pushed_merges``), and no other ref is anybody's to move. What is accepted is written to the push log before the refs move; from then
until they have moved nobody else publishes.

Not here: how a push arrives (``githttp``), and what Git itself refuses.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from cms.errors import CMSError
from cms.finding import printable
from cms.permissions import Target, allows
from cms.pushlog import Move
from cms.refs import DRAFTS, TAGS, CommitId, draft_ref, find_draft_name, short_name
from cms.store import Store
from cms.workflow.flow import Workflow, require_still, tidy
from cms.workflow.push import Answer, Command, Push, nothing
from cms.workflow.pushed import Look, Said, tell
from cms.workflow.pushed_drafts import judge_draft
from cms.workflow.pushed_merges import judge_published
from cms.workflow.room import why_no_room
from cms.workflow.turn import Turn
from cms.workflow.writing import CLOSED

REFS_MOST = 50

log = structlog.get_logger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


class PushJudge:
    """Judges the pushes to one repository. Safe to use from many threads."""

    def __init__(
        self, flow: Workflow, *, now: Callable[[], datetime] = _now, on_publication: Callable[[], None] = nothing
    ) -> None:
        """Put it together.

        Args:
            on_publication: called after the published branch has moved by a push; must not raise CMSError for long work that failed.
        """
        self._flow = flow
        self._now = now
        self._on_publication = on_publication

    def __call__(self, push: Push) -> Answer:
        """Find the answer to *push*; in a thread, since it reads Git."""
        turn = Turn(self._flow.store.common_dir)
        store = self._open(push)
        try:
            publishes = any(command.ref == self._flow.ref for command in push.commands)
            if publishes and self._may_publish(push):
                turn.take()
            answer = self._judge(push, store, turn)
            if publishes and answer.accepted and not turn.is_taken:
                turn.take()
                answer = self._judge(push, store, turn)
        except BaseException:
            turn.give_back()
            raise
        finally:
            if store is not self._flow.store:
                store.close()
        if not answer.accepted:
            turn.give_back()
        return answer

    def _may_publish(self, push: Push) -> bool:
        """Whether who pushes publishes anything at all: nobody else keeps others waiting while what they push is looked at."""
        try:
            return allows("git.push_published", push.by, self._flow.policy(), Target(is_ready=True))
        except CMSError:  # as the judgement will say
            return False

    def _open(self, push: Push) -> Store:
        store = self._flow.store
        return store if push.quarantine is None else Store.open_quarantine(store.git_dir, push.quarantine)

    def _judge(self, push: Push, store: Store, turn: Turn) -> Answer:
        said = [reason for command in push.commands if (reason := self._check_ref(command)) is not None]
        if push.options:
            said.append(Said("the push", wrong={"push options mean nothing here; leave out -o": ()}))
        if len(push.commands) > REFS_MOST:
            said = [Said("the push", wrong={f"at most {REFS_MOST} refs in one push; push them in parts": ()})]
        if said:
            return Answer(accepted=False, lines=tuple(tell(said, is_refused=True)))
        look = Look(
            flow=self._flow,
            store=store,
            by=push.by,
            now=self._now(),
            commands={command.ref: command for command in push.commands},
        )
        published = [judge_published(look, one) for one in push.commands if one.ref == self._flow.ref]
        drafts = [self._judge_draft(look, one) for one in push.commands if one.ref != self._flow.ref]
        said = [*drafts, *published]
        self._check_room(push, said)
        is_refused = any(one.is_refused for one in said)
        lines = tuple(tell(said, is_refused=is_refused))
        if is_refused:
            log.info("push.refused", person=push.by.person, refs=[command.ref for command in push.commands])
            return Answer(accepted=False, lines=lines)
        carried = _Carrying(flow=self._flow, push=push, look=look, turn=turn, on_publication=self._on_publication)
        return Answer(accepted=True, lines=lines, begin=carried.begin, end=carried.end)

    def _judge_draft(self, look: Look, command: Command) -> Said:
        return judge_draft(look, command)

    def _check_room(self, push: Push, said: list[Said]) -> None:
        begun = {
            find_draft_name(one.ref) or "": one.ref for one in push.commands if one.old is None and one.new is not None
        }
        if begun:
            for name, reason in why_no_room(self._flow, push.by.person, list(begun)):
                next(one for one in said if one.ref == begun[name]).refuse(reason)

    def _check_ref(self, command: Command) -> Said | None:
        """Why nobody may move a ref; None for drafts and the published branch."""
        ref, main = command.ref, short_name(self._flow.ref)
        if ref == self._flow.ref or (ref.startswith(DRAFTS) and "/" not in ref.removeprefix(DRAFTS)):
            return None
        name = printable(short_name(ref))
        last = "".join(sign if sign.isalnum() or sign in "._-" else "-" for sign in ref.rpartition("/")[2]).strip(".-_")
        propose = f"git push origin {'HEAD' if command.new else ''}:drafts/{last or 'NAME'}"
        if ref.startswith("refs/cms/"):
            reason = "this is written by the server alone"
        elif ref.startswith(TAGS):
            reason = f"tags are not taken here: what was published when is told by the merges on {main}"
        elif ref.startswith(DRAFTS):
            reason = f"the name of a draft has no slash: {propose}"
        elif ref.startswith(("refs/heads/", "refs/for/", "refs/changes/")):
            reason = f"only {main} and branches that begin with drafts/ are taken: {propose}"
        else:
            reason = f"only {main} and drafts can be pushed; notes, replacements and the like stay in your own clone"
        return Said(name, wrong={reason: ()})


@dataclass(slots=True, kw_only=True)
class _Carrying:
    """An accepted push while Git carries it out."""

    flow: Workflow
    push: Push
    look: Look
    turn: Turn
    on_publication: Callable[[], None]
    _published: CommitId | None = field(default=None)

    def begin(self) -> None:
        """Take the turn, keep what would be lost, and write the push log.

        Raises:
            CMSError: nothing may happen.
        """
        self.turn.take()
        # Git would refuse it after the log told of it: who brought what follows from the log.
        for command in self.push.commands:
            require_still(self.flow.store, Move(command.ref, command.old, command.new))
        for command in self.push.commands:
            self._keep(command)
        self._published = next((one.new for one in self.push.commands if one.ref == self.flow.ref), None)
        self.flow.log.append(
            self.flow.writer,
            act="publish" if self._published is not None else "push",
            person=self.push.by.person,
            via="git",
            moves=self._moves(),
            at=self.look.now,
        )
        log.info("push.accepted", person=self.push.by.person, refs=[one.ref for one in self.push.commands])

    def end(self) -> None:
        """Do what follows from what happened, and let others publish."""
        try:
            if self._published is not None and self.flow.store.resolve(self.flow.ref) == self._published:
                tidy(self.flow, self.push.by)
                self.on_publication()
        except CMSError as error:  # the publication stands; the next start tidies up
            log.warning("push.not_tidied", person=self.push.by.person, reason=str(error))
        finally:
            self.turn.give_back()

    def _moves(self) -> list[Move]:
        """What is about to happen, and what follows from it: drafts that are published go away."""
        moves = [Move(one.ref, one.old, one.new) for one in self.push.commands]
        gone = {one.ref for one in self.push.commands if one.new is None}
        refs = {draft_ref(name): head for name, head in self.look.publishing.items()}
        return sorted(moves, key=lambda move: move.ref != self.flow.ref) + [
            Move(ref, head, None) for ref, head in refs.items() if ref not in gone
        ]

    def _keep(self, command: Command) -> None:
        """Keep what a draft was before it is deleted or rewritten: what others said of it is a part of it."""
        name, old, new = find_draft_name(command.ref), command.old, command.new
        if name is None or old is None or name in self.look.publishing:
            return
        keep = f"{CLOSED}{name}/{old}"
        is_lost = new is None or not self.look.store.is_ancestor(old, new)
        if is_lost and self.flow.store.resolve(keep) is None:
            self.flow.writer.move_ref(keep, old=None, new=old, message=f"pushed over by {self.push.by.person}")
