"""``cms.toml`` and the environment."""

import sys
from pathlib import Path

import pytest

from cms.errors import InvalidSettings
from cms.settings import (
    Environment,
    HistorySettings,
    ServerSettings,
    Settings,
    export_environment,
    find_nearest,
    nearest,
    read_environment,
    read_settings,
    state_folder,
)


def test_nothing_at_all_is_a_site_with_every_default() -> None:
    assert read_settings("") == Settings()
    assert (Settings().site.locales, Settings().site.default_locale, Settings().zone.key) == (("en",), "en", "UTC")


def test_every_setting_is_read() -> None:
    found = read_settings(
        '[site]\ntitle = "Blog"\nurl = "https://example.org"\ndescription = "Things"\nlocales = ["nb", "en-GB"]\n'
        'default_locale = "en-GB"\ntime_zone = "Europe/Oslo"\nbranch = "live"\n[server]\ncache = ".cache/cms"\nmax_age_seconds = 60\n'
        '[search]\nsynonyms = "a.txt"\nbestbets = "b.yaml"\n'
    )
    assert (found.site.title, found.site.default_locale, found.zone.key) == ("Blog", "en-GB", "Europe/Oslo")
    assert (found.search.synonyms, found.search.bestbets) == ("a.txt", "b.yaml")
    assert (found.server.cache, found.server.max_age_seconds, found.site.branch) == (".cache/cms", 60, "live")


def test_the_past_is_closed_unless_a_site_opens_it() -> None:
    assert read_settings("").history == HistorySettings(public=False, never=())
    assert read_settings("[history]\nnever = []\n").history.never == ()
    found = read_settings('[history]\npublic = true\nnever = ["posts/case-*.md", "images/**"]\n').history
    assert found == HistorySettings(public=True, never=("posts/case-*.md", "images/**"))


@pytest.mark.parametrize(
    ("never", "said"), [("posts/[a].md", "there are only"), ("/posts", "fits no file"), ("", "is empty")]
)
def test_a_pattern_that_could_fit_nothing_withholds_nothing_and_is_refused(never: str, said: str) -> None:
    with pytest.raises(InvalidSettings, match=f"history.never: .*{said}") as refused:
        read_settings(f'[history]\npublic = true\nnever = ["{never}"]\n')
    assert refused.value.facts["line"] == 3


def test_another_search_engine_needs_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tantivy", None)
    with pytest.raises(InvalidSettings, match=r"pip install branchpress\[tantivy\]") as caught:
        read_settings('[search]\nengine = "tantivy"\n')
    assert caught.value.facts["line"] == 2
    with pytest.raises(InvalidSettings, match="did you mean 'whoosh'"):
        read_settings('[search]\nengine = "woosh"\n')


