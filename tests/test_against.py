"""``cms check --against``: what merging a branch would publish, and what is missing for it, as a pipeline asks."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cms import cli
from tests.hosts import NEW, Clone, Host, propose
from tests.test_cli import untouched_log

__all__ = ["untouched_log"]

Check = Callable[..., Any]
WRONG = "---\ntitle: Easter\nrelated: [nothing]\n---\n"


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """The host of the newsroom."""
    return Host.create(tmp_path)


@pytest.fixture
def check(host: Host) -> Check:
    """Runs the check as a pipeline does: in a clone that stands at the head of the draft."""

    def run(*options: str, draft: str = "easter") -> Any:
        clone = host.clone("pipeline")
        clone.ok("checkout", "-q", "--detach", f"origin/drafts/{draft}")
        return CliRunner().invoke(cli.app, ["check", str(clone.folder), "--against", "origin/main", *options])

    return run


def put(host: Host, text: str, path: str = "posts/easter.md", *, main: str = "") -> None:
    """A draft of Ola's that changes one file, and another version of the file on main."""
    propose(host, path=path, text=text)
    if main:
        host.repo.commit({path: main})


def test_errors_of_the_merged_result_are_found_with_their_places(host: Host, check: Check) -> None:
    put(host, WRONG)
    done = check()
    assert done.exit_code == 1
    place = "posts/easter.md:3:11: related.0: there is no 'nothing' in posts (correct the reference, or add the entry)"
    assert done.stdout == f"{place}\n"
    assert done.stderr.splitlines() == [
        "HEAD merged into origin/main (1 file): 1 error and 0 warnings",
        "drafts/easter is invalid",
    ]


def test_what_breaks_only_together_with_what_was_published_since_is_found(host: Host, check: Check) -> None:
    put(host, "---\ntitle: Easter\nrelated: [a]\n---\n")
    assert check().exit_code == 0
    host.repo.commit({"posts/a.md": None, "posts/b.md": NEW})
    done = check()
    assert done.exit_code == 1
    assert "there is no 'a' in posts" in done.stdout


def test_both_sides_may_change_other_fields_of_one_file(host: Host, check: Check) -> None:
    put(host, "---\ntitle: A2\ncategory: helse # fast\n---\nFirst text.\n", "posts/a.md")
    host.repo.commit({"posts/a.md": "---\ntitle: A\ncategory: skole # fast\n---\nFirst text.\n"})
    assert check().exit_code == 0


def test_a_clash_is_found_by_its_field(host: Host, check: Check) -> None:
    put(host, "---\ntitle: A2\n---\nFirst text.\n", "posts/a.md", main="---\ntitle: A3\n---\nFirst text.\n")
    done = check()
    assert done.exit_code == 1
    assert done.stdout.startswith("posts/a.md:2:8: title: ")
    assert "merge the published branch into the draft, and choose" in done.stdout
    assert "drafts/easter is conflicting" in done.stderr


def test_a_symbolic_link_in_an_earlier_commit_is_found(host: Host, check: Check) -> None:
    ola = host.clone("ola")
    link = ola.link("posts/l.md")
    ola.ok("rm", "-q", "posts/l.md")
    ola.write("posts/easter.md", NEW)
    ola.push()
    done = check()
    assert done.exit_code == 1
    assert f"posts/l.md: in commit {link[:10]}: " in done.stdout


def test_what_is_missing_is_told_and_fails_only_when_asked_to(host: Host, check: Check) -> None:
    put(host, NEW)
    missing = "posts/easter.md needs 1 more approval by @editors: Eva Dahl or Rita Moe can give it"
    assert check().exit_code == 0
    done = check("--approved")
    assert done.exit_code == 7
    assert f"  - {missing}" in done.stderr
    done = check("--format", "github", "--approved")
    assert done.stdout == f"::error title=approvals::{missing}\n"


def test_a_signed_approval_counts_and_one_that_is_not_is_told(host: Host, check: Check) -> None:
    propose(host)
    rita = host.clone("rita", signs=False)
    rita.take()
    head = rita.say("approve")
    rita.push()
    done = check("--approved")
    assert done.exit_code == 7
    assert f"does not count: {head[:7]} by Rita: nobody vouches for it: it is not signed" in done.stderr
    signed = host.clone("rita")
    signed.take()
    signed.say("approve")
    signed.push()
    done = check("--approved")
    assert done.exit_code == 0
    assert "drafts/easter is approved" in done.stderr


