"""What can be proven from a clone, and what cannot: every ground, and everything that somebody may have tampered with."""

import random
from collections.abc import Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key

from cms.errors import InvalidSettings
from cms.people import read_policy
from cms.proof import AllowedSigners, EntryProof, Ground, Prover, Report, Standing, read_allowed_signers
from cms.proof.origins import find_moves, find_origins
from cms.proof.replay import Replayer
from cms.proof.trail import Trail
from cms.pushlog import PushLog
from cms.refs import PUSH_LOG, BlobId, CommitId
from cms.serverkey import ServerKey
from cms.store import Store
from cms.workflow.gather import Gatherer
from cms.workflow.state import EntryState, fold
from tests.keys import SSHKey, run
from tests.newsroom import MAIN, PEOPLE, A, B, Newsroom, PersonKey, people_toml, post, stop_syncing

DIRECT = "[[rules]]\napprovals = 0\n"
TWO = "[[rules]]\napprovals = 2\n"


@pytest.fixture(autouse=True)
def hasty_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    stop_syncing(monkeypatch)


@pytest.fixture
def room(tmp_path: Path) -> Newsroom:
    return Newsroom(tmp_path)


def prove(room: Newsroom, commit: CommitId | None = None, *, signers: AllowedSigners | None = None) -> Report:
    store = Store.open(room.repo.path)
    prover = Prover(store, MAIN, PushLog(store), signers=signers)
    try:
        return prover.prove(commit)
    finally:
        prover.close()


def entry(report: Report, path: str = A) -> EntryProof:
    return next(proof for proof in report.entries if proof.path == path)


def grounds(proof: EntryProof) -> tuple[str, str, str]:
    """How it is known who published, who wrote and who approved: the first of each."""
    assert proof.publication is not None
    return proof.publication.act.ground, proof.writers[0].ground, proof.approvals[0].ground


def signers_of(room: Newsroom, *lines: str, server: bool = False) -> AllowedSigners:
    people = [f"{id}@example.org {key.public_key}" for id, key in room.keys.items()]
    extra = [f"server {room.server.public_key}"] if server else []
    return read_allowed_signers("\n".join([*people, *extra, *lines]), path="allowed")


def drop_log(room: Newsroom) -> None:
    room.repo.git("update-ref", "-d", PUSH_LOG)


# -- grounds ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "ground"), [("signed", Ground.SIGNED), ("server", Ground.SERVER), ("pushed", Ground.LOG)]
)
def test_each_ground_is_told_apart_and_suffices(room: Newsroom, how: str, ground: Ground) -> None:
    room.write("easter", {A: post("New")}, how=how)
    room.say("easter", "approve", how=how)
    room.publish("easter")
    report = prove(room)
    proof = entry(report)
    assert grounds(proof) == (Ground.SERVER, ground, ground)
    assert [act.person for act in (*proof.writers, *proof.approvals)] == ["ola", "kari"]
    assert (proof.standing, proof.is_signed) == (Standing.APPROVED, ground is Ground.SIGNED)
    assert report.is_proven


def test_what_only_a_commit_says_does_not_suffice(room: Newsroom) -> None:
    room.write("easter", {A: post("New")}, how="claimed")
    room.say("easter", "approve", how="claimed")
    room.publish("easter")
    report = prove(room)
    proof = entry(report)
    assert (proof.standing, proof.approvals[0].ground) == (Standing.UNAPPROVED, Ground.CLAIMED)
    assert proof.why == "the rules asked for 1 approval, and 0 approvals can be shown"
    assert (proof.approvals[0].person, proof.approvals[0].name) == (None, "Kari Nordmann")
    assert "nobody vouches for it" in proof.approvals[0].why_not
    assert not report.is_proven


def test_the_publication_is_the_merge_that_brought_these_bytes(room: Newsroom) -> None:
    for number in range(3):
        room.write(f"d{number}", {A: post(f"New {number}")})
        room.say(f"d{number}", "approve")
        merge = room.publish(f"d{number}")
    room.write("other", {B: post("B")})
    room.say("other", "approve")
    room.publish("other")
    proof = entry(prove(room))
    assert proof.publication is not None
    assert (proof.publication.commit, proof.publication.draft) == (merge, "d2")
    assert proof.publication.entry is not None
    assert proof.publication.entry.act == "publish"


def test_an_older_commit_is_proven_as_it_was(room: Newsroom) -> None:
    room.write("one", {A: post("One")})
    room.say("one", "approve")
    first = room.publish("one")
    room.write("two", {A: post("Two")}, how="claimed")
    room.publish("two")
    assert not prove(room).is_proven
    report = prove(room, first)
    assert report.is_proven
    assert report.commit == entry(report).origin == first


