"""The keys of what answers depend on, and of what a publication changes."""

import math
from typing import Any

import pytest

from cms.dependencies import (
    KEYS_MOST,
    WHOLE,
    collection_key,
    entry_key,
    file_key,
    format_keys,
    kept_until,
    members_key,
    next_moments,
    parse_keys,
    surrogate_keys,
)
from cms.entry import Entry, Parsed
from cms.present import NAMED_MOST
from tests.api.tools import MODEL, Client, person, post
from tests.repo import Repo


def entry(slug: str, locale: str = "en", **parsed: object) -> Entry:
    content = Parsed(fields={}, **parsed)  # type: ignore[arg-type]
    return Entry(
        collection="posts", slug=slug, locale=locale, path=f"posts/{slug}.md", blob=f"{slug}{locale}", parsed=content
    )


def test_an_edited_entry_changes_itself_and_its_collection_but_not_which_entries_there_are() -> None:
    keys = surrogate_keys([entry("a")], [entry("a")])
    assert keys == {"site", collection_key("posts"), entry_key("posts", "a")}


@pytest.mark.parametrize(
    ("removed", "added"), [((), ("en",)), (("en",), ()), (("en",), ("nb",))], ids=["new", "gone", "locale"]
)
def test_what_comes_or_goes_changes_which_entries_there_are(removed: tuple[str, ...], added: tuple[str, ...]) -> None:
    keys = surrogate_keys([entry("a", at) for at in removed], [entry("a", at) for at in added])
    assert {members_key("posts"), collection_key("posts"), entry_key("posts", "a")} < keys


def test_a_file_is_known_by_its_path_alone() -> None:
    assert surrogate_keys([], [], paths=["images/a.png"]) == {"site", file_key("images/a.png")}


def test_other_settings_change_everything() -> None:
    assert surrogate_keys([], [], is_model_changed=True) == WHOLE


def test_a_very_large_publication_changes_everything() -> None:
    assert surrogate_keys([], [entry(f"a{number}") for number in range(KEYS_MOST)]) == WHOLE


def test_keys_fit_into_a_header_whatever_the_names() -> None:
    keys = frozenset({collection_key("blå bær,x"), members_key('a"b\n'), entry_key("blå", "bær"), *WHOLE})
    line = format_keys(keys)
    assert line.decode("ascii").isprintable()
    assert parse_keys(line) == keys


def test_what_depends_on_an_entry_is_kept_until_its_next_moment() -> None:
    moments = next_moments([entry("a", publish_at=50.0, expire_at=90.0), entry("b", expire_at=70.0)], [], 60.0)
    assert kept_until({entry_key("posts", "a")}, moments) == 90.0
    assert kept_until({entry_key("posts", "a"), entry_key("posts", "b")}, moments) == 70.0
    assert kept_until({collection_key("posts")}, moments) == kept_until(WHOLE, moments) == 70.0
    assert kept_until({entry_key("posts", "c"), collection_key("people")}, moments) == math.inf


@pytest.mark.parametrize("more", [{"hidden": True}, {"expire_at": 50.0}, {"expire_at": 40.0}])
def test_an_entry_that_nobody_ever_sees_has_no_moments(more: dict[str, Any]) -> None:
    assert next_moments([entry("a", publish_at=50.0, **more)], [], 10.0) == {}


def test_every_answer_ends_when_the_model_is_inferred_anew() -> None:
    assert (
        kept_until({"model"}, next_moments([], [entry("a", publish_at=50.0), entry("b", publish_at=5.0)], 10.0)) == 50.0
    )


def test_an_answer_that_shows_very_many_entries_names_their_collections(repo: Repo) -> None:
    posts = {f"posts/p{number}.md": post(author="kari") for number in range(NAMED_MOST + 1)}
    repo.commit({**MODEL, "people/kari.md": person("Kari"), **posts})
    client = Client(repo.path)
    keys = parse_keys(client.ask("/entries/people/kari?include=referenced_by").headers["surrogate-key"].encode())
    assert keys == {"model", "c-posts", "c-people", "x-people", "x-posts"}
    client.site.close()
