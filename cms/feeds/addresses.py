"""Absolute addresses, from what ``cms.toml`` says of the site and its server."""

import re
from html import escape as escape_html
from urllib.parse import quote, urljoin, urlsplit

from cms.errors import NotFound
from cms.settings import Settings

_SAFE = "!#$%&'()*+,/:;=?@~"
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
# Only in tags: in the text around them the same letters are text.
_TAG = re.compile(r'<[a-z][a-z0-9]*(?:\s+[a-z-]+(?:="[^"]*")?)*\s*/?>')
_TARGET = re.compile(r'(?<=\s)(href|src)="([^"]*)"')


class Addresses:
    """Where the pages of a site and the files of its server are."""

    def __init__(self, settings: Settings) -> None:
        """
        Raises:
            NotFound: ``cms.toml`` does not say where the pages are, and a relative address leads nowhere in a feed.
        """
        if not settings.site.url:
            raise NotFound(
                "this site has no feeds and no sitemap, because nothing says where its pages are",
                hint="set url below [site] in cms.toml",
            )
        #: The address of the site, without a slash at the end.
        self.home = settings.site.url.rstrip("/")
        self._server = settings.server.url.rstrip("/") or self.home
        #: Who names things by tag URIs.
        self.authority = re.sub(r"[^a-z0-9.-]", "-", _host(self.home))

    def page(self, url: str | None) -> str | None:
        """The absolute address of an entry's page; None when it has none that a browser could open."""
        url = (url or "").strip()
        if not url:
            return None
        if url.startswith("//"):
            url = f"{urlsplit(self.home).scheme}:{url}"
        elif _SCHEME.match(url) is None:
            return f"{self.home}/{escape(url.lstrip('/'))}"
        try:
            is_web = urlsplit(url).scheme in ("http", "https") and urlsplit(url).hostname
        except ValueError:  # such as http://[
            return None
        return escape(url, more="[]") if is_web else None

    def server(self, path: str) -> str:
        """The absolute address of a path of this server."""
        return f"{self._server}{escape(path)}"

    def is_ours(self, page: str) -> bool:
        """Whether *page* is on the same host as the site."""
        return urlsplit(page)[:2] == urlsplit(self.home)[:2]

    def in_html(self, html: str, page: str | None) -> str:
        """*html*, which was made by us, with its links and images made absolute as a browser would on *page*."""
        base = escape_html(page or f"{self.home}/")

        def join(found: re.Match[str]) -> str:
            return f'{found[1]}="{_join(base, found[2])}"'

        return _TAG.sub(lambda tag: _TARGET.sub(join, tag[0]), html)


def escape(url: str, *, more: str = "") -> str:
    """*url* with everything percent-encoded that has no place in a URI (RFC 3986); what is encoded already stays as it is."""
    return quote(_LONE_PERCENT.sub("%25", url), safe=_SAFE + more)


def _join(base: str, target: str) -> str:
    try:
        return urljoin(base, target)
    except ValueError:
        return target


def _host(url: str) -> str:
    host = urlsplit(url).hostname or ""
    try:
        return host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return host
