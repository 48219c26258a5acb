"""What names an entry from elsewhere, written anew after a rename.

References are the fields that a schema calls so (``x-reference``), in lists and objects too. Of the links in a body only those
are certain that lead by a relative path to the very file; addresses on the site stay, since a renamed entry answers there still.
"""

import re
from collections.abc import Callable, Mapping
from posixpath import dirname, join, normpath, relpath
from typing import Any
from urllib.parse import quote, unquote

from cms import frontmatter
from cms.edit import set_fields
from cms.frontmatter import Document
from cms.schema import Collection, Field

Renames = Mapping[tuple[str, str], str]
Exists = Callable[[str, str], bool]

# Code is passed over: what looks like a link there is none.
_LINKS = re.compile(
    r"(?P<code>^(?P<fence>`{3,}|~{3,})[^\n]*\n.*?(?:^(?P=fence)[`~]*[ \t]*$|\Z)|(?P<tick>`+)(?!`).+?(?<!`)(?P=tick)(?!`))"
    r"|(?P<before>\]\(\s*<?|^ {0,3}\[[^\]\n]+\]:[ \t]*<?)(?P<target>[^\s<>()#?]+)",
    re.MULTILINE | re.DOTALL,
)


def rewrite_references(
    source: bytes,
    renames: Renames,
    collection: Collection,
    *,
    exists: Exists | None = None,
    path: str = "",
    moves: Mapping[str, str] | None = None,
) -> bytes:
    """Return *source*, an entry of *collection*, with its references to renamed entries as they are called now.

    Args:
        renames: new slugs by collection and old slug.
        exists: whether there is an entry, after the renaming or untouched by it: where a field may name entries of several
            collections, the first that has one is meant, and a slug that would mean another gets its collection before it.
        path: where the file is.
        moves: new paths by old ones: links in the body that lead to an old one from *path* lead to the new one.

    Raises:
        InvalidFrontMatter, InvalidEntry: as for ``set_fields``.
    """
    document = frontmatter.read(source)
    rename = _Renaming(document, renames, exists or (lambda *_: False))
    changes = {}
    for name, item in collection.fields.items():
        if name in document.values:
            old = document.values[name]
            new = rename.value(item, old, (name,))
            if new != old:
                changes[name] = new
    result = set_fields(source, changes)
    if moves and (body := _relinked(document.body, path, moves)) != document.body:
        result = result.removesuffix(document.body.encode()) + body.encode()
    return result


class _Renaming:
    def __init__(self, document: Document, renames: Renames, exists: Exists) -> None:
        self._document = document
        self._renames = renames
        self._exists = exists

    def value(self, item: Field, value: Any, path: tuple[str | int, ...]) -> Any:
        """*value* of the field *item*, its references renamed."""
        if isinstance(value, list):
            return [self.value(item, part, (*path, number)) for number, part in enumerate(value)]
        if isinstance(value, dict):
            known = item.properties
            return {
                name: self.value(known[name], part, (*path, name)) if name in known else part
                for name, part in value.items()
            }
        if not item.references or value is None or isinstance(value, bool):
            return value
        named = self._document.text(path)
        found = self._find(item.references, str(value) if named is None else named)
        return value if found is None else found

    def _find(self, targets: tuple[str, ...], named: str) -> str | None:
        """What *named* is called now; ``None`` when it is as before. Collections are tried as when references are read."""
        for number, target in enumerate(targets):
            for slug, prefix in ((named, ""), (named.removeprefix(f"{target}/"), f"{target}/")):
                if prefix and slug == named:
                    continue
                new = self._renames.get((target, slug))
                if new is not None:
                    means_another = any(self._exists(other, new) for other in targets[:number])
                    return f"{target}/{new}" if prefix or means_another else new
                if self._exists(target, slug):
                    return None
        return None


def _relinked(body: str, path: str, moves: Mapping[str, str]) -> str:
    folder = dirname(path)

    def change(found: re.Match[str]) -> str:
        target = found["target"]
        if found["code"] is not None or ":" in target or target.startswith("/"):
            return found[0]
        new = moves.get(normpath(join(folder, unquote(target))))
        if new is None:
            return found[0]
        written = relpath(new, folder or ".")
        dotted = "./" if target.startswith("./") and not written.startswith("../") else ""
        return f"{found['before']}{dotted}{quote(written, safe='/') if '%' in target else written.replace(' ', '%20')}"

    return _LINKS.sub(change, body)
