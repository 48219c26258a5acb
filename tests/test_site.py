"""The site follows its branch through everything that can happen to a repository, and never goes dark."""

import gc
import os
import shutil
import weakref
from collections.abc import Iterator
from pathlib import Path
from threading import Event, Thread

import pytest

from cms.bodies import Bodies
from cms.cache import DerivedCache
from cms.catalog import Catalog
from cms.errors import InvalidSettings, RefNotFound, RepositoryProblem
from cms.facets import read_facet
from cms.inferred import infer_model
from cms.present import Presenter
from cms.query import Query, count_facets, read_sort
from cms.settings import Environment
from cms.site import RETRY_SECONDS, Site
from tests.repo import FIRST_COMMIT_AT, Repo

NOW = FIRST_COMMIT_AT.timestamp() + 86_400
CMS = '[site]\ntitle = "Blog"\nlocales = ["nb", "en"]\n'
POSTS = "type: object\nx-path: posts/{slug}.md\nproperties:\n  title: {type: string}\n  tags: {type: array, items: {type: string}}\n"
BASE = {"cms.toml": CMS, "schemas/posts.yaml": POSTS, "posts/a.md": "---\ntitle: A\n---\n"}


@pytest.fixture
def opened() -> Iterator[list[Site]]:
    """Sites that are closed after the test."""
    sites: list[Site] = []
    yield sites
    for site in sites:
        site.close()


def open_site(repo: Repo, opened: list[Site], branch: str = "") -> Site:
    """The site of *repo*, read."""
    site = Site.open(repo.path, infer=infer_model, environment=Environment(branch=branch))
    opened.append(site)
    return site


def slugs(site: Site, now: float = NOW, collection: str = "posts") -> list[str]:
    """What a request that comes at *now* sees."""
    if site.is_stale(now):
        site.refresh(now)
    assert not site.is_stale(now)
    return sorted(site.catalog.shelves[collection].slugs)


def post(title: str, **fields: str) -> str:
    """A post."""
    return (
        "---\n" + "".join(f"{key}: {value}\n" for key, value in {"title": title, **fields}.items()) + "---\n\nText.\n"
    )


def trouble(site: Site) -> str:
    """What is wrong with the newest state."""
    return site.trouble.message if site.trouble else ""


def test_a_commit_is_seen_by_the_next_request_of_every_worker(repo: Repo, opened: list[Site]) -> None:
    repo.commit(BASE)
    workers = [open_site(repo, opened), open_site(repo, opened)]
    for number in range(3):
        repo.commit({f"posts/b{number}.md": post("B")})
        for site in workers:
            assert f"b{number}" in slugs(site)


def test_nothing_is_done_when_nothing_happened(repo: Repo, opened: list[Site]) -> None:
    repo.commit(BASE)
    site = open_site(repo, opened)
    before = site.catalog
    assert not site.is_stale(NOW)
    site.refresh(NOW)
    assert site.catalog is before


def test_the_first_commit_of_an_empty_repository_is_seen(repo: Repo, opened: list[Site]) -> None:
    site = open_site(repo, opened)
    assert site.is_empty
    assert not site.is_stale(NOW)
    assert "no commit yet" in trouble(site)
    with pytest.raises(RepositoryProblem, match="no commit yet"):
        _ = site.catalog
    repo.commit(BASE)
    assert slugs(site) == ["a"]
    assert trouble(site) == ""


def test_a_commit_without_files_has_no_collections(repo: Repo, opened: list[Site]) -> None:
    repo.commit({})
    assert open_site(repo, opened).catalog.shelves == {}


def test_a_deleted_branch_leaves_the_last_state_up_and_comes_back(repo: Repo, opened: list[Site]) -> None:
    tip = repo.commit(BASE)
    site = open_site(repo, opened)
    repo.git("update-ref", "-d", "refs/heads/main")
    assert slugs(site) == ["a"]
    assert "is gone" in trouble(site)
    repo.git("update-ref", "refs/heads/main", tip)
    assert slugs(site) == ["a"]
    assert trouble(site) == ""


