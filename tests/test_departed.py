"""What an address meant while there was something at it."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cms.cache import DerivedCache
from cms.catalog import EVERY_LOCALE, Catalog
from cms.departed import Departures, Moved, Withdrawn
from cms.inferred import infer_model
from cms.site import Site
from tests.api.tools import MODEL, post
from tests.repo import FIRST_COMMIT_AT, Repo

LONG = "".join(f"Line {number} of a text that is long enough to be recognised.\n" for number in range(20))
AN_HOUR = 3600


def open_site(repo: Repo) -> Site:
    return Site.open(repo.path, infer=infer_model)


def find(site: Site, slug: str, now: float | None = None) -> Moved | Withdrawn | None:
    """What became of a post, in any locale."""
    catalog = site.catalog if now is None else Catalog(site.catalog.snapshot, now)
    return site.departures.find(catalog, "posts", slug, catalog.default_chain)


def test_a_withdrawn_entry_tells_since_when(repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post("A")})
    repo.commit({"posts/a.md": None})
    assert find(open_site(repo), "a") == Withdrawn(repo.clock.timestamp())


def test_an_embargo_of_the_new_place_hides_it_until_it_ends(repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post("A", LONG)})
    repo.commit({"posts/a.md": None, "posts/b.md": post("A", LONG, publish_at="2024-01-01T20:00:00Z")})
    site, noon = open_site(repo), FIRST_COMMIT_AT.timestamp()
    assert isinstance(find(site, "a", noon + AN_HOUR), Withdrawn)
    assert find(site, "a", noon + 9 * AN_HOUR) == Moved("posts", "b")


def test_what_went_by_a_clock_that_was_ahead_was_not_public_before_its_time(repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post("A", publish_at="2999-01-01"), "posts/b.md": post("B")})
    repo.commit({"posts/a.md": None, "posts/b.md": None}, at=FIRST_COMMIT_AT.replace(year=3100))
    site = open_site(repo)
    assert find(site, "a") is None
    assert isinstance(find(site, "b"), Withdrawn)


def test_of_several_that_had_the_address_the_last_public_one_counts(repo: Repo) -> None:
    repo.commit({**MODEL, "posts/1.md": post("A", LONG, slug="a"), "posts/x.md": post("X")})
    repo.commit({"posts/1.md": None, "posts/b.md": post("A", LONG)})
    assert find(open_site(repo), "a") == Moved("posts", "b")
    repo.commit({"posts/2.md": post("Secret", slug="a", draft="true")})
    repo.commit({"posts/2.md": None})
    assert find(open_site(repo), "a") == Moved("posts", "b")
    repo.commit({"posts/3.md": post("Another", slug="a")})
    repo.commit({"posts/3.md": None})
    assert isinstance(find(open_site(repo), "a"), Withdrawn)


def test_an_entry_is_judged_by_the_schema_of_its_time(repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post("A"), "posts/b.md": post("B", stars="x")})
    repo.commit({"posts/a.md": None, "posts/b.md": None})
    stricter = (
        MODEL["schemas/posts.yaml"].replace("stars: {type: integer}", "stars: {type: string}") + "required: [stars]\n"
    )
    repo.commit({"schemas/posts.yaml": stricter.replace("posts/{slug}", "blog/{slug}")})
    site = open_site(repo)
    assert isinstance(find(site, "a"), Withdrawn)
    assert find(site, "b") is None


def test_settings_that_were_wrong_published_nothing(repo: Repo) -> None:
    repo.commit({**MODEL, "cms.toml": "nonsense", "posts/a.md": post("A")})
    repo.commit({"posts/a.md": None})
    repo.commit({"cms.toml": MODEL["cms.toml"]})
    assert find(open_site(repo), "a") is None


def test_a_repository_without_schemas_knows_too(repo: Repo) -> None:
    repo.commit({f"posts/{number}.md": post(str(number), LONG) for number in range(4)})
    repo.commit({"posts/1.md": None, "posts/one.md": post("1", LONG + "One more.\n"), "posts/2.md": None})
    site = open_site(repo)
    assert find(site, "1") == Moved("posts", "one")
    assert isinstance(find(site, "2"), Withdrawn)


def test_a_hidden_file_at_an_old_address_changes_nothing_there(repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post("A", LONG), "posts/x.md": post("X")})
    repo.commit({"posts/a.md": None, "posts/b.md": post("A", LONG)})
    repo.commit({"posts/a.md": post("Secret", draft="true")})
    assert find(open_site(repo), "a") == Moved("posts", "b")
    repo.commit({"posts/a.md": None})
    assert find(open_site(repo), "a") == Moved("posts", "b")


def test_every_locale_means_any(repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.nn.md": post("A"), "posts/a.en.md": post("A")})
    repo.commit({"posts/a.nn.md": None, "posts/a.en.md": None})
    site = open_site(repo)
    assert isinstance(site.departures.find(site.catalog, "posts", "a", EVERY_LOCALE), Withdrawn)
    assert isinstance(site.departures.find(site.catalog, "posts", "a", ("en",)), Withdrawn)
    assert site.departures.find(site.catalog, "posts", "a", ("nb",)) is None


def test_a_shallow_clone_tells_what_it_can(repo: Repo, tmp_path: Path) -> None:
    repo.commit({**MODEL, "posts/a.md": post("A"), "posts/b.md": post("B")})
    repo.commit({"posts/a.md": None})
    repo.commit({"posts/b.md": None})
    repo.git("clone", "-q", "--bare", "--depth=2", f"file://{repo.path}", str(tmp_path / "clone.git"))
    site = open_site(Repo(tmp_path / "clone.git"))
    assert find(site, "a") is None
    assert isinstance(find(site, "b"), Withdrawn)


def test_files_that_went_are_read_once_and_kept(repo: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.commit({**MODEL, **{f"posts/{number}.md": post(str(number)) for number in range(9)}})
    repo.commit(dict.fromkeys(f"posts/{number}.md" for number in range(5)))
    site = open_site(repo)
    assert not site.departures.is_ready(site.catalog)
    assert isinstance(find(site, "1"), Withdrawn)
    assert site.departures.is_ready(site.catalog)
    monkeypatch.setattr("cms.departed.parse_entry", None)
    again = Departures(site.store, DerivedCache(site.cache_folder))
    assert isinstance(again.find(site.catalog, "posts", "2", site.catalog.default_chain), Withdrawn)


def test_a_file_whose_bytes_are_lost_is_like_none(repo: Repo) -> None:
    repo.commit({**MODEL, "posts/a.md": post("A"), "posts/b.md": post("B")})
    blob = repo.git("rev-parse", "HEAD:posts/a.md")
    repo.commit({"posts/a.md": None, "posts/b.md": None})
    (repo.path / "objects" / blob[:2] / blob[2:]).unlink()
    site = open_site(repo)
    assert find(site, "a") is None
    assert isinstance(find(site, "b"), Withdrawn)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("add", "hide", "remove", "move", "edit")), st.sampled_from("abcd"), st.sampled_from("abcd")
    ),
    min_size=1,
    max_size=10,
)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS)
def test_whatever_happens_a_site_that_followed_knows_what_a_new_one_knows(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, str]]
) -> None:
    repo = Repo.create(tmp_path_factory.mktemp("random") / "site.git")
    repo.commit({**MODEL, "posts/z.md": post("Z")})
    followed = open_site(repo)
    model: dict[str, tuple[int, str]] = {}  # slug -> who is there, and its text
    was: dict[str, int] = {}  # slug -> who was there last, of those that were public
    for number, (verb, one, other) in enumerate(steps):
        changes: dict[str, str | None] = {}
        if verb in ("add", "hide") and one not in model:
            text = post(
                f"{number}",
                f"{number} " + LONG.replace("Line", f"Row {number * 7919}"),
                **({"draft": "true"} if verb == "hide" else {}),
            )
            model[one] = (number, text)
            changes = {f"posts/{one}.md": text}
        elif verb == "edit" and one in model:
            model[one] = (model[one][0], model[one][1] + f"Edited in step {number}.\n")
            changes = {f"posts/{one}.md": model[one][1]}
        elif verb in ("remove", "move") and one in model and (verb == "remove" or other not in model):
            who, text = model.pop(one)
            changes = {f"posts/{one}.md": None}
            if "draft: true" not in text:
                was[one] = who
            if verb == "move":
                model[other] = (who, text)
                changes[f"posts/{other}.md"] = text
        if changes:
            repo.commit(changes)
            followed.refresh(repo.clock.timestamp() + 1e9)
    now = followed.catalog
    fresh = open_site(repo)
    here = {who: slug for slug, (who, text) in model.items() if "draft: true" not in text}
    for slug in "abcd":
        if now.find("posts", slug, now.default_chain) is None:
            found = find(followed, slug)
            assert found == find(fresh, slug)
            last = was.get(slug)
            expected = None if last is None else Moved("posts", here[last]) if last in here else Withdrawn
            assert found == expected or (expected is Withdrawn and isinstance(found, Withdrawn)), (steps, slug)
    for site in (followed, fresh):
        site.close()
