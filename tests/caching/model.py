"""A cache that does what the headers say (RFC 9111) and no more, and a newsroom that never rests."""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx2

from cms.dependencies import Keys, parse_keys
from tests.api.tools import MODEL, PEOPLE, POSTS, SETTINGS, person, post
from tests.repo import Repo

Ask = Callable[..., httpx2.Response]
COMMIT = re.compile(rb'"commit":"[0-9a-f]{40}"')
LIFETIME = re.compile(r"(s-maxage|max-age)=(\d+)")


def meaning(answer: httpx2.Response) -> tuple[int, bytes, str]:
    """What an answer says, whichever commit it names."""
    return answer.status_code, COMMIT.sub(b"", answer.content), answer.headers.get("location", "")


@dataclass(slots=True)
class _Kept:
    answer: httpx2.Response
    until: float
    keys: Keys


@dataclass(slots=True)
class SharedCache:
    """Keeps what it may for as long as it may, asks again with the validator, and drops what it is told to."""

    ask: Ask
    clock: Callable[[], float]
    hits: int = 0
    validated: int = 0
    fetched: int = 0
    _kept: dict[str, _Kept] = field(default_factory=dict)

    def get(self, path: str) -> httpx2.Response:
        """What a client behind the cache is answered."""
        kept = self._kept.get(path)
        if kept is not None and self.clock() < kept.until:
            self.hits += 1
            return kept.answer
        etag = kept.answer.headers.get("etag") if kept is not None else None
        answer = self.ask(path, If_None_Match=etag) if etag else self.ask(path)
        if kept is not None and answer.status_code == 304:
            self.validated += 1
            self._keep(path, kept.answer, answer)
            return kept.answer
        self.fetched += 1
        self._keep(path, answer, answer)
        return answer

    def _keep(self, path: str, answer: httpx2.Response, said: httpx2.Response) -> None:
        caching = said.headers.get("cache-control", "")
        lifetimes: dict[str, str] = dict(LIFETIME.findall(caching))
        if "public" not in caching or "no-store" in caching or not lifetimes:
            self._kept.pop(path, None)
            return
        seconds = int(lifetimes["s-maxage" if "s-maxage" in lifetimes else "max-age"])
        self._kept[path] = _Kept(answer, self.clock() + seconds, parse_keys(said.headers["surrogate-key"].encode()))

    def purge(self, keys: Keys) -> None:
        """Drop whatever depends on one of *keys*."""
        self._kept = {path: kept for path, kept in self._kept.items() if kept.keys.isdisjoint(keys)}


class Newsroom:
    """Changes a repository at random: texts, names, embargoes, locales, references to what is hidden or not there, files, settings."""

    def __init__(self, repo: Repo, seed: int, server: str) -> None:
        self.repo = repo
        self._chance = random.Random(seed)
        self._settings = SETTINGS.replace("[site]", '[site]\nurl = "https://example.org"').replace(
            "max_age_seconds = 600\n", server
        )
        self._files: dict[str, str | bytes] = {}
        self._commits: list[tuple[str, dict[str, str | bytes]]] = []
        self._publish({**MODEL, "cms.toml": self._settings})
        self._publish(
            {name: self._post(0.0) for name in ("posts/a.md", "posts/b.md")} | {"people/kari.md": person("Kari")}
        )

    def act(self, now: float) -> None:
        """Do something."""
        acts = (self._write, self._write, self._write, self._write_person, self._remove, self._rename)
        rare = (self._translate, self._draw, self._undo, self._restyle, self._rewrite, self._remove)
        self._chance.choice(acts if self._chance.random() < 0.6 else rare)(now)

    def wait(self) -> float:
        """How many seconds pass until something is done again."""
        return self._chance.choice([0.0, 1.0, 7.0, 60.0, 200.0])

    def _publish(self, changes: Mapping[str, str | bytes | None]) -> None:
        commit = self.repo.commit(changes)
        for path, content in changes.items():
            if content is None:
                self._files.pop(path, None)
            else:
                self._files[path] = content
        self._commits.append((commit, dict(self._files)))

    def _moments(self, now: float) -> dict[str, str]:
        if not now or self._chance.random() < 0.5:
            return {}
        names = self._chance.sample(["publish_at", "expire_at", "draft"], self._chance.choice([1, 1, 2]))
        at = {name: now + self._chance.choice([-50, 5, 60, 61, 300]) for name in names}
        texts = {name: datetime.fromtimestamp(moment, UTC).isoformat() for name, moment in at.items()}
        return texts | ({"draft": "true"} if "draft" in texts else {})

    def _post(self, now: float) -> str:
        chance = self._chance
        related = chance.sample(["a", "b", "c", "kari", "ola", "people/kari", "ghost"], chance.randrange(3))
        return post(
            chance.choice(["Fish", "Bread", "Cake"]),
            chance.choice(["Some words.", "Other words."]),
            author=chance.choice(["kari", "ola", "ghost"]),
            category=chance.choice(["food", "games"]),
            related=f"[{', '.join(related)}]",
            aliases=chance.choice(["[]", "[old]"]),
            date=chance.choice(["2020-01-01", "2021-01-01"]),
            **self._moments(now),
        )

    def _slug(self) -> str:
        return self._chance.choice("abc")

    def _write(self, now: float) -> None:
        self._publish({f"posts/{self._slug()}.md": self._post(now)})

    def _translate(self, now: float) -> None:
        self._publish({f"posts/{self._slug()}.nn.md": self._post(now)})

    def _write_person(self, now: float) -> None:
        slug = self._chance.choice(["kari", "ola", "a"])
        moments = {name: text for name, text in self._moments(now).items() if name != "draft"}
        boss = self._chance.choice(["kari", "ola"])
        self._publish({f"people/{slug}.md": person(self._chance.choice(["Kari", "Åse"]), boss=boss, **moments)})

    def _entries(self) -> list[str]:
        return sorted(path for path in self._files if path.endswith(".md")) or ["posts/a.md"]

    def _remove(self, now: float) -> None:
        del now
        self._publish({self._chance.choice(self._entries()): None})

    def _rename(self, now: float) -> None:
        path = self._chance.choice(self._entries())
        self._publish({path: None, f"posts/{self._slug()}.md": self._files.get(path, self._post(now))})

    def _draw(self, now: float) -> None:
        del now
        picture = f"images/{self._chance.choice('xy')}.png"
        gone = picture in self._files and self._chance.random() < 0.3
        self._publish({picture: None if gone else b"\x89PNG" + self._chance.randbytes(2)})

    def _undo(self, now: float) -> None:
        """Change a text and change it back, between two requests."""
        path = self._chance.choice(self._entries())
        before = self._files.get(path, "")
        self._publish({path: self._post(now)})
        self._publish({path: before})

    def _restyle(self, now: float) -> None:
        del now
        title = self._chance.choice(["Test", "Best"])
        pages = self._chance.choice(["", "x-url: /{slug}/\n"])
        people = self._chance.choice([PEOPLE, PEOPLE.replace("additionalProperties: false", "x-sort: -name")])
        settings = self._settings.replace('"Test"', f'"{title}"')
        self._publish({"cms.toml": settings, "schemas/posts.yaml": POSTS + pages, "schemas/people.yaml": people})

    def _rewrite(self, now: float) -> None:
        """Go back to an earlier commit, as a force-push does, and on from there."""
        parent, self._files = self._chance.choice(self._commits[1:])
        self._files = dict(self._files)
        path = f"posts/{self._slug()}.md"
        self._files[path] = text = self._post(now)
        self._commits.append((self.repo.commit({path: text}, parents=[parent]), dict(self._files)))
