from __future__ import annotations

import io

import pytest

from gitslo.cli.style import colour_on, markdown, paint, plain, table


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")


@pytest.mark.parametrize(
    ("stream", "variables", "expected"),
    [
        (Terminal(), {}, True),
        (io.StringIO(), {}, False),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
    ],
)
def test_colour_only_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, variables: dict[str, str], expected: bool
) -> None:
    """Colour is for a terminal, unless somebody said no."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert (expected, expected) == (colour_on(stream), "\x1b" in paint("pass", stream=stream))


def test_words_without_a_meaning_have_no_colour() -> None:
    """Only words of the closed list are painted."""
    assert ("dev", "\x1b[31mdev\x1b[0m") == (paint("dev", stream=Terminal()), paint("dev", "fail", Terminal()))


def test_a_table_off_a_terminal_is_plain_columns() -> None:
    """Columns line up, nothing trails, and no cell can act on whoever reads the log."""
    out = io.StringIO()
    table(("environment", "verdict"), (("shop/dev", "pass"), ("p\x1b[2J", "fail\n")), out)

    assert "ENVIRONMENT  VERDICT\nshop/dev     pass\np\\x1b[2J     fail\n" == out.getvalue()


def test_an_empty_table_is_its_headings() -> None:
    """No rows is no error."""
    out = io.StringIO()
    table(("environment", "verdict"), (), out)

    assert "ENVIRONMENT  VERDICT\n" == out.getvalue()


def test_a_table_on_a_terminal_is_painted() -> None:
    """On a terminal verdicts have their colour, and repository text still cannot act."""
    out = Terminal()
    table(("environment", "verdict"), (("p\x1b[2J", "fail"),), out)

    assert ("\x1b[31mfail" in out.getvalue(), "\x1b[2J" in out.getvalue()) == (True, False)


def test_no_colour_means_no_escape_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR a terminal's table and report are free of colour."""
    monkeypatch.setenv("NO_COLOR", "1")
    out = Terminal()
    table(("environment", "verdict"), (("dev", "fail"),), out)

    assert "\x1b[31m" not in out.getvalue()


def test_a_report_off_a_terminal_is_its_markdown() -> None:
    """A log or a file gets the Markdown as it is, ending in one line break."""
    out = io.StringIO()
    markdown("# Pass\n\n| a |\n|---|", out)

    assert "# Pass\n\n| a |\n|---|\n" == out.getvalue()


def test_a_report_on_a_terminal_is_laid_out() -> None:
    """A terminal gets the text without the marks; what a repository wrote cannot act."""
    out = Terminal()
    markdown("**Pass** and \x1b[2J", out)

    assert ("Pass" in out.getvalue(), "**" in out.getvalue(), "\x1b[2J" in out.getvalue()) == (True, False, False)


def test_a_table_too_wide_for_a_terminal_keeps_every_word() -> None:
    """Rows become paragraphs that name each value, so that no name is cut; a table that fits stays one."""
    names = ("browse.checkout.latency.p95 < 250ms", "browse.catalogue.latency.p95 < 250ms")
    wide, narrow = Terminal(), Terminal()
    markdown("".join(f"| `{row}` | {row} |\n" for row in ("a", *names)).replace("\n", "\n|---|---|\n", 1), wide)
    markdown("| a | b |\n|---|---|\n| c | d |", narrow)

    assert [True, True] == [wide.getvalue().count(name) == 2 for name in names]
    assert (False, True) == ("───" in wide.getvalue(), "───" in narrow.getvalue())


def test_plain_keeps_what_can_be_read() -> None:
    """Letters of any script stay; controls, breaks and bidi marks are written out."""
    assert "größer 日本 \\u202e\\x07" == plain("größer 日本 \u202e\x07")
