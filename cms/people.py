"""Reading the people, groups, roles and review rules in ``cms.toml``. Pure.

Read at the moment of acting, and strictly: a name that nobody has, a pattern that fits nothing or a word that is not known makes the whole policy
unusable (:class:`~cms.errors.InvalidSettings`), so that nothing is written under rules that say something else than was meant.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType
from typing import Any

from cms.errors import InvalidSettings
from cms.finding import Finding, finding_of, printable
from cms.globs import compile_glob
from cms.matrix import BOT_SCOPES
from cms.policy import Area, Grant, Person, Policy, Review, Role, Rule, comparable, is_protected
from cms.pubkeys import read_public_key
from cms.settings import SCHEMAS_FOLDER, SETTINGS_FILE, nearest
from cms.tomltext import Places, parse_toml

__all__ = [
    "Area",
    "Grant",
    "Person",
    "Policy",
    "Review",
    "Role",
    "Rule",
    "check_people",
    "check_policy",
    "is_protected",
    "read_policy",
]

MOST_APPROVALS = 20
POLICY_RULE = "policy"
_ID = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_EMAIL = re.compile(r"[^\s@<>,;:\"()\[\]\\]{1,64}@[^\s@<>,;:\"()\[\]\\]{1,189}")
_NAME = re.compile(r"[^<>\s](?:[^<>]{0,198}[^<>\s])?")


def read_policy(source: bytes | None, *, collections: Collection[str] | None = None) -> Policy:
    """Read the people, groups, roles and rules of ``cms.toml``.

    Args:
        source: the whole file; None when there is none: then nobody may do anything.
        collections: the names of all collections at the same commit. Without them a rule for a collection that does not exist would silently
            bind nothing, so everything that acts on rules gives them.

    Raises:
        InvalidSettings: anything at all is wrong. Facts: path, line, key, and ``findings`` with everything that is.
    """
    if source is None:
        return Policy()
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise InvalidSettings(f"{SETTINGS_FILE} is not UTF-8", path=SETTINGS_FILE, line=line) from error
    reader = _Reader(text, collections)
    policy = reader.read()
    if reader.findings:
        first, *others = reader.findings
        more = f" (and {len(others)} more)" if others else ""
        raise InvalidSettings(
            f"{SETTINGS_FILE}: {first.message}{more}",
            path=SETTINGS_FILE,
            line=first.line or None,
            key=first.field,
            findings=tuple(reader.findings),
        )
    return policy


class _Reader:
    """Reads one table after the other, and collects all that is wrong with them."""

    def __init__(self, text: str, collections: Collection[str] | None) -> None:
        self.findings: list[Finding] = []
        self._tables = parse_toml(text, path=SETTINGS_FILE)
        self._places = Places(text)
        self._collections = collections
        self._people: dict[str, Person] = {}
        self._groups: dict[str, frozenset[str]] = {}

    def read(self) -> Policy:
        """The policy; it counts only when nothing was found."""
        self._read_people()
        self._read_groups()
        bypass = self._table(self._tables.get("bypass", {}), ("who",), "bypass")
        may_bypass = self._who(bypass.get("who", []), "bypass", "who")
        for bot in self._bots(may_bypass):
            self._wrong(f"{bot!r} is a bot, and cannot publish without approvals", "bypass", "who", value=bot)
        return Policy(
            people=MappingProxyType(self._people),
            groups=MappingProxyType(self._groups),
            bypass=may_bypass,
            grants=tuple(map(self._grant, range(len(self._list("roles"))), self._list("roles"))),
            reviews=tuple(map(self._review, range(len(self._list("rules"))), self._list("rules"))),
        )

    def _wrong(self, message: str, *keys: str | int, value: str = "") -> None:
        line = self._places.find(*keys, value=value) or 0
        key = ".".join(str(part + 1) if isinstance(part, int) else part for part in keys)
        # The message may quote what somebody wrote, and is shown on terminals.
        found = Finding(
            message=printable(message), path=SETTINGS_FILE, line=line, field=printable(key), rule=POLICY_RULE
        )
        self.findings.append(found)

    def _table(self, value: Any, known: Collection[str], *keys: str | int) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            self._wrong(f"{_where(keys)} must be a table", *keys)
            return {}
        for key in value:
            if key not in known:
                self._wrong(f"{_where(keys)} has an unknown key {key!r}{nearest(key, known)}", *keys, key)
        return value

    def _list(self, name: str) -> Sequence[Any]:
        value = self._tables.get(name, [])
        if not isinstance(value, list):
            singular = name.removesuffix("s")
            self._wrong(f"every {singular} is a table of its own: write [[{name}]], in double brackets", name)
            return []
        return value

    def _texts(self, value: Any, *keys: str | int) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self._wrong(f"{_where(keys)} must be a list of texts", *keys)
            return []
        return value

    def _read_people(self) -> None:
        tables = self._tables.get("people", {})
        if not isinstance(tables, dict):
            self._wrong("[people] must be a table with one table for each person, such as [people.kari]", "people")
            return
        emails: dict[str, str] = {}
        keys: dict[str, str] = {}
        for id, value in tables.items():
            self._check_id(id, "people")
            table = self._table(value, ("name", "emails", "keys", "owner"), "people", id)
            name = table.get("name")
            if not isinstance(name, str) or not _NAME.fullmatch(name) or not name.isprintable():
                self._wrong(f"{id!r} needs a name: one line of text, without < and >", "people", id, "name")
                name = id
            owner = table.get("owner")
            if owner is not None and not isinstance(owner, str):
                self._wrong(f"the owner of {id!r} must be the id of a person", "people", id, "owner")
                owner = None
            person = Person(
                id=id,
                name=name,
                owner=owner,
                emails=self._unique(table.get("emails", []), emails, _read_email, id, "emails"),
                keys=self._unique(table.get("keys", []), keys, _read_key, id, "keys"),
            )
            if owner is None and not person.emails:
                # Without an address their commits would be nobody's, and they could approve what they wrote.
                self._wrong(f'{id!r} needs an e-mail address: emails = ["…"]', "people", id, "emails")
            self._people[id] = person
        for person in self._people.values():
            self._check_owner(person)

    def _unique(
        self, value: Any, taken: dict[str, str], read: Callable[[str], tuple[str, str]], id: str, key: str
    ) -> tuple[str, ...]:
        """What *read* makes of each text: how it is kept, and how it is compared, since nobody else may have it."""
        found = []
        for text in self._texts(value, "people", id, key):
            first_line = text.strip().partition("\n")[0]
            try:
                item, compared = read(text)
            except ValueError as error:
                self._wrong(f"{id!r}: {error}", "people", id, key, value=first_line)
                continue
            if compared in taken:
                again = "listed twice" if taken[compared] == id else f"also listed for {taken[compared]!r}"
                self._wrong(f"{first_line[:60]!r} of {id!r} is {again}", "people", id, key, value=first_line)
            taken.setdefault(compared, id)
            found.append(item)
        return tuple(found)

    def _check_id(self, id: str, table: str) -> None:
        if not _ID.fullmatch(id):
            self._wrong(
                f"{id!r} cannot be a name in [{table}]: use a to z, 0 to 9, '.', '_' and '-', up to 64", table, id
            )

    def _check_owner(self, person: Person) -> None:
        owner = person.owner
        if owner is None:
            return
        if owner not in self._people:
            hint = nearest(owner, self._people)
            self._wrong(
                f"the owner of {person.id!r}, {owner!r}, is not in [people]{hint}", "people", person.id, "owner"
            )
        elif self._people[owner].owner is not None:
            self._wrong(
                f"the owner of {person.id!r} is a bot; a person answers for a bot", "people", person.id, "owner"
            )

    def _read_groups(self) -> None:
        tables = self._tables.get("groups", {})
        if not isinstance(tables, dict):
            self._wrong('[groups] must be a table of lists, such as editors = ["kari"]', "groups")
            return
        members: dict[str, list[str]] = {}
        for name, value in tables.items():
            self._check_id(name, "groups")
            members[name] = self._texts(value, "groups", name)
        inner = {name: [item[1:] for item in items if item.startswith("@")] for name, items in members.items()}
        try:
            order = list(TopologicalSorter(inner).static_order())
        except CycleError as error:
            ring = " in ".join(f"@{name}" for name in error.args[1])
            self._wrong(f"groups cannot hold each other: {ring}", "groups", error.args[1][0])
            order = list(members)
        for name in order:
            if name in members:
                self._groups[name] = self._who(members[name], "groups", name)

    def _who(self, value: Any, *keys: str | int) -> frozenset[str]:
        """The ids that a list of people and @groups means."""
        found: set[str] = set()
        groups = self._tables.get("groups", {})
        for item in self._texts(value, *keys):
            if item.startswith("@"):
                if item[1:] not in groups:
                    self._wrong(f"there is no group {item[1:]!r}{nearest(item[1:], groups)}", *keys, value=item)
                found |= self._groups.get(item[1:], frozenset())
            elif item in self._people:
                found.add(item)
            else:
                hint = f"; the group is written '@{item}'" if item in groups else nearest(item, self._people)
                self._wrong(f"there is no person {item!r} in [people]{hint}", *keys, value=item)
        return frozenset(found)

    def _bots(self, who: Iterable[str]) -> list[str]:
        return sorted(id for id in who if self._people[id].owner is not None)

    def _area(self, table: Mapping[str, Any], *keys: str | int) -> Area:
        if "paths" in table and "collections" in table:
            self._wrong(f"{_where(keys)} has both paths and collections; use one, or write two tables", *keys, "paths")
        globs = []
        for key in ("paths", "collections"):
            if table.get(key) == []:
                self._wrong(f"{_where(keys)}: {key} is empty; leave it out to mean everything", *keys, key)
        for text in self._texts(table.get("paths", []), *keys, "paths"):
            try:
                globs.append(compile_glob(text))
            except ValueError as error:
                self._wrong(str(error), *keys, "paths", value=text)
        names = self._texts(table.get("collections", []), *keys, "collections")
        for name in names if self._collections is not None else ():
            if name not in (self._collections or ()):
                hint = nearest(name, self._collections or ())
                self._wrong(f"there is no collection {name!r}{hint}", *keys, "collections", value=name)
        return Area(paths=tuple(globs), collections=frozenset(names))

    def _grant(self, number: int, value: Any) -> Grant:
        keys = ("roles", number)
        table = self._table(value, ("role", "who", "collections", "paths", "scopes"), *keys)
        name = table.get("role")
        role = next((role for role in Role if role == name), None)
        if role is None:
            hint = nearest(name, [str(role) for role in Role]) if isinstance(name, str) else ""
            self._wrong(f"{name!r} is no role; there are {', '.join(Role)}{hint}", *keys, "role")
        who = self._who(table.get("who"), *keys, "who")
        scopes = self._texts(table.get("scopes", []), *keys, "scopes")
        for scope in scopes:
            if scope not in BOT_SCOPES:
                hint = nearest(scope, BOT_SCOPES)
                self._wrong(f"{scope!r} cannot be granted to a bot{hint}", *keys, "scopes", value=scope)
        if (role is Role.BOT) != bool(scopes):
            need = "the role bot needs scopes" if role is Role.BOT else "only the role bot has scopes"
            self._wrong(f"{need}: the permissions granted, one by one", *keys, "scopes")
        bots = self._bots(who)
        for id in sorted(who - set(bots)) if role is Role.BOT else bots:
            wrong = (
                "is no bot: it has no owner"
                if role is Role.BOT
                else "is a bot (it has an owner), and takes the role bot"
            )
            self._wrong(f"{id!r} {wrong}", *keys, "who", value=id)
        area = self._area(table, *keys)
        line = self._places.find(*keys) or 0
        return Grant(role=role or Role.BOT, who=who, area=area, scopes=frozenset(scopes), line=line)

    def _review(self, number: int, value: Any) -> Review:
        keys = ("rules", number)
        known = ("paths", "collections", "approvals", "by", "authors_may_approve")
        table = self._table(value, known, *keys)
        approvals = table.get("approvals", 1)
        if type(approvals) is not int or not 0 <= approvals <= MOST_APPROVALS:
            self._wrong(f"approvals must be a whole number from 0 to {MOST_APPROVALS}", *keys, "approvals")
            approvals = 1
        own = table.get("authors_may_approve", False)
        if type(own) is not bool:
            self._wrong("authors_may_approve must be true or false", *keys, "authors_may_approve")
        if table.get("by") == []:
            self._wrong("by is empty, so nobody could approve; leave it out to mean every reviewer", *keys, "by")
        by = self._who(table["by"], *keys, "by") if "by" in table else None
        line = self._places.find(*keys) or 0
        rule = Rule(approvals=approvals, by=by, authors_may_approve=own is True, text=_rule_text(table, line))
        return Review(area=self._area(table, *keys), rule=rule, line=line)


def _rule_text(table: Mapping[str, Any], line: int) -> str:
    approvals = table.get("approvals", 1)
    by = f" by {', '.join(map(str, table['by']))}" if isinstance(table.get("by"), list) else ""
    area = table.get("paths") or table.get("collections")
    where = f" for {', '.join(map(str, area))}" if isinstance(area, list) else ""
    return printable(f"{SETTINGS_FILE} line {line}: {approvals} approval{'' if approvals == 1 else 's'}{by}{where}")


def _where(keys: Sequence[str | int]) -> str:
    """A place as people call it: ``[people.kari] emails``, or the second of ``[[roles]]``."""
    if len(keys) > 1 and isinstance(keys[1], int):
        rest = f" {keys[2]}" if len(keys) > 2 else ""
        return f"[[{keys[0]}]] number {keys[1] + 1}{rest}"
    if keys[0] == "people" and len(keys) > 1:
        return f"[people.{keys[1]}]" + (f" {keys[2]}" if len(keys) > 2 else "")
    return f"[{keys[0]}]" + (f" {keys[1]}" if len(keys) > 1 else "")


def _read_email(text: str) -> tuple[str, str]:
    if not _EMAIL.fullmatch(text) or not text.isprintable():
        raise ValueError(f"{text[:80]!r} is not an e-mail address")
    return text, comparable(text)


def _read_key(text: str) -> tuple[str, str]:
    key = read_public_key(text)
    return key.text, key.id


def check_people(source: bytes | None, collections: Iterable[str]) -> list[Finding]:
    """Everything that is wrong with, or odd about, the people and rules in a ``cms.toml``."""
    known = list(collections)
    try:
        return check_policy(read_policy(source, collections=known), known)
    except InvalidSettings as error:
        found: tuple[Finding, ...] = error.facts.get("findings", ())
        return list(found) or [finding_of(error, path=SETTINGS_FILE)]


def check_policy(policy: Policy, collections: Iterable[str]) -> list[Finding]:
    """What a policy that can be read says that cannot be meant: collections that do not exist, rules that nobody can satisfy.

    An error makes the policy unusable at this commit; a warning only says what will not work.
    """
    known = list(collections)
    found = []
    for table, items in (("roles", policy.grants), ("rules", policy.reviews)):
        for item in items:
            for name in sorted(item.area.collections - set(known)):
                found.append(_finding(f"there is no collection {name!r}{nearest(name, known)}", table, item.line))
    return found + _check_reviews(policy) + (_check_roles(policy) if policy.people else [])


def _check_reviews(policy: Policy) -> list[Finding]:
    found = []
    reviewers = {id for id in policy.holders(Role.REVIEWER) if not policy.is_bot(id)}
    for number, review in enumerate(policy.reviews):
        rule = review.rule
        able = reviewers if rule.by is None else reviewers & rule.by
        if len(able) < rule.approvals:
            message = f"{rule.approvals} must approve, and only {len(able)} could: they need the role reviewer"
            found.append(_finding(message, "rules", review.line, is_error=False))
        over = next((later for later in policy.reviews[number + 1 :] if later.area.is_everything), None)
        if over is not None:
            message = (
                f"this rule never counts: the one in line {over.line} is for everything, and the last that fits counts"
            )
            found.append(_finding(message, "rules", review.line, is_error=False))
    return found


def _check_roles(policy: Policy) -> list[Finding]:
    """What nobody can do though there are people."""
    found = [
        _finding(f"nobody has the role {role}, so {what}", "roles", 0, is_error=False)
        for role, what in (
            (Role.PUBLISHER, "nothing can be published"),
            (Role.MAINTAINER, f"{SETTINGS_FILE} and {SCHEMAS_FOLDER}/ can only be changed on the server itself"),
        )
        if not policy.holders(role)
    ]
    rule = policy.rule(SETTINGS_FILE, None)
    needed = Role.REVIEWER if rule.approvals else Role.PUBLISHER
    able = [id for id in policy.holders(Role.MAINTAINER) if policy.holds(id, needed, path=SETTINGS_FILE)]
    if not found and not any(rule.by is None or not rule.approvals or id in rule.by for id in able):
        message = f"a change of {SETTINGS_FILE} needs a maintainer who is a {needed} for it too, and there is none"
        found.append(_finding(message, "roles", 0, is_error=False))
    return found


def _finding(message: str, table: str, line: int, *, is_error: bool = True) -> Finding:
    return Finding(
        message=printable(message),
        path=SETTINGS_FILE,
        line=line,
        field=table,
        rule=POLICY_RULE,
        severity="error" if is_error else "warning",
    )
