"""Path patterns: which files belong to a collection, and what their path says of the entry.

A pattern such as ``content/{locale}/**/{date}-{slug}.md`` is written in a schema as ``x-path``; see ``docs/schemas.md``.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

from cms.errors import InvalidSchema

TOKEN = re.compile(r"\{(\w*)\}|\*\*/|\*|[^{}*]+|[{}]")
PARTS = {
    "slug": r"(?P<slug>[^/]+)",
    "date": r"(?P<date>\d{4}-\d{1,2}-\d{1,2})",
    "year": r"(?P<year>\d{4})",
    "month": r"(?P<month>\d{1,2})",
    "day": r"(?P<day>\d{1,2})",
}
BUNDLES = ("index", "_index")


@dataclass(frozen=True, slots=True, kw_only=True)
class PathMatch:
    """What a path says of its entry: slug, locale (``None``: the site's default) and date (``None``: it names none)."""

    slug: str
    locale: str | None
    day: date | None


@dataclass(frozen=True, slots=True)
class PathPattern:
    """One compiled ``x-path``."""

    text: str
    expression: re.Pattern[str]
    locales: frozenset[str]
    prefix: str
    suffix: str

    def match(self, path: str) -> PathMatch | None:
        """What *path* says, or ``None`` when it is not of this pattern."""
        if not (path.startswith(self.prefix) and path.endswith(self.suffix)):
            return None
        found = self.expression.fullmatch(path)
        if found is None:
            return None
        groups = found.groupdict()
        slug, locale = groups["slug"], groups.get("locale")
        if locale is None:
            stem, _, tail = slug.rpartition(".")
            if stem and tail in self.locales:
                slug, locale = stem, tail
        folders = (groups.get("folders") or "").strip("/")
        if slug in BUNDLES and "folders" in groups:
            slug = folders or "index"
        elif folders:
            slug = f"{folders}/{slug}"
        return PathMatch(slug=slug, locale=locale, day=_day(groups))


def compile_pattern(text: str, locales: Collection[str]) -> PathPattern:
    """Compile one ``x-path``.

    Args:
        text: the pattern, relative to the root of the repository, with ``/`` between folders.
        locales: the site's locales, the only values of ``{locale}`` and of a ``.nn`` suffix.

    Raises:
        InvalidSchema: no ``{slug}``, an unknown or repeated placeholder, or a path that leaves the repository.
    """
    if text.startswith("/") or ".." in text.split("/"):
        raise InvalidSchema(f"x-path {text!r} must be relative to the root of the repository", keyword="x-path")
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
    return PathPattern(text, re.compile("".join(parts)), frozenset(locales), prefix, re.split(r"[}*]", text)[-1])


def _day(groups: dict[str, str | None]) -> date | None:
    try:
        if groups.get("date"):
            year, month, day = map(int, str(groups["date"]).split("-"))
            return date(year, month, day)
        if groups.get("year"):
            return date(int(groups["year"] or 0), int(groups.get("month") or 1), int(groups.get("day") or 1))
    except ValueError:
        return None
    return None
