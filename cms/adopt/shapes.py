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


def extension_of(rel: str) -> str:
    """The ending of a Markdown file, as it is written."""
    named = MARKDOWN.fullmatch(rel)
    return named["extension"] if named else ".md"


def dated_day(rel: str) -> date | None:
    """The day that a file's name, or the name of its leaf bundle, begins with."""
    return _day(_key(rel.split("/"))[1])


def without_days(patterns: Sequence[str]) -> list[str]:
    """*patterns* with the day, and the folders named for a year or a month, as part of the slug."""
    general = list(dict.fromkeys(map(_without_day, patterns)))
    return [pattern for pattern in general if "**/" in pattern or pattern.replace("{slug}", "**/{slug}") not in general]


def _without_day(pattern: str) -> str:
    found = re.search(r"(?:\*/)*(?:\{date\}|\{year\}/)", pattern)
    if found is None:
        return pattern
    head, tail = pattern[: found.start()], pattern[pattern.rindex("{slug}") :]
    folders = "**/" if "/" in found[0] and not head.endswith("**/") else ""
    return f"{head}{folders}{tail}"


def patterns_of(prefix: str, items: Sequence[Item], locales: Collection[str], *, is_shared: bool = False) -> list[str]:
    """Patterns that fit all *items*, and what is likely to be put beside them.

    Args:
        prefix: the folder, as it stands in a pattern; empty or with a ``/`` behind.
        items: its files.
        locales: the site's locales, for ``index.nb.md``.
        is_shared: the folders below are collections of their own, so ``**/`` would reach too far.
    """
    shapes = [_dated_shape(rel, locales) for rel, _ in items]
    dated = {shape for shape in shapes if shape}
    count = sum(bool(shape) for shape in shapes)
    patterns: list[str] = []
    rest = [rel for rel, _ in items]
    if count >= ENOUGH_DATED or count * 10 >= 3 * len(items):
        patterns = sorted(dated, key=lambda shape: ("**" in shape, -shape.count("/"), shape))
        rest = [rel for (rel, _), shape in zip(items, shapes, strict=True) if not shape]
    if not rest and not prefix.endswith("_posts/"):
        rest = ["any.md"]  # tomorrow's file may carry no date
    if is_shared:
        general = {_shared_shape(rel) for rel in (*rest, *(["any.md"] if prefix else []))}
    else:
        is_flat = all("/" not in rel and _stem(rel, locales) not in INDEXES for rel in rest)
        may_grow = not prefix.rstrip("/").rpartition("/")[2].startswith("_")
        general = {f"{'' if is_flat and not may_grow else '**/'}{{slug}}{extension_of(rel)}" for rel in rest}
    patterns += sorted(general, key=lambda shape: (-shape.count("/"), not shape.startswith("_"), shape))
    return [prefix + pattern for pattern in dict.fromkeys(patterns)]


def _shared_shape(rel: str) -> str:
    if "/" in rel:
        return f"{{slug}}/{_file_name(rel)}"
    return f"_{{slug}}{extension_of(rel)}" if rel.startswith("_index.") else f"{{slug}}{extension_of(rel)}"


def _dated_shape(rel: str, locales: Collection[str]) -> str:
    """A pattern for a file whose path holds a day; empty when it does not."""
    parents, key = _key(rel.split("/"))
    is_bundle = _stem(rel.rpartition("/")[2], locales) in INDEXES and "/" in rel
    tail = f"/{_file_name(rel)}" if is_bundle else extension_of(rel)
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
