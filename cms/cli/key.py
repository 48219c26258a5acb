"""``cms key``: the server's key, on its own machine. Whoever can read its state folder may do all of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from cms.cli.exits import MISSING, REFUSED, Refused
from cms.cli.output import out, print_json, print_note
from cms.cli.sites import SiteOption, find_repository
from cms.errors import InvalidSettings
from cms.model import read_model
from cms.people import read_policy
from cms.policy import Policy
from cms.pushlog import PushLog
from cms.serverkey import KEY_FILE, ServerKey
from cms.settings import SETTINGS_FILE, Settings, nearest, read_environment, state_folder
from cms.signatures import short_fingerprint
from cms.site import published_ref
from cms.store import Store
from cms.writer import Writer


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyring:
    """The state folder of one site, its repository, and the people in it."""

    store: Store
    folder: Path
    policy: Policy


def open_keyring(place: Path | None) -> Keyring:
    """Find the state folder of the site at *place*."""
    store = Store.open(find_repository(place))
    environment = read_environment()
    commit = store.resolve(published_ref(store, environment.branch))
    settings, policy = Settings(), Policy()
    if commit is not None:
        model = read_model(store, commit)
        settings = model.settings if model is not None else settings
        blob = store.find_blob(commit, SETTINGS_FILE)
        try:
            policy = read_policy(store.read_blob(blob) if blob is not None else None)
        except InvalidSettings:  # a mistake there must not keep a key from being replaced
            policy = Policy()
    folder = state_folder(settings, environment, store.common_dir, store.work_tree)
    return Keyring(store=store, folder=folder, policy=policy)


def show_key(
    site: SiteOption = None, is_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
) -> None:
    """Show the server's public key, as a line for a file of allowed signers.

    Whoever gives that file to cms verify, or to Git, need not take the
    repository's word for which key is the server's.
    """
    key = require_key(open_keyring(site))
    if is_json:
        print_json(
            {
                "key": key.public_key,
                "fingerprint": short_fingerprint(key.public_key),
                "file": str(key.folder / KEY_FILE),
                "past_keys": list(key.past_keys),
            }
        )
        return
    out().print(f'branchpress namespaces="git" {key.public_key}')
    print_note(f"The key is {short_fingerprint(key.public_key)}, in {key.folder / KEY_FILE}")
    for past in key.past_keys:
        print_note(f"Before that it was {short_fingerprint(past)}")


def rotate_key(
    site: SiteOption = None,
    person: Annotated[
        str,
        typer.Option("--as", metavar="PERSON", help="Who does it: an id in cms.toml, for the log.", show_default=False),
    ] = "",
    note: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the log.", show_default=False)] = "",
    is_lost: Annotated[
        bool, typer.Option("--lost", help="The key that the log names is gone: begin anew with another one.")
    ] = False,
) -> None:
    """Replace the server's key with a new one.

    The old key signs an entry of the log that names the new one, so that all
    it ever signed stays provable. A running server takes the new one at once.
    """
    keyring = open_keyring(site)
    if person and person not in keyring.policy.people:
        known = nearest(person, keyring.policy.people)
        raise Refused(f"nobody in cms.toml is called {person!r}{known}", code=MISSING)
    now = datetime.now(UTC)
    if is_lost:
        key = ServerKey.load_or_create(keyring.folder)
        log = PushLog(keyring.store, trusted=[key.public_key])
        if log.current_key() == key.public_key:
            raise Refused(
                f"the log of the repository names the key that is in {keyring.folder}, so it is not lost",
                hint="leave out --lost to replace it",
                code=REFUSED,
            )
        log.begin_anew(Writer(keyring.store, signer=key), person=person, via="shell", at=now, note=note)
    else:
        key = require_key(keyring)
        PushLog(keyring.store).rotate(Writer(keyring.store, signer=key), person=person, via="shell", at=now, note=note)
    out().print(f'branchpress namespaces="git" {key.public_key}')
    print_note(f"The server's key is {short_fingerprint(key.public_key)} from now on. Tell it to those who verify.")


def require_key(keyring: Keyring) -> ServerKey:
    """The key that is there.

    Raises:
        Refused: there is none.
    """
    key = ServerKey.load(keyring.folder)
    if key is None:
        raise Refused(
            f"there is no {KEY_FILE} in {keyring.folder}",
            hint="it lies on the server's own machine, and may belong to another user; the first start makes it",
            code=MISSING,
        )
    return key