def test_the_name_of_the_draft_can_be_given_where_no_branch_tells_it(host: Host) -> None:
    head = propose(host, ("rita", "approve"))
    host.repo.git("update-ref", "refs/pull/1/head", head)
    host.repo.git("update-ref", "-d", "refs/heads/drafts/easter")
    clone = host.clone("pipeline")
    clone.ok("fetch", "-q", "origin", "refs/pull/1/head")
    clone.ok("checkout", "-q", "--detach", "FETCH_HEAD")
    command = ["check", str(clone.folder), "--against", "origin/main", "--approved"]
    assert CliRunner().invoke(cli.app, command).exit_code == 7
    assert CliRunner().invoke(cli.app, [*command, "--draft", "drafts/easter"]).exit_code == 0


def test_a_report_for_gitlab_names_place_severity_and_a_mark_of_its_own(host: Host, check: Check) -> None:
    put(host, WRONG.replace("[nothing]", "[nothing, nothing]"))
    report = json.loads(check("--format", "gitlab").stdout)
    assert [item["location"] for item in report] == [{"path": "posts/easter.md", "lines": {"begin": 3}}] * 2
    assert {item["severity"] for item in report} == {"major"}
    assert {item["check_name"] for item in report} == {"reference"}
    assert len({item["fingerprint"] for item in report}) == 2
    again = json.loads(check("--format", "gitlab").stdout)
    assert again == report


def test_everything_is_told_as_json(host: Host, check: Check) -> None:
    propose(host, ("rita", "approve"))
    told = json.loads(check("--json").stdout)
    assert (told["draft"], told["status"], told["missing"], told["errors"]) == ("easter", "approved", [], 0)
    assert told["commit"] == host.refs["refs/heads/drafts/easter"]
    assert told["published"] == host.refs["refs/heads/main"]
    assert told["entries"] == [{"path": "posts/easter.md", "change": "added", "needed": 1, "approvals": ["rita"]}]


def test_a_site_that_names_no_people_has_nothing_to_approve(tmp_path: Path) -> None:
    host = Host.create(tmp_path, {"schemas/posts.yaml": "x-path: posts/{slug}.md\ntype: object\n", "posts/a.md": NEW})
    clone = host.clone("ola")
    clone.ok("switch", "-q", "-c", "feature")
    clone.write("posts/b.md", NEW)
    command = ["check", str(clone.folder), "--against", "main"]
    done = CliRunner().invoke(cli.app, command)
    assert (done.exit_code, done.stderr) == (0, "feature merged into main (1 file): no errors\n")
    assert CliRunner().invoke(cli.app, [*command, "--approved"]).exit_code == 7


def test_a_shallow_clone_is_refused_with_what_to_do(host: Host) -> None:
    propose(host)
    clone = Clone(host.path / "shallow", "pipeline")
    host.clone("ola").ok(
        "clone", "-q", "--depth", "1", "--no-single-branch", f"file://{host.repo.path}", str(clone.folder)
    )
    done = CliRunner().invoke(cli.app, ["check", str(clone.folder), "--against", "origin/main"])
    assert done.exit_code == 3
    assert "fetch-depth: 0" in done.stderr


def test_histories_that_have_nothing_in_common_are_refused(host: Host) -> None:
    host.repo.commit({"posts/a.md": NEW}, branch="drafts/other", parents=[])
    done = CliRunner().invoke(cli.app, ["check", str(host.repo.path), "--ref", "drafts/other", "--against", "main"])
    assert done.exit_code == 3
    assert "no commit in common" in done.stderr


def test_a_branch_that_is_not_there_is_refused(host: Host) -> None:
    assert CliRunner().invoke(cli.app, ["check", str(host.repo.path), "--against", "nowhere"]).exit_code == 5


def test_two_questions_at_once_are_refused(host: Host) -> None:
    done = CliRunner().invoke(cli.app, ["check", str(host.repo.path), "--against", "main", "--push"])
    assert done.exit_code == 2
    assert "only one of" in done.stderr
