"""Clone, fetch and push with stock Git, through the relay and the hook, whatever is thought of what is pushed."""

import os
from pathlib import Path

import pytest

from cms.githttp import program
from cms.store import Store
from cms.workflow.push import Answer
from tests.githttp.server import House, Judge, Server, git, ok, refs
from tests.repo import Repo

DRAFT = "refs/heads/drafts/x"


def commit(clone: Path, path: str = "content/posts/b.md", content: bytes = b"---\ntitle: B\n---\n") -> str:
    (clone / path).parent.mkdir(parents=True, exist_ok=True)
    (clone / path).write_bytes(content)
    ok(clone, "add", "-A")
    ok(clone, "commit", "-q", "-m", "Change")
    return ok(clone, "rev-parse", "HEAD")


@pytest.mark.parametrize("version", ["0", "1", "2"])
def test_a_clone_holds_what_is_served(server: Server, tmp_path: Path, version: str) -> None:
    ok(tmp_path, "-c", f"protocol.version={version}", "clone", "-q", server.address(), "clone")
    assert (tmp_path / "clone/content/posts/a.md").read_text() == "---\ntitle: A\n---\n"


def test_a_fetch_brings_what_is_new(clone: Path, repo: Repo) -> None:
    new = repo.commit({"content/posts/b.md": "B"}, branch="main")
    ok(clone, "fetch", "-q")
    assert ok(clone, "rev-parse", "origin/main") == new


def test_a_shallow_clone_has_one_commit_can_be_deepened_and_pushed_from(
    server: Server, repo: Repo, tmp_path: Path
) -> None:
    for number in range(3):
        repo.commit({"n": str(number)})
    ok(tmp_path, "clone", "-q", "--depth", "1", server.address(), "clone")
    assert ok(tmp_path / "clone", "rev-list", "--count", "HEAD") == "1"
    new = commit(tmp_path / "clone")
    ok(tmp_path / "clone", "push", "-q", "origin", f"HEAD:{DRAFT}")
    assert refs(repo)[DRAFT] == new
    ok(tmp_path / "clone", "fetch", "-q", "--unshallow")
    assert ok(tmp_path / "clone", "rev-list", "--count", "HEAD") == "5"


def test_a_fetch_with_a_compressed_question_is_understood(clone: Path, repo: Repo) -> None:
    ok(clone, "checkout", "-q", "-b", "mine")
    for number in range(40):  # what the client has makes its question long enough to be compressed
        commit(clone, content=b"%d" % number)
    new = repo.commit({"content/posts/c.md": "C"})
    ok(clone, "fetch", "-q")
    assert ok(clone, "rev-parse", "origin/main") == new


def test_a_push_moves_a_ref_and_prints_what_the_judge_says(clone: Path, repo: Repo, judge: Judge) -> None:
    new = commit(clone)
    done = git(clone, "push", "origin", f"HEAD:{DRAFT}")
    assert done.code == 0
    assert done.remarks == ["Thank you."]
    assert refs(repo)[DRAFT] == new
    assert judge.asked[0].by.person == "kari"
    assert [(command.ref, command.old, command.new) for command in judge.asked[0].commands] == [(DRAFT, None, new)]


def test_the_judge_sees_the_objects_of_a_push_that_is_not_accepted_yet(
    clone: Path, repo: Repo, server: Server, judge: Judge
) -> None:
    new = commit(clone)
    seen: list[bool] = []

    def answer(push: object) -> Answer:
        quarantine = judge.asked[0].quarantine
        assert quarantine is not None
        for store in (Store.open(repo.path), Store.open_quarantine(repo.path, quarantine)):
            seen.append(store.resolve(new) is not None)
        return Answer(accepted=False, lines=("No.", "Because of \x1b[31mthis\nand that."))

    judge.answer = answer
    done = git(clone, "push", "origin", f"HEAD:{DRAFT}")
    assert seen == [False, True]
    assert done.remarks == ["No.", "Because of \\x1b[31mthis\\nand that."]
    assert "[remote rejected] HEAD -> drafts/x (pre-receive hook declined)" in done.output


def test_of_a_refused_push_nothing_is_left(clone: Path, repo: Repo, judge: Judge) -> None:
    before = refs(repo), sorted(repo.path.rglob("*"))
    new = commit(clone)
    judge.answer = lambda _: Answer(accepted=False)
    assert git(clone, "push", "origin", f"HEAD:{DRAFT}", "HEAD:refs/heads/main").code == 1
    assert (refs(repo), sorted(repo.path.rglob("*"))) == before
    assert Store.open(repo.path).resolve(new) is None


