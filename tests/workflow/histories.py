"""Random histories: what people do to drafts and to the published branch, one step after another, and the rules they may live under."""

from collections.abc import Callable

from hypothesis import strategies as st

from cms.policy import Policy, Role
from tests.workflow.policies import NEWSROOM, make_policy, role, rule
from tests.workflow.world import SERVER, A, B, World

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
Step = Callable[[World], None]


def write(name: str, where: str, what: str | None, by: str, author: str, key: str) -> Step:
    def do(world: World) -> None:
        if name in world.heads:
            world.write(name, {where: what}, by=by, author=author, key=key)

    return do


def write_with(name: str, where: str, what: str | None, by: str, other: str) -> Step:
    def do(world: World) -> None:
        if name in world.heads:
            world.write(name, {where: what}, by=by, co_authors=[other], committer=other)

    return do


def say(name: str, word: str, by: str, how: str, extra: dict[str, str]) -> Step:
    def do(world: World) -> None:
        if name in world.heads:
            world.say(name, word, by=by, how=how, **extra)

    return do


def fail(name: str, by: str) -> Step:
    """The server writes an entry, and then the draft cannot be moved."""

    def do(world: World) -> None:
        if name in world.heads:
            head = world.heads[name]
            lost = world.commit([head], world.nodes[head].tree, author=by, trailers=[("Review", "approve")])
            world.push(name, lost, by, happens=False)

    return do


def merge(name: str, other: str, by: str, choices: dict[str, str | None]) -> Step:
    """Merge the published branch or another draft."""

    def do(world: World) -> None:
        commit = world.main if other == "main" else world.heads.get(other)
        if name in world.heads and commit is not None and commit not in world.ancestors(world.heads[name]):
            world.merge(name, commit, by=by, choose=choices)

    return do


def rebase(name: str, by: str) -> Step:
    """Write every commit of the draft anew on what is published now, as ``git rebase`` does, and push that by force."""

    def do(world: World) -> None:
        if name not in world.heads:
            return
        head = world.main
        for node in sorted(
            map(world.nodes.__getitem__, world.unpublished(world.heads[name])), key=lambda node: node.at
        ):
            if len(node.parents) == 1:
                before = world.nodes[node.parents[0]].tree
                changes = {path: node.tree.get(path) for path in {*before, *node.tree}}
                changes = {path: what for path, what in changes.items() if before.get(path) != what}
                tree = {key: value for key, value in {**world.nodes[head].tree, **changes}.items() if value is not None}
                head = world.commit(
                    [head],
                    tree,
                    author=node.author,
                    committer=by,
                    co_authors=node.co_authors,
                    trailers=node.trailers,
                )
        world.push(name, head, by)

    return do


def go_back(name: str, by: str) -> Step:
    """Take the newest commit away by force."""

    def do(world: World) -> None:
        if name in world.heads and world.nodes[world.heads[name]].parents:
            world.push(name, world.nodes[world.heads[name]].parents[0], by)

    return do


def begin(name: str, by: str, other: str) -> Step:
    """Begin a draft, or close it and begin it again: where the published branch is, or with what another draft has."""

    def do(world: World) -> None:
        at = world.heads.get(other, world.main)
        if name in world.heads:
            world.push(name, None, by)
        world.push(name, at, by)

    return do


def change_main(where: str, what: str | None) -> Step:
    return lambda world: void(world.change_main({where: what}))


def publish(name: str, *, keep: bool) -> Step:
    return lambda world: void(world.publish(name, keep=keep) if name in world.heads else None)


def void(_: object) -> None:
    """For acts whose result nobody wants."""


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
    st.builds(write, draft, path, blob, person, claim, st.sampled_from(["", "", *ALL, SERVER])),
    st.builds(write, draft, path, blob, st.just("ola"), st.just(""), st.just("")),
    st.builds(write_with, draft, path, blob, person, claim),
    st.builds(say, draft, st.just("approve"), speaker, hows, nothing),
    st.builds(say, draft, st.just("approve"), speaker, hows, nothing),
    st.builds(say, draft, st.just("approve"), speaker, st.just("key"), st.fixed_dictionaries({"pushed_by": person})),
    st.builds(say, draft, st.sampled_from(["changes", "withdraw", "request"]), speaker, hows, nothing),
    st.builds(say, draft, st.sampled_from(["approve", "comment", "lgtm", ""]), speaker, hows, oddities),
    st.builds(say, draft, st.just("lift"), speaker, hows, st.fixed_dictionaries({"lifts": speaker})),
    st.builds(say, draft, st.just(""), speaker, hows, st.fixed_dictionaries({"publish_at": st.sampled_from(MOMENTS)})),
    st.builds(fail, draft, person),
    st.builds(merge, draft, st.just("main"), person, st.dictionaries(path, blob, max_size=2)),
    st.builds(merge, draft, st.sampled_from(DRAFTS), person, st.dictionaries(path, blob, max_size=1)),
    st.builds(rebase, draft, person),
    st.builds(go_back, draft, person),
    st.builds(begin, draft, person, st.sampled_from([*DRAFTS, "main"])),
    st.builds(change_main, path, blob),
    st.builds(publish, draft, keep=st.booleans()),
)
histories: st.SearchStrategy[list[Step]] = st.lists(steps, min_size=5, max_size=22)
policies: st.SearchStrategy[Policy] = st.sampled_from(POLICIES)
#: What leaves the files of PATHS in the draft ``one`` alone, by somebody who says nothing new about them.
steps_beside: st.SearchStrategy[Step] = st.one_of(
    st.builds(
        write,
        st.just("one"),
        st.just("content/docs/beside.md"),
        st.sampled_from(["x", "y"]),
        person,
        claim,
        st.just(""),
    ),
    st.builds(say, st.just("one"), st.sampled_from(["comment", "request"]), speaker, hows, nothing),
    st.builds(change_main, st.just("content/docs/elsewhere.md"), st.sampled_from(["x", "y"])),
)


def by_two(first: str, other: str, words: tuple[str, str], how: str) -> tuple[Step, Step]:
    return say("one", words[0], first, how, {}), say("one", words[1], other, how, {})


words = st.sampled_from(["approve", "changes", "withdraw", "request", "comment"])
#: Two people who say something about one draft, neither about the other.
unrelated = st.permutations(ALL).flatmap(
    lambda people: st.builds(
        by_two, st.just(people[0]), st.just(people[1]), st.tuples(words, words), st.sampled_from(["push", SERVER])
    )
)


def play(history: list[Step]) -> World:
    """What the world is like after a history that begins with one draft of one change."""
    world = World()
    world.start("one", "ola")
    world.write("one", {A: "b1"}, by="ola")
    for step in history:
        step(world)
    return world
