"""What is told about accounts. No secret, and nothing that one could be computed from."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who sent a request.

    Attributes:
        person: an id as in ``cms.toml``; whether it is still listed there is not looked at.
        via: what it was proved with.
        scopes: the permissions that the token was restricted to; None is no restriction.
        token: the id of the token or of the session; empty for a password.
    """

    person: str
    via: Literal["password", "token", "session"]
    scopes: frozenset[str] | None = None
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A person who may sign in.

    Attributes:
        has_password: False for those who use tokens only, as bots do.
        is_disabled: nothing is accepted from them.
        added_at: when the account was made.
    """

    person: str
    has_password: bool
    is_disabled: bool
    added_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenInfo:
    """An API token, without its secret.

    Attributes:
        id: names it towards people; a part of the secret, and worth nothing without the rest.
        name: what its owner calls it.
        scopes: the permissions it is restricted to; None is no restriction.
        used_on: the last day (UTC) on which it was used.
        revoked_at: since when it is refused.
    """

    id: str
    person: str
    name: str
    scopes: frozenset[str] | None
    created_at: datetime
    expires_at: datetime
    used_on: date | None = None
    revoked_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether it is accepted, as long as its owner is not disabled."""
        return self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewInfo:
    """A preview: leave for whoever has its secret to see one draft, and nothing else. Without that secret.

    Attributes:
        id: names it towards people; a part of the secret, and worth nothing without the rest.
        draft: the name of the draft.
        life: tells this draft from another one that had or will have its name.
        person: who made it.
        revoked_at: since when it is refused.
    """

    id: str
    draft: str
    life: str
    person: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None = None

    def is_live(self, now: datetime) -> bool:
        """Whether it is accepted, as long as the draft is there and its maker may show it."""
        return self.revoked_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewGrant:
    """What a preview allows: to read the view of one draft. It says nothing about who is asking.

    Attributes:
        draft: the name of the draft.
        id: of the preview.
        life, person: as of :class:`PreviewInfo`.
    """

    draft: str
    id: str
    life: str
    person: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionInfo:
    """A session, without its secret."""

    id: str
    person: str
    created_at: datetime
    expires_at: datetime
