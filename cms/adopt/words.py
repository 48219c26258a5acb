"""Words: the glossary of field and collection names that ``cms adopt`` knows, in Bokmål, Nynorsk and English."""

import re
from collections.abc import Iterable


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


TITLES = ("title", "tittel", "name", "navn", "full_name", "heading", "headline", "overskrift", "term", "question")
DATES = (
    "published_at",
    "date",
    "pubDate",
    "publishDate",
    "publish_date",
    "publishedAt",
    "publishedDate",
    "published_on",
    "dato",
    "publisert",
    "datePublished",
    "posted",
    "created",
)
ORDERS = ("weight", "order", "nav_order", "sidebar_position", "rekkefolge", "sort_order", "position")
SUMMARIES = _set("description summary excerpt subtitle lead ingress teaser abstract intro sammendrag beskrivelse")
AUTHORS = _set("author authors byline writer contributor contributors people person team staff forfatter ansatt")
TAXONOMIES = _set(
    "tag tags category categories keyword keywords topic topics series type status section team product agency department "
    "kategori kategorier stikkord emne emner tema temaer type status kommune fylke avdeling author authors forfatter forfattere"
)
TECHNICAL = _set(
    "layout template theme permalink url link href slug path id uuid guid alias aliases redirect_from redirect_to redirects "
    "sidebar css class image image_alt image_icon thumbnail cover hero icon logo img src bilde weight order lang language "
    "locale language_tag toc draft published key hash email phone"
)
TEXTUAL = _set(
    "lang language locale sprak språk country land version versjon code kode zip zipcode postnr postnummer phone telefon tlf mobil "
    "isbn issn orgnr organisasjonsnummer kommunenummer slug id tag author"
)
NOT_BOOLEAN = _set("lang language locale sprak språk country land answer svar")

LABELS = {
    "title": ("Tittel", "Tittel", "Title"),
    "subtitle": ("Undertittel", "Undertittel", "Subtitle"),
    "name": ("Navn", "Namn", "Name"),
    "date": ("Dato", "Dato", "Date"),
    "author": ("Forfatter", "Forfattar", "Author"),
    "authors": ("Forfattere", "Forfattarar", "Authors"),
    "tags": ("Stikkord", "Stikkord", "Tags"),
    "keywords": ("Nøkkelord", "Nøkkelord", "Keywords"),
    "category": ("Kategori", "Kategori", "Category"),
    "categories": ("Kategorier", "Kategoriar", "Categories"),
    "topic": ("Emne", "Emne", "Topic"),
    "topics": ("Emner", "Emne", "Topics"),
    "description": ("Beskrivelse", "Skildring", "Description"),
    "summary": ("Sammendrag", "Samandrag", "Summary"),
    "excerpt": ("Utdrag", "Utdrag", "Excerpt"),
    "lead": ("Ingress", "Ingress", "Lead"),
    "image": ("Bilde", "Bilete", "Image"),
    "layout": ("Sidemal", "Sidemal", "Layout"),
    "permalink": ("Fast lenke", "Fast lenkje", "Permalink"),
    "draft": ("Utkast", "Utkast", "Draft"),
    "published": ("Publisert", "Publisert", "Published"),
    "weight": ("Rekkefølge", "Rekkjefølgje", "Weight"),
    "order": ("Rekkefølge", "Rekkjefølgje", "Order"),
    "aliases": ("Tidligere adresser", "Tidlegare adresser", "Aliases"),
    "redirect_from": ("Tidligere adresser", "Tidlegare adresser", "Redirect from"),
    "product": ("Produkt", "Produkt", "Product"),
    "sidebar": ("Sidemeny", "Sidemeny", "Sidebar"),
    "status": ("Status", "Status", "Status"),
    "team": ("Team", "Team", "Team"),
    "email": ("E-post", "E-post", "Email"),
    "posts": ("Innlegg", "Innlegg", "Posts"),
    "blog": ("Blogg", "Blogg", "Blog"),
    "pages": ("Sider", "Sider", "Pages"),
    "docs": ("Dokumentasjon", "Dokumentasjon", "Docs"),
    "news": ("Nyheter", "Nyheiter", "News"),
    "events": ("Arrangementer", "Arrangement", "Events"),
    "projects": ("Prosjekter", "Prosjekt", "Projects"),
    "people": ("Personer", "Personar", "People"),
    "guides": ("Veiledere", "Rettleiarar", "Guides"),
}
COLUMNS = {"nb": 0, "no": 0, "nn": 1, "en": 2}


def humanize(name: str) -> str:
    """``_services_projects`` and ``servicesProjects`` as ``Services projects``."""
    spaced = re.sub(r"(?<=[a-zæøå0-9])(?=[A-ZÆØÅ][a-zæøå])", " ", name)
    text = " ".join(re.sub(r"[-_.\s]+", " ", spaced).split())
    text = "".join(character for character in text if character.isprintable())
    return text[:1].upper() + text[1:] if text else name


def label_of(name: str, locales: Iterable[str]) -> dict[str, str]:
    """Labels of a field or collection, for those of *locales* that we have words for; English is always there."""
    known = LABELS.get(name)
    labels = {}
    if known:
        labels = {locale: known[COLUMNS[locale]] for locale in locales if locale in COLUMNS and locale != "en"}
    return {**labels, "en": known[2] if known else humanize(name)}


def stem(name: str) -> str:
    """*name* in the singular and without its decoration, so that ``authors``, ``_authors`` and ``author`` meet."""
    word = name.strip("_").casefold()
    if word.endswith("ies"):
        return f"{word[:-3]}y"
    if word in ("forfattere", "kategorier"):
        return {"forfattere": "forfatter", "kategorier": "kategori"}[word]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def are_related(field: str, collection: str) -> bool:
    """Whether the name of a field and that of a collection mean the same things."""
    one, other = stem(field), stem(collection)
    return one == other or (field.casefold() in AUTHORS and collection.casefold() in AUTHORS)
