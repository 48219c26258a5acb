"""What was at a path where nothing is now, and where it went: at once, and step by step."""

import pytest

from cms import history as histories
from cms.history import History
from cms.refs import CommitId
from cms.store import Store
from tests.repo import Repo

LONG = "".join(f"Line {number} of a text that is long enough to be recognised.\n" for number in range(20))
OTHER = "".join(f"{number} is a row of something else altogether.\n" for number in range(30))


def gone(repo: Repo, tip: str) -> dict[str, str | None]:
    """Where each departed file is now; the same, whichever commit of the published line one advances from."""
    store = Store.open(repo.path)
    built = History.build(store, CommitId(tip))
    for start in repo.git("rev-list", "--first-parent", tip).split():
        advanced = History.build(store, CommitId(start)).advance(store, CommitId(tip))
        assert advanced.departed.flat() == built.departed.flat(), start
    assert History.from_bytes(built.to_bytes()).departed.flat() == built.departed.flat()  # type: ignore[union-attr]
    there = {file.path for file in store.list_files(CommitId(tip))}
    assert built.buried().keys() == {path for path, all in built.departed.items() if all[0].to is None} - there
    return {path: departures[0].to for path, departures in built.departed.items() if path not in there}


def test_a_deleted_file_went_nowhere_and_it_is_known_what_and_when(repo: Repo) -> None:
    before = repo.commit({"a.md": "1", "b.md": "x"})
    tip = repo.commit({"a.md": None})
    at = int(repo.clock.timestamp())
    assert gone(repo, tip) == {"a.md": None}
    departure = History.build(Store.open(repo.path), CommitId(tip)).departed["a.md"][0]
    assert (departure.before, departure.at) == (before, at)
    assert repo.git("cat-file", "blob", departure.blob) == "1"


def test_a_moved_file_is_elsewhere(repo: Repo) -> None:
    repo.commit({"a.md": LONG, "b.md": "x"})
    moved = repo.commit({"a.md": None, "c/d.md": LONG})
    assert gone(repo, moved) == {"a.md": "c/d.md"}
    edited = repo.commit({"c/d.md": OTHER})
    assert gone(repo, edited) == {"a.md": "c/d.md"}


def test_a_file_that_was_moved_and_edited_at_once_is_elsewhere(repo: Repo) -> None:
    repo.commit({"a.md": LONG, "b.md": "x"})
    assert gone(repo, repo.commit({"a.md": None, "c.md": LONG + "More.\n"})) == {"a.md": "c.md"}


def test_a_chain_of_moves_leads_to_its_end(repo: Repo) -> None:
    repo.commit({"a.md": LONG, "x.md": "x"})
    repo.commit({"a.md": None, "b.md": LONG})
    repo.commit({"b.md": None, "c.md": LONG + "More.\n"})
    assert gone(repo, repo.commit({"x.md": "y"})) == {"a.md": "c.md", "b.md": "c.md"}


def test_what_was_moved_and_then_deleted_is_nowhere(repo: Repo) -> None:
    repo.commit({"a.md": LONG, "x.md": "x"})
    repo.commit({"a.md": None, "b.md": LONG})
    assert gone(repo, repo.commit({"b.md": None})) == {"a.md": None, "b.md": None}


def test_what_was_moved_back_is_not_gone_and_the_place_between_leads_to_it(repo: Repo) -> None:
    repo.commit({"a.md": LONG, "x.md": "x"})
    repo.commit({"a.md": None, "b.md": LONG})
    assert gone(repo, repo.commit({"b.md": None, "a.md": LONG})) == {"b.md": "a.md"}


def test_a_deleted_file_that_comes_back_is_not_gone(repo: Repo) -> None:
    repo.commit({"a.md": LONG, "x.md": "x"})
    repo.commit({"a.md": None})
    assert gone(repo, repo.commit({"a.md": OTHER})) == {}


def test_a_move_leads_to_the_file_and_not_to_what_stands_at_its_place_later(repo: Repo) -> None:
    repo.commit({"a.md": LONG, "x.md": "x"})
    repo.commit({"a.md": None, "b.md": LONG})
    repo.commit({"b.md": None, "c.md": LONG})
    repo.commit({"b.md": OTHER})
    assert gone(repo, repo.commit({"x.md": "y"})) == {"a.md": "c.md"}
    assert gone(repo, repo.commit({"b.md": None})) == {"a.md": "c.md", "b.md": None}


def test_several_departures_from_one_path_are_remembered(repo: Repo) -> None:
    repo.commit({"a.md": LONG, "x.md": "x"})
    repo.commit({"a.md": None, "b.md": LONG})
    repo.commit({"a.md": OTHER})
    repo.commit({"a.md": None})
    tip = repo.commit({"a.md": "short", "b.md": None, "c.md": LONG})
    assert gone(repo, tip) == {"b.md": "c.md"}
    departures = History.build(Store.open(repo.path), CommitId(tip)).departed["a.md"]
    assert [departure.to for departure in departures] == [None, "c.md"]


