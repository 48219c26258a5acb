"""Names of refs and ids of objects: built, parsed and checked here and nowhere else.

A *ref* is a full name (``refs/heads/main``); short names exist only towards people.
"""

import re
from typing import NewType

from cms.errors import RefNotFound

CommitId = NewType("CommitId", str)
TreeId = NewType("TreeId", str)
BlobId = NewType("BlobId", str)

HEAD = "HEAD"
BRANCHES = "refs/heads/"
TAGS = "refs/tags/"
DRAFTS = "refs/heads/drafts/"
PUSH_LOG = "refs/cms/log"

_COMMIT_ID = re.compile(r"[0-9a-f]{40}")
# What git-check-ref-format(1) forbids anywhere in a name.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]|\.\.|@\{|//")


def is_commit_id(text: str) -> bool:
    """Say whether *text* is a whole commit id: 40 lower-case hexadecimal digits."""
    return _COMMIT_ID.fullmatch(text) is not None


def is_ref(text: str) -> bool:
    """Say whether *text* is a well-formed full ref name (git-check-ref-format), whether or not it exists."""
    if not text.startswith("refs/") or text.endswith(("/", ".")) or _FORBIDDEN.search(text):
        return False
    return not any(part.startswith(".") or part.endswith(".lock") for part in text.split("/"))


def branch_ref(name: str) -> str:
    """Return the ref of the branch *name* (``main``).

    Raises:
        RefNotFound: no branch can have this name.
    """
    if name == HEAD or name.startswith("-"):
        raise RefNotFound(f"{name!r} cannot be the name of a branch", ref=name)
    return _checked(BRANCHES, name)


def tag_ref(name: str) -> str:
    """Return the ref of the tag *name* (``v1.0``).

    Raises:
        RefNotFound: no tag can have this name.
    """
    return _checked(TAGS, name)


def draft_ref(name: str) -> str:
    """Return the ref of the draft *name*.

    Raises:
        RefNotFound: no draft can have this name.
    """
    return _checked(DRAFTS, name)


def short_name(ref: str) -> str:
    """Return what people call *ref*: ``main``, ``v1.0``, ``drafts/easter``; other refs keep their whole name."""
    for prefix in (BRANCHES, TAGS):
        if ref.startswith(prefix):
            return ref.removeprefix(prefix)
    return ref


def find_draft_name(ref: str) -> str | None:
    """Return the name of the draft that *ref* is, or None if it is something else."""
    return ref.removeprefix(DRAFTS) if ref.startswith(DRAFTS) else None


def _checked(prefix: str, name: str) -> str:
    ref = prefix + name
    if not name or name.startswith("/") or not is_ref(ref):
        raise RefNotFound(f"{name!r} is not a well-formed name (see git check-ref-format)", ref=name)
    return ref
