"""What a site says of itself in ``cms.toml``, and what the environment says of this process.

The environment is read here and nowhere else. Every setting has a default, so that a repository without ``cms.toml`` works. What ``cms.toml`` says
about people and rules is read by :mod:`cms.people`: a mistake there must not stop reading.
"""

import difflib
import importlib.util
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from cms.errors import InvalidSettings
from cms.globs import compile_glob
from cms.tomltext import Places, parse_toml

SETTINGS_FILE = "cms.toml"
SCHEMAS_FOLDER = "schemas"
PEOPLE_TABLES = ("people", "groups", "roles", "rules", "bypass")
STATE_HOME = Path("~/.local/state")
STATE_FOLDER = "branchpress"
SEARCH_ENGINES = ("whoosh", "tantivy")  # each is also the name of the package it needs
T = TypeVar("T")
DAYS_MOST = 36_500
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
SERVER_URL = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?")
LOCALE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSettings:
    """The ``[site]`` table.

    Attributes:
        title: the name of the site.
        url: where its public pages live; the URLs of entries are relative to it.
        description: one sentence about it.
        locales: BCP 47 tags of the languages that entries may have; the first is the default unless said otherwise.
        default_locale: the locale of files that name none, and of requests that ask for none.
        time_zone: IANA name; dates without a zone are read, and all dates are written, in it.
        branch: short name of the published branch.
    """

    title: str = "Untitled site"
    url: str = ""
    description: str = ""
    locales: tuple[str, ...] = ("en",)
    default_locale: str = "en"
    time_zone: str = "UTC"
    branch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """The ``[server]`` table.

    Attributes:
        cache: folder of derived data, relative to a work tree that holds ``cms.toml``; elsewhere a folder inside Git's is used.
        max_age_seconds: how long a cache may keep an answer without asking again.
        shared_max_age_seconds: the same for caches that serve many and are told of publications; 0: no other rule for them.
        state: folder of what must not be in Git (accounts, the server's key), outside of the repository; empty: see :func:`state_folder`.
        name: the repository is cloned from ``/git/<name>.git``.
        url: public address of this server, for links in messages; never taken from a request.
        public_clone: anybody may clone what was published, from ``/git/<name>-public.git``.
    """

    cache: str = "search_index"
    max_age_seconds: int = 0
    shared_max_age_seconds: int = 0
    state: str = ""
    name: str = "site"
    url: str = ""
    public_clone: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """The ``[search]`` table.

    Attributes:
        engine: what full-text search is done with: ``whoosh``, or ``tantivy`` where its package is installed.
        synonyms, bestbets: files of the repository, from its root.
        recency_percent: how much more an entry of today counts than an old one; 0: nothing.
        recency_days: after so many days half of that is left.
    """

    engine: str = "whoosh"
    synonyms: str = "content/search/synonyms.txt"
    bestbets: str = "content/search/bestbets.yaml"
    recency_percent: int = 10
    recency_days: int = 365


@dataclass(frozen=True, slots=True, kw_only=True)
class HistorySettings:
    """The ``[history]`` table.

    Attributes:
        public: everybody may read what was published before.
        never: globs of paths of which nobody gets earlier versions who may not read drafts.
    """

    public: bool = False
    never: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything ``cms.toml`` may say."""

    site: SiteSettings = field(default_factory=SiteSettings)
    server: ServerSettings = field(default_factory=ServerSettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    history: HistorySettings = field(default_factory=HistorySettings)

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone."""
        return ZoneInfo(self.site.time_zone)


def read_settings(text: str, *, path: str = SETTINGS_FILE) -> Settings:
    """Read ``cms.toml``.

    Raises:
        InvalidSettings: no TOML, an unknown table or key, or a value of the wrong kind; names the line where it can.
    """
    tables = parse_toml(text, path=path)
    try:
        return _settings(tables, path)
    except InvalidSettings as error:
        place: tuple[str, ...] = error.facts["key"]
        raise InvalidSettings(str(error), path=path, key=place[-1], line=Places(text).find(*place)) from error


