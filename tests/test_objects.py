"""Git's raw objects: strange ones are understood or set aside, wide folders are compared in part."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cms.errors import RepositoryProblem
from cms.objects import (
    Skipped,
    compare,
    list_files,
    parse_commit,
    parse_differing,
    parse_time,
    parse_tree,
    split_signature,
)
from cms.refs import CommitId, TreeId
from tests.repo import Repo

OLD, NEW = TreeId("old"), TreeId("new")
FILES = st.dictionaries(
    st.integers(0, 400).map(lambda number: f"{number:03d}-post.md"), st.integers(0, 1), max_size=400
)


def raw_tree(files: dict[str, int]) -> bytes:
    """Encode a folder of files whose blobs are made from name and number."""
    rows = (
        b"100644 %s\0%s" % (name.encode(), hashlib.sha1(f"{name}{files[name]}".encode()).digest())
        for name in sorted(files)
    )
    return b"".join(rows)


@settings(max_examples=150, deadline=None)
@given(old=FILES, edits=st.dictionaries(st.integers(0, 400), st.sampled_from([2, 3, None]), max_size=5))
def test_partly_parsed_trees_differ_like_wholly_parsed_ones(old: dict[str, int], edits: dict[int, int | None]) -> None:
    changed = {f"{number:03d}-post.md": edit for number, edit in edits.items()}
    new = {name: value for name, value in {**old, **changed}.items() if value is not None}
    trees = {OLD: raw_tree(old), NEW: raw_tree(new)}
    changes = compare(OLD, NEW, trees.__getitem__)
    assert [change.path for change in changes] == sorted(
        name for name in old.keys() | new.keys() if old.get(name) != new.get(name)
    )
    ids = {row[1].decode(): row[2].hex() for row in parse_tree(trees[NEW], NEW)}
    assert all(change.new == ids.get(change.path) for change in changes)


def test_of_a_wide_folder_only_what_differs_is_parsed() -> None:
    files = {f"{number:05d}.md": 0 for number in range(5_000)}
    old_rows, new_rows = parse_differing((OLD, raw_tree(files)), (NEW, raw_tree({**files, "02500.md": 1})))
    assert [row[1] for row in old_rows] == [row[1] for row in new_rows] == [b"02500.md"]


@pytest.mark.parametrize("damage", [b"rubbish", b"100644 a\0short", b"\0" * 40, b"100644 \0" + b"x" * 20])
def test_damaged_trees_are_refused(damage: bytes) -> None:
    with pytest.raises(RepositoryProblem, match="tree new is damaged"):
        parse_tree(damage, NEW)
    with pytest.raises(RepositoryProblem, match="damaged"):
        parse_differing((OLD, raw_tree({"a": 1})), (NEW, damage))


def test_of_entries_with_the_same_name_the_first_counts() -> None:
    raw = raw_tree({"a": 1}) + raw_tree({"a": 2, "b": 1})
    assert [row[1:] for row in parse_tree(raw, NEW)] == [row[1:] for row in parse_tree(raw_tree({"a": 1, "b": 1}), NEW)]


def test_names_and_modes_that_a_tree_must_not_have_are_set_aside() -> None:
    names = [b"..", b".GIT", b".gitignore", b"a/b", b"n" * 256, b"zero\xe2\x80\x8bwidth"]
    raw = b"".join(b"100644 %s\0%s" % (name, b"x" * 20) for name in names) + b"140000 odd\0" + b"x" * 20
    listing = list_files(NEW, {NEW: raw}.__getitem__)
    forbidden = "its name is not allowed in a Git tree"
    assert [file.path for file in listing.files] == [".gitignore", "zero\u200bwidth"]
    assert len(listing) == 2
    assert listing.skipped == [
        Skipped("..", forbidden),
        Skipped(".GIT", forbidden),
        Skipped("a\\x2fb", forbidden),
        Skipped("n" * 60 + "...", "its name is longer than 255 bytes"),
        Skipped("odd", "it has an unknown file mode"),
    ]
    assert [change.path for change in compare(OLD, NEW, {OLD: b"", NEW: raw}.__getitem__)] == [
        ".gitignore",
        "zero\u200bwidth",
    ]


def test_a_signed_commit_in_another_encoding_is_read() -> None:
    raw = (
        f"tree {'1' * 40}\nparent {'2' * 40}\nauthor Bj\xf8rn <b@x.no> 1600000000 +0200\n"
        "committer Bj\xf8rn <b@x.no> 1600000001 +0200\nencoding ISO-8859-1\ngpgsig -----BEGIN\n tree x\n \n\nGr\xf8t\n"
    )
    commit = parse_commit(CommitId("3" * 40), raw.encode("latin-1"))
    assert (commit.author_name, commit.message, commit.tree, commit.parents) == (
        "Bjørn",
        "Grøt\n",
        "1" * 40,
        ("2" * 40,),
    )
    assert (commit.authored_at.timestamp(), commit.committed_at.timestamp()) == (1_600_000_000, 1_600_000_001)


def test_only_what_stands_right_below_the_tree_is_a_parent_as_for_git(repo: Repo) -> None:
    one, other = repo.commit({"a.md": "a"}), repo.commit({"b.md": "b"})
    people = "author A <a@x> 1 +0000\nparent {0}\ncommitter A <a@x> 1 +0000\nparent {0}\ntree {0}\n"
    raw = f"tree {repo.git('rev-parse', 'HEAD^{tree}')}\nparent {one}\n{people.format(other)}\nx\n"
    made = repo.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=raw.encode())
    commit = parse_commit(CommitId(made), raw.encode())
    assert list(commit.parents) == repo.git("log", "-1", "--format=%P", made).split()
    assert commit.tree == repo.git("log", "-1", "--format=%T", made)


@pytest.mark.parametrize("encoding", ["unknown", "zip", "unicode_escape", "\xe6"])
def test_a_commit_in_an_encoding_that_nobody_knows_is_taken_for_utf_8(encoding: str) -> None:
    raw = f"tree {'1' * 40}\nauthor Åse <a> 1 +0000\ncommitter Åse <a> 1 +0000\nencoding {encoding}\n\nx"
    assert parse_commit(CommitId("3" * 40), raw.encode()).author_name == "Åse"


@pytest.mark.parametrize(
    ("seconds", "year"), [("-5", 1970), ("x", 1970), ("9" * 5000, 1970), ("9" * 30, 9999), (b"1", 1970)]
)
def test_times_out_of_range_become_the_nearest_or_the_epoch(seconds: str, year: int) -> None:
    assert parse_time(seconds).year == year


HEAD_LINES = b"tree " + b"a" * 40 + b"\nauthor A <a> 1 +0000\ncommitter A <a> 1 +0000\n"


def test_a_signature_is_split_from_what_it_covers() -> None:
    signed = HEAD_LINES + b"gpgsig -----BEGIN\n ab\n \n -----END\nencoding x\n\ngpgsig: a word\n"
    payload = HEAD_LINES + b"encoding x\n\ngpgsig: a word\n"
    assert split_signature(signed) == (payload, "-----BEGIN\nab\n\n-----END\n")


@pytest.mark.parametrize(
    "headers", [b"", b"gpgsig a\ngpgsig b\n", b"gpgsig a\ngpgsig-sha256 b\n", b"gpgsig-sha256 b\n"], ids=repr
)
def test_without_exactly_one_signature_a_commit_counts_as_unsigned(headers: bytes) -> None:
    assert split_signature(HEAD_LINES + headers + b"\nmessage\n") is None
