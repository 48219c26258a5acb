"""The office of a site: everything it takes to change it. Accounts, the server's key, the push log, the workflow and the schedule.

The state folder it works from lies outside of the repository, since nothing in it may ever be in Git; all editorial state is in Git.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import structlog

from cms.auth import Accounts, PreviewGrant
from cms.errors import CMSError
from cms.permissions import Principal
from cms.policy import Policy
from cms.proof.origins import ReadSteps
from cms.proof.prover import Prover
from cms.publicclone import PublicClone
from cms.pushlog import PushLog
from cms.serverkey import ServerKey
from cms.snapshot import Snapshot
from cms.store import Store
from cms.workflow.flow import Workflow, tidy
from cms.workflow.schedule import SYSTEM, Scheduler
from cms.workflow.sharing import require_shown
from cms.writer import Writer, remove_stale_locks

log = structlog.get_logger(__name__)


class Office:
    """The editing side of one site in one process."""

    def __init__(
        self,
        store: Store,
        ref: str,
        folder: Path,
        *,
        snapshot: Callable[[], Snapshot],
        accounts: Accounts,
        key: ServerKey,
        address: str = "",
        steps: ReadSteps | None = None,
    ) -> None:
        """Use :meth:`open`."""
        self.store = store
        self.folder = folder
        self.accounts = accounts
        self.key = key
        self._snapshot = snapshot
        self.log = PushLog(store, trusted=[key.public_key])
        self.flow = Workflow(
            store,
            ref,
            snapshot=snapshot,
            writer=Writer(store, signer=key),
            log=self.log,
            is_server=True,
            server_keys=[key.public_key, *key.past_keys],
            address=address,
        )
        self.prover = Prover(store, ref, self.log, steps=steps)
        self.scheduler = Scheduler(self.flow, is_active=self.is_active)

    @classmethod
    def open(
        cls,
        store: Store,
        ref: str,
        folder: Path,
        *,
        snapshot: Callable[[], Snapshot],
        address: str = "",
        steps: ReadSteps | None = None,
    ) -> "Office":
        """Open the state *folder*, made when it is not there, and clear away what a crash left.

        Args:
            address: where this server is reached, when ``cms.toml`` does not say.
            steps: reads all commits that lead to one, where somebody knows them already.

        Raises:
            RepositoryProblem, AccountsUnavailable: the folder cannot be used.
            InvalidSettings: others may read the server's key.
        """
        accounts = Accounts.open(folder)
        key = ServerKey.load_or_create(folder)
        office = cls(store, ref, folder, snapshot=snapshot, accounts=accounts, key=key, address=address, steps=steps)
        for lock in remove_stale_locks(store):
            log.warning("repository.lock_removed", file=lock, reason="nobody held it; a process was killed")
        try:
            for name in tidy(office.flow, SYSTEM):
                log.info("draft.tidied", draft=name, reason="it was published")
        except CMSError as error:
            log.warning("draft.not_tidied", reason=str(error))
        return office

    @property
    def name(self) -> str:
        """What the repository is called in its address."""
        return self._snapshot().model.settings.server.name

    @property
    def title(self) -> str:
        """What the site is called, for people."""
        return self._snapshot().model.settings.site.title

    @property
    def public_clone(self) -> PublicClone | None:
        """The repository that anybody may clone; None when there is none."""
        is_wanted = self._snapshot().model.settings.server.public_clone
        return PublicClone(self.store, self.flow.ref, self.folder) if is_wanted else None

    def policy(self) -> Policy:
        """People, roles and rules as they stand on the published branch now.

        Raises:
            InvalidSettings: they cannot be read.
        """
        return self.flow.policy()

    def sign_in(self, header: str | None, now: datetime, address: str) -> Principal | None:
        """Who sent an ``Authorization`` header; None without one.

        Raises:
            Unauthorised: the secret is wrong, expired or revoked.
            TooMany: too many attempts.
        """
        identity = self.accounts.authenticate(header, now=now, address=address)
        if identity is None:
            return None
        person = self.policy().people.get(identity.person)
        return Principal(
            person=identity.person,
            name=person.name if person is not None else identity.person,
            email=person.emails[0] if person is not None and person.emails else f"{identity.person}@users.invalid",
            via=identity.via,
            scopes=identity.scopes,
            token=identity.token,
        )

    def preview(self, token: str, now: datetime) -> PreviewGrant:
        """The draft that the token of a preview shows now.

        Raises:
            Unauthorised: it is wrong, over or revoked; its draft is gone, or its maker may not show it any more. Does not say which.
            AccountsUnavailable, Conflict, InvalidSettings, RepositoryProblem: it cannot be told.
        """
        grant = self.accounts.preview(token, now)
        require_shown(self.flow, grant, now=now)
        return grant

    def is_active(self, person: str) -> bool:
        """Whether the account of *person* was not disabled; somebody without an account acts by Git alone."""
        return self.accounts.is_active(person)

    def close(self) -> None:
        """Stop what runs beside the requests."""
        self.scheduler.stop()
        self.prover.close()
        self.accounts.close()
