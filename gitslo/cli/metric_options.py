"""What `gitslo test` is told of metrics: where they come from, and what their queries' variables stand for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gitslo.core.query_text import FACTS

if TYPE_CHECKING:
    from gitslo.ports import MetricSource

__all__ = ["facts_of", "sources_in"]

_LONGEST = 256


def facts_of(texts: Sequence[str], option: str) -> dict[str, str]:
    """`NAME=VALUE` for the names that a daemon knows of a run by itself."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in FACTS:
            names = ", ".join(FACTS)
            raise click.BadParameter(f"expected NAME=VALUE, with a name of {names}", param_hint=option)
        if name in found:
            raise click.BadParameter(f"`{name}` is given twice", param_hint=option)
        if not value or len(value) > _LONGEST or not value.isprintable():
            raise click.BadParameter(f"`{name}` needs a value of at most {_LONGEST} letters", param_hint=option)
        found[name] = value
    return found


def sources_in(path: Path | None) -> Mapping[str, MetricSource]:
    """All sources of a file that holds `sources` as the operator's file does; whoever types the command allows them.

    Raises:
        Refused: it cannot be read, or is wrong.
    """
    from gitslo.config import load_sources
    from gitslo.model import Allowed
    from gitslo.wiring_run import metric_sources

    if path is None:
        return {}
    configured, certificates = load_sources(path)
    return metric_sources(configured, Allowed(sources=("*",)), certificates)
