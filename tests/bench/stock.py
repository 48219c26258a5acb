"""Search engines as they come out of the box, asked what we are asked: the best 20, and how many there are.

Each gets title, summary, text, category and tags of the same documents, and lives on the disk. A kind of question that an
engine does not know is answered with ``None`` and left out of the table.
"""

import importlib
import importlib.util
import re
import sqlite3
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

with warnings.catch_warnings():  # its source of 2016 is not to newer Pythons' taste
    warnings.simplefilter("ignore")
    from whoosh import fields, index, qparser, query

tantivy: Any = importlib.import_module("tantivy") if importlib.util.find_spec("tantivy") else None
LIMIT = 20
SHOWN = 10
_TEXTS = ("title", "summary", "body")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One post, for engines that know nothing of Branchpress."""

    id: str
    title: str
    summary: str
    body: str
    category: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked; *kind* says what the words are to each other, *extra* is the category of a filter."""

    kind: str
    words: tuple[str, ...]
    extra: str = ""


class Stock(Protocol):
    """One engine."""

    def build(self, documents: Sequence[Document]) -> None: ...
    def change(self, document: Document) -> None: ...
    def ask(self, question: Question) -> int | None: ...
    def size(self) -> int: ...


def stock_engines(folder: Path) -> dict[str, Stock]:
    """The engines there are."""
    found: dict[str, Stock] = {"Whoosh": StockWhoosh(folder / "whoosh"), "FTS5": Fts5(folder / "fts5")}
    if tantivy is not None:
        found["tantivy"] = StockTantivy(folder / "tantivy")
    return found


def folder_size(folder: Path) -> int:
    """The bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())


class StockWhoosh:
    """Whoosh 2.7.4 with its own analysis, writer and searcher."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        texts = {name: fields.TEXT(stored=True) for name in _TEXTS}
        facets = {"category": fields.ID(sortable=True), "tags": fields.KEYWORD(sortable=True)}
        self._index = index.create_in(folder, fields.Schema(id=fields.ID(stored=True, unique=True), **texts, **facets))
        self._parser = qparser.MultifieldParser(_TEXTS, self._index.schema)
        self._searcher: Any = None

    def build(self, documents: Sequence[Document]) -> None:
        writer = self._index.writer(limitmb=256)
        for document in documents:
            writer.add_document(**self._values(document))
        writer.commit()
        self._searcher = self._index.searcher()

    def change(self, document: Document) -> None:
        writer = self._index.writer()
        writer.update_document(**self._values(document))
        writer.commit()
        self._searcher = self._searcher.refresh()

    def ask(self, question: Question) -> int | None:
        asked = self._query(question)
        options: dict[str, Any] = {}
        if question.kind == "filter":
            options["filter"] = query.Term("category", question.extra)
        if question.kind == "facet":
            options["groupedby"] = "category"
        results = self._searcher.search(asked, limit=LIMIT, **options)
        if question.kind == "facet":
            results.groups("category")
        if question.kind == "highlight":
            for hit in results[:SHOWN]:
                hit.highlights("title")
                hit.highlights("body")
        return len(results)

    def _query(self, question: Question) -> Any:
        words = question.words
        if question.kind == "suggest":
            return query.Prefix("title", words[0])
        if question.kind == "prefix":
            return query.Or([query.Prefix(name, words[0]) for name in _TEXTS])
        if question.kind == "typo":
            return query.Or([query.FuzzyTerm(name, words[0], prefixlength=1) for name in _TEXTS])
        joined = {"OR": " OR ".join(words), "phrase": f'"{" ".join(words)}"'}
        return self._parser.parse(joined.get(question.kind, " ".join(words)))

    def size(self) -> int:
        return folder_size(self._folder)

    @staticmethod
    def _values(document: Document) -> dict[str, str]:
        texts = {name: getattr(document, name) for name in (*_TEXTS, "id", "category")}
        return {**texts, "tags": " ".join(document.tags)}


