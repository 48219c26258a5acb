"""Non-interference: whoever may not see something cannot tell whether it is there, whatever they ask.

Pairs of repositories differ in nothing but what the caller may not see; every answer to that caller has to be the same, in status, headers and
body. The two are served side by side while their secrets change, so that every step is another pair, and what was said of secrets before, or
was worked out from them, has to be without effect, too. Ids of commits differ where the bytes of the commits do; they count as
the same when the commits stand for the same.

By default there are a thousand pairs; ``CMS_LEAK_PAIRS`` asks for more, ``CMS_LEAK_SEED`` for others.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from random import Random

import orjson
import pygit2
import pytest
from starlette.routing import Route

from cms.api.metrics import Metrics
from cms.app import GitTransport, routes
from tests.api.tools import post
from tests.leaks.hiding import (
    BRANCHES,
    WORDS,
    beside_public,
    broken_entry,
    hidden_entry,
    plain_files,
    public_files,
    shown_draft,
    staff,
    unforeseen,
    unserved_file,
)
from tests.leaks.questions import DRAFTS, IN_PATHS, MOUNTED, PLACE, Questions, all_of_search, as_signed_in, with_preview
from tests.leaks.worlds import Files, Pair, Question, Server, open_pair
from tests.newsroom import stop_syncing

PAIRS = int(os.environ.get("CMS_LEAK_PAIRS", "1000"))
SEED = int(os.environ.get("CMS_LEAK_SEED", "1"))
OPEN_PAST = "\n[history]\npublic = true\n"
QUESTIONS = 2
SHOWN, TOLD_MOST = 5, 10
Step = Callable[[int], Awaitable[list[Question]]]
Manner = Callable[[Question], Question]
PUBLIC_EVERY, RESTART_EVERY = 25, 60


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting for the disk."""
    stop_syncing(monkeypatch)


def run(pair: Pair, random: Random, pairs: int, step: Step, ask_as: Manner | None = None) -> None:
    """Change the secrets *pairs* times, and after each time ask both.

    Args:
        step: changes them, and has questions of its own.
        ask_as: makes of a question that of somebody; without it strangers and readers ask.
    """

    def put(question: Question) -> Question:
        if ask_as is not None:
            return ask_as(question)
        is_readers = random.random() < 0.1 and is_harmless(question)
        return as_signed_in(question, pair.reader) if is_readers else question

    async def ask_all() -> None:
        document = orjson.loads((await pair.compare(Question("GET", "/api/v1/openapi.json"))).body)
        questions = Questions(routes(Metrics(pair.one.site), GitTransport()), document, random)
        for number in range(pairs):
            for question in (*await step(number), *(questions.next() for _ in range(QUESTIONS))):
                await pair.compare(put(question))
            assert len(pair.told) < TOLD_MOST, f"pair {number}:\n" + "\n".join(pair.told[:SHOWN])
        assert not pair.told, "\n".join(pair.told[:SHOWN])
        assert pairs * QUESTIONS < questions.turn or not questions.never_asked

    asyncio.run(ask_all())


def is_harmless(question: Question) -> bool:
    """Whether it would not end the session that it is put with."""
    return (question.method, question.target) != ("DELETE", "/api/v1/session")


class BesideSteps:
    """Changes of everything that is no published commit: drafts, other branches, tags, commits that nothing names."""

    def __init__(self, pair: Pair, random: Random) -> None:
        self.pair, self.random = pair, random

    async def __call__(self, number: int) -> list[Question]:
        if number % PUBLIC_EVERY == PUBLIC_EVERY - 1:
            self.pair.publish(public_change(number))
        server = self.random.choice(self.pair.servers)
        commit = self._change(server)
        slug = self.random.choice(IN_PATHS["slug"])
        return [Question("GET", f"/api/v1/entries/posts/{slug}?ref={commit}")]

    def _change(self, server: Server) -> str:
        repo, random = pygit2.Repository(str(server.repo.path)), self.random
        files = {**hidden_entry(random), "posts/open.md": f"---\ntitle: {random.random()}\n---\nA merger.\n"}
        name = random.choice(BRANCHES)
        if random.random() < 0.2 and f"refs/heads/{name}" in repo.references:
            repo.references.delete(f"refs/heads/{name}")
        main = str(repo.references["refs/heads/main"].target)
        clock = server.repo.clock
        commit = server.repo.commit(files, branch=name, parents=[main], message="A secret")
        server.repo.clock = clock
        if random.random() < 0.2:  # what nothing names
            repo.references.delete(f"refs/heads/{name}")
        if random.random() < 0.3:
            repo.references.create("refs/tags/v1", commit, force=True)
        return commit


