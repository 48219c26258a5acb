"""Adoption: what is inferred from repositories of each kind, and that the inferred schemas accept what is there."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pygit2
import pytest
import yaml

from cms.adopt import Adoption, adopt, is_config, is_markdown
from cms.coerce import parse_entry
from cms.entry import Parsed
from cms.paths import PathMatch
from cms.schema import Collection, read_schema
from cms.settings import Settings, read_settings

CORPORA = Path(__file__).parents[2] / "shared" / "corpora"
POST = "---\ntitle: Hei\ndate: 2019-06-27\n---\nTekst\n"
PAGE = "---\ntitle: Om oss\n---\nTekst\n"
NOTE = "# Bare tekst\n"
Files = Mapping[str, str | bytes]

JEKYLL: Files = {
    "_config.yml": "title: Bloggen\nurl: https://blogg.example.org\nlang: nn\n",
    "_posts/2019-05-28-foo.md": POST,
    "_posts/2019-6-7-bar.markdown": POST,
    "_drafts/later.md": PAGE,
    "_team/kari.md": PAGE,
    ".github/PULL_REQUEST_TEMPLATE.md": NOTE,
    "vendor/gem/README.md": NOTE,
}
HUGO: Files = {
    "hugo.toml": 'baseURL = "https://a.example/"\ntitle = "A"\n[languages.nb]\nweight = 1\n[languages.en]\nweight = 2\n',
    "content/_index.md": PAGE,
    "content/about.md": PAGE,
    "content/about.en.md": PAGE,
    "content/posts/_index.md": PAGE,
    "content/posts/a/index.md": POST,
    "content/posts/a/index.en.md": POST,
    "archetypes/default.md": "---\ntitle: '{{ .Name }}'\n---\n",
}
DOCUSAURUS: Files = {
    "docusaurus.config.js": "module.exports = {title: 'Docs', i18n: {defaultLocale: 'en', locales: ['en', 'nb']}}",
    "docs/intro.md": PAGE,
    "docs/a/b.md": PAGE,
    "blog/2019-05-28-foo.md": POST,
    "blog/2021-08-26-welcome/index.md": POST,
    "i18n/nb/docusaurus-plugin-content-docs/current/a/b.md": PAGE,
    "i18n/nb/docusaurus-plugin-content-blog/2019-05-28-foo.md": POST,
    "i18n/nb/docusaurus-plugin-content-docs/version-1.0/intro.md": PAGE,
    "versioned_docs/version-1.0/intro.md": PAGE,
    "src/pages/hello.md": PAGE,
}


def adopt_files(files: Files, *, name: str = "repo") -> Adoption:
    """Adopt *files*: Markdown, configuration and all others told apart as the command line does."""
    sources = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
    return adopt(
        [(path, source) for path, source in sources.items() if is_markdown(path)],
        others=[path for path in sources if not is_markdown(path)],
        configs={path: source for path, source in sources.items() if is_config(path)},
        name=name,
    )


def compile_model(adoption: Adoption) -> tuple[Settings, dict[str, Collection]]:
    """What the site reads from the texts, in the order in which it reads them."""
    settings = read_settings(adoption.settings_toml)
    return settings, {
        file.removesuffix(".yaml"): read_schema(
            file.removesuffix(".yaml"), text, path=f"schemas/{file}", locales=settings.site.locales
        )
        for file, text in sorted(adoption.schemas.items())
    }


def places(adoption: Adoption, path: str) -> list[tuple[str, PathMatch]]:
    """Every collection that claims *path*."""
    _, collections = compile_model(adoption)
    return [(name, found) for name, item in collections.items() if (found := item.match(path)) is not None]


def place(adoption: Adoption, path: str) -> tuple[str, str, str | None]:
    """(collection, slug, locale) of *path*, as the site decides it."""
    name, found = places(adoption, path)[0]
    return name, found.slug, found.locale


def field(adoption: Adoption, name: str, collection: str = "posts") -> dict[str, object]:
    """The schema of one field."""
    schema: dict[str, object] = yaml.safe_load(adoption.schemas[f"{collection}.yaml"])["properties"][name]
    return schema


def posts(*values: str, name: str = "value") -> dict[str, str]:
    """One post for each of *values*, which stand in the field *name*."""
    return {f"posts/p{n}.md": f"---\ntitle: T{n}\n{name}: {value}\n---\n" for n, value in enumerate(values)}


def typed(files: Files, collection: str = "posts") -> list[Parsed]:
    """Every file of *files*, read by the schema that was inferred from them."""
    settings, collections = compile_model(adopt_files(files))
    sources = [text.encode() if isinstance(text, str) else text for text in files.values()]
    locales = frozenset(settings.site.locales)
    return [parse_entry(source, collections[collection], settings.zone, locales) for source in sources]


def test_jekyll_posts_lose_their_date_and_drafts_and_project_files_stay_out() -> None:
    adoption = adopt_files(JEKYLL)
    assert adoption.generator == "jekyll"
    assert place(adoption, "_posts/2019-05-28-foo.md") == ("posts", "foo", None)
    assert place(adoption, "_posts/2019-6-7-bar.markdown") == ("posts", "bar", None)
    assert place(adoption, "_team/kari.md") == ("team", "kari", None)
    assert not places(adoption, "_drafts/later.md")
    assert any("unpublished draft" in note and "_drafts/later.md" in note for note in adoption.notes)
    site = read_settings(adoption.settings_toml).site
    assert (site.title, site.url, site.locales, site.time_zone) == (
        "Bloggen",
        "https://blogg.example.org",
        ("nn",),
        "Europe/Oslo",
    )


def test_hugo_sections_are_collections_and_bundles_take_the_name_of_their_folder() -> None:
    adoption = adopt_files(HUGO)
    assert place(adoption, "content/_index.md") == ("pages", "index", None)
    assert place(adoption, "content/about.en.md") == ("pages", "about", "en")
    assert place(adoption, "content/posts/a/index.en.md") == ("posts", "a", "en")
    assert not places(adoption, "archetypes/default.md")
    assert read_settings(adoption.settings_toml).site.locales == ("nb", "en")


def test_docusaurus_translations_join_the_collection_they_translate() -> None:
    adoption = adopt_files(DOCUSAURUS)
    assert place(adoption, "i18n/nb/docusaurus-plugin-content-docs/current/a/b.md") == ("docs", "a/b", "nb")
    assert place(adoption, "i18n/nb/docusaurus-plugin-content-blog/2019-05-28-foo.md") == ("blog", "foo", "nb")
    assert place(adoption, "blog/2021-08-26-welcome/index.md") == ("blog", "welcome", None)
    translated = place(adoption, "i18n/nb/docusaurus-plugin-content-docs/version-1.0/intro.md")
    assert translated == ("versioned_docs", "version-1.0/intro", "nb")


def test_folders_named_for_locales_are_no_part_of_the_slug() -> None:
    adoption = adopt_files(
        {f"content/{locale}/{name}.md": PAGE for locale in ("en", "pt-br", "zh-cn") for name in ("a", "b/_index")}
    )
    assert place(adoption, "content/zh-cn/b/_index.md") == ("pages", "b", "zh-cn")
    assert [(item.name, item.patterns) for item in adoption.collections] == [
        ("pages", ("content/{locale}/**/{slug}.md",))
    ]
    assert read_settings(adoption.settings_toml).site.default_locale == "en"


def test_translations_below_the_default_locale_get_the_same_slug() -> None:
    adoption = adopt_files(dict.fromkeys(("docs/index.md", "docs/a.md", "docs/nb/index.md", "docs/nb/a.md"), PAGE))
    assert place(adoption, "docs/a.md") == ("docs", "a", None)
    assert place(adoption, "docs/nb/a.md") == ("docs", "a", "nb")
    assert read_settings(adoption.settings_toml).site.default_locale != "nb"


def test_mkdocs_pages_without_front_matter_are_content() -> None:
    config = "site_name: Håndbok\nplugins:\n  - emoji: !!python/name:a.b\ntheme: {language: nb}\n"
    adoption = adopt_files({"mkdocs.yml": config, "docs/index.md": NOTE, "docs/x/y.md": NOTE, "README.md": NOTE})
    assert place(adoption, "docs/x/y.md") == ("docs", "x/y", None)
    assert not places(adoption, "README.md")
    assert read_settings(adoption.settings_toml).site.title == "Håndbok"


@pytest.mark.parametrize(
    ("config", "path", "expected"),
    [
        ("astro.config.mjs", "src/content/blog/a.md", ("blog", "a")),
        (".eleventy.js", "src/posts/a.md", ("posts", "a")),
        ("gatsby-config.js", "content/blog/2019-01-02-a/index.md", ("blog", "a")),
        ("zola.toml", "content/news/a.md", ("news", "a")),
        ("website/docusaurus.config.ts", "website/docs/a.md", ("docs", "a")),
        ("docs/_config.yml", "docs/_posts/2019-01-02-a.md", ("posts", "a")),
        ("hugo.yaml", "content/posts/2019/01/02/a.md", ("posts", "a")),
        ("hugo.json", "content/posts/2019/2019-01-02-a.md", ("posts", "a")),
    ],
)
def test_a_generators_usual_folder_becomes_a_collection(config: str, path: str, expected: tuple[str, str]) -> None:
    adoption = adopt_files({config: "", path: POST, "README.md": NOTE})
    assert place(adoption, path)[:2] == expected
    assert not places(adoption, "README.md")


def test_plain_folders_with_norwegian_names_get_names_that_fit_a_url() -> None:
    adoption = adopt_files({"Møter på Ås/Referat fra møte.md": NOTE, "Økonomi/Budsjett.md": NOTE})
    assert place(adoption, "Møter på Ås/Referat fra møte.md") == ("moter-pa-as", "Referat fra møte", None)
    assert [item.title for item in adoption.collections] == ["Møter på Ås", "Økonomi"]
    assert read_settings(adoption.settings_toml).site.default_locale == "nb"


def patterns(adoption: Adoption, collection: str = "pages") -> list[str]:
    """The path patterns of one schema."""
    found = yaml.safe_load(adoption.schemas[f"{collection}.yaml"])["x-path"]
    return [found] if isinstance(found, str) else list(found)


def test_files_at_the_root_are_pages_and_those_of_the_project_are_not() -> None:
    adoption = adopt_files(dict.fromkeys(["plan.md", "README.md", "CHANGELOG.md", ".hidden.md"], NOTE))
    assert patterns(adoption) == ["{slug}.md", "!.*", "!CHANGELOG.md", "!README.md"]
    assert place(adoption, "plan.md") == ("pages", "plan", None)
    assert not places(adoption, "README.md")
    assert any("left out" in note and "README.md" in note for note in adoption.notes)


@pytest.mark.parametrize(
    ("config", "content", "left_out", "exclusion"),
    [
        ("x.py", "docs/a.md", "docs/node_modules/x/readme.md", "!**/node_modules/**"),
        ("x.py", "docs/a.md", "docs/.obsidian/x.md", "!**/.*/**"),
        ("docusaurus.config.js", "docs/a/b.md", "docs/a/_part.md", "!**/_*"),
        ("docusaurus.config.js", "docs/a/b.md", "docs/_parts/a.md", "!**/_*/**"),
        ("package.json", "packages/a/usage.md", "packages/a/fixtures/b.md", "!**/fixtures/**"),
    ],
)
def test_what_is_no_content_inside_a_collection_is_left_out_by_a_pattern(
    config: str, content: str, left_out: str, exclusion: str
) -> None:
    adoption = adopt_files({config: "", content: PAGE, left_out: NOTE})
    (collection,) = adoption.collections
    assert exclusion in patterns(adoption, collection.name)
    assert places(adoption, content)
    assert not places(adoption, left_out)


def test_text_among_code_is_content_only_when_there_is_nothing_else() -> None:
    code = {"Cargo.toml": "", "tests/a.md": NOTE}
    assert [item.name for item in adopt_files({**code, "docs/b.md": NOTE}).collections] == ["docs"]
    assert [item.name for item in adopt_files(code).collections] == ["tests"]


@pytest.mark.parametrize("name", ["a.mdx", "A.MD", "a.mkd"])
def test_a_file_may_end_in_other_ways(name: str) -> None:
    assert place(adopt_files({f"docs/{name}": PAGE}), f"docs/{name}") == ("docs", name.partition(".")[0], None)
    many = {f"folder-{n}/{name}": PAGE for n in range(40)}
    assert place(adopt_files(many), f"folder-7/{name}")[0] == "pages"


def test_an_odd_name_at_the_root_does_not_break_an_exclusion() -> None:
    names = ["README.{x}.md", "README.\\.md", "README.*.md", "README.\n.md"]
    adoption = adopt_files(dict.fromkeys([*names, "!plan/a.md", "b.md"], NOTE))
    assert not [name for name in names if places(adoption, name)]
    assert place(adoption, "!plan/a.md") == ("plan", "a", None)


def test_many_small_folders_become_one_collection() -> None:
    adoption = adopt_files({f"folder-{n}/a.md": PAGE for n in range(40)})
    assert [(item.name, item.count) for item in adoption.collections] == [("pages", 40)]
    assert place(adoption, "folder-7/a.md") == ("pages", "folder-7/a", None)


def test_posts_that_only_their_date_tells_apart_keep_it_in_the_slug() -> None:
    adoption = adopt_files({"_posts/2019-01-01-news.md": POST, "_posts/2020-01-01-news.md": POST})
    assert place(adoption, "_posts/2020-01-01-news.md") == ("posts", "2020-01-01-news", None)


def test_slugs_that_differ_only_in_case_are_both_served_with_a_warning() -> None:
    adoption = adopt_files({"docs/Tittel.md": PAGE, "docs/tittel.md": PAGE})
    assert {place(adoption, path)[1] for path in ("docs/Tittel.md", "docs/tittel.md")} == {"Tittel", "tittel"}
    assert "docs: the slugs Tittel, tittel differ only in case; both are served" in adoption.notes


def test_folders_of_the_same_name_share_a_collection_unless_their_slugs_clash() -> None:
    adoption = adopt_files({"docs/a.md": PAGE, "site/docs/a.md": PAGE, "web/docs/b.md": PAGE})
    assert place(adoption, "docs/a.md")[:2] == ("docs", "a")
    assert place(adoption, "site/docs/a.md")[:2] == ("docs-2", "a")
    assert place(adoption, "web/docs/b.md")[:2] == ("docs", "b")


def test_a_folder_with_nothing_but_a_readme_is_not_content() -> None:
    adoption = adopt_files({"docs/a.md": PAGE, "scripts/README.md": NOTE, "node_modules/x/readme.md": NOTE})
    assert [item.name for item in adoption.collections] == ["docs"]


@pytest.mark.parametrize(
    ("paths", "generator"),
    [
        (["_posts/2019-01-01-a.md"], "jekyll"),
        (["content/a.md", "archetypes/default.md"], "hugo"),
        (["content/a.md", "templates/page.html"], "zola"),
        (["content/a.md"], "plain"),
    ],
)
def test_folders_tell_the_generator_where_no_configuration_does(paths: Sequence[str], generator: str) -> None:
    assert adopt_files(dict.fromkeys(paths, PAGE)).generator == generator


def test_a_schema_says_which_kind_of_site_it_was_inferred_from() -> None:
    eleventy = adopt_files({".eleventy.js": "", "posts/a.md": POST}).schemas["posts.yaml"]
    assert eleventy.startswith("# Inferred from 1 file of an Eleventy site; change it as you like.\n")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ('base_url = "https://a.example"\ndefault_language = "nn"\n', "zola"),
        ('baseURL = "https://a.example"\nlanguageCode = "nn-NO"\n', "hugo"),
        ('name = "something else"\n', "plain"),
    ],
)
def test_what_stands_in_a_config_toml_tells_whose_it_is(config: str, expected: str) -> None:
    adoption = adopt_files({"config.toml": config, "content/posts/a.md": POST})
    site = read_settings(adoption.settings_toml).site
    assert (adoption.generator, site.default_locale) == (expected, "en" if expected == "plain" else "nn")


@pytest.mark.parametrize("folder", ["do{cs}", "a**", "line\nbreak", "caf\udce9", "'\"#: x", "~", "日本", "-", "no"])
def test_an_odd_folder_name_does_not_break_the_pattern(folder: str) -> None:
    adoption = adopt_files({f"{folder}/a*b.md": PAGE})
    assert place(adoption, f"{folder}/a*b.md")[1] == "a*b"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1", "2", "3"], {"type": "integer"}),
        (["1", "2.5"], {"type": "number"}),
        (["1", "to"], {"type": "string"}),
        (["3.9", "3.10"], {"type": "string"}),
        (["0123", "4567"], {"type": "string"}),
        (["true", "false"], {"type": "boolean"}),
        (["yes", "no", "on"], {"type": "boolean"}),
        (["true", "nei"], {"type": ["string", "boolean"]}),
        (["2019-06-27", "2019-6-7"], {"type": "string", "format": "date"}),
        (["2019-06-27", "2019-06-27 10:00 +0200"], {"type": "string", "format": "date-time"}),
        (["a@example.org"], {"type": "string", "format": "email"}),
        (["https://example.org/a"], {"type": "string", "format": "uri"}),
        (["[a, b]", "[c]"], {"type": "array", "items": {"type": "string"}}),
        (["[a, b]", "c"], {"type": ["string", "array"], "items": {"type": "string"}}),
        (["ord", ""], {"type": ["string", "null"]}),
        (["", ""], {}),
        (["[]", "[]"], {"type": "array"}),
        (["[3.9, 3.10]", "[2.7]"], {"type": "array", "items": {"type": "string"}}),
        (["[a, [b]]"], {"type": "array", "items": {"type": ["string", "array"], "items": {"type": "string"}}}),
        (["{x: 1}", "{x: 2, y: a}"], {"type": "object"}),
    ],
)
def test_the_values_decide_the_type(values: Sequence[str], expected: Mapping[str, object]) -> None:
    files = posts(*values)
    schema = field(adopt_files(files), "value")
    assert {key: schema[key] for key in ("type", "format", "items") if key in schema} == expected
    assert all(entry.is_valid for entry in typed(files))


def test_a_language_is_never_a_boolean() -> None:
    assert field(adopt_files(posts("no", "no", name="lang")), "lang")["type"] == "string"


def test_a_date_that_is_none_keeps_the_field_text_and_is_reported() -> None:
    adoption = adopt_files(posts(*["2019-06-27"] * 10, *[f"2019-07-{n + 10}" for n in range(15)], "soon", name="date"))
    assert "format" not in field(adoption, "date")
    assert any("'soon'" in note for note in adoption.notes)
    assert yaml.safe_load(adoption.schemas["posts.yaml"])["x-date"] == "date"


def test_a_blog_with_many_wrong_dates_is_still_ordered_by_date() -> None:
    schema = yaml.safe_load(adopt_files(posts("2019-06-27", "1. mai 2020", "i går", name="date")).schemas["posts.yaml"])
    assert (schema["x-date"], schema["x-sort"]) == ("date", "-published_at")


def test_a_few_words_over_many_files_become_choices_and_free_text_does_not() -> None:
    adoption = adopt_files(posts(*["ny", "ferdig"] * 20, name="fase"))
    assert field(adoption, "fase")["enum"] == ["ferdig", "ny"]
    assert "enum" not in field(adopt_files(posts("ny", "ferdig", name="fase")), "fase")
    assert "enum" not in field(adoption, "title")


def test_tags_are_a_facet_and_the_title_weighs_most() -> None:
    adoption = adopt_files(posts("[helse, skole]", "[helse]", name="tags"))
    assert field(adoption, "tags")["x-search"] == {"boost": 1.0, "facet": True}
    assert field(adoption, "title")["x-search"] == {"boost": 3.0}


def test_authors_that_are_entries_become_references_and_unknown_ones_do_not() -> None:
    known: Files = posts("[kari, ola]", "[kari]", name="authors") | {"authors/kari.md": PAGE, "authors/ola.md": PAGE}
    assert field(adopt_files(known), "authors")["x-reference"] == "authors"
    stranger: Files = {"posts/x.md": "---\ntitle: X\nauthors: [per]\n---\n"}
    unknown = adopt_files({**known, **stranger})
    assert "x-reference" not in field(unknown, "authors")
    assert any("'per'" in note for note in unknown.notes)


def test_a_path_to_a_file_of_the_repository_is_an_asset() -> None:
    image: Files = {"images/a.png": b"PNG"}
    files = {**posts("images/a.png", name="cover"), **image}
    assert field(adopt_files(files), "cover")["x-asset"] is True


def test_only_what_every_file_fills_is_required() -> None:
    files = posts(*"abcdefghijklmnopqrstuvwxyz", name="kind")
    assert yaml.safe_load(adopt_files(files).schemas["posts.yaml"])["required"] == ["kind", "title"]
    files["posts/x.md"] = "---\ntitle: X\nkind:\n---\n"
    assert yaml.safe_load(adopt_files(files).schemas["posts.yaml"])["required"] == ["title"]


def test_a_dozen_files_do_not_make_a_field_required() -> None:
    files = posts(*"abcdefghijkl", name="kind")
    assert yaml.safe_load(adopt_files(files).schemas["posts.yaml"])["required"] == ["title"]


def test_a_date_inside_an_address_is_found_when_there_is_no_other() -> None:
    text = '+++\npath = "2024/02/19/{0}"\ntitle = "{0}"\n+++\n'
    adoption = adopt_files({f"content/{name}.md": text.format(name) for name in ("a", "b")})
    schema = yaml.safe_load(adoption.schemas["posts.yaml"])
    assert (schema["x-date"], schema["x-sort"]) == ("path", "-published_at")
    assert any("'path_'" in note for note in adoption.notes)


def test_what_cannot_be_parsed_is_listed_with_its_place() -> None:
    adoption = adopt_files({"posts/a.md": POST, "posts/b.md": "---\ntitle: a: b\n---\n"})
    (finding,) = adoption.unparsed
    assert (finding.path, finding.line, finding.field) == ("posts/b.md", 2, "title")
    assert adoption.collections[0].unparsed == 1


def test_a_key_that_is_a_sentence_is_left_out_of_the_schema() -> None:
    adoption = adopt_files(
        {"posts/a.md": "---\ntitle: A\nThis was meant as text, but it has a colon in it somewhere near: here\n---\n"}
    )
    assert list(yaml.safe_load(adoption.schemas["posts.yaml"])["properties"]) == ["title"]
    assert any("stray colon" in note for note in adoption.notes)


def test_odd_names_and_words_survive_the_way_through_yaml() -> None:
    words = ["1e3", "0o17", "no", "~", "2019-01-01", "y", "æøå"]
    files = {
        f"posts/{n}.md": f"---\ntitle: x\nstatus: '{words[n % len(words)]}'\n'no': a\n'1e3': b\n'null': c\n---\n"
        for n in range(70)
    }
    schema = yaml.safe_load(adopt_files(files).schemas["posts.yaml"])["properties"]
    assert schema["status"]["enum"] == sorted(words)
    assert set(schema) == {"title", "status", "no", "1e3", "null"}


def test_files_without_a_title_that_begin_with_a_heading_are_called_by_it() -> None:
    files: Files = {"docs/a.md": NOTE, "docs/b.md": "---\nweight: 1\n---\n# B\n", "docs/c.md": "Tekst\n"}
    schema = yaml.safe_load(adopt_files(files).schemas["docs.yaml"])
    assert (schema["x-title"], schema.get("required")) == ("title", None)
    assert [entry.title for entry in typed(files, "docs")] == ["Bare tekst", "B", None]
    assert "title" not in yaml.safe_load(adopt_files({"docs/c.md": "Tekst\n"}).schemas["docs.yaml"])["properties"]


@pytest.mark.parametrize(
    ("files", "note"),
    [
        ({"posts/a.md": "Hei\n\n<p>du</p>\n"}, "posts: blocks of HTML in 1 file are not shown, nor searched"),
        ({"posts/a.mdx": POST}, "posts: 1 file of MDX: what is Markdown in it is shown"),
        ({"posts/a.md": POST, "_posts/2019-01-01-b.html": "", "c.rst": ""}, "_posts/2019-01-01-b.html, c.rst"),
        (posts("draft", "private", "publish", name="status"), "posts: 2 files with the status draft or private will"),
        (
            {"_config.yml": "", **posts("jekyll update", "[a]", name="categories")},
            "posts: Jekyll takes the categories 'jekyll update' apart, here they are one value; write a list where they are "
            "several: [jekyll, update]",
        ),
    ],
)
def test_what_is_shown_in_another_way_than_before_is_said(files: Files, note: str) -> None:
    assert any(note in found for found in adopt_files(files).notes)


def test_html_in_code_is_no_html() -> None:
    assert adopt_files({"posts/a.md": "---\ntitle: A\n---\n```html\n<p>\n```\nen <b>to</b>\n"}).notes == ()


def test_the_order_of_the_files_does_not_matter() -> None:
    files = {**posts("a", "[b]", "1"), "docs/x.md": PAGE, "_posts/2019-01-01-a.md": POST}
    assert adopt_files(files) == adopt_files(dict(reversed(files.items())))


@pytest.mark.parametrize("path", ["README.md", ""])
def test_a_repository_without_content_gives_settings_and_no_schemas(path: str) -> None:
    adoption = adopt_files({path: NOTE} if path else {}, name="min-blogg.git")
    assert adoption.schemas == {}
    assert read_settings(adoption.settings_toml).site.title == "Min blogg"


@pytest.mark.parametrize("source", [b"[", b"\xff\xfe", b"a: &a [*a]", b"- 1", b"title: [1]\nlanguages: 3"])
@pytest.mark.parametrize("config", ["_config.yml", "hugo.toml", "config.toml", "mkdocs.yml", "docusaurus.config.js"])
def test_a_broken_configuration_does_no_harm(config: str, source: bytes) -> None:
    adoption = adopt_files({config: source, "docs/a.md": PAGE})
    assert place(adoption, "docs/a.md") == ("docs", "a", None)


CORPUS_COMMITS = [
    ("rust-blog", "HEAD"),
    ("rust-blog", "58fcdc0e"),
    ("rust-blog", "472ed260"),
    ("18f-blog", "HEAD"),
    ("18f-blog", "9b659df4"),
    ("18f-blog", "2e4fb9ee"),
    ("18f-blog", "c7b31828"),
    ("felleslosninger-docs", "HEAD"),
    ("felleslosninger-docs", "35f2991d"),
    ("cncf-glossary", "HEAD"),
    ("weird-dev", "HEAD"),
]


@pytest.fixture(scope="module")
def clones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Bare clones of the bundles, made when first asked for."""
    if not CORPORA.is_dir():
        pytest.skip(f"the corpora are not at {CORPORA}")
    folder = tmp_path_factory.mktemp("corpora")
    found = {}
    for name in sorted({name for name, _ in CORPUS_COMMITS}):
        found[name] = folder / name
        bundle = CORPORA / f"{name}.bundle"
        subprocess.run(["git", "clone", "-q", "--bare", str(bundle), str(found[name])], check=True)
    return found


