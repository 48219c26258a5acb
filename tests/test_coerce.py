"""Typing by the schema: what a writer's scalars become, and what is said when they cannot."""

import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cms.coerce import parse_entry, timestamp_text
from cms.entry import RESERVED, Parsed
from cms.schema import Collection, read_schema

OSLO = ZoneInfo("Europe/Oslo")
LOCALES = frozenset({"nb", "nn", "en-GB"})
HEAD = "type: object\nx-path: posts/{slug}.md\n"


def schema(properties: str = "", rest: str = "") -> Collection:
    """A collection whose fields are *properties*, each line of them ``name: schema``."""
    lines = "".join(f"  {line}\n" for line in properties.strip("\n").split("\n") if line)
    text = HEAD + rest + (f"properties:\n{lines}" if lines else "")
    return read_schema("posts", text, path="schemas/posts.yaml", locales=tuple(sorted(LOCALES)))


def read(front_matter: str, properties: str = "", rest: str = "") -> Parsed:
    """YAML *front_matter* read by that schema."""
    return parse_entry(f"---\n{front_matter}\n---\n".encode(), schema(properties, rest), OSLO, LOCALES)


def value(written: str, node: str) -> Any:
    """What ``a: written`` becomes by the schema *node*; the file must be right."""
    parsed = read(f"a: {written}", f"a: {node}")
    assert parsed.findings == ()
    return parsed.fields.get("a")


def said(front_matter: str, properties: str = "", rest: str = "") -> list[str]:
    """What is said of *front_matter*, in order."""
    return [str(finding) for finding in read(front_matter, properties, rest).findings]


# What YAML 1.1, YAML 1.2 or JSON readers take for something else.
NORWAY = [
    "no",
    "NO",
    "No",
    "yes",
    "on",
    "off",
    "y",
    "n",
    "Y",
    "N",
    "true",
    "false",
    "True",
    "TRUE",
    "~a",
    "null_",
    "2019",
    "3.10",
    "3.0",
    "0123",
    "007",
    "0o17",
    "0x1F",
    "1e3",
    "1_000",
    "+1",
    "-0",
    ".5",
    "5.",
    "12:30",
    "1:30:45",
    "2019-06-27",
    "2019-06-27T10:00:00Z",
    "27.06.2019",
    "1.2.3",
    "=",
    "99999999999999999999",
    "1e999",
    "0b11",
    "_1",
    "nan",
    "inf",
    "infinity",
]


@pytest.mark.parametrize("written", NORWAY)
def test_a_text_field_keeps_what_was_written(written: str) -> None:
    assert value(written, "{type: string}") == written
    assert value(f"'{written}'", "{type: string}") == written
    assert value(f"[{written}, '{written}']", "{type: array, items: {type: string}}") == [written, written]
    assert value(f"{{b: {written}}}", "{properties: {b: {type: string}}}") == {"b": written}
    node = "{type: array, items: {properties: {b: {type: string}}}}"
    assert value(f"[{{b: {written}}}]", node) == [{"b": written}]
    assert value(written, '{type: [string, "null"]}') == written
    assert value(written, "{anyOf: [{type: string}, {type: array, items: {type: string}}]}") == written
    assert value(written, "{$ref: '#/properties/a', type: string}") == written


@pytest.mark.parametrize("written", ["3.10", "2019", "-1.0", "1e3"])
def test_a_text_field_keeps_numbers_of_toml_and_json_as_written(written: str) -> None:
    collection = schema("a: {type: string}\nb: {type: array, items: {type: string}}")
    toml = f"+++\na = {written}\nb = [{written}]\n+++\n".encode()
    text = f'{{"a": {written}, "b": [{written}]}}\n'.encode()
    for source in (toml, text):
        parsed = parse_entry(source, collection, OSLO, LOCALES)
        assert parsed.findings == ()
        assert parsed.fields["a"] == written
    assert parse_entry(b"+++\na = true\n+++\n", collection, OSLO, LOCALES).fields == {"a": "true"}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        *((word, True) for word in ("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "y", "Y")),
        *((word, False) for word in ("false", "False", "no", "No", "NO", "off", "OFF", "n", "N")),
    ],
)
def test_a_boolean_field_takes_every_word_for_it(written: str, expected: bool) -> None:
    for spelling in (written, f"'{written}'", f'"{written}"'):
        assert value(spelling, "{type: boolean}") is expected
        assert value(f"{{b: {spelling}}}", "{properties: {b: {type: boolean}}}") == {"b": expected}
        assert value(f"[{spelling}]", "{type: array, items: {type: boolean}}") == [expected]
        assert value(spelling, '{type: [boolean, "null"]}') is expected


