"""What ``cms.toml`` says about people, as values: who there is, who holds which role where, and what each path needs. Pure.

How it is written down is the business of :mod:`cms.people`; what somebody may do follows in :mod:`cms.permissions`, and what makes a draft approved in
:mod:`cms.workflow`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from unicodedata import normalize

from cms.globs import Glob, compile_glob
from cms.pubkeys import is_armoured, key_id
from cms.settings import SCHEMAS_FOLDER, SETTINGS_FILE

DEFAULT_RULE_TEXT = "the rule that holds where cms.toml has none: one approval, not by an author"
_PROTECTED = (compile_glob(SETTINGS_FILE), compile_glob(f"{SCHEMAS_FOLDER}/**"))


class Role(StrEnum):
    """What somebody may be trusted with; none implies another."""

    WRITER = "writer"
    REVIEWER = "reviewer"
    PUBLISHER = "publisher"
    MAINTAINER = "maintainer"
    BOT = "bot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody, or a bot.

    Attributes:
        id: what the rest of ``cms.toml``, the log and trailers call them.
        name: how people know them.
        emails: as written; compared by :meth:`Policy.find_by_email`.
        keys: SSH public keys without comment (``ssh-ed25519 AAAA…``) and armoured GPG public keys.
        owner: of a bot, the person who answers for it.
    """

    id: str
    name: str
    emails: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    owner: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A part of the repository: by patterns, or by collections, or all of it."""

    paths: tuple[Glob, ...] = ()
    collections: frozenset[str] = frozenset()

    @property
    def is_everything(self) -> bool:
        """Whether every path is in it."""
        return not self.paths and not self.collections

    def covers(self, path: str, collection: str | None) -> bool:
        """Whether the file is in it; *collection* is the one that the file belongs to, if any."""
        if self.is_everything or (collection is not None and collection in self.collections):
            return True
        return any(glob.matches(path) for glob in self.paths)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One ``[[roles]]`` table, groups resolved; ``line`` is where it stands."""

    role: Role
    who: frozenset[str]
    area: Area = Area()
    scopes: frozenset[str] = frozenset()
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one path needs before it may be published.

    Attributes:
        approvals: how many people must have approved.
        by: whose approvals count (ids, groups resolved); None: those of every reviewer for the path.
        authors_may_approve: whether those who wrote it count too.
        needs_maintainer: whether one of those who approve, or the publisher when no approval is needed, must be a maintainer.
        text: how it stands in ``cms.toml``, for messages.
    """

    approvals: int = 1
    by: frozenset[str] | None = None
    authors_may_approve: bool = False
    needs_maintainer: bool = False
    text: str = DEFAULT_RULE_TEXT


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One ``[[rules]]`` table: a rule and where it holds; ``line`` is where it stands."""

    area: Area
    rule: Rule
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Everything that ``cms.toml`` says about people. An empty one allows nothing to nobody.

    Attributes:
        people: by id, in the order of the file.
        groups: name -> ids, groups in groups resolved.
        bypass: who may publish without the approvals.
        grants, reviews: the roles and rules in the order of the file.
    """

    people: Mapping[str, Person] = field(default_factory=dict)
    groups: Mapping[str, frozenset[str]] = field(default_factory=dict)
    bypass: frozenset[str] = frozenset()
    grants: tuple[Grant, ...] = ()
    reviews: tuple[Review, ...] = ()
    _areas: Mapping[tuple[str, str], tuple[Area, ...]] = field(default_factory=dict, init=False, repr=False)
    _by_email: Mapping[str, str] = field(default_factory=dict, init=False, repr=False)
    _by_key: Mapping[str, str] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        areas: dict[tuple[str, str], list[Area]] = {}
        for grant in self.grants:
            for person in grant.who:
                for name in (grant.role.value, *(f"scope {scope}" for scope in grant.scopes)):
                    areas.setdefault((person, name), []).append(grant.area)
        object.__setattr__(self, "_areas", {key: tuple(value) for key, value in areas.items()})
        emails = {comparable(email): item.id for item in self.people.values() for email in item.emails}
        object.__setattr__(self, "_by_email", emails)
        keys = {id: item.id for item in self.people.values() for key in item.keys if (id := key_id(key))}
        object.__setattr__(self, "_by_key", keys)

    def holds(self, person: str, role: Role, *, path: str = "", collection: str | None = None) -> bool:
        """Whether *person* has *role* for the file at *path*, which belongs to *collection*; without a path: anywhere at all."""
        return self._covers((person, role.value), path, collection)

    def holders(self, role: Role, *, path: str = "", collection: str | None = None) -> tuple[str, ...]:
        """Who has *role* there, in the order of ``cms.toml``."""
        return tuple(person for person in self.people if self.holds(person, role, path=path, collection=collection))

    def scopes(self, person: str) -> frozenset[str]:
        """The permissions that a bot was granted, somewhere."""
        return frozenset(scope for grant in self.grants if person in grant.who for scope in grant.scopes)

    def grants_scope(self, person: str, scope: str, *, path: str = "", collection: str | None = None) -> bool:
        """Whether a bot was granted a permission for the file at *path*; without a path: anywhere at all."""
        return self._covers((person, f"scope {scope}"), path, collection)

    def grants_everywhere(self, person: str, scope: str) -> bool:
        """Whether a bot was granted a permission for all files."""
        return any(area.is_everything for area in self._areas.get((person, f"scope {scope}"), ()))

    def rule(self, path: str, collection: str | None) -> Rule:
        """What the file at *path* needs before it may be published: the last rule that fits."""
        fits = (review.rule for review in reversed(self.reviews) if review.area.covers(path, collection))
        return replace(next(fits, Rule()), needs_maintainer=is_protected(path))

    def find_by_email(self, email: str) -> str | None:
        """Whose e-mail address it is."""
        return self._by_email.get(comparable(email))

    def find_by_key(self, key: str) -> str | None:
        """Whose key it is: an SSH public key without a comment, or the fingerprint of a GPG key in upper-case hexadecimal digits."""
        return self._by_key.get(key)

    @property
    def gpg_keys(self) -> Mapping[str, str]:
        """Every armoured GPG public key, with whose it is."""
        return {key: item.id for item in self.people.values() for key in item.keys if is_armoured(key)}

    def hands(self, person: str) -> frozenset[str]:
        """All ids behind which the same human stands: a person and the bots they answer for."""
        known = self.people.get(person)
        head = known.owner if known is not None and known.owner is not None else person
        return frozenset((person, head, *(item.id for item in self.people.values() if item.owner == head)))

    def is_bot(self, person: str) -> bool:
        """Whether it is a bot."""
        known = self.people.get(person)
        return known is not None and known.owner is not None

    def name(self, id: str) -> str:
        """What people call *id*: the name in ``cms.toml``, or the id itself."""
        known = self.people.get(id)
        return known.name if known is not None else id

    def _covers(self, key: tuple[str, str], path: str, collection: str | None) -> bool:
        areas = self._areas.get(key, ())
        return bool(areas) if not path else any(area.covers(path, collection) for area in areas)


def is_protected(path: str) -> bool:
    """Whether *path* decides over others: the settings with the rules, and the schemas."""
    return any(glob.matches(path) for glob in _PROTECTED)


def comparable(email: str) -> str:
    """An e-mail address as it is compared."""
    return normalize("NFKC", email.strip()).casefold()
