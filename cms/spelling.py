"""How readers type: the forms of a text that lead to it, in plain letters too.

``Bærum`` is found by ``bærum``, ``barum`` and ``baerum``, ``Ålesund`` by ``alesund`` and ``aalesund``, ``Tromsø`` by ``tromso`` and ``Tromsö``.
A form never goes the other way: ``får`` does not lead to ``far``. For short texts of which the beginning may be enough; what full-text search
makes of words (stems, compounds) is in :mod:`cms.search.analysis`.
"""

import re
import unicodedata

WORD: re.Pattern[str] = re.compile(r"[^\W_]+")
_OTHERS = str.maketrans({"œ": "oe", "ð": "d", "þ": "th", "đ": "d", "ł": "l", "ı": "i"})


def key_of(text: str) -> str:
    """*text* as it is compared: its words in lower case, with one space between them and nothing else."""
    if text.isascii():
        return " ".join(WORD.findall(text.lower()))
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return " ".join(WORD.findall(folded.replace("ä", "æ").replace("ö", "ø")))


def forms_of(key: str) -> tuple[str, ...]:
    """*key* itself and what is typed for it on another keyboard, without repetition."""
    if key.isascii():
        return (key,)
    short = key.replace("æ", "a").replace("å", "a").replace("ø", "o")
    long = key.replace("æ", "ae").replace("å", "aa").replace("ø", "oe")
    return tuple(dict.fromkeys((key, _plain(short), _plain(long))))


def _plain(text: str) -> str:
    if text.isascii():
        return text
    text = unicodedata.normalize("NFKD", text.translate(_OTHERS))
    return "".join(letter for letter in text if not unicodedata.combining(letter))
