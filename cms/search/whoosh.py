"""What we take from Whoosh 2.7.4: files of segments, the writer, merging; with its known faults fenced in.

- A reader of Whoosh copies the whole segment to the heap; ours reads the mapped file (``MappedFile``), so that opening
  one costs next to nothing. A reader is used by one thread at a time, never refreshed, and thrown away with its generation.
- Nothing in Whoosh reaches the disk for certain or can be verified; our storage syncs the segments, writes their
  checksums, and only then moves the table of contents in place.
- A document changed twice in one session is wrong in Whoosh; a session here takes every id at most once.
- Its lock is not used: one lock of ours covers threads and processes, and nobody is refused.

No other module imports Whoosh. Not here: when to write or search (``embedded``), how much a match counts (``ranking``).
"""

import contextlib
import math
import os
import threading
import warnings
from array import array
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from cms.search import generations, source
from cms.search.engine import SearchDocument
from cms.search.postings import Posting, postings_of, unpack
from cms.search.variants import COMPOUNDING, FOLD, MIN_EXPANDED, TEXT_FIELDS, WORD
from cms.search.wordfile import WordFile, write_words

with warnings.catch_warnings():  # its source of 2016 is not to newer Pythons' taste
    warnings.simplefilter("ignore")
    from whoosh import fields as whoosh_fields
    from whoosh import formats, versionstring
    from whoosh.codec.whoosh3 import LENGTHS_COLUMN, W3Codec
    from whoosh.columns import VarBytesColumn
    from whoosh.filedb.compound import CompoundStorage
    from whoosh.filedb.filestore import FileStorage, OverlayStorage
    from whoosh.filedb.structfile import BufferFile
    from whoosh.index import TOC, FileIndex
    from whoosh.reading import SegmentReader
    from whoosh.util.numeric import byte_to_length
    from whoosh.writing import SegmentWriter

_NAME = "MAIN"
_ID = "id"
_LANGUAGE = "language"
_WORDS = ".words"
_EXPANDED = (*TEXT_FIELDS, FOLD)
_MEMORY_MB = 256
_TIER = 6  # as many segments of one size are merged into one
_BIG_SEGMENT = 5_000
_CACHED_POSTINGS = 2_000_000


class PackedPositions(formats.Format):  # type: ignore[misc]
    """Positions as packed integers, made by ``postings``; Whoosh only carries them."""

    posting_size = -1


class Prepared(whoosh_fields.FieldType):  # type: ignore[misc]
    """A field whose postings are made before Whoosh sees it."""

    def __init__(self, *, positions: bool) -> None:
        super().__init__(PackedPositions() if positions else formats.Existence(), None, scorable=True)

    def index(self, value: list[Posting], **_: object) -> list[Posting]:
        return value


class MappedFile(BufferFile):  # type: ignore[misc]
    """A part of a mapped segment, read in place."""

    def __init__(self, view: memoryview, name: str) -> None:
        self._buf = view
        self._name = name
        self._at = 0
        self.file = self
        self.onclose = None
        self.is_real = False
        self.is_closed = False

    def read(self, size: int = -1) -> bytes:
        end = len(self._buf) if size < 0 else self._at + size
        found = bytes(self._buf[self._at : end])
        self._at += len(found)
        return found

    def readline(self) -> bytes:
        rest = bytes(self._buf[self._at : self._at + 256])
        end = rest.find(b"\n")
        if end < 0:
            rest = bytes(self._buf[self._at :])
            end = rest.find(b"\n")
        return self.read(len(rest) if end < 0 else end + 1)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: len(self._buf)}[whence]
        self._at = base + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def subset(self, position: int, length: int, name: str | None = None) -> "MappedFile":
        return MappedFile(self._buf[position : position + length], name or self._name)

    def close(self) -> None:
        if not self.is_closed:
            self._buf.release()
            self.is_closed = True


class MappedSegment(CompoundStorage):  # type: ignore[misc]
    """A segment file; without memory mapping (some file systems) it falls back to reading it."""

    def open_file(self, name: str, *_: object, **__: object) -> Any:
        if self._source is None:
            return super().open_file(name)
        offset, length = self.range(name)
        return MappedFile(memoryview(self._source)[offset : offset + length], name)


