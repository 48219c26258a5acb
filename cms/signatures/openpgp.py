"""OpenPGP signatures, checked by ``gpg`` in a home of its own: no keyring, no trust, no agent and no network of this machine.

Before ``gpg`` sees a signature it must be one packet of that kind and nothing else, since what it would do with the rest of
OpenPGP (compressed, encrypted, several signatures) is not for strangers to choose. A key that is expired or revoked signs nothing.

Also here: the fingerprint of an armoured public key, read without ``gpg``.
"""

import base64
import binascii
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path

BEGIN_SIGNATURE = "-----BEGIN PGP SIGNATURE-----\n"
BEGIN_KEY = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
MAX_SIGNATURE_CHARACTERS = 65_536
MAX_KEY_CHARACTERS = 1_048_576
GPG_SECONDS = 15
_SIGNATURE, _PUBLIC_KEY, _MARKER, _PADDING = 2, 6, 10, 21
_TAGS_IN_KEYS = frozenset({2, 6, 12, 13, 14, 17, _MARKER, _PADDING})
_ARMOUR = re.compile(
    r"\s*-----BEGIN (PGP [A-Z ]+)-----[ \t]*\r?\n((?:[A-Za-z]+: [^\n]*\n)*)[ \t]*\r?\n([A-Za-z0-9+/=\s]*)-----END \1-----\s*"
)
_CHECKSUM = re.compile(r"\n=[A-Za-z0-9+/]{4}\s*\Z")
_BROKEN_DIGESTS = frozenset({"1", "2", "3"})  # MD5, SHA-1, RIPEMD-160
_DOCUMENT = frozenset({"00", "01"})  # a signature of a document, not of a key
_VERDICTS = frozenset({"GOODSIG", "BADSIG", "EXPSIG", "EXPKEYSIG", "REVKEYSIG", "ERRSIG"})
_OPTIONS = (
    *("--batch", "--no-tty", "--no-options", "--no-autostart", "--disable-dirmngr", "--no-auto-key-retrieve"),
    *("--no-auto-check-trustdb", "--trust-model", "always", "--lock-never", "--quiet"),
)


def has_gpg() -> bool:
    """Say whether ``gpg`` is installed, without which no OpenPGP signature can be checked."""
    return shutil.which("gpg") is not None


def fingerprint_of(key: str) -> str | None:
    """Return the fingerprint of an armoured OpenPGP public key, upper-case; None when it is not exactly one such key."""
    if len(key) > MAX_KEY_CHARACTERS or not key.lstrip().startswith(BEGIN_KEY):
        return None
    packets = _packets(_remove_armour(key))
    if packets is None or any(tag not in _TAGS_IN_KEYS for tag, _ in packets):
        return None
    bodies = [body for tag, body in packets if tag == _PUBLIC_KEY]
    if len(bodies) != 1 or next(tag for tag, _ in packets if tag not in (_MARKER, _PADDING)) != _PUBLIC_KEY:
        return None
    return _fingerprint(bodies[0])


