"""What editors say about search: words that mean the same, and the entries that come first for a query.

Both are files of the site, read at the commit that is served (``docs/search.md``). A wrong line is left out and becomes a finding; nothing in
these files can keep a commit from being served.
"""

import re
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from cms import yamltext
from cms.errors import CMSError
from cms.finding import Finding, finding_of
from cms.overlay import Reader
from cms.refs import BlobId, CommitId
from cms.settings import SearchSettings
from cms.spelling import forms_of, key_of
from cms.yamltext import Node

SIZE_LIMIT_BYTES = 1024 * 1024
GROUPS_LIMIT, MEMBERS_LIMIT, WORDS_LIMIT, MEMBER_LIMIT = 2_000, 20, 5, 80
QUERIES_LIMIT, PINS_LIMIT = 1_000, 5
ANY_LOCALE = ""

COMMENT = re.compile(r"(?:^|\s)#.*")

Group = tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Guide:
    """The files as they are at one commit.

    Attributes:
        groups: words or short phrases in lower case that mean the same.
        bets: query, as :func:`key_of` writes it, and locale (``""``: any) to the entries that come first, as ``collection/slug``.
        places: the line that names a bet, to say where it is wrong.
        sources: blob ids by path; as long as they are the same, so is the guide.
    """

    groups: tuple[Group, ...] = ()
    bets: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    places: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    sources: Mapping[str, BlobId | None] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()

    def pins(self, query: str, locale: str | None) -> tuple[str, ...]:
        """The entries that come first for a whole *query*: those of the reader's locale, then those for any."""
        key = key_of(query)
        if not key or not self.bets:
            return ()
        found: dict[str, None] = {}
        for written in self._spellings.get(key, ()):
            for part in (locale or ANY_LOCALE, ANY_LOCALE):
                found |= dict.fromkeys(self.bets.get((written, part), ()))
        return tuple(found)

    @cached_property
    def _spellings(self) -> Mapping[str, tuple[str, ...]]:
        """Every way to type a query, to the queries of the file that it may mean; what is typed exactly so comes first."""
        found: dict[str, dict[str, None]] = {query: {query: None} for query, _ in self.bets}
        for query, _ in self.bets:
            for form in forms_of(query):
                found.setdefault(form, {})[query] = None
        return {form: tuple(queries) for form, queries in found.items()}


NO_GUIDE = Guide()


def read_guide(reader: Reader, commit: CommitId, settings: SearchSettings, known: Guide = NO_GUIDE) -> Guide:
    """The guide at *commit*; *known* when the files are still the same.

    Raises:
        RepositoryProblem: the commit or its trees cannot be read.
    """
    sources = {path: reader.find_blob(commit, path) for path in (settings.synonyms, settings.bestbets)}
    if sources == known.sources:
        return known
    findings: list[Finding] = []
    groups = read_synonyms(_text(reader, settings.synonyms, sources, findings), settings.synonyms, findings)
    bets, places = read_bestbets(_text(reader, settings.bestbets, sources, findings), settings.bestbets, findings)
    return Guide(groups=groups, bets=bets, places=places, sources=sources, findings=tuple(findings))


def _text(reader: Reader, path: str, sources: Mapping[str, BlobId | None], findings: list[Finding]) -> str:
    blob = sources[path]
    try:
        source = b"" if blob is None else reader.read_blob(blob)
        if len(source) > SIZE_LIMIT_BYTES:
            raise CMSError(f"the file is larger than {SIZE_LIMIT_BYTES:,} bytes, so it is not used")
        return source.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        findings.append(Finding(message="the file is not UTF-8, so it is not used", path=path, rule="search-file"))
    except CMSError as error:
        findings.append(finding_of(error, path=path))
    return ""


