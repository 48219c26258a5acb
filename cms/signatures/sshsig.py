"""SSH signatures (OpenSSH's PROTOCOL.sshsig), as ``git commit -S`` makes them with ``gpg.format=ssh``.

Made with Ed25519; checked for Ed25519, ECDSA over the NIST curves, RSA with SHA-2, and the first two on a security key. The
namespace must be ``git``: what somebody signed for another purpose says nothing about a commit. Certificates are refused.

Everything is read strictly: nothing may be left over, and a key has one spelling, so that it can be compared as text.
"""

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

BEGIN = "-----BEGIN SSH SIGNATURE-----\n"
END = "-----END SSH SIGNATURE-----"
NAMESPACE = b"git"
MAX_CHARACTERS = 16_384
_MAGIC = b"SSHSIG"
_VERSION = 1
_LINE = 70
_RSA_BITS = range(2048, 16_385)
_MAX_RSA_EXPONENT = 1 << 32
_ED25519_BYTES = 32
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_DIGESTS: Mapping[bytes, Callable[[bytes], bytes]] = {
    b"sha256": lambda data: hashlib.sha256(data).digest(),
    b"sha512": lambda data: hashlib.sha512(data).digest(),
}
_CURVES: Mapping[bytes, tuple[bytes, Callable[[], ec.EllipticCurve], HashAlgorithm]] = {
    b"ecdsa-sha2-nistp256": (b"nistp256", ec.SECP256R1, SHA256()),
    b"ecdsa-sha2-nistp384": (b"nistp384", ec.SECP384R1, SHA384()),
    b"ecdsa-sha2-nistp521": (b"nistp521", ec.SECP521R1, SHA512()),
}
_RSA_HASHES: Mapping[bytes, HashAlgorithm] = {b"rsa-sha2-256": SHA256(), b"rsa-sha2-512": SHA512()}


class _Malformed(ValueError):
    """The bytes are not what the format says. Never leaves this module."""


