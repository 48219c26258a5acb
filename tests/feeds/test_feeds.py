"""Feeds: valid by the standards, complete, the same whatever an entry is called, and nobody's way in."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import feedparser
import jsonschema_rs
import orjson
import pytest
from lxml import etree

from cms.feeds.addresses import Addresses
from cms.feeds.formats import format_atom, format_json_feed, format_rss
from cms.feeds.item import Enclosure, Feed, Item
from cms.settings import ServerSettings, Settings, SiteSettings
from tests.api.tools import Client, post
from tests.feeds.conftest import SITE, URL, Serve, ids
from tests.repo import Repo

HERE = Path(__file__).parent
ATOM = etree.RelaxNG(etree.parse(HERE / "atom.rng"))
JSON_FEED = jsonschema_rs.Draft202012Validator(
    orjson.loads((HERE / "feed.schema.json").read_bytes()), validate_formats=True
)
DAY = datetime(2019, 1, 1, tzinfo=UTC)
QUERIES = ("", "format=html", "format=text", "limit=1&page=2", "locale=*", "filter[category]=mat", "limit=0")


def read(client: Client, kind: str, query: str = "", collection: str = "posts") -> Any:
    """The feed as ``feedparser`` reads it, after it was found to be well-formed."""
    answer = client.ask(f"/feeds/{collection}.{kind}?{query}")
    assert answer.status_code == 200, answer.text
    etree.fromstring(answer.content)
    found = feedparser.parse(answer.content)
    assert not found.bozo, found.get("bozo_exception")
    return found


@pytest.mark.parametrize("query", QUERIES)
def test_atom_is_valid_and_has_no_id_twice(paper: Client, query: str) -> None:
    root = etree.fromstring(paper.ask(f"/feeds/posts.atom?{query}").content)
    ATOM.assertValid(root)
    names = [node.text for node in root.iter("{*}id")]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("query", QUERIES)
def test_json_feed_is_valid(paper: Client, query: str) -> None:
    assert not [str(error) for error in JSON_FEED.iter_errors(paper.ask(f"/feeds/posts.json?{query}").json())]


@pytest.mark.parametrize("query", QUERIES)
def test_rss_has_what_the_standard_requires(paper: Client, query: str) -> None:
    root = etree.fromstring(paper.ask(f"/feeds/posts.rss?{query}").content)
    channel = root.find("channel")
    assert root.get("version") == "2.0"
    assert channel is not None
    assert all(channel.findtext(name) for name in ("title", "link", "description"))
    for item in channel.iterfind("item"):
        assert item.findtext("title")
        guid = item.find("guid")
        assert guid is not None
        assert guid.get("isPermaLink") == "false"
        for enclosure in item.iterfind("enclosure"):
            assert set(enclosure.keys()) == {"url", "length", "type"}


def test_all_formats_say_the_same(paper: Client) -> None:
    rss, atom = read(paper, "rss", "locale=*"), read(paper, "atom", "locale=*")
    items = paper.ask("/feeds/posts.json?locale=*").json()["items"]
    for one in (rss, atom):
        assert [entry.id for entry in one.entries] == [item["id"] for item in items]
        assert [entry.link for entry in one.entries] == [item["url"] for item in items]
        assert [entry.published_parsed for entry in one.entries] == [
            datetime.fromisoformat(item["date_published"]).utctimetuple() for item in items
        ]


def test_norwegian_and_markup_in_titles_arrive_as_they_were_written(paper: Client) -> None:
    item = next(item for item in paper.ask("/feeds/posts.json").json()["items"] if "eple" in item["url"])
    title = "Æbler, <b>pærer</b> & ærefrykt"
    assert item["title"] == title
    for kind in ("rss", "atom"):
        root = etree.fromstring(paper.ask(f"/feeds/posts.{kind}").content)
        assert title in [node.text for node in root.iter("{*}title")]
        assert root.find(".//{*}title").text.startswith("Ære & være")


def test_addresses_are_absolute_and_hold_ascii_only(paper: Client) -> None:
    item = next(item for item in paper.ask("/feeds/posts.json?format=html").json()["items"] if "eple" in item["url"])
    image = "https://cms.example.org/api/v1/assets/images/eple%20bl%C3%A5.png"
    assert item["url"] == f"{URL}/nb/eple"
    assert item["attachments"] == [{"url": image, "mime_type": "image/png", "size_in_bytes": 8}]
    assert f"{URL}/nb/br%C3%B8d" in ids(paper)
    for target in (f"{URL}/b.png", f"{URL}/nb/eple#x", "https://a.example/?a=1&amp;b=2", "https://example.org/i.png"):
        assert f'="{target}"' in item["content_html"]
    assert '<code>href="q"</code>' in item["content_html"].replace("&quot;", '"')


def test_the_whole_body_comes_only_where_it_is_asked_for(paper: Client) -> None:
    plain, whole = read(paper, "atom"), read(paper, "atom", "format=html")
    assert not any("content" in entry for entry in plain.entries)
    assert all(entry.content[0].value for entry in whole.entries)
    assert all("<p>" in entry.content[0].value for entry in read(paper, "rss", "format=text").entries)


def test_names_and_tags_are_those_of_what_is_referred_to(paper: Client) -> None:
    entry = next(entry for entry in read(paper, "rss").entries if "eple" in entry.link)
    assert entry.author == "Kåre Ærlig"
    assert [tag.term for tag in entry.tags] == ["søtt", "mat"]
    assert entry.enclosures[0].length == "8"


def test_a_translation_is_an_item_of_its_own(paper: Client) -> None:
    chess = [entry for entry in read(paper, "atom", "locale=*").entries if "sjakk" in entry.link]
    assert {(entry.link, entry.title_detail.language) for entry in chess} == {
        (f"{URL}/nb/sjakk", "nb"),
        (f"{URL}/nn/sjakk", "nn"),
    }
    assert len({entry.id for entry in chess}) == 2


def test_a_feed_takes_what_a_list_takes_and_shows_the_newest_first(paper: Client) -> None:
    assert [*ids(paper)] == [f"{URL}/nb/{slug}" for slug in ("br%C3%B8d", "eple", "sjakk")]
    assert [*ids(paper, "filter[category]=mat&sort=title")] == [f"{URL}/nb/br%C3%B8d", f"{URL}/nb/eple"]
    assert [*ids(paper, "locale=nn")] == [f"{URL}/nn/sjakk"]
    assert [*ids(paper, "search=sjakk")] == [f"{URL}/nb/sjakk"]
    assert [item["title"] for item in paper.ask("/feeds/people.json").json()["items"]] == ["Kåre Ærlig"]


def test_pages_lead_through_everything(paper: Client) -> None:
    seen: list[str] = []
    path = "/api/v1/feeds/posts.json?limit=1"
    while path:
        answer = paper.ask(path).json()
        seen += [item["url"] for item in answer["items"]]
        path = answer.get("next_url", "").removeprefix("https://cms.example.org")
    assert seen == [*ids(paper)]
    links = {link.rel: link.href for link in read(paper, "atom", "limit=1&page=2").feed.links}
    assert set(links) == {"alternate", "self", "first", "previous", "next", "last"}


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/feeds/posts.rdf", 404, ".rss, .atom and .json"),
        ("/feeds/post.rss", 404, "did you mean 'posts'"),
        ("/feeds/posts.rss?fields=title", 400, "'fields' is not known"),
        ("/feeds/posts.rss?format=markdown", 400, "html or text"),
        ("/feeds/posts.rss?filter[stars]=x", 400, "stars"),
        ("/feeds/posts.rss?limit=101", 400, "0 to 100"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(paper: Client, path: str, status: int, words: str) -> None:
    answer = paper.ask(path)
    assert answer.status_code == status
    assert words in answer.json()["detail"]


def test_a_site_without_pages_says_what_to_set(serve: Serve, repo: Repo) -> None:
    repo.commit({**SITE, "cms.toml": '[site]\ntitle = "T"\nlocales = ["nb"]\n', "posts/a.md": post()})
    problem = serve().ask("/feeds/posts.rss")
    assert problem.status_code == 404
    assert problem.json()["hint"] == "set url below [site] in cms.toml"


def test_an_unchanged_feed_is_not_sent_again_and_is_compressed(paper: Client) -> None:
    answer = paper.ask("/feeds/posts.rss")
    assert answer.headers["content-type"] == "application/rss+xml; charset=utf-8"
    assert paper.ask("/feeds/posts.rss", If_None_Match=answer.headers["etag"]).status_code == 304
    assert paper.ask("/feeds/posts.rss", Accept_Encoding="gzip").headers["content-encoding"] == "gzip"
    assert paper.ask("/feeds/posts.rss", "HEAD").content == b""


def test_an_item_keeps_its_id_through_edits_and_moves(serve: Serve, repo: Repo) -> None:
    text = post("En lang tekst som blir igjen", "Ord. " * 80, date="2019-01-01")
    repo.commit({**SITE, "posts/a.md": text})
    client = serve()
    first = ids(client)[f"{URL}/nb/a"]
    repo.commit({"posts/a.md": None, "posts/b.md": text + "mer\n"})
    repo.commit({"posts/b.md": None, "posts/c.md": text + "enda mer\n"})
    repo.commit({"posts/c.md": text.replace("title:", "slug: helt-ny\ntitle:") + "enda mer\n"})
    assert ids(client) == {f"{URL}/nb/helt-ny": first}
    repo.commit({"posts/a.md": post("Noe annet", date="2019-01-02")})
    assert len(set(ids(client).values())) == 2


def test_an_id_does_not_tell_what_a_text_was_called_while_it_was_hidden(serve: Serve, repo: Repo) -> None:
    hidden = post("Tekst", "Ord. " * 80, date="2019-01-01", draft="true")
    repo.commit({**SITE, "posts/hemmelig-fusjon.md": hidden})
    repo.commit({"posts/hemmelig-fusjon.md": None, "posts/nytt.md": hidden.replace("draft: true\n", "")})
    assert "hemmelig" not in serve().ask("/feeds/posts.rss").text


def test_an_entry_appears_with_its_moment_and_counts_as_changed_then(repo: Repo) -> None:
    later = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)
    schema = f"{SITE['schemas/posts.yaml']}  publish_at: {{type: string, format: date-time}}\n"
    repo.commit({**SITE, "schemas/posts.yaml": schema, "posts/a.md": post(publish_at=later.isoformat())})
    times = [later.timestamp() - 1]
    client = Client(repo.path, lambda: times[0])
    assert ids(client) == {}
    times[0] += 2
    item = client.ask("/feeds/posts.json").json()["items"][0]
    assert datetime.fromisoformat(item["date_modified"]) == later
    assert datetime.fromisoformat(item["date_published"]) == later
    client.site.close()


HOSTILE = (
    "]]><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "&lt;b&gt; &#0; &nbsp;",
    "<!--",
    "\\U0001F600 \\u202e omvendt",
)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_break_no_format(serve: Serve, repo: Repo, text: str) -> None:
    quoted = '"' + text.replace('"', '\\"') + '"'
    entry = post(
        quoted, f"<script>x</script>\n\n{text}", author=quoted, tags=f"[{quoted}]", date="2019-01-01", excerpt=quoted
    )
    schema = SITE["schemas/posts.yaml"].replace("author: {type: string, x-reference: people}", "author: {type: string}")
    repo.commit({**SITE, "schemas/posts.yaml": schema, "posts/a.md": entry})
    client = serve()
    title = orjson.loads(quoted.replace("\\U0001F600", "😀"))
    for kind in ("rss", "atom"):
        root = etree.fromstring(client.ask(f"/feeds/posts.{kind}?format=html").content)
        shown = [node.text for node in root.iter("{*}title")][-1]
        assert shown == title
        assert not read(client, kind, "format=html").bozo
    ATOM.assertValid(root)
    assert "<script" not in client.ask("/feeds/posts.json?format=html").json()["items"][0]["content_html"]


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "http://[", "data:text/html,x", "mailto:a@b.example", " ", "//"]
)
def test_an_address_that_no_browser_should_open_is_none(url: str) -> None:
    assert Addresses(Settings(site=SiteSettings(url=URL))).page(url) is None


def test_an_entry_without_an_address_is_valid_too(serve: Serve, repo: Repo) -> None:
    repo.commit({**SITE, "posts/a.md": post(url="'http://['", date="2019-01-01")})
    client = serve()
    assert "url" not in client.ask("/feeds/posts.json").json()["items"][0]
    ATOM.assertValid(etree.fromstring(client.ask("/feeds/posts.atom").content))
    assert read(client, "rss").entries[0].guidislink is False


@pytest.mark.parametrize(
    ("site", "server", "expected"),
    [
        ("https://EXAMPLE.org", "", "https://EXAMPLE.org/a%C3%A6%25"),
        ("https://example.org/x/", "https://cms.example.org/y/", "https://cms.example.org/y/a%C3%A6%25"),
        ("http://[::1]:8000", "", "http://[::1]:8000/a%C3%A6%25"),
    ],
)
def test_addresses_of_the_server_are_made_from_the_settings_alone(site: str, server: str, expected: str) -> None:
    settings = Settings(site=SiteSettings(url=site), server=ServerSettings(url=server))
    assert Addresses(settings).server("/aæ%") == expected


@pytest.mark.parametrize(
    ("site", "authority"),
    [
        ("https://Blåbær.no:8000/x", "xn--blbr-roah.no"),
        ("http://[::1]", "--1"),
        ("https://kommune.example", "kommune.example"),
    ],
)
def test_names_are_given_by_the_host_of_the_site(site: str, authority: str) -> None:
    assert Addresses(Settings(site=SiteSettings(url=site))).authority == authority


@pytest.mark.parametrize(
    "letter", ["\x00", "\x07", "\x0c", "\x1b", "\x7f", "\x85", "\ud7ff", "\ufffe", "\uffff", "\U0010ffff"]
)
def test_a_letter_that_no_xml_may_hold_is_left_out_and_every_other_stays(letter: str) -> None:
    text = f"a{letter}b"
    item = Item(
        id="tag:example.org,2019-01-01:1", title=text, url=None, locale="nb", summary=text, text=text, published_at=DAY,
        updated_at=DAY, authors=(text,), tags=(text,), enclosures=(Enclosure(url=f"{URL}/a.png", kind="image/png", size_bytes=None),),
    )  # fmt: skip
    feed = Feed(
        id=f"{URL}/feed", title=text, description=text, author=text, home=URL, locale="nb", updated_at=DAY, items=[item], links={"self": f"{URL}/feed"}
    )  # fmt: skip
    expected = text if letter in "\x7f\x85\ud7ff\U0010ffff" else "ab"
    for write in (format_rss, format_atom):
        root = etree.fromstring(write(feed))
        assert {node.text for node in root.iter("{*}title")} == {expected}
    ATOM.assertValid(root)
    assert orjson.loads(format_json_feed(feed))["items"][0]["title"] == text


def test_an_earlier_state_has_its_own_feed_whose_links_stay_in_it(serve: Serve, repo: Repo) -> None:
    image = {"images/a.png": b"\x89PNG\r\n\x1a\n"}
    old = post("Før", "Ord. " * 80, date="2019-01-01", image="{url: images/a.png}")
    settings = f"{SITE['cms.toml']}[history]\npublic = true\n"
    first = repo.commit({**SITE, **image, "cms.toml": settings, "posts/a.md": old})
    repo.commit({"posts/a.md": None, "posts/b.md": old.replace("Før", "Etter")})
    client = serve()
    now = client.ask("/feeds/posts.json").json()["items"][0]
    then = client.ask(f"/feeds/posts.json?ref={first}").json()
    assert [now["title"], then["items"][0]["title"]] == ["Etter", "Før"]
    assert now["id"] == then["items"][0]["id"]
    assert f"ref={first}" in then["feed_url"]
    assert then["items"][0]["image"].endswith(f"/images/a.png?ref={first}")
    sitemap = client._client.get(f"/sitemap.xml?ref={first}")
    assert f"{URL}/nb/a<" in sitemap.text
    assert "immutable" in sitemap.headers["cache-control"]
