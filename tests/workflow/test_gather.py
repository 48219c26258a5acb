"""Facts from real repositories: stock Git's commits and signatures, merges of real entries, the log, and what is remembered."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cms.errors import Conflict
from cms.finding import Finding
from cms.merge import Merge
from cms.people import read_policy
from cms.pushlog import Move, PushLog
from cms.refs import BlobId, CommitId, draft_ref
from cms.serverkey import ServerKey
from cms.store import Store
from cms.workflow import gathering
from cms.workflow.facts import Facts
from cms.workflow.gather import Gatherer, parse_claim
from cms.workflow.state import DraftState, Status, fold
from cms.writer import Writer
from tests.keys import GPGKey, SSHKey
from tests.repo import Repo

MAIN = "refs/heads/main"
POST = "content/posts/a.md"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
KARI, OLA = ("Kari Nordmann", "kari@example.org"), ("Ola Hansen", "ola@example.org")
SCHEMA = "type: object\nx-path: content/posts/{slug}.md\nproperties:\n  title: {type: string}\n"
APPROVE = "Reads well\n\nReview: approve"


def settings(kari_key: str = "", publishers: str = '"kari"') -> str:
    keys = f"keys = ['''{kari_key}''']\n" if kari_key else ""
    return (
        f'[people.kari]\nname = "Kari Nordmann"\nemails = ["kari@example.org"]\n{keys}'
        '[people.ola]\nname = "Ola Hansen"\nemails = ["ola@example.org"]\n'
        '[[roles]]\nrole = "reviewer"\nwho = ["kari"]\n'
        f'[[roles]]\nrole = "publisher"\nwho = [{publishers}]\n'
        '[[roles]]\nrole = "writer"\nwho = ["ola"]\n'
    )


def post(title: str, body: str = "Body.\n") -> str:
    return f"---\ntitle: {title}\n---\n{body}"


@dataclass
class Site:
    """A repository with one published post and the draft ``easter``, whose key and log belong to a server."""

    repo: Repo
    folder: Path

    def __post_init__(self) -> None:
        self.store = Store.open(self.repo.path)
        self.writer = Writer(self.store, signer=ServerKey.load_or_create(self.folder / "state"))
        self.log = PushLog(self.store)
        self.minutes = 0

    def begin(self, key: str = "") -> None:
        self.repo.commit(
            {
                "cms.toml": settings(key),
                "schemas/posts.yaml": SCHEMA,
                POST: post("One"),
                "content/posts/b.md": post("B"),
            }
        )
        self.draft({POST: post("Two")})

    def draft(
        self, files: dict[str, str | None], *, message: str = "Change", author: tuple[str, str] = OLA
    ) -> CommitId:
        parents = None if self.head() else [self.repo.git("rev-parse", "main")]
        return CommitId(
            self.repo.commit(dict(files), branch="drafts/easter", author=author, message=message, parents=parents)
        )

    def head(self, name: str = "easter") -> CommitId | None:
        return self.store.resolve(draft_ref(name))

    def push(self, by: str, *, old: str | None = None, name: str = "easter", at: datetime | None = None) -> None:
        """Write to the log that *by* moved the draft to where it is."""
        self.record(by, Move(draft_ref(name), CommitId(old) if old else None, self.head(name)), at=at)

    def record(self, by: str, *moves: Move, at: datetime | None = None, act: str = "push", via: str = "git") -> None:
        self.minutes += 1
        at = at or NOW + timedelta(minutes=self.minutes)
        self.log.append(self.writer, act=act, person=by, via=via, moves=moves, at=at)

    def gatherer(self, *, has_log: bool = True) -> Gatherer:
        return Gatherer(self.store, MAIN, log=self.log if has_log else None)

    def facts(self, gatherer: Gatherer | None = None, name: str = "easter") -> Facts:
        head, published = self.head(name), self.store.resolve(MAIN)
        assert head is not None
        assert published is not None
        return (gatherer or self.gatherer()).gather(name, head, published)

    def state(self, gatherer: Gatherer | None = None, name: str = "easter") -> DraftState:
        published = self.store.resolve(MAIN)
        assert published is not None
        blob = self.store.find_blob(published, "cms.toml")
        return fold(self.facts(gatherer, name), read_policy(self.store.read_blob(BlobId(str(blob)))), NOW)


@pytest.fixture
def site(repo: Repo, tmp_path: Path) -> Site:
    made = Site(repo, tmp_path)
    made.begin()
    return made


def approvals(state: DraftState) -> dict[str, tuple[str, ...]]:
    return {entry.path: entry.approvals for entry in state.entries}


# -- whose word --------------------------------------------------------------------------------------------------------


def test_an_empty_commit_made_and_signed_with_stock_git_approves_a_draft_in_a_clone(site: Site, tmp_path: Path) -> None:
    key = SSHKey.make(tmp_path / "key")
    site.repo.commit({"cms.toml": settings(key.line)})
    head = str(site.head())
    verdict = key.commit(site.repo, f"{head}^{{tree}}", "-p", head, "-m", APPROVE)
    site.repo.git("update-ref", "refs/heads/drafts/easter", verdict)
    state = site.state(site.gatherer(has_log=False))
    assert (state.status, approvals(state)) == (Status.APPROVED, {POST: ("kari",)})
    assert (state.remarks[0].message, state.owner) == ("Reads well", None)


def test_a_commit_signed_with_gpg_approves_too(site: Site, tmp_path: Path) -> None:
    key = GPGKey.make(tmp_path / "g", "kari@example.org")
    try:
        site.repo.commit({"cms.toml": settings(key.public())})
        head = str(site.head())
        options = ("-c", "gpg.program=gpg", "-c", f"user.signingKey={key.fingerprint}")
        site.repo.git("config", "gpg.program", str(wrapper(tmp_path, key)))
        verdict = site.repo.git(*options[2:], "commit-tree", "-S", f"{head}^{{tree}}", "-p", head, "-m", APPROVE)
    finally:
        key.close()
    site.repo.git("update-ref", "refs/heads/drafts/easter", verdict)
    assert approvals(site.state(site.gatherer(has_log=False))) == {POST: ("kari",)}


def wrapper(folder: Path, key: GPGKey) -> Path:
    """A program that calls ``gpg`` with the home of *key*."""
    script = folder / "gpg-here"
    script.write_text(f'#!/bin/sh\nexec gpg --homedir {key.home} --batch --pinentry-mode loopback "$@"\n')
    script.chmod(0o755)
    return script


def test_a_verdict_counts_for_who_pushed_it_by_the_log(site: Site) -> None:
    site.push("ola")
    written = site.head()
    site.draft({}, message=APPROVE, author=KARI)
    assert approvals(site.state()) == {POST: ()}
    site.push("kari", old=written)
    state = site.state()
    assert (approvals(state), state.owner) == ({POST: ("kari",)}, "ola")
    assert state.remarks[0].at == NOW + timedelta(minutes=2)


def test_what_somebody_is_pushing_now_counts_as_pushed_by_them(site: Site) -> None:
    site.push("ola")
    head, tree = str(site.head()), site.repo.git("rev-parse", f"{site.head()}^{{tree}}")
    verdict = CommitId(site.repo.git("commit-tree", tree, "-p", head, "-m", APPROVE))
    published = site.store.resolve(MAIN)
    assert published is not None
    for pusher, counts in (("kari", ("kari",)), ("ola", ()), (None, ())):
        facts = site.gatherer().gather("easter", verdict, published, pushed_by=pusher)
        assert approvals(fold(facts, read_policy(settings().encode()), NOW)) == {POST: counts}


def test_an_entry_of_the_log_that_the_server_did_not_sign_attests_nothing(site: Site, tmp_path: Path) -> None:
    site.push("ola")
    written = site.head()
    site.draft({}, message=APPROVE, author=KARI)
    site.writer = Writer(site.store, signer=ServerKey.load_or_create(tmp_path / "another"))
    with pytest.raises(Conflict):
        site.push("kari", old=written)
    tip = site.repo.git("rev-parse", "refs/cms/log")
    message = f"push drafts/easter by kari\n\nAct: push\nActed-by: kari\nVia: git\nRef: refs/heads/drafts/easter {written} {site.head()}"
    forged = site.repo.git("commit-tree", "4b825dc642cb6eb9a060e54bf8d69288fbee4904", "-p", tip, "-m", message)
    site.repo.git("update-ref", "refs/cms/log", forged)
    assert approvals(site.state()) == {POST: ()}


def test_a_signed_verdict_that_another_draft_had_below_its_head_counts_there_only(site: Site, tmp_path: Path) -> None:
    key = SSHKey.make(tmp_path / "key")
    site.repo.commit({"cms.toml": settings(key.line)})
    head = str(site.head())
    verdict = key.commit(site.repo, f"{head}^{{tree}}", "-p", head, "-m", APPROVE)
    newer = site.repo.commit({"content/posts/c.md": post("C")}, branch="drafts/other", author=OLA, parents=[verdict])
    assert newer != verdict
    site.push("ola", name="other", at=NOW)
    site.repo.git("update-ref", "refs/heads/drafts/easter", verdict)
    assert approvals(site.state(site.gatherer(has_log=False))) == {POST: ("kari",)}
    site.push("ola", at=NOW)
    state = site.state()
    assert approvals(state) == {POST: ()}
    assert state.remarks[0].why_not == "it was given on the draft 'other'; a verdict counts only where it was given"


@pytest.mark.parametrize("tool", ["ssh", "gpg"])
def test_who_signed_a_text_had_a_hand_in_it_whomever_it_names(site: Site, tmp_path: Path, tool: str) -> None:
    site.push("ola")
    tree, head = site.repo.git("rev-parse", "main^{tree}"), str(site.head())
    if tool == "ssh":
        key = SSHKey.make(tmp_path / "key")
        site.repo.commit({"cms.toml": settings(key.line)})
        signed = key.commit(site.repo, tree, "-p", head, "-m", "Back")
    else:
        gpg = GPGKey.make(tmp_path / "g", "kari@example.org")
        site.repo.commit({"cms.toml": settings(gpg.public())})
        site.repo.git("config", "gpg.program", str(wrapper(tmp_path, gpg)))
        signed = site.repo.git("commit-tree", f"-S{gpg.fingerprint}", tree, "-p", head, "-m", "Back")
        gpg.close()
    site.repo.git("update-ref", "refs/heads/drafts/easter", signed)
    commit = site.facts(site.gatherer(has_log=False)).commits[-1]
    assert (
        read_policy(settings(key.line if tool == "ssh" else gpg.public()).encode()).find_by_key(commit.attestation.key)
        == "kari"
    )


def test_a_head_of_another_draft_that_git_has_pruned_holds_nothing(site: Site, tmp_path: Path) -> None:
    key = SSHKey.make(tmp_path / "key")
    site.repo.commit({"cms.toml": settings(key.line)})
    site.record("ola", Move(draft_ref("other"), None, CommitId("f" * 40)), at=NOW)
    head = str(site.head())
    verdict = key.commit(site.repo, f"{head}^{{tree}}", "-p", head, "-m", APPROVE)
    site.repo.git("update-ref", "refs/heads/drafts/easter", verdict)
    site.push("ola", at=NOW)
    assert approvals(site.state()) == {POST: ("kari",)}


def test_where_it_cannot_be_told_who_could_publish_then_a_moment_taken_away_stays_away(site: Site) -> None:
    old = site.store.resolve(MAIN)
    site.repo.commit({"cms.toml": "[nonsense"})
    site.record("kari", Move(MAIN, old, site.store.resolve(MAIN)))
    site.push("ola")
    for author, by, moment in ((KARI, "kari", "2026-07-01T00:00:00Z"), (OLA, "ola", "never")):
        before = site.head()
        site.draft({}, message=f"When\n\nPublish-At: {moment}", author=author)
        site.push(by, old=before)
    site.repo.commit({"cms.toml": settings()})
    assert site.state().publish_at is None


@pytest.mark.parametrize(("publishers", "is_kept"), [('"kari"', True), ('"kari", "ola"', False)])
def test_a_moment_taken_away_by_who_could_publish_then_stays_away_and_by_others_never_was(
    site: Site, publishers: str, is_kept: bool
) -> None:
    old = site.store.resolve(MAIN)
    site.repo.commit({"cms.toml": settings(publishers=publishers)})
    site.record("kari", Move(MAIN, old, site.store.resolve(MAIN)))
    site.push("ola")
    for author, by, moment in ((KARI, "kari", "2026-07-01T00:00:00Z"), (OLA, "ola", "never")):
        before = site.head()
        site.draft({}, message=f"When\n\nPublish-At: {moment}", author=author)
        site.push(by, old=before)
    site.repo.commit({"cms.toml": settings()})  # Ola is no publisher (any more)
    assert (site.state().publish_at is not None) == is_kept


def test_an_unsigned_verdict_in_a_second_draft_is_nobodys_there_even_if_its_giver_pushed_both(site: Site) -> None:
    site.push("ola")
    written = site.head()
    site.draft({}, message=APPROVE, author=KARI)
    site.push("kari", old=written)
    site.repo.git("update-ref", "refs/heads/drafts/second", str(site.head()))
    site.push("kari", name="second")
    assert site.state().status is Status.APPROVED
    second = site.state(name="second")
    assert second.remarks[0].why_not == "it was given on the draft 'easter'; a verdict counts only where it was given"
    assert approvals(second) == {POST: ()}


def test_a_verdict_pushed_to_two_drafts_at_once_is_given_on_both(site: Site) -> None:
    site.push("ola")
    written = site.head()
    site.draft({}, message=APPROVE, author=KARI)
    site.repo.git("update-ref", "refs/heads/drafts/second", str(site.head()))
    moves = [Move(draft_ref("second"), None, site.head()), Move(draft_ref("easter"), written, site.head())]
    site.record("kari", *moves)
    assert site.state().status is Status.APPROVED


@pytest.mark.parametrize(("actor", "counts"), [("kari", ("kari",)), ("ola", ())])
def test_what_the_server_wrote_down_is_of_the_one_whom_the_log_names(
    site: Site, actor: str, counts: tuple[str, ...]
) -> None:
    site.push("ola")
    written = site.head()
    message = f"{APPROVE}\nDraft: easter\nActed-by: kari"
    site.draft({}, message=message, author=("Branchpress", "branchpress@localhost"))
    site.record(actor, Move(draft_ref("easter"), written, site.head()), act="verdict", via="session")
    assert approvals(site.state()) == {POST: counts}


def test_what_was_made_past_the_log_is_not_of_who_pushes_next(site: Site) -> None:
    site.push("ola")
    site.draft({}, message=APPROVE, author=KARI)  # on the server's disk, by anybody
    before = site.head()
    site.draft({}, message="Hm\n\nReview: comment", author=KARI)
    site.push("kari", old=before)
    state = site.state()
    assert [remark.person for remark in state.remarks] == [None, "kari"]
    assert (approvals(state), state.owner) == ({POST: ()}, "ola")


def test_a_draft_that_was_closed_and_is_back_past_the_log_has_no_earlier_life(site: Site) -> None:
    site.push("ola")
    written = site.head()
    site.draft({}, message=APPROVE, author=KARI)
    site.push("kari", old=written)
    assert site.state().status is Status.APPROVED
    site.record("ola", Move(draft_ref("easter"), site.head(), None))
    site.draft({}, message="Hm\n\nReview: comment", author=KARI)
    state = site.state()
    assert (state.owner, approvals(state)) == (None, {POST: ()})


def test_an_act_that_the_log_has_and_that_did_not_happen_ends_nothing(site: Site) -> None:
    site.push("ola")
    written = site.head()
    site.draft({}, message=APPROVE, author=KARI)
    site.push("kari", old=written)
    site.record("ola", Move(draft_ref("easter"), site.head(), None))
    assert site.state().status is Status.APPROVED


# -- names that look alike ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ref", ["refs/tags/drafts/easter", "refs/heads/easter", "refs/drafts/easter", "refs/remotes/drafts/easter"]
)
def test_another_ref_that_looks_like_the_draft_is_not_the_draft(site: Site, ref: str) -> None:
    site.push("ola")
    head = site.head()
    site.draft({}, message=APPROVE, author=KARI)
    site.record("kari", Move(ref, None, site.head()))
    assert approvals(site.state()) == {POST: ()}
    site.repo.git("update-ref", ref, str(head))
    assert site.facts().head == site.head()


# -- what would be published -------------------------------------------------------------------------------------------


def test_a_file_that_both_changed_is_merged_and_can_be_approved_once_the_draft_has_the_result(site: Site) -> None:
    site.push("ola")
    site.repo.commit({POST: post("One", "Another body.\n")})
    before = site.head()
    site.draft({}, message=APPROVE, author=KARI)
    site.push("kari", old=before)
    state = site.state()
    assert (state.entries[0].is_behind, state.entries[0].approvals, state.entries[0].lapsed) == (True, (), ("kari",))
    assert "changed on the published branch too: merge that into the draft first" in state.missing[0]
    merged = [str(site.head()), site.repo.git("rev-parse", "main")]
    before = site.head()
    site.repo.commit({POST: post("Two", "Another body.\n")}, branch="drafts/easter", author=OLA, parents=merged)
    site.push("ola", old=before)
    assert not site.state().entries[0].is_behind
    before = site.head()
    site.draft({}, message=APPROVE, author=KARI)
    site.push("kari", old=before)
    assert site.state().status is Status.APPROVED


def test_what_cannot_be_merged_is_named_with_its_field(site: Site) -> None:
    site.repo.commit({POST: post("Three")})
    state = site.state()
    assert (state.status, state.clashes[0].field) == (Status.CONFLICTING, "title")
    assert (state.entries[0].is_clashing, state.entries[0].collection) == (True, "posts")


def test_a_text_that_was_moved_elsewhere_meanwhile_has_authors_where_it_goes(site: Site) -> None:
    moved = "content/posts/moved.md"
    site.repo.commit({POST: None, moved: post("One")})
    state = site.state()
    assert [(entry.path, entry.is_behind) for entry in state.entries] == [(moved, True)]
    assert state.entries[0].writers == {"ola"}


def test_entries_have_the_collection_slug_and_locale_of_the_published_model(site: Site) -> None:
    site.draft({"schemas/notes.yaml": "type: object\nx-path: notes/{slug}.md\n", "notes/n.md": post("N")})
    found = {entry.path: (entry.collection, entry.slug, entry.locale) for entry in site.state().entries}
    assert found == {POST: ("posts", "a", "en"), "notes/n.md": (None, "", ""), "schemas/notes.yaml": (None, "", "")}


def test_the_rules_are_those_of_the_published_branch_whatever_the_draft_says(site: Site) -> None:
    site.draft({"cms.toml": settings() + "[[rules]]\napprovals = 0\n"})
    assert {entry.path: (entry.needed, entry.is_satisfied) for entry in site.state().entries} == {
        POST: (1, False),
        "cms.toml": (1, False),
    }


def test_settings_that_cannot_be_read_leave_facts_without_collections(site: Site) -> None:
    site.repo.commit({"cms.toml": "[nonsense"})
    assert [file.collection for file in site.facts().files] == [None]


def test_a_history_without_anything_in_common_is_all_new(site: Site) -> None:
    lone = site.repo.commit({"content/posts/lone.md": post("L")}, branch="drafts/lone", parents=[])
    facts = site.facts(name="lone")
    assert (facts.base, facts.commits[0].id) == (None, lone)
    assert [file.path for file in facts.files] == ["content/posts/lone.md"]


def test_the_validator_is_asked_once_and_only_when_there_is_a_result(site: Site) -> None:
    seen: list[Sequence[str]] = []

    def judge(merge: Merge, store: Store) -> tuple[Finding, ...]:
        seen.append(sorted(merge.changes))
        return (Finding(message="wrong", path=POST),)

    gatherer = site.gatherer()
    head, published = site.head(), site.store.resolve(MAIN)
    assert head is not None
    assert published is not None
    for _ in range(2):
        assert gatherer.gather("easter", head, published, judge=judge).findings[0].message == "wrong"
    assert gatherer.gather("easter", published, published, judge=judge).findings == ()
    assert seen == [[POST]]


# -- limits and memory -------------------------------------------------------------------------------------------------


def test_a_draft_of_too_many_commits_is_refused_with_what_to_do(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "COMMITS_MOST", 3)
    for number in range(3):
        site.draft({POST: post(str(number))})
    with pytest.raises(Conflict, match="begin another draft"):
        site.facts()


def test_what_a_force_push_took_away_is_remembered_until_git_prunes_it(site: Site) -> None:
    site.push("ola")
    first = site.head()
    site.draft({}, message="No\n\nReview: changes", author=KARI)
    site.push("kari", old=first)
    veto = site.head()
    site.repo.git("update-ref", "refs/heads/drafts/easter", str(first))
    site.push("ola", old=veto)
    assert site.state().status is Status.CHANGES_REQUESTED
    site.repo.git("prune", "--expire=now")
    site.store.close()
    assert site.state().status is Status.DRAFT


def test_nothing_is_looked_up_again_while_nothing_moved(site: Site) -> None:
    gatherer = site.gatherer()
    site.push("ola")
    facts = site.facts(gatherer)
    assert site.facts(gatherer) is facts
    assert site.facts(gatherer.through(Store.open(site.repo.path))) is facts
    site.record("kari", Move("refs/heads/drafts/other", None, site.head()))
    assert site.facts(gatherer) is not facts


def test_what_moved_is_looked_up_again(site: Site) -> None:
    gatherer = site.gatherer()
    assert len(site.facts(gatherer).commits) == 1
    site.draft({POST: post("Three")})
    assert len(site.facts(gatherer).commits) == 2
    site.repo.commit({POST: post("Three")})
    assert site.facts(gatherer).is_published


def test_a_log_that_was_rewritten_is_read_anew(site: Site) -> None:
    gatherer = site.gatherer()
    site.push("ola")
    assert site.facts(gatherer).started_by == "ola"
    site.repo.git("update-ref", "-d", "refs/cms/log")
    site.push("kari")
    assert site.facts(gatherer).started_by == "kari"


def test_a_draft_whose_text_became_public_otherwise_is_published_also_after_it_merged_that(site: Site) -> None:
    site.push("ola")
    site.repo.commit({POST: post("Two")})
    assert site.facts().is_published
    merged = [str(site.head()), site.repo.git("rev-parse", "main")]
    site.repo.commit({}, branch="drafts/easter", author=OLA, parents=merged)
    facts = site.facts()
    assert (facts.is_published, facts.files) == (True, ())


def test_a_draft_that_took_everything_back_is_not_published(site: Site) -> None:
    site.draft({POST: post("One")})
    assert not site.facts().is_published


def test_a_draft_published_by_moving_the_branch_to_it_is_published(site: Site) -> None:
    site.push("ola")
    old = site.store.resolve(MAIN)
    site.repo.git("update-ref", MAIN, str(site.head()))
    site.record("kari", Move(MAIN, old, site.head()))
    assert site.facts().is_published


def test_a_draft_begun_long_ago_where_the_published_branch_was_is_not_published(site: Site) -> None:
    site.repo.git("update-ref", "refs/heads/drafts/easter", "main")
    site.record("kari", Move(MAIN, None, site.store.resolve(MAIN)))
    site.push("ola")
    site.repo.commit({"content/posts/c.md": post("C")})
    facts = site.facts()
    assert (facts.is_published, facts.commits) == (False, ())


@pytest.mark.parametrize(
    ("text", "claim"),
    [("Liv Moe <liv@example.org>", ("Liv Moe", "liv@example.org")), ("Liv", ("Liv", "")), ("<a@b>", ("", "a@b"))],
)
def test_a_co_author_is_read_from_a_trailer(text: str, claim: tuple[str, str]) -> None:
    assert parse_claim(text) == claim
