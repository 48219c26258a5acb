"""Snapshots and catalogs that were advanced, step by step, compared with those built from nothing."""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cms.bodies import Bodies
from cms.cache import DerivedCache
from cms.catalog import EVERY_LOCALE, Catalog, LocaleChain
from cms.entry import Entry
from cms.facets import read_facet
from cms.model import read_model, with_branch
from cms.present import Presenter
from cms.query import Query, count_facets, read_sort
from cms.refs import CommitId
from cms.schema import Collection
from cms.snapshot import Snapshot, advance_history, advance_snapshot, build_snapshot, read_history
from cms.store import Store
from tests.repo import FIRST_COMMIT_AT, Repo

REF = "refs/heads/main"
CMS = '[site]\nlocales = ["nb", "nn", "en"]\ntime_zone = "Europe/Oslo"\nurl = "https://example.org"\n'
POSTS = """type: object
x-path: ["posts/**/{slug}.md", "news/{date}-{slug}.md", "{locale}/posts/{slug}.md"]
x-title: title
x-date: day
x-url: /{locale}/{year}/{slug}
properties:
  title: {type: string}
  rank: {type: integer}
  day: {type: string, format: date}
  flag: {type: boolean}
  tags: {type: array, items: {type: string}}
  author: {type: string, x-reference: authors}
  related: {type: array, items: {type: string}, x-reference: [posts, authors]}
  image: {type: object, properties: {url: {type: string, x-asset: true}, by: {type: string, x-reference: authors}}}
"""
AUTHORS = """type: object
x-path: authors/{slug}.md
x-title: name
x-body: none
properties:
  name: {type: string}
  best: {type: string, x-reference: posts}
"""
SCHEMAS = {"cms.toml": CMS, "schemas/posts.yaml": POSTS, "schemas/authors.yaml": AUTHORS}
CHAINS: tuple[LocaleChain, ...] = (("nb", "nn", "en", ""), ("nn",), ("en", "nb"), EVERY_LOCALE)
SORTS = {
    "posts": (
        "",
        "-updated_at",
        "created_at,-title",
        "rank,title",
        "-day",
        "author.name",
        "-related",
        "last_author",
        "tags",
        "flag",
    ),
    "authors": ("name", "-best.title", "-updated_at"),
}
FACETS = {
    "posts": (
        "tags",
        "author",
        "flag",
        "rank",
        "last_author",
        "locale",
        "updated_at.day",
        "related",
        "author.name",
        "image.by",
        "url",
    ),
    "authors": ("best", "name", "last_author"),
}
PATHS = (
    *(
        "posts/a.md",
        "posts/b.md",
        "posts/a.nn.md",
        "posts/b.en.md",
        "posts/sub/a.md",
        "posts/sub/index.md",
        "posts/sub.md",
    ),
    *("nn/posts/b.md", "nb/posts/a.md", "en/posts/sub.md", "news/2024-1-5-a.md", "posts/posts/a.md"),
    *("authors/x.md", "authors/y.md", "authors/x.en.md", "authors/a.md", "readme.md", "posts/a.txt"),
)
SLUGS = ("a", "b", "sub", "sub/a", "x", "y", "posts/a", "authors/x", "nowhere")
PEOPLE = (("Kari", "kari@example.org"), ("Ola", "ola@example.org"))


def view(site: Catalog, bodies: Bodies) -> dict[Any, Any]:
    """Everything that can be seen of a catalog."""
    show = Presenter(site, bodies)
    seen: dict[Any, Any] = {
        "until": site.valid_until,
        "changed": site.changed_at,
        "commit": site.snapshot.commit,
        "files": dict(site.snapshot.files),
        "timed": dict(site.snapshot.timed),
        "findings": dict(site.snapshot.findings),
        "refused": dict(site.snapshot.refused),
    }
    for name, shelf in site.shelves.items():
        public = [entry for entries in shelf.slugs.values() for entry in entries]
        seen[name] = (shelf.count, dict(shelf.slugs), {entry.path: show.fragment(entry) for entry in public})
        seen[name, "aliases"] = [site.find_alias(name, alias) for alias in SLUGS]
        for chain in CHAINS:
            for sort in SORTS[name]:
                seen[name, chain, sort] = ordered(site, name, chain, sort)
            seen[name, chain, "facets"] = counted(site, shelf.collection, chain)
            seen[name, chain, "documents"] = dict(site.documents(name, chain))
    return seen


