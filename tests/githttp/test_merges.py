"""Publishing with Git alone: merges of approved drafts, pushed to the published branch, and everything that is no such thing."""

from pathlib import Path

import pytest

from tests.editing.tools import FILES
from tests.githttp.paper import Clone, Paper
from tests.keys import SSHKey

NEW = "---\ntitle: New\n---\nText.\n"
MAIN = "refs/heads/main"
REFUSED = "Nothing was changed."


@pytest.fixture
def pia(paper: Paper) -> Clone:
    """A clone of a publisher's, who neither writes nor reviews."""
    return paper.clone("pia")


def propose(paper: Paper, name: str, files: dict[str, str | None] | None = None, *, approve: bool = True) -> str:
    """A draft of Ola's, approved by Rita unless not; its head."""
    ola = paper.clone("ola")
    for path, text in (files or {f"posts/{name}.md": NEW}).items():
        ola.write(path, text)
    assert ola.push(name).code == 0
    if not approve:
        return paper.refs[f"refs/heads/drafts/{name}"]
    rita = paper.clone("rita")
    rita.take(name)
    head = rita.say("approve")
    assert rita.push(name).code == 0
    return head


def merge(clone: Clone, name: str, *options: str) -> str:
    """Merge a draft as an editor does."""
    clone.ok("fetch", "-q", "origin")
    clone.ok("merge", "-q", "--no-ff", "-m", f"Merge {name}", *options, f"origin/drafts/{name}")
    return clone.ok("rev-parse", "HEAD")


def test_an_approved_draft_is_published_by_merging_it(paper: Paper, pia: Clone) -> None:
    propose(paper, "easter")
    new = merge(pia, "easter")
    done = pia.git("push", "origin", "main")
    assert done.remarks == [
        "drafts/easter is published; readers see it with their next request, and the draft goes away:",
        "  posts/easter.md (added, approved by rita)",
    ]
    assert paper.refs == {MAIN: new}
    entry = paper.office.log.entries()[-1]
    assert (entry.act, entry.person, entry.via) == ("publish", "pia", "git")
    assert [(move.ref, move.new) for move in entry.moves] == [(MAIN, new), ("refs/heads/drafts/easter", None)]
    assert paper.room.site.read_snapshot().commit.id == new


def test_what_is_not_approved_is_refused_with_what_is_missing(paper: Paper, pia: Clone) -> None:
    propose(paper, "early", approve=False)
    merge(pia, "early")
    assert pia.git("push", "origin", "main").remarks == [
        "error: main: drafts/early cannot be published yet:",
        "  - posts/early.md needs 1 more approval by @editors: Eva Dahl or Rita Moe can give it",
        REFUSED,
    ]


def test_who_is_no_publisher_is_told_who_is(paper: Paper) -> None:
    propose(paper, "easter")
    ola = paper.clone("ola")
    merge(ola, "easter")
    told = ola.git("push", "origin", "main").remarks[0]
    assert told.startswith("error: main: pushing to the published branch needs the role publisher")
    assert "Pia Berg" in told


def test_a_merge_with_anything_extra_is_refused_with_the_place(paper: Paper, pia: Clone) -> None:
    propose(paper, "easter")
    merge(pia, "easter", "--no-commit")
    pia.write("posts/a.md", "---\ntitle: Slipped in\n---\n", "Merge easter")
    told = pia.git("push", "origin", "main").remarks[0]
    assert (
        "is not the merge that publishing easter makes: it differs in posts/a.md; posts/a.md is not from the draft"
        in told
    )
    assert "cms publish easter" in told
    assert paper.refs[MAIN] == paper.room.first


@pytest.mark.parametrize("what", ["link", "mode", "submodule"])
def test_a_merge_is_compared_to_the_last_bit(paper: Paper, pia: Clone, what: str) -> None:
    head = propose(paper, "easter")
    merge(pia, "easter", "--no-commit")
    if what == "link":
        (pia.folder / "l").symlink_to("/etc/passwd")
        pia.ok("add", "l")
    elif what == "mode":
        pia.ok("update-index", "--chmod=+x", "posts/a.md")
    else:
        pia.ok("update-index", "--add", "--cacheinfo", f"160000,{head},sub")
    pia.ok("commit", "-q", "-m", "Merge easter")
    assert "is not the merge that publishing easter makes" in pia.git("push", "origin", "HEAD:main").remarks[0]


def test_an_approval_of_other_bytes_is_stale(paper: Paper, pia: Clone) -> None:
    propose(paper, "easter")
    ola = paper.clone("ola")
    ola.take("easter")
    ola.write("posts/easter.md", NEW + "And something nobody has read.\n")
    assert "rita" not in "".join(ola.push("easter").remarks).casefold().partition("needs")[0]
    merge(pia, "easter")
    told = pia.git("push", "origin", "main").remarks
    assert told[0] == "error: main: drafts/easter cannot be published yet:"
    assert paper.refs[MAIN] == paper.room.first


