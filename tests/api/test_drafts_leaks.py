"""Nothing of a draft is told to those who may not read it: a draft full of words that stand nowhere else is never heard of."""

from collections.abc import Iterator, Mapping
from typing import Any

import httpx2
import pytest
from starlette.routing import Route

from cms.api.metrics import Metrics
from cms.app import GitTransport, routes
from tests.api.conftest import open_desk
from tests.api.newsdesk import BASE, Newsdesk

#: A word for each place that a draft has, and one of the same length that stands nowhere at all.
WORDS = {
    place: f"canary{place}" for place in ("title", "body", "tags", "slug", "message", "verdict", "draft", "reason")
}
MADE_UP = {word: f"nobody{word.removeprefix('canary')}" for word in WORDS.values()}
SLUG, DRAFT = WORDS["slug"], WORDS["draft"]
STRANGERS = ("", "rune", "gone")
QUERIES = (
    "", "?locale=*", "?facet=tags,category&limit=0", "?sort=-title", "?filter[tags]={tags}", "?filter[title][contains]={title}",
    "?filter[related.title]={title}", "?filter[or][0][tags]={tags}", "?search={title}", "?search={body}&highlight=true", "?fields=tags,title",
    "?include=related&depth=2", "?filter[slug]={slug}", "?status=draft", "?draft={draft}", "?view={draft}", "?ref=drafts/{draft}",
    "?preview=true", "?commit={head}", "?branch=drafts/{draft}",
)  # fmt: skip
PUBLIC = (
    "/", "/collections", "/collections/posts", "/openapi.json", "/entries/posts/a", "/entries/posts/b?depth=2&format=html,toc,text", "/suggest?q=cana",
    "/suggest?q={title}", "/search?q={title}", "/search?q={body}", "/search?q={tags}&facet=tags", "/search?similar=posts/a", "/search?similar=posts/{slug}",
    "/search?q=text&facet=tags,category", "/entries/posts/{slug}", "/assets/posts/{slug}.md", "/assets/posts/a.md", "/history/posts/a", "/history/posts/{slug}",
    "/drafts", "/drafts/{draft}", "/drafts/{draft}/verdicts", "/drafts/{draft}/diff", "/drafts/{draft}/entries/posts/{slug}",
    "/drafts/{draft}/entries/posts/a", "/drafts/{draft}/publication", "/me", "/tokens", "/me/sessions", "/readyz", "/nothing/{draft}",
    "/git/site.git/info/refs?service=git-upload-pack", "/git/site.git/HEAD", "/git/site.git/objects/{object}", "/git/site-public.git/info/refs",
    *(f"/entries/posts{query}" for query in QUERIES), *(f"/search{query.replace('?', '?q=text&')}" for query in QUERIES[1:]),
)  # fmt: skip


def fill(desk: Newsdesk) -> dict[str, str]:
    """A draft that holds every word, with everything that can be said of it; returns what it is called everywhere."""
    desk.do("POST", "/drafts", "ola", {"name": DRAFT})
    entry = f"/drafts/{DRAFT}/entries/posts"
    fields = {"title": f"A {WORDS['title']}", "tags": [WORDS["tags"]], "related": ["b"], "category": WORDS["tags"]}
    body, message = f"# Words\n\nA {WORDS['body']} text.\n", f"Say {WORDS['message']}"
    desk.do("PUT", f"{entry}/{SLUG}", "ola", {"fields": fields, "body": body, "message": message})
    desk.do("PATCH", f"{entry}/a", "ola", {"fields": {"title": WORDS["title"], "tags": [WORDS["tags"]]}, "body": body})
    desk.say("comment", DRAFT, "per", message=f"A {WORDS['verdict']}", anchor=f"posts/{SLUG}.md#title")
    desk.say("approve", DRAFT, message=f"A {WORDS['verdict']}")
    head = desk.do("PUT", f"/drafts/{DRAFT}/schedule", "pia", {"publish_at": "2030-01-01T00:00:00Z"})["head"]
    desk.do("POST", "/drafts", "ola", {"name": f"{DRAFT}-closed"})
    desk.do("DELETE", f"/drafts/{DRAFT}-closed", "ola", {"reason": WORDS["reason"]})
    for shown in (
        f"{entry}/{SLUG}?include=related",
        f"{entry}/a?format=html,toc,text",
        f"{entry}/b?depth=2",
        f"/drafts/{DRAFT}/diff",
        f"/entries/posts?draft={DRAFT}&facet=tags",
        f"/entries/posts/{SLUG}?draft={DRAFT}&format=html",
        f"/suggest?q={WORDS['title'][:5]}&draft={DRAFT}",
        f"/search?q={WORDS['title']}&draft={DRAFT}",
    ):
        desk.get(shown)  # what is shown to editors must not stay behind where readers are answered from
    blob = desk.room.repo.git("rev-parse", f"drafts/{DRAFT}:posts/{SLUG}.md")
    return {**WORDS, "head": head, "object": f"{blob[:2]}/{blob[2:]}"}