def test_a_judge_that_breaks_refuses(clone: Path, repo: Repo, judge: Judge) -> None:
    judge.answer = lambda _: Answer(accepted=bool(1 // 0))
    commit(clone)
    done = git(clone, "push", "origin", f"HEAD:{DRAFT}")
    assert done.code == 1
    assert done.remarks[0].startswith("The server could not judge this push")
    assert DRAFT not in refs(repo)


def test_two_refs_move_together(clone: Path, repo: Repo) -> None:
    new = commit(clone)
    ok(clone, "push", "-q", "--atomic", "origin", f"HEAD:{DRAFT}", "HEAD:refs/heads/drafts/y")
    assert refs(repo)[DRAFT] == refs(repo)["refs/heads/drafts/y"] == new


@pytest.mark.parametrize("order", [1, -1])
def test_when_git_refuses_one_ref_the_others_do_not_move_either(clone: Path, repo: Repo, order: int) -> None:
    commit(clone)
    pushed = [f"HEAD:{DRAFT}", "HEAD:refs/heads/drafts/y", "HEAD:refs/heads/drafts/y/z"][::order]
    done = git(clone, "push", "origin", *pushed)
    assert done.code == 1
    assert not [ref for ref in refs(repo) if "drafts" in ref]


def test_a_push_of_several_megabytes_arrives(clone: Path, repo: Repo) -> None:
    content = os.urandom(3 * 1024 * 1024)  # does not get smaller, so that the client sends it in chunks, after a probe
    commit(clone, "content/big.bin", content)
    ok(clone, "push", "-q", "origin", f"HEAD:{DRAFT}")
    assert repo.git("cat-file", "-s", f"{DRAFT}:content/big.bin") == str(len(content))


def test_a_push_of_many_files_is_a_pack_and_arrives(clone: Path, repo: Repo) -> None:
    for number in range(150):
        (clone / f"{number}.md").write_text(str(number))
    new = commit(clone)
    ok(clone, "push", "-q", "origin", f"HEAD:{DRAFT}")
    assert refs(repo)[DRAFT] == new
    assert len(list(repo.path.glob("objects/pack/*.pack"))) == 1


def test_a_push_that_is_too_large_is_refused_with_the_limit_and_leaves_nothing(
    clone: Path, repo: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "PUSH_BYTES_MOST", 1024 * 1024)
    before = sorted(repo.path.rglob("*"))
    commit(clone, "content/big.bin", os.urandom(4 * 1024 * 1024))
    done = git(clone, "push", "origin", f"HEAD:{DRAFT}")
    assert done.code == 1
    assert done.remarks[0].startswith("error: A push may have 50 MB. Push it in parts")
    assert sorted(repo.path.rglob("*")) == before


def test_a_branch_is_deleted_and_moved_back_when_the_judge_agrees(clone: Path, repo: Repo, judge: Judge) -> None:
    old, new = ok(clone, "rev-parse", "HEAD"), commit(clone)
    ok(clone, "push", "-q", "origin", f"{new}:{DRAFT}")
    ok(clone, "push", "-q", "--force", "origin", f"{old}:{DRAFT}")
    assert refs(repo)[DRAFT] == old
    ok(clone, "push", "-q", "origin", f":{DRAFT}")
    assert DRAFT not in refs(repo)
    assert judge.asked[-1].quarantine is None


def test_an_object_that_is_not_well_formed_is_refused(clone: Path, repo: Repo) -> None:
    tree = ok(clone, "rev-parse", "HEAD^{tree}")
    bad = f"tree {tree}\nauthor A <a@b> 99999999999999999999 +0000\ncommitter A <a@b> 1 +0000\n\nx\n"
    written = git(clone, "hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=bad.encode())
    done = git(clone, "push", "origin", f"{written.output.strip()}:{DRAFT}")
    assert done.code == 1
    assert "badDate" in done.output
    assert DRAFT not in refs(repo)


def test_push_options_are_refused(clone: Path) -> None:
    commit(clone)
    done = git(clone, "push", "-o", "public=true", "origin", f"HEAD:{DRAFT}")
    assert done.code != 0
    assert "does not support push options" in done.output


def test_the_work_tree_of_the_server_follows_the_published_branch(
    work_tree: Repo, tmp_path: Path, judge: Judge
) -> None:
    work_tree.commit({"a.md": "A"})
    server = Server(House(Store.open(work_tree.path)), judge)
    try:
        ok(tmp_path, "clone", "-q", server.address(), "clone")
        commit(tmp_path / "clone", "a.md", b"AA")
        ok(tmp_path / "clone", "push", "-q", "origin", "HEAD:main")
        assert (work_tree.path / "a.md").read_text() == "AA"
        (work_tree.path / "a.md").write_text("somebody is working here")
        commit(tmp_path / "clone", "a.md", b"AAA")
        done = git(tmp_path / "clone", "push", "origin", "HEAD:main", f"HEAD:{DRAFT}")
        assert "Working directory has unstaged changes" in done.output
        assert DRAFT not in refs(work_tree)
    finally:
        server.stop()


def test_the_reflog_says_who_moved_a_ref(clone: Path, repo: Repo) -> None:
    commit(clone)
    ok(clone, "push", "-q", "origin", f"HEAD:{DRAFT}")
    assert "kari <kari@example.org>" in (repo.path / "logs" / DRAFT).read_text()


def test_hooks_and_programs_that_the_repository_names_are_not_run(clone: Path, repo: Repo, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    for name in ("pre-receive", "update", "post-receive", "post-update", "reference-transaction", "proc-receive"):
        hook = repo.path / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
        hook.chmod(0o700)
    repo.git("config", "uploadpack.packObjectsHook", f"touch {ran};")
    repo.git("config", "core.fsmonitor", f"touch {ran};")
    commit(clone)
    ok(clone, "push", "-q", "origin", f"HEAD:{DRAFT}")
    ok(clone, "fetch", "-q")
    assert not ran.exists()


def test_refs_of_the_server_are_not_shown_but_for_the_log(clone: Path, repo: Repo, server: Server) -> None:
    head = refs(repo)["refs/heads/main"]
    for ref in ("refs/cms/log", "refs/cms/secret", "refs/notes/commits", "refs/stash", "refs/tags/v1"):
        repo.git("update-ref", ref, head)
    shown = {line.split("\t")[1] for line in ok(clone, "ls-remote", "origin").splitlines()}
    assert shown == {"HEAD", "refs/heads/main", "refs/tags/v1", "refs/cms/log"}


def test_a_filter_is_ignored_and_the_clone_is_whole(server: Server, tmp_path: Path) -> None:
    done = git(tmp_path, "clone", "--filter=blob:none", server.address(), "clone")
    assert "filtering not recognized by server, ignoring" in done.output
    assert "?" not in ok(tmp_path / "clone", "rev-list", "--objects", "--missing=print", "HEAD")
