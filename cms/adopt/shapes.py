"""Shapes: the path patterns that fit the files of one folder, the specific first."""

import re
from collections.abc import Collection, Sequence
from datetime import date

from cms.adopt.leftout import MARKDOWN

Item = tuple[str, str]  # (path inside the folder, path from the root of the repository)
INDEXES = frozenset({"index", "_index"})
DATED = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})([-_. ])(.+)")
NUMBER = re.compile(r"\d{1,4}")
ENOUGH_DATED = 5


def dated_day(rel: str) -> date | None:
    """The day that a file's name, or the name of its leaf bundle, begins with."""
    return _day(_key(rel.split("/"))[1])


def general_pattern(pattern: str) -> str:
    """*pattern* with the day, and the folders named for a year or a month, as part of the slug."""
    found = re.search(r"(?:\*/)*(?:\{date\}|\{year\}/)", pattern)
    if found is None:
        return pattern
    head, tail = pattern[: found.start()], pattern[pattern.rindex("{slug}") :]
    folders = "**/" if "/" in found[0] and not head.endswith("**/") else ""
    return f"{head}{folders}{tail}"


def patterns_of(prefix: str, items: Sequence[Item], locales: Collection[str], *, folders: str = "") -> list[str]:
    """Patterns that fit all *items*.

    Args:
        prefix: the folder, as it stands in a pattern; empty or with a ``/`` behind.
        items: its files.
        locales: the site's locales, for ``index.nb.md``.
        folders: ``**``: any depth even if no file needs it; ``bundles``: never ``**/``, because the folders below are somebody else's.
    """
    shapes = [_dated_shape(rel, locales) for rel, _ in items]
    dated = {shape for shape in shapes if shape}
    count = sum(bool(shape) for shape in shapes)
    patterns: list[str] = []
    if count >= ENOUGH_DATED or count * 10 >= 3 * len(items):
        patterns = sorted(dated, key=lambda shape: ("**" in shape, -shape.count("/"), shape))
        rest = [rel for (rel, _), shape in zip(items, shapes, strict=True) if not shape]
    else:
        rest = [rel for rel, _ in items]
    if not rest and not prefix.endswith("_posts/"):
        rest = ["any.md"]  # tomorrow's file may carry no date
    general = {_general_shape(rel, locales, folders) for rel in rest}
    if any("**/" in shape for shape in general):
        general = {shape if "**/" in shape else f"**/{shape}" for shape in general}
    patterns += sorted(general, key=lambda shape: (-shape.count("/"), shape))
    return [prefix + pattern for pattern in dict.fromkeys(patterns)]


def _general_shape(rel: str, locales: Collection[str], folders: str) -> str:
    named = MARKDOWN.fullmatch(rel)
    extension = named["extension"] if named else ".md"
    if folders == "bundles":
        return f"{{slug}}/{_file_name(rel)}" if "/" in rel else f"{{slug}}{extension}"
    is_index = _stem(rel.rpartition("/")[2], locales) in INDEXES
    return f"**/{{slug}}{extension}" if folders or is_index or "/" in rel else f"{{slug}}{extension}"


def _dated_shape(rel: str, locales: Collection[str]) -> str:
    """A pattern for a file whose path holds a day; empty when it does not."""
    parents, key = _key(rel.split("/"))
    named = MARKDOWN.fullmatch(rel)
    extension = named["extension"] if named else ".md"
    is_bundle = _stem(rel.rpartition("/")[2], locales) in INDEXES and "/" in rel
    tail = f"/{_file_name(rel)}" if is_bundle else extension
    if _day(key) is not None:
        separator = DATED.fullmatch(key)
        lead = "*/" * len(parents) if all(NUMBER.fullmatch(part) for part in parents) else "**/"
        return f"{lead}{{date}}{separator[4] if separator else '-'}{{slug}}{tail}"
    if len(parents) == 3 and _day("-".join((*parents, "x"))) is not None:
        return f"{{year}}/{{month}}/{{day}}/{{slug}}{tail}"
    return ""


def _key(parts: Sequence[str]) -> tuple[Sequence[str], str]:
    """(folders, name that stands for the entry) of a path: the folder's name for a leaf bundle."""
    named = MARKDOWN.fullmatch(parts[-1])
    stem = named["stem"] if named else parts[-1]
    if len(parts) > 1 and stem.partition(".")[0] in INDEXES:
        return parts[:-2], parts[-2]
    return parts[:-1], stem


def _file_name(rel: str) -> str:
    """``index.md``, or ``index.{locale}.md`` for a variant, as it stands in a pattern."""
    name = rel.rpartition("/")[2]
    stem, *_ = name.split(".")
    return name if _stem(name, ()) == stem else f"{stem}.{{locale}}.{name.rpartition('.')[2]}"


def _stem(name: str, locales: Collection[str]) -> str:
    named = MARKDOWN.fullmatch(name)
    stem = named["stem"] if named else name
    base, _, tail = stem.rpartition(".")
    return base if base and tail in locales else stem


def _day(name: str) -> date | None:
    found = DATED.fullmatch(name)
    if found is None:
        return None
    try:
        return date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return None
