"""Why a repository cannot be opened, in words for whoever named it: no folder, no repository, or of a kind that cannot be read."""

from collections.abc import Callable
from pathlib import Path

from cms.errors import RepositoryProblem


def opening_problem(path: Path, error: Exception, discover: Callable[[str], str | None]) -> RepositoryProblem:
    """Explain in our words why the repository at *path* cannot be opened.

    Args:
        error: what the library said.
        discover: finds the repository around a folder, if any.
    """
    text = str(error)
    place = str(path)
    if "objectformat" in text or "object format" in text:
        detail, hint = "it uses SHA-256 object ids", "only SHA-1 repositories can be read; convert it"
    elif "refstorage" in text:
        detail, hint = "it keeps its refs as a reftable", "run `git refs migrate --ref-format=files`"
    elif "config file" in text:
        detail, hint = f"its configuration is damaged: {text.removeprefix(f'{place}: ')}", "correct the file by hand"
    elif isinstance(error, PermissionError) or "Permission denied" in text:
        detail, hint = "permission denied", "let the user that runs cms read the folder"
    elif not path.exists():
        detail, hint = "no such folder", "check the path"
    elif "not found" not in text.lower():
        detail, hint = text.removeprefix(f"{place}: "), "run `git fsck` in it"
    elif path.is_file():
        detail, hint = "it is a file, not a folder", f"a bundle must be cloned first: `git clone {path.name}`"
    elif outer := discover(place):
        folder = Path(outer)
        root = folder.parent if folder.name == ".git" else folder
        detail, hint = "it is a folder inside a repository", f"use the repository itself: {root}"
    else:
        detail, hint = "it is not a Git repository", "run `git init` and commit, or give another folder"
    return RepositoryProblem(f"cannot open {place}: {detail}", path=place, hint=hint)
