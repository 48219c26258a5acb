"""Where the parts of a file come from: through edits, moves, merges, deletions, and versions that cannot be read."""

import random
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from cms.blame import attribution, versions
from cms.blame.attribution import Blame, blame
from cms.blame.parts import FIELD, PARAGRAPH, match, split
from cms.blame.record import plain_words
from cms.blame.versions import Versions, find_versions
from cms.cache import DerivedCache
from cms.chronicle import Chronicle
from cms.overlay import Overlay, blob_id
from cms.refs import CommitId
from cms.store import Store
from tests.histories import make_history
from tests.repo import Repo

KARI, OLA, ASE = ("Kari", "kari@example.org"), ("Ola", "ola@example.org"), ("Åse", "ase@example.org")
ONE, TWO = "The first paragraph, which is long enough.", "The second one,\nover two lines."


CORPORA = Path(__file__).parents[2] / "shared" / "corpora"
#: Pages with long histories, through renames and merges.
SHOWN = (
    "content/en/agile-software-development.md",
    "content/es/kubernetes.md",
    "content/hi/contribute/_index.md",
    "content/en/container.md",
)


def post(*paragraphs: str, title: str = "A", tags: str = "[a, b]") -> str:
    return f"---\ntitle: {title}\ntags: {tags}\n---\n\n" + "\n\n".join(paragraphs) + "\n"


@dataclass
class Desk:
    """A repository with its chronicle."""

    repo: Repo
    store: Store
    chronicle: Chronicle

    def versions(self, *tips: str, path: str = "a.md", blob: str = "") -> Versions:
        commits = [CommitId(tip) for tip in tips]
        found = self.store.find_blob(commits[0], path)
        assert found is not None
        held = blob_id(blob.encode()) if blob else found
        return find_versions(self.chronicle, self.store, commits, path, held, published=commits[0])

    def blame(self, *tips: str, path: str = "a.md") -> dict[str, str]:
        """Part to the name of its author."""
        return names(blame(self.store, self.versions(*tips, path=path)))


def names(found: Blame) -> dict[str, str]:
    assert found.origins is not None
    told = {}
    for origin in found.origins:
        part, stamp = origin.part, origin.version.stamp
        key = part.name if part.kind == FIELD else str(part.value)
        told[key.split("\n")[0]] = stamp.name if stamp is not None else "nobody"
    return told


