"""How search does, for those who hold a role: why an entry was found, and what is searched for in vain or slowly.

``explain=true`` on ``/search``, and ``/insight/searches``. Nothing of it is kept, and nothing of it says who searched.
"""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from cms.api.editing import acting, answer
from cms.api.state import BASE
from cms.looking import Explanation
from cms.permissions import require

SEARCH = f"{BASE}/search"
#: What the fields of the index are called for people: ``exact`` has the words of titles as written, ``fold`` all in plain letters.
FIELD_NAMES = {"summary": "excerpt", "exact": "title", "fold": "any", "extra": "other"}


def asks_why(scope: Scope) -> bool:
    """Whether a search may ask for explanations, which are for those who sign in, and are kept by nobody."""
    return b"explain" in scope["query_string"] and scope["path"] == SEARCH


async def require_insight(request: Request) -> None:
    """Let only those go on who hold a role.

    Raises:
        Unauthorised, Forbidden: they may not.
        NotFound: nobody can sign in here.
    """
    asked = await acting(request, parameters=None)
    require("search.insight", asked.who, asked.flow.policy())


async def list_searches(request: Request) -> Response:
    """``GET /insight/searches``: what is often searched for in vain, and what takes long, since this process started."""
    asked = await acting(request)
    require("search.insight", asked.who, asked.flow.policy())
    searches = asked.site.searches
    return answer(
        {
            "results": dict(searches.results),
            "in_vain": [{"query": query, "times": times} for query, times in searches.in_vain().items()],
            "slow": [
                {"query": query, "times": times, "seconds": round(seconds, 3)}
                for query, (times, seconds) in searches.slow().items()
            ],
        },
        meta={"since": searches.since.isoformat(timespec="seconds")},
    )


def explanation_json(explanation: Explanation) -> dict[str, Any]:
    """Why an entry was found: what adds to its score, and what the sum is multiplied with."""
    reasons = [
        {
            "word": reason.word,
            "how": reason.how,
            "found": reason.found,
            "field": FIELD_NAMES.get(reason.field, reason.field),
            "documents": reason.documents,
            "score": round(reason.score, 4),
        }
        for reason in explanation.reasons
    ]
    return {"reasons": reasons, "factors": {name: round(factor, 4) for name, factor in explanation.factors.items()}}
