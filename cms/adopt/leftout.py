"""What is not content: the Markdown files of a repository that speak of the repository, or of the tools that build the site."""

import re
from collections.abc import Mapping

from cms.adopt.generator import Hints

MARKDOWN = re.compile(r"(?P<stem>.+)(?P<extension>\.(?:md|markdown))", re.DOTALL)
PROJECT_FILES = re.compile(
    r"(readme|licen[cs]e|copying|notice|contributing|contributors|code[-_]of[-_]conduct|changelog|changes|history|security|support|"
    r"authors|maintainers|governance|codeowners|pull_request_template|issue_template|roadmap|todo|agents|claude)([._-].*)?",
    re.IGNORECASE,
)
ANYWHERE = frozenset({"node_modules", "bower_components"})
BUILD_FOLDERS = frozenset(
    {"vendor", "_includes", "_layouts", "_sass", "_site", "_drafts", "archetypes", "search_index"}
)
GENERATOR_FOLDERS: Mapping[str, frozenset[str]] = {
    "hugo": frozenset({"layouts", "themes", "static", "public", "assets"}),
    "zola": frozenset({"templates", "themes", "static", "public", "sass"}),
    "docusaurus": frozenset({"static", "build"}),
    "eleventy": frozenset({"_data"}),
    "mkdocs": frozenset({"site", "overrides"}),
}


def is_markdown(path: str) -> bool:
    """Whether *path* is a Markdown file by its name."""
    return MARKDOWN.fullmatch(path) is not None


def find_reason(path: str, hints: Hints) -> str | None:
    """Why *path* is not content, or ``None`` when it may be."""
    *folders, name = path.split("/")
    if any(folder.startswith(".") for folder in folders) or name.startswith("."):
        return "is in a hidden folder" if folders else "is a hidden file"
    if ANYWHERE & set(folders):
        return "belongs to a dependency"
    inner = path.removeprefix(hints.root).split("/")[:-1] if path.startswith(hints.root) else folders
    first = inner[0] if inner else ""
    if first == "_drafts" or "_drafts" in inner[:2]:
        return "is an unpublished draft of Jekyll"
    if first in BUILD_FOLDERS or first in GENERATOR_FOLDERS.get(hints.generator, ()):
        return f"is in {first}/, which belongs to the site generator"
    if not inner and PROJECT_FILES.fullmatch(name.rpartition(".")[0]):
        return "speaks of the repository"
    return None