def test_imported_history_is_told_as_such_and_is_no_fault(room: Newsroom) -> None:
    side = room.commit({B: post("B")}, [room.main], "Side", by="ola", how="claimed")
    merge = room.commit({B: post("B")}, [room.main, side], "Merge branch 'topic'", by="ola", how="claimed")
    room.repo.git("update-ref", MAIN, merge)
    report = prove(room)
    assert {proof.standing for proof in report.entries} == {Standing.IMPORTED}
    assert entry(report, B).origin == merge
    assert report.is_proven


def test_what_went_past_the_workflow_after_it_began_is_a_fault(room: Newsroom) -> None:
    room.write("easter", {B: post("B")})
    room.say("easter", "approve")
    room.publish("easter")
    straight = room.put_on_main({A: post("Straight")})
    report = prove(room)
    assert (entry(report).standing, entry(report).origin) == (Standing.PAST_THE_WORKFLOW, straight)
    assert "put it on main directly" in entry(report).why
    assert entry(report, B).standing is Standing.APPROVED
    assert not report.is_proven


def test_a_bypass_is_named_with_its_reason(room: Newsroom) -> None:
    room.write("easter", {A: post("New")})
    room.publish("easter", by="eva", bypass="The court says so")
    report = prove(room)
    assert entry(report).standing is Standing.BYPASSED
    assert entry(report).why == "Eva Lie published it without the approvals: The court says so"
    assert not report.is_proven


def test_an_editor_who_merged_by_hand_is_known_by_her_signature(room: Newsroom) -> None:
    room.write("easter", {A: post("New")})
    room.say("easter", "approve")
    room.publish("easter", by="eva", how="signed")
    proof = entry(prove(room))
    assert proof.publication is not None
    act = proof.publication.act
    assert (act.person, act.ground, act.is_logged) == ("eva", Ground.SIGNED, True)
    assert proof.standing is Standing.APPROVED


def test_who_published_is_told_by_the_log_when_it_disagrees_with_the_merge(room: Newsroom) -> None:
    room.write("easter", {A: post("New")})
    room.say("easter", "approve")
    room.publish("easter", by="eva", named="kari")
    proof = entry(prove(room))
    assert proof.publication is not None
    assert (proof.publication.act.person, proof.publication.act.ground) == ("eva", Ground.LOG)


def test_where_no_approval_is_needed_somebody_must_vouch_for_who_published(tmp_path: Path) -> None:
    room = Newsroom(tmp_path, rules=DIRECT)
    for draft, path, how in (("one", A, "claimed"), ("two", B, "signed")):
        room.write(draft, {path: post(draft)})
        room.publish(draft, how=how)
    report = prove(room)
    assert entry(report).why == "the rule asks for no approval, and nobody vouches for who published it"
    assert (entry(report, B).standing, entry(report, B).is_signed) == (Standing.APPROVED, True)


# -- the rules -------------------------------------------------------------------------------------------------------------


def test_the_rules_are_those_of_the_time_of_the_publication(tmp_path: Path) -> None:
    room = Newsroom(tmp_path, rules=DIRECT)
    room.write("easter", {A: post("New")})
    room.publish("easter")
    keys = {id: key.public_key for id, key in room.keys.items()}
    room.write("stricter", {"cms.toml": people_toml(keys, TWO)})
    for who in ("kari", "eva"):
        room.say("stricter", "approve", by=who)
    room.publish("stricter", by="eva")
    room.write("may", {B: post("B")})
    room.say("may", "approve")
    room.publish("may")
    report = prove(room)
    assert entry(report).standing is Standing.APPROVED
    assert entry(report, "cms.toml").standing is Standing.APPROVED
    assert entry(report, B).why == "the rules asked for 2 approvals, and 1 approval can be shown"


def test_an_author_does_not_approve(room: Newsroom) -> None:
    room.write("easter", {A: post("New")}, by="kari")
    room.say("easter", "approve", by="kari")
    room.publish("easter", by="eva")
    proof = entry(prove(room))
    assert proof.standing is Standing.UNAPPROVED
    assert "Kari Nordmann had a hand in" in proof.approvals[0].why_not


def test_who_pushed_it_is_an_author_whatever_the_commit_says(room: Newsroom) -> None:
    head = room.commit({A: post("New")}, [room.main], "Write", by="ola", how="claimed")
    room.push("easter", head, by="kari")
    room.say("easter", "approve", by="kari")
    room.publish("easter", by="eva")
    proof = entry(prove(room))
    assert proof.standing is Standing.UNAPPROVED
    assert [(act.person, act.claimed) for act in proof.writers] == [("kari", "Ola Hansen")]


