"""Verbs that change what a draft holds: start, write, delete, rename, close.

Each is one commit on the draft, judged before the draft moves there: what a push would be refused for is refused here too.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cms.dates import parse_day
from cms.edit import REMOVED, new_entry, set_fields
from cms.edit.references import rewrite_references
from cms.entry import RESERVED, Entry
from cms.errors import Conflict, EntryNotFound, Forbidden, InvalidContent, InvalidQuery, RefMoved, RefNotFound
from cms.frontmatter import read
from cms.model import ContentModel
from cms.params import find_collection
from cms.paths import fill_pattern
from cms.permissions import Principal, Target, allows, require
from cms.pushlog import Move
from cms.refs import BlobId, CommitId, draft_ref
from cms.schema import Collection
from cms.snapshot import Snapshot
from cms.workflow.actions import Action, refuse_unless
from cms.workflow.flow import ATTEMPTS, Draft, Workflow, no_draft, require_head
from cms.workflow.outcome import DraftState
from cms.workflow.room import require_room
from cms.workflow.views import draft_snapshot

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
CLOSED = "refs/cms/closed/"
UNCHANGED = "unchanged"
Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryName:
    """Which entry a verb is about. An empty locale stands for the site's default; a path says where a new file goes."""

    collection: str
    slug: str
    locale: str = ""
    path: str = ""

    def __str__(self) -> str:
        return f"{self.collection}/{self.slug}{f' ({self.locale})' if self.locale else ''}"


def start_draft(flow: Workflow, who: Principal, name: str, *, now: datetime) -> DraftState:
    """Begin a draft where the published branch is now.

    Raises:
        Forbidden: *who* may not begin drafts.
        InvalidQuery: no draft can have this name.
        Conflict: the name is taken.
    """
    require("draft.create", who, flow.policy(), Target(owner=who.person))
    check_name(name)
    ref = draft_ref(name)
    require_room(flow, who.person, name)
    flow.record(who, "start", [Move(ref, None, flow.published())], now=now)
    return flow.state(name, now)


def check_name(name: str) -> None:
    """Refuse what cannot be the name of a draft.

    Raises:
        InvalidQuery: says what a name looks like.
    """
    try:
        draft_ref(name)
        is_well_formed = NAME.fullmatch(name) is not None
    except RefNotFound:
        is_well_formed = False
    if not is_well_formed:
        raise InvalidQuery(
            f"{name[:110]!r} cannot be the name of a draft: use up to 100 letters (a to z), digits, '.', '_' and '-', "
            "beginning with a letter or digit",
            parameter="name",
        )


def write_entry(
    flow: Workflow,
    who: Principal,
    name: str,
    entry: EntryName,
    fields: Values,
    *,
    body: str | None = None,
    replace: bool = False,
    expected: CommitId | None = None,
    message: str = "",
    now: datetime,
) -> DraftState:
    """Write fields and body of one entry of a draft; only the bytes of what changes are touched.

    Args:
        fields: new values; ``REMOVED`` takes a field away.
        body: the new Markdown; None leaves it.
        replace: fields that are not named go away.
        expected: the head that the caller decided on.

    Raises:
        DraftNotFound, Forbidden, StaleRequest, Conflict: as for every verb.
        InvalidContent: the entry would break its schema, or something that refers to it; facts: findings.
    """

    def edit(snapshot: Snapshot) -> tuple[dict[str, bytes | None], str]:
        collection = find_collection(snapshot.model, entry.collection)
        known = find_file(snapshot, entry)
        if known is None:
            wanted = {key: value for key, value in fields.items() if value is not REMOVED}
            path = entry.path or place_entry(snapshot.model, collection, entry, fields)
            require_place(flow, snapshot, entry, path, fields)
            return {path: new_entry(wanted, body or "")}, f"Add {entry}"
        source = flow.store.read_blob(BlobId(known.blob))
        # What is typed comes back as it was shown: a field that nobody changed keeps its spelling.
        shown = known.parsed.fields
        changes: dict[str | tuple[str, ...], Any] = {
            key: value
            for key, value in fields.items()
            if value is REMOVED or value != shown.get(f"{key}_" if key in RESERVED else key, REMOVED)
        }
        if replace:
            changes |= {key: REMOVED for key in read(source).values if key not in fields}
        return {known.path: set_fields(source, changes, body=body)}, f"Change {entry}"

    return _change(flow, who, "write", Action.WRITE, name, edit, expected=expected, message=message, now=now)


