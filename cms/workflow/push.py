"""A push that waits for its answer, and the answer. What is answered, and why, is decided in ``pushes``."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cms.permissions import Principal
from cms.refs import CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What a push wants of one ref: to move it from *old* to *new*; None where it does not exist, or shall not any more."""

    ref: str
    old: CommitId | None
    new: CommitId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """A push whose objects were received and checked by Git, and which nothing refers to yet.

    Attributes:
        by: who pushes.
        commands: in the order that the client gave; no ref twice.
        quarantine: the folder of its objects; None when it brought none, as a push that only deletes does.
        options: what the client gave with ``--push-option``.
    """

    by: Principal
    commands: tuple[Command, ...]
    quarantine: Path | None = None
    options: tuple[str, ...] = ()


def nothing() -> None:
    """The default for what has not to be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the person at the other end is told, and whether the push is carried out: all of it or nothing.

    Attributes:
        lines: for a person's terminal, in order.
        begin: called when the push is accepted and its refs are about to move; what it raises (CMSError) refuses the push after all.
        end: called once when Git is done with the push, also when it came to nothing: the refs tell.
    """

    accepted: bool
    lines: tuple[str, ...] = ()
    begin: Callable[[], None] = nothing
    end: Callable[[], None] = nothing


Validator = Callable[[Push], Answer]
