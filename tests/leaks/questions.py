"""Every question that a stranger can put: for each route of the application, with what could stand in its path and its parameters.

The routes are those that the application has, so a new one is asked without anybody thinking of it; what is new in its path has to be
given values here, or the tests fail.
"""

import re
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any
from urllib.parse import quote, urlencode

from starlette.routing import Mount, Route

from tests.leaks.hiding import BRANCHES, CATEGORIES, SLUGS, TAGS, WORDS
from tests.leaks.worlds import Headers, Question

PLACE = re.compile(r"\{(\w+)(?::path)?\}")
ABSENT = "0123456789" * 4
COLLECTIONS = ("posts", "people", "plans", "absent")
HIDDEN_SLUGS = (
    *SLUGS,
    *(f"secret-{slug}" for slug in SLUGS[:4]),
    "confidential-merger",
    "whisper",
    "long-ago",
    "alias",
)
DRAFTS = tuple(name.removeprefix("drafts/") for name in BRANCHES if name.startswith("drafts/"))
#: What stands for the names in the paths of routes.
IN_PATHS: dict[str, Sequence[str]] = {
    "collection": COLLECTIONS,
    "slug": HIDDEN_SLUGS,
    "path": ("images/a.png", "images/secret.png", "images/gone.png", "posts/secret-open.md", "README.md", "images/.secret.png"),
    "name": (*DRAFTS, "absent"),
    "id": ("0" * 12, "abcdefghijkl"),
    "secret": ("cmsl_" + "0" * 61, "x"),
    "kind": ("rss", "atom", "json", "xml"),
    "locale": ("nb", "en", "nn"),
    "page": ("1", "2", "9"),
}  # fmt: skip
#: What is asked below a mount, and by Git's clients.
MOUNTED = {
    "/git": (
        *("/site.git/info/refs?service=git-upload-pack", "/site.git/info/refs?service=git-receive-pack", "/site.git/HEAD"),
        *("/site.git/info/refs", f"/site.git/objects/{ABSENT[:2]}/{ABSENT[2:]}", "/site-public.git/info/refs?service=git-upload-pack"),
    )
}  # fmt: skip
FIELDS = ("title", "slug", "path", "url", "category", "tags", "author", "author.name", "related", "related.title", "stars", "weight",
          "date", "seen", "featured", "image.url", "aliases", "locale", "id", "status", "created_at", "updated_at", "published_at",
          "first_author", "last_author", "draft", "publish_at", "name", "boss", "boss.name", "references", "referenced_by",
          "referenced_by.count", "referenced_by.posts", "referenced_by.posts.count", "referenced_by.posts.title",
          "referenced_by.people:boss.name", "stars.2", "date.year")  # fmt: skip
OPERATORS = ("", "[ne]", "[contains]", "[icontains]", "[exists]", "[gte]", "[lt]", "[in]", "[all]", "[starts]")
VALUES = (
    *WORDS,
    *SLUGS,
    *TAGS,
    *CATEGORIES,
    "true",
    "false",
    "1",
    "3",
    "2019-01-05",
    "2025-01-01T00:00:00Z",
    "kari",
    "*",
    "posts/open",
)
WORDINGS = (
    *WORDS, "fish harbour", '"two boats"', "fish OR merger", "fish -secret", "-nothing", "title:fish", "merg", "taekover", "herrin", "lay offs",
    "fish net boat", "salmon merger secret", "s", "se", "me", "fi", "b", "hidden", "tre", "fisk",
)  # fmt: skip
FUNCTIONS = ("count", "distinct", "min", "max", "sum", "avg")
AT = ("2024-01-01T12:01:30Z", "2024-01-01T12:30:00Z", "2024-06-01", "2999-06-01", "2001-01-01", "yesterday")


def parameter(name: str, random: Random) -> tuple[str, str]:
    """A parameter that endpoints have, with something that may be asked of it."""
    pick = random.choice
    match name:
        case "filter":
            return f"filter[{pick(FIELDS)}]{pick(OPERATORS)}", pick(VALUES)
        case "sort":
            return name, f"{pick(('', '-'))}{pick(FIELDS)}"
        case "fields" | "facet" | "group_by":
            return name, ",".join(random.sample(FIELDS, random.randint(1, 3)))
        case "distinct":
            return name, pick(FIELDS)
        case _ if name.startswith("aggregate"):
            return f"aggregate[{pick(FUNCTIONS)}]", pick(("*", *FIELDS))
        case "include":
            return name, ",".join(random.sample(("author", "related", "author.boss", "boss", "referenced_by"), 2))
        case "q" | "search":
            return name, pick(WORDINGS)
        case "similar":
            return name, f"{pick(COLLECTIONS)}/{pick(HIDDEN_SLUGS)}"
        case "at" | "since_at":
            return name, pick(AT)
        case "ref" | "since" | "until" | "from" | "to" | "last_event_id":
            return name, pick(
                (*BRANCHES, "main", "v1", ABSENT, "draft:merger", "HEAD", *(4 * [f"commit-{random.randrange(40):06}"]))
            )
        case "draft" | "with":
            return name, pick((*DRAFTS, "absent", "merger,x"))
        case "preview":
            return name, "cmsp_" + "0" * 61
    return name, pick(GENERAL.get(name, VALUES))


