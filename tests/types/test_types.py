"""The types that are made of the API: a program is compiled against them and run, and answers are what the JSON Schema says."""

import json
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from threading import Thread
from typing import Any

import jsonschema_rs
import pytest
import uvicorn
from typer.testing import CliRunner

from cms import cli
from tests.api.tools import Client, demo_repo
from tests.repo import Repo

HERE = Path(__file__).parent
LOCK = "package-lock.json"
#: As it is before the tests hide it: npm is told there where packages come from.
HOME = os.environ.get("HOME", "")
ANY = re.compile(r"(?<![\w\"'.-])any(?![\w\"'-])")
COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


@pytest.fixture(scope="module")
def packages() -> Path:
    """The folder with what npm installs, exactly as the lock file says; installed anew when that changes."""
    if shutil.which("npm") is None:
        if os.environ.get("CI"):
            pytest.fail("npm is missing, and .ci/run should have installed it")
        pytest.skip("npm is not installed here")
    folder = HERE / "node_modules"
    stamp, wanted = folder / ".installed", (HERE / LOCK).read_text("utf-8")
    if not stamp.is_file() or stamp.read_text("utf-8") != wanted:
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        environment = {**os.environ, "HOME": HOME}
        done = subprocess.run(command, cwd=HERE, env=environment, capture_output=True, text=True, check=False)
        if done.returncode and not os.environ.get("CI"):
            pytest.skip(f"npm cannot install the packages here: {done.stderr[-300:]}")
        assert done.returncode == 0, done.stderr
        stamp.write_text(wanted, "utf-8")
    return folder


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """The demo."""
    return demo_repo(tmp_path_factory.mktemp("demo") / "demo.git")


def types_of(repo: Repo, *options: str) -> bytes:
    """What ``cms types`` prints."""
    result = CliRunner().invoke(cli.app, ["types", str(repo.path), *options])
    assert result.exit_code == 0, result.output
    return result.stdout_bytes


@pytest.fixture(scope="module")
def compiled(packages: Path, repo: Repo, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the program, the types of the demo, and what the compiler makes of them."""
    folder = tmp_path_factory.mktemp("program")
    for name in ("program.ts", "tsconfig.json", "package.json"):
        shutil.copy(HERE / name, folder)
    (folder / "node_modules").symlink_to(packages)
    (folder / "openapi.json").write_bytes(types_of(repo, "--openapi"))
    run(folder, "openapi-typescript/bin/cli.js", "openapi.json", "-o", "api.d.ts")
    run(folder, "typescript/bin/tsc", "-p", ".")
    return folder


def run(folder: Path, script: str, *arguments: str) -> None:
    command = ["node", str(folder / "node_modules" / script), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def served(repo: Repo) -> Iterator[tuple[Client, str]]:
    """The demo behind a real server: a client for it in this process, and its address."""
    client = Client(repo.path)
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(client.app, log_config=None, lifespan="off"))
    thread = Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield client, f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    client.site.close()


def test_no_type_is_left_open(compiled: Path) -> None:
    for name in ("api.d.ts", "program.ts"):
        code = COMMENT.sub("", (compiled / name).read_text("utf-8"))
        assert not ANY.search(code), name


def test_the_compiled_program_reads_what_the_server_tells(compiled: Path, served: tuple[Client, str]) -> None:
    client, address = served
    client.data("/search?q=kommune")  # the index is complete
    script = f"import('./program.js').then((m) => m.report({json.dumps(address)})).then((r) => console.log(JSON.stringify(r)))"
    done = subprocess.run(["node", "-e", script], cwd=compiled, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report: Mapping[str, Any] = json.loads(done.stdout)
    query = "filter[category]=metode&filter[category]=innovasjonskultur&filter[date][gte]=2017&sort=-published_at,title&include=author"
    posts = client.data(f"/entries/posts?{query}&limit=50")
    assert report["titles"] == [post["title"] for post in posts]
    assert report["authors"] == [post["author"]["name"] for post in posts if post.get("author")]
    assert report["walked"] == client.slugs("sort=slug&limit=100")
    cases = client.data("/entries/cases?limit=100")
    assert report["earliest"] == min(case["start_year"] for case in cases)
    assert sum(report["groups"].values()) == sum(report["counties"].values()) == len(cases)
    assert len(report["found"]) == len(client.data("/search?q=kommune&limit=5&distinct=collection"))
    assert report["refused"] == "entry-not-found"


# -- the JSON Schema ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def bundle(repo: Repo) -> Any:
    return json.loads(types_of(repo))


def test_the_bundle_is_a_valid_schema_whose_references_lead_somewhere(bundle: Any) -> None:
    jsonschema_rs.meta.validate(bundle)
    for name, schema in bundle["$defs"].items():
        jsonschema_rs.meta.validate({"$schema": bundle["$schema"], **schema})
        jsonschema_rs.Draft202012Validator({**bundle, "$ref": f"#/$defs/{name}"})
    text = json.dumps(bundle)
    assert set(re.findall(r"\"\$ref\": \"#/\$defs/([^\"]+)\"", text)) <= bundle["$defs"].keys()
    assert "#/components" not in text


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/entries/posts?limit=100&include=author", "PostsList"),
        ("/entries/cases?group_by=solution_type&aggregate[max]=start_year&facet=start_year.5", "CasesList"),
        ("/entries/posts/laer-av-feil", "PostsDetail"),
        ("/search?q=kommune", "SearchResult"),
        ("/entries/posts?filter[auther]=x", "Problem"),
    ],
)
def test_answers_are_as_the_bundle_says_and_others_are_not(
    bundle: Any, served: tuple[Client, str], path: str, name: str
) -> None:
    validator = jsonschema_rs.Draft202012Validator({**bundle, "$ref": f"#/$defs/{name}"}, validate_formats=True)
    answer = served[0].ask(path).json()
    assert [str(error) for error in validator.iter_errors(answer)] == []
    first = next(iter(answer))
    assert not validator.is_valid({key: value for key, value in answer.items() if key != first})
    assert not validator.is_valid(json.loads(json.dumps(answer).replace(f'"{first}"', '"nothing"', 1)))


def test_the_same_site_gives_the_same_bytes(repo: Repo) -> None:
    assert types_of(repo) == types_of(repo)
    assert json.loads(types_of(repo, "--openapi"))["openapi"].startswith("3.1")
