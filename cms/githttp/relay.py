"""Git's smart protocol over HTTP, relayed to Git's own programs: what ``git clone``, ``fetch`` and ``push`` talk to.

A plain ASGI application, since a streamed response of Starlette reads the request's body away. Only the four requests of the smart protocol
exist, and only for the repositories that are served; everything else is 404. Who asks must be known, at each request anew.

Nothing of a pack is kept here. The answer to a push alone is held back until Git has ended and the folders are on the disk, since it says
that the push is stored.
"""

import re
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog
from anyio import CapacityLimiter, Lock, to_thread
from starlette.types import Receive, Scope, Send

from cms.api.lanes import Lane
from cms.api.problems import STATUS
from cms.auth import holds_password
from cms.errors import CMSError, Unauthorised
from cms.githttp.answer import Headers, Held, Streamed, start
from cms.githttp.body import Body, ClientGone, bound, inflate, make_atomic
from cms.githttp.child import GRACE_SECONDS, Child
from cms.githttp.conversation import FETCH_SECONDS_MOST, PUSH_SECONDS_MOST, Conversation, Refused
from cms.githttp.durable import sync_push
from cms.githttp.folder import PrivateFolder
from cms.githttp.hook import Desk, Waiting
from cms.githttp.program import (
    PUSH_BYTES_MOST,
    RECEIVE_PACK,
    UPLOAD_PACK,
    find_program,
    find_protocol,
    service_command,
    service_environment,
)
from cms.githttp.slots import AT_ONCE, Slots
from cms.people import Policy
from cms.permissions import Principal, require
from cms.publicclone import PublicClone
from cms.store import Store
from cms.workflow.push import Validator

PREFIX = "/git/"
FETCH_BODY_BYTES_MOST = 10 * 1024 * 1024
#: More than a push may have: what Git's program refuses it also explains, so the rest is read and dropped for a while.
PUSH_BODY_BYTES_MOST = 8 * PUSH_BYTES_MOST
#: Of a request that is refused so much is read and dropped: a client that is still sending does not listen.
DROPPED_BYTES_MOST, DROPPED_SECONDS_MOST = 2 * 1024 * 1024, 5.0
RETRY_SECONDS = 10
UNDER_WAY_SECONDS = 60.0
THREADS, WAITING_MOST = 16, 200
PERMISSIONS: Mapping[str, str] = {UPLOAD_PACK: "git.fetch", RECEIVE_PACK: "git.push"}
_ADDRESS = re.compile(r"/git/([A-Za-z0-9][A-Za-z0-9._-]*)\.git/(info/refs|git-upload-pack|git-receive-pack)")

_UNSAFE_IN_REALM = re.compile(r"[^ !#-\[\]-~]")
_UNSAFE_IN_IDENTITY = re.compile(r"[\x00-\x1f\x7f<>]")

log = structlog.get_logger(__name__)


class Home(Protocol):
    """What the transport needs to know of a site."""

    @property
    def store(self) -> Store:
        """The repository where people work."""

    @property
    def name(self) -> str:
        """What the repository is called in its address."""

    @property
    def title(self) -> str:
        """What the site is called, for people."""

    @property
    def public_clone(self) -> PublicClone | None:
        """The repository that anybody may clone; None when there is none."""

    def sign_in(self, header: str | None, now: datetime, address: str) -> Principal | None:
        """Who sent an ``Authorization`` header; None without one. Raises Unauthorised and TooMany."""

    def policy(self) -> Policy:
        """People and roles as they are now. Raises InvalidSettings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request as it was understood."""

    service: str
    git_dir: Path
    is_public: bool
    is_advertising: bool
    protocol: str
    headers: Mapping[bytes, bytes]
    by: Principal | None = None

    @property
    def whose(self) -> str:
        """Whose slot it takes."""
        return self.by.person if self.by is not None else ""


