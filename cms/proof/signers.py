"""Whose keys count: an allowed-signers file in Git's format (ssh-keygen(1)), or else the keys that ``cms.toml`` lists. Pure.

The file is what makes a proof independent of the repository: it came to the reader by another way. A principal in it stands for the
person with that e-mail address, or that id. A key whose principals are nobody's in ``cms.toml`` may be the server's.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from cms.errors import InvalidSettings
from cms.policy import Policy, comparable
from cms.signatures import parse_public_key

MAX_CHARACTERS = 4 << 20
_NAMESPACE = "git"
_WORD = re.compile(r'(?:[^\s"]|"[^"]*")+')
_OPTION = re.compile(r'([A-Za-z-]+)(?:="([^"]*)"|=([^,"]*))?(?:,|\Z)')
_TIME = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z?)")


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedKey:
    """One line: whose key it is, and in which time. ``principals`` are patterns as written."""

    line: int
    principals: tuple[str, ...]
    key: str
    valid_after: datetime | None = None
    valid_before: datetime | None = None

    def is_valid(self, at: datetime) -> bool:
        """Whether a signature made at this moment counts."""
        after, before = self.valid_after, self.valid_before
        return (after is None or at >= after) and (before is None or at <= before)

    def names(self, identity: str) -> bool:
        """Whether the principals stand for *identity*; a pattern that begins with ``!`` takes away what another gives."""
        found = False
        for pattern in self.principals:
            if _matches(pattern.removeprefix("!"), identity):
                if pattern.startswith("!"):
                    return False
                found = True
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedSigners:
    """A whole file. ``ignored`` says of each line without effect why."""

    keys: tuple[AllowedKey, ...] = ()
    ignored: tuple[str, ...] = ()

    def apply(self, policy: Policy) -> Policy:
        """The policy with everybody's keys from this file instead of from ``cms.toml``."""
        people = {
            id: replace(person, keys=tuple(dict.fromkeys(key.key for key in self.keys_of((id, *person.emails)))))
            for id, person in policy.people.items()
        }
        taken: set[str] = set()
        for id, person in people.items():  # of a key that two people are listed for nobody can tell whose it is
            shared = taken.intersection(person.keys)
            for other in people if shared else ():
                people[other] = replace(
                    people[other], keys=tuple(key for key in people[other].keys if key not in shared)
                )
            taken.update(people[id].keys)
        return replace(policy, people=people)

    def keys_of(self, identities: Sequence[str]) -> Sequence[AllowedKey]:
        """The lines that stand for one of *identities*: a person's id and e-mail addresses."""
        return [key for key in self.keys if any(key.names(identity) for identity in identities)]

    def find_server_keys(self, policy: Policy) -> frozenset[str]:
        """The keys that are nobody's: those that may be the server's."""
        everybody = [name for id, person in policy.people.items() for name in (id, *person.emails)]
        return frozenset(key.key for key in self.keys if not any(key.names(name) for name in everybody))

    def knows(self, key: str) -> bool:
        """Whether any line is about *key*."""
        return any(item.key == key for item in self.keys)

    def is_valid(self, key: str, at: datetime) -> bool:
        """Whether a signature by *key* at this moment counts, by any line for the key."""
        return any(item.key == key and item.is_valid(at) for item in self.keys)


def read_allowed_signers(text: str, *, path: str) -> AllowedSigners:
    """Read an allowed-signers file.

    Args:
        path: for messages.

    Raises:
        InvalidSettings: a line that cannot be read, or that names an authority for certificates. Facts: path, line, hint.
    """
    if len(text) > MAX_CHARACTERS:
        raise InvalidSettings(f"{path} is larger than {MAX_CHARACTERS >> 20} MiB", path=path)
    keys: list[AllowedKey] = []
    ignored: list[str] = []
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), 1):
        words = _WORD.findall(line)
        if not words or words[0].startswith("#"):
            continue
        reason = _read_line(keys, words, number, path)
        if reason:
            ignored.append(f"{path}:{number}: {reason}")
    return AllowedSigners(keys=tuple(keys), ignored=tuple(ignored))


def _read_line(keys: list[AllowedKey], words: Sequence[str], number: int, path: str) -> str:
    """Add the key of one line; returns why it has no effect, if so."""
    principals = tuple(name for name in words[0].strip('"').split(",") if name)
    options: Mapping[str, str] = {}
    rest = words[1:]
    if len(rest) >= 2 and not _is_key_type(rest[0]):
        options, rest = _read_options(rest[0], number, path), rest[1:]
    if not principals or len(rest) < 2:
        raise _wrong(path, number, "it is not 'principals [options] keytype key'")
    if "cert-authority" in options:
        raise _wrong(
            path,
            number,
            "cert-authority is not supported, since certificates in signatures are not checked",
            hint="list the keys of people themselves",
        )
    namespaces = options.get("namespaces")
    if namespaces is not None and not any(_matches(name.strip(), _NAMESPACE) for name in namespaces.split(",")):
        return f"it is not for signatures of Git (namespaces={namespaces})"
    after, before = (_read_time(options.get(name), number, path) for name in ("valid-after", "valid-before"))
    key = parse_public_key(" ".join(rest[:2]))
    if key is None:
        return f"its {rest[0]} key is damaged, or of a kind that cannot be checked here"
    found = AllowedKey(line=number, principals=principals, key=key, valid_after=after, valid_before=before)
    keys.append(found)
    return ""


def _is_key_type(word: str) -> bool:
    return word.startswith(("ssh-", "ecdsa-", "sk-", "webauthn-", "rsa-"))


def _read_options(text: str, number: int, path: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    place = 0
    while place < len(text):
        match = _OPTION.match(text, place)
        name = match[1].lower() if match else ""
        if (
            match is None
            or name not in ("cert-authority", "namespaces", "valid-after", "valid-before")
            or name in found
        ):
            raise _wrong(path, number, f"{text[place:][:40]!r} is no option, or stands there twice")
        if (name == "cert-authority") != (match[2] is None and match[3] is None):
            raise _wrong(
                path, number, f"the option {name} {'takes no' if name == 'cert-authority' else 'needs a'} value"
            )
        found[name] = match[2] if match[2] is not None else match[3] or ""
        place = match.end()
    return found


def _read_time(text: str | None, number: int, path: str) -> datetime | None:
    """A moment as OpenSSH writes it: in the time zone of this machine unless a Z follows."""
    if text is None:
        return None
    match = _TIME.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        parts = [int(part or 0) for part in match.groups()[:6]]
        local = datetime(parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], tzinfo=UTC)
        return local if match[7] else local.replace(tzinfo=None).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise _wrong(path, number, f"{text!r} is no moment; write it as 20261231 or 202612312359Z") from error


def _wrong(path: str, number: int, what: str, *, hint: str = "see ALLOWED SIGNERS in ssh-keygen(1)") -> InvalidSettings:
    return InvalidSettings(f"{path}:{number}: {what}", path=path, line=number, hint=hint)


def _matches(pattern: str, text: str) -> bool:
    """Match as OpenSSH does: ``*`` is any text, ``?`` one letter; case does not matter in e-mail addresses."""
    parts = (".*" if letter == "*" else "." if letter == "?" else re.escape(letter) for letter in comparable(pattern))
    return re.fullmatch("".join(parts), comparable(text), re.DOTALL) is not None