def test_an_approval_of_other_bytes_is_none(room: Newsroom) -> None:
    room.write("easter", {A: post("New")})
    room.say("easter", "approve")
    room.write("easter", {A: post("Newer")})
    room.publish("easter")
    proof = entry(prove(room))
    assert proof.approvals == ()
    assert proof.why.endswith("0 approvals can be shown; kari approved other bytes of it")


def test_an_approval_of_the_same_bytes_stands_when_other_files_change_after_it(room: Newsroom) -> None:
    room.write("easter", {A: post("New")})
    room.say("easter", "approve")
    room.write("easter", {B: post("B")})
    room.publish("easter")
    report = prove(room)
    assert entry(report).standing is Standing.APPROVED
    assert entry(report, B).standing is Standing.UNAPPROVED


def test_an_approval_that_was_taken_back_is_shown_and_does_not_count(room: Newsroom) -> None:
    room.write("easter", {A: post("New")})
    room.say("easter", "approve")
    room.say("easter", "withdraw")
    room.publish("easter")
    proof = entry(prove(room))
    assert [(act.counts, act.why_not) for act in proof.approvals] == [(False, "Kari Nordmann withdrew it")]
    assert proof.standing is Standing.UNAPPROVED


def test_publishing_over_an_open_request_for_changes_is_a_fault(room: Newsroom) -> None:
    room.write("easter", {A: post("New")})
    room.say("easter", "approve", by="eva")
    room.say("easter", "changes", by="kari", message="Not yet")
    room.publish("easter", by="eva")
    assert entry(prove(room)).why == "it was published while Kari Nordmann asked for changes"


def test_publishing_without_the_role_is_a_fault(room: Newsroom) -> None:
    room.write("easter", {A: post("New")}, by="eva")
    room.say("easter", "approve")
    room.publish("easter", by="ola")
    assert entry(prove(room)).why == "Ola Hansen published it, but Ola Hansen is no publisher"


def test_what_a_merge_slipped_in_was_approved_by_nobody(room: Newsroom) -> None:
    room.write("easter", {A: post("New")})
    room.say("easter", "approve")
    room.publish("easter", extra={B: post("Slipped in")})
    report = prove(room)
    assert entry(report).standing is Standing.APPROVED
    assert (entry(report, B).standing, entry(report, B).approvals) == (Standing.UNAPPROVED, ())


def loosen(room: Newsroom) -> CommitId:
    """Change the rules on the published branch itself, so that nobody needs to approve anything."""
    keys = {id: key.public_key for id, key in room.keys.items()}
    room.write("first", {A: post("A")})
    room.say("first", "approve")
    room.publish("first")
    return room.put_on_main({"cms.toml": people_toml(keys, DIRECT)})


def change_rules(room: Newsroom, name: str, rules: str, *approvers: str) -> None:
    keys = {id: key.public_key for id, key in room.keys.items()}
    room.write(name, {"cms.toml": people_toml(keys, rules)})
    for who in approvers:
        room.say(name, "approve", by=who)
    room.publish(name, by="eva")


def publish_with_two(room: Newsroom, draft: str, path: str) -> None:
    room.write(draft, {path: post(draft)})
    for who in ("kari", "eva"):
        room.say(draft, "approve", by=who)
    room.publish(draft)


def test_what_was_published_while_the_rules_were_loosened_past_the_workflow_is_not_proven(room: Newsroom) -> None:
    step = loosen(room)
    publish_with_two(room, "easter", B)
    room.put_on_main({"cms.toml": room.policy_files["cms.toml"]})
    publish_with_two(room, "may", "content/posts/c.md")
    report = prove(room)
    assert f"cannot be relied on: cms.toml was changed by {step[:10]} past the workflow" in entry(report, B).why
    assert [entry(report, path).standing for path in (A, "content/posts/c.md")] == [Standing.APPROVED] * 2


def test_doubtful_rules_are_not_mended_by_what_only_they_allow(room: Newsroom) -> None:
    loosen(room)
    change_rules(room, "mine", TWO)
    publish_with_two(room, "easter", B)
    assert "cannot be relied on: cms.toml was changed by" in entry(prove(room), B).why


def test_doubtful_rules_are_mended_by_the_approvals_that_the_last_good_ones_ask_for(room: Newsroom) -> None:
    loosen(room)
    change_rules(room, "good", TWO, "eva")
    publish_with_two(room, "easter", B)
    assert entry(prove(room), B).standing is Standing.APPROVED


def test_rules_that_a_publication_changed_without_approval_are_doubtful_too(room: Newsroom) -> None:
    change_rules(room, "loose", DIRECT)
    room.write("easter", {A: post("New")})
    room.publish("easter")
    assert "cms.toml was changed by" in entry(prove(room)).why
    assert "without approval: the rules asked for 1 approval, one of them by a maintainer" in entry(prove(room)).why