class Relay:
    """The Git transport of one site, in one process."""

    def __init__(self, home: Home, validate: Validator) -> None:
        """Raises RepositoryProblem: there is no Git program, or none that is new enough."""
        self._home = home
        self._validate = validate
        self._program = find_program(home.store.common_dir)
        self._folder = PrivateFolder()
        self._desk: Desk | None = None
        self._title = ""
        self._opening = Lock()
        self._threads = CapacityLimiter(THREADS)
        self._passwords, self._tokens = Lane(waiting_most=WAITING_MOST), Lane(waiting_most=WAITING_MOST)
        self._slots = {UPLOAD_PACK: Slots(), RECEIVE_PACK: Slots()}
        self._advertising = Slots(each_most=AT_ONCE)
        # Nobody who has no name can keep those waiting who have one.
        self._public_slots, self._public_advertising = Slots(each_most=AT_ONCE), Slots(each_most=AT_ONCE)
        self._public_threads = CapacityLimiter(AT_ONCE)

    async def close(self) -> None:
        """Stop judging pushes, and remove what was made for it; in the event loop that answered."""
        if self._desk is not None:
            await self._desk.close()
        self._folder.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        body = Body(receive)
        try:
            asked = await self._understand(scope)
            if asked.is_advertising:
                await self._advertise(asked, body, send)
            elif asked.service == UPLOAD_PACK:
                await self._fetch(asked, body, send)
            else:
                await self._push(asked, body, send)
        except ClientGone:
            log.info("git.client_gone", path=scope["path"])
        except Refused as refused:
            await _say(body, send, refused.status, str(refused), refused.headers)
        except CMSError as error:
            await refuse(error, body, send, realm=self._title)

    async def _understand(self, scope: Scope) -> Asked:
        """What is asked, and by whom.

        Raises:
            Refused: there is no such thing.
            CMSError: whoever asks may not.
        """
        found = _ADDRESS.fullmatch(scope["path"])
        target = await to_thread.run_sync(self._find_repository, found[1], limiter=self._threads) if found else None
        if found is None or target is None:
            raise Refused(404, "there is no repository at this address")
        git_dir, is_public = target
        service = _service(found[2], scope)
        if service is None or (is_public and service == RECEIVE_PACK):
            raise Refused(404, "this repository is served by Git's smart protocol alone")
        is_advertising = found[2] == "info/refs"
        method = "GET" if is_advertising else "POST"
        if scope["method"] != method:
            raise Refused(405, f"only {method} is possible here", headers=((b"allow", method.encode()),))
        headers: dict[bytes, bytes] = dict(scope["headers"])
        if not is_advertising and headers.get(b"content-type") != f"application/x-{service}-request".encode():
            raise Refused(415, "this is for Git's own client")
        by = None
        if not is_public:
            address = scope["client"][0] if scope.get("client") else ""
            by = await self._admit(headers.get(b"authorization", b"").decode("latin-1"), address, service)
        protocol = find_protocol(headers.get(b"git-protocol", b"")) if service == UPLOAD_PACK else ""
        return Asked(
            service=service,
            git_dir=git_dir,
            is_public=is_public,
            is_advertising=is_advertising,
            protocol=protocol,
            headers=headers,
            by=by,
        )

    def _find_repository(self, name: str) -> tuple[Path, bool] | None:
        """(where it is, whether anybody may read it); in a thread, since the site may have to look what it is called now."""
        self._title = self._home.title
        if name == self._home.name:
            return self._home.store.common_dir, False
        public = self._home.public_clone
        if public is not None and name == f"{self._home.name}-public":
            return public.path, True
        return None

    async def _admit(self, header: str, address: str, service: str) -> Principal:
        """Who asks, when they may. Passwords take a while to check, and those who come with a token do not wait for that."""
        lane = self._passwords if holds_password(header) else self._tokens
        return await lane.run(self._check, header or None, address, service)

    def _check(self, header: str | None, address: str, service: str) -> Principal:
        by = self._home.sign_in(header, datetime.now(UTC), address)
        require(PERMISSIONS[service], by, self._home.policy())
        if by is None:
            raise Unauthorised("sign in with your name and your password or a token")
        return by

    async def _advertise(self, asked: Asked, body: Body, send: Send) -> None:
        """Answer what the repository has and can: the first request of every conversation."""
        slots = self._public_slots if asked.is_public else self._slots[asked.service]
        slots.refuse_when_full()
        answer = Streamed(send, f"application/x-{asked.service}-advertisement")
        if asked.protocol != "version=2":
            line = f"# service={asked.service}\n"
            answer.before = f"{len(line) + 4:04x}{line}0000".encode()
        async with (self._public_advertising if asked.is_public else self._advertising).take(asked.whose):
            if asked.is_public:
                await to_thread.run_sync(self._bring_in_step, limiter=self._public_threads)
            await self._run(asked, body, answer, bound(body.pieces(), 0), seconds_most=FETCH_SECONDS_MOST)

    def _bring_in_step(self) -> None:
        public = self._home.public_clone
        if public is not None:
            public.bring_in_step()

    async def _fetch(self, asked: Asked, body: Body, send: Send) -> None:
        slots = self._public_slots if asked.is_public else self._slots[UPLOAD_PACK]
        answer = Streamed(send, "application/x-git-upload-pack-result")
        async with slots.take(asked.whose):
            pieces = _decoded(asked, body, most=FETCH_BODY_BYTES_MOST)
            await self._run(asked, body, answer, pieces, seconds_most=FETCH_SECONDS_MOST)

    async def _push(self, asked: Asked, body: Body, send: Send) -> None:
        assert asked.by is not None
        desk = await self._open_desk()
        answer = Held(send, "application/x-git-receive-pack-result")
        async with self._slots[RECEIVE_PACK].take(asked.whose), desk.expect(asked.by) as waiting:
            since = time.time()
            pieces = make_atomic(_decoded(asked, body, most=PUSH_BODY_BYTES_MOST))
            await self._run(asked, body, answer, pieces, seconds_most=PUSH_SECONDS_MOST, waiting=waiting)
            if waiting.is_accepted:
                await self._bring_to_disk(asked, waiting, since)
        await answer.finish()

    async def _run(
        self,
        asked: Asked,
        body: Body,
        answer: Streamed | Held,
        pieces: AsyncIterator[bytes],
        *,
        seconds_most: float,
        waiting: Waiting | None = None,
    ) -> None:
        """Let Git's program answer."""
        command = service_command(self._program, asked.service, asked.git_dir, is_advertising=asked.is_advertising)
        environment = service_environment(
            self._folder.path, asked.service, protocol=asked.protocol, is_public=asked.is_public
        )
        if waiting is not None:
            email = _UNSAFE_IN_IDENTITY.sub("", waiting.by.email)
            environment |= {**waiting.variables, "GIT_COMMITTER_NAME": waiting.by.person, "GIT_COMMITTER_EMAIL": email}
        child = await Child.start(command, environment, asked.git_dir, limiter=self._threads)
        try:
            conversation = Conversation(
                child,
                body,
                seconds_most=seconds_most,
                may_stop=waiting.give_up if waiting is not None else lambda: True,
            )
            await conversation.run(pieces, answer.take)
        except BaseException:
            if waiting is None:
                child.stop()
            else:
                waiting.give_up()  # Git hears it from its hook, and from the end of what comes: so it removes what it received
            raise
        finally:
            is_under_way = waiting is not None and waiting.is_accepted
            code = await child.end(limiter=self._threads, seconds=UNDER_WAY_SECONDS if is_under_way else GRACE_SECONDS)
        if code != 0:
            complaint = child.complaint.decode("utf-8", "replace").strip()
            log.warning("git.failed", service=asked.service, person=asked.whose, code=code, reason=complaint)
            if not answer.has_begun:
                raise Refused(500, "Git's own program failed; whoever runs the server finds the reason in the log")
        if isinstance(answer, Streamed):
            await answer.finish()

    async def _bring_to_disk(self, asked: Asked, waiting: Waiting, since: float) -> None:
        sync = partial(sync_push, asked.git_dir, waiting.refs, since=since)
        try:
            await to_thread.run_sync(sync, limiter=self._threads)
        except OSError as error:
            log.error("push.not_on_disk", person=asked.whose, refs=waiting.refs, reason=str(error))
            raise Refused(
                507,
                "the disk of the server refuses to keep what was pushed, so do not rely on it; tell whoever runs the server",
            ) from error

    async def _open_desk(self) -> Desk:
        async with self._opening:
            if self._desk is None:
                objects = self._home.store.common_dir / "objects"
                self._desk = await Desk.open(self._folder, objects, self._validate)
            return self._desk


