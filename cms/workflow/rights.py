"""What people may do to one draft, by the policy of the moment: who may review which of its files, lift a request, publish it.

Only what the state of a draft depends on; what a verb allows is decided by the permission matrix (:mod:`cms.permissions`).
"""

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Protocol

from cms.errors import CMSError
from cms.policy import Policy, Role, Rule
from cms.settings import SETTINGS_FILE
from cms.workflow.facts import Claim, CommitFacts, Facts, FileFacts, former_paths
from cms.workflow.wording import list_names, list_paths


class Placed(Protocol):
    """A file of a draft, in the facts or in the state."""

    @property
    def path(self) -> str: ...

    @property
    def collection(self) -> str | None: ...


#: Stands for any file at all.
ANYTHING = FileFacts(path="", published=None, blob=None)


class Rights:
    """Answers about one draft under one policy; remembers them, since the same is asked for every file and every verdict."""

    def __init__(self, facts: Facts, policy: Policy) -> None:
        self.facts = facts
        self.policy = policy
        self._hands: dict[str, frozenset[str]] = {}

    def hands(self, person: str) -> frozenset[str]:
        """All ids behind which the same human stands."""
        known = self._hands.get(person)
        if known is None:
            known = self._hands[person] = self.policy.hands(person)
        return known

    def holds(self, person: str, role: Role, file: FileFacts) -> bool:
        """Whether *person*, who is no bot, has *role* for *file*."""
        return not self.policy.is_bot(person) and _holds(self.policy, person, role, file)

    def is_reviewer(self, person: str) -> bool:
        """Whether *person* may review anything in the draft; of a draft that changes nothing, anything at all."""
        files = self.facts.files
        if not files:
            return not self.policy.is_bot(person) and self.policy.holds(person, Role.REVIEWER)
        return any(self.holds(person, Role.REVIEWER, file) for file in files)

    def holds_any(self, person: str) -> bool:
        """Whether *person* has any role anywhere."""
        return any(self.policy.holds(person, role) for role in Role)

    def why_no_lift(self, lifter: str) -> str:
        """Why *lifter* cannot lift what somebody else asked for; empty when they can: a maintainer of anything in the draft."""
        files = self.facts.files
        if files:
            able = any(self.holds(lifter, Role.MAINTAINER, file) for file in files)
        else:
            able = not self.policy.is_bot(lifter) and self.policy.holds(lifter, Role.MAINTAINER)
        return "" if able else f"{self.policy.name(lifter)} is no maintainer of anything in the draft"

    def lifters(self, objector: str) -> tuple[str, ...]:
        """Who could lift what *objector* asked for."""
        people = self.policy.holders(Role.MAINTAINER)
        return tuple(person for person in people if person != objector and not self.why_no_lift(person))

    def why_no_schedule(self, person: str) -> str:
        """Why *person* cannot say when the draft is published; empty when they can."""
        if self.policy.is_bot(person):
            return f"{self.policy.name(person)} is a bot, and bots set no times"
        return why_no_publishing(self.facts.files, self.policy, person)

    def rule(self, file: FileFacts) -> Rule | CMSError:
        """The rule for *file*, or why there is none: then nothing goes on."""
        return find_rule(self.policy, file)

    @cached_property
    def ask_maintainer(self) -> str:
        """Whom to ask for another rule or reviewer, as a part of a sentence."""
        names = [self.policy.name(person) for person in self.policy.holders(Role.MAINTAINER, path=SETTINGS_FILE)]
        return f"ask a maintainer ({list_names(names, 'or')})" if names else "ask a maintainer"

    # -- who wrote what ------------------------------------------------------------------------------------------------

    @cached_property
    def writers(self) -> dict[str, frozenset[str]]:
        """Who had a hand in each file that publishing would change.

        Somebody must have written what would be published: a file that no commit seems to have changed (a merge that dropped what one
        side did may hide it) counts as written by everybody who wrote or merged anything in the draft. Who wrote a text wrote it
        also after somebody gave its file another name.
        """
        paths = [file.path for file in self.facts.files]
        found: dict[str, set[str]] = {path: set() for path in former_paths(self.facts.commits, paths)}
        for commit in self.facts.commits:
            for new, old in commit.moved.items():
                if new in found:
                    found[new] |= found.get(old, set())
            touched = commit.changed & found.keys()
            if touched:
                identities = self.identities(commit)
                for path in touched:
                    found[path] |= identities
        shared: dict[frozenset[str], frozenset[str]] = {}
        result = {}
        for path in paths:
            frozen = frozenset(found[path]) or self._everybody
            result[path] = shared.setdefault(frozen, frozen)
        return result

    @cached_property
    def all_writers(self) -> frozenset[str]:
        """Who had a hand in anything in the draft."""
        return self._union(commit for commit in self.facts.commits if commit.changed)

    @cached_property
    def _everybody(self) -> frozenset[str]:
        return self._union(commit for commit in self.facts.commits if not commit.is_empty)

    def _union(self, commits: Iterable[CommitFacts]) -> frozenset[str]:
        return frozenset().union(*(self.identities(commit) for commit in commits))

    def identities(self, commit: CommitFacts) -> frozenset[str]:
        """Everybody who may have written *commit*: whom it names, who signed it and who brought it; with all their hands.

        What a commit claims can be forged, and only ever takes away the right to approve.
        """
        attestation = commit.attestation
        claims = [commit.author, *commit.co_authors]
        if not attestation.is_server:  # the server commits for others, and writes nothing itself
            claims.append(commit.committer)
        found = {self._identity(claim) for claim in claims} | commit.carriers
        signer = self.policy.find_by_key(attestation.key) if attestation.key else None
        acted_by = commit.find_trailer("acted-by") if attestation.is_server else None
        found |= {person for person in (signer, acted_by) if person is not None}
        return frozenset().union(*(self.hands(person) for person in found))

    def _identity(self, claim: Claim) -> str:
        email = claim.email.strip()
        person = self.policy.find_by_email(email) if email else None
        return person if person is not None else f"?{email.casefold() or claim.name}"


