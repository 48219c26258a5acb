"""The shape of the house: who may import whom, which libraries stay behind which door, and how tall anything may grow."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import cms

ROOT = Path(cms.__file__).parent
#: Each module or package may import those before it.
ORDER = (
    *("errors", "refs", "view", "dates", "globs", "tomltext", "settings", "finding", "data"),
    *("signatures", "pubkeys", "matrix", "policy", "people", "permissions", "trailers"),
    *("yamlhints", "yamltext", "fences", "frontmatter", "paths", "schema", "markdown", "entry", "coerce", "edit"),
    *(
        "spelling",
        "layers",
        "objects",
        "ancestry",
        "gitprogram",
        "opening",
        "refwatch",
        "store",
        "rawobjects",
        "overlay",
        "young",
        "writer",
        "worktree",
        "maintenance",
        "publicclone",
        "commits",
        "annals",
        "whereabouts",
        "descent",
        "history",
        "cache",
        "chronicle",
        "guide",
    ),
    *(
        "serverkey",
        "pushlog",
        "published",
        "linemerge",
        "worddiff",
        "fieldmerge",
        "filemerge",
        "moves",
        "rowdiff",
        "merge",
    ),
    *(
        "model",
        "snapshot",
        "snapshots",
        "postings",
        "referrers",
        "fieldpath",
        "assets",
        "bodies",
        "dependencies",
        "buckets",
        "orders",
        "catalog",
        "invalidation",
        "facets",
        "aggregate",
        "departed",
        "filters",
        "query",
        "counts",
        "cursor",
        "present",
        "params",
    ),
    *(
        "search",
        "wordlist",
        "suggest",
        "searchtexts",
        "similar",
        "looking",
        "searching",
        "searchlog",
        "check",
        "treepolicy",
        "judge",
        "feeds",
        "auth",
        "workflow",
        "proof",
        "blame",
        "adopt",
        "inferred",
        "office",
        "catalogs",
        "viewsearch",
        "views",
        "delta",
        "events",
        "site",
        "warming",
        "log",
    ),
    *("api", "githttp", "app", "cli"),
)
FENCES = {
    "pygit2": {"store", "writer", "linemerge"},
    "whoosh": {"search/whoosh"},
    "tantivy": {"search/tantivy"},
    "Stemmer": {"search/analysis"},
    "starlette": {"api", "githttp", "app"},
    "uvicorn": {"cli/serve", "cli/protocol"},
    "typer": {"cli"},
    "sqlite3": {"cache", "auth"},
    "argon2": {"auth"},
    "cryptography": {"signatures", "serverkey"},
    "subprocess": {"gitprogram", "commits", "signatures", "githttp", "cli/git"},
    "jsonschema_rs": {"schema", "coerce"},
    "yaml_rs": {"yamltext"},
    "comrak": {"markdown"},
    "nh3": {"markdown"},
    "pickle": set(),
    "socket": {"cli/serve", "githttp"},
    "urllib.request": set(),
    "httpx": set(),
}
MODULES = sorted(ROOT.rglob("*.py"))
MODULE_LINES, FUNCTION_LINES = 500, 50


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).with_suffix("").as_posix().removesuffix("/__init__")


def imports_of(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module == "cms" or node.module.startswith("cms."):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_go_one_way(path: Path) -> None:
    own = name_of(path).partition("/")[0]
    allowed = {*ORDER[: ORDER.index(own)], own} if own in ORDER else set()
    known = {name_of(module).partition("/")[0] for module in MODULES}
    used = {name.split(".")[1] for name in imports_of(path) if name.startswith("cms.")} & known
    assert used <= allowed


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_libraries_stay_behind_their_door(path: Path) -> None:
    name = name_of(path)
    for library, homes in FENCES.items():
        used = any(part == library or part.startswith(f"{library}.") for part in imports_of(path))
        at_home = any(name == home or name.startswith(f"{home}/") for home in homes)
        assert not used or at_home, f"{name} imports {library}"


def test_an_engine_that_was_not_chosen_is_not_loaded() -> None:
    code = "import sys, cms.app, cms.cli; print([name for name in sys.modules if 'tantivy' in name])"
    command = [sys.executable, "-W", "ignore", "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "[]\n"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_import_hides_in_a_function(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert not [inner for inner in ast.walk(node) if isinstance(inner, ast.Import | ast.ImportFrom)], node.name


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_only_settings_reads_the_environment(path: Path) -> None:
    if name_of(path) != "settings":
        attributes = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Attribute)]
        assert not [node for node in attributes if node.attr in ("environ", "getenv")]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_say_what_they_are_and_stay_small(path: Path) -> None:
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    assert ast.get_docstring(tree)
    assert text.count("\n") <= MODULE_LINES
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno is not None:
            assert node.end_lineno - node.lineno < FUNCTION_LINES, f"{node.name} is too long"


def test_every_module_has_its_place_in_the_order() -> None:
    assert {name_of(path).partition("/")[0] for path in MODULES} - {"__init__", "."} <= set(ORDER)


@pytest.mark.parametrize("word", ["force=True", "--prune=now", "shell=True", "verify=False"])
def test_dangerous_words_appear_nowhere(word: str) -> None:
    assert not [name_of(path) for path in MODULES if word in path.read_text("utf-8")]
