"""``cms user`` and ``cms token``: the accounts of a server, on its own machine. Whoever can read its state folder may do all of it.

A secret is printed once, alone on standard output, so that it can be sent into a file; everything said about it goes to standard error.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from getpass import getpass
from pathlib import Path
from typing import Annotated

import typer

from cms.auth import Account, Accounts, TokenInfo
from cms.auth.database import FILE_NAME
from cms.auth.passwords import generate_password
from cms.cli.exits import MISSING, REFUSED, UNREADABLE, Refused
from cms.cli.output import out, print_json, print_note
from cms.cli.sites import SiteOption, find_repository
from cms.errors import AccountsUnavailable, InvalidSettings
from cms.finding import printable
from cms.matrix import SCOPES
from cms.model import read_model
from cms.people import Policy, read_policy
from cms.settings import SETTINGS_FILE, Settings, nearest, read_environment, state_folder
from cms.site import published_ref
from cms.store import Store

DAYS = 90
PersonArgument = Annotated[
    str, typer.Argument(metavar="PERSON", help="Their id in cms.toml, such as kari.", show_default=False)
]
GenerateOption = Annotated[bool, typer.Option("--generate", help="Make a password, and print it once.")]
StdinOption = Annotated[bool, typer.Option("--stdin", help="Read the password from the first line of standard input.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The accounts of one site, and what its published ``cms.toml`` says about people.

    Attributes:
        policy: None when it cannot be read: a mistake in it must not keep anybody from disabling an account.
        trouble: why not.
    """

    accounts: Accounts
    policy: Policy | None
    trouble: InvalidSettings | None = None


@contextmanager
def open_registry(place: Path | None, *, is_new: bool = False) -> Iterator[Registry]:
    """Open the accounts of the site at *place*.

    Args:
        is_new: whether they may be made.

    Raises:
        Refused: there are none and none may be made, or they cannot be used; says where.
    """
    store = Store.open(find_repository(place))
    environment = read_environment()
    commit = store.resolve(published_ref(store, environment.branch))
    model = read_model(store, commit) if commit is not None else None
    settings = model.settings if model is not None else Settings()
    folder = state_folder(settings, environment, store.common_dir, store.work_tree)
    if not is_new and not (folder / FILE_NAME).exists():
        raise Refused(
            f"nobody has an account on this machine: there is no {FILE_NAME} in {folder}",
            hint="those of a server lie on its own machine, and may belong to another user; cms user add makes the first",
            code=MISSING,
        )
    policy, trouble = None, None
    try:
        blob = store.find_blob(commit, SETTINGS_FILE) if commit is not None else None
        policy = read_policy(store.read_blob(blob) if blob is not None else None)
    except InvalidSettings as error:
        trouble = error
    try:
        accounts = Accounts.open(folder)
        try:
            yield Registry(accounts=accounts, policy=policy, trouble=trouble)
        finally:
            accounts.close()
    except AccountsUnavailable as error:
        raise Refused(
            f"{error} ({folder / FILE_NAME})", hint=str(error.facts.get("hint", "")), code=UNREADABLE
        ) from error


def add_user(
    person: PersonArgument,
    site: SiteOption = None,
    generate: GenerateOption = False,
    stdin: StdinOption = False,
    no_password: Annotated[
        bool, typer.Option("--no-password", help="An account for tokens only, as a bot needs it.")
    ] = False,
) -> None:
    """Let somebody who is listed in cms.toml sign in.

    Asks for a password twice, unless one of the options says otherwise.
    """
    if no_password and (generate or stdin):
        raise Refused("--no-password goes with no other option", hint="leave one of them out")
    with open_registry(site, is_new=True) as registry:
        require_listed(registry, person)
        password = None if no_password else choose_password(person, generate=generate, stdin=stdin)
        registry.accounts.add_user(person, password=password, now=datetime.now(UTC))
    print_note(
        f"{person} has an account now." + (f" For a token: cms token create {person} NAME" if no_password else "")
    )
    show_generated(password, generate)


