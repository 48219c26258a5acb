"""``cms adopt``: writes down a content model for a repository that has none."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from cms.adopt import Adoption, kind_of_site
from cms.cli.exits import Refused
from cms.cli.output import counted, finding_text, out, print_json, progress
from cms.cli.sites import BranchOption, SiteArgument, find_commit, find_repository
from cms.finding import printable
from cms.inferred import adopt_commit
from cms.paths import EXCLUSION
from cms.refs import short_name
from cms.settings import SCHEMAS_FOLDER, SETTINGS_FILE
from cms.store import Store

SHOWN = 20
IGNORE_FILE = ".gitignore"
IGNORE_LINE = "/search_index/"


def adopt(
    repository: SiteArgument = None,
    write: Annotated[
        bool, typer.Option("--write/--dry-run", help="Write the files, or only say what they would be.")
    ] = True,
    output: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write into this folder instead of the work tree.", show_default=False),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite cms.toml and schemas that exist.")] = False,
    branch: BranchOption = "",
    is_json: Annotated[
        bool, typer.Option("--json", help="Print what was inferred, texts and all, as JSON; write nothing.")
    ] = False,
) -> None:
    """Look at an existing repository and write cms.toml and schemas/ that accept what is there.

    Knows Jekyll, Hugo, Docusaurus, Zola, Eleventy, Astro, MkDocs and plain
    folders of Markdown. Infers collections, paths, types, required fields, dates,
    taxonomies and references. Nothing is committed, no content is changed.
    """
    store = Store.open(find_repository(repository))
    name, commit = find_commit(store, branch)
    with progress("Looking at the files"):
        adoption = adopt_commit(store, commit, short_name(name) if name.startswith("refs/heads/") else branch)
    if is_json:
        return print_json(adoption_json(adoption))
    report(out(), adoption)
    if not adoption.schemas:
        raise Refused(
            "there is no content to describe, so nothing was written",
            hint="commit Markdown files in a folder; cms serve shows them at once, and cms adopt describes them",
        )
    files = {SETTINGS_FILE: adoption.settings_toml}
    files |= {f"{SCHEMAS_FOLDER}/{file}": text for file, text in adoption.schemas.items()}
    if not write:
        for path, text in files.items():
            out().print(Text(f"\n--- {path}\n{text.rstrip()}"))
        return None
    target = output or store.work_tree
    if target is None:
        raise Refused(
            "a bare repository has no work tree to write into, so nothing was written",
            hint="write into a folder with --output DIR, or run cms adopt in a clone",
        )
    write_files(target, files, force=force)
    return say_what_next(target, store, files, is_elsewhere=output is not None)


def adoption_json(adoption: Adoption) -> Mapping[str, object]:
    """Everything inferred, for a program."""
    return {
        "generator": adoption.generator,
        "settings": adoption.settings_toml,
        "schemas": dict(adoption.schemas),
        "collections": [
            {
                "name": item.name,
                "title": item.title,
                "patterns": list(item.patterns),
                "count": item.count,
                "unparsed": item.unparsed,
            }
            for item in adoption.collections
        ],
        "unparsed": [{"path": item.path, "line": item.line, "message": item.message} for item in adoption.unparsed],
        "notes": list(adoption.notes),
    }


def report(console: Console, adoption: Adoption) -> None:
    """Print what was found, what could not be read and why, and what a person should look at."""
    files = sum(item.count for item in adoption.collections)
    kind = kind_of_site(adoption.generator)
    kind = kind[0].upper() + kind[1:]
    console.print(f"{kind}: {counted(files, 'entry', 'entries')} in {counted(len(adoption.collections), 'collection')}")
    for item in adoption.collections:
        where = " or ".join(pattern for pattern in item.patterns if not pattern.startswith(EXCLUSION))
        bad = f", {item.unparsed:,} of them cannot be read" if item.unparsed else ""
        console.print(Text.assemble("  ", (item.name, "bold"), printable(f"  {item.count:,} at {where}{bad}")))
    if adoption.unparsed:
        console.print("Could not be read, and will not be served until corrected:")
        print_first(console, [finding_text(finding) for finding in adoption.unparsed])
    if adoption.notes:
        console.print("Good to know:")
        print_first(console, [Text(printable(note)) for note in adoption.notes])


def print_first(console: Console, lines: list[Text]) -> None:
    """Print the first of *lines*, and how many more there are."""
    for line in lines[:SHOWN]:
        console.print(Text.assemble("  ", line))
    if len(lines) > SHOWN:
        console.print(f"  and {len(lines) - SHOWN:,} more (--json has them all)")


def write_files(folder: Path, files: Mapping[str, str], *, force: bool) -> None:
    """Write *files* below *folder*.

    Raises:
        Refused: some are there already, and *force* was not given; nothing is written then.
    """
    there = [path for path in files if (folder / path).exists()]
    if there and not force:
        raise Refused(
            f"{', '.join(there[:5])}{' ...' if len(there) > 5 else ''} would be overwritten, so nothing was written",
            hint="--force overwrites, --dry-run only shows, --output DIR writes somewhere else",
        )
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8", newline="\n")


def say_what_next(target: Path, store: Store, files: Mapping[str, str], *, is_elsewhere: bool) -> None:
    """Print the commands that come next; in a work tree the derived data is ignored from now on."""
    console = out()
    console.print(f"Wrote {counted(len(files), 'file')} to {target}.")
    if is_elsewhere:
        console.print(
            f"Next: commit {SETTINGS_FILE} and {SCHEMAS_FOLDER}/ at the root of the repository, then run cms serve."
        )
        return
    added = [SETTINGS_FILE, SCHEMAS_FOLDER]
    if ignore_derived(target):
        added.insert(0, IGNORE_FILE)
        console.print(f"Added {IGNORE_LINE} to {IGNORE_FILE}.")
    place = "" if Path.cwd() == target.absolute() else f" {store.work_tree}"
    inside = f" -C{place}" if place else ""
    console.print("Next:")
    console.print(f"  git{inside} add {' '.join(added)}")
    console.print(f"  git{inside} commit -m 'Describe the content'")
    console.print(f"  cms serve{place}")


def ignore_derived(folder: Path) -> bool:
    """Let Git ignore the search index; returns whether the file was changed."""
    file = folder / IGNORE_FILE
    text = file.read_text(encoding="utf-8", errors="surrogateescape") if file.exists() else ""
    if any(line.strip().strip("/") == IGNORE_LINE.strip("/") for line in text.splitlines()):
        return False
    gap = "" if not text or text.endswith("\n") else "\n"
    file.write_text(f"{text}{gap}{IGNORE_LINE}\n", encoding="utf-8", errors="surrogateescape", newline="")
    return True
