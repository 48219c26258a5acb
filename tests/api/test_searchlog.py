"""Searches in the metrics, and what is remembered of them."""

import pytest

from cms import searchlog
from tests.api.conftest import Serve
from tests.api.tools import MODEL, Client, post
from tests.repo import Repo


def numbers(client: Client) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in client.ask("/metrics").text.splitlines() if line.startswith("cms_search")]
    return {name: float(number) for name, _, number in lines}


def test_searches_are_counted_by_what_they_found(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post("Fish")})
    client = serve()
    for query in ("/search?q=fish", "/search?q=fish", "/search?q=whale", "/entries/posts?search=whale", "/search?q="):
        client.ask(query)
    found = numbers(client)
    assert [found[f'cms_searches_total{{result="{name}"}}'] for name in ("some", "none", "unavailable")] == [2, 2, 0]
    assert found["cms_search_seconds_count"] == found['cms_search_seconds_bucket{le="+Inf"}'] == 4


def test_a_corrected_search_is_counted_as_such(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post("Barnehage"), "posts/b.md": post("Ny barnehage i byen")})
    client = serve()
    assert len(client.data("/search?q=barnehgae")) == 2
    assert numbers(client)['cms_searches_total{result="corrected"}'] == 1
    assert client.site.searches.results["none"] == 0


def test_a_search_in_vain_is_remembered_also_when_the_answer_was_known(
    serve: Serve, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searchlog, "APART_SECONDS", 0.0)
    repo.commit({**MODEL, "posts/a.md": post("Fish")})
    client = serve()
    for _ in range(3):
        client.ask("/search?q=Whale")
        client.ask("/search?q=fish&filter[category]=none")
        client.ask("/search?q=whale+fin&page=2")
    assert client.site.searches.in_vain() == {"whale": 3}


def test_what_was_searched_for_is_told_to_nobody(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post("Fish")})
    client = serve()
    for _ in range(5):
        client.ask("/search?q=kanarifugl")
    assert not any(
        "kanarifugl" in client.ask(path).text
        for path in ("/metrics", "/readyz", "/healthz", "/suggest?q=kan", "/openapi.json")
    )


def test_a_damaged_index_counts_as_unavailable(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post("Fish")})
    client = serve()
    assert client.ask("/search?q=fish").status_code == 200
    for file in (client.site.cache_folder / "index").rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    statuses = {client.ask(f"/search?q=fish{number}").status_code for number in range(2)}
    assert (503 in statuses) is (numbers(client)['cms_searches_total{result="unavailable"}'] > 0)
