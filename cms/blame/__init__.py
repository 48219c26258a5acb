"""Where every part of an entry comes from: which commit brought each field, list item and paragraph, and what became of it before.

``versions`` finds the commits that made a file what it is, ``parts`` cuts a version into what can be told apart, ``attribution`` follows
each part back to where it appeared, and ``record`` says who stands behind a commit: who wrote it, who approved it, what published it.
``telling`` puts it all into words and JSON.
"""

from cms.blame.attribution import Blame, blame
from cms.blame.record import Record
from cms.blame.versions import Version, Versions, find_versions

__all__ = ["Blame", "Record", "Version", "Versions", "blame", "find_versions"]
