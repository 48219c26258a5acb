"""People, groups, roles and rules in ``cms.toml``."""

import ast
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cms.cache import DerivedCache
from cms.check import check_commit
from cms.errors import InvalidSettings
from cms.inferred import infer_model
from cms.judge import judge
from cms.model import read_model
from cms.people import Policy, Role, check_policy, is_protected, read_policy
from cms.refs import CommitId
from cms.signatures import has_gpg
from cms.snapshot import build_snapshot
from cms.store import Store
from tests.keys import GPGKey, SSHKey
from tests.repo import Repo

ROOT = Path(__file__).parents[1]

PEOPLE = """
[people.kari]
name = "Kari Nordmann"
emails = ["Kari@Example.org", "kn@example.org"]
[people.ola]
name = "Ola Nordmann"
emails = ["ola@example.org"]
[people.ida]
name = "Ida Holm"
emails = ["ida@example.org"]
[people.importer]
name = "Import"
owner = "kari"
[people.reminder]
name = "Reminder"
owner = "kari"
"""
RULES = """
[groups]
editors = ["kari", "@desk"]
desk = ["ola"]
nobody = []
[[roles]]
role = "writer"
who = ["ida", "@editors"]
[[roles]]
role = "reviewer"
who = ["@editors"]
collections = ["posts", "pages"]
[[roles]]
role = "reviewer"
who = ["kari"]
paths = ["cms.toml", "schemas/**"]
[[roles]]
role = "publisher"
who = ["kari"]
[[roles]]
role = "maintainer"
who = ["kari"]
[[roles]]
role = "bot"
who = ["importer"]
paths = ["content/cases/**"]
scopes = ["draft.create", "draft.write"]
[[rules]]
approvals = 1
[[rules]]
paths = ["content/**"]
approvals = 2
by = ["@editors"]
[[rules]]
collections = ["pages"]
approvals = 0
authors_may_approve = true
[bypass]
who = ["kari"]
"""
COLLECTIONS = ("cases", "pages", "posts")
# The line of the first table behind PEOPLE.
BEHIND = PEOPLE.count("\n") + 1


def read(text: str) -> Policy:
    return read_policy(text.encode(), collections=COLLECTIONS)


@pytest.fixture(scope="module")
def policy() -> Policy:
    return read(PEOPLE + RULES)


def refused(text: str) -> InvalidSettings:
    with pytest.raises(InvalidSettings) as caught:
        read(text)
    return caught.value


@pytest.fixture(scope="module")
def kari_key(tmp_path_factory: pytest.TempPathFactory) -> str:
    return SSHKey.make(tmp_path_factory.mktemp("keys") / "kari").line


@pytest.fixture(scope="module")
def gpg_key() -> Iterator[GPGKey]:
    with tempfile.TemporaryDirectory(prefix="gpg-") as folder:
        key = GPGKey.make(Path(folder) / "h", "Ola <ola@example.org>")
        yield key
        key.close()


def test_without_a_file_or_without_people_nobody_is_anybody() -> None:
    for policy in (read_policy(None), read_policy(b""), read_policy(b"[site]\ntitle = 'x'\n")):
        assert policy == Policy()
        assert not any(policy.holds("kari", role) or policy.holders(role) for role in Role)
        assert policy.rule("content/a.md", "posts").approvals == 1


def test_people_are_known_by_every_address_in_any_case(policy: Policy) -> None:
    assert policy.find_by_email("kari@example.org") == policy.find_by_email("KN@EXAMPLE.ORG") == "kari"
    assert policy.find_by_email(" ｋａｒｉ@example.org") == "kari"
    assert policy.find_by_email("nobody@example.org") is None
    assert (policy.name("ola"), policy.name("gone")) == ("Ola Nordmann", "gone")


def test_groups_hold_people_and_other_groups(policy: Policy) -> None:
    assert policy.groups == {"editors": {"kari", "ola"}, "desk": {"ola"}, "nobody": frozenset()}


def test_a_role_without_an_area_holds_everywhere_and_implies_no_other(policy: Policy) -> None:
    assert policy.holds("ida", Role.WRITER)
    assert policy.holds("ida", Role.WRITER, path="cms.toml")
    assert not any(policy.holds("ida", role) for role in Role if role is not Role.WRITER)
    assert not policy.holds("kari", Role.BOT)


