"""What we take from tantivy: a schema, sessions of writing, snapshots to read.

    search_index/
        g-segments/        the files of segments, each written once and never changed
        g-3f9c.../         one snapshot: tantivy's table of contents, and a link for each file that it names

Every session writes into a snapshot of its own that begins as a copy of the last one, and is published by the manifest when
it is whole and its checksums are known. So a process that dies leaves nothing half done, no reader sees a file go away
that it is about to open, and no two processes hold different ideas of what is current, which has cost others their disk.

Not here: when to write or search (``engine``), what a query means (``query``).
"""

import contextlib
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import tantivy

from cms.search import generations
from cms.search.analysis import Language, language
from cms.search.engine import SearchDocument
from cms.search.postings import Posting, postings_of, unpack
from cms.search.variants import COMPOUNDING, EXACT, EXTRA, FOLD, MIN_PART, SUMMARY, TEXT_FIELDS, TITLE, WORD

SEGMENTS = "g-segments"
ID, NUMBER, LANGUAGE = "id", "number", "language"
TAILS = {**dict.fromkeys(TEXT_FIELDS, "tail"), FOLD: "foldtail"}  # words backwards, by the kind of field they stand in
# Words of the further fields, and plain forms, that count for more; each adds to what the common field gives.
BONUSES = {"extra1": 0.5, "extra2": 1.5, "extra4": 3.5}
EXTRA_BASE = 0.5
FOLD_TOP = "foldtop"
# Tantivy lets the length of every field count as much as that of a body, and a field that most documents lack makes the rest
# look long. Words that nobody looks for, the same number in every document, let it count as little as in ``ranking``.
_PADDING = {TITLE: 9, SUMMARY: 8, EXTRA: 8, EXACT: 9, FOLD: 8}
_PAD = "\x1f"
_MIN_TAIL = 2 * MIN_PART
_CONTENTS = "meta.json"
_STATE = "state.json"
_HEAP_BYTES = 64_000_000
_PARTS = ("idx", "pos", "term", "store", "fast", "fieldnorm")
_OWN = frozenset({_CONTENTS, _STATE})


def version() -> str:
    return f"tantivy {metadata.version('tantivy')}"


def term_of(language_name: str, word: str) -> str:
    """The words of a language are counted among their own kind: each carries its name."""
    return f"{language_name}\x1f{word}"


def word_of(term: str) -> str:
    return term.partition("\x1f")[2]


def is_failure(error: BaseException) -> bool:
    """Whether this came from the index and not from whoever ends us; a panic in tantivy is no ``Exception``."""
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"


def make_schema() -> tantivy.Schema:
    builder = tantivy.SchemaBuilder()
    for name in TEXT_FIELDS:
        builder.add_text_field(name, tokenizer_name="raw", index_option="position")
    for name in (*BONUSES, EXACT, FOLD, FOLD_TOP):
        builder.add_text_field(name, tokenizer_name="raw", index_option="freq")
    for name in (*dict.fromkeys(TAILS.values()), WORD, LANGUAGE):
        builder.add_text_field(name, tokenizer_name="raw", index_option="basic")
    builder.add_text_field(ID, stored=True, tokenizer_name="raw", index_option="basic")
    builder.add_unsigned_field(NUMBER, indexed=True, fast=True)
    return builder.build()


def make_document(document: SearchDocument, number: int) -> tantivy.Document:
    """The same words at the same places as the built-in engine has."""
    language, postings = postings_of(document)
    result = tantivy.Document()
    result.add_text(ID, document.id)
    result.add_text(LANGUAGE, language.name)
    result.add_unsigned(NUMBER, number)
    tails: dict[str, set[str]] = {}
    kinds = {field.partition("_")[0]: entries for field, entries in postings.items()}
    for kind in _PADDING.keys() | kinds.keys():
        entries = kinds.get(kind, [])
        _add_tokens(result, kind, language, _in_order(entries), padding=_PADDING.get(kind, 0))
        if kind in TAILS and language.name in COMPOUNDING:
            words = (word[::-1] for term, *_ in entries if len(word := term.decode()) >= _MIN_TAIL)
            tails.setdefault(TAILS[kind], set()).update(words)
        for bonus, heavy in _heavier(kind, entries).items():
            _add_tokens(result, bonus, language, enumerate(heavy))
    for field, backwards in tails.items():
        _add_tokens(result, field, language, enumerate(sorted(backwards)))
    return result


