"""What a caller may not see, in every form that we know of: what to put into a repository so that nobody learns of it."""

import re
from collections.abc import Callable, Mapping
from random import Random

from tests.api.tools import PEOPLE, POSTS, SETTINGS, person, post
from tests.editing.tools import PEOPLE as STAFF
from tests.leaks.worlds import Files

#: Front matter that hides an entry, each in another way.
HIDING: tuple[Mapping[str, str], ...] = (
    {"draft": "true"},
    {"published": "false"},
    {"publish_at": "2999-01-01T12:00:00Z"},
    {"expire_at": "2001-01-01T12:00:00Z"},
    {"publishDate": "2999-01-01"},
    {"expiryDate": "2001-01-01"},
    {"status": "draft"},
    {"Draft": "true"},
    {"publish_at": "2001-01-01", "expire_at": "2001-01-01"},
    {"stars": "many", "draft": "true"},
    {"publish_at": "perhaps"},
)
WORDS = (
    "fish",
    "herring",
    "salmon",
    "harbour",
    "net",
    "boat",
    "secret",
    "merger",
    "layoffs",
    "takeover",
    "salmn",
    "fishh",
)
SLUGS = (
    "open",
    "news",
    "merger",
    "layoffs",
    "takeover",
    "old-name",
    "gone",
    "absent",
    "three",
    "kari",
    "ola",
    "two-boats",
)
TAGS = ("sea", "land", "money", "people")
CATEGORIES = ("food", "games", "finance")
BRANCHES = ("drafts/merger", "drafts/x", "wip", "feature/fish", "main2")


def settings(history: str = "", address: str = "ola@example.org") -> str:
    """A ``cms.toml`` with people, one of whom (``rune``) has no role, and a bot for pages; *address* is Ola's."""
    scopes = 'scopes = ["draft.read", "history.read", "history.people"]\npaths = ["pages/**"]'
    people = re.sub(r"scopes = .*", scopes, STAFF).replace("ola@example.org", address)
    people += '\n[people.rune]\nname = "Rune Sand"\nemails = ["rune@example.org"]\n'
    return SETTINGS.replace("[server]", 'branch = "main"\nurl = "https://example.org"\n[server]') + history + people


def public_files(history: str = "") -> list[Files]:
    """The commits that both repositories begin with: entries of two collections, in three locales, some renamed or withdrawn."""
    first: dict[str, str | bytes | None] = {
        "cms.toml": settings(history),
        "schemas/posts.yaml": POSTS.replace("x-date: date", "x-date: date\nx-url: /posts/{slug}"),
        "schemas/people.yaml": PEOPLE,
        "people/kari.md": person("Kari Nordmann"),
        "people/ola.md": person("Ola Nordmann", boss="kari"),
        "posts/open.md": post("Open fish", "A fish in the harbour, and a boat.", date="2019-01-05", author="ola", category="food",
                              tags="[sea, food]", stars="5", related="[merger, news, kari]", image="{url: images/a.png, alt: A}"),
        "posts/old-name.md": post("News of the harbour", "The net is full of herring. " * 8, date="2019-02-05", author="kari", tags="[sea]"),
        "posts/gone.md": post("Gone fishing", "Nobody is here.", date="2018-02-05"),
        "posts/two-boats.md": post("Two boats", "One boat, and another boat with salmon.", date="2019-03-01", category="games", stars="3", weight="1.5"),
        "posts/three.md": post("Tre fisk", "En liten tekst om fisk.", date="2017-03-01", featured="true"),
        "posts/three.en.md": post("Three fish", "A small text about fish.", date="2017-03-01", seen="2019-01-05T10:00:00Z"),
        "posts/alias.md": post("With an alias", "Words.", aliases="[long-ago]", date="2016-01-01"),
        "images/a.png": b"\x89PNG\r\n\x1a\n one",
        "images/gone.png": b"\x89PNG\r\n\x1a\n two",
    }  # fmt: skip
    old = first["posts/old-name.md"]
    second: Files = {"posts/old-name.md": None, "posts/news.md": old, "posts/gone.md": None, "images/gone.png": None}
    return [first, second]


