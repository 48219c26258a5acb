"""``cms types``: the shapes of the API, to make types from."""

import json
from typing import Annotated

import typer

from cms.api.openapi_bundle import schema_bundle
from cms.cli.content import ask
from cms.cli.output import print_json
from cms.cli.sites import BranchOption, SiteArgument

OpenapiOption = Annotated[
    bool, typer.Option("--openapi", help="Print the OpenAPI document itself, as the server has it.")
]


def types(site: SiteArgument = None, openapi: OpenapiOption = False, branch: BranchOption = "") -> None:
    """Print the shapes of everything that the API of a site answers and takes, as one JSON Schema (2020-12).

    A definition for each collection and each answer, made from the site's own schemas.
    With --openapi the document that openapi-typescript and other generators read.
    """
    document = ask(site, branch, "/openapi.json", [])
    print_json(document if openapi else schema_bundle(json.loads(document)))
