"""Path patterns: which files belong to a collection, and what their path says of the entry.

A pattern such as ``content/{locale}/**/{date}-{slug}.md`` is written in a schema as ``x-path``; one that begins with ``!``, such as
``!content/**/README.md``, leaves files out again. See ``docs/schemas.md``.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import NamedTuple

from cms.errors import InvalidSchema

TOKEN = re.compile(r"\{(\w*)\}|\*\*/|\*|[^{}*]+|[{}]")
EXCLUSION = "!"
GLOB = re.compile(r"\*\*/|/\*\*\Z|\*|[^/*]+|/")
FOLDERS_LIMIT = 4
PARTS = {
    "slug": r"(?P<slug>[^/]+)",
    "date": r"(?P<date>\d{4}-\d{1,2}-\d{1,2})",
    "year": r"(?P<year>\d{4})",
    "month": r"(?P<month>\d{1,2})",
    "day": r"(?P<day>\d{1,2})",
}
BUNDLES = ("index", "_index")


class PathMatch(NamedTuple):
    """What a path says of its entry: slug, locale (``None``: the site's default) and date (``None``: it names none)."""

    slug: str
    locale: str | None
    day: date | None


@dataclass(frozen=True, slots=True)
class PathPattern:
    """One compiled ``x-path``; ``excluded`` fits the paths that the exclusions beside it leave out."""

    text: str
    expression: re.Pattern[str]
    locales: frozenset[str]
    prefix: str
    suffix: str
    is_simple: bool
    excluded: re.Pattern[str] | None = None

    def excludes(self, path: str) -> bool:
        """Whether an exclusion names *path*, whatever the pattern itself says of it."""
        return self.excluded is not None and self.excluded.fullmatch(path) is not None

    def match(self, path: str) -> PathMatch | None:
        """What *path* says, or ``None`` when it is not of this pattern or left out."""
        if not (path.startswith(self.prefix) and path.endswith(self.suffix)):
            return None
        if self.excluded is not None and self.excluded.fullmatch(path):
            return None
        if self.is_simple:
            slug = path[len(self.prefix) : -len(self.suffix) or None]
            return self._match_parts(slug, None, "", {}) if slug and "/" not in slug else None
        found = self.expression.fullmatch(path)
        if found is None:
            return None
        groups = found.groupdict()
        return self._match_parts(groups["slug"], groups.get("locale"), groups.get("folders"), groups)

    def _match_parts(
        self, slug: str, locale: str | None, folders: str | None, groups: Mapping[str, str | None]
    ) -> PathMatch:
        if locale is None and "." in slug:
            stem, _, tail = slug.rpartition(".")
            if stem and tail in self.locales:
                slug, locale = stem, tail
        day = _day(groups) if groups else None
        if day is None and slug[:4].isdigit():
            day = _leading_day(slug)
        if slug in BUNDLES and "folders" in groups:
            slug = (folders or "").strip("/") or "index"
        elif folders:
            slug = folders + slug
        return PathMatch(slug, locale, day)


def fill_pattern(pattern: PathPattern, slug: str, *, locale: str, is_default: bool, day: date | None) -> str | None:
    """The path at which a new entry goes; None when the pattern asks for something that nobody said, such as a folder or a day.

    Args:
        is_default: *locale* is the site's default, which a file need not name.
    """
    folders, _, name = slug.rpartition("/")
    text = pattern.text
    if "**/" in text:
        text = text.replace("**/", f"{folders}/" if folders else "", 1)
    elif folders:
        return None
    values = {"slug": name, "locale": locale}
    if day is not None:
        values |= {"date": day.isoformat(), "year": f"{day:%Y}", "month": f"{day:%m}", "day": f"{day:%d}"}
    if "{locale}" not in text and not is_default:
        values["slug"] = f"{name}.{locale}"
    if any(token[1] is not None and token[1] not in values for token in TOKEN.finditer(text)):
        return None
    path = TOKEN.sub(lambda token: token[0] if token[1] is None else values[token[1]], text)
    return path if "*" not in text and pattern.match(path) is not None else None


def compile_patterns(texts: Sequence[str], locales: Collection[str]) -> tuple[PathPattern, ...]:
    """Compile the patterns of one ``x-path``, in which those that begin with ``!`` leave out what the others find.

    Raises:
        InvalidSchema: as for :func:`compile_pattern`; an exclusion that can fit no file, or nothing but exclusions.
    """
    left_out = [_compile_exclusion(text) for text in texts if text.startswith(EXCLUSION)]
    excluded = re.compile("|".join(left_out), re.DOTALL) if left_out else None
    patterns = [compile_pattern(text, locales) for text in texts if not text.startswith(EXCLUSION)]
    if not patterns:
        raise InvalidSchema(f"x-path only leaves files out ({texts[0]}): it must hold a {{slug}} too", keyword="x-path")
    return tuple(replace(pattern, excluded=excluded) for pattern in patterns)


def _compile_exclusion(text: str) -> str:
    """The expression of one exclusion: ``*`` is anything within one part of the path, ``**`` any number of parts."""
    glob = text.removeprefix(EXCLUSION)
    if "{" in glob or "}" in glob:
        raise InvalidSchema(f"x-path {text!r}: an exclusion has no placeholders, only * and **", keyword="x-path")
    parts = glob.split("/")
    if parts[-1] == "" and len(parts) > 1:
        raise InvalidSchema(f"x-path {text!r} fits no file: write a whole folder as {text}**", keyword="x-path")
    if "\\" in glob or any(part in ("", ".", "..") for part in parts):
        raise InvalidSchema(f"x-path {text!r} fits no file: write folders as !a/b/*.md", keyword="x-path")
    if any("**" in part and part != "**" for part in parts) or parts.count("**") > FOLDERS_LIMIT:
        raise InvalidSchema(
            f"x-path {text!r}: '**' stands alone between slashes, at most {FOLDERS_LIMIT} times", keyword="x-path"
        )
    if glob == "**":
        return ".+"
    wild = {"**/": "(?:.*/)?", "/**": "/.+", "*": "[^/]*"}
    return "".join(wild.get(token[0]) or re.escape(token[0]) for token in GLOB.finditer(glob))


def compile_pattern(text: str, locales: Collection[str]) -> PathPattern:
    """Compile one ``x-path`` that is no exclusion.

    Args:
        text: the pattern, relative to the root of the repository, with ``/`` between folders.
        locales: the site's locales, the only values of ``{locale}`` and of a ``.nn`` suffix.

    Raises:
        InvalidSchema: no ``{slug}``, an unknown or repeated placeholder, or a path that leaves the repository.
    """
    if text.startswith("/") or ".." in text.split("/"):
        raise InvalidSchema(f"x-path {text!r} must be relative to the root of the repository", keyword="x-path")
    if "\\" in text or any(part in ("", ".") for part in text.split("/")):
        raise InvalidSchema(f"x-path {text!r} fits no file: write folders as a/b/{{slug}}.md", keyword="x-path")
    parts: list[str] = []
    seen: set[str] = set()
    alternatives = "|".join(sorted(map(re.escape, locales), key=len, reverse=True)) or r"(?!)"
    for token in TOKEN.finditer(text):
        name = token[1]
        if name is not None:
            if name in seen:
                raise InvalidSchema(f"x-path {text!r} names {{{name}}} twice", keyword="x-path")
            seen.add(name)
            if name != "locale" and name not in PARTS:
                known = ", ".join(f"{{{part}}}" for part in (*PARTS, "locale"))
                raise InvalidSchema(f"x-path {text!r}: {{{name}}} is not known; there are {known}", keyword="x-path")
            parts.append(f"(?P<locale>{alternatives})" if name == "locale" else PARTS[name])
        elif token[0] == "**/":
            if "**" in seen:
                raise InvalidSchema(f"x-path {text!r} may hold '**/' once", keyword="x-path")
            seen.add("**")
            parts.append(r"(?P<folders>(?:[^/]+/)*)")
        elif token[0] == "*":
            parts.append(r"[^/]*")
        elif token[0] in "{}":
            raise InvalidSchema(f"x-path {text!r} has a brace without a partner", keyword="x-path")
        else:
            parts.append(re.escape(token[0]))
    if "slug" not in seen:
        raise InvalidSchema(f"x-path {text!r} must hold {{slug}}", keyword="x-path")
    literal = re.match(r"[^{*]*", text)
    prefix = literal[0] if literal else ""
    suffix = re.split(r"[}*]", text)[-1]
    is_simple = text == f"{prefix}{{slug}}{suffix}" and "/" not in suffix
    return PathPattern(text, re.compile("".join(parts)), frozenset(locales), prefix, suffix, is_simple)


def _day(groups: Mapping[str, str | None]) -> date | None:
    try:
        if groups.get("date"):
            year, month, day = map(int, str(groups["date"]).split("-"))
            return date(year, month, day)
        if groups.get("year"):
            return date(int(groups["year"] or 0), int(groups.get("month") or 1), int(groups.get("day") or 1))
    except ValueError:
        return None
    return None


def _leading_day(slug: str) -> date | None:
    """The day that a slug begins with: blogs that repeat a slug on other days keep the day in it."""
    found = re.match(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[-_. ]|\Z)", slug)
    try:
        return date(*map(int, found.groups())) if found else None
    except ValueError:
        return None
