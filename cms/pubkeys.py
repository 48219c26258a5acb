"""Public keys as people write them in ``cms.toml``: read strictly, so that a key that could never prove anything is found at once.

Whether a signature is right is the business of :mod:`cms.signatures`.
"""

import base64
import binascii
import re
from collections.abc import Iterator

#: What signatures can be checked with: type in the line -> number of parts in the key after its type.
SSH_TYPES = {
    "ssh-ed25519": 1,
    "ecdsa-sha2-nistp256": 2,
    "ecdsa-sha2-nistp384": 2,
    "ecdsa-sha2-nistp521": 2,
    "ssh-rsa": 2,
}
SMALLEST_RSA_BITS = 2048
_GPG = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----\s*\n(?:[^\n]*: [^\n]*\n)*\s*(?P<data>[A-Za-z0-9+/=\s]+?)"
    r"(?:\n=[A-Za-z0-9+/]{4})?\s*\n-----END PGP PUBLIC KEY BLOCK-----"
)


def read_ssh_key(text: str) -> str:
    """A one-line OpenSSH public key without its comment: ``ssh-ed25519 AAAA…``.

    Raises:
        ValueError: it is none, or of a kind that no signature can be checked with; the text is a sentence.
    """
    _refuse_private(text)
    words = text.split()
    if len(words) < 2 or "\n" in text.strip():
        raise ValueError("a key is one line such as 'ssh-ed25519 AAAA… name@host' (the file that ends with .pub)")
    kind, encoded = words[0], words[1]
    if kind.startswith("sk-"):
        raise ValueError(
            f"keys of the kind {kind} live on a security key and cannot be checked yet; use an ssh-ed25519 key"
        )
    if kind not in SSH_TYPES:
        raise ValueError(f"{kind[:40]!r} is no kind of key that can be used; there are {', '.join(SSH_TYPES)}")
    try:
        blob = base64.b64decode(encoded, validate=True)
        parts = list(_parts(blob))
    except (binascii.Error, ValueError) as error:
        raise ValueError(
            f"the {kind} key that begins with {encoded[:24]!r} is damaged; copy the whole line again"
        ) from error
    if parts[0] != kind.encode() or len(parts) != SSH_TYPES[kind] + 1:
        raise ValueError(
            f"the key that begins with {encoded[:24]!r} says it is {kind}, and is not; copy the whole line again"
        )
    if kind == "ssh-ed25519" and len(parts[1]) != 32:
        raise ValueError(
            f"the {kind} key that begins with {encoded[:24]!r} has the wrong length; copy the whole line again"
        )
    if kind == "ssh-rsa" and int.from_bytes(parts[2], "big").bit_length() < SMALLEST_RSA_BITS:
        raise ValueError(f"an RSA key needs {SMALLEST_RSA_BITS} bits or more; make an ssh-ed25519 key")
    return f"{kind} {base64.b64encode(blob).decode()}"


def read_gpg_key(text: str) -> str:
    """An armoured GPG public key, as ``gpg --armor --export`` prints it.

    Raises:
        ValueError: it is none; the text is a sentence.
    """
    _refuse_private(text)
    found = _GPG.fullmatch(text.strip())
    try:
        data = base64.b64decode("".join(found["data"].split()), validate=True) if found else b""
    except binascii.Error:
        data = b""
    # Every packet of OpenPGP begins with a byte whose highest bit is set.
    if not data or data[0] < 0x80:
        raise ValueError("the GPG key is damaged; paste all that 'gpg --armor --export' prints, between ''' and '''")
    return text.strip() + "\n"


def is_gpg(text: str) -> bool:
    """Whether *text* is meant to be an armoured GPG key."""
    return "PGP" in text[:64]


def _refuse_private(text: str) -> None:
    if "PRIVATE KEY" in text:
        raise ValueError(
            "this is a private key; it must be in no repository: make a new one, and list the public part of that"
        )


def _parts(blob: bytes) -> Iterator[bytes]:
    """The parts of a key: each is its length in four bytes, and then so many bytes.

    Raises:
        ValueError: it ends too early.
    """
    place = 0
    while place < len(blob):
        size = int.from_bytes(blob[place : place + 4], "big")
        part = blob[place + 4 : place + 4 + size]
        if len(part) != size or place + 4 > len(blob):
            raise ValueError("it ends too early")
        yield part
        place += 4 + size
    if not blob:
        raise ValueError("it is empty")
