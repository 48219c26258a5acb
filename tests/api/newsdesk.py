"""A newsroom behind its application: people with tokens, sessions and passwords, and requests in their names."""

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
from starlette.testclient import TestClient

from cms.app import build_app
from cms.auth import Accounts, Passwords
from cms.office import Office
from cms.serverkey import ServerKey
from cms.site import Site
from tests.editing.tools import FILES, Newsroom

BASE = "/api/v1"
PASSWORD = "correct horse battery of {}"
READER = """
[people.rune]
name = "Rune Sand"
emails = ["rune@example.org"]
"""
PEOPLE = ("ola", "per", "eva", "rita", "pia", "mia", "robot", "rune", "gone")


class Newsdesk:
    """One application in this process.

    ``ola`` and ``per`` write, ``eva`` does everything, ``rita`` reviews, ``pia`` publishes, ``mia`` is maintainer, ``robot`` is Eva's bot,
    ``rune`` is listed without a role, and ``gone`` has an account and is listed no more.
    """

    def __init__(self, path: Path, *, files: Mapping[str, str] = FILES) -> None:
        self.room = Newsroom(path, files={**files, "cms.toml": files["cms.toml"] + READER})
        self.accounts = open_office(self.room.site, path / "state").accounts
        self.app = build_app(self.room.site)
        self._client = TestClient(self.app, raise_server_exceptions=False, follow_redirects=False)
        self._secrets: dict[str, str] = {}
        for person in PEOPLE:
            password = None if person == "robot" else PASSWORD.format(person)
            self.accounts.add_user(person, password=password, now=datetime.now(UTC))

    def close(self) -> None:
        """Let go of the site."""
        self.room.site.close()

    def token(self, person: str, *scopes: str) -> str:
        """The secret of a new token, narrowed to *scopes*."""
        now = datetime.now(UTC)
        made = self.accounts.create_token(
            person, "x", scopes=scopes or None, expires_at=now + timedelta(days=1), now=now
        )
        return made[1]

    def session(self, person: str) -> str:
        """The secret of a session, begun once."""
        if person not in self._secrets:
            self._secrets[person] = self.accounts.create_session(person, now=datetime.now(UTC))[1]
        return self._secrets[person]

    def ask(
        self, method: str, path: str, by: str = "", body: Any = None, *, secret: str = "", **headers: str
    ) -> httpx2.Response:
        """The answer.

        Args:
            by: whose session is sent; empty: nobody's.
            body: sent as JSON, unless it is bytes.
            secret: a token or session to send instead.
            headers: ``If_Match="…"`` sends a header.
        """
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if secret or by:
            named.setdefault("Authorization", f"Bearer {secret or self.session(by)}")
        url = path if path.startswith(("/api/", "/git/", "/setup/", "/healthz", "/readyz", "/metrics")) else BASE + path
        if isinstance(body, bytes):
            return self._client.request(
                method, url, content=body, headers={"Content-Type": "application/json", **named}
            )
        return self._client.request(method, url, headers=named, **({"json": body} if body is not None else {}))

    def get(self, path: str, by: str = "eva") -> Any:
        """``data`` of an answer that must be a success."""
        answer = self.ask("GET", path, by)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def do(self, method: str, path: str, by: str, body: Any = None, **headers: str) -> Any:
        """``data`` of an act that must succeed."""
        answer = self.ask(method, path, by, body, **headers)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()["data"]

    # -- what tests begin with -----------------------------------------------------------------------------------------

    def begin(self, name: str = "x", by: str = "ola", slug: str = "a", **fields: Any) -> str:
        """A draft with one changed post; returns its head."""
        self.do("POST", "/drafts", by, {"name": name})
        answer = self.do(
            "PATCH", f"/drafts/{name}/entries/posts/{slug}", by, {"fields": fields or {"title": f"New {name}"}}
        )
        return str(answer["head"])

    def say(self, verdict: str, name: str = "x", by: str = "eva", **more: str) -> Any:
        """A verdict on a draft as it is now."""
        head = self.get(f"/drafts/{name}", by)["head"]
        return self.do("POST", f"/drafts/{name}/verdicts", by, {"verdict": verdict, "head": head, **more})


def open_office(site: Site, state: Path) -> Office:
    """Let *site* be edited, with passwords that take no time to check."""
    accounts = Accounts.open(state, passwords=Passwords(memory_kib=8, rounds=1))
    key = ServerKey.load_or_create(state)
    site._office = Office(site.store, site.ref, state, snapshot=site.read_snapshot, accounts=accounts, key=key)
    return site._office


def basic(person: str, password: str = "") -> str:
    """An ``Authorization`` header with a name and a password."""
    text = f"{person}:{password or PASSWORD.format(person)}"
    return f"Basic {base64.b64encode(text.encode()).decode()}"
