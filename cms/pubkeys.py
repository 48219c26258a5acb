"""Public keys as people write them in ``cms.toml``: a key that could never prove anything is found at once, and told why.

Which keys signatures can be checked with, :mod:`cms.signatures` decides.
"""

from dataclasses import dataclass

from cms.signatures import fingerprint_of, parse_public_key

_TYPES = ("ssh-ed25519", "ecdsa-sha2-", "ssh-rsa", "sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """A key: *text* is an SSH key on one line without its comment or an armoured GPG key, *id* what a valid signature names."""

    id: str
    text: str


def read_public_key(text: str) -> PublicKey:
    """Read a one-line SSH public key or an armoured GPG public key.

    Raises:
        ValueError: it is none, or none that a signature can be checked with; the text is a sentence.
    """
    if "PRIVATE KEY" in text:
        raise ValueError(
            "this is a private key, which must be in no repository: make a new one, and list its public part"
        )
    if is_armoured(text):
        fingerprint = fingerprint_of(text)
        if fingerprint is None:
            raise ValueError(
                "the GPG key is damaged, or not one key; paste what 'gpg --armor --export' prints, between '''"
            )
        return PublicKey(id=fingerprint, text=text)
    line = parse_public_key(text) if "\n" not in text.strip() else None
    if line is None:
        raise ValueError(_why_not(text))
    return PublicKey(id=line, text=line)


def is_armoured(text: str) -> bool:
    """Whether it is, or is meant to be, an armoured GPG key."""
    return "PGP " in text[:64]  # with the blank: an SSH key may happen to hold the letters


def key_id(text: str) -> str:
    """What a valid signature by the key names: the line itself, or the fingerprint of a GPG key."""
    return (fingerprint_of(text) or "") if is_armoured(text) else text


def _why_not(text: str) -> str:
    words = text.split()
    if len(words) < 2 or "\n" in text.strip():
        return "a key is one line such as 'ssh-ed25519 AAAA… name@host': the file that ends with .pub"
    if not words[0].startswith(_TYPES):
        return f"{words[0][:40]!r} is no kind of key that can be used here; make one with 'ssh-keygen -t ed25519'"
    weak = " or has fewer than 2048 bits" if words[0] == "ssh-rsa" else ""
    return f"the {words[0][:40]} key that begins with {words[1][:24]!r} is damaged{weak}; copy the whole line of the file .pub"
