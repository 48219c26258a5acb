"""What a proof rests on besides signatures of people, and what is wrong with the whole, as sentences for whoever reads it."""

from collections.abc import Collection, Iterator, Sequence

from cms.errors import RepositoryProblem
from cms.policy import Policy
from cms.proof.grounds import EntryProof, Ground, ServerKeyTrust
from cms.proof.judging import shown_key
from cms.proof.origins import Origins
from cms.proof.signers import AllowedSigners
from cms.pushlog import LogEntry, PushLog
from cms.refs import PUSH_LOG, CommitId
from cms.settings import SETTINGS_FILE
from cms.store import Store
from cms.workflow.wording import count_of


class Trust:
    """Looks at one commit with the keys that one reader trusts."""

    def __init__(
        self,
        store: Store,
        ref: str,
        log: PushLog,
        signers: AllowedSigners | None,
        policy: Policy,
        origins: Origins,
    ) -> None:
        """*policy* is the one at the commit that *origins* are about."""
        self._store = store
        self._ref = ref
        self._log = log
        self._signers = signers
        self._origins = origins
        self._told = signers.find_server_keys(policy) if signers is not None else frozenset[str]()

    @property
    def keys_from(self) -> str:
        """Where people's keys were taken from, in a word or two."""
        return SETTINGS_FILE if self._signers is None else "allowed signers"

    def server_keys(self, entries: Sequence[EntryProof]) -> Iterator[ServerKeyTrust]:
        """The server's keys that anything of *entries* rests on."""
        used: dict[str, None] = {}
        is_logged = False
        for entry in entries:
            publication = [entry.publication.act] if entry.publication is not None else []
            for act in (*publication, *entry.approvals, *entry.writers):
                is_logged = is_logged or act.ground is Ground.LOG
                if act.ground is Ground.SERVER:
                    used[act.key] = None
        current = self._log.current_key()
        if is_logged and current is not None:
            used[shown_key(current)] = None
        trusted = set(map(shown_key, self._told))
        if self._told and self._log.vouches(self._told):
            trusted.update(map(shown_key, self._log.server_keys()))
        return (ServerKeyTrust(key=key, is_trusted=key in trusted) for key in used)

    def notes(self, server_keys: Sequence[ServerKeyTrust]) -> Iterator[str]:
        """What to know when reading a proof."""
        if self._signers is None:
            yield (
                f"whose key is whose is taken from {SETTINGS_FILE} in this repository, which so vouches for itself; "
                "with --allowed-signers FILE it is taken from a file of yours"
            )
        else:
            yield from self._signers.ignored
        for trust in server_keys:
            if not trust.is_trusted:
                told = "it is not in the file" if self._signers is not None else "no file says that it is the server's"
                yield f"the server's key {trust.key} vouches for itself: {told}"
        if not self._log.entries():
            yield no_log(self._store)
        if (self._store.common_dir / "shallow").is_file():
            yield "this clone is shallow, and what is older than it looks imported; get the rest with: git fetch --unshallow"

    def problems(self, claimed: Collection[str], *, is_tip: bool) -> Iterator[str]:
        """What is wrong with the whole.

        Args:
            claimed: the keys that sign publications in the server's name.
            is_tip: it is the published branch as it is now that is looked at, which should have all that was ever published.
        """
        if not self._log.entries():
            unknown = frozenset(claimed) - self._told
            if len(unknown) > 1:
                yield (
                    f"{len(unknown)} keys sign publications in the server's name, and without the push log nothing says that they "
                    "are all the server's"
                )
            return
        if not self._log.is_whole() and not self._log.vouches(self._told):
            yield f"{PUSH_LOG} does not begin with an entry that names the key it is signed with, so it attests nothing"
        yield from self._missing(is_tip=is_tip)

    def _missing(self, *, is_tip: bool) -> Iterator[str]:
        """Say which publications the log tells of that are not in the history of what is looked at."""
        missing: list[LogEntry] = []
        for entry in reversed(self._log.entries()):
            moved = next((move.new for move in entry.moves if move.ref == self._ref and move.new is not None), None)
            if moved is None or not entry.is_valid:
                continue
            if moved in self._origins.order or (not is_tip and self._is_newer(moved)):
                break
            missing.append(entry)
        # One may not have happened: an entry is written before the branch moves.
        if len(missing) > 1:
            first = missing[-1]
            yield (
                f"{count_of(len(missing), 'publication')} of which the push log tells are not in this history, the first by "
                f"{first.person} at {first.at.isoformat()}: the branch is older than the log (git pull), or was taken back"
            )

    def _is_newer(self, moved: CommitId) -> bool:
        try:
            return self._store.is_ancestor(self._origins.commit, moved)
        except RepositoryProblem:  # it is not in this clone
            return False


def no_log(store: Store) -> str:
    """What a clone without a push log lacks, and the one command that gets it."""
    remote = next(iter(store.remotes()), "origin")
    return (
        "this clone has no push log, so that nobody can tell who pushed what; get it with: "
        f"git fetch {remote} {PUSH_LOG}:{PUSH_LOG}"
    )
