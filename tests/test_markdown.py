"""Markdown bodies: what readers get, what never gets through, and what is refused."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from html import unescape

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cms.errors import InvalidContent
from cms.markdown import Heading, excerpt, heading, plain, reading_minutes, render, word_count

ATTACKS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=1 onerror=alert(1)&gt;'>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<a href='javascript:alert(1)' onclick='alert(1)'>x</a>",
    "<div style='background:url(javascript:alert(1))'>x</div>",
    "<form action=javascript:alert(1)><button>x</button></form>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<![CDATA[<img src=x onerror=alert(1)>]]>",
    "<?x <img src=x onerror=alert(1)>?>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java&#115;cript:alert(1))",
    "[x](&#x6A;avascript:alert(1))",
    "[x](java&NewLine;script:alert(1))",
    "[x](java&Tab;script:alert(1))",
    "[x](&#1;javascript:alert(1))",
    "[x]( javascript:alert(1))",
    "[x](<javascript:alert(1)>)",
    "[x](javascript&colon;alert(1))",
    "[x](vbscript:msgbox(1))",
    "[x](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==)",
    "[x](data:image/svg+xml,<svg/onload=alert(1)>)",
    "[x](file:///etc/passwd)",
    "<javascript:alert(1)>",
    "<vbscript:alert(1)>",
    "[x][y]\n\n[y]: javascript:alert(1)",
    '[x](http://a "\\" onmouseover=\\"alert(1)")',
    "[x](http://a'onmouseover='alert(1))",
    '![x" onerror="alert(1)](x.png)',
    "![x](javascript:alert(1))",
    "![x](data:image/png;base64,AAAA)",
    '![x](x.png "\\" onerror=\\"alert(1)")',
    'https://a.example/"onmouseover="alert(1)',
    "www.a.example/<script>alert(1)</script>",
    'a[^"><script>alert(1)</script>]\n\n[^"><script>alert(1)</script>]: x',
    "a[^1]\n\n[^1]: <img src=x onerror=alert(1)> [x](javascript:alert(1))",
    "# <img src=x onerror=alert(1)>",
    '# "><script>alert(1)</script>',
    '```"><script>alert(1)</script>\nx\n```',
    "``` a&#32;onload=alert(1)\nx\n```",
    "| <script>alert(1)</script> |\n|---|\n| [x](javascript:alert(1)) <b onclick=alert(1)> |",
    "- [x] <input onfocus=alert(1) autofocus>",
    "> <img src=x onerror=alert(1)>",
    "`<script>alert(1)</script>`",
    "\\<script>alert(1)\\</script>",
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<a href='x'\nonclick='alert(1)'>x</a>",
    "[<img src=x onerror=alert(1)>](x)",
]
ALLOWED_TAG = re.compile(
    r"</?(?:h[1-6]|p|br|hr|blockquote|[uo]l|li|pre|code|em|strong|del|a|img|sup|section|input|table|thead|tbody|t[rdh])"
    r'(?: (?:id|href|title|class|aria-label|rel|src|alt|start|align|type|checked|disabled)="[^"<]*")*>'
)
TARGET = re.compile(r'(?:href|src)="([^"]*)"')
# What a browser takes for a scheme: it drops control characters, but leaves %0A alone.
FORBIDDEN_SCHEME = re.compile(r"[\x00-\x20]*(?!https?:|mailto:|tel:)[a-z][a-z0-9+.\-\s]*:", re.IGNORECASE)


def html_of(markdown: str) -> str:
    return render(markdown).html


def require_safe(html: str) -> None:
    assert "<" not in ALLOWED_TAG.sub("", html)
    assert not [target for target in TARGET.findall(html) if FORBIDDEN_SCHEME.match(unescape(target))]


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_attack_becomes_a_tag_an_attribute_or_a_target(attack: str) -> None:
    require_safe(html_of(attack))
    require_safe(html_of(f"Tekst {attack} mer\n\n- {attack}"))


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from([*ATTACKS, "\n\n", "> ", "- ", "| ", "`", "*", "[", "](", ")", "<", '"', "é"]), max_size=8)
)
def test_no_mixture_of_attacks_gets_through(parts: list[str]) -> None:
    require_safe(html_of("".join(parts)))


def test_the_link_hook_cannot_let_a_script_through() -> None:
    require_safe(render("[x](a.md) ![y](b.png)", link=lambda url: f"javascript:{url}").html)


def test_links_and_images_pass_the_link_hook() -> None:
    html = render("[x](a.md) ![y](b.png) [^1]\n\n[^1]: fot", link=lambda url: f"/base/{url}").html
    assert 'href="/base/a.md"' in html
    assert 'src="/base/b.png"' in html
    assert 'href="#fn-1"' in html


@pytest.mark.parametrize(
    "target", ["https://a.no/x?y=1", "mailto:a@b.no", "tel:+4712345678", "/x", "../x.md", "#del", "?a=b"]
)
def test_harmless_targets_are_kept(target: str) -> None:
    assert f'<a href="{target}"' in html_of(f"[x]({target})")


@pytest.mark.parametrize(
    "text", ["{{ site.url }}", "{% include x %}", "{{< youtube x >}}", "${HOME}", "[[Side]]", ":smile:", "$x$"]
)
def test_template_syntax_is_only_text(text: str) -> None:
    assert plain(html_of(text)) == text


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("~~a~~", "<p><del>a</del></p>"),
        ("- [x] a", '<ul>\n<li><input type="checkbox" checked="" disabled=""> a</li>\n</ul>'),
        ("```python x\na < b\n```", '<pre><code class="language-python">a &lt; b\n</code></pre>'),
        ("3. a", '<ol start="3">\n<li>a</li>\n</ol>'),
        ("a <b>c</b>", "<p>a c</p>"),
        ("<div>a</div>", ""),
        ("[x](javascript:y)", '<p><a rel="noopener noreferrer">x</a></p>'),
    ],
)
def test_markdown_becomes_html(markdown: str, html: str) -> None:
    assert html_of(markdown).strip() == html


def test_tables_keep_their_alignment() -> None:
    assert '<th align="right">a</th>' in html_of("| a |\n|--:|\n| 1 |")


def test_a_footnote_leads_there_and_back() -> None:
    html = html_of("Tekst[^kilde].\n\n[^kilde]: Boka.")
    assert '<a href="#fn-kilde" id="fnref-kilde"' in html
    assert '<li id="fn-kilde">' in html
    assert 'href="#fnref-kilde" class="footnote-backref"' in html


def test_headings_have_readable_unique_ids() -> None:
    html = html_of("# Året på Røros & *ålesund*!\n\n## Mål\n\n## Mål\n\n## Mål-1\n\n## !\n\n## हिन्दी")
    ids = ["året-på-røros--ålesund", "mål", "mål-1", "mål-1-1", "section", "हिन्दी"]
    assert re.findall(r' id="([^"]*)"', html) == ids


def test_a_heading_never_takes_the_id_of_a_footnote() -> None:
    html = html_of("# Fn 1\n\na[^1]\n\n[^1]: b")
    assert sorted(re.findall(r' id="([^"]*)"', html)) == ["fn-1", "fn-1-1", "fnref-1"]


def test_the_table_of_contents_is_plain_and_leads_to_the_headings() -> None:
    toc = render("# En & `to`\n\ntekst\n\n## [Lenke](x) ![bilde](y.png)\n\n##\n").toc
    assert toc == (
        Heading(level=1, id="en--to", text="En & to"),
        Heading(level=2, id="lenke-bilde", text="Lenke bilde"),
    )


def test_a_very_long_heading_has_a_short_id() -> None:
    assert len(render("# " + "å" * 5000).toc[0].id) == 100


def test_plain_text_has_one_line_for_each_block_and_keeps_code() -> None:
    markdown = "# A &amp; B\n\nen\nto ![bilde](x.png)[^1]\n\n- tre\n- fire\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```\nif x:\n    <b>\n```\n\n[^1]: fot"
    assert plain(html_of(markdown)) == "A & B\nen to\ntre\nfire\na b\n1 2\nif x:\n    <b>\nfot"


def test_plain_text_never_holds_a_script() -> None:
    html = "<p title='a > b'>a<script>alert(1)</script><style>p{}</style><!-- c --></p><SCRIPT>open"
    assert plain(html) == "a"


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("# Hei", "Hei"),
        ("\n\n  #  Hei `kode` og **fet** ##\nTekst", "Hei kode og fet"),
        ("Hei\n===\nTekst", "Hei"),
        ("# C#\r\nTekst", "C#"),
        ("# Hei {#anker .klasse}", "Hei"),
        ("<!-- a - b -->\n\n# Hei", "Hei"),
        ("import X from 'x'\n\nexport const a = 1\n\n# Hei", "Hei"),
        ("# [a](b) & \\# ![c](d.png)", "a & # c"),
        (f"# {'x' * 500}", "x" * 300),
        ("Tekst\n# Hei", None),
        ("## Hei", None),
        ("#Hei", None),
        ("# ", None),
        ("```\n# Hei\n```", None),
        ("- a\n===", None),
        ("<!-- # Hei", None),
        ("", None),
    ],
)
def test_the_heading_that_a_body_begins_with(markdown: str, expected: str | None) -> None:
    assert heading(markdown) == expected


def test_an_excerpt_ends_after_the_wanted_words() -> None:
    assert excerpt("en *to* [tre](x)\nfire, fem", words=4) == ("en to tre fire, […]", True)
    assert excerpt("ord " * 55) == (("ord " * 55).strip(), False)


def test_an_excerpt_leaves_out_headings_images_code_tables_and_footnotes() -> None:
    markdown = "# Tittel\n\n![x](y.png)\n\nen[^1]\n\n```\nkode\n```\n\n| a |\n|---|\n| b |\n\nto `tre`\n\n[^1]: fot"
    assert excerpt(markdown) == ("en to tre", False)


@pytest.mark.parametrize(
    ("markdown", "expected"),
    [
        ("en\n\n<!--more-->\n\nto", ("en", True)),
        ("en\n\n<!-- More -->\n", ("en", False)),
        ("en <!-- more --> to", ("en", True)),
        ("*en <!--more--> to*", ("en", True)),
        ("en\n\n<!-- truncate -->\n\nto", ("en", True)),
        ("en\n\n<!--excerpt-->\n\nto", ("en", True)),
        ("en\n\n<!-- end excerpt -->\n\nto", ("en", True)),
        ("en\n\n<!-- no more -->\n\nto", ("en to", False)),
        ("| a |\n|---|\n| b |\n<!--more-->\nto", ("", True)),
        ("[en][1]\n\n<!--more-->\n\nto\n\n[1]: x", ("en", True)),
        ("`<!--more-->` en\n\n    <!--more-->\n\n```\n<!--more-->\n```", ("<!--more--> en", False)),
    ],
)
def test_a_marker_ends_the_excerpt_unless_it_is_code(markdown: str, expected: tuple[str, bool]) -> None:
    assert excerpt(markdown) == expected


@pytest.mark.parametrize(
    "rest",
    [
        "```\nkode\n\nmer\n\n" * 3,
        "| a | b |\n|---|---|\n" + "| 1 | 2 |\n" * 800,
        "[Merk]: dette er en setning og ikke en lenke\n\n" * 90,
        "<!--\n\n" + "skjult\n\n" * 900 + "-->\n\n",
        "* punkt\n\n  mer [^2]\n\n" * 200,
    ],
)
def test_the_excerpt_of_a_long_body_is_that_of_the_whole(rest: str) -> None:
    words = "ord [lenke][a] og *to* til[^1] "
    end = "\n\n[a]: https://a.no\n[^1]: fot\n[^2]: to"
    expected = excerpt(words * 20 + end)
    assert excerpt(f"{words * 20}\n\n{rest}\n\n{rest}{end}") == expected
    assert "]" not in expected[0].removesuffix("[…]")


def test_an_excerpt_without_spaces_is_bounded() -> None:
    assert excerpt("日本語" * 100) == ("日本語" * 18 + "日 […]", True)
    assert excerpt("ก" * 3000) == ("ก" * 1100 + " […]", True)


@pytest.mark.parametrize(("text", "words"), [("", 0), ("Hei – på deg, 2.5!", 4), ("日本 a", 3), ("d'accord e-post", 2)])
def test_words_are_counted(text: str, words: int) -> None:
    assert word_count(text) == words


@pytest.mark.parametrize(("words", "minutes"), [(0, 0), (1, 1), (200, 1), (201, 2)])
def test_reading_takes_a_minute_for_two_hundred_words(words: int, minutes: int) -> None:
    assert reading_minutes(words) == minutes


@pytest.mark.parametrize(
    ("markdown", "rule"),
    [
        ("a" * (1024 * 1024 + 1), "body-too-large"),
        ("å" * (512 * 1024 + 1), "body-too-large"),
        ("|" + "a|" * 3000 + "\n|" + "-|" * 3000 + "\n" + "|a\n" * 3000, "body-too-large"),
        ("> |" + "a|" * 3000 + "\n> |" + "-|" * 3000 + "\n" + "> |a\n" * 3000, "body-too-large"),
        ("[^1]: x\n\n" + "[^1]" * 50_000, "body-too-large"),
        ("& " * 500_000, "body-too-large"),
        (">" * 101 + "a", "body-too-deep"),
        ("".join(f"{'> ' * 60}{'  ' * level}- a\n" for level in range(60)), "body-too-deep"),
    ],
)
def test_a_body_beyond_a_bound_is_refused(markdown: str, rule: str) -> None:
    with pytest.raises(InvalidContent) as refused:
        render(markdown)
    assert refused.value.facts["rule"] == rule


@pytest.mark.parametrize(
    "unit", ["![", "[](", "*a _b ", "# a\n", "`", "a|\n", "<a ", "[^", "**a", "- a\n\n", "www.a.", "~", ":-"]
)
def test_output_grows_no_faster_than_the_body(unit: str) -> None:
    once, twice = (len(html_of(unit * count)) for count in (2_000, 4_000))
    assert twice <= 2.2 * once + 100


def test_full_tables_and_hundred_levels_are_served() -> None:
    assert html_of("|a|b|\n|-|-|\n" + "|a|b|\n" * 20_000).count("<td>") == 40_000
    assert html_of(">" * 100 + "a").count("<blockquote>") == 100
    assert html_of("> a\n\nb\n\n" * 101).count("<blockquote>") == 101


def test_very_many_addresses_in_a_line_stay_text_and_do_not_end_the_process() -> None:
    program = "from cms.markdown import render; print('mailto:' in render('a@b.no ' * 100_000).html)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (0, "False\n")


def test_many_lines_of_addresses_are_links() -> None:
    assert html_of("- a@b.no\n" * 500).count("mailto:") == 500


def test_threads_can_render_at_once() -> None:
    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(html_of, ["# a\n\n" + "*b* [c](d)\n\n" * 500] * 20))) == 1