def read_tree(path: Path, commit: str) -> dict[str, bytes]:
    """Every file of *commit*."""
    repo = pygit2.Repository(str(path))
    found: dict[str, bytes] = {}
    folders = [("", repo.revparse_single(commit).peel(pygit2.Tree))]
    while folders:
        prefix, tree = folders.pop()
        for entry in tree:
            if isinstance(entry, pygit2.Tree):
                folders.append((f"{prefix}{entry.name}/", entry))
            elif isinstance(entry, pygit2.Blob):
                found[prefix + str(entry.name)] = entry.data
    return found


@pytest.mark.parametrize(("name", "commit"), CORPUS_COMMITS)
def test_every_file_of_a_real_repository_is_placed_once_or_left_out_with_a_reason(
    clones: Mapping[str, Path], name: str, commit: str
) -> None:
    files = read_tree(clones[name], commit)
    adoption = adopt_files(files, name=name)
    settings, collections = compile_model(adoption)
    left_out = " ".join(note for note in adoption.notes if note.startswith("left out"))
    keys = []
    for path in filter(is_markdown, files):
        claims = [(item.name, found) for item in collections.values() if (found := item.match(path)) is not None]
        assert len(claims) == (0 if path in left_out else 1), path
        keys += [(item, found.slug, found.locale or settings.site.default_locale) for item, found in claims]
    assert len(keys) == len(set(keys)) == sum(item.count for item in adoption.collections)


@pytest.mark.parametrize(("name", "commit"), CORPUS_COMMITS)
def test_every_readable_file_of_a_real_repository_is_accepted(
    clones: Mapping[str, Path], name: str, commit: str
) -> None:
    files = read_tree(clones[name], commit)
    adoption = adopt_files(files, name=name)
    settings, collections = compile_model(adoption)
    unparsed = {finding.path for finding in adoption.unparsed}
    wrong = [
        str(finding.at(path))
        for path in filter(is_markdown, files)
        for collection in collections.values()
        if collection.match(path) and path not in unparsed
        for finding in parse_entry(files[path], collection, settings.zone, frozenset(settings.site.locales)).findings
        if finding.severity == "error"
    ]
    assert wrong == []
