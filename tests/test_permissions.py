"""Who may do what: every cell of the matrix, in every situation that it distinguishes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pytest

from cms.errors import DraftNotFound, Forbidden, Unauthorised
from cms.matrix import BOT_SCOPES, COLUMNS, CONDITIONS, NO, SCOPES, YES, Cell, Row, format_cell, parse_cell, read_matrix
from cms.people import Policy, Role, read_policy
from cms.permissions import PERMISSIONS, Principal, Target, allows, matrix_table, require

HUMANS = {"reader": "lena", "writer": "wendy", "reviewer": "rita", "publisher": "paul", "maintainer": "max"}
SUBJECTS = {**HUMANS, "bot": "importer"}
COLLECTIONS = ("cases", "posts")
POST, CASE, SETTINGS = "content/posts/a.md", "content/cases/a.md", "cms.toml"


def world(*, bypass: str = "['wendy', 'rita', 'paul', 'max', 'lena']", rules: str = "", roles: bool = True) -> Policy:
    """Everybody has one role, for posts and cms.toml; Olga answers for the bot."""
    names = [*HUMANS.values(), "olga"]
    text = "".join(f"[people.{name}]\nname = '{name.title()}'\nemails = ['{name}@example.org']\n" for name in names)
    text += "[people.importer]\nname = 'Import'\nowner = 'olga'\n[people.helper]\nname = 'Helper'\nowner = 'rita'\n"
    for role in Role if roles else ():
        for area in ("collections = ['posts']", "paths = ['cms.toml']"):
            text += f"[[roles]]\nrole = '{role}'\nwho = ['{SUBJECTS[role]}']\n{area}\n"
            text += f"scopes = {sorted(BOT_SCOPES)}\n" if role is Role.BOT else ""
    return read_policy(f"{text}{rules}[bypass]\nwho = {bypass}\n".encode(), collections=COLLECTIONS)


WORLD = world()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What varies. By default everything is as it should be, and the caller's own."""

    policy: Policy = WORLD
    paths: tuple[str, ...] = (POST,)
    owner: str = "caller"
    writer: str | None = "caller"
    via: str = "session"
    scopes: frozenset[str] | None = None
    is_without: bool = False
    is_ready: bool = True
    reason: str = "it is urgent"

    def target(self, caller: str) -> Target:
        """What it is about."""
        writer = caller if self.writer == "caller" else self.writer
        return Target(
            paths=self.paths,
            collections={POST: "posts", CASE: "cases"},
            owner=caller if self.owner == "caller" else self.owner,
            writers=frozenset((writer,)) if writer is not None else None,
            is_ready=self.is_ready,
            reason=self.reason,
        )


SCENARIOS: Mapping[str, Scenario] = {
    "own": Scenario(),
    "other": Scenario(owner="olga", writer="olga"),
    "bot's": Scenario(owner="importer", writer="importer"),
    "helped": Scenario(owner="olga", writer="helper"),
    "unknown hand": Scenario(owner="olga", writer=None),
    "elsewhere": Scenario(paths=(CASE,), owner="caller", writer="olga"),
    "mixed": Scenario(paths=(POST, CASE), owner="caller", writer="olga"),
    "settings": Scenario(paths=(SETTINGS,), owner="caller", writer="olga"),
    "others' settings": Scenario(paths=(SETTINGS,), owner="olga", writer="olga"),
    "unready": Scenario(is_ready=False),
    "no reason": Scenario(reason=" ", owner="olga", writer="olga"),
    "not listed": Scenario(policy=world(bypass="[]")),
    "not counted": Scenario(policy=world(rules="[[rules]]\nby = ['olga']\n"), owner="olga", writer="olga"),
    "authors may": Scenario(policy=world(rules="[[rules]]\nauthors_may_approve = true\n")),
    "nothing yet": Scenario(paths=(), owner="caller"),
    "token": Scenario(via="token", scopes=SCOPES),
    "bot's with a token": Scenario(owner="importer", writer="importer", via="token", scopes=SCOPES),
    "token for the rest": Scenario(via="token", scopes=SCOPES, is_without=True),
    "token for nothing": Scenario(via="token", scopes=frozenset()),
    "demoted": Scenario(policy=world(roles=False), owner="olga", writer="olga"),
}