def test_rules_that_came_by_a_bypass_are_noted(room: Newsroom) -> None:
    keys = {id: key.public_key for id, key in room.keys.items()}
    room.write("loose", {"cms.toml": people_toml(keys, DIRECT)})
    room.publish("loose", by="eva", bypass="Nobody is here")
    room.write("one", {A: post("One")})
    room.publish("one", by="kari")
    report = prove(room)
    assert entry(report).standing is Standing.APPROVED
    assert any(
        "the rules were changed by a bypass: cms.toml in" in note and "Nobody is here" in note for note in report.notes
    )


# -- tampering with signatures ---------------------------------------------------------------------------------------------


def test_a_valid_signature_of_mallory_on_an_approval_that_names_kari_is_not_karis(room: Newsroom) -> None:
    room.write("easter", {A: post("New")})
    room.say("easter", "approve", by="kari", how="claimed", key=PersonKey())
    room.publish("easter")
    proof = entry(prove(room))
    assert proof.standing is Standing.UNAPPROVED
    assert (proof.approvals[0].person, proof.approvals[0].ground) == (None, Ground.CLAIMED)


def test_the_signature_of_one_person_on_an_approval_that_names_another_counts_for_nobody(room: Newsroom) -> None:
    room.write("easter", {A: post("New")})
    room.say("easter", "approve", by="kari", how="claimed", key=room.keys["ola"])
    room.publish("easter")
    proof = entry(prove(room))
    assert proof.standing is Standing.UNAPPROVED
    assert proof.approvals[0].person is None
    assert "Ola Hansen signed it, but it names Kari Nordmann" in proof.approvals[0].why_not


def test_an_acted_by_that_the_server_did_not_sign_says_nothing(room: Newsroom) -> None:
    room.write("easter", {A: post("New")})
    forged = [("Draft", "easter"), ("Acted-by", "kari")]
    room.say("easter", "approve", by="ola", trailers=forged)
    room.say("easter", "approve", by="kari", how="claimed", trailers=forged)
    room.publish("easter")
    proof = entry(prove(room))
    assert proof.standing is Standing.UNAPPROVED
    assert [(act.person, act.counts) for act in proof.approvals] == [("ola", False), (None, False)]


def test_a_signature_copied_to_another_commit_says_nothing(room: Newsroom) -> None:
    room.write("one", {B: post("B")})
    signed = room.repo.git("cat-file", "commit", room.say("one", "approve"))
    head = room.write("two", {A: post("New")})
    lines = signed.splitlines()
    tree = room.store.commit(head).tree
    copied = "\n".join([f"tree {tree}", f"parent {head}", *lines[2:]]) + "\n"
    made = room.repo.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=copied.encode())
    room.push("two", CommitId(made), by="kari", how="claimed")
    room.publish("two")
    assert entry(prove(room)).standing is Standing.UNAPPROVED


def test_an_approval_that_was_given_on_another_draft_is_not_one_of_this(room: Newsroom) -> None:
    room.write("one", {A: post("New")})
    approval = room.say("one", "approve", how="server")
    room.push("two", approval, by="ola")
    room.publish("two")
    proof = entry(prove(room))
    assert proof.standing is Standing.UNAPPROVED
    assert "it is about the draft 'one'" in proof.approvals[0].why_not


def test_a_signed_approval_that_names_no_draft_counts_only_where_it_was_given(room: Newsroom) -> None:
    room.write("one", {A: post("New")})
    room.say("one", "approve", how="signed")
    later = room.write("one", {B: post("B")})
    room.push("two", later, by="ola")
    room.publish("two")
    proof = entry(prove(room))
    assert proof.standing is Standing.UNAPPROVED
    assert "it was given on the draft 'one'" in proof.approvals[0].why_not


@pytest.mark.parametrize("is_published_too", [False, True])
def test_an_approval_that_came_to_another_draft_with_something_newer_on_top_is_not_one_of_this(
    room: Newsroom, is_published_too: bool
) -> None:
    written = room.commit({A: post("New")}, [room.main], "Write", by="ola", how="signed")
    approval = room.commit({}, [written], "Fine", by="kari", how="signed", trailers=[("Review", "approve")])
    newer = room.commit({B: post("B")}, [approval], "More", by="ola", how="signed")
    room.push("one", newer, by="ola")
    room.push("two", approval, by="ola")
    room.publish("two")
    if is_published_too:
        room.publish("one")
    proof = entry(prove(room))
    assert proof.standing is Standing.UNAPPROVED
    assert "it was given on the draft 'one'" in proof.approvals[0].why_not


