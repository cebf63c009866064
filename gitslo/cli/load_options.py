"""The options of `gitslo load`, by group, and what was given as one value.

`load` decorates its command with `options`; `load_arguments` makes a job of `Flags`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import click

from gitslo.cli.grouped import GroupedOption

__all__ = ["Flags", "options"]


@dataclass(frozen=True, slots=True)
class Flags:
    """What was typed, unparsed; None, empty or False where nothing was. Names are those of the options."""

    rate: str | None
    duration: str | None
    requests: int | None
    ramp: str | None
    poisson: bool
    seed: int
    warmup: str
    closed: bool
    connections: int | None
    streams: int | None
    max_in_flight: int | None
    workers: int | None
    engine: str | None
    timeout: str
    connect_timeout: str | None
    connection_age: str | None
    no_keep_alive: bool
    max_bytes: str
    method: str | None
    headers: tuple[str, ...]
    body: str | None
    graphql: str | None
    graphql_variables: str | None
    gzip: bool
    redirects: int
    cookies: bool
    message: tuple[str, ...]
    schema: str | None
    metadata: tuple[str, ...]
    deadline: str | None
    repeat: int | None
    interval: str | None
    expect: str | None
    check_contains: tuple[str, ...]
    check_matches: tuple[str, ...]
    check_json: tuple[str, ...]
    check_header: tuple[str, ...]
    max_size: str | None
    authority: str | None
    resolve: str | None
    unix: str | None
    ca: str | None
    cert: str | None
    key: str | None
    server_name: str | None
    min_tls: str | None
    insecure: bool
    bearer: str | None
    basic: str | None
    oauth2: str | None
    data: tuple[str, ...]
    env: tuple[str, ...]
    trace: str | None
    abort_errors: str | None
    abort_latency: str | None
    as_json: bool
    hlog: str | None
    openmetrics: str | None


Command = Callable[..., Any]
_Option = Callable[[Command], Command]


def options(command: Command) -> Command:
    """Give a command all of them."""
    for each in reversed((*_SCHEDULE, *_CONNECTIONS, *_HTTP, *_GRPC, *_GOOD, *_WHERE, *_WHO, *_VALUES, *_END)):
        command = each(command)
    return command


def _group(name: str) -> Callable[..., _Option]:
    return partial(click.option, cls=GroupedOption, group=name)


_AT_LEAST_ONE = click.IntRange(1)

_of = _group("Schedule")
_SCHEDULE: tuple[_Option, ...] = (
    _of("--rate", metavar="RATE", help="Requests per second, kept whatever the target does.  [default: 100/s]"),
    _of("--closed", is_flag=True, help="No rate: each connection sends as soon as it has been answered."),
    _of("--duration", metavar="DURATION", help="How long is measured.  [default: 10s]"),
    _of(
        "--requests", type=_AT_LEAST_ONE, metavar="N", help="End after so many, those before the measurement included."
    ),
    _of("--warmup", metavar="DURATION", default="0s", show_default=True, help="Sent before, and not measured."),
    _of("--ramp", metavar="DURATION", help="Rise to the rate over this time before, not measured."),
    _of("--poisson", is_flag=True, help="Arrivals at random, as of independent users, instead of evenly."),
    _of("--seed", type=int, default=0, show_default=True, help="Of --poisson."),
)
_of = _group("Connections")
_CONNECTIONS: tuple[_Option, ...] = (
    _of("--connections", type=_AT_LEAST_ONE, metavar="N", help="The most open at once."),
    _of("--streams", type=_AT_LEAST_ONE, metavar="N", help="HTTP/2: requests at once on each.  [default: 100]"),
    _of("--max-in-flight", type=_AT_LEAST_ONE, metavar="N", help="What cannot be sent beyond has failed."),
    _of(
        "--workers",
        type=_AT_LEAST_ONE,
        metavar="N",
        help="Processes.  [default: by the rate, at most one per processor; 1 with --closed]",
    ),
    _of("--engine", metavar="k6|fortio", help="A program of this machine sends it instead of gitslo."),
    _of("--timeout", metavar="DURATION", default="2s", show_default=True, help="From the moment a request was due."),
    _of("--connect-timeout", metavar="DURATION", help="For one connection, TLS included.  [default: --timeout]"),
    _of("--connection-age", metavar="DURATION", help="No connection is used for longer."),
    _of("--no-keep-alive", is_flag=True, help="HTTP/1.1: a new connection for each request."),
    _of(
        "--max-bytes", metavar="SIZE", default="2GiB", show_default=True, help="End when so much was sent and received."
    ),
)
_of = _group("HTTP requests")
_HTTP: tuple[_Option, ...] = (
    _of("--method", help="GET, or POST with a body."),
    _of("--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="Sent as given; may be repeated."),
    _of("--body", metavar="TEXT|@FILE", help="Of a POST where no method is given."),
    _of("--graphql", metavar="QUERY|@FILE", help="POST a GraphQL query; an answer with `errors` has failed."),
    _of("--graphql-variables", metavar="JSON|@FILE", help="Its variables, a JSON object."),
    _of("--redirects", type=click.IntRange(0, 100), default=0, metavar="N", help="Follow so many on the same host."),
    _of("--cookies", is_flag=True, help="HTTP/1.1: each connection keeps its cookies."),
    _of("--gzip", is_flag=True, help="Answers may come compressed; gRPC messages are sent so."),
)
_of = _group("gRPC calls")
_GRPC: tuple[_Option, ...] = (
    _of("--message", multiple=True, metavar="JSON|@FILE", help="The request message; repeat it for a client stream."),
    _of(
        "--schema",
        metavar="reflection|FILE",
        help="Where the types come from: the target, a .protoset, or a .proto with what it imports beside it."
        "  [default: reflection]",
    ),
    _of("--metadata", multiple=True, metavar="'NAME: VALUE'", help="May be repeated."),
    _of("--deadline", metavar="DURATION", help="What the server is told.  [default: --timeout]"),
    _of("--repeat", type=_AT_LEAST_ONE, metavar="N", help="How often a client stream sends its messages."),
    _of("--interval", metavar="DURATION", help="Between two messages of a client stream."),
)
_of = _group("Good answers")
_GOOD: tuple[_Option, ...] = (
    _of("--expect", metavar="LIST", help="Statuses, e.g. 200,204 or OK,NOT_FOUND.  [default: 200 to 399; OK]"),
    _of("--check-contains", multiple=True, metavar="TEXT", help="HTTP: the body has it; may be repeated."),
    _of("--check-matches", multiple=True, metavar="REGEX", help="HTTP: it is found in the body; may be repeated."),
    _of("--check-json", multiple=True, metavar="JMESPATH", help="True of the answer as JSON; may be repeated."),
    _of(
        "--check-header",
        multiple=True,
        metavar="'NAME[: VALUE]'",
        help="The answer has it, with this value where one is given; may be repeated.",
    ),
    _of("--max-size", metavar="SIZE", help="No larger body, e.g. 64KiB."),
)
_of = _group("Where to")
_WHERE: tuple[_Option, ...] = (
    _of("--resolve", metavar="HOST:PORT", help="Connect there instead."),
    _of("--unix", metavar="PATH", help="Connect to this socket instead."),
    _of("--authority", metavar="HOST[:PORT]", help="What Host or :authority says instead."),
    _of("--ca", metavar="FILE", help="TLS: PEM authorities instead of the system's."),
    _of("--cert", metavar="FILE", help="TLS: PEM certificate to show, with --key."),
    _of("--key", metavar="FILE", help="TLS: its PEM key."),
    _of("--server-name", metavar="HOST", help="TLS: the name to ask for and to verify."),
    _of("--min-tls", type=click.Choice(["1.2", "1.3"]), help="TLS: the oldest version.  [default: 1.2]"),
    _of("--insecure", is_flag=True, help="TLS: do not verify the certificate."),
)
_of = _group("Who we are")
_WHO: tuple[_Option, ...] = (
    _of("--bearer", metavar="env:NAME|file:PATH", help="A bearer token."),
    _of("--basic", metavar="USER:env:NAME|USER:file:PATH", help="A name and a password."),
    _of("--oauth2", metavar="FILE", help="Client credentials: YAML as `oauth2` in the operator's file."),
)
_of = _group("Values")
_VALUES: tuple[_Option, ...] = (
    _of("--data", multiple=True, metavar="NAME=FILE", help="Rows (.csv, .jsonl) for ${NAME.COLUMN}; may be repeated."),
    _of("--env", multiple=True, metavar="NAME", help="An environment variable for ${env.NAME}; may be repeated."),
    _of("--trace", metavar="SHARE", help="The share of requests with a sampled traceparent, e.g. 1%."),
)
_of = _group("End and result")
_END: tuple[_Option, ...] = (
    _of("--abort-errors", metavar="SHARE|off", help="Stop when more fail over ten seconds.  [default: 90%]"),
    _of("--abort-latency", metavar="pNN=DURATION", help="Stop when it is above that over ten seconds."),
    _of("--json", "as_json", is_flag=True, help="The result as JSON, times in seconds."),
    _of("--hlog", metavar="FILE", help="Write the latencies of each second as an HdrHistogram log."),
    _of("--openmetrics", metavar="FILE", help="Write the result as OpenMetrics text."),
)
