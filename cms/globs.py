"""Globs: which paths of a repository a role or a rule is for.

``*`` stands for anything within one part of a path, ``**`` for any number of folders; a ``**`` at the end means everything below. Not made of
regular expressions: whoever may propose a change of the rules could otherwise propose one that takes minutes to evaluate.
"""

from dataclasses import dataclass

LONGEST = 300
MOST_PARTS = 32
_ANY = "**"
_UNKNOWN = "?[]{}!"


@dataclass(frozen=True, slots=True)
class Glob:
    """One pattern: *text* as it was written; *runs* of parts with any number of folders between them."""

    text: str
    runs: tuple[tuple[tuple[str, ...], ...], ...]

    def matches(self, path: str) -> bool:
        """Whether *path*, from the root of the repository, is one of those that the pattern means.

        Takes time in proportion to the length of the path, whatever the pattern.
        """
        parts = path.split("/")
        first, last = self.runs[0], self.runs[-1]
        if len(self.runs) == 1:
            return len(parts) == len(first) and _fits(first, parts, 0)
        end = len(parts) - len(last)
        if end < len(first) or not _fits(first, parts, 0) or not _fits(last, parts, end):
            return False
        place = len(first)
        for run in self.runs[1:-1]:
            found = next((at for at in range(place, end - len(run) + 1) if _fits(run, parts, at)), None)
            if found is None:
                return False
            place = found + len(run)
        return True


def compile_glob(text: str) -> Glob:
    """Compile one pattern.

    Raises:
        ValueError: it could fit no file, or looks as if it meant something that these patterns cannot say; the text is a sentence.
    """
    parts = text.split("/")
    if not text.strip():
        raise ValueError("a pattern is empty; leave 'paths' out to mean everything")
    if len(text) > LONGEST or len(parts) > MOST_PARTS:
        raise ValueError(
            f"a pattern may have {LONGEST} characters and {MOST_PARTS} parts; this begins with {text[:40]!r}"
        )
    if not text.isprintable() or "\\" in text:
        raise ValueError(f"the pattern {text!r} holds a backslash or a control character; folders are separated by '/'")
    if any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"the pattern {text!r} fits no file; write a path from the root, such as 'content/posts/**'")
    unknown = next((sign for sign in _UNKNOWN if sign in text), None)
    if unknown is not None:
        raise ValueError(f"the pattern {text!r} holds {unknown!r}; there are only '*' and '**', use several patterns")
    wrong = next((part for part in parts if _ANY in part and part != _ANY), None)
    if wrong is not None:
        raise ValueError(
            f"the pattern {text!r} has '**' beside other letters; it stands alone between slashes, as in 'a/**/b'"
        )
    if parts[-1] == _ANY:
        parts.append("*")
    runs: list[list[tuple[str, ...]]] = [[]]
    for part in parts:
        if part == _ANY:
            runs.append([])
        else:
            runs[-1].append(tuple(part.split("*")))
    return Glob(text, tuple(map(tuple, runs)))


def _fits(run: tuple[tuple[str, ...], ...], parts: list[str], at: int) -> bool:
    return all(_fits_part(pieces, parts[at + step]) for step, pieces in enumerate(run))


def _fits_part(pieces: tuple[str, ...], part: str) -> bool:
    """Whether *part* is the *pieces*, in order, with anything between them."""
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return part == first
    end = len(part) - len(last)
    if end < len(first) or not part.startswith(first) or not part.endswith(last):
        return False
    place = len(first)
    for piece in pieces[1:-1]:
        place = part.find(piece, place, end)
        if place < 0:
            return False
        place += len(piece)
    return True
