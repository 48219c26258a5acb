"""Datasette: a SQLite file behind a JSON API."""

import json
import sqlite3
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from tests.bench.generate import COMMON_WORD, RARE_WORD
from tests.bench.peers import peer
from tests.bench.peers.peer import ASKED_CATEGORY, PAGE, Post

TABLES = """
CREATE TABLE authors (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE posts (slug TEXT PRIMARY KEY, title TEXT, published_at TEXT, category TEXT, tags TEXT,
  author INTEGER REFERENCES authors(id), summary TEXT);
CREATE TABLE bodies (slug TEXT PRIMARY KEY, body TEXT);
CREATE VIRTUAL TABLE posts_fts USING fts5(title, summary, body);
CREATE INDEX by_date ON posts(published_at);
CREATE INDEX by_category ON posts(category, published_at);
CREATE VIEW posts_with_bodies AS SELECT posts.*, body FROM posts JOIN bodies USING (slug);
"""


class Datasette:
    """Pages follow one another by a token, so a page is found by following the ones before it."""

    name = "Datasette"

    def install(self, folder: Path) -> str:
        """See `Peer`."""
        return peer.pip_install(folder, "datasette", "datasette")

    def fill(self, folder: Path, posts: Sequence[Post]) -> None:
        """See `Peer`."""
        file = folder / "posts.db"
        file.unlink(missing_ok=True)
        with closing(sqlite3.connect(file)) as database:
            database.executescript(TABLES)
            database.executemany("INSERT INTO authors VALUES (?, ?)", enumerate(peer.author_names()))
            for number, post in enumerate(posts, 1):
                row = (post.slug, post.title, post.published_at, post.category, json.dumps(post.tags), post.author)
                database.execute("INSERT INTO posts VALUES (?, ?, ?, ?, ?, ?, ?)", (*row, post.summary))
                database.execute("INSERT INTO bodies VALUES (?, ?)", (post.slug, post.html))
                values = (number, post.title, post.summary, post.markdown)
                database.execute("INSERT INTO posts_fts (rowid, title, summary, body) VALUES (?, ?, ?, ?)", values)
            database.execute("ANALYZE")
            database.commit()
        about = {"databases": {"posts": {"tables": {"posts": {"fts_table": "posts_fts", "fts_pk": "rowid"}}}}}
        (folder / "metadata.json").write_text(json.dumps(about))

    def command(self, folder: Path, port: int) -> tuple[list[str], Mapping[str, str]]:
        """See `Peer`."""
        program = str(folder / "venv/bin/datasette")
        # What it refuses by default when several ask at once, it is given the time for.
        options = ["--metadata", "metadata.json", "--setting", "sql_time_limit_ms", "60000"]
        return [program, "serve", "-i", "posts.db", "-p", str(port), *options], {}

    def addresses(self, folder: Path, port: int, slug: str) -> Mapping[str, str]:
        """See `Peer`."""
        del folder
        shown = f"_shape=objects&_size={PAGE}&_nofacet=1&_nocount=1"
        newest = f"/posts/posts.json?_sort_desc=published_at&{shown}"
        category = f"{newest}&category={ASKED_CATEGORY}"
        searched = f"/posts/posts.json?{shown}&_search="
        return {
            peer.ONE: f"/posts/posts/{quote(slug)}.json?_shape=objects",
            peer.NEWEST: newest,
            peer.CATEGORY: self._page(port, category, 3),
            peer.DEEP: self._page(port, newest, 50),
            peer.RELATIONS: f"{newest}&_labels=on",
            peer.BODIES: f"/posts/posts_with_bodies.json?_sort_desc=published_at&{shown}",
            peer.RARE: searched + RARE_WORD,
            peer.COMMON: searched + COMMON_WORD,
            peer.FRESH: searched + peer.WORD,
        }

    def _page(self, port: int, path: str, number: int) -> str:
        for _ in range(number - 1):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}") as response:
                following = json.load(response)["next_url"]
            path = "/" + following.split("/", 3)[3]
        return path
