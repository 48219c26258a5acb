"""The merges of real sites, made again: the same as Git's wherever Git finds a result, and elsewhere often more than Git finds."""

import subprocess
from collections import Counter
from pathlib import Path

import pytest

from cms.merge import merge_drafts
from cms.objects import compare
from cms.overlay import Overlay
from cms.refs import CommitId, TreeId
from cms.rowdiff import diff_entries
from cms.store import Store
from tests.test_corpora import CORPORA

#: Merges in which both sides touched a file: as Git makes them; made although Git finds a conflict; a clash as in Git.
EXPECTED = {
    "rust-blog": (47, 0, 2),
    "18f-blog": (94, 6, 43),
    "felleslosninger-docs": (45, 1, 21),
    "cncf-glossary": (26, 1, 15),
}


def contested(store: Store, merge: CommitId) -> bool:
    """Whether both parents changed a common file, so that more than picking is asked for."""
    ours, theirs = store.commit(merge).parents
    base = store.merge_base(ours, theirs)
    tree = store.commit(base).tree if base else None
    changed = [diff_entries(tree, store.commit(side).tree, store.read_tree).keys() for side in (ours, theirs)]
    return bool(changed[0] & changed[1])


def git_merge(store: Store, ours: CommitId, theirs: CommitId) -> TreeId | None:
    """The tree that Git makes; None for a conflict."""
    command = ["git", f"--git-dir={store.git_dir}", "merge-tree", "--write-tree", ours, theirs]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return TreeId(done.stdout.strip()) if done.returncode == 0 else None


def judge(store: Store, merge: CommitId) -> str:
    """What came of one merge, beside what Git makes of it. Modes of files are not compared."""
    ours, theirs = store.commit(merge).parents
    made = merge_drafts(store, ours=ours, theirs=theirs)
    tree = git_merge(store, ours, theirs)
    if made.clashes:
        return "clash" if tree is None else "clash where Git has a result"
    overlay = Overlay(store, ours, made.changes, made.contents)
    if tree is None:
        return "more than Git"
    return "unlike Git" if compare(overlay.tree, tree, overlay.read_tree) else "as Git"


@pytest.mark.parametrize("name", EXPECTED)
def test_merges_of_real_sites_are_as_good_as_gits_or_better(name: str, tmp_path: Path) -> None:
    bundle = CORPORA / f"{name}.bundle"
    if not bundle.exists():
        pytest.skip(f"the corpora are not at {CORPORA}")
    folder = tmp_path / "site.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(bundle), str(folder)], check=True)
    store = Store.open(folder)
    command = ["git", f"--git-dir={folder}", "rev-list", "--all", "--min-parents=2", "--max-parents=2"]
    merges = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    found = Counter(judge(store, CommitId(merge)) for merge in merges if contested(store, CommitId(merge)))
    print(f"{name}: {len(merges)} merges, contested: {dict(found)}")  # noqa: T201
    assert (found.pop("as Git", 0), found.pop("more than Git", 0), found.pop("clash", 0)) == EXPECTED[name]
    assert not found
