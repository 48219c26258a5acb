"""Full-text search: one small interface, so that engines can be exchanged.

An engine finds documents by their words and says how well they fit. It knows nothing of branches, publication or
permission: the caller names the ids that are ``visible``, which are all that a search knows of, and filters, facets, sorting
and pages are the catalog's. A document is keyed by its blob, so that a publication needs no indexing and equal ids mean equal content.
"""

from cms.search.engine import Engine, Hit, Hits, Match, Reason, SearchDocument, Snippet
from cms.search.registry import open_engine
from cms.search.synonyms import Synonyms, common_synonyms, make_synonyms
from cms.search.visible import Visible

__all__ = [
    "Engine",
    "Hit",
    "Hits",
    "Match",
    "Reason",
    "SearchDocument",
    "Snippet",
    "Synonyms",
    "Visible",
    "common_synonyms",
    "make_synonyms",
    "open_engine",
]
