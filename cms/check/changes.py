"""What a change makes wrong: in the files that it touches, and elsewhere.

Costs in proportion to the change and its effects. Only when settings or schemas make other entries of the same files everything is looked
at, by the new model.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import chain

import msgspec

from cms.check.found import Found, Identity, tell
from cms.check.rules import (
    find_broken_links,
    find_pins,
    find_read,
    find_repeated,
    find_shared_names,
    find_strays,
    find_written,
)
from cms.check.view import FindDraft, View
from cms.entry import Entry
from cms.finding import Finding
from cms.model import ContentModel
from cms.objects import Change
from cms.overlay import Reader
from cms.postings import ASSETS, NAMES, REFERENCES, VALUES, all_entries, postings_of
from cms.settings import SETTINGS_FILE
from cms.snapshot import Snapshot

#: So many of the files that a change harms elsewhere are named for each cause; the rest is counted.
NAMED_LIMIT = 20


def check_changes(
    before: Snapshot, after: Snapshot, reader: Reader, *, find_draft: FindDraft | None = None
) -> list[Finding]:
    """What is wrong or odd in *after* because of what differs from *before*, ordered by path and line.

    That is everything about the changed files, and about other files what was not wrong before. Of more than ``NAMED_LIMIT`` other files
    that one cause harms the first are named, and their number is told at the cause.

    Args:
        before: the published snapshot; what is worked out from it is kept there for the next time.
        reader: reads both commits.
        find_draft: tells in which other draft an entry is that is referred to and not there.

    Raises:
        RepositoryProblem: a tree cannot be read.
    """
    changes = reader.diff(before.commit.id, after.commit.id)
    changed = {change.path for change in changes}
    cause_of: Callable[[str], str | None]
    if after.model.reads_like(before.model):
        effect = _Effect(before, after, reader, changes, find_draft)
        found, known, cause_of = effect.find(), effect.known(), effect.causes.get
    else:
        found = find_all(View(after, reader, find_draft), reader)
        known = {item.identity for item in find_all(View(before, reader, suggests=False), reader)}
        cause_of = _schema_at_fault(after.model, changed)
    kept = [item for item in found if item.path in changed or item.identity not in known]
    return tell(_abridged(kept, changed, cause_of), reader)


def find_all(view: View, reader: Reader) -> Iterator[Found]:
    """Everything wrong or odd in one view."""
    snapshot = view.snapshot
    yield from find_written(view, reader)
    yield from find_read(view, sorted(snapshot.findings))
    yield from find_broken_links(view, sorted(all_entries(snapshot), key=lambda entry: entry.path))
    yield from find_repeated(view, view.values.shared())
    yield from find_shared_names(view, view.names.shared())
    yield from find_strays(view, (file.path for file in reader.list_files(snapshot.commit.id)))
    yield from find_pins(view)


class _Effect:
    """What a change that leaves the content model alone does."""

    def __init__(
        self,
        before: Snapshot,
        after: Snapshot,
        reader: Reader,
        changes: Sequence[Change],
        find_draft: FindDraft | None,
    ) -> None:
        self._reader = reader
        self._is_written_anew = before.model.sources != after.model.sources
        self._paths = sorted(change.path for change in changes)
        self._present = [change.path for change in changes if change.new is not None]
        self._removed = [entry for path in self._paths if (entry := before.find(path)) is not None]
        self._added = [entry for path in self._paths if (entry := after.find(path)) is not None]
        for kind in (NAMES, VALUES):
            if kind.name not in after.derived:
                after.derived[kind.name] = postings_of(before, kind).advance(self._removed, self._added)
        self._before = View(before, reader, suggests=False)
        self._after = View(after, reader, find_draft)
        touched = [*self._removed, *self._added]
        self._names = sorted(self._before.names.keys_of(touched))
        self._values = sorted(self._before.values.keys_of(touched))
        self._moved = _find_moved(changes, self._removed, self._added)
        #: Path of an entry that is not changed, and may be harmed, to the changed file that is the cause.
        self.causes = self._find_causes([change.path for change in changes if change.new is None])
        self._harmed = self._after.entries_at(sorted(self.causes))

    def _find_causes(self, gone: Sequence[str]) -> Mapping[str, str]:
        causes: dict[str, str] = {}
        for entry in (*self._removed, *self._added):
            key = (entry.collection, entry.slug)
            new = self._after.standing(key)
            if not new.is_public and new != self._before.standing(key):
                for path in postings_of(self._before.snapshot, REFERENCES).get(key):
                    causes.setdefault(path, entry.path)
        for asset in gone:
            for path in postings_of(self._before.snapshot, ASSETS).get(("", asset)):
                causes.setdefault(path, asset)
        for path in self._paths:
            causes.pop(path, None)
        return causes

    def find(self) -> Iterator[Found]:
        """Everything about the changed files, and all that can be wrong elsewhere because of them, now or before."""
        return chain(
            self._find_written(self._after),
            find_read(self._after, self._paths),
            find_strays(self._after, self._present),
            find_broken_links(self._after, self._added),
            (self._explained(item) for item in find_broken_links(self._after, self._harmed)),
            self._find_shared(self._after),
        )

    def known(self) -> set[Identity]:
        """What of that elsewhere was wrong before."""
        return {
            item.identity
            for item in chain(
                self._find_written(self._before),
                find_broken_links(self._before, self._harmed),
                self._find_shared(self._before),
            )
        }

    def _find_written(self, view: View) -> Iterator[Found]:
        return find_written(view, self._reader) if self._is_written_anew else iter(())

    def _find_shared(self, view: View) -> Iterator[Found]:
        return chain(find_repeated(view, self._values), find_shared_names(view, self._names), find_pins(view))

    def _explained(self, item: Found) -> Found:
        """*item*, which is about a file that is not changed, with what the change has to do with it."""
        cause = self.causes.get(item.path, "")
        if item.finding.severity != "error" or not cause:
            return item
        now = self._moved.get(cause)
        what = f"it is {now!r} now" if now else f"{cause} is removed here: keep it, or"
        hint = f"{what}: change this reference too" if now else f"{what} change this reference too"
        return replace(item, finding=msgspec.structs.replace(item.finding, hint=hint))


def _find_moved(changes: Iterable[Change], removed: Iterable[Entry], added: Iterable[Entry]) -> Mapping[str, str]:
    """Path of what is gone to what it is called now: the slug of an entry, the path of another file."""
    files = {change.new: change.path for change in changes if change.old is None and change.new is not None}
    moved = {change.path: files[change.old] for change in changes if change.new is None and change.old in files}
    by_path = {entry.path: entry for entry in added}
    for entry in removed:
        now = by_path.get(moved.get(entry.path, entry.path))
        if now is not None and now.collection == entry.collection and now.slug != entry.slug:
            moved[entry.path] = now.slug
    return moved


def _schema_at_fault(model: ContentModel, changed: AbstractSet[str]) -> Callable[[str], str | None]:
    """The file of the content model that is to blame for what is wrong with the entry at some path."""
    sources = [path for path in model.sources if path in changed]

    def cause_of(path: str) -> str | None:
        place = model.place(path)
        if place is not None and place[0].path in changed:
            return place[0].path
        return SETTINGS_FILE if SETTINGS_FILE in changed else next(iter(sources), None)

    return cause_of


def _abridged(
    found: Iterable[Found], changed: AbstractSet[str], cause_of: Callable[[str], str | None]
) -> Iterator[Found]:
    """*found*; of many other files that one cause harms only the first, and their number at the cause."""
    groups: dict[tuple[str, str], dict[str, list[Found]]] = {}
    for item in found:
        cause = None if item.path in changed else cause_of(item.path)
        if cause is None:
            yield item
        else:
            groups.setdefault((cause, item.finding.severity), {}).setdefault(item.path, []).append(item)
    for (cause, severity), paths in groups.items():
        for path in sorted(paths)[:NAMED_LIMIT]:
            yield from paths[path]
        if len(paths) > NAMED_LIMIT:
            finding = Finding(
                message=f"{len(paths):,} other files do not fit this change; the first {NAMED_LIMIT} of them are named",
                path=cause,
                rule="consequences",
                hint="keep what they need, or change them too",
                severity=severity,
            )
            yield Found(finding=finding)
