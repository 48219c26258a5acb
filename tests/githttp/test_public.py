"""The public clone: what was published, and nothing else, for anybody."""

from pathlib import Path

import pytest

from cms.publicclone import PublicClone
from cms.store import Store
from tests.editing.tools import FILES
from tests.githttp.paper import Paper
from tests.githttp.server import House, Server, git, ok, refs
from tests.githttp.test_http import ask
from tests.githttp.test_merges import merge, propose
from tests.githttp.test_transport import commit
from tests.repo import Repo

MAIN = "refs/heads/main"


@pytest.fixture
def public(server: Server, house: House, repo: Repo, tmp_path: Path) -> str:
    """Its address; in the repository of the people there is a draft too."""
    repo.commit({"content/posts/secret.md": "not published"}, branch="drafts/x", parents=[refs(repo)[MAIN]])
    (tmp_path / "state").mkdir()
    house.public_clone = PublicClone(Store.open(repo.path), MAIN, tmp_path / "state")
    return f"http://127.0.0.1:{server.port}/git/site-public.git"


def test_anybody_may_read_it_and_nobody_write(public: str, server: Server, tmp_path: Path) -> None:
    ok(tmp_path, "clone", "-q", public, "clone")
    assert (tmp_path / "clone/content/posts/a.md").exists()
    commit(tmp_path / "clone")
    assert git(tmp_path / "clone", "push", "origin", "HEAD:main").code != 0
    assert ask(server, "/git/site-public.git/git-receive-pack", b"0000")[0].status == 404


def test_it_has_no_drafts_not_even_for_those_who_know_their_ids(
    public: str, repo: Repo, server: Server, tmp_path: Path
) -> None:
    repo.git("update-ref", "refs/cms/log", refs(repo)[MAIN])
    assert [line.split("\t")[1] for line in ok(tmp_path, "ls-remote", public).splitlines()] == ["HEAD", MAIN]
    ok(tmp_path, "init", "-q", "clone")
    draft = refs(repo)["refs/heads/drafts/x"]
    secret = repo.git("rev-parse", f"{draft}:content/posts/secret.md")
    assert [git(tmp_path / "clone", "fetch", public, id).code for id in (draft, secret)] == [128, 128]
    assert [git(tmp_path / "clone", "fetch", server.address(), id).code for id in (draft, secret)] == [0, 0]


def test_it_is_in_step_with_what_is_published(public: str, repo: Repo, tmp_path: Path) -> None:
    ok(tmp_path, "clone", "-q", public, "clone")
    new = repo.commit({"content/posts/b.md": "B"})
    ok(tmp_path / "clone", "pull", "-q")
    assert ok(tmp_path / "clone", "rev-parse", "HEAD") == new


def test_what_was_taken_out_of_what_is_published_is_not_in_it_any_more(public: str, repo: Repo, tmp_path: Path) -> None:
    before = refs(repo)[MAIN]
    mistake = repo.commit({"content/posts/b.md": "by mistake"})
    ok(tmp_path, "clone", "-q", public, "clone")
    repo.git("update-ref", MAIN, before)
    repo.commit({"content/posts/c.md": "C"})
    ok(tmp_path, "init", "-q", "other")
    ok(tmp_path, "ls-remote", public)
    assert git(tmp_path / "other", "fetch", public, mistake).code != 0


def test_it_is_not_there_unless_it_is_switched_on(public: str, server: Server, house: House) -> None:
    house.public_clone = None
    assert ask(server, "/git/site-public.git/info/refs?service=git-upload-pack", person=None)[0].status == 404


def test_with_nothing_published_there_is_nothing_to_clone(public: str, repo: Repo, server: Server) -> None:
    repo.git("update-ref", "-d", MAIN)
    response, body = ask(server, "/git/site-public.git/info/refs?service=git-upload-pack", person=None)
    assert (response.status, body) == (503, b"nothing is published yet\n")


def test_a_site_that_switches_it_on_has_one_that_follows_its_publications(tmp_path: Path) -> None:
    settings = FILES["cms.toml"] + "[server]\npublic_clone = true\n"
    paper = Paper(tmp_path, files={**FILES, "cms.toml": settings})
    try:
        address = f"http://127.0.0.1:{paper.server.port}/git/site-public.git"
        ok(tmp_path, "clone", "-q", address, "public")
        head = propose(paper, "easter")
        assert git(tmp_path / "public", "fetch", "-q", "origin", head).code != 0
        pia = paper.clone("pia")
        new = merge(pia, "easter")
        assert pia.git("push", "origin", "main").code == 0
        ok(tmp_path / "public", "pull", "-q")
        assert ok(tmp_path / "public", "rev-parse", "HEAD") == new
    finally:
        paper.close()
