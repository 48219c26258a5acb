"""Lists in sentences: of names, of paths, of anything that there may be hundreds of."""

import re
from collections.abc import Sequence

NAMES_SHOWN = 5
PATHS_SHOWN = 3
# Each part has an end in sight, so that no text takes long.
_ADDRESS = re.compile(r"[\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,8}[\w-]{1,63}")


def list_names(names: Sequence[str], word: str = "and") -> str:
    """``Kari, Ola and Per``, with *word* before the last; after NAMES_SHOWN the others are counted."""
    if len(names) > NAMES_SHOWN:
        names = [*names[: NAMES_SHOWN - 1], f"{len(names) - NAMES_SHOWN + 1} others"]
    return _joined(names, word)


def list_paths(paths: Sequence[str]) -> str:
    """``a.md, b.md and c.md``; after PATHS_SHOWN the others are counted."""
    if len(paths) > PATHS_SHOWN:
        paths = [*paths[: PATHS_SHOWN - 1], f"{len(paths) - PATHS_SHOWN + 1:,} more"]
    return _joined(paths, "and")


def _joined(parts: Sequence[str], word: str) -> str:
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def count_of(number: int, noun: str) -> str:
    """``1 approval``, ``2 approvals``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def hide_addresses(text: str) -> str:
    """*text* with what is before the ``@`` of each e-mail address, and no more of it."""
    return _ADDRESS.sub(lambda found: found[0].partition("@")[0], text) if "@" in text else text
