"""Pushes to what nobody may move, or in company: other refs, the published branch by every way but a merge, several refs in one push."""

import subprocess
from collections.abc import Iterator

import pytest

from cms.refs import CommitId
from tests.attacks.press import DRAFTS, MAIN, Files, Press, text

EVERYBODY = ("ola", "eva", "pia", "mia", "robot")
OTHERS = (
    "refs/tags/main",
    "refs/tags/drafts/x",
    "refs/main",
    "refs/remotes/origin/main",
    "refs/heads/HEAD",
    "refs/heads/MAIN",
    "refs/heads/main/x",
    "refs/heads/drafts",
    "refs/heads/drafts/a/b",
    "refs/heads/other",
    "refs/notes/commits",
    "refs/replace/{main}",
    "refs/stash",
    "refs/meta/config",
    "refs/approvals/x",
    "refs/for/main",
    "refs/cms/log",
    "refs/cms/closed/x/{main}",
    "refs/cms/anything",
    "refs/bisect/bad",
    "refs/worktree/x",
)


@pytest.fixture(autouse=True)
def nothing_else_moved(press: Press) -> Iterator[None]:
    """There is nothing but drafts and the published branch, and the log goes on from where it was."""
    before = [entry.id for entry in press.office.log.entries()]
    yield
    assert {ref for ref in press.refs if not ref.startswith((DRAFTS, "refs/cms/closed/"))} == {MAIN}
    assert [entry.id for entry in press.office.log.entries()][: len(before)] == before
    assert press.room.repo.git("symbolic-ref", "HEAD") == MAIN


@pytest.mark.parametrize("by", EVERYBODY)
def test_no_other_ref_is_made_by_anybody(press: Press, by: str) -> None:
    hand, before = press.hand(by), press.refs
    new = hand.commit({"posts/r.md": text("R")}, [press.main])
    refs = [ref.format(main=press.main) for ref in OTHERS]
    done = hand.push(*(f"{new}:{ref}" for ref in refs), "--force")
    assert done.code != 0
    for ref in refs:  # each has its own reason
        assert f"error: {ref.removeprefix('refs/heads/').removeprefix('refs/tags/')}:" in done.remarks, ref
    assert hand.push(f"{new}:{refs[len(by)]}").code != 0
    assert press.refs == before


# -- the published branch ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("by", "options"),
    [("eva", ()), ("mia", ("--force",)), ("eva", ("-o", "ci.skip")), ("pia", ("--force", "--atomic"))],
)
def test_the_published_branch_is_not_deleted_rewound_or_rewritten(
    press: Press, by: str, options: tuple[str, ...]
) -> None:
    hand = press.hand(by)
    if press.main == press.room.first:
        press.draft("published-once")
        press.publish("published-once")
    beside = hand.commit({"posts/r.md": text("R")}, [press.room.first])
    for spec in (f":{MAIN}", f"{press.room.first}:{MAIN}", f"{beside}:{MAIN}"):
        flags = ("--push-option=ci.skip",) if "-o" in options else options
        assert hand.push(spec, *flags).code != 0, spec


@pytest.mark.parametrize(
    "how", ["fast-forward", "squash", "one more", "rebase", "swapped", "octopus", "itself", "fake", "stale", "cherry"]
)
def test_the_published_branch_takes_nothing_but_the_merge_of_a_draft(press: Press, how: str) -> None:
    name, pia = f"way-{how.replace(' ', '-')}", press.hand("pia")
    head, main = press.draft(name), press.main
    merged = pia.merged(head)
    tree = pia.tree_of(merged)
    raw = pia.raw_of(pia.commit_tree(tree, [main], "Squash"))
    made = {
        "fast-forward": head,
        "squash": pia.commit_tree(tree, [main], "Squash"),
        "one more": pia.commit({"posts/x.md": text("X")}, [merged]),
        "rebase": pia.commit_tree(tree, [main], "Rebased"),
        "swapped": pia.commit_tree(tree, [head, main], "Merge"),
        "octopus": pia.commit_tree(tree, [main, head, press.room.first], "Merge"),
        "itself": pia.commit_tree(tree, [main, main], "Merge"),
        "fake": pia.raw("commit", raw.replace(b"\n\n", b"\nparent " + head.encode() + b"\n\n", 1)),
        "stale": pia.commit_tree(tree, [press.room.first, head], "Merge"),
        "cherry": pia.commit({f"posts/{name}.md": text(name)}, [main], author="ola"),
    }[how]
    assert pia.push(f"{made}:{MAIN}").code != 0
    assert pia.push(f"{made}:{MAIN}", f"{made}:{DRAFTS}{name}").code != 0
    assert press.heads[name] == head


