from __future__ import annotations

import html
import re
import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from gitslo.core.escape import code, markdown, plain, quiet, short

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
MANY = settings(derandomize=True, database=None, deadline=None, max_examples=400)
ANY = st.text(alphabet=st.characters(), max_size=30)
NASTY = st.lists(
    st.sampled_from(
        [*"\\`*_{}[]()<>#+-.!|~$^&@:/=1aé \n\t\r\0\x1b\u202e\u2028\ud800", "http://", "www.", "![", "GH-", "&lt;"]
    ),
    max_size=20,
).map("".join)

HOSTILE = [
    "@everyone look",
    "fixes #12 and GH-7, acme/shop#3, !4",
    'now ~bug of %"next month" in %v2 and &12, $3',
    "<script>alert(1)</script><!-- -->",
    "[click](javascript:alert(1)) ![x](http://evil/x.png)",
    "http://evil.example/a www.evil.example mail@evil.example <http://evil.example>",
    "\x1b[2J\x1b]0;title\x07\x9b31m",
    "\u202egnp.exe\u2066\u200f",
    "a | b | c\n| --- | --- |",
    "# heading\n\n* item\n1. one\n> quote\n```\nfence",
    "/close",
    "--- \n===",
    "&lt;b&gt; &#64;everyone",
    "`a` ``b`` $x$ ~~gone~~ ^up^ \\*",
]


def bare(text: str) -> str:
    return text.replace("\u200b", "")


def words(document: str) -> str:
    """The text of an HTML document that has no tag but the paragraph."""
    inner = document.strip()
    assert inner.startswith("<p>")
    assert inner.endswith("</p>")
    assert "<" not in inner[3:-4]
    return html.unescape(inner[3:-4])


@MANY
@given(st.one_of(ANY, NASTY))
@example("1. a")
@example("1) a")
@example("# a")
@example("= a")
@example(": a")
def test_markdown_is_read_as_the_very_text(text: str) -> None:
    """A Markdown reader shows what was written, letter by letter, and nothing of it is markup, wherever it stands."""
    shown = plain(text)
    if not shown:
        return
    for lead in ("", "* ", "a ", "a\n"):
        read = READER.render(lead + markdown(text))
        if lead == "* ":
            read = read.replace("<ul>\n<li>", "<p>").replace("</li>\n</ul>", "</p>")
        assert bare(words(read)) == ((lead if lead.startswith("a") else "") + bare(shown))


@MANY
@given(st.one_of(ANY, NASTY))
def test_code_is_read_as_the_very_text(text: str) -> None:
    """Backticks inside do not end the span; a pipe does not end a table's cell, and is a pipe in running text."""
    shown = bare(plain(text)) or "(empty)"
    row = READER.render(f"| a | b |\n| --- | --- |\n| {code(text, in_table=True)} | {markdown(text)} |\n")
    cells = [html.unescape(re.sub("</?code>", "", cell)) for cell in re.findall("<td>(.*?)</td>", row, re.DOTALL)]

    said = html.unescape(re.sub("</?code>", "", READER.render(f"a {code(text)}\n")))

    assert [bare(cell) for cell in cells] == [shown, bare(plain(text))]
    assert bare(said) == f"<p>a {shown}</p>\n"


@MANY
@given(st.one_of(ANY, NASTY))
def test_nothing_acts_on_a_terminal(text: str) -> None:
    """One line, printable: no control, no override of direction, no half of a pair."""
    for escaped in (plain(text), quiet(text), markdown(text), code(text)):
        acting = {c for c in bare(escaped) if unicodedata.category(c) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}}
        assert acting == set()
        escaped.encode()


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("escape", [quiet, markdown, code])
def test_nobody_is_notified_and_nothing_is_closed(escape: object, text: str) -> None:
    """What forges look for in titles, bodies and commit messages is not there."""
    found = escape(text)  # type: ignore[operator]

    assert not re.search(r"(?<![A-Za-z0-9])@\w", found)
    assert not re.search(r"""#\w|!\d|\bGH-\d|(?<!\d)[~%]["\w]|\$\d|&\d""", found)
    assert not re.search(r"://|www\.", found)
    assert "\n" not in found


def test_image_references_stay_as_they_are() -> None:
    """A digest can be copied out of a title."""
    reference = "ghcr.io/acme/shop@sha256:" + "a" * 64

    assert quiet(reference) == reference
    assert code(reference) == f"`{reference}`"


def test_what_acts_is_spelled_out() -> None:
    """People see that something was there."""
    assert plain("a\x1b[31m\u202eb\ud800") == "a\\x1b[31m\\u202eb\\ud800"
    assert plain("  a\r\n\t b\u2028c ") == "a b c"
    assert code("") == "(empty)"
    assert code("`") == "`` ` ``"


@pytest.mark.parametrize(("cap", "expected"), [(5, "abcde"), (4, "abc…"), (3, "ab…")])
def test_short_text_is_cut_with_an_ellipsis(cap: int, expected: str) -> None:
    """Never more than the cap."""
    assert short("abcde", cap) == expected