def principal(scenario: Scenario, column: str, permission: str) -> Principal | None:
    """Who asks, and with what."""
    if column == "anonymous":
        return None
    scopes = scenario.scopes
    if scopes is not None and scenario.is_without:
        scopes -= {permission}
    return Principal(person=SUBJECTS[column], via=scenario.via, scopes=scopes)


def outcome(permission: str, scenario: Scenario, column: str) -> str:
    """``y``: allowed, ``1``: sign in first, ``4``: there is no such thing, ``3``: known, and not allowed."""
    who = principal(scenario, column, permission)
    target = scenario.target(who.person if who is not None else "nobody")
    try:
        require(permission, who, scenario.policy, target, missing=DraftNotFound("there is no draft 'x'"))
    except Unauthorised:
        return "1"
    except Forbidden:
        return "3"
    except DraftNotFound:
        return "4"
    return "y"


#: By row what happens in each scenario, for each column in the order of the matrix; a scenario that is not named goes as "own".
OUTCOMES: Mapping[str, Mapping[str, str]] = {
    "published.read": {"own": "yyyyyyy"},
    "health.read": {"own": "yyyyyyy"},
    "repository.local": {"own": "yyyyyyy"},
    "accounts.local": {"own": "yyyyyyy"},
    "history.read": {
        "own": "1yyyyyy",
        "elsewhere": "1yyyyy3",
        "mixed": "1yyyyy3",
        "token for the rest": "1333333",
        "token for nothing": "1333333",
        "demoted": "1yyyyy3",
    },
    "history.people": {
        "own": "13yyyyy",
        "elsewhere": "13yyyy3",
        "mixed": "13yyyy3",
        "token for the rest": "1333333",
        "token for nothing": "1333333",
        "demoted": "1333333",
    },
    "people.read": {
        "own": "13yyyy3",
        "token for the rest": "1333333",
        "token for nothing": "1333333",
        "demoted": "1333333",
    },
    "draft.read": {
        "own": "14yyyyy",
        "elsewhere": "14yyyy4",
        "mixed": "14yyyy4",
        "token for the rest": "1444444",
        "token for nothing": "1444444",
        "demoted": "1444444",
    },
    "draft.share": {
        "own": "14yyyyy",
        "elsewhere": "14yyyy4",
        "mixed": "14yyyy4",
        "token for the rest": "1433333",
        "token for nothing": "1444444",
        "demoted": "1444444",
    },
    "search.insight": {
        "own": "13yyyyy",
        "elsewhere": "13yyyy3",
        "mixed": "13yyyy3",
        "token for the rest": "1333333",
        "token for nothing": "1333333",
        "demoted": "1333333",
    },
    "draft.create": {
        "own": "13yyy3y",
        "elsewhere": "1333333",
        "mixed": "1333333",
        "settings": "13yyyyy",
        "others' settings": "13yyyyy",
        "nothing yet": "13yyyyy",
        "token for the rest": "1333333",
        "token for nothing": "1333333",
        "demoted": "1333333",
    },
    "draft.write": {
        "own": "14yyy3y",
        "other": "1433333",
        "bot's": "143333y",
        "helped": "1433333",
        "unknown hand": "1433333",
        "elsewhere": "1433334",
        "mixed": "1433334",
        "settings": "14yyyyy",
        "others' settings": "1433333",
        "no reason": "1433333",
        "not counted": "1433333",
        "nothing yet": "14yyyyy",
        "bot's with a token": "143333y",
        "token for the rest": "1433333",
        "token for nothing": "1444444",
        "demoted": "1444444",
    },
    "draft.write_others": {
        "own": "143y333",
        "elsewhere": "1433334",
        "mixed": "1433334",
        "token for the rest": "1433333",
        "token for nothing": "1444444",
        "demoted": "1444444",
    },
    "draft.delete": {
        "own": "14yyyyy",
        "other": "14333y3",
        "bot's": "14333yy",
        "helped": "14333y3",
        "unknown hand": "14333y3",
        "elsewhere": "14yyyy4",
        "mixed": "14yyyy4",
        "others' settings": "14333y3",
        "no reason": "1433333",
        "not counted": "14333y3",
        "bot's with a token": "14333yy",
        "token for the rest": "1433333",
        "token for nothing": "1444444",
        "demoted": "1444444",
    },
    "draft.force": {
        "own": "14yyy3y",
        "other": "1433333",
        "bot's": "143333y",
        "helped": "1433333",
        "unknown hand": "1433333",
        "elsewhere": "1433334",
        "mixed": "1433334",
        "settings": "14yyyyy",
        "others' settings": "1433333",
        "no reason": "1433333",
        "not counted": "1433333",
        "nothing yet": "14yyyyy",
        "bot's with a token": "143333y",
        "token for the rest": "1433333",
        "token for nothing": "1444444",
        "demoted": "1444444",
    },
    "review.request": {
        "own": "14yyyyy",
        "other": "1433333",
        "bot's": "143333y",
        "helped": "1433333",
        "unknown hand": "1433333",
        "elsewhere": "14yyyy4",
        "mixed": "14yyyy4",
        "others' settings": "1433333",
        "no reason": "1433333",
        "not counted": "1433333",
        "bot's with a token": "143333y",
        "token for the rest": "1433333",
        "token for nothing": "1444444",
        "demoted": "1444444",
    },
    "review.withdraw": {
        "own": "14yyyyy",
        "elsewhere": "14yyyy4",
        "mixed": "14yyyy4",
        "token for the rest": "1433333",
        "token for nothing": "1444444",
        "demoted": "1444444",
    },
    "review.comment": {
        "own": "14yyyyy",
        "elsewhere": "14yyyy4",
        "mixed": "14yyyy4",
        "token for the rest": "1433333",
        "token for nothing": "1444444",
        "demoted": "1444444",
    },
    "review.approve": {
        "own": "1433333",
        "other": "143y333",
        "bot's": "143y333",
        "elsewhere": "1433334",
        "mixed": "143y334",
        "settings": "143y333",
        "others' settings": "143y333",
        "no reason": "143y333",
        "authors may": "143y333",
        "nothing yet": "143y333",
        "bot's with a token": "143y333",
        "token for nothing": "1444444",
        "demoted": "1444444",
    },
    "review.changes": {
        "own": "143y333",
        "elsewhere": "1433334",
        "mixed": "143y334",
        "token for the rest": "1433333",
        "token for nothing": "1444444",
        "demoted": "1444444",
    },
    "review.lift": {
        "own": "14333y3",
        "elsewhere": "1433334",
        "mixed": "14333y4",
        "no reason": "1433333",
        "token for the rest": "1433333",
        "token for nothing": "1444444",
        "demoted": "1444444",
    },
    "publish": {
        "own": "1433y3y",
        "elsewhere": "1433334",
        "mixed": "1433334",
        "unready": "1433333",
        "token for the rest": "1433333",
        "token for nothing": "1444444",
        "demoted": "1444444",
    },
    "publish.bypass": {
        "own": "1433yy3",
        "elsewhere": "14333y4",
        "mixed": "14333y4",
        "settings": "14333y3",
        "others' settings": "14333y3",
        "no reason": "1433333",
        "not listed": "1433333",
        "token": "1433333",
        "bot's with a token": "1433333",
        "token for the rest": "1433333",
        "token for nothing": "1444444",
        "demoted": "1444444",
    },
    "schedule": {
        "own": "1433y33",
        "elsewhere": "1433334",
        "mixed": "1433334",
        "token for the rest": "1433333",
        "token for nothing": "1444444",
        "demoted": "1444444",
    },
    "unpublish": {
        "own": "13yyyy3",
        "elsewhere": "13333y3",
        "mixed": "13333y3",
        "no reason": "13yyy33",
        "token for the rest": "1333333",
        "token for nothing": "1333333",
        "demoted": "1333333",
    },
    "restore": {
        "own": "13yyy33",
        "elsewhere": "1333333",
        "mixed": "1333333",
        "settings": "13yyyy3",
        "others' settings": "13yyyy3",
        "nothing yet": "13yyyy3",
        "token for the rest": "1333333",
        "token for nothing": "1333333",
        "demoted": "1333333",
    },
    "revert": {
        "own": "13yyyy3",
        "elsewhere": "13333y3",
        "mixed": "13333y3",
        "no reason": "13yyy33",
        "token for the rest": "1333333",
        "token for nothing": "1333333",
        "demoted": "1333333",
    },
    "git.fetch": {
        "own": "13yyyyy",
        "elsewhere": "13yyyy3",
        "mixed": "13yyyy3",
        "token for the rest": "1333333",
        "token for nothing": "1333333",
        "demoted": "1333333",
    },
    "git.push": {
        "own": "13yyyyy",
        "elsewhere": "13yyyy3",
        "mixed": "13yyyy3",
        "token for the rest": "1333333",
        "token for nothing": "1333333",
        "demoted": "1333333",
    },
    "git.push_published": {
        "own": "1333y33",
        "elsewhere": "1333333",
        "mixed": "1333333",
        "unready": "1333333",
        "token for the rest": "1333333",
        "token for nothing": "1333333",
        "demoted": "1333333",
    },
    "git.push_other": {"own": "1333333"},
    "session.open": {"own": "yyyyyyy"},
    "account.own": {
        "own": "1yyyyy4",
        "other": "1444434",
        "bot's": "1444434",
        "helped": "1444434",
        "unknown hand": "1444434",
        "others' settings": "1444434",
        "no reason": "1444434",
        "not counted": "1444434",
        "token": "1333334",
        "bot's with a token": "1444444",
        "token for the rest": "1444444",
        "token for nothing": "1444444",
        "demoted": "1444444",
    },
    "user.manage": {
        "own": "13333y3",
        "token": "1333333",
        "bot's with a token": "1333333",
        "token for the rest": "1333333",
        "token for nothing": "1333333",
        "demoted": "1333333",
    },
    "token.own": {
        "own": "1yyyyy4",
        "other": "1444434",
        "bot's": "1444434",
        "helped": "1444434",
        "unknown hand": "1444434",
        "others' settings": "1444434",
        "no reason": "1444434",
        "not counted": "1444434",
        "token": "1333334",
        "bot's with a token": "1444444",
        "token for the rest": "1444444",
        "token for nothing": "1444444",
        "demoted": "1444444",
    },
    "token.issue": {
        "own": "1444434",
        "bot's": "14444y4",
        "token": "1444444",
        "token for the rest": "1444444",
        "token for nothing": "1444444",
        "demoted": "1444444",
    },
    "token.manage": {
        "own": "13333y3",
        "token": "1333333",
        "bot's with a token": "1333333",
        "token for the rest": "1333333",
        "token for nothing": "1333333",
        "demoted": "1333333",
    },
    "log.read": {
        "own": "13yyyyy",
        "elsewhere": "13yyyy3",
        "mixed": "13yyyy3",
        "token for the rest": "1333333",
        "token for nothing": "1333333",
        "demoted": "1333333",
    },
    "log.write": {"own": "1333333"},
    "server.manage": {
        "own": "13333y3",
        "token": "1333333",
        "bot's with a token": "1333333",
        "token for the rest": "1333333",
        "token for nothing": "1333333",
        "demoted": "1333333",
    },
}


