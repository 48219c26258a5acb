"""The rules that need more than one file: references, assets, unique values, keys, places.

Each says what is wrong with one entry, or with those that share one key, in one view; which ones are asked about is for the caller to say.
"""

import posixpath
from collections.abc import Iterable, Iterator

from cms.check.found import Found, found_in
from cms.check.view import View, is_link
from cms.entry import Entry
from cms.finding import Finding
from cms.guide import find_unknown_pins
from cms.overlay import Reader
from cms.people import check_people
from cms.postings import Key, asset_path, is_unique, meanings, unique_key, walk_values
from cms.refs import BlobId
from cms.schema import Field
from cms.settings import SETTINGS_FILE

SHOWN_LENGTH = 100
CONTENT_SUFFIXES = (".md", ".markdown", ".mdx")


def find_broken_links(view: View, entries: Iterable[Entry]) -> Iterator[Found]:
    """References that name no entry and fields that name no file (errors); references of visible entries to hidden ones (warnings)."""
    for entry in entries:
        collection = view.linking(entry)
        if collection is not None:
            for item, place, value in walk_values(entry, collection, is_link):
                if item.references:
                    finding = check_reference(view, value, item, is_hidden=entry.parsed.hidden)
                    if finding is not None:
                        yield found_in(entry, finding, place)
                if item.asset:
                    finding = check_asset(view, value, entry)
                    if finding is not None:
                        yield found_in(entry, finding, place)


def check_reference(view: View, value: object, item: Field, *, is_hidden: bool) -> Finding | None:
    """What is wrong with one reference of an entry that *is_hidden* or not."""
    standings = [view.standing(key) for key in meanings(value, item.references)]
    if any(standing.is_public for standing in standings):
        return None
    where = " or ".join(item.references)
    if not any(standing.is_there for standing in standings):
        draft = view.find_draft_of(value, item.references)
        if draft is not None:
            return Finding(
                message=f"there is no {_shown(value)} in {where} yet: only the draft {draft!r} has it",
                rule="reference",
                hint="publish that draft first, or bring both in one draft",
            )
        return Finding(
            message=f"there is no {_shown(value)} in {where}",
            rule="reference",
            hint=view.suggest(value, item.references) or "correct the reference, or add the entry",
        )
    if is_hidden:
        return None
    return Finding(
        message=f"{_shown(value)} is hidden, so readers do not see this reference",
        rule="reference-hidden",
        hint="publish that entry too, or remove the reference",
        severity="warning",
    )


def check_asset(view: View, value: object, entry: Entry) -> Finding | None:
    """What is wrong with one field that names a file: it is not there; with the path that was probably meant."""
    path = asset_path(value)
    if path is None or path in view.files:
        return None
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(entry.path), str(value)))
    near = view.files.find_alike(path) or (beside if beside in view.files else "")
    return Finding(
        message=f"there is no file {_shown(value)} in the repository",
        rule="asset",
        hint=f"did you mean {near!r}?" if near else "paths of files begin at the root of the repository",
    )


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_LENGTH else f"{text[: SHOWN_LENGTH - 1]}…"


def find_repeated(view: View, keys: Iterable[Key]) -> Iterator[Found]:
    """Values of unique fields that an entry before (by path) has too, in the same collection and locale."""
    for key in keys:
        owner, *others = view.values.get(key) or [""]
        for entry in view.entries_at(others):
            collection = view.model.collections[entry.collection]
            for item, place, value in walk_values(entry, collection, is_unique):
                if unique_key(entry, item, value) == key:
                    message = f"{_shown(value)} is already used by {owner}, and must be unique in {entry.collection}"
                    yield found_in(entry, Finding(message=message, rule="unique", hint="use another value"), place)


def find_shared_names(view: View, keys: Iterable[Key]) -> Iterator[Found]:
    """Files that claim the key of another one, which comes first by path and is served (errors), and slugs that look alike."""
    for key in keys:
        entries = view.entries_at(view.names.get(key))
        owners: dict[tuple[str, str], Entry] = {}
        alike: dict[str, Entry] = {}
        for entry in entries:
            owner = owners.setdefault((entry.slug, entry.locale), entry)
            if owner is not entry:
                yield found_in(entry, _shared_key(entry, owner))
            other = alike.setdefault(entry.locale, entry)
            if other.slug != entry.slug:
                yield found_in(entry, _similar_slug(entry, other))


def _shared_key(entry: Entry, owner: Entry) -> Finding:
    return Finding(
        message=f"{owner.path} is {entry.id} already, and is served instead of this file",
        rule="duplicate-entry",
        hint="give one of them another name, slug or locale",
    )


def _similar_slug(entry: Entry, other: Entry) -> Finding:
    """Slugs that differ in case or in the form of Unicode alone: both are served, but not every file system can hold both."""
    is_case = entry.slug.casefold() == other.slug.casefold()
    how = "upper and lower case" if is_case else "how Unicode writes its letters"
    return Finding(
        message=f"the slug {entry.slug!r} differs from {other.slug!r} ({other.path}) only in {how}",
        rule="similar-slug",
        hint="rename one of them: Windows and macOS keep only one",
        severity="warning",
    )


def find_strays(view: View, paths: Iterable[str]) -> Iterator[Found]:
    """Content files in the folder of a collection whose path fits none of its patterns."""
    model = view.model
    folders: dict[str, str] = {}
    for collection in model.collections.values():
        for pattern in collection.patterns:
            folder = pattern.prefix.rpartition("/")[0]
            if folder:
                folders.setdefault(f"{folder}/", collection.name)
    prefixes = tuple(folders)
    for path in paths:
        if path.startswith(prefixes) and path.endswith(CONTENT_SUFFIXES) and model.place(path) is None:
            if any(item.patterns[0].excludes(path) for item in model.collections.values()):
                continue
            near = max((prefix for prefix in prefixes if path.startswith(prefix)), key=len)
            patterns = " or ".join(pattern.text for pattern in model.collections[folders[near]].patterns)
            finding = Finding(
                message=f"the path fits no pattern of the collection {folders[near]!r}, so the file is not served",
                path=path,
                rule="stray-file",
                hint=f"x-path is {patterns}",
                severity="warning",
            )
            yield Found(finding=finding)


def find_written(view: View, reader: Reader) -> Iterator[Found]:
    """What is wrong with settings and schemas, and with people, roles and review rules, also because a collection that they name is gone."""
    for finding in view.model.findings:
        yield Found(finding=finding)
    blob = view.model.sources.get(SETTINGS_FILE)
    if blob is not None:
        for finding in check_people(reader.read_blob(BlobId(blob)), view.model.names):
            yield Found(finding=finding)


def find_read(view: View, paths: Iterable[str]) -> Iterator[Found]:
    """What was found in files themselves when they were read."""
    findings, files = view.snapshot.findings, view.snapshot.files
    for path in paths:
        entry = files.get(path)
        for finding in findings.get(path, ()):
            yield Found(finding=finding, entry=entry)


def find_pins(view: View) -> Iterator[Found]:
    """Best bets on entries that are not there."""
    for finding in find_unknown_pins(view.snapshot.guide, view):
        yield Found(finding=finding)