def test_the_first_locale_is_the_default_one() -> None:
    assert read_settings('[site]\nlocales = ["nn", "nb"]').site.default_locale == "nn"


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[site", 1, "not valid TOML"),
        ('[site]\ntitle = "a\n', 2, "not valid TOML"),
        ('title = "Blog"\n', 1, "unknown table [title]"),
        ("[ste]\n", 1, "did you mean 'site'?"),
        ("site = 5\n", 1, "[site] must be a table"),
        ("[[site]]\n", 1, "[site] must be a table"),
        ('\n[site]\nlocale = ["nb"]\n', 3, "did you mean 'locales'?"),
        ('[site]\nlocales = "nb"\n', 2, "must be a list of texts"),
        ("[site]\nlocales = []\n", 2, "must be a list of texts"),
        ("[site]\nlocales = [1]\n", 2, "must be a list of texts"),
        ('[site]\nlocales = ["norsk bokmål"]\n', 2, "not a BCP 47 language tag"),
        ('[site]\nlocales = ["../x"]\n', 2, "not a BCP 47 language tag"),
        ('[site]\nlocales = ["nb"]\ndefault_locale = "en"\n', 3, "not one of site.locales"),
        ('[site]\ntime_zone = "Mars/Phobos"\n', 2, "not an IANA time zone"),
        ('[site]\ntime_zone = "../../etc/passwd"\n', 2, "not an IANA time zone"),
        ('[site]\ntime_zone = ""\n', 2, "not an IANA time zone"),
        ('[site]\ntime_zone = "Europe"\n', 2, "not an IANA time zone"),
        ("[site]\ntitle = 5\n", 2, "site.title must be a text"),
        ('[site]\nurl = "example.org"\n', 2, "must begin with 'https://'"),
        ('[site]\nurl = "javascript:alert(1)"\n', 2, "must begin with 'https://'"),
        ('[server]\nmax_age_seconds = "5"\n', 2, "must be a whole number"),
        ("[server]\nmax_age_seconds = true\n", 2, "must be a whole number"),
        ("[server]\nmax_age_seconds = -1\n", 2, "must be 0 or more"),
        *(
            (f"[search]\nsynonyms = '{file}'\n", 2, "must be a file of the repository")
            for file in ("", "/etc/x", "../x")
        ),
        *(
            (f"[server]\nstate = {folder!r}\n", 2, "must be a whole path")
            for folder in ("state", "~/x", "$HOME/x", "/", "/var/../etc", "C:\\x", " /var")
        ),
        *(
            (f"[server]\nname = {name!r}\n", 2, "must be letters, digits")
            for name in ("", "a/b", "..", "a..b", ".x", "-x", "blog.git", "x.lock", "blå", "a b", "x" * 65)
        ),
        *(
            (f"[server]\nurl = {url!r}\n", 2, "must be an address such as")
            for url in (
                "cms.example.org",
                "https://",
                "https://me@example.org",
                "https://a/?b",
                "ftp://a",
                "https://a b",
            )
        ),
        ("[server]\ncache = 'x'\n[site]\nurl = ''\n[server.url]\n", 5, "server.url must be a text"),
        ("[role]\n", 1, "did you mean 'roles'?"),
        ("a = " + "[" * 5_000 + "]" * 5_000, None, "nested too deep"),
        ("#" * 1_100_000, 1, "larger than"),
        ("[server]\nmax_age_seconds = " + "9" * 5_000, 2, "not valid TOML"),
        ("[server]\nshared_max_age_seconds = -1\n", 2, "server.shared_max_age_seconds must be 0 or more"),
        ("[search]\nbestbet = 'x'\n", 2, "did you mean 'bestbets'?"),
        *(
            (f"[server]\ncache = '{folder}'\n", 2, "must be a folder inside the site")
            for folder in ("/etc", "../x", "a/../../x", "", ".", ".git", "a/.git/b", "C:\\x", "a\\..\\..\\b", "a//b")
        ),
    ],
)
def test_wrong_settings_are_refused_with_their_line(text: str, line: int | None, message: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        read_settings(text)
    assert message in str(caught.value)
    assert (caught.value.facts["path"], caught.value.facts.get("line")) == ("cms.toml", line)


def test_what_is_wrong_about_people_is_no_concern_of_reading() -> None:
    assert read_settings("[people]\nx = 1\n[groups]\n[[roles]]\n[[rules]]\n[bypass]\n") == Settings()


def test_the_environment_is_read_into_one_value() -> None:
    assert read_environment({}) == Environment(site=Path())
    given = {
        "CMS_SITE": "/srv/blog",
        "CMS_BRANCH": "live",
        "CMS_LOG": "debug",
        "CMS_STATE": "s",
        "XDG_STATE_HOME": "/x",
    }
    assert read_environment(given) == Environment(
        site=Path("/srv/blog"), branch="live", log_level="debug", state="s", state_home=Path("/x")
    )
    assert read_environment({"XDG_STATE_HOME": "relative"}) == Environment(site=Path())


def test_worker_processes_are_told_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CMS_SITE", "CMS_BRANCH", "CMS_LOG", "CMS_STATE"):
        monkeypatch.setenv(name, "other")
    told = Environment(site=Path("/srv/blog"), branch="live", log_level="debug", state="/var/s", state_home=Path("/x"))
    monkeypatch.setenv("XDG_STATE_HOME", "/x")
    export_environment(told)
    assert read_environment() == told


def test_accounts_go_where_the_environment_says_then_where_the_site_says_then_to_the_home(tmp_path: Path) -> None:
    git_dir, home = tmp_path / "site.git", tmp_path / "home"
    named = Settings(server=ServerSettings(state=str(tmp_path / "state"), name="blog"))
    own = Environment(state=str(tmp_path / "own"), state_home=home)
    assert state_folder(named, own, git_dir, None) == tmp_path / "own"
    assert state_folder(named, Environment(state_home=home), git_dir, None) == tmp_path / "state"
    folder = state_folder(Settings(), Environment(state_home=home), git_dir, None)
    assert folder.parent == home / "branchpress"
    assert folder.name.startswith("site-")
    assert folder != state_folder(Settings(), Environment(state_home=home), tmp_path / "other.git", None)


@pytest.mark.parametrize(
    "inside", [".", "site", "site/.git", "site/content/x", "link/x", "site.git/objects", "x/../site.git"]
)
def test_accounts_never_lie_in_the_repository(tmp_path: Path, inside: str) -> None:
    work_tree = tmp_path if inside == "." else tmp_path / "site"
    work_tree.mkdir(exist_ok=True)
    (tmp_path / "link").symlink_to(work_tree)
    environment = Environment(state=str(tmp_path / inside))
    with pytest.raises(InvalidSettings, match="choose another folder"):
        state_folder(Settings(), environment, tmp_path / "site.git", work_tree)


def test_another_name_of_the_site_does_not_lose_its_accounts(tmp_path: Path) -> None:
    environment = Environment(state_home=tmp_path)
    folder = state_folder(Settings(), environment, tmp_path / "site.git", None)
    folder.mkdir(parents=True)
    renamed = Settings(server=ServerSettings(name="news"))
    assert state_folder(renamed, environment, tmp_path / "site.git", None) == folder
    other = state_folder(renamed, environment, tmp_path / "other.git", None)
    assert other != folder
    assert other.name.startswith("news-")


def test_a_folder_beside_the_repository_is_not_in_it(tmp_path: Path) -> None:
    environment = Environment(state=str(tmp_path / "site.git-state"))
    assert state_folder(Settings(), environment, tmp_path / "site.git", tmp_path / "site").name == "site.git-state"


def test_the_nearest_word_is_named_only_when_it_is_near() -> None:
    assert nearest("titel", ["title", "date"]) == "; did you mean 'title'?"
    assert nearest("x", ["title"]) == ""
    assert find_nearest("dat", {"date": 1}) == "date"