def test_every_row_of_the_matrix_has_outcomes_and_every_outcome_a_row() -> None:
    assert OUTCOMES.keys() == PERMISSIONS.keys()
    assert all(scenarios.keys() <= SCENARIOS.keys() for scenarios in OUTCOMES.values())


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_the_matrix_is_enforced(permission: str) -> None:
    expected = {name: OUTCOMES[permission].get(name, OUTCOMES[permission]["own"]) for name in SCENARIOS}
    found = {
        name: "".join(outcome(permission, scenario, column) for column in COLUMNS)
        for name, scenario in SCENARIOS.items()
    }
    assert found == expected


def mutants(cell: Cell) -> Iterator[Cell]:
    """The cell turned round, and each condition of it left out."""
    yield NO if cell != NO else YES
    if cell not in (NO, YES):
        yield YES
    for number, way in enumerate(cell):
        for name in way:
            yield (*cell[:number], tuple(other for other in way if other != name), *cell[number + 1 :])


def is_noticed(row: Row, column: str) -> bool:
    """Whether the outcomes tell *row* from the one of the matrix."""
    for name, scenario in SCENARIOS.items():
        expected = OUTCOMES[row.id].get(name, OUTCOMES[row.id]["own"])[COLUMNS.index(column)] == "y"
        who = principal(scenario, column, row.id)
        target = scenario.target(who.person if who is not None else "nobody")
        if allows(row.id, who, scenario.policy, target, rows={row.id: row}) != expected:
            return True
    return False


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_no_cell_can_be_changed_without_being_noticed(permission: str) -> None:
    row = PERMISSIONS[permission]
    for column in COLUMNS:
        assert not is_noticed(row, column)
        for cell in mutants(row.cells[column]):
            other = replace(row, cells={**row.cells, column: cell})
            assert is_noticed(other, column), f"{permission} for {column}: {format_cell(cell)}"


