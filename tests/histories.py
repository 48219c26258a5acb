"""Histories of a few files that branch, merge, move, vanish and come back at random, the same for the same seed."""

import random

from tests.repo import Repo

PATHS = ("a.md", "b.md", "posts/c.md", "posts/d.md", "e.md")
PEOPLE = tuple((name, f"{name.lower()}@example.org") for name in ("Kari", "Ola", "Åse", "Per"))
#: Texts that are long enough to be recognised after a move with an edit, and short ones that are not.
TEXTS = tuple(
    "".join(f"Text {number}, line {line}: long enough to be recognised.\n" for line in range(12)) for number in range(3)
)
SHORT = ("1", "2", "")

_Files = dict[str, str]


def make_history(repo: Repo, seed: int, length: int = 14) -> list[str]:
    """Fill *repo*, and return the ids of all commits, of which the last ones lead to most others."""
    chance = random.Random(seed)
    made: list[tuple[str, _Files]] = []
    for number in range(length):
        young = made[-5:]
        count = min(len(young), chance.choices((1, 2, 3), (10, 6, 1))[0]) if made else 0
        parents = chance.sample(young, count)
        before = dict(parents[0][1]) if parents else {}
        files = _merged(chance, parents) if count > 1 else dict(before)
        if count < 2 or chance.random() < 0.3:
            _change(chance, files, [other for _, other in made])
        changes: dict[str, str | bytes | None] = {path: files.get(path) for path in {*before, *files}}
        commit = repo.commit(
            changes,
            author=chance.choice(PEOPLE),
            branch=f"b{number}",
            parents=[id for id, _ in parents],
            message=f"Change {number}",
        )
        made.append((commit, files))
    return [commit for commit, _ in made]


def _merged(chance: random.Random, parents: list[tuple[str, _Files]]) -> _Files:
    """Each file as one of the parents has it, most often the first."""
    files: _Files = {}
    for path in PATHS:
        _, giver = chance.choice([parents[0], *parents])
        if path in giver:
            files[path] = giver[path]
    return files


def _change(chance: random.Random, files: _Files, earlier: list[_Files]) -> None:
    """Edit, make, move, delete or bring back one or two files."""
    for _ in range(chance.randint(1, 2)):
        path, other = chance.sample(PATHS, 2)
        kind = chance.randrange(6)
        if kind == 0:
            files.pop(path, None)
        elif kind == 1 and path in files and other not in files:
            files[other] = files.pop(path) + chance.choice(("", "One more line, added by whoever moved it.\n"))
        elif kind == 2 and earlier:
            back = chance.choice(earlier)
            if path in back:
                files[path] = back[path]
        elif kind == 3 and path in files:
            files[path] += chance.choice(SHORT)
        else:
            files[path] = chance.choice((*TEXTS, *SHORT))
