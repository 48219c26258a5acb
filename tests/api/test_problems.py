"""Every refusal is a problem of one shape, whatever went wrong and wherever."""

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Route
from starlette.testclient import TestClient

from cms import errors
from cms.api.gate import Gate
from cms.api.metrics import Metrics
from cms.api.problems import STATUS, on_error, on_failure
from cms.errors import CMSError
from tests.api.conftest import Serve
from tests.api.tools import Client
from tests.repo import Repo

MEMBERS = {"type", "title", "status", "detail", "instance", "code"}
MISSING = {
    "/nothing": "not-found",
    "/entries": "not-found",
    "/entries/nothing": "collection-not-found",
    "/entries/nothing/apple": "collection-not-found",
    "/entries/posts/nothing": "entry-not-found",
    "/entries/posts/apple?locale=en": "entry-not-found",
    "/entries/posts/APPLE": "entry-not-found",
    "/entries/posts/..%2Fposts%2Fapple": "entry-not-found",
    "/entries/posts/%00": "entry-not-found",
    "/entries/posts/%FF": "entry-not-found",
    "/collections/nothing": "collection-not-found",
    "/assets/nothing.png": "not-found",
    "/assets/images/secret.svg": "not-found",
    "/assets/posts/apple.md": "not-found",
    "/assets/cms.toml": "not-found",
    "/assets/../cms.toml": "not-found",
    "/assets/images": "not-found",
    "/assets/%00.png": "not-found",
}
ROUTES = (
    *("/", "/collections", "/collections/posts", "/entries/posts", "/entries/posts/apple", "/search?q=x", "/openapi.json"),
    *("/assets/images/apple.png", "/healthz", "/readyz", "/metrics"),
)  # fmt: skip
REFUSED: dict[str, tuple[str | None, str | None]] = {
    "/entries/posts?titel=x": ("titel", None),
    "/entries/posts?sortt=x": ("sortt", "sort"),
    "/entries/posts?collection=posts": ("collection", None),
    "/entries/posts?[x]=y": ("[x]", None),
    "/entries/posts?sort[x]=y": ("sort[x]", None),
    "/entries/posts?%FF=x": (None, None),
    "/entries/posts?" + "x" * 9000: (None, None),
    "/entries/posts?" + "limit=1&" * 101: (None, None),
    "/entries/posts?limit=x": ("limit", None),
    "/entries/posts?limit=-1": ("limit", None),
    "/entries/posts?limit=101": ("limit", None),
    "/entries/posts?limit=1e3": ("limit", None),
    "/entries/posts?limit=": ("limit", None),
    "/entries/posts?limit=1&limit=2": ("limit", None),
    "/entries/posts?limit=1&pageSize=2": ("limit", None),
    "/entries/posts?page=0": ("page", None),
    "/entries/posts?page=99999999": ("page", None),
    "/entries/posts?page[]=x": ("page", None),
    "/entries/posts?offset=-1": ("offset", None),
    "/entries/posts?page=1&offset=1": ("offset", None),
    "/entries/posts?sort=titel": ("sort", "title"),
    "/entries/posts?sort=image": ("sort", None),
    "/entries/posts?sort=title,date,stars,weight,slug,category": ("sort", None),
    "/entries/people?fields=slug,nam": ("fields", "name"),
    "/entries/people?fields=-nam": ("fields", "name"),
    "/entries/posts?fields=author.nam": ("fields", "name"),
    "/entries/posts?fields=image.altt": ("fields", "alt"),
    "/entries/posts?fields=title.x": ("fields", None),
    "/entries/posts?fields=slug.x": ("fields", "slug"),
    "/entries/posts?include=autor": ("include", "author"),
    "/entries/posts?include=title": ("include", None),
    "/entries/posts?include=related.related.related.related": ("include", None),
    "/entries/posts?depth=4": ("depth", None),
    "/entries/posts?format=htm": ("format", "html"),
    "/entries/posts?locale=xx": ("locale", None),
    "/entries/posts?locale=": ("locale", None),
    "/entries/posts?locale=nb&fallback=xx": ("fallback", None),
    "/entries/posts?locale=*&fallback=nb": ("fallback", None),
    "/entries/posts?facet=titel": ("facet", "title"),
    "/entries/posts?facet=image": ("facet", None),
    "/entries/posts?facet=title.year": ("facet", None),
    "/entries/posts?facet=" + "slug,id,path,url,locale,status,title,date,seen,stars,weight": ("facet", None),
    "/entries/posts?facet.limit=0": ("facet.limit", None),
    "/entries/posts?highlight=maybe": ("highlight", None),
    "/entries/posts?search=a&q=b": ("search", None),
    "/entries/posts/apple?offset=1": ("offset", None),
    "/entries/posts/apple?locale=*": ("locale", None),
    "/entries/posts/apple?field=title": ("field", "fields"),
    "/search": ("q", None),
    "/search?q=x&collection=post": ("collection", "posts"),
    "/search?q=x&sort=slug": ("sort", None),
    "/search?q=x&filter[titel]=y": ("filter[titel]", "title"),
    "/?x=1": ("x", None),
    "/collections?limit=1": ("limit", None),
    "/collections/posts?x=1": ("x", None),
    "/openapi.json?x=1": ("x", None),
    "/assets/images/apple.png?w=100": ("w", None),
}  # fmt: skip
ENDLESS = {
    "fields=" + "related." * 400 + "x",
    "fields=" + "a." * 4000,
    "include=" + "a." * 4000,
    "include=" + "related." * 900,
    "sort=" + "related." * 400 + "x",
    "filter[" + "related." * 400 + "x]=y",
    "filter" + "[related]" * 800 + "=y",
    "filter" + "[not]" * 1000 + "[slug]=y",
    "filter" + "[or][0]" * 800 + "[slug]=y",
    "facet=" + "related." * 400 + "x",
}


