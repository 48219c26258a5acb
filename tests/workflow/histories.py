"""Random histories: what people do to drafts and to the published branch, one step after another, and the rules they may live under."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from cms.policy import Policy, Role
from tests.workflow.policies import NEWSROOM, make_policy, role, rule
from tests.workflow.world import SERVER, A, B, World, apply

PEOPLE = ("kari", "ola", "per", "robot")
CLAIMS = (*PEOPLE[:3], "stranger@example.net")
PATHS = (A, B, "content/docs/c.md", "schemas/note.txt")
BLOBS = ("b1", "b2", "b3", None)
DRAFTS = ("one", "two")
BOTS = [("robot", "kari")]
ALL = ("kari", "ola", "per")

POLICIES = (
    NEWSROOM,
    make_policy(
        *(role(each, *ALL) for each in (Role.REVIEWER, Role.PUBLISHER, Role.MAINTAINER)),
        role(Role.BOT, "robot"),
        bots=BOTS,
    ),
    make_policy(
        role(Role.REVIEWER, *ALL, "robot"),
        role(Role.PUBLISHER, "kari"),
        role(Role.MAINTAINER, "per"),
        rules=[rule(2), rule(1, paths=["content/docs/**"], authors_may_approve=True)],
        bots=BOTS,
    ),
    make_policy(
        role(Role.REVIEWER, "kari", collections=["posts"]),
        role(Role.REVIEWER, "per", "ola", paths=["content/docs/**", "schemas/**"]),
        role(Role.MAINTAINER, "ola", collections=["posts"]),
        role(Role.PUBLISHER, "per", "kari"),
        rules=[rule(1), rule(1, collections=["posts"], by=["kari"]), rule(0, paths=["schemas/**"])],
        bots=BOTS,
    ),
    make_policy(role(Role.REVIEWER, "per"), people=["ola", "per"]),
)

person, claim, path, blob = (st.sampled_from(pool) for pool in (PEOPLE, CLAIMS, PATHS, BLOBS))
draft = st.sampled_from(["one", "one", "one", "two"])


@dataclass(frozen=True)
class Step:
    """One thing that somebody does; prints as what it is."""

    act: Callable[..., None]
    arguments: tuple[Any, ...]

    def __call__(self, world: World) -> None:
        self.act(world, *self.arguments)

    def __repr__(self) -> str:
        return f"{self.act.__name__}{self.arguments}"


def step(act: Callable[..., None], *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[Step]:
    return st.builds(Step, st.just(act), st.tuples(*arguments))


def write(world: World, name: str, where: str, what: str | None, by: str, author: str, key: str) -> None:
    if name in world.heads:
        world.write(name, {where: what}, by=by, author=author, key=key)


def write_with(world: World, name: str, where: str, what: str | None, by: str, other: str) -> None:
    if name in world.heads:
        world.write(name, {where: what}, by=by, co_authors=[other], committer=other)


def say(world: World, name: str, word: str, by: str, how: str, extra: dict[str, str]) -> None:
    if name in world.heads:
        world.say(name, word, by=by, how=how, **extra)


def fail(world: World, name: str, by: str) -> None:
    """The server writes an entry, and then the draft cannot be moved."""
    if name in world.heads:
        head = world.heads[name]
        lost = world.commit([head], world.nodes[head].tree, author=by, trailers=[("Review", "approve")])
        world.push(name, lost, by, happens=False)


def merge(world: World, name: str, other: str, by: str, choices: dict[str, str | None]) -> None:
    """Merge the published branch or another draft."""
    commit = world.main if other == "main" else world.heads.get(other)
    if name in world.heads and commit is not None and commit not in world.ancestors(world.heads[name]):
        world.merge(name, commit, by=by, choose=choices)


def rebase(world: World, name: str, by: str) -> None:
    """Write every commit of the draft anew on what is published now, as ``git rebase`` does, and push that by force."""
    if name not in world.heads:
        return
    head = world.main
    for node in sorted(map(world.nodes.__getitem__, world.unpublished(world.heads[name])), key=lambda node: node.at):
        if len(node.parents) == 1:
            before = world.nodes[node.parents[0]].tree
            changes = {path: node.tree.get(path) for path in {*before, *node.tree}}
            changes = {path: what for path, what in changes.items() if before.get(path) != what}
            head = world.commit(
                [head],
                apply(world.nodes[head].tree, changes),
                author=node.author,
                committer=by,
                co_authors=node.co_authors,
                trailers=node.trailers,
            )
    world.push(name, head, by)


def go_back(world: World, name: str, by: str) -> None:
    """Take the newest commit away by force."""
    if name in world.heads and world.nodes[world.heads[name]].parents:
        world.push(name, world.nodes[world.heads[name]].parents[0], by)


def begin(world: World, name: str, by: str, other: str) -> None:
    """Begin a draft, or close it and begin it again: where the published branch is, or with what another draft has."""
    at = world.heads.get(other, world.main)
    if name in world.heads:
        world.push(name, None, by)
    world.push(name, at, by)


def change_main(world: World, where: str, what: str | None) -> None:
    world.change_main({where: what})


def publish(world: World, name: str, keep: bool) -> None:
    if name in world.heads:
        world.publish(name, keep=keep)


MOMENTS = ("2026-07-01T00:00:00Z", "2026-08-01T00:00:00Z", "never", "nonsense")
hows = st.sampled_from(["push", SERVER, SERVER, "key"])
speaker = st.sampled_from(ALL)
oddities = st.fixed_dictionaries(
    {},
    optional={
        "anchor": st.sampled_from([A, f"{B}#title"]),
        "about": st.sampled_from(DRAFTS),
        "author": claim,
        "committer": claim,
        "publish_at": st.sampled_from(MOMENTS),
    },
)
nothing: st.SearchStrategy[dict[str, str]] = st.just({})
steps: st.SearchStrategy[Step] = st.one_of(
    step(write, draft, path, blob, person, claim, st.sampled_from(["", "", *ALL, SERVER])),
    step(write, draft, path, blob, st.just("ola"), st.just(""), st.just("")),
    step(write_with, draft, path, blob, person, claim),
    step(say, draft, st.just("approve"), speaker, hows, nothing),
    step(say, draft, st.just("approve"), speaker, hows, nothing),
    step(say, draft, st.just("approve"), speaker, st.just("key"), st.fixed_dictionaries({"pushed_by": person})),
    step(say, draft, st.sampled_from(["changes", "withdraw", "request"]), speaker, hows, nothing),
    step(say, draft, st.sampled_from(["approve", "comment", "lgtm", ""]), speaker, hows, oddities),
    step(say, draft, st.just("lift"), speaker, hows, st.fixed_dictionaries({"lifts": speaker})),
    step(say, draft, st.just(""), speaker, hows, st.fixed_dictionaries({"publish_at": st.sampled_from(MOMENTS)})),
    step(fail, draft, person),
    step(merge, draft, st.just("main"), person, st.dictionaries(path, blob, max_size=2)),
    step(merge, draft, st.sampled_from(DRAFTS), person, st.dictionaries(path, blob, max_size=1)),
    step(rebase, draft, person),
    step(go_back, draft, person),
    step(begin, draft, person, st.sampled_from([*DRAFTS, "main"])),
    step(change_main, path, blob),
    step(publish, draft, st.booleans()),
)
histories: st.SearchStrategy[list[Step]] = st.lists(steps, min_size=5, max_size=22)
policies: st.SearchStrategy[Policy] = st.sampled_from(POLICIES)
#: What leaves the files of PATHS in the draft ``one`` alone, by somebody who says nothing new about them.
steps_beside: st.SearchStrategy[Step] = st.one_of(
    step(
        write,
        st.just("one"),
        st.just("content/docs/beside.md"),
        st.sampled_from(["x", "y"]),
        person,
        claim,
        st.just(""),
    ),
    step(say, st.just("one"), st.sampled_from(["comment", "request"]), speaker, hows, nothing),
    step(change_main, st.just("content/docs/elsewhere.md"), st.sampled_from(["x", "y"])),
)


words = st.sampled_from(["approve", "changes", "withdraw", "request", "comment"])


def by_two(people: list[str], first: str, other: str, how: str) -> tuple[Step, Step]:
    return Step(say, ("one", first, people[0], how, {})), Step(say, ("one", other, people[1], how, {}))


#: Two people who say something about one draft, neither about the other.
unrelated = st.builds(by_two, st.permutations(ALL), words, words, st.sampled_from(["push", SERVER]))


def play(history: list[Step]) -> World:
    """What the world is like after a history that begins with one draft of one change."""
    world = World()
    world.start("one", "ola")
    world.write("one", {A: "b1"}, by="ola")
    for one in history:
        one(world)
    return world
