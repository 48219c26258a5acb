"""Signatures, held against those that OpenSSH, GnuPG and Git make and check themselves; and what is none."""

import base64
import hashlib
import os
import re
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from cms.refs import CommitId
from cms.signatures import (
    Kind,
    Signed,
    Verifier,
    fingerprint_of,
    has_gpg,
    kind_of,
    parse_public_key,
    short_fingerprint,
    sshsig,
    verify,
)
from cms.store import Store
from tests.keys import GPGKey, SSHKey, gpg, run
from tests.repo import Repo

PAYLOAD = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nÆrlig\n".encode()
KINDS = {
    "ed25519": ("ed25519",),
    "p256": ("ecdsa", "-b", "256"),
    "p384": ("ecdsa", "-b", "384"),
    "p521": ("ecdsa", "-b", "521"),
    "rsa": ("rsa", "-b", "2048"),
}
needs_gpg = pytest.mark.skipif(not has_gpg(), reason="gpg is not installed")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SSHKey]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: SSHKey.make(folder / name, *options) for name, options in KINDS.items()}


@pytest.fixture(scope="module")
def kari() -> Iterator[GPGKey]:
    with tempfile.TemporaryDirectory(prefix="gpg-") as folder:
        key = GPGKey.make(Path(folder) / "h", "Kari <kari@example.org>")
        yield key
        key.close()


def blob(*fields: bytes) -> bytes:
    return b"".join(struct.pack(">I", len(field)) + field for field in fields)


def armour(raw: bytes) -> str:
    return f"{sshsig.BEGIN}{base64.b64encode(raw).decode()}\n{sshsig.END}\n"


def unwrap(signature: str) -> list[bytes]:
    """The fields of an SSH signature after its version."""
    raw = base64.b64decode("".join(signature.splitlines()[1:-1]))
    fields, at = [], 10
    while at < len(raw):
        size = int.from_bytes(raw[at : at + 4], "big")
        fields.append(raw[at + 4 : at + 4 + size])
        at += 4 + size
    return fields


def rewrap(fields: list[bytes], *, version: int = 1) -> str:
    return armour(b"SSHSIG" + struct.pack(">I", version) + blob(*fields))


@pytest.mark.parametrize("digest", ["sha256", "sha512"])
@pytest.mark.parametrize("name", KINDS)
def test_what_openssh_signs_is_valid_and_names_the_key(keys: dict[str, SSHKey], name: str, digest: str) -> None:
    signature = keys[name].sign(PAYLOAD, digest=digest)
    assert verify(PAYLOAD, signature) == Signed(key=keys[name].line)
    assert verify(PAYLOAD + b" ", signature) is None


def test_rsa_with_the_shorter_digest_is_valid(keys: dict[str, SSHKey], tmp_path: Path) -> None:
    # ssh-keygen always signs with rsa-sha2-512; agents of other makers do not.
    algorithm, public = b"rsa-sha2-256", keys["rsa"].line
    fields = unwrap(keys["rsa"].sign(PAYLOAD))
    covered = tmp_path / "covered"
    covered.write_bytes(b"SSHSIG" + blob(b"git", b"", b"sha512", hashlib.sha512(PAYLOAD).digest()))
    pem = tmp_path / "pem"
    pem.write_bytes(keys["rsa"].path.read_bytes())
    pem.chmod(0o600)
    run("ssh-keygen", "-q", "-p", "-m", "PEM", "-N", "", "-f", str(pem))
    command = ["openssl", "dgst", "-sha256", "-sign", str(pem), str(covered)]
    fields[-1] = blob(algorithm, subprocess.run(command, capture_output=True, check=True).stdout)
    assert verify(PAYLOAD, rewrap(fields)) == Signed(key=public)
    fields[-1] = fields[-1].replace(algorithm, b"ssh-rsa-sha1")
    assert verify(PAYLOAD, rewrap(fields)) is None


def check_with_openssh(folder: Path, key: str, signature: str) -> str:
    (folder / "allowed").write_text(f"kari {key}\n")
    (folder / "signature").write_text(signature)
    options = ("-n", "git", "-f", str(folder / "allowed"), "-s", str(folder / "signature"))
    return run("ssh-keygen", "-Y", "verify", "-I", "kari", *options, stdin=PAYLOAD)