def delete_entry(
    flow: Workflow,
    who: Principal,
    name: str,
    entry: EntryName,
    *,
    expected: CommitId | None = None,
    message: str = "",
    now: datetime,
) -> DraftState:
    """Take an entry out of the draft's tree; publishing the draft withdraws it.

    Raises:
        EntryNotFound: the draft has no such entry.
        InvalidContent: something refers to it; facts: findings.
    """

    def edit(snapshot: Snapshot) -> tuple[dict[str, bytes | None], str]:
        return {require_file(snapshot, entry).path: None}, f"Delete {entry}"

    return _change(flow, who, "delete", Action.DELETE, name, edit, expected=expected, message=message, now=now)


def rename_entry(
    flow: Workflow,
    who: Principal,
    name: str,
    entry: EntryName,
    slug: str,
    *,
    expected: CommitId | None = None,
    message: str = "",
    now: datetime,
) -> DraftState:
    """Give an entry another slug, in every locale it has (or in the one that is named), and rewrite the references to it.

    Raises:
        EntryNotFound: the draft has no such entry.
        Conflict: the new slug is taken.
    """

    def edit(snapshot: Snapshot) -> tuple[dict[str, bytes | None], str]:
        return rename_files(flow, snapshot, entry, slug), f"Rename {entry} to {slug}"

    return _change(flow, who, "rename", Action.RENAME, name, edit, expected=expected, message=message, now=now)


def rename_files(flow: Workflow, snapshot: Snapshot, entry: EntryName, slug: str) -> dict[str, bytes | None]:
    """What changes when *entry* gets another *slug*: files move, and those that refer to it name the new one."""
    collection = find_collection(snapshot.model, entry.collection)
    names = {(file.collection, file.slug) for file in snapshot.files.values()}
    files = [
        file
        for file in snapshot.files.values()
        if (file.collection, file.slug) == (entry.collection, entry.slug) and entry.locale in ("", file.locale)
    ]
    if not files:
        raise EntryNotFound(f"{entry.collection} has no entry {entry.slug!r} in this draft")
    if (entry.collection, slug) in names:
        raise Conflict(f"{entry.collection} has an entry {slug!r} already; choose another slug")
    contents = {file.path: flow.store.read_blob(BlobId(file.blob)) for file in files}
    moves = {file.path: move_path(file, slug) for file in files if move_path(file, slug) not in snapshot.files}
    for file in files:
        contents[file.path] = _renamed(file, contents[file.path], moves.get(file.path, file.path), collection, slug)
    names = (names - {(entry.collection, entry.slug)}) | {(entry.collection, slug)}
    for file in snapshot.files.values():
        referring = snapshot.model.collections[file.collection]
        if file.path in contents or any(entry.collection in item.references for item in referring.walk_fields()):
            source = contents.get(file.path) or flow.store.read_blob(BlobId(file.blob))
            changed = rewrite_references(
                source,
                {(entry.collection, entry.slug): slug},
                referring,
                exists=lambda name, wanted: (name, wanted) in names,
                path=file.path,
                moves=moves,
            )
            if changed != source or file.path in contents:
                contents[file.path] = changed
    changes: dict[str, bytes | None] = dict.fromkeys(moves)
    return changes | {moves.get(path, path): source for path, source in contents.items()}


def _renamed(file: Entry, source: bytes, target: str, collection: Collection, slug: str) -> bytes:
    """The bytes of *file* at its new place.

    Raises:
        Conflict: there it would not have the new slug.
    """
    if file.parsed.slug is not None:
        changes: dict[str | tuple[str, ...], Any] = {"slug": slug}
        if (
            target == file.path and "aliases" in collection.fields
        ):  # nothing else would lead from the old address to the new one
            changes["aliases"] = [*file.parsed.fields.get("aliases", ()), file.slug]
        return set_fields(source, changes)
    match = collection.match(target)
    if match is None or match.slug != slug:
        raise Conflict(f"{file.path} cannot be renamed to {slug!r}: {target} would not be in {collection.name}")
    return source