async def refuse(error: CMSError, body: Body, send: Send, *, realm: str = "") -> None:
    """Answer with one of our own errors, in words that Git shows to the person."""
    headers: Headers = ()
    if isinstance(error, Unauthorised):
        safe = _UNSAFE_IN_REALM.sub("", realm)
        headers = ((b"www-authenticate", f'Basic realm="{safe}", charset="UTF-8"'.encode()),)
    elif STATUS[type(error)] in (429, 503):
        headers = ((b"retry-after", str(error.facts.get("retry_after_seconds", RETRY_SECONDS)).encode()),)
    hint = error.facts.get("hint")
    await _say(body, send, STATUS[type(error)], f"{error}; {hint}" if hint else str(error), headers)


def _service(what: str, scope: Scope) -> str | None:
    """The service that is asked for; a client of the old protocol names none."""
    if what != "info/refs":
        return what
    query: bytes = scope["query_string"]
    return {f"service={service}".encode(): service for service in PERMISSIONS}.get(query)


def _decoded(asked: Asked, body: Body, *, most: int) -> AsyncIterator[bytes]:
    encoding = asked.headers.get(b"content-encoding", b"identity").lower()
    pieces = bound(body.pieces(), most)
    if encoding in (b"gzip", b"x-gzip"):
        return bound(inflate(pieces), most)
    if encoding != b"identity":
        raise Refused(415, "the body may be compressed with gzip, or not at all")
    return pieces


async def _say(body: Body, send: Send, status: int, sentence: str, headers: Headers) -> None:
    """Refuse in plain text, which Git shows to the person."""
    await body.drop(DROPPED_BYTES_MOST, DROPPED_SECONDS_MOST)
    text = f"{sentence}\n".encode()
    more = ((b"content-length", b"%d" % len(text)), (b"connection", b"close"), *headers)
    await start(send, status, "text/plain; charset=utf-8", more)
    await send({"type": "http.response.body", "body": text})
