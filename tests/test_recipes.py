"""The recipes of ``docs/ci.md``: well-formed, and every command of them run against a real repository."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.editing.tools import FILES
from tests.hosts import CMS, MAIN, NEW, Clone, Host, propose, run, write_hook

TEXT = (Path(__file__).parents[1] / "docs" / "ci.md").read_text("utf-8")
DRAFT = "refs/heads/drafts/easter"
WRONG = "---\ntitle: Easter\nrelated: [nothing]\n---\n"
INSTALL = "pip install branchpress"
PATIENCE_SECONDS = 120
PLACE = "posts/easter.md:3:11: related.0: there is no 'nothing' in posts"


def blocks(kind: str) -> list[str]:
    """The blocks of the page with one language."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", TEXT, re.M | re.S)


def recipe(file: str) -> Any:
    """The pipeline that begins with a comment about *file*; every value is text, so that ``on`` is no boolean."""
    return yaml.load(next(block for block in blocks("yaml") if file in block.partition("\n")[0]), yaml.BaseLoader)


GITHUB, GITLAB, FORGEJO = recipe(".github/workflows/"), recipe(".gitlab-ci.yml"), recipe(".forgejo/workflows/")


@pytest.fixture
def host(tmp_path: Path) -> Host:
    """The host of the newsroom."""
    return Host.create(tmp_path)