def hidden_entry(random: Random) -> Files:
    """An entry that is not served, at a place that may be near one that is."""
    slug, hiding = random.choice(SLUGS), random.choice(HIDING)
    if random.random() < 0.25:
        at = {"expire_at": "2001-01-01T12:00:00Z"} if random.random() < 0.5 else {"publish_at": "2999-01-01T12:00:00Z"}
        return {f"people/secret-{slug}.md": person(f"Secret {random.choice(WORDS)}", **at)}
    locale = random.choice(("", ".nn", ".en"))
    words = " ".join(random.choices(WORDS, k=random.randint(1, 40)))
    fields = {
        "date": random.choice(("2019-01-06", "2030-01-01")),
        "author": random.choice(("ola", "kari", "nobody")),
        "category": random.choice(CATEGORIES),
        "tags": f"[{random.choice(TAGS)}]",
        "stars": str(random.randint(0, 9)),
        "related": f"[{random.choice(SLUGS)}]",
        "aliases": f"[{random.choice(SLUGS)}, whisper]",
        "image": "{url: images/secret.png}",
        "slug": random.choice(SLUGS),
    }
    chosen = {name: value for name, value in fields.items() if random.random() < 0.5 and name not in hiding}
    text = post(random.choice(WORDS).title() + f" {random.choice(WORDS)}", words, **chosen, **hiding)
    return {f"posts/{random.choice(('secret-', 'confidential-'))}{slug}{locale}.md": text}


def beside_public(random: Random) -> Files:
    """A hidden variant of an entry that is served, in a locale that it does not have."""
    slug, locale = random.choice((("open", "en"), ("news", "nn"), ("three", "nn"), ("alias", "en")))
    text = post(f"Hidden {random.choice(WORDS)}", random.choice(WORDS), **random.choice(HIDING))
    return {f"posts/{slug}.{locale}.md": text}


def unserved_file(random: Random) -> Files:
    """A file that is no entry and no asset."""
    name = random.choice(
        ("README.md", "notes/plan.txt", ".github/x.yml", "images/.secret.png", "posts/notes.txt", "images/plan.svg")
    )
    return {name: f"{random.choice(WORDS)} {random.random()}"}


def broken_entry(random: Random) -> Files:
    """A file that breaks its schema or cannot be read, and so is not served."""
    slug = random.choice(SLUGS)
    text = random.choice(
        (
            "---\ntitle: [\n---\n",
            "---\ntitle: A\n",
            "---\ntitle: A\nstars: many\n---\n",
            "---\ntitle: A\ntitle: B\n---\n",
        )
    )
    return {f"posts/secret-broken-{slug}.md": f"{text}{random.choice(WORDS)}"}


def staff(history: str) -> Callable[[Random], Files]:
    """What ``cms.toml`` says of people, which nobody is told."""

    def change(random: Random) -> Files:
        return {"cms.toml": settings(history, address=f"{random.choice(WORDS)}{random.randint(0, 99)}@example.org")}

    return change


def unforeseen(random: Random) -> Files:
    """A hidden entry where there is no schema: with fields, types, folders and languages that no other entry has."""
    fields = {
        "budget": str(random.randint(1, 9)),
        "stars": random.choice(("many", "[1, 2]", "{a: 1}", "2.5")),
        "tags": random.choice(("5", "{whisper: 1}")),
        "title": random.choice(("[a, b]", "7")),
        "lang": "nn",
    }
    chosen = {name: value for name, value in fields.items() if random.random() < 0.5}
    lines = "".join(f"{name}: {value}\n" for name, value in {**chosen, **random.choice(HIDING[:9])}.items())
    folder = random.choice(("posts", "plans", "plans/secret", "people", "nn/posts"))
    return {f"{folder}/secret-{random.choice(SLUGS)}.md": f"---\n{lines}---\n{random.choice(WORDS)}\n"}


def plain_files() -> list[Files]:
    """The commits of a site that never heard of us: no settings, no schemas."""
    return [
        {path: text for path, text in files.items() if not path.startswith(("cms.toml", "schemas/"))}
        for files in public_files()
    ]


def shown_draft() -> Files:
    """What a draft changes that somebody was given the preview of."""
    return {
        "posts/two-boats.md": post(
            "Two boats and a merger", "A merger in the harbour.", author="ola", related="[shown, news]"
        ),
        "posts/shown.md": post("Shown", "A fish for those who have the token.", tags="[sea, shown]", date="2021-01-01"),
        "posts/alias.md": None,
        "images/secret.png": b"\x89PNG\r\n\x1a\n shown",
    }
