"""The sitemap: every public page once, with its translations, in parts that crawlers take."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from lxml import etree

from cms.feeds.sitemap import PAGES_MOST, Page, format_index, format_sitemap, split_pages
from tests.api.tools import Client, post
from tests.feeds.conftest import SITE, URL, Serve
from tests.repo import Repo

SITEMAP = etree.RelaxNG(etree.parse(Path(__file__).parent / "sitemap.rng"))
DAY = datetime(2019, 1, 1, tzinfo=UTC)


def ask(client: Client, query: str = "") -> etree._Element:
    answer = client._client.get(f"/sitemap.xml?{query}")
    assert answer.status_code == 200, answer.text
    root = etree.fromstring(answer.content)
    SITEMAP.assertValid(root)
    return root


def locations(root: etree._Element) -> list[str]:
    return [node.text or "" for node in root.iter("{*}loc")]


def test_every_public_page_is_there_once_and_nothing_hidden(paper: Client) -> None:
    assert locations(ask(paper)) == [f"{URL}/{page}" for page in ("nb/br%C3%B8d", "nb/eple", "nb/sjakk", "nn/sjakk")]


def test_translations_name_each_other_and_what_all_others_get(paper: Client) -> None:
    pages = {node.findtext("{*}loc"): node for node in ask(paper)}
    for locale in ("nb", "nn"):
        links = {link.get("hreflang"): link.get("href") for link in pages[f"{URL}/{locale}/sjakk"].iterfind("{*}link")}
        assert links == {"nb": f"{URL}/nb/sjakk", "nn": f"{URL}/nn/sjakk", "x-default": f"{URL}/nb/sjakk"}
    assert pages[f"{URL}/nb/eple"].find("{*}link") is None


def test_a_page_says_when_it_last_changed(serve: Serve, repo: Repo) -> None:
    repo.commit({**SITE, "posts/a.md": post(), "posts/b.md": post("B")})
    repo.commit({"posts/a.md": post("Ny")}, at=datetime(2024, 5, 1, 10, tzinfo=UTC))
    changed = {node.findtext("{*}loc"): node.findtext("{*}lastmod") for node in ask(serve())}
    assert changed == {f"{URL}/nb/a": "2024-05-01T10:00:00Z", f"{URL}/nb/b": "2024-01-01T12:01:00Z"}


def test_pages_elsewhere_and_addresses_that_are_none_are_left_out(serve: Serve, repo: Repo) -> None:
    urls = (
        "https://elsewhere.example/x",
        "http://[",
        "/felles",
        "/felles",
        "https://example.org/&a=(b)",
        "https://example.org/d",
    )
    repo.commit({**SITE, **{f"posts/{number}.md": post(url=f"'{url}'") for number, url in enumerate(urls)}})
    assert locations(ask(serve())) == [f"{URL}/felles", "https://example.org/&a=(b)", "https://example.org/d"]


def test_a_site_without_pages_has_an_empty_sitemap(serve: Serve, repo: Repo) -> None:
    repo.commit(SITE)
    assert locations(ask(serve())) == []


def test_the_parts_of_a_large_sitemap_hold_all_of_it_and_are_small_enough() -> None:
    pages = [Page(url=f"{URL}/{number}", changed_at=DAY) for number in range(PAGES_MOST + 1)]
    parts = split_pages(pages)
    assert [page for part in parts for page in part] == pages
    assert [len(part) for part in parts] == [PAGES_MOST, 1]
    index = etree.fromstring(format_index(parts, [f"{URL}/sitemap.xml?page={number}" for number in (1, 2)]))
    SITEMAP.assertValid(index)
    assert locations(index) == [f"{URL}/sitemap.xml?page=1", f"{URL}/sitemap.xml?page=2"]


def test_pages_with_many_translations_make_smaller_parts() -> None:
    long = f"{URL}/{'x&' * 75}"
    locales = tuple((f"a{chr(97 + number)}", long) for number in range(26))
    pages = [Page(url=long, changed_at=DAY, locales=locales, default=long)] * 100
    parts = split_pages(pages, most_bytes=100_000)
    assert sum(map(len, parts)) == len(pages)
    assert max(len(format_sitemap(part)) for part in parts) < 100_000
    assert len(parts) < 20


def test_parts_can_be_asked_for_and_others_are_refused(
    serve: Serve, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo.commit({**SITE, **{f"posts/{slug}.md": post(slug) for slug in "abc"}})
    monkeypatch.setattr("cms.api.feeds.PAGES_MOST", 2)
    client = serve()
    assert locations(ask(client)) == [f"{URL}/sitemap.xml?page=1", f"{URL}/sitemap.xml?page=2"]
    assert [locations(ask(client, f"page={page}")) for page in "12"] == [
        [f"{URL}/nb/a", f"{URL}/nb/b"],
        [f"{URL}/nb/c"],
    ]
    for page in ("0", "3", "x", "", "٣"):
        assert client._client.get(f"/sitemap.xml?page={page}").status_code == 400
