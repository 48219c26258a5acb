"""The query language: what is read from what was typed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms.search.querytext import All, Either, Node, Not, Words, parse, positive_words


def show(node: Node | None) -> str:
    """A tree as text, for reading in a test."""
    match node:
        case None:
            return ""
        case Words(chunks=chunks, quoted=quoted, field=field):
            text = " ".join("-".join(chunk.parts) for chunk in chunks)
            return (f"{field}:" if field else "") + (f'"{text}"' if quoted else text)
        case Not(node=child):
            return f"not {show(child)}"
        case All(nodes=nodes):
            return f"({' & '.join(map(show, nodes))})"
        case Either(nodes=nodes):
            return f"({' | '.join(map(show, nodes))})"


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("a", "a"),
        ("a b", "(a & b)"),
        ("a AND b", "(a & b)"),
        ("a OR b c", "(a | (b & c))"),
        ("(a OR b) c", "((a | b) & c)"),
        ("a -b", "(a & not b)"),
        ("a NOT b", "(a & not b)"),
        ("NOT NOT a", "a"),
        ('-"a b" c', '(not "a b" & c)'),
        ("-(a b) c", "(not (a & b) & c)"),
        ("e-post", "e-post"),
        ("a - b", "(a & b)"),
        ("a or b", "(a & or & b)"),
        ("OR a OR", "a"),
        ("a ) b", "(a | b)"),
        ("( a", "a"),
        ("title:a b", "(title:a & b)"),
        ("TITLE:a", "title:a"),
        ('body:"a b"', 'body:"a b"'),
        ("title:(a b)", "(title:a & title:b)"),
        ("other:a", "(other & a)"),
        ("https://example.org/x", "https example-org x"),
        ("a* b~2 c^3", "(a & b & c)"),
        ('""', ""),
        ("-", ""),
    ],
)
def test_text_is_read_as(text: str, tree: str) -> None:
    assert show(parse(text)) == tree


@given(st.text(alphabet=st.one_of(st.sampled_from('ab"-():*~ ANDORT'), st.characters()), max_size=400))
def test_no_text_is_an_error_and_words_are_limited(text: str) -> None:
    words = list(positive_words(parse(text)))
    assert sum(len(word.chunks) for word in words) <= 16


def test_only_the_beginning_of_a_long_query_counts() -> None:
    assert show(parse("a" * 250 + " b c d e f g")) == f"({'a' * 64} & b & c & d)"
