"""The application against its own OpenAPI document, with requests that a machine made up: a few for each operation, always the same."""

import re
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks as openapi

from tests.api.newsdesk import Newsdesk
from tests.api.tools import Client

EXAMPLES = 8
ACTS = 4
CHECKS = [
    not_a_server_error,
    openapi.status_code_conformance,
    openapi.content_type_conformance,
    openapi.response_headers_conformance,
    openapi.response_schema_conformance,
]


@pytest.fixture(scope="module")
def operations(demo: Client) -> Any:
    """The operations of the demo's document, called in this process."""
    schema: Any = schemathesis.openapi.from_asgi("/api/v1/openapi.json", demo.app)
    schema.hook(map_query)
    found = [operation.ok() for operation in schema.get_all_operations()]
    # A stream has no end to wait for: tests/events listens to it.
    asked = [operation for operation in found if not operation.path.endswith("/events")]
    return [operation for operation in asked if "security" not in operation.definition.raw]


def map_query(context: Any, query: Any) -> Any:
    """Leave out what JSON Schema cannot say: names that no field has, and parameters that shut each other out."""
    if not query:
        return query
    kept = {**query}
    if isinstance(kept.get("filter"), dict):
        known = context.operation.query.get("filter").definition["schema"]["properties"]
        kept["filter"] = {name: value for name, value in kept["filter"].items() if name in known}
    if "page" in kept:
        kept.pop("offset", None)
    if kept.get("locale") == "*":
        kept.pop("fallback", None)
    return kept


def ask(operation: Any, mode: GenerationMode, checks: list[Any]) -> list[int]:
    """Call *operation* with made-up requests; return the statuses."""
    statuses: list[int] = []

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: Any) -> None:
        # A list with nothing in it is as good as none, which JSON Schema could only say by naming the empty word.
        empty = [value for value in (case.query or {}).values() if not str(value).strip(", ")]
        assume(mode is GenerationMode.POSITIVE or not empty)
        statuses.append(case.call_and_validate(checks=checks).status_code)

    call()
    return statuses


def test_requests_that_fit_the_document_are_answered_as_it_says(operations: Any) -> None:
    statuses = {operation.label: ask(operation, GenerationMode.POSITIVE, CHECKS) for operation in operations}
    lists = [found for label, found in statuses.items() if "/entries/" in label and "{slug}" not in label]
    assert all(200 in found for found in lists)


def test_requests_that_break_the_document_are_refused(operations: Any) -> None:
    for operation in operations:
        try:
            ask(operation, GenerationMode.NEGATIVE, [*CHECKS, openapi.negative_data_rejection])
        except Unsatisfiable:
            assert not operation.query, "only what takes no parameters cannot be asked wrongly"


# -- what is done by name ----------------------------------------------------------------------------------------------


@pytest.fixture
def writer(desk: Newsdesk) -> Callable[[], Any]:
    """Gives the operations of a newsroom; names in paths are those of what there is."""

    def map_path_parameters(context: Any, found: Any) -> Any:
        del context
        known = {"name": "easter", "collection": "posts", "slug": "c"}
        return {key: known.get(key, value) for key, value in found.items()} if found else found

    def map_body(context: Any, body: Any) -> Any:
        """Decide on the present state, and let entries lie where they lie: nothing else could ever succeed."""
        del context
        if not isinstance(body, dict):
            return body
        left_out = {"head"} if re.fullmatch(r"[0-9a-f]{40}", str(body.get("head"))) else set()
        left_out |= {"path"} if isinstance(body.get("path"), str) else set()
        return {key: value for key, value in body.items() if key not in left_out}

    def map_headers(context: Any, headers: Any) -> Any:
        del context
        return {name: value for name, value in (headers or {}).items() if name != "If-Match"}

    def operations_of() -> Any:
        schema: Any = schemathesis.openapi.from_asgi("/api/v1/openapi.json", desk.app)
        for hook in (map_path_parameters, map_body, map_headers):
            schema.hook(hook)
        found = [operation.ok() for operation in schema.get_all_operations()]
        return [operation for operation in found if "security" in operation.definition.raw]

    return operations_of


@pytest.mark.parametrize("person", ["ola", "eva"])
def test_whatever_is_done_by_name_is_answered_as_the_document_says(
    desk: Newsdesk, writer: Callable[[], Any], person: str
) -> None:
    good: set[str] = set()
    for operation in writer():
        if operation.label.endswith(("/session", "/me/password")):  # a password for each would take its time
            continue
        for mode, more in ((GenerationMode.POSITIVE, []), (GenerationMode.NEGATIVE, [openapi.negative_data_rejection])):
            try:
                statuses = act(desk, operation, person, mode, [*CHECKS, *more])
            except Unsatisfiable:
                continue
            good |= {operation.label} if {200, 201, 204} & set(statuses) else set()
    assert len(good) >= 10, sorted(good)


def act(desk: Newsdesk, operation: Any, person: str, mode: GenerationMode, checks: list[Any]) -> list[int]:
    """Call *operation* with made-up requests, each on a draft that is there; return the statuses."""
    statuses: list[int] = []

    @settings(
        max_examples=ACTS,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def call(case: Any) -> None:
        if desk.ask("GET", "/drafts/easter/entries/posts/c", "mia").status_code == 404:
            desk.ask("POST", "/drafts", "ola", {"name": "easter"})
            desk.do("PUT", "/drafts/easter/entries/posts/c", "ola", {"fields": {"title": "C"}})
        secret = desk.session(person)
        statuses.append(
            case.call_and_validate(checks=checks, headers={"Authorization": f"Bearer {secret}"}).status_code
        )

    call()
    return statuses
