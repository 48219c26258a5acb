"""What a cold start is compared with: walk the tree, read the blobs, parse the front matter with PyYAML's C loader.

Front matter in TOML is parsed with the standard library, other files are read and left.

``python -m tests.bench.baseline REPOSITORY`` prints ``{"seconds": …, "entries": …}``. It types, checks, sorts and
keeps nothing but the parsed front matter.
"""

import json
import sys
import time
import tomllib
from collections.abc import Iterator
from typing import Any

import pygit2
import yaml


def read_all(path: str) -> list[dict[str, Any]]:
    """The front matter of every Markdown file at the tip of the repository at *path*."""
    repository = pygit2.Repository(path)
    tip = repository.head.peel(pygit2.Tree)
    return [values for blob in _walk(tip) if (values := _parse(blob.data)) is not None]


def _walk(tree: pygit2.Tree) -> Iterator[pygit2.Blob]:
    for item in tree:
        if isinstance(item, pygit2.Tree):
            yield from _walk(item)
        elif isinstance(item, pygit2.Blob) and str(item.name).endswith(".md"):
            yield item


def _parse(source: bytes) -> dict[str, Any] | None:
    fence = source[:3]
    if fence not in (b"---", b"+++"):
        return None
    try:
        text = source[4 : source.index(b"\n" + fence, 3)]
        values = tomllib.loads(text.decode()) if fence == b"+++" else yaml.load(text, Loader=yaml.CSafeLoader)
    except (ValueError, yaml.YAMLError):
        return None
    return values if isinstance(values, dict) else None


if __name__ == "__main__":
    started = time.perf_counter()
    found = read_all(sys.argv[1])
    print(json.dumps({"seconds": time.perf_counter() - started, "entries": len(found)}))
