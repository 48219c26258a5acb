"""The recipes of ``docs/operations.md`` in front of a server: Varnish that is told what to drop, nginx that asks again."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import pytest

from tests.api.tools import MODEL, person, post
from tests.hosts import CMS
from tests.repo import Repo
from tests.test_serve import Server

TEXT = (Path(__file__).parents[2] / "docs" / "operations.md").read_text("utf-8")
RECIPES = TEXT.partition("## Caches\n")[2].partition("\n## ")[0]
PATIENCE_SECONDS = 30
FIRST = re.compile(r"\d+")


def recipe(kind: str, number: int = 0) -> str:
    """A block of the page."""
    return str(re.findall(rf"^```{kind}\n(.*?)^```$", RECIPES, re.M | re.S)[number])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def await_that(holds: Callable[[], bool]) -> None:
    """Wait until *holds*, for as long as a busy machine may need."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.05)


class Front:
    """A cache in front of a server of one site."""

    def __init__(self, stack: ExitStack, folder: Path, seconds: int) -> None:
        self._stack = stack
        self.folder = folder
        self.repo = Repo.create(folder / "site.git")
        settings = MODEL["cms.toml"].replace("max_age_seconds = 600", f"shared_max_age_seconds = {seconds}")
        self.repo.commit(
            {**MODEL, "cms.toml": settings, "posts/a.md": post("A", author="kari"), "people/kari.md": person("Kari")}
        )
        server = Server(str(self.repo.path))
        for pipe in (server.process.stdout, server.process.stderr):
            assert pipe is not None
            stack.callback(pipe.close)
        stack.callback(server.stop)
        self.server = server.port
        self.port = free_port()
        self._client = stack.enter_context(httpx2.Client(base_url=f"http://127.0.0.1:{self.port}/api/v1"))

    def start(self, *command: str) -> None:
        """Run the cache, and wait until it answers."""
        self.run(*command)
        await_that(self._is_up)

    def run(self, *command: str) -> None:
        """Run a program until the test is over."""
        path = f"{CMS.parent}{os.pathsep}{os.environ['PATH']}"
        process = subprocess.Popen(command, env={**os.environ, "PATH": path}, start_new_session=True)
        self._stack.callback(process.wait, PATIENCE_SECONDS)
        self._stack.callback(os.killpg, process.pid, signal.SIGTERM)

    def _is_up(self) -> bool:
        try:
            return self.get("/").status_code == 200
        except httpx2.TransportError:
            return False

    def get(self, path: str, **headers: str) -> httpx2.Response:
        return self._client.get(path, headers=headers)

    def slugs(self) -> list[str]:
        return [entry["slug"] for entry in self.get("/entries/posts?sort=slug").json()["data"]]


@pytest.fixture(scope="module")
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


@pytest.fixture(scope="module")
def varnish(stack: ExitStack, tmp_path_factory: pytest.TempPathFactory) -> Front:
    """Varnish by the recipe, with the loop that tells it what to drop."""
    tmp_path = tmp_path_factory.mktemp("varnish")
    if shutil.which("varnishd") is None:
        pytest.skip("Varnish is not installed: apt-get install varnish varnish-modules")
    front = Front(stack, tmp_path, 86400)
    file = tmp_path / "cms.vcl"
    file.write_text(recipe("vcl").replace("8000", str(front.server)))
    place = ("-n", str(tmp_path / "varnish"), "-a", f"127.0.0.1:{front.port}", "-s", "malloc,16m", "-j", "none")
    front.start("varnishd", "-F", "-f", str(file), *place, "-p", "thread_pools=1", "-p", "thread_pool_min=10")
    loop = recipe("sh").replace("/srv/site.git", str(front.repo.path)).replace("6081", str(front.port))
    front.get("/entries/people")
    front.run("bash", "-c", loop)
    await_that(lambda: not is_hit(front.get("/entries/people")))  # dropped with everything, as the loop begins
    return front