class InsideSteps:
    """Changes on the published branch of what is not served."""

    def __init__(self, pair: Pair, random: Random, history: str = "") -> None:
        self.pair, self.random = pair, random
        self.restarts = True
        self.kinds: tuple[tuple[Callable[[Random], Files], int], ...] = (
            (hidden_entry, 10), (beside_public, 4), (broken_entry, 3), (unserved_file, 2), (staff(history), 1),
        )  # fmt: skip
        self.there: tuple[set[str], set[str]] = (set(), set())

    async def __call__(self, number: int) -> list[Question]:
        if self.restarts and number % RESTART_EVERY == RESTART_EVERY - 1:
            self.pair.one.restart()
            self.pair.other.restart(is_forgetful=True)
        if number % PUBLIC_EVERY == PUBLIC_EVERY - 1:
            self.pair.publish(public_change(number))
        one, other = ({**self._change(there)} for there in self.there)
        self.pair.keep((one, other))
        last = Question("GET", f"/api/v1/events?last_event_id=commit-{len(self.pair.commits) - 2:06}")
        is_told = "cms.toml" in one or "cms.toml" in other
        return [*self.random.sample(SEARCHES, 3), *([last] if is_told else [])]

    def _change(self, there: set[str]) -> Files:
        """What happens in one of them; half of the time nothing."""
        random = self.random
        if random.random() < 0.4:
            return {}
        if there and random.random() < 0.3:
            path = random.choice(sorted(there))
            there.remove(path)
            return {path: None}
        kind = random.choices([kind for kind, _ in self.kinds], [weight for _, weight in self.kinds])[0]
        files = kind(random)
        there |= files.keys() - {"cms.toml"}
        return files


class PastSteps:
    """Changes of what everybody saw once, between two moments at which it is the same in both: nobody asked meanwhile."""

    def __init__(self, pair: Pair, random: Random, name: str) -> None:
        self.pair, self.random, self.name = pair, random, name

    async def __call__(self, number: int) -> list[Question]:
        path = self.random.choice((f"posts/{self.name}.md", f"posts/{self.name}.en.md", f"images/{self.name}.png"))
        now = f"It is said in {number}."
        self.pair.keep(({path: self._text(number)}, {path: self._text(number)}))
        is_gone = path.startswith("images/") or self.random.random() < 0.5
        self.pair.publish({path: None if is_gone else post("Said once", now)})
        commit = f"commit-{self.random.randrange(len(self.pair.commits)):06}"
        return [
            Question("GET", f"/api/v1/entries/posts/{self.name}?ref={commit}"),
            Question("GET", f"/api/v1/entries/posts?ref={commit}"),
            Question("GET", f"/api/v1/assets/images/{self.name}.png"),
        ]

    def _text(self, number: int) -> str:
        random = self.random
        title, body = random.choice(WORDS), " ".join(random.choices(WORDS, k=20))
        return post(
            f"{title} {random.random()}",
            body,
            date=f"2019-01-{number % 28 + 1:02}",
            tags=f"[{title}]",
            stars=str(number),
        )


class SkippingSteps:
    """Several commits that became public at once, by the log: those between were never published."""

    def __init__(self, pair: Pair, random: Random) -> None:
        self.pair, self.random = pair, random

    async def __call__(self, number: int) -> list[Question]:
        asked: list[Question] = []
        at = max(server.repo.clock for server in self.pair.servers)
        ids = []
        for server in self.pair.servers:
            slug, main = self.random.choice(("slip", "mishap", "oops")), server.repo.git("rev-parse", "main")
            between = {
                f"posts/{slug}.md": post(
                    f"A {slug}", " ".join(self.random.choices(WORDS, k=9)), aliases=f"[{slug}-too]"
                ),
                f"images/{slug}.png": f"\x89PNG {number}",
                "posts/open.md": post(f"Open {slug}", "Not yet."),
            }
            skipped = server.repo.commit(between, branch="pushed", parents=[main], at=at + timedelta(minutes=1))
            after = {
                f"posts/{slug}.md": None,
                f"images/{slug}.png": None,
                "posts/open.md": post("Open fish", f"Number {number}."),
            }
            new = server.repo.commit(after, branch="pushed", at=at + timedelta(minutes=2))
            server.push(main, new, at + timedelta(minutes=3))
            ids.append(new)
            asked += [
                Question("GET", f"/api/v1/{place}")
                for place in (
                    *(f"entries/posts?ref={skipped}", f"changes?since={skipped}", f"diff?from={skipped}"),
                    *(f"entries/posts/{slug}", f"entries/posts/{slug}-too", f"assets/images/{slug}.png"),
                    *("history/posts/open", "blame/posts/open", "entries/posts/open"),
                )
            ]
        self.pair.note(*ids)
        return asked


SEARCHES = list(all_of_search())


def public_change(number: int) -> Files:
    """Something that everybody sees."""
    kind = number // PUBLIC_EVERY % 3
    if kind == 0:
        return {
            f"posts/new-{number}.md": post(
                f"New boat {number}", "A fish and a harbour.", tags="[sea]", date="2020-01-01"
            )
        }
    if kind == 1:
        return {
            "posts/open.md": post(
                "Open fish", f"A fish in the harbour, number {number}.", author="ola", related="[merger]"
            )
        }
    return {f"posts/new-{number - 2 * PUBLIC_EVERY}.md": None}