def test_a_role_for_collections_holds_for_their_files_alone(policy: Policy) -> None:
    assert policy.holds("ola", Role.REVIEWER)
    assert policy.holds("ola", Role.REVIEWER, path="content/posts/a.md", collection="posts")
    assert not policy.holds("ola", Role.REVIEWER, path="content/cases/a.md", collection="cases")
    assert not policy.holds("ola", Role.REVIEWER, path="content/posts/a.png")
    assert not policy.holds("gone", Role.REVIEWER, path="content/posts/a.md", collection="posts")


def test_roles_add_up_and_their_holders_come_in_the_order_of_the_file(policy: Policy) -> None:
    assert policy.holds("kari", Role.REVIEWER, path="schemas/posts.yaml")
    assert policy.holds("kari", Role.REVIEWER, path="content/posts/a.md", collection="posts")
    assert policy.holders(Role.REVIEWER) == ("kari", "ola")
    assert policy.holders(Role.REVIEWER, path="cms.toml") == ("kari",)
    assert policy.holders(Role.WRITER) == ("kari", "ola", "ida")


def test_a_bot_has_the_scopes_that_it_was_granted_where_it_was(policy: Policy) -> None:
    assert policy.scopes("importer") == {"draft.create", "draft.write"}
    assert policy.scopes("reminder") == policy.scopes("kari") == frozenset()
    assert policy.grants_scope("importer", "draft.write")
    assert policy.grants_scope("importer", "draft.write", path="content/cases/a.md", collection="cases")
    assert not policy.grants_scope("importer", "draft.write", path="content/posts/a.md", collection="posts")
    assert not policy.grants_scope("importer", "publish")
    assert not policy.grants_scope("kari", "draft.write")


def test_behind_a_person_and_the_bots_they_answer_for_stands_one_human(policy: Policy) -> None:
    hands = {"kari", "importer", "reminder"}
    assert policy.hands("kari") == policy.hands("importer") == policy.hands("reminder") == hands
    assert policy.hands("ola") == {"ola"}
    assert policy.hands("gone") == {"gone"}
    assert [policy.is_bot(person) for person in ("importer", "kari", "gone")] == [True, False, False]


def test_the_last_rule_that_fits_counts(policy: Policy) -> None:
    assert policy.rule("README.md", None).approvals == 1
    rule = policy.rule("content/posts/a.md", "posts")
    assert rule.by == frozenset(("kari", "ola"))
    assert (rule.approvals, rule.authors_may_approve) == (2, False)
    page = policy.rule("content/pages/a.md", "pages")
    assert (page.approvals, page.by, page.authors_may_approve) == (0, None, True)
    line = BEHIND + RULES[: RULES.index('paths = ["content/**"]')].count("\n") - 1
    assert rule.text == f"cms.toml line {line}: 2 approvals by @editors for content/**"


def test_what_decides_over_others_needs_a_maintainer_whatever_the_rules_say(policy: Policy) -> None:
    assert policy.rule("cms.toml", None).needs_maintainer
    assert policy.rule("schemas/a/b.yaml", None).needs_maintainer
    assert not policy.rule("content/posts/a.md", "posts").needs_maintainer
    assert [is_protected(path) for path in ("content/cms.toml", "schemas", "schemas/x")] == [False, False, True]


def test_who_may_publish_without_approvals_is_named_person_by_person_or_group(policy: Policy) -> None:
    assert policy.bypass == {"kari"}
    assert read(PEOPLE + "[groups]\na = ['ola']\n[bypass]\nwho = ['@a', 'ida']\n").bypass == {"ola", "ida"}


def test_a_key_is_found_whatever_its_comment(kari_key: str) -> None:
    policy = read(PEOPLE.replace("emails", f'keys = ["  {kari_key}  kari@laptop "]\nemails', 1))
    assert policy.people["kari"].keys == (kari_key,)
    assert policy.find_by_key(kari_key) == "kari"
    assert policy.find_by_key("ssh-ed25519 AAAA") is policy.find_by_key("") is None
    assert policy.gpg_keys == {}


@pytest.mark.skipif(not has_gpg(), reason="gpg is not installed")
def test_an_ssh_key_that_happens_to_hold_the_letters_pgp_is_no_gpg_key() -> None:
    key = f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPGP{'A' * 40}"
    policy = read_policy(f'[people.kari]\nname = "Kari"\nemails = ["k@example.org"]\nkeys = ["{key}"]\n'.encode())
    assert policy.find_by_key(key) == "kari"


