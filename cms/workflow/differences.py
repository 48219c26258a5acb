"""What a draft would change: by field, and the text by line. Bounded, since drafts come from strangers."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cms.errors import CMSError
from cms.frontmatter import read
from cms.overlay import Reader
from cms.refs import BlobId
from cms.worddiff import TextDiff, compare_words
from cms.workflow.outcome import DraftState

BYTES_MOST = 512 * 1024
LINES_MOST = 4_000
PRINTED_MOST = 2_000
CONTEXT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """A field of the front matter with its values before and after; ``None`` for none."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """A file that a draft changes.

    Attributes:
        body: the text as a unified diff, or that of the whole file where it has no front matter.
        is_too_large: the text was not compared, or not all of it is shown.
        words: the same by word; None where the texts are the same, or too large.
    """

    path: str
    change: str
    fields: tuple[FieldChange, ...]
    body: tuple[str, ...]
    is_too_large: bool = False
    words: TextDiff | None = None


def find_differences(state: DraftState, reader: Reader) -> list[FileChange]:
    """What publishing the draft would change, by path.

    Raises:
        RepositoryProblem: a file cannot be read.
    """
    changes, contents = state.merge.changes, state.merge.contents
    paths = sorted(changes)
    published = dict(zip(paths, reader.find_blobs(state.published, paths), strict=True))

    def load(blob: BlobId | None) -> bytes | None:
        if blob is None:
            return None
        return contents[blob] if blob in contents else reader.read_blob(blob)

    return [compare_files(path, load(published[path]), load(changes[path])) for path in paths]


def compare_files(path: str, before: bytes | None, after: bytes | None) -> FileChange:
    """What differs between two versions of one file; ``None``: there was none."""
    change = "added" if before is None else "deleted" if after is None else "changed"
    if max(len(before or b""), len(after or b"")) > BYTES_MOST:
        return FileChange(path=path, change=change, fields=(), body=(), is_too_large=True)
    old_fields, old_text = split_file(before)
    new_fields, new_text = split_file(after)
    fields = compare_fields(old_fields, new_fields)
    body, is_too_large = compare_text(old_text, new_text)
    words = compare_words(old_text, new_text) if body else None
    return FileChange(path=path, change=change, fields=fields, body=body, is_too_large=is_too_large, words=words)


def compare_fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[FieldChange, ...]:
    """The fields whose values differ, in the order of the front matter."""
    names = [*before, *(name for name in after if name not in before)]
    return tuple(
        FieldChange(field=name, before=before.get(name), after=after.get(name))
        for name in names
        if before.get(name) != after.get(name)
    )


def split_file(source: bytes | None) -> tuple[Mapping[str, Any], str]:
    """The front matter of a file and its text; all of a file that has none is text, and bytes that are no text are nothing."""
    if source is None:
        return {}, ""
    try:
        document = read(source)
    except CMSError:
        return {}, "" if b"\0" in source else source.decode("utf-8", "replace")
    return document.values, document.body


def compare_text(before: str, after: str) -> tuple[tuple[str, ...], bool]:
    """(a unified diff by line, whether that is not all)."""
    if before == after:
        return (), False
    old, new = before.splitlines(), after.splitlines()
    if len(old) + len(new) > LINES_MOST:
        return (), True
    lines = list(difflib.unified_diff(old, new, n=CONTEXT, lineterm=""))[2:]
    return tuple(lines[:PRINTED_MOST]), len(lines) > PRINTED_MOST
