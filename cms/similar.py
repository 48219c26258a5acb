"""Entries like another one: the words that say what an entry is about, and how much of its facets another one shares.

The words are searched for as a reader would search for them, so what is rare on the site counts most there; here it is enough to leave out what
says nothing. Not here: the search itself (``searching``).
"""

from collections import Counter
from collections.abc import Sequence

from cms.catalog import Catalog
from cms.entry import Entry
from cms.fieldpath import FieldPath
from cms.search import SearchDocument
from cms.search.analysis import PART_PATTERN, language_of_text, normalise
from cms.searchtexts import SLUG

WORDS_MOST, LENGTH_MOST = 14, 240
LEAST = 3
BODY_LIMIT = 20_000
REPEATED = 4
TITLE_WEIGHT, FIELD_WEIGHT, SUMMARY_WEIGHT, BODY_WEIGHT = 3.0, 2.0, 1.5, 0.8
ENTRIES_MOST = 100
ENTRIES_LOOKED_AT = 3 * ENTRIES_MOST
SHARE_LEAST = 0.2
FACET_BONUS = 0.5

Ranked = tuple[Entry, float]


def key_terms(document: SearchDocument) -> str:
    """The words that say most of what *document* is about, as the text of a search for any of them."""
    language = language_of_text(document.locale, f"{document.title} {document.body[:BODY_LIMIT]}")
    weights: dict[str, float] = {}
    written: dict[str, Counter[str]] = {}

    def add(text: str, weight: float, most: int) -> None:
        words = [word.casefold() for word in PART_PATTERN.findall(normalise(text))]
        told = [word for word in words if len(word) >= LEAST and word not in language.stopwords and not word.isdigit()]
        counts: Counter[str] = Counter()
        for word in told:
            stem = language.stem(word)
            counts[stem] += 1
            written.setdefault(stem, Counter())[word] += 1
        for stem, count in counts.items():
            # Long words, which are often compounds, say more than short ones.
            weights[stem] = weights.get(stem, 0.0) + weight * min(count, most) * min(len(stem), 12) / 8

    add(document.title, TITLE_WEIGHT, 1)
    # The slug is the title once more.
    add(" ".join(text for name, (text, _) in document.fields.items() if name != SLUG), FIELD_WEIGHT, 1)
    add(document.summary, SUMMARY_WEIGHT, 1)
    add(document.body[:BODY_LIMIT], BODY_WEIGHT, REPEATED)
    for stem, spellings in written.items():
        if spellings.total() < 2 and weights[stem] < FIELD_WEIGHT / 2:
            weights[stem] /= 4  # once in a long text is by chance
    best = sorted(weights, key=lambda stem: (-weights[stem], -len(stem), stem))
    words = [written[stem].most_common(1)[0][0] for stem in best[:WORDS_MOST]]
    while len(" ".join(words)) > LENGTH_MOST:
        words.pop()
    return " ".join(words)


def rank_similar(catalog: Catalog, entry: Entry, paths: Sequence[FieldPath], ranked: Sequence[Ranked]) -> list[Ranked]:
    """The best of *ranked* without *entry* and its translations, those with the same facet values raised.

    Args:
        paths: the facets to compare, of the collection of *entry*.
    """
    wanted = {path.text: set(path.read(entry, catalog)) for path in paths}
    total = sum(map(len, wanted.values()))
    found: list[Ranked] = []
    for other, score in ranked[:ENTRIES_LOOKED_AT]:
        if (other.collection, other.slug) == (entry.collection, entry.slug):
            continue
        shared = 0
        if total and other.collection == entry.collection:
            shared = sum(len(wanted[path.text].intersection(path.read(other, catalog))) for path in paths)
        found.append((other, score * (1 + FACET_BONUS * shared / total) if shared else score))
    found.sort(key=lambda pair: -pair[1])
    least = found[0][1] * SHARE_LEAST if found else 0.0
    return [pair for pair in found[:ENTRIES_MOST] if pair[1] >= least]
