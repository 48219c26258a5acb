"""``cms stale``: what caches are told to drop, and when."""

from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from cms.cli import app
from cms.cli.stale import KEYS_A_LINE, follow_site, lines_of
from cms.dependencies import WHOLE, Keys, collection_key, entry_key, file_key, members_key, parse_keys
from tests.api.tools import MODEL, Client, post
from tests.repo import Repo

B = {"site", collection_key("posts"), members_key("posts"), entry_key("posts", "b")}


class Clock:
    """Time that passes while somebody sleeps, and the things that are done meanwhile."""

    def __init__(self, now: float) -> None:
        self.now = now

    def tell(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


Told = tuple[Iterator[Keys], Clock]


@pytest.fixture
def told(repo: Repo) -> Iterator[Told]:
    repo.commit({**MODEL, "posts/a.md": post()})
    site = Client(repo.path).site
    clock = Clock(site.catalog.valid_from)
    yield follow_site(site, clock.tell, clock.sleep), clock
    site.close()


def test_everything_is_stale_at_first_and_a_publication_is_told_twice(repo: Repo, told: Told) -> None:
    lines, clock = told
    assert next(lines) == WHOLE
    repo.commit({"posts/b.md": post(), "images/x.png": b"\x89PNG"})
    began = clock.now
    assert next(lines) == next(lines) == B | {file_key("images/x.png"), file_key("posts/b.md")}
    assert clock.now - began == pytest.approx(5, abs=0.5)


def test_the_end_of_an_embargo_is_told_by_itself(repo: Repo, told: Told) -> None:
    lines, clock = told
    next(lines)
    repo.commit({"posts/b.md": post(publish_at="2999-01-01T00:00:00Z")})
    assert next(lines) == next(lines) == {"site", file_key("posts/b.md")}
    clock.now = 32472144000.0
    assert next(lines) == B


def test_after_a_force_push_to_another_history_what_is_different_is_told(repo: Repo, told: Told) -> None:
    lines, _ = told
    next(lines)
    repo.commit({**MODEL, "posts/a.md": post(), "posts/b.md": post()}, parents=[])
    assert next(lines) > B


def test_lines_fit_into_a_header() -> None:
    keys = frozenset(entry_key("posts", str(number)) for number in range(2 * KEYS_A_LINE + 1))
    lines = list(lines_of(keys))
    assert len(lines) == 3
    assert frozenset().union(*map(parse_keys, lines)) == keys
    assert max(map(len, lines)) < 4000


def test_without_follow_there_is_nothing_to_tell(repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post()})
    done = CliRunner().invoke(app, ["stale", str(repo.path)])
    assert done.exit_code == 2
    assert "--follow" in done.stderr