def _settings(tables: Mapping[str, Any], path: str) -> Settings:
    known = {"site": SiteSettings, "server": ServerSettings, "search": SearchSettings, "history": HistorySettings}
    for name in tables:
        if name not in known and name not in PEOPLE_TABLES:
            hint = nearest(name, (*known, *PEOPLE_TABLES))
            raise InvalidSettings(f"{path} has an unknown table [{name}]{hint}", path=path, key=(name,))
    site = _table(SiteSettings, tables.get("site", {}), "site", path)
    if "default_locale" not in tables.get("site", {}):
        site = replace(site, default_locale=site.locales[0] if site.locales else "en")
    server = _table(ServerSettings, tables.get("server", {}), "server", path)
    _check_site(site, path)
    search = _table(SearchSettings, tables.get("search", {}), "search", path)
    _check_server(server, path)
    _check_search(search, path)
    _check_engine(search.engine, path)
    history = _table(HistorySettings, tables.get("history", {}), "history", path)
    _check_history(history, path)
    return Settings(site=site, server=server, search=search, history=history)


def _find_line(text: str, key: str) -> int | None:
    """The line that sets *key*, or opens the table of that name."""
    pattern = re.compile(rf"\s*(?:(?:[\w.-]+\.)?[\"']?{re.escape(key)}[\"']?\s*=|\[+\s*{re.escape(key)}\s*\])")
    return next((number for number, line in enumerate(text.splitlines(), 1) if key and pattern.match(line)), None)


def _table(kind: type[T], values: object, name: str, path: str) -> T:
    if not isinstance(values, Mapping):
        raise InvalidSettings(f"{path}: [{name}] must be a table", path=path, key=(name,))
    defaults = kind()
    known = {item.name: getattr(defaults, item.name) for item in fields(kind)}  # type: ignore[arg-type]
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise InvalidSettings(
                f"{path}: [{name}] has an unknown key {key!r}{nearest(key, known)}", path=path, key=(name, key)
            )
        if isinstance(known[key], tuple):
            is_short = known[key] and not value
            if not isinstance(value, list) or is_short or not all(isinstance(item, str) for item in value):
                raise InvalidSettings(f"{path}: {name}.{key} must be a list of texts", path=path, key=(name, key))
            value = tuple(value)
        elif type(value) is not type(known[key]):
            raise InvalidSettings(f"{path}: {name}.{key} must be a {_kind(known[key])}", path=path, key=(name, key))
        arguments[key] = value
    return kind(**arguments)


def _check_site(site: SiteSettings, path: str) -> None:
    for locale in site.locales:
        if not LOCALE.fullmatch(locale):
            raise InvalidSettings(
                f"{path}: {locale!r} is not a BCP 47 language tag such as 'nb' or 'en-GB'",
                path=path,
                key=("site", "locales"),
            )
    if site.default_locale not in site.locales:
        raise InvalidSettings(
            f"{path}: site.default_locale {site.default_locale!r} is not one of site.locales {list(site.locales)}",
            path=path,
            key=("site", "default_locale"),
        )
    if site.url and not re.fullmatch(r"https?://[^\s/]+\S*", site.url):
        raise InvalidSettings(
            f"{path}: site.url {site.url!r} must begin with 'https://' or 'http://'", path=path, key=("site", "url")
        )
    try:
        ZoneInfo(site.time_zone)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidSettings(
            f"{path}: site.time_zone {site.time_zone!r} is not an IANA time zone such as 'Europe/Oslo'",
            path=path,
            key=("site", "time_zone"),
        ) from error


def _is_inside(path: str) -> bool:
    """Whether *path* names something in the site: whoever may push ``cms.toml`` may not choose any folder of the machine."""
    parts = path.replace("\\", "/").split("/")
    return bool(path.strip()) and not any(part in ("", ".", "..", ".git") for part in parts) and ":" not in parts[0]


