"""The tree policy, over real trees of every odd kind."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pygit2
import pytest

from cms.finding import Finding
from cms.model import ContentModel
from cms.objects import Row
from cms.refs import TreeId
from cms.schema import read_schema
from cms.settings import Settings
from cms.store import Store
from cms.treepolicy import MAX_CONTENT_BYTES, MAX_DEPTH, Ground, check_tree, ground_of
from tests.repo import Repo

SITE = Ground(("content", "schemas"))
FILE, PROGRAM, LINK, SUBMODULE, TREE = b"100644", b"100755", b"120000", b"160000", b"40000"
Contents = Mapping[bytes, "Contents | tuple[bytes, bytes]"]


class Odd:
    """Writes trees that Git's own programs would not make."""

    def __init__(self, repo: Repo) -> None:
        self.store = Store.open(repo.path)
        self._git = pygit2.Repository(str(repo.path))
        self.read = 0

    def blob(self, content: bytes = b"text") -> bytes:
        return bytes(self._git.create_blob(content).raw)

    def tree(self, *rows: Row) -> bytes:
        """A tree of just these entries in just this order, as its 20-byte id."""
        raw = b"".join(b"%s %s\0%s" % row for row in rows)
        return bytes(self._git.odb.write(pygit2.enums.ObjectType.TREE, raw).raw)

    def file(self, path: bytes, mode: bytes = FILE, content: bytes = b"text") -> bytes:
        """A tree with one file."""
        *folders, name = path.split(b"/")
        tree = self.tree((mode, name, self.blob(content)))
        for folder in reversed(folders):
            tree = self.tree((TREE, folder, tree))
        return tree

    def check(self, new: bytes, *known: bytes, ground: Ground = SITE, most: int = 20_000) -> list[Finding]:
        ids = [TreeId(tree.hex()) for tree in known]
        return check_tree(TreeId(new.hex()), ids, self._read, self.store.blob_size, ground=ground, most=most)

    def _read(self, id: TreeId) -> bytes:
        self.read += 1
        return self.store.read_tree(id)


@pytest.fixture
def odd(repo: Repo) -> Odd:
    return Odd(repo)


def one(findings: Sequence[Finding]) -> Finding:
    assert len(findings) == 1, [str(finding) for finding in findings]
    return findings[0]


NAMES_REFUSED_ANYWHERE = {
    b".git": "Git keeps for itself",
    b".GiT": "Git keeps for itself",
    b"git~1": "Git keeps for itself",
    b".git ": "Git keeps for itself",
    ".g\u200cit".encode(): "U+200C (zero width non-joiner)",
    b"..": "Git keeps for itself",
    b".": "Git keeps for itself",
    b"../evil": "Git keeps for itself",
    b"..\\evil": "backslash",
    b"a\\b": "backslash",
    b"a\nb": "U+000A (a control character)",
    b"a\x1b[31m": "U+001B",
    "a\u202egpj.md".encode(): "U+202E (right-to-left override)",
    "a\u2028b".encode(): "U+2028",
    b"a\xe6.md": "not UTF-8",
    b"x" * 256: "longer than 255 bytes",
    b".gitmodules": "names submodules",
    b".GITMODULES": "names submodules",
}
NAMES_REFUSED_IN_THE_SITE = {
    b"a.": "ends with a dot or a space",
    b"a ": "ends with a dot or a space",
    b"CON": "keeps for a device",
    b"con.md": "keeps for a device",
    b"Com1.tar.gz": "keeps for a device",
    "lpt\u00b9.md".encode(): "keeps for a device",
    b"-rf": "begins with '-'",
    b"why?.md": "Windows allows in no name",
    b"a:b": "Windows allows in no name",
    b".gitattributes": "what Git says of the content",
    b".GitAttributes": "what Git says of the content",
    b".mailmap": "what Git says of the content",
}
NAMES_TAKEN = (
    b"a.md",
    "blåbær.md".encode(),
    "日本.md".encode(),
    b"comma.md",
    b"console.md",
    b".gitkeep",
    b"a b.md",
    "\U0001f600.md".encode(),
)


