"""Small ways to say what is indexed and what is found."""

from cms.search import Engine, Match, SearchDocument


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
        hit.id for hit in engine.search(text, locale=locale, allowed=engine.ids(), match=match, deadline_seconds=30)
    ]