class Home:
    """A folder for ``gpg`` with some public keys in it, made when it is first needed."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [key for key in keys if key.lstrip().startswith(BEGIN_KEY)]
        self._lock = threading.Lock()
        self._folder: Path | None = None
        self._remove: weakref.finalize[[str, bool], Home] | None = None
        self._known: frozenset[str] = frozenset()

    def find_signing_key(self, payload: bytes, signature: str) -> str | None:
        """Return the primary key that signed *payload*; None when the signature is not valid or cannot be checked."""
        gpg = shutil.which("gpg")
        if gpg is None or not self._keys or not _is_one_signature(signature):
            return None
        with self._lock:
            if self._folder is None:
                self._make(gpg)
        if not self._known or self._folder is None:
            return None
        handle, file = tempfile.mkstemp(dir=self._folder, suffix=".sig")
        with os.fdopen(handle, "w") as stream:
            stream.write(signature)
        status = _run(gpg, self._folder, "--status-fd", "1", "--verify", "--", file, "-", stdin=payload)
        Path(file).unlink()
        signer = _read_status(status)
        return signer if signer in self._known else None

    def close(self) -> None:
        """Remove the folder."""
        if self._remove is not None:
            self._remove()
        self._folder = None

    def _make(self, gpg: str) -> None:
        folder = tempfile.mkdtemp(prefix="cms-gpg-")
        self._remove = weakref.finalize(self, shutil.rmtree, folder, True)
        known = {key: fingerprint for key in self._keys if (fingerprint := fingerprint_of(key))}
        for key in known:  # one by one, so that one that gpg cannot read does not keep out the next
            _run(gpg, Path(folder), "--import", stdin=key.encode("ascii", "replace"))
        self._known = frozenset(known.values())
        self._folder = Path(folder)


def _run(gpg: str, folder: Path, *arguments: str, stdin: bytes) -> str:
    """Run ``gpg`` in an environment of its own and return what it prints; nothing when it fails to start or to end."""
    environment = {"PATH": os.defpath, "LC_ALL": "C", "GNUPGHOME": str(folder), "HOME": str(folder)}
    command = [gpg, "--homedir", str(folder), *_OPTIONS, *arguments]
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, env=environment, cwd=folder, timeout=GPG_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace")


def _read_status(text: str) -> str | None:
    """Return the primary key that one good signature is by; None for anything else, also for two good signatures."""
    lines = [line.split()[1:] for line in text.splitlines() if line.startswith("[GNUPG:] ")]
    verdicts = [words[0] for words in lines if words and words[0] in _VERDICTS]
    valid = [words for words in lines if words[:1] == ["VALIDSIG"]]
    if verdicts != ["GOODSIG"] or len(valid) != 1 or len(valid[0]) < 11:
        return None
    *_, digest, kind, primary = valid[0][:11]
    return primary if kind in _DOCUMENT and digest not in _BROKEN_DIGESTS else None


def _is_one_signature(text: str) -> bool:
    if len(text) > MAX_SIGNATURE_CHARACTERS or not text.startswith(BEGIN_SIGNATURE):
        return False
    packets = _packets(_remove_armour(text))
    return packets is not None and [tag for tag, _ in packets] == [_SIGNATURE]


def _remove_armour(text: str) -> bytes | None:
    armour = _ARMOUR.fullmatch(text)
    if armour is None:
        return None
    body = "".join(_CHECKSUM.sub("", armour[3]).split())
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        return None


def _packets(raw: bytes | None) -> list[tuple[int, bytes]] | None:
    """Split OpenPGP data into (tag, body); None when it is malformed or there is nothing."""
    try:
        return list(_read_packets(raw)) if raw else None
    except ValueError:
        return None


def _read_packets(raw: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(raw):
        first = raw[at]
        if not first & 0x80:
            raise ValueError
        if first & 0x40:
            tag, (at, size) = first & 0x3F, _new_length(raw, at + 1)
        else:
            width = (1, 2, 4, 0)[first & 0x03]
            tag, size = (first >> 2) & 0x0F, int.from_bytes(raw[at + 1 : at + 1 + width], "big")
            at += 1 + width
            if not width:
                raise ValueError
        if at + size > len(raw):
            raise ValueError
        yield tag, raw[at : at + size]
        at += size


def _new_length(raw: bytes, at: int) -> tuple[int, int]:
    """(where the body begins, how long it is) of a packet with a header of the newer kind."""
    head = raw[at : at + 1]
    if head and head[0] < 192:
        return at + 1, head[0]
    if head and head[0] < 224 and len(raw) > at + 1:
        return at + 2, ((head[0] - 192) << 8) + raw[at + 1] + 192
    if head == b"\xff" and len(raw) >= at + 5:
        return at + 5, int.from_bytes(raw[at + 1 : at + 5], "big")
    raise ValueError  # also the lengths that come in parts: they are for data, not for keys


def _fingerprint(body: bytes) -> str | None:
    version = body[:1]
    if version == b"\x04":
        if len(body) > 0xFFFF:
            return None
        framed = b"\x99" + len(body).to_bytes(2, "big") + body
        return hashlib.sha1(framed, usedforsecurity=False).hexdigest().upper()
    if version in (b"\x05", b"\x06"):
        mark = b"\x9a" if version == b"\x05" else b"\x9b"
        return hashlib.sha256(mark + len(body).to_bytes(4, "big") + body).hexdigest().upper()
    return None
