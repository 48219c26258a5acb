"""Trailers: the ``Key: value`` lines that end the message of a commit, read by Git's own rule.

Git's rule (trailer.c), followed line by line, since whatever Git and we read differently is a way to deceive a reviewer: the
block is the last paragraph, never the first; it holds trailers only, or at least one that Git itself writes and at most three
other lines for each trailer. Trailing comments, an old list of conflicts and all after a scissors line do not belong to it; a
line that begins with a blank continues the value above.

Pure. What the trailers mean is for the callers. They must know that anybody can write any trailer into a message, so of a
key that may stand only once the *last* counts: that is the one which ``with_trailers`` wrote, whatever text came before it.
"""

import re
from collections.abc import Container, Iterable

_WHITE = " \t\n\r"
_COMMENT = "#"
_CUT_LINE = "# ------------------------ >8 ------------------------\n"
_FROM_GIT = ("Signed-off-by: ", "(cherry picked from commit ")
_OLD_CONFLICTS = "Conflicts:\n"
_TITLE_PART = 3  # as many other lines as this for each trailer do not spoil a block that Git began
_KEY = re.compile(r"([A-Za-z0-9-]+)[ \t]*:")
_FOLD = re.compile(r"\n[ \t\n\r]*")
_BLANK_LINES = re.compile(r"(?:[ \t\r]*\n)*")
_GOOD_KEY = re.compile(r"[A-Za-z0-9-]+")
_BAD_VALUE = re.compile(r"[\n\r\0]")


def read_trailers(message: str) -> tuple[tuple[str, str], ...]:
    """Read all trailers of a commit's message, in order: (key as written, value on one line)."""
    text = _as_git_sees(message)
    return tuple((key, _unfold(value)) for key, value, _ in _parse(text, *_find_block(text)) if key)


def find_trailer(message: str, key: str) -> str | None:
    """Find the value of the last trailer *key*, in any case of letters; None when there is none."""
    values = all_trailers(message, key)
    return values[-1] if values else None


def all_trailers(message: str, key: str) -> tuple[str, ...]:
    """Return the values of all trailers *key*, in any case of letters and in order."""
    wanted = key.lower()
    return tuple(value for name, value in read_trailers(message) if name.lower() == wanted)


def with_trailers(message: str, trailers: Iterable[tuple[str, str]]) -> str:
    """Return *message* with *trailers* after those it has, as ``git interpret-trailers --if-exists=add`` would write them.

    Raises:
        ValueError: a key that Git would not read, a value of more than one line, or a message without a first line.
    """
    added = [(key, value.strip(_WHITE)) for key, value in trailers]
    for key, value in added:
        if not _GOOD_KEY.fullmatch(key):
            raise ValueError(f"{key!r} cannot be the key of a trailer: letters, digits and hyphens only")
        if _BAD_VALUE.search(value):
            raise ValueError(f"the value of the trailer {key} must stand on one line")
    written = _rewrite(message, (), added)
    if added and read_trailers(written)[-len(added) :] != tuple(added):
        raise ValueError("a message needs a first line of text, not of comments, above its trailers")
    return written


def without_trailers(message: str, keys: Container[str]) -> str:
    """Return *message* without its trailers whose keys, in lower case, are in *keys*: for text that others wrote."""
    return _rewrite(message, keys, ())


def _rewrite(message: str, dropped: Container[str], added: Iterable[tuple[str, str]]) -> str:
    text = _as_git_sees(message)
    if text and not text.endswith("\n"):
        text += "\n"
    start, end = _find_block(text)
    kept = [
        f"{key}: {value}" if key else line
        for key, value, line in _parse(text, start, end)
        if not line.startswith(_COMMENT) and not (key and key.lower() in dropped)
    ]
    lines = [*kept, *(f"{key}: {value}" for key, value in added)]
    gap = "" if not lines or _ends_blank(text[:start]) else "\n"
    return text[:start] + gap + "".join(f"{line}\n" for line in lines) + text[end:]


def _as_git_sees(message: str) -> str:
    """The message from its first line with text on, up to a NUL, which ends text in Git."""
    return _BLANK_LINES.sub("", message.partition("\0")[0], count=1)


def _parse(text: str, start: int, end: int) -> list[tuple[str, str, str]]:
    """Split a block into (key, value as written, whole line); the key is empty where a line is no trailer."""
    parts: list[list[str]] = []
    is_open = False
    for line in _lines(text[start:end]):
        if is_open and line[0] in _WHITE:
            parts[-1].append(line)
        else:
            parts.append([line])
            is_open = _KEY.match(line) is not None
    found = []
    for part in map("".join, parts):
        match = _KEY.match(part)
        key, value = (match[1], part[match.end() :].strip(_WHITE)) if match else ("", "")
        found.append((key, value, part.removesuffix("\n")))
    return found


def _unfold(value: str) -> str:
    return _FOLD.sub(" ", value).strip(_WHITE)


def _find_block(text: str) -> tuple[int, int]:
    """Find where the trailers begin and end; both are the end when there are none."""
    end = _find_end(text)
    lines = _lines(text[:end])
    title = next((n for n, line in enumerate(lines) if line[0] != _COMMENT and _is_blank(line)), len(lines))
    size = _count_block(lines[title:])
    return end - sum(map(len, lines[len(lines) - size :])) if size else end, end


def _count_block(lines: list[str]) -> int:
    """Count the lines at the end of *lines* that are the block; 0 when the last paragraph is none. Goes up, as Git does."""
    trailers = others = perhaps = 0
    is_gits = is_text = False
    for number, line in enumerate(reversed(lines)):
        if line[0] == _COMMENT:
            others, perhaps = others + perhaps, 0
        elif _is_blank(line):
            if not is_text:
                continue
            others += perhaps
            return number if trailers and (others == 0 or (is_gits and trailers * _TITLE_PART >= others)) else 0
        else:
            is_text = True
            if line.startswith(_FROM_GIT):
                trailers, perhaps, is_gits = trailers + 1, 0, True
            elif _KEY.match(line):
                trailers, perhaps = trailers + 1, 0
            elif line[0] in _WHITE:
                perhaps += 1  # the continuation of a trailer, if one stands above
            else:
                others, perhaps = others + perhaps + 1, 0
    return 0


def _find_end(text: str) -> int:
    """Find where the message ends for Git: before trailing comments, blank lines and conflicts, and before the scissors."""
    cutoff = _find_scissors(text)
    begin = position = 0  # of what does not count; 0 is none, also for a comment on the first line, as in Git
    in_conflicts = False
    for line in _lines(text):
        if position >= cutoff:
            break
        if line[0] in "#\n":
            begin = begin or position
        elif line == _OLD_CONFLICTS:
            in_conflicts, begin = True, begin or position
        elif begin and not (in_conflicts and line[0] == "\t"):
            in_conflicts, begin = False, 0
        position += len(line)
    return begin or cutoff


def _find_scissors(text: str) -> int:
    if text.startswith(_CUT_LINE):
        return 0
    place = text.find("\n" + _CUT_LINE)
    return len(text) if place < 0 else place + 1


def _lines(text: str) -> list[str]:
    """Split at line feeds only, which stay."""
    lines = [f"{line}\n" for line in text.split("\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _is_blank(line: str) -> bool:
    return not line.strip(_WHITE)


def _ends_blank(text: str) -> bool:
    lines = _lines(text)
    return bool(lines) and _is_blank(lines[-1])
