"""What ``cms check`` finds, over real repositories."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from cms.cache import DerivedCache
from cms.check import check_commit
from cms.finding import Finding
from cms.inferred import infer_model
from cms.refs import CommitId
from cms.store import Store
from tests.repo import Repo

SETTINGS = '[site]\ntitle = "Test"\nlocales = ["nb", "en"]\ndefault_locale = "nb"\nbranch = "main"\n'
POSTS = """\
x-path: content/posts/{slug}.md
type: object
properties:
  title: {type: string}
  number: {type: integer, x-unique: true}
  author: {type: string, x-reference: authors}
  related: {type: array, items: {type: string}, x-reference: [posts, authors]}
  image: {type: object, properties: {url: {type: string, x-asset: true}}}
  status: {type: string, x-reference: authors}
"""
AUTHORS = "x-path: content/authors/{slug}.md\ntype: object\nproperties:\n  name: {type: string}\n"
MODEL = {"cms.toml": SETTINGS, "schemas/posts.yaml": POSTS, "schemas/authors.yaml": AUTHORS}
KARI = {"content/authors/kari.md": "---\nname: Kari\n---\n"}


@pytest.fixture
def check(repo: Repo, tmp_path: Path) -> "Checker":
    return Checker(repo, DerivedCache(tmp_path / "cache"))


class Checker:
    """Commits files on top of a model with posts and authors, and checks the result."""

    def __init__(self, repo: Repo, cache: DerivedCache) -> None:
        self.repo = repo
        self.cache = cache

    def __call__(self, files: Mapping[str, str | None], *, at: str | None = None) -> list[Finding]:
        commit = at or self.repo.commit({**MODEL, **KARI, **files})
        store = Store.open(self.repo.path)
        return check_commit(store, CommitId(commit), name="refs/heads/main", infer=infer_model, cache=self.cache)


def post(*lines: str) -> str:
    return "\n".join(["---", "title: A post", *lines, "---", "Text.", ""])


def one(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, [str(finding) for finding in findings]
    return findings[0]


def test_content_without_a_fault_has_no_findings(check: Checker) -> None:
    assert check({"content/posts/a.md": post("author: kari", "number: 1")}) == []


def test_a_reference_to_nothing_is_an_error_at_its_line_with_the_nearest_slug(check: Checker) -> None:
    found = one(check({"content/posts/a.md": post("author: karri")}))
    assert str(found) == "content/posts/a.md:3:9: author: there is no 'karri' in authors (did you mean 'kari'?)"
    assert found.severity == "error"


def test_a_broken_reference_inside_a_list_is_found_at_its_own_place(check: Checker) -> None:
    found = one(check({"content/posts/a.md": post("related:", "  - kari", "  - zzz")}))
    assert (found.line, found.column, found.field) == (5, 5, "related.1")
    assert "posts or authors" in found.message


def test_a_reference_may_name_its_collection_where_several_are_allowed(check: Checker) -> None:
    assert check({"content/posts/a.md": post("related: [authors/kari, posts/a]")}) == []


def test_a_reference_in_a_field_whose_name_the_api_has_taken_is_checked_too(check: Checker) -> None:
    errors = [item for item in check({"content/posts/a.md": post("status: nobody")}) if item.severity == "error"]
    assert one(errors).field == "status"


def test_a_visible_entry_that_refers_to_a_hidden_one_gets_a_warning(check: Checker) -> None:
    hidden = {"content/authors/ola.md": "---\nname: Ola\ndraft: true\n---\n"}
    found = one(check({**hidden, "content/posts/a.md": post("author: ola")}))
    assert (found.rule, found.severity, found.line) == ("reference-hidden", "warning", 3)


def test_a_hidden_entry_may_refer_to_a_hidden_one(check: Checker) -> None:
    hidden = {"content/authors/ola.md": "---\nname: Ola\ndraft: true\n---\n"}
    assert check({**hidden, "content/posts/a.md": post("author: ola", "draft: true")}) == []


def test_an_asset_that_is_not_in_the_repository_is_an_error(check: Checker) -> None:
    found = one(check({"content/posts/a.md": post("image:", "  url: content/x.png")}))
    assert (found.rule, found.line, found.field) == ("asset", 4, "image.url")


def test_an_asset_spelled_in_another_case_is_named(check: Checker) -> None:
    found = one(check({"content/X.png": "png", "content/posts/a.md": post("image: {url: content/x.PNG}")}))
    assert "did you mean 'content/X.png'?" in found.hint


def test_an_asset_beside_the_entry_is_named_by_its_whole_path(check: Checker) -> None:
    found = one(check({"content/posts/x.png": "png", "content/posts/a.md": post("image: {url: ./x.png}")}))
    assert "did you mean 'content/posts/x.png'?" in found.hint


@pytest.mark.parametrize("url", ["https://example.org/x.png", "//example.org/x.png", "/content/x.png", "''"])
def test_assets_elsewhere_and_with_a_leading_slash_are_fine(check: Checker, url: str) -> None:
    assert check({"content/x.png": "png", "content/posts/a.md": post(f"image: {{url: {url}}}")}) == []


def test_a_unique_value_that_is_used_twice_is_an_error_in_the_second_file(check: Checker) -> None:
    found = one(check({"content/posts/a.md": post("number: 7"), "content/posts/b.md": post("number: 7")}))
    assert str(found).startswith("content/posts/b.md:3:9: number: 7 is already used by content/posts/a.md")


def test_translations_may_share_a_unique_value(check: Checker) -> None:
    assert check({"content/posts/a.md": post("number: 7"), "content/posts/a.en.md": post("number: 7")}) == []


def test_two_files_with_one_key_are_an_error_in_the_one_that_is_not_served(check: Checker) -> None:
    found = one(check({"content/posts/a.md": post(), "content/posts/b.md": post("slug: a")}))
    assert (found.path, found.rule) == ("content/posts/b.md", "duplicate-entry")
    assert "content/posts/a.md is posts/a@nb already" in found.message


def test_slugs_that_differ_only_in_case_are_a_warning(check: Checker) -> None:
    found = one(check({"content/posts/Tittel.md": post(), "content/posts/tittel.md": post()}))
    assert (found.path, found.severity, found.rule) == ("content/posts/tittel.md", "warning", "similar-slug")


def test_slugs_that_differ_only_in_their_unicode_form_are_a_warning(check: Checker) -> None:
    found = one(check({"content/posts/e\u0301.md": post(), "content/posts/\u00e9.md": post()}))
    assert (found.severity, found.rule) == ("warning", "similar-slug")
    assert "how Unicode writes" in found.message


def test_a_file_in_the_folder_of_a_collection_that_fits_no_pattern_is_a_warning(check: Checker) -> None:
    found = one(check({"content/posts/deeper/a.md": post()}))
    assert (found.severity, found.rule) == ("warning", "stray-file")
    assert "content/posts/{slug}.md" in found.hint


def test_a_file_that_an_exclusion_leaves_out_is_no_stray(check: Checker) -> None:
    posts = POSTS.replace("content/posts/{slug}.md", '["content/posts/{slug}.md", "!**/README.md"]')
    assert check({"schemas/posts.yaml": posts, "content/posts/README.md": "# Om mappen\n"}) == []


def test_every_error_of_every_file_is_reported_in_order_of_path_and_line(check: Checker) -> None:
    twice = "---\ntitle: A\ntitle: B\n---\n"
    found = check({"content/posts/b.md": post("number: many", "author: nobody"), "content/posts/a.md": twice})
    places = [(item.path, item.line) for item in found]
    assert places == [("content/posts/a.md", 3), ("content/posts/b.md", 3), ("content/posts/b.md", 4)]


def test_a_reference_to_an_entry_with_an_error_of_its_own_is_not_called_broken(check: Checker) -> None:
    found = check({"content/authors/ola.md": "---\nname: [\n---\n", "content/posts/a.md": post("author: ola")})
    assert one(found).path == "content/authors/ola.md"


def test_a_broken_cms_toml_is_a_finding_with_its_line(check: Checker) -> None:
    found = one(check({"cms.toml": '[site]\ntitle = "Test\n'}))
    assert (found.path, found.line, found.severity) == ("cms.toml", 2, "error")


def test_a_broken_schema_is_a_finding_and_the_rest_is_still_checked(check: Checker) -> None:
    found = check({"schemas/authors.yaml": "type: object\nx-pathh: a\n", "content/posts/a.md": post("number: x")})
    assert {item.path for item in found} >= {"schemas/authors.yaml", "content/posts/a.md"}


def test_a_link_in_the_place_of_a_file_is_a_warning(repo: Repo, check: Checker) -> None:
    repo.commit({**MODEL, **KARI})
    commit = repo.commit({"content/posts/a.md": "../authors/kari.md"}, modes={"content/posts/a.md": 0o120000})
    found = one(check({}, at=commit))
    assert (found.rule, found.severity) == ("skipped", "warning")


def test_a_field_that_the_api_shadows_is_named_once_for_a_collection(check: Checker) -> None:
    files = {f"content/posts/{name}.md": post("status: kari") for name in "abc"}
    found = one(check(files))
    assert found.path == "content/posts/a.md"
    assert "here and in 2 other files" in found.message


def test_a_repository_without_a_model_is_checked_by_what_is_inferred(repo: Repo, check: Checker) -> None:
    commit = repo.commit({"posts/a.md": post(), "posts/b.md": post(), "posts/c.md": "---\ntitle: [\n---\n"})
    assert one(check({}, at=commit)).path == "posts/c.md"


def test_a_name_with_a_control_character_cannot_forge_a_line(check: Checker) -> None:
    found = check({"content/posts/a\n::error::b.md": post()})
    assert all("\n" not in str(item) for item in found)
    assert any(item.rule == "skipped" for item in found)