def test_a_force_push_to_another_history_is_followed(repo: Repo, opened: list[Site]) -> None:
    repo.commit(BASE)
    site = open_site(repo, opened)
    repo.commit({**BASE, "posts/z.md": post("Z"), "posts/a.md": post("Other")}, parents=[])
    assert slugs(site) == ["a", "z"]
    entry = site.catalog.shelves["posts"].slugs["a"][0]
    assert entry.parsed.title == "Other"
    history = site.catalog.find_history("posts/a.md")
    assert history is not None
    assert history.created_at == history.updated_at


def test_a_force_push_back_to_an_older_commit_is_followed(repo: Repo, opened: list[Site]) -> None:
    first = repo.commit(BASE)
    repo.commit({"posts/b.md": post("B")})
    site = open_site(repo, opened)
    repo.git("update-ref", "refs/heads/main", first)
    assert slugs(site) == ["a"]


def test_git_gc_between_requests_changes_nothing(repo: Repo, opened: list[Site]) -> None:
    repo.commit(BASE)
    site = open_site(repo, opened)
    repo.commit({"posts/b.md": post("B")})
    repo.git("gc", "-q", "--prune=now")
    assert slugs(site) == ["a", "b"]
    repo.commit({"posts/c.md": post("C")}, parents=[])
    repo.git("reflog", "expire", "--expire=now", "--all")
    repo.git("gc", "-q", "--prune=now")
    repo.git("pack-refs", "--all")
    assert slugs(site, collection=next(iter(site.catalog.shelves))) != []
    assert site.bodies.get(site.catalog.snapshot.files["posts/c.md"].blob).text == "Text."  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("path", "text", "says"),
    [
        ("schemas/posts.yaml", "type: [\n", "the content model at"),
        ("schemas/posts.yaml", POSTS + "x-sort: nothing\n", "x-sort names 'nothing'"),
        ("schemas/posts.yaml", None, "there is no schema"),
        ("schemas/other.yaml", "type: object\n", "x-path"),
        (
            "schemas/other.yaml",
            "type: object\nx-path: o/{slug}.md\nproperties: {a: {x-reference: b}}\n",
            "no collection",
        ),
        ("cms.toml", "[site\n", "not valid TOML"),
        ("cms.toml", '[site]\ntime_zone = "Mars"\n', "time_zone"),
        ("cms.toml", b"title = \xff", "not UTF-8"),
    ],
)
def test_a_broken_model_keeps_the_last_good_state_and_heals(
    repo: Repo, opened: list[Site], path: str, text: str | bytes | None, says: str
) -> None:
    repo.commit(BASE)
    site = open_site(repo, opened)
    repo.commit({path: text, "posts/b.md": post("B")})
    assert slugs(site) == ["a"]
    assert says in trouble(site)
    assert site.trouble is not None
    assert site.trouble.findings[0].path == path if text is not None else "cms.toml"
    repo.commit({"posts/c.md": post("C")})
    assert slugs(site) == ["a"]
    repo.commit({path: BASE.get(path)})
    assert slugs(site) == ["a", "b", "c"]
    assert trouble(site) == ""


def test_going_back_to_the_commit_that_is_served_ends_the_trouble(repo: Repo, opened: list[Site]) -> None:
    good = repo.commit(BASE)
    site = open_site(repo, opened)
    repo.commit({"cms.toml": "["})
    slugs(site)
    assert trouble(site)
    repo.git("update-ref", "refs/heads/main", good)
    assert slugs(site) == ["a"]
    assert trouble(site) == ""


def test_an_entry_expires_on_time_while_the_newest_commit_is_broken(repo: Repo, opened: list[Site]) -> None:
    repo.commit({**BASE, "posts/b.md": post("B", expire_at="2999-01-01")})
    site = open_site(repo, opened)
    repo.commit({"cms.toml": "["})
    assert slugs(site) == ["a", "b"]
    repo.commit({"posts/c.md": post("C")})
    assert slugs(site, now=33_000_000_000) == ["a"]