# -- tampering with the server's word --------------------------------------------------------------------------------------


def test_without_the_log_what_people_pushed_is_not_proven_and_the_command_to_get_it_is_told(room: Newsroom) -> None:
    room.write("easter", {A: post("New")}, how="pushed")
    room.say("easter", "approve", how="pushed")
    room.publish("easter")
    drop_log(room)
    report = prove(room)
    assert entry(report).standing is Standing.UNAPPROVED
    assert report.log_entries is None
    assert any(note.endswith("git fetch origin refs/cms/log:refs/cms/log") for note in report.notes)


def test_without_the_log_signatures_still_prove_and_the_server_key_vouches_for_itself(room: Newsroom) -> None:
    room.write("easter", {A: post("New")})
    room.say("easter", "approve")
    room.publish("easter")
    room.write("may", {B: post("B")}, how="server")
    room.say("may", "approve", how="server")
    room.publish("may")
    drop_log(room)
    report = prove(room)
    assert [entry(report, path).is_signed for path in (A, B)] == [True, False]
    assert report.is_proven
    assert [trust.is_trusted for trust in report.server_keys] == [False]


def test_without_the_log_a_second_key_in_the_servers_name_is_a_problem(room: Newsroom, tmp_path: Path) -> None:
    room.write("easter", {A: post("New")}, how="server")
    room.say("easter", "approve", how="server")
    room.publish("easter")
    mallory = ServerKey.load_or_create(tmp_path / "mallory")
    room.server = mallory
    room.has_log = False
    room.write("may", {B: post("B")}, how="server")
    room.say("may", "approve", how="server")
    room.publish("may")
    with_log = prove(room)
    assert entry(with_log, B).standing is Standing.UNAPPROVED
    assert entry(with_log).standing is Standing.APPROVED
    drop_log(room)
    report = prove(room)
    assert "2 keys sign publications in the server's name" in report.problems[0]
    assert not report.is_proven


def test_a_log_entry_that_was_altered_vouches_for_nobody(room: Newsroom) -> None:
    room.write("easter", {A: post("New")})
    made = room.commit(
        {}, [room.heads["easter"]], "Approve", by="kari", how="claimed", trailers=[("Review", "approve")]
    )
    room.push("easter", made, by="ola", how="pushed")
    raw = room.repo.git("cat-file", "commit", PUSH_LOG)
    forged = raw.replace("Acted-by: ola", "Acted-by: kari").replace("by ola", "by kari") + "\n"
    room.repo.git(
        "update-ref", PUSH_LOG, room.repo.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=forged.encode())
    )
    room.publish("easter")
    proof = entry(prove(room))
    assert proof.standing is Standing.UNAPPROVED
    assert proof.approvals[0].person is None


def test_a_log_cut_off_at_the_front_is_a_problem(room: Newsroom) -> None:
    room.write("easter", {A: post("New")}, how="pushed")
    room.say("easter", "approve", how="pushed")
    room.publish("easter")
    tip = room.repo.git("cat-file", "commit", PUSH_LOG)
    orphan = "\n".join(line for line in tip.split("\n") if not line.startswith("parent ")) + "\n"
    made = room.repo.git("hash-object", "-t", "commit", "-w", "--stdin", stdin=orphan.encode())
    room.repo.git("update-ref", PUSH_LOG, made)
    report = prove(room)
    assert entry(report).standing is Standing.UNAPPROVED
    assert "does not begin with an entry that names the key" in report.problems[0]


def test_a_published_branch_that_was_taken_back_is_a_problem(room: Newsroom) -> None:
    first = room.main
    for name in ("one", "two"):
        room.write(name, {A: post(name)})
        room.say(name, "approve")
        room.publish(name)
    assert prove(room, first).problems == prove(room).problems == ()
    room.repo.git("update-ref", MAIN, first)
    assert prove(room, first).problems == ()
    assert (
        "2 publications of which the push log tells are not in this history, the first by kari"
        in prove(room).problems[0]
    )
    rewritten = room.commit({B: post("B")}, [first], "Rewritten", by="ola", how="claimed")
    assert not prove(room, rewritten).is_proven


def test_one_publication_that_the_log_tells_of_may_not_have_happened(room: Newsroom) -> None:
    room.write("easter", {A: post("New")})
    room.say("easter", "approve")
    before = room.main
    room.publish("easter")
    room.repo.git("update-ref", MAIN, before)
    assert prove(room).is_proven


