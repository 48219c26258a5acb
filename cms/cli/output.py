"""What commands print: results on standard output, everything else on standard error; colours and bars only on a terminal."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import orjson
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.text import Text

from cms.cli.exits import CONTENT, Refused, exit_code
from cms.errors import CMSError, InvalidContent
from cms.finding import Finding, finding_of, printable

Step = Callable[[int, int], None]
FINDINGS_SHOWN = 50


class PlainConsole(Console):
    """A console that prints text as it is: no markup, no smileys, no guessed colours, no line breaks of its own."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False, soft_wrap=True)

    def on_broken_pipe(self) -> None:
        """Let the command line end, as for every other writer."""
        raise BrokenPipeError


def out() -> Console:
    """Standard output, as it is now."""
    return PlainConsole()


def err() -> Console:
    """Standard error, as it is now."""
    return PlainConsole(stderr=True)


def print_json(value: object) -> None:
    """Print *value*, or bytes that already are JSON, on one line; indented on a terminal."""
    raw = value if isinstance(value, bytes) else orjson.dumps(value)
    if sys.stdout.isatty():
        raw = orjson.dumps(orjson.loads(raw), option=orjson.OPT_INDENT_2)
    print_bytes(harmless_json(raw) + b"\n")


def harmless_json(raw: bytes) -> bytes:
    """JSON that says the same as *raw*, without the signs that a terminal obeys (C1 controls among them) or does not show."""
    text = raw.decode()
    if text.replace("\n", "").isprintable():
        return raw
    signs = (sign if sign.isprintable() or sign == "\n" else json.dumps(sign)[1:-1] for sign in text)
    return "".join(signs).encode()


def print_bytes(raw: bytes) -> None:
    """Print UTF-8 whatever the locale of the terminal is."""
    sys.stdout.flush()
    sys.stdout.buffer.write(raw)
    sys.stdout.buffer.flush()


def print_refusal(error: CMSError | Refused) -> int:
    """Say on standard error what is wrong and what to do; return the exit code."""
    if isinstance(error, Refused):
        message, hint, code = str(error), error.hint, error.code
    elif error.facts.get("findings"):
        message, hint, code = print_found(str(error), error.facts["findings"]), "", exit_code(error)
    elif isinstance(error, InvalidContent):
        message, hint, code = str(finding_of(error)), "", CONTENT
    else:
        message, hint, code = str(error), str(error.facts.get("hint") or ""), exit_code(error)
    print_error(message, hint)
    return code


def print_found(message: str, findings: Sequence[Finding]) -> str:
    """Print what an error is about, one finding a line as ``cms check`` does; return what is left to say."""
    is_nothing_else = message.startswith(str(findings[0]))
    if is_nothing_else or len(findings) > 1:
        for finding in findings[:FINDINGS_SHOWN]:
            err().print(finding_text(finding))
        if len(findings) > FINDINGS_SHOWN:
            print_note(f"and {len(findings) - FINDINGS_SHOWN:,} more")
    return f"{counted(len(findings), 'error')}; nothing was changed" if is_nothing_else else message


def print_error(message: str, hint: str = "") -> None:
    """One error on standard error, with what to do next on the line below."""
    console = err()
    console.print(Text.assemble(("Error: ", "bold red"), printable(message)))
    if hint:
        console.print(Text.assemble("       ", printable(hint)))


def print_note(text: str) -> None:
    """A remark on standard error."""
    err().print(Text(printable(text)))


def finding_text(finding: Finding) -> Text:
    """A finding as ``cms check`` prints it, its severity told by colour."""
    text = Text(str(finding))
    text.stylize("yellow" if finding.severity == "warning" else "red", 0, len(finding.path or "repository"))
    return text


def counted(number: int, noun: str, plural: str = "") -> str:
    """``1 entry``, ``12,000 entries``."""
    return f"{number:,} {noun if number == 1 else plural or f'{noun}s'}"


@contextmanager
def progress(what: str) -> Iterator[Step]:
    """A bar on standard error while something takes long; ``step(done, total)`` moves it. Nothing is shown but on a terminal.

    A total of 0 means that nobody knows it.
    """
    console = err()
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def silence_output() -> None:
    """Send whatever is still to be printed nowhere, because the reader of a pipe has gone."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
