"""The script of ``docs/building.md``, as it stands there, against a server."""

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from cms.app import build_app
from cms.inferred import infer_model
from cms.site import Site
from tests.api.tools import MODEL, person, post
from tests.repo import Repo

TEXT = (Path(__file__).parents[1] / "docs" / "building.md").read_text("utf-8")
SCRIPT = re.findall(r"^```python\n(.*?)^```$", TEXT, re.M | re.S)[0]
HISTORY: list[dict[str, str | bytes | None]] = [
    {"people/kari.md": person("Kari N."), "posts/c.md": post("C", "New <b>words</b>.")},
    {"posts/a.md": None, "posts/moved.md": post("A", "Text.", author="kari"), "posts/b.en.md": post("B")},
    {"posts/b.md": post("B", draft="true"), "posts/c.md": post("C", "Other words.", slug="z"), "people/kari.md": None},
]


@pytest.fixture
def server(repo: Repo) -> Iterator[str]:
    """The address at which the test's repository is served."""
    repo.commit(
        {
            **MODEL,
            "posts/a.md": post("A", "Text.", author="kari"),
            "posts/b.md": post("B"),
            "people/kari.md": person("Kari"),
        }
    )
    site = Site.open(repo.path, infer=infer_model)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        served = uvicorn.Server(uvicorn.Config(build_app(site), log_config=None, lifespan="off"))
        thread = threading.Thread(target=served.run, kwargs={"sockets": [listener]})
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        served.should_exit = True
        thread.join()
    site.close()


def build(server: str, folder: Path) -> str:
    """Run the script; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, server, str(folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def pages(folder: Path) -> dict[str, str]:
    """The pages in a folder."""
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*.html")}


def test_a_folder_that_is_kept_in_step_is_what_a_build_from_nothing_makes(
    repo: Repo, server: str, tmp_path: Path
) -> None:
    folder = tmp_path / "public"
    build(server, folder)
    assert "By Kari<" in pages(folder)["posts/a/nb/index.html"]
    for changes in HISTORY:
        repo.commit(changes)
        build(server, folder)
    build(server, tmp_path / "fresh")
    assert pages(folder) == pages(tmp_path / "fresh")
    assert sorted(pages(folder)) == [
        "index.html",
        "posts/b/en/index.html",
        "posts/moved/nb/index.html",
        "posts/z/nb/index.html",
    ]
    assert build(server, folder).startswith("0 pages looked at, 3 entries")


def test_it_begins_again_when_the_history_was_rewritten(repo: Repo, server: str, tmp_path: Path) -> None:
    build(server, tmp_path / "public")
    repo.commit({**MODEL, "posts/other.md": post("Other")}, branch="new")
    repo.git("update-ref", "refs/heads/main", "refs/heads/new")
    build(server, tmp_path / "public")
    assert sorted(pages(tmp_path / "public")) == ["index.html", "posts/other/nb/index.html"]
