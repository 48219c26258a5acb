"""Judging a commit, a push in its quarantine, and a merge that is not written, against what is published."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from cms.finding import Finding
from cms.judge import HEADING, judge, judge_steps, lines
from cms.model import read_model
from cms.overlay import Overlay, blob_id
from cms.refs import CommitId
from cms.snapshot import Snapshot, build_snapshot
from cms.store import Store
from tests.repo import Repo

CMS = '[site]\nlocales = ["nb"]\ndefault_locale = "nb"\nbranch = "main"\n'
POSTS = "x-path: content/posts/{slug}.md\ntype: object\nproperties:\n  title: {type: string}\n  author: {type: string, x-reference: authors}\n"
AUTHORS = "x-path: content/authors/{slug}.md\ntype: object\nproperties:\n  name: {type: string}\n"
SITE = {
    "cms.toml": CMS,
    "schemas/posts.yaml": POSTS,
    "schemas/authors.yaml": AUTHORS,
    "content/authors/kari.md": "---\nname: Kari\n---\n",
    "content/posts/a.md": "---\ntitle: A\nauthor: kari\n---\n",
}
BAD = "---\ntitle: B\nauthor: ola\n---\n"


class Court:
    """A published commit, and what would come next."""

    def __init__(self, repo: Repo, files: Mapping[str, str] = SITE) -> None:
        self.repo = repo
        self.store = Store.open(repo.path)
        self.published = CommitId(repo.commit(files))
        model = read_model(self.store, self.published)
        self.before: Snapshot | None = build_snapshot(self.store, self.published, model) if model else None

    def draft(self, files: Mapping[str, str | bytes | None], **more: Mapping[str, int]) -> CommitId:
        """A draft of one commit."""
        return CommitId(self.repo.commit(files, branch="drafts/a", parents=[self.published], **more))  # type: ignore[arg-type]

    def judge(self, files: Mapping[str, str | bytes | None], **more: Mapping[str, int]) -> list[str]:
        """What is said of a draft of one commit."""
        return lines(judge(self.before, self.store, self.draft(files, **more)).findings)


@pytest.fixture
def court(repo: Repo) -> Court:
    return Court(repo)


def test_a_sound_draft_has_no_findings_and_a_snapshot(court: Court) -> None:
    found = judge(court.before, court.store, court.draft({"content/posts/b.md": "---\ntitle: B\n---\n"}))
    assert (found.findings, found.is_sound) == ((), True)
    assert found.snapshot is not None
    assert list(found.snapshot.files) == [*(path for path in SITE if path.endswith(".md")), "content/posts/b.md"]


def test_what_is_wrong_with_names_and_with_content_is_told_at_once(court: Court) -> None:
    found = court.judge({"content/posts/b.md": BAD, "content/posts/CON.md": "---\ntitle: C\n---\n"})
    assert found == [
        "content/posts/CON.md: its name is one that Windows keeps for a device (give it another name)",
        "content/posts/b.md:3:9: author: there is no 'ola' in authors (correct the reference, or add the entry)",
    ]


def test_a_text_that_is_too_large_is_not_read(court: Court, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = court.draft({"content/posts/b.md": b"a" * (1024 * 1024 + 1)})
    monkeypatch.delattr(Store, "read_blobs")
    monkeypatch.delattr(Store, "read_blob")
    found = judge(court.before, court.store, draft)
    assert [finding.rule for finding in found.findings] == ["tree-size"]
    assert found.snapshot is None


def test_what_is_published_already_is_sound_whatever_it_holds(court: Court) -> None:
    assert judge(court.before, court.store, court.published).findings == ()


def test_what_the_draft_held_before_is_no_news(court: Court) -> None:
    first = court.draft({"content/posts/CON.md": "---\ntitle: C\n---\n"})
    second = CommitId(court.repo.commit({"content/posts/b.md": "---\ntitle: B\n---\n"}, branch="drafts/a"))
    assert len(judge(court.before, court.store, second).findings) == 1
    assert judge(court.before, court.store, second, beside=[first]).findings == ()


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"cms.toml": "[site\n"}, "cms.toml:1"),
        ({"schemas/posts.yaml": "type: object\nx-pathh: a\n"}, "schemas/posts.yaml:2: x-pathh: the keyword"),
        (
            {path: None for path in SITE if not path.startswith("content/")},
            "cms.toml: cms.toml is gone, and so is every schema",
        ),
    ],
)
def test_a_model_that_cannot_be_used_is_told_at_its_line(
    court: Court, files: Mapping[str, str | None], told: str
) -> None:
    assert court.judge(dict(files))[0].startswith(told)


def test_a_folder_that_a_new_schema_makes_the_sites_is_judged_as_one(court: Court) -> None:
    pages = "x-path: pages/{slug}.md\ntype: object\n"
    modes = {"pages/a.md": 0o100755}
    assert court.judge({"pages/a.md": "A\n"}, modes=modes) == []
    assert (
        "pages/a.md: content may not be executable"
        in court.judge({"pages/a.md": "A\n", "schemas/pages.yaml": pages}, modes=modes)[0]
    )


def test_the_first_commit_of_all_is_checked_whole(repo: Repo) -> None:
    store = Store.open(repo.path)
    commit = CommitId(repo.commit({**SITE, "content/posts/b.md": BAD}))
    assert [finding.rule for finding in judge(None, store, commit).findings] == ["reference"]
    bare = CommitId(repo.commit({"readme.md": "Hello\n"}, branch="other"))
    assert judge(None, store, bare).findings == ()


def test_a_merge_is_judged_before_it_is_written(court: Court) -> None:
    content = BAD.encode()
    overlay = Overlay(
        court.store, court.published, {"content/posts/AUX.md": blob_id(content)}, {blob_id(content): content}
    )
    found = judge(court.before, overlay, overlay.head)
    assert [finding.rule for finding in found.findings] == ["tree-name", "reference"]


def test_a_push_is_judged_while_its_objects_wait(court: Court, tmp_path: Path) -> None:
    quarantine = tmp_path / "quarantine"
    quarantine.mkdir()
    places = {
        "GIT_OBJECT_DIRECTORY": str(quarantine),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(court.repo.path / "objects"),
    }
    git = ["git", "-C", str(court.repo.path), "-c", "user.name=K", "-c", "user.email=k@example.org"]
    lines_in = "100644 blob {}\tcontent/posts/b.md\n"
    environment = {**os.environ, **places, "GIT_INDEX_FILE": str(tmp_path / "index")}

    def run(*arguments: str, given: str = "") -> str:
        done = subprocess.run(
            [*git, *arguments], env=environment, input=given, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    run("read-tree", court.published)
    run("update-index", "--index-info", given=lines_in.format(run("hash-object", "-w", "--stdin", given=BAD)))
    commit = CommitId(run("commit-tree", "-p", court.published, "-m", "Push", run("write-tree")))
    assert court.store.resolve(commit) is None
    store = Store.open_quarantine(court.repo.path, quarantine)
    assert [finding.path for finding in judge(court.before, store, commit).findings] == ["content/posts/b.md"]


def test_the_trees_of_commits_in_between_are_judged_too(court: Court) -> None:
    first = court.draft({"content/link.md": "/etc/passwd"}, modes={"content/link.md": 0o120000})
    second = CommitId(court.repo.commit({"content/link.md": "text"}, branch="drafts/a"))
    assert judge(court.before, court.store, second).findings == ()
    told = lines(judge_steps(court.before, court.store, [first]))
    assert told == [
        f"content/link.md: in commit {first[:10]}: it is a symbolic link, which could lead anywhere "
        f"(commit the file itself in its place, in that commit: git rebase -i {first[:10]}^)"
    ]


def test_a_merge_brings_only_what_no_parent_has(court: Court) -> None:
    one = court.draft({"a": "x"}, modes={"a": 0o120000})
    other = CommitId(court.repo.commit({"b": "x"}, branch="drafts/b", parents=[court.published], modes={"b": 0o120000}))
    merge = CommitId(court.repo.commit({"b": "x"}, branch="drafts/a", parents=[one, other], modes={"b": 0o120000}))
    assert judge_steps(court.before, court.store, [merge]) == ()


# -- lines ---------------------------------------------------------------------------------------------------------


def finding(number: int, severity: str = "error") -> Finding:
    return Finding(message="it is wrong", path=f"{number:03}.md", line=1, severity=severity)


def test_errors_come_first_and_what_is_not_printed_is_counted() -> None:
    findings = [*(finding(number, "warning") for number in range(4)), *(finding(number) for number in range(100, 160))]
    told = lines(findings)
    assert told[0] == "100.md:1: it is wrong"
    assert (len(told), told[-1]) == (51, "... and 10 errors and 4 warnings more")
    assert lines(findings[:1] + findings[4:5]) == ["100.md:1: it is wrong", HEADING, "000.md:1: it is wrong"]
    assert lines(findings[4:6], most=1)[-1] == "... and 1 error more"
    assert lines([]) == []


def test_a_line_is_one_line_and_not_without_end() -> None:
    told = lines([Finding(message="a\nb\x1b[31m" + "x" * 5_000, path="a.md")])
    assert len(told) == 1
    assert told[0].startswith("a.md: a\\nb\\x1b[31mxxx")
    assert len(told[0]) == 1_000
