"""Values of options, parsed as the contracts parse them; what is wrong is told with the option's name."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import click

from gitslo.errors import Refused

__all__ = ["above_zero", "maybe", "not_empty", "parsed", "run_named"]

T = TypeVar("T")


def parsed(parse: Callable[[str], T], text: str, option: str) -> T:
    """The value."""
    try:
        return parse(text)
    except Refused as error:
        raise click.BadParameter(str(error), param_hint=option) from error


def maybe(parse: Callable[[str], T], text: str | None, option: str) -> T | None:
    """The value, or None where none was given."""
    return None if text is None else parsed(parse, text, option)


def above_zero(parse: Callable[[str], T], text: str, option: str) -> T:
    """The value, which is a number above zero."""
    number = parsed(parse, text, option)
    if number == 0:
        raise click.BadParameter(f"expected more than zero, found `{text}`", param_hint=option)
    return number


def not_empty(text: str, option: str) -> str:
    """The text. Blanks alone are what a pipeline gives for a variable that is not set."""
    if not text.strip():
        raise click.BadParameter("it is empty; is the variable set that should hold it?", param_hint=option)
    return text


def run_named(text: str) -> tuple[str, str | None]:
    """The environment and the run's number of `ENVIRONMENT#NUMBER`; None: its last run."""
    name, mark, number = text.partition("#")
    if not name or (mark and not number):
        raise click.BadParameter(f"expected ENVIRONMENT or ENVIRONMENT#NUMBER, found `{text}`", param_hint="the run")
    return name, number or None
