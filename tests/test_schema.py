"""Schemas: what is understood, and what is refused with file, line and keyword."""

from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from cms.coerce import parse_entry
from cms.errors import InvalidSchema
from cms.model import read_model
from cms.refs import CommitId
from cms.schema import DEPTH_LIMIT, FIELD_KEYWORDS, ROOT_KEYWORDS, Collection, Field, find_line, read_schema
from cms.store import Store
from tests.repo import Repo

HEAD = "type: object\nx-path: posts/{slug}.md\n"
DOCUMENT = Path(__file__).parent.parent / "docs" / "schemas.md"


def read(text: str | bytes, *, name: str = "posts", locales: tuple[str, ...] = ("nb", "en")) -> Collection:
    """The compiled schema."""
    return read_schema(name, text, path=f"schemas/{name}.yaml", locales=locales)


def refused(text: str | bytes, *, name: str = "posts") -> tuple[int, str, str]:
    """(line, keyword, message) of the refusal."""
    with pytest.raises(InvalidSchema) as caught:
        read(text, name=name)
    facts = caught.value.facts
    assert facts["path"] == f"schemas/{name}.yaml"
    return facts["line"], facts["keyword"], str(caught.value)


def fields(properties: str, rest: str = "") -> dict[str, Field]:
    """The fields of a schema with these *properties*, each line of them indented by two."""
    text = HEAD + rest + "properties:\n" + "".join(f"  {line}\n" for line in properties.strip("\n").split("\n"))
    return dict(read(text).fields)


