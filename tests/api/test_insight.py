"""What is told of files that nobody is shown: everything to those who may read drafts, nothing to anybody else."""

import re

import pytest

from tests.api.newsdesk import Newsdesk

BROKEN = {"posts/broken.md": "---\ntitle: A\ntitle: Secret\n---\n"}


def errors(desk: Newsdesk, by: str = "") -> tuple[int, int]:
    """Errors by ``/readyz`` and by ``/metrics``."""
    counted = re.search(r'cms_findings\{severity="error"\} (\d+)', desk.ask("GET", "/metrics", by).text)
    return desk.ask("GET", "/readyz", by).json()["errors"], int(counted[1]) if counted else -1


def test_a_file_that_is_not_served_is_named_to_those_who_may_read_drafts(desk: Newsdesk) -> None:
    desk.room.repo.commit(BROKEN)
    assert errors(desk, "ola") == (1, 1)
    (finding,) = desk.ask("GET", "/readyz", "ola").json()["findings"]
    assert finding["path"] == "posts/broken.md"


@pytest.mark.parametrize("by", ["", "rune", "gone"])
def test_nobody_else_learns_that_there_is_something_wrong(desk: Newsdesk, by: str) -> None:
    desk.ask("GET", "/search?q=text")  # so that the index is there
    before = desk.ask("GET", "/readyz", by).json()
    desk.room.repo.commit(BROKEN)
    assert errors(desk, by) == (0, 0)
    assert {**desk.ask("GET", "/readyz", by).json(), "commit": before["commit"]} == before


def test_why_a_commit_cannot_be_served_is_told_to_those_who_may_read_drafts(desk: Newsdesk) -> None:
    desk.room.repo.commit({"schemas/posts.yaml": "secret: ["})
    told, untold = (desk.ask("GET", "/readyz", by).json() for by in ("ola", ""))
    assert (told["status"], untold["status"]) == ("degraded", "degraded")
    assert "posts.yaml" in told["trouble"]["message"]
    assert untold["trouble"]["findings"] == []
    assert "posts.yaml" not in str(untold)


def test_a_token_that_is_narrowed_to_something_else_is_told_what_strangers_are(desk: Newsdesk) -> None:
    desk.room.repo.commit(BROKEN)
    answers = [desk.ask("GET", "/readyz", secret=desk.token("ola", scope)) for scope in ("draft.read", "draft.write")]
    assert [answer.json()["errors"] for answer in answers] == [1, 0]
