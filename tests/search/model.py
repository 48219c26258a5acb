"""Random histories of a site against the plainest search there is: ``python -m tests.search.model --rounds 200``.

Texts are published, edited, unpublished and embargoed; the engine is opened anew; a second process writes and asks too, and
is killed in the middle of an update. Meanwhile threads ask, and every answer is compared with a look through the
words of every text that may be found.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

from cms.search import Engine, SearchDocument, Visible, open_engine

# None is the beginning, the end, a slip of the pen, or an inflected form of another, in any of our languages.
WORDS = (
    *("bagdum", "kilvop", "zontrex", "fimbas", "quedwor", "hyljox"),
    *("purgak", "stavmin", "ekrumb", "lodjinz", "wixtra", "nobfeg"),
)
THREADS = 3
ASKED = 6
TEXTS_AT_MOST = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One version of an entry, visible from one moment until another."""

    id: str
    title: tuple[str, ...]
    body: tuple[str, ...]
    appears: int
    expires: int

    def document(self) -> SearchDocument:
        return SearchDocument(self.id, "nb", " ".join(self.title), "", " ".join(self.body))


Fits = Callable[[Text], bool]
Question = tuple[str, Fits]


def _has(words: Sequence[str], text: Text) -> bool:
    wanted = list(words)
    return any(
        list(place[n : n + len(words)]) == wanted for place in (text.title, text.body) for n in range(len(place))
    )


def make_question(rng: random.Random) -> Question:
    """A question, and which texts answer it."""
    a, b, c = rng.sample(WORDS, 3)
    has: Callable[[str, Text], bool] = lambda word, text: _has([word], text)  # noqa: E731
    questions: list[Question] = [
        (a, lambda text: has(a, text)),
        (f"{a} {b}", lambda text: has(a, text) and has(b, text)),
        (f"{a} OR {b}", lambda text: has(a, text) or has(b, text)),
        (f"{a} -{b}", lambda text: has(a, text) and not has(b, text)),
        (f"-{a} -{b}", lambda text: not has(a, text) and not has(b, text)),
        (f'"{a} {b}"', lambda text: _has([a, b], text)),
        (f'{c} -"{a} {b}"', lambda text: has(c, text) and not _has([a, b], text)),
        (f'"{a} {b}" OR title:{c}', lambda text: _has([a, b], text) or c in text.title),
    ]
    return rng.choice(questions)


