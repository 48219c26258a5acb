"""Names of refs: what Git allows, and nothing else."""

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms.errors import RefNotFound
from cms.refs import branch_ref, draft_ref, find_draft_name, is_commit_id, is_ref, short_name, tag_ref


def test_names_are_built_and_parsed_back() -> None:
    assert branch_ref("main") == "refs/heads/main"
    assert tag_ref("v1.0") == "refs/tags/v1.0"
    assert draft_ref("easter") == "refs/heads/drafts/easter"
    assert [short_name(ref) for ref in ("refs/heads/a/b", "refs/tags/v1", "HEAD")] == ["a/b", "v1", "HEAD"]
    assert find_draft_name("refs/heads/drafts/easter") == "easter"
    assert find_draft_name("refs/heads/main") is None


@pytest.mark.parametrize(
    "name", ["", "-x", "HEAD", "/a", "a//b", "a..b", "a b", "a.lock", ".a", "a@{1}", "a\n", "\ud800"]
)
def test_a_name_that_git_forbids_is_no_branch(name: str) -> None:
    with pytest.raises(RefNotFound) as refused:
        branch_ref(name)
    assert refused.value.facts == {"ref": name}


def test_only_whole_lower_case_ids_are_commit_ids() -> None:
    assert is_commit_id("0123456789abcdef0123456789abcdef01234567")
    assert not any(is_commit_id(text) for text in ("0123456", "A" * 40, "a" * 40 + "\n", "a" * 41, "main"))


@given(st.text(alphabet="ab./@{}~^:?*[\\ -\x7fæ", max_size=8))
def test_well_formed_means_what_git_says(name: str) -> None:
    checked = subprocess.run(["git", "check-ref-format", f"refs/heads/{name}"], check=False)
    assert is_ref(f"refs/heads/{name}") == (checked.returncode == 0)
