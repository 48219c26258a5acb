"""Pushing drafts: who may, what is said of it, and what is refused."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cms.errors import Conflict
from cms.workflow import pushed, room
from tests.editing.tools import FILES, PEOPLE, SETTINGS
from tests.githttp.paper import Clone, Paper

NEW = "---\ntitle: New\n---\nText.\n"
REFUSED = "Nothing was changed."


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Paper]:
    """One newsroom for all these tests, each of which has a draft of its own."""
    made = Paper(tmp_path_factory.mktemp("paper"))
    yield made
    made.close()


@pytest.fixture
def ola(paper: Paper) -> Clone:
    """A clone of a writer's."""
    return paper.clone("ola")


@pytest.fixture
def eva(paper: Paper) -> Clone:
    """A clone of one who is writer, reviewer and publisher."""
    return paper.clone("eva")


@pytest.fixture(autouse=True)
def nothing_but_what_is_accepted(paper: Paper) -> Iterator[None]:
    """After every test the log says the same as the refs."""
    yield
    told: dict[str, str | None] = {}
    for entry in paper.office.log.entries():
        told |= {move.ref: move.new for move in entry.moves}
    assert {ref: id for ref, id in told.items() if id is not None} == {
        ref: id for ref, id in paper.refs.items() if ref in told
    }


def test_a_writer_is_told_what_is_missing_who_can_give_it_and_what_to_do(paper: Paper, ola: Clone) -> None:
    new = ola.write("posts/told.md", NEW)
    done = ola.push("told")
    assert paper.refs["refs/heads/drafts/told"] == new
    assert done.remarks == [
        "drafts/told is not in review yet.",
        "  - posts/told.md needs 1 more approval by @editors: Eva Dahl or Rita Moe can give it",
        '  Ask for a review: git commit --allow-empty -m "Ready" --trailer "Review: request", and push again',
        "  See it: /api/v1/drafts/told",
    ]
    assert (paper.acts[-1], paper.office.log.entries()[-1].via) == (("push", "ola"), "git")


def test_a_review_is_asked_for_and_given_with_git_alone(paper: Paper, ola: Clone, eva: Clone) -> None:
    ola.write("posts/review.md", NEW)
    ola.say("request")
    assert ola.push("review").remarks[0] == "drafts/review is in review."
    eva.take("review")
    eva.say("changes", "Say who said so.")
    assert eva.push("review").remarks[:2] == [
        "drafts/review has to be changed first.",
        "  - Eva Dahl asked for changes (Say who said so.): Eva Dahl can approve or withdraw, or Mia Vik can lift that",
    ]
    eva.say("approve", "Better.")
    assert eva.push("review").remarks[:2] == [
        "drafts/review is approved.",
        "  Publish it: cms publish review; or on main git merge --no-ff origin/drafts/review, and push",
    ]
    assert paper.state("review").entries[0].approvals == ("eva",)


def test_all_errors_are_told_at_once_with_their_places(paper: Paper, ola: Clone) -> None:
    ola.write("posts/one.md", "---\ntitle: One\nnumber: many\n---\n")
    ola.write("posts/two.md", "---\ntitle: Two\nrelated: [nobody]\n---\n")
    done = ola.push("errors")
    assert done.code == 1
    assert done.remarks[0] == "error: drafts/errors: 2 errors to correct first:"
    assert done.remarks[1].startswith("  posts/one.md:3:9: number: ")
    assert done.remarks[2].startswith("  posts/two.md:3:11: related")
    assert done.remarks[3:] == [REFUSED]
    assert "refs/heads/drafts/errors" not in paper.refs


def test_of_sixty_errors_fifty_are_printed_and_ten_counted(ola: Clone) -> None:
    for number in range(60):
        (ola.folder / f"posts/bad-{number}.md").write_text("---\ntitle: ''\n---\n")
    ola.write("posts/good.md", NEW)
    done = ola.push("sixty")
    assert done.remarks[0] == "error: drafts/sixty: 60 errors to correct first:"
    assert sum(line.startswith("  posts/bad-") for line in done.remarks) == 50
    assert done.remarks[-2:] == ["  ... and 10 errors more", REFUSED]


