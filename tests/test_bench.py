"""The benchmark's own parts: sites that are the same every time, honest counting, a readable table."""

import subprocess
from dataclasses import replace
from pathlib import Path

from cms.site import Site
from tests.bench.build import refuse
from tests.bench.floor import write_answers
from tests.bench.generate import AUTHORS, CATEGORIES, Generator, generate
from tests.bench.load import ask_again, ask_once
from tests.bench.report import Row, median_ratio, table
from tests.bench.servers import Client, serve_answers
from tests.bench.stock import Document, Question, stock_engines


def tip(repository: Path) -> str:
    command = ["git", "-C", str(repository), "rev-parse", "main"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_the_same_size_and_seed_give_the_same_commits(tmp_path: Path) -> None:
    first, second = (generate(90, folder=tmp_path / name) for name in ("a", "b"))
    other = generate(90, seed=2, folder=tmp_path / "a")
    assert tip(first) == tip(second) != tip(other)


def test_a_generated_site_has_nothing_wrong(tmp_path: Path) -> None:
    site = Site.open(generate(90, folder=tmp_path), infer=refuse)
    assert site.findings() == []
    assert len(site.catalog.snapshot.files) == 90 + AUTHORS


def test_a_generated_post_looks_like_a_post() -> None:
    post = Generator(1000).post(75)
    assert post.path.startswith("content/posts/000/01/")
    assert any(f"category: {category}\n".encode() in post.source for category in CATEGORIES)
    assert 900 < len(post.source) < 2500


def test_the_bare_server_returns_what_was_stored_and_the_load_counts_it(tmp_path: Path) -> None:
    stored = {f"/api/v1/entries/posts/{n}": (b"x" * n * 1000, f'"{n}"') for n in range(1, 41)}
    write_answers(tmp_path / "answers.json", stored)
    with serve_answers(tmp_path / "answers.json") as port, Client(port) as client:
        answer = client.get("/api/v1/entries/posts/7")
        assert (answer.body, answer.etag) == stored["/api/v1/entries/posts/7"]
        once = ask_once(port, [*stored, "/unknown"])
        assert (once.requests, once.errors) == (41, 1)
        assert ask_again(port, "/api/v1/entries/posts/7", seconds=1).requests > 1


def test_the_table_is_markdown_with_ratios_of_rounds() -> None:
    ratio = median_ratio([1.0, 4.0, 9.0], [2.0, 2.0, 2.0])
    last = table([Row(what="a", site="b", ours="c", other="d", ratio=ratio, aim="≤ 3")]).splitlines()[-1]
    assert last == "| a | b | c | d | 2.00 | ≤ 3 |"


def test_every_engine_is_asked_the_same(tmp_path: Path) -> None:
    texts = {"title": "Ny ferje", "summary": "", "body": "En elektrisk ferje over fjorden"}
    post = Document(id="a", **texts, category="klima", tags=("el",))
    for name, engine in stock_engines(tmp_path).items():
        engine.build([post, replace(post, id="b", title="Ny buss", body="Bussen er elektrisk")])
        engine.change(replace(post, id="b", title="Ny buss", body="Bussen er elektrisk og stille"))
        kinds = {"rare": ("stille",), "phrase": ("elektrisk", "ferje"), "AND": ("elektrisk", "fjorden")}
        found = [engine.ask(Question(kind=kind, words=words, extra="klima")) for kind, words in kinds.items()]
        more = [engine.ask(Question(kind=kind, words=("elektrisk",), extra="klima")) for kind in ("filter", "facet")]
        assert (found, more, engine.size() > 0) == ([1, 1, 1], [2, 2], True), name