EVIL: dict[str, Files] = {
    "extra": {"posts/extra.md": text("Extra")},
    "changed": {"posts/b.md": text("B")},
    "deleted": {"posts/b.md": None},
    "rules": {"cms.toml": "# none\n"},
    "schema": {"schemas/posts.yaml": "type: object\n"},
    "reworded": {"posts/evil.md": text("Reworded")},
    "elsewhere": {"README": "hello\n"},
}


@pytest.mark.parametrize("what", EVIL)
def test_a_merge_by_hand_slips_nothing_in(press: Press, what: str) -> None:
    if "evil" not in press.heads:
        press.draft("evil")
    for by in ("pia", "eva"):
        done = press.hand(by).merge("evil", EVIL[what])
        assert "is not the merge that publishing evil makes" in done.remarks, done.output


def test_a_merge_of_what_was_approved_and_then_changed_is_refused(press: Press) -> None:
    approved = press.draft("moved-on")
    press.write("moved-on", {"posts/moved-on.md": text("Worse")})
    pia = press.hand("pia")
    assert pia.push(f"{pia.merged(approved)}:{MAIN}").code != 0
    assert pia.push(f"{pia.merged(approved)}:{MAIN}", f"{approved}:{DRAFTS}mine").code != 0


@pytest.mark.parametrize("by", ["ola", "rita", "mia", "robot"])
def test_who_does_not_publish_does_not_by_merging_either(press: Press, by: str) -> None:
    if "not-theirs" not in press.heads:
        press.draft("not-theirs")
    assert press.hand(by).merge("not-theirs").code != 0
    assert press.ask("POST", "/drafts/not-theirs/publication", by).status_code == 403


# -- several refs in one push (APR-14) ------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [(), ("--atomic",)])
@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize("other", [MAIN, "refs/tags/t", "refs/cms/log", f"{DRAFTS}pers", "refs/heads/x"])
def test_what_is_allowed_is_not_a_pass_for_what_is_not(
    press: Press, options: tuple[str, ...], is_first: bool, other: str
) -> None:
    if "pers" not in press.heads:
        press.draft("pers", by="per")
    ola, before = press.hand("ola"), press.refs
    new = ola.commit({"posts/two.md": text("Two")}, [press.main])
    specs = [f"{new}:{DRAFTS}allowed", f"+{new}:{other}"]
    done = ola.push(*(specs if is_first else specs[::-1]), *options)
    assert done.code != 0
    assert press.refs == before


def test_a_push_that_publishes_and_breaks_a_rule_elsewhere_publishes_nothing(press: Press) -> None:
    press.draft("with-others")
    press.draft("rulebreaker", approve="", by="per")
    pia, before = press.hand("pia"), press.refs
    merged = pia.merged(press.heads["with-others"])
    for other in (
        f"{merged}:{DRAFTS}mine/not",
        f":{DRAFTS}rulebreaker",
        f"+{press.main}:{DRAFTS}rulebreaker",
        f"{merged}:refs/tags/t",
    ):
        for specs in ([f"{merged}:{MAIN}", other], [other, f"{merged}:{MAIN}"]):
            assert pia.push(*specs).code != 0
    assert press.refs == before


def test_two_merges_in_one_push_are_both_judged_and_the_second_by_what_the_first_made(press: Press) -> None:
    fine, bad = press.draft("step-one"), press.draft("step-two", approve="")
    pia, before = press.hand("pia"), press.refs
    one = pia.merged(fine)
    tree = pia.git("merge-tree", "--write-tree", one, bad).output.splitlines()[0]
    assert pia.push(f"{pia.commit_tree(tree, [one, bad], 'Merge')}:{MAIN}").code != 0
    assert press.refs == before


