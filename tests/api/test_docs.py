"""``docs/api.md``: names everything there is, and its examples are what the demo answers."""

import re
import shlex
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import httpx2
import pytest
from starlette.testclient import TestClient

from cms.api.metrics import Metrics
from cms.api.problems import STATUS
from cms.app import GitTransport, build_app, routes
from cms.entry import META_KINDS
from cms.errors import InvalidContent, InvalidSettings, RefNotFound
from cms.filters import OPERATORS
from cms.inferred import infer_model
from cms.params import ALIASES, SEARCH_PARAMETERS
from cms.present import EXTRAS, FORMATS
from cms.site import Site
from tests.api.newsdesk import open_office
from tests.api.tools import ROOT, Client, demo_repo

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
    assert_shown(re.sub(r"\s", "", demo.ask(path).text), re.sub(r"\s", "", shown))


def assert_shown(answer: str, shown: str) -> None:
    """Each piece of what is *shown* stands in the *answer*, in this order."""
    place = 0
    for piece in shown.split("…"):
        found = answer.find(piece.strip(","), place)
        assert found >= 0, piece
        place = found + len(piece.strip(","))


# -- what is done by name ----------------------------------------------------------------------------------------------

ACTS = re.findall(r"^\$ curl (-u \w+ .+)\n((?:(?!\$|```).*\n)+)", TEXT, re.M)


@pytest.fixture(scope="module")
def staff(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """The demo with accounts for its editorial staff; everybody's password is their own id, three times."""
    folder = tmp_path_factory.mktemp("staff")
    site = Site.open(demo_repo(folder / "demo.git").path, infer=infer_model)
    accounts = open_office(site, folder / "state").accounts
    for person in ("strategi", "kommunikasjon"):
        accounts.add_user(person, password=f"{person} " * 3, now=datetime.now(UTC))
    yield TestClient(build_app(site))
    site.close()


def act(client: TestClient, words: list[str], head: str) -> httpx2.Response:
    """The answer to one curl command; "…" in its body stands for the head that was looked at."""
    options = dict(pairwise(words))
    body, person = options.get("--json"), options["-u"]
    method = options.get("-X", "GET" if body is None else "POST")
    text = body.replace("…", head).encode() if body is not None else None
    headers = {"Content-Type": "application/json"} if body is not None else {}
    url = words[-1].replace("…", "/api/v1")
    return client.request(method, url, content=text, headers=headers, auth=(person, f"{person} " * 3))


def test_a_draft_is_published_as_the_document_shows(staff: TestClient) -> None:
    head = ""
    assert len(ACTS) >= 7
    for command, shown in ACTS:
        answer = act(staff, shlex.split(command), head)
        head = answer.json().get("data", {}).get("head", head) if "diff" not in command else head
        assert_shown(re.sub(r"\s", "", answer.text), re.sub(r"\s", "", shown))
    assert staff.get("/api/v1/entries/posts/laer-av-feil").json()["data"]["title"] == "Det nyttige F-ordet"
