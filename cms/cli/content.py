"""``cms list``, ``cms show``, ``cms search``: the API's own answers, asked in this process, as a table, as lines or as JSON."""

import html
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer
from rich.markdown import Markdown
from rich.table import Table
from rich.text import Text

from cms.app import build_app
from cms.cli.application import API, get
from cms.cli.exits import Refused, exit_code_of
from cms.cli.output import counted, out, print_bytes, print_json, print_note
from cms.cli.sites import BranchOption, LocaleOption, SiteOption, open_site, update_search
from cms.cli.viewing import AtOption, DraftOption, RefOption, open_view
from cms.finding import printable
from cms.params import split_query

CONDITION = re.compile(r"([^=<>!~\[\]]+)((?:\[[^\]]*\])*)(>=|<=|!=|=|<|>|~)(.*)", re.DOTALL)
OPERATORS = {"=": "", "!=": "[ne]", ">=": "[gte]", "<=": "[lte]", ">": "[gt]", "<": "[lt]", "~": "[icontains]"}
COLUMNS = ("slug", "locale", "title", "published_at")
NO_VIEW = ("", "", ())
MARK = re.compile(r"<mark>(.*?)</mark>", re.DOTALL)

Pairs = list[tuple[str, str]]
JsonOption = Annotated[bool, typer.Option("--json", help="Print exactly what the API answers.")]
QueryOption = Annotated[
    str,
    typer.Option(
        "--query",
        "-q",
        metavar="QUERY",
        help=r"Further parameters as in a URL: filter\[a]=x&depth=1.",
        show_default=False,
    ),
]
FilterOption = Annotated[
    list[str] | None,
    typer.Option(
        "--filter",
        "-f",
        metavar="CONDITION",
        help="category=helse, date>=2019-01-01, title~kommune, tags!=x. Several: all hold.",
        show_default=False,
    ),
]
SortOption = Annotated[str, typer.Option(metavar="FIELDS", help="Such as -published_at,title.", show_default=False)]
LimitOption = Annotated[
    int | None, typer.Option(metavar="N", help="Entries on a page, 20 if not said.", show_default=False)
]
PageOption = Annotated[int | None, typer.Option(metavar="N", help="Which page, from 1.", show_default=False)]
FieldsOption = Annotated[
    str, typer.Option(metavar="NAMES", help="Such as title,author.name; -body leaves one out.", show_default=False)
]
FacetOption = Annotated[
    str, typer.Option(metavar="NAMES", help="Count values of fields, such as category,date.year.", show_default=False)
]
IncludeOption = Annotated[
    str, typer.Option(metavar="NAMES", help="Show the entries that these references name.", show_default=False)
]


def list_entries(
    collection: Annotated[str, typer.Argument(help="Name of the collection.", show_default=False)],
    filter: FilterOption = None,
    sort: SortOption = "",
    limit: LimitOption = None,
    page: PageOption = None,
    locale: LocaleOption = "",
    fields: FieldsOption = "",
    include: IncludeOption = "",
    facet: FacetOption = "",
    query: QueryOption = "",
    ref: RefOption = "",
    at: AtOption = "",
    draft: DraftOption = None,
    site: SiteOption = None,
    branch: BranchOption = "",
    is_json: JsonOption = False,
) -> None:
    """List the entries of a collection, with filters, sort and facets.

    A table on a terminal, lines with tabs between the values otherwise.
    """
    pairs = read_pairs(query, filter)
    pairs += given(sort=sort, limit=limit, page=page, locale=locale, fields=fields, include=include, facet=facet)
    names = [name.strip() for name in fields.split(",") if name.strip() and not name.strip().startswith("-")]
    answer = ask(
        site,
        branch,
        f"/entries/{quote(collection)}",
        pairs,
        view=(ref, at, draft or ()),
        uses_search=any(name in ("search", "q") for name, _ in pairs),
    )
    if is_json:
        return print_json(answer)
    return print_page(json.loads(answer), names)


def show(
    entry: Annotated[
        str,
        typer.Argument(metavar="COLLECTION/SLUG", help="Which entry; the slug may hold slashes.", show_default=False),
    ],
    format: Annotated[
        str,
        typer.Option(
            metavar="FORMATS", help="Of the body: markdown, html, text, toc; several with commas.", show_default=False
        ),
    ] = "",
    locale: LocaleOption = "",
    fields: FieldsOption = "",
    include: IncludeOption = "",
    query: QueryOption = "",
    ref: RefOption = "",
    at: AtOption = "",
    draft: DraftOption = None,
    site: SiteOption = None,
    branch: BranchOption = "",
    is_json: JsonOption = False,
) -> None:
    """Show one entry: its fields, then its body."""
    collection, slash, slug = entry.strip("/").partition("/")
    if not slash:
        raise Refused(
            f"{entry!r} names no entry", hint=f"write COLLECTION/SLUG; 'cms list {collection}' shows the slugs"
        )
    if not format and not is_json and not fields:
        format = "markdown"
    pairs = read_pairs(query, None) + given(format=format, locale=locale, fields=fields, include=include)
    answer = ask(site, branch, f"/entries/{quote(collection)}/{quote(slug)}", pairs, view=(ref, at, draft or ()))
    if is_json:
        return print_json(answer)
    return print_entry(json.loads(answer)["data"])


