"""The command line as a person and as a script meet it."""

import json
import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import structlog
from typer.testing import CliRunner

from cms import cli, errors
from cms.cli import content
from cms.cli.content import read_condition
from cms.cli.exits import EXIT_CODES, exit_code_of
from cms.errors import CMSError
from cms.log import configure_log
from tests.repo import Repo

SETTINGS = '[site]\ntitle = "Testbloggen"\nlocales = ["nb"]\ntime_zone = "Europe/Oslo"\nbranch = "main"\n'
POSTS = """\
x-path: content/posts/{slug}.md
x-title: title
x-date: date
type: object
required: [title]
properties:
  title: {type: string}
  date: {type: string, format: date}
  tags: {type: array, items: {type: string}, x-search: {facet: true}}
  author: {type: string, x-reference: posts}
"""
SITE = {
    "cms.toml": SETTINGS,
    "schemas/posts.yaml": POSTS,
    "content/posts/en.md": "---\ntitle: Roboter i skolen\ndate: 2019-06-27\ntags: [skole, ki]\n---\nLærerne er *spente*.\n",
    "content/posts/to.md": "---\ntitle: Buss på bestilling\ndate: 2020-01-02\ntags: [skole]\n---\nVoss viser vei.\n",
}
WRONG = {"content/posts/x.md": "---\ntitle: X\nauthor: 50%, nobody\n---\n"}
COMMANDS = ("serve", "check", "init", "adopt", "index", "list", "show", "search", "diff", "types")
Run = Callable[..., Any]


