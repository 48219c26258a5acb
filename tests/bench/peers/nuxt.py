"""Nuxt Content: Markdown files, read into SQLite when the site is built, behind two routes written by hand."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench.peers import peer
from tests.bench.peers.peer import ASKED_CATEGORY, PAGE, Post

PACKAGES = ("nuxt@3", "@nuxt/content@3", "better-sqlite3@12")
FILES = {
    "nuxt.config.ts": "export default defineNuxtConfig({ modules: ['@nuxt/content'], telemetry: false, ssr: true,"
    " compatibilityDate: '2025-01-01', content: { database: { type: 'sqlite', filename: './posts.sqlite' } } })\n",
    "content.config.ts": """import { defineCollection, defineContentConfig, z } from '@nuxt/content'
export default defineContentConfig({ collections: { posts: defineCollection({ type: 'page', source: 'posts/*.md',
  schema: z.object({ slug: z.string(), published_at: z.string(), category: z.string(), tags: z.array(z.string()), author: z.number(),
    summary: z.string() }) }) } })
""",
    "app.vue": "<template><p>Blog</p></template>\n",
    "server/api/posts/[slug].get.ts": "export default defineEventHandler(event =>"
    " queryCollection(event, 'posts').where('slug', '=', getRouterParam(event, 'slug')).first())\n",
    "server/api/posts/index.get.ts": """export default defineEventHandler(event => {
  const { category, page = 1, limit = 20 } = getQuery(event)
  let query = queryCollection(event, 'posts').select('slug', 'title', 'published_at', 'category', 'tags', 'author', 'summary')
  if (category) query = query.where('category', '=', category)
  return query.order('published_at', 'DESC').skip((Number(page) - 1) * Number(limit)).limit(Number(limit)).all()
})
""",
}


class NuxtContent:
    """Without relations and search, which it leaves to the browser; an entry always holds its body, a list does not."""

    name = "Nuxt Content"

    def install(self, folder: Path) -> str:
        """See `Peer`."""
        return peer.npm_install(folder, "@nuxt/content", *PACKAGES)

    def fill(self, folder: Path, posts: Sequence[Post]) -> None:
        """See `Peer`."""
        for path, text in FILES.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        about = json.loads((folder / "package.json").read_text())
        (folder / "package.json").write_text(json.dumps({**about, "type": "module"}))
        (folder / "content/posts").mkdir(parents=True, exist_ok=True)
        for post in posts:
            values = {
                "title": post.title,
                "slug": post.slug,
                "published_at": post.published_at,
                "category": post.category,
                "tags": list(post.tags),
                "author": post.author,
                "summary": post.summary,
            }
            front = "\n".join(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in values.items())
            (folder / f"content/posts/{post.slug}.md").write_text(f"---\n{front}\n---\n\n{post.markdown}")
        peer.run(["node_modules/.bin/nuxt", "build"], folder, NUXT_TELEMETRY_DISABLED="1")

    def command(self, folder: Path, port: int) -> tuple[list[str], Mapping[str, str]]:
        """See `Peer`."""
        del folder
        return ["node", ".output/server/index.mjs"], {"PORT": str(port), "HOST": "127.0.0.1", "NODE_ENV": "production"}

    def addresses(self, folder: Path, port: int, slug: str) -> Mapping[str, str]:
        """See `Peer`."""
        del folder, port
        return {
            peer.ONE: f"/api/posts/{slug}",
            peer.NEWEST: f"/api/posts?limit={PAGE}",
            peer.CATEGORY: f"/api/posts?limit={PAGE}&category={ASKED_CATEGORY}&page=3",
            peer.DEEP: f"/api/posts?limit={PAGE}&page=50",
        }
