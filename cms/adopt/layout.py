"""Layout: which collections the Markdown files of a repository form, and the path patterns that find them.

Folders are collections, except those that only hold collections (``content/``, ``src/``) and those named for a locale. The patterns
of different collections are kept apart, so that it hardly matters in which order they are tried.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from cms.adopt.generator import Hints
from cms.adopt.languages import COMMON, is_locale
from cms.adopt.leftout import MARKDOWN, Reason, as_pattern, exactly, find_reason
from cms.adopt.shapes import INDEXES, Item, dated_day, extension_of, patterns_of, without_days
from cms.adopt.words import humanize
from cms.paths import PathMatch, PathPattern, compile_pattern, compile_patterns

CONTAINERS = frozenset({"content", "contents", "src", "source", "site", "website", "web", "www", "app", "innhold"})
MANY_FOLDERS = 24
SMALL_FOLDER = 8
SPLIT_FROM = 10
I18N = re.compile(
    r"(?P<root>(?:[^/]+/)?)i18n/(?P<locale>[^/]+)/docusaurus-plugin-content-(?P<plugin>docs|blog|pages)(?P<id>-[^/]+)?/"
    r"(?P<version>current/|version-[^/]+/)?(?P<rest>.+)"
)
LETTERS = str.maketrans({"æ": "ae", "ø": "o", "å": "a", "Æ": "ae", "Ø": "o", "Å": "a", "ß": "ss", "þ": "th", "ð": "d"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One collection to be: its name, its path patterns (the specific first), and what they say of each file."""

    name: str
    title: str
    patterns: tuple[str, ...]
    matches: Mapping[str, PathMatch]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """All collections of a repository.

    Attributes:
        plans: in the order in which their schemas are tried.
        locales: every locale that a folder or a file name stands for, with the number of its files.
        left_out: files that no pattern covers, and why.
    """

    plans: tuple[Plan, ...]
    locales: Mapping[str, int]
    left_out: Mapping[str, str]


@dataclass(slots=True)
class Draft:
    """A collection in the making."""

    name: str
    title: str
    patterns: list[str]
    items: list[Item] = field(default_factory=list)


def lay_out(paths: Iterable[str], hints: Hints, *, dated: Collection[str], fronted: Collection[str]) -> Layout:
    """Sort files into collections.

    Args:
        paths: every Markdown file.
        hints: what is known of the generator.
        dated: those whose front matter holds a date.
        fronted: those that have front matter.
    """
    every = sorted(paths)
    left_out = _left_out(every, hints)
    content = [path for path in every if path not in left_out]
    left_out |= _loose_files(content, fronted)
    content = [path for path in content if path not in left_out]
    planner = Planner(hints=hints, dated=dated, locales=_suffix_locales(content, hints))
    drafts = _name_apart(planner.plan(content), planner.locales)
    for draft in drafts:
        draft.patterns += _exclusions(draft, left_out, planner.locales)
    compiled = {draft.name: compile_patterns(draft.patterns, planner.locales) for draft in drafts}
    order = sorted(drafts, key=lambda draft: f"{draft.name}.yaml")
    matches: dict[str, dict[str, PathMatch]] = {draft.name: {} for draft in order}
    for path in every:
        for draft in order:
            found = _first(compiled[draft.name], path)
            if found is not None:
                matches[draft.name][path] = found
                break
        else:
            left_out.setdefault(path, Reason("fits no pattern", exactly(path)))
    covered = {path for found in matches.values() for path in found}
    counts = Counter(found.locale for group in matches.values() for found in group.values() if found.locale)
    return Layout(
        plans=tuple(
            Plan(name=draft.name, title=draft.title, patterns=tuple(draft.patterns), matches=matches[draft.name])
            for draft in order
            if matches[draft.name]
        ),
        locales={locale: counts[locale] for locale in sorted(planner.locales)},
        left_out={path: reason.text for path, reason in sorted(left_out.items()) if path not in covered},
    )


def _left_out(paths: Sequence[str], hints: Hints) -> dict[str, Reason]:
    found = {path: reason for path in paths if (reason := find_reason(path, hints)) is not None}
    if len(found) == len(paths):
        return {path: reason for path, reason in found.items() if reason.is_sure}
    return found


def _exclusions(draft: Draft, left_out: Mapping[str, Reason], locales: Collection[str]) -> list[str]:
    """The patterns that leave out again what is no content but fits a pattern of *draft*."""
    patterns = compile_patterns(draft.patterns, locales)
    return sorted({reason.exclusion for path, reason in left_out.items() if _first(patterns, path) is not None})


