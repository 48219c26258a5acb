"""Previews: what their tokens open, for how long, and what they are bound to."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cms.auth import Accounts, Passwords, PreviewGrant
from cms.auth.database import FILE_NAME
from cms.auth.previews import KEY_FILE, LIVE_MOST, Previews
from cms.auth.secret import Kind, find_secret, hide_secrets, make_secret, sign_secret
from cms.errors import AccountsUnavailable, Conflict, DraftNotFound, Forbidden, InvalidQuery, NotFound, Unauthorised
from cms.permissions import Principal
from cms.workflow.sharing import list_previews, revoke_preview, share_draft
from cms.workflow.verdicts import comment
from cms.workflow.writing import close_draft, start_draft, write_entry
from tests.editing.tools import Newsroom, post
from tests.newsroom import stop_syncing

NOW = datetime(2026, 5, 17, 12, 0, tzinfo=UTC)
HOUR, DAY, SECOND = timedelta(hours=1), timedelta(days=1), timedelta(seconds=1)
HOME = "192.0.2.1"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting for the disk."""
    stop_syncing(monkeypatch)


@pytest.fixture
def accounts(tmp_path: Path) -> Iterator[Accounts]:
    """Accounts of two people."""
    opened = Accounts.open(tmp_path, passwords=Passwords(memory_kib=8, rounds=1))
    opened.add_user("kari", now=NOW)
    opened.add_user("ola", now=NOW)
    yield opened
    opened.close()


def grant(accounts: Accounts, draft: str = "x", person: str = "kari", **more: datetime) -> str:
    return accounts.previews.grant(draft, "1" * 40, person, now=more.pop("now", NOW), **more)[1]


def is_open(accounts: Accounts, token: str, now: datetime = NOW) -> bool:
    try:
        accounts.preview(token, now)
    except Unauthorised:
        return False
    return True


# -- the token ---------------------------------------------------------------------------------------------------------


def test_a_token_opens_its_draft_and_names_nobody_who_asks(accounts: Accounts) -> None:
    made, token = accounts.previews.grant("x", "1" * 40, "kari", now=NOW)
    assert accounts.preview(token, NOW) == PreviewGrant(draft="x", id=made.id, life="1" * 40, person="kari")


def test_a_token_is_good_for_a_day_unless_said_otherwise(accounts: Accounts) -> None:
    token, short = grant(accounts), grant(accounts, expires_at=NOW + HOUR)
    assert is_open(accounts, token, NOW + DAY - SECOND)
    assert not is_open(accounts, token, NOW + DAY)
    assert is_open(accounts, short, NOW + HOUR - SECOND)
    assert not is_open(accounts, short, NOW + HOUR)


@pytest.mark.parametrize("end", [NOW, NOW - SECOND, NOW + timedelta(days=30, seconds=1)])
def test_a_preview_ends_within_thirty_days(accounts: Accounts, end: datetime) -> None:
    with pytest.raises(InvalidQuery, match="30 days at most"):
        grant(accounts, expires_at=end)


def test_a_revoked_token_opens_nothing_and_others_go_on(accounts: Accounts) -> None:
    made, token = accounts.previews.grant("x", "1" * 40, "kari", now=NOW)
    other = grant(accounts)
    ended = accounts.previews.revoke("x", made.id, now=NOW + SECOND)
    assert ended.revoked_at == NOW + SECOND
    assert accounts.previews.revoke("x", made.id, now=NOW + HOUR) == ended
    assert (is_open(accounts, token), is_open(accounts, other)) == (False, True)


def test_a_preview_of_another_draft_cannot_be_revoked(accounts: Accounts) -> None:
    made, token = accounts.previews.grant("x", "1" * 40, "kari", now=NOW)
    with pytest.raises(NotFound):
        accounts.previews.revoke("y", made.id, now=NOW)
    assert is_open(accounts, token)


def test_every_other_secret_is_refused_in_the_same_words(accounts: Accounts) -> None:
    token = grant(accounts)
    id = token[5:17]
    forged = sign_secret(Kind.PREVIEW, id, b"another key", b"x").text
    wrong = ["", "x", token[:-1], token + "0", forged, make_secret(Kind.PREVIEW).text, make_secret(Kind.TOKEN).text]
    told = set()
    for text in wrong:
        with pytest.raises(Unauthorised) as refused:
            accounts.preview(text, NOW)
        told.add((str(refused.value), refused.value.facts["hint"]))
    assert len(told) == 1