def read_synonyms(text: str, path: str, findings: list[Finding]) -> tuple[Group, ...]:
    """The groups of a synonym file; what is wrong is added to *findings*."""
    groups: list[Group] = []

    def wrong(line: int, message: str, hint: str = "") -> None:
        findings.append(Finding(message=message, path=path, line=line, rule="synonyms", hint=hint))

    for number, line in enumerate(text.split("\n"), 1):
        written = [part.strip() for part in COMMENT.sub("", line).split(",")]
        members = dict.fromkeys(" ".join(part.casefold().split()) for part in written if key_of(part))
        if not any(written):
            continue
        if len(members) < 2:
            wrong(
                number, "a group needs two different words or more", "separate them by commas: ki, kunstig intelligens"
            )
        elif len(members) > MEMBERS_LIMIT:
            wrong(number, f"a group may have {MEMBERS_LIMIT} members at most, and this one has {len(members)}")
        elif long := next((m for m in members if len(m) > MEMBER_LIMIT or len(key_of(m).split()) > WORDS_LIMIT), None):
            wrong(number, f"{long[:40]!r} is longer than {WORDS_LIMIT} words or {MEMBER_LIMIT} characters")
        elif len(groups) == GROUPS_LIMIT:
            wrong(number, f"only the first {GROUPS_LIMIT:,} groups are used")
            break
        else:
            groups.append(tuple(members))
    return tuple(groups)


Bets = dict[tuple[str, str], tuple[str, ...]]
Places = dict[str, tuple[str, int]]


def read_bestbets(text: str, path: str, findings: list[Finding]) -> tuple[Bets, Places]:
    """The bets of a file, and the line that names each entry first; what is wrong is added to *findings*."""
    try:
        root = yamltext.compose(text)
    except CMSError as error:
        findings.append(finding_of(error, path=path))
        return {}, {}
    if root is None:
        return {}, {}
    reader = _BetReader(path, findings)
    if root.members is None:
        reader.wrong(root, "the file must say 'query: collection/slug' on each line")
    for number, (key, node) in enumerate((root.members or {}).values()):
        if number == QUERIES_LIMIT:
            reader.wrong(key, f"only the first {QUERIES_LIMIT:,} queries are used")
            break
        reader.read(key, node)
    return reader.bets, reader.places


class _BetReader:
    def __init__(self, path: str, findings: list[Finding]) -> None:
        self.bets: Bets = {}
        self.places: Places = {}
        self._path = path
        self._findings = findings

    def wrong(self, node: Node, message: str, hint: str = "") -> None:
        finding = Finding(
            message=message, path=self._path, line=node.line, column=node.column, rule="bestbets", hint=hint
        )
        self._findings.append(finding)

    def read(self, key: Node, node: Node) -> None:
        """One query and what it pins."""
        query = key_of(key.text or "")
        if not query:
            return self.wrong(key, f"{key.text!r} has no word in it that a reader could search for")
        if node.members is None:
            return self._add(key, query, ANY_LOCALE, node)
        for locale, (place, inner) in node.members.items():
            if inner.members is not None:
                self.wrong(inner, f"{locale!r} must be followed by an entry, or by a list of entries")
            else:
                self._add(place, query, locale, inner)
        return None

    def _add(self, key: Node, query: str, locale: str, node: Node) -> None:
        pins = [item for item in (node.items if node.items is not None else [node]) if self._is_entry(item)]
        if len(pins) > PINS_LIMIT:
            self.wrong(pins[PINS_LIMIT], f"a query may pin {PINS_LIMIT} entries at most; the others are left out")
        if (query, locale) in self.bets:
            return self.wrong(key, f"the query {query!r} stands in the file twice; the first one counts")
        names = tuple(dict.fromkeys((item.text or "").strip("/ ") for item in pins[:PINS_LIMIT]))
        for name, item in zip(names, pins, strict=False):
            self.places.setdefault(name, (self._path, item.line))
        if names:
            self.bets[query, locale] = names
        return None

    def _is_entry(self, node: Node) -> bool:
        collection, slash, slug = (node.text or "").strip("/ ").partition("/")
        if node.text is None or not (collection and slash and slug):
            shown = f"{node.text!r} names no entry" if node.text else "here should be an entry"
            self.wrong(node, shown, "write collection/slug, such as posts/laer-av-feil")
            return False
        return True


def find_unknown_pins(guide: Guide, known: Container[tuple[str, str]]) -> Iterator[Finding]:
    """A warning for each bet on an entry that is not there at all; one that is not public yet is no mistake.

    Args:
        known: (collection, slug) of every entry, hidden ones too.
    """
    for name, (path, line) in guide.places.items():
        collection, _, slug = name.partition("/")
        if (collection, slug) not in known:
            yield Finding(
                message=f"there is no entry {name!r}",
                path=path,
                line=line,
                rule="bestbets",
                hint="write collection/slug of an entry; 'cms list COLLECTION' shows the slugs",
                severity="warning",
            )