@pytest.mark.parametrize("written", ["maybe", "1", "0", "''", "ja", "[]"])
def test_a_boolean_field_refuses_other_words(written: str) -> None:
    assert "is not of type boolean (write true or false)" in said(f"a: {written}", "a: {type: boolean}")[0]


@pytest.mark.parametrize(
    ("written", "node", "expected"),
    [
        ("5", "{type: integer}", 5),
        ("+5", "{type: integer}", 5),
        ("0123", "{type: integer}", 123),
        ("5", "{type: number}", 5),
        ("3.10", "{type: number}", 3.1),
        ("1e3", "{type: number}", 1000.0),
        ("5", "{type: [string, integer]}", 5),
        ("5.5", "{type: [string, integer]}", "5.5"),
        ("true", "{type: [string, integer]}", "true"),
        ("no", "{}", "no"),
        ("2019-06-27", "{}", "2019-06-27"),
        ("true", "{}", True),
        ("3.10", "true", 3.1),
    ],
)
def test_numbers_and_open_types(written: str, node: str, expected: object) -> None:
    found = value(written, node)
    assert found == expected
    assert type(found) is type(expected)


def test_what_the_schema_does_not_name_follows_yaml_1_2() -> None:
    parsed = read("a: no\nb: 3.10\nc: true\nd: 2019-06-27\ne: 0o17\nf: [no, 1]\ng: {h: off}\ni: 12:30\nj: null\nk:")
    assert parsed.fields == {
        "a": "no",
        "b": 3.1,
        "c": True,
        "d": "2019-06-27",
        "e": 15,
        "f": ["no", 1],
        "g": {"h": "off"},
        "i": "12:30",
    }


@pytest.mark.parametrize("written", ["", "~", "null", "Null", "NULL"])
def test_an_empty_value_is_as_good_as_none(written: str) -> None:
    for node in ("{type: string}", "{type: integer}", "{type: string, format: date}", "{type: array}", "{}"):
        assert value(written, node) is None
        assert "a" not in read(f"a: {written}", f"a: {node}").fields
    assert read(f"a: {{b: {written}, c: 1}}", "a: {properties: {b: {type: string}}}").fields == {"a": {"c": 1}}


@pytest.mark.parametrize(
    "node", ['{type: [string, "null"]}', "{anyOf: [{type: string}, {type: 'null'}]}", "{$ref: '#/$defs/x'}"]
)
def test_an_empty_value_is_kept_where_the_schema_allows_null(node: str) -> None:
    rest = "required: [a]\n$defs:\n  x: {type: [string, 'null']}\n"
    parsed = read("a:", f"a: {node}", rest)
    assert parsed.findings == ()
    assert parsed.fields == {"a": None}


def test_an_empty_required_value_is_missing() -> None:
    assert said("a:\n", "a: {type: string}", "required: [a]\n") == [
        "repository:2:3: a: the field 'a' is required (add 'a:' to the front matter)"
    ]


def test_an_empty_string_is_a_string() -> None:
    assert value("''", "{type: string}") == ""


# Each: what is written, by format date, by format date-time.
DATES = [
    ("2019-06-27", "2019-06-27", "2019-06-27T00:00:00+02:00"),
    ("2019-01-27", "2019-01-27", "2019-01-27T00:00:00+01:00"),
    ("2019-6-7", "2019-06-07", "2019-06-07T00:00:00+02:00"),
    ("2019/06/27", "2019-06-27", "2019-06-27T00:00:00+02:00"),
    ("20190627", "2019-06-27", "2019-06-27T00:00:00+02:00"),
    ("27.06.2019", "2019-06-27", "2019-06-27T00:00:00+02:00"),
    ("27. juni 2019", "2019-06-27", "2019-06-27T00:00:00+02:00"),
    ("June 27, 2019", "2019-06-27", "2019-06-27T00:00:00+02:00"),
    ("2019-06-27 10:00", "2019-06-27", "2019-06-27T10:00:00+02:00"),
    ("2019-06-27 10:00:00 -0400", "2019-06-27", "2019-06-27T16:00:00+02:00"),
    ("2019-06-27T23:30:00Z", "2019-06-28", "2019-06-28T01:30:00+02:00"),
    ("2019-06-27T10:00:00.5+02:00", "2019-06-27", "2019-06-27T10:00:00.500000+02:00"),
    ("Thu, 27 Jun 2019 10:00:00 +0200", "2019-06-27", "2019-06-27T10:00:00+02:00"),
    ("0001-02-01", "0001-02-01", "0001-02-01T00:00:00+00:43"),
    ("9999-12-30", "9999-12-30", "9999-12-30T00:00:00+01:00"),
]


