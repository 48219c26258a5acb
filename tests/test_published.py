"""Which commits were published, and when."""

from datetime import UTC, datetime, timedelta
from math import inf

import pytest

from cms.published import PublishedStates
from cms.pushlog import Move, PushLog
from cms.refs import CommitId
from cms.store import Store
from tests.newsroom import MAIN, Newsroom, post, stop_syncing
from tests.repo import Repo


@pytest.fixture
def room(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Newsroom:
    stop_syncing(monkeypatch)
    return Newsroom(tmp_path_factory.mktemp("room"))


def states(room: Newsroom) -> PublishedStates:
    return PublishedStates(room.store, MAIN, room.log)


def line(room: Newsroom) -> list[CommitId]:
    return [commit for commit, _ in states(room).all(room.main)]


def publish(room: Newsroom, name: str, **files: str) -> CommitId:
    """A draft of two commits, published by the server."""
    for number, text in enumerate(("first", "second")):
        room.write(name, {f"content/posts/{name}.md": post(f"{text} {number}")}, how="server")
    return room.publish(name)


def test_without_a_log_the_first_parents_count(repo: Repo) -> None:
    one = repo.commit({"a": "1"})
    side = repo.commit({"a": "2"}, branch="side", parents=[one])
    two = repo.commit({"b": "2"}, parents=[one])
    three = repo.commit({"a": "2"}, parents=[two, side])
    store = Store.open(repo.path)
    found = PublishedStates(store, MAIN, PushLog(store)).all(CommitId(three))
    assert [commit for commit, _ in found] == [one, two, three]
    assert [moment for _, moment in found] == sorted(moment for _, moment in found)


def test_what_a_draft_held_on_the_way_was_never_published(room: Newsroom) -> None:
    first = room.main
    head = room.write("x", {"content/posts/x.md": post("Secret")}, how="server")
    merge = publish(room, "x")
    assert line(room) == [first, merge]
    assert states(room).find(room.main, head) is None


def test_a_merge_that_names_the_branch_second_is_no_detour(room: Newsroom) -> None:
    first = room.main
    theirs = room.commit({"content/posts/t.md": post("T")}, [first], "Theirs", by="ola", how="claimed")
    second = room.put_on_main({"content/posts/b.md": post("B")})
    merge = room.commit({}, [theirs, second], "Merge main", by="ola", how="claimed")
    room.record("push", "ola", "git", Move(MAIN, second, merge))
    room._server.move_ref(MAIN, old=second, new=merge)
    room.main = merge
    assert line(room) == [first, second, merge]


def test_the_log_says_when_and_the_commit_only_claims(room: Newsroom) -> None:
    before = room.now
    merge = publish(room, "x")
    reign = states(room).find(merge, merge)
    assert reign is not None
    assert reign.until == inf
    assert before.timestamp() < reign.since <= room.now.timestamp()


def test_each_moment_has_its_state(room: Newsroom) -> None:
    first = room.main
    second = publish(room, "x")
    third = publish(room, "y")
    published = states(room)
    reign = published.find(third, second)
    assert reign is not None
    assert published.at(third, reign.since) == published.at(third, reign.until - 1) == second
    assert published.at(third, reign.until) == third
    assert published.at(third, reign.since - 1) == first
    assert published.at(third, 0) is None
    assert published.between(third, first, third) == [second, third]
    assert published.between(third, third, first) is None


def test_a_move_that_never_came_to_be_made_no_state(room: Newsroom) -> None:
    lost = room.commit({"content/posts/l.md": post("L")}, [room.main], "Lost", by="ola", how="server")
    room.record("publish", "eva", "api", Move(MAIN, room.main, lost))
    merge = publish(room, "x")
    assert lost not in line(room)
    assert line(room)[-1] == merge


def test_a_state_that_was_pushed_past_the_server_is_one_too(room: Newsroom) -> None:
    first = publish(room, "x")
    straight = room.put_on_main({"content/posts/s.md": post("S")})
    last = publish(room, "y")
    assert line(room)[-3:] == [first, straight, last]


def test_a_claim_is_not_believed_beyond_what_is_known(repo: Repo) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for number, days in enumerate((0, 400, 2, 3)):  # the second one has a wrong clock
        repo.commit({"a": str(number)}, at=start + timedelta(days=days))
    store = Store.open(repo.path)
    tip = store.resolve(MAIN)
    assert tip is not None
    moments = [moment for _, moment in PublishedStates(store, MAIN, PushLog(store)).all(tip)]
    assert moments == [(start + timedelta(days=days)).timestamp() for days in (0, 2, 2, 3)]


def test_what_was_rewritten_away_is_gone(room: Newsroom) -> None:
    first = room.main
    purged = publish(room, "x")
    clean = room.commit({"content/posts/y.md": post("Y")}, [first], "Without x", by="eva", how="server")
    room.record("push", "eva", "git", Move(MAIN, purged, clean))
    room._server.move_ref(MAIN, old=purged, new=clean)
    room.main = clean
    assert line(room) == [first, clean]


def test_a_history_that_has_nothing_in_common_begins_anew(room: Newsroom) -> None:
    old = publish(room, "x")
    clean = room.commit({"content/posts/y.md": post("Y")}, [], "New", by="eva", how="server")
    room.record("push", "eva", "git", Move(MAIN, old, clean))
    room._server.move_ref(MAIN, old=old, new=clean)
    room.main = clean
    assert line(room) == [clean]


def test_a_branch_that_was_set_back_keeps_its_past(room: Newsroom) -> None:
    first = publish(room, "x")
    second = publish(room, "y")
    room.record("push", "eva", "git", Move(MAIN, second, first))
    room._server.move_ref(MAIN, old=second, new=first)
    published = states(room)
    whole = [commit for commit, _ in published.all(first)]
    assert whole[-1] == first
    assert second not in whole
    assert len(whole) == 2


def test_the_list_is_followed_and_the_same_as_one_made_anew(room: Newsroom) -> None:
    followed = states(room)
    for number in range(4):
        publish(room, f"d{number}")
        if number == 2:
            room.put_on_main({"content/posts/s.md": post("S")})
        followed.all(room.main)
    assert followed.all(room.main) == states(room).all(room.main)