def shell(script: str, folder: Path, program: str = "bash", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script as a pipeline does: it ends with the first command that fails."""
    path = f"{CMS.parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(folder), **variables}
    command = [program, "-e", "-c", script]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )


# -- their shape -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workflow", [GITHUB, FORGEJO])
def test_a_workflow_has_the_shape_of_one(workflow: Mapping[str, Any]) -> None:
    assert set(workflow) <= {"name", "on", "permissions", "jobs"}
    assert workflow["on"] == {"pull_request_target": {"branches": ["main"]}}
    for job in workflow["jobs"].values():
        assert set(job) <= {"runs-on", "container", "env", "steps"}
        for step in job["steps"]:
            assert set(step) <= {"name", "uses", "with", "run", "env"}
            assert ("uses" in step) != ("run" in step)
            assert re.fullmatch(r"actions/[a-z-]+@v\d+", step.get("uses", "actions/x@v1"))


@pytest.mark.parametrize("workflow", [GITHUB, FORGEJO])
def test_no_name_that_a_stranger_chose_becomes_a_part_of_a_command(workflow: Mapping[str, Any]) -> None:
    scripts = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert len([script for script in scripts if script.startswith("cms check")]) == 2
    assert not [script for script in scripts if "${{" in script]
    variables = {name for script in scripts for name in re.findall(r"(.?)\$(GITHUB_\w+)", script)}
    assert {name for _, name in variables} >= {"GITHUB_BASE_REF", "GITHUB_HEAD_REF"}
    assert all(quote in ('"', "/") for quote, _ in variables)


def test_the_workflow_of_github_runs_nothing_in_the_folder_of_the_draft_and_keeps_no_secret_there() -> None:
    for job in GITHUB["jobs"].values():
        checkout = job["steps"][0]["with"]
        assert (checkout["path"], checkout["fetch-depth"], checkout["persist-credentials"]) == ("site", "0", "false")
        assert checkout["ref"] == "${{ github.event.pull_request.head.sha }}"
    assert GITHUB["permissions"] == {"contents": "read"}


def test_the_pipeline_of_gitlab_has_the_shape_of_one() -> None:
    hidden = GITLAB[".cms"]
    assert hidden["variables"]["GIT_DEPTH"] == "0"
    for name in ("content", "approvals"):
        job = GITLAB[name]
        assert job["extends"] == ".cms"
        assert set(job) <= {"extends", "script", "artifacts"}
        assert all(isinstance(line, str) and "\n" not in line for line in (*hidden["before_script"], *job["script"]))
    report = GITLAB["content"]["artifacts"]["reports"]["codequality"]
    assert GITLAB["content"]["script"][0].endswith(f"> {report}")


def test_every_option_of_the_page_is_one_of_the_command(tmp_path: Path) -> None:
    done = shell("cms check --help", tmp_path, COLUMNS="200")
    for option in set(re.findall(r"^\| `(--[a-z-]+)", TEXT, re.M)):
        assert option in done.stdout, option


# -- pipelines ---------------------------------------------------------------------------------------------------------


def run_github(host: Host, job: str) -> subprocess.CompletedProcess[str]:
    """Run a job as GitHub does, whose first step checks out what it says."""
    runner = host.path / f"runner-{job}"
    runner.mkdir()
    clone = Clone(runner / "site", "runner")
    run(runner, ("clone", "-q", str(host.repo.path), "site"), "runner")
    clone.ok("checkout", "-q", "--detach", host.refs[DRAFT])
    steps = [step["run"] for step in GITHUB["jobs"][job]["steps"] if "run" in step]
    assert steps[0] == INSTALL
    return shell("\n".join(steps[1:]), runner, GITHUB_BASE_REF="main", GITHUB_HEAD_REF="drafts/easter")


def run_gitlab(host: Host, job: str) -> tuple[subprocess.CompletedProcess[str], Path]:
    """Run a job as GitLab does: in a clone that has nothing but the commit."""
    folder = host.path / f"builds-{job}"
    folder.mkdir()
    head = host.refs[DRAFT]
    clone = Clone(folder, "runner")
    clone.ok("init", "-q")
    clone.ok("remote", "add", "origin", str(host.repo.path))
    clone.ok("fetch", "-q", "origin", head)
    clone.ok("checkout", "-q", "--detach", head)
    lines = [*GITLAB[".cms"]["before_script"], *GITLAB[job]["script"]]
    assert lines.pop(0) == INSTALL
    names = {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "drafts/easter"}
    return shell("\n".join(lines), folder, CI_COMMIT_SHA=head, **names), folder


def run_forgejo(host: Host) -> subprocess.CompletedProcess[str]:
    """Run the job as Forgejo does, in a folder with nothing in it."""
    host.repo.git("update-ref", "refs/pull/7/head", DRAFT)
    runner = host.path / "runner"
    runner.mkdir()
    steps = [step["run"] for step in FORGEJO["jobs"]["content"]["steps"]]
    assert steps.pop(0) == INSTALL
    variables = {"GITHUB_SERVER_URL": f"file://{host.path}", "GITHUB_REPOSITORY": "host", "NUMBER": "7", "TOKEN": "x"}
    script = "\n".join(steps)
    return shell(script, runner, "sh", GITHUB_BASE_REF="main", GITHUB_HEAD_REF="drafts/easter", **variables)


def test_what_was_approved_passes_everywhere(host: Host) -> None:
    propose(host, ("rita", "approve"))
    assert run_github(host, "content").returncode == 0
    assert run_gitlab(host, "approvals")[0].returncode == 0
    done = run_forgejo(host)
    assert done.returncode == 0, done.stderr
    assert "drafts/easter is approved" in done.stderr


def test_what_nobody_approved_fails_the_check_of_approvals_alone(host: Host) -> None:
    propose(host)
    assert run_github(host, "approvals").returncode == 7
    assert run_gitlab(host, "approvals")[0].returncode == 7
    done = run_forgejo(host)
    assert done.returncode == 7
    assert "no errors" in done.stderr  # the step before it passed


def test_errors_are_shown_at_their_lines(host: Host) -> None:
    propose(host, text=WRONG)
    done = run_github(host, "content")
    assert done.returncode == 1
    assert done.stdout.startswith("::error file=posts/easter.md,line=3,col=11,title=related.0::there is no 'nothing'")
    done, folder = run_gitlab(host, "content")
    assert done.returncode == 1
    report = json.loads((folder / "gl-code-quality-report.json").read_text())
    assert report[0]["location"] == {"path": "posts/easter.md", "lines": {"begin": 3}}
    done = run_forgejo(host)
    assert done.returncode == 1
    assert PLACE in done.stdout


def test_the_output_that_the_page_shows_is_what_is_printed(tmp_path: Path) -> None:
    host = Host.create(tmp_path, {**FILES, "posts/bus.md": NEW})
    propose(host, text="---\ntitle: Easter\nrelated: [buss]\n---\n")
    clone = host.clone("runner")
    clone.ok("checkout", "-q", "--detach", "origin/drafts/easter")
    command, shown = next(block.split("\n", 1) for block in blocks("console") if "--against" in block)
    done = shell(command.removeprefix("$ "), clone.folder)
    assert done.stdout + done.stderr == shown


# -- hooks -------------------------------------------------------------------------------------------------------------


def install(word: str, folder: Path, host: Host) -> None:
    """Run the block that has *word* in it, with the paths of this machine."""
    script = next(block for block in blocks("sh") if word in block)
    script = script.replace("/opt/branchpress/bin/cms", str(CMS)).replace("/srv/git/site.git", str(host.repo.path))
    done = shell(script, folder, "sh")
    assert done.returncode == 0, done.stderr


def try_pushes(host: Host, **variables: str) -> list[str]:
    """Push a draft that is in order, and one that is not; what is told of the second."""
    ola = host.clone("ola")
    new = ola.write("posts/easter.md", NEW)
    done = ola.git("push", "origin", f"HEAD:{DRAFT}", **variables)
    assert done.code == 0, done.output
    ola.write("posts/easter.md", WRONG)
    done = ola.git("push", "origin", f"HEAD:{DRAFT}", **variables)
    assert "pre-receive hook declined" in done.output
    assert host.refs == {DRAFT: new, MAIN: host.refs[MAIN]}
    return done.remarks


def test_a_bare_repository_behind_ssh_knows_whose_key_it_is(host: Host, tmp_path: Path) -> None:
    install("/srv/git/site.git/hooks/pre-receive", tmp_path, host)
    lines = [line for line in "".join(blocks("text")).splitlines() if line.startswith("command=")]
    forced = re.match(r'command="((?:[^"\\]|\\.)*)",restrict ssh-ed25519 ', lines[1])
    assert forced is not None
    command = forced[1].replace('\\"', '"')
    # What sshd does: it sets a variable to what the client asked for, and runs the command that the key may run.
    write_hook(tmp_path / "ssh", f"SSH_ORIGINAL_COMMAND=\"$2\" exec sh -c '{command}'")
    ola = host.clone("ola", signs=False)
    ola.ok("remote", "set-url", "origin", f"git@localhost:{host.repo.path}")
    ola.write("posts/easter.md", NEW)
    ssh = {"GIT_SSH_COMMAND": str(tmp_path / "ssh"), "GIT_SSH_VARIANT": "simple", "PUSHER": "somebody"}
    done = ola.git("push", "origin", f"HEAD:{DRAFT}", **ssh)
    assert done.code == 0, done.output
    ola.say("approve")
    assert "it is not signed" in ola.git("push", "origin", f"HEAD:{DRAFT}", **ssh).remarks[0]


def test_the_hook_of_gitlab_marks_what_its_pages_show(host: Host, tmp_path: Path) -> None:
    install("custom_hooks", tmp_path, host)
    (tmp_path / "custom_hooks/pre-receive").rename(host.repo.path / "hooks/pre-receive")
    assert (tmp_path / "custom_hooks.tar").exists()
    told = try_pushes(host, GL_USERNAME="ola.h", GL_PROTOCOL="web")
    assert told[1].startswith(f"GL-HOOK-ERR:   {PLACE}")


def test_the_hook_of_forgejo_stands_beside_that_of_the_host(host: Host) -> None:
    hooks = host.repo.path / "hooks"
    (hooks / "pre-receive.d").mkdir(parents=True)
    loop = 'for hook in hooks/pre-receive.d/*; do printf "%s\\n" "$asked" | "$hook" || exit 1; done'
    write_hook(hooks / "pre-receive", f"asked=$(cat)\n{loop}")
    install("hooks/pre-receive.d/branchpress", host.repo.path, host)
    told = try_pushes(host, GITEA_PUSHER_NAME="ola")
    assert told[1].startswith(f"  {PLACE}")


def test_the_hook_of_github_knows_who_pushes(host: Host, tmp_path: Path) -> None:
    install("content.sh", tmp_path, host)
    (tmp_path / "content.sh").rename(host.repo.path / "hooks/pre-receive")
    told = try_pushes(host, GITHUB_USER_LOGIN="olah")
    assert told[1].startswith(f"  {PLACE}")


def test_a_clone_asks_before_it_pushes_and_signs(host: Host, tmp_path: Path) -> None:
    ola = host.clone("ola", signs=False)
    ola.ok("config", "user.email", "ola@example.org")
    install("hooks/pre-push", ola.folder, host)
    (ola.folder / ".ssh").mkdir()
    for end in ("", ".pub"):
        (ola.folder / ".ssh" / f"id_ed25519{end}").write_bytes((tmp_path / f"key-ola{end}").read_bytes())
    (ola.folder / ".ssh/id_ed25519").chmod(0o600)
    (ola.folder / ".git/info/exclude").write_text(".ssh\n")
    install("user.signingKey", ola.folder, host)
    head = ola.write("posts/easter.md", WRONG)
    assert PLACE in ola.push().output
    assert list(host.refs) == [MAIN]
    assert "gpgsig -----BEGIN SSH SIGNATURE-----" in ola.ok("cat-file", "commit", head)
