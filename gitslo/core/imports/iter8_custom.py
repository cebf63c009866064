"""Iter8's custom metrics: a provider's URL, parameters and jq expressions, where its rendered template is a file.

Read for `iter8`. Prometheus' own API becomes a Prometheus source; any other JSON API a REST source, where the jq
expression is no more than a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

from gitslo.core.imports.argo_web import jmespath_of
from gitslo.core.imports.draft import Draft
from gitslo.core.imports.measures import Query
from gitslo.core.imports.plantext import Block, Entry
from gitslo.core.imports.reading import Cell

__all__ = ["Custom", "read_provider"]

_PROMETHEUS = "/api/v1/query"
_PLACEHOLDER = re.compile(r"\{\{-?\s*\.([A-Za-z_][A-Za-z0-9_]*)\s*-?\}\}")
_PIPE = re.compile(r"\s*\|\s*(?:tonumber|tostring)\s*$")
_OURS = {"elapsedTimeSeconds": "${window}"}


@dataclass(frozen=True, slots=True)
class Custom:
    """How a custom metric is asked for."""

    query: Query
    prometheus: bool


def read_provider(draft: Draft, document: Cell) -> Iterator[tuple[str, Custom]]:
    """Iter8's name of each metric, e.g. `istio-prom/error-rate`, and how it is asked for.

    The name's first part is the file's, as the template's is in Iter8.
    """
    url, method = document.get("url"), document.text_of("method").upper() or "GET"
    metrics, headers = document.get("metrics"), document.get("headers")
    document.get("provider")
    if headers is not None:
        headers.take()
        draft.note(headers, "what a source is sent to say who asks is the operator's", "say it in `auth` of the source")
    provider = document.file.rpartition("/")[2].partition(".")[0]
    if url is None or metrics is None:
        return
    parts = urlsplit(url.text)
    for each in metrics.items():
        for key in ("description", "type", "units"):
            each.get(key)
        name = each.text_of("name")
        text = _asked(draft, each)
        if text is None:
            continue
        if parts.path.endswith(_PROMETHEUS):
            source = draft.source("prometheus", url, url.text.removesuffix(_PROMETHEUS))
            each.get("jqExpression")
            yield f"{provider}/{name}", Custom(Query(name, text, each, source), prometheus=True)
            continue
        custom = _rest(draft, each, method, url, text)
        if custom is not None:
            yield f"{provider}/{name}", custom


def _rest(draft: Draft, metric: Cell, method: str, url: Cell, text: str) -> Custom | None:
    parts, expression, body = urlsplit(url.text), metric.get("jqExpression"), metric.get("body")
    path = jmespath_of(_PIPE.sub("", expression.text).strip()) if expression is not None else None
    if path is None or method not in {"GET", "POST"} or not parts.netloc or "@" in parts.netloc:
        draft.leave_out(
            expression or metric, "this is more than a path in JSON; its metric is left out", "write it as JMESPath"
        )
        return None
    source = draft.source("rest", url, f"{parts.scheme}://{parts.netloc}", (parts.hostname or "rest").replace(".", "-"))
    asked = (parts.path or "/") + (f"?{text}" if text else "")
    request = [Entry(method.lower(), asked)]
    if body is not None and method == "POST":
        request.append(Entry("body", body.text))
    more = (Entry("request", Block(tuple(request))),)
    return Custom(Query(metric.text_of("name"), path, metric, source, more=more), prometheus=False)


def _asked(draft: Draft, metric: Cell) -> str | None:
    """The query's text, or the parameters of the request; None where a placeholder is not known."""
    params = metric.get("params")
    given = [(each.text_of("name"), each.get("value")) for each in params.items()] if params is not None else []
    missing: list[str] = []

    def replaced(match: re.Match[str]) -> str:
        value = draft.value(match[1]) or _OURS.get(match[1])
        if value is None:
            missing.append(match[1])
        return value or ""

    texts = {name: _PLACEHOLDER.sub(replaced, cell.text) for name, cell in given if cell is not None}
    for name in dict.fromkeys(missing):
        why = f"nothing says what `{name}` stands for, so the metric is left out"
        draft.leave_out(metric, why, f"say it with --set {name}=VALUE", what=f"`{metric.text_of('name')}`")
    if missing:
        return None
    return texts["query"] if "query" in texts else urlencode(texts, safe="${}") if texts else ""
