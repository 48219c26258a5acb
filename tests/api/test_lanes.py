"""Slow work waits in lanes of its own, and not for long."""

from threading import Event

import anyio
import pytest

from cms.api.lanes import Lane
from cms.entry import Entry
from cms.errors import InvalidQuery, TooBusy
from cms.fieldpath import Lookup
from cms.query import BUDGET_STEPS, Budget
from tests.api.conftest import Serve
from tests.api.tools import MODEL, Client, post
from tests.repo import Repo


def test_what_finds_the_queue_full_is_refused_at_once() -> None:
    go_on = Event()
    refused: list[TooBusy] = []

    async def ask(lane: Lane) -> None:
        try:
            await lane.run(go_on.wait, 10)
        except TooBusy as error:
            refused.append(error)
            go_on.set()

    async def ask_four_times() -> None:
        lane = Lane(threads=1, waiting_most=2)
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(ask, lane)

    anyio.run(ask_four_times)
    assert [error.facts["retry_after_seconds"] for error in refused] == [2]


def test_a_lane_is_free_again_after_a_failure() -> None:
    async def fail_often() -> None:
        lane = Lane(threads=1, waiting_most=0)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await lane.run(divmod, 1, 0)

    anyio.run(fail_often)


def test_a_query_that_has_used_up_its_time_is_refused(blog: Client) -> None:
    def is_anything(entry: Entry, lookup: Lookup) -> bool:
        return bool(entry and lookup)

    catalog = blog.site.catalog
    entries = catalog.order("posts", ("*",), ())
    assert Budget(catalog, 60).fitting(is_anything, entries) == entries
    with pytest.raises(InvalidQuery, match="too long"):
        Budget(catalog, -1).fitting(is_anything, entries)


def test_following_references_uses_up_the_time_of_a_query(blog: Client) -> None:
    budget = Budget(blog.site.catalog, -1)
    for _ in range(BUDGET_STEPS - 1):
        assert budget.find_reference("kari", ["people"], "nb") is not None
    with pytest.raises(InvalidQuery, match="too long"):
        budget.find_reference("kari", ["people"], "nb")


def test_a_query_over_many_values_is_answered_in_its_lane(serve: Serve, repo: Repo) -> None:
    related = {f"posts/p{n}.md": post(related=f"[p{n - 1}, p{n - 2}]") for n in range(60)}
    repo.commit({**MODEL, **related})
    found = serve().meta("/entries/posts?filter[related.related.related.title][contains]=post&sort=-slug")
    assert found["total"] == 57
