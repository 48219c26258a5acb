"""``/setup/{secret}``: the page behind the one-time link of the first start, where the first maintainer chooses a password.

HTML without scripts, in Norwegian or English as the browser prefers. The address is the secret, so no page is kept, framed or told to others.
"""

import base64
import hashlib
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from html import escape
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from cms.api.asking import Asking, ask_nameless, read_body
from cms.api.problems import RETRY_SECONDS, STATUS
from cms.api.setuptexts import Texts, choose_texts
from cms.errors import CMSError, InvalidQuery, NotFound
from cms.people import Policy, Role

FORM = "application/x-www-form-urlencoded"
FIELDS_MOST = 10
STYLE = """
:root { color-scheme: light dark; }
body { font: 1.0625rem/1.5 system-ui, sans-serif; margin: 0; padding: 2rem 1rem; }
main { max-width: 34rem; margin: 0 auto; }
h1 { font-size: 1.75rem; line-height: 1.2; }
label, legend { display: block; font-weight: 600; margin-top: 1.25rem; padding: 0; }
input, select, button { font: inherit; box-sizing: border-box; width: 100%; min-height: 2.75rem; padding: .5rem .75rem; margin-top: .25rem; }
button { margin-top: 1.75rem; font-weight: 600; cursor: pointer; }
:focus-visible { outline: 3px solid; outline-offset: 2px; }
.wrong { border-left: .375rem solid #b3261e; padding-left: 1rem; }
.hint { margin: .25rem 0 0; }
pre { overflow-x: auto; border: 1px solid; padding: 1rem; }
"""
STYLE_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Not no-referrer: browsers would then send "Origin: null" with the form.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
    "Vary": "Accept-Language",
}


async def show_setup(request: Request) -> Response:
    """``GET /setup/{secret}``: the form, or why there is none."""
    return await _answer(request, _show)


async def use_setup(request: Request) -> Response:
    """``POST /setup/{secret}``: makes the account."""
    return await _answer(request, _use)


async def _answer(request: Request, act: Callable[[Request, Texts, Asking, Policy], Awaitable[Response]]) -> Response:
    """What *act* answers while the link is open, and everything that goes wrong, as a page."""
    texts = choose_texts(request.headers.get("accept-language", ""))
    try:
        try:
            asked = ask_nameless(request)
        except NotFound:  # without people there are no accounts, and so no link
            return nobody_page(texts, Policy())
        accounts, secret = asked.office.accounts, request.path_params["secret"]
        if not await asked.run(partial(accounts.is_setup_open, secret, now=asked.now)):
            return closed_page(texts)
        policy = asked.office.policy()
        return await act(request, texts, asked, policy) if maintainers(policy) else nobody_page(texts, policy)
    except NotFound:  # somebody was faster
        return closed_page(texts)
    except CMSError as error:
        return failed_page(texts, error)


async def _show(request: Request, texts: Texts, asked: Asking, policy: Policy) -> Response:
    del request, asked
    return form_page(texts, policy)


async def _use(request: Request, texts: Texts, asked: Asking, policy: Policy) -> Response:
    values = await read_form(request)
    person, password = values.get("person", ""), values.get("password", "")
    if person not in maintainers(policy):
        return form_page(texts, policy, wrong=texts.choose_somebody)
    if password != values.get("again", ""):
        return form_page(texts, policy, wrong=texts.not_the_same, person=person)
    use = partial(asked.office.accounts.use_setup, request.path_params["secret"], person, password, now=asked.now)
    try:
        await asked.run(use)
    except InvalidQuery as error:
        wrong = texts.weak.get(str(error.facts.get("rule")), str(error))
        return form_page(texts, policy, wrong=wrong, person=person)
    text = texts.done.format(name=policy.name(person), person=person)
    return page(texts, texts.done_title, f"<p>{escape(text)}</p>")


def maintainers(policy: Policy) -> list[str]:
    """Who may be the first: people, and no bots, who are maintainers of anything."""
    return [person for person in policy.holders(Role.MAINTAINER) if not policy.is_bot(person)]


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form that was sent.

    Raises:
        InvalidQuery: it is no form, is too large, or has too many fields or one of them twice.
    """
    body = await read_body(request, FORM)
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=FIELDS_MOST, errors="strict")
    except ValueError as error:
        raise InvalidQuery("the form cannot be read") from error
    if len(dict(pairs)) != len(pairs):
        raise InvalidQuery("the form has a field twice")
    return dict(pairs)


def form_page(texts: Texts, policy: Policy, *, wrong: str = "", person: str = "") -> Response:
    """The form; with what was wrong with it before."""
    options = "".join(
        f'<option value="{escape(id)}"{" selected" if id == person else ""}>{escape(policy.name(id))} ({escape(id)})</option>'
        for id in maintainers(policy)
    )
    alert = (
        f'<div class="wrong" role="alert"><p>{escape(wrong)}</p></div>' if wrong else f"<p>{escape(texts.intro)}</p>"
    )
    field = 'type="password" autocomplete="new-password" minlength="12" required'
    invalid = ' aria-invalid="true"' if wrong else ""
    body = f"""{alert}
<form method="post">
<label for="person">{escape(texts.person)}</label>
<select id="person" name="person" autocomplete="username" required>{options}</select>
<label for="password">{escape(texts.password)}</label>
<p class="hint" id="hint">{escape(texts.hint)}</p>
<input id="password" name="password" {field} aria-describedby="hint"{invalid}>
<label for="again">{escape(texts.again)}</label>
<input id="again" name="again" {field}{invalid}>
<button type="submit">{escape(texts.button)}</button>
</form>"""
    return page(texts, texts.title, body, prefix=f"{texts.error}: " if wrong else "", status=422 if wrong else 200)


def nobody_page(texts: Texts, policy: Policy) -> Response:
    """Says which lines make somebody a maintainer."""
    people = [id for id in policy.people if not policy.is_bot(id)]
    lines = "" if people else '[people.kari]\nname = "Kari Nordmann"\nemails = ["kari@example.org"]\n\n'
    lines += f'[[roles]]\nrole = "maintainer"\nwho = ["{people[0] if people else "kari"}"]'
    return page(texts, texts.nobody_title, f"<p>{escape(texts.nobody)}</p>\n<pre>{escape(lines)}</pre>", status=409)


def closed_page(texts: Texts) -> Response:
    """Says that the link is of no use, and not why."""
    return page(texts, texts.closed_title, f"<p>{escape(texts.closed)}</p>", status=404)


def failed_page(texts: Texts, error: CMSError) -> Response:
    """Says what else went wrong."""
    status = STATUS[type(error)]
    response = page(texts, texts.failed_title, f"<p>{escape(str(error))}</p>", status=status)
    if status in (429, 503):
        response.headers["Retry-After"] = str(error.facts.get("retry_after_seconds", RETRY_SECONDS))
    return response


def page(texts: Texts, title: str, body: str, *, prefix: str = "", status: int = 200) -> Response:
    """A page; *body* is HTML."""
    html = f"""<!doctype html>
<html lang="{texts.language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(prefix + title)} – Branchpress</title>
<style>{STYLE}</style>
</head>
<body>
<main>
<h1>{escape(title)}</h1>
{body}
</main>
</body>
</html>
"""
    return Response(html, status, media_type="text/html", headers={**HEADERS, "Content-Language": texts.language})