def move_path(file: Entry, slug: str) -> str:
    """Where *file* goes when its slug becomes *slug*: the last place in its path where the old one stands."""
    head, found, tail = file.path.rpartition(file.slug)
    return f"{head}{slug}{tail}" if found else file.path


def close_draft(
    flow: Workflow, who: Principal, name: str, *, reason: str = "", expected: CommitId | None = None, now: datetime
) -> CommitId:
    """Give a draft up. Its commits are kept under ``refs/cms/closed/``, so that it can be begun again from there.

    Returns:
        Its last head.
    """
    draft = flow.find_for(who, "draft.delete", Action.CLOSE, name, expected=expected, reason=reason, now=now)
    keep = f"{CLOSED}{name}/{draft.head}"
    moves = [Move(draft.ref, draft.head, None)]
    if flow.store.resolve(keep) is None:
        flow.writer.move_ref(keep, old=None, new=draft.head, message=f"closed by {who.person}")
    flow.record(who, "close", moves, note=reason, now=now)
    return draft.head


# -- one commit on a draft ---------------------------------------------------------------------------------------------


def _change(
    flow: Workflow,
    who: Principal,
    act: str,
    action: Action,
    name: str,
    edit: Any,
    *,
    expected: CommitId | None,
    message: str,
    now: datetime,
) -> DraftState:
    """Commit on the draft what *edit* makes of it; again when somebody was faster and the caller did not name a head."""
    for attempt in range(ATTEMPTS):
        draft = find_to_write(flow, who, action, name, expected=expected, now=now)
        files, subject = edit(draft_snapshot(flow, draft.head))
        require(
            write_permission(who, draft),
            who,
            draft.policy,
            Target(
                paths=tuple(files),
                collections=_collections(flow, files),
                owner=flow.target_of(draft.state, who).owner,
                writers=draft.state.writers,
            ),
        )
        try:
            commit_files(flow, who, draft, files, act=act, message=message or subject, now=now)
            return flow.state(name, now)
        except RefMoved:
            if attempt == ATTEMPTS - 1 or expected is not None:
                raise
    raise AssertionError("unreachable")


def _collections(flow: Workflow, files: Mapping[str, object]) -> dict[str, str]:
    places = {path: flow.snapshot().model.place(path) for path in files}
    return {path: place[0].name for path, place in places.items() if place is not None}


def find_to_write(
    flow: Workflow, who: Principal, action: Action, name: str, *, expected: CommitId | None, now: datetime
) -> Draft:
    """The draft, for *who* to change it: their own, or somebody else's.

    Raises:
        DraftNotFound, Forbidden, StaleRequest, Conflict: as for every verb.
    """
    draft = flow.look(who, name, now)
    whole = flow.target_of(draft.state, who)
    target = Target(owner=whole.owner, writers=draft.state.writers)
    try:
        require(write_permission(who, draft), who, draft.policy, target, missing=no_draft(name))
    except Forbidden:  # what is in the draft decides over who may know of it, and not what they would write
        if not allows("draft.read", who, draft.policy, whole):
            raise no_draft(name) from None
        raise
    require_head(draft, expected)
    refuse_unless(draft.state.status, action, draft.state)
    return draft


def write_permission(who: Principal, draft: Draft) -> str:
    """The row of the matrix for changing this draft."""
    hands = draft.policy.hands(who.person)
    return "draft.write" if draft.state.owner is None or draft.state.owner in hands else "draft.write_others"


def commit_files(
    flow: Workflow,
    who: Principal,
    draft: Draft,
    files: Mapping[str, bytes | None],
    *,
    act: str,
    message: str,
    trailers: tuple[tuple[str, str], ...] = (),
    now: datetime,
) -> CommitId:
    """Commit *files* on the draft when the result is valid; None takes a file away. Nothing changes when it is not.

    Raises:
        InvalidContent: facts: findings.
        RefMoved: somebody was faster.
        Conflict: nothing would change.
    """
    writer = flow.writer
    changes = {path: None if data is None else writer.write_blob(data) for path, data in files.items()}
    base = flow.tree_of(draft.head)
    tree = writer.write_tree(base, changes)
    if tree == base:
        raise Conflict("nothing would change: the draft holds exactly this already", draft=draft.name, state=UNCHANGED)
    commit = flow.write_commit(
        who, tree=tree, parents=[draft.head], message=message, trailers=[*trailers, ("Draft", draft.name)], now=now
    )
    refuse_errors(flow.state_at(draft.name, commit, now), files)
    flow.record(who, act, [Move(draft.ref, draft.head, commit)], now=now)
    return commit