def test_a_site_that_starts_with_a_broken_schema_serves_the_rest(repo: Repo, opened: list[Site]) -> None:
    repo.commit({**BASE, "schemas/bad.yaml": "type: object\n"})
    site = open_site(repo, opened)
    assert slugs(site) == ["a"]
    assert [finding.path for finding in site.findings()] == ["schemas/bad.yaml"]
    repo.commit({"schemas/worse.yaml": "type: object\n", "posts/b.md": post("B")})
    assert slugs(site) == ["a"]
    assert "schemas/worse.yaml" in trouble(site)
    repo.commit({"schemas/worse.yaml": None})
    assert slugs(site) == ["a", "b"]


def test_a_site_does_not_start_with_broken_settings(repo: Repo) -> None:
    repo.commit({**BASE, "cms.toml": "["})
    with pytest.raises(InvalidSettings):
        Site.open(repo.path, infer=infer_model)


def test_a_new_collection_and_a_changed_schema_are_served(repo: Repo, opened: list[Site]) -> None:
    repo.commit({**BASE, "notes/n.md": "---\ntitle: N\n---\n"})
    site = open_site(repo, opened)
    repo.commit({"schemas/notes.yaml": "type: object\nx-path: notes/{slug}.md\nproperties: {title: {type: string}}\n"})
    assert slugs(site, collection="notes") == ["n"]
    repo.commit({"schemas/notes.yaml": "type: object\nx-path: notes/{slug}.md\nrequired: [day]\n"})
    assert slugs(site, collection="notes") == []
    repo.commit({"schemas/notes.yaml": None})
    assert slugs(site) == ["a"]
    assert list(site.catalog.shelves) == ["posts"]


def test_a_changed_time_zone_and_locales_change_every_entry(repo: Repo, opened: list[Site]) -> None:
    repo.commit({**BASE, "posts/b.md": post("B", publish_at="2023-06-01T00:00"), "posts/a.en.md": post("A")})
    site = open_site(repo, opened)
    utc = site.catalog.snapshot.files["posts/b.md"].parsed.publish_at
    repo.commit({"cms.toml": '[site]\nlocales = ["nb"]\ntime_zone = "Europe/Oslo"\n'})
    assert slugs(site) == ["a", "a.en", "b"]
    oslo = site.catalog.snapshot.files["posts/b.md"].parsed.publish_at
    assert utc is not None
    assert oslo == utc - 7200


def test_an_inferred_model_gives_way_to_a_written_one(repo: Repo, opened: list[Site]) -> None:
    repo.commit({f"posts/{name}.md": post(name) for name in "abc"})
    site = open_site(repo, opened)
    assert site.catalog.model.is_inferred
    repo.commit({"cms.toml": CMS, "schemas/posts.yaml": POSTS, "posts/d.md": post("D")})
    assert slugs(site) == ["a", "b", "c", "d"]
    assert not site.catalog.model.is_inferred
    repo.commit({"cms.toml": None, "schemas/posts.yaml": None})
    assert slugs(site) == ["a", "b", "c", "d"]
    assert site.catalog.model.is_inferred


def test_a_partial_clone_without_content_is_not_taken_for_an_empty_site(repo: Repo) -> None:
    tree = repo.git("mktree", "--missing", stdin=f"100644 blob {'1' * 40}\ta.md\n".encode())
    repo.git("update-ref", "refs/heads/main", repo.git("commit-tree", "-m", "Partial", tree))
    with pytest.raises(RepositoryProblem, match="content of the files is missing") as caught:
        Site.open(repo.path, infer=infer_model)
    assert "git fetch --refetch --no-filter" in caught.value.facts["hint"]


