"""Generators: which site generator a repository was made for, and what its configuration says of title, address and languages.

Everything here is a hint. A configuration that cannot be read is as good as none, because the content decides.
"""

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from posixpath import basename, dirname
from typing import Any

import yaml

from cms.adopt.languages import is_locale

CONFIG_LIMIT_BYTES = 256 * 1024
SCRIPT = r"\.(?:js|mjs|cjs|ts|mts|cts)"
MARKERS = (
    ("docusaurus", re.compile(rf"docusaurus\.config{SCRIPT}")),
    ("astro", re.compile(rf"astro\.config{SCRIPT}")),
    ("eleventy", re.compile(r"\.eleventy\.js|eleventy\.config\.(?:js|mjs|cjs|ts)")),
    ("gatsby", re.compile(rf"gatsby-config{SCRIPT}")),
    ("mkdocs", re.compile(r"mkdocs\.ya?ml")),
    ("mdbook", re.compile(r"book\.toml")),
    ("hugo", re.compile(r"hugo\.(?:toml|ya?ml|json)")),
    ("zola", re.compile(r"zola\.toml")),
    ("config", re.compile(r"config\.(?:toml|ya?ml|json)")),
    ("jekyll", re.compile(r"_config\.ya?ml")),
)
MANIFESTS = frozenset(
    {
        "package.json",
        "pyproject.toml",
        "setup.py",
        "Cargo.toml",
        "go.mod",
        "pom.xml",
        "build.gradle",
        "composer.json",
        "CMakeLists.txt",
        "Makefile",
    }
)
CONFIG_FOLDERS = frozenset({"", "docs", "website", "site", "web", "www", "config", "config/_default"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What the configuration of a generator says.

    Attributes:
        generator: ``jekyll``, ``hugo``, ``docusaurus``, ``zola``, ``eleventy``, ``astro``, ``gatsby``, ``mkdocs``, ``mdbook`` or ``plain``.
        root: folder of the site inside the repository, ending in ``/`` unless it is the root itself.
        locales: language tags that it names, the default first.
        has_code: there is a program at the root of the repository, with tests and built files perhaps.
    """

    generator: str = "plain"
    root: str = ""
    title: str = ""
    description: str = ""
    url: str = ""
    default_locale: str = ""
    locales: tuple[str, ...] = ()
    has_code: bool = False


def kind_of_site(generator: str) -> str:
    """What a repository for *generator* is, in words: ``a Jekyll site``, ``plain folders``."""
    if generator == "plain":
        return "plain folders"
    name = {"mkdocs": "MkDocs", "mdbook": "mdBook"}.get(generator, generator.capitalize())
    return f"{'an' if name[0] in 'AE' else 'a'} {name} site"


def is_config(path: str) -> bool:
    """Whether *path* may be the configuration of a site generator, so that its bytes are wanted."""
    return dirname(path) in CONFIG_FOLDERS and any(marker.fullmatch(basename(path)) for _, marker in MARKERS)


def read_hints(configs: Mapping[str, bytes], paths: Collection[str]) -> Hints:
    """What is known of the generator.

    Args:
        configs: configuration files (``is_config``) with their bytes.
        paths: every other file of the repository.
    """
    return replace(_read_generator(configs, paths), has_code=not MANIFESTS.isdisjoint(paths))


def _read_generator(configs: Mapping[str, bytes], paths: Collection[str]) -> Hints:
    for generator, marker in MARKERS:
        for path in sorted(configs, key=lambda path: (path.count("/"), path)):
            if dirname(path) in CONFIG_FOLDERS and marker.fullmatch(basename(path)):
                source = configs[path][:CONFIG_LIMIT_BYTES].decode("utf-8", "replace")
                found = _read_config(generator, path, source)
                if found is not None:
                    return found
    return Hints(generator=_guess(paths))


def _guess(paths: Iterable[str]) -> str:
    folders = {path.partition("/")[0] for path in paths if "/" in path}
    if folders & {"_posts", "_layouts", "_includes", "_docs"}:
        return "jekyll"
    if "archetypes" in folders or ("layouts" in folders and "content" in folders):
        return "hugo"
    if "content" in folders and "templates" in folders:
        return "zola"
    return "plain"


def _read_config(generator: str, path: str, source: str) -> Hints | None:
    root = dirname(path).removesuffix("config/_default").removesuffix("config").strip("/")
    root = f"{root}/" if root else ""
    if re.search(rf"{SCRIPT}\Z", path):
        return _read_script(generator, root, source)
    values = _load(path, source)
    if generator == "config":
        if "base_url" in values:
            generator = "zola"
        elif values.keys() & {"baseURL", "baseurl", "baseUrl", "languageCode", "theme", "languages", "contentDir"}:
            generator = "hugo"
        else:
            return None
    languages = values.get("languages")
    theme = values.get("theme")
    named: list[object] = [
        *(values.get(key) for key in ("defaultContentLanguage", "default_language", "lang", "locale", "languageCode")),
        theme.get("language") if isinstance(theme, dict) else None,
        *(languages if isinstance(languages, dict | list) else ()),
    ]
    locales = tuple(dict.fromkeys(tag for tag in map(_tag, named) if tag))
    if not isinstance(languages, dict | list):
        locales = tuple(tag if tag.startswith(("pt", "zh")) else tag.partition("-")[0] for tag in locales[:1])
    elif len(locales) > 1 and "-" in locales[0] and locales[0].partition("-")[0] in locales:
        locales = tuple(tag for tag in locales if tag != locales[0])
    book = values.get("book")
    title = values.get("title") or values.get("site_name") or (book.get("title") if isinstance(book, dict) else "")
    url = next((values[key] for key in ("baseURL", "baseurl", "base_url", "site_url", "url") if values.get(key)), "")
    return Hints(
        generator=generator,
        root=root,
        title=_text(title),
        description=_text(values.get("description") or values.get("site_description")),
        url=_url(values.get("url") if generator == "jekyll" else url),
        default_locale=locales[0] if locales else "",
        locales=locales,
    )


def _read_script(generator: str, root: str, source: str) -> Hints:
    def value(name: str) -> str:
        found = re.search(rf"\b{name}\s*:\s*(['\"`])(.*?)\1", source)
        return found[2] if found else ""

    listed = re.search(r"\blocales\s*:\s*\[([^\]]*)\]", source)
    default = _tag(value("defaultLocale"))
    named = re.findall(r"['\"]([\w-]+)['\"]", listed[1]) if listed else []
    locales = tuple(dict.fromkeys(tag for tag in (default, *map(_tag, named)) if tag))
    return Hints(
        generator=generator,
        root=root,
        title=_text(value("title")),
        description=_text(value("tagline")),
        url=_url(value("url") or value("site")),
        default_locale=default,
        locales=locales,
    )


class _Loader(yaml.SafeLoader):
    """YAML whose private tags (``!ENV``, ``!!python/name:...`` of MkDocs) stand for nothing."""


def _ignore(loader: yaml.Loader | yaml.SafeLoader, tag: str, node: yaml.Node) -> None:
    del loader, tag, node


_Loader.add_multi_constructor("", _ignore)


def _load(path: str, source: str) -> Mapping[str, Any]:
    try:
        values = tomllib.loads(source) if path.endswith(".toml") else yaml.load(source, _Loader)  # noqa: S506
    except (tomllib.TOMLDecodeError, yaml.YAMLError, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def _tag(value: object) -> str:
    tag = str(value).replace("_", "-") if isinstance(value, str) else ""
    return tag if is_locale(tag) else ""


def _text(value: object) -> str:
    text = " ".join(str(value).split()) if isinstance(value, str | int | float) else ""
    return "" if "{{" in text or "${" in text else text[:200]


def _url(value: object) -> str:
    url = str(value).rstrip("/") if isinstance(value, str) else ""
    return url if re.fullmatch(r"https?://[^\s{}$]+", url) else ""