def change_password(
    person: PersonArgument, site: SiteOption = None, generate: GenerateOption = False, stdin: StdinOption = False
) -> None:
    """Give somebody another password. Ends all their sessions; tokens stay."""
    with open_registry(site) as registry:
        require_account(registry, person)
        password = choose_password(person, generate=generate, stdin=stdin)
        registry.accounts.set_password(person, password)
    print_note(f"{person} has another password now, and is signed out everywhere. Tokens go on.")
    show_generated(password, generate)


def disable_user(person: PersonArgument, site: SiteOption = None) -> None:
    """Accept nothing from somebody any more, from the next request on.

    Ends all their sessions and revokes all their tokens, for good. Roles in
    cms.toml stay as they are; take them away by a change of the file.
    """
    with open_registry(site) as registry:
        registry.accounts.disable(person, now=datetime.now(UTC))
    print_note(f"{person} is disabled: signed out everywhere, and all tokens are revoked.")


def enable_user(person: PersonArgument, site: SiteOption = None) -> None:
    """Accept the password of somebody who was disabled again. Their tokens stay revoked."""
    with open_registry(site) as registry:
        registry.accounts.enable(person)
    print_note(f"{person} may sign in again, with the password from before. Tokens have to be made anew.")


def erase_user(
    person: PersonArgument,
    site: SiteOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask first.")] = False,
) -> None:
    """Delete all that the accounts know of somebody: password, tokens, sessions.

    What they did stays in Git, where their name stands in commits.
    """
    with open_registry(site) as registry:
        require_account(registry, person)
        if not yes:
            require_terminal("--yes deletes without asking")
            if not typer.confirm(f"Delete the account of {person} and all their tokens?", err=True):
                raise Refused("nothing was deleted", code=REFUSED)
        registry.accounts.erase(person)
    print_note(f"Nothing is known of {person} here any more.")


def list_users(site: SiteOption = None, is_json: JsonOption = False) -> None:
    """List who has an account, and who of cms.toml has none."""
    with open_registry(site) as registry:
        users = registry.accounts.users()
        people = registry.policy.people if registry.policy is not None else {}
        if is_json:
            print_json([_user_json(user, is_listed=user.person in people) for user in users])
            return
        for user in users:
            state = "disabled" if user.is_disabled else "password" if user.has_password else "tokens only"
            remark = "" if user.person in people or registry.policy is None else ", not in cms.toml: may do nothing"
            out().print(f"{user.person:24} {state:12} since {user.added_at:%Y-%m-%d}{remark}")
        others = sorted(people.keys() - {user.person for user in users})
        if others:
            print_note(f"In cms.toml, without an account: {', '.join(others)}")
        if registry.trouble is not None:
            print_note(f"Who is listed cannot be told: {registry.trouble}")


def create_token(
    person: PersonArgument,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="What it is for, such as 'laptop' or 'import'.", show_default=False)
    ],
    site: SiteOption = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PERMISSION",
            help="Restrict it to this permission, such as draft.write; can be repeated. Default: all that its owner may do.",
            show_default=False,
        ),
    ] = None,
    days: Annotated[int, typer.Option(metavar="DAYS", min=1, max=365, help="How long it lasts.")] = DAYS,
) -> None:
    """Make a token, for programs and for Git, and print it once.

    It can never do more than its owner may at that moment.
    """
    for permission in scope or ():
        if permission not in SCOPES:
            raise Refused(
                f"there is no permission {permission!r}{nearest(permission, SCOPES)}",
                hint=f"permissions: {', '.join(sorted(SCOPES))}",
            )
    now = datetime.now(UTC)
    with open_registry(site) as registry:
        token, secret = registry.accounts.create_token(
            person, name, scopes=scope or None, expires_at=now + timedelta(days=days), now=now
        )
        if registry.policy is not None and person not in registry.policy.people:
            print_note(f"{person} is not in cms.toml any more, so the token may do nothing.")
    print_note(
        f"A token of {person}, until {token.expires_at:%Y-%m-%d}. It is not shown again; to end it: cms token revoke {token.id}"
    )
    out().print(secret)


