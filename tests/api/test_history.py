"""``/history``: the proof of one entry, for those who may know who did what."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from cms.app import build_app
from cms.workflow.publishing import publish
from cms.workflow.undoing import unpublish
from cms.workflow.verdicts import approve
from cms.workflow.writing import rename_entry, start_draft, write_entry
from tests.editing.tools import Newsroom, post

PASSWORD = "a long enough password"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    newsroom = Newsroom(tmp_path)
    for person in ("ola", "mia"):
        newsroom.office.accounts.add_user(person, password=PASSWORD, now=newsroom.now)
    yield newsroom
    newsroom.site.close()


def ask(room: Newsroom, path: str, person: str = "ola") -> tuple[int, dict[str, object], str]:
    """(status, body, location) of what *person* asks for; an empty one does not sign in."""
    client = TestClient(build_app(room.site), follow_redirects=False)
    secret = base64.b64encode(f"{person}:{PASSWORD}".encode()).decode()
    headers = {"Authorization": f"Basic {secret}"} if person else {}
    answer = client.get(f"/api/v1{path}", headers=headers)
    return answer.status_code, answer.json() if answer.content else {}, answer.headers.get("location", "")


def bring(room: Newsroom, name: str) -> None:
    """Approve and publish."""
    approve(room.flow, room.who("eva"), name, expected=None, now=room.tick())
    publish(room.flow, room.who("pia"), name, now=room.tick())


def test_it_names_who_wrote_who_approved_and_who_published(room: Newsroom) -> None:
    start_draft(room.flow, room.who("ola"), "x", now=room.tick())
    write_entry(room.flow, room.who("ola"), "x", post("a"), {"title": "New"}, now=room.tick())
    bring(room, "x")
    status, body, _ = ask(room, "/history/posts/a")
    data = body["data"]
    assert status == 200
    assert isinstance(data, dict)
    assert (data["standing"], [act["person"] for act in data["writers"]]) == ("approved", ["ola"])
    assert [act["person"] for act in data["approvals"]] == ["eva"]
    assert data["publication"]["by"]["person"] == "pia"


def test_what_was_there_before_the_workflow_is_said_to_be_imported(room: Newsroom) -> None:
    status, body, _ = ask(room, "/history/posts/b")
    assert (status, body["data"]["standing"]) == (200, "imported")  # type: ignore[index]


def test_it_is_not_for_those_who_did_not_sign_in(room: Newsroom) -> None:
    assert ask(room, "/history/posts/a", "")[0] == 401


def test_a_renamed_entry_is_found_under_its_new_name_and_a_withdrawn_one_is_gone(room: Newsroom) -> None:
    start_draft(room.flow, room.who("ola"), "x", now=room.tick())
    rename_entry(room.flow, room.who("ola"), "x", post("a"), "alpha", now=room.tick())
    bring(room, "x")
    state = unpublish(room.flow, room.who("ola"), [post("b")], now=room.tick())
    bring(room, state.name)
    assert ask(room, "/history/posts/a")[::2] == (308, "/api/v1/history/posts/alpha")
    assert ask(room, "/history/posts/b")[0] == 410
    assert ask(room, "/history/posts/never")[0] == 404
