"""Races: what arrives between the look at a draft and the act, on purpose and again and again."""

import random
from collections.abc import Callable
from threading import Thread

import pytest

from cms.errors import RefMoved
from cms.permissions import Principal
from cms.refs import CommitId
from cms.workflow.push import Answer, Command, Push
from cms.workflow.pushes import PushJudge
from tests.attacks.press import DRAFTS, Press, text


def who(press: Press, person: str) -> Principal:
    return Principal(person=person, name=person, email=f"{person}@example.org", via="token")


def judged(press: Press, person: str, name: str, old: str | None, new: str) -> Answer:
    """The answer to a push whose objects the server has, and which does not begin yet."""
    command = Command(ref=f"{DRAFTS}{name}", old=CommitId(old) if old else None, new=CommitId(new))
    answer = PushJudge(press.office.flow)(Push(by=who(press, person), commands=(command,)))
    assert answer.accepted, answer.lines
    return answer


def test_a_push_that_was_overtaken_is_not_in_the_log_where_it_would_hide_what_overtook_it(press: Press) -> None:
    ola, first = press.hand("ola"), press.draft("splice", approve="")
    wanted = ola.commit({"posts/splice.md": text("again")}, [first])
    ola.must_push("carrier", wanted)
    slow = judged(press, "ola", "splice", first, wanted)
    press.hand("rita").verdict("splice", "changes")
    ola.must_push("splice", wanted, "--force")
    with pytest.raises(RefMoved):
        slow.begin()
    slow.end()
    assert [remark.person for remark in press.state("splice").blocking] == ["rita"]


def at_once(*acts: Callable[[], int]) -> list[int]:
    """The statuses of several requests that are sent at the same moment."""
    found = [0] * len(acts)

    def run(number: int) -> None:
        found[number] = acts[number]()

    threads = [Thread(target=run, args=(number,)) for number in random.sample(range(len(acts)), len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_of_several_who_begin_a_draft_of_one_name_the_log_knows_the_one_who_did(press: Press) -> None:
    for number in range(5):
        name = f"begun-{number}"

        def begin(person: str, name: str = name) -> int:
            return press.ask("POST", "/drafts", person, {"name": name}).status_code

        found = at_once(*[lambda person=person: begin(person) for person in ("ola", "per", "eva")])
        entries = press.office.log.about(f"{DRAFTS}{name}")
        assert (sorted(found), len(entries)) == ([201, 409, 409], 1)
        assert press.state(name).owner == ("ola", "per", "eva")[found.index(201)] == entries[0].person


def test_a_request_for_changes_that_was_acknowledged_comes_before_no_publication(press: Press) -> None:
    for number in range(8):
        name = f"veto-{number}"
        press.draft(name)

        def publish(name: str = name) -> int:
            return press.ask("POST", f"/drafts/{name}/publication", "pia").status_code

        def object_to(name: str = name, head: str = press.heads[name]) -> int:
            verdict = {"verdict": "changes", "message": "No!", "head": head}
            return press.ask("POST", f"/drafts/{name}/verdicts", "rita", verdict).status_code

        published, objected = at_once(publish, object_to)
        assert (published, objected) in ((201, 404), (201, 409), (201, 412), (409, 201))
        assert (press.read(f"posts/{name}.md") is None) == (objected == 201)
