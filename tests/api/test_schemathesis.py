"""The application against its own OpenAPI document, with requests that a machine made up: a few for each operation, always the same."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi import checks as openapi

from tests.api.tools import Client

EXAMPLES = 12
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
    return [found.ok() for found in schema.get_all_operations()]


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
