"""What the server makes while there is little to do."""

import time

import pytest

from cms import warming
from cms.catalog import Catalog
from cms.present import Presenter
from cms.warming import Warmer
from tests.api.tools import MODEL, Client, person, post
from tests.repo import Repo

ASSETS = "/api/v1/assets/"


@pytest.fixture
def client(repo: Repo) -> Client:
    repo.commit({**MODEL, "people/kari.md": person("Kari"), **{f"posts/{name}.md": post() for name in "abc"}})
    return Client(repo.path)


def test_every_entry_is_made_as_a_request_would_make_it(client: Client) -> None:
    catalog = client.site.catalog
    Warmer(client.site, ASSETS, lambda: 0).warm(catalog)
    made = {path: fragment.body for path, fragment in catalog.fragments.items()}
    fresh = Presenter(Catalog(catalog.snapshot, catalog.valid_from), client.site.bodies, ASSETS)
    assert made == {path: fresh.fragment(entry) for path, entry in catalog.snapshot.files.items()}
    client.site.close()


def test_a_large_site_is_made_in_part(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warming, "ENTRIES_MOST", 2)
    Warmer(client.site, ASSETS, lambda: 0).warm(client.site.catalog)
    assert len(client.site.catalog.fragments) == 2
    client.site.close()


def test_the_thread_follows_the_site_and_ends_when_it_is_told(client: Client) -> None:
    warmer = Warmer(client.site, ASSETS, lambda: 0)
    warmer.start()
    for _ in range(1000):
        if len(client.site.catalog.fragments) == 4:
            break
        time.sleep(0.005)
    warmer.stop()
    assert len(client.site.catalog.fragments) == 4
    client.site.close()