def test_what_another_draft_adds_is_named_where_it_is_missed(ola: Clone) -> None:
    ola.write("posts/other.md", NEW)
    assert ola.push("other").code == 0
    ola.ok("reset", "-q", "--hard", "origin/main")
    ola.write("posts/referring.md", "---\ntitle: R\nrelated: [other]\n---\n")
    assert "other" in ola.push("referring").remarks[1]
    assert "draft" in ola.push("referring").remarks[1]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("cms.toml", SETTINGS + "[people", "cms.toml:9: "),
        ("cms.toml", SETTINGS + PEOPLE + "[[rules]]\napprovals = 1\nby = ['@nobody']\n", "nobody"),
        ("schemas/posts.yaml", "type: [\n", "schemas/posts.yaml:"),
        (
            "schemas/posts.yaml",
            FILES["schemas/posts.yaml"].replace("required: [title]", "required: [category]"),
            "posts/b.md:",
        ),
    ],
)
def test_a_draft_that_breaks_the_rules_or_a_schema_is_refused(
    paper: Paper, name: str, content: str, reason: str
) -> None:
    mia = paper.clone("mia")
    mia.write(name, content)
    done = mia.push("broken")
    assert done.code == 1
    assert reason in "\n".join(done.remarks)
    assert "refs/heads/drafts/broken" not in paper.refs


def test_a_symbolic_link_is_refused_also_when_a_later_commit_takes_it_out(ola: Clone) -> None:
    (ola.folder / "posts/link.md").symlink_to("/etc/passwd")
    ola.ok("add", "-A")
    ola.ok("commit", "-q", "-m", "Link")
    link = ola.ok("rev-parse", "--short=10", "HEAD")
    assert "posts/link.md: it is a symbolic link, which could lead anywhere" in ola.push("link").remarks[1]
    ola.write("posts/link.md", None)
    assert f"posts/link.md: in commit {link}: it is a symbolic link" in ola.push("link").remarks[1]


