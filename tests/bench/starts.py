"""How long a start takes, cold and warm, and what an entry costs in memory: on synthetic sites and real repositories."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from cms.site import PRIVATE_FOLDER
from tests.bench.generate import generate
from tests.bench.report import Row, entries, median_ratio, milliseconds
from tests.bench.servers import CMS

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"


@dataclass(frozen=True, slots=True, kw_only=True)
class Starts:
    """Seconds of each round."""

    baseline: list[float]
    cold: list[float]
    warm: list[float]
    entries: int
    cold_bytes: int
    warm_bytes: int


def measure_starts(sizes: Sequence[int], rounds: int) -> Iterator[Row]:
    """Cold start against the baseline, warm start against the cold one, and memory, for synthetic sites."""
    for size in sizes:
        starts = _start(generate(size), rounds)
        yield from _rows(entries(size), starts)
        for what, grown in (("cold", starts.cold_bytes), ("warm", starts.warm_bytes)):
            used = grown / starts.entries
            yield Row(
                what=f"memory for an entry after a {what} start",
                site=entries(size),
                ours=f"{used:,.0f} B",
                other="3,000 B",
                ratio=used / 3000,
                aim="≤ 1 at 100,000",
            )


def measure_corpora(rounds: int) -> Iterator[Row]:
    """The same starts for real repositories, adopted as their owners would."""
    for bundle in sorted(CORPORA.glob("*.bundle")):
        with tempfile.TemporaryDirectory() as folder:
            repository = _adopted(bundle, Path(folder))
            yield from _rows(bundle.stem, _start(repository, rounds))


def _rows(site: str, starts: Starts) -> Iterator[Row]:
    yield Row(
        what="cold start / walk, read, parse YAML",
        site=site,
        ours=milliseconds(median(starts.cold)),
        other=milliseconds(median(starts.baseline)),
        ratio=median_ratio(starts.cold, starts.baseline),
        aim="≤ 2",
    )
    yield Row(
        what="warm start / cold start",
        site=site,
        ours=milliseconds(median(starts.warm)),
        other=milliseconds(median(starts.cold)),
        ratio=median_ratio(starts.warm, starts.cold),
        aim="≤ 0.1",
    )


def _start(repository: Path, rounds: int) -> Starts:
    git_dir = repository / ".git" if (repository / ".git").exists() else repository
    starts = Starts(baseline=[], cold=[], warm=[], entries=0, cold_bytes=0, warm_bytes=0)
    for _ in range(rounds):
        starts.baseline.append(_child("tests.bench.baseline", repository)["seconds"])
        for folder in (git_dir / PRIVATE_FOLDER, repository / "search_index"):
            shutil.rmtree(folder, ignore_errors=True)
        cold = _child("tests.bench.build", repository)
        warm = _child("tests.bench.build", repository)
        starts.cold.append(cold["seconds"])
        starts.warm.append(warm["seconds"])
    return Starts(
        baseline=starts.baseline,
        cold=starts.cold,
        warm=starts.warm,
        entries=int(cold["entries"]),
        cold_bytes=int(cold["bytes"]),
        warm_bytes=int(warm["bytes"]),
    )


def _child(module: str, repository: Path) -> dict[str, float]:
    command = [sys.executable, "-m", module, str(repository)]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    result: dict[str, float] = json.loads(output)
    return result


def _adopted(bundle: Path, folder: Path) -> Path:
    tree = folder / bundle.stem
    git = ["git", "-C", str(tree), "-c", "user.name=Bench", "-c", "user.email=bench@example.org"]
    subprocess.run(["git", "clone", "-q", str(bundle), str(tree)], check=True, stderr=subprocess.DEVNULL)
    subprocess.run([*CMS, "adopt", str(tree)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*git, "add", "cms.toml", "schemas"], check=True)
    subprocess.run([*git, "commit", "-q", "-m", "Adopt"], check=True)
    return tree
