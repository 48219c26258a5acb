"""json-server: one JSON file in memory behind a REST API."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from tests.bench.generate import COMMON_WORD, RARE_WORD
from tests.bench.peers import peer
from tests.bench.peers.peer import ASKED_CATEGORY, PAGE, Post


class JsonServer:
    """Lists always hold the bodies."""

    name = "json-server"

    def install(self, folder: Path) -> str:
        """See `Peer`."""
        return peer.npm_install(folder, "json-server", "json-server@0.17")

    def fill(self, folder: Path, posts: Sequence[Post]) -> None:
        """See `Peer`."""
        rows = [{"id": post.slug, **asdict(post), "authorId": post.author} for post in posts]
        authors = [{"id": number, "name": name} for number, name in enumerate(peer.author_names())]
        (folder / "db.json").write_text(json.dumps({"posts": rows, "authors": authors}))

    def command(self, folder: Path, port: int) -> tuple[list[str], Mapping[str, str]]:
        """See `Peer`."""
        program = str(folder / "node_modules/.bin/json-server")
        return [program, "--quiet", "--host", "127.0.0.1", "--port", str(port), "db.json"], {}

    def addresses(self, folder: Path, port: int, slug: str) -> Mapping[str, str]:
        """See `Peer`."""
        del folder, port
        newest = f"/posts?_sort=published_at&_order=desc&_limit={PAGE}"
        return {
            peer.ONE: f"/posts/{slug}",
            peer.NEWEST: newest,
            peer.CATEGORY: f"{newest}&category={ASKED_CATEGORY}&_page=3",
            peer.DEEP: f"{newest}&_page=50",
            peer.RELATIONS: f"{newest}&_expand=author",
            peer.BODIES: newest,
            peer.RARE: f"/posts?q={RARE_WORD}&_limit={PAGE}",
            peer.COMMON: f"/posts?q={COMMON_WORD}&_limit={PAGE}",
            peer.FRESH: f"/posts?q={peer.WORD}&_limit={PAGE}",
        }
