"""The ``Authorization`` header: what somebody claims, not yet looked into."""

import base64
import binascii
import unicodedata
from dataclasses import dataclass, field

from cms.auth.secret import Kind, Secret, find_secret
from cms.errors import Unauthorised

LENGTH_MOST = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A name and a password, both in Unicode's composed form."""

    account: str
    password: str = field(repr=False)


def read_header(header: str) -> Secret | Claim:
    """The token or session, or the name and password, that a header holds.

    A token may also stand where ``Basic`` has the password, as Git's programs send it; the name beside it may be anything.

    Raises:
        Unauthorised: it is none of these; does not say why, but for a preview's, which is nobody's.
    """
    scheme, _, rest = header[: LENGTH_MOST + 1].strip().partition(" ")
    if len(header) <= LENGTH_MOST:
        if scheme.lower() == "bearer":
            secret = find_secret(rest.strip())
            if secret is not None and secret.kind is Kind.PREVIEW:
                raise Unauthorised(
                    "the token of a preview shows one draft where content is read, and says nothing about who you are; sign in for this"
                )
            if secret is not None and secret.kind is not Kind.LINK:
                return secret
        elif scheme.lower() == "basic":
            return _read_basic(rest.strip())
    raise unauthorised()


def holds_password(header: str) -> bool:
    """Whether it takes the hash of a password, and so a while, to know who sent *header*."""
    try:
        return isinstance(read_header(header), Claim)
    except Unauthorised:
        return False


def claim(account: str, password: str) -> Claim:
    """What was typed, as it is compared.

    Raises:
        Unauthorised: it holds halves of letters, as no keyboard makes them.
    """
    try:
        (account + password).encode()
    except UnicodeEncodeError as error:
        raise unauthorised() from error
    return Claim(account=unicodedata.normalize("NFC", account), password=unicodedata.normalize("NFC", password))


def unauthorised() -> Unauthorised:
    """The one refusal for all that is wrong with a secret: whoever guesses learns nothing from it."""
    return Unauthorised(
        "the name, password or token is wrong, or no longer valid",
        hint="sign in again, or ask a maintainer for a new password: cms user passwd",
    )


def _read_basic(encoded: str) -> Secret | Claim:
    try:
        account, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise unauthorised() from error
    secret = find_secret(password)
    if secret is not None and secret.kind is Kind.TOKEN:
        return secret
    if not colon or not account or not password or secret is not None:
        raise unauthorised()
    return claim(account, password)
