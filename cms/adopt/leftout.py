"""What is not content: the Markdown files of a repository that speak of the repository, or of the tools that build the site."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from cms.adopt.generator import Hints

MARKDOWN = re.compile(r"(?P<stem>.+)(?P<extension>\.(?:md|markdown|mdx|mdown|mkdn?))", re.DOTALL | re.IGNORECASE)
PROJECT_FILES = re.compile(
    r"(readme|licen[cs]e|copying|notice|contributing|contributors|code[-_]of[-_]conduct|changelog|changes|history|security|support|"
    r"authors|maintainers|governance|codeowners|pull_request_template|issue_template|roadmap|todo|agents|claude)([._-].*)?",
    re.IGNORECASE,
)
WIKI_PARTS = re.compile(r"_(?:sidebar|footer|header)", re.IGNORECASE)
ANYWHERE = frozenset({"node_modules", "bower_components", "site-packages"})
CODE_FOLDERS = frozenset({"test", "tests", "target", "dist", "build", "third_party", "third-party"})
CODE_ANYWHERE = frozenset({"fixtures", "testdata", "__tests__", "__fixtures__", "third_party"})
BUILD_FOLDERS = frozenset(
    {"vendor", "_includes", "_layouts", "_sass", "_site", "_drafts", "archetypes", "search_index"}
)
GENERATOR_FOLDERS: Mapping[str, frozenset[str]] = {
    "jekyll": frozenset({"_data", "_plugins"}),
    "hugo": frozenset({"layouts", "themes", "static", "public", "assets"}),
    "zola": frozenset({"templates", "themes", "static", "public", "sass"}),
    "docusaurus": frozenset({"static", "build"}),
    "eleventy": frozenset({"_data"}),
    "mkdocs": frozenset({"site", "overrides"}),
}


def is_markdown(path: str) -> bool:
    """Whether *path* is a Markdown file by its name."""
    return MARKDOWN.fullmatch(path) is not None


class Reason(NamedTuple):
    """Why a file is left out, and the pattern that leaves it out where another pattern would find it."""

    text: str
    exclusion: str
    is_sure: bool = True


def find_reason(path: str, hints: Hints) -> Reason | None:
    """Why *path* is not content, or ``None`` when it may be."""
    *folders, name = path.split("/")
    stem = name.rpartition(".")[0]
    if any(folder.startswith(".") for folder in folders):
        return Reason("is in a hidden folder", "!.*/**" if folders[0].startswith(".") else "!**/.*/**")
    if name.startswith("."):
        return Reason("is a hidden file", "!**/.*" if folders else "!.*")
    for folder in folders:
        if folder in ANYWHERE:
            return Reason("belongs to a dependency", f"!**/{folder}/**")
    root = hints.root if path.startswith(hints.root) else ""
    inner = path.removeprefix(root).split("/")[:-1]
    first = inner[0] if inner else ""
    if "_drafts" in inner[:2]:
        before = "".join(f"{part}/" for part in inner[: inner.index("_drafts")])
        return Reason("is an unpublished draft of Jekyll", f"!{as_pattern(root + before)}_drafts/**")
    if first in BUILD_FOLDERS or first in GENERATOR_FOLDERS.get(hints.generator, ()):
        return Reason(f"is in {first}/, which belongs to the site generator", f"!{as_pattern(root)}{first}/**")
    if hints.generator == "docusaurus" and any(part.startswith("_") for part in (*inner, name)):
        is_file = name.startswith("_")
        return Reason("is only a part of other pages", "!**/_*" if is_file else "!**/_*/**")
    if not inner and (PROJECT_FILES.fullmatch(stem) or WIKI_PARTS.fullmatch(stem)):
        is_part = WIKI_PARTS.fullmatch(stem) is not None
        return Reason("stands on every page" if is_part else "speaks of the repository", exactly(path))
    return _code_reason(folders) if hints.has_code else None


def _code_reason(folders: list[str]) -> Reason | None:
    """Text among code may be content all the same, when there is nothing else."""
    if folders and folders[0] in CODE_FOLDERS:
        return Reason("belongs to code", f"!{folders[0]}/**", is_sure=False)
    inside = next((folder for folder in folders if folder in CODE_ANYWHERE), None)
    return Reason("belongs to code", f"!**/{inside}/**", is_sure=False) if inside else None


def exactly(path: str) -> str:
    """The exclusion of one file."""
    return f"!{as_pattern(path)}"


def as_pattern(path: str) -> str:
    """A path inside a pattern, where braces, stars and a leading ``!`` mean something else, and YAML must be able to hold it."""
    plain = "".join(char if char.isprintable() and char not in "{}*\\" else "*" for char in path)
    return re.sub(r"\*+|\A!", "*", plain)
