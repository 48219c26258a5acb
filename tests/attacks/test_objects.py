"""Objects that no client of Git's would make: commits, trees and packs made to deceive readers, to hide from them, or to take all memory."""

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterator

import pytest

from tests.attacks.press import DRAFTS, MAIN, Press, text
from tests.attacks.test_refs import send_commands

SIDE_BAND = b"report-status side-band-64k"
EVA = b"author Eva <eva@example.org> 1 +0000"


@pytest.fixture(autouse=True)
def nothing_left_over(press: Press) -> Iterator[None]:
    """The server answers as before, and of what it refused nothing lies about."""
    yield
    assert press.ask("GET", "/drafts", "eva").status_code == 200
    assert press.ask("GET", "/entries/posts").status_code == 200
    assert not list((press.room.repo.path / "objects").glob("tmp_objdir*"))
    assert "\x1b" not in press.ask("GET", "/drafts", "eva").text


def raw_commit(
    press: Press, *, tree: str = "", message: bytes = b"Write\n", header: bytes = b"", **replaced: bytes
) -> str:
    """A commit by Ola, as bytes: more *header* lines, and parts of it replaced."""
    ola = press.hand("ola")
    made = ola.raw_of(ola.commit({"posts/o.md": text("O")}, [press.main]))
    head = made.partition(b"\n\n")[0].replace(b"Ola <ola@example.org>", replaced.get("who", b"Ola <ola@example.org>"))
    lines = head.split(b"\n")
    lines[0] = b"tree " + tree.encode() if tree else lines[0]
    if "date" in replaced:
        lines[2:] = [line.rpartition(b"> ")[0] + b"> " + replaced["date"] for line in lines[2:]]
    if "parents" in replaced:
        lines[1:2] = [b"parent " + id for id in replaced["parents"].split()]
    return ola.raw("commit", b"\n".join(lines) + header + b"\n\n" + message)


def test_commits_that_git_itself_calls_broken_are_refused(press: Press) -> None:
    ola, fine = press.hand("ola"), press.hand("ola").raw_of(press.main).partition(b"\nauthor")[0]
    broken = [
        raw_commit(press, date=b"-5 +0000"),
        raw_commit(press, date=b"99999999999999999999 +0000"),
        raw_commit(press, date=b"5 abcd"),
        raw_commit(press, who=b"<ola@example.org>"),
        raw_commit(press, who=b"Ola ola@example.org"),
        raw_commit(press, message=b"x\n\0Review: approve\n"),
        raw_commit(press, parents=b"1" * 40),
        raw_commit(press, tree="2" * 40),
        raw_commit(press, parents=press.main.upper().encode()),
        raw_commit(press, tree=press.main),
        ola.raw("commit", fine + b"\n\nno author\n"),
        ola.raw("commit", ola.raw_of(press.main).replace(b"\nauthor", b"\n" + EVA + b"\nauthor", 1)),
    ]
    for number, commit in enumerate(broken):
        ola.is_refused(f"broken-{number}", commit)


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("message", "longer than 64 KB"),
        ("blanks", "longer than 64 KB"),
        ("trailers", "longer than 64 KB"),
        ("header", "KB beside its files"),
        ("headers", "KB beside its files"),
        ("parents", "at most 8 are taken"),
    ],
)
def test_a_commit_that_everything_would_have_to_carry_is_refused(press: Press, what: str, said: str) -> None:
    made: dict[str, Callable[[], str]] = {
        "message": lambda: raw_commit(press, message=b"x" * 10_000_000),
        "blanks": lambda: raw_commit(press, message=b"x\n" + b" " * 1_000_000 + b"\nReview: approve"),
        "trailers": lambda: raw_commit(press, message=b"x\n\n" + b"Review: comment\n" * 10_000),
        "header": lambda: raw_commit(press, header=b"\nx-junk " + b"y" * 200_000),
        "headers": lambda: raw_commit(press, header=b"".join(b"\nx-%d y" % number for number in range(20_000))),
        "parents": lambda: raw_commit(press, parents=b" ".join([press.main.encode()] * 1_000)),
    }
    assert said in press.hand("ola").is_refused(f"heavy-{what}", made[what]())


