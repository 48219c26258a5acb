"""Signatures of commits: is this one valid, and by which key. Whose key it is, is the question of the caller.

SSH signatures (``gpg.format=ssh``) are made and checked in this process (``sshsig``); OpenPGP ones are checked by ``gpg`` in a
home of its own that holds nothing but the keys given (``openpgp``). A signature comes from a stranger: whatever is wrong with
it, the answer is that it is not valid, never an error.

A key is named by a text that can be compared: ``ssh-ed25519 AAAA…`` without a comment, or the fingerprint of an OpenPGP primary
key in upper-case hexadecimal digits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Protocol, Self

from cms.signatures import openpgp, sshsig
from cms.signatures.openpgp import fingerprint_of, has_gpg
from cms.signatures.sshsig import parse_public_key, short_fingerprint

__all__ = [
    "Kind",
    "Signed",
    "Signer",
    "Verifier",
    "fingerprint_of",
    "has_gpg",
    "kind_of",
    "parse_public_key",
    "short_fingerprint",
    "verify",
]


class Kind(StrEnum):
    """What made a signature."""

    SSH = "ssh"
    GPG = "gpg"
    OTHER = "other"


class Signer(Protocol):
    """Who signs commits. ``public_key`` is one line without a comment."""

    @property
    def public_key(self) -> str:
        """The key that signatures made from now on can be checked with."""

    def sign(self, payload: bytes) -> str:
        """Return the armoured signature of a commit's bytes, for its ``gpgsig`` header."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A valid signature: *key* signed exactly these bytes."""

    key: str


class Verifier:
    """Checks signatures. What ``gpg`` needs is made when it is first needed, and goes with this object or with ``close``."""

    def __init__(self, gpg_keys: Sequence[str] = ()) -> None:
        """Take the armoured OpenPGP public keys whose signatures may be valid; SSH signatures bring their key along."""
        self._home = openpgp.Home(gpg_keys)

    def verify(self, payload: bytes, signature: str) -> Signed | None:
        """Return by which key *payload* was signed; None when the signature is not valid, or of an unknown kind."""
        kind = kind_of(signature)
        if kind is Kind.SSH:
            key = sshsig.find_signing_key(payload, signature)
        elif kind is Kind.GPG:
            key = self._home.find_signing_key(payload, signature)
        else:
            key = None
        return Signed(key=key) if key is not None else None

    def close(self) -> None:
        """Remove what was made for ``gpg``."""
        self._home.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def verify(payload: bytes, signature: str, *, gpg_keys: Sequence[str] = ()) -> Signed | None:
    """Check one signature; see ``Verifier``, which is cheaper for many OpenPGP signatures."""
    with Verifier(gpg_keys) as verifier:
        return verifier.verify(payload, signature)


def kind_of(signature: str) -> Kind:
    """Tell by its first line what made a signature."""
    if signature.startswith(sshsig.BEGIN):
        return Kind.SSH
    return Kind.GPG if signature.startswith(openpgp.BEGIN_SIGNATURE) else Kind.OTHER