class _Reader:
    """Reads the fields of SSH's wire format one after another."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def take(self, size: int) -> bytes:
        piece = self._raw[self._at : self._at + size]
        if len(piece) != size:
            raise _Malformed
        self._at += size
        return piece

    def number(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def string(self) -> bytes:
        return self.take(self.number())

    def big_number(self) -> int:
        """A positive ``mpint`` in its only spelling."""
        raw = self.string()
        if not raw or raw[0] & 0x80 or (raw[0] == 0 and (len(raw) == 1 or not raw[1] & 0x80)):
            raise _Malformed
        return int.from_bytes(raw, "big")

    def end(self) -> None:
        if self._at != len(self._raw):
            raise _Malformed


def find_signing_key(payload: bytes, signature: str) -> str | None:
    """Return the key that signed *payload* for Git; None when the signature is not valid."""
    try:
        return _check(payload, _remove_armour(signature))
    except (_Malformed, InvalidSignature, UnsupportedAlgorithm, ValueError):
        return None


def sign(key: Ed25519PrivateKey, payload: bytes) -> str:
    """Sign *payload* for Git; armoured as ``ssh-keygen -Y sign -n git`` does."""
    signature = _string(b"ssh-ed25519") + _string(key.sign(_covered(payload, b"sha512")))
    fields = (_public_blob(key.public_key()), NAMESPACE, b"", b"sha512", signature)
    raw = _MAGIC + struct.pack(">I", _VERSION) + b"".join(map(_string, fields))
    text = base64.b64encode(raw).decode()
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return "".join((BEGIN, *(f"{line}\n" for line in lines), END, "\n"))


def public_line(key: Ed25519PublicKey) -> str:
    """Return a key as OpenSSH writes it, without a comment."""
    return _line(_public_blob(key))


def parse_public_key(line: str) -> str | None:
    """Return an SSH public key (``ssh-ed25519 AAAA… comment``) without its comment; None when it is none we can check."""
    words = line.split()
    if len(words) < 2 or len(line) > MAX_CHARACTERS:
        return None
    try:
        blob = _decode(words[1])
        fields = _Reader(blob)
        _checker(fields)
        fields.end()
    except (_Malformed, UnsupportedAlgorithm, ValueError):
        return None
    return _line(blob) if _line(blob).split()[0] == words[0] else None


def short_fingerprint(key: str) -> str:
    """Return the name under which OpenSSH shows an SSH key (``SHA256:…``); an OpenPGP fingerprint stays as it is."""
    _, _, blob = key.partition(" ")
    if not blob:
        return key
    digest = hashlib.sha256(base64.b64decode(blob)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _check(payload: bytes, raw: bytes) -> str:
    fields = _Reader(raw)
    if fields.take(len(_MAGIC)) != _MAGIC or fields.number() != _VERSION:
        raise _Malformed
    blob, namespace, reserved, digest, signature = (fields.string() for _ in range(5))
    fields.end()
    if namespace != NAMESPACE or reserved or digest not in _DIGESTS:
        raise _Malformed
    key_fields, signature_fields = _Reader(blob), _Reader(signature)
    check = _checker(key_fields)
    key_fields.end()
    check(signature_fields, _covered(payload, digest))
    signature_fields.end()
    return _line(blob)


def _covered(payload: bytes, digest: bytes) -> bytes:
    """What an SSH key really signs."""
    return _MAGIC + b"".join(map(_string, (NAMESPACE, b"", digest, _DIGESTS[digest](payload))))


_Check = Callable[[_Reader, bytes], None]


def _checker(key: _Reader) -> _Check:
    """Read a public key, and return what raises unless a signature is by it."""
    algorithm = key.string()
    if algorithm == b"ssh-ed25519":
        return _ed25519(key, algorithm)
    if algorithm in _CURVES:
        return _ecdsa(key, algorithm, algorithm)
    if algorithm == b"ssh-rsa":
        return _rsa(key)
    if algorithm == b"sk-ssh-ed25519@openssh.com":
        return _on_security_key(_ed25519(key, algorithm), key)
    if algorithm == b"sk-ecdsa-sha2-nistp256@openssh.com":
        return _on_security_key(_ecdsa(key, algorithm, b"ecdsa-sha2-nistp256"), key)
    raise _Malformed


def _ed25519(key: _Reader, algorithm: bytes) -> _Check:
    raw = key.string()
    if len(raw) != _ED25519_BYTES:
        raise _Malformed
    public = Ed25519PublicKey.from_public_bytes(raw)

    def check(signature: _Reader, data: bytes) -> None:
        _expect(signature.string(), algorithm)
        public.verify(signature.string(), data)

    return check


def _ecdsa(key: _Reader, algorithm: bytes, curve_of: bytes) -> _Check:
    name, curve, digest = _CURVES[curve_of]
    _expect(key.string(), name)
    point = key.string()
    if point[:1] != b"\x04":  # a compressed point would be a second spelling of the same key
        raise _Malformed
    public = ec.EllipticCurvePublicKey.from_encoded_point(curve(), point)

    def check(signature: _Reader, data: bytes) -> None:
        _expect(signature.string(), algorithm)
        numbers = _Reader(signature.string())
        pair = numbers.big_number(), numbers.big_number()
        numbers.end()
        public.verify(encode_dss_signature(*pair), data, ec.ECDSA(digest))

    return check


def _rsa(key: _Reader) -> _Check:
    exponent, modulus = key.big_number(), key.big_number()
    # Both bound how long a check can take.
    if modulus.bit_length() not in _RSA_BITS or exponent > _MAX_RSA_EXPONENT:
        raise _Malformed
    public = rsa.RSAPublicNumbers(exponent, modulus).public_key()

    def check(signature: _Reader, data: bytes) -> None:
        digest = _RSA_HASHES.get(signature.string())
        if digest is None:  # "ssh-rsa" is SHA-1
            raise _Malformed
        raw = signature.string()
        # OpenSSH, too, fills up what an implementation wrote without leading zeros.
        public.verify(raw.rjust((modulus.bit_length() + 7) // 8, b"\0"), data, PKCS1v15(), digest)

    return check


def _on_security_key(inner: _Check, key: _Reader) -> _Check:
    """A security key signs what it was asked to together with its own facts, which stand behind the signature."""
    application = hashlib.sha256(key.string()).digest()

    def check(signature: _Reader, data: bytes) -> None:
        parts = _Reader(b"".join(map(_string, (signature.string(), signature.string()))))
        facts = signature.take(5)  # flags (was it touched?) and counter
        inner(parts, application + facts + hashlib.sha256(data).digest())

    return check


def _expect(found: bytes, wanted: bytes) -> None:
    if found != wanted:
        raise _Malformed


def _public_blob(key: Ed25519PublicKey) -> bytes:
    return _string(b"ssh-ed25519") + _string(key.public_bytes(Encoding.Raw, PublicFormat.Raw))


def _string(raw: bytes) -> bytes:
    return struct.pack(">I", len(raw)) + raw


def _line(blob: bytes) -> str:
    return f"{_Reader(blob).string().decode('ascii', 'replace')} {base64.b64encode(blob).decode()}"


def _remove_armour(text: str) -> bytes:
    body = text.rstrip("\n")
    if len(text) > MAX_CHARACTERS or not body.startswith(BEGIN) or not body.endswith(f"\n{END}"):
        raise _Malformed
    return _decode(body[len(BEGIN) : -len(END)].replace("\n", ""))


def _decode(text: str) -> bytes:
    if not _BASE64.fullmatch(text):
        raise _Malformed
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise _Malformed from error