class Fts5:
    """SQLite's FTS5 with an index of prefixes, and plain tables for category and tags."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._database = sqlite3.connect(folder / "index.sqlite")
        self._database.executescript(
            "PRAGMA journal_mode = wal; PRAGMA synchronous = normal;"
            "CREATE VIRTUAL TABLE texts USING fts5(title, summary, body, tokenize='unicode61', prefix='2 3 4');"
            "CREATE TABLE posts (rowid INTEGER PRIMARY KEY, id TEXT UNIQUE, category TEXT);"
            "CREATE INDEX by_category ON posts (category);"
        )

    def build(self, documents: Sequence[Document]) -> None:
        with self._database:
            for document in documents:
                self._insert(document)

    def change(self, document: Document) -> None:
        with self._database:
            (row,) = self._database.execute("SELECT rowid FROM posts WHERE id = ?", (document.id,)).fetchone()
            self._database.execute("DELETE FROM texts WHERE rowid = ?", (row,))
            self._database.execute("DELETE FROM posts WHERE rowid = ?", (row,))
            self._insert(document)

    def _insert(self, document: Document) -> None:
        texts = (document.title, document.summary, document.body)
        row = self._database.execute("INSERT INTO texts VALUES (?, ?, ?)", texts).lastrowid
        self._database.execute("INSERT INTO posts VALUES (?, ?, ?)", (row, document.id, document.category))

    def ask(self, question: Question) -> int | None:
        words = [f'"{word}"' for word in question.words]
        if question.kind == "typo":
            return None
        joined = {"OR": " OR ".join(words), "phrase": f'"{" ".join(question.words)}"', "prefix": f"{words[0]} *"}
        joined["suggest"] = f"title : {words[0]} *"
        asked = joined.get(question.kind, " ".join(words))
        columns, found = "posts.id", "FROM texts JOIN posts ON posts.rowid = texts.rowid WHERE texts MATCH ?"
        values = [asked]
        if question.kind == "filter":
            found += " AND posts.category = ?"
            values.append(question.extra)
        if question.kind == "highlight":
            columns = "posts.id, snippet(texts, 0, '[', ']', '…', 20), snippet(texts, 2, '[', ']', '…', 30)"
        limit = SHOWN if question.kind == "highlight" else LIMIT
        best = f"SELECT {columns} {found} ORDER BY bm25(texts, 4, 2.5, 1) LIMIT {limit}"
        self._database.execute(best, values).fetchall()
        if question.kind == "facet":
            self._database.execute(f"SELECT category, count(*) {found} GROUP BY category", values).fetchall()
        (total,) = self._database.execute(f"SELECT count(*) {found}", values).fetchone()
        return int(total)

    def size(self) -> int:
        return folder_size(self._folder)


class StockTantivy:
    """tantivy with its default analysis, one thread of writing."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        builder = tantivy.SchemaBuilder()
        for name in _TEXTS:
            builder.add_text_field(name, stored=True)
        builder.add_text_field("id", stored=True, tokenizer_name="raw")
        for name in ("category", "tags"):
            builder.add_text_field(name, tokenizer_name="raw", fast=True)
        self._schema = builder.build()
        self._index = tantivy.Index(self._schema, path=str(folder))
        self._index.config_reader("manual")
        self._searcher = self._index.searcher()

    def build(self, documents: Sequence[Document]) -> None:
        self._write(documents)

    def change(self, document: Document) -> None:
        self._write([document], remove=document.id)

    def _write(self, documents: Sequence[Document], remove: str = "") -> None:
        writer = self._index.writer(64_000_000, 1)
        if remove:
            writer.delete_documents_by_term("id", remove)
        for document in documents:
            texts = {name: getattr(document, name) for name in (*_TEXTS, "id", "category")}
            writer.add_document(tantivy.Document(**texts, tags=list(document.tags)))
        writer.commit()
        self._index.reload()
        self._searcher = self._index.searcher()

    def ask(self, question: Question) -> int | None:
        asked = self._query(question)
        if question.kind == "filter":
            wanted = tantivy.Query.term_query(self._schema, "category", question.extra)
            asked = tantivy.Query.boolean_query([(tantivy.Occur.Must, asked), (tantivy.Occur.Must, wanted)])
        results = self._searcher.search(asked, LIMIT, count=True)
        documents = [self._searcher.doc(address) for _, address in results.hits]
        if question.kind == "facet":
            self._searcher.aggregate(asked, {"category": {"terms": {"field": "category", "size": 20}}})
        if question.kind == "highlight":
            for name in ("title", "body"):
                maker = tantivy.SnippetGenerator.create(self._searcher, asked, self._schema, name)
                for document in documents[:SHOWN]:
                    maker.snippet_from_doc(document).to_html()
        return int(re.sub(r".*count: (\d+)\).*", r"\1", str(results), flags=re.DOTALL))

    def _query(self, question: Question) -> Any:
        words = question.words
        make = tantivy.Query
        if question.kind in ("prefix", "typo", "suggest"):
            is_prefix = question.kind != "typo"
            found = [
                make.fuzzy_term_query(self._schema, name, words[0], distance=0 if is_prefix else 1, prefix=is_prefix)
                for name in (("title",) if question.kind == "suggest" else _TEXTS)
            ]
            return make.boolean_query([(tantivy.Occur.Should, each) for each in found])
        joined = {"OR": " OR ".join(words), "phrase": f'"{" ".join(words)}"'}
        text = joined.get(question.kind, " ".join(words))
        return self._index.parse_query(text, list(_TEXTS), conjunction_by_default=question.kind != "OR")

    def size(self) -> int:
        return folder_size(self._folder)