def test_old_publications_stay_provable_after_the_servers_key_was_rotated(room: Newsroom) -> None:
    room.write("easter", {A: post("New")}, how="server")
    room.say("easter", "approve", how="server")
    room.publish("easter")
    old = room.server.public_key
    room.rotate()
    room.write("may", {B: post("B")}, how="server")
    room.say("may", "approve", how="server")
    room.publish("may")
    report = prove(room, signers=signers_of(room, server=True))
    assert report.is_proven
    assert [trust.is_trusted for trust in report.server_keys] == [True, True]
    assert old != room.server.public_key
    earlier = signers_of(room, f"server {old}")
    assert [trust.is_trusted for trust in prove(room, signers=earlier).server_keys] == [True, True]


def test_what_a_key_signs_after_it_was_replaced_is_not_the_servers(room: Newsroom, tmp_path: Path) -> None:
    room.write("easter", {A: post("New")}, how="server")
    stolen = tmp_path / "stolen"
    stolen.mkdir()
    (stolen / "server_key").write_bytes((room.state / "server_key").read_bytes())
    (stolen / "server_key").chmod(0o600)
    room.rotate()
    key = PersonKey(load_private(stolen / "server_key"))
    acted = [("Draft", "easter"), ("Acted-by", "kari")]
    room.say("easter", "approve", by="ola", how="pushed", key=key, trailers=acted)
    room.publish("easter")
    proof = entry(prove(room))
    assert proof.standing is Standing.UNAPPROVED
    assert [act.ground for act in (*proof.writers, *proof.approvals)] == [Ground.SERVER, Ground.LOG]


def load_private(path: Path) -> Ed25519PrivateKey:
    key = load_ssh_private_key(path.read_bytes(), None)
    assert isinstance(key, Ed25519PrivateKey)
    return key


# -- whose keys ------------------------------------------------------------------------------------------------------------


def test_a_file_of_allowed_signers_counts_instead_of_the_keys_in_the_repository(room: Newsroom) -> None:
    room.write("easter", {A: post("New")})
    room.say("easter", "approve")
    room.publish("easter")
    room.has_log = False
    without_kari = read_allowed_signers(f"ola@example.org {room.keys['ola'].public_key}\n", path="allowed")
    drop_log(room)
    assert entry(prove(room, signers=signers_of(room))).is_signed
    proof = entry(prove(room, signers=without_kari))
    assert (proof.standing, proof.approvals[0].ground) == (Standing.UNAPPROVED, Ground.CLAIMED)


def test_the_servers_key_is_trusted_when_the_file_names_it(room: Newsroom) -> None:
    room.write("easter", {A: post("New")}, how="server")
    room.say("easter", "approve", how="server")
    room.publish("easter")
    known, unknown = (prove(room, signers=signers_of(room, server=is_known)) for is_known in (True, False))
    assert [trust.is_trusted for trust in (*known.server_keys, *unknown.server_keys)] == [True, False]
    assert any("vouches for itself" in note for note in unknown.notes)
    assert not any("vouches for itself" in note for note in known.notes)
    assert known.is_proven


def test_a_key_counts_only_in_its_time(room: Newsroom) -> None:
    room.write("easter", {A: post("New")})
    room.say("easter", "approve")
    room.publish("easter")
    drop_log(room)
    key = room.keys["kari"].public_key
    for option, counts in (("valid-before", False), ("valid-after", True)):
        text = f'kari@example.org {option}="20260401Z" {key}\n'
        proof = entry(prove(room, signers=read_allowed_signers(text, path="allowed")))
        assert (proof.standing is Standing.APPROVED) is counts


def test_a_key_that_was_replaced_in_cms_toml_still_proves_what_it_signed(room: Newsroom) -> None:
    room.write("easter", {A: post("New")})
    room.say("easter", "approve")
    room.publish("easter")
    keys = {id: (PersonKey() if id == "kari" else key).public_key for id, key in room.keys.items()}
    room.write("keys", {"cms.toml": people_toml(keys)}, by="ola")
    room.say("keys", "approve", by="eva")
    room.publish("keys", by="eva")
    assert entry(prove(room)).is_signed


def test_a_key_that_is_somebody_elses_now_proves_nothing_for_who_had_it(room: Newsroom) -> None:
    room.write("easter", {A: post("New")})
    room.say("easter", "approve", by="eva")
    room.publish("easter")
    assert entry(prove(room)).is_signed
    keys = {id: key.public_key for id, key in room.keys.items() if id != "eva"}
    room.write("keys", {"cms.toml": people_toml({**keys, "kari": room.keys["eva"].public_key})})
    room.publish("keys", by="eva")
    proof = entry(prove(room))
    assert (proof.standing, proof.approvals[0].person) == (Standing.UNAPPROVED, None)


