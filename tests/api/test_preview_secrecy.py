"""The token of a preview stays with whoever has it: out of logs, of what browsers tell other sites, of caches and of refusals."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from cms.log import configure_log
from tests.api.newsdesk import Newsdesk, basic

READ = (
    "/",
    "/collections",
    "/entries/posts",
    "/entries/posts/a",
    "/search?q=text",
    "/suggest?q=ne",
    "/openapi.json",
    "/entries/posts/none",
)
WRONG = ("/entries/posts?filter[none]=1", "/entries/none", "/entries/posts?ref=main", "/entries/posts?at=2024-01-01", "/assets/none.png")  # fmt: skip


@pytest.fixture
def logged() -> Iterator[None]:
    """The log as a server writes it."""
    root = logging.root.handlers[:], logging.root.level
    configure_log("debug", is_json=True)
    yield
    logging.root.handlers[:], level = root
    logging.root.setLevel(level)


def shared(still: Newsdesk) -> str:
    return str(still.do("POST", "/drafts/x/previews", "ola")["token"])


def with_token(path: str, token: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}preview={token}"


@pytest.mark.usefixtures("logged")
def test_no_line_of_the_log_holds_a_token(still: Newsdesk, capsys: pytest.CaptureFixture[str]) -> None:
    token = shared(still)
    for path in (*READ, *WRONG):
        still.ask("GET", with_token(path, token))
        still.ask("GET", with_token(path, f"%63{token[1:]}"))
        logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', "::1", "GET", with_token(path, token), "1.1", 200)  # fmt: skip
    text = capsys.readouterr().err
    assert token[17:60] not in text
    assert f"preview={token[:17]}…" in text


@pytest.mark.parametrize("path", [*READ, *WRONG])
def test_browsers_tell_no_other_site_and_nobody_keeps_the_answer(still: Newsdesk, path: str) -> None:
    token = shared(still)
    for answer in (still.ask("GET", with_token(path, token)), still.ask("GET", path, secret=token)):
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert "no-store" in answer.headers["cache-control"]
        assert "public" not in answer.headers["cache-control"]


@pytest.mark.parametrize("path", WRONG)
def test_a_refusal_does_not_repeat_the_token(still: Newsdesk, path: str) -> None:
    token = shared(still)
    refused = still.ask("GET", with_token(path, token))
    assert refused.status_code >= 400
    assert token[17:60] not in refused.text + str(refused.headers)


@pytest.mark.parametrize("path", READ)
def test_an_answer_to_a_token_in_the_header_does_not_repeat_it(still: Newsdesk, path: str) -> None:
    token = shared(still)
    answer = still.ask("GET", path, secret=token)
    assert token[17:60] not in answer.text + str(answer.headers)


def test_a_preview_is_over_at_its_time(still: Newsdesk) -> None:
    shared(still)
    now, previews = datetime.now(UTC), still.accounts.previews
    life = previews.of("x")[0].life
    made = [previews.grant("x", life, "ola", now=now - timedelta(days=2), expires_at=now + end)[1] for end in (timedelta(minutes=5), -timedelta(seconds=1))]  # fmt: skip
    assert [still.ask("GET", with_token("/entries/posts", token)).status_code for token in made] == [200, 401]


def test_git_takes_no_token_of_a_preview(still: Newsdesk) -> None:
    token = shared(still)
    for name in ("ola", "x", "token"):
        asked = still.ask("GET", "/git/site.git/info/refs?service=git-upload-pack", Authorization=basic(name, token))
        assert asked.status_code == 401


def test_what_is_for_people_by_name_takes_no_token_in_the_address(still: Newsdesk) -> None:
    token = shared(still)
    for path in ("/drafts", "/drafts/x", "/drafts/x/diff", "/drafts/x/previews", "/me", "/tokens"):
        assert still.ask("GET", with_token(path, token)).status_code == 401, path
