"""Races: what arrives between the look at a draft and the act, on purpose and again and again."""

import os
import random
from collections.abc import Callable
from functools import partial
from threading import Thread

import pytest

from cms.errors import RefMoved, TooBusy
from cms.permissions import Principal
from cms.refs import CommitId
from cms.workflow.push import Answer, Command, Push
from cms.workflow.pushes import PushJudge
from cms.workflow.turn import Turn
from tests.attacks.press import DRAFTS, MAIN, Press, text

#: Of the longest race.
ROUNDS = int(os.environ.get("ATTACK_ROUNDS", "100"))


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


def status(press: Press, method: str, path: str, by: str, body: object = None) -> int:
    """The status of the answer to a request."""
    return press.ask(method, path, by, body).status_code


def test_of_several_who_begin_a_draft_of_one_name_the_log_knows_the_one_who_did(press: Press) -> None:
    for number in range(5):
        name = f"begun-{number}"

        begin = [partial(status, press, "POST", "/drafts", by, {"name": name}) for by in ("ola", "per", "eva")]
        found = at_once(*begin)
        entries = press.office.log.about(f"{DRAFTS}{name}")
        assert (sorted(found), len(entries)) == ([201, 409, 409], 1)
        assert press.state(name).owner == ("ola", "per", "eva")[found.index(201)] == entries[0].person


def test_a_request_for_changes_that_was_acknowledged_comes_before_no_publication(press: Press) -> None:
    for number in range(8):
        name = f"veto-{number}"
        press.draft(name)

        verdict = {"verdict": "changes", "message": "No!", "head": press.heads[name]}
        publish = partial(status, press, "POST", f"/drafts/{name}/publication", "pia")
        object_to = partial(status, press, "POST", f"/drafts/{name}/verdicts", "rita", verdict)
        published, objected = at_once(publish, object_to)
        assert (published, objected) in ((201, 404), (201, 409), (201, 412), (409, 201))
        assert (press.read(f"posts/{name}.md") is None) == (objected == 201)


def test_whatever_is_published_in_a_race_with_a_writer_was_approved(press: Press) -> None:
    """NUM-06: ``ATTACK_ROUNDS`` runs more of them."""
    path, approved, published = "posts/raced.md", set[str](), 0
    patch, publication = "/drafts/raced/entries/posts/raced", "/drafts/raced/publication"
    press.draft("base", {path: text("Base")})
    press.publish("base")
    for number in range(ROUNDS):
        if "raced" not in press.heads:
            assert press.ask("POST", "/drafts", "ola", {"name": "raced"}).status_code == 201
        assert press.ask("PATCH", patch, "ola", {"fields": {"title": f"Fine {number}"}}).status_code == 200
        assert press.say("raced", "approve", "rita").status_code == 201
        approved.add(str(press.read(path, f"{DRAFTS}raced")))
        worse = {"fields": {"title": f"Worse {number}"}}
        publish = [partial(status, press, "POST", publication, by) for by in ("pia", "eva")]
        at_once(partial(status, press, "PATCH", patch, "ola", worse), *publish)
        is_new = press.read(path) in approved
        assert is_new or press.read(path) == text("Base")
        published += is_new
    assert published


def test_nobody_who_may_not_publish_keeps_those_who_may_waiting(press: Press) -> None:
    press.draft("waits")
    merged = press.hand("ola").merged(press.heads["waits"])
    press.hand("ola").must_push("carries", merged)
    command = Command(ref=MAIN, old=press.main, new=merged)
    judge = PushJudge(press.office.flow)
    with Turn(press.office.flow.store.common_dir):
        answer = judge(Push(by=who(press, "ola"), commands=(command,)))
    assert not answer.accepted
    answer = judge(Push(by=who(press, "pia"), commands=(command,)))
    try:
        assert answer.accepted
        with pytest.raises(TooBusy):
            Turn(press.office.flow.store.common_dir).take(0.1)
    finally:
        answer.end()
