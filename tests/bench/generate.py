"""Synthetic sites of any size, the same for the same size and seed: bare Git repositories made by ``git fast-import``.

Posts with title, date, one of 12 categories, some of 230 tags, one of 50 authors, a summary and about 1.1 kB of text that
looks Norwegian, some 70 files in a folder, and a twentieth as many commits as posts: half add posts, half edit some.
"""

import random
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

VERSION = 1
POSTS_IN_A_FOLDER = 70
FOLDERS_IN_A_FOLDER = 40
AUTHORS = 50
TAGS = 230
COMMON_WORD = "kommune"
COMMON_SHARE = 0.4
RARE_WORD = "fjellrev"
RARE_POSTS = 10
CATEGORIES = (
    "barnehage", "beredskap", "digitalisering", "helse", "innkjop", "klima",
    "kultur", "miljo", "samferdsel", "skole", "tjenestedesign", "velferd",
)  # fmt: skip
_FREQUENT = (
    "og i det er på som en til av for at med de vi kan har ikke om et fra men så den var seg skal vil bli etter også når ved "
    "ny nye nytt tjeneste tjenester innbygger innbyggere ansatte prosjekt prosjektet arbeid arbeidet sammen erfaring "
    "løsning løsninger behov utvikling samarbeid bruker brukere brukerne data digital digitale år året måte tid hjelp "
    "helse skole barn eldre miljø transport bygg leverandør anskaffelse innovasjon læring mål målet resultat effekt "
    "gevinst test prøve første neste flere mange noen alle hver både mellom under over gjennom uten slik derfor fordi"
)
_SYLLABLES = (
    "ba be bo da de fjor fram gjer god hav hus in kom lag land lei lys mar nord om rad sam skap sol ster tel ting tre ut "
    "var veg vik øst år"
)
_ASCII = str.maketrans({"æ": "ae", "ø": "o", "å": "a", " ": "-"})
_FIRST_COMMIT_AT = datetime(2012, 1, 2, 8, 0, tzinfo=UTC)
_FIRST_POST_ON = date(2008, 1, 1)

SETTINGS = """\
[site]
title = "Syntetisk blogg"
url = "https://blogg.example.org"
description = "Laget for å måle."
locales = ["nb"]
default_locale = "nb"
time_zone = "Europe/Oslo"
branch = "main"
"""
POSTS_SCHEMA = f"""\
$schema: https://json-schema.org/draft/2020-12/schema
title: Posts
x-path: content/posts/*/*/{{slug}}.md
x-title: title
x-date: date
x-sort: -published_at
x-url: /blogg/{{slug}}
x-body: markdown
type: object
required: [title, date, category, author]
additionalProperties: false
properties:
  title: {{type: string, minLength: 1, maxLength: 200, x-search: {{boost: 3.0}}}}
  date: {{type: string, format: date}}
  category: {{type: string, enum: [{", ".join(CATEGORIES)}], x-search: {{facet: true}}}}
  tags: {{type: array, items: {{type: string}}, uniqueItems: true, x-search: {{boost: 1.5, facet: true}}}}
  author: {{type: string, x-reference: authors}}
  summary: {{type: string, maxLength: 500, x-search: {{boost: 1.5}}}}
"""
AUTHORS_SCHEMA = """\
$schema: https://json-schema.org/draft/2020-12/schema
title: Authors
x-path: content/authors/{slug}.md
x-title: name
x-sort: name
x-body: markdown
type: object
required: [name]
additionalProperties: false
properties:
  name: {type: string, minLength: 1}
  email: {type: string, format: email}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One synthetic post: its slug, the path of its file, and the file."""

    slug: str
    path: str
    source: bytes


