"""The rules once more, as slow and plain as they can be told, on a world in miniature: what the state of a draft must be.

Written from the rules and not from the code: for every question it looks at everything again.
"""

from dataclasses import dataclass

from cms.policy import Policy, Role
from tests.workflow.world import SERVER, Node, World, email_of, merge_trees

SPEAKING = ("approve", "changes", "withdraw", "request", "lift", "comment")


@dataclass(frozen=True)
class Verdicts:
    """What must come out.

    Attributes:
        approvals: path -> whose approval counts.
        satisfied: paths that have all they need.
    """

    status: str
    approvals: dict[str, tuple[str, ...]]
    satisfied: frozenset[str]
    writers: dict[str, frozenset[str]]
    blocking: frozenset[str]
    publish_at: str
    voices: tuple[str | None, ...]


@dataclass(frozen=True)
class Oracle:
    """Answers about one draft of a world."""

    world: World
    draft: str
    policy: Policy

    def answer(self) -> Verdicts:
        files = self.files()
        approvals = {path: tuple(sorted(p for p in self.policy.people if self.approves(p, path))) for path in files}
        satisfied = frozenset(path for path in files if self.is_satisfied(path, approvals[path]))
        blocking = frozenset(person for person in self.policy.people if self.blocks(person))
        schedule = self.schedule()
        return Verdicts(
            status=self.status(satisfied == set(files), bool(blocking), bool(schedule)),
            approvals=approvals,
            satisfied=satisfied,
            writers={path: self.writers(path) for path in files},
            blocking=blocking,
            publish_at="" if self.is_published() else schedule,
            voices=tuple(
                self.whose(node) for node in self.members() if said(node, "Review") or said(node, "Publish-At")
            ),
        )

    # -- what there is -------------------------------------------------------------------------------------------------

    def members(self) -> list[Node]:
        return self.world.members(self.draft)

    def merged(self) -> tuple[dict[str, str], frozenset[str]]:
        head, main = self.world.heads[self.draft], self.world.main
        base = self.world.tree_of(self.world.base(head, main))
        return merge_trees(base, self.world.nodes[main].tree, self.world.nodes[head].tree)

    def files(self) -> list[str]:
        tree, clashes = self.merged()
        main = self.world.nodes[self.world.main].tree
        return sorted({path for path in {*tree, *main} if tree.get(path) != main.get(path)} | clashes)

    def is_published(self) -> bool:
        return self.world.facts(self.draft).is_published  # the same words; examined by examples

    # -- whose word ----------------------------------------------------------------------------------------------------

    def whose(self, node: Node) -> str | None:
        """Whose verdict a commit is."""
        parents = [self.world.nodes[parent].tree for parent in node.parents]
        is_verdict = len(parents) == 1 and parents[0] == node.tree
        word = said(node, "Review")
        about = said(node, "Draft")
        if not is_verdict or (word and word not in SPEAKING) or about not in ("", self.draft):
            return None
        if self.world.elsewhere(self.draft, node.id):
            return None
        pusher = self.world.brought(self.draft, node.id)[1]
        if node.key == SERVER:
            person = said(node, "Acted-by") if about else ""
        elif node.key in self.policy.people:
            person = node.key if self.owner(node.author) in (None, node.key) else ""
            person = person if self.owner(node.committer) in (None, node.key) else ""
        else:
            person = pusher if self.owner(node.committer) == pusher or not node.committer else ""
            person = person if self.owner(node.author) in (None, pusher) else ""
        return person if person in self.policy.people else None

    def owner(self, claim: str) -> str | None:
        return next((p.id for p in self.policy.people.values() if email_of(claim) in p.emails), None)

    def words(self, person: str) -> list[tuple[int, Node, str]]:
        """What *person* said, oldest first: (place among all commits, commit, word)."""
        return [
            (place, node, said(node, "Review"))
            for place, node in enumerate(self.members())
            if said(node, "Review") and self.whose(node) == person
        ]

    def hands(self, person: str) -> set[str]:
        known = self.policy.people
        head = (known[person].owner or person) if person in known else person
        return {person, head} | {p.id for p in known.values() if p.owner == head}

    # -- files ---------------------------------------------------------------------------------------------------------

    def collection(self, path: str) -> str | None:
        return next((name for folder, name in self.world.collections.items() if path.startswith(folder)), None)

    def holds(self, person: str, role: Role, path: str) -> bool:
        if self.policy.people[person].owner is not None:
            return False
        return self.policy.holds(person, role, path=path, collection=self.collection(path))

    def writers(self, path: str) -> frozenset[str]:
        touching = [node for node in self.members() if path in self.world.changed(node)]
        if not touching:
            touching = [node for node in self.members() if len(node.parents) > 1 or self.world.changed(node)]
        return frozenset(hand for node in touching for who in self.named(node) for hand in self.hands(who))

    def named(self, node: Node) -> set[str]:
        """Everybody who may have written a commit."""
        claims = {node.author, *node.co_authors} | (set() if node.key == SERVER else {node.committer})
        found = {self.owner(claim) or f"?{email_of(claim)}" for claim in claims}
        found |= {self.world.brought(self.draft, node.id)[1], node.key if node.key in self.policy.people else ""}
        first = self.world.first_known(self.draft, node.id)
        return (found | {first[1].person if first else ""}) - {""}

    def approves(self, person: str, path: str) -> bool:
        """Whether *person* approves exactly what would be at *path*, and counts."""
        tree, clashes = self.merged()
        rule = self.policy.rule(path, self.collection(path))
        if path in clashes or not self.holds(person, Role.REVIEWER, path):
            return False
        if rule.by is not None and person not in rule.by:
            return False
        if not rule.authors_may_approve and self.writers(path) & self.hands(person):
            return False
        words = self.words(person)
        ended = max((place for place, _, word in words if word in ("changes", "withdraw")), default=-1)
        return any(
            word == "approve" and place > ended and self.saw(node, path, tree.get(path)) for place, node, word in words
        )

    def saw(self, node: Node, path: str, blob: str | None) -> bool:
        """Whether at *node* the draft had made exactly this of *path*, and of what is published there now."""
        before = self.world.tree_of(self.world.base(node.id, self.world.main)).get(path)
        anchor = said(node, "Anchor").partition("#")[0]
        if before != self.world.nodes[self.world.main].tree.get(path):
            return False
        return node.tree.get(path) == blob and before != blob and anchor in ("", path)

    def is_satisfied(self, path: str, approvals: tuple[str, ...]) -> bool:
        rule = self.policy.rule(path, self.collection(path))
        is_guarded = not rule.needs_maintainer or rule.approvals == 0
        maintained = any(self.holds(person, Role.MAINTAINER, path) for person in approvals)
        return path not in self.merged()[1] and len(approvals) >= rule.approvals and (is_guarded or maintained)

    # -- the whole -----------------------------------------------------------------------------------------------------

    def reviews(self, person: str) -> bool:
        if not self.files():
            return self.policy.people[person].owner is None and self.policy.holds(person, Role.REVIEWER)
        return any(self.holds(person, Role.REVIEWER, path) for path in self.files())

    def blocks(self, person: str) -> bool:
        last = [(place, word) for place, _, word in self.words(person) if word in ("changes", "approve", "withdraw")]
        if not last or last[-1][1] != "changes" or not self.reviews(person):
            return False
        return not any(
            word == "lift" and said(node, "Lifts") == person and place > last[-1][0] and self.may_lift(lifter)
            for lifter in self.policy.people
            for place, node, word in self.words(lifter)
        )

    def may_lift(self, lifter: str) -> bool:
        if not self.files():
            return self.policy.people[lifter].owner is None and self.policy.holds(lifter, Role.MAINTAINER)
        return any(self.holds(lifter, Role.MAINTAINER, path) for path in self.files())

    def may_publish(self, person: str) -> bool:
        alone = [path for path in self.files() if self.needs_maintainer_alone(path)]
        return (
            self.policy.people[person].owner is None
            and self.policy.holds(person, Role.PUBLISHER)
            and all(self.holds(person, Role.PUBLISHER, path) for path in self.files())
            and all(self.holds(person, Role.MAINTAINER, path) for path in alone)
        )

    def needs_maintainer_alone(self, path: str) -> bool:
        rule = self.policy.rule(path, self.collection(path))
        return rule.needs_maintainer and rule.approvals == 0

    def schedule(self) -> str:
        """When it goes public; empty for never."""
        for node in reversed(self.members()):
            moment, person = said(node, "Publish-At"), self.whose(node)
            if not moment or person is None:
                continue
            let_in = node.key == SERVER or self.world.brought(self.draft, node.id)[1] != ""
            if self.may_publish(person):
                return "" if moment in ("never", "nonsense") else moment
            if let_in:
                return ""
        return ""

    def status(self, is_satisfied: bool, is_blocked: bool, is_scheduled: bool) -> str:
        if self.is_published():
            return "published"
        if self.merged()[1]:
            return "conflicting"
        if is_blocked:
            return "changes_requested"
        if is_satisfied and self.files():
            return "scheduled" if is_scheduled else "approved"
        return "in_review" if any(self.requests(person) for person in self.policy.people) else "draft"

    def requests(self, person: str) -> bool:
        last = [word for _, _, word in self.words(person) if word in ("request", "withdraw")]
        return bool(last) and last[-1] == "request" and any(self.policy.holds(person, role) for role in Role)


def said(node: Node, key: str) -> str:
    """The value of a trailer; empty without one."""
    return next((value for name, value in reversed(node.trailers) if name == key), "")