class Helper:
    """Another process over the same folder; it writes and asks what it is told."""

    def __init__(self, engine: str, folder: Path) -> None:
        command = [sys.executable, "-W", "ignore", "-m", "tests.search.model", "--serve", engine, str(folder)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def send(self, **order: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{json.dumps(order)}\n")
        self._process.stdin.flush()

    def receive(self) -> list[list[str]]:
        assert self._process.stdout is not None
        answer: list[list[str]] = json.loads(self._process.stdout.readline())
        return answer

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def serve(name: str, folder: Path) -> None:
    """What a helper does: one order a line, one answer a line."""
    engine = open_engine(folder, engine=name, fingerprint="model", batch_documents=2)
    for line in sys.stdin:
        order = json.loads(line)
        if "ask" in order:
            answer = [_ask(engine, text, frozenset(allowed)) for text, allowed in order["ask"]]
        else:
            engine.update((SearchDocument(*fields) for fields in order["add"]), order["remove"])
            answer = []
        sys.stdout.write(f"{json.dumps(answer)}\n")
        sys.stdout.flush()


def _ask(engine: Engine, text: str, allowed: Collection[str]) -> list[str]:
    found = [
        hit.id for hit in engine.search(text, locale=None, visible=Visible(frozenset(allowed)), deadline_seconds=60)
    ]
    assert len(found) == len(set(found)), text
    return found


class History:
    """One site, its index, and what must be true of it."""

    def __init__(self, engine: str, folder: Path, seed: int) -> None:
        self._rng = random.Random(seed)
        self._numbers = count()
        self._open = partial(open_engine, folder, engine=engine, fingerprint="model", batch_documents=3)
        self._engine = self._open()
        self._start_helper = partial(Helper, engine, folder)
        self._helper = self._start_helper()
        self._site: dict[str, Text] = {}
        self._indexed: dict[str, Text] = {}
        self._now = 0
        self.wrong: list[str] = []
        self.asked = 0

    def close(self) -> None:
        self._helper.end()
        self._engine.close()

    def step(self) -> None:
        """Something happens; then the index follows, and is asked."""
        rng = self._rng
        self._now += rng.randint(0, 3)
        for _ in range(rng.randint(1, 6)):
            path = f"entry-{rng.randrange(TEXTS_AT_MOST)}"
            if rng.random() < 0.3:
                self._site.pop(path, None)
            else:
                self._site[path] = self._make_text()
        if rng.random() < 0.3:
            self._engine.close()
            self._engine = self._open()
            self._expect(set(self._engine.ids()) == set(self._indexed), "opened anew, the index is another")
        self._follow()
        self._compare(self._visible())

    def _make_text(self) -> Text:
        rng = self._rng
        return Text(
            id=f"text-{next(self._numbers)}",
            title=tuple(rng.choices(WORDS, k=rng.randint(0, 3))),
            body=tuple(rng.choices(WORDS, k=rng.randint(0, 12))),
            appears=self._now + rng.choice((0, 0, 0, 4)),
            expires=self._now + rng.choice((3, 1000, 1000)),
        )

    def _visible(self) -> list[Text]:
        return [text for text in self._site.values() if text.appears <= self._now < text.expires]

    def _follow(self) -> None:
        """Bring the index up to the site; threads ask for what stays in it meanwhile."""
        wanted = {text.id: text for text in self._site.values()}
        gone = [identity for identity in self._indexed if identity not in wanted and self._rng.random() < 0.4]
        add = [text for identity, text in wanted.items() if identity not in self._indexed]
        stable = [text for identity, text in self._indexed.items() if identity not in gone]
        done = threading.Event()
        askers = [
            threading.Thread(target=self._keep_asking, args=(stable, done, self._rng.random())) for _ in range(THREADS)
        ]
        for asker in askers:
            asker.start()
        try:
            self._write(add, gone)
        finally:
            done.set()
            for asker in askers:
                asker.join()
        for identity in gone:
            del self._indexed[identity]
        self._indexed.update((text.id, text) for text in add)
        self._expect(set(self._engine.ids()) == set(self._indexed), "the index holds something else")

    def _write(self, add: Sequence[Text], gone: Collection[str]) -> None:
        documents = [text.document() for text in add]
        fields = [(text.id, text.locale, text.title, text.summary, text.body) for text in documents]
        way = self._rng.random()
        if way < 0.4:
            self._engine.update(documents, gone)
        elif way < 0.7:
            self._helper.send(add=fields, remove=list(gone))
            self._helper.receive()
        else:
            self._helper.send(add=fields, remove=list(gone))
            threading.Event().wait(self._rng.choice((0, 0.005, 0.01, 0.02, 0.04)))
            self._helper.end()
            self._helper = self._start_helper()
            known = self._engine.ids()
            before = set(self._indexed)
            self._expect(before - set(gone) <= known <= before | {text.id for text in add}, "a kill lost something")
            self._engine.update(documents, gone)

    def _keep_asking(self, texts: Sequence[Text], done: threading.Event, seed: float) -> None:
        rng = random.Random(seed)
        while not done.is_set():
            self._check(make_question(rng), texts, partial(_ask, self._engine))

    def _compare(self, texts: Sequence[Text]) -> None:
        questions = [make_question(self._rng) for _ in range(ASKED)]
        for question in questions:
            self._check(question, texts, partial(_ask, self._engine))
        allowed = [text.id for text in texts]
        self._helper.send(ask=[(question, allowed) for question, _ in questions])
        for question, found in zip(questions, self._helper.receive(), strict=True):
            self._check(question, texts, lambda *_, found=found: found)

    def _check(
        self, question: Question, texts: Iterable[Text], ask: Callable[[str, Collection[str]], list[str]]
    ) -> None:
        asked, fits = question
        try:
            found = set(ask(asked, [text.id for text in texts]))
        except Exception as error:
            self.wrong.append(f"{asked}: {error!r}")
            return
        expected = {text.id for text in texts if fits(text)}
        self.asked += 1
        if found != expected:
            self.wrong.append(f"{asked}: too many {found - expected}, missing {expected - found}")

    def _expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.wrong.append(what)


def run(engine: str, folder: Path, *, rounds: int, seed: int) -> History:
    """A history of some rounds; what was wrong is in it."""
    history = History(engine, folder, seed)
    try:
        for _ in range(rounds):
            history.step()
    finally:
        history.close()
    return history


def main() -> None:
    """Run as many rounds as asked for, with each engine."""
    parser = argparse.ArgumentParser(prog="python -m tests.search.model", description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engines", nargs="*", default=["whoosh", "tantivy"])
    parser.add_argument("--serve", nargs=2, metavar=("ENGINE", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(options.serve[0], Path(options.serve[1]))
        return
    failed = False
    for engine in options.engines:
        with tempfile.TemporaryDirectory() as folder:
            history = run(engine, Path(folder) / "index", rounds=options.rounds, seed=options.seed)
        sys.stdout.write(f"{engine}: {history.asked} answers, {len(history.wrong)} wrong\n")
        sys.stdout.writelines(f"  {wrong}\n" for wrong in history.wrong[:20])
        failed = failed or bool(history.wrong)
    sys.exit(failed)


if __name__ == "__main__":
    main()