class Reader(SegmentReader):  # type: ignore[misc]
    """One segment, opened by one thread."""

    def __init__(self, storage: FileStorage, schema: whoosh_fields.Schema, segment: Any) -> None:
        self.schema = schema
        self.is_closed = False
        self._segment = segment
        self._segid = segment.segment_id()
        self._gen = None
        file = storage.open_file(segment.make_filename(segment.COMPOUND_EXT))
        self._storage = OverlayStorage(MappedSegment(file), storage)
        self._codec = segment.codec()
        self._terms = self._codec.terms_reader(self._storage, segment)
        self._perdoc = self._codec.per_document_reader(self._storage, segment)

    def blocks(self, field: str, term: str) -> Iterator[tuple[Sequence[int], Sequence[float], Any]]:
        """Postings a block at a time: document numbers, weights, and a function that gives the packed positions."""
        matcher = self._terms.matcher(field, term.encode(), self.schema[field].format)
        while matcher.is_active():
            matcher._read_ids()
            matcher._read_weights()
            yield matcher._ids, matcher._weights, matcher
            matcher._next_block()

    def frequency_of(self, field: str, term: str) -> int:
        try:
            return int(self._terms.doc_frequency(field, term.encode()))
        except KeyError:
            return 0

    def words(self, field: str) -> Iterator[bytes]:
        """All terms of a field."""
        first = self._terms._keycoder(field, b"")
        prefix = len(first)
        for key in self._terms._tindex.keys_from(first):
            if key[:prefix] != first:
                return
            yield key[prefix:]

    def column(self, name: str, column: Any) -> Any | None:
        return self._perdoc.column_reader(name, column) if self._perdoc.has_column(name) else None

    def has_field(self, field: str) -> bool:
        return field in self._terms._fieldmap and field in self.schema


