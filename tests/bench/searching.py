"""Our search beside stock Whoosh, SQLite's FTS5 and tantivy, over the same posts, in one process.

All are asked the same question in turn, each question once. Questions and builds are measured in processor time, since the
work of others on the machine is not ours; the update of one post in time on the clock, since it waits for the disk.
Ours is the whole search of a site (what may be found, page, facets), with its stems, compounds and forms; the others only match words.
"""

import random
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median, quantiles

import msgspec

from cms.facets import Facet, read_facet
from cms.filters import FilterReader
from cms.query import Query
from cms.refs import BlobId
from cms.search import Engine, SearchDocument, Visible, open_engine
from cms.searching import Searcher
from cms.searchtexts import search_document, search_fingerprint, visible_texts
from cms.settings import SEARCH_ENGINES
from cms.site import Site
from cms.suggest import completions_of
from tests.bench.build import refuse
from tests.bench.generate import CATEGORIES, generate
from tests.bench.report import Row, entries, milliseconds
from tests.bench.stock import SHOWN, Document, Question, Stock, folder_size, stock_engines, tantivy

OURS = "ours on whoosh"
ASKED = 25
UPDATES = 15
AIMS = {
    ("filter", "FTS5"): "< 1",
    ("facet", "FTS5"): "< 1",
    ("rare", "FTS5"): "≤ 2",
    ("common", "FTS5"): "≤ 2",
    ("update", "Whoosh"): "≤ 1",
}
_WORD = re.compile(r"[^\W\d_]{4,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Posts:
    """The posts of a site, as our engine and as others take them."""

    own: Sequence[SearchDocument]
    plain: Sequence[Document]


class Own:
    """Our search over a site, with one of its engines."""

    def __init__(self, name: str, site: Site, folder: Path) -> None:
        self._site = site
        self._name = name
        self._folder = folder
        model = site.catalog.model
        self._model = replace(
            model, settings=replace(model.settings, search=replace(model.settings.search, engine=name))
        )
        self._shelf = site.catalog.shelves["posts"]
        self._searcher: Searcher | None = None

    def engine(self) -> Engine:
        return open_engine(self._folder, fingerprint=search_fingerprint(self._model), engine=self._name)

    def build(self, documents: Sequence[SearchDocument]) -> None:
        engine = self.engine()
        engine.update(documents, [])
        engine.close()

    def open(self) -> None:
        self._searcher = Searcher(self._folder, self._site.store, self._site.bodies, self._model)
        self._searcher.update(self._site.catalog.snapshot)

    def ask(self, question: Question) -> int:
        assert self._searcher is not None
        catalog, collection = self._site.catalog, self._shelf.collection
        if question.kind == "suggest":
            typed, chain = question.words[0], catalog.default_chain
            return len(completions_of(catalog).find(catalog, typed, [collection], chain, SHOWN))
        where = None
        facets: tuple[Facet, ...] = ()
        if question.kind == "filter":
            where = FilterReader(self._model, collection).read({"category": question.extra})
        if question.kind == "facet":
            facets = (read_facet(self._model, collection, "category"),)
        query = Query(collection=collection, chain=catalog.default_chain, where=where, facets=facets)
        text = self.text(question)
        found = self._searcher.search(catalog, [query], text, by_relevance=True)
        if question.kind == "highlight":
            for entry in found.entries[:SHOWN]:
                self._searcher.snippets(catalog, entry, text)
        return found.total

    def ask_engine(self, engine: Engine, question: Question) -> int:
        catalog = self._site.catalog
        visible, posts = visible_texts(catalog), visible_texts(catalog, (("posts", catalog.default_chain),))
        text = self.text(question)
        found = engine.search(text, locale="nb", visible=visible, among=posts, deadline_seconds=60)
        return len(found.best(SHOWN))

    @staticmethod
    def text(question: Question) -> str:
        joined = {"OR": " OR ".join(question.words), "phrase": f'"{" ".join(question.words)}"'}
        return joined.get(question.kind, " ".join(question.words))

    def size(self) -> int:
        return folder_size(self._folder)


def measure_search(sizes: Sequence[int]) -> Iterator[Row]:
    """Build, size, update and questions by kind, of ours against each of the others."""
    for size in sizes:
        site = Site.open(generate(size), infer=refuse)
        folder = Path(tempfile.mkdtemp(prefix="search-"))
        try:
            yield from _measure(site, folder, size)
        finally:
            site.close()
            shutil.rmtree(folder, ignore_errors=True)  # another engine may still tidy up in it


def _measure(site: Site, folder: Path, size: int) -> Iterator[Row]:
    posts = _posts(site)
    own = {name: Own(name, site, folder / f"own-{name}") for name in SEARCH_ENGINES if name != "tantivy" or tantivy}
    stock = stock_engines(folder)
    rates = {f"ours on {name}": _rate(partial(one.build, posts.own), size) for name, one in own.items()}
    rates |= {name: _rate(partial(one.build, posts.plain), size) for name, one in stock.items()}
    yield from _rows("build", size, rates, lambda rate: f"{rate:,.0f}/s")
    sizes = {f"ours on {name}": float(one.size()) for name, one in own.items()}
    sizes |= {name: float(one.size()) for name, one in stock.items()}
    yield from _rows("size", size, sizes, lambda used: f"{used / 1e6:.1f} MB")
    for one in own.values():
        one.open()
    asked: dict[str, Callable[[Question], int | None]] = {f"ours on {name}": one.ask for name, one in own.items()}
    asked |= {name: one.ask for name, one in stock.items()}
    for kind, questions in _questions(posts.plain).items():
        yield from _ask_all(kind, size, questions, asked)
    yield from _request_and_engine(own["whoosh"], posts.plain, size)
    updates = {f"ours on {name}": _updates_own(one, posts.own) for name, one in own.items()}
    updates |= {name: _updates_stock(one, posts.plain) for name, one in stock.items()}
    yield from _rows("update", size, updates, milliseconds)


def _posts(site: Site) -> Posts:
    own, plain = [], []
    shelf = site.catalog.shelves["posts"]
    for found in site.catalog.documents("posts", site.catalog.default_chain).values():
        for entry in found[:1]:
            document = search_document(entry, shelf.collection, site.bodies.get(BlobId(entry.blob)).text)
            own.append(document)
            values = entry.parsed.fields
            tags = tuple(values.get("tags", ()))
            texts = {"title": document.title, "summary": str(values.get("summary", "")), "body": document.body}
            plain.append(Document(id=document.id, **texts, category=str(values["category"]), tags=tags))
    return Posts(own=own, plain=plain)


def _rate(build: Callable[[], None], size: int) -> float:
    started = time.process_time()
    build()
    return size / (time.process_time() - started)


def _questions(documents: Sequence[Document]) -> dict[str, list[Question]]:
    """The same questions every time, made of words by how many documents have them."""
    rng = random.Random(1)
    words = [[word.lower() for word in _WORD.findall(f"{document.title} {document.body}")] for document in documents]
    counts: dict[str, int] = {}
    for each in words:
        for word in set(each):
            counts[word] = counts.get(word, 0) + 1
    most = len(documents)
    rare = _some(rng, (word for word, count in counts.items() if count <= max(3, most // 100)))
    common = _some(rng, (word for word, count in counts.items() if count >= most // 5))
    some = _some(rng, (word for word, count in counts.items() if most // 50 <= count <= most // 5), 4 * ASKED)
    pairs = [_pair(rng, each) for each in rng.sample([each for each in words if len(each) > 20], 2 * ASKED)]
    typos = [f"{word[:3]}{word[4]}{word[3]}{word[5:]}" for word in some if len(word) > 6]
    return {
        "rare": [Question(kind="rare", words=(word,)) for word in rare],
        "common": [Question(kind="common", words=(word,)) for word in common],
        "AND": [Question(kind="AND", words=pair) for pair in pairs[:ASKED]],
        "OR": [Question(kind="OR", words=tuple(rng.sample(some, 3))) for _ in range(ASKED)],
        "phrase": [Question(kind="phrase", words=pair) for pair in pairs[ASKED:]],
        "prefix": [Question(kind="prefix", words=(word[:4],)) for word in some[:ASKED]],
        "typo": [Question(kind="typo", words=(word,)) for word in typos[:ASKED]],
        "filter": [Question(kind="filter", words=(word,), extra=rng.choice(CATEGORIES)) for word in some[-ASKED:]],
        "facet": [Question(kind="facet", words=(word,)) for word in some[ASKED : 2 * ASKED]],
        "highlight": [Question(kind="highlight", words=(word,)) for word in some[2 * ASKED : 3 * ASKED]],
        "suggest": [Question(kind="suggest", words=(word[: 2 + n % 4],)) for n, word in enumerate(some[:ASKED])],
    }


def _some(rng: random.Random, words: Iterator[str], count: int = ASKED) -> list[str]:
    known = sorted(words)
    return rng.sample(known, min(count, len(known)))


def _pair(rng: random.Random, words: Sequence[str]) -> tuple[str, str]:
    at = rng.randrange(len(words) - 1)
    return words[at], words[at + 1]


def _ask_all(
    kind: str, size: int, questions: Sequence[Question], asked: Mapping[str, Callable[[Question], int | None]]
) -> Iterator[Row]:
    """The first question of a kind is not measured: what is read once and kept is paid for there."""
    times: dict[str, list[float]] = {name: [] for name in asked}
    for question in questions:
        for name, ask in asked.items():
            started = time.thread_time()
            if ask(question) is not None:
                times[name].append(time.thread_time() - started)
    known = {name: each[1:] for name, each in times.items() if len(each) > 2}
    worst = {name: quantiles(each, n=100, method="inclusive")[98] for name, each in known.items()}
    middle = {name: median(each) for name, each in known.items()}
    shown = {middle[name]: f"{milliseconds(middle[name])}, p99 {milliseconds(worst[name])}" for name in known}
    yield from _rows(kind, size, middle, shown.__getitem__)
    if kind in ("prefix", "suggest"):
        yield from _rows(
            f"{kind}, p99",
            size,
            {name: worst[name] for name in (OURS, "Whoosh", "FTS5") if name in worst},
            milliseconds,
        )


def _request_and_engine(own: Own, documents: Sequence[Document], size: int) -> Iterator[Row]:
    """What our whole search takes against the engine within it; both are asked what they were asked before."""
    engine = own.engine()
    for kind in ("rare", "common"):
        questions = _questions(documents)[kind]
        for _ in range(2):
            whole = [_seconds(partial(own.ask, question)) for question in questions]
            alone = [_seconds(partial(own.ask_engine, engine, question)) for question in questions]
        ratio = median(whole) / median(alone)
        shown, other = milliseconds(median(whole)), f"engine alone {milliseconds(median(alone))}"
        what = f"search, {kind}, asked again / the engine alone"
        yield Row(what=what, site=entries(size), ours=shown, other=other, ratio=ratio, aim="≤ 1.3")
    engine.close()


def _seconds(action: Callable[[], object]) -> float:
    started = time.thread_time()
    action()
    return time.thread_time() - started


def _updates_own(own: Own, documents: Sequence[SearchDocument]) -> float:
    engine = own.engine()
    times = []
    ids = engine.ids()
    visible = Visible(ids)
    for number, document in enumerate(random.Random(2).sample(list(documents), UPDATES)):
        mark = f"fersk{chr(97 + number)}utgave"
        changed = msgspec.structs.replace(document, id=f"{number}", body=f"{document.body} {mark}")
        started = time.perf_counter()
        differing = frozenset((changed.id, document.id))
        ids = ids ^ differing
        visible = visible.changed(ids, differing)
        engine.update([changed], [document.id])
        if [hit.id for hit in engine.search(mark, locale=None, visible=visible)] != [changed.id]:
            raise RuntimeError("an update did not show")
        times.append(time.perf_counter() - started)
    engine.close()
    return median(times)


def _updates_stock(stock: Stock, documents: Sequence[Document]) -> float:
    times = []
    for number, document in enumerate(random.Random(2).sample(list(documents), UPDATES)):
        mark = f"fersk{chr(97 + number)}utgave"
        started = time.perf_counter()
        stock.change(replace(document, body=f"{document.body} {mark}"))
        if stock.ask(Question(kind="rare", words=(mark,))) != 1:
            raise RuntimeError("an update did not show")
        times.append(time.perf_counter() - started)
    return median(times)


def _rows(what: str, size: int, figures: Mapping[str, float], shown: Callable[[float], str]) -> Iterator[Row]:
    """The built-in engine against each of the others."""
    ours = figures[OURS]
    for name, figure in figures.items():
        if name != OURS:
            aim = AIMS.get((what, name), "≤ 0.01" if (what, name) == ("prefix, p99", "Whoosh") else "")
            label = f"search, {what} / {name}"
            other = shown(figure)
            yield Row(what=label, site=entries(size), ours=shown(ours), other=other, ratio=ours / figure, aim=aim)
