"""Small ways to say what is indexed and what is found."""

from collections.abc import Callable
from pathlib import Path

from cms.search import Engine, Match, SearchDocument, Visible

Open = Callable[..., Engine]


def document(
    identity: str, body: str = "", *, title: str = "", locale: str = "nb", summary: str = ""
) -> SearchDocument:
    return SearchDocument(id=identity, locale=locale, title=title, summary=summary, body=body)


def fill(engine: Engine, **bodies: str) -> None:
    """Index bodies under their names."""
    engine.update([document(identity, body) for identity, body in bodies.items()], [])


def found(engine: Engine, text: str, *, match: Match = "all", locale: str | None = None) -> list[str]:
    """The ids found, best first."""
    return [
        hit.id
        for hit in engine.search(text, locale=locale, visible=Visible(engine.ids()), match=match, deadline_seconds=30)
    ]


def shorten(path: Path) -> None:
    """Put half of a file in its place, as a copy that was broken off leaves it.

    The file is not made shorter where it lies: a thread of an engine that has it mapped just then would end the process.
    """
    path = path.resolve()
    half = path.with_suffix(".half")
    half.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    half.replace(path)