@pytest.mark.parametrize("column", SUBJECTS)
@pytest.mark.parametrize("permission", PERMISSIONS)
def test_a_token_never_gives_what_its_person_does_not_have(permission: str, column: str) -> None:
    for scenario in SCENARIOS.values():
        narrowed = replace(scenario, scopes=frozenset((permission,)))
        if outcome(permission, narrowed, column) == "y":
            assert outcome(permission, replace(scenario, scopes=None), column) == "y"


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_somebody_who_is_not_listed_may_what_everybody_may(permission: str) -> None:
    who = Principal(person="gone", via="password")
    row = PERMISSIONS[permission]
    target = Target(paths=(POST,), owner="gone", is_ready=True, reason="urgent")
    assert allows(permission, who, WORLD, target) is row.is_public
    assert allows(permission, who, Policy(), target) is row.is_public
    assert allows(permission, None, Policy(), target) is row.is_public
    if not row.is_public:
        with pytest.raises(Forbidden, match=r"'gone' is not listed in \[people\] of cms.toml"):
            require(permission, who, WORLD, target)


def test_roles_add_up_path_by_path() -> None:
    text = "".join(
        f"[[roles]]\nrole = '{role}'\nwho = ['lena']\ncollections = ['{collection}']\n"
        for role, collection in (("writer", "cases"), ("publisher", "posts"))
    )
    policy, lena = world(rules=text), Principal(person="lena", via="session")
    both = Target(paths=(POST, CASE), collections={POST: "posts", CASE: "cases"}, owner="lena", is_ready=True)
    assert allows("draft.write", lena, policy, both)
    assert allows("publish", lena, policy, replace(both, paths=(POST,)))
    assert not allows("publish", lena, policy, both)


