"""The rules that people read and start from: ``docs/workflow.md``, and the demo's own ``cms.toml``."""

import re
import tomllib
from pathlib import Path

import pytest

from cms.errors import Forbidden, InvalidSettings
from cms.globs import compile_glob
from cms.people import Policy, Role, check_people, read_policy
from cms.permissions import Principal, Target, allows, matrix_table, require
from cms.settings import read_settings

ROOT = Path(__file__).parents[1]
WORKFLOW = (ROOT / "docs" / "workflow.md").read_text("utf-8")
DEMO = (ROOT / "cms.toml").read_bytes()
EXAMPLES = re.findall(r"^```toml\n(.*?)^```$", WORKFLOW, re.M | re.S)
WHOLE = EXAMPLES[0]
COLLECTIONS = ("calendar", "cases", "pages", "posts")
PEOPLE = WHOLE[: WHOLE.index("[groups]")]
GROUPS = "[groups]\neditors = ['kari', 'ola']\n"


def section(title: str) -> str:
    return WORKFLOW.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def keys(title: str) -> set[str]:
    """What the tables of a section describe: the words in their first column."""
    rows = re.findall(r"^\| (`.*?) \|", section(title), re.M)
    return {word for row in rows for word in re.findall(r"`(\w+)`", row)}


def test_the_matrix_in_the_documents_is_the_one_that_decides() -> None:
    shown = WORKFLOW.partition("<!-- matrix -->\n")[2].partition("<!-- /matrix -->")[0]
    assert shown.strip() == matrix_table().strip(), "put what matrix_table() returns into docs/workflow.md"


def test_the_whole_example_is_in_order() -> None:
    assert check_people(WHOLE.encode(), COLLECTIONS) == []
    read_settings(WHOLE)


@pytest.mark.parametrize("example", EXAMPLES[1:], ids=lambda text: text.split("\n", 1)[0])
def test_every_example_can_be_read_as_it_stands(example: str) -> None:
    tables = tomllib.loads(example)
    base = "".join(table for name, table in (("people", PEOPLE), ("groups", GROUPS)) if name not in tables)
    people = PEOPLE.replace("[people.kari]", "[people.other]").replace("kari@", "other@").replace(".nordmann@", "@")
    people = people.replace('owner = "kari"', 'owner = "other"')
    text = base + (people if "people" in tables else "") + example
    assert isinstance(read_policy(text.encode(), collections=COLLECTIONS), Policy)


def test_every_pattern_that_is_explained_does_what_is_said() -> None:
    rows = re.findall(r"^\| `(\S+)` \| (.+) \| `(\S+)` \|$", section("Roles"), re.M)
    assert len(rows) >= 3
    for pattern, meant, other in rows:
        glob = compile_glob(pattern)
        assert all(glob.matches(path) for path in re.findall(r"`(\S+)`", meant)), pattern
        assert not glob.matches(other)


@pytest.mark.parametrize(
    ("title", "table"),
    [("People", "[people.x]"), ("Roles", "[[roles]]"), ("Review rules", "[[rules]]")],
)
def test_every_key_of_a_table_is_documented_and_no_other(title: str, table: str) -> None:
    for key in keys(title) - set(Role):
        with pytest.raises(InvalidSettings) as caught:
            read_policy(f"{table}\n{key} = 1979-05-27\n".encode())
        assert not [finding for finding in caught.value.facts["findings"] if "unknown key" in finding.message], key
    with pytest.raises(InvalidSettings, match="unknown key") as caught:
        read_policy(f"{table}\nx = 1\n".encode())
    assert {"People": "emails", "Roles": "scopes", "Review rules": "authors_may_approve"}[title] in keys(title)


def test_every_role_is_documented() -> None:
    assert set(Role) <= keys("Roles")


def test_the_refusal_in_the_documents_is_one_that_is_given() -> None:
    shown = re.search(r'"detail": "(.*?)",\n "permission": "(.*?)", "needs": \["(.*?)"\], "ask": \["(.*?)"\]', WORKFLOW)
    assert shown is not None
    policy = read_policy(WHOLE.replace('"publisher"\nwho = ["@editors"]', '"publisher"\nwho = ["kari"]').encode())
    target = Target(paths=("content/posts/laer-av-feil.md",), is_ready=True)
    with pytest.raises(Forbidden) as caught:
        require("publish", Principal(person="ida", via="token"), policy, target)
    facts = caught.value.facts
    assert shown.groups() == (str(caught.value), facts["permission"], *facts["needs"], *facts["ask"])


@pytest.fixture(scope="module")
def demo() -> Policy:
    schemas = [path.stem for path in (ROOT / "schemas").glob("*.yaml")]
    assert check_people(DEMO, schemas) == []
    return read_policy(DEMO, collections=schemas)


def test_the_demo_names_roles_and_units_at_an_address_that_is_nobodys(demo: Policy) -> None:
    assert all(email.endswith("@example.org") for person in demo.people.values() for email in person.emails)
    assert not any(person.keys for person in demo.people.values())


def test_a_post_of_the_demo_can_be_written_approved_and_published_by_different_people(demo: Policy) -> None:
    path = "content/posts/nytt.md"
    post = Target(
        paths=(path,), collections={path: "posts"}, owner="innovasjonsradgiver", is_ready=True,
        writers=frozenset(("innovasjonsradgiver",)),
    )  # fmt: skip
    able = {
        permission: {
            person for person in demo.people if allows(permission, Principal(person=person, via="token"), demo, post)
        }
        for permission in ("draft.write", "review.approve", "publish")
    }
    assert able == {
        "draft.write": {"innovasjonsradgiver"},
        "review.approve": {"nettredaktor", "kommunikasjon"},
        "publish": {"nettredaktor", "kommunikasjon"},
    }


def test_a_case_of_the_demo_needs_two_and_not_the_secretariat_that_its_bot_belongs_to(demo: Policy) -> None:
    path = "content/cases/ny.md"
    assert demo.rule(path, "cases").approvals == 2
    case = Target(paths=(path,), collections={path: "cases"}, owner="caseimport", writers=frozenset(("caseimport",)))
    able = [
        person
        for person in demo.people
        if allows("review.approve", Principal(person=person, via="session"), demo, case)
    ]
    assert able == ["nettredaktor", "kommunikasjon", "strategi"]
    assert allows("draft.write", Principal(person="caseimport", via="token"), demo, case)