def slug_of_name(name: str) -> str:
    """*name* as the name of a collection: lower case, ASCII, words joined by hyphens."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", name).translate(LETTERS))
    slug = re.sub(r"[^a-z0-9_]+", "-", plain.encode("ascii", "ignore").decode().lower()).strip("-_")
    return slug[:100].rstrip("-_") or "collection"


def _first(patterns: Sequence[PathPattern], path: str) -> PathMatch | None:
    return next((found for pattern in patterns if (found := pattern.match(path)) is not None), None)


def _loose_files(paths: Sequence[str], fronted: Collection[str]) -> dict[str, Reason]:
    """Files without front matter that only stand by: at the root of a site whose entries have it, or a README in a folder of its own."""
    loose = {}
    deep = [path for path in paths if "/" in path]
    if deep and sum(path in fronted for path in deep) >= 0.8 * len(deep):
        loose = {
            path: Reason("has no front matter and is outside the content", exactly(path))
            for path in paths
            if "/" not in path and path not in fronted
        }
    folders: dict[str, list[str]] = {}
    for path in deep:
        folders.setdefault(path.partition("/")[0], []).append(path)
    for group in folders.values():
        if all(path not in fronted and path.rpartition("/")[2].casefold().startswith("readme.") for path in group):
            loose |= {path: Reason("speaks of the repository", exactly(path)) for path in group}
    return loose


def _suffix_locales(paths: Sequence[str], hints: Hints) -> set[str]:
    """The locales of ``<slug>.<locale>.md``: known to the configuration, or beside a file that differs only in that."""
    bases: dict[str, set[str]] = {}
    for path in paths:
        stem, tail = _split_locale(path)
        bases.setdefault(stem, set()).add(tail)
    found = {tail for tails in bases.values() for tail in tails if tail and (len(tails) > 1 or tail in hints.locales)}
    return found | set(hints.locales)


def _split_locale(path: str) -> tuple[str, str]:
    named = MARKDOWN.fullmatch(path)
    stem = named["stem"] if named else path
    base, _, tail = stem.rpartition(".")
    return (base, tail) if base and not base.endswith("/") and is_locale(tail) else (stem, "")


def _name_apart(drafts: Sequence[Draft], locales: Collection[str]) -> list[Draft]:
    """Join drafts of the same name where no two of their entries would get the same slug; number the others."""
    named: dict[str, Draft] = {}
    for draft in drafts:
        _drop_dates_that_collide(draft, locales)
        name, number = draft.name, 1
        while (other := named.get(name)) is not None:
            joined = Draft(name, other.title, [*other.patterns, *draft.patterns], [*other.items, *draft.items])
            if not _collide(joined, locales) or _collide(draft, locales) or _collide(other, locales):
                named[name] = joined
                break
            number += 1
            name = f"{draft.name}-{number}"
        else:
            named[name] = Draft(name, draft.title, draft.patterns, draft.items)
    return list(named.values())


def _drop_dates_that_collide(draft: Draft, locales: Collection[str]) -> None:
    """Two posts of different days may share a slug once the day is taken off; then it has to stay on."""
    if any("{date}" in pattern or "{day}" in pattern or "/*/" in pattern for pattern in draft.patterns) and _collide(
        draft, locales
    ):
        draft.patterns = without_days(draft.patterns)


def _collide(draft: Draft, locales: Collection[str]) -> bool:
    patterns = [compile_pattern(text, locales) for text in draft.patterns]
    keys = [(found.slug, found.locale) for _, path in draft.items if (found := _first(patterns, path)) is not None]
    return len(keys) != len(set(keys))


PlanBelow = Callable[[str, Sequence[Item]], list[Draft]]


@dataclass(slots=True, kw_only=True)
class Planner:
    """Walks the folders; ``locales`` grows while it does."""

    hints: Hints
    dated: Collection[str]
    locales: set[str]

    def plan(self, paths: Sequence[str]) -> list[Draft]:
        """The drafts of all collections; the same name may come more than once."""
        translated = [(path, found) for path in paths if (found := I18N.fullmatch(path)) and is_locale(found["locale"])]
        taken = {path for path, _ in translated}
        drafts = self._container("", [(path, path) for path in paths if path not in taken])
        groups: dict[tuple[str, str], list[Item]] = {}
        for path, found in translated:
            self.locales.add(found["locale"])
            name = (found["id"] or "").removeprefix("-") or found["plugin"]
            version = found["version"] or ""
            prefix = f"{found['root']}i18n/{{locale}}/docusaurus-plugin-content-{found['plugin']}{found['id'] or ''}/"
            if version == "current/":
                prefix, rest = prefix + version, found["rest"]
            else:
                name, rest = (f"versioned_{name}" if version else name), version + found["rest"]
            groups.setdefault((name, prefix), []).append((rest, path))
        for (name, prefix), items in sorted(groups.items()):
            drafts.append(Draft(slug_of_name(name), humanize(name), patterns_of(prefix, items, self.locales), items))
        return drafts

    def _container(self, prefix: str, items: Sequence[Item]) -> list[Draft]:
        """A folder whose folders are collections, and whose own files are pages or posts."""
        drafts, items = self._localized(prefix, items, self._container)
        direct, groups = self._split(items)
        sizes = [len(group) for group in groups.values()]
        if len(groups) > MANY_FOLDERS and median(sizes) <= SMALL_FOLDER:
            patterns = [f"{prefix}**/{{slug}}{ending}" for ending in sorted({extension_of(path) for _, path in items})]
            return [*drafts, Draft("pages", "Pages", patterns, list(items))]
        for name, group in sorted(groups.items()):
            below = f"{prefix}{as_pattern(name)}/"
            if self._is_container(prefix, name, group):
                drafts += self._container(below, group)
            else:
                drafts += self._collection(name, below, group)
        if direct:
            dated = sum(path in self.dated or dated_day(rel) is not None for rel, path in direct)
            name = "posts" if prefix and dated * 2 > len(direct) else "pages"
            alone = bool(prefix) and not groups
            patterns = patterns_of(prefix, direct, self.locales, is_shared=not alone)
            drafts.append(Draft(name, humanize(name), patterns, direct))
        return drafts

    def _collection(self, name: str, prefix: str, items: Sequence[Item]) -> list[Draft]:
        drafts, items = self._localized(
            prefix, items, lambda below, group: [self._draft(name, below, group)] if group else []
        )
        direct, groups = self._split(items)
        flat = all("/" not in rel for rel, _ in direct) and not any(_is_index(rel) for rel, _ in direct)
        split = [
            seg for seg, group in groups.items() if flat and not seg.isdigit() and _count_dated(group) >= SPLIT_FROM
        ]
        is_split = bool(split) and _count_dated(direct) >= SPLIT_FROM and len(split) == len(groups)
        if is_split:
            drafts += [self._draft(seg, f"{prefix}{as_pattern(seg)}/", groups[seg]) for seg in sorted(split)]
            items = direct
        return [*drafts, self._draft(name, prefix, items, is_shared=is_split)] if items else drafts

    def _draft(self, name: str, prefix: str, items: Sequence[Item], *, is_shared: bool = False) -> Draft:
        patterns = patterns_of(prefix, items, self.locales, is_shared=is_shared)
        return Draft(slug_of_name(name), humanize(name), patterns, list(items))

    def _localized(self, prefix: str, items: Sequence[Item], plan: PlanBelow) -> tuple[list[Draft], list[Item]]:
        """What stands in folders named for locales, planned as one folder; and the rest."""
        folders = set() if "{locale}" in prefix else self._locale_folders(prefix, items)
        if not folders:
            return [], list(items)
        self.locales |= folders
        inside = [
            (rel.partition("/")[2], path) for rel, path in items if "/" in rel and rel.partition("/")[0] in folders
        ]
        rest = [(rel, path) for rel, path in items if "/" not in rel or rel.partition("/")[0] not in folders]
        return plan(f"{prefix}{{locale}}/", inside), rest

    def _locale_folders(self, prefix: str, items: Sequence[Item]) -> set[str]:
        below: dict[str, set[str]] = {}
        for rel, _ in items:
            if "/" in rel:
                folder, _, rest = rel.partition("/")
                below.setdefault(folder, set()).add(rest)
        candidates = {folder for folder in below if is_locale(folder)}
        if len(candidates) > 1:
            common = Counter(rest for folder in candidates for rest in below[folder])
            if max(common.values()) > 1 or len(candidates) >= 0.6 * len(below):
                return candidates
        if len(candidates) == 1:
            (only,) = candidates
            here = {rel for rel, _ in items}
            if only in COMMON and (
                (len(below) == 1 and prefix and len(here) == len(below[only]))
                or len(below[only] & here) * 2 > len(below[only])
            ):
                return candidates
        return candidates & set(self.hints.locales)

    def _split(self, items: Sequence[Item]) -> tuple[list[Item], dict[str, list[Item]]]:
        """Files of this folder (leaf bundles among them), and what stands in each folder below."""
        direct = [item for item in items if "/" not in item[0]]
        groups: dict[str, list[Item]] = {}
        for rel, path in items:
            if "/" in rel:
                folder, _, rest = rel.partition("/")
                groups.setdefault(folder, []).append((rest, path))
        for folder in list(groups):
            if all(_is_index(rest) and "/" not in rest for rest, _ in groups[folder]):
                direct += [(f"{folder}/{rest}", path) for rest, path in groups.pop(folder)]
        return direct, groups

    def _is_container(self, prefix: str, name: str, items: Sequence[Item]) -> bool:
        if self.hints.generator == "mdbook":
            return False
        parents = [part for part in prefix.split("/") if part and part != "{locale}"]
        below = f"{prefix}{name}/"
        return (
            (name in CONTAINERS and all(part in CONTAINERS for part in parents))
            or self.hints.root.startswith(below)
            or (name != "_posts" and any(rel.startswith("_posts/") for rel, _ in items))
        )


def _is_index(rel: str) -> bool:
    return _split_locale(rel)[0].rpartition("/")[2] in INDEXES


def _count_dated(items: Sequence[Item]) -> int:
    return sum(dated_day(rel) is not None for rel, _ in items)
