"""Directus on SQLite: tables behind a REST API."""

import json
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.bench.generate import COMMON_WORD, RARE_WORD
from tests.bench.peers import peer
from tests.bench.peers.peer import ASKED_CATEGORY, PAGE, Post
from tests.bench.servers import free_port, running

EMAIL, PASSWORD = "admin@example.org", "only-to-measure-1"
ENVIRONMENT = {
    "KEY": "0123456789abcdef0123456789abcdef",
    "SECRET": "0123456789abcdef0123456789abcdef",
    "DB_CLIENT": "sqlite3",
    "DB_FILENAME": "./data.db",
    "ADMIN_EMAIL": EMAIL,
    "ADMIN_PASSWORD": PASSWORD,
    "TELEMETRY": "false",
    "CACHE_ENABLED": "false",
    "RATE_LIMITER_ENABLED": "false",
    "LOG_LEVEL": "error",
    "HOST": "127.0.0.1",
    "MAX_PAYLOAD_SIZE": "50mb",
}
BATCH = 500


class Directus:
    """Filled over its own API, with an index on what is filtered and sorted."""

    name = "Directus"

    def install(self, folder: Path) -> str:
        """See `Peer`."""
        return peer.npm_install(folder, "directus", "directus", "sqlite3")

    def fill(self, folder: Path, posts: Sequence[Post]) -> None:
        """See `Peer`."""
        (folder / "data.db").unlink(missing_ok=True)
        peer.run([self._program(folder), "bootstrap"], folder, **ENVIRONMENT)
        port = free_port()
        command, environment = self.command(folder, port)
        with running(command, port, "/server/ping", folder=folder, environment=environment):
            api = _Api(port)
            api.begin()
            api.make_tables()
            api.post("/items/authors", [{"id": n, "name": name} for n, name in enumerate(peer.author_names(), 1)])
            for start in range(0, len(posts), BATCH):
                api.post("/items/posts", [_row(post) for post in posts[start : start + BATCH]])
            api.open_to_everybody()

    def _program(self, folder: Path) -> str:
        return str(folder / "node_modules/.bin/directus")

    def command(self, folder: Path, port: int) -> tuple[list[str], Mapping[str, str]]:
        """See `Peer`."""
        return [self._program(folder), "start"], {**ENVIRONMENT, "PORT": str(port)}

    def addresses(self, folder: Path, port: int, slug: str) -> Mapping[str, str]:
        """See `Peer`."""
        del folder, port
        shown = "slug,title,published_at,category,tags,author,summary"
        newest = f"/items/posts?sort=-published_at&limit={PAGE}&meta=filter_count&fields="
        searched = f"/items/posts?limit={PAGE}&meta=filter_count&fields={shown}&search="
        return {
            peer.ONE: f"/items/posts/{slug}",
            peer.NEWEST: newest + shown,
            peer.CATEGORY: f"{newest}{shown}&filter[category][_eq]={ASKED_CATEGORY}&page=3",
            peer.DEEP: f"{newest}{shown}&page=50",
            peer.RELATIONS: f"{newest}{shown},author.name",
            peer.BODIES: f"{newest}{shown},body",
            peer.RARE: searched + RARE_WORD,
            peer.COMMON: searched + COMMON_WORD,
            peer.FRESH: searched + peer.WORD,
        }


def _row(post: Post) -> dict[str, Any]:
    return {
        "slug": post.slug,
        "title": post.title,
        "published_at": post.published_at[:19],
        "category": post.category,
        "tags": list(post.tags),
        "author": post.author + 1,
        "summary": post.summary,
        "body": post.html,
    }


class _Api:
    """Its REST API, as the administrator."""

    def __init__(self, port: int) -> None:
        self._base = f"http://127.0.0.1:{port}"
        self._token = ""

    def begin(self) -> None:
        self._token = self.post("/auth/login", {"email": EMAIL, "password": PASSWORD})["access_token"]

    def post(self, path: str, body: object, *, method: str = "POST") -> Any:
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data, headers, method=method)
        with urllib.request.urlopen(request) as response:
            text = response.read()
        return json.loads(text)["data"] if text else None

    def make_tables(self) -> None:
        def field(name: str, kind: str, *, indexed: bool = False, key: bool = False) -> dict[str, Any]:
            return {"field": name, "type": kind, "schema": {"is_indexed": indexed, "is_primary_key": key}, "meta": {}}

        self.post(
            "/collections",
            {
                "collection": "authors",
                "schema": {},
                "fields": [field("id", "integer", key=True), field("name", "string")],
            },
        )
        fields = [
            field("slug", "string", key=True),
            field("title", "string"),
            field("published_at", "dateTime", indexed=True),
            field("category", "string", indexed=True),
            field("tags", "json"),
            field("author", "integer"),
            field("summary", "text"),
            field("body", "text"),
        ]
        self.post("/collections", {"collection": "posts", "schema": {}, "fields": fields})
        relation = {"collection": "posts", "field": "author", "related_collection": "authors", "schema": {}}
        self.post("/relations", relation)

    def open_to_everybody(self) -> None:
        policies = self.post("/policies?limit=-1", None, method="GET")
        public = next(policy for policy in policies if "public" in policy["name"])
        for name in ("posts", "authors"):
            allowed: dict[str, Any] = {"collection": name, "action": "read", "fields": ["*"], "permissions": {}}
            self.post("/permissions", {**allowed, "policy": public["id"]})
