"""Merging commits: what Git would make of them, or better, or a clash that says what a person must choose. Never a loss."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cms.merge import Merge, merge_drafts
from cms.overlay import Overlay
from cms.refs import CommitId
from cms.store import Store
from tests.repo import Repo

POST = "---\ntitle: Eggs\ntags: [easter]\n---\nOne.\n\nTwo.\n\nThree.\n"
FILES = {"posts/a.md": POST, "posts/b.md": POST.replace("Eggs", "Ham"), "style.css": "a {}\n", "logo.png": "\0one"}
Changes = dict[str, str | bytes | None]


class Two:
    """A branch and a draft that began at the same commit."""

    def __init__(self, repo: Repo, ours: Changes, theirs: Changes, base: Changes | None = None) -> None:
        self.repo = repo
        self.base = CommitId(repo.commit(FILES if base is None else base, message="base"))
        self.theirs = CommitId(repo.commit(theirs, branch="draft", parents=[self.base], message="theirs"))
        self.ours = CommitId(repo.commit(ours, parents=[self.base], message="ours"))
        self.store = Store.open(repo.path)
        self.merge = merge_drafts(self.store, ours=self.ours, theirs=self.theirs)

    @property
    def files(self) -> dict[str, str]:
        """What differs from *ours*, as text."""
        contents = {
            path: None if blob is None else self.merge.contents.get(blob) or self.store.read_blob(blob)
            for path, blob in self.merge.changes.items()
        }
        return {path: "gone" if data is None else data.decode() for path, data in contents.items()}

    @property
    def clashes(self) -> list[tuple[str, str]]:
        """Paths with the beginning of what is said about them."""
        return [(clash.path, clash.message) for clash in self.merge.clashes]


def test_changes_of_different_files_come_together(repo: Repo) -> None:
    two = Two(
        repo, {"posts/a.md": "ours\n", "new.md": "n\n"}, {"posts/b.md": "theirs\n", "style.css": None, "d/e.md": "e\n"}
    )
    assert two.files == {"posts/b.md": "theirs\n", "style.css": "gone", "d/e.md": "e\n"}
    assert not two.merge.contents
    assert two.merge.base == two.base


def test_changes_of_the_same_file_come_together_in_new_bytes(repo: Repo) -> None:
    ours, theirs = POST.replace("Eggs", "Fish"), POST.replace("[easter]", "[easter, food]").replace("Three", "3")
    two = Two(repo, {"posts/a.md": ours}, {"posts/a.md": theirs})
    assert two.files == {"posts/a.md": theirs.replace("Eggs", "Fish")}
    assert list(two.merge.contents.values()) == [theirs.replace("Eggs", "Fish").encode()]
    assert two.store.resolve("refs/heads/main") == two.ours
    before = repo.git("count-objects")
    assert merge_drafts(two.store, ours=two.ours, theirs=two.theirs) == two.merge
    assert repo.git("count-objects") == before


def test_what_both_did_alike_is_done_already(repo: Repo) -> None:
    both: Changes = {"posts/a.md": "same\n", "posts/b.md": None, "new.md": "n\n"}
    two = Two(repo, both, {**both, "style.css": "b {}\n"})
    assert two.files == {"style.css": "b {}\n"}


def test_the_same_field_in_both_is_a_clash_and_the_rest_still_merges(repo: Repo) -> None:
    ours = {"posts/a.md": POST.replace("Eggs", "Fish")}
    two = Two(repo, {**ours}, {"posts/a.md": POST.replace("Eggs", "Milk"), "posts/b.md": "b\n"})
    (clash,) = two.merge.clashes
    assert (clash.path, clash.field, clash.base, clash.ours, clash.theirs) == (
        "posts/a.md",
        "title",
        "Eggs",
        "Fish",
        "Milk",
    )
    assert two.files == {"posts/b.md": "b\n"}


def test_nothing_changes_when_only_the_published_branch_moved(repo: Repo) -> None:
    base = CommitId(repo.commit(FILES))
    head = CommitId(repo.commit({"a": "b"}))
    merge = merge_drafts(Store.open(repo.path), ours=head, theirs=base)
    assert merge == Merge(changes={}, contents={}, clashes=(), base=base)


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ({"posts/a.md": None}, {"posts/a.md": "new\n"}, "the published branch deletes a file that the draft changes"),
        ({"posts/a.md": "new\n"}, {"posts/a.md": None}, "the draft deletes a file that the published branch changed"),
        ({"logo.png": "\0two"}, {"logo.png": "\0three"}, "both changed this file, which is no text"),
        ({"new.md": "a\n"}, {"new.md": "b\n"}, 'both changed the text at line 1: it is "a" in the published branch'),
        ({"x": "file\n"}, {"x/y": "file\n"}, "the draft puts a file here, and the published branch added x"),
        ({"x/y": "file\n"}, {"x": "file\n"}, "the draft puts a file here, and the published branch added x/y"),
        ({"a": "b\n"}, {"a\nb": "file\n"}, "'a\\nb' cannot be the path of a file: it has a control character"),
    ],
)
def test_what_nobody_can_merge_is_said(repo: Repo, ours: Changes, theirs: Changes, said: str) -> None:
    two = Two(repo, ours, theirs)
    (clash,) = two.clashes
    assert clash[1].startswith(said)
    assert two.files == {}


EDITED = POST.replace("Two", "2")


@pytest.mark.parametrize("moved", [POST, POST.replace("Three", "3")], ids=["moved", "moved and edited"])
def test_a_change_follows_a_file_that_the_draft_moved(repo: Repo, moved: str) -> None:
    two = Two(repo, {"posts/a.md": EDITED}, {"posts/a.md": None, "posts/new.md": moved})
    assert two.files == {"posts/a.md": "gone", "posts/new.md": moved.replace("Two", "2")}
    assert not two.clashes


@pytest.mark.parametrize("moved", [POST, POST.replace("Three", "3")], ids=["moved", "moved and edited"])
def test_a_change_of_the_draft_follows_a_file_that_was_moved(repo: Repo, moved: str) -> None:
    two = Two(repo, {"posts/a.md": None, "posts/new.md": moved}, {"posts/a.md": EDITED})
    assert two.files == {"posts/new.md": moved.replace("Two", "2")}
    assert not two.clashes


def test_a_file_that_both_moved_to_the_same_place_has_both_changes(repo: Repo) -> None:
    ours = {"posts/a.md": None, "posts/new.md": EDITED}
    two = Two(repo, {**ours}, {"posts/a.md": None, "posts/new.md": POST.replace("Eggs", "Fish")})
    assert two.files == {"posts/new.md": EDITED.replace("Eggs", "Fish")}


@pytest.mark.parametrize(
    ("ours", "theirs", "path", "said"),
    [
        (
            {"a.md": POST},
            {"b.md": POST},
            "posts/a.md",
            "the published branch moved this file to a.md, and the draft to b.md",
        ),
        ({"a.md": POST}, {}, "a.md", "the published branch moved posts/a.md here, and the draft deleted it"),
        ({}, {"a.md": POST}, "a.md", "the draft moved posts/a.md here, and the published branch deleted it"),
        (
            {"posts/a.md": EDITED, "a.md": "x\n"},
            {"a.md": POST},
            "a.md",
            "the draft moved posts/a.md here, and the publ",
        ),
        (
            {"a.md": POST},
            {"posts/a.md": EDITED, "a.md": "x\n"},
            "a.md",
            "the published branch moved posts/a.md here, and",
        ),
        (
            {"posts/a.md": EDITED, "x": "x\n"},
            {"x/a.md": POST},
            "x/a.md",
            "the draft puts a file here, and the published",
        ),
    ],
)
def test_moves_that_do_not_go_together_clash(repo: Repo, ours: Changes, theirs: Changes, path: str, said: str) -> None:
    two = Two(repo, {"posts/a.md": None, **ours}, {"posts/a.md": None, **theirs})
    (clash,) = two.clashes
    assert clash[0] == path
    assert clash[1].startswith(said)
    assert two.files == {}


def test_a_clash_in_a_moved_file_leaves_it_where_it_is(repo: Repo) -> None:
    two = Two(repo, {"posts/a.md": EDITED}, {"posts/a.md": None, "posts/new.md": POST.replace("Two", "II")})
    assert [path for path, _ in two.clashes] == ["posts/new.md"]
    assert two.files == {}


def test_a_file_that_is_only_a_little_alike_was_not_moved(repo: Repo) -> None:
    two = Two(
        repo, {"posts/a.md": EDITED}, {"posts/a.md": None, "posts/new.md": "---\ntitle: Eggs\n---\n" + "x\n" * 50}
    )
    assert [path for path, _ in two.clashes] == ["posts/a.md"]
    assert list(two.files) == ["posts/new.md"]


def test_of_many_like_files_each_goes_to_its_own_place(repo: Repo) -> None:
    names = [f"{number:02}.md" for number in range(30)]
    text = "same line\n" * 20
    base: Changes = {f"old/{name}": f"{text}{name}\n" for name in names}
    moved: Changes = {**dict.fromkeys(base), **{f"new/{name}": f"{text}{name}\nmore\n" for name in names}}
    two = Two(repo, {f"old/{name}": f"first\n{text}{name}\n" for name in names}, moved, base)
    assert not two.clashes
    assert {path: text for path, text in two.files.items() if text != "gone"} == {
        f"new/{name}": f"first\n{text}{name}\nmore\n" for name in names
    }


LINK, PROGRAM = 0o120000, 0o100755


@pytest.mark.parametrize(("mode", "kind"), [(LINK, "a symbolic link"), (0o160000, "a submodule")])
def test_a_draft_cannot_make_links_or_submodules(repo: Repo, mode: int, kind: str) -> None:
    base = repo.commit(FILES)
    target = base if mode == 0o160000 else repo.git("hash-object", "-w", "--stdin", stdin=b"posts/a.md")
    tree = repo.git("ls-tree", base) + f"\n{mode:o} {'commit' if mode == 0o160000 else 'blob'} {target}\tlink"
    theirs = repo.git("commit-tree", "-p", base, "-m", "x", repo.git("mktree", stdin=tree.encode()))
    merge = merge_drafts(Store.open(repo.path), ours=CommitId(base), theirs=CommitId(theirs))
    assert [clash.message for clash in merge.clashes] == [f"the draft makes this {kind}, which cannot be published"]


def test_links_that_nobody_touches_stay_and_one_can_be_deleted(repo: Repo) -> None:
    base = CommitId(repo.commit({**FILES, "link": "a", "other": "b"}, modes={"link": LINK, "other": LINK}))
    theirs = CommitId(repo.commit({"link": None}, branch="draft", parents=[base]))
    ours = CommitId(repo.commit({"other": "c"}, modes={"other": LINK}))
    merge = merge_drafts(Store.open(repo.path), ours=ours, theirs=theirs)
    assert dict(merge.changes) == {"link": None}
    both = CommitId(repo.commit({"other": "text\n"}, branch="both", parents=[base]))
    (clash,) = merge_drafts(Store.open(repo.path), ours=ours, theirs=both).clashes
    assert clash.message == "both changed what this is: a symbolic link in the published branch and a file in the draft"


def test_another_mode_alone_is_no_change(repo: Repo) -> None:
    base = CommitId(repo.commit(FILES))
    theirs = CommitId(repo.commit({"posts/a.md": POST}, modes={"posts/a.md": PROGRAM}, branch="draft", parents=[base]))
    ours = CommitId(repo.commit({"posts/a.md": None}))
    store = Store.open(repo.path)
    for one, other in ((base, theirs), (ours, theirs)):
        merge = merge_drafts(store, ours=one, theirs=other)
        assert (dict(merge.changes), merge.clashes) == ({}, ())
    assert dict(merge_drafts(store, ours=theirs, theirs=ours).changes) == {"posts/a.md": None}


def test_unrelated_histories_merge_from_nothing(repo: Repo) -> None:
    ours = CommitId(repo.commit({"a.md": "same\n", "b.md": "ours\n"}))
    theirs = CommitId(repo.commit({"a.md": "same\n", "c.md": "theirs\n"}, branch="island"))
    merge = merge_drafts(Store.open(repo.path), ours=ours, theirs=theirs)
    assert list(merge.changes) == ["c.md"]
    assert merge.base == ""


def test_another_base_undoes_a_commit(repo: Repo) -> None:
    before = CommitId(repo.commit(FILES))
    undone = CommitId(repo.commit({"posts/a.md": POST.replace("Two", "Oops"), "posts/b.md": None}))
    now = CommitId(repo.commit({"posts/a.md": POST.replace("Two", "Oops").replace("Eggs", "Fish")}))
    store = Store.open(repo.path)
    merge = merge_drafts(store, ours=now, theirs=before, base=undone)
    assert sorted(merge.contents.values()) == [POST.replace("Eggs", "Fish").encode()]
    assert merge.changes["posts/b.md"] == store.find_blob(before, "posts/b.md")


class Cross:
    """Two branches that have merged each other before, each by itself."""

    def __init__(self, repo: Repo, *, ours: str, theirs: str) -> None:
        lines = "one\n\ntwo\n\nthree\n\nfour\n\nfive\n"
        root = repo.commit({"a.md": lines, "b.md": "b\n"})
        left = repo.commit({"a.md": lines.replace("one", "1")})
        right = repo.commit({"a.md": lines.replace("five", "5"), "c.md": "c\n"}, branch="draft", parents=[root])
        self.lines = lines.replace("one", "1").replace("five", "5")
        self.left = repo.commit({"a.md": ours or self.lines, "c.md": "c\n"}, parents=[left, right])
        self.right = repo.commit({"a.md": theirs or self.lines}, branch="draft", parents=[right, left])


def test_histories_that_crossed_begin_where_their_merge_would_be(repo: Repo) -> None:
    cross = Cross(repo, ours="", theirs="")
    ours = CommitId(repo.commit({"a.md": cross.lines.replace("two", "2")}))
    theirs = CommitId(repo.commit({"a.md": cross.lines.replace("four", "4"), "b.md": None}, branch="draft"))
    store = Store.open(repo.path)
    assert len(store.merge_bases(ours, theirs)) == 2
    merge = merge_drafts(store, ours=ours, theirs=theirs)
    assert not merge.clashes
    assert list(merge.changes) == ["a.md", "b.md"]
    assert list(merge.contents.values()) == [cross.lines.replace("two", "2").replace("four", "4").encode()]


def test_what_was_settled_differently_before_clashes(repo: Repo) -> None:
    root = repo.commit({"a.md": "one\n", "b.md": "b\n"})
    left = repo.commit({"a.md": "left\n"})
    right = repo.commit({"a.md": "right\n"}, branch="draft", parents=[root])
    ours = CommitId(repo.commit({"a.md": "left\n"}, parents=[left, right]))
    theirs = CommitId(repo.commit({"a.md": "right\n", "b.md": "B\n"}, branch="draft", parents=[right, left]))
    merge = merge_drafts(Store.open(repo.path), ours=ours, theirs=theirs)
    assert [clash.path for clash in merge.clashes] == ["a.md"]
    assert list(merge.changes) == ["b.md"]
    alike = CommitId(repo.commit({"a.md": "left\n"}, branch="draft"))
    assert not merge_drafts(Store.open(repo.path), ours=ours, theirs=alike).clashes


NAMES = ("a.md", "b.md", "c/d.md", "c/e.md")
TEXTS = st.sampled_from(["one\n\n\ntwo\n\n\nthree\n", "1\n\n\ntwo\n\n\nthree\n", "one\n\n\ntwo\n\n\n3\n", "other\n"])
TREES = st.dictionaries(st.sampled_from(NAMES), TEXTS, min_size=1)


def commit_tree(repo: Repo, files: dict[str, str], branch: str, parents: list[str]) -> CommitId:
    """A commit with these files and no others."""
    everything: Changes = {**dict.fromkeys(NAMES), "keep.md": "keep\n", **files}
    return CommitId(repo.commit(everything, branch=branch, parents=parents))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TREES, TREES, TREES)
def test_where_git_merges_so_do_we_and_make_the_same(
    repo: Repo, before: dict[str, str], one: dict[str, str], other: dict[str, str]
) -> None:
    base = commit_tree(repo, before, "main", [])
    ours, theirs = (commit_tree(repo, files, "draft", [base]) for files in (one, other))
    store = Store.open(repo.path)
    merge, turned = merge_drafts(store, ours=ours, theirs=theirs), merge_drafts(store, ours=theirs, theirs=ours)
    assert bool(merge.clashes) == bool(turned.clashes)
    if not merge.clashes:
        trees = {
            Overlay(store, ours, merge.changes, merge.contents).tree,
            Overlay(store, theirs, turned.changes, turned.contents).tree,
        }
        assert trees == {repo_merge(repo, ours, theirs)}
    for side in (ours, theirs):
        assert not merge_drafts(store, ours=side, theirs=base).changes
        alone = merge_drafts(store, ours=base, theirs=side)
        assert Overlay(store, base, alone.changes, alone.contents).tree == store.commit(side).tree


def repo_merge(repo: Repo, ours: str, theirs: str) -> str:
    """The tree that Git's own program makes; empty for a conflict."""
    command = [
        "git",
        "-C",
        str(repo.path),
        "-c",
        "merge.directoryRenames=false",
        "merge-tree",
        "--write-tree",
        ours,
        theirs,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def test_the_cost_follows_the_changes(tmp_path: Path) -> None:
    repo = Repo.create(tmp_path / "large.git")
    base: Changes = {f"posts/{number // 50:02}/{number:04}.md": f"{number}\n" for number in range(2_000)}
    two = Two(repo, {"posts/00/0001.md": "ours\n"}, {"posts/39/1999.md": "theirs\n"}, base)
    read: list[str] = []
    original = two.store.read_tree
    two.store.read_tree = lambda id: (read.append(id), original(id))[1]  # type: ignore[func-returns-value,method-assign]
    assert list(merge_drafts(two.store, ours=two.ours, theirs=two.theirs).changes) == ["posts/39/1999.md"]
    assert len(read) == 12