def test_an_inferred_model_grows_with_what_it_did_not_foresee(repo: Repo, opened: list[Site]) -> None:
    repo.commit({f"posts/{name}.md": post(name, rank="1", day="2024-01-01") for name in "abcdef"})
    site = open_site(repo, opened)
    repo.commit({"posts/g.md": post("G", rank="first", day="[x]", more="yes")})
    assert "g" in slugs(site)
    repo.commit({f"notes/{name}.md": post(name) for name in "xyz"})
    assert "x" in slugs(site, collection="notes")


def damage(repo: Repo, name: str) -> Path:
    """Take the loose object *name* out of the repository; where it was."""
    id = repo.git("rev-parse", name)
    path = repo.path / "objects" / id[:2] / id[2:]
    path.rename(repo.path / "taken")
    return path


def test_a_missing_blob_is_one_finding_and_nothing_else(repo: Repo, opened: list[Site]) -> None:
    repo.commit(BASE)
    site = open_site(repo, opened)
    repo.commit({"posts/b.md": post("B"), "posts/c.md": post("C")})
    damage(repo, "main:posts/b.md")
    assert slugs(site) == ["a", "c"]
    assert [(found.path, found.rule) for found in site.findings()] == [("posts/b.md", "broken-object")]


def test_a_blob_that_was_missing_is_read_after_a_restart(repo: Repo, opened: list[Site]) -> None:
    repo.commit({**BASE, "posts/b.md": post("B")})
    place = damage(repo, "main:posts/b.md")
    assert slugs(open_site(repo, opened)) == ["a"]
    (repo.path / "taken").rename(place)
    assert slugs(open_site(repo, opened)) == ["a", "b"]


@pytest.mark.parametrize("name", ["main:posts", "main^{tree}", "main"])
def test_a_missing_tree_or_commit_is_trouble_until_it_is_back(repo: Repo, opened: list[Site], name: str) -> None:
    repo.commit(BASE)
    site = open_site(repo, opened)
    repo.commit({"posts/b.md": post("B")})
    place = damage(repo, name)
    assert slugs(site) == ["a"]
    assert trouble(site)
    (repo.path / "taken").rename(place)
    assert slugs(site, NOW + RETRY_SECONDS) == ["a", "b"]
    assert trouble(site) == ""


def test_a_repository_that_goes_away_and_comes_back(repo: Repo, opened: list[Site], tmp_path: Path) -> None:
    repo.commit(BASE)
    site = open_site(repo, opened)
    repo.path.rename(tmp_path / "elsewhere")
    assert slugs(site) == ["a"]
    assert trouble(site)
    (tmp_path / "elsewhere").rename(repo.path)
    assert slugs(site) == ["a"]
    assert trouble(site) == ""
    repo.commit({"posts/b.md": post("B")})
    assert slugs(site) == ["a", "b"]


def test_a_work_tree_is_read_from_its_commits_not_from_its_files(work_tree: Repo, opened: list[Site]) -> None:
    work_tree.commit(BASE)
    work_tree.git("reset", "-q", "--hard")
    (work_tree.path / "posts" / "b.md").write_text(post("B"))
    site = open_site(work_tree, opened)
    assert slugs(site) == ["a"]
    work_tree.git("add", "-A")
    work_tree.git("commit", "-q", "-m", "Add b")
    assert slugs(site) == ["a", "b"]


def test_derived_data_of_a_site_goes_where_its_settings_say(work_tree: Repo, opened: list[Site]) -> None:
    work_tree.commit(BASE)
    work_tree.git("reset", "-q", "--hard")
    assert open_site(work_tree, opened).cache_folder == work_tree.path / "search_index"


def test_derived_data_of_other_repositories_goes_into_the_git_folder(repo: Repo, opened: list[Site]) -> None:
    repo.commit(BASE)
    assert open_site(repo, opened).cache_folder == repo.path / "branchpress"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_repository_is_served(repo: Repo, opened: list[Site]) -> None:
    repo.commit(BASE)
    repo.path.chmod(0o500)
    try:
        assert slugs(open_site(repo, opened)) == ["a"]
    finally:
        repo.path.chmod(0o700)