def test_a_gpg_key_is_found_by_its_fingerprint(gpg_key: GPGKey) -> None:
    text = gpg_key.public()
    policy = read(f"{PEOPLE}[people.liv]\nname = 'Liv'\nemails = ['liv@example.org']\nkeys = ['''\n{text}''']\n")
    assert policy.find_by_key(gpg_key.fingerprint) == "liv"
    assert policy.gpg_keys == {text: "liv"}
    twice = refused(PEOPLE.replace("emails", f"keys = ['''{text}''', '''\n{text}\n''']\nemails", 1))
    assert "is listed twice" in str(twice)
    assert twice.facts["line"] == 4


def person(line: str) -> str:
    return f"{PEOPLE}[people.x]\n{line}\n"


X = BEHIND  # the line of [people.x]
NAMED = 'name = "X"\nemails = ["x@example.org"]\n'


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("people = 1\n", 1, "[people] must be a table"),
        ("[people]\nkari = 1\n", 2, "[people.kari] must be a table"),
        ("[people.Kari]\n" + NAMED, 1, "'Kari' cannot be a name in [people]"),
        ('[people."kå"]\n' + NAMED, 1, "cannot be a name"),
        ("[people.-x]\n" + NAMED, 1, "cannot be a name"),
        (person('emails = ["x@example.org"]'), X, "'x' needs a name"),
        (person('name = 1\nemails = ["x@example.org"]'), X + 1, "'x' needs a name"),
        (person('name = " X"\nemails = ["x@example.org"]'), X + 1, "'x' needs a name"),
        (person('name = "X <y>"\nemails = ["x@example.org"]'), X + 1, "'x' needs a name"),
        (person('name = "X\\nY"\nemails = ["x@example.org"]'), X + 1, "'x' needs a name"),
        (person('name = "X"'), X, "'x' needs an e-mail address"),
        (person('name = "X"\nemails = []'), X + 2, "'x' needs an e-mail address"),
        (person('name = "X"\nemails = "x@example.org"'), X + 2, "must be a list of texts"),
        (person('name = "X"\nemails = ["x@example.org", 1]'), X + 2, "must be a list of texts"),
        (person(f'{NAMED}email = "a"'), X + 3, "[people.x] has an unknown key 'email'; did you mean 'emails'?"),
        (person('name = "X"\nemails = [\n"x@example.org",\n"x at example"]'), X + 4, "'x at example' is not an e-mail"),
        (person('name = "X"\nemails = ["X <x@example.org>"]'), X + 2, "is not an e-mail"),
        (person('name = "X"\nemails = ["a@b@example.org"]'), X + 2, "is not an e-mail"),
        (person('name = "X"\nemails = ["KARI@example.ORG"]'), X + 2, "of 'x' is also listed for 'kari'"),
        (person('name = "X"\nemails = ["x@example.org", "X@example.org"]'), X + 2, "of 'x' is listed twice"),
        (person(NAMED + "owner = 1"), X + 3, "the owner of 'x' must be the id"),
        (person(NAMED + 'owner = "karri"'), X + 3, "'karri', is not in [people]; did you mean 'kari'?"),
        (person(NAMED + 'owner = "importer"'), X + 3, "the owner of 'x' is a bot"),
        (person(NAMED + 'owner = "x"'), X + 3, "the owner of 'x' is a bot"),
        (person(NAMED + 'keys = ["ssh-ed25519"]'), X + 3, "a key is one line such as"),
        (person(NAMED + 'keys = ["ssh-dss AAAAB3NzaC1kc3M= x"]'), X + 3, "'ssh-dss' is no kind of key"),
        (person(NAMED + 'keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1"]'), X + 3, "is damaged; copy the whole line"),
        (person(NAMED + 'keys = ["ssh-rsa AAAAB3NzaC1yc2EAAAAB"]'), X + 3, "or has fewer than 2048 bits"),
        (person(NAMED + 'keys = ["-----BEGIN OPENSSH PRIVATE KEY-----"]'), X + 3, "this is a private key"),
        (person(NAMED + 'keys = ["-----BEGIN PGP PUBLIC KEY BLOCK-----"]'), X + 3, "the GPG key is damaged"),
    ],
)
def test_a_person_who_is_not_described_right_is_refused_with_the_line(
    text: str, line: int | None, message: str
) -> None:
    error = refused(text)
    assert message in str(error)
    assert (error.facts["path"], error.facts.get("line")) == ("cms.toml", line)