def require_problem(answer: httpx2.Response, status: int) -> Any:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["access-control-allow-origin"] == "*"
    body = answer.json()
    assert body.keys() >= MEMBERS
    assert body["status"] == status
    assert body["type"] == f"/problems/{body['code']}"
    assert body["instance"] == answer.request.url.path
    assert body["detail"]
    return body


def every_error(kind: type[CMSError] = CMSError) -> Iterator[type[CMSError]]:
    for child in kind.__subclasses__():
        yield child
        yield from every_error(child)


def test_every_error_has_a_status_and_a_code_of_its_own() -> None:
    assert set(STATUS) == set(every_error())
    assert len({error.code for error in STATUS}) == len(STATUS)
    assert all(error.title for error in STATUS)


@pytest.mark.parametrize("path", MISSING)
def test_what_is_missing_is_a_problem(blog: Client, path: str) -> None:
    assert require_problem(blog.ask(path), 404)["code"] == MISSING[path]


@pytest.mark.parametrize("path", ROUTES)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_wrong_method_is_a_problem_that_names_the_right_ones(blog: Client, path: str, method: str) -> None:
    answer = blog.ask(path, method)
    assert require_problem(answer, 405)["code"] == "method-not-allowed"
    assert set(answer.headers["allow"].split(", ")) >= {"GET", "HEAD"}


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: path[:60])
def test_a_wrong_parameter_is_a_problem_that_names_it_and_the_nearest(blog: Client, path: str) -> None:
    parameter, nearest = REFUSED[path]
    body = require_problem(blog.ask(path), 400)
    assert body["code"] == "invalid-query"
    assert (body.get("parameter"), body.get("nearest")) == (parameter, nearest)
    item = {key: value for key, value in (("parameter", parameter), ("nearest", nearest)) if value}
    assert body["errors"] == [{"detail": body["detail"], **item}]


@pytest.mark.parametrize("query", sorted(ENDLESS), ids=lambda query: query[:20])
def test_a_name_without_end_is_refused_before_it_costs_anything(blog: Client, query: str) -> None:
    require_problem(blog.ask(f"/entries/posts?{query}"), 400)


def test_a_wrong_collection_names_the_nearest(blog: Client) -> None:
    body = require_problem(blog.ask("/entries/post"), 404)
    assert body["nearest"] == "posts"
    assert "'posts'" in body["detail"]


def test_a_failure_is_a_problem_that_tells_nothing_of_the_cause(blog: Client) -> None:
    def fail(request: Request) -> None:
        raise RuntimeError("the secret of the house")

    handlers: Any = {CMSError: on_error, Exception: on_failure}
    broken = Starlette(routes=[Route("/broken", fail)], exception_handlers=handlers)
    answer = TestClient(Gate(broken, blog.site, Metrics(blog.site))).get("/broken")
    assert require_problem(answer, 500)["code"] == "internal-error"
    assert "secret" not in answer.text


@pytest.mark.parametrize("error", STATUS)
def test_every_error_can_be_answered(blog: Client, error: type[CMSError]) -> None:
    def fail(request: Request) -> None:
        raise error("what is wrong", path="/home/somebody", parameter="x")

    broken = Starlette(routes=[Route("/broken", fail)], exception_handlers={CMSError: on_error})
    answer = TestClient(Gate(broken, blog.site, Metrics(blog.site))).get("/broken")
    assert require_problem(answer, STATUS[error])["code"] == error.code
    assert "somebody" not in answer.text
    assert ("retry-after" in answer.headers) is (answer.status_code in (429, 503))


@pytest.mark.parametrize("path", ROUTES[:8])
def test_an_empty_repository_is_a_problem_until_the_first_commit(serve: Serve, repo: Repo, path: str) -> None:
    client = serve()
    answer = client.ask(path)
    assert require_problem(answer, 503)["code"] == "repository-problem"
    assert int(answer.headers["retry-after"]) > 0


def test_an_empty_repository_is_alive_but_not_ready(serve: Serve, repo: Repo) -> None:
    client = serve()
    assert client.ask("/healthz").json() == {"status": "ok"}
    assert client.ask("/readyz").status_code == 503
    assert client.ask("/readyz").json()["status"] == "empty"
    assert "cms_degraded" in client.ask("/metrics").text


def test_a_broken_settings_file_is_refused_before_anything_is_served(repo: Repo) -> None:
    repo.commit({"cms.toml": "[site"})
    with pytest.raises(errors.InvalidSettings):
        Client(repo.path)
