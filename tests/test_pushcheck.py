"""Pushes to a host that is not ours: real hooks in real repositories, and everything that they must not let in."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import typer

from cms.cli.exits import Refused
from cms.cli.pushcheck import check_leaving, check_received, read_asked, read_input
from cms.errors import InvalidSettings, RepositoryProblem
from tests.githttp.paper import Paper
from tests.hosts import MAIN, NEW, NOTHING, Clone, Host, propose, run, write_hook
from tests.repo import Repo

DRAFT = "refs/heads/drafts/easter"
REFUSED = "Nothing was changed."
Ask = Callable[..., tuple[bool, str]]


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """The host of the newsroom, without hooks yet."""
    return Host.create(tmp_path)


@pytest.fixture
def ask(host: Host, capsys: pytest.CaptureFixture[str]) -> Ask:
    """Asks about a push whose objects are in the repository already: (whether it is accepted, what is told)."""

    def answer(
        ref: str, new: str, person: str = "ola", *, pairs: tuple[str, ...] = (), left: tuple[str, ...] = ()
    ) -> tuple[bool, str]:
        line = f"{host.refs.get(ref, NOTHING)} {new} {ref}"
        capsys.readouterr()
        try:
            check_received(host.repo.path, [line], read_asked(person, pairs, left))
        except typer.Exit:
            return False, capsys.readouterr().err
        return True, capsys.readouterr().err

    return answer


def bring(host: Host, clone: Clone, commit: str = "HEAD") -> str:
    """Let the host have a commit that no branch of it leads to, as a push that was refused elsewhere may."""
    assert clone.git("push", "origin", f"{commit}:refs/test/brought").code == 0
    new = clone.ok("rev-parse", commit)
    host.repo.git("update-ref", "-d", "refs/test/brought")
    return new


# -- real hooks ----------------------------------------------------------------------------------------------------


def test_a_writer_reads_what_is_missing_and_how_to_ask_for_a_review(host: Host) -> None:
    host.put_hook()
    ola = host.clone("ola", signs=False)
    new = ola.write("posts/easter.md", NEW)
    done = ola.push()
    assert done.code == 0
    assert done.remarks == [
        "drafts/easter is not in review yet.",
        "  - posts/easter.md needs 1 more approval by @editors: Eva Dahl or Rita Moe can give it",
        '  Ask for a review: git commit -S --allow-empty -m "Ready" --trailer "Review: request" --trailer "Draft: easter", and push again',
    ]
    assert host.refs[DRAFT] == new


def test_invalid_content_is_refused_with_its_place_and_leaves_nothing_behind(host: Host) -> None:
    host.put_hook()
    ola = host.clone("ola")
    new = ola.write("posts/easter.md", "---\ntitle: Easter\nrelated: [nothing]\n---\n")
    done = ola.push()
    assert "pre-receive hook declined" in done.output
    assert done.remarks == [
        "error: drafts/easter: 1 error to correct first:",
        "  posts/easter.md:3:11: related.0: there is no 'nothing' in posts (correct the reference, or add the entry)",
        REFUSED,
    ]
    assert list(host.refs) == [MAIN]
    assert not host.has(new)


@pytest.mark.parametrize("hook", ["pre-receive", "update"])
def test_a_symbolic_link_is_refused_also_when_a_later_commit_takes_it_out(host: Host, hook: str) -> None:
    host.put_hook(*(('--update "$@" --pusher "$PUSHER"', "update") if hook == "update" else ()))
    ola = host.clone("ola")
    link = ola.link("posts/l.md")
    ola.ok("rm", "-q", "posts/l.md")
    ola.write("posts/easter.md", NEW)
    done = ola.push()
    assert f"{hook} hook declined" in done.output or "hook declined" in done.output
    assert f"posts/l.md: in commit {link[:10]}: " in "\n".join(done.remarks)
    assert list(host.refs) == [MAIN]


def test_an_approval_counts_when_it_is_signed(host: Host) -> None:
    propose(host)
    host.put_hook()
    rita = host.clone("rita")
    rita.take()
    rita.say("approve")
    done = rita.push()
    assert done.code == 0, done.output
    assert done.remarks == ["drafts/easter is approved.", "  Eva Dahl or Pia Berg can publish it"]


def test_an_approval_that_is_not_signed_is_refused_with_what_to_do(host: Host) -> None:
    head = propose(host)
    host.put_hook()
    rita = host.clone("rita", signs=False)
    rita.take()
    rita.say("approve")
    told = rita.push().remarks
    assert "would not count: nobody vouches for it: it is not signed" in told[0]
    assert "sign it with a key that cms.toml lists for you: git commit --amend --allow-empty" in told[0]
    assert told[1:] == [REFUSED]
    assert host.refs[DRAFT] == head


def test_a_merge_by_hand_is_taken_when_the_draft_was_approved_by_signature(host: Host) -> None:
    propose(host, ("rita", "approve"))
    host.put_hook()
    pia = host.clone("pia", signs=False)
    new = pia.merge()
    done = pia.git("push", "origin", "main")
    assert done.code == 0, done.output
    assert done.remarks == ["drafts/easter is published:", "  posts/easter.md (added, approved by rita)"]
    assert host.refs[MAIN] == new


def test_a_merge_of_what_nobody_approved_by_signature_is_refused(host: Host) -> None:
    before = propose(host)
    rita = host.clone("rita", signs=False)
    rita.take()
    rita.say("approve")
    assert rita.push().code == 0  # there is no hook yet: it is there, and counts for nothing
    host.put_hook()
    pia = host.clone("pia")
    pia.merge()
    assert pia.git("push", "origin", "main").remarks == [
        "error: main: drafts/easter cannot be published yet:",
        "  - posts/easter.md needs 1 more approval by @editors: Eva Dahl or Rita Moe can give it",
        REFUSED,
    ]
    assert host.refs[DRAFT] != before


def test_what_is_published_cannot_be_deleted(host: Host) -> None:
    host.put_hook()
    host.repo.git("config", "receive.denyDeleteCurrent", "ignore")
    done = host.clone("pia").git("push", "origin", ":main")
    assert done.remarks == ["error: main: it is what is published, and cannot be deleted", REFUSED]
    assert MAIN in host.refs


def test_where_nothing_says_who_pushes_whoever_signed_everything_does(host: Host) -> None:
    host.put_hook("--push")
    unsigned, signed = host.clone("ola", signs=False), host.clone("ola")
    unsigned.write("posts/easter.md", NEW)
    told = unsigned.push().remarks
    assert told[0].startswith("error: drafts/easter: beginning a draft is not allowed: '?' is not listed in [people]")
    assert told[-1].startswith("It is not known here who pushes")
    signed.write("posts/easter.md", NEW)
    assert signed.push().code == 0


def test_without_people_in_cms_toml_only_content_is_judged(tmp_path: Path) -> None:
    host = Host.create(tmp_path, PLAIN)
    host.put_hook()
    ola = host.clone("ola")
    ola.write("posts/b.md", NEW)
    assert ola.git("push", "origin", "main", "HEAD:refs/tags/v1").code == 0
    ola.write("posts/c.md", "---\nauthor: Ola\n---\n")
    done = ola.git("push", "origin", "main")
    assert done.remarks[:1] == ["error: main: 1 error to correct first:"]
    assert "posts/c.md" in done.remarks[1]


PLAIN = {"schemas/posts.yaml": "x-path: posts/{slug}.md\ntype: object\nrequired: [title]\n", "posts/a.md": NEW}


@pytest.fixture
def plain(tmp_path: Path) -> Host:
    """The host of a site that names no people."""
    return Host.create(tmp_path / "plain", PLAIN)


def ask_plain(host: Host, ref: str, new: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What is told of a push to a site without people; empty when it is accepted without a word."""
    line = f"{host.refs.get(ref, NOTHING)} {new} {ref}"
    with suppress(typer.Exit):
        check_received(host.repo.path, [line], read_asked("", [], []))
    return capsys.readouterr().err


