"""The files of a new site, as ``cms init`` writes them: texts to begin with, in Norwegian or English."""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from cms.adopt.files import quote_toml, write_settings
from cms.adopt.languages import is_norwegian

LETTERS = str.maketrans({"æ": "ae", "ø": "o", "å": "a", "đ": "d", "ð": "d", "þ": "th", "ł": "l"})
POSTS = """\
# What a post looks like: a JSON Schema (2020-12) of its front matter, with x- keywords for what that does not know.
$schema: https://json-schema.org/draft/2020-12/schema
title: Posts
x-label: {nb: Innlegg, nn: Innlegg, en: Posts}
x-path: content/posts/{slug}.md
x-url: /posts/{slug}
x-title: title
x-date: date
x-sort: -published_at
x-body: markdown

type: object
required: [title, date]
additionalProperties: false
properties:
  title:
    type: string
    minLength: 1
    x-label: {nb: Tittel, nn: Tittel, en: Title}
    x-search: {boost: 3.0}
  date:
    type: string
    format: date
    x-label: {nb: Dato, nn: Dato, en: Date}
  tags:
    type: array
    uniqueItems: true
    items: {type: string, minLength: 1}
    x-label: {nb: Stikkord, nn: Stikkord, en: Tags}
    x-search: {boost: 1.5, facet: true}
  excerpt:
    description: A teaser for lists. Without one the first 55 words of the text are used.
    type: string
    x-label: {nb: Utdrag, nn: Utdrag, en: Excerpt}
  draft:
    description: Hides the post.
    type: boolean
    x-label: {nb: Kladd, nn: Kladd, en: Draft}
  publish_at:
    description: The post is hidden before this moment.
    type: string
    format: date-time
    x-label: {nb: Publiseres, nn: Blir publisert, en: Publish at}
"""

PAGES = """\
# What a page looks like. Pages may lie in folders: content/pages/about/contact.md has the slug about/contact.
$schema: https://json-schema.org/draft/2020-12/schema
title: Pages
x-label: {nb: Sider, nn: Sider, en: Pages}
x-path: content/pages/**/{slug}.md
x-url: /{slug}
x-title: title
x-sort: title
x-body: markdown

type: object
required: [title]
additionalProperties: false
properties:
  title:
    type: string
    minLength: 1
    x-label: {nb: Tittel, nn: Tittel, en: Title}
    x-search: {boost: 3.0}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The texts of the examples in one language."""

    title: str
    post: str
    page: str
    post_slug: str
    page_slug: str


NORWEGIAN = Words(
    title="Mitt nettsted",
    post_slug="velkommen",
    page_slug="om",
    post="""\
---
title: Velkommen
date: 2024-01-01
tags: [nyheter]
---
Dette er det første innlegget. Det er en fil i Git: rediger den, skriv `git commit`, og den nye teksten er ute.

<!--more-->

## Et nytt innlegg

Lag en fil til i `content/posts`. Navnet på filen blir adressen, og feltene øverst må stemme med `schemas/posts.yaml`.
`cms check` sier fra når noe mangler.
""",
    page="""\
---
title: Om oss
---
Skriv her hvem dere er.
""",
)
ENGLISH = Words(
    title="My site",
    post_slug="welcome",
    page_slug="about",
    post="""\
---
title: Welcome
date: 2024-01-01
tags: [news]
---
This is the first post. It is a file in Git: edit it, run `git commit`, and the new text is out.

<!--more-->

## Another post

Make another file in `content/posts`. Its name becomes the address, and the fields at its top have to fit `schemas/posts.yaml`.
`cms check` says when something is missing.
""",
    page="""\
---
title: About us
---
Write here who you are.
""",
)

README = """\
# {title}

Content in Git, served as JSON by [Branchpress](https://pypi.org/project/branchpress/).

- `content/` holds the entries: Markdown files with fields at the top.
- `schemas/` says which fields there are, a file for each collection.
- `cms.toml` describes the site.

```sh
cms check    # is everything right?
cms serve    # what is committed, at http://127.0.0.1:8000/api/v1/
```
"""


POLICY = """
# Who there is, and what the rules are: docs/workflow.md.
[people.{id}]
name = {name}
emails = [{email}]

[[roles]]
role = "maintainer"
who = ["{id}"]

[[roles]]
role = "publisher"
who = ["{id}"]

[[roles]]
role = "reviewer"
who = ["{id}"]

[[roles]]
role = "writer"
who = ["{id}"]

# As long as there is nobody else: no approvals. With others, 1 or more, and authors do not approve their own text.
[[rules]]
approvals = 0
"""


def write_policy(name: str, email: str) -> str:
    """The tables of ``cms.toml`` for a site of one person, who holds every role."""
    return POLICY.format(id=person_id(name), name=quote_toml(name), email=quote_toml(email))


def person_id(name: str) -> str:
    """What ``cms.toml`` calls somebody of that *name*: the first name, in letters that every keyboard has."""
    folded = unicodedata.normalize("NFKD", name.casefold().translate(LETTERS))
    words = re.findall(r"[a-z0-9]+", "".join(letter for letter in folded if not unicodedata.combining(letter)))
    return words[0][:64] if words else "maintainer"


def write_site(*, locale: str, title: str, maintainer: tuple[str, str] | None = None) -> Mapping[str, str]:
    """The files of a new site: path to text.

    Args:
        locale: BCP 47 tag; the examples are Norwegian for Norwegian ones, else English.
        title: of the site; empty for one in the language of the examples.
        maintainer: name and e-mail address of who begins it; None: nobody may change it but by committing in its folder.
    """
    words = NORWEGIAN if is_norwegian(locale) else ENGLISH
    title = title or words.title
    settings = write_settings(
        {
            "title": title,
            "url": "",
            "locales": [locale],
            "default_locale": locale,
            "time_zone": "Europe/Oslo" if is_norwegian(locale) else "UTC",
            "branch": "main",
        },
        comments={
            "url": "where the public pages will live, such as https://www.example.org",
            "time_zone": "of dates that name none",
            "branch": "published",
        },
    )
    return {
        "cms.toml": settings + (write_policy(*maintainer) if maintainer is not None else ""),
        "schemas/posts.yaml": POSTS,
        "schemas/pages.yaml": PAGES,
        f"content/posts/{words.post_slug}.md": words.post,
        f"content/pages/{words.page_slug}.md": words.page,
        ".gitignore": "# Derived data, may be deleted any time.\n/search_index/\n",
        "README.md": README.format(title=title),
    }