def test_a_merge_of_what_the_draft_was_before_is_refused(paper: Paper, pia: Clone) -> None:
    propose(paper, "easter")
    merge(pia, "easter")
    ola = paper.clone("ola")
    ola.take("easter")
    ola.write("posts/easter.md", NEW + "More.\n")
    ola.push("easter")
    assert "which is the head of no draft" in pia.git("push", "origin", "main").remarks[0]


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("direct", "was made on main, which takes merges of approved drafts only"),
        ("squash", "neither squashed nor rebased"),
        ("fast-forward", "this would make drafts/easter itself the published branch; it takes merges"),
        ("other way round", "was merged into the draft, and not the draft into main"),
        ("octopus", "merges several branches at once; merge one draft after the other"),
        ("no draft", "which is the head of no draft here"),
    ],
)
def test_what_is_no_merge_of_a_draft_is_refused_with_the_command_that_is(
    paper: Paper, pia: Clone, how: str, told: str
) -> None:
    propose(paper, "easter")
    pia.ok("fetch", "-q")
    draft = "origin/drafts/easter"
    if how == "direct":
        pia.write("posts/direct.md", NEW)
    elif how == "squash":
        pia.ok("merge", "-q", "--squash", draft)
        pia.ok("commit", "-q", "-m", "Squashed")
    elif how == "fast-forward":
        pia.ok("merge", "-q", draft)
    elif how == "other way round":
        paper.room.repo.commit({"posts/b.md": "---\ntitle: B2\n---\n"})
        pia.ok("fetch", "-q")
        pia.ok("checkout", "-q", "-B", "x", draft)
        pia.ok("merge", "-q", "-m", "Merge main", "origin/main")
    elif how == "octopus":
        pia.ok("checkout", "-q", "-b", "other")
        pia.write("posts/other.md", NEW)
        pia.ok("checkout", "-q", "main")
        pia.ok("merge", "-q", "--no-ff", "-m", "Merge all", draft, "other")
    else:
        pia.ok("checkout", "-q", "-b", "local", draft)
        pia.write("posts/more.md", NEW)
        pia.ok("checkout", "-q", "main")
        pia.ok("merge", "-q", "--no-ff", "-m", "Merge local", "local")
    before = paper.refs
    done = pia.git("push", "origin", "HEAD:main")
    assert told in done.remarks[0]
    assert paper.refs == before


def test_what_is_published_is_neither_deleted_nor_rewritten(paper: Paper) -> None:
    propose(paper, "easter")
    eva = paper.clone("eva")
    merge(eva, "easter")
    assert eva.git("push", "origin", "main").code == 0
    before = paper.refs
    assert (
        eva.git("push", "origin", ":main").remarks[0] == "error: main: it is what is published, and cannot be deleted"
    )
    told = eva.git("push", "--force", "origin", "HEAD~:main").remarks[0]
    assert told.startswith("error: main: what is published is never rewritten")
    eva.ok("commit", "-q", "--amend", "-m", "Another message")
    assert "never rewritten" in eva.git("push", "--force", "origin", "main").remarks[0]
    assert paper.refs == before


def test_two_drafts_are_published_by_two_merges_in_one_push(paper: Paper, pia: Clone) -> None:
    propose(paper, "one")
    propose(paper, "two", {"posts/b.md": "---\ntitle: B2\nrelated: [a]\n---\nSecond text.\n"})
    merge(pia, "one")
    new = merge(pia, "two")
    done = pia.git("push", "--atomic", "origin", "main", ":drafts/one")
    assert done.code == 0
    assert paper.refs == {MAIN: new}


def test_of_two_merges_in_one_push_neither_is_published_when_one_may_not(paper: Paper, pia: Clone) -> None:
    propose(paper, "one")
    propose(paper, "two", approve=False)
    merge(pia, "one")
    merge(pia, "two")
    before = paper.refs
    told = pia.git("push", "origin", "main").remarks
    assert told[0] == "error: main: drafts/two cannot be published yet:"
    assert paper.refs == before