def search(
    words: Annotated[
        list[str] | None, typer.Argument(help='Words, "a phrase", OR, NOT, title:word.', show_default=False)
    ] = None,
    collection: Annotated[
        str, typer.Option("--collection", metavar="NAMES", help="Search in these only.", show_default=False)
    ] = "",
    similar: Annotated[
        str, typer.Option(metavar="COLLECTION/SLUG", help="Find entries like this one.", show_default=False)
    ] = "",
    filter: FilterOption = None,
    sort: SortOption = "",
    limit: LimitOption = None,
    page: PageOption = None,
    locale: LocaleOption = "",
    fields: FieldsOption = "",
    facet: FacetOption = "",
    query: QueryOption = "",
    ref: RefOption = "",
    at: AtOption = "",
    draft: DraftOption = None,
    site: SiteOption = None,
    branch: BranchOption = "",
    is_json: JsonOption = False,
) -> None:
    """Search the full text of all collections, best hits first."""
    pairs = [*given(q=" ".join(words or ()), similar=similar), *read_pairs(query, filter)]
    pairs += given(collection=collection, sort=sort, limit=limit, page=page, locale=locale, fields=fields, facet=facet)
    answer = ask(site, branch, "/search", pairs, view=(ref, at, draft or ()), uses_search=True)
    if is_json:
        return print_json(answer)
    return print_hits(json.loads(answer))


# -- asking --------------------------------------------------------------------------------------------------------


def read_pairs(query: str, conditions: Iterable[str] | None) -> Pairs:
    """The parameters that ``--query`` and ``--filter`` spell.

    Raises:
        InvalidQuery: the query string is too long or not UTF-8.
        Refused: a condition without an operator.
    """
    return [*split_query(query.lstrip("?").encode()), *map(read_condition, conditions or ())]


def read_condition(text: str) -> tuple[str, str]:
    """``date>=2019-01-01`` as the API spells it: ``("filter[date][gte]", "2019-01-01")``."""
    if text.startswith("filter["):
        name, _, value = text.partition("=")
        return name, value
    found = CONDITION.fullmatch(text)
    if found is None:
        raise Refused(f"--filter {text!r} has no operator", hint="write it as category=helse or date>=2019-01-01")
    name, brackets, operator, value = found.groups()
    return f"filter[{name.strip()}]{brackets}{OPERATORS[operator]}", value.strip()


def given(**options: object) -> Pairs:
    """The options that were given, as parameters of the API."""
    return [(name, str(value)) for name, value in options.items() if value not in ("", None)]


def ask(
    site: Path | None,
    branch: str,
    path: str,
    pairs: Pairs,
    *,
    view: tuple[str, str, Sequence[str]] = NO_VIEW,
    uses_search: bool = False,
) -> bytes:
    """The API's answer to a GET request for *path*.

    Args:
        view: a ref, a moment and drafts to read from.

    Raises:
        Refused: the answer is a problem; says what the problem says.
        CMSError: there is no such view.
    """
    opened, _ = open_site(site, branch)
    try:
        if uses_search and not opened.is_empty:
            update_search(opened)
        opened_view = open_view(opened, *view) if not opened.is_empty else None
        status, body = get(build_app(opened), f"{API}{path}?{urlencode(pairs)}", view=opened_view)
        if status >= 400:
            problem = json.loads(body)
            raise Refused(str(problem.get("detail", problem)), code=exit_code_of(str(problem.get("code"))))
        return body
    finally:
        opened.close()


# -- printing ------------------------------------------------------------------------------------------------------


def print_page(answer: Mapping[str, Any], names: Sequence[str]) -> None:
    """A list of entries, with what the page is of and the facets."""
    entries, meta = answer["data"], answer["meta"]
    columns = [*names] or columns_of(entries)
    print_table(columns, [[cell(dig(entry, name)) for name in columns] for entry in entries])
    print_counts(meta)
    print_summary(meta, len(entries))