@pytest.mark.parametrize(("name", "reason"), NAMES_REFUSED_ANYWHERE.items())
@pytest.mark.parametrize("folder", [b"", b"src/", b"content/"])
def test_a_name_that_harms_a_clone_is_refused_anywhere(odd: Odd, folder: bytes, name: bytes, reason: str) -> None:
    top = odd.tree((FILE, name, odd.blob()))
    tree = odd.tree((TREE, folder[:-1], top)) if folder else top
    found = one(odd.check(tree))
    assert reason in str(found)
    assert str(found).isprintable()


@pytest.mark.parametrize(("name", "reason"), NAMES_REFUSED_IN_THE_SITE.items())
def test_a_name_that_editors_cannot_have_is_refused_in_the_site_only(odd: Odd, name: bytes, reason: str) -> None:
    assert reason in str(one(odd.check(odd.file(b"content/posts/" + name))))
    assert odd.check(odd.file(b"src/" + name)) == odd.check(odd.file(name)) == []


@pytest.mark.parametrize("name", NAMES_TAKEN)
def test_an_ordinary_name_is_taken(odd: Odd, name: bytes) -> None:
    assert odd.check(odd.file(b"content/posts/" + name)) == odd.check(odd.file(name)) == []


@pytest.mark.parametrize("folder", [b"", b"src/", b"content/"])
@pytest.mark.parametrize(
    ("mode", "reason"),
    [(LINK, "symbolic link"), (SUBMODULE, "submodule"), (b"100666", "100666"), (b"040000", "040000")],
)
def test_what_is_no_ordinary_file_is_refused_anywhere(odd: Odd, folder: bytes, mode: bytes, reason: str) -> None:
    assert reason in one(odd.check(odd.file(folder + b"a", mode))).message


def test_a_program_is_refused_in_the_site_with_the_command_that_helps(odd: Odd) -> None:
    found = one(odd.check(odd.file(b"content/posts/$(id) a.md", PROGRAM)))
    assert str(found) == (
        "content/posts/$(id) a.md: content may not be executable (git update-index --chmod=-x 'content/posts/$(id) a.md')"
    )
    assert odd.check(odd.file(b".ci/run", PROGRAM)) == odd.check(odd.file(b"README.md", PROGRAM)) == []
    assert len(odd.check(odd.file(b"README.md", PROGRAM), ground=Ground((), is_content_anywhere=True))) == 1


ALIKE = [
    (b"A.md", b"a.md"),
    ("e\u0301.md".encode(), "\u00e9.md".encode()),
    (b"a.md", "\uff41.md".encode()),
    (b"strasse", "straße".encode()),
]


@pytest.mark.parametrize(("one_name", "other_name"), ALIKE)
def test_of_two_names_that_look_alike_the_new_one_is_refused(odd: Odd, one_name: bytes, other_name: bytes) -> None:
    both = odd.tree(*sorted((FILE, name, odd.blob()) for name in (one_name, other_name)))
    for old, new in ((one_name, other_name), (other_name, one_name)):
        found = one(odd.check(both, odd.file(old)))
        assert (found.path, found.rule) == (new.decode(), "tree-alike")
    assert len(odd.check(both)) == 1
    assert odd.check(both, both) == []


@pytest.mark.parametrize("order", [(b"b", b"a"), (b"a", b"a")])
def test_a_folder_in_disorder_is_refused(odd: Odd, order: tuple[bytes, ...]) -> None:
    disorder = odd.tree(*((FILE, name, odd.blob(str(number).encode())) for number, name in enumerate(order)))
    assert "tree-order" in {finding.rule for finding in odd.check(disorder)}
    assert "tree-order" in {finding.rule for finding in odd.check(disorder, odd.file(b"c"))}


def test_folders_stand_in_their_own_order(odd: Odd) -> None:
    inner = odd.file(b"x")
    assert (
        odd.check(
            odd.tree(
                (FILE, b"a-b", odd.blob()), (FILE, b"a.b", odd.blob()), (TREE, b"a", inner), (FILE, b"a0", odd.blob())
            )
        )
        == []
    )


# -- only what is brought ------------------------------------------------------------------------------------------


