"""Replies: a stored answer as the messages that a server sends, in each encoding, with what caches and conditions need.

They are made once and sent as they are, so an answer that was given before costs little more than finding it.
"""

import gzip
import math
import re
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

import brotli
from starlette.types import Message

from cms.api.answers import Headers, Stored
from cms.catalog import Catalog

COMPRESSED_FROM_BYTES = 860
PIECE_BYTES = 1024 * 1024
REPLIES_KEPT = 8
BREAKING = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
CORS: Headers = [(b"access-control-allow-origin", b"*")]
MADE_HERE = frozenset({b"content-length", b"etag", b"cache-control"})
EXPOSED = b"ETag, Link, Content-Commit, Last-Modified, Retry-After"
ALWAYS: Headers = [(b"vary", b"Accept-Encoding"), *CORS, (b"access-control-expose-headers", EXPOSED)]
TEXTUAL = (
    *(b"application/json", b"application/problem+json", b"text/", b"application/vnd.oai"),
    *(b"application/xml", b"application/rss+xml", b"application/atom+xml", b"application/feed+json"),
)
OF_BODIES = (b"content-length", b"content-type", b"content-encoding")
NOTHING: Message = {"type": "http.response.body", "body": b""}


class Reply(NamedTuple):
    """An answer in one encoding.

    Attributes:
        start: its status and headers.
        unchanged: the same for who has it already (304); None when it has no validator.
        whole: the message with its body; None when that is sent piece by piece.
        heads: the two kinds of head as a server writes them, made when they are first sent so.
    """

    start: Message
    unchanged: Message | None
    whole: Message | None
    body: bytes
    heads: dict[int, tuple[bytes, bytes]]


def head_of(reply: Reply, start: Message) -> tuple[bytes, bytes] | None:
    """(the status line, all headers) of *reply*, which begins with *start*; ``None`` when they may not be written as they are."""
    status: int = start["status"]
    found = reply.heads.get(status)
    if found is None:
        headers: Headers = start["headers"]
        if not any(name == b"content-length" for name, _ in headers) and status != 304:
            return None
        if any(BREAKING.search(value) for _, value in headers):
            return None
        parts = [part for name, value in headers for part in (name, b": ", value, b"\r\n")]
        line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
        found = reply.heads[status] = (line, b"".join((*parts, b"\r\n")))
    return found


def reply_of(stored: Stored, accepted: bytes, caching: bytes) -> Reply:
    """*stored* for who accepts these encodings, with its ``Cache-Control``; made once."""
    is_long = stored.status == 200 and len(stored.body) >= COMPRESSED_FROM_BYTES
    encoding = encoding_of(accepted) if is_long else b""
    found = stored.replies.get((encoding, caching))
    if found is None:
        found = _make_reply(stored, encoding, caching)
        if len(stored.replies) >= REPLIES_KEPT:  # as a moment comes nearer, each second has its own
            stored.replies.clear()
        stored.replies[encoding, caching] = found
    return found


def _make_reply(stored: Stored, encoding: bytes, caching: bytes) -> Reply:
    headers, body = stored.variants.get(encoding) or _variant(stored, encoding)
    unchanged: Message | None = None
    if stored.status == 308 or (stored.etag and stored.status == 200):
        headers = [*headers, (b"cache-control", caching)]
        if stored.etag:
            kept = [pair for pair in headers if pair[0] not in OF_BODIES]
            unchanged = {"type": "http.response.start", "status": 304, "headers": kept}
    start = {"type": "http.response.start", "status": stored.status, "headers": headers}
    whole: Message | None = {"type": "http.response.body", "body": body} if len(body) <= PIECE_BYTES else None
    return Reply(start, unchanged, whole, body, {})


def cache_control(catalog: Catalog | None, until: float, now: float, *, is_shared: bool) -> bytes:
    """As long as the site allows, and never past the next moment at which what is answered may change.

    Args:
        until: that moment, in seconds since 1970.
        is_shared: caches that serve many may keep it: not what was asked for with a secret, though it is the same for everybody, since such
            a cache could not tell a right secret from a wrong one.
    """
    if catalog is None:
        return b"no-store"
    server = catalog.model.settings.server
    left = math.inf if until == math.inf else max(0.0, until - now)
    return _lifetime(server.max_age_seconds, server.shared_max_age_seconds, left, is_shared)


@lru_cache(maxsize=64)
def _lifetime(own_seconds: int, shared_seconds: int, left: float, is_shared: bool) -> bytes:
    seconds = int(min(own_seconds, left))
    if not is_shared:
        return b"private, max-age=%d, must-revalidate" % seconds
    if not shared_seconds:
        return b"public, max-age=%d, must-revalidate" % seconds
    return b"public, max-age=%d, s-maxage=%d, must-revalidate" % (seconds, int(min(shared_seconds, left)))


def _variant(stored: Stored, encoding: bytes) -> tuple[Headers, bytes]:
    """The answer in *encoding*, made once."""
    headers: Headers = []
    kind, body, is_guarded = b"", stored.body, False
    for pair in stored.headers:
        name = pair[0]
        if name == b"content-type":
            kind = pair[1]
        elif name == b"x-content-type-options":
            is_guarded = True
        if name not in MADE_HERE or (name == b"cache-control" and not stored.etag):
            headers.append(pair)
    if encoding and kind.startswith(TEXTUAL):
        body = brotli.compress(body, quality=5) if encoding == b"br" else gzip.compress(body, 5, mtime=0)
    else:
        encoding = b""
    headers += [(b"content-length", b"%d" % len(body)), *ALWAYS]
    if not is_guarded:
        headers.append((b"x-content-type-options", b"nosniff"))
    if encoding:
        headers.append((b"content-encoding", encoding))
    if stored.etag:
        headers.append((b"etag", _tag(stored.etag, encoding)))
    stored.variants[encoding] = (headers, body)
    return headers, body


@lru_cache(maxsize=256)
def encoding_of(accepted: bytes) -> bytes:
    """The encoding to use for an ``Accept-Encoding`` header: brotli or gzip, as it prefers, or none; ``;q=0`` refuses one."""
    wanted: dict[bytes, float] = {}
    for part in accepted.lower().split(b","):
        name, _, quality = part.partition(b";")
        try:
            wanted[name.strip()] = float(quality.replace(b" ", b"").removeprefix(b"q=") or b"1")
        except ValueError:
            wanted[name.strip()] = 0.0
    rest = wanted.get(b"*", 0.0)
    best = max((b"br", b"gzip"), key=lambda name: wanted.get(name, rest))
    weight = wanted.get(best, rest)
    return best if weight > 0 and weight >= wanted.get(b"identity", 0.0) else b""


def _tag(etag: bytes, encoding: bytes) -> bytes:
    """The validator of an encoding: a weak one serves for all."""
    return etag if not encoding or etag.startswith(b"W/") else etag[:-1] + b"-" + encoding + b'"'


def matches(condition: bytes, etag: bytes) -> bool:
    """RFC 9110, 13.1.2: a list of tags, compared weakly; a strong one of ours names its encoding behind a hyphen."""
    if condition.strip() == b"*":
        return True
    if condition == etag:
        return True
    etag = etag.removeprefix(b"W/")
    for part in condition.split(b","):
        tag = part.strip().removeprefix(b"W/")
        if tag == etag or (tag.startswith(etag[:-1] + b"-") and tag.endswith(b'"')):
            return True
    return False
