"""What other engines make of the same texts, as they come out of the box: the measure of what our own analysis is worth.

Every one gets title (four times the weight), summary and further fields (twice) and body. A query that it cannot read finds nothing.
"""

import importlib
import importlib.util
import re
import sqlite3
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cms.search import SearchDocument

with warnings.catch_warnings():  # its source of 2016 is not to newer Pythons' taste
    warnings.simplefilter("ignore")
    from whoosh import analysis, fields
    from whoosh.filedb.filestore import RamStorage
    from whoosh.qparser import MultifieldParser, OrGroup

Search = Callable[[str], Sequence[str]]
Make = Callable[[Mapping[str, SearchDocument], bool], Search]
LIMIT = 10
_WORD = re.compile(r"\w+")


def engines() -> dict[str, Make]:
    """How to index with each engine that is installed; the flag asks for any of the words."""
    found: dict[str, Make] = {
        "Whoosh Standard": lambda texts, loose: _whoosh(texts, loose, analysis.StandardAnalyzer()),
        "Whoosh Language(no)": lambda texts, loose: _whoosh(texts, loose, analysis.LanguageAnalyzer("no")),
        "FTS5 unicode61": lambda texts, loose: _fts5(texts, loose, "unicode61 remove_diacritics 2"),
        "FTS5 trigram": lambda texts, loose: _fts5(texts, loose, "trigram"),
    }
    if importlib.util.find_spec("tantivy"):
        found["tantivy Norwegian"] = _tantivy
    return found


def _texts(document: SearchDocument) -> tuple[str, str, str]:
    more = "\n".join([document.summary, *(text for text, _ in document.fields.values())])
    return document.title, more, document.body


def _whoosh(texts: Mapping[str, SearchDocument], loose: bool, analyzer: Any) -> Search:
    schema = fields.Schema(
        path=fields.ID(stored=True),
        title=fields.TEXT(analyzer=analyzer, field_boost=4.0),
        more=fields.TEXT(analyzer=analyzer, field_boost=2.0),
        body=fields.TEXT(analyzer=analyzer),
    )
    index = RamStorage().create_index(schema)
    writer = index.writer()
    for path, document in texts.items():
        title, more, body = _texts(document)
        writer.add_document(path=path, title=title, more=more, body=body)
    writer.commit()
    parser = MultifieldParser(["title", "more", "body"], schema, **({"group": OrGroup} if loose else {}))
    searcher = index.searcher()

    def search(text: str) -> list[str]:
        return [hit["path"] for hit in searcher.search(parser.parse(text), limit=LIMIT)]

    return search


def _fts5(texts: Mapping[str, SearchDocument], loose: bool, tokenizer: str) -> Search:
    database = sqlite3.connect(":memory:")
    database.execute(
        f"CREATE VIRTUAL TABLE texts USING fts5(path UNINDEXED, title, more, body, tokenize='{tokenizer}')"
    )
    rows = [(path, *_texts(document)) for path, document in texts.items()]
    database.executemany("INSERT INTO texts VALUES (?, ?, ?, ?)", rows)

    def search(text: str) -> list[str]:
        parts = [text] if text.startswith('"') else [f'"{word}"' for word in _WORD.findall(text)]
        asked = (" OR " if loose else " ").join(parts)
        found = database.execute(
            "SELECT path FROM texts WHERE texts MATCH ? ORDER BY bm25(texts, 0, 4, 2, 1) LIMIT ?", (asked, LIMIT)
        )
        return [path for (path,) in found]

    return search


def _tantivy(texts: Mapping[str, SearchDocument], loose: bool) -> Search:
    tantivy = importlib.import_module("tantivy")
    builder = tantivy.SchemaBuilder()
    builder.add_text_field("path", stored=True, tokenizer_name="raw")
    for name in ("title", "more", "body"):
        builder.add_text_field(name, tokenizer_name="norwegian")
    index = tantivy.Index(builder.build(), path=tempfile.mkdtemp())
    tokens = tantivy.TextAnalyzerBuilder(tantivy.Tokenizer.simple())
    index.register_tokenizer(
        "norwegian", tokens.filter(tantivy.Filter.lowercase()).filter(tantivy.Filter.stemmer("norwegian")).build()
    )
    writer = index.writer()
    for path, document in texts.items():
        title, more, body = _texts(document)
        writer.add_document(tantivy.Document(path=path, title=title, more=more, body=body))
    writer.commit()
    index.reload()
    searcher = index.searcher()

    def search(text: str) -> list[str]:
        boosts = {"title": 4.0, "more": 2.0}
        query, _ = index.parse_query_lenient(
            text, ["title", "more", "body"], field_boosts=boosts, conjunction_by_default=not loose
        )
        return [searcher.doc(address)["path"][0] for _, address in searcher.search(query, LIMIT).hits]

    return search