class Storage(FileStorage):  # type: ignore[misc]
    """A generation folder. A table of contents appears only after all that it names is on the disk, with checksums."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.sums: generations.Sums = {}

    def rename_file(self, oldname: str, newname: str, safe: bool = False) -> None:  # noqa: ARG002 (Whoosh's signature)
        folder = Path(self.folder)
        if newname.endswith(".toc"):
            generations.sync_file(folder / oldname)
            generations.write_sums(folder, newname, {**self.sums, newname: generations.sum_of(folder / oldname)})
        (folder / oldname).replace(folder / newname)
        generations.sync_folder(folder)


class _Codec(W3Codec):  # type: ignore[misc]
    length_stats = False  # shortest and longest text of each word: a fifth of the time of a build, and not used here


class Writer(SegmentWriter):  # type: ignore[misc]
    """A session of writing; our lock is held around it."""

    def __init__(self, storage: Storage) -> None:
        super().__init__(FileIndex(storage, indexname=_NAME), limitmb=_MEMORY_MB, codec=_Codec(), _lk=False)
        folder = Path(storage.folder)
        self._known = generations.read_sums(folder, TOC._filename(_NAME, self.generation - 1)) or {}
        self._written: dict[str, set[bytes]] = {}

    def put(self, document: SearchDocument) -> None:
        """Add a document whose id is not in the index."""
        language, postings = postings_of(document)
        # Which documents have a word as it is written is seen in their texts; here it would take a third of the index.
        written = postings.pop(source.field_name(WORD, language), [])
        self._written.setdefault(language.name, set()).update(word for word, *_ in written)
        for name in postings:
            if name not in self.schema:
                positions = name.partition("_")[0] in TEXT_FIELDS
                self.schema.add(name, Prepared(positions=positions))
        # A document without words still has a language, or "-word" would not find it.
        self.add_document(**postings, **{_ID: document.id.encode(), _LANGUAGE: language.name.encode()})

    def _commit_toc(self, segments: Sequence[Any]) -> None:
        folder = Path(self.storage.folder)
        sums = {}
        for segment in segments:
            file = segment.make_filename(segment.COMPOUND_EXT)
            if file not in self._known:
                self._write_vocabularies(segment)
            for name in (file, _words_name(file)):
                if name not in self._known:
                    generations.sync_file(folder / name)
                sums[name] = self._known.get(name) or generations.sum_of(folder / name)
        self.storage.sums = sums
        super()._commit_toc(segments)
        for path in folder.glob("*.sums"):
            if path.name != generations.sums_name(TOC._filename(_NAME, self.generation)):
                path.unlink(missing_ok=True)

    def keep_words(self, segment: Any) -> None:
        """Take over the words as written of a segment that is merged into the new one."""
        file = WordFile(Path(self.storage.folder) / _words_name(segment.make_filename(segment.COMPOUND_EXT)))
        for name in file.names():
            language, _, kind = name.partition("-")
            if kind == WORD:
                self._written.setdefault(language, set()).update(filter(None, file.read(name).split(b"\n")))

    def _write_vocabularies(self, segment: Any) -> None:
        """Write the words of each language beside a new segment, for expansions and corrections, a line for each."""
        reader = Reader(self.storage, self.schema, segment)
        words: dict[str, set[bytes]] = {}
        for field in self.schema.names():
            kind, _, language = field.partition("_")
            if kind in _EXPANDED and reader.has_field(field):
                found = (word for word in reader.words(field) if len(word) >= MIN_EXPANDED)
                known = words.setdefault(source.vocabulary_name(language, kind), set())
                known.update(found)
                if language in COMPOUNDING:
                    name = source.vocabulary_name(language, kind, backwards=True)
                    words.setdefault(name, set()).update(word.decode()[::-1].encode() for word in known)
        reader.close()
        for language, written in self._written.items():
            words[source.vocabulary_name(language, WORD)] = written
        file = segment.make_filename(segment.COMPOUND_EXT)
        write_words(Path(self.storage.folder) / _words_name(file), words)

    def abandon(self) -> None:
        """Give up in any state; what was written is cleared away by the next commit."""
        with contextlib.suppress(Exception):
            self.cancel()
        self.is_closed = True


def merge_tiers(writer: Writer, segments: Sequence[Any]) -> list[Any]:
    """Merge segments of about one size when there are enough of them; rewrite one that has lost a quarter.

    Big segments are never merged with others: it would cost as much as building them, and searching a few is as fast.
    """
    tiers: dict[int, list[Any]] = {}
    kept = []
    merged = []
    for segment in segments:
        live = segment.doc_count()
        if live == 0:
            continue
        if segment.deleted_count() * 4 > segment.doc_count_all():
            merged.append(segment)
        elif live >= _BIG_SEGMENT:
            kept.append(segment)
        else:
            tiers.setdefault(int(math.log(live, _TIER)), []).append(segment)
    for tier in tiers.values():
        (merged if len(tier) >= _TIER else kept).extend(tier)
    for segment in merged:
        reader = Reader(writer.storage, writer.schema, segment)
        writer.add_reader(reader)
        writer.keep_words(segment)
        reader.close()
    return kept


def _words_name(file: str) -> str:
    return str(Path(file).with_suffix(_WORDS))


def latest_contents(folder: Path) -> int:
    """The number of the newest table of contents; -1 when there is none."""
    return int(TOC._latest_generation(FileStorage(str(folder)), _NAME))


def create(folder: Path) -> None:
    """Write an empty index."""
    schema = whoosh_fields.Schema(
        **{_ID: whoosh_fields.COLUMN(VarBytesColumn()), _LANGUAGE: whoosh_fields.COLUMN(VarBytesColumn())}
    )
    TOC.create(Storage(str(folder)), schema, _NAME)


def version() -> str:
    return f"Whoosh {versionstring()}"


class Segment:
    """What all threads share of one segment. It never changes; what is deleted from it is the generation's business."""

    def __init__(self, reader: Reader, file: str, folder: Path) -> None:
        self.file = file
        self._folder = folder
        self.count = int(reader.doc_count_all())
        ids, languages = reader.column(_ID, VarBytesColumn()), reader.column(_LANGUAGE, VarBytesColumn())
        self.names: list[str] = [ids[n].decode() for n in range(self.count)] if ids else []
        self.languages: list[str] = [languages[n].decode() for n in range(self.count)] if languages else []
        if len(self.names) != self.count or len(self.languages) != self.count:
            raise ValueError("a segment without ids")
        self.language_counts = Counter(self.languages)
        self._lengths: dict[str, bytes] = {}
        self._totals: dict[str, tuple[int, int]] = {}
        self._words = WordFile(folder / _words_name(file))
        self._postings: OrderedDict[tuple[str, str], source.Postings | None] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The number of every id."""
        return {name: number for number, name in enumerate(self.names)}

    def postings(self, reader: Reader, field: str, term: str) -> source.Postings | None:
        """Document numbers and weights of a term, decoded; the last ones used are kept."""
        key = (field, term)
        with self._lock:
            if key in self._postings:
                self._postings.move_to_end(key)
                return self._postings[key]
        found = _decode(reader, field, term)
        with self._lock:
            if key not in self._postings:
                self._postings[key] = found
                self._held += _size(found)
            while self._held > _CACHED_POSTINGS and len(self._postings) > 1:
                self._held -= _size(self._postings.popitem(last=False)[1])
        return found

    def positions(self, reader: Reader, field: str, term: str, documents: set[int]) -> Mapping[int, Sequence[int]]:
        """Where a term stands in some documents."""
        found: dict[int, Sequence[int]] = {}
        last = max(documents, default=-1)
        for numbers, _, matcher in reader.blocks(field, term):
            wanted = [n for n, number in enumerate(numbers) if number in documents]
            if wanted:
                matcher._read_values()
                found.update((numbers[n], unpack(matcher._values[n])) for n in wanted)
            if numbers[-1] >= last:
                break
        return found

    def lengths(self, reader: Reader, field: str) -> bytes:
        """The length of a field in each document, as Whoosh's one-byte code."""
        lengths = self._lengths.get(field)
        if lengths is None:
            column = reader.column(f"_{field}_len", LENGTHS_COLUMN)
            # A byte for each document up to the last that has the field: taken at once, where the column reads one by one.
            lengths = bytes(column._dbfile.get(column._basepos, column._count)) if column is not None else b""
            lengths = lengths.ljust(self.count, b"\0")
            self._lengths[field] = lengths
        return lengths

    def total_length(self, reader: Reader, field: str) -> tuple[int, int]:
        """The words in a field, about, over the documents that have it; and how many have it."""
        total = self._totals.get(field)
        if total is None:
            counts = Counter(self.lengths(reader, field))
            words = sum(LENGTHS[code] * count for code, count in counts.items())
            total = self._totals[field] = words, self.count - counts[0]
        return total

    def vocabulary(self, name: str) -> bytes:
        """The terms of one kind in one language (``source.vocabulary_name``), each between two newlines."""
        return self._words.read(name)


