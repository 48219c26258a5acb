"""``/diff``: what differs between two views, for whoever may open both."""

import copy
import re
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from cms.api.changes import find_caller
from cms.api.editing import answer
from cms.api.state import BASE, Context, context
from cms.delta.diff import Dangling, Diff, EntryDiff, FileDiff, ImageChange, Side, find_diff
from cms.entry import Entry
from cms.errors import InvalidQuery
from cms.params import read_parameters, split_query
from cms.permissions import Principal
from cms.site import Site
from cms.view import VIEW_PARAMETERS, ViewSpec, read_view
from cms.views import View
from cms.worddiff import TextDiff

PARAMETERS = ("from", "to")
DRAFT = "draft:"
PUBLISHED = "published"
NAME_MOST = 300
WITH_MOMENT = re.compile(r"(.+)@(\d{4}-\d\d-\d\d.*)")


async def get_diff(request: Request) -> Response:
    """``GET /diff``."""
    ctx = context(request)
    parameters = read_parameters(split_query(request.scope["query_string"]), PARAMETERS)
    names = [parameters.one(name) or PUBLISHED for name in PARAMETERS]
    if names[0] == names[1]:
        raise InvalidQuery(
            "name two views that may differ: to=draft:NAME, or from= and to= as branches, tags or commit ids",
            parameter="to",
        )
    specs = [read_spec(name, parameter) for name, parameter in zip(names, PARAMETERS, strict=True)]
    who = await find_caller(request)
    return await ctx.lanes.views.run(_answer, ctx, names, specs, who)


def _answer(ctx: Context, names: list[str], specs: list[ViewSpec], who: Principal | None) -> Response:
    now = datetime.now(UTC)
    old, new = (open_side(ctx.site, name, spec, who, now) for name, spec in zip(names, specs, strict=True))
    diff = find_diff(old, new)
    return answer(describe_diff(diff, old, new), meta=describe_meta(diff, old, new))


def read_spec(name: str, parameter: str) -> ViewSpec:
    """The view that a name stands for: ``published``, ``draft:NAME``, or a branch, a tag or a commit, which may have ``@`` and a moment behind it.

    Raises:
        InvalidQuery: it cannot be meant.
    """
    if len(name) > NAME_MOST:
        raise InvalidQuery(f"{parameter}: this name is too long", parameter=parameter)
    if name == PUBLISHED:
        return ViewSpec()
    if name.startswith(DRAFT):
        pairs = [("draft", name.removeprefix(DRAFT))]
    else:
        ref, moment = split_moment(name)
        pairs = [("ref", ref), *([("at", moment)] if moment else [])]
    try:
        return read_view(pairs)
    except InvalidQuery as error:
        said = str(error)
        for known in VIEW_PARAMETERS:
            said = said.removeprefix(f"{known}: ")
        raise InvalidQuery(f"{parameter}: {said}", parameter=parameter) from error


def split_moment(name: str) -> tuple[str, str]:
    """The name of a branch, a tag or a commit, and the moment behind it; the name of a branch may have an ``@`` of its own."""
    matched = WITH_MOMENT.fullmatch(name)
    return (matched[1], matched[2]) if matched is not None else (name, "")


def open_side(site: Site, name: str, spec: ViewSpec, who: Principal | None, now: datetime) -> Side:
    """One of two views to compare.

    Raises:
        CMSError: *who* may not open it, or there is no such thing; see ``Views.open``.
    """
    view = site.views.open(spec, who, now)
    return side_of(view, name, query=spec.query, sees_all=site.views.rights(who).drafts)


def side_of(view: View, name: str, *, query: str, sees_all: bool) -> Side:
    """*view* as one of two to compare: what is rendered of it is the same as of the other one."""
    plain = copy.copy(view.catalog)
    plain.forget_rendered()
    plain.label = None
    return Side(
        name=name,
        catalog=plain,
        reader=view.reader,
        bodies=view.bodies,
        query=query,
        sees_all=sees_all,
        never=view.never,
    )