def test_the_second_of_two_merges_is_judged_by_the_rules_that_the_first_one_brings(tmp_path: Path) -> None:
    settings = FILES["cms.toml"].replace('who = ["mia"]', 'who = ["mia", "eva"]')
    paper = Paper(tmp_path, files={**FILES, "cms.toml": settings})
    try:
        mia, eva = paper.clone("mia"), paper.clone("eva")
        mia.write("cms.toml", settings.replace("approvals = 1", "approvals = 2"))
        assert mia.push("rules").code == 0
        eva.take("rules")
        eva.say("approve")
        assert eva.push("rules").remarks[0] == "drafts/rules is approved."
        propose(paper, "easter")
        eva.ok("checkout", "-q", "main")
        merge(eva, "rules")
        rules = eva.ok("rev-parse", "HEAD")
        merge(eva, "easter")
        told = eva.git("push", "origin", "main").remarks
        assert told[0] == "error: main: drafts/easter cannot be published yet:"
        assert "posts/easter.md needs 1 more approval" in told[1]
        assert eva.git("push", "origin", f"{rules}:main").code == 0
    finally:
        paper.close()


def test_a_draft_and_its_publication_can_come_in_one_push(paper: Paper, pia: Clone) -> None:
    propose(paper, "easter", approve=False)
    rita = paper.clone("rita")
    rita.take("easter")
    rita.say("approve")
    eva = paper.clone("eva")
    eva.take("easter")
    eva.say("approve")
    eva.ok("checkout", "-q", "main")
    eva.ok("merge", "-q", "--no-ff", "-m", "Merge easter", "easter")
    done = eva.git("push", "origin", "main", "easter:refs/heads/drafts/easter")
    assert done.code == 0, done.output
    assert paper.refs == {MAIN: eva.ok("rev-parse", "HEAD")}


def test_a_merge_that_says_what_is_not_so_is_refused(paper: Paper, pia: Clone) -> None:
    propose(paper, "easter")
    pia.ok("fetch", "-q")
    pia.ok("merge", "-q", "--no-ff", "-m", "Merge\n\nApproved-by: eva\nPublished-by: pia", "origin/drafts/easter")
    told = pia.git("push", "origin", "main").remarks
    assert told[0].endswith("says Approved-by: eva, which is not so; git commit --amend, and take the line out")
    assert told[1:] == [REFUSED]


def test_a_request_for_changes_keeps_a_merge_back(paper: Paper, pia: Clone) -> None:
    propose(paper, "easter")
    eva = paper.clone("eva")
    eva.take("easter")
    eva.say("changes", "Not like this")
    eva.push("easter")
    merge(pia, "easter")
    assert "Eva Dahl asked for changes (Not like this)" in pia.git("push", "origin", "main").remarks[1]


def test_a_merge_where_both_sides_changed_one_file_is_taken_when_it_is_ours(paper: Paper, pia: Clone) -> None:
    propose(
        paper, "easter", {"posts/a.md": "---\ntitle: A\ncategory: helse # fast\n---\nFirst text.\n\nMore from Ola.\n"}
    )
    paper.room.repo.commit({"posts/a.md": "---\ntitle: A2\ncategory: helse # fast\n---\nFirst text.\n"})
    rita = paper.clone("rita")
    rita.take("easter")
    rita.ok("merge", "-q", "-m", "Catch up", "origin/main")
    rita.push("easter")
    eva = paper.clone("eva")
    eva.take("easter")
    eva.say("approve")
    assert eva.push("easter").code == 0
    pia.ok("pull", "-q")
    merge(pia, "easter")
    assert pia.git("push", "origin", "main").code == 0
    assert (paper.room.read("posts/a.md") or "").startswith("---\ntitle: A2\n")


def test_somebody_who_was_faster_makes_a_merge_wait(paper: Paper, pia: Clone) -> None:
    propose(paper, "easter")
    merge(pia, "easter")
    paper.room.repo.commit({"posts/b.md": "---\ntitle: B2\n---\n"})
    assert "fetch first" in pia.git("push", "origin", "main").output


def test_a_signed_verdict_is_the_signers_whoever_pushes_it(tmp_path: Path) -> None:
    key, stranger = SSHKey.make(tmp_path / "eva"), SSHKey.make(tmp_path / "stranger")
    mail = 'emails = ["eva@example.org"]'
    settings = FILES["cms.toml"].replace(mail, f'{mail}\nkeys = ["{key.line}"]')
    paper = Paper(tmp_path, files={**FILES, "cms.toml": settings})
    try:
        ola = paper.clone("ola")
        ola.write("posts/signed.md", NEW)
        eva = Clone(ola.folder, "eva")
        said = ("commit", "-q", "--allow-empty", "-S", "-m", "Fine", "--trailer", "Review: approve")
        for one in (stranger, key):
            eva.ok("-c", "gpg.format=ssh", "-c", f"user.signingKey={one.path}", *said)
            done = ola.push("signed")
            assert (done.code == 0) is (one is key), done.output
            if one is stranger:
                assert "would not count" in done.remarks[0]
                ola.ok("reset", "-q", "--hard", "HEAD~")
        assert paper.state("signed").entries[0].approvals == ("eva",)
    finally:
        paper.close()