def _check_search(search: SearchSettings, path: str) -> None:
    for key in ("synonyms", "bestbets"):
        file = getattr(search, key)
        if not _is_inside(file):
            raise InvalidSettings(
                f"{path}: search.{key} {file!r} must be a file of the repository, such as 'content/search/{key}.txt'",
                path=path,
                key=("search", key),
            )
    if not 0 <= search.recency_percent <= 100:
        raise InvalidSettings(
            f"{path}: search.recency_percent must be from 0 to 100", path=path, key=("search", "recency_percent")
        )
    if not 1 <= search.recency_days <= DAYS_MOST:
        raise InvalidSettings(
            f"{path}: search.recency_days must be from 1 to {DAYS_MOST}", path=path, key=("search", "recency_days")
        )


def _check_history(history: HistorySettings, path: str) -> None:
    for pattern in history.never:
        try:
            compile_glob(pattern)
        except ValueError as error:
            raise InvalidSettings(f"{path}: history.never: {error}", path=path, key=("history", "never")) from error


def _check_server(server: ServerSettings, path: str) -> None:
    if not _is_inside(server.cache):
        raise InvalidSettings(
            f"{path}: server.cache {server.cache!r} must be a folder inside the site, such as 'search_index'",
            path=path,
            key=("server", "cache"),
        )
    for key in ("max_age_seconds", "shared_max_age_seconds"):
        if getattr(server, key) < 0:
            raise InvalidSettings(f"{path}: server.{key} must be 0 or more", path=path, key=("server", key))
    if server.state and not _is_absolute(server.state):
        raise InvalidSettings(
            f"{path}: server.state {server.state!r} must be a whole path, such as '/var/lib/branchpress'",
            path=path,
            key=("server", "state"),
        )
    if not NAME.fullmatch(server.name) or server.name.endswith((".git", ".lock")) or ".." in server.name:
        raise InvalidSettings(
            f"{path}: server.name {server.name!r} must be letters, digits, '.', '_' and '-', such as 'blog', without '.git'",
            path=path,
            key=("server", "name"),
        )
    if server.url and not SERVER_URL.fullmatch(server.url):
        raise InvalidSettings(
            f"{path}: server.url {server.url!r} must be an address such as 'https://cms.example.org'",
            path=path,
            key=("server", "url"),
        )


def _is_absolute(path: str) -> bool:
    """Whether *path* is one that means the same everywhere: no home, no variable, no way up."""
    parts = PurePosixPath(path).parts
    return path.isprintable() and parts[:1] == ("/",) and len(parts) > 1 and ".." not in parts


def _check_engine(engine: str, path: str) -> None:
    if engine not in SEARCH_ENGINES:
        raise InvalidSettings(
            f"{path}: search.engine {engine!r} is not one of {list(SEARCH_ENGINES)}{nearest(engine, SEARCH_ENGINES)}",
            path=path,
            key=("search", "engine"),
        )
    if importlib.util.find_spec(engine) is None:
        raise InvalidSettings(
            f"{path}: search.engine {engine!r} needs a package that is not installed here; install it with "
            f"'pip install branchpress[{engine}]', or leave search.engine out",
            path=path,
            key=("search", "engine"),
        )


def _kind(value: object) -> str:
    return {str: "text", int: "whole number", bool: "true or false"}.get(type(value), type(value).__name__)


