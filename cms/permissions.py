"""Who may do what: the permission matrix, applied to the policy as it stands now. Default deny.

Rights come from the policy at each call, never from a token: a token can only narrow them. Somebody who may not know of a thing gets the caller's
*missing*, the same error as for a name that does not exist; who may know of it is told what is missing and whom to ask.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cms.errors import CMSError, Forbidden, Unauthorised
from cms.finding import printable
from cms.matrix import CONDITIONS, MATRIX, Row, format_matrix
from cms.people import Policy, Role, is_protected

PERMISSIONS: Mapping[str, Row] = MATRIX
IN_PERSON = ("password", "session", "shell")
NAMES_SHOWN = 3
PATHS_TRIED = 100
_READER = "reader"
_FOR_ALL = (_READER, Role.BOT.value)  # a bot's cells ask for a scope, which is as good as a role
_HUMAN_ROLES = tuple(role for role in Role if role is not Role.BOT)
_ROLE = frozenset(("role", "assigned"))
# What belongs to the act and not to who does it, and what whoever asks can mend alone.
_FIXED = frozenset(("protected", "unprotected", "of_bot"))
_OWN_BUSINESS = frozenset(("reason", "ready", "in_person", *_FIXED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who acts, and how that is known.

    Attributes:
        person: id in ``cms.toml``.
        name, email: as they stand there; for commits and messages.
        via: ``password``, ``token``, ``session``, ``shell``, ``schedule`` or ``key``.
        scopes: what a token was narrowed to; None: it was not.
        token: the id of the token, never the secret.
    """

    person: str
    name: str = ""
    email: str = ""
    via: str
    scopes: frozenset[str] | None = None
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What it is about. Whoever leaves something out is refused what depends on it.

    Attributes:
        paths: the files that the act is about: those written, or for a verdict and a publication those of the draft.
        collections: path -> collection, for those that belong to one.
        owner: who began the draft (by the log, not by what commits say), or whose account or token it is.
        writers: who had a hand in the draft: ids, and "?mail" for addresses that nobody has; None: not known.
        writers_of: the same path by path, where it is known; it goes before *writers*.
        is_ready: whether everything that the rules ask for is there.
        reason: why; for what wants a reason.
    """

    paths: tuple[str, ...] = ()
    collections: Mapping[str, str] = field(default_factory=dict)
    owner: str | None = None
    writers: frozenset[str] | None = None
    writers_of: Mapping[str, frozenset[str]] = field(default_factory=dict)
    is_ready: bool = False
    reason: str = ""


NOTHING = Target()


def require(
    permission: str,
    who: Principal | None,
    policy: Policy,
    target: Target = NOTHING,
    *,
    missing: CMSError | None = None,
) -> None:
    """Refuse what the matrix does not allow.

    Args:
        permission: the id of a row.
        who: None: nobody is signed in.
        missing: what to raise for those who may not know that there is such a thing: the error for a name that does not exist.

    Raises:
        Unauthorised: nobody is signed in, and this is not for everybody.
        CMSError: *missing*.
        Forbidden: not allowed. Facts: permission, needs, ask.
    """
    row = PERMISSIONS[permission]
    if allows(permission, who, policy, target):
        return
    if who is None:
        raise Unauthorised(f"{row.doing} is for those who are signed in; give a token, or a name and a password")
    if missing is not None and not _may_know(row, who, policy, target):
        raise missing
    raise _refusal(row, who, policy, target)


def allows(
    permission: str,
    who: Principal | None,
    policy: Policy,
    target: Target = NOTHING,
    *,
    rows: Mapping[str, Row] = PERMISSIONS,
) -> bool:
    """Whether the matrix allows it; *rows* is another matrix to try."""
    row = rows[permission]
    if who is None or who.person not in policy.people:
        return row.is_public
    if not row.is_public and who.scopes is not None and permission not in who.scopes:
        return False
    decided = [_is_allowed(row, who, policy, target, path) for path in target.paths or ("",)]
    return any(decided) if row.over_some else all(decided)


def allows_everywhere(permission: str, who: Principal | None, policy: Policy) -> bool:
    """Whether the matrix allows it whichever files it is about, also where these cannot be told: a bot may have leave for some of them alone."""
    if who is None or not allows(permission, who, policy):
        return False
    return not policy.is_bot(who.person) or policy.grants_everywhere(who.person, permission)


def matrix_table() -> str:
    """The matrix in Markdown, as ``docs/workflow.md`` shows it."""
    return format_matrix(tuple(MATRIX.values()), CONDITIONS)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """One question to a condition: may this person, by this column, do it to this path."""

    row: Row
    column: str
    person: str
    via: str
    policy: Policy
    target: Target
    path: str

    @property
    def collection(self) -> str | None:
        return self.target.collections.get(self.path)


def _is_own(case: _Case) -> bool:
    owner = case.target.owner
    known = case.policy.people.get(owner) if owner is not None else None
    return owner == case.person or (known is not None and known.owner == case.person)


def _is_other_eyes(case: _Case) -> bool:
    if not case.path:
        return True
    writers = case.target.writers_of.get(case.path, case.target.writers)
    if case.policy.rule(case.path, case.collection).authors_may_approve:
        return True
    return writers is not None and writers.isdisjoint(case.policy.hands(case.person))


def _is_counted(case: _Case) -> bool:
    by = case.policy.rule(case.path, case.collection).by
    return not case.path or by is None or case.person in by


_TESTS: Mapping[str, Callable[[_Case], bool]] = {
    "assigned": lambda case: case.policy.holds(
        case.person, Role(case.column), path=case.path, collection=case.collection
    ),
    "own": _is_own,
    "four_eyes": _is_other_eyes,
    "counted": _is_counted,
    "scope": lambda case: case.policy.grants_scope(
        case.person, case.row.id, path=case.path, collection=case.collection
    ),
    "ready": lambda case: case.target.is_ready,
    "may_bypass": lambda case: case.person in case.policy.bypass,
    "reason": lambda case: bool(case.target.reason.strip()),
    "in_person": lambda case: case.via in IN_PERSON,
    "protected": lambda case: not case.path or is_protected(case.path),
    "unprotected": lambda case: not is_protected(case.path),
    "of_bot": lambda case: case.target.owner is not None and case.policy.is_bot(case.target.owner),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """One way to be allowed, by a column, and what is lacking; ``role`` when it takes a role, anywhere, and that is not held."""

    column: str
    has_role: bool
    lacking: tuple[str, ...]

    @property
    def distance(self) -> tuple[bool, bool, bool, int]:
        """How far away it is: what nobody can change about an act counts most, what the caller can mend alone least."""
        is_fixed = not _FIXED.isdisjoint(self.lacking)
        return is_fixed, not self.has_role, not _OWN_BUSINESS.issuperset(self.lacking), len(self.lacking)

    @property
    def others(self) -> frozenset[str]:
        """What is lacking beside the role."""
        return frozenset(self.lacking) - _ROLE


def _ways(row: Row, who: Principal, policy: Policy, target: Target, path: str) -> Iterator[_Way]:
    """Every way that the matrix leaves to somebody who is listed."""
    for column in _columns(who, policy):
        has_role = column in _FOR_ALL or policy.holds(who.person, Role(column))
        case = _Case(row=row, column=column, person=who.person, via=who.via, policy=policy, target=target, path=path)
        for way in row.cells[column]:
            lacking = [name for name in way if not _TESTS[name](case)]
            if not has_role and "assigned" not in way:
                lacking.insert(0, "role")
            yield _Way(column=column, has_role=has_role, lacking=tuple(lacking))


def _columns(who: Principal, policy: Policy) -> tuple[str, ...]:
    """The columns to look into, also those of roles that are not held: that is what may be lacking."""
    if policy.is_bot(who.person):
        return (Role.BOT.value,)
    has_role = any(policy.holds(who.person, role) for role in _HUMAN_ROLES)
    return (*(() if has_role else (_READER,)), *(role.value for role in _HUMAN_ROLES))


def _is_allowed(row: Row, who: Principal, policy: Policy, target: Target, path: str) -> bool:
    return any(not way.lacking for way in _ways(row, who, policy, target, path))


def _may_know(row: Row, who: Principal, policy: Policy, target: Target) -> bool:
    if not row.known_by:
        return who.person in policy.people
    if row.known_by != row.id and allows(row.known_by, who, policy, target):
        return True
    # Who lacks nothing but what they can mend alone would see it if they did.
    return allows(row.id, replace(who, via="session"), policy, replace(target, reason="given", is_ready=True))


def _refusal(row: Row, who: Principal, policy: Policy, target: Target) -> Forbidden:
    """Why not, and who can help."""
    if who.person not in policy.people:
        reason = f"is not allowed: {who.person!r} is not listed in [people] of cms.toml; ask whoever runs the site"
        return _forbidden(row, reason)
    if who.scopes is not None and row.id not in who.scopes:
        scopes = listed(sorted(who.scopes)) or "none"
        return _forbidden(row, f"needs a token with the scope {row.id}; this one has {scopes}", [f"the scope {row.id}"])
    refused = [path for path in target.paths or ("",) if not _is_allowed(row, who, policy, target, path)]
    ways = list(_ways(row, who, policy, target, refused[0]))
    if not ways:
        whom = "a bot" if any(row.cells.values()) else "anybody"
        others = _who_may(row, who, policy, target, refused)
        return _forbidden(row, f"is not allowed to {whom}{_advice(others, policy)}", ask=others)
    best = min(ways, key=lambda way: way.distance)
    # Who lacks the role needs somebody else, whatever else there is; and what can be mended alone is mended last.
    lacking = [name for name in best.lacking if name in _ROLE]
    lacking = lacking or [name for name in best.lacking if name not in _OWN_BUSINESS] or list(best.lacking)
    needs = list(dict.fromkeys(_need(name, best, ways, row, policy, target, refused) for name in lacking))
    ask: Sequence[str] = ()
    if "scope" in lacking:
        ask = policy.holders(Role.MAINTAINER)
    elif not _OWN_BUSINESS.issuperset(lacking):
        ask = _who_may(row, who, policy, target, refused)
    reason = f"needs {listed(needs)}{_advice(ask, policy)}"
    if not ask and not _ROLE.isdisjoint(best.lacking):
        givers = [person for person in policy.holders(Role.MAINTAINER) if person != who.person]
        reason += f"; nobody has it now, and {_named(givers, policy)} can give it" if givers else "; nobody has it now"
    return _forbidden(row, reason, needs, ask)


def _forbidden(row: Row, reason: str, needs: Sequence[str] = (), ask: Sequence[str] = ()) -> Forbidden:
    return Forbidden(
        printable(f"{row.doing} {reason}"), permission=row.id, needs=list(needs) or None, ask=list(ask) or None
    )


def _need(
    name: str, way: _Way, ways: Sequence[_Way], row: Row, policy: Policy, target: Target, paths: Sequence[str]
) -> str:
    """One thing that is lacking, as what it takes."""
    path = paths[0]
    if name in _ROLE:
        others = [other for other in ways if not _ROLE.isdisjoint(other.lacking) and other.others == way.others]
        roles = list(dict.fromkeys(other.column for other in others))
        return f"the role {listed(roles, 'or')}{_place(paths) if name == 'assigned' else ''}"
    if name == "own":
        whose = f", and it is {policy.name(target.owner)}'s" if target.owner is not None else ""
        return f"that it is your own{whose}"
    if name == "counted":
        rule = policy.rule(path, target.collections.get(path))
        return f"somebody whose approval counts for {path} ({rule.text})"
    return {
        "four_eyes": f"somebody who had no hand in {path}, and you had",
        "scope": f"the scope {row.id}{_place(paths)} among the bot's scopes in cms.toml",
        "ready": "everything that the rules ask for, and something is still missing",
        "may_bypass": "that you are listed in [bypass] of cms.toml",
        "reason": "a reason",
        "in_person": "your password; a token does not do",
        "protected": f"another role for {path}: a maintainer's is for cms.toml and schemas/",
        "unprotected": f"a maintainer, because {path} decides over others",
        "of_bot": "that it is for a bot; nobody makes tokens for other people",
    }[name]


def _place(paths: Sequence[str]) -> str:
    if not paths[0]:
        return ""
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f" for {paths[0]}{more}"


def _who_may(row: Row, who: Principal, policy: Policy, target: Target, paths: Sequence[str]) -> tuple[str, ...]:
    """The people who may do it: to all of what was refused if there are some, else to the first of it."""
    given = replace(target, reason="given", is_ready=True)
    hands = policy.hands(who.person)
    others = [Principal(person=id, via="session") for id in policy.people if id not in hands and not policy.is_bot(id)]
    for wanted in (paths[:PATHS_TRIED], paths[:1]):
        able = [
            other.person for other in others if all(_is_allowed(row, other, policy, given, path) for path in wanted)
        ]
        if able:
            return tuple(able)
    return ()


def _advice(ask: Sequence[str], policy: Policy) -> str:
    return f"; ask {_named(ask, policy)}" if ask else ""


def _named(people: Sequence[str], policy: Policy) -> str:
    names = [policy.name(person) for person in people[:NAMES_SHOWN]]
    more = len(people) - NAMES_SHOWN
    return listed([*names, *([f"{more} more"] if more > 0 else [])], "or")


def listed(words: Sequence[str], joint: str = "and") -> str:
    """``a, b and c``."""
    return f" {joint} ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
