"""What each kind of change is called."""

from pathlib import Path

import pytest

from cms.delta import Wanted
from cms.present import Shape, Tree
from tests.delta.tools import MODEL, States, text_of

NOW = 1735689600.0
POST, KARI = "content/posts/a.md", "content/authors/kari.md"
BY_KARI = {POST: text_of({"title": "A", "author": "kari"}), KARI: text_of({"name": "Kari"})}
WORDS = "\n".join(f"Line {number} of some length." for number in range(10))


@pytest.fixture
def states(tmp_path: Path) -> States:
    return States.create(tmp_path)


def told(
    states: States, first: dict[str, str], second: dict[str, str | None], wanted: Wanted | None = None
) -> dict[str, tuple[str, ...]]:
    """What a client is told that holds the first state."""
    old = states.at(states.repo.commit({**MODEL, **first}), NOW)
    return states.names(old, states.after(old, states.repo.commit(second), NOW), wanted)


def test_a_new_entry_is_created_and_one_that_is_gone_is_deleted(states: States) -> None:
    changes: dict[str, str | None] = {"content/posts/b.md": text_of({"title": "B"}, "Very different."), POST: None}
    assert told(states, BY_KARI, changes) == {"created posts/b@nb": (), "deleted posts/a@nb": ()}


def test_an_entry_is_updated_with_the_names_of_what_is_shown_differently(states: States) -> None:
    changes: dict[str, str | None] = {POST: text_of({"title": "New", "author": "kari"}, "Other words here.")}
    assert told(states, BY_KARI, changes) == {
        "updated posts/a@nb": ("updated_at", "title", "word_count", "excerpt", "body")
    }


def test_an_entry_whose_file_moved_is_renamed(states: States) -> None:
    moved = {POST: None, "content/posts/b.md": text_of({"title": "A!"}, WORDS)}
    changes = told(states, {POST: text_of({"title": "A"}, WORDS)}, moved)
    assert changes == {"renamed posts/b@nb": ("id", "slug", "path", "url", "updated_at", "title")}


def test_an_entry_that_gives_itself_another_slug_is_renamed(states: States) -> None:
    changes = told(states, BY_KARI, {POST: text_of({"title": "A", "author": "kari", "slug": "z"})})
    assert changes == {"renamed posts/z@nb": ("id", "slug", "url", "updated_at")}


def test_an_entry_that_is_moved_out_of_what_somebody_holds_is_deleted_there(states: States) -> None:
    moved = {KARI: None, "content/posts/kari.md": BY_KARI[KARI]}
    assert told(states, BY_KARI, moved, Wanted(collections=["authors"])) == {"deleted authors/kari@nb": ()}


def test_and_created_for_who_holds_only_where_it_went(states: States) -> None:
    moved = {KARI: None, "content/posts/kari.md": BY_KARI[KARI], POST: text_of({"title": "A"})}
    changes = told(states, BY_KARI, moved, Wanted(shape=Shape(only={"title": {}}), collections=["posts"]))
    assert changes == {"created posts/kari@nb": ()}


def test_an_entry_that_shows_a_changed_one_is_affected_by_it(states: States) -> None:
    changes = told(states, BY_KARI, {KARI: text_of({"name": "Kari Nordmann"})})
    assert changes == {"updated authors/kari@nb": ("updated_at", "name"), "affected posts/a@nb": ("authors/kari@nb",)}


def test_who_has_the_author_s_name_in_a_post_is_told_that_the_post_is_updated(states: States) -> None:
    wanted = Wanted(shape=Shape(only={"author": {"name": {}}}), collections=["posts"])
    changes = told(states, BY_KARI, {KARI: text_of({"name": "Kari Nordmann"})}, wanted)
    assert changes == {"updated posts/a@nb": ("author",)}


def test_names_of_fields_lead_as_far_as_they_say(states: States) -> None:
    path: Tree = {"friend": {"friend": {"friend": {"friend": {"name": {}}}}}}
    people = {f"content/authors/{name}.md": text_of({"friend": friend}) for name, friend in ("ab", "bc", "cd", "de")}
    last = {"content/authors/e.md": text_of({"name": "E"})}
    changes = told(
        states, {**people, **last}, {"content/authors/e.md": text_of({"name": "F"})}, Wanted(shape=Shape(only=path))
    )
    assert changes["updated authors/a@nb"] == ("friend",)


def test_who_has_what_refers_to_an_author_is_told_that_the_author_is_updated(states: States) -> None:
    wanted = Wanted(shape=Shape(only={"name": {}, "referenced_by": {"title": {}}}), collections=["authors"])
    changes = told(states, BY_KARI, {"content/posts/b.md": text_of({"title": "B", "author": "kari"})}, wanted)
    assert changes == {"updated authors/kari@nb": ("referenced_by",)}


def test_a_reference_that_leads_somewhere_now_updates_who_refers(states: States) -> None:
    changes = told(states, {POST: BY_KARI[POST]}, {KARI: BY_KARI[KARI]})
    assert changes == {"created authors/kari@nb": (), "updated posts/a@nb": ("author",)}


def test_a_change_that_was_taken_back_is_a_new_time(states: States) -> None:
    old = states.at(states.repo.commit({**MODEL, **BY_KARI}), NOW)
    states.repo.commit({POST: text_of({"title": "B"})})
    again = states.after(old, states.repo.commit({POST: BY_KARI[POST]}), NOW)
    assert states.names(old, again) == {"updated posts/a@nb": ("updated_at",)}


def test_a_translation_that_appears_updates_the_others(states: States) -> None:
    changes = told(states, BY_KARI, {"content/posts/a.en.md": text_of({"title": "A"})})
    assert changes == {"created posts/a@en": (), "updated posts/a@nb": ("translations",)}


def test_the_end_of_an_embargo_creates_and_its_other_end_deletes(states: States) -> None:
    timed = text_of({"publish_at": "2024-06-01", "expire_at": "2024-07-01"})
    catalogs = [
        states.at(commit, now)
        for commit in [states.repo.commit({**MODEL, POST: timed})]
        for now in (1717000000.0, 1718000000.0, NOW)
    ]
    first = states.names(catalogs[0], catalogs[1])
    assert (first, states.names(catalogs[1], catalogs[2]), states.names(catalogs[0], catalogs[2])) == (
        {"created posts/a@nb": ()},
        {"deleted posts/a@nb": ()},
        {},
    )


def test_what_nobody_may_see_leaves_no_trace(states: States) -> None:
    hidden: dict[str, str | None] = {
        "content/posts/b.md": text_of({"draft": "true"}),
        "content/posts/c.md": text_of({"publish_at": "2099-01-01", "author": "kari"}),
        "content/authors/ola.md": text_of({"expire_at": "2020-01-01"}),
        "content/posts/d.md": "---\nbroken: [\n---\n",
    }
    assert told(states, BY_KARI, hidden) == {}


def test_whoever_holds_nothing_is_told_everything_as_created(states: States) -> None:
    new = states.at(states.repo.commit({**MODEL, **BY_KARI}), NOW)
    assert states.names(None, new) == {"created authors/kari@nb": (), "created posts/a@nb": ()}