@pytest.mark.parametrize("column", ["draft", "life", "person", "expires_at"])
def test_a_row_that_was_changed_fits_no_token(accounts: Accounts, tmp_path: Path, column: str) -> None:
    token = grant(accounts)
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute(f"UPDATE previews SET {column} = {column} || '0'")
    connection.close()
    assert not is_open(accounts, token)


def test_the_file_of_accounts_holds_nothing_that_opens_a_draft(accounts: Accounts, tmp_path: Path) -> None:
    token = grant(accounts)
    copy = tmp_path / "copy"
    accounts.close()
    copy.mkdir(mode=0o700)
    (copy / FILE_NAME).write_bytes((tmp_path / FILE_NAME).read_bytes())
    other = Accounts.open(copy, passwords=Passwords(memory_kib=8, rounds=1))
    grant(other)  # which makes a key of its own
    assert not is_open(other, token)
    other.close()
    assert token[17:60].encode() not in b"".join(file.read_bytes() for file in tmp_path.iterdir() if file.is_file())


def test_deleting_the_key_ends_all_previews_at_once(accounts: Accounts, tmp_path: Path) -> None:
    old = grant(accounts)
    (tmp_path / KEY_FILE).unlink()
    assert not is_open(accounts, old)
    new = grant(accounts)
    assert (is_open(accounts, old), is_open(accounts, new)) == (False, True)
    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_a_damaged_key_opens_nothing_and_says_what_to_do(accounts: Accounts, tmp_path: Path) -> None:
    old = grant(accounts)
    (tmp_path / KEY_FILE).write_bytes(b"")
    assert not is_open(accounts, old)
    with pytest.raises(AccountsUnavailable) as refused:
        grant(accounts)
    assert "delete the file" in str(refused.value.facts["hint"])


def test_whose_account_is_disabled_or_erased_shows_nothing_any_more(accounts: Accounts) -> None:
    karis, olas = grant(accounts, person="kari"), grant(accounts, person="ola")
    accounts.disable("kari", now=NOW)
    accounts.enable("kari")
    assert (is_open(accounts, karis), is_open(accounts, olas)) == (False, True)
    accounts.erase("ola")
    assert not is_open(accounts, olas)
    assert [preview.person for preview in accounts.previews.of("x")] == ["kari"]


def test_a_draft_has_a_limited_number_of_previews(accounts: Accounts) -> None:
    made = [accounts.previews.grant("x", "1" * 40, "kari", now=NOW)[0] for _ in range(LIVE_MOST)]
    with pytest.raises(Conflict, match="may not have more"):
        grant(accounts)
    grant(accounts, draft="y")
    accounts.previews.revoke("x", made[0].id, now=NOW)
    grant(accounts)


def test_previews_that_are_long_over_are_forgotten(accounts: Accounts) -> None:
    grant(accounts)
    grant(accounts, now=NOW + timedelta(days=30))
    assert len(accounts.previews.of("x")) == 2
    grant(accounts, now=NOW + timedelta(days=32))
    assert len(accounts.previews.of("x")) == 2


def test_a_file_from_before_there_were_previews_gets_them(accounts: Accounts, tmp_path: Path) -> None:
    accounts.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("DROP TABLE previews")
    connection.close()
    again = Accounts.open(tmp_path, passwords=Passwords(memory_kib=8, rounds=1))
    assert is_open(again, grant(again))
    again.close()


def test_a_token_of_a_preview_signs_nobody_in(accounts: Accounts) -> None:
    token = grant(accounts)
    with pytest.raises(Unauthorised, match="shows one draft"):
        accounts.authenticate(f"Bearer {token}", now=NOW, address=HOME)


def test_no_more_than_the_id_of_a_token_gets_into_the_log(accounts: Accounts) -> None:
    token = grant(accounts)
    assert hide_secrets(f"GET /x?preview={token}") == f"GET /x?preview={token[:17]}…"
    encoded = "".join(f"%{ord(letter):02x}" for letter in token)
    assert hide_secrets(f"?preview={encoded}&x=%20") == f"?preview={token[:17]}…&x=%20"
    assert hide_secrets(f"?preview={token.replace('_', '%5F')}") == f"?preview={token[:17]}…"
    assert token not in repr(find_secret(token))


