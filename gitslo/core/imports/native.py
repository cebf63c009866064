"""Queries of other sources than Prometheus, as gitslo's presets want them: without what the preset adds itself.

Called by `argo`, `flagger` and `openslo_sources`. What a preset expects stands in its file in `gitslo/presets`.
"""

from __future__ import annotations

import re

from gitslo.core.imports.draft import Draft
from gitslo.core.imports.reading import Cell

__all__ = ["native_query"]

_FLUX = re.compile(
    r"from\s*\(\s*bucket:\s*\"([^\"]*)\"\s*\)\s*\|>\s*range\s*\([^()]*(?:\([^()]*\)[^()]*)*\)\s*", re.DOTALL
)
_NRQL = re.compile(
    r"\s+(?:SINCE|UNTIL)\s+.*?(?=\s+(?:SINCE|UNTIL|LIMIT|FACET|TIMESERIES|COMPARE|WHERE|WITH)\b|\s*\Z)",
    re.IGNORECASE | re.DOTALL,
)
_SEVERAL = re.compile(r"\b(?:FACET|TIMESERIES|COMPARE\s+WITH)\b", re.IGNORECASE)
_SUMMARIZED = re.compile(r"&(?:from|until|format)=[^&\s]*")


def native_query(draft: Draft, kind: str, text: str, at: Cell, *, number: bool = True) -> str | None:
    """The query for the preset of its kind; None where the preset has no such query, which is told.

    Args:
        draft: what is told of it.
        kind: the preset.
        text: as another tool has it.
        at: where it stands.
        number: its answer is a number of its own, and not a count of events.
    """
    text = text.strip()
    match kind:
        case "influxdb":
            return _flux(draft, text, at)
        case "newrelic":
            return _nrql(draft, text, at)
        case "graphite":
            return _SUMMARIZED.sub("", text.removeprefix("target=")).strip()
        case "cloudwatch" if text.startswith(("[", "{")):
            why = "it is a list of queries, and a source with `preset: cloudwatch` asks one expression; it is left out"
            draft.leave_out(at, why, "write the expression")
            return None
        case "elasticsearch" | "opensearch" if number:
            why = f"a query of {kind} counts documents here, and has no number of its own; it is left out"
            draft.leave_out(at, why, "give the bad ones and all of them as `ratio`")
            return None
        case _:
            return text


def _flux(draft: Draft, text: str, at: Cell) -> str | None:
    match = _FLUX.match(text)
    if match is None:
        why = "this Flux does not begin with `from` and `range`, which the source adds itself; it is left out"
        draft.leave_out(at, why, "write what follows them as `gauge`")
        return None
    why = f"the source asks the bucket `{match[1]}` over each window, so `from` and `range` are taken off"
    draft.note(at, why, "see that what is left comes to one number", what="`from(bucket: ...) |> range(...)`")
    return text[match.end() :]


def _nrql(draft: Draft, text: str, at: Cell) -> str | None:
    if _SEVERAL.search(text):
        draft.leave_out(at, "this NRQL comes to several numbers; it is left out", "write it so that it comes to one")
        return None
    bare = _NRQL.sub("", text)
    if bare != text:
        draft.note(at, "the source says SINCE and UNTIL for each window, so they are taken off", "nothing to do")
    return bare