@pytest.fixture
def desk(repo: Repo, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    store = Store.open(repo.path)
    return Desk(repo, store, Chronicle(store, DerivedCache(tmp_path_factory.mktemp("cache"))))


def test_each_field_item_and_paragraph_is_whose_who_wrote_it_last(desk: Desk) -> None:
    desk.repo.commit({"a.md": post(ONE, TWO)}, author=KARI)
    desk.repo.commit({"a.md": post(ONE, TWO, "Third.", tags="[a, c, b]")}, author=OLA)
    tip = desk.repo.commit({"a.md": post("First.", TWO, "Third.", tags="[a, c, b]", title="B")}, author=ASE)
    assert desk.blame(tip) == {
        "title": "Åse",
        "tags": "Ola",
        "a": "Kari",
        "c": "Ola",
        "b": "Kari",
        "First.": "Åse",
        "The second one,": "Kari",
        "Third.": "Ola",
    }


def test_what_was_moved_within_the_file_or_written_in_another_way_keeps_its_origin(desk: Desk) -> None:
    desk.repo.commit({"a.md": post(ONE, TWO)}, author=KARI)
    text = f"---\ntags:\n- b\n- a\ntitle: 'A'\n---\n\n{TWO}  \n\n\n{ONE}\n"
    found = desk.blame(desk.repo.commit({"a.md": text}, author=OLA))
    assert found == {"title": "Kari", "tags": "Ola", "a": "Kari", "b": "Kari", ONE: "Kari", "The second one,": "Kari"}


def test_a_renamed_file_keeps_its_origins(desk: Desk) -> None:
    desk.repo.commit({"a.md": post(ONE, TWO)}, author=KARI)
    tip = desk.repo.commit({"a.md": None, "b.md": post(ONE, TWO, "More.")}, author=OLA)
    assert desk.blame(tip, path="b.md")["title"] == "Kari"
    assert desk.blame(tip, path="b.md")["More."] == "Ola"
    assert [version.change for version in desk.versions(tip, path="b.md").all] == ["renamed", "created"]


def test_a_merge_is_nobodys_but_who_wrote_on_its_branches(desk: Desk) -> None:
    base = desk.repo.commit({"a.md": post(ONE, TWO)}, author=KARI)
    main = desk.repo.commit({"a.md": post(ONE, TWO, title="Main")}, author=OLA)
    side = desk.repo.commit({"a.md": post(ONE, "Side.")}, author=ASE, branch="side", parents=[base])
    both = post(ONE, "Side.", title="Main")
    tip = desk.repo.commit({"a.md": both}, author=KARI, parents=[main, side])
    expected = {"title": "Ola", "tags": "Kari", "a": "Kari", "b": "Kari", ONE: "Kari", "Side.": "Åse"}
    assert desk.blame(tip) == expected
    assert [version.change for version in desk.versions(tip).all] == ["merged", "changed", "changed", "created"]


def test_what_a_merge_adds_is_its_own(desk: Desk) -> None:
    base = desk.repo.commit({"a.md": post(ONE)}, author=KARI)
    main = desk.repo.commit({"a.md": post(ONE, title="Main")}, author=KARI)
    side = desk.repo.commit({"a.md": post(ONE, title="Side")}, author=OLA, branch="side", parents=[base])
    tip = desk.repo.commit({"a.md": post(ONE, title="Both")}, author=ASE, parents=[main, side])
    assert desk.blame(tip)["title"] == "Åse"


def test_an_edit_on_a_branch_from_before_a_move_is_whose_who_made_it(desk: Desk) -> None:
    base = desk.repo.commit({"a.md": post(ONE, TWO)}, author=KARI)
    main = desk.repo.commit({"a.md": None, "b.md": post(ONE, TWO)}, author=OLA)
    side = desk.repo.commit({"a.md": post(ONE, TWO, title="New")}, author=ASE, branch="side", parents=[base])
    tip = desk.repo.commit({"b.md": post(ONE, TWO, title="New")}, author=OLA, parents=[main, side])
    assert desk.blame(tip, path="b.md") == {
        **dict.fromkeys(("tags", "a", "b", ONE, "The second one,"), "Kari"),
        "title": "Åse",
    }


def test_what_came_back_byte_for_byte_keeps_its_origins(desk: Desk) -> None:
    desk.repo.commit({"a.md": post(ONE), "x.md": "x"}, author=KARI)
    desk.repo.commit({"a.md": None}, author=OLA)
    tip = desk.repo.commit({"a.md": post(ONE)}, author=ASE)
    assert set(desk.blame(tip).values()) == {"Kari"}
    assert [version.change for version in desk.versions(tip).all] == ["restored", "created"]


def test_a_version_whose_front_matter_is_broken_is_looked_through(desk: Desk) -> None:
    desk.repo.commit({"a.md": post(ONE)}, author=KARI)
    desk.repo.commit({"a.md": "---\ntitle: [\n---\n\n" + ONE}, author=OLA)
    tip = desk.repo.commit({"a.md": post(ONE, title="New")}, author=ASE)
    assert desk.blame(tip) == {"title": "Åse", "tags": "Kari", "a": "Kari", "b": "Kari", ONE: "Kari"}


def test_a_file_that_cannot_be_read_now_has_versions_and_no_parts(desk: Desk) -> None:
    desk.repo.commit({"a.md": post(ONE)}, author=KARI)
    tip = desk.repo.commit({"a.md": "---\ntitle: [\n---\n"}, author=OLA)
    found = blame(desk.store, desk.versions(tip))
    assert (found.origins, len(found.versions.all)) == (None, 2)


def test_code_between_fences_is_one_paragraph_as_is_a_heading_and_lines_are_those_of_the_file() -> None:
    parts = split(b"---\ntitle: A\n---\nOne.\n\n```\nx\n\ny\n```\n\nTwo.\n") or []
    text = [(part.value, part.line) for part in parts if part.kind == PARAGRAPH]
    assert text == [("One.", 4), ("```\nx\n\ny\n```", 6), ("Two.", 12)]
    heading = [part.value for part in split(b"a\n## H\nb\n\n#c\n") or []]
    assert heading == ["a", "## H", "b", "#c"]
    assert [part.value for part in split(b"a\n\n~~~\nb\n\nc") or []] == ["a", "~~~\nb\n\nc"]


def test_of_several_parts_that_are_alike_the_first_is_the_first() -> None:
    later, earlier = (split(f"---\nx: [{items}]\n---\n".encode()) or [] for items in ("a, a, b", "a, c"))
    assert match(later[1:], earlier[1:]) == {0: 0}


def test_of_what_is_not_committed_yet_the_parts_belong_to_what_it_is_merged_from(desk: Desk) -> None:
    base = desk.repo.commit({"a.md": post(ONE, TWO)}, author=KARI)
    main = CommitId(desk.repo.commit({"a.md": post(ONE, TWO, title="Main")}, author=OLA))
    draft = desk.repo.commit({"a.md": post(ONE, "Side.")}, author=ASE, branch="drafts/x", parents=[base])
    both = post(ONE, "Side.", "Neither.", title="Main").encode()
    overlay = Overlay(desk.store, main, {"a.md": blob_id(both)}, {blob_id(both): both})
    found = names(blame(overlay, desk.versions(main, draft, blob=both.decode())))
    assert (found["title"], found["Side."], found[ONE], found["Neither."]) == ("Ola", "Åse", "Kari", "nobody")


def test_too_many_or_too_large_versions_are_not_looked_at(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(8):
        tip = desk.repo.commit({"a.md": post(ONE, title=str(number))}, author=KARI if number < 4 else OLA)
    monkeypatch.setattr(versions, "VERSIONS_MOST", 3)
    found = blame(desk.store, desk.versions(tip)).origins or ()
    assert {origin.part.name: origin.is_older for origin in found if origin.part.kind == FIELD} == {
        "title": False,
        "tags": True,
    }
    monkeypatch.setattr(attribution, "READ_MOST", 100)
    assert [each.is_older for each in blame(desk.store, desk.versions(tip)).origins or ()].count(True) == 5
    monkeypatch.setattr(attribution, "BYTES_MOST", 10)
    assert blame(desk.store, desk.versions(tip)).origins is None


def test_of_what_somebody_wrote_the_trailers_and_what_is_too_much_are_left_out() -> None:
    assert (
        plain_words("Say it\n\nBecause.\n\nReview: approve\nCo-authored-by: A <a@example.org>\n")
        == "Say it\n\nBecause."
    )
    assert len(plain_words("Say it\n\n" + "word " * 10_000)) < 5_000


@pytest.mark.parametrize("seed", range(4))
def test_in_any_history_every_part_is_in_its_version_and_in_none_that_this_was_made_from(desk: Desk, seed: int) -> None:
    commits = make_history(desk.repo, seed, length=20)
    for commit in random.Random(seed).sample(commits, 6):
        for file in desk.store.list_files(CommitId(commit)):
            found = blame(desk.store, desk.versions(commit, path=file.path))
            assert found.origins is not None
            for origin in found.origins:
                held = [
                    {part.identity for part in split(desk.store.read_blob(each.blob)) or ()}
                    for each in (origin.version, *origin.version.earlier)
                ]
                assert origin.part.identity in held[0]
                # Texts of these histories say nothing twice, so what was there before would have been found there.
                assert all(origin.part.identity not in other for other in held[1:])


def test_of_a_real_site_it_says_what_git_blame_says(tmp_path: Path) -> None:
    bundle = CORPORA / "cncf-glossary.bundle"
    if not bundle.exists():
        pytest.skip(f"the corpora are not at {CORPORA}")
    repo = Repo(tmp_path / "site.git")
    subprocess.run(["git", "clone", "-q", "--bare", str(bundle), str(repo.path)], check=True)
    store = Store.open(repo.path)
    desk = Desk(repo, store, Chronicle(store, DerivedCache(tmp_path / "cache")))
    tip = repo.git("rev-parse", "HEAD")
    told: list[tuple[str, str]] = []
    for path in SHOWN:
        lines = blamed_lines(repo, tip, path)
        for origin in blame(store, desk.versions(tip, path=path)).origins or ():
            stamp = origin.version.stamp
            if stamp is not None and origin.part.kind == PARAGRAPH and "\n" not in origin.part.value:
                told.append((lines[origin.part.line], stamp.commit))
    assert len(told) > 50
    assert [pair for pair in told if pair[0] != pair[1]] == []


def blamed_lines(repo: Repo, tip: str, path: str) -> dict[int, str]:
    """The number of each line of the file, and its commit."""
    told = repo.git("blame", "-w", "-M", "--incremental", tip, "--", path)
    groups = re.findall(r"(?m)^([0-9a-f]{40}) \d+ (\d+) (\d+)$", told)
    return {int(first) + place: commit for commit, first, count in groups for place in range(int(count))}
