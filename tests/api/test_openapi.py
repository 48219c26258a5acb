"""The OpenAPI document: valid, the same for the same content, true of every answer, and equal to the stored one."""

import re
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest
from openapi_spec_validator import validate
from starlette.routing import Route

from cms.api.metrics import Metrics
from cms.app import GitTransport, routes
from cms.permissions import PERMISSIONS
from tests.api.conftest import Serve
from tests.api.newsdesk import Newsdesk
from tests.api.openapi_snapshot import STORED, document_text
from tests.api.tools import MODEL, Client, post
from tests.repo import Repo

SHAPES = (
    "",
    "?format=html,toc",
    "?format=markdown,text",
    "?depth=1",
    "?depth=2",
    "?fields=slug,title,translations.locale,toc.text",
)


@pytest.fixture(scope="module")
def document(demo: Client) -> Any:
    return demo.ask("/openapi.json").json()


def operations(document: Any) -> Iterator[tuple[str, Any]]:
    for path, item in document["paths"].items():
        yield from ((path, operation) for operation in item.values())


def validator(document: Any, name: str) -> Any:
    """A validator of one schema component."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def resolve(document: Any, node: Any) -> Any:
    reference = node.get("$ref")
    for part in reference.removeprefix("#/").split("/") if reference else ():
        node = document if node.get("$ref") else node
        node = node[part]
    return node


def test_the_document_is_valid(document: Any) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")


def test_the_document_equals_the_stored_one(demo: Client) -> None:
    assert document_text(demo) == STORED.read_text("utf-8"), "when the change is meant: make openapi"


def test_the_same_content_gives_the_same_bytes(serve: Serve, repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post(date="2019-01-01", tags="[x]")})
    first, second = serve().ask("/openapi.json"), serve().ask("/openapi.json")
    assert first.content == second.content
    assert first.headers["etag"] == second.headers["etag"]


def test_a_site_without_entries_or_collections_has_a_valid_document(serve: Serve, repo: Repo) -> None:
    repo.commit({"cms.toml": MODEL["cms.toml"]})
    client = serve()
    validate(client.ask("/openapi.json").json())
    repo.commit(dict(MODEL))
    validate(client.ask("/openapi.json").json())


def test_every_reference_leads_somewhere(document: Any) -> None:
    def walk(node: Any) -> Iterator[str]:
        if isinstance(node, dict):
            yield from [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            for value in node.values():
                yield from walk(value)
        elif isinstance(node, list):
            for value in node:
                yield from walk(value)

    assert all(resolve(document, {"$ref": reference}) for reference in set(walk(document)))


def test_every_operation_has_a_name_a_summary_and_its_problems(document: Any) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)
    for path, operation in operations(document):
        assert operation["summary"]
        assert "500" in operation["responses"]
        assert ("400" in operation["responses"]) is path.startswith(("/api/", "/sitemap.xml"))


def test_every_parameter_says_what_it_means_and_none_twice(document: Any) -> None:
    for path, operation in operations(document):
        parameters = [resolve(document, item) for item in operation.get("parameters", ())]
        assert all(item["description"] for item in parameters), path
        names = [(item["name"], item["in"]) for item in parameters]
        assert len(set(names)) == len(names), path


def test_the_examples_fit_their_own_schemas(document: Any) -> None:
    for _, operation in operations(document):
        media = operation["responses"].get("200", {}).get("content", {}).get("application/json", {})
        if "example" in media:
            name = media["schema"]["$ref"].rpartition("/")[2]
            assert validator(document, name).is_valid(media["example"]), operation["operationId"]


def test_the_examples_of_parameters_are_answered(demo: Client, document: Any) -> None:
    for path, operation in operations(document):
        for item in [resolve(document, item) for item in operation.get("parameters", ())]:
            if "example" in item and item["in"] == "query" and "{" not in path:
                value = item["example"]
                text = (
                    ",".join(map(str, value))
                    if isinstance(value, list)
                    else str(value).lower()
                    if value is True
                    else value
                )
                query = f"{item['name']}={text}" + (
                    "&q=x" if path.endswith(("/search", "/suggest")) and item["name"] != "q" else ""
                )
                assert demo.ask(f"{path}?{query.replace('+', '%2B')}").status_code == 200, query


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "collection", ["authors", "cases", "categories", "municipalities", "need_areas", "pages", "posts"]
)
def test_every_entry_is_as_its_schema_says(demo: Client, document: Any, collection: str, shape: str) -> None:
    name = "".join(part.capitalize() for part in collection.split("_"))
    shape = shape.replace("title", "name") if collection in ("authors", "municipalities") else shape
    checks = {
        "List": f"/entries/{collection}{shape}",
        "Detail": f"/entries/{collection}/{demo.slugs('', collection)[0]}{shape}",
    }
    for kind, path in checks.items():
        for error in validator(document, f"{name}{kind}").iter_errors(demo.ask(path).json()):
            pytest.fail(f"{path}: {error}")


def test_an_entry_in_full_has_all_that_its_schema_requires(demo: Client, document: Any) -> None:
    for entry in demo.data("/entries/posts?locale=*") + demo.data("/entries/cases?locale=*"):
        kind = entry["collection"].capitalize()
        assert validator(document, f"{kind}Entry").is_valid(entry)
        assert not validator(document, f"{kind}Entry").is_valid({"id": entry["id"]})
        assert not validator(document, f"{kind}Part").is_valid({**entry, "nonsense": 1})


@pytest.mark.parametrize(("path", "name"), [("/search?q=feil", "SearchResult"), ("/search?q=kommune&facet=category,county&fields=title,name", "SearchResult"), ("/entries/posts?search=feil&highlight=true", "PostsList"), ("/entries/posts?cursor=*&limit=2", "PostsList"), ("/entries/cases?limit=1&facet=start_year.5&group_by=need_areas,start_year.2&aggregate[count]=*&aggregate[min]=title,start_year&aggregate[avg]=start_year&distinct=municipality", "CasesList"), ("/search?q=kommune&group_by=category&aggregate[max]=published_at", "SearchResult"), ("/entries/posts/nothing", "Problem"), ("/entries/posts?x=1", "Problem")])  # fmt: skip
def test_other_answers_are_as_their_schemas_say(demo: Client, document: Any, path: str, name: str) -> None:
    for error in validator(document, name).iter_errors(demo.ask(path).json()):
        pytest.fail(str(error))


# -- what is done by name ----------------------------------------------------------------------------------------------


def editing(document: Any) -> Iterator[tuple[str, str, Any]]:
    """(method, path, operation) of everything that a name is needed for, and of signing in."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if "security" in operation:
                yield method.upper(), path, operation


