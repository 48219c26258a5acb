"""Pushes beside one another and beside publications: one turn after the other, and nothing told that did not happen."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cms.errors import TooBusy
from cms.workflow import turn
from cms.workflow.publishing import publish
from cms.workflow.turn import Turn
from tests.githttp.paper import Clone, Paper
from tests.githttp.test_http import wait_until
from tests.githttp.test_merges import NEW, merge, propose

MAIN = "refs/heads/main"


def test_a_turn_is_for_one_at_a_time_and_waited_for_only_so_long(tmp_path: Path) -> None:
    first, second = Turn(tmp_path), Turn(tmp_path)
    first.take()
    first.take()
    with pytest.raises(TooBusy, match="others are publishing"):
        second.take(0.05)
    first.give_back()
    second.take(0.05)
    second.give_back()
    second.give_back()


def test_a_turn_can_be_given_back_by_another_thread(tmp_path: Path) -> None:
    one, other = Turn(tmp_path), Turn(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(one.take).result()
    one.give_back()
    other.take(0.05)
    other.give_back()


def test_people_who_push_drafts_of_their_own_at_once_all_succeed(paper: Paper) -> None:
    clones = [paper.clone(person) for person in ("ola", "per", "eva")]

    def push(number: int, clone: Clone) -> int:
        clone.write(f"posts/at-once-{number}.md", NEW)
        return clone.push(f"at-once-{number}").code

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(push, range(3), clones)) == [0, 0, 0]
    assert sorted(paper.acts) == [("push", "eva"), ("push", "ola"), ("push", "per")]


def test_of_those_who_push_to_one_draft_at_once_one_succeeds_and_the_log_tells_of_no_other(paper: Paper) -> None:
    propose(paper, "race", approve=False)
    clones = [paper.clone(person) for person in ("eva", "rita")]
    for clone in clones:
        clone.take("race")
        clone.say("comment", f"By {clone.person}")
    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(lambda clone: clone.push("race").code, clones))
    assert sorted(codes) == [0, 1]
    assert [act for act, _ in paper.acts] == ["push", "push"]
    assert paper.office.log.entries()[-1].moves[0].new == paper.refs["refs/heads/drafts/race"]


def test_a_request_for_changes_that_comes_while_somebody_publishes_waits_and_is_refused(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    propose(paper, "easter")
    eva = paper.clone("eva")
    eva.take("easter")
    eva.say("changes", "Wait!")
    publisher = Turn(paper.office.flow.store.common_dir)
    publisher.take()
    with ThreadPoolExecutor(1) as pool:
        pushed = pool.submit(eva.push, "easter")
        wait_until(lambda: any(paper.room.repo.path.glob("objects/tmp_objdir-incoming-*")))
        assert not pushed.done()
        publisher.give_back()
        assert pushed.result().code == 0
    with pytest.raises(Exception, match="Wait!"):
        publish(paper.office.flow, paper.room.who("pia"), "easter", now=datetime.now(UTC))


def test_a_push_that_waits_too_long_for_its_turn_is_refused_with_the_reason(
    paper: Paper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Turn.take, "__defaults__", (0.1,))
    assert turn.WAIT_SECONDS > 1
    publisher = Turn(paper.office.flow.store.common_dir)
    publisher.take()
    ola = paper.clone("ola")
    ola.write("posts/late.md", NEW)
    assert ola.push("late").remarks == ["error: others are publishing; try again in a minute"]
    publisher.give_back()
    assert paper.acts == []
    assert ola.push("late").code == 0


def test_a_merge_that_comes_second_is_refused_and_tells_nothing(paper: Paper) -> None:
    for name in ("one", "two"):
        propose(paper, name)
    pia, eva = paper.clone("pia"), paper.clone("eva")
    merge(pia, "one")
    merge(eva, "two")
    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(lambda clone: clone.git("push", "origin", "main").code, (pia, eva)))
    assert sorted(codes) == [0, 1]
    assert [act for act, _ in paper.acts].count("publish") == 1
    assert len([ref for ref in paper.refs if "drafts" in ref]) == 1
