"""Drafts in the company of others: what is found, and what it costs to find nothing."""

from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest

from cms.merge import Merge
from cms.objects import Commit
from cms.refs import BlobId, CommitId
from cms.store import Store
from cms.workflow import company
from cms.workflow.company import why_in_company
from cms.workflow.outcome import DraftState
from tests.repo import FIRST_COMMIT_AT, Repo


class Counting(Store):
    """Counts the commits that are read one by one."""

    reads = 0

    def commit(self, id: CommitId) -> Commit:
        self.reads += 1
        return super().commit(id)


def state(published: str, head: str, *paths: str) -> DraftState:
    """Of a draft that would change *paths*."""
    merge = Merge(changes=dict.fromkeys(paths, BlobId("1" * 40)), contents={}, clashes=(), base=CommitId(published))
    return cast(DraftState, SimpleNamespace(name="mine", head=head, published=published, merge=merge))


def refs(**heads: str) -> dict[str, CommitId]:
    return {f"refs/heads/drafts/{name}": CommitId(head) for name, head in heads.items()}


def test_what_is_shared_must_be_published_with_it_or_be_published_already(repo: Repo) -> None:
    main = repo.commit({"a": "a"})
    shared = repo.commit({"s": "s"}, branch="other", parents=[main])
    other = repo.commit({"t": "t"}, branch="other")
    mine = repo.commit({"s": None, "m": "m"}, branch="mine", parents=[shared])
    alone = repo.commit({"m": "m"}, branch="alone", parents=[main])
    store = Store.open(repo.path)
    assert "not what they change in s, so that other would pass" in why_in_company(
        store, refs(other=other), state(main, mine, "m")
    )
    assert why_in_company(store, refs(other=other), state(main, mine, "m", "s")) == ""
    assert why_in_company(store, refs(other=other, mine=mine), state(main, alone, "m")) == ""
    assert why_in_company(store, refs(other=other), state(shared, mine, "m")) == ""


def test_drafts_that_were_left_lying_cost_one_look_each(repo: Repo) -> None:
    old = [repo.commit({"n": str(number)}) for number in range(50)]
    stale = {f"stale-{number}": repo.commit({"x": "x"}, branch=f"s{number}", parents=[old[0]]) for number in range(5)}
    main = repo.commit({"n": "new"}, parents=[old[-1]], at=FIRST_COMMIT_AT + timedelta(days=90))
    mine = repo.commit({"m": "m"}, branch="mine", parents=[main])
    near = repo.commit({"k": "k"}, branch="near", parents=[main])
    store = Store.open(repo.path)
    counting = Counting(store.git_dir, store.common_dir, store.work_tree)
    assert why_in_company(counting, refs(**stale, near=near), state(main, mine, "m")) == ""
    assert counting.reads <= len(stale) + 3


def test_where_there_is_too_much_to_look_at_each_draft_is_compared(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(company, "COMMITS_MOST", 1)
    main = repo.commit({"a": "a"})
    shared = repo.commit({"s": "s"}, branch="other", parents=[main])
    mine = repo.commit({"s": None, "m": "m"}, branch="mine", parents=[shared])
    apart = repo.commit({"p": "p"}, branch="apart", parents=[repo.commit({"o": "o"}, branch="apart", parents=[main])])
    store = Store.open(repo.path)
    assert "other would pass" in why_in_company(store, refs(apart=apart, other=shared), state(main, mine, "m"))
    assert why_in_company(store, refs(apart=apart), state(main, mine, "m")) == ""
