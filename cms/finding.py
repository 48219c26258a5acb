"""Findings: what is wrong, or worth knowing, about one place in the repository.

The one shape that ``cms check``, the log, ``/readyz`` and the answer to a push print: ``path:line:column: field: what is wrong (hint)``.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from cms.errors import CMSError


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing found.

    Attributes:
        message: what is wrong, for a writer.
        path: the file; empty when it is about the whole repository.
        line, column: 1-based; 0 when unknown.
        field: dotted name of the front-matter field.
        rule: a stable word for the kind of finding.
        hint: what to do.
        severity: ``error`` (the file is not served) or ``warning``.
    """

    message: str
    path: str = ""
    line: int = 0
    column: int = 0
    field: str = ""
    rule: str = ""
    hint: str = ""
    severity: str = "error"

    def __str__(self) -> str:
        place = ":".join([self.path or "repository", *(str(number) for number in (self.line, self.column) if number)])
        field = f"{self.field}: " if self.field else ""
        hint = f" ({self.hint})" if self.hint else ""
        return printable(f"{place}: {field}{self.message}{hint}")

    def at(self, path: str) -> "Finding":
        """The same finding in another file: findings are kept by blob, and one blob may stand at several paths."""
        return msgspec.structs.replace(self, path=path)


def printable(text: str) -> str:
    """*text* on one line and without control characters, which a file name may hold and a terminal would obey."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def finding_of(error: CMSError, *, path: str = "") -> Finding:
    """The finding that an error about content amounts to."""
    facts: Mapping[str, Any] = error.facts
    return Finding(
        message=str(error),
        path=str(facts.get("path") or path),
        line=int(facts.get("line") or 0),
        column=int(facts.get("column") or 0),
        field=str(facts.get("field") or facts.get("keyword") or ""),
        rule=str(facts.get("rule") or error.code),
        hint=str(facts.get("hint") or ""),
    )