@pytest.mark.parametrize(("written", "day", "moment"), DATES)
def test_dates_become_rfc_3339_in_the_sites_zone(written: str, day: str, moment: str) -> None:
    quoted = json.dumps(written, ensure_ascii=False)
    for spelling in (written if ", " not in written else quoted, quoted):
        assert value(spelling, "{type: string, format: date}") == day
        assert value(spelling, "{type: string, format: date-time}") == moment
        assert value(f"[{quoted}]", "{type: array, items: {type: string, format: date}}") == [day]
        assert value(f"{{b: {quoted}}}", "{properties: {b: {type: string, format: date-time}}}") == {"b": moment}
        assert value(spelling, "{anyOf: [{type: string, format: date}, {type: 'null'}]}") == day


@pytest.mark.parametrize("written", ["2019-06-27", "2019-06-27T10:00:00", "2019-06-27T10:00:00+02:00"])
def test_dates_of_toml_are_read_too(written: str) -> None:
    source = f"+++\na = {written}\n+++\n".encode()
    assert parse_entry(source, schema("a: {type: string, format: date}"), OSLO, LOCALES).fields == {"a": "2019-06-27"}


@pytest.mark.parametrize("written", ["soon", "2019-02-30", "06/07/2019", "2019", "true", "12:30", "''", "x: y"])
@pytest.mark.parametrize("format", ["date", "date-time"])
def test_a_date_that_is_none_is_refused_once_with_its_place(written: str, format: str) -> None:
    quoted = f"'{written}'" if ":" in written else written
    parsed = read(f"b: 1\na: {quoted}", f"a: {{type: string, format: {format}}}", "required: [a]\n")
    assert [(found.line, found.column, found.field) for found in parsed.findings] == [(3, 4, "a")]
    assert not parsed.is_valid
    assert parsed.findings[0].hint


def test_every_bad_date_in_a_file_is_named() -> None:
    properties = "a: {type: string, format: date}\nb: {type: array, items: {type: object, properties: {on: {type: string, format: date}}}}"
    parsed = read("a: never\nb:\n- on: 2019-01-01\n- on: later\n- on: 2019-13-01", properties)
    assert [(found.field, found.line) for found in parsed.findings] == [("a", 2), ("b.1.on", 5), ("b.2.on", 6)]


PROPERTIES = """
title: {type: string, minLength: 3}
kind: {enum: [news, case, 3]}
year: {type: integer, minimum: 1990}
tags: {type: array, items: {type: string}, uniqueItems: true}
image: {type: object, required: [alt], additionalProperties: false, properties: {alt: {type: string}, url: {type: string}}}
who: {anyOf: [{type: string}, {type: array, items: {type: string}}]}
mail: {type: string, format: email}
"""
STRICT = "additionalProperties: false\nrequired: [title]\n"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("x: 1", "repository:2:4: x: the schema has no field 'x' (the fields are title, kind"),
        ("titel: abc", "titel: the schema has no field 'titel' (did you mean 'title'?)"),
        ("title: a", 'repository:2:8: title: "a" is shorter than 3 characters'),
        ("kind: story", "kind: 'story' is not one of the allowed values (one of news, case, 3)"),
        ("kind: ''", "kind: '' is not one of the allowed values"),
        ("year: '2019'", "year: '2019' is not of type integer (write a whole number without quotation marks)"),
        ("year: 1.5", "year: 1.5 is not of type integer"),
        ("year: 1800", "year: 1800 is less than the minimum of 1990"),
        ("year: true", "year: true is not of type integer"),
        ("tags: news", "tags: 'news' is not of type array (write a list: [a, b], or one '- a' a line)"),
        ("tags: [a, a]", "tags: "),
        ("tags:\n- a\n- {b: c}", 'repository:4:3: tags.1: {"b": "c"} is not of type string'),
        ("tags:\n- a\n-", "tags.1: null is not of type string"),
        ("title: [a]", 'title: ["a"] is not of type string'),
        ("title: {a: b}", 'title: {"a": "b"} is not of type string'),
        ("image: a.png", "image: 'a.png' is not of type object"),
        ("image: {url: a}", "repository:2:8: image.alt: the field 'alt' is required"),
        ("image: {alt: a, link: b, size: 1}", "image.link: the schema has no field 'link' (the fields are alt, url)"),
        ("image: {alt: a, lnk: b, size: 1}", "repository:2:31: image.size: the schema has no field 'size'"),
        ("who: {a: b}", 'who: {"a": "b"} is nothing that the schema allows here (allowed: string or list of strings)'),
        ("mail: nobody", 'mail: "nobody" is not a "email"'),
    ],
)
def test_what_breaks_the_schema_is_said_to_a_writer(written: str, message: str) -> None:
    assert any(message in line for line in said(written, PROPERTIES, STRICT)), said(written, PROPERTIES, STRICT)


