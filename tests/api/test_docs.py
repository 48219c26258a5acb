"""``docs/api.md``: names everything there is, and its examples are what the demo answers."""

import re

import pytest

from cms.api.metrics import Metrics
from cms.api.problems import STATUS
from cms.app import GitTransport, routes
from cms.entry import META_KINDS
from cms.errors import InvalidContent, InvalidSettings, RefNotFound
from cms.filters import OPERATORS
from cms.params import ALIASES, SEARCH_PARAMETERS
from cms.present import EXTRAS, FORMATS
from tests.api.tools import ROOT, Client

TEXT = (ROOT / "docs" / "api.md").read_text("utf-8")
EXAMPLES = re.findall(r"\$ curl (?:-g )?'[^']*?(?:…|/api/v1)(/[^']+)'\n(.+?)(?=\n```|\n\n\$)", TEXT, re.DOTALL)


@pytest.mark.parametrize("name", [*SEARCH_PARAMETERS, *ALIASES, *OPERATORS, *META_KINDS, *EXTRAS, *FORMATS])
def test_every_name_is_documented(name: str) -> None:
    assert re.search(rf"`[^`\n]*(?<![\w.]){re.escape(name)}(?![\w])[^`\n]*`", TEXT)


def test_every_route_is_documented(blog: Client) -> None:
    for route in routes(Metrics(blog.site), GitTransport()):
        assert str(getattr(route, "path", "")).removeprefix("/api/v1").replace(":path", "") in TEXT


def test_every_code_that_a_reader_can_meet_is_documented() -> None:
    elsewhere = (InvalidContent, InvalidSettings, RefNotFound)
    for error in STATUS:
        assert issubclass(error, elsewhere) or f"`{error.code}`" in TEXT


@pytest.mark.parametrize(("path", "shown"), EXAMPLES, ids=[path for path, _ in EXAMPLES])
def test_every_example_is_what_the_demo_answers(demo: Client, path: str, shown: str) -> None:
    answer = re.sub(r"\s", "", demo.ask(path).text)
    place = 0
    for piece in re.sub(r"\s", "", shown).split("…"):
        found = answer.find(piece.strip(","), place)
        assert found >= 0, piece
        place = found + len(piece.strip(","))