def _describe_side(side: Side) -> dict[str, Any]:
    shown = {"view": side.name}
    commit = side.catalog.snapshot.commit.id
    return {**shown, "commit": commit} if ":" not in commit else shown


# -- as JSON -----------------------------------------------------------------------------------------------------------


def describe_meta(diff: Diff, old: Side, new: Side) -> dict[str, Any]:
    """What was compared, and how much differs."""
    sides = {"from": _describe_side(old), "to": _describe_side(new)}
    return {**sides, "counts": diff.counts, "is_too_large": diff.is_too_large}


def describe_diff(diff: Diff, old: Side, new: Side) -> dict[str, Any]:
    """A diff as JSON."""
    return {
        "entries": [_entry(item, old, new) for item in diff.entries],
        "files": [_file(item, old, new) for item in diff.files],
        "dangling": [_dangling(item) for item in diff.dangling],
        "collections": [
            {"change": item.change, "collection": item.collection, "fields": [asdict(each) for each in item.fields]}
            for item in diff.collections
        ],
        "answers": [
            {
                "change": item.change,
                **_address(item.entry),
                **({"from": _address(item.before)} if item.change == "renamed" and item.before else {}),
                **({"fields": list(item.fields)} if item.fields else {}),
                **({"by": list(item.by)} if item.by else {}),
            }
            for item in diff.answers
        ],
    }


def _address(entry: Entry) -> dict[str, str]:
    return {name: getattr(entry, name) for name in ("id", "collection", "slug", "locale", "path")}


def _entry(item: EntryDiff, old: Side, new: Side) -> dict[str, Any]:
    shown: dict[str, Any] = {"change": item.change, **_address(item.entry), "title": item.entry.parsed.title}
    if item.change == "renamed" and item.before is not None:
        shown["from"] = _address(item.before)
    shown["fields"] = [
        {
            "field": each.field,
            "before": each.before,
            "after": each.after,
            **({"words": describe_words(item.texts[each.field])} if each.field in item.texts else {}),
        }
        for each in item.fields
    ]
    shown["body"] = describe_words(item.body) if item.body is not None else None
    shown["images"] = [_image(each, old, new) for each in item.images]
    shown["is_too_large"] = item.is_too_large
    return shown


def describe_words(text: TextDiff) -> dict[str, Any]:
    """What differs between two texts, as JSON."""
    return {
        "removed": text.removed,
        "added": text.added,
        "is_too_large": text.is_too_large,
        "passages": [
            {"line": passage.line, "segments": [{"kind": kind, "text": words} for kind, words in passage.segments]}
            for passage in text.passages
        ],
    }


def _image(image: ImageChange, old: Side, new: Side) -> dict[str, Any]:
    return {"field": image.field, "before": _located(image.before, old), "after": _located(image.after, new)}


def _located(path: str | None, side: Side) -> dict[str, Any] | None:
    """A file of one side: its address there, and its size, which is None where there is no such file."""
    if path is None:
        return None
    blob = side.blobs.get(path)
    url = f"{BASE}/assets/{quote(path)}"
    return {
        "path": path,
        "url": f"{url}?{side.query}" if side.query else url,
        "size_bytes": side.reader.blob_size(blob) if blob is not None else None,
    }


def _file(item: FileDiff, old: Side, new: Side) -> dict[str, Any]:
    return {
        "change": item.change,
        "path": item.path,
        "before": _located(item.path, old) if item.before is not None else None,
        "after": _located(item.path, new) if item.after is not None else None,
        "lines": list(item.lines),
        "used_by": list(item.used_by),
        "is_too_large": item.is_too_large,
    }


def _dangling(item: Dangling) -> dict[str, Any]:
    now = {"now": item.now} if item.now else {}
    return {**_address(item.entry), "field": item.field, "value": item.value, "kind": item.kind, **now}