# Each: source, line, keyword, and what the message must say.
WRONG: dict[str, tuple[str | bytes, int, str, str]] = {
    "nothing": ("", 1, "type", "empty"),
    "only a comment": ("# later\n", 1, "type", "empty"),
    "no YAML": ("type: object\nx-path: [posts\n", 3, "yaml", "list"),
    "a tab": ("type: object\n\tx-path: p/{slug}.md\n", 2, "yaml", "tab"),
    "a list": ("- type: object\n", 1, "yaml", "is a list"),
    "a text": ("posts/{slug}.md\n", 1, "yaml", "is text"),
    "not UTF-8": (HEAD.encode() + b"title: Bl\xe5\n", 3, "encoding", "not UTF-8"),
    "an anchor": (HEAD + "properties:\n  a: &a {type: string}\n  b: *a\n", 4, "yaml", "anchor"),
    "a tag": (HEAD + "title: !!python/name:os.system x\n", 3, "yaml", "tag"),
    "a key twice": (HEAD + "title: A\ntitle: B\n", 4, "yaml", "twice"),
    "two documents": (HEAD + "---\ntype: object\n", 3, "yaml", "---"),
    "no number": (HEAD + "properties:\n  a: {maximum: .inf}\n", 4, "yaml", "not a number"),
    "no type": ("x-path: posts/{slug}.md\n", 1, "type", "must have 'type'"),
    "no path": ("type: object\n", 1, "x-path", "must have 'x-path'"),
    "another type": ("type: array\nx-path: posts/{slug}.md\n", 1, "type", "object"),
    "an unknown keyword at the top": (HEAD + "x-titel: name\n", 3, "x-titel", "did you mean 'x-title'?"),
    "an unknown keyword on a field": (
        HEAD + "properties:\n  a:\n    type: string\n    x-refernce: b\n",
        6,
        "x-refernce",
        "did you mean 'x-reference'?",
    ),
    "a keyword in the wrong place": (HEAD + "properties:\n  a: {x-path: b}\n", 4, "x-path", "not known on a field"),
    "a field keyword at the top": (HEAD + "x-reference: posts\n", 3, "x-reference", "not known at the top"),
    "an unknown keyword in $defs": (HEAD + "$defs:\n  a: {x-uniq: true}\n", 4, "x-uniq", "x-unique"),
    "an unknown keyword on a field called default": (
        HEAD + "properties:\n  default: {x-uniq: true}\n",
        4,
        "x-uniq",
        "x-unique",
    ),
    "an unknown keyword on a field called properties": (
        HEAD + "properties:\n  properties: {x-uniq: true}\n",
        4,
        "x-uniq",
        "x-unique",
    ),
    "a path of the wrong type": ("type: object\nx-path: 5\n", 2, "x-path", "a path pattern"),
    "an empty list of paths": ("type: object\nx-path: []\n", 2, "x-path", "a path pattern"),
    "a path without a slug": ("type: object\nx-path: posts/*.md\n", 2, "x-path", "must hold {slug}"),
    "a path with an unknown placeholder": ("type: object\nx-path: p/{name}/{slug}.md\n", 2, "x-path", "{name}"),
    "a path with a placeholder twice": ("type: object\nx-path: '{slug}/{slug}.md'\n", 2, "x-path", "twice"),
    "a path with half a brace": ("type: object\nx-path: p/{slug.md\n", 2, "x-path", "brace"),
    "a path that leaves": ("type: object\nx-path: ../{slug}.md\n", 2, "x-path", "relative to the root"),
    "an absolute path": ("type: object\nx-path: /p/{slug}.md\n", 2, "x-path", "relative to the root"),
    "a path that begins with a dot": ("type: object\nx-path: ./p/{slug}.md\n", 2, "x-path", "no file"),
    "a path with two slashes": ("type: object\nx-path: p//{slug}.md\n", 2, "x-path", "no file"),
    "a path with a backslash": ("type: object\nx-path: p\\{slug}.md\n", 2, "x-path", "no file"),
    "a remote reference": (
        HEAD + "properties:\n  a:\n    $ref: https://example.org/a.json\n",
        5,
        "$ref",
        "same file",
    ),
    "a reference to another file": (HEAD + "properties:\n  a: {$ref: other.yaml}\n", 4, "$ref", "same file"),
    "a reference to nothing": (HEAD + "properties:\n  a:\n    $ref: '#/$defs/b'\n", 5, "$ref", "does not exist"),
    "a look-around": (HEAD + "properties:\n  a: {pattern: '(?=a)b'}\n", 4, "pattern", "linear-time"),
    "a back-reference": (HEAD + "properties:\n  a: {pattern: '(a)\\1'}\n", 4, "pattern", "linear-time"),
    "a pattern that is none": (HEAD + "properties:\n  a:\n    pattern: '(a'\n", 5, "pattern", "regex"),
    "an unknown type": (HEAD + "properties:\n  a:\n    type: text\n", 5, "type", "string, integer"),
    "null without quotation marks": (HEAD + "properties:\n  a: {type: [string, null]}\n", 4, "type", '"null"'),
    "a number for a type": (HEAD + "properties:\n  a: {type: 5}\n", 4, "type", "string, integer"),
    "an enum that is no list": (HEAD + "properties:\n  a: {enum: 5}\n", 4, "enum", "array"),
    "a required that is no list": (HEAD + "required: title\n", 3, "required", "array"),
    "an anyOf that is no list": (HEAD + "properties:\n  a: {anyOf: {type: string}}\n", 4, "anyOf", "array"),
    "properties that are a list": (HEAD + "properties: [a, b]\n", 3, "properties", "object"),
    "a title field that is none": (
        HEAD + "x-title: titel\nproperties: {title: {type: string}}\n",
        3,
        "x-title",
        "did you mean 'title'?",
    ),
    "a date field that is none": (HEAD + "x-date: day\n", 3, "x-date", "no field"),
    "an unknown body": (HEAD + "x-body: html\n", 3, "x-body", "markdown or none"),
    "an unknown placeholder in the URL": (HEAD + "x-url: /{category}/{slug}\n", 3, "x-url", "{category} is not known"),
    "half a brace in the URL": (HEAD + "x-url: /blog/{slug\n", 3, "x-url", "brace"),
    "a URL of another scheme": (HEAD + "x-url: javascript:alert(1)\n", 3, "x-url", "must begin with"),
    "a label that is a text": (HEAD + "x-label: Innlegg\n", 3, "x-label", "for each locale"),
    "a reference of the wrong type": (HEAD + "properties:\n  a: {x-reference: 5}\n", 4, "x-reference", "a collection"),
    "a reference of the wrong type in $defs": (
        HEAD + "$defs:\n  a:\n    x-reference: 5\n",
        5,
        "x-reference",
        "a collection",
    ),
    "a boost that is a text, in anyOf": (
        HEAD + "properties:\n  a:\n    anyOf:\n    - type: string\n      x-search: {boost: high}\n",
        7,
        "x-search",
        "boost",
    ),
    "a boost of nothing": (HEAD + "properties:\n  a: {x-search: {boost: 0}}\n", 4, "x-search", "boost"),
    "an unknown search option": (HEAD + "properties:\n  a: {x-search: {weight: 2}}\n", 4, "x-search", "boost"),
    "an asset that is a word": (HEAD + "properties:\n  a: {x-asset: image}\n", 4, "x-asset", "true or false"),
    "nested too deep": (
        HEAD + "properties: " + "{a: {properties: " * 14 + "{}" + "}}" * 14 + "\n",
        3,
        "properties",
        "too deeply",
    ),
    "nested far too deep": (HEAD + "a: " + "[" * 2000 + "]" * 2000 + "\n", 3, "yaml", "levels deep"),
    "huge": (HEAD + "#" * 600_000, 1, "size", "larger than"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_schema_is_refused_with_file_line_and_keyword(case: str) -> None:
    source, line, keyword, message = WRONG[case]
    assert refused(source)[:2] == (line, keyword)
    assert message in refused(source)[2]


@pytest.mark.parametrize("name", ["", "a b", "a/b", "æ", "-a", "a" * 101])
def test_a_collection_name_is_safe_in_a_url(name: str) -> None:
    assert refused(HEAD, name=name)[1] == "name"


def test_a_schema_that_doubles_itself_at_every_level_is_refused_at_once() -> None:
    levels = "".join(
        f"  d{n}: {{properties: {{a: {{$ref: '#/$defs/d{n + 1}'}}, b: {{$ref: '#/$defs/d{n + 1}'}}}}}}\n"
        for n in range(20)
    )
    text = f"{HEAD}$defs:\n{levels}  d20: {{type: string}}\nproperties:\n  a: {{$ref: '#/$defs/d0'}}\n"
    assert "more than 2000 fields" in refused(text)[2]


def test_a_schema_may_lead_back_to_itself() -> None:
    found = fields(
        "menu: {$ref: '#/$defs/node'}",
        "$defs:\n  node:\n    type: object\n    properties:\n      left: {$ref: '#/$defs/node'}\n"
        "      right: {$ref: '#/$defs/node'}\n      page: {type: string, x-reference: posts}\n",
    )
    assert found["menu"].properties["page"].references == ("posts",)
    assert found["menu"].properties["left"].kind == "object"


def test_an_endless_choice_is_read_once() -> None:
    found = fields("a: {$ref: '#/$defs/a'}", "$defs:\n  a: {anyOf: [{$ref: '#/$defs/a'}, {type: string}]}\n")
    assert found["a"].kind == "string"


def test_the_schema_file_itself_knows_norway() -> None:
    found = read(HEAD + "x-label: {no: Innlegg, en: Posts}\nproperties:\n  lang: {enum: [no, nn, on, y]}\n")
    assert found.label == {"no": "Innlegg", "en": "Posts"}
    assert found.fields["lang"].choices == ("no", "nn", "on", "y")
    assert found.fields["lang"].kind == "string"


def test_a_date_in_a_schema_stays_text() -> None:
    assert fields("day: {enum: [2019-01-01], default: 2019-01-01}")["day"].choices == ("2019-01-01",)


def test_windows_line_ends_and_a_byte_order_mark_do_not_matter() -> None:
    text = (HEAD + "properties:\n  a: {x-uniq: true}\n").replace("\n", "\r\n")
    assert refused(b"\xef\xbb\xbf" + text.encode())[:2] == (4, "x-uniq")


def test_keywords_count_wherever_a_value_is_described() -> None:
    found = fields(
        """
one: {$ref: '#/$defs/person'}
many: {type: array, items: {$ref: '#/$defs/person'}}
either: {anyOf: [{type: string, x-reference: authors}, {type: array, items: {type: string, x-reference: authors}}]}
joined: {allOf: [{$ref: '#/$defs/person'}], description: Who}
""",
        "$defs:\n  person: {type: string, x-reference: [authors, people]}\n",
    )
    assert {name: item.references for name, item in found.items()} == {
        "one": ("authors", "people"),
        "many": ("authors", "people"),
        "either": ("authors",),
        "joined": ("authors", "people"),
    }
    assert (found["many"].many, found["many"].either) == (True, False)
    assert (found["either"].many, found["either"].either) == (True, True)


def test_keywords_count_inside_objects_and_lists_of_objects() -> None:
    found = fields(
        """
image: {type: object, properties: {url: {type: string, x-asset: true}}}
links:
  type: array
  items:
    type: object
    required: [to]
    properties:
      to: {type: string, x-reference: posts}
      on: {type: string, format: date}
      deep: {type: object, properties: {alt: {type: string, x-search: {boost: 2}}}}
""",
    )
    assert found["image"].properties["url"].asset
    assert found["links"].many
    assert found["links"].properties["to"].references == ("posts",)
    assert (found["links"].properties["to"].required, found["links"].properties["on"].required) == (True, False)
    assert found["links"].properties["on"].format == "date"
    assert found["links"].properties["deep"].properties["alt"].boost == 2
    assert found["links"].properties["deep"].properties["alt"].name == "links.deep.alt"


def test_search_options_may_stand_on_the_list_or_on_its_items() -> None:
    found = fields(
        "a: {type: array, items: {type: string, x-search: {facet: true}}}\nb: {type: array, x-search: {facet: true}}"
    )
    assert found["a"].facet
    assert found["b"].facet


def test_a_format_behind_a_reference_is_known() -> None:
    found = fields(
        "a: {anyOf: [{$ref: '#/$defs/day'}, {type: 'null'}]}\nb: {type: array, items: {$ref: '#/$defs/day'}}",
        "$defs:\n  day: {type: string, format: date}\n",
    )
    assert (found["a"].format, found["a"].nullable, found["a"].kind) == ("date", True, "string")
    assert (found["b"].format, found["b"].nullable) == ("date", False)


def test_fields_may_come_from_a_schema_that_is_joined_to_the_root() -> None:
    found = fields("a: {type: integer}", "allOf: [{properties: {title: {type: string}}, required: [title]}]\n")
    assert found["title"].kind == "string"
    assert found["title"].required


@pytest.mark.parametrize(
    ("node", "kind"),
    [
        ("{}", "any"),
        ("true", "any"),
        ("{type: string}", "string"),
        ('{type: [string, "null"]}', "string"),
        ("{type: [integer, number]}", "number"),
        ("{type: [string, integer]}", "any"),
        ("{enum: [a, b]}", "string"),
        ("{enum: [1, 2]}", "integer"),
        ("{const: yes}", "string"),
        ("{properties: {a: {}}}", "object"),
        ("{type: array, items: {type: number}}", "number"),
        ("{items: {type: string}}", "string"),
        ("{anyOf: [{type: boolean}, {type: 'null'}]}", "boolean"),
    ],
)
def test_the_kind_of_a_field(node: str, kind: str) -> None:
    assert fields(f"a: {node}")["a"].kind == kind


def test_defaults_of_a_bare_schema() -> None:
    found = read(HEAD, name="need_areas")
    assert (found.title, found.title_field, found.date_field, found.sort) == ("Need areas", None, None, "")
    assert (found.url, found.has_body, dict(found.fields)) == (None, True, {})


def test_title_and_date_are_found_by_their_usual_names() -> None:
    found = read(HEAD + "properties: {title: {type: string}, date: {type: string, format: date}}\n")
    assert (found.title_field, found.date_field) == ("title", "date")


def test_a_field_is_found_by_its_dotted_name() -> None:
    found = read(HEAD + "properties:\n  a: {type: object, properties: {b: {type: integer}}}\n")
    assert found.find_field("a.b") is not None
    assert found.find_field("a.c") is None
    assert found.find_field("a.b.c") is None
    assert [item.name for item in found.walk_fields()] == ["a", "a.b"]


def test_the_fingerprint_changes_with_the_schema_and_the_locales_only() -> None:
    before = read(HEAD).fingerprint
    assert read(HEAD + "# a remark\n").fingerprint == before
    assert read(HEAD, locales=("en", "nb")).fingerprint == before
    assert read(HEAD, locales=("nb",)).fingerprint != before
    assert read(HEAD + "title: Blog\n").fingerprint != before


def test_literals_may_hold_anything() -> None:
    rest = "default: {x-foo: 1, $ref: 'https://example.org'}\nexamples: [{x-bar: 2}]\n"
    assert read(HEAD + rest).schema["default"] == {"x-foo": 1, "$ref": "https://example.org"}


def test_a_line_is_found_as_deep_as_the_text_goes() -> None:
    text = "a:\n  b:\n  - c: 1\n  - d: 2\n"
    assert find_line(text, ["a", "b", "1", "d"]) == 4
    assert find_line(text, ["a", "b", "1", "x"]) == 4
    assert find_line(text, ["x"]) == 1
    assert find_line("a: [", ["a"]) == 1


def model_findings(repo: Repo, **schemas: str) -> list[str]:
    """What is found in a repository with these schemas."""
    files: dict[str, Any] = {f"schemas/{name}.yaml": text for name, text in schemas.items()}
    commit = repo.commit(files)
    store = Store.open(repo.path)
    model = read_model(store, CommitId(commit))
    assert model is not None
    return [str(finding) for finding in model.findings]


def test_a_reference_to_no_collection_is_found_with_its_line(repo: Repo) -> None:
    posts = HEAD + "properties:\n  author:\n    type: string\n    x-reference: author\n"
    authors = "type: object\nx-path: authors/{slug}.md\n"
    assert model_findings(repo, posts=posts, authors=authors) == [
        "schemas/posts.yaml:6: x-reference: author: x-reference names 'author', which is no collection;"
        " did you mean 'authors'?"
    ]


def test_a_nested_reference_to_no_collection_is_found_with_its_line(repo: Repo) -> None:
    posts = (
        HEAD + "properties:\n  links:\n    type: array\n    items:\n      properties:\n        to:\n"
        "          x-reference: nowhere\n"
    )
    assert model_findings(repo, posts=posts)[0].startswith("schemas/posts.yaml:9: x-reference: links.to:")


@pytest.mark.parametrize("sort", ["-titel", "title,image", "author.nam", "image.x", "a,b,c,d,e,f", "status_"])
def test_a_sort_by_nothing_is_found_when_the_schema_is_read(repo: Repo, sort: str) -> None:
    properties = (
        "properties:\n  title: {type: string}\n  image: {type: object, properties: {url: {type: string}}}\n"
        "  author: {type: string, x-reference: authors}\n"
    )
    authors = "type: object\nx-path: authors/{slug}.md\nproperties: {name: {type: string}}\n"
    found = model_findings(repo, posts=f"{HEAD}x-sort: {sort}\n{properties}", authors=authors)
    assert [line.partition(": x-sort: ")[0] for line in found] == ["schemas/posts.yaml:3"]


@pytest.mark.parametrize("sort", ["-published_at, +title", "author.name", "image.url", "-updated_at,slug", "status_"])
def test_a_sort_by_what_is_there_is_taken(repo: Repo, sort: str) -> None:
    properties = (
        "properties:\n  title: {type: string}\n  image: {type: object, properties: {url: {type: string}}}\n"
        "  status: {type: string}\n  author: {type: string, x-reference: authors}\n"
    )
    authors = "type: object\nx-path: authors/{slug}.md\nproperties: {name: {type: string}}\n"
    assert model_findings(repo, posts=f"{HEAD}x-sort: {sort}\n{properties}", authors=authors) == []


def test_a_collection_with_a_wrong_sort_is_served_in_another_order(repo: Repo) -> None:
    commit = repo.commit({"schemas/posts.yaml": HEAD + "x-sort: nothing\n"})
    store = Store.open(repo.path)
    model = read_model(store, CommitId(commit))
    assert model is not None
    assert model.collections["posts"].sort == ""


def test_two_schemas_for_one_collection_are_found(repo: Repo) -> None:
    commit = repo.commit({"schemas/posts.yaml": HEAD, "schemas/posts.yml": HEAD})
    store = Store.open(repo.path)
    model = read_model(store, CommitId(commit))
    assert model is not None
    assert "another schema" in model.findings[0].message
    assert list(model.collections) == ["posts"]


def test_a_recursive_schema_still_validates(repo: Repo) -> None:
    collection = read(
        HEAD + "$defs:\n  node: {type: object, properties: {page: {type: string}, below: {type: array, items: "
        "{$ref: '#/$defs/node'}}}, additionalProperties: false}\nproperties:\n  menu: {$ref: '#/$defs/node'}\n"
    )
    source = b"---\nmenu:\n  page: 1\n  below:\n  - {page: a, odd: 1}\n---\n"
    parsed = parse_entry(source, collection, ZoneInfo("UTC"), frozenset({"en"}))
    assert [finding.field for finding in parsed.findings] == ["menu.below.0.odd"]


@pytest.mark.parametrize("keyword", sorted({*ROOT_KEYWORDS, *FIELD_KEYWORDS}))
def test_every_keyword_is_documented(keyword: str) -> None:
    assert f"`{keyword}`" in DOCUMENT.read_text("utf-8")


def test_the_examples_in_the_document_are_valid_schemas() -> None:
    blocks = DOCUMENT.read_text("utf-8").split("```yaml\n")[1:]
    schemas = [block.partition("```")[0] for block in blocks if "x-path:" in block.partition("```")[0]]
    assert len(schemas) >= 2
    for number, text in enumerate(schemas):
        assert read(text, name=f"example{number}").patterns


def test_the_depth_limit_is_what_the_document_says() -> None:
    assert f"{DEPTH_LIMIT} levels" in DOCUMENT.read_text("utf-8")