class Generator:
    """Makes the posts of a site; each depends on size, seed and its own number only."""

    def __init__(self, size: int, *, seed: int = 1) -> None:
        """A site of *size* posts."""
        self.size = size
        self.seed = seed
        words = random.Random(seed)
        made = ("".join(words.choices(_SYLLABLES.split(), k=words.randint(2, 4))) for _ in range(3000))
        self._words = [*_FREQUENT.split(), *dict.fromkeys(made)]
        self._weights = list(_cumulated(1 / (rank + 8) for rank in range(len(self._words))))

    def post(self, number: int, *, revision: int = 0) -> Post:
        """Post *number*, as it is after *revision* edits of its summary."""
        rng = random.Random(self.seed * 1_000_003 + number)
        title = self._sentence(rng, 3, 7)
        slug = f"{title.lower().translate(_ASCII)}-{number}"
        folder, inner = divmod(number // POSTS_IN_A_FOLDER, FOLDERS_IN_A_FOLDER)
        tags = rng.sample(range(TAGS), rng.randint(1, 4))
        edited = f" Revidert {revision} ganger." if revision else ""
        lines = [
            "---",
            f'title: "{title}"',
            f"date: {_FIRST_POST_ON + timedelta(days=rng.randrange(6500))}",
            f"category: {rng.choice(CATEGORIES)}",
            f"tags: [{', '.join(f'stikkord-{tag}' for tag in tags)}]",
            f"author: forfatter-{rng.randrange(AUTHORS)}",
            f"summary: {self._sentence(rng, 12, 20)}.{edited}",
            "---",
            "",
            *self._body(rng, number),
        ]
        path = f"content/posts/{folder:03}/{inner:02}/{slug}.md"
        return Post(slug=slug, path=path, source="\n".join(lines).encode())

    def _body(self, rng: random.Random, number: int) -> Iterator[str]:
        yield self._paragraph(rng, 45)
        yield f"## {self._sentence(rng, 2, 5)}\n"
        if rng.random() < COMMON_SHARE:
            yield f"Vår {COMMON_WORD} var med fra starten.\n"
        if number % max(1, self.size // RARE_POSTS) == 0:
            yield f"En {RARE_WORD} kom forbi.\n"
        yield self._paragraph(rng, 55)
        yield "\n".join(f"- **{self._sentence(rng, 1, 2)}**: {self._sentence(rng, 3, 6)}" for _ in range(3)) + "\n"
        yield f"Les mer hos [{self._sentence(rng, 1, 3)}](https://example.org/{number}).\n"
        yield self._paragraph(rng, 25)

    def _paragraph(self, rng: random.Random, words: int) -> str:
        sentences = (self._sentence(rng, 6, 14) for _ in range(words // 10))
        return ". ".join(sentences) + ".\n"

    def _sentence(self, rng: random.Random, shortest: int, longest: int) -> str:
        words = rng.choices(self._words, cum_weights=self._weights, k=rng.randint(shortest, longest))
        return " ".join(words).capitalize()


def generate(size: int, *, seed: int = 1, folder: Path | None = None) -> Path:
    """The bare repository of a site of *size* posts, made if it is not there yet.

    Args:
        folder: where repositories are kept; by default below the system's folder for temporary files.
    """
    folder = folder or Path(tempfile.gettempdir()) / "branchpress-bench"
    path = folder / f"site-{size}-{seed}-v{VERSION}.git"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix="site-", dir=folder))
        try:
            _fill(unfinished, Generator(size, seed=seed))
            unfinished.rename(path)
        except BaseException:
            shutil.rmtree(unfinished)
            raise
    return path


def _fill(path: Path, generator: Generator) -> None:
    subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=main", str(path)], check=True)
    command = ["git", "-C", str(path), "fast-import", "--quiet", "--date-format=raw"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as importer:
        assert importer.stdin is not None
        for chunk in _stream(generator):
            importer.stdin.write(chunk)
    if importer.returncode:
        raise subprocess.CalledProcessError(importer.returncode, command)


def _stream(generator: Generator) -> Iterator[bytes]:
    """The history in the format of ``git fast-import``."""
    yield _commit(0, "Set up the site")
    yield _file("cms.toml", SETTINGS.encode())
    yield _file("schemas/posts.yaml", POSTS_SCHEMA.encode())
    yield _file("schemas/authors.yaml", AUTHORS_SCHEMA.encode())
    for number in range(AUTHORS):
        source = f"---\nname: Forfatter {number}\nemail: forfatter-{number}@example.org\n---\n\nSkriver her.\n"
        yield _file(f"content/authors/forfatter-{number}.md", source.encode())
    rounds = max(1, generator.size // 40)
    revisions: dict[int, int] = {}
    rng = random.Random(generator.seed)
    for turn in range(rounds):
        first, last = (generator.size * turn // rounds, generator.size * (turn + 1) // rounds)
        yield _commit(2 * turn + 1, f"Add posts {first} to {last - 1}")
        for number in range(first, last):
            post = generator.post(number)
            yield _file(post.path, post.source)
        yield _commit(2 * turn + 2, "Edit some posts")
        for number in rng.sample(range(last), min(3, last)):
            revisions[number] = revisions.get(number, 0) + 1
            post = generator.post(number, revision=revisions[number])
            yield _file(post.path, post.source)


def _commit(number: int, message: str) -> bytes:
    seconds = int(_FIRST_COMMIT_AT.timestamp()) + number * 3 * 3600
    author = f"Forfatter {number % AUTHORS} <forfatter-{number % AUTHORS}@example.org> {seconds} +0100"
    text = message.encode()
    return f"commit refs/heads/main\ncommitter {author}\ndata {len(text)}\n".encode() + text + b"\n"


def _file(path: str, source: bytes) -> bytes:
    return f"M 100644 inline {path}\ndata {len(source)}\n".encode() + source + b"\n"


def _cumulated(weights: Iterator[float]) -> Iterator[float]:
    total = 0.0
    for weight in weights:
        total += weight
        yield total
