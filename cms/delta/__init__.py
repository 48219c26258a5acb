"""What changed between two catalogs, and where in a site's life a catalog stands.

A delta is a function of two catalogs and of nothing else: what neither of them shows is not in it, and no trace of it either. So it can be
told to whoever may see both.
"""

from cms.delta.changes import Change, Wanted, find_changes

__all__ = ["Change", "Wanted", "find_changes"]
