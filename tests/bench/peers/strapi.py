"""Strapi on SQLite: content types behind a REST API, without its administration pages."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.bench.generate import COMMON_WORD, RARE_WORD
from tests.bench.peers import peer
from tests.bench.peers.peer import ASKED_CATEGORY, PAGE, Post
from tests.bench.servers import free_port, running

PACKAGES = (
    "@strapi/strapi@5.54",
    "better-sqlite3@12",
    "react@18",
    "react-dom@18",
    "react-router-dom@6",
    "styled-components@6",
)
CONFIGURATION = {
    "database.js": "({ env }) => ({ connection: { client: 'sqlite', useNullAsDefault: true, "
    "connection: { filename: require('path').join(__dirname, '..', 'data.db') } } })",
    "server.js": "({ env }) => ({ host: '127.0.0.1', port: env.int('PORT'), app: { keys: ['a', 'b'] } })",
    "admin.js": "() => ({ serveAdminPanel: false, auth: { secret: 'only-to-measure' }, apiToken: { salt: 'only-to-measure' }, "
    "transfer: { token: { salt: 'only-to-measure' } }, secrets: { encryptionKey: '0123456789abcdef0123456789abcdef' } })",
    "api.js": "{ rest: { defaultLimit: 20, maxLimit: 100, withCount: true } }",
    "middlewares.js": "['strapi::errors', 'strapi::security', 'strapi::cors', 'strapi::query', 'strapi::body', 'strapi::favicon', 'strapi::public']",
}
#: Fills the database when it is empty, and opens reading to everybody.
BOOTSTRAP = """
const fs = require('fs');
module.exports = { async bootstrap({ strapi }) {
  const authors = strapi.db.query('api::author.author'), posts = strapi.db.query('api::post.post');
  if (await posts.count()) return;
  const now = new Date().toISOString(), ids = [];
  for (const name of JSON.parse(fs.readFileSync('authors.json'))) {
    const made = await authors.create({ data: { name, documentId: 'author' + ids.length, publishedAt: now } });
    ids.push(made.id);
  }
  const rows = JSON.parse(fs.readFileSync('posts.json'));
  for (let n = 0; n < rows.length; n += 200) await strapi.db.transaction(async () => {
    for (const [k, row] of rows.slice(n, n + 200).entries()) await posts.create({ data: { documentId: 'post' + (n + k), slug: row.slug,
      title: row.title, published_on: row.published_at, category: row.category, tags: row.tags, summary: row.summary, body: row.html,
      author: ids[row.author], publishedAt: now } });
  });
  const role = await strapi.db.query('plugin::users-permissions.role').findOne({ where: { type: 'public' } });
  for (const action of ['api::post.post.find', 'api::post.post.findOne', 'api::author.author.find'])
    await strapi.db.query('plugin::users-permissions.permission').create({ data: { action, role: role.id } });
  fs.writeFileSync('filled', '');
} };
"""


def _kind(name: str, plural: str, attributes: Mapping[str, Any]) -> str:
    info = {"singularName": name, "pluralName": plural, "displayName": name}
    return json.dumps(
        {"kind": "collectionType", "collectionName": plural, "info": info, "options": {}, "attributes": attributes}
    )


class Strapi:
    """Asked for an entry by its slug, as sites do; it makes no index on that."""

    name = "Strapi"

    def install(self, folder: Path) -> str:
        """See `Peer`."""
        return peer.npm_install(folder, "@strapi/strapi", "@strapi/plugin-users-permissions@5.54", *PACKAGES)

    def fill(self, folder: Path, posts: Sequence[Post]) -> None:
        """See `Peer`."""
        text = {"type": "text"}
        fields = {
            "slug": {"type": "string"},
            "title": {"type": "string"},
            "published_on": {"type": "datetime"},
            "category": {"type": "string"},
            "tags": {"type": "json"},
            "summary": text,
            "body": text,
            "author": {"type": "relation", "relation": "manyToOne", "target": "api::author.author"},
        }
        files = {f"config/{name}": f"module.exports = {text};\n" for name, text in CONFIGURATION.items()}
        files["config/plugins.js"] = (
            "module.exports = { 'users-permissions': { config: { jwtSecret: 'only-to-measure' } } };\n"
        )
        for name, plural, attributes in (
            ("post", "posts", fields),
            ("author", "authors", {"name": {"type": "string"}}),
        ):
            files[f"src/api/{name}/content-types/{name}/schema.json"] = _kind(name, plural, attributes)
            for part, factory in (("routes", "Router"), ("controllers", "Controller"), ("services", "Service")):
                made = f"require('@strapi/strapi').factories.createCore{factory}('api::{name}.{name}')"
                files[f"src/api/{name}/{part}/{name}.js"] = f"module.exports = {made};\n"
        files |= {"src/index.js": BOOTSTRAP, "public/robots.txt": "", "favicon.png": ""}
        files |= {"posts.json": json.dumps([asdict(post) for post in posts])}
        files |= {"authors.json": json.dumps(peer.author_names())}
        for path, content in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(content)
        (folder / "public/uploads").mkdir(exist_ok=True)
        about = json.loads((folder / "package.json").read_text())
        (folder / "package.json").write_text(json.dumps({**about, "name": "blog", "version": "0.0.1"}))
        for name in ("data.db", "filled"):
            (folder / name).unlink(missing_ok=True)
        port = free_port()
        command, environment = self.command(folder, port)
        with running(command, port, "/", folder=folder, environment=environment):
            if not (folder / "filled").exists():
                raise RuntimeError("it did not take the posts")

    def command(self, folder: Path, port: int) -> tuple[list[str], Mapping[str, str]]:
        """See `Peer`."""
        environment = {"PORT": str(port), "NODE_ENV": "production", "STRAPI_TELEMETRY_DISABLED": "true"}
        return [str(folder / "node_modules/.bin/strapi"), "start"], environment

    def addresses(self, folder: Path, port: int, slug: str) -> Mapping[str, str]:
        """See `Peer`."""
        del folder, port
        shown = "&".join(
            f"fields[{n}]={name}"
            for n, name in enumerate(("slug", "title", "published_on", "category", "tags", "summary"))
        )
        newest = f"/api/posts?sort=published_on:desc&pagination[pageSize]={PAGE}&"
        searched = f"/api/posts?pagination[pageSize]={PAGE}&{shown}&_q="
        return {
            peer.ONE: f"/api/posts?filters[slug][$eq]={slug}",
            peer.NEWEST: newest + shown,
            peer.CATEGORY: f"{newest}{shown}&filters[category][$eq]={ASKED_CATEGORY}&pagination[page]=3",
            peer.DEEP: f"{newest}{shown}&pagination[page]=50",
            peer.RELATIONS: f"{newest}{shown}&populate[author]=true",
            peer.BODIES: f"{newest}{shown}&fields[6]=body",
            peer.RARE: searched + RARE_WORD,
            peer.COMMON: searched + COMMON_WORD,
            peer.FRESH: searched + peer.WORD,
        }
