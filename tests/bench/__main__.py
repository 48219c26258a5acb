"""Measure Branchpress and print one Markdown table: ``python -m tests.bench``.

Ratios of one run are comparable between machines, absolute figures are not. Nothing else should run meanwhile.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping

from tests.bench.asking import measure_http
from tests.bench.changing import measure_changes, measure_searches
from tests.bench.editing import measure_editing
from tests.bench.judging import measure_judging
from tests.bench.pushing import measure_pushes
from tests.bench.report import Row, table
from tests.bench.searching import measure_search
from tests.bench.starts import measure_corpora, measure_starts

Section = Callable[[argparse.Namespace], Iterator[Row]]
SECTIONS: Mapping[str, Section] = {
    "starts": lambda options: measure_starts(options.sizes, options.rounds),
    "corpora": lambda options: measure_corpora(options.rounds),
    "http": lambda options: measure_http(options.sizes, options.rounds, options.seconds),
    "changes": lambda options: measure_changes(options.sizes),
    "judge": lambda options: measure_judging(options.sizes),
    "editing": lambda options: measure_editing(options.sizes),
    "pushes": lambda options: measure_pushes(options.sizes),
    "searches": lambda options: measure_searches(options.sizes),
    "search": lambda options: measure_search(options.sizes),
}


def _numbers(text: str) -> list[int]:
    return sorted(int(number) for number in text.replace("_", "").split(","))


def main() -> None:
    """Run the wanted sections; progress goes to standard error, the table to standard output."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"{', '.join(SECTIONS)}; default: all")
    parser.add_argument("--sizes", type=_numbers, default=[1_000, 10_000, 100_000], help="default: 1000,10000,100000")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of A/B measurements (default: 5)")
    parser.add_argument("--seconds", type=float, default=3, help="length of one load (default: 3)")
    options = parser.parse_args()
    if unknown := set(options.sections) - set(SECTIONS):
        parser.error(f"unknown section {', '.join(sorted(unknown))}; there are {', '.join(SECTIONS)}")
    rows: list[Row] = []
    for name in options.sections or SECTIONS:
        started = time.monotonic()
        for row in SECTIONS[name](options):
            rows.append(row)
            print(f"{row.what}, {row.site}: {row.ours}", file=sys.stderr)
        print(f"-- {name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
    print(table(rows))


if __name__ == "__main__":
    main()
