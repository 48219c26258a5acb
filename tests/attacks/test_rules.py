"""Attacks on the rules themselves: whoever may change them, or step around them, needs nobody's approval any more."""

from collections.abc import Callable

import pytest

from tests.attacks.press import DRAFTS, MAIN, Press, text

NOTES = '\n[[roles]]\nrole = "writer"\nwho = ["per"]\npaths = ["notes/**"]\n[[rules]]\npaths = ["notes/**"]\napprovals = 0\n'
NO_APPROVALS = '\n[[rules]]\npaths = ["cms.toml", "schemas/**"]\napprovals = 0\n'


@pytest.fixture
def lax(open_press: Callable[..., Press]) -> Press:
    """A site whose rules ask for no approval of what decides over others."""
    return open_press(more=NO_APPROVALS)


def settings(press: Press, more: str) -> dict[str, str]:
    """The rules with *more* in them."""
    return {"cms.toml": f"{press.read('cms.toml')}{more}"}


@pytest.mark.parametrize("path", ["cms.toml", "schemas/posts.yaml"])
def test_without_approvals_nobody_but_a_maintainer_publishes_what_decides_over_others(lax: Press, path: str) -> None:
    lax.draft("rules", {path: f"{lax.read(path)}\n# mine now\n"}, approve="")
    assert "only a maintainer can publish" in lax.refuses("rules")
    assert "only a maintainer can publish" in lax.refuses("rules", by="eva")


def test_a_draft_that_makes_its_author_everything_is_judged_by_the_rules_before_it(press: Press) -> None:
    more = "".join(f'\n[[roles]]\nrole = "{role}"\nwho = ["ola"]\n' for role in ("reviewer", "publisher", "maintainer"))
    rule = "\n[[rules]]\napprovals = 1\nauthors_may_approve = true\n"
    press.draft("coup", {**settings(press, more + rule), "posts/coup.md": text("coup")}, approve="")
    said = press.hand("ola").is_refused("coup", approval(press, "ola", "coup"))
    assert "approving needs the role reviewer" in said
    assert press.say("coup", "approve", "ola").status_code == 403
    press.approve("coup")
    assert "by a maintainer" in press.refuses("coup")


def approval(press: Press, person: str, name: str) -> str:
    return press.hand(person).commit({}, [press.heads[name]], "Yes", trailers=[("Review", "approve")])


def objects(press: Press) -> set[str]:
    """Every object of the repository."""
    return set(press.room.repo.git("cat-file", "--batch-all-objects", "--batch-check=%(objectname)").splitlines())


def test_who_may_not_write_writes_no_object_either(own_press: Press) -> None:
    press, body = own_press, "---\ntitle: B\nrelated: [a]\n---\nSecond text.\n"
    for number in (1, 2):
        press.draft(
            f"b{number}",
            {
                "posts/b.md": body.replace("B\n", f"B{number}\n" if number == 1 else "B\ncategory: x\n")
                + f"\n\n{number}\n" * number
            },
        )
        press.publish(f"b{number}")
    first, before = press.room.repo.git("rev-parse", f"{press.main}^"), objects(press)
    for body_sent in (
        {"revert": first},
        {"rollback": first},
        {"unpublish": {"collection": "posts", "slug": "b"}},
        {"name": "x"},
    ):
        assert press.ask("POST", "/drafts", "rune", body_sent).status_code == 403
    for method, path in (("PATCH", "/drafts/none/entries/posts/a"), ("PUT", "/drafts/none/entries/posts/new")):
        assert press.ask(method, path, "rune", {"fields": {"title": "Never written before"}}).status_code == 404
    assert objects(press) == before


def test_a_file_that_moves_needs_the_rights_and_the_approvals_of_both_places(open_press: Callable[..., Press]) -> None:
    press = open_press(more=NOTES, files={"notes/n.md": "A note.\n"})
    people = '[[roles]]\nrole = "writer"\nwho = ["ola", "per", "eva"]'
    press.room.repo.commit({"cms.toml": str(press.read("cms.toml")).replace(people, people.replace(', "per"', ""))})
    per, ola = press.hand("per"), press.hand("ola")
    post, note = str(press.read("posts/b.md")), str(press.read("notes/n.md"))
    per.is_refused("moves", per.commit({"posts/b.md": None, "notes/b.md": post}, [press.main]))
    per.is_refused("moves", per.commit({"notes/n.md": None, "posts/n.md": note}, [press.main]))
    ola.must_push("moves", ola.commit({"posts/b.md": None, "notes/b.md": post}, [press.main]))
    assert "posts/b.md needs 1 more approval" in press.refuses("moves")