def test_openssh_accepts_what_we_sign(tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    line = sshsig.public_line(key.public_key())
    signature = sshsig.sign(key, PAYLOAD)
    assert verify(PAYLOAD, signature) == Signed(key=line)
    assert 'Good "git" signature for kari' in check_with_openssh(tmp_path, line, signature)


def test_our_armour_is_the_one_of_openssh(keys: dict[str, SSHKey]) -> None:
    fields = unwrap(keys["ed25519"].sign(PAYLOAD))
    key = Ed25519PrivateKey.generate()
    lines = sshsig.sign(key, PAYLOAD).splitlines()
    theirs = keys["ed25519"].sign(PAYLOAD).splitlines()
    assert [len(line) for line in lines] == [len(line) for line in theirs]
    assert unwrap(sshsig.sign(key, PAYLOAD))[1:4] == fields[1:4] == [b"git", b"", b"sha512"]


@pytest.mark.parametrize("kind", ["sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"])
def test_a_security_key_is_checked_as_openssh_checks_it(kind: str, tmp_path: Path) -> None:
    covered = b"SSHSIG" + blob(b"git", b"", b"sha512", hashlib.sha512(PAYLOAD).digest())
    facts = b"\x01\x00\x00\x00\x07"
    signed = hashlib.sha256(b"ssh:").digest() + facts + hashlib.sha256(covered).digest()
    if "ed25519" in kind:
        key = Ed25519PrivateKey.generate()
        public = blob(kind.encode(), key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), b"ssh:")
        raw = key.sign(signed)
    else:
        other = ec.generate_private_key(ec.SECP256R1())
        point = other.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        public = blob(kind.encode(), b"nistp256", point, b"ssh:")
        numbers = decode_dss_signature(other.sign(signed, ec.ECDSA(SHA256())))
        raw = blob(*(number.to_bytes(number.bit_length() // 8 + 1, "big") for number in numbers))
    signature = rewrap([public, b"git", b"", b"sha512", blob(kind.encode(), raw) + facts])
    line = f"{kind} {base64.b64encode(public).decode()}"
    assert verify(PAYLOAD, signature) == Signed(key=line)
    assert "Good" in check_with_openssh(tmp_path, line, signature)
    assert verify(PAYLOAD, rewrap([public, b"git", b"", b"sha512", blob(kind.encode(), raw) + facts[::-1]])) is None


def test_a_commit_that_git_signed_is_valid_and_git_accepts_one_of_ours(keys: dict[str, SSHKey], repo: Repo) -> None:
    tree = repo.git("mktree")
    commit = CommitId(keys["ed25519"].commit(repo, tree, "-m", "Signed"))
    signed = Store.open(repo.path).signature(commit)
    assert signed is not None
    assert verify(*signed) == Signed(key=keys["ed25519"].line)

    key = Ed25519PrivateKey.generate()
    payload, _ = signed
    header, _, message = payload.partition(b"\n\n")
    ours = "gpgsig " + sshsig.sign(key, payload).rstrip("\n").replace("\n", "\n ")
    raw = header + b"\n" + ours.encode() + b"\n\n" + message
    made = repo.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=raw)
    allowed = repo.path / "allowed"
    allowed.write_text(f'server namespaces="git" {sshsig.public_line(key.public_key())}\n')
    configured = ("-c", f"gpg.ssh.allowedSignersFile={allowed}")
    assert repo.git(*configured, "log", "-1", "--format=%G? %GS", made) == "G server"


def test_a_signature_for_another_purpose_is_not_valid_for_git(keys: dict[str, SSHKey]) -> None:
    assert verify(PAYLOAD, keys["ed25519"].sign(PAYLOAD, namespace="file")) is None


def test_a_signature_under_another_key_is_not_valid(keys: dict[str, SSHKey]) -> None:
    fields = unwrap(keys["ed25519"].sign(PAYLOAD))
    for name in ("p256", "rsa"):
        fields[0] = base64.b64decode(keys[name].line.split()[1])
        assert verify(PAYLOAD, rewrap(fields)) is None


def test_a_signature_says_all_it_says_and_nothing_more(keys: dict[str, SSHKey]) -> None:
    fields = unwrap(keys["ed25519"].sign(PAYLOAD))
    assert verify(PAYLOAD, rewrap(fields)) is not None
    assert verify(PAYLOAD, rewrap(fields, version=2)) is None
    assert verify(PAYLOAD, rewrap([*fields, b""])) is None
    for place in range(len(fields)):
        longer = [field + b"\0" if place == number else field for number, field in enumerate(fields)]
        assert verify(PAYLOAD, rewrap(longer)) is None
    assert verify(PAYLOAD, rewrap([*fields[:2], b"reserved", *fields[3:]])) is None
    assert verify(PAYLOAD, rewrap([*fields[:3], b"sha1", fields[4]])) is None
    whole = rewrap(fields)
    assert verify(PAYLOAD, whole + "x") is None
    assert verify(PAYLOAD, f"x{whole}") is None
    assert verify(PAYLOAD, whole * 2) is None


def test_a_certificate_is_refused(keys: dict[str, SSHKey], tmp_path: Path) -> None:
    key = SSHKey.make(tmp_path / "user")
    run(
        "ssh-keygen",
        "-q",
        "-s",
        str(keys["ed25519"].path),
        "-I",
        "kari",
        "-n",
        "kari",
        str(key.path.with_suffix(".pub")),
    )
    certificate = base64.b64decode((tmp_path / "user-cert.pub").read_text().split()[1])
    fields = unwrap(key.sign(PAYLOAD))
    assert verify(PAYLOAD, rewrap([certificate, *fields[1:]])) is None


@pytest.mark.parametrize("size", [1024, 20_000])
def test_an_rsa_key_too_small_to_trust_or_too_large_to_check_is_refused(size: int) -> None:
    modulus = ((1 << size) - 1).to_bytes(size // 8 + 1, "big")
    public = blob(b"ssh-rsa", b"\x01\x00\x01", modulus)
    assert parse_public_key(f"ssh-rsa {base64.b64encode(public).decode()}") is None


def test_an_rsa_key_whose_exponent_makes_checking_slow_is_refused() -> None:
    modulus = ((1 << 2048) - 1).to_bytes(257, "big")
    public = blob(b"ssh-rsa", ((1 << 2040) - 1).to_bytes(256, "big"), modulus)
    assert parse_public_key(f"ssh-rsa {base64.b64encode(public).decode()}") is None


@pytest.mark.parametrize("name", KINDS)
def test_a_public_key_is_read_without_its_comment(keys: dict[str, SSHKey], name: str) -> None:
    text = keys[name].path.with_suffix(".pub").read_text()
    assert text.endswith(" a comment\n")
    assert parse_public_key(text) == keys[name].line
    shown = run("ssh-keygen", "-l", "-f", str(keys[name].path))
    assert short_fingerprint(keys[name].line) == shown.split()[1]


def test_what_is_no_public_key_is_none(keys: dict[str, SSHKey]) -> None:
    kind, data = keys["ed25519"].line.split()
    for line in ("", kind, data, f"ssh-rsa {data}", f"{kind} {data[:-4]}", f"{kind} {data}AAAA", f"{kind} {data}!"):
        assert parse_public_key(line) is None


def test_a_compressed_point_is_not_a_second_spelling_of_a_key() -> None:
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    short = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    data = base64.b64encode(blob(b"ecdsa-sha2-nistp256", b"nistp256", short)).decode()
    assert parse_public_key(f"ecdsa-sha2-nistp256 {data}") is None


@given(noise=st.binary(max_size=300), cut=st.integers(0, 400), place=st.integers(0, 300))
@settings(max_examples=300, deadline=None)
def test_noise_is_no_signature_and_no_error(noise: bytes, cut: int, place: int) -> None:
    raw = base64.b64decode(
        "".join(sshsig.sign(Ed25519PrivateKey.from_private_bytes(bytes(32)), b"x").splitlines()[1:-1])
    )
    spoiled = (raw[:place] + noise + raw[place + len(noise) :])[:cut]
    valid = spoiled == raw
    assert (verify(b"x", armour(spoiled)) is not None) is valid
    assert verify(b"x", armour(noise)) is None
    assert verify(b"x", noise.decode("latin-1")) is None
    assert verify(b"x", f"{sshsig.BEGIN}{noise.decode('latin-1')}{sshsig.END}\n") is None
    assert (
        fingerprint_of(
            f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{base64.b64encode(noise).decode()}\n-----END PGP PUBLIC KEY BLOCK-----"
        )
        is None
    )


@pytest.mark.parametrize("begin", [sshsig.BEGIN, "-----BEGIN PGP SIGNATURE-----\n"])
def test_a_huge_signature_is_refused_unread(begin: str) -> None:
    end = begin.replace("BEGIN", "END")
    assert (
        verify(PAYLOAD, f"{begin}\n{'A' * 100_000_000}\n{end}", gpg_keys=["-----BEGIN PGP PUBLIC KEY BLOCK-----"])
        is None
    )


def test_signatures_of_other_kinds_are_told_apart_and_not_valid() -> None:
    assert kind_of("-----BEGIN SIGNED MESSAGE-----\nAAAA\n") is Kind.OTHER
    assert verify(PAYLOAD, "-----BEGIN SIGNED MESSAGE-----\nAAAA\n-----END SIGNED MESSAGE-----\n") is None
    assert kind_of(sshsig.BEGIN) is Kind.SSH
    assert kind_of("-----BEGIN PGP SIGNATURE-----\n") is Kind.GPG


@needs_gpg
def test_what_gpg_signs_is_valid_under_the_given_keys_only(kari: GPGKey) -> None:
    signature = kari.sign(PAYLOAD)
    assert verify(PAYLOAD, signature, gpg_keys=[kari.public()]) == Signed(key=kari.fingerprint)
    assert verify(PAYLOAD + b" ", signature, gpg_keys=[kari.public()]) is None
    assert verify(PAYLOAD, signature) is None


@needs_gpg
def test_a_key_that_gpg_cannot_read_does_not_keep_out_the_others(kari: GPGKey) -> None:
    junk = kari.public().replace("\n\n", "\n\nAAAA", 1)
    with Verifier([junk, "ssh-ed25519 AAAA", kari.public()]) as verifier:
        assert verifier.verify(PAYLOAD, kari.sign(PAYLOAD)) == Signed(key=kari.fingerprint)
        assert verifier.verify(b"other", kari.sign(b"other")) == Signed(key=kari.fingerprint)


@needs_gpg
def test_a_commit_signed_with_gpg_is_valid(kari: GPGKey, repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNUPGHOME", str(kari.home))
    made = repo.git("commit-tree", f"-S{kari.fingerprint}", repo.git("mktree"), "-m", "Signed")
    signed = Store.open(repo.path).signature(CommitId(made))
    assert signed is not None
    assert verify(*signed, gpg_keys=[kari.public()]) == Signed(key=kari.fingerprint)


@needs_gpg
def test_a_subkey_signs_for_its_primary_key(kari: GPGKey) -> None:
    other = GPGKey.make(kari.home, "Ola <ola@example.org>", kind="rsa2048")
    gpg(kari.home, "--passphrase", "", "--quick-add-key", other.fingerprint, "ed25519", "sign")
    signature = other.sign(PAYLOAD)
    assert verify(PAYLOAD, signature, gpg_keys=[other.public()]) == Signed(key=other.fingerprint)
    assert fingerprint_of(other.public()) == other.fingerprint


@needs_gpg
def test_an_expired_key_signs_nothing(kari: GPGKey) -> None:
    then = ("--faked-system-time", "20200101T000000!")
    old = GPGKey.make(kari.home, "Old <old@example.org>", *then, until="2020-02-01")
    signature = old.sign(PAYLOAD, *then)
    assert verify(PAYLOAD, signature, gpg_keys=[old.public()]) is None


@needs_gpg
def test_a_revoked_key_signs_nothing(kari: GPGKey) -> None:
    key = GPGKey.make(kari.home, "Lost <lost@example.org>")
    signature, before = key.sign(PAYLOAD), key.public()
    assert verify(PAYLOAD, signature, gpg_keys=[before]) is not None
    assert verify(PAYLOAD, signature, gpg_keys=[key.revoke()]) is None


@needs_gpg
def test_an_openpgp_message_that_is_no_single_signature_is_not_given_to_gpg(
    kari: GPGKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = gpg(kari.home, "--local-user", kari.fingerprint, "--armor", "--sign", stdin=PAYLOAD)
    posed = whole.replace("PGP MESSAGE", "PGP SIGNATURE")
    twice = gpg(kari.home, "--enarmor", stdin=gpg_raw(kari, kari.sign(PAYLOAD)) * 2)
    twice = re.sub(r"^Comment: .*\n", "", twice, flags=re.M).replace("PGP ARMORED FILE", "PGP SIGNATURE")
    one, key = kari.sign(PAYLOAD), kari.public()
    (tmp_path / "gpg").write_text(f"#!/bin/sh\necho run >> {tmp_path}/runs\n")
    (tmp_path / "gpg").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert [verify(PAYLOAD, text, gpg_keys=[key]) for text in (posed, twice)] == [None, None]
    assert not (tmp_path / "runs").exists()
    assert verify(PAYLOAD, one, gpg_keys=[key]) is None
    assert (tmp_path / "runs").read_text() == "run\nrun\n"


def gpg_raw(key: GPGKey, armoured: str) -> bytes:
    command = ["gpg", "--homedir", str(key.home), "--batch", "--dearmor"]
    return subprocess.run(command, input=armoured.encode(), capture_output=True, check=True).stdout


@needs_gpg
def test_a_fingerprint_is_that_of_exactly_one_public_key(kari: GPGKey) -> None:
    public = kari.public()
    other = GPGKey.make(kari.home, "Two <two@example.org>")
    both = gpg(kari.home, "--armor", "--export", kari.fingerprint, other.fingerprint)
    private = gpg(kari.home, "--armor", "--passphrase", "", "--export-secret-keys", kari.fingerprint)
    assert fingerprint_of(f"\n{public}\n") == kari.fingerprint
    assert fingerprint_of(both) is None
    assert fingerprint_of(private) is None
    assert fingerprint_of(kari.sign(PAYLOAD)) is None
    assert fingerprint_of(public[: len(public) // 2]) is None


def test_without_gpg_an_openpgp_signature_is_not_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert not has_gpg()
    assert (
        verify(PAYLOAD, "-----BEGIN PGP SIGNATURE-----\n\niQ==\n-----END PGP SIGNATURE-----\n", gpg_keys=["x"]) is None
    )