def columns_of(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns to show: for a program always the same ones, for a person those that tell something."""
    if not out().is_terminal:
        return [*COLUMNS]
    same = {name for name in ("locale",) if len({entry.get(name) for entry in entries}) < 2}
    return [name for name in COLUMNS if name not in same and any(entry.get(name) is not None for entry in entries)]


def print_hits(answer: Mapping[str, Any]) -> None:
    """Hits of a search: where, title, and a piece of the text."""
    rows = []
    for entry in answer["data"]:
        marked = [item["html"] for item in entry.get("highlights", ()) if item["field"] != "title"]
        key = f"{entry.get('collection')}/{entry.get('slug')}"
        text = marked_text(marked[0]) if marked else Text()
        is_pinned = entry.get("pinned") is True and out().is_terminal
        rows.append(
            [
                Text("pinned" if is_pinned else f"{entry['score']:.2f}"),
                Text(printable(key)),
                Text(cell(entry.get("title"))),
                text,
            ]
        )
    print_table(["score", "entry", "title", "text"], rows)
    if "corrected" in answer["meta"]:
        print_note(f"these are hits for {answer['meta']['corrected']!r}, not for what was asked")
    if answer["meta"].get("match") == "any":
        print_note("no entry has all the words; these have some of them")
    print_counts(answer["meta"])
    print_summary(answer["meta"], len(rows))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str | Text]]) -> None:
    """A table on a terminal, else values with tabs between them, one row a line and no heading."""
    console = out()
    if not console.is_terminal:
        return print_bytes("".join("\t".join(map(str, row)) + "\n" for row in rows).encode())
    if not rows:
        return None
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        table.add_column(Text(name), overflow="fold")
    for row in rows:
        table.add_row(*[Text(value) if isinstance(value, str) else value for value in row])
    return console.print(table, soft_wrap=False)


def print_facets(facets: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """The counts of each facet, below an empty line."""
    for name, values in facets.items():
        print_bytes(b"\n")
        rows = [[name, cell(item.get("label") or item["value"]), str(item["count"])] for item in values]
        print_table(["facet", "value", "count"], rows)


def print_counts(meta: Mapping[str, Any]) -> None:
    """Facets, aggregates and groups, as far as they were asked for."""
    print_facets(meta.get("facets") or {})
    if "aggregate" in meta:
        print_bytes(b"\n")
        print_table(["aggregate", "value"], [[name, cell(value)] for name, value in measures_of(meta)])
    if meta.get("groups"):
        print_bytes(b"\n")
        first = meta["groups"][0]
        columns = [*first["values"], "count", *(name for name, _ in measures_of(first))]
        rows = [
            [
                *(cell((group.get("labels") or {}).get(name) or value) for name, value in group["values"].items()),
                str(group["count"]),
                *(cell(value) for _, value in measures_of(group)),
            ]
            for group in meta["groups"]
        ]
        print_table(columns, rows)


def measures_of(told: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """``min(price)`` and so on, with the results."""
    results = told.get("aggregate") or {}
    return [(f"{function}({name})", value) for function, values in results.items() for name, value in values.items()]


def print_summary(meta: Mapping[str, Any], shown: int) -> None:
    """On a terminal, how much there is of it."""
    if out().is_terminal:
        place = f", page {meta['page']} of {meta['pages']}" if meta.get("pages", 0) > 1 else ""
        print_note(f"{shown} of {counted(meta['total'], 'entry', 'entries')}{place}")


def print_entry(entry: Mapping[str, Any]) -> None:
    """The fields of an entry, a line each, and its body."""
    console = out()
    for name, value in entry.items():
        if name not in ("body", "toc") and value not in (None, [], {}, ""):
            console.print(Text.assemble((f"{printable(name)}: ", "bold"), cell(value)))
    body = entry.get("body")
    if isinstance(body, str):
        text = "\n".join(map(printable, body.replace("\t", "    ").splitlines()))
        console.print()
        if console.is_terminal and not body.lstrip().startswith("<"):
            console.print(Markdown(text, hyperlinks=False), soft_wrap=False)
        else:
            print_bytes(f"{text}\n".encode())
    elif body is not None or "toc" in entry:
        print_json({name: entry[name] for name in ("body", "toc") if name in entry})


def dig(entry: Mapping[str, Any], name: str) -> Any:
    """The value of a dotted name: of each item where it leads through a list."""
    value: Any = entry
    for part in name.split("."):
        if isinstance(value, list):
            value = [item.get(part) for item in value if isinstance(item, dict)]
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def cell(value: Any) -> str:
    """A value as one line of text: references by slug, lists with commas."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(map(cell, value))
    if isinstance(value, dict):
        if "slug" in value:
            return printable(str(value["slug"]))
        return printable(json.dumps(value, ensure_ascii=False))
    return printable(str(value).strip())


def marked_text(marked: str) -> Text:
    """A highlight, its HTML turned into bold print."""
    text = Text()
    for number, part in enumerate(MARK.split(marked)):
        text.append(printable(html.unescape(part)), "bold" if number % 2 else None)
    return text