@pytest.mark.parametrize(
    "more",
    [
        "\n[[rules]]\napprovals = 'many'\n",
        "\n[[rules]]\nby = ['@nobody']\n",
        "\n[[roles]]\nrole = 'king'\nwho = ['ola']\n",
        "\n[[roles]]\nrole = 'writer'\nwho = ['*']\n",
        "\n[[rules]]\npaths = ['posts/[']\napprovals = 0\n",
        "\n[[rules]]\ncollections = ['nothing']\napprovals = 0\n",
        "\n[people.ola]\nname = 'Twice'\n",
        "\n[bypass]\nwho = ['robot']\n",
        "\n= broken",
        "\n[people.eva2]\nname='E'\nemails=['EVA@example.org']\n",
    ],
)
def test_rules_that_cannot_be_read_are_not_taken_and_nobody_gains_by_them(press: Press, more: str) -> None:
    ola = press.hand("ola")
    said = ola.is_refused("bad-rules", ola.commit(settings(press, more), [press.main]))
    assert "cms.toml" in said


def test_while_the_rules_cannot_be_read_nothing_goes_on(own_press: Press) -> None:
    press = own_press
    press.draft("waiting")
    merged = press.hand("pia").merged(press.heads["waiting"])
    press.room.repo.commit(settings(press, "\n[[rules]]\nby = ['@nobody']\n"))
    for by in ("pia", "mia", "ola", "eva"):
        assert press.ask("POST", "/drafts/waiting/publication", by).status_code == 503
        assert press.ask("POST", "/drafts", by, {"name": "new"}).status_code == 503
        assert press.hand(by).push(f"{press.main}:{DRAFTS}new").code != 0
    assert press.hand("pia").push(f"{merged}:{MAIN}").code != 0
    assert press.ask("GET", "/entries/posts/a").status_code == 200


@pytest.mark.parametrize(
    "files", [{"cms.toml": None}, {"cms.toml": None, "cms/cms.toml": "x"}, {"CMS.toml": "x"}, {"cms.toml/x": "x"}]
)
def test_the_rules_are_not_taken_away_or_doubled(press: Press, files: dict[str, str | None]) -> None:
    ola = press.hand("ola")
    source = str(press.read("cms.toml"))
    changes = {path: source if text_ == "x" else text_ for path, text_ in files.items()}
    if "cms.toml/x" in changes:
        changes["cms.toml"] = None
    name = f"rules-{'-'.join(files).replace('/', '-')}"
    done = ola.push(f"{ola.commit(changes, [press.main])}:{DRAFTS}{name}")
    if done.code == 0:
        press.approve(name)
        press.refuses(name)


def test_a_draft_that_moves_the_folder_of_a_collection_is_judged_by_where_it_was(press: Press) -> None:
    schema = str(press.read("schemas/posts.yaml")).replace("posts/{slug}.md", "elsewhere/{slug}.md")
    ola = press.hand("ola")
    done = ola.push(
        f"{ola.commit({'schemas/posts.yaml': schema, 'posts/new.md': text('New')}, [press.main])}:{DRAFTS}folder"
    )
    if done.code == 0:
        press.approve("folder")
        said = press.refuses("folder")
        assert "by a maintainer" in said


POLICIES = {
    "authors-may": ("[[rules]]\nauthors_may_approve = true\n", "eva", True),
    "authors-may-not": ("[[rules]]\nauthors_may_approve = false\n", "eva", False),
    "two": ("[[rules]]\napprovals = 2\n", "rita", False),
    "none": ("[[rules]]\napprovals = 0\n", "", True),
    "by-others": ("[[rules]]\nby = ['eva']\n", "rita", False),
    "by-her": ("[[rules]]\nby = ['rita']\n", "rita", True),
    "last-wins": ("[[rules]]\napprovals = 0\n[[rules]]\napprovals = 2\n", "rita", False),
    "last-wins-too": ("[[rules]]\napprovals = 2\n[[rules]]\napprovals = 1\n", "rita", True),
    "other-folder": ("[[rules]]\npaths = ['pages/**']\napprovals = 0\n", "", False),
}


@pytest.mark.parametrize("policy", POLICIES)
def test_every_word_of_a_rule_is_wired(open_press: Callable[..., Press], policy: str) -> None:
    more, approver, is_published = POLICIES[policy]
    press = open_press(more=f"\n{more}")
    press.draft("wired", by="eva", approve="")
    if approver:
        press.say("wired", "approve", approver)
    assert (press.ask("POST", "/drafts/wired/publication", "pia").status_code == 201) is is_published
    assert (press.read("posts/wired.md") is not None) is is_published
