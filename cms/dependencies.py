"""What an answer depends on, as keys: words that name a part of the site without telling more of it than the answer does.

An answer is sent with the keys of all that it was made of (``Surrogate-Key``), and a publication has the keys of all that it changes
(:func:`surrogate_keys`). A cache that drops what has one of the latter keeps no answer that could be different now. The keys are a function of
what is public, so they are the same on every server, whatever way it came to a commit.

- ``model``: every answer has it; it changes with the settings and the schemas.
- ``site``: everything there is; it changes with every publication. What does not say what it depends on depends on that.
- ``c-NAME``: what the entries of a collection are and say. ``x-NAME``: which entries it has.
- ``e-HASH``: the entry of one slug, in all locales. ``a-HASH``: one file.

What appears or goes by itself, at a moment that its file names, has no publication: until then an answer may be kept (:func:`next_moments`).
"""

import math
from collections.abc import Iterable, Mapping
from functools import lru_cache
from hashlib import blake2b
from urllib.parse import quote

from cms.entry import Entry

Keys = frozenset[str]
MODEL = "model"
SITE = "site"
WHOLE: Keys = frozenset({MODEL, SITE})
#: A publication that changes more than so many things has the keys of everything.
KEYS_MOST = 1000


@lru_cache(maxsize=1000)
def collection_key(name: str) -> str:
    """What the entries of the collection *name* are and say."""
    return f"c-{quote(name, safe='')}"


@lru_cache(maxsize=1000)
def members_key(name: str) -> str:
    """Which entries the collection *name* has, by slug and locale."""
    return f"x-{quote(name, safe='')}"


def entry_key(collection: str, slug: str) -> str:
    """The entry of that slug, in all locales; also whether there is one."""
    return f"e-{_hash(f'{collection}/{slug}')}"


def file_key(path: str) -> str:
    """The file at *path*, as it is served by that name."""
    return f"a-{_hash(path)}"


def _hash(text: str) -> str:
    """Two of the same would only be dropped together."""
    return blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()


def surrogate_keys(
    removed: Iterable[Entry], added: Iterable[Entry], *, paths: Iterable[str] = (), is_model_changed: bool = False
) -> Keys:
    """The keys of everything that a publication changes.

    Args:
        removed: public entries that are not there any more, or not as they were.
        added: public entries that were not there, or not as they are. One that only changed is in both.
        paths: files that changed, were added or are gone, for what is served by its path.
        is_model_changed: the settings or the schemas are others, so anything may be different.
    """
    if is_model_changed:
        return WHOLE
    before = {(entry.collection, entry.slug, entry.locale) for entry in removed}
    after = {(entry.collection, entry.slug, entry.locale) for entry in added}
    keys = {SITE, *map(file_key, paths)}
    keys |= {members_key(collection) for collection, _, _ in before ^ after}
    for collection, slug, _ in before | after:
        keys |= {collection_key(collection), entry_key(collection, slug)}
    return frozenset(keys) if len(keys) <= KEYS_MOST else WHOLE


def next_moments(timed: Iterable[Entry], growing: Iterable[Entry], now: float) -> dict[str, float]:
    """By key the next moment after *now*, in seconds since 1970, at which something appears or goes; no key where nothing does.

    Args:
        timed: the entries that name a moment at which they appear or expire.
        growing: those that will change the model when they appear.
    """
    found: dict[str, float] = {}
    for entry in growing:
        if entry.parsed.publish_at is not None and entry.parsed.publish_at > now:
            found[MODEL] = min(entry.parsed.publish_at, found.get(MODEL, math.inf))
    for entry in timed:
        moment = min((moment for moment in entry.moments if moment > now), default=None)
        if moment is None:
            continue
        name = entry.collection
        for key in (SITE, collection_key(name), members_key(name), entry_key(name, entry.slug)):
            found[key] = min(moment, found.get(key, math.inf))
    return found


def kept_until(keys: Iterable[str], moments: Mapping[str, float]) -> float:
    """Until when what depends on *keys* stays as it is without a publication; infinity when nothing is ahead."""
    return min((moments[key] for key in keys if key in moments), default=math.inf) if moments else math.inf


@lru_cache(maxsize=1024)
def format_keys(keys: Keys) -> bytes:
    """The value of ``Surrogate-Key``."""
    return " ".join(sorted(keys)).encode("ascii")


@lru_cache(maxsize=1024)
def parse_keys(value: bytes) -> Keys:
    """What :func:`format_keys` wrote."""
    return frozenset(value.decode("ascii").split())
