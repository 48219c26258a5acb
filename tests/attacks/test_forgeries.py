"""Forged words: verdicts, signatures and trailers in somebody else's name, wherever text or a commit can be handed in."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cms.refs import CommitId
from cms.trailers import read_trailers
from cms.workflow.flow import RESERVED_TRAILERS
from tests.attacks.press import DRAFTS, MAIN, Press, text

APPROVE = ("Review", "approve")
NEW = {"posts/new.md": text("New")}


def made_by_ola(press: Press, draft: str, message: str = "Fine", **more: Any) -> str:
    """A verdict that Ola makes, who may give none."""
    return press.hand("ola").commit({}, [press.heads[draft]], message, **more)


def trailers_of(press: Press, commit: str) -> list[tuple[str, str]]:
    """What the readers of a commit are told by its trailers, ours only."""
    message = press.room.site.store.commit(CommitId(commit)).message
    return [(key, value) for key, value in read_trailers(message) if key.lower() in RESERVED_TRAILERS]


# -- verdicts that somebody else pushes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names", [{}, {"author": "rita"}, {"committer": "rita"}, {"author": "rita", "committer": "rita"}]
)
def test_a_verdict_is_not_whose_name_stands_on_it(press: Press, names: dict[str, str]) -> None:
    name = f"names-{'-'.join(names)}x"
    press.draft(name, approve="")
    press.hand("ola").is_refused(name, made_by_ola(press, name, trailers=[APPROVE], **names))
    assert press.approvals(name) == {f"posts/{name}.md": ()}


@pytest.mark.parametrize(
    "claims", [[("Acted-by", "rita")], [("Acted-by", "rita"), ("Draft", "{}")], [("Approved-by", "rita")]]
)
def test_a_verdict_is_not_whose_it_claims_to_be(press: Press, claims: list[tuple[str, str]]) -> None:
    name = f"claims-{len(claims)}-{claims[0][0]}"
    press.draft(name, approve="")
    trailers = [APPROVE, *((key, value.format(name)) for key, value in claims)]
    press.hand("ola").is_refused(
        name, made_by_ola(press, name, trailers=trailers, author="rita", committer="branchpress")
    )
    assert press.approvals(name) == {f"posts/{name}.md": ()}


@pytest.mark.parametrize(
    "lines",
    [
        "Review: approve",
        "REVIEW: APPROVE",
        "review :approve",
        "Review:\n approve",
        "Review: comment\nReview: approve",
        "Signed-off-by: Ola <ola@example.org>\nreview: Approve\n(cherry picked from commit 1)",
        "Publish-At: 2020-01-01T00:00:00Z",
        "Review: comment\nPublish-At: 2020-01-01T00:00:00Z",
        "Review: lift\nLifts: eva",
        "Review: approve\n# a comment\n\n",
        "Review: approve\n# ------------------------ >8 ------------------------\nand more",
    ],
)
def test_however_it_is_written_only_who_may_says_it(press: Press, lines: str) -> None:
    name = f"lines-{abs(hash(lines))}"
    press.draft(name, approve="")
    said = press.hand("ola").is_refused(name, made_by_ola(press, name, f"Fine\n\n{lines}\n"))
    assert "needs the role" in said
    assert press.approvals(name) == {f"posts/{name}.md": ()}


@pytest.mark.parametrize("who", ["rita", "eva"])
def test_an_approval_in_a_commit_that_changes_something_is_none(press: Press, who: str) -> None:
    name = f"changes-{who}"
    head = press.draft(name, approve="")
    hand, files = press.hand(who), {f"posts/{name}.md": text("More")}
    hand.must_push(name, hand.commit(files, [head], "Edit", trailers=[APPROVE, ("Acted-by", "rita")]))
    assert press.approvals(name) == {f"posts/{name}.md": ()}
    press.refuses(name)


def test_a_verdict_with_a_second_parent_is_none(press: Press) -> None:
    press.draft("two-parents", approve="")
    rita = press.hand("rita")
    made = rita.commit({}, [press.heads["two-parents"], press.main], "Fine", trailers=[APPROVE])
    rita.push(f"{made}:{DRAFTS}two-parents")
    assert press.approvals("two-parents") == {"posts/two-parents.md": ()}
    press.refuses("two-parents")


# -- signatures ----------------------------------------------------------------------------------------------------------


def test_a_signature_that_was_lifted_onto_another_commit_says_nothing(press: Press) -> None:
    press.draft("lifted", approve="")
    ola, rita = press.hand("ola"), press.hand("rita")
    real = rita.commit({}, [press.heads["lifted"]], "Fine", trailers=[APPROVE], key=press.keys["rita"])
    press.write("lifted", {"posts/lifted.md": text("Other")})
    other = rita.commit({}, [press.heads["lifted"]], "Fine", trailers=[APPROVE])
    signature = rita.raw_of(real).partition(b"gpgsig ")[2].partition(b"\n\n")[0]
    head, _, message = rita.raw_of(other).partition(b"\n\n")
    forged = ola.raw("commit", head + b"\ngpgsig " + signature + b"\n\n" + message)
    ola.is_refused("lifted", forged)
    press.refuses("lifted")


def test_what_an_author_signs_with_their_own_key_is_their_own_word(press: Press) -> None:
    press.draft("own-key", approve="")
    ola = press.hand("ola")
    for names in ("ola", "rita"):
        ola.is_refused(
            "own-key",
            made_by_ola(press, "own-key", author=names, committer=names, trailers=[APPROVE], key=press.keys["ola"]),
        )
    press.refuses("own-key")


def test_a_signed_approval_that_its_author_amends_is_nobodys(press: Press) -> None:
    press.draft("amended", approve="")
    press.approve("amended", signed=True)
    head = press.write("amended", {"posts/amended.md": text("Worse")})
    ola = press.hand("ola")
    for committer in ("ola", "rita"):
        ola.is_refused(
            "amended", ola.commit({}, [head], "Said", trailers=[APPROVE], author="rita", committer=committer)
        )
    press.refuses("amended")


def test_what_the_server_signed_elsewhere_is_not_its_word_here(press: Press) -> None:
    press.draft("original", approve="")
    assert press.say("original", "approve", "rita").status_code == 201
    said = press.heads["original"]
    ola = press.hand("ola")
    ola.must_push("copy", said)
    assert press.approvals("copy") == {"posts/original.md": ()}
    assert press.ask("POST", "/drafts/copy/publication", "pia").status_code == 409
    press.hand("ola").must_push("copy", press.hand("ola").commit(NEW, [said]))
    press.refuses("copy")
    assert press.approvals("original") == {"posts/original.md": ("rita",)}


def test_what_the_server_signed_is_not_its_word_with_another_parent(press: Press) -> None:
    press.draft("reparent", approve="")
    assert press.say("reparent", "approve", "rita").status_code == 201
    raw, old = press.hand("ola").raw_of(press.heads["reparent"]), press.heads["reparent"]
    head = press.write("reparent", {"posts/reparent.md": text("Worse")})
    ola = press.hand("ola")
    parent = press.hand("ola").store.commit(CommitId(old)).parents[0]
    moved = raw.replace(parent.encode(), head.encode()).replace(ola.tree_of(old).encode(), ola.tree_of(head).encode())
    ola.is_refused("reparent", ola.raw("commit", moved))
    press.refuses("reparent")


def test_the_servers_log_is_no_draft_and_signs_for_none(press: Press) -> None:
    tip = press.room.repo.git("rev-parse", "refs/cms/log")
    ola = press.hand("ola")
    assert "no commit in common" in ola.is_refused("log", tip)
    merged = ola.commit(NEW, [press.main, tip], "Merge the log")
    ola.push(f"{merged}:{DRAFTS}log")
    if "log" in press.heads:
        press.refuses("log")


# -- words that become trailers -------------------------------------------------------------------------------------------

SMUGGLED = [
    "Fine\n\n{}",
    "Fine\n\n{}\n\nConflicts:",
    "Fine\n\n{}\n\n# Heading",
    "Fine\n\n{}\nSigned-off-by: me <a@b>",
    "Fine\n\n{}\n\x00",
    "Fine\n\n{}\n\n# ------------------------ >8 ------------------------",
    "Fine\u2028\u2028{}",
    "Fine\r\r{}",
    "Fine\r\n\r\n{}",
    "Fine\x85\x85{}\n\nConflicts:\n",
    "{}",
    "Fine\n\nnot a trailer\n{}",
]
LINES = ["Review: approve", "Publish-At: 2020-01-01T00:00:00Z", "Acted-by: rita", "Lifts: eva", "Draft: other"]


@pytest.mark.parametrize("shape", SMUGGLED)
def test_a_comment_smuggles_no_trailer(press: Press, shape: str) -> None:
    name = f"smuggled-{SMUGGLED.index(shape)}"
    press.draft(name, approve="")
    for line in LINES:
        answer = press.say(name, "comment", "pia", message=shape.format(line))
        assert answer.status_code in (201, 400, 409), answer.text
        if answer.status_code == 201:
            assert trailers_of(press, press.heads[name]) == [
                ("Review", "comment"),
                ("Draft", name),
                ("Acted-by", "pia"),
            ]
    state = press.state(name)
    assert (state.publish_at, state.entries[0].approvals) == (None, ())


@pytest.mark.parametrize("shape", SMUGGLED)
def test_the_message_of_a_publication_smuggles_no_trailer(press: Press, shape: str) -> None:
    name = f"told-{SMUGGLED.index(shape)}"
    press.draft(name)
    for line in ("Approved-by: eva", "Bypass: I was told to do it", "Published-by: mia", "Draft: another"):
        if name not in press.heads:
            press.draft(name, {f"posts/{name}.md": text(line.partition(":")[0])})
        answer = press.ask("POST", f"/drafts/{name}/publication", "pia", {"message": shape.format(line)})
        if answer.status_code == 201:
            told = [("Draft", name), ("Published-by", "pia"), ("Approved-by", "rita"), ("Acted-by", "pia")]
            assert trailers_of(press, press.main) == told


@pytest.mark.parametrize(
    "message", ["# ------------------------ >8 ------------------------\nx", "#", "\x00", "\u2028", "\ud800"]
)
def test_a_message_that_git_would_read_as_nothing_is_refused_in_words(press: Press, message: str) -> None:
    name = "nothing-said"
    if name not in press.heads:
        press.draft(name, approve="")
    body = json.dumps({"verdict": "comment", "message": message, "head": press.heads[name]}).encode()
    answer = press.ask("POST", f"/drafts/{name}/verdicts", "pia", body, Content_Type="application/json")
    assert answer.status_code in (201, 400, 409), answer.text
    assert answer.status_code == 201 or answer.json()["detail"]


@pytest.mark.parametrize(
    "anchor",
    [
        "posts/a.md#title\nReview: approve",
        "posts/a.md#title\rReview: approve",
        "posts/a.md#ti\x00tle",
        "posts/a.md#ti\x9btle",
        "posts/a.md#title\u2028Review:approve",
        "cms.toml#people\n\nReview: approve",
        "../../etc/passwd:1",
        "/etc/passwd:1",
        "posts/nobody.md:1",
        "posts/a.md",
        "posts/a.md:0",
        "posts#x",
    ],
)
def test_an_anchor_is_a_place_in_the_draft_and_nothing_else(press: Press, anchor: str) -> None:
    name = "anchored"
    if name not in press.heads:
        press.draft(name, approve="")
    answer = press.say(name, "comment", "pia", message="Here", anchor=anchor)
    if answer.status_code == 201:
        assert ("Review", "approve") not in trailers_of(press, press.heads[name])
        assert "\n" not in str(answer.json()["data"]["remarks"][-1]["anchor"])
    else:
        assert answer.status_code in (400, 409)


# -- merges that tell tales -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        "Approved-by: eva",
        "approved-by: eva",
        "Approved-by: rita\nApproved-by: eva",
        "Published-by: mia",
        "Acted-by: mia",
        "Draft: another",
        "Bypass: somebody said so",
        "Approved-by:\n eva",
        "Signed-off-by: Pia <pia@example.org>\nAPPROVED-BY: eva\n(cherry picked from commit 1)\nfree text",
    ],
)
def test_a_merge_by_hand_tells_nothing_that_is_not_so(press: Press, lines: str) -> None:
    name = "tales"
    if name not in press.heads:
        press.draft(name)
    pia, before = press.hand("pia"), press.main
    merged = pia.merged(press.heads[name])
    made = pia.commit_tree(pia.tree_of(merged), [press.main, press.heads[name]], f"Merge\n\n{lines}")
    assert "which is not so" in pia.push(f"{made}:{MAIN}").remarks
    assert press.main == before


def test_a_verdict_from_the_future_or_the_past_is_one_of_the_day_it_came(press: Press) -> None:
    press.draft("dated", approve="")
    rita = press.hand("rita")
    for years in (-30, 60):
        at = datetime.now(UTC) + timedelta(days=365 * years)
        rita.must_push("dated", rita.commit({}, [press.heads["dated"]], "Fine", trailers=[APPROVE], at=at))
    rita.must_push("dated", rita.commit({}, [press.heads["dated"]], "No", trailers=[("Review", "changes")]))
    assert [remark.person for remark in press.state("dated").blocking] == ["rita"]
    press.refuses("dated")
