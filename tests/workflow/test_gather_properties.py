"""What is gathered from a real repository, over random histories, against the rules told a second time."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings

from cms.policy import Policy
from tests.workflow.histories import Step, histories, play, policies
from tests.workflow.mirror import Mirror
from tests.workflow.oracle import Oracle
from tests.workflow.test_fold_properties import in_short
from tests.workflow.world import World

some = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
few = settings(some, max_examples=8)


def has_one_base(world: World, name: str) -> bool:
    """Whether the histories of a draft and the published branch did not cross: there the world in miniature merges too simply."""
    common = world.ancestors(world.heads[name]) & world.ancestors(world.main)
    return sum(not any(id != above and id in world.ancestors(above) for above in common) for id in common) == 1


@some
@given(histories, policies)
def test_the_state_of_a_real_draft_is_what_the_rules_say(history: list[Step], policy: Policy) -> None:
    world = play(history)
    with TemporaryDirectory() as folder:
        mirror = Mirror(Path(folder))
        mirror.show(world)
        for name in (name for name in world.heads if has_one_base(world, name)):
            assert in_short(mirror.state(world, name, policy)) == Oracle(world, name, policy).answer()
            clone = world.without_log()
            assert in_short(mirror.state(clone, name, policy)) == Oracle(clone, name, policy).answer()


@few
@given(histories, histories, policies)
def test_what_was_remembered_from_before_is_never_told_of_what_is_now(
    before: list[Step], after: list[Step], policy: Policy
) -> None:
    world = play(before)
    with TemporaryDirectory() as folder:
        mirror = Mirror(Path(folder))
        mirror.show(world)
        gatherer = mirror.gatherer()
        for step in (None, *after):
            if step is not None:
                step(world)
                mirror.show(world)
            for name in world.heads:
                known = mirror.state(world, name, policy, gatherer)
                assert known == mirror.state(world, name, policy)
