"""Git's programs that talk to a Git client, and the settings that they run under: ours, whatever the repository's own say.

Settings go in by the environment, which counts more than any file. No hook but ours runs, no other program is named by anybody, no ref
that is the server's own is shown, and what is stored is on the disk before it is named.

Not here: runs of Git's program for our own questions (``gitprogram``).
"""

import re
from collections.abc import Mapping
from pathlib import Path

import structlog

from cms.errors import RepositoryProblem
from cms.gitprogram import require_git, run_git, sealed_environment
from cms.workflow.writing import CLOSED

UPLOAD_PACK, RECEIVE_PACK = "git-upload-pack", "git-receive-pack"
PUSH_BYTES_MOST = 50 * 1024 * 1024
#: What a delta or a compressed file may grow to in memory, so that a small push cannot take all of it.
OBJECT_BYTES_MOST = 128 * 1024 * 1024
OLDEST = (2, 36)  # the first one that can be told to bring refs to the disk
#: By minor version of Git 2 the first release without the holes that a pushed repository could use (CVE-2024-32004 and its kin).
MENDED: Mapping[int, int] = {39: 4, 40: 2, 41: 1, 42: 2, 43: 4, 44: 1, 45: 1}

_VERSION = re.compile(rb"git version (\d+)\.(\d+)(?:\.(\d+))?")
_PROTOCOL = re.compile(rb"(?:\A|:)(version=[012])(?:\Z|:)")
_SHOWN = ("refs/", "!refs/heads/", "!refs/tags/", "!refs/cms/log")

log = structlog.get_logger(__name__)


def find_program(git_dir: Path) -> str:
    """Return the path of a Git program that is new enough to receive what must not be lost.

    Raises:
        RepositoryProblem: there is none, or it is too old.
    """
    git = require_git(git_dir, "serving the repository over HTTP")
    version = parse_version(run_git(git, git_dir, ["--version"]).output)
    if version < OLDEST:
        raise RepositoryProblem(
            f"the repository cannot be served over HTTP with Git {format_version(version)}: it cannot bring what is pushed to the disk "
            f"before it says so; install Git {format_version(OLDEST)} or newer",
            path=git,
        )
    if is_holed(version):
        log.warning(
            "git.old",
            version=format_version(version),
            hint="it has known holes (CVE-2024-32004 and others) unless the distribution mended them; install 2.39.4 or newer",
        )
    return git


def parse_version(told: bytes) -> tuple[int, ...]:
    """Read what ``git --version`` prints; ``(0,)`` when it is not understood."""
    found = _VERSION.match(told)
    return tuple(int(number or 0) for number in found.groups()) if found else (0,)


def format_version(version: tuple[int, ...]) -> str:
    """Write a version as people do."""
    return ".".join(map(str, version))


def is_holed(version: tuple[int, ...]) -> bool:
    """Say whether Git's own release *version* is known to be open to attacks by what is pushed."""
    major, minor, patch = (*version, 0, 0, 0)[:3]
    return (major, minor) < (2, min(MENDED)) or (major == 2 and patch < MENDED.get(minor, 0))


def find_protocol(header: bytes) -> str:
    """Return what of a ``Git-Protocol`` header is handed on: the version alone, empty when there is none that we know."""
    found = _PROTOCOL.search(header)
    return found[1].decode() if found else ""


def service_command(git: str, service: str, git_dir: Path, *, is_advertising: bool) -> list[str]:
    """Return the command that answers one request for *service*."""
    options = ["--stateless-rpc", *(["--advertise-refs"] if is_advertising else [])]
    strict = ["--strict"] if service == UPLOAD_PACK else []
    return [git, service.removeprefix("git-"), *options, *strict, str(git_dir)]


def service_environment(home: Path, service: str, *, protocol: str = "", is_public: bool = False) -> dict[str, str]:
    """Return the environment of the program for *service*.

    Args:
        home: a folder of our own; its folder ``hooks`` holds all hooks that run.
        protocol: as :func:`find_protocol` gives it.
        is_public: for a repository that anybody may read.
    """
    environment = sealed_environment()
    del environment["GIT_GRAFT_FILE"]  # naming it makes these programs tell the person that it is out of use
    settings = [*_settings(home), *([("uploadpack.hideRefs", "refs/cms/")] if is_public else [])]
    environment |= {
        "HOME": str(home),
        "GIT_CONFIG_COUNT": str(len(settings)),
    }
    if service == RECEIVE_PACK:
        environment["GIT_ALLOC_LIMIT"] = str(OBJECT_BYTES_MOST)
    for number, (key, value) in enumerate(settings):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    if protocol:
        environment["GIT_PROTOCOL"] = protocol
    return environment


def _settings(home: Path) -> list[tuple[str, str]]:
    return [
        ("safe.directory", "*"),
        ("core.hooksPath", str(home / "hooks")),
        ("core.fsync", "all"),
        ("core.fsyncMethod", "fsync"),
        ("core.logAllRefUpdates", "true"),
        ("core.fsmonitor", "false"),
        ("core.bigFileThreshold", "32m"),  # larger ones are copied piece by piece
        ("transfer.fsckObjects", "true"),
        ("receive.fsckObjects", "true"),
        ("receive.maxInputSize", str(PUSH_BYTES_MOST)),
        ("receive.unpackLimit", "100"),
        ("receive.autogc", "false"),
        ("gc.auto", "0"),
        ("maintenance.auto", "false"),
        ("receive.updateServerInfo", "false"),
        ("receive.advertisePushOptions", "false"),
        ("receive.advertiseAtomic", "true"),
        ("receive.shallowUpdate", "false"),
        ("receive.denyDeletes", "false"),
        ("receive.denyNonFastForwards", "false"),
        ("receive.denyCurrentBranch", "updateInstead"),
        ("receive.denyDeleteCurrent", "refuse"),
        ("receive.hideRefs", CLOSED),  # there may be very many
        *[("uploadpack.hideRefs", pattern) for pattern in _SHOWN],
        ("uploadpack.allowFilter", "false"),
        ("uploadpack.allowAnySHA1InWant", "false"),
        ("uploadpack.allowReachableSHA1InWant", "false"),
        ("uploadpack.allowTipSHA1InWant", "false"),
        ("uploadpack.allowRefInWant", "false"),
        ("uploadpack.advertiseBundleURIs", "false"),
        ("pack.threads", "1"),
        ("pack.windowMemory", "64m"),
        ("protocol.allow", "never"),
    ]