def _decode(reader: Reader, field: str, term: str) -> source.Postings | None:
    if not reader.has_field(field) or not reader.frequency_of(field, term):
        return None
    numbers, weights = array("I"), array("f")
    for some_numbers, some_weights, _ in reader.blocks(field, term):
        numbers.extend(some_numbers)
        weights.extend(some_weights)
    return numbers, weights


def _size(postings: source.Postings | None) -> int:
    return 1 if postings is None else 1 + len(postings[0])


class Contents:
    """A table of contents: which segments there are, and what is deleted from them."""

    def __init__(self, folder: Path, number: int, verified: generations.Verified) -> None:
        """Read and verify it; anything wrong raises ``ValueError`` or what Whoosh and pickle raise."""
        name = TOC._filename(_NAME, number)
        sums = generations.read_sums(folder, name)
        if sums is None or name not in sums or not generations.is_private(folder):
            raise ValueError(f"{name} has no checksums")
        damaged = [file for file, expected in sums.items() if not verified.is_whole(file, expected)]
        if damaged:
            raise ValueError(f"damaged: {', '.join(damaged)}")
        verified.keep_only(sums)
        self.sums = sums
        self.folder = folder
        self.storage = Storage(str(folder))
        toc = TOC.read(self.storage, _NAME, gen=number)
        self.schema = toc.schema
        self.segments = list(toc.segments)
        self.files = [str(segment.make_filename(segment.COMPOUND_EXT)) for segment in self.segments]
        if any(file not in sums for file in self.files):
            raise ValueError("a segment without a checksum")

    def deleted(self) -> list[frozenset[int]]:
        return [frozenset(segment.deleted_docs()) for segment in self.segments]

    def open(self) -> list[Reader]:
        """A reader for each segment, for one thread."""
        readers: list[Reader] = []
        try:
            for segment in self.segments:
                readers.append(Reader(self.storage, self.schema, segment))
        except BaseException:
            close(readers)
            raise
        return readers


def close(readers: Iterable[Reader]) -> None:
    for reader in readers:
        with contextlib.suppress(Exception):  # nothing depends on a reader that is no longer used
            reader.close()


LENGTHS = [int(byte_to_length(code)) for code in range(256)]