# -- names ---------------------------------------------------------------------------------------------------------------

NAMES = [
    b"refs/heads/drafts/x.lock",
    b"refs/heads/drafts/a..b",
    b"refs/heads/drafts/a~1",
    b"refs/heads/drafts/@{u}",
    b"refs/heads/drafts/.hidden",
    b"refs/heads/drafts/-O",
    b"refs/heads/drafts/$(id)",
    b"refs/heads/drafts/a'b",
    b'refs/heads/drafts/a"b',
    b"refs/heads/drafts/\xff\xfe",
    b"refs/heads/drafts/\xc3\xa6",
    b"refs/heads/drafts/\xe2\x80\xae",
    b"refs/heads/drafts/\x1b[31m",
    b"refs/heads/drafts/" + b"n" * 4_000,
    b"refs/heads/drafts/../main",
    b"refs/heads/drafts//x",
    b"refs/heads/drafts/",
    b"HEAD",
    b"main",
    b"",
    b"refs/heads/drafts/a b",
    b"../../config",
    b"refs/heads/main\nrefs/heads/drafts/x",
]


@pytest.mark.parametrize("name", NAMES, ids=[str(number) for number in range(len(NAMES))])
def test_a_name_that_git_itself_would_not_send_is_refused_and_leaves_nothing(press: Press, name: bytes) -> None:
    before, old = press.refs, b"0" * 40
    answer = send_commands(press, [(old, press.main.encode(), name)])
    assert b"unpack ok\n" not in answer or b"ng " in answer, answer
    assert press.refs == before
    assert not list(press.room.repo.path.glob("refs/**/*lock*"))


def test_a_draft_is_not_named_like_another_but_for_case(press: Press) -> None:
    press.draft("Twin", approve="")
    ola = press.hand("ola")
    assert "differs only in case" in ola.is_refused("tWIN", ola.commit({"posts/t.md": text("T")}, [press.main]))
    assert press.ask("POST", "/drafts", "ola", {"name": "twiN"}).status_code == 409


def test_a_ref_twice_in_one_push_is_refused(press: Press) -> None:
    before, old = press.refs, b"0" * 40
    ref = f"{DRAFTS}twice".encode()
    send_commands(press, [(old, press.main.encode(), ref), (old, press.room.first.encode(), ref)])
    assert press.refs == before


@pytest.mark.parametrize(
    "ability", [b"push-options", b"atomic", b"object-format=sha256", b"quiet agent=x session-id=y", b"side-band", b""]
)
def test_what_a_client_says_it_can_do_changes_no_rule(press: Press, ability: bytes) -> None:
    before, new = press.refs, press.hand("ola").commit({"posts/a.md": text("A")}, [press.main])
    pack = pack_of(press, new)
    send_commands(press, [(press.main.encode(), new.encode(), MAIN.encode())], b"report-status " + ability, pack)
    send_commands(press, [(press.main.encode(), b"0" * 40, MAIN.encode())], b"report-status delete-refs " + ability)
    assert press.refs == before


def pack_of(press: Press, commit: CommitId) -> bytes:
    """A pack with a commit that the server does not have."""
    folder = press.hand("ola").folder
    wanted = f"{commit}\n^{press.main}\n".encode()
    command = ["git", "pack-objects", "--revs", "--stdout", "-q"]
    done = subprocess.run(command, cwd=folder, input=wanted, capture_output=True, check=True)
    return bytes(done.stdout)


def send_commands(
    press: Press,
    commands: list[tuple[bytes, bytes, bytes]],
    abilities: bytes = b"report-status",
    pack: bytes | None = None,
) -> bytes:
    """Send a push as no client of Git's would; the answer, or the reason why there is none."""
    empty = bytes.fromhex("5041434b0000000200000000029d08823bd8a8eab510ad6ac75c823cfd3ed31e")
    lines = [b" ".join(command) for command in commands]
    lines[0] += b"\0" + abilities
    body = b"".join(b"%04x%b" % (len(line) + 4, line) for line in lines) + b"0000" + (empty if pack is None else pack)
    answer = press.ask(
        "POST", "/git/site.git/git-receive-pack", "ola", body, Content_Type="application/x-git-receive-pack-request"
    )
    return answer.content
