"""Real odd files: each is served right or refused with an error that a writer understands.

The corpora stand beside the repository; where they do not, these tests are skipped.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pygit2
import pytest

from cms import yamltext
from cms.errors import InvalidFrontMatter
from cms.frontmatter import Document, read

CORPORA = Path(__file__).parents[2] / "shared" / "corpora"
SERVED = {
    "bom",
    "closer_trailing_blank",
    "empty_file",
    "eol_crlf",
    "eol_has-bare-cr",
    "eol_mixed",
    "fm_tab",
    "mojibake",
    "not_nfc",
    "odd_line_separator",
    "opener_trailing_blank",
    "second_fm_like_block",
}
REFUSED = {
    "fm_after_blank_or_comment": {"opening-fence"},
    "fm_dup_key": {"duplicate-key"},
    "fm_not_a_mapping": {"not-a-mapping"},
    "fm_template_syntax": {"template"},
    "fm_toml_error": {"toml"},
    "fm_yaml_error~could-not-find-expected": {"missing-colon", "merge-conflict"},
    "fm_yaml_error~did-not-find-expected-indicator": {"list-indentation"},
    "fm_yaml_error~did-not-find-expected-key": {"quotes", "template", "unquoted-symbol"},
    "fm_yaml_error~did-not-find-expected-or": {"broken-list"},
    "fm_yaml_error~found-character-that-cannot-start-any-token": {"unquoted-symbol"},
    "fm_yaml_error~found-unexpected-end-of-stream": {"unclosed-quote"},
    "fm_yaml_error~illegal-character": {"toml"},
    "fm_yaml_error~mapping-values-are-not-allowed-in-this-context": {"unquoted-colon", "merge-conflict"},
    "no_closer": {"closing-fence"},
    "no_closer_but_near_miss": {"closing-fence"},
    "not_utf8": {"not-utf-8"},
    "opener_four_dashes": {"opening-fence"},
    "opener_missing_keys_then_dashes": {"opening-fence"},
    "opener_near_miss": {"opening-fence"},
}
JARGON = ("token", "mapping", "scalar", "anchor", "stream", "simple key", "block end", "Traceback")


@pytest.fixture(scope="module")
def weird(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    """The odd files by kind."""
    repository = _clone("weird-dev", tmp_path_factory.mktemp("weird"))
    kinds: dict[str, list[bytes]] = {}
    for line in (CORPORA / "weird-dev.manifest.jsonl").read_text().splitlines():
        about = json.loads(line)
        kinds.setdefault(about["kind"], []).append(repository[about["blob"]].read_raw())
    return kinds


def _clone(name: str, folder: Path) -> pygit2.Repository:
    bundle = CORPORA / f"{name}.bundle"
    if not bundle.exists():
        pytest.skip(f"{bundle} is not there")
    subprocess.run(["git", "clone", "-q", "--bare", bundle, folder / "corpus.git"], check=True, capture_output=True)
    return pygit2.Repository(str(folder / "corpus.git"))


def _markdown(tree: pygit2.Tree) -> Iterator[bytes]:
    for item in tree:
        if isinstance(item, pygit2.Tree):
            yield from _markdown(item)
        elif isinstance(item, pygit2.Blob) and (item.name or "").endswith(".md"):
            yield item.data


def outcome(source: bytes) -> Document | InvalidFrontMatter:
    try:
        return read(source)
    except InvalidFrontMatter as refused:
        return refused


@pytest.mark.parametrize("kind", sorted(SERVED))
def test_odd_but_clear_files_are_served(weird: dict[str, list[bytes]], kind: str) -> None:
    for source in weird[kind]:
        document = read(source)
        begins_with_fence = source.lstrip(b"\xef\xbb\xbf").startswith((b"---", b"+++"))
        assert bool(document.values) is begins_with_fence
        assert source.decode().endswith(document.body)


@pytest.mark.parametrize("kind", sorted(REFUSED))
def test_files_that_nobody_can_read_for_sure_are_refused_for_the_right_reason(
    weird: dict[str, list[bytes]], kind: str
) -> None:
    for source in weird[kind]:
        refused = outcome(source)
        assert isinstance(refused, InvalidFrontMatter)
        assert refused.facts["rule"] in REFUSED[kind]


def test_an_empty_block_is_served_unless_fields_follow_it(weird: dict[str, list[bytes]]) -> None:
    for source in weird["fm_empty"]:
        result = outcome(source)
        if isinstance(result, InvalidFrontMatter):
            assert result.facts["rule"] == "second-block"
        else:
            assert (result.format, result.values) == ("yaml", {})


def test_every_refusal_says_where_and_what_to_do_without_jargon(weird: dict[str, list[bytes]]) -> None:
    for source in (source for sources in weird.values() for source in sources):
        refused = outcome(source)
        if isinstance(refused, InvalidFrontMatter):
            assert 1 <= refused.facts["line"] <= source.count(b"\n") + 1
            assert refused.facts["column"] >= 1
            assert refused.facts["hint"]
            assert not any(word in f"{refused} {refused.facts['hint']}" for word in JARGON)


def test_kinds_that_are_not_known_yet_are_served_or_refused_too(weird: dict[str, list[bytes]]) -> None:
    for kind in weird.keys() - SERVED - REFUSED.keys():
        assert [outcome(source) for source in weird[kind]]


@pytest.mark.parametrize("name", ["rust-blog", "felleslosninger-docs", "cncf-glossary"])
def test_both_yaml_tiers_read_a_whole_site_alike(name: str, tmp_path: Path) -> None:
    repository = _clone(name, tmp_path)
    documents = [outcome(source) for source in _markdown(repository.head.peel(pygit2.Tree))]
    read_well = [document for document in documents if isinstance(document, Document)]
    assert len(read_well) > 0.9 * len(documents)
    for document in read_well:
        if document.format == "yaml":
            assert yamltext.load_exactly(document.block) == document.values
