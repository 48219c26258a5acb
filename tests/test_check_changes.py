"""What a change makes wrong: the same as everything wrong after it, but for what was wrong before and is not touched."""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from cms.check import check_changes, check_snapshot
from cms.finding import Finding
from cms.model import read_model
from cms.postings import ASSETS, NAMES, REFERENCES, VALUES, Kind, all_entries, postings_of
from cms.refs import CommitId
from cms.snapshot import Snapshot, build_snapshot, follow_snapshot
from cms.store import Store
from tests.repo import Repo

CMS = '[site]\nlocales = ["nb", "en"]\ndefault_locale = "nb"\n[search]\nbestbets = "bets.yaml"\n'
POSTS = """\
x-path: content/posts/{slug}.md
type: object
properties:
  title: {type: string}
  number: {type: integer, x-unique: true}
  codes: {type: array, items: {type: string}, x-unique: true}
  author: {type: string, x-reference: authors}
  related: {type: array, items: {type: string}, x-reference: [posts, authors]}
  image: {type: object, properties: {url: {type: string, x-asset: true}}}
"""
AUTHORS = "x-path: content/authors/{slug}.md\ntype: object\nproperties:\n  name: {type: string}\n  photo: {type: string, x-asset: true}\n"
MODEL = {"cms.toml": CMS, "schemas/posts.yaml": POSTS, "schemas/authors.yaml": AUTHORS}
MODELS: tuple[Mapping[str, str], ...] = (
    {"schemas/posts.yaml": POSTS.replace("integer", "string")},
    {"schemas/posts.yaml": POSTS + "required: [title]\n"},
    {"schemas/posts.yaml": POSTS.replace("x-unique: true", "x-unique: false")},
    {"schemas/posts.yaml": POSTS.replace("x-reference: authors", "x-reference: posts")},
    {"schemas/posts.yaml": "type: [\n"},
    {"schemas/authors.yaml": AUTHORS.replace("content/authors/", "content/people/")},
    {"cms.toml": CMS.replace('"nb", "en"', '"nb"')},
    {"cms.toml": CMS + "\n"},
    {"cms.toml": CMS + '[[rules]]\ncollections = ["nothing"]\napprovals = 1\n'},
    {"schemas/posts.yaml": f"# a remark\n{POSTS}", "cms.toml": CMS.replace("[site]", '[site]\ntitle = "New"')},
)
PATHS = (
    *(f"content/posts/{name}.md" for name in ("a", "A", "b", "c", "a.en", "b.en", "e\u0301", "\u00e9")),
    *(f"content/authors/{name}.md" for name in ("kari", "ola", "kari.en", "a")),
    *("content/posts/deep/x.md", "content/people/kari.md", "content/x.png", "content/X.png", "content/y.png"),
    *("bets.yaml", "readme.md"),
)
SLUGS = ("a", "A", "b", "c", "kari", "ola", "authors/kari", "posts/a", "nobody", "e\u0301")
ASSET_VALUES = (
    "content/x.png",
    "/content/y.png",
    "content/X.PNG",
    "./y.png",
    "https://example.org/x.png",
    "content/posts/a.md",
)


def text_of(fields: Mapping[str, object]) -> str:
    return "---\n" + "".join(f"{name}: {value}\n" for name, value in fields.items()) + "---\nText.\n"


ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "title": st.sampled_from(["A", "[x]"]),
        "number": st.sampled_from(["1", "2", "x"]),
        "codes": st.sampled_from(["[q]", "[q, r]", "[r, r]"]),
        "author": st.sampled_from(SLUGS),
        "related": st.lists(st.sampled_from(SLUGS), max_size=3).map(lambda slugs: f"[{', '.join(slugs)}]"),
        "image": st.sampled_from(ASSET_VALUES).map(lambda path: f"{{url: '{path}'}}"),
        "photo": st.sampled_from(ASSET_VALUES),
        "slug": st.sampled_from(["a", "B", "other"]),
        "locale": st.sampled_from(["en", "nb", "fr"]),
        "draft": st.sampled_from(["true", "false"]),
    },
).map(text_of)
TEXTS = st.one_of(
    ENTRIES, ENTRIES, st.just("---\nbroken: [\n---\n"), st.just("a: posts/a\nb: [authors/kari, posts/b]\n")
)
FILES = st.dictionaries(st.sampled_from(PATHS), TEXTS, max_size=12)
CHANGES = st.dictionaries(st.sampled_from(PATHS), st.none() | TEXTS, min_size=1, max_size=5)