STRANGE = {
    "far-future": {"date": b"99999999999 +0000"},
    "odd-zone": {"date": b"5 +9999"},
    "late-author": {"header": b"\n" + EVA},
    "late-tree": {"header": b"\ntree " + b"1" * 40},
    "late-parent": {"header": b"\nparent " + b"1" * 40},
    "utf-16": {"header": b"\nencoding utf-16"},
    "ebcdic": {"header": b"\nencoding cp037", "message": "Hi\n\nReview: approve".encode("cp037")},
    "unknown-encoding": {"header": b"\nencoding rot13"},
    "not-utf-8": {"message": b"\xff\xfe\x80 x"},
    "escapes": {"message": b"\x1b]0;owned\x07\x1b[2J\x1b[31mred\n\nReview: approve\n"},
    "escaping-name": {"who": b"O\x1b[2Jla <o\x1b[1mla@example.org>"},
    "no-message": {"message": b""},
    "no-line-end": {"message": b"x\n\nReview: approve"},
    "merge-tag": {"header": b"\nmergetag object " + b"1" * 40 + b"\n type commit"},
    "signature": {"header": b"\ngpgsig -----BEGIN SSH SIGNATURE-----\n QUFB\n -----END SSH SIGNATURE-----"},
    "two-signatures": {"header": b"\ngpgsig a\n b\ngpgsig c\n d"},
    "armour": {"header": b"\ngpgsig " + b"\n ".join([b"-" * 200] * 300)},
}


@pytest.mark.parametrize("what", STRANGE)
def test_a_strange_commit_is_the_work_of_who_pushed_it_and_approves_nothing(press: Press, what: str) -> None:
    name = f"strange-{what}"
    commit = raw_commit(press, **STRANGE[what])  # type: ignore[arg-type]
    done = press.hand("ola").push(f"{commit}:{DRAFTS}{name}")
    assert "\x1b" not in done.output
    if done.code != 0:
        assert name not in press.heads
        return
    state, shown = press.state(name), press.ask("GET", f"/drafts/{name}", "eva")
    assert (shown.status_code, "\x1b" in shown.text) == (200, False)
    assert [(entry.approvals, "ola" in entry.writers) for entry in state.entries] == [((), True)]
    assert press.ask("POST", f"/drafts/{name}/publication", "pia").status_code == 409


TREES = {
    "link": b"120000 posts.md\0",
    "submodule": b"160000 sub\0",
    "git-folder": b"40000 .GIT\0",
    "modules": b"100644 .gitmodules\0",
    "parent": b"40000 ..\0",
    "slash": b"100644 a/b\0",
    "backslash": b"100644 a\\b\0",
    "escape": b"100644 a\x1b[2Jb.md\0",
    "newline": b"100644 a\nb.md\0",
    "right-to-left": "100644 a\u202eb.md\0".encode(),
    "not-utf-8": b"100644 a\xffb.md\0",
    "long": b"100644 " + b"n" * 5_000 + b"\0",
}


@pytest.mark.parametrize("what", TREES)
def test_a_tree_that_harms_who_clones_it_is_refused_and_its_names_are_shown_harmlessly(press: Press, what: str) -> None:
    ola = press.hand("ola")
    blob = bytes.fromhex(press.main if what == "submodule" else ola.raw("blob", b"/etc/passwd"))
    if TREES[what].startswith(b"40000"):
        blob = bytes.fromhex(ola.raw("tree", b"100644 x\0" + blob))
    rows = press.room.site.store.read_tree(ola.tree_of(press.main))
    tree = ola.raw("tree", TREES[what] + blob if what in ("git-folder", "parent") else rows + TREES[what] + blob)
    said = ola.is_refused(f"tree-{what}", raw_commit(press, tree=tree))
    assert not any(sign in said for sign in "\x1b\u202e")


@pytest.mark.parametrize(
    "names",
    [("posts/A.md",), ("posts/\u00e5.md", "posts/a\u030a.md"), ("posts/\uff41.md",), ("Posts/new.md",)],
    ids=ascii,
)
def test_names_of_which_a_clone_could_keep_only_one_are_refused(press: Press, names: tuple[str, ...]) -> None:
    ola = press.hand("ola")
    made = ola.commit(dict.fromkeys(names, text("Twin")), [press.main])
    assert "differs from" in ola.is_refused("twins", made)