GENERAL: dict[str, Sequence[str]] = {
    "limit": ("0", "1", "2", "50"),
    "page": ("1", "2", "3"),
    "offset": ("0", "1", "5"),
    "locale": ("nb", "nn", "en", "*", "de"),
    "fallback": ("nb", "none", "nn"),
    "format": ("html", "markdown", "text,toc", "html,toc,text,markdown"),
    "depth": ("0", "1", "2", "3"),
    "facet.limit": ("1", "100"),
    "highlight": ("true", "false"),
    "explain": ("true",),
    "collection": COLLECTIONS,
    "cursor": ("x", "eyJ4IjoxfQ"),
    "status": ("draft", "published"),
    "branch": BRANCHES,
}
#: Asked of every route that is read, whatever it says it takes: a parameter that works though nobody says so is found here.
ALWAYS = ("ref", "at", "draft", "with", "preview", "status", "branch", "collection", "since", "cursor")


class Questions:
    """The questions that the routes of an application can be asked."""

    def __init__(self, routes: Sequence[Any], document: Any, random: Random) -> None:
        """*document* is its OpenAPI document, which names parameters."""
        self._random = random
        self._taken = _parameters(document)
        self.routes = [(method, route) for route in routes for method in _methods(route)]
        self._left: list[tuple[str, Any]] = []
        self.never_asked = {f"{method} {route.path}" for method, route in self.routes}

    @property
    def turn(self) -> int:
        """After how many questions every route was asked."""
        return sum(_weight(*each) for each in self.routes)

    def next(self) -> Question:
        """A question to one of the routes; each has its turn. What is read has it more often."""
        if not self._left:
            self._left = [each for each in self.routes for _ in range(_weight(*each))]
            self._random.shuffle(self._left)
        method, route = self._left.pop()
        self.never_asked.discard(f"{method} {route.path}")
        return self.about(method, route)

    def about(self, method: str, route: Any) -> Question:
        """A question to one route."""
        pick = self._random.choice
        if isinstance(route, Mount):
            return Question(method, route.path + pick(MOUNTED[route.path]))
        path = PLACE.sub(lambda place: quote(pick(IN_PATHS[place[1]])), route.path)
        if method not in ("GET", "HEAD"):
            return Question(method, path, ((b"content-type", b"application/json"),), b"{}")
        return Question(method, path + self._query(route.path))

    def _query(self, path: str) -> str:
        random, taken = self._random, self._taken.get(PLACE.sub("{}", path), ())
        names = random.sample(taken, min(len(taken), random.randint(0, 3)))
        if "/search" in path or "/suggest" in path:
            names.append("q")
        if random.random() < 0.25:
            names.append(random.choice(ALWAYS))
        pairs = [parameter(name, random) for name in dict.fromkeys(names)]
        return f"?{urlencode(dict(pairs))}" if pairs else ""


def all_of_search() -> Iterator[Question]:
    """Questions in which most of a hidden text could show: what is found, in which order, and what is meant by it."""
    for words in WORDINGS:
        yield Question(
            "GET", f"/api/v1/search?{urlencode({'q': words, 'facet': 'tags,category', 'highlight': 'true'})}"
        )
        yield Question("GET", f"/api/v1/suggest?{urlencode({'q': words, 'limit': '50'})}")


def as_signed_in(question: Question, secret: str) -> Question:
    """The same, with the secret of a session."""
    headers: Headers = (*question.headers, (b"authorization", b"Bearer " + secret.encode()))
    return Question(question.method, question.target, headers, question.body)


def with_preview(question: Question, token: str, random: Random) -> Question:
    """The same, with the token of a preview, in the header or in the address."""
    if random.random() < 0.5:
        return as_signed_in(question, token)
    target = question.target + ("&" if "?" in question.target else "?") + f"preview={token}"
    return Question(question.method, target, question.headers, question.body)


def _weight(method: str, route: Any) -> int:
    is_read = method == "GET" and route.path.startswith("/api/v1")
    is_slow = route.path.endswith(("/openapi.json", "/events"))
    return 6 if is_read and "{name}" not in route.path and not is_slow else 1


def _methods(route: Any) -> tuple[str, ...]:
    if isinstance(route, Route):
        return (*sorted(route.methods or ()), "OPTIONS")
    return ("GET", "POST")


def _parameters(document: Any) -> dict[str, list[str]]:
    """The parameters that the document names, by path."""
    found: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        pattern = re.sub(r"/entries/[^/{]+", "/entries/{}", PLACE.sub("{}", path))
        for each in item.get("get", {}).get("parameters", ()):
            name = each.get("name") or each["$ref"].rpartition("/")[2]
            known = found.setdefault(pattern, [])
            name = str(name).partition("[")[0]
            if each.get("in", "query") == "query" and name not in known:
                known.append(name)
    return found