class Draft:
    """A published commit, and a draft on top of it."""

    def __init__(self, folder: Path, files: Mapping[str, str], changes: Mapping[str, str | None]) -> None:
        self.repo = Repo.create(folder / "site.git")
        self.store = Store.open(self.repo.path)
        self.before = self.build(self.repo.commit({**MODEL, **files}))
        self.head = CommitId(self.repo.commit(changes, branch="drafts/a", parents=[self.before.commit.id]))

    def build(self, commit: str) -> Snapshot:
        """The snapshot of a commit, from nothing."""
        model = read_model(self.store, CommitId(commit))
        assert model is not None
        return build_snapshot(self.store, CommitId(commit), model)

    def check(self) -> list[Finding]:
        """What the draft makes wrong."""
        after = follow_snapshot(self.before, self.store, self.head)
        return check_changes(self.before, after, self.store)

    def expected(self) -> list[Finding]:
        """The same from two checks of everything."""
        changed = {change.path for change in self.store.diff(self.before.commit.id, self.head)}
        known = {identity(finding) for finding in check_snapshot(self.before, self.store)}
        found = check_snapshot(self.build(self.head), self.store)
        return [finding for finding in found if finding.path in changed or identity(finding) not in known]


def identity(finding: Finding) -> tuple[object, ...]:
    return finding.path, finding.line, finding.column, finding.field, finding.rule, finding.severity


def said(findings: list[Finding], changed: set[str]) -> list[object]:
    """Findings in other files are explained by the change, so only what they are about is compared."""
    return [str(finding) if finding.path in changed else identity(finding) for finding in findings]


def agree(folder: Path, files: Mapping[str, str], changes: Mapping[str, str | None]) -> None:
    draft = Draft(folder, files, changes)
    changed = {change.path for change in draft.store.diff(draft.before.commit.id, draft.head)}
    assert said(draft.check(), changed) == said(draft.expected(), changed)
    # What was worked out before, and kept, does not make a difference.
    assert said(draft.check(), changed) == said(draft.expected(), changed)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FILES, CHANGES)
@example(
    {"content/posts/a.md": text_of({"number": 1}), "content/posts/b.md": text_of({"number": 1})},
    {"content/posts/a.md": None},
)
@example({"content/posts/c.md": text_of({"author": "kari"})}, {"content/authors/kari.md": text_of({"name": "Kari"})})
@example({"content/posts/c.md": text_of({"author": "kari"})}, {"content/authors/kari.md": text_of({"draft": "true"})})
def test_what_a_change_makes_wrong_is_the_difference_of_two_checks_of_everything(
    files: dict[str, str], changes: dict[str, str | None]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        agree(Path(folder), files, changes)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FILES, CHANGES, st.sampled_from(MODELS))