def test_what_git_takes_for_a_change_of_a_file_is_no_move(repo: Repo) -> None:
    repo.commit({"a.md": LONG, "b.md": OTHER})
    assert gone(repo, repo.commit({"a.md": None, "b.md": LONG})) == {"a.md": None}


def test_a_folder_that_was_moved_takes_its_files_along(repo: Repo) -> None:
    repo.commit({f"old/{number}.md": f"{number}{LONG}" for number in range(30)})
    tip = repo.commit(
        {
            path: text
            for number in range(30)
            for path, text in ((f"old/{number}.md", None), (f"new/{number}.md", f"{number}{LONG}"))
        }
    )
    assert gone(repo, tip) == {f"old/{number}.md": f"new/{number}.md" for number in range(30)}


def test_what_a_draft_called_a_file_was_never_published(repo: Repo) -> None:
    base = repo.commit({"x.md": "x"})
    draft = repo.commit({"first-name.md": LONG}, branch="drafts/d", parents=[base])
    draft = repo.commit(
        {"first-name.md": None, "name.md": LONG, "thrown-away.md": OTHER}, branch="drafts/d", parents=[draft]
    )
    draft = repo.commit({"thrown-away.md": None}, branch="drafts/d", parents=[draft])
    main = repo.commit({"x.md": "y"})
    assert gone(repo, repo.commit({"name.md": LONG}, parents=[main, draft])) == {}


def test_a_draft_that_deletes_and_moves_does_so_when_it_is_merged(repo: Repo) -> None:
    base = repo.commit({"a.md": LONG, "b.md": OTHER, "x.md": "x"})
    draft = repo.commit({"a.md": None, "c.md": LONG, "b.md": None}, branch="drafts/d", parents=[base])
    main = repo.commit({"x.md": "y"})
    merge = repo.commit({"a.md": None, "c.md": LONG, "b.md": None}, parents=[main, draft])
    at = int(repo.clock.timestamp())
    assert gone(repo, merge) == {"a.md": "c.md", "b.md": None}
    departure = History.build(Store.open(repo.path), CommitId(merge)).departed["b.md"][0]
    assert (departure.before, departure.at) == (main, at)


def test_a_file_that_a_draft_moved_and_then_rewrote_is_found_through_the_draft(repo: Repo) -> None:
    base = repo.commit({"a.md": LONG, "x.md": "x"})
    draft = repo.commit({"a.md": None, "b.md": LONG}, branch="drafts/d", parents=[base])
    draft = repo.commit({"b.md": None, "c.md": LONG}, branch="drafts/d", parents=[draft])
    draft = repo.commit({"c.md": OTHER}, branch="drafts/d", parents=[draft])
    main = repo.commit({"x.md": "y"})
    merge = repo.commit({"a.md": None, "c.md": OTHER}, parents=[main, draft])
    assert gone(repo, merge) == {"a.md": "c.md"}
    assert gone(repo, repo.commit({"c.md": None, "d.md": OTHER})) == {"a.md": "d.md", "c.md": "d.md"}


def test_a_published_line_that_became_a_side_branch_is_followed_by_what_differs(repo: Repo) -> None:
    base = repo.commit({"a.md": LONG, "b.md": OTHER, "x.md": "x"})
    main = repo.commit({"a.md": None, "c.md": LONG})
    side = repo.commit({"y.md": "y"}, branch="side", parents=[base])
    merge = repo.commit({"a.md": None, "c.md": LONG, "b.md": None}, parents=[side, main])
    store = Store.open(repo.path)
    advanced = History.build(store, CommitId(main)).advance(store, CommitId(merge))
    assert {path: departures[0].to for path, departures in advanced.departed.items()} == {"a.md": "c.md", "b.md": None}


def test_a_branch_that_was_forced_elsewhere_forgets(repo: Repo) -> None:
    base = repo.commit({"a.md": LONG, "x.md": "x"})
    lost = repo.commit({"a.md": None})
    forced = repo.commit({"x.md": "y"}, parents=[base])
    store = Store.open(repo.path)
    assert History.build(store, CommitId(lost)).advance(store, CommitId(forced)).departed.flat() == {}


def test_a_link_that_takes_the_place_of_a_file_makes_it_go(repo: Repo) -> None:
    repo.commit({"a.md": LONG, "x.md": "x"})
    assert gone(repo, repo.commit({"a.md": "x.md"}, modes={"a.md": 0o120000})) == {"a.md": None}


def test_only_so_many_are_remembered_and_the_latest_of_them(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histories, "MAX_DEPARTED", 4)
    repo.commit({f"{number}.md": str(number) for number in range(9)})
    commits = [repo.commit({f"{number}.md": None}) for number in range(6)]
    store = Store.open(repo.path)
    history = History.build(store, CommitId(commits[-1]))
    assert sorted(history.departed) == ["2.md", "3.md", "4.md", "5.md"]
    for number in (6, 7):
        history = history.advance(store, CommitId(repo.commit({f"{number}.md": None})))
    assert sorted(history.departed) == ["4.md", "5.md", "6.md", "7.md"]
