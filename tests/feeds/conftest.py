"""A site with pages, and readers of feeds that are not ours."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.api.tools import MODEL, Client, person, post
from tests.repo import Repo

Serve = Callable[[], Client]
URL = "https://example.org/blogg"
SITE = {
    **MODEL,
    "cms.toml": f'{MODEL["cms.toml"]}url = "https://cms.example.org"\n'.replace(
        'title = "Test"', f'title = "Ære & være"\nurl = "{URL}/"'
    ),
    "schemas/posts.yaml": f"x-url: /{{locale}}/{{slug}}\nx-label: {{nb: Innlegg}}\n{MODEL['schemas/posts.yaml'].lstrip()}",
}
PNG = b"\x89PNG\r\n\x1a\n"
CONTENT: dict[str, str | bytes] = {
    **SITE,
    "people/kari.md": person("Kåre Ærlig"),
    "posts/eple.md": post(
        "Æbler, <b>pærer</b> & ærefrykt", date="2019-01-05", author="kari", category="mat", tags="[søtt, mat]",
        image="{url: images/eple blå.png, alt: Et eple}",
        body='Se [bildet](../b.png), [der](#x), [ut](https://a.example/?a=1&b=2) og `href="q"`.\n\n![i](/i.png)',
    ),
    "posts/brød.md": post("Brød", date="2019-02-10", category="mat", image="{url: 'https://img.example/b.webp'}"),
    "posts/sjakk.md": post("Sjakk", date="2018-12-31", category="spill"),
    "posts/sjakk.nn.md": post("Sjakk på nynorsk", date="2018-12-31", category="spill"),
    "posts/skjult.md": post("Skjult", date="2020-01-01", draft="true"),
    "images/eple blå.png": PNG,
}  # fmt: skip


@pytest.fixture
def serve(repo: Repo) -> Iterator[Serve]:
    """Opens the test's repository when called."""
    opened: list[Client] = []

    def open_client() -> Client:
        opened.append(Client(repo.path))
        return opened[-1]

    yield open_client
    for client in opened:
        client.site.close()


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Four posts that are public, one of them in two locales, and one that is hidden."""
    repo = Repo.create(tmp_path_factory.mktemp("paper") / "paper.git")
    repo.commit(CONTENT)
    client = Client(repo.path)
    yield client
    client.site.close()


def ids(client: Client, query: str = "") -> dict[str, Any]:
    """The id of each item of the posts' feed, by its address."""
    items = client.ask(f"/feeds/posts.json?{query}").json()["items"]
    return {item["url"]: item["id"] for item in items}
