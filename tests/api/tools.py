"""A client for an application in this process, and small sites to ask."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2
from starlette.testclient import TestClient

from cms.app import build_app
from cms.inferred import infer_model
from cms.site import Site
from tests.repo import Repo

ROOT = Path(__file__).parents[2]
BASE = "/api/v1"
SETTINGS = """
[site]
title = "Test"
locales = ["nb", "nn", "en"]
default_locale = "nb"
time_zone = "Europe/Oslo"
[server]
max_age_seconds = 600
"""
POSTS = """
type: object
x-path: posts/{slug}.md
x-date: date
properties:
  title: {type: string, x-search: {boost: 2.0}}
  date: {type: string, format: date}
  seen: {type: string, format: date-time}
  author: {type: string, x-reference: people}
  category: {type: string, x-search: {facet: true}}
  tags: {type: array, items: {type: string}, x-search: {facet: true}}
  stars: {type: integer}
  weight: {type: number}
  featured: {type: boolean}
  related: {type: array, items: {type: string}, x-reference: [posts, people]}
  image: {type: object, properties: {url: {type: string, x-asset: true}, alt: {type: string}}}
  aliases: {type: array, items: {type: string}}
"""
PEOPLE = """
type: object
x-path: people/{slug}.md
x-title: name
x-body: none
additionalProperties: false
required: [name]
properties:
  name: {type: string}
  boss: {type: string, x-reference: people}
  publish_at: {type: string, format: date-time}
  expire_at: {type: string, format: date-time}
"""
MODEL: Mapping[str, str] = {"cms.toml": SETTINGS, "schemas/posts.yaml": POSTS, "schemas/people.yaml": PEOPLE}


class Client:
    """Asks one application; redirects are not followed and failures are not raised."""

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.site = Site.open(path, infer=infer_model)
        self.app = build_app(self.site, clock)
        self._client = TestClient(self.app, raise_server_exceptions=False, follow_redirects=False)

    def ask(self, path: str, method: str = "GET", **headers: str) -> httpx2.Response:
        """The answer to a request; ``If_None_Match="…"`` sends a header; *path* may stand below the base path."""
        url = path if path.startswith(("/api/", "/healthz", "/readyz", "/metrics", "//")) else f"{BASE}{path}"
        named = {"Accept-Encoding": "identity", **{name.replace("_", "-"): value for name, value in headers.items()}}
        return self._client.request(method, url, headers=named)

    def data(self, path: str) -> Any:
        """``data`` of an answer that must be a success."""
        answer = self.ask(path)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def meta(self, path: str) -> Any:
        """``meta`` of an answer that must be a success."""
        answer = self.ask(path)
        assert answer.status_code == 200, answer.text
        return answer.json()["meta"]

    def slugs(self, query: str = "", collection: str = "posts") -> list[str]:
        """The slugs of a list, in its order."""
        return [entry["slug"] for entry in self.data(f"/entries/{collection}?{query}")]

    def problem(self, path: str) -> Any:
        """The body of an answer that must be a bad query."""
        answer = self.ask(path)
        assert answer.status_code == 400, answer.text
        return answer.json()


def post(title: str = "A post", body: str = "Some words.", **fields: str) -> str:
    """A content file; *fields* are written as they are."""
    lines = "".join(f"{name}: {value}\n" for name, value in fields.items())
    return f"---\ntitle: {title}\n{lines}---\n{body}\n"


def person(name: str, **fields: str) -> str:
    """A content file of the other collection."""
    return f"---\nname: {name}\n" + "".join(f"{key}: {value}\n" for key, value in fields.items()) + "---\n"


def demo_repo(path: Path) -> Repo:
    """A repository with the demo's files as they lie in the work tree, always the same for the same files."""
    repo = Repo.create(path)
    files = [file for folder in ("content", "schemas") for file in sorted((ROOT / folder).rglob("*")) if file.is_file()]
    repo.commit({file.relative_to(ROOT).as_posix(): file.read_bytes() for file in [ROOT / "cms.toml", *files]})
    return repo