def list_tokens(
    person: Annotated[str, typer.Argument(metavar="[PERSON]", help="Only theirs.", show_default=False)] = "",
    site: SiteOption = None,
    is_json: JsonOption = False,
) -> None:
    """List tokens: whose, what for, until when, and when they were used last. Never the tokens themselves."""
    now = datetime.now(UTC)
    with open_registry(site) as registry:
        if person:
            require_account(registry, person)
        tokens = registry.accounts.tokens(person or None)
    if is_json:
        print_json([token_json(token, now) for token in tokens])
        return
    for token in tokens:
        used = f"used {token.used_on:%Y-%m-%d}" if token.used_on else "never used"
        scopes = ", ".join(sorted(token.scopes)) if token.scopes is not None else "everything"
        out().print(
            printable(f"{token.id}  {token.person:20} {_end_of(token, now):20} {used:16} {token.name} ({scopes})")
        )
    if not tokens:
        print_note("There are no tokens.")


def revoke_token(
    token: Annotated[
        str, typer.Argument(metavar="TOKEN", help="Its id, as cms token list shows it.", show_default=False)
    ],
    site: SiteOption = None,
) -> None:
    """Accept a token no more, from the next request on."""
    with open_registry(site) as registry:
        # Who pastes a whole token means the one with its id; its secret must not be repeated in an error.
        revoked = registry.accounts.revoke_token(token.removeprefix("cms_")[:12], now=datetime.now(UTC))
    print_note(printable(f"The token {revoked.id} of {revoked.person} ({revoked.name}) is revoked."))


def require_listed(registry: Registry, person: str) -> None:
    """Refuse somebody whom the published ``cms.toml`` does not list.

    Raises:
        Refused: shows the lines to add.
    """
    if registry.policy is None:
        raise Refused(
            f"who is listed cannot be told: {registry.trouble}", hint="correct cms.toml first", code=UNREADABLE
        )
    people = registry.policy.people
    if person not in people:
        raise Refused(
            f"{person!r} is not in the cms.toml of the published branch{nearest(person, people)}",
            hint=f'commit there first: [people.{person}] name = "…" emails = ["…"], each on a line of its own',
            code=MISSING,
        )


def require_account(registry: Registry, person: str) -> None:
    """Refuse somebody without an account, before anything is asked.

    Raises:
        Refused: names somebody with a similar id.
    """
    users = [user.person for user in registry.accounts.users()]
    if person not in users:
        raise Refused(
            f"{person!r} has no account{nearest(person, users)}", hint=f"make one: cms user add {person}", code=MISSING
        )


def choose_password(person: str, *, generate: bool, stdin: bool) -> str:
    """A password: made, read, or asked for twice.

    Raises:
        Refused: two ways were asked for, or none is possible.
    """
    if generate and stdin:
        raise Refused("--generate and --stdin exclude each other", hint="use one of them")
    if generate:
        return generate_password()
    if stdin:
        return sys.stdin.readline().rstrip("\r\n")
    require_terminal("--stdin reads the password from standard input, --generate makes one")
    password = getpass(f"Password of {person}: ", stream=sys.stderr)
    if getpass("Once more: ", stream=sys.stderr) != password:
        raise Refused("the two passwords are not the same", hint="nothing was changed; try again")
    return password


def require_terminal(hint: str) -> None:
    """Refuse to ask where nobody can answer.

    Raises:
        Refused: says with *hint* what to do instead.
    """
    if not sys.stdin.isatty():
        raise Refused("there is no terminal to ask at", hint=hint)


def show_generated(password: str | None, is_generated: bool) -> None:
    """Print a password that nobody knows yet."""
    if is_generated and password is not None:
        print_note("The password, which is not shown again:")
        out().print(password)


def token_json(token: TokenInfo, now: datetime) -> dict[str, object]:
    """A token as JSON."""
    return {
        "id": token.id,
        "person": token.person,
        "name": token.name,
        "scopes": sorted(token.scopes) if token.scopes is not None else None,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "used_on": token.used_on,
        "revoked_at": token.revoked_at,
        "live": token.is_live(now),
    }


def _user_json(user: Account, *, is_listed: bool) -> dict[str, object]:
    return {
        "person": user.person,
        "password": user.has_password,
        "disabled": user.is_disabled,
        "added_at": user.added_at,
        "listed": is_listed,
    }


def _end_of(token: TokenInfo, now: datetime) -> str:
    if token.revoked_at is not None:
        return f"revoked {token.revoked_at:%Y-%m-%d}"
    return f"{'until' if token.is_live(now) else 'ended'} {token.expires_at:%Y-%m-%d}"