def test_who_wrote_one_entry_of_a_draft_may_approve_the_others() -> None:
    rita = Principal(person="rita", via="session")
    target = Target(
        paths=(POST, SETTINGS),
        collections={POST: "posts"},
        writers=frozenset(("rita", "olga")),
        writers_of={POST: frozenset(("rita",)), SETTINGS: frozenset(("olga", "?x@example.org"))},
    )
    assert allows("review.approve", rita, WORLD, target)
    assert not allows("review.approve", rita, WORLD, replace(target, paths=(POST,)))
    assert not allows("review.approve", rita, WORLD, replace(target, writers_of={}))


def test_a_permission_that_does_not_exist_is_a_mistake_and_never_a_yes() -> None:
    with pytest.raises(KeyError):
        allows("draft.wirte", Principal(person="max", via="shell"), WORLD)


def refusal(
    permission: str,
    person: str,
    target: Target,
    policy: Policy = WORLD,
    *,
    via: str = "session",
    scopes: frozenset[str] | None = None,
) -> Forbidden:
    asking = Principal(person=person, via=via, scopes=scopes)
    with pytest.raises(Forbidden) as caught:
        require(permission, asking, policy, target, missing=DraftNotFound("no such draft"))
    assert caught.value.facts["permission"] == permission
    return caught.value


DRAFT = Target(paths=(POST,), collections={POST: "posts"}, owner="wendy", writers=frozenset(("wendy",)), is_ready=True)
BOTH = replace(DRAFT, paths=(POST, CASE), collections={POST: "posts", CASE: "cases"})
SETTINGS_DRAFT = replace(DRAFT, paths=(SETTINGS,), owner="max", writers=frozenset(("max",)), reason="urgent")


