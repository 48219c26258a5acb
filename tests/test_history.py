"""Who made and who changed a file: through moves, merges, deletions and forced pushes, at once and step by step."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cms.errors import RepositoryProblem
from cms.history import History
from cms.refs import CommitId
from cms.store import Store
from tests.repo import Repo

KARI, OLA, ASE = ("Kari", "kari@example.org"), ("Ola", "ola@example.org"), ("Åse", "ase@example.org")
LONG = "".join(f"Line {number} of a text that is long enough to be recognised.\n" for number in range(20))
DAY = timedelta(days=1)
NEW_YEAR = datetime(2020, 1, 1, tzinfo=UTC)


def both_ways(repo: Repo, tip: str) -> History:
    """Build the history at *tip*, and check that following every commit from each ancestor tells the same."""
    store = Store.open(repo.path)
    built = History.build(store, CommitId(tip))
    paths = [file.path for file in store.list_files(CommitId(tip))]
    for start in repo.git("rev-list", tip).split():
        advanced = History.build(store, CommitId(start)).advance(store, CommitId(tip))
        assert [(path, advanced.get(path)) for path in paths] == [(path, built.get(path)) for path in paths], start
    return built


def told(history: History, path: str) -> tuple[str, str, str]:
    """Return first author, last author and last commit of a file."""
    file = history.get(path)
    assert file is not None
    return file.first_author, file.last_author, file.last_commit


def test_a_file_has_the_author_of_its_first_and_of_its_last_commit(repo: Repo) -> None:
    repo.commit({"a.md": "1", "b.md": "1"}, author=KARI, at=NEW_YEAR)
    last = repo.commit({"a.md": "2"}, author=OLA, at=NEW_YEAR + DAY)
    file = both_ways(repo, last).get("a.md")
    assert file is not None
    assert (file.created_at, file.updated_at) == (NEW_YEAR, NEW_YEAR + DAY)
    assert (file.first_author, file.first_author_email) == KARI
    assert (file.last_author, file.last_author_email, file.last_commit) == (*OLA, last)


def test_a_file_that_does_not_exist_has_no_history(repo: Repo) -> None:
    repo.commit({"a.md": "1", "b.md": "1"})
    tip = repo.commit({"a.md": None})
    history = both_ways(repo, tip)
    assert history.get("a.md") is history.get("missing.md") is None


def test_created_is_when_it_was_written_and_updated_when_it_was_committed(work_tree: Repo) -> None:
    (work_tree.path / "a.md").write_text("1")
    work_tree.git("add", "a.md")
    work_tree.git("commit", "-qm", "Old text", "--date=2015-03-01T12:00:00+0100", at=NEW_YEAR)
    file = both_ways(work_tree, work_tree.git("rev-parse", "HEAD")).get("a.md")
    assert file is not None
    assert (file.created_at, file.updated_at) == (datetime(2015, 3, 1, 11, tzinfo=UTC), NEW_YEAR)


def test_created_is_never_after_updated(repo: Repo) -> None:
    repo.commit({"a.md": "1"}, at=NEW_YEAR + DAY)
    file = both_ways(repo, repo.commit({"a.md": "2"}, at=NEW_YEAR)).get("a.md")
    assert file is not None
    assert file.created_at == file.updated_at == NEW_YEAR


def test_a_moved_file_keeps_its_beginning(repo: Repo) -> None:
    repo.commit({"old.md": LONG, "other.md": "x"}, author=KARI)
    moved = repo.commit({"old.md": None, "new/name.md": LONG}, author=OLA)
    assert told(both_ways(repo, moved), "new/name.md") == ("Kari", "Ola", moved)


def test_a_file_that_is_moved_and_edited_keeps_its_beginning(repo: Repo) -> None:
    repo.commit({"old.md": LONG, "other.md": "x"}, author=KARI)
    moved = repo.commit({"old.md": None, "new.md": LONG + "More.\n"}, author=OLA)
    later = repo.commit({"new.md": LONG + "Even more.\n"}, author=ASE)
    assert told(both_ways(repo, moved), "new.md") == ("Kari", "Ola", moved)
    assert told(both_ways(repo, later), "new.md") == ("Kari", "Åse", later)


def test_two_files_that_swap_names_keep_their_beginnings(repo: Repo) -> None:
    repo.commit({"a.md": "A" + LONG}, author=KARI)
    repo.commit({"b.md": "B" + LONG * 2}, author=OLA)
    repo.commit({"a.md": None, "c.md": "A" + LONG}, author=ASE)
    tip = repo.commit({"b.md": None, "a.md": "B" + LONG * 2}, author=ASE)
    history = both_ways(repo, tip)
    assert [told(history, path)[0] for path in ("a.md", "c.md")] == ["Ola", "Kari"]


def test_a_new_file_at_a_path_that_was_moved_away_is_new(repo: Repo) -> None:
    repo.commit({"a.md": LONG}, author=KARI)
    repo.commit({"a.md": None, "b.md": LONG}, author=KARI)
    tip = repo.commit({"a.md": "something else"}, author=OLA)
    assert told(both_ways(repo, tip), "a.md") == ("Ola", "Ola", tip)


def test_a_deleted_file_that_comes_back_unchanged_was_restored(repo: Repo) -> None:
    repo.commit({"a.md": "1", "b.md": "x"}, author=KARI)
    repo.commit({"a.md": None}, author=OLA)
    repo.commit({"b.md": "y"}, author=OLA)
    tip = repo.commit({"a.md": "1"}, author=ASE)
    assert told(both_ways(repo, tip), "a.md") == ("Kari", "Åse", tip)


def test_a_deleted_file_that_comes_back_with_other_content_is_new(repo: Repo) -> None:
    repo.commit({"a.md": "1", "b.md": "x"}, author=KARI)
    repo.commit({"a.md": None}, author=OLA)
    tip = repo.commit({"a.md": "2"}, author=ASE)
    assert told(both_ways(repo, tip), "a.md") == ("Åse", "Åse", tip)


def test_a_change_of_the_mode_alone_is_no_change(repo: Repo) -> None:
    first = repo.commit({"a.md": "1"}, author=KARI)
    tip = repo.commit({"a.md": "1"}, author=OLA, modes={"a.md": 0o100755})
    assert told(both_ways(repo, tip), "a.md") == ("Kari", "Kari", first)


def test_a_merged_change_belongs_to_who_made_it(repo: Repo) -> None:
    base = repo.commit({"a.md": "1", "b.md": "1"}, author=KARI)
    edit = repo.commit({"a.md": "2", "new.md": "n"}, author=OLA, branch="side", parents=[base])
    main = repo.commit({"b.md": "2"}, author=KARI)
    merge = repo.commit({"a.md": "2", "new.md": "n"}, author=ASE, parents=[main, edit])
    history = both_ways(repo, merge)
    assert told(history, "a.md") == ("Kari", "Ola", edit)
    assert told(history, "new.md") == ("Ola", "Ola", edit)
    assert told(history, "b.md") == ("Kari", "Kari", main)


def test_what_a_merge_throws_away_does_not_count(repo: Repo) -> None:
    base = repo.commit({"a.md": "1"}, author=KARI)
    main = repo.commit({"a.md": "main"}, author=KARI)
    edit = repo.commit({"a.md": "side"}, author=OLA, branch="side", parents=[base])
    merge = repo.commit({}, author=ASE, parents=[main, edit])
    assert told(both_ways(repo, merge), "a.md") == ("Kari", "Kari", main)


def test_a_resolved_conflict_belongs_to_the_merge(repo: Repo) -> None:
    base = repo.commit({"a.md": "1"}, author=KARI)
    main = repo.commit({"a.md": "main"}, author=KARI)
    edit = repo.commit({"a.md": "side"}, author=OLA, branch="side", parents=[base])
    merge = repo.commit({"a.md": "both", "evil.md": "slipped in"}, author=ASE, parents=[main, edit])
    history = both_ways(repo, merge)
    assert told(history, "a.md") == ("Kari", "Åse", merge)
    assert told(history, "evil.md") == ("Åse", "Åse", merge)


def test_a_merge_may_take_back_what_the_published_branch_changed(repo: Repo) -> None:
    base = repo.commit({"a.md": "1"}, author=KARI)
    main = repo.commit({"a.md": "2"}, author=OLA)
    side = repo.commit({"b.md": "x"}, author=OLA, branch="side", parents=[base])
    merge = repo.commit({"a.md": "1", "b.md": "x"}, author=ASE, parents=[main, side])
    assert told(both_ways(repo, merge), "a.md") == ("Kari", "Kari", base)


def test_a_merge_of_three_branches_gives_each_its_own(repo: Repo) -> None:
    base = repo.commit({"a.md": "1"}, author=KARI)
    sides = [repo.commit({f"{who[0]}.md": "x"}, author=who, branch=who[1][:3], parents=[base]) for who in (OLA, ASE)]
    merge = repo.commit({"Ola.md": "x", "Åse.md": "x", "a.md": "m"}, author=KARI, parents=[base, *sides])
    history = both_ways(repo, merge)
    assert [told(history, path)[1:] for path in ("Ola.md", "Åse.md")] == [("Ola", sides[0]), ("Åse", sides[1])]
    assert told(history, "a.md") == ("Kari", "Kari", merge)


def test_a_branch_that_is_merged_in_the_other_direction_keeps_authors(repo: Repo) -> None:
    base = repo.commit({"a.md": "1"}, author=KARI)
    main = repo.commit({"a.md": "2"}, author=KARI)
    side = repo.commit({"b.md": "1"}, author=OLA, branch="side", parents=[base])
    merge = repo.commit({"a.md": "2"}, author=ASE, parents=[side, main])
    history = both_ways(repo, merge)
    assert told(history, "a.md") == ("Kari", "Kari", main)
    assert told(history, "b.md") == ("Ola", "Ola", side)


def test_a_moved_branch_makes_the_history_anew(repo: Repo) -> None:
    base = repo.commit({"a.md": "1"}, author=KARI)
    lost = repo.commit({"a.md": "2", "lost.md": "x"}, author=OLA)
    forced = repo.commit({"a.md": "3"}, author=ASE, parents=[base])
    store = Store.open(repo.path)
    history = History.build(store, CommitId(lost)).advance(store, CommitId(forced))
    assert (told(history, "a.md"), history.get("lost.md")) == (("Kari", "Åse", forced), None)
    rewound = history.advance(store, CommitId(base))
    assert (rewound.commit, told(rewound, "a.md")) == (base, ("Kari", "Kari", base))


def test_few_new_commits_need_no_git_program_and_many_say_when_it_is_missing(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store.open(repo.path)
    history = History.build(store, CommitId(repo.commit({"a.md": "0", "b.md": "x"}, author=KARI)))
    near = CommitId(repo.commit({"b.md": "y"}, author=OLA))
    far = CommitId([repo.commit({"a.md": str(number)}, author=OLA) for number in range(1, 40)][-1])
    assert told(history.advance(store, far), "a.md") == ("Kari", "Ola", far)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert told(history.advance(store, near), "b.md") == ("Kari", "Ola", near)
    with pytest.raises(RepositoryProblem, match="not installed") as refused:
        history.advance(store, far)
    assert "install git" in refused.value.facts["hint"]


def test_a_change_that_was_taken_back_counts(repo: Repo) -> None:
    repo.commit({"a.md": "1"}, author=KARI)
    repo.commit({"a.md": "2"}, author=OLA)
    tip = repo.commit({"a.md": "1"}, author=ASE)
    assert told(both_ways(repo, tip), "a.md") == ("Kari", "Åse", tip)


def test_a_history_survives_being_stored(repo: Repo) -> None:
    repo.commit({"a.md": "1", "æ.md": "x"}, author=KARI)
    repo.commit({"a.md": None}, author=OLA)
    store = Store.open(repo.path)
    history = History.build(store, store.resolve("HEAD") or CommitId(""))
    stored = History.from_bytes(history.to_bytes())
    assert stored is not None
    assert (stored.commit, stored.get("æ.md")) == (history.commit, history.get("æ.md"))
    restored = repo.commit({"a.md": "1"}, author=ASE)
    assert told(stored.advance(store, CommitId(restored)), "a.md") == ("Kari", "Åse", restored)


@pytest.mark.parametrize("data", [b"", b"rubbish", b"\x93\x01\x02\x03"])
def test_a_damaged_store_of_history_is_none(data: bytes) -> None:
    assert History.from_bytes(data) is None


def test_a_history_of_another_format_or_with_broken_numbers_is_none(repo: Repo) -> None:
    repo.commit({"a.md": "1"})
    store = Store.open(repo.path)
    data = History.build(store, store.resolve("HEAD") or CommitId("")).to_bytes()
    assert History.from_bytes(data) is not None
    assert History.from_bytes(data[:1] + b"\x63" + data[2:]) is None
    assert History.from_bytes(data[:-1]) is None


def test_the_oldest_commits_of_a_shallow_clone_seem_to_have_made_everything(repo: Repo, tmp_path: Path) -> None:
    for number in range(4):
        repo.commit({"a.md": str(number), f"{number}.md": "x"}, author=KARI)
    tip = repo.commit({"a.md": "tip"}, author=OLA)
    repo.git("clone", "-q", "--bare", "--depth=2", f"file://{repo.path}", str(tmp_path / "clone.git"))
    history = both_ways(Repo(tmp_path / "clone.git"), tip)
    assert told(history, "a.md") == ("Kari", "Ola", tip)
    assert told(history, "0.md")[0] == "Kari"


def test_a_branch_that_begins_outside_a_shallow_clone_seems_to_have_made_everything(repo: Repo, tmp_path: Path) -> None:
    base = repo.commit({"a.md": "1"}, author=KARI)
    main = repo.commit({"b.md": "1"}, author=KARI)
    side = repo.commit({"c.md": "1"}, author=OLA, branch="side", parents=[base])
    merge = repo.commit({"c.md": "1"}, author=ASE, parents=[main, side])
    repo.git("clone", "-q", "--bare", "--depth=2", f"file://{repo.path}", str(tmp_path / "clone.git"))
    assert told(both_ways(Repo(tmp_path / "clone.git"), merge), "c.md") == ("Ola", "Ola", side)


def test_a_file_that_is_deleted_twice_and_by_a_merge_may_come_back(repo: Repo) -> None:
    repo.commit({"a.md": "1", "b.md": "x"}, author=KARI)
    repo.commit({"a.md": None})
    repo.commit({"a.md": "2"}, author=OLA)
    main = repo.commit({"b.md": "y"}, author=KARI)
    side = repo.commit({"a.md": None}, author=OLA, branch="side", parents=[main])
    merge = repo.commit({"a.md": None}, author=OLA, parents=[main, side])
    tip = repo.commit({"a.md": "2"}, author=ASE, parents=[merge])
    assert told(both_ways(repo, tip), "a.md") == ("Ola", "Åse", tip)


def test_a_missing_object_is_a_problem_that_says_what_to_do(repo: Repo) -> None:
    first = repo.commit({"a.md": "1"})
    tip = CommitId(repo.commit({"a.md": "2"}))
    (repo.path / "objects" / first[:2] / first[2:]).unlink()
    with pytest.raises(RepositoryProblem, match="git log failed") as refused:
        History.build(Store.open(repo.path), tip)
    assert refused.value.facts["hint"] == "run `git fsck`"


def test_odd_names_and_configuration_do_not_matter(repo: Repo) -> None:
    repo.commit({"sub/æ ø å.md": "1", "new\nline": "x"}, author=("Åse  «x» \tBø", "ase@example.org"))
    tip = repo.commit({"sub/æ ø å.md": "2"}, author=("?", "?"))
    for setting in ("log.showSignature", "log.showRoot", "core.quotePath", "diff.noprefix"):
        repo.git("config", setting, "true" if setting != "log.showRoot" else "false")
    repo.git("config", "diff.renames", "false")
    assert told(both_ways(repo, tip), "sub/æ ø å.md")[2] == tip


def test_a_history_whose_commit_was_pruned_is_made_anew(repo: Repo) -> None:
    base = repo.commit({"a.md": "1"}, author=KARI)
    lost = repo.commit({"a.md": "2"}, author=OLA)
    history = History.build(Store.open(repo.path), CommitId(lost))
    forced = repo.commit({"a.md": "3"}, author=ASE, parents=[base])
    repo.git("gc", "-q", "--prune=now")
    assert told(history.advance(Store.open(repo.path), CommitId(forced)), "a.md") == ("Kari", "Åse", forced)


def test_another_project_that_is_merged_in_brings_its_history(repo: Repo) -> None:
    base = repo.commit({"a.md": "1"}, author=KARI)
    other = repo.commit({"b.md": "1"}, author=OLA, branch="other", parents=[])
    merge = repo.commit({"b.md": "1"}, author=ASE, parents=[base, other])
    assert told(both_ways(repo, merge), "b.md") == ("Ola", "Ola", other)


def test_a_file_edited_on_a_branch_from_before_its_deletion_keeps_its_beginning(repo: Repo) -> None:
    base = repo.commit({"a.md": "1", "b.md": "x"}, author=KARI)
    main = repo.commit({"a.md": None}, author=KARI)
    side = repo.commit({"a.md": "2"}, author=OLA, branch="side", parents=[base])
    merge = repo.commit({"a.md": "2"}, author=ASE, parents=[main, side])
    assert told(both_ways(repo, merge), "a.md") == ("Kari", "Ola", side)


def test_a_file_moved_and_edited_by_the_merge_itself_keeps_its_beginning(repo: Repo) -> None:
    base = repo.commit({"a.md": LONG}, author=KARI)
    side = repo.commit({"b.md": "x"}, author=OLA, branch="side", parents=[base])
    merge = repo.commit({"a.md": None, "c.md": LONG + "More.\n", "b.md": "x"}, author=ASE, parents=[base, side])
    assert told(both_ways(repo, merge), "c.md") == ("Kari", "Åse", merge)


def test_a_file_of_the_branch_that_the_merge_edits_keeps_its_beginning(repo: Repo) -> None:
    base = repo.commit({"a.md": "1"}, author=KARI)
    side = repo.commit({"b.md": LONG}, author=OLA, branch="side", parents=[base])
    merge = repo.commit({"b.md": LONG + "More.\n"}, author=ASE, parents=[base, side])
    assert told(both_ways(repo, merge), "b.md") == ("Ola", "Åse", merge)


def test_moving_one_file_and_deleting_another_is_told_apart(repo: Repo) -> None:
    repo.commit({"a.md": "1", "b.md": "2", "c.md": "x"}, author=KARI)
    moved = repo.commit({"a.md": None, "b.md": None, "d.md": "1"}, author=OLA)
    assert told(both_ways(repo, moved), "d.md") == ("Kari", "Ola", moved)
    restored = repo.commit({"b.md": "2"}, author=ASE)
    assert told(both_ways(repo, restored), "b.md") == ("Kari", "Åse", restored)


def test_a_git_program_that_cannot_be_run_is_a_problem(
    repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tip = CommitId(repo.commit({"a.md": "1"}))
    (tmp_path / "git").write_bytes(b"\x7fELF rubbish")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RepositoryProblem, match="git cannot be run"):
        History.build(Store.open(repo.path), tip)


def test_many_changes_are_folded_into_the_shared_base(repo: Repo) -> None:
    store = Store.open(repo.path)
    history = History.build(store, CommitId(repo.commit({"a.md": "1"}, author=KARI)))
    many = repo.commit({f"posts/{number}.md": str(number) for number in range(2_100)}, author=OLA)
    history = history.advance(store, CommitId(many))
    assert (told(history, "a.md")[0], told(history, "posts/2099.md")) == ("Kari", ("Ola", "Ola", many))
    fewer = {f"posts/{number}.md": None if number < 5 else "edited" for number in range(2_100)}
    history = history.advance(store, CommitId(repo.commit(fewer, author=ASE)))
    assert (history.get("posts/1.md"), told(history, "posts/9.md")[:2]) == (None, ("Ola", "Åse"))
    history = history.advance(store, CommitId(repo.commit({"posts/9.md": None})))
    assert history.get("posts/9.md") is None
