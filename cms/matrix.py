"""The permission matrix as data: ``data/permissions.toml``, read and checked. What it means is decided in :mod:`cms.permissions`."""

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

COLUMNS = ("anonymous", "reader", "writer", "reviewer", "publisher", "maintainer", "bot")
Cell = tuple[tuple[str, ...], ...]
NO: Cell = ()
YES: Cell = ((),)
_KEYS = {"id", "sentence", "doing", "known_by", "over", "routes", "commands", "git", *COLUMNS}
_ROLES = COLUMNS[2:6]
#: Which conditions ask for a role of a person, or for what a bot was granted.
_PLACES = {"assigned": _ROLES, "counted": _ROLES, "may_bypass": _ROLES, "scope": COLUMNS[6:]}
_ROUTE = re.compile(r"(?:GET|POST|PUT|PATCH|DELETE) /\S*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One permission.

    Attributes:
        id: its name: what ``require`` is asked for, and what the scope of a token or a bot is called.
        sentence: what it allows.
        doing: the same as the beginning of a refusal: "publishing" needs the role publisher.
        known_by: the permission without which one may not know that there is anything; empty: it is no secret.
        over_some: whether it is enough that one of the paths concerned is allowed.
        cells: by column the ways to be allowed, each a number of conditions that must all hold.
        routes, commands, git: where it is asked.
    """

    id: str
    sentence: str
    doing: str
    known_by: str = ""
    over_some: bool = False
    cells: Mapping[str, Cell]
    routes: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    git: tuple[str, ...] = ()

    @property
    def is_public(self) -> bool:
        """Whether nobody needs to sign in for it."""
        return self.cells["anonymous"] == YES


def read_matrix(text: str) -> tuple[Mapping[str, str], Mapping[str, Row]]:
    """The conditions with what they mean, and the rows by id.

    Raises:
        ValueError: the file is not in order; it is part of the program, so this is a mistake in the program.
    """
    tables = tomllib.loads(text)
    conditions: dict[str, str] = tables["conditions"]
    rows: dict[str, Row] = {}
    for table in tables["rows"]:
        row = _row(table, conditions)
        if row.id in rows:
            raise ValueError(f"two rows are called {row.id}")
        rows[row.id] = row
    for row in rows.values():
        if row.known_by and row.known_by not in rows:
            raise ValueError(f"{row.id}: there is no row {row.known_by} to be known by")
    return conditions, rows


def _row(table: Mapping[str, Any], conditions: Iterable[str]) -> Row:
    name = table["id"]
    unknown = table.keys() - _KEYS
    missing = {"id", "sentence", "doing", *COLUMNS} - table.keys()
    if unknown or missing:
        raise ValueError(f"{name}: unknown {sorted(unknown)}, missing {sorted(missing)}")
    if table.get("over", "every") not in ("every", "some"):
        raise ValueError(f"{name}: over is 'every' or 'some'")
    wrong = next((route for route in table.get("routes", ()) if not _ROUTE.fullmatch(route)), None)
    if wrong is not None:
        raise ValueError(f"{name}: {wrong!r} is not a method and a path")
    for column in COLUMNS:
        misplaced = [
            word for word, columns in _PLACES.items() if word in table[column].split() and column not in columns
        ]
        if misplaced or (column == COLUMNS[0] and table[column] not in ("yes", "no")):
            raise ValueError(f"{name}: {table[column]!r} means nothing for {column}")
    if table["anonymous"] == "no" and not all("scope" in way for way in parse_cell(table["bot"], conditions)):
        raise ValueError(f"{name}: a bot may do only what it was granted, one by one")
    return Row(
        id=name,
        sentence=table["sentence"],
        doing=table["doing"],
        known_by=table.get("known_by", ""),
        over_some=table.get("over", "every") == "some",
        cells={column: parse_cell(table[column], conditions) for column in COLUMNS},
        routes=tuple(table.get("routes", ())),
        commands=tuple(table.get("commands", ())),
        git=tuple(table.get("git", ())),
    )


def parse_cell(text: str, conditions: Iterable[str]) -> Cell:
    """``no``, ``yes`` or ``own and assigned or reason``: the ways to be allowed.

    Raises:
        ValueError: a condition that is not known.
    """
    if text in ("no", "yes"):
        return YES if text == "yes" else NO
    cell = tuple(tuple(name.strip() for name in way.split(" and ")) for way in text.split(" or "))
    unknown = {name for way in cell for name in way} - set(conditions)
    if unknown:
        raise ValueError(f"no such condition: {', '.join(sorted(unknown))}")
    return cell


def format_cell(cell: Cell) -> str:
    """The reverse of :func:`parse_cell`."""
    if cell in (NO, YES):
        return "yes" if cell == YES else "no"
    return " or ".join(" and ".join(way) for way in cell)


def format_matrix(rows: Sequence[Row], conditions: Mapping[str, str]) -> str:
    """The matrix as two tables in Markdown: the rows, and what the conditions mean."""
    lines = [
        "| permission | allows to | " + " | ".join(COLUMNS) + " |",
        "| --- " * (len(COLUMNS) + 2) + "|",
    ]
    for row in rows:
        cells = (format_cell(row.cells[column]) for column in COLUMNS)
        shown = ("–" if cell == "no" else cell for cell in cells)
        lines.append(f"| `{row.id}` | {row.sentence} | {' | '.join(shown)} |")
    lines += ["", "| condition | means |", "| --- | --- |"]
    lines += [f"| `{name}` | {meaning} |" for name, meaning in conditions.items()]
    return "\n".join(lines) + "\n"


CONDITIONS, MATRIX = read_matrix(files("cms.data").joinpath("permissions.toml").read_text("utf-8"))
#: What a token can be narrowed to, and what a bot can be granted.
SCOPES = frozenset(row.id for row in MATRIX.values() if not row.is_public and any(row.cells.values()))
BOT_SCOPES = frozenset(row.id for row in MATRIX.values() if row.id in SCOPES and row.cells["bot"] != NO)