def ordered(site: Catalog, name: str, chain: LocaleChain, sort: str) -> list[Entry]:
    """The entries of a collection in one order."""
    spec = read_sort(site.model, site.model.collections[name], sort)
    return list(site.order(name, chain, spec))


def counted(site: Catalog, collection: Collection, chain: LocaleChain) -> dict[str, Sequence[Any]]:
    """Every facet, the indexed ones among them by their postings, and those postings in another order."""
    facets = tuple(read_facet(site.model, collection, name) for name in FACETS[collection.name])
    query = Query(collection=collection, chain=chain, facets=facets, facet_limit=100)
    found: dict[str, Sequence[Any]] = dict(count_facets(site, [query], {}))
    for facet in facets:
        if facet.path.kind in ("string", "integer", "boolean") and not facet.bucket:
            spec = read_sort(site.model, collection, "-updated_at")
            posting = site.posting(collection.name, chain, spec, facet.path)
            found[f"posting of {facet.name}"] = sorted(posting.items(), key=repr)
    return found


class Model:
    """A repository in the making, with a snapshot and a catalog that are only ever advanced."""

    def __init__(self, folder: Path) -> None:
        self.repo = Repo.create(folder / "site.git")
        self.files: dict[str, str] = {}
        self.commit = CommitId(self.repo.commit(SCHEMAS))
        self.store = Store.open(self.repo.path)
        self.cache = DerivedCache(folder / "cache")
        self.bodies = Bodies(self.store, self.cache)
        self.now = FIRST_COMMIT_AT.timestamp() + 60
        self.site = Catalog(self.build(), self.now)

    def build(self) -> Snapshot:
        """The snapshot of the current commit, from nothing and with no cache."""
        model = read_model(self.store, self.commit)
        assert model is not None
        with tempfile.TemporaryDirectory() as folder:
            cache = DerivedCache(Path(folder))
            snapshot = build_snapshot(self.store, self.commit, with_branch(model, "main"), cache=cache)
            snapshot = replace(snapshot, history=read_history(self.store, self.commit, cache, REF))
            cache.close()
        return snapshot

    def advance(self) -> None:
        """Follow the branch and the clock, as a site does."""
        old = self.site.snapshot
        if self.store.diff(old.commit.id, self.commit, prefixes=("cms.toml", "schemas")):
            snapshot = self.build()
        elif old.commit.id != self.commit:
            history = advance_history(old, self.store, self.commit, self.cache, REF)
            snapshot = advance_snapshot(old, self.store, self.commit, cache=self.cache, history=history)
        else:
            snapshot = old
        self.site = self.site.advance(snapshot, self.now)

    def check(self) -> None:
        """The advanced catalog shows what one built from nothing shows."""
        advanced = view(self.site, self.bodies)
        built = view(Catalog(self.build(), self.now), self.bodies)
        for key, value in built.items():
            assert advanced[key] == value, key


def text_of(fields: dict[str, Any]) -> str:
    """A content file with these fields."""
    return "---\n" + "".join(f"{name}: {value}\n" for name, value in fields.items()) + "---\n\nText.\n"


def moments() -> st.SearchStrategy[str]:
    """Moments around those that the clock of a test passes through."""
    return st.integers(0, 30).map(lambda minutes: (FIRST_COMMIT_AT + timedelta(minutes=minutes)).isoformat())