@pytest.fixture(scope="module")
def nginx(stack: ExitStack, tmp_path_factory: pytest.TempPathFactory) -> Front:
    """nginx by the recipe."""
    tmp_path = tmp_path_factory.mktemp("nginx")
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed: apt-get install nginx-light")
    front = Front(stack, tmp_path, 1)
    cache = recipe("nginx").replace("/var/cache/nginx/cms", str(tmp_path / "cache"))
    location = recipe("nginx", 1).replace("8000", str(front.server))
    server = f"server {{ listen 127.0.0.1:{front.port}; proxy_http_version 1.1; {location} }}"
    user = "user root;" if os.geteuid() == 0 else ""
    file = tmp_path / "nginx.conf"
    file.write_text(
        f"{user} daemon off; pid {tmp_path}/pid; error_log stderr crit; events {{}}\n"
        f"http {{ access_log off; {cache} {server} }}\n"
    )
    front.start("nginx", "-c", str(file), "-p", str(tmp_path))
    return front


def is_hit(answer: httpx2.Response) -> bool:
    """Whether Varnish had it: then it names the request that brought it as well."""
    return len(FIRST.findall(answer.headers["x-varnish"])) == 2


def test_varnish_keeps_what_a_publication_does_not_concern_and_drops_the_rest(varnish: Front) -> None:
    paths = ("/entries/posts/a", "/entries/people", "/collections/people", "/entries/posts?sort=slug")
    for path in paths:
        varnish.get(path)
    assert all(is_hit(varnish.get(path)) for path in paths)
    varnish.repo.commit({"posts/b.md": post("B", author="kari")})
    await_that(lambda: "b" in varnish.slugs())
    assert all(is_hit(varnish.get(path)) for path in paths[:3])
    varnish.repo.commit({"people/kari.md": None})
    await_that(lambda: "kari" not in varnish.get("/entries/people").text)
    await_that(lambda: varnish.get("/entries/posts/a").json()["data"]["author"] is None)


def test_varnish_gives_out_nothing_past_its_moment(varnish: Front) -> None:
    varnish.slugs()
    begin = datetime.now(UTC) + timedelta(seconds=1.5)
    varnish.repo.commit({"posts/c.md": post("C", publish_at=begin.isoformat()), "people/ola.md": person("Ola")})
    await_that(lambda: "ola" in varnish.get("/entries/people").text)
    assert "c" not in varnish.slugs() or datetime.now(UTC) > begin
    await_that(lambda: "c" in varnish.slugs())


def test_varnish_keeps_neither_what_is_asked_with_a_secret_nor_what_is_private(varnish: Front) -> None:
    for path in ("/me", "/entries/posts/nothing", "/drafts"):
        assert not any(is_hit(varnish.get(path)) for _ in range(2))
    varnish.get("/entries/people")
    assert is_hit(varnish.get("/entries/people"))
    assert not is_hit(varnish.get("/entries/people", Authorization="Bearer x"))
    assert "surrogate-key" not in varnish.get("/entries/people").headers


def test_nginx_answers_from_memory_and_asks_again_when_the_time_is_over(nginx: Front) -> None:
    seen = {nginx.get("/entries/people").headers["x-cache"] for _ in range(3)}
    assert "HIT" in seen
    await_that(lambda: nginx.get("/entries/people").headers["x-cache"] == "REVALIDATED")
    nginx.repo.commit({"posts/b.md": post("B")})
    await_that(lambda: nginx.slugs() == ["a", "b"])
    assert nginx.get("/entries/people").json()["meta"]["total"] == 1


def test_nginx_keeps_neither_what_is_asked_with_a_secret_nor_what_is_private(nginx: Front) -> None:
    assert {nginx.get("/me").headers["x-cache"] for _ in range(2)} == {"MISS"}
    assert nginx.get("/entries/people", Authorization="Bearer x").headers["x-cache"] == "BYPASS"