def test_a_tree_of_a_hundred_million_files_is_refused_without_counting_them(press: Press) -> None:
    ola = press.hand("ola")
    tree = ola.raw("tree", b"100644 f\0" + bytes.fromhex(ola.raw("blob", b"x")))
    for _ in range(9):
        tree = ola.raw("tree", b"".join(b"40000 d%d\0" % number + bytes.fromhex(tree) for number in range(10)))
    assert "one push may bring" in ola.is_refused("tree-bomb", raw_commit(press, tree=tree))


# -- packs ---------------------------------------------------------------------------------------------------------------


def pack_row(kind: int, data: bytes, *, base: bytes = b"") -> bytes:
    size, first = len(data) >> 4, kind << 4 | len(data) & 15
    sizes = bytearray()
    while size:
        sizes.append(first | 128)
        first, size = size & 127, size >> 7
    return bytes([*sizes, first]) + base + zlib.compress(data, 9)


def pack(rows: list[bytes], count: int | None = None) -> bytes:
    raw = b"PACK" + struct.pack(">II", 2, len(rows) if count is None else count) + b"".join(rows)
    return raw + hashlib.sha1(raw, usedforsecurity=False).digest()


def number(value: int) -> bytes:
    """A number as deltas write it."""
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def delta_bomb(copies: int) -> bytes:
    """A pack of some hundred bytes whose one file is *copies* times 16 MB large."""
    size = (1 << 24) - 1
    base = b"\0" * size
    id = hashlib.sha1(b"blob %d\0" % size + base, usedforsecurity=False).digest()
    delta = number(size) + number(size * copies) + (b"\xf0" + struct.pack("<I", size)[:3]) * copies
    return pack([pack_row(3, base), pack_row(7, delta, base=id)])


@pytest.mark.parametrize("what", ["delta", "count", "cut", "garbage", "nothing", "trailing", "zlib", "loop"])
def test_a_pack_that_is_a_trap_is_refused_by_git_and_answered(press: Press, what: str) -> None:
    before, fine = press.refs, pack([pack_row(3, b"x" * 100)])
    packs: dict[str, Callable[[], bytes]] = {
        "delta": lambda: delta_bomb(100),
        "count": lambda: pack([pack_row(3, b"x")], count=2**31),
        "cut": lambda: fine[:-25],
        "garbage": lambda: b"\0" * 1_000,
        "nothing": lambda: b"",
        "trailing": lambda: fine + b"x" * 1_000,
        "zlib": lambda: pack([pack_row(3, b"x" * 1_000)[:-6]]),
        "loop": lambda: pack([pack_row(7, number(1) + number(1) + b"\x90\x01", base=b"1" * 20)]),
    }
    command = (b"0" * 40, b"1" * 40, f"{DRAFTS}trap".encode())
    answer = send_commands(press, [command], SIDE_BAND, packs[what]())
    assert b"ng refs/heads/drafts/trap" in answer, answer
    assert press.refs == before


def test_more_commits_or_refs_than_anybody_makes_are_refused_at_once(press: Press) -> None:
    ola, before = press.hand("ola"), press.refs
    lines = b"".join(b"commit refs/x\ncommitter O <ola@example.org> %d +0000\ndata 1\nx\n" % n for n in range(1_200))
    start = f"reset refs/x\nfrom {press.main}\n".encode()
    assert ola.git("fast-import", "--quiet", stdin=start + lines).code == 0
    assert "push them in parts" in ola.is_refused("many", ola.git("rev-parse", "refs/x").output.strip())
    ola.git("update-ref", "-d", "refs/x")
    done = ola.push(*(f"{press.main}:{DRAFTS}m-{number}" for number in range(60)))
    assert "at most 50 refs" in done.remarks
    commands = [(b"0" * 40, press.main.encode(), b"refs/heads/drafts/%d" % number) for number in range(1_500)]
    assert b"more than" in send_commands(press, commands)
    assert press.refs == before
    assert press.refs[MAIN] == press.main
