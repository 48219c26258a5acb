"""Where the bytes that are live came from: for each file the step of the published branch that brought them.

The published branch is its line of first parents: what it was, one step after the other. The workflow begins with the first merge that says
that it is a publication, or that the push log knows. From there on every merge is a *publication*, and what was committed directly went
past the workflow; all before is imported history, whatever it looks like.

All commits are read in one pass; later only those that are new.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cms.commits import Step, read_few_steps, read_steps
from cms.policy import is_protected
from cms.pushlog import LogEntry, PushLog
from cms.refs import BlobId, CommitId
from cms.store import Store
from cms.trailers import read_trailers

Moves = Mapping[CommitId, LogEntry]
ReadSteps = Callable[[CommitId], Iterable[Step]]
_PUBLISHING = frozenset({"publish", "bypass", "push"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """A merge on the published branch, since the workflow began.

    Attributes:
        before: what was published before it.
        merge: the merge itself.
        head: the head of the draft.
        entry: the push log's entry about it, perhaps not a valid one.
        files: path to (blob before, blob after) of every file that it changed.
        commits: what the draft consisted of: all that the merge brought besides itself.
    """

    before: CommitId
    merge: CommitId
    head: CommitId
    entry: LogEntry | None
    files: Mapping[str, tuple[BlobId | None, BlobId | None]]
    commits: Sequence[CommitId]


@dataclass(slots=True)
class Origins:
    """The steps that brought what is live at one commit. Nothing of it changes once it is made; publications may be added.

    Attributes:
        commit: what is looked at.
        files: path to blob of every regular file.
        by_path: path to the step that brought these bytes.
        publications: by their merges, those that brought something that is live, and those that changed the rules.
        order: every step with its place, the newest with the highest.
        beginning: the place of the first publication of all; None when there is none.
        steps: what each commit of those publications touched.
        introduced: every commit, with the place of the step that brought it.
        rules: the steps since the beginning that changed rules, oldest first, with the protected files they touched.
    """

    commit: CommitId
    files: dict[str, BlobId] = field(default_factory=dict)
    by_path: dict[str, CommitId] = field(default_factory=dict)
    publications: dict[CommitId, Publication] = field(default_factory=dict)
    order: dict[CommitId, int] = field(default_factory=dict)
    beginning: int | None = None
    steps: dict[CommitId, Step] = field(default_factory=dict)
    introduced: dict[CommitId, int] = field(default_factory=dict)
    rules: dict[CommitId, tuple[str, ...]] = field(default_factory=dict)


def find_moves(log: PushLog, ref: str) -> Moves:
    """Find where the push log saw the published branch *ref* go; of what it saw twice the last, which is what happened."""
    entries = ((entry, move) for entry in log.entries() if entry.act in _PUBLISHING for move in entry.moves)
    return {move.new: entry for entry, move in entries if move.ref == ref and move.new is not None}


def find_origins(store: Store, commit: CommitId, moves: Moves, read: ReadSteps | None = None) -> Origins:
    """Find out where everything at *commit* came from.

    Args:
        moves: from ``find_moves``.
        read: reads all commits that lead to one, where somebody knows them already.

    Raises:
        RepositoryProblem: Git's program is missing or fails, or an object is missing or damaged.
    """
    found = Origins(commit, {file.path: file.blob for file in store.list_files(commit)})
    found_steps = read_steps(store, commit) if read is None else read(commit)
    steps = {step.stamp.commit: step for step in found_steps}
    return _complete(store, found, _line(commit, steps), steps, moves)


def follow_origins(
    store: Store, old: Origins, commit: CommitId, moves: Moves, read: ReadSteps | None = None
) -> Origins:
    """Return the origins at another commit; when *old* leads to it, at the cost of what is new.

    Raises:
        RepositoryProblem: as ``find_origins``.
    """
    if commit == old.commit:
        return old
    steps = {step.stamp.commit: step for step in read_steps(store, commit, old.commit)}
    line = _line(commit, steps)
    if not line or line[-1].parents[:1] != (old.commit,):
        return find_origins(store, commit, moves, read)
    files = dict(old.files)
    for change in store.diff(old.commit, commit):
        if change.new is None:
            del files[change.path]
        else:
            files[change.path] = change.new
    found = Origins(
        commit,
        files,
        {path: id for path, id in old.by_path.items() if path in files},
        dict(old.publications),
        dict(old.order),
        old.beginning,
        dict(old.steps),
        dict(old.introduced),
        dict(old.rules),
    )
    return _complete(store, found, line, steps, moves)


def _line(commit: CommitId, steps: Mapping[CommitId, Step]) -> list[Step]:
    """The steps of the published branch, newest first."""
    line = []
    step = steps.get(commit)
    while step is not None:
        line.append(step)
        step = steps.get(step.parents[0]) if step.parents else None
    return line


def _complete(
    store: Store, found: Origins, line: Sequence[Step], steps: Mapping[CommitId, Step], moves: Moves
) -> Origins:
    """Add what the steps of *line* brought; *steps* are those commits, and all others that are new with them."""
    seen: set[str] = set()
    for step in line:
        for touch in step.touches:
            if touch.path in found.files and touch.path not in seen:
                found.by_path[touch.path] = step.stamp.commit
                seen.add(touch.path)
    wanted = set(found.by_path.values())
    public: set[CommitId] = set()
    for step in reversed(line):
        id, place = step.stamp.commit, len(found.order)
        found.order[id] = place
        fresh = _reach(id, steps, public)
        found.introduced |= dict.fromkeys(fresh, place)
        is_merge = len(step.parents) > 1
        if found.beginning is None:
            if not is_merge or not (id in moves or _is_publication(store.commit(id).message)):
                continue
            found.beginning = place
        touched = (path for touch in step.touches for path in (touch.path, touch.source))
        protected = tuple(path for path in touched if path is not None and is_protected(path))
        if protected:
            found.rules[id] = protected
        if is_merge and (id in wanted or protected):
            found.publications[id] = _publication(step, [commit for commit in fresh if commit != id], moves.get(id))
            found.steps |= {commit: steps[commit] for commit in found.publications[id].commits}
    return found


def add_publication(store: Store, origins: Origins, merge: CommitId, moves: Moves) -> None:
    """Add one that brought nothing that is live any more, and its commits, for who asks what it was.

    Raises:
        RepositoryProblem: as ``find_origins``.
    """
    before = store.commit(merge).parents[0]
    few = read_few_steps(store, before, merge, store.diff(before, merge))
    steps = {step.stamp.commit: step for step in (read_steps(store, merge, before) if few is None else few)}
    commits = [commit for commit in steps if commit != merge]
    origins.publications[merge] = _publication(steps[merge], commits, moves.get(merge))
    origins.steps |= {commit: steps[commit] for commit in commits}


def _is_publication(message: str) -> bool:
    return any(key.lower() in ("draft", "published-by") for key, _ in read_trailers(message))


def _publication(step: Step, commits: Sequence[CommitId], entry: LogEntry | None) -> Publication:
    files: dict[str, tuple[BlobId | None, BlobId | None]] = {}
    for touch in step.touches:
        files[touch.path] = touch.old if touch.source is None else None, touch.new
    for touch in step.touches:
        if touch.source is not None:
            files.setdefault(touch.source, (touch.old, None))
    before, head = step.parents[:2]
    return Publication(before=before, merge=step.stamp.commit, head=head, entry=entry, files=files, commits=commits)


def _reach(tip: CommitId, steps: Mapping[CommitId, Step], known: set[CommitId]) -> list[CommitId]:
    """The commits that *tip* leads to and that are not *known* yet; they are known afterwards."""
    waiting, found = [tip], []
    while waiting:
        id = waiting.pop()
        if id not in known and id in steps:
            known.add(id)
            found.append(id)
            waiting += steps[id].parents
    return found