def test_what_was_there_before_is_not_judged_again(odd: Odd) -> None:
    bad = [(FILE, b"CON.md", odd.blob()), (LINK, b"link", odd.blob()), (PROGRAM, b"run", odd.blob())]
    before = odd.tree((TREE, b"content", odd.tree(*bad)))
    after = odd.tree((TREE, b"content", odd.tree(*bad, (FILE, b"zz.md", odd.blob()))))
    assert odd.check(after, before) == []
    assert len(odd.check(after)) == 3


def test_a_file_with_an_old_bad_name_and_mode_may_be_edited(odd: Odd) -> None:
    before = odd.file(b"content/CON.md", PROGRAM, b"one")
    assert odd.check(odd.file(b"content/CON.md", PROGRAM, b"two"), before) == []
    assert one(odd.check(odd.file(b"content/con.md", FILE, b"one"), before)).path == "content/con.md"
    assert one(odd.check(odd.file(b"content/a.md", PROGRAM), odd.file(b"content/a.md"))).rule == "tree-mode"


def test_a_link_may_not_be_led_elsewhere(odd: Odd) -> None:
    before = odd.tree((LINK, b"link", odd.blob(b"a")))
    assert one(odd.check(odd.tree((LINK, b"link", odd.blob(b"/etc/passwd"))), before)).rule == "tree-link"


def test_each_of_several_trees_that_are_known_counts(odd: Odd) -> None:
    one_bad, other_bad = (LINK, b"a", odd.blob()), (LINK, b"b", odd.blob())
    new = odd.tree((TREE, b"d", odd.tree(one_bad, other_bad)))
    known = [odd.tree((TREE, b"d", odd.tree(row))) for row in (one_bad, other_bad)]
    assert odd.check(new, *known) == []
    assert [finding.path for finding in odd.check(new, known[0])] == ["d/b"]


def test_only_the_folders_on_the_way_to_a_change_are_read(odd: Odd) -> None:
    folders = [(TREE, b"f%03d" % number, odd.file(b"x/y/z%d" % number)) for number in range(200)]
    before = odd.tree(*folders)
    after = odd.tree(*folders[:100], (TREE, b"f100", odd.file(b"x/y/other")), *folders[101:])
    assert odd.check(after, before) == []
    assert odd.read == 2 * 4


def test_the_same_folder_is_judged_again_where_other_rules_hold(odd: Odd) -> None:
    inner = odd.file(b"CON.md")
    both = odd.tree((TREE, b"a", inner), (TREE, b"content", inner), (TREE, b"src", inner))
    assert [finding.path for finding in odd.check(both)] == ["content/CON.md"]
    above = odd.tree((TREE, b"a", both), (TREE, b"src", both))
    found = odd.check(above, ground=Ground(("src/content",)))
    assert [finding.path for finding in found] == ["src/content/CON.md"]


# -- size and shape ------------------------------------------------------------------------------------------------


def test_a_tree_that_stands_for_a_hundred_million_files_is_refused_by_reading_nine(odd: Odd) -> None:
    tree, mode = odd.blob(), FILE
    for _ in range(8):
        tree, mode = odd.tree(*((mode, b"%d" % number, tree) for number in range(10))), TREE
    bomb = odd.tree(*((TREE, b"%d" % number, tree) for number in range(1)))
    found = one(odd.check(bomb))
    assert str(found).startswith("repository: this brings 100,000,000 files, and one push may bring 20,000")
    assert odd.read == 9


def test_a_bomb_without_files_is_one_too(odd: Odd) -> None:
    tree = odd.tree()
    for _ in range(8):
        tree = odd.tree(*((TREE, b"%d" % number, tree) for number in range(10)))
    assert one(odd.check(tree)).rule == "tree-count"


def test_a_tree_of_five_thousand_levels_is_refused_by_reading_sixteen(odd: Odd) -> None:
    tree = odd.file(b"x")
    for _ in range(5_000):
        tree = odd.tree((TREE, b"d", tree))
    found = one(odd.check(tree))
    assert (found.rule, found.path) == ("tree-depth", "/".join("d" * MAX_DEPTH))
    assert odd.read == MAX_DEPTH