def test_a_key_that_two_have_is_refused(kari_key: str) -> None:
    both = f'keys = ["{kari_key} home", "{kari_key} work"]\nemails'
    assert "is listed twice" in str(refused(PEOPLE.replace("emails", both, 1)))
    one = PEOPLE.replace("emails", f'keys = ["{kari_key} home"]\nemails')
    assert "is also listed for 'kari'" in str(refused(one))


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("groups = 1\n", -1, "[groups] must be a table"),
        ("[groups]\na = 'kari'\n", 1, "[groups] a must be a list of texts"),
        ("[groups]\nA = ['kari']\n", 1, "'A' cannot be a name in [groups]"),
        ("[groups]\na = ['karl']\n", 1, "there is no person 'karl' in [people]; did you mean 'kari'?"),
        ("[groups]\na = ['@b']\n", 1, "there is no group 'b'"),
        ("[groups]\neditors = []\na = ['@editor']\n", 2, "there is no group 'editor'; did you mean 'editors'?"),
        ("[groups]\na = ['@b']\nb = ['@c']\nc = ['kari', '@a']\n", None, "groups cannot hold each other: @"),
        ("[groups]\na = ['@a']\n", 1, "groups cannot hold each other: @a in @a"),
        ("[roles]\nrole = 'writer'\n", 0, "write [[roles]], in double brackets"),
        ("[[roles]]\nrole = 'editor'\nwho = []\n", 1, "'editor' is no role; there are writer, reviewer"),
        ("[[roles]]\nrole = 'writers'\nwho = []\n", 1, "did you mean 'writer'?"),
        ("[[roles]]\nrole = 1\nwho = []\n", 1, "1 is no role"),
        ("[[roles]]\nwho = []\n", 0, "None is no role"),
        ("[[roles]]\nrole = 'writer'\n", 0, "[[roles]] number 1 who must be a list of texts"),
        ("[[roles]]\nrole = 'writer'\nwho = []\n[[roles]]\nrole = 'writer'\nwho = ['kåre']\n", 5, "no person 'kåre'"),
        ("[[roles]]\nrole = 'writer'\nwho = [\n'kari',\n'o',\n]\n", 4, "no person 'o'"),
        ("[groups]\nx = []\n[[roles]]\nrole = 'writer'\nwho = ['x']\n", 4, "the group is written '@x'"),
        ("[[roles]]\nrole = 'writer'\nwho = []\npath = ['a']\n", 3, "did you mean 'paths'?"),
        (
            "[[roles]]\nrole = 'writer'\nwho = []\npaths = ['a']\ncollections = ['posts']\n",
            3,
            "both paths and collections",
        ),
        ("[[roles]]\nrole = 'writer'\nwho = []\npaths = []\n", 3, "paths is empty; leave it out to mean everything"),
        ("[[roles]]\nrole = 'writer'\nwho = []\npaths = 'a'\n", 3, "paths must be a list of texts"),
        ("[[roles]]\nrole = 'writer'\nwho = []\npaths = ['a', '/b']\n", 3, "the pattern '/b' fits no file"),
        (
            "[[roles]]\nrole = 'writer'\nwho = []\ncollections = ['post']\n",
            3,
            "no collection 'post'; did you mean 'posts'?",
        ),
        ("[[roles]]\nrole = 'writer'\nwho = ['importer']\n", 2, "'importer' is a bot (it has an owner)"),
        ("[groups]\nx = ['importer']\n[[roles]]\nrole = 'reviewer'\nwho = ['@x']\n", 4, "takes the role bot"),
        ("[[roles]]\nrole = 'bot'\nwho = ['kari']\nscopes = ['publish']\n", 2, "'kari' is no bot: it has no owner"),
        ("[[roles]]\nrole = 'bot'\nwho = ['importer']\n", 0, "the role bot needs scopes"),
        ("[[roles]]\nrole = 'writer'\nwho = ['kari']\nscopes = ['publish']\n", 3, "only the role bot has scopes"),
        ("[[roles]]\nrole = 'bot'\nwho = ['importer']\nscopes = ['publich']\n", 3, "did you mean 'publish'?"),
        ("[[roles]]\nrole = 'bot'\nwho = ['importer']\nscopes = ['review.approve']\n", 3, "cannot be granted to a bot"),
        ("[[rules]]\napprovals = -1\n", 1, "approvals must be a whole number from 0 to 20"),
        ("[[rules]]\napprovals = true\n", 1, "approvals must be a whole number"),
        ("[[rules]]\napprovals = '2'\n", 1, "approvals must be a whole number"),
        ("[[rules]]\napproval = 2\n", 1, "did you mean 'approvals'?"),
        ("[[rules]]\nauthors_may_approve = 1\n", 1, "must be true or false"),
        ("[[rules]]\nby = []\n", 1, "nobody could approve"),
        ("[[rules]]\nby = ['@x']\n", 1, "there is no group 'x'"),
        ("[[rules]]\ncollections = ['posts', 'cats']\n", 1, "there is no collection 'cats'"),
        ("[[rules]]\npaths = ['content/**.md']\n", 1, "stands alone between slashes"),
        ("rules = [1]\n", -1, "[[rules]] number 1 must be a table"),
        ("bypass = ['kari']\n", -1, "[bypass] must be a table"),
        ("[bypass]\nwho = ['kåri']\n", 1, "there is no person 'kåri'"),
        ("[bypass]\nwho = ['importer']\n", 1, "'importer' is a bot"),
        ("[bypass]\npeople = ['kari']\n", 1, "[bypass] has an unknown key 'people'"),
    ],
)
def test_what_cannot_be_meant_makes_the_whole_policy_unusable(text: str, line: int | None, message: str) -> None:
    # What is no table must stand before the tables.
    whole = text + PEOPLE if line == -1 else PEOPLE + text
    error = refused(whole)
    assert message in str(error)
    if line is not None:
        assert error.facts["line"] == (1 if line == -1 else BEHIND + line)


