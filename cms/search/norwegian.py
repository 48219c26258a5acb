"""Stems of Norwegian words, bokmål and nynorsk alike: Snowball, with what it leaves apart brought together. Pure.

Snowball knows endings of bokmål, one at a time, and nothing of words of three letters. Here plural and definite forms of
persons (lærer, lærerne, lærarar), short words (by, byen, byane), words that lose a vowel (regel, regler; senter, sentre) or
double a letter (program, programmet), and the words of ``irregular.txt`` (bok, bøker; skrive, skrev) come to one stem each.
"""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cms.search.stopwords import STOPWORDS

_STOPWORDS = STOPWORDS["norwegian"]
_SHORT = re.compile(r"([^\Waeiouyæøå\d_]*[aeiouyæøå]{1,2})(?:ene|ane|en|et|er|ar|ens|a|e)")
_NOUN_OF_QUALITY = re.compile(r"heit(?:a|er|ene|ane)?\Z")
_PERSONS = re.compile(r"(?:erne|arane)\Z")
_NOT_PERSONS = frozenset({"moderne", "interne", "eksterne", "konserne", "lanterne", "kaserne", "taverne", "ekstern"})
_LOST_VOWEL = re.compile(r"([^\Waeiouyæøå\d_])\1?el\Z")
_LOST_ENDING = re.compile(r"([tpbkgf])r\Z")
_VOWEL = re.compile("[aeiouyæøå]")
_PREFIXES = frozenset({
    "an", "av", "be", "bi", "for", "fra", "fram", "frem", "gjen", "gjennom", "inn", "inne", "med", "mis", "mot", "ned", "om",
    "opp", "over", "på", "sam", "sammen", "til", "tilbake", "under", "ut", "ved",
})  # fmt: skip
_TAIL_LETTERS = range(8, 3, -1)


class _Irregular(NamedTuple):
    """Forms with the form that they count as: of any word, and of nouns and verbs alone."""

    words: dict[str, str]
    nouns: dict[str, str]
    verbs: dict[str, str]


def stem(word: str, snowball: Callable[[str], str]) -> str:
    """The stem of a case-folded word; *snowball* is the stemmer for bokmål."""
    if word in _STOPWORDS:
        return snowball(word)
    known = _irregular()
    if word in known.words:
        return _finish(snowball(known.words[word]))
    for letters in _TAIL_LETTERS:
        head, tail = word[:-letters], word[-letters:]
        if len(head) >= 3 and tail in known.nouns:
            return _finish(snowball(head + known.nouns[tail]))
        if head in _PREFIXES and tail in known.verbs:
            return head + _finish(snowball(known.verbs[tail]))
    return _regular(word, snowball)


def _regular(word: str, snowball: Callable[[str], str]) -> str:
    short = _SHORT.fullmatch(word)
    if short is not None:
        return short[1] if len(short[1]) > 1 and short[1] not in _STOPWORDS else word
    word = _NOUN_OF_QUALITY.sub("het", word) if len(word) > 6 else word
    persons = _PERSONS.search(word)
    if persons is not None and word not in _NOT_PERSONS and _is_root(word[: persons.start()]):
        word = word[: persons.start()] + "er"
    return _finish(snowball(word))


def _finish(found: str) -> str:
    """Endings that Snowball leaves because it takes off only one, or because the word lost a vowel."""
    if (len(found) >= 7 and found.endswith("ert")) or (len(found) >= 6 and found.endswith(("alt", "ivt"))):
        found = found[:-1]
    elif found.endswith("ielt"):
        found = found[:-1] + "l"
    if found.endswith(("er", "ar")) and (len(found) >= 7 or (_is_root(found[:-2]) and not _VOWEL.match(found[-3]))):
        found = found[:-2]
    if len(found) >= 5:
        found = _LOST_VOWEL.sub(r"\1l", found)
        found = _LOST_ENDING.sub(r"\1", found)
        found = found.removesuffix("a")
    if found.endswith(("kj", "gj")):
        found = found[:-1]
    if found.endswith("mm") and found[:-1] not in _STOPWORDS:
        found = found[:-1]
    return found


def _is_root(letters: str) -> bool:
    return len(letters) >= 3 and _VOWEL.search(letters) is not None


@cache
def _irregular() -> _Irregular:
    sections: dict[str, dict[str, str]] = {}
    section = ""
    for line in Path(__file__).with_name("irregular.txt").read_text("utf-8").splitlines():
        if line.startswith("#"):
            section = line.strip("# ")
        forms = line.split() if not line.startswith("#") else []
        sections.setdefault(section, {}).update(dict.fromkeys(forms, forms[0] if forms else ""))
    words = {form: base for forms in sections.values() for form, base in forms.items()}
    return _Irregular(words=words, nouns=sections["Nouns"], verbs=sections["Verbs"])
