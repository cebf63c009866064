"""Argo Rollouts' web provider: a request and a JSON path -> a metric of a REST source. Called by `argo`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from urllib.parse import urlsplit

from gitslo.core.imports.conditions import Test
from gitslo.core.imports.draft import Draft
from gitslo.core.imports.measures import Bound, Query, add_gauge
from gitslo.core.imports.plantext import Block, Entry
from gitslo.core.imports.reading import Cell

__all__ = ["jmespath_of", "web_measure"]

_PATH = re.compile(r"\{?\s*\$?((?:\.?[A-Za-z_][A-Za-z0-9_]*|\.?\['[^']+'\]|\[[0-9]+\])*)\s*\}?")
_PART = re.compile(r"\.?([A-Za-z_][A-Za-z0-9_]*)|\.?\['([^']+)'\]|\[([0-9]+)\]")


def jmespath_of(jsonpath: str, field: str = "") -> str | None:
    """A plain JSON path of Kubernetes, e.g. `{$.data.ok}`, as JMESPath; None where it is more than a path."""
    match = _PATH.fullmatch(jsonpath.strip())
    if match is None:
        return None
    found = ""
    for name, quoted, index in _PART.findall(match[1]):
        if index:
            found += f"[{index}]"
        else:
            found += ("." if found else "") + (name or json.dumps(quoted))
    for name in field.split(".") if field else ():
        found += ("." if found else "") + name
    return found or "@"


def web_measure(
    draft: Draft,
    base: Query,
    form: Cell,
    condition: tuple[Test, ...],
    filled: Callable[[Cell], str | None],
    secrets: frozenset[str],
) -> None:
    """Add a metric of a REST source for each test of the condition."""
    url, path, method = form.get("url"), form.get("jsonPath"), form.text_of("method").upper() or "GET"
    for key in ("insecure", "authentication", "timeoutSeconds"):
        found = form.get(key)
        if found is not None:
            found.take()
            draft.note(
                found, "how a source is reached is the operator's to say", "see `sources` of the operator's file"
            )
    address = filled(url) if url is not None else None
    if url is None or address is None:
        form.take()
        return
    parts = urlsplit(address)
    if method not in {"GET", "POST"} or not parts.netloc or "@" in parts.netloc:
        form.take()
        draft.leave_out(form, f"a {method} request cannot be carried over: metric `{base.name}` is left out")
        return
    source = draft.source("rest", url, f"{parts.scheme}://{parts.netloc}", (parts.hostname or "rest").replace(".", "-"))
    asked = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request: list[Entry] = [Entry(method.lower(), asked)]
    headers = _headers(draft, form, filled, secrets)
    if headers:
        request.append(Entry("headers", Block(tuple(headers))))
    body, data = form.get("body"), form.get("jsonBody")
    text = filled(body) if body is not None else None if data is None else json.dumps(data.take())
    if text is not None and method == "POST":
        request.append(Entry("body", text))
    for test in condition:
        where = jmespath_of("" if path is None else path.text, test.field)
        if where is None:
            draft.note(path or form, "this JSON path is more than a path", "write it as JMESPath")
            continue
        more = (Entry("request", Block(tuple(request))),)
        if test.kind == "is":
            same = f"{where} == {test.word if test.word.startswith(chr(39)) else f'`{test.word}`'}"
            query = Query(base.name, f"({same}) && `1` || `0`", form, source, base.every, base.report, more)
            name = add_gauge(draft, query, Bound("==", Decimal(1 if test.operator == "==" else 0)))
            draft.note(form, "true is 1 here, and false is 0", "nothing is lost", what=f"`{name}`")
        else:
            query = Query(base.name, where, form, source, base.every, base.report, more)
            add_gauge(draft, query, Bound(test.operator, test.value))


def _headers(draft: Draft, form: Cell, filled: Callable[[Cell], str | None], secrets: frozenset[str]) -> list[Entry]:
    found: list[Entry] = []
    headers = form.get("headers")
    for each in headers.items() if headers is not None else ():
        key, value = each.text_of("key"), each.get("value")
        if value is None:
            continue
        if key.lower() == "authorization" or any(f"args.{name}" in value.text for name in secrets):
            why = "a credential is the operator's, so the header is left out"
            draft.note(value, why, "say it in `auth` of the source", what=f"header `{key}`")
            continue
        text = filled(value)
        if text is not None:
            found.append(Entry(key, text))
    return found
