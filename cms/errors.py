"""Every way Branchpress refuses, as one tree.

    CMSError
    ├── InvalidContent                 a file in the repository is wrong
    │   ├── InvalidFrontMatter         its front matter cannot be read
    │   ├── InvalidEntry               its fields break the schema
    │   └── InvalidSchema              a schema file is wrong
    ├── InvalidSettings                cms.toml or the environment is wrong
    ├── InvalidQuery                   a request's parameters are wrong
    ├── NotFound                       no such thing in this view
    │   ├── CollectionNotFound
    │   ├── EntryNotFound
    │   └── RefNotFound
    │   └── DraftNotFound
    ├── Gone                           it was public, and was withdrawn
    ├── FullSyncNeeded                 nobody knows what changed since then
    ├── Unauthorised                   who asks is not known, or gave a wrong secret
    ├── Forbidden                      who asks is known, and may not
    ├── Conflict                       what is asked does not fit the state of the draft
    │   ├── MergeConflict              two people changed the same field or line
    │   └── RefMoved                   somebody was faster: look again
    ├── StaleRequest                   the caller decided on something that has changed since
    ├── StateNotNamed                  the caller must say which state it decided on
    ├── TooMany                        too many attempts
    ├── RepositoryProblem              Git cannot be read
    ├── AccountsUnavailable            the file of accounts cannot be read
    ├── SearchUnavailable              the index is being built or cannot be read
    └── TooBusy                        too many slow requests at once

An error keeps its facts as attributes of ``facts``; surfaces translate the class (to an HTTP status or an exit code) in one
table each. ``code`` is public: clients branch on it.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class CMSError(Exception):
    """Base of everything that we refuse on purpose. ``str(error)`` is a sentence for a person."""

    code: ClassVar[str] = "error"
    title: ClassVar[str] = "Something is wrong"

    def __init__(self, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.facts: Mapping[str, Any] = {name: value for name, value in facts.items() if value is not None}


class InvalidContent(CMSError):
    """A file in the repository is wrong. Facts: path, line, column (1-based), field, rule, hint; all optional."""

    code = "invalid-content"
    title = "The content is not valid"


class InvalidFrontMatter(InvalidContent):
    """The front matter of a file cannot be read at all."""

    code = "invalid-front-matter"
    title = "The front matter cannot be read"


class InvalidEntry(InvalidContent):
    """The front matter was read, but its fields break the schema of the collection."""

    code = "invalid-entry"
    title = "The entry does not fit its schema"


class InvalidSchema(InvalidContent):
    """A schema file is wrong. Facts: path, line, keyword."""

    code = "invalid-schema"
    title = "The schema is not valid"


class InvalidSettings(CMSError):
    """``cms.toml``, an option or an environment variable is wrong. Facts: path, line, key."""

    code = "invalid-settings"
    title = "The settings are not valid"


class InvalidQuery(CMSError):
    """A request's parameters are wrong. Facts: parameter, nearest."""

    code = "invalid-query"
    title = "The query is not valid"


def helpful(one: "InvalidQuery | None", other: "InvalidQuery") -> "InvalidQuery":
    """Of two refusals of the same name the one to tell: the first, unless only the other knows what was meant."""
    return other if one is None or ("nearest" in other.facts and "nearest" not in one.facts) else one


class NotFound(CMSError):
    """No such thing in this view; the same answer for what is missing and for what is hidden."""

    code = "not-found"
    title = "Not found"


class CollectionNotFound(NotFound):
    """No collection of that name. Facts: collection, nearest."""

    code = "collection-not-found"
    title = "No such collection"


class EntryNotFound(NotFound):
    """No entry with that key in this view. Facts: collection, slug, locale."""

    code = "entry-not-found"
    title = "No such entry"


class RefNotFound(NotFound):
    """No branch, tag or commit of that name. Facts: ref."""

    code = "ref-not-found"
    title = "No such branch, tag or commit"


class DraftNotFound(NotFound):
    """No draft of that name, or none that the caller may know of. Facts: draft."""

    code = "draft-not-found"
    title = "No such draft"


class Gone(CMSError):
    """It was public, and has been withdrawn. Facts: collection, slug."""

    code = "gone"
    title = "No longer published"


class FullSyncNeeded(CMSError):
    """What changed since a position is not known, or not told; whoever holds a copy must make it anew. Facts: parameter."""

    code = "full-sync-needed"
    title = "Begin again with everything"


class Unauthorised(CMSError):
    """Nobody was named, or the secret is wrong, expired or revoked; never says which."""

    code = "unauthorised"
    title = "Sign in first"


class Forbidden(CMSError):
    """The caller may know of it, and may not do this. Facts: permission, needs, ask (who can help)."""

    code = "forbidden"
    title = "Not allowed"


class Conflict(CMSError):
    """What is asked does not fit the state it would change. Facts: draft, state, findings, missing."""

    code = "conflict"
    title = "That does not fit the present state"


class MergeConflict(Conflict):
    """The published branch and the draft changed the same field or line. Facts: conflicts, findings."""

    code = "merge-conflict"
    title = "The same was changed twice"


class RefMoved(Conflict):
    """A branch is no longer where the caller saw it: somebody was faster. Facts: ref."""

    code = "ref-moved"
    title = "Somebody was faster"


class StaleRequest(CMSError):
    """The caller named the state it decided on, and that is not the present one. Facts: expected, found."""

    code = "stale-request"
    title = "It has changed since you looked"


class StateNotNamed(CMSError):
    """An act that depends on what was seen must name it. Facts: parameter."""

    code = "state-not-named"
    title = "Say which state you looked at"


class TooMany(CMSError):
    """Too many attempts. Facts: retry_after_seconds."""

    code = "too-many-requests"
    title = "Too many attempts"


class RepositoryProblem(CMSError):
    """The repository is missing, damaged or of a kind that cannot be read. Facts: path, hint."""

    code = "repository-problem"
    title = "The repository cannot be read"


class AccountsUnavailable(CMSError):
    """The file of accounts is damaged, of a newer version, or cannot be read now. Facts: path, hint, retry_after_seconds."""

    code = "accounts-unavailable"
    title = "Nobody can be signed in at the moment"


class SearchUnavailable(CMSError):
    """The search index is being built or cannot be read now. Facts: retry_after_seconds."""

    code = "search-unavailable"
    title = "Search is not available at the moment"


class TooBusy(CMSError):
    """More slow requests at once than can be answered in time. Facts: retry_after_seconds."""

    code = "too-busy"
    title = "Too much is being asked at once"
