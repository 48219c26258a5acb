"""Exit codes: one table from our errors to what a script sees, and the refusals that only a command line knows."""

from collections.abc import Mapping

from cms import errors
from cms.errors import CMSError

FINE = 0
CONTENT = 1
USAGE = 2
UNREADABLE = 3
PORT = 4
MISSING = 5
SEARCH = 6
REFUSED = 7
UNEXPECTED = 70
INTERRUPTED = 130
UNREAD = 141

EXIT_CODES: Mapping[type[CMSError], int] = {
    errors.InvalidContent: CONTENT,
    errors.InvalidFrontMatter: CONTENT,
    errors.InvalidEntry: CONTENT,
    errors.InvalidSchema: CONTENT,
    errors.InvalidQuery: USAGE,
    errors.InvalidSettings: UNREADABLE,
    errors.RepositoryProblem: UNREADABLE,
    errors.AccountsUnavailable: UNREADABLE,
    errors.NotFound: MISSING,
    errors.CollectionNotFound: MISSING,
    errors.EntryNotFound: MISSING,
    errors.RefNotFound: MISSING,
    errors.DraftNotFound: MISSING,
    errors.Gone: MISSING,
    errors.FullSyncNeeded: MISSING,
    errors.Unauthorised: REFUSED,
    errors.Forbidden: REFUSED,
    errors.Conflict: REFUSED,
    errors.MergeConflict: REFUSED,
    errors.RefMoved: REFUSED,
    errors.StaleRequest: REFUSED,
    errors.StateNotNamed: USAGE,
    errors.TooMany: REFUSED,
    errors.SearchUnavailable: SEARCH,
    errors.TooBusy: UNEXPECTED,
}
MEANINGS: Mapping[int, str] = {
    FINE: "fine",
    CONTENT: "the content has errors",
    USAGE: "wrong use: an option, an argument or a query",
    UNREADABLE: "the repository or the settings cannot be read",
    PORT: "the port is taken or may not be used",
    MISSING: "no such collection, entry, draft, branch, tag or commit",
    SEARCH: "the search index cannot be used now",
    REFUSED: "the rules of the site do not allow it, or not now",
    UNEXPECTED: "an error in cms itself",
    INTERRUPTED: "interrupted with Ctrl-C",
    UNREAD: "the program behind the pipe stopped reading",
}


class Refused(Exception):
    """A command cannot do what it was asked to, for a reason that only concerns the command line.

    Attributes:
        hint: what to do next.
        code: the exit code.
    """

    def __init__(self, message: str, *, hint: str = "", code: int = USAGE) -> None:
        super().__init__(message)
        self.hint = hint
        self.code = code


def exit_code(error: CMSError) -> int:
    """The exit code for *error*."""
    return EXIT_CODES[type(error)]


def exit_code_of(code: str) -> int:
    """The exit code for an error whose public code is *code*, as a problem of the API names it."""
    return next((exit for kind, exit in EXIT_CODES.items() if kind.code == code), UNEXPECTED)
