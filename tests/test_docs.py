"""The documents: complete, linked, and true: every command of the README's tour is run, and answers what is shown."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import fields
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import httpx2
import orjson
import pytest

from cms.api.metrics import Metrics
from cms.api.problems import HTTP_CODES, STATUS
from cms.app import GitTransport, routes
from cms.cli import app as commands
from cms.cli.exits import EXIT_CODES, MEANINGS
from cms.errors import CMSError
from cms.settings import SearchSettings, ServerSettings, SiteSettings
from tests.api.tools import Client, demo_repo
from tests.repo import Repo

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
OPERATIONS = ROOT / "docs" / "operations.md"
DOCUMENTS = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
SOURCES = sorted((ROOT / "cms").rglob("*.py"))
CUT = "…"


def read(path: Path) -> str:
    return path.read_text("utf-8")


def everything() -> str:
    return "\n".join(map(read, DOCUMENTS))


def tour() -> list[tuple[str, str]]:
    """(command, what is shown below it), in the order of the README; a here-document belongs to its command."""
    found = []
    for block in re.findall(r"^```console\n(.*?)^```$", read(README), re.M | re.S):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            command, _, shown = part.partition("\n")
            if "<<'END'" in command:
                text, _, shown = shown.partition("\nEND\n")
                command = f"{command}\n{text}\n"
            found.append((command, shown))
    return found


def urls() -> list[str]:
    """What the tour asks for with GET, without parameters that curl encodes."""
    asked = (words for command, _ in tour() if (words := command.split())[0] == "curl" and "-sI" not in words)
    return [word.strip("'") for words in asked for word in words if word.startswith("'http") and "-sG" not in words]


def make_default(name: str) -> str:
    found = re.search(rf"^{name} \??= (\S+)$", read(ROOT / "Makefile"), re.M)
    assert found, name
    return found[1]


class Terminal:
    """Runs the commands of the tour in this process, against the demo in a repository of its own."""

    def __init__(self, repo: Repo) -> None:
        self.repo = repo
        self.client = Client(repo.path)
        self._etag = ""
        self._written: dict[str, str] = {}

    def run(self, command: str) -> str:
        """What *command* prints, as far as it is one that the tour uses."""
        if command.startswith("cat > "):
            line, _, text = command.partition("\n")
            self._written[line.split()[2]] = text
        elif command.startswith("git add"):
            self.repo.commit(self._written)
        elif command.startswith("curl "):
            return self._curl(shlex.split(command.partition(" | ")[0]), is_json=command.endswith("| json"))
        return ""

    def _curl(self, words: list[str], *, is_json: bool) -> str:
        url = urlsplit(next(word for word in words if word.startswith("http")))
        query = [url.query] if url.query else []
        for option, value in pairwise(words):
            if option == "--data-urlencode":
                name, _, text = value.partition("=")
                query.append(urlencode({name: text}))
            elif option == "-d":
                query.append(value)
        headers = {"If_None_Match": self._etag} if "--etag-compare" in words else {}
        path = f"{url.path}?{'&'.join(query)}" if query else url.path
        answer = self.client.ask(path, "HEAD" if "-sI" in words else "GET", **headers)
        if "--etag-save" in words:
            self._etag = answer.headers["ETag"]
        return self._print(answer, words, is_json=is_json)

    def _print(self, answer: httpx2.Response, words: list[str], *, is_json: bool) -> str:
        if "-sI" in words:
            phrase = HTTPStatus(answer.status_code).phrase
            lines = [f"{name}: {value}" for name, value in answer.headers.items()]
            return "\n".join([f"HTTP/1.1 {answer.status_code} {phrase}", "date: now", *lines, ""]) + "\n"
        if "/dev/null" in words:
            return f"{answer.status_code}\n" if "-w" in words else ""
        assert is_json
        return orjson.dumps(orjson.loads(answer.content), option=orjson.OPT_INDENT_2).decode() + "\n"


def as_shown(text: str) -> str:
    """Indentation set aside: the formatter of the README indents by four, ours by two; a list may be empty on one line."""
    return "\n".join(line.strip() for line in text.splitlines())


def is_cut_of(shown: str, real: str) -> bool:
    """Whether *real* becomes *shown* when parts of it are replaced by a cut mark."""
    parts = as_shown(shown).split(CUT)
    whole = as_shown(real)
    if len(parts) == 1:
        return parts[0] == whole
    place = len(parts[0])
    if not whole.startswith(parts[0]):
        return False
    for part in parts[1:-1]:
        place = whole.find(part, place)
        if place < 0:
            return False
        place += len(part)
    return whole[place:].endswith(parts[-1])


@pytest.fixture(scope="module")
def terminal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    opened = Terminal(demo_repo(tmp_path_factory.mktemp("tour") / "demo.git"))
    yield opened
    opened.client.site.close()


@pytest.fixture(scope="module")
def printed(terminal: Terminal) -> list[tuple[str, str, str]]:
    """(command, shown, printed) of the whole tour, run in order."""
    return [(command, shown, terminal.run(command)) for command, shown in tour()]


def test_every_curl_of_the_tour_prints_what_is_shown(printed: list[tuple[str, str, str]]) -> None:
    asked = [item for item in printed if item[0].startswith("curl")]
    assert len(asked) >= 10
    for command, shown, real in asked:
        assert is_cut_of(shown, real), f"{command}\nprints now:\n{real}"


def test_the_tour_shows_successes_a_redirect_a_refusal_and_an_unchanged_answer(
    printed: list[tuple[str, str, str]],
) -> None:
    shown = [shown for _, shown, _ in printed]
    assert any(text.startswith('{\n    "data"') for text in shown)
    assert any(text.startswith("HTTP/1.1 308") for text in shown)
    assert any('"status": 400' in text for text in shown)
    assert "304\n" in shown


@pytest.mark.parametrize(
    ("shown", "real", "expected"),
    [
        ("a\nb\n", "a\nb\n", True),
        ("a\nb\n", "a\nc\n", False),
        ("a\n…\nd\n", "a\nb\nc\nd\n", True),
        ("a\n…\nd\n", "a\nb\nc\ne\n", False),
        ("a: …,\nb\n", "a: 1,\nb\n", True),
        ("a\n…\n", "a\nb\nc\n", True),
        ("b\n…\n", "a\nb\nc\n", False),
        ("a\n…\nc\n…\n", "a\nb\nd\n", False),
    ],
)
def test_a_cut_stands_for_anything_and_the_rest_for_itself(shown: str, real: str, expected: bool) -> None:
    assert is_cut_of(shown, real) is expected


def test_every_route_is_documented(terminal: Terminal) -> None:
    text = everything()
    for route in routes(Metrics(terminal.client.site), GitTransport()):
        path = str(getattr(route, "path", "")).replace(":path}", "}")
        assert f"`{path}`" in text, path


@pytest.mark.parametrize("table", [SiteSettings, ServerSettings, SearchSettings])
def test_every_setting_is_documented_with_its_default(
    table: type[SiteSettings | ServerSettings | SearchSettings],
) -> None:
    name = f"[{table.__name__.removesuffix('Settings').lower()}]"
    for item in fields(table):
        value = getattr(table(), item.name)
        default = orjson.dumps(list(value) if isinstance(value, tuple) else value).decode()
        assert f"| `{name}` | `{item.name}` | `{default}` | " in read(OPERATIONS), item.name


def test_every_environment_variable_is_documented() -> None:
    names = set(re.findall(r"CMS_[A-Z]+", "\n".join(map(read, SOURCES))))
    assert names
    for name in names:
        assert f"| `{name}` | " in read(OPERATIONS), name


def test_every_command_is_documented() -> None:
    text = everything()
    groups = [("", commands), *((f"{group.name} ", group.typer_instance) for group in commands.registered_groups)]
    for prefix, group in groups:
        for command in group.registered_commands if group is not None else ():
            assert f"`cms {prefix}{command.name}" in text, command.name


def kinds(base: type[CMSError] = CMSError) -> Iterator[type[CMSError]]:
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


@pytest.mark.parametrize("kind", list(kinds()), ids=lambda kind: kind.code)
def test_every_error_is_documented_with_status_and_exit_code(kind: type[CMSError]) -> None:
    assert f"| `{kind.code}` | {STATUS[kind]} | {EXIT_CODES[kind]} | " in read(OPERATIONS)


def test_every_refusal_of_the_server_itself_is_documented_with_its_status() -> None:
    for status, (code, _) in HTTP_CODES.items():
        assert f"| `{code}` | {status} | " in read(OPERATIONS), code


def test_every_exit_code_is_documented() -> None:
    for code in MEANINGS:
        assert f"\n| {code} | " in read(OPERATIONS), code


def test_every_event_of_the_log_is_documented() -> None:
    events = set(re.findall(r"log\.\w+\(\s*\"([a-z_]+\.[a-z_]+)\"", "\n".join(map(read, SOURCES))))
    assert "site.advanced" in events
    for event in events:
        assert f"`{event}`" in read(OPERATIONS), event


def test_every_metric_is_documented(terminal: Terminal) -> None:
    terminal.client.ask("/")
    names = set(re.findall(r"^# TYPE (\w+)", terminal.client.ask("/metrics").text, re.M))
    assert len(names) >= 5
    for name in names:
        assert f"| `{name}` | " in read(OPERATIONS), name


def anchors(path: Path) -> set[str]:
    """The headings of a document as a reader's address names them."""
    titles = re.findall(r"^#+ (.+)$", read(path), re.M)
    return {re.sub(r"[^\w\- ]", "", title.casefold()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_between_documents_leads_somewhere(document: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", read(document), flags=re.M | re.S)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http://", "https://", "/")):
            name, _, anchor = target.partition("#")
            path = (document.parent / name).resolve() if name else document
            assert path.exists(), target
            assert not anchor or anchor in anchors(path), target


def test_the_readme_names_the_address_and_the_folder_that_make_serve_uses() -> None:
    address = f"http://{make_default('HOST')}:{make_default('PORT')}/"
    places = re.findall(r"https?://(?:127\.0\.0\.1|localhost)[^/]*/", read(README))
    assert set(places) == {address}
    folders = set(re.findall(r"[\w./$\"]*venv\b", read(README).replace("python3-venv", "")))
    assert {folder.rpartition("/")[2] for folder in folders} == {make_default("VENV")}
    assert set(re.findall(r"[`$] ?make (\w+)", read(README))) <= set(
        re.findall(r"^(\w+):", read(ROOT / "Makefile"), re.M)
    )