def test_a_detached_head_is_served(work_tree: Repo, opened: list[Site]) -> None:
    tip = work_tree.commit(BASE)
    work_tree.git("reset", "-q", "--hard")
    work_tree.git("checkout", "-q", tip)
    work_tree.git("branch", "-q", "-D", "main")
    site = open_site(work_tree, opened)
    assert (site.ref, slugs(site)) == ("HEAD", ["a"])
    work_tree.git("commit", "-q", "--allow-empty", "-m", "Nothing")
    assert slugs(site) == ["a"]
    assert site.catalog.snapshot.commit.id != tip


def test_the_branch_of_the_settings_may_be_a_remote_one(work_tree: Repo, opened: list[Site]) -> None:
    tip = work_tree.commit({**BASE, "cms.toml": CMS + 'branch = "live"\n'})
    work_tree.git("update-ref", "refs/remotes/origin/live", tip)
    site = open_site(work_tree, opened)
    assert site.ref == "refs/remotes/origin/live"
    work_tree.git("update-ref", "refs/heads/live", tip)
    assert open_site(work_tree, opened).ref == "refs/heads/live"


def test_a_branch_of_the_settings_that_is_nowhere_yields_to_head(repo: Repo, opened: list[Site]) -> None:
    repo.commit({**BASE, "cms.toml": CMS + 'branch = "nowhere"\n'})
    assert open_site(repo, opened).ref == "refs/heads/main"


def test_a_branch_that_was_asked_for_must_be_there(repo: Repo, opened: list[Site]) -> None:
    repo.commit(BASE)
    repo.commit({**BASE, "posts/b.md": post("B")}, branch="next")
    assert slugs(open_site(repo, opened, "next")) == ["a", "b"]
    with pytest.raises(RefNotFound, match="there is no branch 'nxt'"):
        open_site(repo, opened, "nxt")


@pytest.mark.parametrize("name", ["trunk", "master", "only"])
def test_a_head_that_names_no_branch_yields_to_a_usual_or_the_only_one(
    repo: Repo, opened: list[Site], name: str
) -> None:
    repo.commit(BASE, branch=name)
    assert open_site(repo, opened).ref == f"refs/heads/{name}"


def test_a_folder_that_is_no_repository_is_said(tmp_path: Path) -> None:
    with pytest.raises(RepositoryProblem):
        Site.open(tmp_path, infer=infer_model)
    with pytest.raises(RepositoryProblem):
        Site.open(tmp_path / "nothing", infer=infer_model)


def test_a_clone_and_a_shallow_clone_are_served(repo: Repo, opened: list[Site], tmp_path: Path) -> None:
    repo.commit(BASE)
    repo.commit({"posts/b.md": post("B")})
    for name, options in (("full", []), ("shallow", ["--depth=1"]), ("shared", ["--shared"])):
        repo.git(
            "clone",
            "-q",
            *options,
            f"file://{repo.path}" if options == ["--depth=1"] else str(repo.path),
            str(tmp_path / name),
        )
        assert slugs(open_site(Repo(tmp_path / name), opened)) == ["a", "b"]


def test_time_alone_shows_and_hides(repo: Repo, opened: list[Site]) -> None:
    repo.commit({**BASE, "posts/b.md": post("B", publish_at="2999-01-01T00:00:00Z", expire_at="2999-01-02T00:00:00Z")})
    site = open_site(repo, opened)
    start = 32_472_144_000.0
    assert slugs(site, start - 0.001) == ["a"]
    assert slugs(site, start) == ["a", "b"]
    assert slugs(site, start + 86_399.999) == ["a", "b"]
    assert slugs(site, start + 86_400) == ["a"]


def test_names_that_differ_in_case_only_are_both_served(repo: Repo, opened: list[Site]) -> None:
    repo.commit({**BASE, "posts/A.md": post("Capital")})
    assert slugs(open_site(repo, opened)) == ["A", "a"]