def find_nearest(word: str, known: Iterable[str]) -> str | None:
    """What of *known* is close enough to *word* to be what was meant."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return close[0] if close else None


def nearest(word: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` when something close to *word* is known, else an empty text."""
    close = find_nearest(word, known)
    return f"; did you mean {close!r}?" if close is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What this process is told by environment variables.

    Attributes:
        site: ``CMS_SITE``: the repository to serve (worker processes get it from ``cms serve``).
        branch: ``CMS_BRANCH``: the published branch, over what ``cms.toml`` says.
        log_level: ``CMS_LOG``: ``debug``, ``info``, ``warning`` or ``error``.
        url: ``CMS_URL``: this server's public address, where ``cms.toml`` names none; ``cms serve`` sets it to where it listens.
        state: ``CMS_STATE``: folder of what must not be in Git, over what ``cms.toml`` says.
        state_home: ``XDG_STATE_HOME``: where that folder goes when nobody says.
        quarantine: ``GIT_QUARANTINE_PATH``, or ``GIT_OBJECT_DIRECTORY``: where Git keeps the objects of a push while it asks a hook.
    """

    site: Path = Path()
    branch: str = ""
    log_level: str = "info"
    url: str = ""
    state: str = ""
    state_home: Path = STATE_HOME
    quarantine: Path | None = None


def read_environment(variables: Mapping[str, str] = os.environ) -> Environment:
    """The environment, read once at the start of a process."""
    home = variables.get("XDG_STATE_HOME", "")
    quarantine = variables.get("GIT_QUARANTINE_PATH") or variables.get("GIT_OBJECT_DIRECTORY")
    return Environment(
        site=Path(variables.get("CMS_SITE", ".")),
        branch=variables.get("CMS_BRANCH", ""),
        log_level=variables.get("CMS_LOG", "info"),
        url=variables.get("CMS_URL", "").rstrip("/"),
        state=variables.get("CMS_STATE", ""),
        # As the specification of these variables has it, a path that is not absolute is ignored.
        state_home=Path(home) if home.startswith("/") else STATE_HOME,
        quarantine=Path(quarantine) if quarantine else None,
    )


def export_environment(environment: Environment) -> None:
    """Hand *environment* to the worker processes that are started from now on; they get it from :func:`read_environment`."""
    os.environ["CMS_SITE"] = str(environment.site)
    os.environ["CMS_BRANCH"] = environment.branch
    os.environ["CMS_LOG"] = environment.log_level
    os.environ["CMS_URL"] = environment.url
    os.environ["CMS_STATE"] = environment.state


def state_folder(settings: Settings, environment: Environment, git_dir: Path, work_tree: Path | None) -> Path:
    """Where accounts and the server's key go: as ``CMS_STATE`` says, else ``cms.toml``, else a place of its own below the user's state folder.

    Nothing is made.

    Args:
        git_dir: the Git folder of the repository, in a linked work tree the common one.

    Raises:
        InvalidSettings: it would lie inside the repository or its work tree, from where it could be committed or served.
    """
    where = git_dir.resolve()
    if environment.state:
        folder, key = Path(environment.state), "CMS_STATE"
    elif settings.server.state:
        folder, key = Path(settings.server.state), "state"
    else:
        folder, key = environment.state_home / STATE_FOLDER / settings.server.name, "CMS_STATE"
    try:
        folder = folder.expanduser()
        if not environment.state and not settings.server.state:
            folder = _place_of(where, folder)
        folder = folder.resolve()
    except RuntimeError as error:
        raise InvalidSettings("this user has no home folder; say with CMS_STATE where accounts go", key=key) from error
    for inside in (where, *((work_tree.resolve(),) if work_tree is not None else ())):
        if folder.is_relative_to(inside):
            raise InvalidSettings(
                f"accounts and keys would lie in {folder}, inside the repository at {inside}; choose another folder with "
                "CMS_STATE, or with 'state' below [server] in cms.toml",
                key=key,
            )
    return folder


def _place_of(repository: Path, named: Path) -> Path:
    """The folder for one of several repositories; the same when ``name`` in ``cms.toml`` changes, or accounts would be gone with the old name."""
    mark = sha256(str(repository).encode()).hexdigest()[:12]
    there = sorted(named.parent.glob(f"*-{mark}"))
    return there[0] if there else named.with_name(f"{named.name}-{mark}")
