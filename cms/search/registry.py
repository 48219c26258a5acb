"""The engines there are, by name. A module is imported when its engine is asked for, and not before."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path

from cms.search.engine import Engine

MODULES: Mapping[str, str] = {"whoosh": "cms.search.embedded", "tantivy": "cms.search.tantivy.engine"}


def open_engine(folder: Path, *, fingerprint: str, engine: str = "whoosh", **options: object) -> Engine:
    """The search index in a folder, ready to use.

    Args:
        folder: made if need be; private to this user.
        fingerprint: of all that the documents depend on besides their blobs (schemas, rendering): an index made with
            another one is left aside, as is a damaged one or one made by other versions, and an empty one begun.
        engine: one of ``MODULES``; its package must be installed.
        options: ``batch_documents``: how many documents one commit takes at most.

    Never raises for a bad index or folder; ``ids()`` is empty then, and ``search`` or ``update`` say what is wrong.
    """
    opened: Engine = import_module(MODULES[engine]).open_engine(folder, fingerprint=fingerprint, **options)
    return opened