@pytest.mark.parametrize(
    ("permission", "person", "target", "message"),
    [
        ("publish", "wendy", DRAFT, "publishing needs the role publisher for content/posts/a.md; ask Paul"),
        (
            "publish",
            "wendy",
            replace(DRAFT, is_ready=False),
            "publishing needs the role publisher for content/posts/a.md; ask Paul",
        ),
        ("publish", "wendy", BOTH, "publishing needs the role publisher for content/posts/a.md and 1 more; ask Paul"),
        (
            "publish",
            "paul",
            replace(BOTH, paths=(CASE,)),
            "publishing needs the role publisher for content/cases/a.md; nobody has it now, and Max can give it",
        ),
        (
            "publish",
            "paul",
            replace(DRAFT, is_ready=False),
            "publishing needs everything that the rules ask for, and something is still missing",
        ),
        (
            "review.approve",
            "rita",
            replace(DRAFT, writers=frozenset(("helper",))),
            "approving needs somebody who had no hand in content/posts/a.md, and you had",
        ),
        ("review.approve", "wendy", DRAFT, "approving needs the role reviewer for content/posts/a.md; ask Rita"),
        ("review.approve", "importer", DRAFT, "approving is not allowed to a bot; ask Rita"),
        ("draft.write", "paul", DRAFT, "writing in this draft needs that it is your own, and it is Wendy's; ask Wendy"),
        ("draft.write", "paul", replace(DRAFT, owner=None), "writing in this draft needs that it is your own"),
        (
            "draft.write",
            "importer",
            DRAFT,
            "writing in this draft needs that it is your own, and it is Wendy's; ask Wendy",
        ),
        (
            "draft.create",
            "importer",
            replace(BOTH, paths=(CASE,)),
            "beginning a draft needs the scope draft.create for content/cases/a.md among the bot's scopes in cms.toml; ask Max",
        ),
        (
            "draft.create",
            "max",
            DRAFT,
            "beginning a draft needs the role writer, reviewer or publisher for content/posts/a.md; ask Wendy, Rita or Paul",
        ),
        ("draft.delete", "max", DRAFT, "closing this draft needs a reason"),
        ("publish.bypass", "paul", SETTINGS_DRAFT, "publishing without approvals needs the role maintainer; ask Max"),
        ("git.push_other", "max", DRAFT, "pushing this ref is not allowed to anybody"),
        (
            "token.issue",
            "max",
            replace(DRAFT, owner="rita"),
            "making a token for somebody else needs that it is for a bot; nobody makes tokens for other people",
        ),
        ("user.manage", "lena", Target(), "managing accounts needs the role maintainer; ask Max"),
    ],
)
def test_a_refusal_says_what_it_takes_and_whom_to_ask(
    permission: str, person: str, target: Target, message: str
) -> None:
    assert str(refusal(permission, person, target)) == message


def test_a_refusal_names_three_people_and_counts_the_rest() -> None:
    others = "".join(f"[[roles]]\nrole = 'publisher'\nwho = ['{name}']\n" for name in ("rita", "max", "olga", "lena"))
    error = refusal("publish", "wendy", DRAFT, world(rules=others))
    assert str(error).endswith("; ask Lena, Rita, Paul or 2 more")
    assert error.facts["ask"] == ["lena", "rita", "paul", "max", "olga"]
    assert error.facts["needs"] == ["the role publisher for content/posts/a.md"]


def test_a_refusal_for_want_of_a_scope_names_it_and_asks_nobody() -> None:
    error = refusal("publish", "paul", DRAFT, via="token", scopes=frozenset(("draft.read", "schedule")))
    assert str(error) == "publishing needs a token with the scope publish; this one has draft.read and schedule"
    assert "ask" not in error.facts
    bare = refusal("user.manage", "max", Target(), via="token", scopes=frozenset())
    assert str(bare) == "managing accounts needs a token with the scope user.manage; this one has none"


def test_a_refusal_for_want_of_a_password_says_so() -> None:
    assert str(refusal("user.manage", "max", Target(), via="token")) == (
        "managing accounts needs your password; a token does not do"
    )