def test_everything_wrong_in_a_file_is_said_at_once() -> None:
    parsed = read("year: x\nfoo: 1\nbar: 2\nkind: y\ndraft: maybe\nlocale: de", PROPERTIES, STRICT)
    assert {(found.field, found.line, found.column) for found in parsed.findings} >= {
        *{("year", 2, 7), ("foo", 3, 6), ("bar", 4, 6), ("kind", 5, 7), ("title", 1, 1), ("locale", 7, 9)}
    }


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_reserved_name_gets_an_underscore_and_a_warning(name: str) -> None:
    parsed = read(f"a: 1\n{name}: x", f"{name}: {{type: string}}")
    assert parsed.fields == {"a": 1, f"{name}_": "x"}
    assert parsed.is_valid
    assert (parsed.findings[0].severity, parsed.findings[0].line) == ("warning", 3)


def test_a_reserved_name_beside_its_own_underscore_loses_nothing() -> None:
    parsed = read("status: a\nstatus_: b")
    assert sorted(map(str, parsed.fields.values())) == ["a", "b"]


@pytest.mark.parametrize(
    ("written", "slug"),
    [
        ("hei", "hei"),
        ("/hei/", "hei"),
        ("a/b", "a/b"),
        ("2019", "2019"),
        ("3.10", "3.10"),
        ("0123", "0123"),
        ("no", "no"),
        ("æøå", "æøå"),
    ],
)
def test_a_slug_in_the_front_matter_is_taken_as_written(written: str, slug: str) -> None:
    assert read(f"slug: {written}").slug == slug


@pytest.mark.parametrize(
    "written", ["''", "a//b", "../x", "a/./b", "a?b", "'a#b'", "a%2Fb", '"a\\u200bb"', "[a]", "{a: b}", "x" * 301]
)
def test_a_slug_that_cannot_be_one_is_refused(written: str) -> None:
    parsed = read(f"slug: {written}")
    assert (parsed.slug, parsed.is_valid, parsed.findings[0].field) == (None, False, "slug")


@pytest.mark.parametrize(
    "written",
    [
        "/blogg/a",
        "/",
        "/a?b=c#d",
        "https://example.org",
        "https://example.org:8080/a",
        "http://x.no/a:b",
        "/2019/12:30/a",
        "/æ",
    ],
)
def test_a_url_in_the_front_matter_is_taken(written: str) -> None:
    for name in ("url", "permalink"):
        parsed = read(f"{name}: '{written}'")
        assert (parsed.url, parsed.findings) == (written, ())


@pytest.mark.parametrize(
    "written",
    [
        "/:year/:title/",
        "/blog/:title",
        "pretty",
        "a/b",
        "//evil.example",
        "javascript:alert(1)",
        "/a b",
        "https://",
        "/a\\b",
        "5",
        "[a]",
        '"/a\\nb"',
    ],
)
def test_a_url_that_is_none_is_not_used_and_that_is_said(written: str) -> None:
    parsed = read(f"permalink: {written}")
    assert parsed.url is None
    assert parsed.is_valid
    assert [found.field for found in parsed.findings] == ["permalink"]