def test_a_policy_that_cannot_be_read_is_a_problem_of_the_whole(room: Newsroom) -> None:
    room.write("easter", {"cms.toml": b"[people"}, how="server")
    room.publish("easter", by="eva", bypass="An accident")
    room.write("may", {B: post("B")}, how="server")
    room.publish("may")
    report = prove(room)
    assert "the people in cms.toml cannot be read" in report.problems[0]
    assert "the rules of that time cannot be read" in entry(report, B).why


# -- the same judgement ----------------------------------------------------------------------------------------------------


def do_something(room: Newsroom, chance: random.Random) -> None:
    """One thing that anybody may do to one of two drafts."""
    draft = chance.choice(["one", "two"])
    how = chance.choice(["signed", "signed", "pushed", "server", "server", "claimed"])
    files = {chance.choice([A, B, "cms.local", "content/posts/c.md"]): post(chance.choice("xyz"))}
    what = chance.choice(["write", "write", "approve", "approve", "approve", "changes", "withdraw", "other"])
    is_written = what == "write" or draft not in room.heads
    who = chance.choice(["ola", "ola", "ola", *PEOPLE] if is_written else ["kari", "eva", *PEOPLE])
    if is_written:
        room.write(draft, files, by=who, how=how, author=chance.choice(["", "", "", "kari"]))
    elif what == "other" and len(room.heads) == 2:  # bring the other draft's commits into this one
        other = room.heads["two" if draft == "one" else "one"]
        parents = [room.heads[draft], other]
        room.push(draft, room.commit(files, parents, "Merge", by=who, how="signed"), by=who)
    elif what != "other":
        room.say(draft, what, by=who, how=how)


Judgement = Mapping[str, tuple[object, ...]]


def as_judged(entries: Iterable[EntryState]) -> Judgement:
    return {each.path: (each.blob, each.approvals, each.needed, each.lapsed, each.is_satisfied) for each in entries}


@pytest.mark.parametrize("seed", range(4))
def test_a_publication_is_judged_afterwards_as_the_server_judges_it_before(tmp_path: Path, seed: int) -> None:
    room, chance = Newsroom(tmp_path, rules=chance_of_rules(seed)), random.Random(seed)
    gatherer, before = Gatherer(room.store, MAIN, log=room.log), {}
    for _ in range(20):
        do_something(room, chance)
        draft = chance.choice(["one", "two", "", "", "", ""])
        if draft in room.heads and room.store.diff(room.main, room.heads[draft]):
            policy = read_policy(room.store.read_blob(room.store.find_blob(room.main, "cms.toml") or BlobId("")))
            facts = gatherer.gather(draft, room.heads[draft], room.main)
            state = fold(facts, policy, room.now)
            if not state.clashes:
                merge = room.publish(draft, by="eva", how=chance.choice(["server", "signed"]))
                before[merge] = as_judged(state.entries), len(state.blocking)
    assert before
    assert replayed(room) == {merge: before[merge] for merge in replayed(room)}


def chance_of_rules(seed: int) -> str:
    return ["", TWO, "[[rules]]\nauthors_may_approve = true\n", '[[rules]]\nby = ["eva"]\n'][seed % 4]


def replayed(room: Newsroom) -> dict[CommitId, tuple[Judgement, int]]:
    """Every publication of something that is live, judged again."""
    policy = read_policy(room.store.read_blob(room.store.find_blob(room.main, "cms.toml") or BlobId("")))
    origins = find_origins(room.store, room.main, find_moves(room.log, MAIN))
    with closing(
        Replayer(room.store, policy, signers=None, trail=Trail(room.log), server_keys=room.log.server_keys())
    ) as replayer:
        states = {merge: replayer.replay(origins, merge).state for merge in origins.publications}
    return {merge: (as_judged(state.entries), len(state.blocking)) for merge, state in states.items()}


# -- the prover ------------------------------------------------------------------------------------------------------------


def test_a_prover_follows_the_branch_and_says_what_a_new_one_says(room: Newsroom) -> None:
    prover = Prover(room.store, MAIN, room.log)
    assert prover.prove().is_proven
    for number in range(4):
        room.write(
            f"d{number}",
            {A: post(f"{number}"), f"content/posts/p{number}.md": post("P"), B: None if number == 2 else post("B")},
        )
        room.say(f"d{number}", "approve", how="server")
        room.publish(f"d{number}")
        assert prover.prove() == prove(room)
    assert prover.entry_proof(room.main, A) == entry(prove(room))
    assert prover.entry_proof(room.main, "content/posts/none.md") is None
    prover.close()


def test_a_renamed_file_was_brought_by_the_publication_that_renamed_it(room: Newsroom) -> None:
    room.write("easter", {A: None, B: post("Old")})
    room.say("easter", "approve")
    merge = room.publish("easter")
    proof = entry(prove(room), B)
    assert (proof.origin, proof.standing) == (merge, Standing.APPROVED)
    assert [act.person for act in proof.writers] == ["ola"]