FRONT_MATTER = st.fixed_dictionaries(
    {},
    optional={
        "title": st.sampled_from(["Alfa", "Beta", "Åse", "alfa", "no"]),
        "name": st.sampled_from(["Kari", "Ola"]),
        "rank": st.integers(0, 3),
        "day": st.sampled_from(["2024-01-01", "2023-05-05", "later"]),
        "flag": st.sampled_from(["yes", "no"]),
        "tags": st.sampled_from(["[]", "[x]", "[x, y]", "[y, x, x]"]),
        "author": st.sampled_from(SLUGS),
        "best": st.sampled_from(SLUGS),
        "related": st.lists(st.sampled_from(SLUGS), max_size=3).map(lambda slugs: f"[{', '.join(slugs)}]"),
        "image": st.sampled_from(SLUGS).map(lambda slug: f"{{url: a.png, by: {slug}}}"),
        "slug": st.sampled_from(["a", "b", "other", "x"]),
        "locale": st.sampled_from(["nn", "nb"]),
        "aliases": st.sampled_from(["[b]", "[a, sub]"]),
        "draft": st.sampled_from(["true", "false"]),
        "publish_at": moments(),
        "expire_at": moments(),
    },
).map(text_of)

CONTENT = st.one_of(FRONT_MATTER, FRONT_MATTER, st.sampled_from(["---\nbroken: [\n---\n", "no front matter\n"]))
STEP = st.one_of(
    st.tuples(st.just("write"), st.dictionaries(st.sampled_from(PATHS), CONTENT, min_size=1, max_size=4)),
    st.tuples(st.just("write"), st.dictionaries(st.sampled_from(PATHS), CONTENT, min_size=1, max_size=4)),
    st.tuples(st.just("delete"), st.sampled_from(PATHS)),
    st.tuples(st.just("move"), st.tuples(st.sampled_from(PATHS), st.sampled_from(PATHS))),
    st.tuples(st.just("undo"), st.sampled_from(PATHS)),
    st.tuples(st.just("merge"), st.tuples(st.sampled_from(PATHS), CONTENT)),
    st.tuples(
        st.just("schema"),
        st.sampled_from([POSTS, POSTS + "  extra: {type: string}\n", POSTS.replace("/{locale}/{year}/", "/p/")]),
    ),
    st.tuples(st.just("wait"), st.integers(1, 10)),
)


def apply(model: Model, kind: str, what: Any, person: tuple[str, str]) -> None:
    """Do one thing to the repository, or let time pass."""
    files = model.files
    if kind == "write":
        change: dict[str, str | None] = dict(what)
    elif kind == "delete":
        change = {what: None} if what in files else {}
    elif kind == "move":
        change = {what[0]: None, what[1]: files[what[0]]} if what[0] in files and what[0] != what[1] else {}
    elif kind == "undo" and what in files:  # changed and changed back between two looks
        model.repo.commit({what: "something else\n"}, author=person)
        change = {what: files[what]}
    elif kind == "merge":
        side = model.repo.commit({what[0]: what[1]}, branch="side", parents=[model.commit], author=person)
        change = {what[0]: what[1]}
        model.commit = CommitId(model.repo.commit(change, parents=[model.commit, side]))
        files.update({what[0]: what[1]})
        return
    else:
        change = {}
    if kind == "schema":
        model.commit = CommitId(model.repo.commit({"schemas/posts.yaml": what}))
    elif change:
        model.commit = CommitId(model.repo.commit(change, author=person))
        files.update({path: text for path, text in change.items() if text is not None})
        for path in [path for path, text in change.items() if text is None]:
            files.pop(path, None)
    model.now += 60 * (what if kind == "wait" else 1)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(st.sampled_from(PATHS), CONTENT, max_size=8),
    st.lists(st.tuples(STEP, st.sampled_from(PEOPLE), st.booleans()), min_size=1, max_size=8),
)
def test_advancing_shows_what_building_from_nothing_shows(
    first: dict[str, str], steps: list[tuple[tuple[str, Any], tuple[str, str], bool]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        model = Model(Path(folder))
        if first:
            apply(model, "write", first, PEOPLE[0])
            model.advance()
        view(model.site, model.bodies)  # every order, posting and fragment is there to go stale
        for (kind, what), person, looks in steps:
            apply(model, kind, what, person)
            if looks:
                model.advance()
                model.check()
        model.advance()
        model.check()
        model.cache.close()
