"""``/events`` over HTTP: a real server, real clients, and what they do to each other."""

import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from shutil import which
from typing import Any

import anyio
import httpx2
import pytest
from starlette.types import Message, Scope

from cms.api import events as stream
from cms.api.state import CLOSING
from cms.api.streams import STREAMS_EACH_MOST, STREAMS_MOST, Streams
from cms.app import build_app
from cms.errors import TooBusy, TooMany
from tests.api.newsdesk import Newsdesk
from tests.api.tools import MODEL, Client, post
from tests.events import conftest
from tests.events.conftest import Serve, Told, listen
from tests.repo import Repo
from tests.test_serve import Server as Process

NGINX = which("nginx", path="/usr/sbin:/usr/bin:/sbin")
CONFIGURATION = """
daemon off; error_log stderr; pid {folder}/pid; worker_processes 1;
events {{ worker_connections 64; }}
http {{
    access_log off; client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
    uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
    server {{
        listen 127.0.0.1:{port};
        proxy_http_version 1.1; proxy_set_header Connection ""; proxy_read_timeout 30s;
        location /api/ {{ proxy_pass http://127.0.0.1:{behind}; }}
    }}
}}
"""


def bearer(desk: Newsdesk, person: str = "eva") -> dict[str, str]:
    return {"Authorization": f"Bearer {desk.session(person)}"}


def publish(desk: Newsdesk, name: str = "x") -> str:
    """Take a draft from its beginning to its readers; the commit."""
    desk.begin(name)
    desk.say("approve", name, "rita")
    return str(desk.do("POST", f"/drafts/{name}/publication", "pia", {})["commit"])


def test_strangers_hear_of_publications_and_editors_of_drafts_too(desk: Newsdesk, serve: Serve) -> None:
    port = serve(desk.app).port
    with listen(port) as stranger, listen(port, **bearer(desk)) as editor:
        commit = publish(desk)
        heard = stranger.next()
        assert (heard.kind, heard["commit"], heard["position"]) == ("publication", commit, heard.id)
        kinds = [editor.next().kind for _ in range(5)]
        assert sorted(kinds) == ["draft", "draft", "draft", "publication", "verdict"]
        assert stranger.retry == stream.RETRY_MILLISECONDS


def test_headers_keep_caches_and_proxies_from_holding_it_back(desk: Newsdesk) -> None:
    plain, named = desk.ask("GET", "/events"), desk.ask("GET", "/events", "eva")
    for answer in (plain, named):
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-accel-buffering"] == "no"
        assert "content-encoding" not in answer.headers
    assert plain.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-origin" not in named.headers
    assert desk.ask("HEAD", "/events").content == b""


