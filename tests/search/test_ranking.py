"""Pure parts of the ranking that need no index."""

from cms.search.source import Scores, WordCache


def test_the_word_cache_forgets_the_oldest_words_when_it_holds_too_much() -> None:
    cache = WordCache(limit=10)
    made: list[str] = []

    def scores(word: str) -> Scores:
        made.append(word)
        return dict.fromkeys(range(4), 1.0)

    for word in ("a", "a", "b", "c", "a", "c"):
        assert len(cache.get((word,), lambda word=word: scores(word))) == 4  # type: ignore[misc]
    assert made == ["a", "b", "c", "a"]