def test_without_people_the_published_branch_cannot_be_deleted_and_holds_commits(
    plain: Host, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = plain.repo.git("rev-parse", "main^{tree}")
    assert "cannot be deleted" in ask_plain(plain, MAIN, NOTHING, capsys)
    assert "this is no commit" in ask_plain(plain, MAIN, tree, capsys)
    assert ask_plain(plain, DRAFT, NOTHING, capsys) == ""


def test_without_people_every_commit_on_the_way_is_judged(plain: Host, capsys: pytest.CaptureFixture[str]) -> None:
    ola = plain.clone("ola")
    link = ola.link("posts/l.md")
    ola.ok("rm", "-q", "posts/l.md")
    ola.write("posts/b.md", NEW)
    assert f"posts/l.md: in commit {link[:10]}: " in ask_plain(plain, MAIN, bring(plain, ola), capsys)


def test_more_commits_than_can_be_looked_at_are_refused(
    plain: Host, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cms.workflow.hosted.COMMITS_MOST", 1)
    ola = plain.clone("ola")
    ola.write("posts/b.md", NEW)
    ola.write("posts/c.md", NEW)
    assert "more than 1 new commits in one push" in ask_plain(plain, MAIN, bring(plain, ola), capsys)


def test_the_first_push_to_an_empty_host_brings_its_history_as_it_was(tmp_path: Path) -> None:
    host = Host(tmp_path, Repo.create(tmp_path / "host.git"))
    host.put_hook("--push")
    ola = Clone(tmp_path / "ola", "ola")
    run(tmp_path, ("init", "-q", "-b", "main", "ola"), "ola")
    ola.ok("remote", "add", "origin", str(host.repo.path))
    ola.link("posts-of-old.md")
    ola.ok("rm", "-q", "posts-of-old.md")
    for path, text in PLAIN.items():
        ola.write(path, text)
    ola.write("posts/b.md", "---\nauthor: Ola\n---\n")
    assert "posts/b.md" in ola.git("push", "origin", "main").remarks[1]
    ola.write("posts/b.md", NEW)
    assert ola.git("push", "origin", "main").code == 0


def test_a_commit_that_cannot_be_followed_is_refused(host: Host, ask: Ask) -> None:
    tree, who = host.repo.git("rev-parse", "main^{tree}"), "Ola <ola@example.org> 1700000000 +0000"
    text = f"tree {tree}\nparent {'1' * 40}\nauthor {who}\ncommitter {who}\n\nLost\n"
    new = host.repo.git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", stdin=text.encode())
    with pytest.raises(RepositoryProblem, match="is missing"):
        ask(DRAFT, new)


def test_a_hook_that_cannot_do_its_work_refuses(host: Host) -> None:
    host.repo.commit({"cms.toml": "[people.ola]\nnam = 'Ola'\n"})
    host.put_hook()
    ola = host.clone("ola")
    ola.write("posts/easter.md", NEW)
    done = ola.push()
    assert done.code == 1
    assert "cms.toml" in done.remarks[0]
    assert list(host.refs) == [MAIN]


# -- who pushes ----------------------------------------------------------------------------------------------------


def test_people_are_known_by_id_and_address_or_by_what_the_host_calls_them_alone(host: Host, ask: Ask) -> None:
    ola = host.clone("ola")
    ola.write("posts/easter.md", NEW)
    new = bring(host, ola)
    assert ask(DRAFT, new, "ola")[0]
    assert ask(DRAFT, new, "Ola@Example.org")[0]
    assert ask(DRAFT, new, "olan", pairs=("olan=ola",))[0]
    for name, pairs in (("somebody", ()), ("ola", ("olan=ola",)), ("olan", ("olan=nobody",))):
        accepted, told = ask(DRAFT, new, name, pairs=pairs)
        assert not accepted
        assert "It is not known here who pushes" in told


def test_a_pair_that_is_none_is_refused() -> None:
    with pytest.raises(Refused, match="--map 'olan' must be what the host calls somebody"):
        read_asked("", ["olan"], [])


def test_rights_are_those_of_who_pushes(host: Host, ask: Ask) -> None:
    mia = host.clone("mia")
    mia.write("posts/easter.md", NEW)
    accepted, told = ask(DRAFT, bring(host, mia), "mia")
    assert not accepted
    assert "beginning a draft needs the role writer, reviewer or publisher for posts/easter.md" in told


def test_signed_verdicts_of_several_people_need_nobody_to_push_them(host: Host, ask: Ask) -> None:
    propose(host)
    rita, eva = host.clone("rita"), host.clone("eva")
    rita.take()
    rita.say("approve")
    eva.ok("pull", "-q", str(rita.folder), "easter:easter")
    eva.ok("checkout", "-q", "easter")
    eva.say("approve")
    accepted, told = ask(DRAFT, bring(host, eva), "")
    assert accepted, told
    assert "drafts/easter is approved." in told


# -- what a log would remember -------------------------------------------------------------------------------------


def test_a_change_in_somebody_elses_name_is_refused_unless_they_signed_it(host: Host, ask: Ask) -> None:
    """Or a reviewer could push a text as somebody else's, and approve it."""
    eva, ola = host.clone("eva", signs=False), host.clone("ola")
    forged = ("-c", "user.name=Ola", "-c", "user.email=ola@example.org")
    (eva.folder / "posts/easter.md").write_text(NEW)
    eva.ok("add", "-A")
    tree = eva.ok("write-tree")
    names = {f"GIT_{role}_EMAIL": "ola@example.org" for role in ("AUTHOR", "COMMITTER")}
    commit = eva.git(*forged, "commit-tree", tree, "-p", "HEAD", "-m", "Write", **names).output.strip()
    accepted, told = ask(DRAFT, bring(host, eva, commit), "eva")
    assert not accepted
    assert "names Eva <ola@example.org>, and Eva Dahl pushes it; who pushes a change must be named in it" in told
    ola.write("posts/easter.md", NEW)
    assert ask(DRAFT, bring(host, ola), "eva")[0]


def test_a_verdict_must_name_its_draft(host: Host, ask: Ask) -> None:
    propose(host)
    rita = host.clone("rita")
    rita.take()
    rita.say("approve", "")
    accepted, told = ask(DRAFT, bring(host, rita), "rita")
    assert not accepted
    assert "does not say about which draft it is" in told
    assert '--trailer "Draft: easter"' in told


def test_a_verdict_about_another_draft_does_not_count(host: Host, ask: Ask) -> None:
    head = propose(host, ("rita", "approve"))
    accepted, told = ask("refs/heads/drafts/other", head, "ola")
    assert accepted, told
    assert "does not count here: it is about the draft 'easter'" in told
    assert "drafts/other is not in review yet." in told


@pytest.mark.parametrize("verdict", ["changes", "withdraw"])
def test_nobody_rewrites_or_deletes_what_somebody_has_against_a_draft(host: Host, ask: Ask, verdict: str) -> None:
    propose(host, ("rita", "approve"), ("rita", verdict))
    ola = host.clone("ola")
    ola.take()
    ola.ok("reset", "-q", "--hard", "HEAD~1")
    for new in (bring(host, ola), NOTHING):
        accepted, told = ask(DRAFT, new, "ola")
        assert not accepted
        assert "this would take out of the draft what Rita Moe said" in told
    ola.ok("checkout", "-q", "--detach", "origin/drafts/easter")
    ola.write("posts/easter.md", NEW + "More.\n")
    assert ask(DRAFT, bring(host, ola), "ola")[0]


def test_who_wrote_the_oldest_commit_began_the_draft(host: Host, ask: Ask) -> None:
    propose(host)
    per = host.clone("per")
    per.take()
    per.write("posts/easter.md", NEW + "Per's.\n")
    accepted, told = ask(DRAFT, bring(host, per), "per")
    assert not accepted
    assert "somebody else's draft" in told
    assert not ask(DRAFT, NOTHING, "per")[0]
    assert ask(DRAFT, NOTHING, "ola")[0]


def test_a_draft_that_is_published_is_for_everybody_to_delete(host: Host, ask: Ask) -> None:
    head = propose(host)
    host.repo.git("update-ref", MAIN, head)
    assert ask(DRAFT, NOTHING, "per")[0]


def test_that_the_host_has_an_object_does_not_make_it_known(host: Host, ask: Ask) -> None:
    """A fork shares its objects with the repository that it is a fork of."""
    ola = host.clone("ola")
    ola.link("posts/l.md")
    ola.ok("rm", "-q", "posts/l.md")
    ola.write("posts/easter.md", NEW)
    new = bring(host, ola)
    assert host.has(new)
    accepted, told = ask(DRAFT, new)
    assert not accepted
    assert "posts/l.md" in told


def test_a_log_that_somebody_put_there_is_not_believed(host: Host, ask: Ask) -> None:
    propose(host)
    rita = host.clone("rita", signs=False)
    rita.take()
    head = rita.say("approve")
    rita.push()
    entry = f"push by rita\n\nAct: push\nActed-by: rita\nVia: git\nRef: {DRAFT} {NOTHING} {head}\n"
    tree = host.repo.git("mktree")
    log = host.keys["rita"].commit(host.repo, tree, "-m", f"{entry}Server-Key: {host.keys['rita'].line}\n")
    host.repo.git("update-ref", "refs/cms/log", log)
    pia = host.clone("pia")
    accepted, told = ask(MAIN, bring(host, pia, pia.merge()), "pia")
    assert not accepted
    assert "needs 1 more approval" in told


# -- refs, findings, input -----------------------------------------------------------------------------------------


def test_other_refs_are_refused_unless_they_are_the_hosts_own(host: Host, ask: Ask) -> None:
    main = host.refs[MAIN]
    assert "tags are not taken here" in ask("refs/tags/v1", main)[1]
    assert "written by the server alone" in ask("refs/cms/log", main)[1]
    assert not ask("refs/pull/1/head", main)[0]
    assert ask("refs/pull/1/head", main, left=("refs/pull/",))[0]
    assert not ask(MAIN, NOTHING, left=("refs/heads/",))[0]


def test_of_sixty_errors_fifty_are_told_and_ten_counted(host: Host, ask: Ask) -> None:
    ola = host.clone("ola")
    for number in range(60):
        (ola.folder / "posts" / f"e{number}.md").write_text("---\nnumber: 1\n---\n")
    ola.ok("add", "-A")
    ola.ok("commit", "-q", "-m", "Many")
    accepted, told = ask(DRAFT, bring(host, ola))
    assert not accepted
    assert told.count("  posts/e") == 50
    assert "  ... and 10 errors more" in told


@pytest.mark.parametrize(
    "line", ["", "hello", "abc def refs/heads/main", f"{NOTHING} {NOTHING} main", f"{NOTHING} {NOTHING}"]
)
def test_what_is_no_push_is_refused(host: Host, line: str) -> None:
    with pytest.raises(Refused, match="is not what Git hands to a hook"):
        check_received(host.repo.path, [line], read_asked("ola", [], []))


def test_a_repository_whose_head_names_no_branch_is_refused(host: Host) -> None:
    host.repo.commit({"cms.toml": "[site]\ntitle = 'X'\n"})
    host.repo.git("update-ref", "--no-deref", "HEAD", host.refs[MAIN])
    with pytest.raises(Refused, match="HEAD names no branch"):
        check_received(host.repo.path, [f"{NOTHING} {host.refs[MAIN]} {DRAFT}"], read_asked("ola", [], []))


def test_rules_that_cannot_be_read_let_nothing_in(host: Host) -> None:
    new = host.repo.commit({"cms.toml": "[people.ola]\nnam = 'Ola'\n"})
    with pytest.raises(InvalidSettings, match="nam"):
        check_received(host.repo.path, [f"{NOTHING} {new} {DRAFT}"], read_asked("ola", [], []))


# -- before a push leaves a clone ----------------------------------------------------------------------------------


def guard(clone: Clone, options: str = "") -> None:
    write_hook(clone.folder / ".git/hooks/pre-push", f'exec cms check --pre-push "$@" {options}')


def test_a_clone_refuses_what_the_other_side_would_and_sends_nothing(host: Host) -> None:
    ola = host.clone("ola")
    ola.ok("config", "user.email", "ola@example.org")
    guard(ola)
    ola.write("posts/easter.md", "---\ntitle: Easter\nrelated: [nothing]\n---\n")
    done = ola.push()
    assert done.code != 0
    assert "posts/easter.md:3:11: related.0: there is no 'nothing' in posts" in done.output
    assert "git push --no-verify" in done.output
    assert list(host.refs) == [MAIN]
    ola.write("posts/easter.md", NEW, "Write", "--amend")
    assert ola.push().code == 0
    assert DRAFT in host.refs


@pytest.fixture
def leave(host: Host, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[bool, str]]:
    """Asks as the hook of a clone does: (whether it is accepted, what is told)."""

    def answer(clone: Clone, ref: str, new: str, *, url: str = "", person: str = "") -> tuple[bool, str]:
        clone.ok("config", "user.email", f"{clone.person}@example.org")
        line = f"HEAD {new} {ref} {host.refs.get(ref, NOTHING)}"
        capsys.readouterr()
        try:
            check_leaving(clone.folder, "origin", url or str(host.repo.path), [line], read_asked(person, [], []))
        except typer.Exit:
            return False, capsys.readouterr().err
        return True, capsys.readouterr().err

    return answer


def test_a_clone_judges_merges_by_what_the_other_side_has_and_not_by_its_own_branches(host: Host, leave: Ask) -> None:
    propose(host, ("rita", "approve"))
    pia = host.clone("pia")
    new = pia.merge()
    accepted, told = leave(pia, MAIN, new)
    assert accepted, told
    assert "drafts/easter is published" in told
    other = pia.write("posts/b.md", NEW)
    accepted, told = leave(pia, MAIN, other)
    assert not accepted
    assert "was made on main" in told


def test_a_clone_finds_verdicts_that_would_not_count(host: Host, leave: Ask) -> None:
    propose(host)
    rita = host.clone("rita", signs=False)
    rita.take()
    head = rita.say("approve")
    assert "it is not signed" in leave(rita, DRAFT, head)[1]
    accepted, told = leave(rita, DRAFT, head, url="https://cms.example.org/git/site.git")
    assert accepted, told
    assert "drafts/easter is approved" in told


def test_a_clone_of_a_server_says_that_it_needs_the_log_to_judge_a_merge(host: Host, leave: Ask) -> None:
    propose(host)
    pia = host.clone("pia")
    accepted, told = leave(pia, MAIN, pia.merge(), url="https://cms.example.org/git/site.git")
    assert accepted
    assert "git fetch origin refs/cms/log:refs/cms/log" in told


@pytest.fixture
def paper(tmp_path: Path) -> Iterator[Paper]:
    """A newsroom with a server."""
    made = Paper(tmp_path)
    yield made
    made.close()


def test_a_clone_with_the_log_finds_what_the_server_finds(paper: Paper, capsys: pytest.CaptureFixture[str]) -> None:
    ola, rita, pia = (paper.clone(person) for person in ("ola", "rita", "pia"))
    ola.write("posts/easter.md", NEW)
    assert ola.push("easter").code == 0
    rita.take("easter")
    rita.say("approve")
    assert rita.push("easter").code == 0
    pia.ok("config", "user.email", "pia@example.org")
    pia.ok("fetch", "-q", "origin", "+refs/heads/*:refs/remotes/origin/*", "refs/cms/log:refs/cms/log")
    pia.ok("merge", "-q", "--no-ff", "-m", "Merge easter", "origin/drafts/easter")
    new, url = pia.ok("rev-parse", "HEAD"), pia.ok("remote", "get-url", "origin")
    line = f"HEAD {new} {MAIN} {paper.refs[MAIN]}"
    check_leaving(pia.folder, "origin", url, [line], read_asked("", [], []))
    assert capsys.readouterr().err.splitlines() == pia.git("push", "origin", "main").remarks


def test_a_clone_that_does_not_know_the_other_side_lets_it_decide(host: Host, leave: Ask) -> None:
    pia = host.clone("pia")
    host.repo.commit({"posts/b.md": NEW})
    accepted, told = leave(pia, MAIN, pia.head)
    assert accepted
    assert "what origin has was not fetched" in told


def test_a_clone_asks_the_branch_that_the_site_names(host: Host, leave: Ask) -> None:
    host.repo.git("branch", "live", "main")
    settings = host.repo.git("show", "main:cms.toml").replace('branch = "main"', 'branch = "live"')
    host.repo.commit({"cms.toml": settings + "\n"})
    pia = host.clone("pia")
    assert "only live and branches that begin with drafts/ are taken" in leave(pia, MAIN, pia.head)[1]


def test_a_clone_lets_a_remote_without_branches_decide(host: Host, leave: Ask) -> None:
    pia = host.clone("pia")
    pia.ok("remote", "rename", "origin", "other")
    accepted, told = leave(pia, MAIN, pia.head)
    assert accepted
    assert "what origin has was not fetched" in told


def test_a_person_who_types_the_command_is_told_that_git_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    with pytest.raises(Refused, match="this is for Git to ask"):
        read_input()


def test_somebody_whom_cms_toml_does_not_know_is_told_before_the_push(host: Host, leave: Ask) -> None:
    guest = host.clone("guest")
    new = guest.write("posts/easter.md", NEW)
    with pytest.raises(Refused, match=r"nobody in cms\.toml has the e-mail"):
        leave(guest, DRAFT, new)
