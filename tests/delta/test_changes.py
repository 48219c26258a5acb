"""Deltas over random histories: who applies them holds what a full download gives, and is told nothing that is not so."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cms.catalog import EVERY_LOCALE, Catalog
from cms.delta import Wanted
from cms.present import FORMATS, Shape
from tests.delta.tools import AUTHORS, CMS, DEEP, MODEL, POSTS, States, canonical, differing, text_of

#: More of them on request: DELTA_EXAMPLES=500.
EXAMPLES = int(os.environ.get("DELTA_EXAMPLES", "12"))
PATHS = (
    *(f"content/posts/{name}.md" for name in ("a", "b", "c", "a.en", "b.en")),
    *(f"content/authors/{name}.md" for name in ("kari", "ola", "kari.en", "ada")),
    "content/people/kari.md",
)
SLUGS = ("a", "b", "kari", "ola", "ada", "authors/kari", "posts/a", "nobody")
#: Commits are made on 1 January 2024, and moments are looked at around that.
EARLY, NOON, LATE = 1704067200.0, 1704110400.0, 1735689600.0
MOMENTS = (EARLY, NOON + 3600, LATE)
ENTRIES = st.builds(
    text_of,
    st.fixed_dictionaries(
        {},
        optional={
            "title": st.sampled_from(["A", "B"]),
            "number": st.sampled_from(["1", "1.0", "2"]),
            "author": st.sampled_from(SLUGS),
            "friend": st.sampled_from(SLUGS),
            "related": st.lists(st.sampled_from(SLUGS), max_size=3).map(lambda slugs: f"[{', '.join(slugs)}]"),
            "slug": st.sampled_from(["a", "other"]),
            "locale": st.sampled_from(["en", "nb"]),
            "draft": st.just("true"),
            "publish_at": st.sampled_from(["2024-01-01T12:30:00Z", "2024-06-01"]),
            "expire_at": st.sampled_from(["2024-01-01T12:45:00Z", "2024-07-01"]),
        },
    ),
    st.sampled_from(["Text.", "Other words.", "# Heading\n\nText."]),
)
FILES = st.dictionaries(st.sampled_from(PATHS), st.none() | ENTRIES | ENTRIES, max_size=8)
MODELS: tuple[Mapping[str, str], ...] = (
    {},
    {},
    {"schemas/posts.yaml": POSTS.replace("/{locale}/", "/news/{locale}/")},
    {"schemas/posts.yaml": POSTS.replace("x-reference: authors", "x-reference: posts")},
    {"schemas/posts.yaml": POSTS + "x-body: none\n"},
    {"schemas/authors.yaml": AUTHORS.replace("content/authors/", "content/people/")},
    {"cms.toml": CMS.replace('["nb", "en"]', '["en", "nb"]').replace('= "nb"', '= "en"')},
    {"cms.toml": CMS + '[[rules]]\ncollections = ["nothing"]\napprovals = 1\n'},
)
STATES = st.tuples(FILES, st.sampled_from(MODELS), st.sampled_from(MOMENTS))
WANTED = st.builds(
    Wanted,
    shape=st.sampled_from(
        [
            Shape(),
            Shape(formats=FORMATS),
            DEEP,
            Shape(only={"title": {}, "author": {"name": {}}}),
            Shape(without=frozenset({"related", "updated_at"}), include={"author": {"friend": {}}}),
            Shape(only={"author": {"friend": {"friend": {"friend": {"friend": {"name": {}}}}}}}),
            Shape(include={"referenced_by": {}, "author": {"referenced_by": {}}}),
        ]
    ),
    chain=st.sampled_from([EVERY_LOCALE, ("nb",), ("en", "nb"), ("nb", "en", "")]),
    collections=st.sampled_from([(), ("posts",), ("authors", "posts")]),
)
some = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def two_states(
    states: States, first: tuple[Mapping[str, str | None], Mapping[str, str], float], second: object, *, apart: bool
) -> tuple[Catalog, Catalog]:
    """The catalogs of two commits, one after the other; *apart*: nothing of one is shared with the other."""
    files, model, now = first
    old = states.at(states.repo.commit({**MODEL, **files, **model}), now)
    files, model, now = second  # type: ignore[misc]
    commit = states.repo.commit({**files, **model})
    return old, states.at(commit, now) if apart else states.after(old, commit, now)


@some
@given(STATES, STATES, WANTED, st.booleans())
def test_whoever_applies_a_delta_holds_what_a_full_download_gives_in_both_directions(
    first: tuple[dict[str, str | None], dict[str, str], float],
    second: tuple[dict[str, str | None], dict[str, str], float],
    wanted: Wanted,
    apart: bool,
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        states = States.create(Path(folder))
        catalogs = two_states(states, first, second, apart=apart)
        for old, new in (catalogs, catalogs[::-1]):
            held = states.apply(states.download(old, wanted), states.changes(old, new, wanted), new, wanted)
            assert canonical(held) == canonical(states.download(new, wanted))


@some
@given(STATES, STATES)
@example(
    ({"content/posts/a.md": text_of({"author": "kari"}), "content/authors/kari.md": text_of({"name": "K"})}, {}, LATE),
    ({"content/authors/kari.md": text_of({"name": "Kari"})}, {}, LATE),
)
@example(
    (
        {
            "content/posts/a.md": text_of({"author": "kari"}),
            "content/authors/kari.md": text_of({"friend": "ola"}),
            "content/authors/ola.md": text_of({"friend": "ada"}),
            "content/authors/ada.md": text_of({"friend": "kari"}),
        },
        {},
        LATE,
    ),
    ({"content/authors/ada.md": text_of({"friend": "kari", "name": "Ada"})}, {}, LATE),
)
def test_changed_names_what_differs_and_affected_names_what_shows_it(
    first: tuple[dict[str, str | None], dict[str, str], float],
    second: tuple[dict[str, str | None], dict[str, str], float],
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        states = States.create(Path(folder))
        for old, new in [(pair := two_states(states, first, second, apart=False)), pair[::-1]]:
            told = {change.entry.id: change for change in states.changes(old, new)}
            plain, deep = (
                [states.download(catalog, Wanted(shape=shape)) for catalog in (old, new)] for shape in (Shape(), DEEP)
            )
            bodies = [states.download(catalog, Wanted(shape=Shape(formats=("markdown",)))) for catalog in (old, new)]
            for id in plain[0].keys() & plain[1].keys():
                fields = differing(bodies[0][id], bodies[1][id])
                change = told.get(id)
                assert fields == set(change.fields if change else ())
                is_affected = change is not None and change.change == "affected"
                assert is_affected == (not fields and bool(differing(deep[0][id], deep[1][id])))


HIDDEN_PATHS = ("content/posts/h.md", "content/posts/a.sv.md", "content/authors/ola.md", "content/authors/h.en.md")
HIDDEN = st.dictionaries(
    st.sampled_from(HIDDEN_PATHS),
    st.none()
    | st.builds(
        text_of,
        st.fixed_dictionaries(
            {"publish_at": st.just("2099-01-01")},
            optional={
                "author": st.sampled_from(SLUGS),
                "related": st.just("[a, kari, h]"),
                "slug": st.sampled_from(["h", "x"]),
            },
        ),
    ),
    max_size=4,
)
SEEN = FILES.map(lambda files: {path: text for path, text in files.items() if path not in HIDDEN_PATHS})


@some
@given(SEEN, SEEN, HIDDEN, HIDDEN, st.sampled_from(MOMENTS))
def test_two_sites_that_differ_in_what_is_hidden_have_the_same_deltas(
    first: dict[str, str | None],
    second: dict[str, str | None],
    hidden: dict[str, str | None],
    more: dict[str, str | None],
    now: float,
) -> None:
    told = []
    for held, later in (hidden, more), ({}, {}):
        with tempfile.TemporaryDirectory() as folder:
            states = States.create(Path(folder))
            states_of = two_states(states, ({**first, **held}, {}, now), ({**second, **later}, {}, now), apart=False)
            told.append([states.names(*states_of), states.names(*states_of[::-1]), states.names(None, states_of[1])])
    assert told[0] == told[1]
