"""The log: lines for a person on a terminal, one JSON object a line everywhere else; always on standard error.

What structlog is given and what libraries send to ``logging`` take the same way out. Values may come from file names and requests, so
control characters are escaped: a terminal would obey them, and a line break would forge a second line. Of tokens, sessions and links, which an
address or a traceback may hold, only the ids are left.
"""

import logging
import sys
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

import orjson
import structlog

from cms.auth.secret import hide_secrets
from cms.errors import InvalidSettings
from cms.finding import printable
from cms.settings import nearest

LEVELS: Mapping[str, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
# Chatty at a level that says nothing to whoever runs a site.
QUIET = ("uvicorn.error", "asyncio", "whoosh")

Event = MutableMapping[str, Any]
Processor = Callable[[Any, str, Event], Any]


def configure_log(level: str, *, is_json: bool | None = None) -> None:
    """Set up logging for this process; asked again, the last answer counts.

    Args:
        level: a key of LEVELS: what is less important is dropped.
        is_json: the form of the lines; by default text when standard error is a terminal, else JSON.

    Raises:
        InvalidSettings: there is no such level.
    """
    name = level.strip().casefold()
    if name not in LEVELS:
        raise InvalidSettings(
            f"CMS_LOG: {level!r} is none of {', '.join(LEVELS)}{nearest(name, LEVELS)}", key="CMS_LOG"
        )
    if is_json is None:
        is_json = not sys.stderr.isatty()
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso" if is_json else "%H:%M:%S", utc=is_json),
        structlog.processors.format_exc_info,
        _escape,
    ]
    write = _write_json if is_json else _write_text
    structlog.configure(
        processors=[*before, write],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[name]),
        logger_factory=_Output,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(_StandardError())
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, write],
        )
    )
    logging.root.handlers[:] = [handler]
    logging.root.setLevel(LEVELS[name])
    for chatty in QUIET:
        logging.getLogger(chatty).setLevel(logging.DEBUG if name == "debug" else max(LEVELS[name], logging.WARNING))


class _StandardError:
    """Standard error as it is now: a test, or a progress bar, may have replaced it since the log was set up."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()


class _Output:
    """What structlog hands finished lines to; nothing is raised when nobody listens any more."""

    def __init__(self, *_: object) -> None:
        """Take, and ignore, the name of the logger."""

    def msg(self, line: str) -> None:
        try:
            print(line, file=sys.stderr, flush=True)  # noqa: T201 - this is the log
        except (OSError, ValueError):
            return

    log = debug = info = warning = warn = error = critical = exception = fatal = failure = msg


def _escape(_: object, __: str, event: Event) -> Event:
    """Make every value printable; a traceback keeps its line breaks."""
    for key, value in event.items():
        if key == "exception":
            event[key] = "\n".join(map(printable, str(value).split("\n")))
        else:
            event[key] = _escaped(value)
    return event


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value if value.isprintable() else printable(value)
    if isinstance(value, Mapping):
        return {str(key): _escaped(inner) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_escaped(inner) for inner in value]
    return value


def _write_json(_: object, __: str, event: Event) -> str:
    first = {key: event.pop(key, None) for key in ("timestamp", "level", "event")}
    raw = orjson.dumps({**first, **event}, default=lambda value: printable(str(value)), option=orjson.OPT_NON_STR_KEYS)
    return hide_secrets(raw.decode())


def _write_text(_: object, __: str, event: Event) -> str:
    """``12:30:01 warning site.not_advanced ref=refs/heads/main``, a traceback on the lines below."""
    exception = event.pop("exception", None)
    line = f"{event.pop('timestamp')} {event.pop('level', 'info'):7} {event.pop('event')}"
    for key, value in event.items():
        text = printable(str(value))
        line += f" {key}={text!r}" if " " in text or not text else f" {key}={text}"
    return hide_secrets(f"{line}\n{exception}" if exception else line)