def test_a_shallow_clone_says_that_it_is_one(room: Newsroom, tmp_path: Path) -> None:
    room.write("easter", {A: post("New")})
    room.say("easter", "approve")
    room.publish("easter")
    run("git", "clone", "-q", "--bare", "--depth=1", f"file://{room.repo.path}", str(tmp_path / "clone.git"))
    store = Store.open(tmp_path / "clone.git")
    report = Prover(store, MAIN, PushLog(store)).prove()
    assert any("this clone is shallow" in note for note in report.notes)
    assert {proof.standing for proof in report.entries} == {Standing.IMPORTED}


# -- the file of allowed signers -------------------------------------------------------------------------------------------


def openssh_accepts(folder: Path, text: str, principal: str, key: SSHKey, at: str) -> bool:
    (folder / "allowed").write_text(text)
    (folder / "signature").write_text(key.sign(b"x"))
    options = ["-Overify-time=" + at, "-n", "git", "-f", str(folder / "allowed"), "-s", str(folder / "signature")]
    try:
        run("ssh-keygen", "-Y", "verify", "-I", principal, *options, stdin=b"x")
    except AssertionError:
        return False
    return True


@pytest.mark.parametrize(
    ("line", "counts"),
    [
        ("kari@example.org {key} comment", True),
        ("ola@example.org,kari@example.org {key}", True),
        ("*@example.org {key}", True),
        ("*@example.org,!kari@example.org {key}", False),
        ("k?ri@example.org {key}", True),
        ('kari@example.org namespaces="git" {key}', True),
        ('kari@example.org namespaces="file,git" {key}', True),
        ('kari@example.org namespaces="file" {key}', False),
        ('kari@example.org valid-after="20260101Z" {key}', True),
        ('kari@example.org valid-after="20260601Z" {key}', False),
        ('kari@example.org valid-before="20260501Z",namespaces="git" {key}', True),
        ('kari@example.org valid-before="202603010000Z" {key}', False),
        ("# kari@example.org {key}", False),
        ("", False),
    ],
)
def test_the_file_is_read_as_openssh_reads_it(line: str, counts: bool, tmp_path: Path) -> None:
    key = SSHKey.make(tmp_path / "key")
    text = line.format(key=key.line) + "\n"
    signers = read_allowed_signers(text, path="allowed")
    at = datetime(2026, 4, 1, 12, 0, tzinfo=UTC)
    found = any(item.names("kari@example.org") and item.is_valid(at) for item in signers.keys)
    assert found == counts == openssh_accepts(tmp_path, text, "kari@example.org", key, at.strftime("%Y%m%d%H%M%SZ"))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("*@example.org cert-authority {key}", "1: cert-authority is not supported"),
        ("kari@example.org", "it is not 'principals"),
        ("kari@example.org {key0}", "it is not 'principals"),
        ("kari@example.org nonsense {key}", "'nonsense' is no option"),
        ('kari@example.org valid-after="soon" {key}', "'soon' is no moment"),
        ('kari@example.org valid-after="20261399" {key}', "'20261399' is no moment"),
        ('kari@example.org namespaces="git",namespaces="git" {key}', "stands there twice"),
        ("kari@example.org valid-after {key}", "needs a value"),
    ],
)
def test_a_line_that_cannot_be_meant_is_refused_with_its_number(line: str, message: str, tmp_path: Path) -> None:
    key = PersonKey().public_key
    with pytest.raises(InvalidSettings, match=message) as refused:
        read_allowed_signers(line.format(key=key, key0=key.split()[0]), path="allowed")
    assert refused.value.facts["line"] == 1


def test_a_key_that_stands_for_two_people_stands_for_nobody(room: Newsroom) -> None:
    room.write("easter", {A: post("New")})
    room.say("easter", "approve", by="eva")
    room.publish("easter")
    drop_log(room)
    for principals, counts in (("eva@example.org", True), ("*@example.org", False)):
        signers = read_allowed_signers(f"{principals} {room.keys['eva'].public_key}\n", path="allowed")
        assert (entry(prove(room, signers=signers)).standing is Standing.APPROVED) is counts


def test_a_key_that_cannot_be_checked_is_noted(room: Newsroom) -> None:
    line = "kari@example.org ssh-dss AAAAB3NzaC1kc3MAAACB"
    signers = read_allowed_signers(f"\n{line}\n", path="allowed")
    assert signers.ignored == ("allowed:2: its ssh-dss key is damaged, or of a kind that cannot be checked here",)
    assert prove(room, signers=signers).notes[0] == signers.ignored[0]