def use(site: Site) -> None:
    """Ask for orders, facets, postings and rendered entries."""
    catalog = site.catalog
    collection = catalog.model.collections["posts"]
    for text in ("", "-updated_at", "title"):
        catalog.order("posts", catalog.default_chain, read_sort(catalog.model, collection, text))
    facets = tuple(read_facet(catalog.model, collection, name) for name in ("tags", "last_author", "updated_at.year"))
    count_facets(catalog, [Query(collection=collection, chain=catalog.default_chain, facets=facets)], {})
    presenter = Presenter(catalog, site.bodies)
    for entry in catalog.order("posts", catalog.default_chain, ()):
        presenter.fragment(entry)


def test_old_catalogs_are_gone_as_soon_as_nobody_reads_them(repo: Repo, opened: list[Site]) -> None:
    repo.commit(BASE)
    site = open_site(repo, opened)
    old: list[weakref.ref[Catalog]] = []
    gc.disable()  # they must go by themselves: what gc.freeze() has seen is never collected
    try:
        for number in range(50):
            use(site)
            old.append(weakref.ref(site.catalog))
            if number % 10 == 9:
                repo.commit({"schemas/posts.yaml": POSTS + f"# {number}\n"})
            else:
                repo.commit({f"posts/p{number}.md": post("P", tags="[x]")})
            slugs(site)
    finally:
        gc.enable()
    assert [number for number, reference in enumerate(old) if reference() is not None] == []


def test_requests_go_on_while_the_branch_moves(repo: Repo, opened: list[Site]) -> None:
    repo.commit(BASE)
    site = open_site(repo, opened)
    wrong: list[BaseException] = []
    ended = Event()

    def ask() -> None:
        try:
            while not ended.is_set():
                use(site)
        except BaseException as error:
            wrong.append(error)

    threads = [Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(40):
        repo.commit({f"posts/p{number % 7}.md": post(f"P{number}", tags=f"[t{number % 3}]")})
        slugs(site)
    ended.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_odd_questions_do_not_fill_the_memory(repo: Repo, opened: list[Site]) -> None:
    repo.commit(BASE)
    catalog = open_site(repo, opened).catalog
    collection = catalog.model.collections["posts"]
    names = ["title", "tags", "slug", "locale", "path", "url", "created_at"]
    for number in range(300):
        spec = tuple((name, bool(number >> place & 1)) for place, name in enumerate(names[number % 3 :][:5]))
        catalog.order("posts", catalog.default_chain, spec)
        catalog.posting("posts", catalog.default_chain, spec, read_facet(catalog.model, collection, "title").path)
        catalog.order("posts", (f"x{number}",), ())
    assert len(catalog.shelves["posts"].selections) <= 64
    selection = catalog.selection("posts", catalog.default_chain)
    assert len(selection.orders) <= 64
    assert len(selection.postings) <= 64


def test_a_body_is_rendered_once_and_room_is_kept(repo: Repo, opened: list[Site], tmp_path: Path) -> None:
    repo.commit({**BASE, **{f"posts/p{number}.md": post(f"P{number}") for number in range(20)}})
    site = open_site(repo, opened)
    bodies = Bodies(site.store, DerivedCache(tmp_path), 2000)
    blobs = [entry.blob for entry in site.catalog.snapshot.files.values()]
    for blob in blobs:
        first = bodies.get(blob)  # type: ignore[arg-type]
        assert bodies.get(blob) is first  # type: ignore[arg-type]


def test_a_site_can_be_copied_while_it_is_served(repo: Repo, opened: list[Site], tmp_path: Path) -> None:
    repo.commit(BASE)
    open_site(repo, opened)
    shutil.copytree(repo.path, tmp_path / "copy.git")
    assert slugs(open_site(Repo(tmp_path / "copy.git"), opened)) == ["a"]