@pytest.mark.parametrize("written", ["404.html", "begrep/a_b.html", "team/", "a/b/c/"])
def test_a_permalink_may_leave_out_the_first_slash(written: str) -> None:
    parsed = read(f"permalink: {written}")
    assert (parsed.url, parsed.findings) == (f"/{written}", ())


def test_locales_are_the_sites_own() -> None:
    assert read("locale: nn").locale == "nn"
    assert read("locale: en_GB").locale == "en-GB"
    assert read("locale:").locale is None


@pytest.mark.parametrize("written", ["de", "[nb, nn]", "{nb: x}", "5", "true"])
def test_a_locale_that_the_site_does_not_have_is_refused(written: str) -> None:
    parsed = read(f"locale: {written}")
    assert not parsed.is_valid
    assert parsed.findings[0].hint == "one of en-GB, nb, nn"


@pytest.mark.parametrize(
    ("written", "hidden"),
    [
        *(
            (f"draft: {word}", True)
            for word in ("true", "yes", "on", "Y", "'true'", "1", "maybe", "[false]", "{a: b}", "ja", "2019")
        ),
        *(
            (f"draft: {word}", False)
            for word in ("false", "no", "off", "n", "'false'", "0", "''", "", "~", "False", "NO")
        ),
        *((f"published: {word}", True) for word in ("false", "no", "off", "'false'", "False")),
        *((f"published: {word}", False) for word in ("true", "yes", "2019-06-27", "", "maybe")),
        ("draft: false\npublished: false", True),
        ("title: a", False),
        *((f"status: {word}", True) for word in ("draft", "Private", "trash", "auto-draft", "future")),
        *((f"status: {word}", False) for word in ("publish", "pending", "Completed", "", "1", "[draft]")),
        ("status: draft\ndraft: false", False),
        ("status: private\npublished: true", True),
    ],
)
def test_only_a_clear_no_makes_a_draft_public(written: str, hidden: bool) -> None:
    assert read(written).hidden is hidden


def test_a_draft_is_hidden_by_every_word_for_yes_where_the_schema_says_boolean() -> None:
    assert read("draft: on", "draft: {type: boolean}").hidden
    assert not read("draft: off", "draft: {type: boolean}").hidden


def test_a_post_that_wordpress_has_scheduled_appears_at_its_date() -> None:
    parsed = read("status: future\ndate: 2019-06-27 10:00", "date: {type: string}")
    assert (parsed.hidden, parsed.publish_at) == (False, MOMENT)


MOMENT = 1561622400.0  # 2019-06-27T10:00:00+02:00


@pytest.mark.parametrize("name", ["publish_at", "publishDate", "publishdate"])
def test_publish_at_and_hugos_names_hold_back(name: str) -> None:
    for properties in ("", f"{name}: {{type: string}}", f"{name}: {{type: string, format: date-time}}"):
        parsed = read(f"{name}: 2019-06-27T10:00", properties)
        assert (parsed.publish_at, parsed.expire_at, parsed.findings) == (MOMENT, None, ())


@pytest.mark.parametrize("name", ["expire_at", "expiryDate", "expirydate"])
def test_expire_at_and_hugos_names_end(name: str) -> None:
    assert read(f"{name}: 2019-06-27 10:00:00 +0200").expire_at == MOMENT


def test_a_day_begins_at_midnight_in_the_sites_zone() -> None:
    assert read("publish_at: 2019-06-27").publish_at == MOMENT - 10 * 3600


@pytest.mark.parametrize("name", ["publish_at", "publishDate", "expire_at", "expirydate"])
@pytest.mark.parametrize("written", ["soon", "06/07/2030", "true", "[2030-01-01]", "{a: b}", "3.5", "''", "2030-02-30"])
def test_a_moment_that_is_none_keeps_the_file_out(name: str, written: str) -> None:
    for properties in ("", f"{name}: {{type: string, format: date-time}}"):
        assert not read(f"{name}: {written}", properties).is_valid


def test_published_at_comes_from_x_date_then_from_the_front_matter() -> None:
    day = "day: {type: string, format: date}"
    both = "day: 2019-06-27\npublished_at: 2020-01-01"
    assert read(both, day, "x-date: day\n").published_at == MOMENT - 10 * 3600
    assert read("published_at: 2019-06-27 10:00").published_at == MOMENT
    assert read("published_at: 2019-06-27 10:00", day, "x-date: day\n").published_at == MOMENT
    assert read("title: a").published_at is None