def test_every_operation_says_who_may_ask_as_the_matrix_does(document: Any) -> None:
    public = {route for row in PERMISSIONS.values() if row.is_public for route in row.routes}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            route = re.sub(r"/entries/[a-z_]+(?=$|/\{slug)", "/entries/{collection}", f"{method.upper()} {path}")
            needs_name = bool(operation.get("security"))
            assert needs_name != (route in public) or path.startswith("/api/v1/me") or "session" in path, route
    assert {scheme["scheme"] for scheme in document["components"]["securitySchemes"].values()} == {"basic", "bearer"}


def test_every_route_for_people_by_name_is_described(desk: Newsdesk) -> None:
    document = desk.ask("GET", "/openapi.json").json()
    described = {f"{method} {path}" for method, path, _ in editing(document)}
    wanted = {
        f"{method} {route.path.replace(':path', '')}"
        for route in routes(Metrics(desk.room.site), GitTransport())
        if isinstance(route, Route) and route.path.startswith(("/api/v1/drafts", "/api/v1/me", "/api/v1/tokens", "/api/v1/session", "/api/v1/history", "/api/v1/blame", "/api/v1/insight"))
        for method in (route.methods or set()) - {"HEAD"}
    }  # fmt: skip
    assert described == wanted


def test_a_site_that_nobody_may_change_describes_no_changes(blog: Client) -> None:
    document = blog.ask("/openapi.json").json()
    assert not list(editing(document))
    assert "Draft" not in document["components"]["schemas"]