def refuse_errors(state: DraftState, files: Mapping[str, object]) -> None:
    """Refuse what a push would be refused for: errors in the files that are written, and those that this causes elsewhere.

    Raises:
        InvalidContent: facts: findings.
    """
    errors = [finding for finding in state.findings if finding.severity == "error"]
    named = [finding for finding in errors if finding.path in files] or errors
    if named:
        more = f", and {len(named) - 1} more" if len(named) > 1 else ""
        raise InvalidContent(f"{named[0]}{more}", findings=tuple(named))


# -- files of entries --------------------------------------------------------------------------------------------------


def find_file(snapshot: Snapshot, entry: EntryName) -> Entry | None:
    """The file of an entry, hidden or not; by its path when one is named.

    Raises:
        Conflict: the path that was named is that of another entry.
    """
    locale = entry.locale or snapshot.model.settings.site.default_locale
    if entry.path in snapshot.files:
        found = snapshot.files[entry.path]
        if (found.collection, found.slug, found.locale) != (entry.collection, entry.slug, locale):
            raise Conflict(f"{entry.path} is {found.collection}/{found.slug} in {found.locale}, and not {entry}")
        return found
    for file in snapshot.files.values():
        if file.slug == entry.slug and file.collection == entry.collection and file.locale == locale:
            if entry.path:
                raise Conflict(f"{entry} is at {file.path}, and not at {entry.path!r}; leave the path out")
            return file
    return None


def require_file(snapshot: Snapshot, entry: EntryName) -> Entry:
    """The file of an entry.

    Raises:
        EntryNotFound: there is none.
    """
    found = find_file(snapshot, entry)
    if found is None:
        raise EntryNotFound(f"there is no {entry} here", collection=entry.collection, slug=entry.slug)
    return found


def place_entry(model: ContentModel, collection: Collection, entry: EntryName, fields: Values) -> str:
    """Where the file of a new entry goes, by the first pattern of its collection that can be filled in.

    Raises:
        Conflict: none can: the caller must say the path.
    """
    default = model.settings.site.default_locale
    locale = entry.locale or default
    if locale not in model.locales:
        raise Conflict(f"{locale!r} is none of the site's locales: {', '.join(model.locales)}")
    try:
        day = parse_day(str(fields.get(collection.date_field or "", "")))
    except ValueError:
        day = None
    for pattern in collection.patterns:
        path = fill_pattern(pattern, entry.slug, locale=locale, is_default=locale == default, day=day)
        place = model.place(path) if path is not None else None
        if path is not None and place is not None and place[0].name == collection.name and place[1].slug == entry.slug:
            return path
    patterns = " or ".join(pattern.text for pattern in collection.patterns)
    raise Conflict(
        f"the path of a new entry {entry.slug!r} in {collection.name} cannot be told from {patterns}; name its path, such as "
        f"{collection.patterns[0].text.replace('{slug}', entry.slug)}"
    )


def require_place(flow: Workflow, snapshot: Snapshot, entry: EntryName, path: str, fields: Values) -> None:
    """Refuse a *path* at which a new file would not be the entry that was named, or would take the place of another file.

    Raises:
        Conflict: says what it would be.
    """
    model = snapshot.model
    place = model.place(path)
    if place is None or place[0].name != entry.collection:
        patterns = " or ".join(pattern.text for pattern in model.collections[entry.collection].patterns)
        raise Conflict(f"{path!r} would be no entry of {entry.collection}: those are at {patterns}")
    default = model.settings.site.default_locale
    slug = str(fields.get("slug") or place[1].slug)
    locale = str(fields.get("locale") or place[1].locale or default)
    if (slug, locale) != (entry.slug, entry.locale or default):
        raise Conflict(f"{path!r} would be the entry {slug!r} in {locale}, and not {entry}")
    if flow.store.find_blob(snapshot.commit.id, path) is not None:
        raise Conflict(f"there is a file {path!r} already, which cannot be read as an entry; correct it with Git")
