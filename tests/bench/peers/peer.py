"""What a peer is: how it is installed, filled and started, and at which addresses it answers our questions."""

import os
import re
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cms.frontmatter import read
from cms.markdown import render
from tests.bench.generate import AUTHORS, Generator

ONE, NEWEST, CATEGORY, DEEP = "one entry", "list of 20 newest", "a category, page 3", "page 50"
RELATIONS, BODIES, RARE, COMMON = "with relations", "with bodies", "search, rare word", "search, common word"
FRESH = "searches for other words, each once"
QUESTIONS = (ONE, NEWEST, CATEGORY, DEEP, RELATIONS, BODIES, RARE, COMMON, FRESH)
#: Stands in an address for each of many words.
WORD = "WORD"
WORDS = 60
ASKED_CATEGORY = "helse"
PAGE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One post as it is given to every system."""

    slug: str
    title: str
    published_at: str
    category: str
    tags: tuple[str, ...]
    author: int
    summary: str
    markdown: str
    html: str


class Peer(Protocol):
    """Another system. *folder* is its own, kept between runs."""

    name: str

    def install(self, folder: Path) -> str:
        """Install it from a package registry, unless it is there; return its version."""

    def fill(self, folder: Path, posts: Sequence[Post]) -> None:
        """Give it the posts, unless it has them."""

    def command(self, folder: Path, port: int) -> tuple[list[str], Mapping[str, str]]:
        """What starts it, and what is added to the environment."""

    def addresses(self, folder: Path, port: int, slug: str) -> Mapping[str, str]:
        """The path of each question that it can answer; asked when it runs."""


def make_posts(size: int) -> list[Post]:
    """The posts of the synthetic site of that size."""
    generator = Generator(size)
    return [_post(generator, number) for number in range(size)]


def _post(generator: Generator, number: int) -> Post:
    made = generator.post(number)
    document = read(made.source)
    values: dict[str, Any] = dict(document.values)
    return Post(
        slug=made.slug,
        title=values["title"],
        published_at=f"{values['date']}T00:00:00.000Z",
        category=values["category"],
        tags=tuple(values["tags"]),
        author=int(values["author"].rpartition("-")[2]),
        summary=values["summary"],
        markdown=document.body,
        html=render(document.body).html,
    )


def pick_words(posts: Sequence[Post]) -> list[str]:
    """Words of all the posts, from the most frequent to the rarest."""
    counts = Counter(word for post in posts for word in re.findall(r"[a-zæøå]{4,}", post.markdown.lower()))
    ranked = [word for word, _ in counts.most_common()]
    return ranked[:: max(1, len(ranked) // WORDS)][:WORDS]


def author_names() -> list[str]:
    """The names of the authors, by number."""
    return [f"Forfatter {number}" for number in range(AUTHORS)]


def run(command: Sequence[str], folder: Path, **environment: str) -> str:
    """The output of *command*.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    done = subprocess.run(
        list(command),
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:3])} failed: {done.stdout[-600:]}")
    return done.stdout


def npm_install(folder: Path, name: str, *packages: str) -> str:
    """Install *packages* into *folder*; the version of *name*."""
    found = folder / "node_modules" / name / "package.json"
    if not found.exists():
        (folder / "package.json").write_text('{"private": true}')
        run(["npm", "install", "--no-audit", "--no-fund", *packages], folder)
    return run(["node", "-p", f"require('./node_modules/{name}/package.json').version"], folder).strip()


def pip_install(folder: Path, name: str, *packages: str) -> str:
    """Install *packages* into a virtual environment in *folder*; the version of *name*."""
    python = folder / "venv/bin/python"
    if not python.exists():
        run(["python3", "-m", "venv", str(folder / "venv")], folder)
        run([str(python), "-m", "pip", "install", "--quiet", *packages], folder)
    return run([str(python), "-c", f"from importlib.metadata import version; print(version('{name}'))"], folder).strip()
