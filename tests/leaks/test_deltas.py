"""Deltas and comparisons between any two published states tell nobody of what is hidden: pairs that differ in secrets answer the same."""

import asyncio
import os
from random import Random

import pytest

from tests.leaks.hiding import public_files
from tests.leaks.test_noninterference import OPEN_PAST, SEED, BesideSteps, InsideSteps, quick
from tests.leaks.worlds import Pair, Question, open_pair

#: As many states with secrets in them; ``CMS_LEAK_PAIRS`` asks for more.
STATES = int(os.environ.get("CMS_LEAK_PAIRS", "1000")) // 40
MOMENTS = ("", "", "@2024-01-01T12:30:00Z", "@2024-06-01T00:00:00Z", "@2025-01-01T00:00:00Z", "@2999-01-01T00:00:00Z")
SHAPES = (
    "",
    "",
    "&collection=posts",
    "&fields=title,author.name",
    "&depth=2&format=html",
    "&locale=en&fallback=nb",
    "&limit=2",
)

__all__ = ["quick"]


def positions(pair: Pair) -> list[tuple[str, str]]:
    """The states that both have had, as each of them calls them."""
    found: dict[bytes, list[str]] = {}
    for commit, name in pair.known.items():
        found.setdefault(name, []).append(commit.decode())
    return [(ids[0], ids[-1]) for ids in found.values()]


def questions(pair: Pair, random: Random) -> list[tuple[Question, Question]]:
    """What follows from the states so far, asked of each by its own names."""
    since, until = random.choice(positions(pair)), random.choice(positions(pair))
    moments, shape = random.choices(MOMENTS, k=2), random.choice(SHAPES)
    asked = [f"/changes?since=%s{moments[0]}{shape}", f"/changes?since=start{shape}", f"/diff?from=%s{moments[0]}"]
    both = [f"/changes?since=%s{moments[0]}&until=%s{moments[1]}", f"/diff?from=%s{moments[0]}&to=%s{moments[1]}"]
    both.append(f"/changes?since=%s&cursor={random.randrange(3)}.%s{moments[1]}")
    return [
        (Question("GET", f"/api/v1{one}"), Question("GET", f"/api/v1{other}"))
        for one, other in [
            *((path.replace("%s", since[0]), path.replace("%s", since[1])) for path in asked),
            *((path % (since[0], until[0]), path % (since[1], until[1])) for path in both),
        ]
    ]


@pytest.mark.parametrize("history", ["", OPEN_PAST], ids=["past closed", "past open"])
def test_no_delta_and_no_comparison_tells_of_what_is_hidden(history: str) -> None:
    random = Random(SEED)

    async def ask_all(pair: Pair) -> None:
        inside, beside = InsideSteps(pair, random, history), BesideSteps(pair, random)
        inside.restarts = False
        for number in range(STATES):
            await (beside if number % 4 == 3 else inside)(number)
            for one, other in questions(pair, random):
                await pair.compare(one, other)

    with open_pair(public_files(history)) as pair:
        asyncio.run(ask_all(pair))
        assert not pair.told, "\n".join(pair.told[:5])
        assert pair.asked > 5 * STATES