def test_a_published_at_that_is_no_date_is_said() -> None:
    parsed = read("published_at: later")
    assert (parsed.published_at, parsed.is_valid) == (None, True)
    assert parsed.findings[0].field == "published_at"


@pytest.mark.parametrize("written", ["Last Modified", "06/07/2030", "2030-13-01"])
def test_a_date_of_an_entry_that_is_none_is_said_and_a_missing_one_is_not(written: str) -> None:
    parsed = read(f"date: {written}", "date: {type: string}")
    assert (parsed.published_at, parsed.is_valid, parsed.findings[0].field) == (None, True, "date")
    for nothing in ("date: ''", "date:", "path: about"):
        assert read(nothing, "date: {type: string}\npath: {type: string}").findings[1:] == ()
    assert said("path: about", "path: {type: string}", "x-date: path\n") == said("path: about", "path: {type: string}")


def titled(source: str, properties: str = "title: {type: string}", rest: str = "") -> str | None:
    """The title of a whole file."""
    return parse_entry(source.encode(), schema(properties, rest), OSLO, LOCALES).title


def test_an_entry_without_a_title_is_called_what_its_heading_says() -> None:
    assert titled("# Hei *du*\nTekst\n") == "Hei du"
    assert titled("---\ntitle: A\n---\n# B\n") == "A"
    assert titled("---\ntitle:\n---\n\n# B\n") == "B"
    assert titled("Tekst\n") is None


def test_a_heading_is_a_title_only_where_the_schema_has_a_field_for_it() -> None:
    assert titled("# A\n", "name: {type: string}") is None
    assert titled("# A\n", "name: {type: string}", "x-title: name\n") == "A"
    assert titled("# A\n", "title: {type: integer}") is None
    assert titled("# A\n", "title: {type: string, enum: [B]}") is None
    assert titled("# A\n", rest="x-body: none\n") is None
    required = parse_entry(b"# A\n", schema("title: {type: string}", "required: [title]\n"), OSLO, LOCALES)
    assert not required.is_valid


def test_a_title_may_be_inside_an_object_or_a_number() -> None:
    assert (
        read("head: {name: Hei}", "head: {properties: {name: {type: string}}}", "x-title: head.name\n").title == "Hei"
    )
    assert read("year: 2019", "year: {type: integer}", "x-title: year\n").title == "2019"
    assert read("a: [x]", "a: {type: array}", "x-title: a\n").title is None


def test_broken_front_matter_is_one_finding_with_its_place() -> None:
    parsed = read("a: [1\nb: 2")
    assert (parsed.fields, len(parsed.findings), parsed.is_valid) == ({}, 1, False)
    assert parsed.findings[0].line > 1


def test_moments_are_written_in_the_sites_zone() -> None:
    assert timestamp_text(MOMENT, OSLO) == "2019-06-27T10:00:00+02:00"
    assert timestamp_text(None, OSLO) is None


@pytest.mark.parametrize("written", ['{"title": "\\ud800"}', '{"\\udc00": 1}', '{"a": ["\\ud800"]}'])
def test_half_a_character_is_refused_and_never_crashes(written: str) -> None:
    parsed = parse_entry(written.encode() + b"\n", schema(), OSLO, LOCALES)
    assert not parsed.is_valid


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["alt", "url", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = st.sampled_from(
    [
        "title",
        "kind",
        "year",
        "tags",
        "image",
        "who",
        "mail",
        "day",
        "slug",
        "url",
        "permalink",
        "locale",
        "draft",
        "published",
        "publish_at",
        "expire_at",
        "published_at",
        "status",
        "id",
        "excerpt",
        "aliases",
    ]
)
LOOSE = schema(PROPERTIES + "day: {type: string, format: date}\n", "x-date: day\nx-title: image.alt\n")


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(NAMES, ANYTHING, max_size=5))
def test_no_front_matter_whatsoever_crashes_the_reader(values: dict[str, Any]) -> None:
    parsed = parse_entry(json.dumps(values).encode() + b"\n\nText.\n", LOOSE, OSLO, LOCALES)
    for finding in parsed.findings:
        assert finding.line >= 1
        assert finding.message
        assert "None" not in finding.message
