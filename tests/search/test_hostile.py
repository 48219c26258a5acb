"""A thousand queries that nobody types by accident: every one is answered or refused, and nobody else is kept waiting."""

import asyncio
import random
from collections import Counter
from urllib.parse import quote

import httpx2
import pytest

from cms.app import build_app
from cms.search import Engine, Visible
from cms.site import Site
from tests.api.tools import MODEL, Client, post
from tests.repo import Repo
from tests.search.tools import document

ASKED = 1_000
WORDS = (
    "barnehage",
    "kommune",
    "by",
    "a",
    "é",
    "æøå",
    "i",
    "får",
    "C++",
    "E-1042",
    "title:",
    "body:",
    "AND",
    "OR",
    "NOT",
)


def hostile(rng: random.Random) -> str:
    """One query: nested, repeated, endless, of odd letters, or a little of all."""
    word = rng.choice(WORDS)
    letters = "".join(
        chr(rng.choice((rng.randrange(32, 127), rng.randrange(0xA0, 0x600), rng.randrange(0x4E00, 0x4F00))))
        for _ in range(40)
    )
    return rng.choice(
        (
            *("(" * 200 + word, f"{word}* " * 60, f'"{word} ' * 50, f"-{word} " * 80, f"{word} OR " * 70, "NOT " * 90 + word),
            *(word[:1] * 300, f"{word}~2 {word}^9", f"[{word} TO z]", f"/.*{word}.*/", "*:*", "title:" * 60 + word, letters),
            *(f"{letters[:3]} {word} " * 20, "".join(rng.choices("()\"-:*", k=200)), " ".join(rng.choices(WORDS, k=60))),
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def queries() -> list[str]:
    rng = random.Random(9)
    return [hostile(rng) for _ in range(ASKED)]


def test_no_engine_stumbles_over_any_of_them(engine: Engine, queries: list[str]) -> None:
    texts = {f"d{n}": document(f"d{n}", " ".join(WORDS[n % 7 :]) + f" ord{n}", title=WORDS[n % 9]) for n in range(30)}
    engine.update(texts.values(), [])
    visible = Visible(frozenset(texts))
    for query in queries[::10]:
        found = [hit.id for hit in engine.search(query, locale="nb", visible=visible, deadline_seconds=30)]
        assert len(found) == len(set(found))
        assert texts.keys() >= set(found)
        corrected = engine.correct(
            query, locale="nb", visible=visible, among=visible, read=texts.__getitem__, deadline_seconds=30
        )
        assert corrected is None or corrected != query
    assert not engine.is_broken


async def ask_all(site: Site, queries: list[str]) -> tuple[Counter[int], list[int]]:
    """The statuses of all *queries*, asked at once, and of requests for something else that come while these are waited for."""
    transport = httpx2.ASGITransport(app=build_app(site))
    async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
        searches = [asyncio.create_task(client.get(f"/api/v1/search?q={quote(query[:500])}")) for query in queries]
        others = []
        while not all(search.done() for search in searches):
            others.append((await client.get("/api/v1/entries/posts/a")).status_code)
            await asyncio.sleep(0.01)
        return Counter([(await search).status_code for search in searches]), others


def test_a_thousand_at_once_keep_nobody_else_from_an_answer(repo: Repo, queries: list[str]) -> None:
    repo.commit({**MODEL, **{f"posts/{name}.md": post(f"Barnehage {name} i byen") for name in "abcdef"}})
    client = Client(repo.path)
    statuses, others = asyncio.run(ask_all(client.site, queries))
    client.site.close()
    assert statuses.total() == ASKED
    assert set(statuses) <= {200, 503}, statuses  # 503: too many wait already
    assert statuses[200] > 0
    assert set(others) == {200}
