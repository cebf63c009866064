"""What a command tells while it works: live on a terminal, plain lines in a log, or log lines for machines."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from gitslo.cli.style import colour_on, is_terminal, width
from gitslo.observers.live import LiveObserver
from gitslo.observers.log import LogForm, LogObserver
from gitslo.observers.redaction import Redactor
from gitslo.ports import Observer

__all__ = ["FORMS", "observer"]

FORMS = ("live", *(form.value for form in LogForm))
"""The choices of `--log`; `live` draws on a terminal and writes plain lines elsewhere."""


@contextmanager
def observer(form: str, secrets: Sequence[str]) -> Iterator[Observer]:
    """An observer on standard error, written out and closed at the end."""
    redactor = Redactor(secrets)
    made: LiveObserver | LogObserver
    if form == "live":
        on_terminal = is_terminal(sys.stderr)
        made = LiveObserver(sys.stderr, redactor, in_place=on_terminal, colour=colour_on(sys.stderr), width=width)
    else:
        made = LogObserver(sys.stderr, LogForm(form), redactor)
    try:
        yield made
    finally:
        made.close()