def _in_order(entries: Iterable[Posting]) -> list[tuple[int, str]]:
    return sorted(
        (position, term.decode()) for term, _, _, places in entries for position in (unpack(places) if places else (0,))
    )


def _heavier(kind: str, entries: Iterable[Posting]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for term, frequency, weight, _ in entries:
        bonus = ""
        if kind == EXTRA:
            each = weight / frequency
            bonus = "extra4" if each >= 3 else "extra2" if each >= 1.5 else "extra1" if each > 0.5 else ""
        elif kind == FOLD and weight >= 2:
            bonus = FOLD_TOP
        if bonus:
            found.setdefault(bonus, []).append(term.decode())
    return found


def _add_tokens(
    document: tantivy.Document, field: str, language: Language, words: Iterable[tuple[int, str]], *, padding: int = 0
) -> None:
    tokens = [tantivy.Token(term_of(language.name, word), position, 0, 0) for position, word in words]
    last = tokens[-1].position if tokens else 0
    tokens += [tantivy.Token(_PAD, last, 0, 0)] * padding
    if tokens:
        document.add_pre_tokenized_text(field, tantivy.PreTokenizedString("", tokens))


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What we keep beside tantivy's own: numbers of documents are never used again within one ``lineage``."""

    lineage: str
    next_number: int


class Snapshot:
    """One published state of the index; it never changes and may be used by several threads at once."""

    def __init__(self, root: Path, name: str, verified: generations.Verified, previous: "Snapshot | None") -> None:
        """Read and verify it; anything wrong raises ``ValueError`` or what tantivy raises.

        Args:
            previous: what is known of an earlier one, which saves looking at every document again.
        """
        folder = root / name
        sums = generations.read_sums(folder, _CONTENTS)
        if sums is None or not generations.is_private(folder):
            raise ValueError(f"{name} has no checksums")
        damaged = [file for file, expected in sums.items() if not verified.is_whole(file, expected)]
        if damaged or not {f"{name}/{file}" for file in _OWN} <= sums.keys():
            raise ValueError(f"damaged: {', '.join(damaged)}")
        verified.keep_only(sums)
        self.name = name
        self.sums = sums
        self.state = State(**json.loads((folder / _STATE).read_bytes()))
        self.contents = (folder / _CONTENTS).read_bytes()
        index = tantivy.Index.open(str(folder))
        index.config_reader("manual")
        self.schema = index.schema
        self.searcher = index.searcher()
        # Deleted documents count here until a merge, as in tantivy's own arithmetic.
        self.total = sum(int(segment["max_doc"]) for segment in json.loads(self.contents)["segments"])
        known = previous if previous is not None and previous.state.lineage == self.state.lineage else None
        self.names: dict[int, str] = known.names if known is not None else {}
        self.ids = self._find_ids(known)
        self.languages = {
            language(name): count for name, count in self.searcher.terms_with_prefix(LANGUAGE, "") if count
        }

    def _find_ids(self, known: "Snapshot | None") -> frozenset[str]:
        first = known.state.next_number if known is not None else 0
        added = self._numbered(
            tantivy.Query.range_query(self.schema, NUMBER, tantivy.FieldType.Unsigned, lower_bound=first)
        )
        for number, address in added:
            self.names[number] = self.searcher.doc(address)[ID][0]
        found = (known.ids if known is not None else frozenset()).union(self.names[number] for number, _ in added)
        if len(found) != self.searcher.num_docs:  # some were taken out, so that we must ask for all
            found = frozenset(self.names[number] for number, _ in self._numbered(tantivy.Query.all_query()))
        if len(found) != self.searcher.num_docs:
            raise ValueError("an id twice in the index")
        return found

    def _numbered(self, query: tantivy.Query) -> list[tuple[int, tantivy.DocAddress]]:
        return [(number, address) for number, address, _ in self.search(query)]

    def search(self, query: tantivy.Query) -> list[tuple[int, tantivy.DocAddress, float]]:
        """The number, the address and the score of every document that fits."""
        hits = self.searcher.search(query, limit=max(1, self.searcher.num_docs), count=False).hits
        addresses = [address for _, address in hits]
        numbers = self.searcher.fast_field_values(NUMBER, addresses) if addresses else []
        return [(int(n), address, score) for n, (score, address) in zip(numbers, hits, strict=True) if n is not None]

    def words(self, field: str, language_name: str, beginning: str, *, limit: int) -> Iterable[str]:
        """The words of a field that begin so."""
        found = self.searcher.terms_with_prefix(field, term_of(language_name, beginning), limit=limit)
        return (word_of(term) for term, _ in found)

    def files(self) -> Iterator[str]:
        """The names of the files of segments."""
        for path in self.sums:
            folder, _, name = path.partition("/")
            if folder == SEGMENTS:
                yield name


class Session:
    """A session of writing, begun from a snapshot; the lock of the folder is held around it."""

    def __init__(self, root: Path, base: Snapshot) -> None:
        self._root = root
        self._base = base
        self._next = base.state.next_number
        (root / SEGMENTS).mkdir(mode=0o700, exist_ok=True)
        self.name = generations.begin_generation(root)
        self._folder = root / self.name
        (self._folder / _CONTENTS).write_bytes(base.contents)
        for name in base.files():
            _link(self._folder, name)
        with _refusals():
            self._writer = tantivy.Index.open(str(self._folder)).writer(_HEAP_BYTES, 1)

    def remove(self, identity: str) -> None:
        with _refusals():
            self._writer.delete_documents_by_term(ID, identity)

    def put(self, document: SearchDocument) -> None:
        """Add a document whose id is not in the index, or was removed before in this session."""
        made = make_document(document, self._next)
        with _refusals():
            self._writer.add_document(made)
        self._next += 1

    def commit(self, stamp: str) -> None:
        """Make the session the current snapshot; durable when this returns."""
        with _refusals():
            self._writer.commit()
            self._writer.wait_merging_threads()
        state = State(lineage=self._base.state.lineage, next_number=self._next)
        _publish(self._root, self.name, state, self._base.sums, stamp)

    def abandon(self) -> None:
        """Give up in any state."""
        del self._writer
        shutil.rmtree(self._folder, ignore_errors=True)


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Tell a full or closed disk as the system does: tantivy says it in words."""
    try:
        yield
    except BaseException as error:
        if not is_failure(error):
            raise
        number = re.search(r"'(.*) \(os error (\d+)\)'", str(error))
        raise OSError(int(number[2]), number[1]) if number else OSError(str(error)) from error


def begin(root: Path, stamp: str) -> None:
    """Publish an empty index."""
    name = generations.begin_generation(root)
    (root / SEGMENTS).mkdir(mode=0o700, exist_ok=True)
    with _refusals():
        tantivy.Index(make_schema(), path=str(root / name))
    _publish(root, name, State(lineage=name, next_number=0), {}, stamp)


def _publish(root: Path, name: str, state: State, known: generations.Sums, stamp: str) -> None:
    folder = root / name
    generations.replace_file(
        folder / _STATE, json.dumps({"lineage": state.lineage, "next_number": state.next_number}).encode()
    )
    segments = set(_segment_files(json.loads((folder / _CONTENTS).read_bytes()), folder))
    sums = {}
    for path in folder.iterdir():
        if path.name in segments:
            key = f"{SEGMENTS}/{path.name}"
            sums[key] = known.get(key) or _store(root, path)
        elif path.name in _OWN:
            generations.sync_file(path)
            sums[f"{name}/{path.name}"] = generations.sum_of(path)
        else:
            path.unlink(missing_ok=True)
    generations.sync_folder(root / SEGMENTS)
    generations.write_sums(folder, _CONTENTS, sums)
    generations.write_manifest(root, generations.Manifest(generation=name, stamp=stamp))
    _delete_others(root, name, segments)


def _segment_files(contents: dict[str, Any], folder: Path) -> Iterator[str]:
    for segment in contents["segments"]:
        stem = segment["segment_id"].replace("-", "")
        yield from (file for part in _PARTS if (folder / (file := f"{stem}.{part}")).exists())
        if segment["deletes"]:
            yield f"{stem}.{segment['deletes']['opstamp']}.del"


def _store(root: Path, path: Path) -> tuple[int, int]:
    """Move a new file of a segment to the others, and leave a link."""
    target = root / SEGMENTS / path.name
    path.replace(target)
    generations.sync_file(target)
    _link(path.parent, path.name)
    return generations.sum_of(target)


def _link(folder: Path, name: str) -> None:
    (folder / name).symlink_to(Path("..") / SEGMENTS / name)


def _delete_others(root: Path, name: str, segments: set[str]) -> None:
    for path in root.glob("g-*"):
        if path.name not in (name, SEGMENTS):
            shutil.rmtree(path, ignore_errors=True)
    for path in (root / SEGMENTS).iterdir():
        if path.name not in segments:
            path.unlink(missing_ok=True)