def test_a_subtree_counts_with_the_depth_at_which_it_stands(odd: Odd) -> None:
    inner = odd.file(b"/".join([b"d"] * 9 + [b"x"]))
    deep = inner
    for _ in range(7):
        deep = odd.tree((TREE, b"e", deep))
    assert odd.check(odd.tree((TREE, b"a", inner))) == []
    assert one(odd.check(odd.tree((TREE, b"a", inner), (TREE, b"b", deep)))).rule == "tree-depth"
    assert odd.check(odd.file(b"/".join([b"d"] * 15 + [b"x"]))) == []


def test_more_files_than_one_push_may_bring_are_refused_and_counted(odd: Odd) -> None:
    rows = [(FILE, b"%04d" % number, odd.blob()) for number in range(30)]
    assert odd.check(odd.tree(*rows), most=30) == []
    assert "this brings 30 files, and one push may bring 29" in str(one(odd.check(odd.tree(*rows), most=29)))
    assert odd.check(odd.tree(*rows), odd.tree(*rows[:5]), most=25) == []


def test_a_path_that_is_too_long_as_a_whole_is_refused(odd: Odd) -> None:
    path = b"/".join([b"x" * 200] * 6)
    assert "longer than 1,000 bytes" in odd.check(odd.file(path))[0].message
    assert odd.check(odd.file(path[:900])) == []


def test_large_texts_are_refused_and_other_files_only_when_they_are_huge(
    odd: Odd, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = b"a" * (MAX_CONTENT_BYTES + 1)
    found = one(odd.check(odd.file(b"content/posts/a.md", content=text)))
    assert str(found) == "content/posts/a.md: it has 1.0 MiB, and at most 1 MiB are taken (split the text)"
    assert odd.check(odd.file(b"content/a.png", content=text)) == odd.check(odd.file(b"CHANGES.md", content=text)) == []
    monkeypatch.setattr(Store, "blob_size", lambda store, id: 51 * 1024 * 1024)
    assert "at most 50 MiB" in one(odd.check(odd.file(b"video.mp4"))).message


def test_a_large_text_that_was_there_may_stay_but_not_grow(odd: Odd) -> None:
    large, larger = (b"a" * (MAX_CONTENT_BYTES + size) for size in (1, 2))
    before = odd.file(b"content/a.md", content=large)
    assert odd.check(before, before) == []
    assert one(odd.check(odd.file(b"content/a.md", content=larger), before)).rule == "tree-size"
    assert odd.check(before, odd.file(b"content/a.md", PROGRAM, large)) == []


# -- which folders are the site's ----------------------------------------------------------------------------------


def model_of(*patterns: str) -> ContentModel:
    schemas = {f"c{number}": f"type: object\nx-path: '{pattern}'\n" for number, pattern in enumerate(patterns)}
    collections = {name: read_schema(name, text, path="", locales=("nb",)) for name, text in schemas.items()}
    return ContentModel(settings=Settings(), collections=collections, sources={})


@pytest.mark.parametrize(
    ("patterns", "folders", "is_anywhere"),
    [
        (("content/posts/{slug}.md", "content/authors/**/{slug}.md"), ("content",), False),
        (("src/content/blog/{slug}.md",), ("src/content",), False),
        (("website/docs/**/{slug}.md", "website/blog/{date}-{slug}.md"), ("website/blog", "website/docs"), False),
        (("_posts/{date}-{slug}.md", "{slug}.md"), ("_posts",), True),
        (("**/{slug}.md",), (), True),
    ],
)
def test_the_ground_of_a_site_is_where_its_content_is(
    patterns: tuple[str, ...], folders: tuple[str, ...], is_anywhere: bool
) -> None:
    ground = ground_of(model_of(*patterns))
    assert ground == Ground(tuple(sorted((*folders, "schemas"))), is_anywhere)


def test_the_repository_of_the_project_itself_may_be_pushed(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        pytest.skip("this is no clone")
    store = Store.open(root)
    head = store.resolve("HEAD")
    assert head is not None
    assert check_tree(store.commit(head).tree, [], store.read_tree, store.blob_size, ground=SITE) == []
