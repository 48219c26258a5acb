"""Words that stand for each other: looked up by stem, and exchanged inside compounds. Pure.

A text of synonyms has a group on each line, its words separated by commas; ``synonyms.txt`` is used for every site. Applied
when searching only, so that other synonyms need no other index.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import chain
from pathlib import Path

from cms.search.analysis import Language, normalise

Group = tuple[str, ...]
Members = dict[tuple[str, ...], tuple[tuple[str, ...], ...]]

MAX_WORDS = 5  # of one member of a group; of more it is no synonym but a text
_JOINTS = ("", "s", "e")
_SHORTEST_PART = 3


@dataclass(slots=True, eq=False)
class Synonyms:
    """Groups of words, or of several words side by side, that count as one another.

    Safe in several threads: losing a race only costs time.
    """

    groups: tuple[Group, ...]
    longest: int = 1  # words in the longest member
    digest: str = ""  # the same for the same groups
    _heads: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _stems: dict[str, Members] = field(default_factory=dict)
    _plain: dict[str, Members] = field(default_factory=dict)

    def __post_init__(self) -> None:
        single = _others(self.groups, lambda words: words)
        self._heads = {
            words[0]: tuple(other[0] for other in others if len(other) == 1)
            for words, others in single.items()
            if len(words) == 1
        }
        self.digest = hashlib.sha256(repr(self.groups).encode()).hexdigest()
        self.longest = max((len(words) for words in single), default=1)

    def of(self, words: Sequence[str], language: Language) -> tuple[tuple[str, ...], ...]:
        """What some words side by side, in any of their forms, stand for besides themselves."""
        table = self._stems.get(language.name)
        if table is None:
            table = _others(self.groups, lambda words: tuple(map(language.stem, words)))
            self._stems[language.name] = table
        return table.get(tuple(map(language.stem, words)), ())

    def of_plain(self, word: str, language: Language) -> tuple[tuple[str, ...], ...]:
        """The same for one word typed in plain letters (``overvakning``); the word it is meant for is among the others."""
        table = self._plain.get(language.name)
        if table is None:
            table = _others(self.groups, lambda words: tuple(language.fold(language.stem(part)) for part in words))
            self._plain[language.name] = table
        return table.get((language.fold(language.stem(word)),), ())

    def compounds(self, word: str, language: Language) -> Iterator[str]:
        """The compound with one or both of its parts exchanged (``sykehjem`` for ``sjukeheim``); most are no words."""
        for at in range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1):
            head, tail = word[:at], word[at:]
            heads = [head, *self._other_heads(head)]
            tails = [tail, *(other[0] for other in self.of((tail,), language) if len(other) == 1)]
            if len(heads) + len(tails) > 2:
                yield from (one + other for one in heads for other in tails if (one, other) != (head, tail))

    def _other_heads(self, head: str) -> Iterator[str]:
        for joint in _JOINTS:
            if head.endswith(joint):
                yield from (other + joint for other in self._heads.get(head.removesuffix(joint), ()))


def parse_synonyms(text: str) -> tuple[Group, ...]:
    """The groups in a text; a line with fewer than two words says nothing."""
    lines = (line.partition("#")[0] for line in normalise(text).casefold().splitlines())
    groups = (
        tuple(dict.fromkeys(" ".join(word.split()) for word in line.split(",") if word.strip())) for line in lines
    )
    return tuple(group for group in groups if len(group) > 1)


def make_synonyms(groups: Iterable[Group] = ()) -> Synonyms:
    """Those of a site, beside those that come with the program."""
    return Synonyms(tuple(chain(common_groups(), groups)))


@cache
def common_groups() -> tuple[Group, ...]:
    """The groups that come with the program."""
    return parse_synonyms(Path(__file__).with_name("synonyms.txt").read_text("utf-8"))


@cache
def common_synonyms() -> Synonyms:
    """Those that come with the program, and no others."""
    return make_synonyms()


def _others(groups: Iterable[Group], key: Callable[[tuple[str, ...]], tuple[str, ...]]) -> Members:
    """For each member of a group, its words changed by *key*, the other members of its groups."""
    found: dict[tuple[str, ...], dict[tuple[str, ...], None]] = {}
    for group in groups:
        members = [tuple(member.split()[:MAX_WORDS]) for member in group]
        for member in members:
            others = (other for other in members if key(other) != key(member))
            found.setdefault(key(member), {}).update(dict.fromkeys(others))
    return {member: tuple(others) for member, others in found.items() if others}
