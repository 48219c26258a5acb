"""Clients: of the demo, and of a repository that a test fills itself."""

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.api.newsdesk import Newsdesk
from tests.api.tools import MODEL, Client, demo_repo, person, post
from tests.repo import Repo

Serve = Callable[[], Client]
MEMORY = Path("/dev/shm")


@pytest.fixture
def serve(repo: Repo) -> Iterator[Serve]:
    """Opens the test's repository when called; what it serves is what has been committed by then."""
    opened: list[Client] = []

    def open_client() -> Client:
        opened.append(Client(repo.path))
        return opened[-1]

    yield open_client
    for client in opened:
        client.site.close()


@contextmanager
def open_desk() -> Iterator[Newsdesk]:
    """A newsroom behind its application, in memory where that is possible: what is tested here is not whether the disk is waited for."""
    place = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=place) as folder:
        opened = Newsdesk(Path(folder))
        yield opened
        opened.close()


@pytest.fixture
def desk() -> Iterator[Newsdesk]:
    """A newsroom with nothing in the making."""
    with open_desk() as opened:
        yield opened


@pytest.fixture(scope="module")
def still() -> Iterator[Newsdesk]:
    """A newsroom with the draft ``x``, for requests that change nothing; that nothing was changed is looked at in the end."""
    with open_desk() as opened:
        head = opened.begin()
        yield opened
        assert [draft["head"] for draft in opened.get("/drafts")] == [head]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """The demo, as it lies in the work tree."""
    client = Client(demo_repo(tmp_path_factory.mktemp("demo") / "demo.git").path)
    yield client
    client.site.close()


@pytest.fixture(scope="module")
def blog(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Nine posts of known values, two people, and one in three locales; nothing that changes with time."""
    client = Client(blog_repo(tmp_path_factory.mktemp("blog") / "blog.git").path)
    yield client
    client.site.close()


def blog_repo(path: Path) -> Repo:
    repo = Repo.create(path)
    repo.commit(
        {
            **MODEL,
            "people/kari.md": person("Kari Nordmann"),
            "people/ola.md": person("Ola Nordmann", boss="kari"),
            "posts/apple.md": post(
                "Apple pie", date="2019-01-05", author="kari", category="food", tags="[sweet, fruit]", stars="5", weight="1.5", featured="true",
                seen="2019-01-05T10:00:00+01:00", image="{url: images/apple.png, alt: An apple}", aliases="[pie]", related="[bread, ola]",
            ),
            "posts/bread.md": post(
                "Bread of the day", date="2019-02-10", author="ola", category="food", tags="[salt]", stars="3", weight="0.5", featured="false",
                seen="2019-02-10T08:30:00Z",
            ),
            "posts/chess.md": post("Chess", date="2018-12-31", author="ola", category="games", tags="[board, two]", stars="4", seen="2018-12-31T23:30:00+01:00"),
            "posts/darts.md": post("Darts", date="2020-06-01", category="games", stars="-1", weight="20"),
            "posts/empty.md": post("Empty", body=""),
            "posts/three.md": post("Tre språk", date="2017-03-01", body="# Overskrift\n\nEn *liten* tekst om fisk."),
            "posts/three.nn.md": post("Tre språk på nynorsk", date="2017-03-01", body="Ein liten tekst om fisk."),
            "posts/three.en.md": post("Three languages", date="2017-03-01", body="A small text about fishing."),
            "posts/english.en.md": post("English only", date="2016-01-01", body="Words in English."),
            "images/apple.png": b"\x89PNG\r\n\x1a\n",
            "images/secret.svg": b"<svg/>",
        }
    )  # fmt: skip
    return repo


@pytest.fixture(scope="module")
def serve_dates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Events with lists of dates, and links to two collections where ``size`` is of another type."""
    repo = Repo.create(tmp_path_factory.mktemp("dates") / "dates.git")
    schema = "type: object\nx-path: {0}/{{slug}}.md\nproperties: {{size: {{type: {1}}}}}\n"
    events = """
type: object
x-path: events/{slug}.md
properties:
  days: {type: array, items: {type: string, format: date}}
  times: {type: array, items: {type: string, format: date-time}}
  link: {type: string, x-reference: [small, large]}
"""
    repo.commit(
        {
            "schemas/events.yaml": events,
            "schemas/small.yaml": schema.format("small", "integer"),
            "schemas/large.yaml": schema.format("large", "string"),
            "small/one.md": "---\nsize: 5\n---\n",
            "large/two.md": "---\nsize: '6'\n---\n",
            "events/a.md": "---\nlink: one\ndays: [2019-01-05, 2020-01-05]\ntimes: [2019-01-05T10:00:00Z]\n---\n",
            "events/b.md": "---\nlink: two\ndays: [2020-01-05]\n---\n",
            "events/c.md": "---\n---\n",
        }
    )
    client = Client(repo.path)
    yield client
    client.site.close()