@pytest.mark.parametrize(
    "source", [b"\xff", b"[people", b"a = " + b"[" * 9_999, b"#" * 2_000_000, b"a." * 50_000 + b"b = 1"]
)
def test_a_file_that_is_no_toml_is_refused_at_once(source: bytes) -> None:
    with pytest.raises(InvalidSettings):
        read_policy(source)


def test_everything_that_is_wrong_is_told_at_once_and_on_one_line() -> None:
    error = refused(PEOPLE + "[bypass]\nwho = ['x\\u001b[2J']\n[[rules]]\napprovals = 99\nby = []\n".replace("'", '"'))
    assert str(error).endswith("(and 2 more)")
    findings = error.facts["findings"]
    assert [finding.line - BEHIND for finding in findings] == [1, 3, 4]
    assert all(str(finding).isprintable() and finding.path == "cms.toml" for finding in findings)


def test_a_collection_is_taken_for_granted_only_by_those_who_do_not_know() -> None:
    text = f"{PEOPLE}[[rules]]\ncollections = ['cats']\n"
    policy = read_policy(text.encode())
    assert policy.rule("content/a.md", "cats").text.startswith(f"cms.toml line {BEHIND}")
    [finding] = [finding for finding in check_policy(policy, ["cat"]) if finding.severity == "error"]
    assert str(finding) == f"cms.toml:{BEHIND}: rules: there is no collection 'cats'; did you mean 'cat'?"


def warnings(text: str) -> list[str]:
    findings = check_policy(read(PEOPLE + text), COLLECTIONS)
    assert {finding.severity for finding in findings} <= {"warning"}
    return [f"{finding.line - BEHIND if finding.line else '-'} {finding.message}" for finding in findings]


