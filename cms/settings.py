"""What a site says of itself in ``cms.toml``, and what the environment says of this process.

The environment is read here and nowhere else. Every setting has a default, so that a repository without ``cms.toml`` works.
"""

import difflib
import importlib.util
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from cms.errors import InvalidSettings

SETTINGS_FILE = "cms.toml"
SCHEMAS_FOLDER = "schemas"
SEARCH_ENGINES = ("whoosh", "tantivy")  # each is also the name of the package it needs
T = TypeVar("T")
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
    """

    cache: str = "search_index"
    max_age_seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """The ``[search]`` table.

    Attributes:
        engine: what full-text search is done with: ``whoosh``, or ``tantivy`` where its package is installed.
        synonyms, bestbets: files of the repository, from its root.
    """

    engine: str = "whoosh"
    synonyms: str = "content/search/synonyms.txt"
    bestbets: str = "content/search/bestbets.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything ``cms.toml`` may say."""

    site: SiteSettings = field(default_factory=SiteSettings)
    server: ServerSettings = field(default_factory=ServerSettings)
    search: SearchSettings = field(default_factory=SearchSettings)

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone."""
        return ZoneInfo(self.site.time_zone)


def read_settings(text: str, *, path: str = SETTINGS_FILE) -> Settings:
    """Read ``cms.toml``.

    Raises:
        InvalidSettings: no TOML, an unknown table or key, or a value of the wrong kind; names the line where it can.
    """
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        raise InvalidSettings(
            f"{path} is not valid TOML: {error}",
            path=path,
            line=int(line[1]) if line else max(1, len(text.splitlines())),
        ) from error
    try:
        return _settings(tables, path)
    except InvalidSettings as error:
        key = str(error.facts.get("key", ""))
        raise InvalidSettings(str(error), path=path, key=key or None, line=_find_line(text, key)) from error


def _settings(tables: Mapping[str, Any], path: str) -> Settings:
    known = {"site": SiteSettings, "server": ServerSettings, "search": SearchSettings}
    for name in tables:
        if name not in known:
            raise InvalidSettings(f"{path} has an unknown table [{name}]{nearest(name, known)}", path=path, key=name)
    site = _table(SiteSettings, tables.get("site", {}), "site", path)
    if "default_locale" not in tables.get("site", {}):
        site = replace(site, default_locale=site.locales[0] if site.locales else "en")
    server = _table(ServerSettings, tables.get("server", {}), "server", path)
    _check_site(site, path)
    search = _table(SearchSettings, tables.get("search", {}), "search", path)
    _check_server(server, path)
    _check_search(search, path)
    _check_engine(search.engine, path)
    return Settings(site=site, server=server, search=search)


def _find_line(text: str, key: str) -> int | None:
    """The line that sets *key*, or opens the table of that name."""
    pattern = re.compile(rf"\s*(?:(?:[\w.-]+\.)?[\"']?{re.escape(key)}[\"']?\s*=|\[+\s*{re.escape(key)}\s*\])")
    return next((number for number, line in enumerate(text.splitlines(), 1) if key and pattern.match(line)), None)


def _table(kind: type[T], values: object, name: str, path: str) -> T:
    if not isinstance(values, Mapping):
        raise InvalidSettings(f"{path}: [{name}] must be a table", path=path, key=name)
    defaults = kind()
    known = {item.name: getattr(defaults, item.name) for item in fields(kind)}  # type: ignore[arg-type]
    arguments: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise InvalidSettings(
                f"{path}: [{name}] has an unknown key {key!r}{nearest(key, known)}", path=path, key=key
            )
        if isinstance(known[key], tuple):
            if not isinstance(value, list) or not value or not all(isinstance(item, str) for item in value):
                raise InvalidSettings(f"{path}: {name}.{key} must be a list of texts", path=path, key=key)
            value = tuple(value)
        elif type(value) is not type(known[key]):
            raise InvalidSettings(f"{path}: {name}.{key} must be a {_kind(known[key])}", path=path, key=key)
        arguments[key] = value
    return kind(**arguments)


def _check_site(site: SiteSettings, path: str) -> None:
    for locale in site.locales:
        if not LOCALE.fullmatch(locale):
            raise InvalidSettings(
                f"{path}: {locale!r} is not a BCP 47 language tag such as 'nb' or 'en-GB'", path=path, key="locales"
            )
    if site.default_locale not in site.locales:
        raise InvalidSettings(
            f"{path}: site.default_locale {site.default_locale!r} is not one of site.locales {list(site.locales)}",
            path=path,
            key="default_locale",
        )
    if site.url and not re.fullmatch(r"https?://[^\s/]+\S*", site.url):
        raise InvalidSettings(
            f"{path}: site.url {site.url!r} must begin with 'https://' or 'http://'", path=path, key="url"
        )
    try:
        ZoneInfo(site.time_zone)
    except (KeyError, ValueError, OSError) as error:
        raise InvalidSettings(
            f"{path}: site.time_zone {site.time_zone!r} is not an IANA time zone such as 'Europe/Oslo'",
            path=path,
            key="time_zone",
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
                key=key,
            )


def _check_server(server: ServerSettings, path: str) -> None:
    if not _is_inside(server.cache):
        raise InvalidSettings(
            f"{path}: server.cache {server.cache!r} must be a folder inside the site, such as 'search_index'",
            path=path,
            key="cache",
        )
    if server.max_age_seconds < 0:
        raise InvalidSettings(f"{path}: server.max_age_seconds must be 0 or more", path=path, key="max_age_seconds")


def _check_engine(engine: str, path: str) -> None:
    if engine not in SEARCH_ENGINES:
        raise InvalidSettings(
            f"{path}: search.engine {engine!r} is not one of {list(SEARCH_ENGINES)}{nearest(engine, SEARCH_ENGINES)}",
            path=path,
            key="engine",
        )
    if importlib.util.find_spec(engine) is None:
        raise InvalidSettings(
            f"{path}: search.engine {engine!r} needs a package that is not installed here; install it with "
            f"'pip install branchpress[{engine}]', or leave search.engine out",
            path=path,
            key="engine",
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
    """

    site: Path = Path()
    branch: str = ""
    log_level: str = "info"


def read_environment(variables: Mapping[str, str] = os.environ) -> Environment:
    """The environment, read once at the start of a process."""
    return Environment(
        site=Path(variables.get("CMS_SITE", ".")),
        branch=variables.get("CMS_BRANCH", ""),
        log_level=variables.get("CMS_LOG", "info"),
    )


def export_environment(environment: Environment) -> None:
    """Hand *environment* to the worker processes that are started from now on; they get it from :func:`read_environment`."""
    os.environ["CMS_SITE"] = str(environment.site)
    os.environ["CMS_BRANCH"] = environment.branch
    os.environ["CMS_LOG"] = environment.log_level