def test_with_another_model_too(
    files: dict[str, str], changes: dict[str, str | None], model: Mapping[str, str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        agree(Path(folder), files, {**changes, **model})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(FILES, st.lists(CHANGES, min_size=1, max_size=4))
def test_postings_that_were_advanced_are_those_built_from_nothing(
    files: dict[str, str], steps: list[dict[str, str | None]]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        draft = Draft(Path(folder), files, {})
        snapshot = draft.before
        for changes in steps:
            [postings_of(snapshot, kind) for kind in (NAMES, VALUES, REFERENCES, ASSETS)]
            snapshot = follow_snapshot(snapshot, draft.store, CommitId(draft.repo.commit(changes)))
        built = draft.build(snapshot.commit.id)
        for kind in (NAMES, VALUES, REFERENCES, ASSETS):
            assert listed(snapshot, kind) == listed(built, kind), kind.name


def listed(snapshot: Snapshot, kind: Kind) -> dict[object, list[str]]:
    postings = postings_of(snapshot, kind)
    return {key: postings.get(key) for key in sorted(postings.keys_of(all_entries(snapshot)))}


# -- what is said --------------------------------------------------------------------------------------------------

KARI = {"content/authors/kari.md": text_of({"name": "Kari"})}
BY_KARI = text_of({"title": "A", "author": "kari"})


def texts(folder: Path, files: Mapping[str, str], changes: Mapping[str, str | None]) -> list[str]:
    return [str(finding) for finding in Draft(folder, files, changes).check()]


def test_an_entry_that_is_removed_and_still_referred_to_is_named_where_it_is_missed(tmp_path: Path) -> None:
    found = texts(tmp_path, {**KARI, "content/posts/a.md": BY_KARI}, {"content/authors/kari.md": None})
    assert found == [
        "content/posts/a.md:3:9: author: there is no 'kari' in authors "
        "(content/authors/kari.md is removed here: keep it, or change this reference too)"
    ]


def test_an_entry_that_is_renamed_is_named_by_its_new_name(tmp_path: Path) -> None:
    moved = {"content/authors/kari.md": None, "content/authors/kari-n.md": KARI["content/authors/kari.md"]}
    found = texts(tmp_path, {**KARI, "content/posts/a.md": BY_KARI}, moved)
    assert found[0].endswith("there is no 'kari' in authors (it is 'kari-n' now: change this reference too)")


def test_an_entry_that_gets_another_slug_is_named_by_it(tmp_path: Path) -> None:
    changes = {"content/authors/kari.md": text_of({"name": "Kari", "slug": "kari-n"})}
    found = texts(tmp_path, {**KARI, "content/posts/a.md": BY_KARI}, changes)
    assert "(it is 'kari-n' now" in found[0]


def test_a_rename_that_changes_the_references_too_is_fine(tmp_path: Path) -> None:
    changes = {
        "content/authors/kari.md": None,
        "content/authors/kari-n.md": KARI["content/authors/kari.md"],
        "content/posts/a.md": text_of({"title": "A", "author": "kari-n"}),
    }
    assert texts(tmp_path, {**KARI, "content/posts/a.md": BY_KARI}, changes) == []


def test_of_many_files_that_miss_an_entry_twenty_are_named_and_all_counted(tmp_path: Path) -> None:
    posts = {f"content/posts/p{number:02}.md": BY_KARI for number in range(33)}
    found = texts(tmp_path, {**KARI, **posts}, {"content/authors/kari.md": None})
    assert found[0].startswith("content/authors/kari.md: 33 other files do not fit this change; the first 20 of them")
    assert [line.partition(":")[0] for line in found[1:]] == sorted(posts)[:20]


def test_of_many_entries_that_a_schema_makes_invalid_twenty_are_named_and_all_counted(tmp_path: Path) -> None:
    posts = {f"content/posts/p{number:02}.md": text_of({"title": "A", "author": "x"}) for number in range(25)}
    found = texts(tmp_path, posts, {"schemas/posts.yaml": POSTS + "required: [number]\n"})
    assert len(found) == 21
    assert found[20].startswith("schemas/posts.yaml: 25 other files do not fit this change; the first 20 of them")
    assert "author" not in "".join(found)


def test_what_was_wrong_before_is_not_held_against_a_draft_that_does_not_touch_it(tmp_path: Path) -> None:
    wrong = {"content/posts/a.md": text_of({"author": "nobody"}), "content/posts/b.md": text_of({"number": "x"})}
    assert texts(tmp_path, wrong, {"content/posts/c.md": text_of({"title": "C"})}) == []
    assert (
        len(texts(tmp_path / "again", wrong, {"content/posts/a.md": text_of({"title": "A", "author": "nobody"})})) == 1
    )


def test_a_file_that_others_show_cannot_go_without_them(tmp_path: Path) -> None:
    files = {"content/x.png": "png", "content/posts/a.md": text_of({"image": "{url: content/x.png}"})}
    found = texts(tmp_path, files, {"content/x.png": None})
    assert found == [
        "content/posts/a.md:2:14: image.url: there is no file 'content/x.png' in the repository "
        "(content/x.png is removed here: keep it, or change this reference too)"
    ]


def test_an_entry_that_is_hidden_is_missed_by_those_that_are_not(tmp_path: Path) -> None:
    files = {**KARI, "content/posts/a.md": BY_KARI, "content/posts/b.md": BY_KARI.replace("title: A", "draft: true")}
    found = texts(tmp_path, files, {"content/authors/kari.md": text_of({"name": "Kari", "draft": "true"})})
    assert [line.partition(":")[0] for line in found] == ["content/posts/a.md"]
    assert "'kari' is hidden" in found[0]


def test_a_file_that_takes_the_place_of_another_one_is_named_in_that_one(tmp_path: Path) -> None:
    files = {"content/posts/b.md": text_of({"number": 1})}
    found = texts(tmp_path, files, {"content/posts/a.md": text_of({"number": 1})})
    assert found == [
        "content/posts/b.md:2:9: number: 1 is already used by content/posts/a.md, and must be unique in posts "
        "(use another value)"
    ]


def test_a_reference_to_what_only_another_draft_has_says_so(tmp_path: Path) -> None:
    draft = Draft(tmp_path, {}, {"content/posts/a.md": BY_KARI})
    after = follow_snapshot(draft.before, draft.store, draft.head)
    drafts = {("authors", "kari"): "new-authors"}
    found = check_changes(draft.before, after, draft.store, find_draft=lambda *key: drafts.get(key))
    assert [finding.message for finding in found] == [
        "there is no 'kari' in authors yet: only the draft 'new-authors' has it"
    ]


def test_settings_that_change_no_entry_cost_what_differs(tmp_path: Path) -> None:
    rules = '[[rules]]\ncollections = ["nothing"]\napprovals = 1\n'
    draft = Draft(tmp_path, {**KARI, "content/posts/a.md": BY_KARI}, {"cms.toml": CMS + rules})
    after = follow_snapshot(draft.before, draft.store, draft.head)
    assert after.advanced_from == draft.before.commit.id
    assert after.model.sources["cms.toml"] != draft.before.model.sources["cms.toml"]
    found = check_changes(draft.before, after, draft.store)
    assert ["nothing" in finding.message for finding in found if finding.severity == "error"] == [True]


def test_only_the_changed_folders_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draft = Draft(tmp_path, {**KARI, "content/posts/a.md": BY_KARI}, {"content/posts/b.md": BY_KARI})
    after = follow_snapshot(draft.before, draft.store, draft.head)
    monkeypatch.delattr(Store, "list_files")
    assert check_changes(draft.before, after, draft.store) == []