def test_a_key_is_made_once_though_two_make_it(accounts: Accounts, tmp_path: Path) -> None:
    other = Previews(accounts.previews._database)
    assert accounts.previews._make_key() == other._make_key()
    assert [file.name for file in tmp_path.glob(f"{KEY_FILE}*")] == [KEY_FILE]


# -- what it is bound to -----------------------------------------------------------------------------------------------


class Desk:
    """A newsroom with a draft ``x`` of Ola's, and a preview of it."""

    def __init__(self, room: Newsroom) -> None:
        self.room, self.flow, self.previews = room, room.flow, room.office.accounts.previews
        self.ola = room.who("ola")
        self.begin()

    def begin(self) -> None:
        start_draft(self.flow, self.ola, "x", now=self.room.tick())
        write_entry(self.flow, self.ola, "x", post("a"), {"title": "New"}, now=self.room.tick())

    def share(self, who: Principal | None = None) -> str:
        return share_draft(
            self.flow, self.previews, who or self.ola, "x", expires_at=self.room.now + 30 * DAY, now=self.room.now
        )[1]

    def is_shown(self, token: str) -> bool:
        try:
            return self.room.office.preview(token, self.room.now).draft == "x"
        except Unauthorised:
            return False


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A newsroom with a draft."""
    room = Newsroom(tmp_path)
    yield Desk(room)
    room.site.close()


def test_a_preview_goes_along_with_its_draft(desk: Desk) -> None:
    token = desk.share()
    write_entry(desk.flow, desk.ola, "x", post("a"), {"title": "Newer"}, now=desk.room.tick())
    comment(desk.flow, desk.room.who("eva"), "x", message="Hm", expected=None, now=desk.room.tick())
    assert desk.is_shown(token)


def test_a_preview_ends_with_its_draft_and_is_not_of_the_next_one(desk: Desk) -> None:
    token = desk.share()
    close_draft(desk.flow, desk.ola, "x", now=desk.room.tick())
    assert not desk.is_shown(token)
    desk.begin()
    assert not desk.is_shown(token)
    assert list_previews(desk.flow, desk.previews, desk.ola, "x", now=desk.room.now) == []
    assert desk.is_shown(desk.share())


def test_a_preview_of_a_draft_without_a_log_ends_when_its_commits_are_rewritten(desk: Desk) -> None:
    repo = desk.room.repo
    head = repo.commit({"posts/a.md": "---\ntitle: By hand\n---\n"}, branch="drafts/x", parents=[desk.room.main])
    repo.git("update-ref", "-d", "refs/cms/log")
    desk.room.site.refresh(desk.room.now.timestamp())
    token = desk.share()
    repo.commit({"posts/a.md": "---\ntitle: Further\n---\n"}, branch="drafts/x", parents=[head])
    assert desk.is_shown(token)
    repo.commit({"posts/a.md": "---\ntitle: Other\n---\n"}, branch="drafts/x", parents=[desk.room.main])
    assert not desk.is_shown(token)


def test_a_preview_ends_when_its_maker_may_not_show_the_draft_any_more(desk: Desk) -> None:
    token, evas = desk.share(), desk.share(desk.room.who("eva"))
    settings = desk.room.read("cms.toml") or ""
    desk.room.repo.commit({"cms.toml": settings.replace('who = ["ola", "per", "eva"]', 'who = ["per", "eva"]')})
    desk.room.site.refresh(desk.room.now.timestamp())
    assert (desk.is_shown(token), desk.is_shown(evas)) == (False, True)


def test_who_may_not_know_of_a_draft_makes_and_lists_and_ends_nothing(desk: Desk) -> None:
    stranger = Principal(person="nobody", via="session")
    for who, refusal in ((None, Unauthorised), (stranger, DraftNotFound), (desk.room.who("robot"), Forbidden)):
        told = (desk.flow, desk.previews, who, "x")
        with pytest.raises(refusal):
            share_draft(*told, expires_at=None, now=desk.room.now)
        with pytest.raises(refusal):
            list_previews(*told, now=desk.room.now)
        with pytest.raises(refusal):
            revoke_preview(*told, "0" * 12, now=desk.room.now)


def test_whoever_may_show_a_draft_can_end_what_others_show(desk: Desk) -> None:
    token = desk.share()
    made = list_previews(desk.flow, desk.previews, desk.room.who("per"), "x", now=desk.room.now)[0]
    revoke_preview(desk.flow, desk.previews, desk.room.who("per"), "x", made.id, now=desk.room.tick())
    assert not desk.is_shown(token)
