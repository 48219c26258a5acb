"""Attacks on the rules themselves: whoever may change them, or step around them, needs nobody's approval any more."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attacks.press import Press, text

PER_REVIEWS = '\n[[roles]]\nrole = "reviewer"\nwho = ["per"]\npaths = ["{}"]\n'
NO_APPROVALS = '\n[[rules]]\npaths = ["cms.toml", "schemas/**"]\napprovals = 0\n'


@pytest.fixture
def lax(tmp_path: Path) -> Iterator[Press]:
    """A site whose rules ask for no approval of what decides over others."""
    made = Press(tmp_path, more=NO_APPROVALS)
    yield made
    made.close()


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