@pytest.mark.parametrize("history", ["", OPEN_PAST], ids=["past closed", "past open"])
def test_what_is_beside_the_published_branch_changes_no_answer(history: str) -> None:
    random = Random(SEED)
    with open_pair(public_files(history)) as pair:
        run(pair, random, PAIRS * 35 // 100, BesideSteps(pair, random))
        assert pair.one.repo.git("rev-parse", "main") == pair.other.repo.git("rev-parse", "main")


@pytest.mark.parametrize("history", ["", OPEN_PAST], ids=["past closed", "past open"])
def test_what_is_hidden_in_the_published_branch_changes_no_answer(history: str) -> None:
    random = Random(SEED)
    with open_pair(public_files(history)) as pair:
        run(pair, random, PAIRS * 6 // 100, InsideSteps(pair, random, history))
        assert pair.one.repo.git("rev-parse", "main") != pair.other.repo.git("rev-parse", "main")


def test_what_is_hidden_in_a_site_without_schemas_changes_no_answer() -> None:
    random = Random(SEED)
    with open_pair(plain_files(), people=()) as pair:
        step = InsideSteps(pair, random)
        step.kinds = ((unforeseen, 4), (hidden_entry, 2), (beside_public, 1))
        step.restarts = False  # what was inferred when the server started serves as long as it fits
        run(pair, random, PAIRS * 4 // 100, step)
        assert pair.one.site.catalog.model.is_inferred


def test_what_was_public_once_is_in_no_answer_while_the_past_is_closed() -> None:
    random = Random(SEED)
    with open_pair(public_files()) as pair:
        run(pair, random, PAIRS * 3 // 100, PastSteps(pair, random, "said"), as_stranger)


def test_what_is_withheld_is_in_no_answer_though_the_past_is_open() -> None:
    random = Random(SEED)
    with open_pair(public_files(OPEN_PAST + 'never = ["*/purged*"]\n')) as pair:
        run(pair, random, PAIRS * 3 // 100, PastSteps(pair, random, "purged"), as_stranger)


@pytest.mark.parametrize("history", ["", OPEN_PAST], ids=["past closed", "past open"])
def test_what_lay_between_two_published_states_is_in_no_answer(history: str) -> None:
    random = Random(SEED)
    with open_pair(public_files(history)) as pair:
        run(pair, random, PAIRS // 100, SkippingSteps(pair, random))


def test_who_has_a_preview_learns_of_nothing_but_its_draft() -> None:
    random = Random(SEED)
    with open_pair(public_files(), shown=shown_draft()) as pair:
        beside, inside = BesideSteps(pair, random), InsideSteps(pair, random)

        async def step(number: int) -> list[Question]:
            return await (beside if number % 2 else inside)(number)

        run(pair, random, PAIRS * 3 // 100, step, lambda question: with_preview(question, pair.preview, random))
        entry = with_preview(Question("GET", "/api/v1/entries/posts/shown"), pair.preview, random)
        assert b"for those who have the token" in asyncio.run(pair.compare(entry)).body


def test_a_bot_for_some_files_learns_of_no_draft_of_others() -> None:
    random = Random(SEED)
    with open_pair(public_files()) as pair:

        def put(question: Question) -> Question:
            return as_signed_in(question, pair.robot) if is_harmless(question) else question

        run(pair, random, PAIRS * 3 // 100, BesideSteps(pair, random), put)
        for place in ("history", "blame"):
            answer = asyncio.run(pair.compare(put(Question("GET", f"/api/v1/{place}/posts/news"))))
            assert b"needs the scope history.people for posts/news.md" in answer.body


def test_what_editors_look_at_leaves_no_trace() -> None:
    random = Random(SEED)
    with open_pair(public_files()) as pair:
        beside = BesideSteps(pair, random)

        async def step(number: int) -> list[Question]:
            await beside(number)
            for server in pair.servers:
                for question in random.sample(SEARCHES, 3) if random.random() < 0.3 else ():
                    target = f"{question.target}&draft={random.choice(DRAFTS)}"
                    await server.ask(as_signed_in(Question("GET", target), pair.editor))
            return random.sample(SEARCHES, 3)

        run(pair, random, PAIRS * 3 // 100, step, without_counts)


def as_stranger(question: Question) -> Question:
    """As it stands: who is listed may read the past."""
    return question


def without_counts(question: Question) -> Question:
    """Never for how much was asked before: editors are counted, too."""
    return Question("GET", "/healthz") if question.target.startswith("/metrics") else question


def test_a_secret_that_is_told_is_noticed() -> None:
    async def search(number: int) -> list[Question]:
        return SEARCHES[number : number + 1]

    random = Random(SEED)
    with open_pair(public_files()) as pair:
        pair.keep(({"posts/secret.md": post("Merger", publish_at="2001-01-01")}, {}))
        with pytest.raises(AssertionError, match="body"):
            run(pair, random, 100, search)


def test_every_route_can_be_asked() -> None:
    with open_pair(public_files()) as pair:
        for route in routes(Metrics(pair.one.site), GitTransport()):
            path = str(getattr(route, "path", ""))
            missing = [name for name in PLACE.findall(path) if name not in IN_PATHS]
            assert not missing, f"{path}: tests/leaks/questions.py has to say what may stand for {missing}"
            assert isinstance(route, Route) or path in MOUNTED, path
