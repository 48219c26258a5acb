"""``cms diff``: what a release would change, readable in a terminal and by a screen reader: what was removed and added is marked, not only coloured."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated

import orjson
import typer
from rich.text import Text

from cms.api.diff import DRAFT, PUBLISHED, describe_diff, describe_meta, read_spec, side_of, split_moment
from cms.cli.content import JsonOption
from cms.cli.exits import Refused
from cms.cli.output import counted, out, print_json
from cms.cli.sites import BranchOption, SiteOption, open_site
from cms.cli.viewing import find_draft
from cms.delta import Change
from cms.delta.diff import Dangling, Diff, EntryDiff, FileDiff, ImageChange, Side, find_diff
from cms.finding import printable
from cms.refs import HEAD, short_name
from cms.site import Site, resolve_name
from cms.views import EVERYTHING
from cms.worddiff import TextDiff
from cms.workflow.differences import FieldChange

VALUE_SHOWN = 200
SENTENCES = {"created": "New", "updated": "Changed", "renamed": "Renamed", "deleted": "Gone"}
STYLES = {"removed": "red", "added": "green", "same": ""}
MARKS = {"removed": ("[-", "-]"), "added": ("{+", "+}"), "same": ("", "")}


def diff(
    first: Annotated[
        str,
        typer.Argument(metavar="FROM", help="What to compare with; without it what is published.", show_default=False),
    ] = "",
    second: Annotated[
        str,
        typer.Argument(
            metavar="TO",
            help="What to look at: draft:NAME, a branch, a tag, a commit, or published. Default: what is checked out.",
            show_default=False,
        ),
    ] = "",
    is_short: Annotated[bool, typer.Option("--stat", help="Print only how much there is of what.")] = False,
    site: SiteOption = None,
    branch: BranchOption = "",
    is_json: JsonOption = False,
) -> None:
    """Show what differs between two states of the content: by field and by word.

    Also which references would lead nowhere, and what the public API will
    answer differently. [-What is removed-] and {+what is added+} are marked.
    """
    opened, _ = open_site(site, branch)
    try:
        now = datetime.now(UTC)
        names = (first, second) if second else (PUBLISHED, first or find_checked_out(opened))
        old, new = (open_here(opened, name, now) for name in names)
        found = find_diff(old, new)
        if is_json:
            print_json(orjson.dumps({"data": describe_diff(found, old, new), "meta": describe_meta(found, old, new)}))
            return
        console = out()
        for line in () if is_short else tell_diff(found):
            console.print(line)
        console.print(summarise(found, *names))
    finally:
        opened.close()


def find_checked_out(site: Site) -> str:
    """The branch that a person works on.

    Raises:
        Refused: it is the published one.
    """
    name = site.store.head_ref() or HEAD
    if name == site.ref or site.store.resolve(name) is None:
        raise Refused(
            f"{short_name(name)} is what is published; say what to compare with it",
            hint="such as: cms diff draft:easter, or cms diff v1.0 published",
        )
    return short_name(name)


def open_here(site: Site, name: str, now: datetime) -> Side:
    """One of two states to compare, for somebody who has the whole repository.

    Raises:
        InvalidQuery: the name cannot be meant.
        DraftNotFound, RefNotFound: there is no such thing.
        MergeConflict: the draft and what is published changed the same.
    """
    if name.startswith(DRAFT):
        spec = read_spec(name, "draft")
        view = site.views.open_heads([find_draft(site.store, spec.draft)], now)
    elif name in (PUBLISHED, ""):
        view = site.views.open(read_spec(PUBLISHED, "from"), None, now)
    else:
        ref, moment = split_moment(name)
        commit = resolve_name(site.store, ref)
        spec = read_spec(f"{commit}@{moment}" if moment else commit, "from")
        view = site.views.open_state(spec, EVERYTHING, None, now)
    return side_of(view, name, query="", sees_all=True)


# -- as text -----------------------------------------------------------------------------------------------------------


def tell_diff(found: Diff) -> Iterator[Text]:
    """Everything that differs, a line at a time."""
    for entry in found.entries:
        yield from _tell_entry(entry)
    if found.files:
        yield Text("Files", style="bold")
        for file in found.files:
            yield from _tell_file(file)
        yield Text()
    if found.dangling:
        yield Text("References that would lead nowhere", style="bold")
        for item in found.dangling:
            yield _tell_dangling(item)
        yield Text()
    if found.collections:
        yield Text("Collections", style="bold")
        for each in found.collections:
            yield Text(printable(f"  {SENTENCES[each.change]}: {each.collection}"))
            for field in each.fields:
                yield Text("  ").append_text(_tell_field(field, None))
        yield Text()
    if found.answers:
        yield Text("What the public API will answer differently", style="bold")
        for change in found.answers:
            yield Text(printable(f"  {_answer(change)}"))
        yield Text()


def summarise(found: Diff, old: str, new: str) -> Text:
    """How much there is of what, in one sentence."""
    counts = found.counts
    entries = [f"{counts[f'entries_{change}']:,} {change}" for change in SENTENCES if counts.get(f"entries_{change}")]
    said = f"From {old} to {new}: {counted(counts.get('entries', 0), 'entry differs', 'entries differ')}"
    said += f" ({', '.join(entries)})" if entries else ""
    for name, one, many in (
        ("files", "other file", "other files"),
        ("dangling", "reference would lead nowhere", "references would lead nowhere"),
    ):
        if counts.get(name):
            said += f", {counted(counts[name], one, many)}"
    said += "."
    if found.is_too_large:
        said += " That is too large to show all of it."
    return Text(printable(said))


def _tell_entry(item: EntryDiff) -> Iterator[Text]:
    entry = item.entry
    title = f" “{entry.parsed.title}”" if entry.parsed.title else ""
    head = Text(printable(f"{SENTENCES[item.change]}: {entry.id}{title} ({entry.path})"), style="bold")
    yield head
    if item.change == "renamed" and item.before is not None:
        yield Text(printable(f"  from {item.before.id} ({item.before.path})"))
    if item.is_too_large:
        yield Text("  too large to compare")
    for each in item.fields:
        yield _tell_field(each, item.texts.get(each.field))
    if item.body is not None:
        yield from _tell_text(item.body)
    for image in item.images:
        yield _tell_image(image)
    yield Text()


def _tell_field(change: FieldChange, words: TextDiff | None) -> Text:
    line = Text(printable(f"  {change.field}: "))
    if words is not None and words.passages and not words.is_too_large:
        for passage in words.passages:
            line.append_text(_segments(passage.segments))
        return line
    if isinstance(change.before, list) and isinstance(change.after, list):
        return line.append_text(_tell_list(change.before, change.after))
    if change.before is not None:
        line.append_text(_marked("removed", _value(change.before)))
    if change.before is not None and change.after is not None:
        line.append(" ")
    if change.after is not None:
        line.append_text(_marked("added", _value(change.after)))
    return line


def _tell_list(before: Sequence[object], after: Sequence[object]) -> Text:
    """What came into a list and what went; the whole of both where only the order differs."""
    old, new = ([_value(item) for item in items] for items in (before, after))
    marked = [_marked("removed", item) for item in old if item not in new]
    marked += [_marked("added", item) for item in new if item not in old]
    same = sum(item in old for item in new)
    if not marked:
        return Text(" ").join([_marked("removed", ", ".join(old)), _marked("added", ", ".join(new))])
    told = Text(" ").join(marked)
    return told.append(f" ({same:,} the same)") if same else told


def _tell_text(text: TextDiff) -> Iterator[Text]:
    counts = f"{counted(text.removed, 'word')} removed, {text.added:,} added"
    yield Text(f"  text: {counts}{'; too large to show all of it' if text.is_too_large else ''}")
    for passage in text.passages:
        for number, line in enumerate(_segments(passage.segments).split("\n", allow_blank=True)):
            yield Text.assemble(f"    line {passage.line}: " if not number else "      ", line)


def _segments(segments: tuple[tuple[str, str], ...]) -> Text:
    text = Text()
    for kind, words in segments:
        text.append_text(_marked(kind, words))
    return text


def _marked(kind: str, words: str) -> Text:
    """*words* between marks, on every line of them: a line may be read, or cut off, alone."""
    before, after = MARKS[kind]
    text = Text()
    for number, line in enumerate(words.split("\n")):
        if number:
            text.append("\n")
        if line:
            text.append(f"{before}{printable(line)}{after}", style=STYLES[kind])
    return text


def _value(value: object) -> str:
    shown = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return shown if len(shown) <= VALUE_SHOWN else f"{shown[:VALUE_SHOWN]}…"


def _tell_image(image: ImageChange) -> Text:
    if image.before == image.after:
        return Text(printable(f"  {image.field}: the file {image.after} is another one"))
    line = Text(printable(f"  file of {image.field}: "))
    line.append_text(_marked("removed", image.before or ""))
    line.append(" " if image.before and image.after else "")
    return line.append_text(_marked("added", image.after or ""))


def _tell_file(item: FileDiff) -> Iterator[Text]:
    sizes = " → ".join("nothing" if size is None else f"{size:,} bytes" for size in (item.before, item.after))
    used = f", shown by {', '.join(item.used_by)}" if item.used_by else ""
    yield Text(printable(f"  {SENTENCES[item.change]}: {item.path} ({sizes}{used})"))
    if item.is_too_large:
        yield Text("    too large to show all of it")
    for line in item.lines:
        style = "red" if line.startswith("-") else "green" if line.startswith("+") else ""
        yield Text(f"    {printable(line)}", style=style)


def _tell_dangling(item: Dangling) -> Text:
    what = "there is no file" if item.kind == "file" else "there is no"
    now = f" (it is {item.now} now)" if item.now else ""
    return Text(printable(f"  {item.entry.id}: {item.field}: {what} {item.value!r}{now}"), style="yellow")


def _answer(change: Change) -> str:
    entry = change.entry
    address = f"/entries/{entry.collection}/{entry.slug}" + (f" ({entry.locale})" if entry.locale else "")
    names = ", ".join(change.fields)
    if change.change == "renamed" and change.before is not None:
        return f"{address}: was /entries/{change.before.collection}/{change.before.slug}, which leads there"
    return {
        "created": f"{address}: is new",
        "deleted": f"{address}: is gone",
        "updated": f"{address}: {names} differ{'s' if len(change.fields) == 1 else ''}",
        "affected": f"{address}: shows {', '.join(change.by)}",
    }[change.change]