ROLES = """
[[roles]]
role = "reviewer"
who = ["kari", "ola"]
[[roles]]
role = "publisher"
who = ["kari"]
[[roles]]
role = "maintainer"
who = ["kari"]
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RULES, []),
        (ROLES, []),
        (f"[[rules]]\napprovals = 3\n{ROLES}", ["0 3 must approve, and only 2 could"]),
        (
            f"[[rules]]\napprovals = 2\nby = ['kari', 'ida', 'importer']\n{ROLES}",
            ["0 2 must approve, and only 1 could"],
        ),
        (f"[[rules]]\npaths = ['a']\n[[rules]]\n{ROLES}", ["0 this rule never counts: the one in line 19 is for"]),
        (ROLES.replace("publisher", "writer"), ["- nobody has the role publisher, so nothing"]),
        (ROLES.replace("maintainer", "writer"), ["- nobody has the role maintainer, so cms.toml"]),
        (ROLES.replace('["kari"]', '["ida"]'), ["- a change of cms.toml needs a maintainer who is a reviewer for"]),
        (f"[[rules]]\nby = ['ola']\n{ROLES}", ["- a change of cms.toml needs a maintainer"]),
        (f"[[rules]]\napprovals = 0\n{ROLES}", []),
    ],
)
def test_what_will_not_work_is_a_warning(text: str, expected: list[str]) -> None:
    found = warnings(text)
    assert len(found) == len(expected)
    for message, beginning in zip(found, expected, strict=True):
        assert message.startswith(beginning)


def test_a_site_without_people_is_not_warned() -> None:
    assert check_policy(Policy(), COLLECTIONS) == []


WHOLE = PEOPLE + RULES
LINES = WHOLE.splitlines()


@given(st.lists(st.tuples(st.integers(0, len(LINES) - 1), st.sampled_from(LINES)), max_size=4))
def test_lines_in_wrong_places_are_refused_or_read_and_nothing_else(changes: list[tuple[int, str]]) -> None:
    lines = list(LINES)
    for number, line in changes:
        lines[number] = line
    with suppress(InvalidSettings):
        policy = read("\n".join(lines))
        assert all(policy.is_bot(person) for grant in policy.grants if grant.role is Role.BOT for person in grant.who)


VALUES = st.recursive(
    st.sampled_from(["1", "true", "'kari'", "'@editors'", "''", "[]", "{}", "1979-05-27", "'content/**'", "'posts'"]),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    max_leaves=5,
)
SETTINGS = st.lists(
    st.tuples(st.sampled_from([line.partition(" = ")[0] for line in LINES if " = " in line]), VALUES), max_size=4
)


@given(st.sampled_from([line for line in LINES if line.startswith("[")]), SETTINGS)
def test_values_of_any_type_are_refused_or_read_and_nothing_else(header: str, settings: list[tuple[str, str]]) -> None:
    text = f"{header}\n" + "".join(f"{key} = {value}\n" for key, value in dict(settings).items())
    with suppress(InvalidSettings):
        read(text)


def checked(repo: Repo, cache: Path, files: dict[str, str | None]) -> list[str]:
    """What ``cms check`` says about the rules after a commit of *files*."""
    commit = CommitId(repo.commit(files))
    findings = check_commit(
        Store.open(repo.path), commit, name="refs/heads/main", infer=infer_model, cache=DerivedCache(cache)
    )
    return [str(finding) for finding in findings if finding.path == "cms.toml"]


SCHEMA = "type: object\nx-path: content/{slug}.md\n"


def test_check_tells_every_mistake_in_the_rules(repo: Repo, tmp_path: Path) -> None:
    files: dict[str, str | None] = {"cms.toml": WHOLE, **{f"schemas/{name}.yaml": SCHEMA for name in COLLECTIONS}}
    assert checked(repo, tmp_path, files) == []
    line = WHOLE.splitlines().index('collections = ["pages"]') + 1
    [gone] = checked(repo, tmp_path, {"schemas/pages.yaml": None, "schemas/posts.yaml": "type: ["})[1:]
    assert gone.startswith(f"cms.toml:{line}: rules.3.collections: there is no collection 'pages'")
    wrong = WHOLE.replace('owner = "kari"', 'owner = "karl"').replace('who = ["kari"]', 'who = ["lena"]')
    assert len(checked(repo, tmp_path, {"cms.toml": wrong})) >= 4


def test_what_is_about_to_be_published_is_refused_when_rules_would_not_fit_any_more(repo: Repo, tmp_path: Path) -> None:
    files: dict[str, str | None] = {"cms.toml": WHOLE, **{f"schemas/{name}.yaml": SCHEMA for name in COLLECTIONS}}
    published = CommitId(repo.commit(files))
    store = Store.open(repo.path)
    model = read_model(store, published)
    assert model is not None
    before = build_snapshot(store, published, model, cache=DerivedCache(tmp_path))
    for change in ({"schemas/pages.yaml": None}, {"cms.toml": WHOLE.replace("@desk", "@disk")}):
        draft = CommitId(repo.commit(change, branch="drafts/x", parents=[published]))
        judgement = judge(before, store, draft)
        assert not judgement.is_sound
        assert {finding.rule for finding in judgement.findings if finding.severity == "error"} == {"policy"}
    assert judge(before, store, CommitId(repo.commit({"cms.toml": f"{WHOLE}#"}, parents=[published]))).is_sound


def test_everything_that_acts_on_rules_knows_the_collections() -> None:
    # What only looks up people or keys, or an old commit, may go without.
    looking = {"cli/accounts", "cli/key", "cli/log", "proof", "site", "workflow/gather", "workflow/provenance"}
    for path in sorted((ROOT / "cms").rglob("*.py")):
        name = path.relative_to(ROOT / "cms").with_suffix("").as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "read_policy":
                known = any(keyword.arg == "collections" for keyword in node.keywords)
                assert known or any(name == other or name.startswith(f"{other}/") for other in looking), name