def test_where_the_server_does_not_say_when_it_stops_readers_come_again(desk: Newsdesk) -> None:
    known = str(desk.room.site.events.begin(None, datetime.now(UTC)))
    commit = publish(desk)
    answers = [
        desk.ask("GET", f"/events?last_event_id={known}").text,
        desk.ask("GET", "/events", Last_Event_ID=known).text,
    ]
    for text in answers:
        assert [line for line in text.splitlines() if line.startswith("event:")] == [
            "event: ready",
            "event: publication",
        ]
        assert f"id: {commit}\n" in text


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/events?last_event_id=x", {}, 400),
        ("/events?since=x", {}, 400),
        ("/events", {"Authorization": "Bearer cmst_x"}, 401),
    ],
)
def test_what_cannot_be_is_refused_before_it_begins(
    desk: Newsdesk, path: str, headers: dict[str, str], status: int
) -> None:
    answer = desk.ask("GET", path, **headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_id_of_another_server_begins_anew(desk: Newsdesk) -> None:
    assert "event: reset" in desk.ask("GET", "/events", Last_Event_ID="42").text


def test_who_was_away_hears_what_was_missed_from_another_server(desk: Newsdesk, serve: Serve) -> None:
    first = serve(build_app(desk.room.open()))
    with listen(first.port, **bearer(desk)) as editor:
        desk.begin("y")
        known = editor.next()
    first.stop()
    commit = publish(desk)
    second = serve(build_app(desk.room.open()))
    with listen(second.port, known.id, **bearer(desk)) as editor:
        heard: list[Told] = [editor.next() for _ in range(6)]
    assert [one.get("action", one.kind) for one in heard] == [
        *("changed", "started", "changed", "verdict", "published", "publication")
    ]
    assert heard[-1]["commit"] == commit


def test_a_server_that_stops_keeps_nobody_waiting(desk: Newsdesk, serve: Serve) -> None:
    server = serve(desk.app)
    with listen(server.port) as one, listen(server.port) as other:
        server.stop()
        for reader in (one, other):
            with pytest.raises(EOFError):
                reader.next()


def test_a_session_that_ends_ends_its_stream(desk: Newsdesk, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_SECONDS", 0.1)
    monkeypatch.setattr(conftest, "COMMENTS_MOST", 1000)
    port = serve(desk.app).port
    with listen(port, **bearer(desk)) as editor, listen(port) as stranger:
        desk.ask("DELETE", "/session", "eva")
        with pytest.raises(EOFError):
            editor.next()
        publish(desk)
        assert stranger.until("publication")
        assert stranger.comments


def test_who_loses_their_role_hears_of_no_draft_any_more(desk: Newsdesk, serve: Serve) -> None:
    port = serve(desk.app).port
    settings = desk.room.read("cms.toml")
    assert settings is not None
    with listen(port, **bearer(desk, "ola")) as writer:
        desk.room.repo.commit({"cms.toml": settings.replace('who = ["ola", "per", "eva"]', 'who = ["per", "eva"]')})
        assert writer.next().kind == "publication"
        desk.begin("y", by="per")
        desk.room.repo.commit({"posts/c.md": "---\ntitle: C\n---\n"})
        assert writer.next().kind == "publication"


def test_who_has_too_many_streams_is_told_when_to_come_again(
    desk: Newsdesk, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cms.api.streams.STREAMS_EACH_MOST", 1)
    port = serve(desk.app).port
    with listen(port, **bearer(desk)):
        refused = httpx2.get(f"http://127.0.0.1:{port}/api/v1/events", headers=bearer(desk))
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "30"
    assert "share one" in refused.json()["detail"]


def test_open_streams_are_counted(desk: Newsdesk, serve: Serve) -> None:
    port = serve(desk.app).port
    with listen(port):
        text = httpx2.get(f"http://127.0.0.1:{port}/metrics").text
    assert "cms_event_streams 1.0" in text


def test_a_process_that_is_killed_is_gone_on_from_by_the_next(
    repo: Repo, process: Callable[[Path], Process], serve: Serve
) -> None:
    repo.commit({**MODEL, "posts/a.md": post("A")})
    first = process(repo.path)
    with listen(first.port) as reader:
        repo.commit({"posts/a.md": post("Ny")})
        known = reader.next()
        first.stop(signal.SIGKILL)
    commit = repo.commit({"posts/b.md": post("B")})
    with listen(serve(Client(repo.path).app).port, known.id) as reader:
        heard = reader.next()
    assert (heard["commit"], [one["slug"] for one in heard["changes"]]) == (commit, ["b"])


@pytest.fixture
def process() -> Iterator[Callable[[Path], Process]]:
    """Starts ``cms serve``, and ends it after the test."""
    started: list[Process] = []

    def start(path: Path) -> Process:
        started.append(Process(str(path)))
        return started[-1]

    yield start
    for one in started:
        one.stop(signal.SIGKILL)
        one.process.communicate()


@pytest.mark.skipif(NGINX is None, reason="nginx is not installed here")
def test_events_pass_through_a_proxy_that_buffers(desk: Newsdesk, serve: Serve, tmp_path: Path, free_port: int) -> None:
    behind = serve(desk.app).port
    file = tmp_path / "nginx.conf"
    file.write_text(CONFIGURATION.format(folder=tmp_path, port=free_port, behind=behind))
    proxy = subprocess.Popen([str(NGINX), "-c", str(file), "-p", str(tmp_path)], stderr=subprocess.DEVNULL)
    try:
        wait_for(free_port)
        with listen(free_port) as reader:
            commit = publish(desk)
            assert reader.next()["commit"] == commit
    finally:
        proxy.terminate()
        proxy.wait()


def wait_for(port: int) -> None:
    """Until something listens there."""
    for _ in range(200):
        try:
            httpx2.get(f"http://127.0.0.1:{port}/api/v1/")
            return
        except httpx2.ConnectError:
            anyio.run(anyio.sleep, 0.02)
    raise AssertionError(f"nothing listens at {port}")


@pytest.fixture
def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        found: int = listener.getsockname()[1]
    return found


# -- limits ------------------------------------------------------------------------------------------------------------


def test_one_address_or_person_may_have_a_few_streams_and_a_proxy_many(serve_blog: Client) -> None:
    site = serve_blog.site

    async def crowd() -> None:
        streams = Streams()
        stack = [
            streams.entered(whose, site) for whose in ("9.9.9.9", "eva", "127.0.0.1") for _ in range(STREAMS_EACH_MOST)
        ]
        for each in stack:
            each.__enter__()
        for whose in ("9.9.9.9", "eva"):
            with pytest.raises(TooMany), streams.entered(whose, site):
                pass
        with streams.entered("127.0.0.1", site):
            assert streams.count == 3 * STREAMS_EACH_MOST + 1
        stack[0].__exit__(None, None, None)
        with streams.entered("9.9.9.9", site):
            pass
        for each in stack[1:]:
            each.__exit__(None, None, None)
        assert streams.count == 0

    anyio.run(crowd)


def test_a_server_has_room_for_so_many_and_no_more(serve_blog: Client) -> None:
    async def crowd() -> None:
        streams = Streams()
        streams._open["10.0.0.1"] = STREAMS_MOST
        with pytest.raises(TooBusy), streams.entered("10.0.0.2", serve_blog.site):
            pass

    anyio.run(crowd)


@pytest.fixture
def serve_blog(repo: Repo) -> Iterator[Client]:
    repo.commit({**MODEL, "posts/a.md": post("A")})
    client = Client(repo.path)
    yield client
    client.site.close()


def test_a_reader_that_takes_nothing_is_dropped(serve_blog: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "SEND_SECONDS", 0.05)
    sent: list[Any] = []

    async def receive() -> Message:
        await anyio.sleep_forever()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message["type"])
        if message.get("more_body"):
            await anyio.sleep_forever()

    async def ask() -> None:
        scope: Scope = {
            "type": "http", "method": "GET", "path": "/api/v1/events", "raw_path": b"/api/v1/events", "query_string": b"",
            "headers": [], "client": ("9.9.9.9", 1), "root_path": "", "state": {CLOSING: anyio.Event()},
        }  # fmt: skip
        with anyio.fail_after(20):
            await serve_blog.app(scope, receive, send)

    anyio.run(ask)
    assert sent == ["http.response.start", "http.response.body", "http.response.body"]