@pytest.fixture(autouse=True)
def untouched_log() -> Iterator[None]:
    """Commands set up the log of the process; other tests want it as it was."""
    handlers, level = logging.root.handlers[:], logging.root.level
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a command in an empty folder, without a terminal."""
    monkeypatch.chdir(tmp_path)
    for name in ("CMS_SITE", "CMS_BRANCH", "CMS_LOG", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return lambda *arguments: CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


@pytest.fixture
def site(work_tree: Repo) -> Repo:
    """A site of two posts, with a work tree."""
    work_tree.commit(SITE)
    return work_tree


# -- help, exit codes, errors --------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example_and_its_exit_codes(run: Run, command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"$ cms {command}" in result.stdout
    assert "Exit codes: 0 fine" in result.stdout


def test_help_shows_square_brackets_as_they_are_typed(run: Run) -> None:
    assert "filter[a]=x" in run("list", "--help").stdout


def test_every_error_of_ours_has_an_exit_code() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, CMSError)]
    missing = [kind.__name__ for kind in kinds if kind is not CMSError and kind not in EXIT_CODES]
    assert missing == []
    assert all(exit_code_of(kind.code) == code for kind, code in EXIT_CODES.items())


def test_the_version_is_printed(run: Run) -> None:
    assert run("--version").stdout.startswith("branchpress ")


def test_an_unknown_command_is_wrong_use(run: Run) -> None:
    result = run("serv")
    assert result.exit_code == 2
    assert "Did you mean 'serve'" in result.stderr


def test_outside_of_a_repository_the_error_says_what_to_do(run: Run) -> None:
    result = run("check")
    assert result.exit_code == 3
    assert "is not inside a Git repository" in result.stderr
    assert "cms init" in result.stderr


def test_a_folder_that_is_no_repository_is_refused_with_a_hint(run: Run, tmp_path: Path) -> None:
    result = run("list", "posts", "--site", tmp_path)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "git init" in result.stderr


def test_an_unexpected_error_is_one_message_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_down() -> None:
        raise ZeroDivisionError("by\x1b[31m zero")

    monkeypatch.setattr(cli, "app", break_down)
    with pytest.raises(SystemExit) as exit:
        cli.main()
    printed = capsys.readouterr().err
    assert exit.value.code == 70
    assert "CMS_LOG=debug" in printed
    assert "Traceback" not in printed
    assert "\x1b" not in printed


def test_an_unexpected_error_shows_its_traceback_when_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def break_down() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "app", break_down)
    monkeypatch.setenv("CMS_LOG", "debug")
    with pytest.raises(SystemExit):
        cli.main()
    assert "break_down" in capsys.readouterr().err


def test_a_full_disk_is_named_with_what_to_do(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "/srv/x")

    monkeypatch.setattr("cms.cli.start.write_site", fill)
    result = run("init", "new")
    assert result.exit_code == 70
    assert "No space left on device: /srv/x" in result.stderr
    assert "make room" in result.stderr


# -- check ---------------------------------------------------------------------------------------------------------


def test_checking_a_good_site_prints_nothing_but_a_summary(run: Run, site: Repo) -> None:
    result = run("check", site.path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.endswith("no errors\n")


def test_errors_are_printed_with_their_place_and_fail(run: Run, site: Repo) -> None:
    site.commit(WRONG)
    result = run("check", site.path)
    assert result.exit_code == 1
    assert result.stdout.startswith("content/posts/x.md:3:9: author: there is no '50%, nobody' in posts (")
    assert "1 error and 0 warnings" in result.stderr


def test_warnings_alone_do_not_fail(run: Run, site: Repo) -> None:
    site.commit({"content/posts/deeper/x.md": "---\ntitle: X\n---\n"})
    result = run("check", site.path)
    assert result.exit_code == 0
    assert "0 errors and 1 warning" in result.stderr


def test_the_json_of_a_check_holds_all_findings(run: Run, site: Repo) -> None:
    commit = site.commit(WRONG)
    result = run("check", site.path, "--format", "json")
    answer = json.loads(result.stdout)
    assert (answer["ref"], answer["commit"], answer["errors"], answer["warnings"]) == ("refs/heads/main", commit, 1, 0)
    assert answer["findings"][0]["line"] == 3
    assert result.exit_code == 1


def test_findings_for_github_are_escaped_workflow_commands(run: Run, site: Repo) -> None:
    site.commit({"content/posts/a,b.md": WRONG["content/posts/x.md"]})
    line = run("check", site.path, "--format", "github").stdout
    assert line.startswith("::error file=content/posts/a%2Cb.md,line=3,col=9,title=author::there is no '50%25, nobody'")


def test_another_branch_can_be_checked(run: Run, site: Repo) -> None:
    site.commit(WRONG, branch="drafts/x", parents=[site.git("rev-parse", "main")])
    assert run("check", site.path, "--ref", "drafts/x").exit_code == 1
    assert run("check", site.path).exit_code == 0


def test_what_is_checked_out_is_checked(run: Run, site: Repo) -> None:
    site.git("switch", "--create", "drafts/x")
    site.commit(WRONG, branch="drafts/x")
    result = run("check", site.path)
    assert result.exit_code == 1
    assert "drafts/x at " in result.stderr


def test_a_detached_clone_as_in_continuous_integration_is_checked(run: Run, site: Repo, tmp_path: Path) -> None:
    commit = site.commit(WRONG)
    site.git("clone", "--quiet", "--depth=1", f"file://{site.path}", str(tmp_path / "clone"))
    Repo(tmp_path / "clone").git("checkout", "--quiet", "--detach")
    assert json.loads(run("check", "clone", "--json").stdout)["commit"] == commit


def test_checking_a_ref_that_does_not_exist_says_so(run: Run, site: Repo) -> None:
    result = run("check", site.path, "--ref", "nowhere")
    assert result.exit_code == 5
    assert "'nowhere'" in result.stderr


def test_a_repository_without_a_commit_cannot_be_checked_yet(run: Run, repo: Repo) -> None:
    result = run("check", repo.path)
    assert result.exit_code == 3
    assert "main has no commit yet" in result.stderr


def test_a_broken_cms_toml_fails_the_check_at_its_line(run: Run, site: Repo) -> None:
    site.commit({"cms.toml": "[site]\ntitle = \n"})
    result = run("check", site.path)
    assert result.exit_code == 1
    assert result.stdout.startswith("cms.toml:2: ")


def test_a_command_finds_the_repository_around_the_current_folder(
    run: Run, site: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(site.path / "content" / "posts")
    assert run("check").exit_code == 0


# -- list, show, search --------------------------------------------------------------------------------------------


def test_a_list_without_a_terminal_is_lines_with_tabs(run: Run, site: Repo) -> None:
    result = run("list", "posts", "-C", site.path)
    assert result.stdout.splitlines() == [
        "to\tnb\tBuss på bestilling\t2020-01-02T00:00:00+01:00",
        "en\tnb\tRoboter i skolen\t2019-06-27T00:00:00+02:00",
    ]


def test_a_list_takes_filters_order_fields_and_facets(run: Run, site: Repo) -> None:
    options = ("-f", "date<2020-01-01", "-f", "tags=ki", "--fields", "title,tags", "--facet", "tags", "--sort", "title")
    result = run("list", "posts", "-C", site.path, *options)
    assert result.stdout.splitlines() == ["Roboter i skolen\tskole, ki", "", "tags\tki\t1", "tags\tskole\t1"]


def test_a_list_tells_aggregates_and_groups(run: Run, site: Repo) -> None:
    query = "aggregate[count]=*&aggregate[max]=date&group_by=tags&limit=0"
    lines = run("list", "posts", "-C", site.path, "-q", query).stdout.splitlines()
    assert lines == ["", "count(*)\t2", "max(date)\t2020-01-02", "", "skole\t2\t2\t2020-01-02", "ki\t1\t1\t2019-06-27"]


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("category=helse", ("filter[category]", "helse")),
        ("date >= 2019-01-01", ("filter[date][gte]", "2019-01-01")),
        ("title~bus=s", ("filter[title][icontains]", "bus=s")),
        ("tags!=x", ("filter[tags][ne]", "x")),
        ("tags[in]=a,b", ("filter[tags][in]", "a,b")),
        ("filter[or][0][a]=b", ("filter[or][0][a]", "b")),
    ],
)
def test_a_condition_becomes_a_parameter_of_the_api(text: str, pair: tuple[str, str]) -> None:
    assert read_condition(text) == pair


def test_the_json_of_a_list_is_the_body_of_the_api(run: Run, site: Repo) -> None:
    result = run("list", "posts", "-C", site.path, "-q", "filter[tags]=ki&fields=slug", "--limit", "1", "--json")
    answer = json.loads(result.stdout)
    assert answer["data"] == [{"slug": "en"}]
    assert answer["meta"]["total"] == 1
    assert answer["links"]["self"].startswith("/api/v1/entries/posts?filter")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("list", "psts"), 5, "did you mean 'posts'?"),
        (("list", "posts", "-f", "titel=x"), 2, "did you mean 'title'?"),
        (("list", "posts", "-f", "title"), 2, "has no operator"),
        (("list", "posts", "-q", "limt=3"), 2, "limt"),
        (("list", "posts", "--limit", "1000"), 2, "100"),
        (("show", "posts/nowhere"), 5, "nowhere"),
        (("show", "posts"), 2, "COLLECTION/SLUG"),
        (("search", "x", "--collection", "psts"), 2, "posts"),
    ],
)
def test_a_query_that_cannot_be_answered_says_why(
    run: Run, site: Repo, arguments: tuple[str, ...], code: int, message: str
) -> None:
    result = run(*arguments, "-C", site.path)
    assert (result.exit_code, result.stdout) == (code, "")
    assert message in result.stderr


def test_an_entry_is_shown_with_its_fields_and_its_markdown(run: Run, site: Repo) -> None:
    lines = run("show", "posts/en", "-C", site.path).stdout.splitlines()
    assert "title: Roboter i skolen" in lines
    assert "tags: skole, ki" in lines
    assert lines[-1] == "Lærerne er *spente*."


def test_an_entry_is_shown_under_an_earlier_slug(run: Run, site: Repo) -> None:
    site.commit({"content/posts/ny.md": "---\ntitle: Ny\naliases: [gammel]\n---\n"})
    assert "slug: ny" in run("show", "posts/gammel", "-C", site.path).stdout.splitlines()


def test_the_json_of_an_entry_has_html_as_the_api_does(run: Run, site: Repo) -> None:
    answer = json.loads(run("show", "posts/en", "-C", site.path, "--json").stdout)
    assert answer["data"]["body"] == "<p>Lærerne er <em>spente</em>.</p>\n"


def test_control_characters_in_a_body_never_reach_the_terminal(run: Run, site: Repo) -> None:
    site.commit({"content/posts/x.md": "---\ntitle: X\n---\nred \x1b[31m alert\n"})
    result = run("show", "posts/x", "-C", site.path)
    assert "\x1b" not in result.output


def test_a_search_indexes_what_is_missing_and_finds_it(run: Run, site: Repo) -> None:
    result = run("search", "spente", "-C", site.path)
    assert [line.split("\t")[1:3] for line in result.stdout.splitlines()] == [["posts/en", "Roboter i skolen"]]


def test_a_search_finds_what_is_like_an_entry(run: Run, site: Repo) -> None:
    site.commit({"content/posts/tre.md": "---\ntitle: Flere roboter i skolen\ntags: [ki]\n---\nRoboter.\n"})
    result = run("search", "--similar", "posts/en", "-C", site.path)
    assert [line.split("\t")[1] for line in result.stdout.splitlines()] == ["posts/tre"]
    assert run("search", "-C", site.path).exit_code == 2
    assert "posts/nei" in run("search", "--similar", "posts/nei", "-C", site.path).stderr


def test_a_corrected_search_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    content.print_hits({"data": [], "meta": {"total": 0, "corrected": "barnehage"}})
    assert "'barnehage'" in capsys.readouterr().err


def test_hits_with_some_of_the_words_are_told_apart(capsys: pytest.CaptureFixture[str]) -> None:
    content.print_hits({"data": [], "meta": {"total": 0, "match": "any"}})
    assert "some of them" in capsys.readouterr().err


def test_a_list_with_a_text_searches(run: Run, site: Repo) -> None:
    result = run("list", "posts", "-C", site.path, "-q", "q=voss", "--fields", "slug")
    assert result.stdout == "to\n"


# -- init, adopt, index --------------------------------------------------------------------------------------------


def test_a_new_site_is_committed_and_has_no_errors(run: Run, tmp_path: Path) -> None:
    result = run("init", "new", "--locale", "nb", "--title", 'Bloggen "vår"')
    assert (result.exit_code, result.stderr) == (0, "")
    assert "cms serve new" in result.stdout
    assert run("check", "new").stderr.endswith("no errors\n")
    assert run("list", "posts", "-C", "new", "--fields", "title").stdout == "Velkommen\n"
    assert Repo(tmp_path / "new").git("status", "--porcelain") == ""


def test_a_new_site_speaks_english_elsewhere(run: Run) -> None:
    run("init", "new", "--locale", "en-GB")
    assert run("list", "posts", "-C", "new", "--fields", "title,locale").stdout == "Welcome\ten-GB\n"


def test_without_a_name_for_git_the_first_commit_gets_a_neutral_one(run: Run, tmp_path: Path) -> None:
    result = run("init", "new")
    assert "user.name" in result.stdout
    assert Repo(tmp_path / "new").git("log", "--format=%an <%ae>") == "cms init <cms@localhost>"


def test_a_folder_with_something_in_it_is_not_touched(run: Run, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "mine.txt").write_text("mine")
    result = run("init", "new")
    assert result.exit_code == 2
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mine.txt"]


def test_a_locale_that_is_none_is_refused_before_anything_is_made(run: Run, tmp_path: Path) -> None:
    assert run("init", "new", "--locale", "Norsk").exit_code == 2
    assert not (tmp_path / "new").exists()


def test_git_that_is_not_installed_is_said_before_anything_is_made(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = run("init", "new")
    assert result.exit_code == 3
    assert "apt install git" in result.stderr
    assert not (tmp_path / "new").exists()


@pytest.fixture
def strangers(work_tree: Repo) -> Repo:
    """A repository that never heard of us."""
    posts = {
        f"_posts/2019-01-0{day}-day-{day}.md": f"---\ntitle: Day {day}\ntags: [a]\n---\nText.\n" for day in (1, 2, 3)
    }
    work_tree.commit({**posts, "_posts/2019-01-04-bad.md": "---\ntitle: [\n---\n", "_config.yml": "title: Old blog\n"})
    return work_tree


def test_adopting_writes_a_model_that_accepts_what_is_there(run: Run, strangers: Repo) -> None:
    result = run("adopt", strangers.path)
    assert result.exit_code == 0
    assert "_posts/2019-01-04-bad.md:" in result.stdout
    strangers.git("add", ".gitignore", "cms.toml", "schemas")
    strangers.git("commit", "-m", "Describe the content")
    checked = run("check", strangers.path)
    assert [line.partition(":")[0] for line in checked.stdout.splitlines()] == ["_posts/2019-01-04-bad.md"]
    assert strangers.git("status", "--porcelain") == ""


def test_a_repository_without_content_is_not_adopted(run: Run, tmp_path: Path) -> None:
    repo = Repo.create(tmp_path / "empty", bare=False)
    repo.commit({"README.md": "# Et prosjekt\n"})
    result = run("adopt", repo.path)
    assert result.exit_code == 2
    assert "there is no content to describe" in result.stderr
    assert not (repo.path / "cms.toml").exists()


def test_adopting_again_overwrites_nothing_unless_forced(run: Run, strangers: Repo) -> None:
    run("adopt", strangers.path)
    (strangers.path / "cms.toml").write_text("# mine\n")
    result = run("adopt", strangers.path)
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert (strangers.path / "cms.toml").read_text() == "# mine\n"
    assert run("adopt", strangers.path, "--force").exit_code == 0
    assert "Old blog" in (strangers.path / "cms.toml").read_text()


def test_a_dry_run_of_adopt_shows_the_files_and_writes_none(run: Run, strangers: Repo) -> None:
    result = run("adopt", strangers.path, "--dry-run")
    assert "--- schemas/posts.yaml" in result.stdout
    assert strangers.git("status", "--porcelain") == ""


def test_the_json_of_adopt_holds_the_texts_and_writes_none(run: Run, strangers: Repo) -> None:
    answer = orjson.loads(run("adopt", strangers.path, "--json").stdout)
    assert answer["collections"][0]["count"] == 4
    assert "x-path" in answer["schemas"]["posts.yaml"]
    assert strangers.git("status", "--porcelain") == ""


def test_a_bare_repository_is_adopted_into_another_folder(run: Run, repo: Repo, tmp_path: Path) -> None:
    repo.commit({"posts/a.md": "---\ntitle: A\n---\n"})
    result = run("adopt", repo.path)
    assert result.exit_code == 2
    assert "--output" in result.stderr
    assert run("adopt", repo.path, "--output", "model").exit_code == 0
    assert (tmp_path / "model" / "cms.toml").is_file()


def test_adopting_an_ignore_file_without_a_last_line_break_keeps_its_lines(run: Run, strangers: Repo) -> None:
    strangers.commit({".gitignore": "node_modules"})
    run("adopt", strangers.path)
    assert (strangers.path / ".gitignore").read_text() == "node_modules\n/search_index/\n"


def test_the_index_is_verified_built_and_rebuilt(run: Run, site: Repo) -> None:
    incomplete = run("index", site.path, "--verify")
    assert incomplete.exit_code == 6
    assert "2 texts missing" in incomplete.stderr
    assert "Indexed 2 texts" in run("index", site.path).stdout
    assert run("index", site.path, "--verify").exit_code == 0
    assert "Indexed 0 texts" in run("index", site.path).stdout
    assert "Indexed 2 texts" in run("index", site.path, "--rebuild").stdout


def test_an_index_cannot_be_verified_and_rebuilt_at_once(run: Run, site: Repo) -> None:
    assert run("index", site.path, "--verify", "--rebuild").exit_code == 2


# -- log -----------------------------------------------------------------------------------------------------------


def test_the_log_is_json_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    configure_log("info")
    structlog.get_logger("x").info("site.advanced", path=Path("a"), names=("b\n", 1))
    logging.getLogger("library").warning("50 %s", "bells\x07")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["event"], first["level"], first["path"], first["names"]) == (
        "site.advanced",
        "info",
        "a",
        ["b\\n", 1],
    )
    assert second["event"] == "50 bells\\x07"


def test_the_log_is_text_for_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    configure_log("warning", is_json=False)
    log = structlog.get_logger("x")
    log.info("too.quiet")
    log.warning("cache.unusable", path="a b", reason="\x1b[2J")
    line = capsys.readouterr().err
    assert line.endswith(" warning cache.unusable path='a b' reason=\\x1b[2J\n")


def test_a_logged_error_keeps_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    configure_log("info", is_json=False)
    try:
        raise ValueError("bad\x1b")
    except ValueError as error:
        structlog.get_logger("x").error("request.failed", exc_info=error)
    lines = capsys.readouterr().err.splitlines()
    assert lines[1].startswith("Traceback")
    assert lines[-1] == "ValueError: bad\\x1b"


def test_a_level_that_is_none_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CMS_LOG", "infoo")
    result = run("check")
    assert result.exit_code == 3
    assert "did you mean 'info'?" in result.stderr


# -- on a terminal -------------------------------------------------------------------------------------------------

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def terminal(run: Run, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command as on a terminal of 100 columns."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    return run


def test_a_list_on_a_terminal_is_a_table_with_a_heading_and_a_sum(terminal: Run, site: Repo) -> None:
    result = terminal("list", "posts", "-C", site.path, "--limit", "1", "--facet", "tags")
    lines = ESCAPES.sub("", result.stdout).splitlines()
    assert lines[0].split() == ["slug", "title", "published_at"]
    assert lines[1].split()[0] == "to"
    assert ["facet", "value", "count"] in [line.split() for line in lines]
    assert "1 of 2 entries, page 1 of 2" in ESCAPES.sub("", result.stderr)


def test_a_list_of_nothing_on_a_terminal_says_so(terminal: Run, site: Repo) -> None:
    result = terminal("list", "posts", "-C", site.path, "-f", "title=nothing")
    assert "0 of 0 entries" in ESCAPES.sub("", result.stderr)


def test_hits_on_a_terminal_have_the_words_in_bold(terminal: Run, site: Repo) -> None:
    assert "\x1b[1mspente\x1b[0m" in terminal("search", "spente", "-C", site.path).stdout


def test_what_editors_put_first_is_marked_on_a_terminal(terminal: Run, run: Run, site: Repo) -> None:
    site.commit({"content/search/bestbets.yaml": "spente: posts/to\n"})
    lines = ESCAPES.sub("", terminal("search", "spente", "-C", site.path).stdout).splitlines()
    assert [line.split()[:2] for line in lines[1:3]] == [["pinned", "posts/to"], [lines[2].split()[0], "posts/en"]]


def test_an_entry_on_a_terminal_is_set_as_markdown(terminal: Run, site: Repo) -> None:
    assert "\x1b[3mspente\x1b[0m" in terminal("show", "posts/en", "-C", site.path).stdout


def test_findings_on_a_terminal_are_coloured_unless_that_is_switched_off(
    terminal: Run, site: Repo, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.commit(WRONG)
    assert terminal("check", site.path).stdout.startswith("\x1b[31mcontent/posts/x.md")
    monkeypatch.setenv("NO_COLOR", "1")
    assert terminal("check", site.path).stdout.startswith("content/posts/x.md")


def test_several_formats_of_a_body_are_shown_as_json(run: Run, site: Repo) -> None:
    lines = run("show", "posts/en", "-C", site.path, "--format", "html,markdown,toc").stdout.splitlines()
    assert set(json.loads(lines[-1])["body"]) == {"html", "markdown"}


def test_fields_behind_references_are_shown_as_text(run: Run, site: Repo) -> None:
    site.commit({"content/posts/x.md": "---\ntitle: X\nauthor: en\nextra: {a: true}\ndraft: false\n---\n"})
    result = run("list", "posts", "-C", site.path, "-f", "author=en", "--fields", "author.title,extra,draft,nothing")
    assert result.stdout == 'Roboter i skolen\t{"a": true}\tfalse\t\n'
