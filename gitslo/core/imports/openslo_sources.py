"""Where OpenSLO's metrics come from: DataSources and the free fields of a `metricSource`. Read for `openslo`."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from gitslo.core.imports.draft import Draft, plan_name
from gitslo.core.imports.native import native_query
from gitslo.core.imports.reading import Cell

__all__ = ["Measure", "Sources", "read_measure"]

_PROMETHEUS = frozenset({"prometheus", "promql", "mimir", "thanos", "cortex", "victoriametrics", "amazonprometheus"})
_PRESETS = {
    "influxdb": "influxdb", "graphite": "graphite", "elasticsearch": "elasticsearch", "opensearch": "opensearch",
    "loki": "loki", "grafanaloki": "loki", "datadog": "datadog", "newrelic": "newrelic", "cloudwatch": "cloudwatch",
}  # fmt: skip
_SQL = frozenset(
    {"sql", "postgres", "postgresql", "mysql", "mariadb", "sqlite", "redshift", "mssql", "oracle", "snowflake"}
)
_PERIOD = {"date_from": ":start", "date_to": ":end"}
"""What the specification's own SQL example calls a window's ends -> what a plan binds."""
_QUERIES = ("query", "promql", "promQl", "expr", "queryString", "nrql")


@dataclass(frozen=True, slots=True)
class Measure:
    """A query.

    Attributes:
        kind: what answers it, e.g. `prometheus`.
        source: its name in the plan.
        text: with the plan's variables.
        cell: where it stands.
    """

    kind: str
    source: str
    text: str
    cell: Cell


@dataclass(frozen=True, slots=True)
class Sources:
    """The DataSources of the files by name."""

    draft: Draft
    documents: dict[str, Cell] = field(default_factory=dict)


def read_measure(sources: Sources, cell: Cell, *, number: bool = True) -> Measure | None:
    """The query in a `metricSource` (or, of v1alpha, beside `source`); None where there is none, which is told.

    `number`: its answer is a number of its own, and not a count of events.
    """
    draft = sources.draft
    holder = cell.get("metricSource") or cell
    reference = holder.first("metricSourceRef", "source")
    spec = holder.get("spec") or holder
    holder.get("queryType")
    document = sources.documents.get(reference.text) if reference is not None else None
    said = holder.get("type") or (document.get("spec", "type") if document is not None else None) or reference
    if said is None:
        draft.leave_out(cell, "it has no type and refers to no DataSource in the files", "say `type: Prometheus`")
        return None
    kind = re.sub(r"[^a-z0-9]", "", said.text.lower())
    kind = "prometheus" if kind in _PROMETHEUS or kind == "sloth" else _PRESETS.get(kind, kind)
    kind = "sql" if kind in _SQL else kind
    query = spec.first(*_QUERIES)
    if kind not in {"prometheus", "sql"} and kind not in _PRESETS.values() and kind not in draft.options.sources:
        spec.take()
        why = f"`{said.text}` is no kind of source that gitslo has"
        draft.leave_out(
            said, f"{why}, so its queries cannot be asked", f"name one with --source {plan_name(kind, 'kind')}=NAME"
        )
        return None
    if query is None:
        draft.leave_out(cell, "there is no query in it", f"e.g. `{_QUERIES[0]}: ...`")
        return None
    url = _url(document)
    if document is not None:
        document.take()
    default = reference.text if reference is not None and document is not None else ""
    name = draft.source(kind, said, url, default)
    text = re.sub(r"\{\{-?\s*\.window\s*-?\}\}", "${window}s", query.text.replace("${", "$${"))
    if kind == "sql":
        text = re.sub(r":(date_from|date_to)\b", lambda match: _PERIOD[match[1]], text)
        spec.take()
        draft.note(query, "what else the source says of the database is the operator's", "see `sql` in `sources`")
    if kind in _PRESETS.values():
        native = native_query(draft, kind, text, query, number=number)
        return None if native is None else Measure(kind, name, native, query)
    return Measure(kind, name, text, query)


def _url(document: Cell | None) -> str:
    """Where a DataSource is; what else its details hold is secret, or the operator's."""
    if document is None:
        return ""
    details = document.get("spec", "connectionDetails")
    if details is None:
        return ""
    details.take()
    document.text_of("spec", "description")
    found = details.first("url", "address", "endpoint", "baseURL", "serverAddress")
    return (
        found.text
        if found is not None and found.text.startswith(("http://", "https://")) and "@" not in found.text
        else ""
    )