def test_what_is_sent_fits_its_own_schema(document: Any) -> None:
    asked = [operation for _, _, operation in editing(document) if "requestBody" in operation]
    assert len(asked) >= 13
    for operation in asked:
        media = operation["requestBody"]["content"]["application/json"]
        name = media["schema"]["$ref"].rpartition("/")[2]
        assert name in ("SignIn", "PasswordChange") or validator(document, name).is_valid(media["example"]), name


#: Who sends an example, if not Ola; and what else must have been done with the draft.
SENT_BY = {"scheduleDraft": "pia", "unscheduleDraft": "pia", "publishDraft": "pia"}


def make_ready(desk: Newsdesk, name: str) -> None:
    """The draft of the examples, as it must be for the operation *name*."""
    desk.ask("DELETE", "/drafts/easter", "mia", {"reason": "The next one"})
    if name != "createDraft":
        desk.begin("easter", slug="b", title=name)
    if name in SENT_BY:
        desk.say("approve", "easter")
    if name == "unscheduleDraft":
        desk.do("PUT", "/drafts/easter/schedule", "pia", {"publish_at": "2035-01-01T00:00:00Z"})


def test_every_example_of_a_request_is_accepted_as_it_stands(desk: Newsdesk) -> None:
    document = desk.ask("GET", "/openapi.json").json()
    for method, path, operation in editing(document):
        name, media = operation["operationId"], operation.get("requestBody", {}).get("content", {"": {}})
        example = next(iter(media.values())).get("example")
        if example is None or name == "removeEntry":  # something refers to that entry
            continue
        make_ready(desk, name)
        for parameter in operation["parameters"]:
            path = path.replace(f"{{{parameter['name']}}}", parameter.get("example", ""))
        answer = desk.ask(method, path, SENT_BY.get(name, "ola"), example)
        assert answer.status_code in (200, 201), (name, answer.text)
        component = operation["responses"][str(answer.status_code)]["content"]["application/json"]["schema"]["$ref"]
        assert not list(validator(document, component.rpartition("/")[2]).iter_errors(answer.json())), name


STRANGE = """
type: object
x-path: strange/{slug}.md
$defs:
  node: {type: object, properties: {left: {$ref: "#/$defs/node"}, right: {$ref: "#/$defs/node"}, name: {type: string}}}
properties:
  title: {type: [string, "null"]}
  status: {type: string}
  id: {type: integer}
  cover: {type: [string, "null"], x-asset: true}
  gallery: {type: array, items: {type: string, x-asset: true}}
  picture: {anyOf: [{type: string, x-asset: true}, {type: object, properties: {src: {type: string, x-asset: true}}}]}
  writer: {anyOf: [{type: string}, {type: array, items: {type: string}}], x-reference: strange}
  parts: {type: array, items: {type: object, required: [of], properties: {of: {type: string, x-reference: strange}}}}
  tree: {$ref: "#/$defs/node"}
  when: {type: [string, "null"], format: date-time}
  mixed: {}
"""
STRANGE_FILE = """---
title: null
status: ok
id: 7
cover: a.png
gallery: [a.png, https://example.org/b.png]
picture: {src: c.png}
writer: [one, nobody]
parts: [{of: one}, {of: nobody}]
tree: {left: {name: a}, right: {left: {name: b}}}
when: 2019-01-01
mixed: [1, {a: true}]
unknown: 5
---
"""


def test_strange_schemas_describe_what_is_shown(serve: Serve, repo: Repo) -> None:
    repo.commit(
        {
            "schemas/strange-things.yaml": STRANGE,
            "strange/one.md": STRANGE_FILE,
            "strange/two.md": "---\npicture: d.png\nwriter: one\n---\n",
        }
    )
    client = serve()
    document = client.ask("/openapi.json").json()
    validate(document)
    for query in ("", "?depth=2", "?fields=parts.of,tree.left,status_", "?fields=picture.src,mixed.a,unknown.x"):
        answer = client.ask(f"/entries/strange-things{query}").json()
        assert not [str(error) for error in validator(document, "StrangeThingsList").iter_errors(answer)], query