def find_rule(policy: Policy, file: Placed) -> Rule | CMSError:
    """The rule for *file*, or why it cannot be evaluated."""
    try:
        return policy.rule(file.path, file.collection)
    except CMSError as error:
        return error


def why_no_publishing(files: Sequence[Placed], policy: Policy, person: str) -> str:
    """Why *person* could not publish these files even if no approval were missing; empty when they could.

    A publisher of all of them may (a bot: with that scope), and where a protected file needs no approval only one who is its maintainer too.
    """
    name = policy.name(person)
    if not _may_publish(policy, person, ANYTHING):
        return f"{name} is no publisher"
    lacking = [item.path for item in files if not _may_publish(policy, person, item)]
    if lacking:
        return f"{name} is no publisher of {list_paths(lacking)}"
    alone = [item.path for item in files if not _may_stand_alone(policy, person, item)]
    if alone:
        return f"only a maintainer can publish {list_paths(alone)} without an approval, and {name} is none"
    return ""


def _may_publish(policy: Policy, person: str, file: Placed) -> bool:
    if policy.is_bot(person):
        return policy.grants_scope(person, "publish", path=file.path, collection=file.collection)
    return _holds(policy, person, Role.PUBLISHER, file)


def _may_stand_alone(policy: Policy, person: str, file: Placed) -> bool:
    """Whether *person* may publish *file* as far as protected files without approvals are concerned."""
    rule = find_rule(policy, file)
    if isinstance(rule, CMSError):
        return False
    is_maintainer = not policy.is_bot(person) and _holds(policy, person, Role.MAINTAINER, file)
    return not rule.needs_maintainer or rule.approvals > 0 or is_maintainer


def _holds(policy: Policy, person: str, role: Role, file: Placed) -> bool:
    return policy.holds(person, role, path=file.path, collection=file.collection)
