"""Events of publications: every step that readers see, the same from every process, and nothing hidden."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from cms.errors import InvalidQuery
from cms.events import Mark, parse_mark
from cms.inferred import infer_model
from cms.site import Site
from tests.api.tools import MODEL, post
from tests.repo import FIRST_COMMIT_AT, Repo

SCHEMA = f"{MODEL['schemas/posts.yaml']}  publish_at: {{type: string, format: date-time}}\n  expire_at: {{type: string, format: date-time}}\n"
FILES = {**MODEL, "schemas/posts.yaml": SCHEMA, "posts/a.md": post("A"), "posts/b.md": post("B", author="kari")}
LATER = FIRST_COMMIT_AT + timedelta(days=300)


@pytest.fixture
def site(repo: Repo) -> Any:
    """A site that nobody may change but on its disk."""
    repo.commit(FILES)
    opened = Site.open(repo.path, infer=infer_model)
    yield opened
    opened.close()


def told(site: Site, known: str, now: datetime = LATER) -> list[Any]:
    """The data of what *site* tells a stranger, each with its id and kind."""
    site.refresh(now.timestamp())
    batch = site.events.after(parse_mark(known), None, now)
    return [{**event.data, "id": str(mark), "kind": event.kind} for mark, event in batch.events]


def begin(site: Site, now: datetime = LATER) -> str:
    site.refresh(now.timestamp())
    return str(site.events.begin(None, now))


def changes(event: Any) -> list[tuple[str, str]]:
    return [(change["change"], change["slug"]) for change in event["changes"]]


def test_each_publication_is_told_once_and_in_order(site: Site, repo: Repo) -> None:
    known = begin(site)
    commits = [repo.commit({"posts/a.md": post("Ny")}), repo.commit({"posts/c.md": post("C"), "posts/b.md": None})]
    found = told(site, known)
    assert [event["commit"] for event in found] == commits
    assert [changes(event) for event in found] == [[("updated", "a")], [("deleted", "b"), ("created", "c")]]
    assert {event["cause"] for event in found} == {"publication"}
    assert told(site, found[0]["id"]) == found[1:]
    assert told(site, found[1]["id"]) == []


def test_a_rename_names_both_addresses_and_an_update_its_fields(site: Site, repo: Repo) -> None:
    known = begin(site)
    repo.commit({"posts/a.md": None, "posts/new.md": post("A")})
    repo.commit({"posts/new.md": post("A", stars="5")})
    renamed, updated = told(site, known)
    assert renamed["changes"][0]["from"]["slug"] == "a"
    assert "stars" in updated["changes"][0]["fields"]


def test_the_keys_are_those_of_what_changed(site: Site, repo: Repo) -> None:
    known = begin(site)
    repo.commit({"posts/a.md": post("Ny")})
    repo.commit({"images/x.png": b"x", "README.md": "x"})
    repo.commit({"cms.toml": MODEL["cms.toml"].replace("Test", "Prøve")})
    text, image, settings = (set(event["surrogate_keys"]) for event in told(site, known))
    assert {"site", "c-posts"} < text
    assert "model" not in text
    assert len(image - {"site"}) == 1
    assert settings == {"model", "site"}


def test_another_process_tells_the_same(site: Site, repo: Repo) -> None:
    known = begin(site)
    repo.commit({"posts/a.md": post("Ny")})
    live = told(site, known)
    repo.commit({"posts/c.md": post("C")})
    live += told(site, live[-1]["id"])
    other = Site.open(repo.path, infer=infer_model)
    assert told(other, known) == live
    other.close()


def test_what_appears_and_expires_by_itself_is_told_at_its_moment(site: Site, repo: Repo) -> None:
    begins, ends = LATER + timedelta(hours=1), LATER + timedelta(hours=2)
    known = begin(site)
    commit = repo.commit({"posts/c.md": post("C", publish_at=begins.isoformat(), expire_at=ends.isoformat())})
    (published,) = told(site, known)
    assert changes(published) == []
    assert told(site, published["id"], begins - timedelta(seconds=1)) == []
    (appeared,) = told(site, published["id"], begins + timedelta(seconds=1))
    (gone,) = told(site, appeared["id"], ends + timedelta(hours=1))
    assert [changes(appeared), changes(gone)] == [[("created", "c")], [("deleted", "c")]]
    assert [appeared["cause"], gone["cause"]] == ["moment", "moment"]
    assert appeared["id"] == f"{commit}@{begins:%Y-%m-%dT%H:%M:%S}Z"
    assert "c-posts" in appeared["surrogate_keys"]
    late = told(site, published["id"], ends + timedelta(hours=1))
    assert [event["id"] for event in late] == [appeared["id"], gone["id"]]


def test_nothing_tells_of_what_is_hidden(site: Site, repo: Repo) -> None:
    known = begin(site)
    repo.commit({"posts/secret-plan.md": post("Hemmelig", draft="true")})
    repo.commit({"posts/secret-plan.md": post("Hemmelig igjen", draft="true")})
    repo.commit({"posts/secret-plan.md": None})
    found = told(site, known)
    assert [changes(event) for event in found] == [[], [], []]
    assert {tuple(event["surrogate_keys"]) for event in found} == {("site",)}
    assert "secret" not in repr(found)


def test_what_came_and_went_meanwhile_is_not_named_again(site: Site, repo: Repo) -> None:
    known = begin(site)
    repo.commit({"posts/slip.md": post("Feil")})
    live = told(site, known)
    repo.commit({"posts/slip.md": None})
    assert changes(live[0]) == [("created", "slip")]
    assert changes(told(site, live[0]["id"])[0]) == [("deleted", "slip")]
    late = told(site, known)
    assert "slip" not in repr(late)
    assert late[0]["surrogate_keys"] == live[0]["surrogate_keys"]


def test_a_state_that_could_not_be_served_is_passed_over(site: Site, repo: Repo) -> None:
    known = begin(site)
    repo.commit({"cms.toml": "[site]\nbroken = 1\n"})
    assert told(site, known) == []
    repaired = repo.commit({"cms.toml": MODEL["cms.toml"], "posts/c.md": post("C")})
    assert [(event["commit"], changes(event)) for event in told(site, known)] == [(repaired, [("created", "c")])]


@pytest.mark.parametrize("known", ["0" * 40, f"{'0' * 40}@2024-01-01T00:00:00Z"])
def test_who_knows_a_state_that_never_was_is_told_to_begin_anew(site: Site, known: str) -> None:
    (reset,) = told(site, known)
    assert reset["kind"] == "reset"
    assert reset["id"] == reset["position"] == begin(site)
    assert "begin again" in reset["detail"]


def test_rewritten_history_and_too_long_a_past_are_told_as_such(
    site: Site, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begin(site)
    gone = repo.commit({"posts/a.md": post("Bort")})
    begin(site)
    repo.git("update-ref", "refs/heads/main", first)
    commits = [repo.commit({"posts/a.md": post(f"Ny {number}")}) for number in range(3)]
    assert [event["kind"] for event in told(site, gone)] == ["reset"]
    assert [event["commit"] for event in told(site, first)] == commits
    monkeypatch.setattr("cms.events.publications.STEPS_MOST", 2)
    assert "/changes" in told(site, first)[0]["detail"]


def test_of_very_many_changes_the_first_are_told_with_their_number(
    site: Site, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cms.events.publications.CHANGES_MOST", 2)
    known = begin(site)
    repo.commit({f"posts/n{number}.md": post(f"N {number}") for number in range(5)})
    (event,) = told(site, known)
    assert (len(event["changes"]), event["total"]) == (2, 5)


def test_a_server_whose_clock_is_behind_waits_for_its_time(site: Site) -> None:
    known = f"{begin(site)}@2999-01-01T00:00:00Z"
    assert told(site, known) == []
    assert str(site.events.after(parse_mark(known), None, LATER).mark) == known


@pytest.mark.parametrize("text", ["", "x", "0" * 39, f"{'a' * 40}~", f"{'a' * 40}~b", f"{'a' * 40}~{'b' * 40}.x"])
def test_what_is_the_id_of_no_event_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuery):
        parse_mark(text)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 40,
        f"{'a' * 40}@2026-05-17T07:00:00Z",
        f"{'a' * 40}~{'b' * 40}",
        f"{'a' * 40}@2026-05-17T07:00:00Z~{'b' * 40}.12",
    ],
)
def test_an_id_is_read_as_it_was_written(text: str) -> None:
    mark = parse_mark(text)
    assert isinstance(mark, Mark)
    assert str(mark) == text


def test_what_appeared_in_the_second_of_a_publication_is_no_reason_to_begin_anew(site: Site, repo: Repo) -> None:
    noon = LATER.replace(microsecond=0)
    old = repo.commit({"posts/c.md": post("C", publish_at=noon.isoformat())})
    known = told(site, begin(site, noon - timedelta(seconds=1)), noon)
    assert [event["id"] for event in known] == [f"{old}@{noon:%Y-%m-%dT%H:%M:%S}Z"]
    repo.commit({"posts/c.md": None}, at=noon)
    (event,) = told(site, known[0]["id"], noon + timedelta(seconds=1))
    assert changes(event) == [("deleted", "c")]