def ask(desk: Newsdesk, path: str, by: str, words: Mapping[str, str], method: str = "GET") -> httpx2.Response:
    for place, word in words.items():
        path = path.replace(f"{{{place}}}", word)
    return desk.ask(method, path, by)


def told(answer: httpx2.Response) -> tuple[int, str, dict[str, str]]:
    return answer.status_code, answer.text, {**answer.headers}


@pytest.fixture(scope="module")
def before() -> Iterator[tuple[Newsdesk, dict[tuple[str, str], Any]]]:
    """A newsroom, and what strangers were told of everything before there was a draft."""
    with open_desk() as desk:
        words = {**WORDS, "head": "0" * 40, "object": f"00/{'0' * 38}"}
        known = {(by, path): told(ask(desk, path, by, words)) for by in STRANGERS for path in PUBLIC}
        assert '"total":2' in known["", "/search?q=text&facet=tags,category"][1]  # searches are answered
        yield desk, known


@pytest.fixture(scope="module")
def filled(before: tuple[Newsdesk, Any]) -> tuple[Newsdesk, dict[str, str]]:
    return before[0], fill(before[0])


@pytest.mark.parametrize("by", STRANGERS)
def test_every_answer_to_a_stranger_is_what_it_was_before_there_was_a_draft(
    before: tuple[Newsdesk, dict[tuple[str, str], Any]], filled: tuple[Newsdesk, dict[str, str]], by: str
) -> None:
    desk, words = filled
    names = {"head": "0" * 40, "object": f"00/{'0' * 38}"}
    for path in PUBLIC:
        status, text, headers = told(ask(desk, path, by, words))
        for name, stood in names.items():
            text = text.replace(words[name], stood)
        assert (status, text, headers) == before[1][by, path], path


@pytest.mark.parametrize("by", STRANGERS)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_no_route_tells_a_stranger_a_word_of_it(filled: tuple[Newsdesk, dict[str, str]], by: str, method: str) -> None:
    desk, words = filled
    sent = None if method in ("GET", "HEAD", "OPTIONS") else {"head": words["head"]}
    for path in addresses(desk):
        if (method, path) == ("DELETE", "/session"):  # would end the session that is sent
            continue
        real, made_up = desk.ask(method, path, by, sent), desk.ask(method, without(path), by, sent)
        assert real.status_code == made_up.status_code, path
        assert "canary" not in without(f"{real.text}{real.headers}"), path
        if path != "/metrics":  # which counts
            assert without(f"{real.text}{real.headers}") == f"{made_up.text}{made_up.headers}", path


def without(text: str) -> str:
    """*text* with words that stand nowhere instead of those of the draft."""
    for word, other in MADE_UP.items():
        text = text.replace(word, other)
    return text


def addresses(desk: Newsdesk) -> Iterator[str]:
    """Every route of the application, with the names that the draft has."""
    git = "/git/site.git/info/refs?service=git-upload-pack"
    for route in routes(Metrics(desk.room.site), GitTransport()):
        if not isinstance(route, Route):
            yield git
            continue
        path = route.path.replace("{name}", DRAFT).replace("{collection}", "posts").replace("{slug:path}", SLUG)
        path = path.replace("{path:path}", f"posts/{SLUG}.md").replace("{id}", "x").replace("{secret}", "x")
        yield path.removeprefix(BASE) or "/"


def test_the_words_are_there_for_those_who_may_read_them(filled: tuple[Newsdesk, dict[str, str]]) -> None:
    desk, words = filled
    paths = (
        f"/drafts/{DRAFT}",
        f"/drafts/{DRAFT}/verdicts",
        f"/drafts/{DRAFT}/diff",
        f"/drafts/{DRAFT}/entries/posts/{SLUG}",
    )
    heard = "".join(desk.ask("GET", path, "per").text for path in paths)
    log = desk.room.repo.git("log", "--format=%B", "refs/cms/log", f"drafts/{DRAFT}")
    for place in ("title", "body", "tags", "slug", "verdict", "draft"):
        assert words[place] in heard, place
    assert words["message"] in log
    assert words["reason"] in log


def test_a_member_of_staff_is_told_of_no_draft_where_readers_are_answered(
    filled: tuple[Newsdesk, dict[str, str]],
) -> None:
    desk, words = filled
    for path in PUBLIC:
        if "?draft=" in path or "&draft=" in path:
            assert (ask(desk, path, "eva", words).status_code, ask(desk, path, "", words).status_code) == (200, 401), (
                path
            )
        elif path.startswith(("/entries", "/search", "/suggest", "/collections", "/openapi", "/assets")) or path == "/":
            known, unknown = ask(desk, path, "eva", words), ask(desk, path, "", words)
            assert (known.status_code, known.text) == (unknown.status_code, unknown.text), path


def test_numbers_for_those_who_run_the_server_name_nothing(filled: tuple[Newsdesk, dict[str, str]]) -> None:
    desk, _ = filled
    for path in ("/metrics", "/readyz", "/healthz"):
        assert "canary" not in desk.ask("GET", path).text.casefold()
