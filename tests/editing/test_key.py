"""The server's key is exchanged: what the old one signed in its time stays, and what it signs afterwards is nobody's word."""

import shutil

from cms.pushlog import Move
from cms.rawobjects import Ident
from cms.refs import CommitId, draft_ref
from cms.serverkey import ServerKey
from cms.workflow.outcome import Status
from cms.workflow.verdicts import approve
from cms.workflow.writing import start_draft, write_entry
from cms.writer import Writer
from tests.editing.tools import Newsroom, post


def begin(room: Newsroom) -> None:
    """A draft with one changed post."""
    start_draft(room.flow, room.who("ola"), "x", now=room.tick())
    write_entry(room.flow, room.who("ola"), "x", post("a"), {"title": "New"}, now=room.tick())


def steal(room: Newsroom) -> ServerKey:
    """A copy of the key as it is now."""
    thief = room.path / "thief"
    shutil.copytree(room.office.folder, thief)
    return ServerKey.load_or_create(thief)


def forge(room: Newsroom, key: ServerKey) -> None:
    """An approval in Eva's name, signed with *key* and pushed by the author."""
    flow, head = room.flow, room.state("x").head
    server = Ident(name="Branchpress", email=flow.server_email, at=room.tick())
    commit: CommitId = Writer(room.site.store, signer=key).write_commit(
        tree=flow.tree_of(head),
        parents=[head],
        author=Ident(name="Eva Dahl", email="eva@example.org", at=room.now),
        committer=server,
        message="Reads well\n\nReview: approve\nDraft: x\nActed-by: eva\n",
    )
    flow.record(room.who("ola", "git"), "push", [Move(draft_ref("x"), head, commit)], now=room.tick())


def test_what_the_old_key_signed_in_its_time_counts_after_it_was_replaced(room: Newsroom) -> None:
    begin(room)
    approve(room.flow, room.who("eva"), "x", expected=None, now=room.tick())
    room.office.log.rotate(room.flow.writer, person="mia", via="shell", at=room.tick())
    assert room.state("x").status is Status.APPROVED


def test_a_stolen_key_that_was_replaced_speaks_for_nobody(room: Newsroom) -> None:
    begin(room)
    stolen = steal(room)
    room.office.log.rotate(room.flow.writer, person="mia", via="shell", at=room.tick())
    forge(room, stolen)
    state = room.state("x")
    assert (state.status, state.entries[0].approvals) == (Status.DRAFT, ())
    assert not state.remarks[-1].counts
