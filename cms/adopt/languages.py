"""Languages: which folder names and suffixes are locales, and in which language a text is written.

Only a guess for ``cms adopt``: a person reads it in ``cms.toml`` and corrects it. Not here: stemming, which belongs to search.
"""

import re
from collections import Counter
from collections.abc import Iterable


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


CODES = _set(
    "af am ar as az be bg bn bs ca cs cy da de el en eo es et eu fa fi fo fr ga gl gu he hi hr hu hy id is it ja ka kk km kn ko "
    "ku ky lb lo lt lv mk ml mn mr ms mt nb ne nl nn no pa pl ps pt ro ru se si sk sl sq sr sv sw ta te tg th tk tr uk ur uz vi "
    "zh fil nob nno sme sma smj"
)
COMMON = _set("en nb nn no sv da de fr es it nl fi pl pt ru ja zh ko")
NORWEGIAN = frozenset({"nb", "nn", "no", "nob", "nno"})
TAG = re.compile(r"([a-z]{2,3})(?:-[A-Za-z]{4})?(?:-(?:[A-Za-z]{2}|\d{3}))?")
WORD = re.compile(r"[^\W\d_]+")
SAMPLE_CHARACTERS = 2000
ENOUGH_WORDS = 8

# Words that are frequent in one of the languages and rare in its neighbours.
WORDS = {
    "en": "the and of to is that with this are which you",
    "nb": "ikke og av som på til er det jeg noen hva hvordan være eller også etter fra",
    "nn": "ikkje og av som på til er det eg nokon kva korleis vere eller også etter frå ein dei",
    "sv": "inte och av som på till är det jag någon vad hur vara eller också efter från",
    "da": "ikke og af som på til er det jeg nogen hvad hvordan være eller også efter fra",
    "de": "nicht und von der die das ist mit ein eine für auch sich",
    "fr": "le les des est une et dans pour que qui pas sur avec",
    "es": "el los las una y en para que con por del como más",
    "nl": "het een en van niet dat is op voor met zijn ook",
}
VOCABULARY = {language: _set(words) for language, words in WORDS.items()}


def is_locale(name: str) -> bool:
    """Whether *name* looks like a language tag: ``nb``, ``en-GB``, ``zh-cn``; not ``docs``, not ``to``."""
    found = TAG.fullmatch(name)
    return found is not None and found[1] in CODES


def is_norwegian(locale: str) -> bool:
    """Whether *locale* is Bokmål, Nynorsk or Norwegian without saying which."""
    return locale.partition("-")[0] in NORWEGIAN


def vote(text: str) -> str | None:
    """The language of *text* by its most frequent small words; ``None`` when there are too few of them."""
    words = Counter(WORD.findall(text[:SAMPLE_CHARACTERS].casefold()))
    scores = {language: sum(words[word] for word in known) for language, known in VOCABULARY.items()}
    best = max(scores, key=scores.__getitem__)
    return best if scores[best] >= ENOUGH_WORDS else None


def elect(votes: Iterable[str | None]) -> str | None:
    """The language most files are written in, or ``None`` when no file could tell."""
    counts: dict[str, int] = {}
    for language in votes:
        if language is not None:
            counts[language] = counts.get(language, 0) + 1
    return min(counts, key=lambda language: (-counts[language], language)) if counts else None
