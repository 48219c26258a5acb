"""Policies for tests, made without ``cms.toml``."""

from collections.abc import Iterable, Sequence

from cms.globs import compile_glob
from cms.policy import Area, Grant, Person, Policy, Review, Role, Rule

NAMES = {"kari": "Kari Nordmann", "ola": "Ola Hansen", "per": "Per Berg", "liv": "Liv Moe"}


def person(id: str, *, owner: str | None = None) -> Person:
    """Somebody with an address and a key of their own."""
    keys = () if owner else (f"key of {id}",)
    return Person(id=id, name=NAMES.get(id, id), emails=(f"{id}@example.org",), keys=keys, owner=owner)


def role(name: Role, *who: str, paths: Sequence[str] = (), collections: Iterable[str] = ()) -> Grant:
    return Grant(role=name, who=frozenset(who), area=area(paths, collections))


def rule(
    approvals: int = 1,
    *,
    paths: Sequence[str] = (),
    collections: Iterable[str] = (),
    by: Iterable[str] | None = None,
    authors_may_approve: bool = False,
) -> Review:
    by = None if by is None else frozenset(by)
    made = Rule(approvals=approvals, by=by, authors_may_approve=authors_may_approve, text="a rule")
    return Review(area=area(paths, collections), rule=made)


def area(paths: Sequence[str], collections: Iterable[str]) -> Area:
    return Area(paths=tuple(map(compile_glob, paths)), collections=frozenset(collections))


def make_policy(
    *grants: Grant,
    rules: Sequence[Review] = (),
    people: Iterable[str] = NAMES,
    bots: Sequence[tuple[str, str]] = (),
    groups: dict[str, frozenset[str]] | None = None,
) -> Policy:
    """A policy of *people* and of *bots* with their owners."""
    persons = [*map(person, people), *(person(bot, owner=owner) for bot, owner in bots)]
    return Policy(
        people={item.id: item for item in persons}, groups=groups or {}, grants=tuple(grants), reviews=tuple(rules)
    )


#: Ola and Liv write, Kari and Per review, Kari publishes and maintains; everywhere.
NEWSROOM = make_policy(
    role(Role.WRITER, "ola", "liv"),
    role(Role.REVIEWER, "kari", "per"),
    role(Role.PUBLISHER, "kari"),
    role(Role.MAINTAINER, "kari"),
)
