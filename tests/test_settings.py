"""``cms.toml`` and the environment."""

import sys
from pathlib import Path

import pytest

from cms.errors import InvalidSettings
from cms.settings import Environment, Settings, find_nearest, nearest, read_environment, read_settings


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
        ("[search]\nbestbet = 'x'\n", 2, "did you mean 'bestbets'?"),
        *(
            (f"[server]\ncache = '{folder}'\n", 2, "must be a folder inside the site")
            for folder in ("/etc", "../x", "a/../../x", "", ".", ".git", "a/.git/b", "C:\\x", "a\\..\\..\\b", "a//b")
        ),
    ],
)
def test_wrong_settings_are_refused_with_their_line(text: str, line: int, message: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        read_settings(text)
    assert message in str(caught.value)
    assert (caught.value.facts["path"], caught.value.facts["line"]) == ("cms.toml", line)


def test_the_environment_is_read_into_one_value() -> None:
    assert read_environment({}) == Environment(site=Path())
    assert read_environment({"CMS_SITE": "/srv/blog", "CMS_BRANCH": "live", "CMS_LOG": "debug"}) == Environment(
        site=Path("/srv/blog"), branch="live", log_level="debug"
    )


def test_the_nearest_word_is_named_only_when_it_is_near() -> None:
    assert nearest("titel", ["title", "date"]) == "; did you mean 'title'?"
    assert nearest("x", ["title"]) == ""
    assert find_nearest("dat", {"date": 1}) == "date"
