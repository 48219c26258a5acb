"""One start of a site in a process of its own: ``python -m tests.bench.build REPOSITORY`` prints time and memory as JSON.

Time counts from the opening of the repository to the first entry found, imports excluded. Memory is what the process
holds more than before, without pages of files (Git's packs are mapped, and the system may drop them).
"""

import gc
import json
import re
import sys
import time
from pathlib import Path

import structlog

from cms.errors import RepositoryProblem
from cms.model import ContentModel
from cms.refs import CommitId
from cms.site import Site
from cms.store import Store


def anonymous_bytes() -> int:
    """Memory of this process that is not backed by a file."""
    status = Path("/proc/self/status").read_text()
    match = re.search(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE)
    return int(match[1]) * 1024 if match else 0


def refuse(store: Store, commit: CommitId, branch: str, now: float) -> ContentModel:
    """Stands in for guessing a content model, which is not what is measured."""
    raise RepositoryProblem("measure a repository that has a cms.toml")


def main(repository: str) -> None:
    """Open the site and print what it took."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    gc.collect()
    before = anonymous_bytes()
    started = time.perf_counter()
    site = Site.open(Path(repository), infer=refuse)
    entries = len(site.catalog.snapshot.files)
    seconds = time.perf_counter() - started
    gc.collect()
    grown = anonymous_bytes() - before
    site.close()
    print(json.dumps({"seconds": seconds, "entries": entries, "bytes": grown}))


if __name__ == "__main__":
    main(sys.argv[1])