def test_a_rule_that_does_not_count_somebody_is_quoted() -> None:
    policy = world(rules="[[rules]]\ncollections = ['posts']\napprovals = 2\nby = ['olga', 'max']\n")
    message = str(refusal("review.approve", "rita", DRAFT, policy))
    assert message.startswith("approving needs somebody whose approval counts for content/posts/a.md (cms.toml line ")
    assert message.endswith(": 2 approvals by olga, max for posts)")


def test_a_refusal_that_quotes_a_path_obeys_no_control_character_in_it() -> None:
    path = "content/posts/\x1b[2Ja.md"
    assert str(refusal("publish", "wendy", replace(DRAFT, paths=(path,)))).isprintable()


def test_who_is_not_signed_in_is_told_to_sign_in_and_nothing_else() -> None:
    for missing in (None, DraftNotFound("no such draft")):
        with pytest.raises(Unauthorised) as caught:
            require("draft.read", None, WORLD, DRAFT, missing=missing)
        assert "Wendy" not in str(caught.value)
        assert not caught.value.facts


CELLS = dict.fromkeys(COLUMNS, "no")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"writer": "mine"}, "no such condition: mine"),
        ({"writer": "yes or own"}, "no such condition: yes"),
        ({"writer": "scope"}, "means nothing for writer"),
        ({"reader": "own and assigned"}, "means nothing for reader"),
        ({"bot": "assigned"}, "means nothing for bot"),
        ({"bot": "yes"}, "only what it was granted"),
        ({"bot": "own and scope or ready"}, "only what it was granted"),
        ({"anonymous": "reason"}, "means nothing for anonymous"),
        ({"over": "all"}, "over is 'every' or 'some'"),
        ({"known_by": "y"}, "no row y to be known by"),
        ({"route": []}, r"unknown \['route'\]"),
        ({"routes": ["/x"]}, "'/x' is not a method and a path"),
    ],
)
def test_a_matrix_that_is_not_in_order_is_refused(changes: Mapping[str, object], message: str) -> None:
    row = {"id": "x", "sentence": "X", "doing": "x", **CELLS, **changes}
    text = "[[rows]]\n" + "".join(f"{key} = {value!r}\n" for key, value in row.items())
    conditions = "[conditions]\n" + "".join(f"{name} = ''\n" for name in CONDITIONS)
    with pytest.raises(ValueError, match=message):
        read_matrix(conditions + text)


def test_two_rows_of_one_name_are_refused_and_so_is_a_row_without_a_column() -> None:
    row = "[[rows]]\nid = 'x'\nsentence = 'X'\ndoing = 'x'\n" + "".join(f"{name} = 'no'\n" for name in COLUMNS)
    with pytest.raises(ValueError, match="two rows are called x"):
        read_matrix(f"[conditions]\n{row}{row}")
    with pytest.raises(ValueError, match=r"missing \['bot'\]"):
        read_matrix("[conditions]\n" + row.replace("bot = 'no'\n", ""))


def test_a_cell_reads_as_it_is_written() -> None:
    cell = parse_cell("own and assigned or reason", CONDITIONS)
    assert cell == (("own", "assigned"), ("reason",))
    assert [format_cell(each) for each in (cell, YES, NO)] == ["own and assigned or reason", "yes", "no"]


def test_every_condition_is_used_and_explained() -> None:
    used = {name for row in PERMISSIONS.values() for cell in row.cells.values() for way in cell for name in way}
    assert used == CONDITIONS.keys()
    assert all(CONDITIONS.values())


def test_what_is_for_everybody_is_for_everybody() -> None:
    for row in PERMISSIONS.values():
        assert not row.is_public or all(cell == YES for cell in row.cells.values()), row.id
        assert row.is_public == (row.id not in SCOPES) or not any(row.cells.values())


def test_the_table_for_readers_holds_every_row_and_cell() -> None:
    lines = matrix_table().splitlines()
    for row in PERMISSIONS.values():
        [line] = [line for line in lines if line.startswith(f"| `{row.id}` |")]
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells[1] == row.sentence
        assert [parse_cell("no" if cell == "–" else cell, CONDITIONS) for cell in cells[2:]] == list(row.cells.values())
