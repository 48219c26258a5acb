"""Request parameters: from the text of a query string to what a list, a detail or a search wants.

One documented spelling each, well-known aliases accepted; whatever is unknown or of the wrong type is refused and the nearest valid name
given. The command line reads the same parameters.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes

from cms.aggregate import GROUP_LIMIT_DEFAULT, GROUP_LIMIT_MOST, split_measures
from cms.catalog import EVERY_LOCALE, Catalog, LocaleChain
from cms.counts import with_counts
from cms.entry import Entry
from cms.errors import CollectionNotFound, InvalidQuery, helpful
from cms.filters import FilterReader
from cms.model import ContentModel
from cms.present import BODY_FORMATS, DEPTH_LIMIT, FORMATS, PLAIN, Shape, check_trees, read_tree
from cms.query import Query, read_sort
from cms.schema import Collection
from cms.settings import find_nearest, nearest
from cms.view import VIEW_PARAMETERS

ALIASES = {
    "q": "search",
    "order": "sort",
    "per_page": "limit",
    "perPage": "limit",
    "pageSize": "limit",
    "page_size": "limit",
    "skip": "offset",
    "select": "fields",
    "populate": "include",
    "formats": "format",
    "filters": "filter",
    "groupBy": "group_by",
}
LIST_PARAMETERS = (
    *("filter", "search", "sort", "limit", "page", "offset", "cursor"),
    *("fields", "include", "depth", "format", "locale", "fallback"),
    *("facet", "facet.limit", "aggregate", "group_by", "group.limit", "distinct"),
    "highlight",
    *VIEW_PARAMETERS,
)
DETAIL_PARAMETERS = ("fields", "include", "depth", "format", "locale", "fallback", *VIEW_PARAMETERS)
SEARCH_PARAMETERS = (*LIST_PARAMETERS, "collection", "similar", "explain")
SUGGEST_PARAMETERS = ("search", "limit", "collection", "locale", "fallback", *VIEW_PARAMETERS)
PLACES = (b"page=", b"offset=", b"skip=")
PLACE_MARKS = (*PLACES, b"page[", b"offset[", b"skip[", b"%")  # without any of them no page is named
SHAPING = frozenset({"fields", "include", "depth", "format"})
LIMIT_DEFAULT, LIMIT_MOST = 20, 100
SUGGESTIONS_DEFAULT, SUGGESTIONS_MOST = 10, 50
FACET_LIMIT_DEFAULT, FACET_LIMIT_MOST = 20, 1000
QUERY_BYTES_MOST = 8192
PARAMETERS_MOST = 100
STEPS_MOST = 8
OFFSET_MOST = 10_000_000
NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")

Pairs = Sequence[tuple[str, str]]


@dataclass(slots=True)
class Parameters:
    """The parameters of one request by their documented names.

    Attributes:
        where: ``filter`` as the nested mapping that its brackets spell.
        measures: (function, field) of each ``aggregate``.
    """

    single: dict[str, list[str]] = field(default_factory=dict)
    where: dict[str, Any] = field(default_factory=dict)
    measures: list[tuple[str, str]] = field(default_factory=list)

    def one(self, name: str) -> str | None:
        """The value of a parameter that may be given once."""
        values = self.single.get(name)
        if values is None:
            return None
        if len(values) > 1:
            raise InvalidQuery(f"{name!r} is given {len(values)} times; once is enough", parameter=name)
        return values[0]

    def words(self, name: str) -> list[str]:
        """A comma-separated list, which may also be given in several parameters."""
        return [word.strip() for value in self.single.get(name, ()) for word in value.split(",") if word.strip()]


def split_query(raw: bytes) -> list[tuple[str, str]]:
    """The names and values in a raw query string.

    Raises:
        InvalidQuery: too long, too many parameters, or text that is not UTF-8.
    """
    if len(raw) > QUERY_BYTES_MOST:
        raise InvalidQuery(f"the query string is longer than {QUERY_BYTES_MOST} bytes")
    pairs = []
    for part in raw.split(b"&"):
        if part:
            name, _, value = part.partition(b"=")
            try:
                pairs.append((_decoded(name), _decoded(value)))
            except UnicodeDecodeError as error:
                raise InvalidQuery("the query string is not percent-encoded UTF-8") from error
    if len(pairs) > PARAMETERS_MOST:
        raise InvalidQuery(f"a request may have {PARAMETERS_MOST} parameters at most")
    return pairs


def _decoded(part: bytes) -> str:
    return unquote_to_bytes(part.replace(b"+", b" ")).decode("utf-8")


def read_parameters(pairs: Pairs, allowed: Iterable[str]) -> Parameters:
    """Sort *pairs* by name, aliases resolved.

    Raises:
        InvalidQuery: a name that is not in *allowed*.
    """
    known = tuple(allowed)
    parameters = Parameters()
    for name, value in pairs:
        matched = NAME.fullmatch(name)
        head = matched[1] if matched else name
        head = ALIASES.get(head, head)
        brackets = re.findall(r"\[([^\[\]]*)\]", matched[2]) if matched else []
        if head == "status" and "draft" in known:
            raise InvalidQuery("what is not published is read with draft= and the name of a draft", parameter=name)
        if head not in known or matched is None:
            names = [*known, *(alias for alias, meant in ALIASES.items() if meant in known)]
            raise InvalidQuery(
                f"the parameter {name!r} is not known{nearest(head, names)}",
                parameter=name,
                nearest=find_nearest(head, names),
            )
        if head == "filter":
            _add_condition(parameters.where, brackets, name, value)
        elif head == "aggregate":
            parameters.measures += split_measures(brackets, name, value)
        elif brackets and any(part and not part.isdigit() for part in brackets):
            raise InvalidQuery(f"{name!r}: {head} takes no names in brackets", parameter=name)
        else:
            parameters.single.setdefault(head, []).append(value)
    return parameters


def _add_condition(tree: dict[str, Any], brackets: Sequence[str], name: str, value: str) -> None:
    if not brackets:
        raise InvalidQuery("filter needs a field in brackets: filter[category]=helse", parameter=name)
    level = tree
    for part in brackets[:-1]:
        inner = level.setdefault(part, {})
        if not isinstance(inner, dict):
            inner = level[part] = {"eq": inner}
        level = inner
    last = brackets[-1]
    values = level.get(last)
    if isinstance(values, dict):
        values.setdefault("eq", []).append(value)
    else:
        level[last] = [*(values or []), value]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListRequest:
    """What a list or a search wants.

    Attributes:
        text: full text to search for; empty: none.
        similar: find what is like this entry.
        by_relevance: no order was asked for, so a search answers with the best first.
        page: the page's number when it was asked for by number.
        explain: say why each entry was found, for those who hold a role.
    """

    queries: tuple[Query, ...]
    shape: Shape
    text: str = ""
    similar: Entry | None = None
    by_relevance: bool = False
    page: int | None = None
    highlight: bool = False
    explain: bool = False


def find_collection(model: ContentModel, name: str) -> Collection:
    """The collection of that name.

    Raises:
        CollectionNotFound: names the nearest one.
    """
    collection = model.collections.get(name)
    if collection is None:
        hint = nearest(name, model.collections)
        raise CollectionNotFound(
            f"there is no collection {name!r}{hint}", collection=name, nearest=find_nearest(name, model.collections)
        )
    return collection


def read_list_request(pairs: Pairs, catalog: Catalog, collection: Collection) -> ListRequest:
    """The parameters of ``GET /entries/{collection}``.

    Raises:
        InvalidQuery: naming the parameter.
    """
    parameters = read_parameters(pairs, LIST_PARAMETERS)
    text = (parameters.one("search") or "").strip()
    return _read(parameters, catalog, [collection], text)


def read_search_request(pairs: Pairs, catalog: Catalog) -> ListRequest:
    """The parameters of ``GET /search``: a filter, a facet or a sort applies to the collections that have such a field.

    Raises:
        InvalidQuery: naming the parameter; ``q`` or ``similar`` is required.
    """
    parameters = read_parameters(pairs, SEARCH_PARAMETERS)
    text = parameters.one("search")
    name = parameters.one("similar")
    if text is None and name is None:
        raise InvalidQuery("q is required: the words to search for", parameter="q")
    if "cursor" in parameters.single:
        raise InvalidQuery("a search has page and offset; cursor is for lists without words", parameter="cursor")
    collections = _read_collections(parameters, catalog.model)
    wanted = _read(parameters, catalog, collections, (text or "").strip())
    if name is None:
        return wanted
    similar = _find_similar(catalog, name, read_chain(parameters, catalog))
    return replace(wanted, similar=similar, by_relevance=wanted.by_relevance or "sort" not in parameters.single)


def _find_similar(catalog: Catalog, name: str, chain: LocaleChain) -> Entry:
    collection, _, slug = name.strip("/").partition("/")
    known = find_collection_parameter(catalog.model, collection, "similar")
    entry = catalog.find(known.name, slug, catalog.default_chain if chain == EVERY_LOCALE else (*chain, ""))
    if entry is None:
        raise InvalidQuery(f"similar: there is no entry {name[:200]!r}", parameter="similar")
    return entry


@dataclass(frozen=True, slots=True, kw_only=True)
class SuggestRequest:
    """What to complete, out of what."""

    text: str
    collections: tuple[Collection, ...]
    chain: LocaleChain
    limit: int


def read_suggest_request(pairs: Pairs, catalog: Catalog) -> SuggestRequest:
    """The parameters of ``GET /suggest``.

    Raises:
        InvalidQuery: naming the parameter; ``q`` is required.
    """
    parameters = read_parameters(pairs, SUGGEST_PARAMETERS)
    text = parameters.one("search")
    if text is None:
        raise InvalidQuery("q is required: what has been typed so far", parameter="q")
    return SuggestRequest(
        text=text,
        collections=tuple(_read_collections(parameters, catalog.model)),
        chain=read_chain(parameters, catalog),
        limit=_number(parameters, "limit", SUGGESTIONS_DEFAULT, 1, SUGGESTIONS_MOST),
    )


def _read_collections(parameters: Parameters, model: ContentModel) -> list[Collection]:
    names = dict.fromkeys(parameters.words("collection"))
    return [find_collection_parameter(model, name) for name in names] or list(model.collections.values())


def find_collection_parameter(model: ContentModel, name: str, parameter: str = "collection") -> Collection:
    """As :func:`find_collection`, for a name in a parameter.

    Raises:
        InvalidQuery: names the nearest collection.
    """
    try:
        return find_collection(model, name)
    except CollectionNotFound as error:
        raise InvalidQuery(str(error), parameter=parameter, nearest=error.facts.get("nearest")) from error


def _read(parameters: Parameters, catalog: Catalog, collections: Sequence[Collection], text: str) -> ListRequest:
    model = catalog.model
    chain = read_chain(parameters, catalog)
    limit, offset, page = _read_page(parameters)
    sort = ",".join(parameters.words("sort"))
    common: dict[str, Any] = {"chain": chain, "limit": limit, "offset": offset}
    common["facet_limit"] = _number(parameters, "facet.limit", FACET_LIMIT_DEFAULT, 1, FACET_LIMIT_MOST)
    queries: list[Query] = []
    problem: InvalidQuery | None = None
    for collection in collections:
        try:
            where = FilterReader(model, collection).read(parameters.where)
            spec = read_sort(model, collection, sort)
        except InvalidQuery as error:
            problem = helpful(problem, error)
            continue
        queries.append(Query(collection=collection, where=where, sort=spec, facets=(), **common))
    if not queries and problem is not None:
        raise problem
    queries = with_counts(
        model,
        queries,
        facets=parameters.words("facet"),
        groups=parameters.words("group_by"),
        group_limit=_number(parameters, "group.limit", GROUP_LIMIT_DEFAULT, 1, GROUP_LIMIT_MOST),
        measures=parameters.measures,
        distinct=parameters.one("distinct"),
    )
    if sort and len(queries) > 1:
        raise InvalidQuery("sort works within one collection: add collection=…", parameter="sort")
    return ListRequest(
        queries=tuple(queries),
        shape=read_shape(parameters, model, [query.collection for query in queries], default_formats=()),
        text=text,
        by_relevance=bool(text) and not sort,
        page=page,
        highlight=_flag(parameters, "highlight"),
        explain=_flag(parameters, "explain"),
    )


def split_place(raw: bytes) -> tuple[bytes, bytes]:
    """A query string without the parameters that name a page, and these."""
    if not any(mark in raw for mark in PLACE_MARKS):
        return raw, b""
    place: list[bytes] = []
    kept: list[bytes] = []
    for part in raw.split(b"&"):
        (place if _names_place(part.partition(b"=")[0]) else kept).append(part)
    return b"&".join(kept), b"&".join(place)


@lru_cache(maxsize=512)
def _names_place(name: bytes) -> bool:
    """Whether *name* is that of a page, also when it is percent-encoded or has empty brackets."""
    matched = NAME.fullmatch(unquote_to_bytes(name).decode("utf-8", "replace"))
    return matched is not None and ALIASES.get(matched[1], matched[1]) in ("page", "offset")


def read_place(pairs: Pairs, limit: int) -> tuple[int, int, int | None]:
    """(limit, offset, number of the page when it is named by number) of the page that *pairs* name.

    Raises:
        InvalidQuery: no whole number, or both a page and an offset.
    """
    if not pairs:
        return limit, 0, 1
    _, offset, page = _read_page(read_parameters(pairs, ("page", "offset")))
    return (limit, offset, None) if page is None else (limit, (page - 1) * limit, page)


def _read_page(parameters: Parameters) -> tuple[int, int, int | None]:
    limit = _number(parameters, "limit", LIMIT_DEFAULT, 0, LIMIT_MOST)
    if "page" in parameters.single and "offset" in parameters.single:
        raise InvalidQuery("give page or offset, not both", parameter="offset")
    if "offset" in parameters.single:
        return limit, _number(parameters, "offset", 0, 0, OFFSET_MOST), None
    page = _number(parameters, "page", 1, 1, OFFSET_MOST)
    return limit, (page - 1) * limit, page


def _number(parameters: Parameters, name: str, default: int, least: int, most: int) -> int:
    text = parameters.one(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,9}", text) or not least <= int(text) <= most:
        raise InvalidQuery(f"{name}: {text[:40]!r} is not a whole number from {least} to {most}", parameter=name)
    return int(text)


def read_limit(parameters: Parameters, default: int, most: int) -> int:
    """How many at once.

    Raises:
        InvalidQuery: no whole number from 1 to *most*.
    """
    return _number(parameters, "limit", default, 1, most)


def _flag(parameters: Parameters, name: str) -> bool:
    text = parameters.one(name)
    if text is None or text in ("false", "0", "no"):
        return False
    if text in ("true", "1", "yes", ""):
        return True
    raise InvalidQuery(f"{name}: {text[:40]!r} is not true or false", parameter=name)


def read_chain(parameters: Parameters, catalog: Catalog) -> LocaleChain:
    """The locales wanted, in order: ``locale`` and its ``fallback``; without either the site's default, then whatever there is.

    Raises:
        InvalidQuery: a locale that the site does not have.
    """
    locale = parameters.one("locale")
    fallback = parameters.words("fallback")
    known = catalog.model.locales
    if locale == "*":
        if fallback:
            raise InvalidQuery("locale=* takes no fallback", parameter="fallback")
        return EVERY_LOCALE
    for name, value in [("locale", locale), *(("fallback", part) for part in fallback)]:
        if value is not None and value not in known:
            every = ", or *" if name == "locale" else ""
            raise InvalidQuery(
                f"{name}: {value!r} is not one of the site's locales: {', '.join(known)}{every}",
                parameter=name,
                nearest=find_nearest(value, known),
            )
    if locale is None and not fallback:
        return catalog.default_chain
    return tuple(dict.fromkeys([*([locale] if locale is not None else [catalog.default_chain[0]]), *fallback]))


def read_detail_request(pairs: Pairs, catalog: Catalog, collection: Collection) -> tuple[LocaleChain, Shape]:
    """The parameters of ``GET /entries/{collection}/{slug}``.

    Raises:
        InvalidQuery: naming the parameter.
    """
    parameters = read_parameters(pairs, DETAIL_PARAMETERS)
    chain = read_chain(parameters, catalog)
    if chain == EVERY_LOCALE:
        raise InvalidQuery("one entry has one locale; its translations are listed in it", parameter="locale")
    return chain, read_shape(parameters, catalog.model, [collection], default_formats=("html",))


def read_shape(
    parameters: Parameters, model: ContentModel, collections: Sequence[Collection], *, default_formats: tuple[str, ...]
) -> Shape:
    """``fields``, ``include``, ``depth`` and ``format``.

    Raises:
        InvalidQuery: a name that none of *collections* has.
    """
    if default_formats == () and SHAPING.isdisjoint(parameters.single):
        return PLAIN
    names = parameters.words("fields")
    for parameter in ("fields", "include"):
        if any(name.count(".") >= STEPS_MOST for name in parameters.words(parameter)):
            raise InvalidQuery(f"a name in {parameter} has {STEPS_MOST} parts at most", parameter=parameter)
    only = read_tree([name for name in names if not name.startswith("-")])
    without = frozenset(name[1:] for name in names if name.startswith("-"))
    include = read_tree(parameters.words("include"))
    check_trees(only, collections, model.collections, "fields")
    check_trees({name: {} for name in without}, collections, model.collections, "fields")
    check_trees(include, collections, model.collections, "include")
    formats = tuple(dict.fromkeys(parameters.words("format")))
    for name in formats:
        if name not in FORMATS:
            raise InvalidQuery(
                f"format: {name!r} is not one of {', '.join(FORMATS)}{nearest(name, FORMATS)}",
                parameter="format",
                nearest=find_nearest(name, FORMATS),
            )
    if not formats:
        formats = default_formats or (("html",) if "body" in only else ())
    if only:
        wants_body = "body" in only
        formats = tuple(
            name for name in formats if (name in BODY_FORMATS and wants_body) or (name == "toc" and "toc" in only)
        )
        formats += ("toc",) if "toc" in only and "toc" not in formats else ()
    if "body" in without:
        formats = tuple(name for name in formats if name not in BODY_FORMATS)
    depth = _number(parameters, "depth", 1 if include else 0, 0, DEPTH_LIMIT)
    if _height(include) > DEPTH_LIMIT:
        raise InvalidQuery(f"include follows at most {DEPTH_LIMIT} references in a row", parameter="include")
    return Shape(only=only, without=without, include=include, depth=0 if include else depth, formats=formats)


def _height(tree: Mapping[str, Any]) -> int:
    return 1 + max(map(_height, tree.values())) if tree else 0
