"""The sitemap: every public page of the site, with its translations and when it last changed (sitemaps.org 0.9, and hreflang)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape

from cms.catalog import EVERY_LOCALE, Catalog
from cms.entry import Entry
from cms.feeds.addresses import Addresses
from cms.feeds.formats import clean

SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"
#: What the protocol allows in one file.
PAGES_MOST = 50_000
BYTES_MOST = 50 * 1000 * 1000 - 1000
DECLARATION = '<?xml version="1.0" encoding="utf-8"?>\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page.

    Attributes:
        locales: the addresses of all its translations, its own among them, by locale; empty when there is only one.
        default: which of these is for readers of any other language.
    """

    url: str
    changed_at: datetime | None
    locales: tuple[tuple[str, str], ...] = ()
    default: str | None = None


def find_pages(catalog: Catalog) -> list[Page]:
    """Every page of the site, each address once, in an order that does not depend on how the catalog came about.

    Raises:
        NotFound: nothing says where the site's pages are.
    """
    addresses = Addresses(catalog.model.settings)
    found: dict[str, Page] = {}
    for name in sorted(catalog.model.collections):
        group: list[Entry] = []
        for entry in catalog.order(name, EVERY_LOCALE, ()):
            if group and group[0].slug != entry.slug:
                _add_group(catalog, addresses, group, found)
                group = []
            group.append(entry)
        _add_group(catalog, addresses, group, found)
    return list(found.values())


def _add_group(catalog: Catalog, addresses: Addresses, group: Sequence[Entry], found: dict[str, Page]) -> None:
    """Add the translations of one entry to *found*."""
    urls: list[tuple[Entry, str]] = []
    for entry in group:
        url = addresses.page(catalog.url_of(entry))
        if url is not None and addresses.is_ours(url):
            urls.append((entry, url))
    locales = tuple((entry.locale, url) for entry, url in urls if entry.locale)
    if len({url for _, url in locales}) < 2:
        locales = ()
    preferred = catalog.model.settings.site.default_locale
    default = next((url for locale, url in locales if locale == preferred), None)
    for entry, url in urls:
        history = catalog.find_history(entry.path)
        changed_at = None if history is None else history.updated_at
        if entry.parsed.publish_at is not None and changed_at is not None:
            changed_at = max(changed_at, datetime.fromtimestamp(entry.parsed.publish_at, UTC))
        known = found.get(url)
        if known is None:
            found[url] = Page(url=url, changed_at=changed_at, locales=locales, default=default)


def split_pages(pages: Sequence[Page], most: int = PAGES_MOST, most_bytes: int = BYTES_MOST) -> list[Sequence[Page]]:
    """*pages* in parts that fit into a file each; at least one."""
    parts: list[list[Page]] = [[]]
    left = most_bytes
    for page in pages:
        left -= _weigh(page)
        if parts[-1] and (left < 0 or len(parts[-1]) >= most):
            parts.append([])
            left = most_bytes - _weigh(page)
        parts[-1].append(page)
    return list(parts)


def _weigh(page: Page) -> int:
    return 1 + sum(map(len, _page_parts(page)))  # addresses and languages are ASCII


def format_sitemap(pages: Sequence[Page]) -> bytes:
    """A sitemap of *pages*."""
    xhtml = ' xmlns:xhtml="http://www.w3.org/1999/xhtml"'
    lines = [f'{DECLARATION}<urlset xmlns="{SITEMAP}"{xhtml}>']
    lines += map("".join, map(_page_parts, pages))
    lines.append("</urlset>\n")
    return "\n".join(lines).encode()


def _page_parts(page: Page) -> Iterator[str]:
    yield f"<url><loc>{_text(page.url)}</loc>"
    if page.changed_at is not None:
        yield f"<lastmod>{_timestamp(page.changed_at)}</lastmod>"
    for locale, url in page.locales:
        yield f'<xhtml:link rel="alternate" hreflang="{_text(locale)}" href="{_text(url)}"/>'
    if page.default is not None:
        yield f'<xhtml:link rel="alternate" hreflang="x-default" href="{_text(page.default)}"/>'
    yield "</url>"


def format_index(parts: Sequence[Sequence[Page]], urls: Sequence[str]) -> bytes:
    """An index of the sitemaps at *urls*, which hold *parts*."""
    lines = [f'{DECLARATION}<sitemapindex xmlns="{SITEMAP}">']
    for part, url in zip(parts, urls, strict=True):
        changed_at = max((page.changed_at for page in part if page.changed_at is not None), default=None)
        lastmod = "" if changed_at is None else f"<lastmod>{_timestamp(changed_at)}</lastmod>"
        lines.append(f"<sitemap><loc>{_text(url)}</loc>{lastmod}</sitemap>")
    lines.append("</sitemapindex>\n")
    return "\n".join(lines).encode()


def _text(text: str) -> str:
    return escape(clean(text))


def _timestamp(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