@pytest.mark.parametrize(
    ("ref", "told"),
    [
        ("refs/tags/v1", "error: v1: tags are not taken here: what was published when is told by the merges on main"),
        (
            "refs/heads/feature",
            "error: feature: only main and branches that begin with drafts/ are taken: git push origin HEAD:drafts/feature",
        ),
        ("refs/cms/other", "error: refs/cms/other: this is written by the server alone"),
        (
            "refs/notes/commits",
            "error: refs/notes/commits: only main and drafts can be pushed; notes, replacements and the like stay in your own clone",
        ),
        ("refs/heads/drafts/a/b", "error: drafts/a/b: the name of a draft has no slash: git push origin HEAD:drafts/b"),
        (
            "refs/meta/config",
            "error: refs/meta/config: only main and drafts can be pushed; notes, replacements and the like stay in your own clone",
        ),
        (
            "refs/heads/drafts/-x",
            "error: drafts/-x: '-x' cannot be the name of a draft: use up to 100 letters (a to z), digits, '.', '_' and '-', "
            "beginning with a letter or digit",
        ),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_no_other_ref_can_be_pushed_not_even_beside_one_that_can(
    paper: Paper, eva: Clone, ref: str, told: str, order: int
) -> None:
    before = paper.refs
    eva.write("posts/beside.md", NEW)
    pushed = [f"HEAD:{ref}", "HEAD:refs/heads/drafts/beside"][::order]
    for options in ([], ["--atomic"]):
        done = eva.git("push", *options, "origin", *pushed)
        assert done.code == 1
        assert told in done.remarks
    assert paper.refs == before


def test_a_name_that_is_not_utf8_is_refused(ola: Clone) -> None:
    ola.write("posts/bytes.md", NEW)
    done = ola.git("push", "origin", "HEAD:refs/heads/drafts/\udcff")
    assert "cannot be the name of a draft" in done.remarks[0]


def test_what_would_have_been_accepted_alone_is_named(ola: Clone) -> None:
    ola.write("posts/alone.md", NEW)
    good = ola.ok("rev-parse", "HEAD")
    ola.write("posts/alone.md", "---\n---\n")
    done = ola.git("push", "origin", f"{good}:refs/heads/drafts/good", "HEAD:refs/heads/drafts/bad")
    assert done.remarks[-1] == "Nothing was changed. drafts/good would have been accepted without the rest."


def test_somebody_elses_draft_is_for_reviewers_who_then_wrote_it(paper: Paper, ola: Clone, eva: Clone) -> None:
    ola.write("posts/theirs.md", NEW)
    ola.push("theirs")
    per = paper.clone("per")
    per.take("theirs")
    per.write("posts/theirs.md", NEW + "Per was here.\n")
    assert per.push("theirs").remarks[0] == (
        "error: drafts/theirs: writing in somebody else's draft needs the role reviewer for posts/theirs.md; ask Eva Dahl or Rita Moe"
    )
    eva.take("theirs")
    eva.write("posts/theirs.md", NEW + "Eva was here.\n")
    assert "  - posts/theirs.md needs 1 more approval by @editors: Rita Moe can give it" in eva.push("theirs").remarks


def test_nobody_approves_their_own_text(paper: Paper, eva: Clone) -> None:
    eva.write("posts/own.md", NEW)
    assert eva.push("own").code == 0
    eva.say("approve", "I like it")
    done = eva.push("own")
    assert done.remarks == [
        "error: drafts/own: approving needs somebody who had no hand in posts/own.md, and you had; ask Rita Moe",
        REFUSED,
    ]


@pytest.mark.parametrize(("who", "told"), [("author", "as its author"), ("committer", "as its committer")])
def test_a_verdict_in_somebody_elses_name_is_refused_and_the_advice_makes_it_ones_own(
    paper: Paper, eva: Clone, who: str, told: str
) -> None:
    rita = Clone(eva.folder, "rita") if who == "committer" else eva
    eva.write("posts/forged.md", NEW)
    rita.say("approve", "Fine", *(["--author", "Rita Moe <rita@example.org>"] if who == "author" else []))
    done = eva.push(f"forged-{who}")
    assert done.code == 1
    assert (
        f"would not count: Eva Dahl pushed it, but it names Rita <rita@example.org> {told}".replace(
            "Rita <", "Rita Moe <" if who == "author" else "Rita <"
        )
        in done.remarks[0]
    )
    advice = "git commit --amend --allow-empty --reset-author --no-edit"
    assert advice in done.remarks[0]
    eva.ok(*advice.split()[1:])
    assert "approving needs somebody who had no hand in posts/forged.md" in eva.push(f"forged-{who}").remarks[0]


def test_a_verdict_that_nobody_understands_is_refused_with_those_there_are(ola: Clone) -> None:
    ola.write("posts/typo.md", NEW)
    ola.say("aprove")
    assert (
        "'aprove' is no verdict; there are request, approve, changes, comment, withdraw, lift"
        in ola.push("typo").remarks[0]
    )


def test_a_verdict_beside_a_change_is_ignored_with_a_warning(paper: Paper, eva: Clone) -> None:
    eva.write("posts/mixed.md", NEW, "Write\n\nReview: approve")
    done = eva.push("mixed")
    assert done.code == 0
    assert done.remarks[0].startswith("warning: what commit ")
    assert "is ignored: it changes files too" in done.remarks[0]
    assert paper.state("mixed").entries[0].approvals == ()


def test_verdicts_that_come_along_from_another_draft_do_not_count_and_do_no_harm(
    paper: Paper, ola: Clone, eva: Clone
) -> None:
    ola.write("posts/first.md", NEW)
    ola.push("first")
    eva.take("first")
    eva.say("approve")
    eva.push("first")
    ola.take("first")
    done = ola.push("second")
    assert done.code == 0
    assert any(
        line.startswith("warning: commit ") and "was given on the draft 'first'" in line for line in done.remarks
    )
    assert paper.state("second").entries[0].approvals == ()


def test_only_who_began_a_draft_rewrites_or_deletes_it_and_nothing_is_lost(paper: Paper, ola: Clone) -> None:
    old = ola.write("posts/force.md", NEW)
    ola.push("force")
    per = paper.clone("per")
    per.take("force")
    per.ok("commit", "-q", "--amend", "-m", "Mine now")
    assert "rewriting this draft needs that it is your own" in per.push("force", "--force").remarks[0]
    assert "closing this draft needs that it is your own" in per.git("push", "origin", ":drafts/force").remarks[0]
    ola.ok("commit", "-q", "--amend", "-m", "Better said")
    assert any(line.startswith("drafts/force was rewritten.") for line in ola.push("force", "--force").remarks)
    assert ola.git("push", "origin", ":drafts/force").remarks[0].startswith("drafts/force is closed.")
    assert paper.refs[f"refs/cms/closed/force/{old}"] == old
    assert "refs/heads/drafts/force" not in paper.refs


def test_a_draft_without_the_history_of_the_site_is_refused(ola: Clone) -> None:
    ola.ok("checkout", "-q", "--orphan", "lonely")
    ola.ok("commit", "-q", "-m", "No parents")
    assert "it has no commit in common with main" in ola.push("lonely").remarks[0]


def test_names_that_differ_only_in_case_are_refused(ola: Clone) -> None:
    ola.write("posts/case.md", NEW)
    assert ola.push("Case").code == 0
    assert "there is a draft Case already, which differs only in case" in ola.push("case").remarks[0]


def test_a_tree_or_a_tag_is_no_draft(ola: Clone) -> None:
    ola.ok("tag", "-a", "-m", "x", "v1")
    assert ola.git("push", "origin", "v1:refs/heads/drafts/tag").code == 1


def test_a_message_without_end_is_refused(ola: Clone, tmp_path: Path) -> None:
    (tmp_path / "message").write_text("x" * 70_000)
    (ola.folder / "posts/long.md").write_text(NEW)
    ola.ok("add", "-A")
    ola.ok("commit", "-q", "-F", os.fspath(tmp_path / "message"))
    assert "is longer than 64 KB" in ola.push("long").remarks[0]


def test_a_token_does_by_git_no_more_than_its_scopes_allow(paper: Paper, ola: Clone) -> None:
    ola.write("posts/scoped.md", NEW)
    for scopes, told in (
        (["git.fetch"], "pushing to this repository needs a token with the scope git.push"),
        (["git.fetch", "git.push"], "beginning a draft needs a token with the scope draft.create"),
        (["git.fetch", "git.push", "draft.create"], "needs a token with the scope draft.write"),
    ):
        address = paper.server.address("ola", paper.token("ola", scopes))
        assert told in ola.git("push", address, "HEAD:refs/heads/drafts/scoped").output
    address = paper.server.address("ola", paper.token("ola", ["git.fetch", "git.push", "draft.create", "draft.write"]))
    assert ola.git("push", address, "HEAD:refs/heads/drafts/scoped").code == 0


def test_a_merge_of_what_is_published_into_a_draft_needs_no_right_to_what_others_wrote(
    paper: Paper, ola: Clone
) -> None:
    ola.write("posts/behind.md", NEW)
    ola.push("behind")
    paper.room.repo.commit({"cms.toml": FILES["cms.toml"] + "# changed by somebody else\n"})
    ola.ok("fetch", "-q")
    ola.ok("merge", "-q", "-m", "Catch up", "origin/main")
    assert ola.push("behind").code == 0


def test_a_push_is_bounded_in_refs_commits_and_drafts(
    paper: Paper, ola: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    ola.write("posts/many.md", NEW)
    many = [f"HEAD:refs/heads/drafts/many-{number}" for number in range(51)]
    assert (
        ola.git("push", "origin", *many).remarks[0]
        == "error: the push: at most 50 refs in one push; push them in parts"
    )
    monkeypatch.setattr(room, "OWN_DRAFTS_MOST", 0)
    assert "drafts, and 0 are possible; close some first: cms close NAME" in ola.push("many").remarks[0]
    monkeypatch.setattr(room, "DRAFTS_MOST", 1)
    assert "drafts, and 1 are possible; close some first: cms close NAME" in ola.push("many").remarks[0]
    monkeypatch.setattr(pushed, "COMMITS_MOST", 1)
    ola.write("posts/many.md", NEW + "More.\n")
    assert "new commits in one push; push them in parts" in ola.push("many").remarks[0]


def test_an_octopus_is_refused(ola: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushed, "PARENTS_MOST", 2)
    for name in ("one", "two"):
        ola.ok("checkout", "-q", "-b", name, "origin/main")
        ola.write(f"posts/{name}.md", NEW)
    ola.ok("checkout", "-q", "-b", "all", "origin/main")
    ola.ok("merge", "-q", "-m", "All at once", "one", "two")
    ola.write("posts/on-top.md", NEW)
    assert "merges 2 commits at once" not in ola.push("octopus").output
    monkeypatch.setattr(pushed, "PARENTS_MOST", 1)
    assert "merges 2 commits at once, at most 1 are taken" in ola.push("octopus-2").remarks[0]


def test_when_the_log_cannot_be_written_nothing_happens(
    paper: Paper, ola: Clone, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise Conflict("the log is signed with another key")

    ola.write("posts/unlogged.md", NEW)
    monkeypatch.setattr(paper.office.flow.log, "append", refuse)
    assert ola.push("unlogged").remarks == ["error: the log is signed with another key"]
    assert "refs/heads/drafts/unlogged" not in paper.refs
    monkeypatch.undo()
    assert ola.push("unlogged").code == 0
