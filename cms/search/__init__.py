"""Full-text search: one small interface, so that engines can be exchanged.

An engine finds documents by their words and says how well they fit. It knows nothing of branches, publication or
permission: the caller names the ids that may be found (``allowed``), and filters, facets, sorting and pages are the
catalog's. A document is keyed by its blob, so that a publication needs no indexing and equal ids mean equal content.
"""

from cms.search.engine import Engine, Hit, Match, SearchDocument, Snippet
from cms.search.registry import open_engine
from cms.search.synonyms import Synonyms, common_synonyms, make_synonyms

__all__ = [
    "Engine",
    "Hit",
    "Match",
    "SearchDocument",
    "Snippet",
    "Synonyms",
    "common_synonyms",
    "make_synonyms",
    "open_engine",
]
