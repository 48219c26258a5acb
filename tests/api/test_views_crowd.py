"""Many views at once: a few wait, the rest is refused, and nobody else notices."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest
from httpx2 import ASGITransport

from tests.api.newsdesk import Newsdesk
from tests.api.tools import BASE, MODEL, SETTINGS, Client, post
from tests.repo import Repo

COMMITS = 40
Asked = list[httpx2.Response]


@pytest.fixture(scope="module")
def busy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, list[str]]]:
    repo = Repo.create(tmp_path_factory.mktemp("busy") / "site.git")
    public = {**MODEL, "cms.toml": f"{SETTINGS}[history]\npublic = true\n"}
    day = datetime(2024, 3, 1, tzinfo=UTC)
    commits = [repo.commit({**public, "posts/a.md": post("A")}, at=day)]
    commits += [repo.commit({"posts/a.md": post(f"{n}")}, at=day + timedelta(hours=n)) for n in range(1, COMMITS)]
    client = Client(repo.path)
    yield client, commits
    client.site.close()


def ask_at_once(app: Any, paths: list[str], **headers: str) -> Asked:
    async def ask_all() -> Asked:
        transport = ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url=f"http://test{BASE}", timeout=60) as client:
            return list(await asyncio.gather(*(client.get(path, headers=headers) for path in paths)))

    return asyncio.run(ask_all())


def test_a_crowd_is_refused_in_part_and_told_when_to_come_again(busy: tuple[Client, list[str]]) -> None:
    client, commits = busy
    found = ask_at_once(client.app, [f"/entries/posts?ref={commit}" for commit in commits])
    counted = Counter(answer.status_code for answer in found)
    assert counted == {200: 21, 503: COMMITS - 21}
    assert all(answer.headers["retry-after"] == "2" for answer in found if answer.status_code == 503)
    assert all(answer.headers["cache-control"] == "no-store" for answer in found if answer.status_code == 503)


def test_others_are_answered_while_a_crowd_waits(busy: tuple[Client, list[str]]) -> None:
    client, commits = busy
    views = [f"/entries/posts?ref={commit}&sort=title" for commit in commits]
    found = ask_at_once(client.app, [*views, *["/entries/posts", "/entries/posts/a"] * 10])
    assert [answer.status_code for answer in found[COMMITS:]] == [200] * 20


def test_answers_that_come_at_once_are_not_mixed_up(busy: tuple[Client, list[str]]) -> None:
    client, commits = busy
    wanted = commits[:15]
    found = ask_at_once(client.app, [f"/entries/posts/a?ref={commit}" for commit in wanted])
    assert [answer.json()["meta"]["commit"] for answer in found] == wanted
    assert [answer.json()["data"]["title"] for answer in found] == ["A", *map(str, range(1, 15))]


def test_who_works_on_drafts_does_not_wait_for_strangers(desk: Newsdesk) -> None:
    desk.begin()
    strangers = ask_at_once(desk.app, ["/entries/posts?ref=main"] * 60)
    assert {answer.status_code for answer in strangers} == {200, 503}
    token = {"Authorization": f"Bearer {desk.session('eva')}"}
    found = ask_at_once(desk.app, ["/entries/posts?draft=x"] * 60, **token)
    assert {answer.status_code for answer in found} == {200}
