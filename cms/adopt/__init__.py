"""Adoption: a content model for a repository that never had one.

Looks at the Markdown files of a Jekyll, Hugo, Docusaurus, Zola, Eleventy, Astro or MkDocs site, or of plain folders, and writes
``cms.toml`` and ``schemas/`` that accept what is there. Pure: files come in as bytes, texts go out. The same files give the same texts.

Not here: reading Git (``store``), and deciding whether the texts are kept or only used in memory (the command line).
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cms.adopt.files import BlockList, write_schema, write_settings
from cms.adopt.generator import Hints, is_config, kind_of_site, read_hints
from cms.adopt.inference import (
    Guess,
    Surroundings,
    find_date,
    find_order,
    find_title,
    heading_as_title,
    infer_field,
    is_dated,
    is_name,
    required_fields,
)
from cms.adopt.languages import COMMON, elect, is_norwegian
from cms.adopt.layout import Layout, Plan, lay_out
from cms.adopt.leftout import is_markdown
from cms.adopt.remarks import Glance, fields_notes, look, other_markup, texts_notes
from cms.adopt.shapes import dated_day
from cms.adopt.tally import Tally, tally_documents
from cms.adopt.words import humanize, label_of
from cms.entry import RESERVED
from cms.errors import InvalidFrontMatter
from cms.finding import Finding, finding_of
from cms.frontmatter import Document, read

__all__ = ["Adoption", "CollectionSummary", "adopt", "is_config", "is_markdown", "kind_of_site"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionSummary:
    """One line of the report: a collection, its path patterns, how many files they find, and how many of those could not be read."""

    name: str
    title: str
    patterns: tuple[str, ...]
    count: int
    unparsed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """Everything there is to write and to say.

    Attributes:
        settings_toml: text of ``cms.toml``.
        schemas: file name inside ``schemas/`` to its text.
        collections: in the order of their schema files.
        unparsed: files whose front matter could not be read, and why; they belong to a collection all the same.
        notes: what a person should know or look at, a sentence each.
        generator: what the repository was made for; ``plain`` when nothing tells.
    """

    settings_toml: str
    schemas: Mapping[str, str]
    collections: tuple[CollectionSummary, ...]
    unparsed: tuple[Finding, ...]
    notes: tuple[str, ...]
    generator: str


def adopt(
    files: Iterable[tuple[str, bytes]],
    *,
    others: Iterable[str] = (),
    configs: Mapping[str, bytes] | None = None,
    name: str = "",
    branch: str = "",
) -> Adoption:
    """Infer settings and schemas.

    Args:
        files: every Markdown file (``is_markdown``) of one commit: path and bytes. Read once, bodies are not kept.
        others: the paths of all other files.
        configs: configuration files of site generators (``is_config``) with their bytes.
        name: of the repository, for the title when no configuration gives one.
        branch: short name of the branch to publish; empty leaves it open.
    """
    documents, glances, unparsed = _read_all(files)
    other_paths = frozenset(others)
    hints = read_hints(configs or {}, {*documents, *other_paths})
    parsed = {path: document for path, document in documents.items() if document is not None}
    layout = lay_out(
        documents,
        hints,
        dated={path for path, document in parsed.items() if is_dated(document.values)},
        fronted={path for path, document in documents.items() if document is None or document.format != "none"},
    )
    default, locales = _locales(layout, hints, {path: glance.language for path, glance in glances.items()}, parsed)
    notes = _layout_notes(layout, default) + _other_notes(other_paths)
    slugs = {plan.name: {found.slug for found in plan.matches.values()} for plan in layout.plans}
    schemas: dict[str, str] = {}
    summaries = []
    for plan in layout.plans:
        readable = sum(path in parsed for path in plan.matches)
        around = Surroundings(collection=plan.name, files=readable, locales=locales, slugs=slugs, assets=other_paths)
        seen = {path: glances[path] for path in plan.matches if path in glances}
        schemas[f"{plan.name}.yaml"], said = _schema(plan, parsed, around, hints, seen)
        notes += said + texts_notes(plan.name, seen)
        summaries.append(_summary(plan, readable))
    covered = {path for plan in layout.plans for path in plan.matches}
    return Adoption(
        settings_toml=_settings(hints, name, branch, default, locales),
        schemas=schemas,
        collections=tuple(summaries),
        unparsed=tuple(finding for finding in unparsed if finding.path in covered),
        notes=tuple(notes),
        generator=hints.generator,
    )


def _summary(plan: Plan, readable: int) -> CollectionSummary:
    count = len(plan.matches)
    return CollectionSummary(
        name=plan.name, title=plan.title, patterns=plan.patterns, count=count, unparsed=count - readable
    )


def _read_all(
    files: Iterable[tuple[str, bytes]],
) -> tuple[dict[str, Document | None], dict[str, Glance], list[Finding]]:
    """(front matter by path, what its text is like by path, what could not be read)."""
    documents: dict[str, Document | None] = {}
    glances: dict[str, Glance] = {}
    unparsed = []
    for path, source in sorted(files):
        try:
            document = read(source)
        except InvalidFrontMatter as error:
            documents[path] = None
            unparsed.append(finding_of(error, path=path))
            continue
        glances[path] = look(document.body)
        documents[path] = Document(
            format=document.format, values=document.values, body="", body_line=document.body_line, block=document.block
        )
    return documents, glances, unparsed


def _locales(
    layout: Layout, hints: Hints, votes: Mapping[str, str | None], parsed: Mapping[str, Document]
) -> tuple[str, list[str]]:
    """(default locale, all locales, the default first)."""
    counts = Counter(layout.locales)
    matches = [(plan.name, path, found) for plan in layout.plans for path, found in plan.matches.items()]
    named = {(name, found.slug, found.locale) for name, _, found in matches if found.locale}
    unnamed = [(name, path, found.slug) for name, path, found in matches if not found.locale]
    spoken = elect(votes.get(path) for _, path, _ in unnamed) or elect(votes.values()) or _spelled(votes)
    largest = (
        min(counts, key=lambda locale: (-counts[locale], locale != "en", locale)) if any(counts.values()) else None
    )
    many_named = len(named) > len(unnamed)
    guesses = [hints.default_locale, largest if many_named else spoken, spoken, largest, "en", "nb", *sorted(COMMON)]
    default = next(
        (guess for guess in guesses if guess and not any((name, slug, guess) in named for name, _, slug in unnamed)),
        "en",
    )
    written = {value for document in parsed.values() if isinstance(value := document.values.get("locale"), str)}
    fields = [locale for locale in sorted(written) if _is_tag(locale)]
    order = sorted(counts, key=lambda locale: (-counts[locale], locale))
    return default, list(dict.fromkeys([default, *order, *fields]))


def _spelled(paths: Iterable[str]) -> str | None:
    """Norwegian, when a file name is spelled so and no text is long enough to tell."""
    return "nb" if any(letter in path.casefold() for path in paths for letter in "æøå") else None


def _is_tag(text: str) -> bool:
    head, *rest = text.split("-")
    return (
        2 <= len(head) <= 3
        and head.isascii()
        and head.islower()
        and all(2 <= len(part) <= 8 and part.isalnum() for part in rest)
    )


def _settings(hints: Hints, name: str, branch: str, default: str, locales: Sequence[str]) -> str:
    zone = "Europe/Oslo" if is_norwegian(default) else "UTC"
    site: dict[str, str | Sequence[str]] = {
        "title": hints.title or humanize(name.removesuffix(".git")) or "Untitled site"
    }
    if hints.url:
        site["url"] = hints.url
    if hints.description:
        site["description"] = hints.description
    site |= {"locales": locales, "default_locale": default, "time_zone": zone}
    if branch:
        site["branch"] = branch
    return write_settings(
        site, comments={"time_zone": "of dates that name none", "branch": "published" if branch else ""}
    )


def _schema(
    plan: Plan, parsed: Mapping[str, Document], around: Surroundings, hints: Hints, glances: Mapping[str, Glance]
) -> tuple[str, list[str]]:
    """(text of the schema file, notes)."""
    every = tally_documents([parsed[path] for path in plan.matches if path in parsed])
    fields = {name: tally for name, tally in every.items() if is_name(name)}
    guesses = {name: infer_field(name, tally, around) for name, tally in fields.items()}
    properties = {name: guess.schema for name, guess in guesses.items()}
    title = find_title(fields, around.files, around.slugs[plan.name])
    if (
        title is None
        and "title" not in fields
        and sum(glance.is_headed for glance in glances.values()) * 2 > len(glances)
    ):
        guesses["title"] = heading_as_title(around)
        properties = {"title": guesses["title"].schema, **properties}
        title = "title"
    is_dated_by_path = any(found.day is not None or dated_day(path) for path, found in plan.matches.items())
    date = find_date(fields, properties, files=len(plan.matches) + 1 if is_dated_by_path else around.files)
    required = required_fields(fields, around.files)
    root: dict[str, Any] = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": plan.title,
        "x-label": label_of(plan.name, around.locales),
        "x-path": plan.patterns[0] if len(plan.patterns) == 1 else BlockList(plan.patterns),
    }
    if title:
        root["x-title"] = title
    if date:
        root["x-date"] = date
    root["x-sort"] = _sort(fields, plan, around.files, title=title, date=date)
    root |= {"x-body": "markdown", "type": "object"}
    if required:
        root["required"] = required
    root["additionalProperties"] = True
    count = len(plan.matches)
    origin = "" if hints.generator == "plain" else f" of {kind_of_site(hints.generator)}"
    head = [f"Inferred from {count} file{'s' if count != 1 else ''}{origin}; change it as you like."]
    text = write_schema(root, properties, head=head, comments={name: guess.comments for name, guess in guesses.items()})
    strange = [
        f"{plan.name}: {name[:40]!r}… is no name of a field, perhaps a stray colon"
        for name in every
        if name not in fields
    ]
    said = _field_notes(plan, guesses, title=title, date=date) + fields_notes(plan.name, fields, hints.generator)
    return text, said + strange


def _sort(fields: Mapping[str, Tally], plan: Plan, files: int, *, title: str | None, date: str | None) -> str:
    dated_paths = sum(dated_day(path) is not None or found.day is not None for path, found in plan.matches.items())
    is_journal = dated_paths * 2 > len(plan.matches) or (date is not None and fields[date].filled * 2 > files)
    if is_journal:
        return "-published_at"
    return find_order(fields, files) or title or "slug"


def _field_notes(plan: Plan, guesses: Mapping[str, Guess], *, title: str | None, date: str | None) -> list[str]:
    notes = [f"{plan.name}: {note}" for guess in guesses.values() for note in guess.notes]
    notes += [
        f"{plan.name}: the field '{name}' is shown as '{name}_', because the API has a field of its own by that name"
        for name in guesses
        if name in RESERVED
    ]
    if guesses and title is None:
        notes.append(f"{plan.name}: no field names an entry; set x-title if there is one")
    if date is not None and "format" not in guesses[date].schema and date not in ("date", "published_at"):
        notes.append(f"{plan.name}: the date of an entry stands inside '{date}'")
    return notes


def _layout_notes(layout: Layout, default: str) -> list[str]:
    notes = []
    reasons: dict[str, list[str]] = {}
    for path, reason in layout.left_out.items():
        reasons.setdefault(reason, []).append(path)
    for reason, paths in sorted(reasons.items()):
        notes.append(f"left out, because it {reason}: {_list(paths)}")
    for plan in layout.plans:
        keys: dict[tuple[str, str], list[str]] = {}
        for path, found in plan.matches.items():
            keys.setdefault((found.slug, found.locale or default), []).append(path)
        folded: dict[tuple[str, str], set[str]] = {}
        for (slug, locale), paths in keys.items():
            folded.setdefault((slug.casefold(), locale), set()).add(slug)
            if len(paths) > 1:
                notes.append(
                    f"{plan.name}: {_list(paths)} have the same slug '{slug}', so only one of them can be served"
                )
        for slugs in folded.values():
            if len(slugs) > 1:
                notes.append(f"{plan.name}: the slugs {_list(sorted(slugs))} differ only in case; both are served")
    return notes


def _other_notes(paths: Iterable[str]) -> list[str]:
    other = other_markup(paths)
    return [f"not served, because it is not Markdown: {_list(other)}"] if other else []


def _list(values: Sequence[str], limit: int = 5) -> str:
    return ", ".join(values[:limit]) + (f" and {len(values) - limit} more" if len(values) > limit else "")
