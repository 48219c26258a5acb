"""Secrets that we make. One shape for all, so that a secret scanner finds one wherever it was left, and a typing mistake is no attempt.

``cms_`` (``cmss_`` for a session, ``cmsl_`` for a link, ``cmsp_`` for a preview), an id of 12 small letters and digits, 43 random letters and
digits (256 bits; of a preview its signature), and the CRC-32 of all that in 6. As a pattern: ``cms[lps]?_[0-9a-z]{12}[0-9A-Za-z]{49}``.
"""

import hashlib
import hmac
import re
import secrets
import string
import zlib
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import unquote

LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
ID_LETTERS = string.digits + string.ascii_lowercase
ID_LENGTH, RANDOM_LENGTH, CHECKSUM_LENGTH = 12, 43, 6
ENCODED = re.compile(r"(?=[^%]*%)(?:%[0-9A-Fa-f]{2}|\w){66,}", re.ASCII)
SHAPE = re.compile(r"(cms[lps]?_)([0-9a-z]{12})[0-9A-Za-z]{43}([0-9A-Za-z]{6})", re.ASCII)


class Kind(StrEnum):
    """What a secret is for; the value is its prefix."""

    TOKEN = "cms_"  # noqa: S105 - the beginning of one
    SESSION = "cmss_"
    LINK = "cmsl_"
    PREVIEW = "cmsp_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """One secret. Its text never appears in a representation, and so in no log and no traceback."""

    kind: Kind
    id: str
    text: str = field(repr=False)

    @property
    def digest(self) -> bytes:
        """What is kept of it. A plain hash is enough: nobody can try 2^256 of them."""
        return hashlib.sha256(self.text.encode()).digest()

    def fits(self, digest: bytes) -> bool:
        """Whether *digest* is of this secret; takes as long when it is not."""
        return hmac.compare_digest(self.digest, digest)


def make_secret(kind: Kind) -> Secret:
    """A new secret."""
    return _build(kind, make_id(), "".join(secrets.choice(LETTERS) for _ in range(RANDOM_LENGTH)))


def make_id() -> str:
    """A new id."""
    return "".join(secrets.choice(ID_LETTERS) for _ in range(ID_LENGTH))


def sign_secret(kind: Kind, id: str, key: bytes, meaning: bytes) -> Secret:
    """The one secret of this *id* for this *meaning*: only who has *key* can make it, and again at any time."""
    said = b"\0".join((kind.encode(), id.encode(), meaning))
    return _build(kind, id, _letters(int.from_bytes(hmac.digest(key, said, "sha256")), RANDOM_LENGTH))


def find_secret(text: str) -> Secret | None:
    """*text* as one of our secrets; None when it is something else, or was mistyped."""
    match = SHAPE.fullmatch(text)
    if match is None or _checksum(text[:-CHECKSUM_LENGTH]) != match[3]:
        return None
    return Secret(kind=Kind(match[1]), id=match[2], text=text)


def hide_secrets(text: str) -> str:
    """*text* with no more than the prefix and the id of every secret in it, also where an address holds one percent-encoded."""
    if "%" in text:
        text = ENCODED.sub(lambda found: _hide_encoded(found[0]), text)
    return SHAPE.sub(r"\1\2…", text) if "cms" in text else text


def _hide_encoded(text: str) -> str:
    decoded = unquote(text)
    return SHAPE.sub(r"\1\2…", decoded) if SHAPE.search(decoded) else text


def _build(kind: Kind, id: str, body: str) -> Secret:
    text = f"{kind}{id}{body}"
    return Secret(kind=kind, id=id, text=text + _checksum(text))


def _checksum(text: str) -> str:
    return _letters(zlib.crc32(text.encode()), CHECKSUM_LENGTH)


def _letters(number: int, length: int) -> str:
    digits = ""
    for _ in range(length):
        number, digit = divmod(number, len(LETTERS))
        digits = LETTERS[digit] + digits
    return digits
