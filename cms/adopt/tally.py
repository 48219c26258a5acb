"""Tally: what kinds of values one field has over many files, gathered value by value."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from cms.frontmatter import Document, JSONValue

DEPTH = 5
KINDS: Mapping[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
}


@dataclass(slots=True)
class Tally:
    """Values of one field.

    Attributes:
        seen: how many of the parents have the field at all.
        kinds: JSON types of the values, ``null`` for an empty one.
        texts: every text and how often it comes, in lists too when this is the tally of the items.
        respelled: numbers that do not come back as they were written (``3.10``, ``0123``).
        items: the values inside lists; ``lists`` counts the lists that hold any.
        fields: the values inside objects.
    """

    seen: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)
    respelled: int = 0
    numbers: Counter[str] = field(default_factory=Counter)
    items: "Tally | None" = None
    fields: "dict[str, Tally]" = field(default_factory=dict)

    @property
    def filled(self) -> int:
        """How many of the values are not empty."""
        return self.seen - self.kinds["null"]

    def add(self, value: JSONValue, written: str | None = None, depth: int = 0) -> None:
        """Count one value; *written* is a number as it stands in the file."""
        self.seen += 1
        self.kinds[KINDS.get(type(value), "null")] += 1
        if isinstance(value, str):
            self.texts[value] += 1
        elif isinstance(value, int | float) and not isinstance(value, bool):
            text = str(value) if written is None else written
            self.numbers[text] += 1
            self.respelled += text != str(value)
        elif depth < DEPTH:
            if isinstance(value, list):
                self.items = self.items or Tally()
                for item in value:
                    self.items.add(item, None, depth + 1)
            elif isinstance(value, dict):
                for key, inner in value.items():
                    self.fields.setdefault(key, Tally()).add(inner, None, depth + 1)


def _written(document: Document, name: str, value: JSONValue) -> str | None:
    """A number at the top of the front matter as its file has it; a search, because ``Document.text`` parses again."""
    if document.format != "yaml" or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    found = re.search(rf"^{re.escape(name)} *: +([-+.\w]+) *(?:#.*)?$", document.block, re.MULTILINE)
    return found[1] if found else document.text((name,))


def tally_documents(documents: Sequence[Document]) -> dict[str, Tally]:
    """One tally a field over all *documents*, in the order in which the fields are first met most often."""
    fields: dict[str, Tally] = {}
    for document in documents:
        for name, value in document.values.items():
            tally = fields.setdefault(name, Tally())
            tally.add(value, _written(document, name, value))
            if isinstance(value, list) and any(isinstance(item, float) for item in value) and tally.items is not None:
                texts = [document.text((name, index)) for index, item in enumerate(value) if isinstance(item, float)]
                floats = [item for item in value if isinstance(item, float)]
                tally.items.respelled += sum(text != str(item) for text, item in zip(texts, floats, strict=True))
    return dict(sorted(fields.items(), key=lambda pair: (-pair[1].seen, pair[0])))
