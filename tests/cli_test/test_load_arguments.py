"""What the flags of `gitslo load` come to: a job, its ceilings, and what is given to the target."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from gitslo.cli.load import load
from gitslo.cli.load_arguments import Asked, asked
from gitslo.cli.load_options import Flags
from gitslo.cli.root import cli
from gitslo.errors import Refused
from gitslo.model import (
    Abort,
    Arrivals,
    Call,
    Checks,
    Endpoint,
    Feeder,
    LoadStage,
    Phase,
    SchemaForm,
    SchemaSource,
    StageForm,
    Target,
    TargetScheme,
    TlsSettings,
    TlsVersion,
)
from gitslo.ports import Authorization, TlsMaterial

PEM = "-----BEGIN CERTIFICATE-----\n"


def typed(url: str, *arguments: str) -> Asked:
    """What `gitslo load` would do."""
    context = load.make_context("load", [url, *arguments], parent=click.Context(cli, **cli.context_settings))
    given = dict(context.params)
    return asked(given.pop("url"), Flags(**given))


def test_every_option_is_a_flag_and_every_flag_an_option() -> None:
    """Nothing is typed in vain."""
    assert {parameter.name for parameter in load.params} == {"url", *Flags.__dataclass_fields__}


@pytest.mark.parametrize(
    ("url", "target", "path"),
    [
        ("http://a.svc", Target("url", TargetScheme.HTTP, "a.svc", 80), "/"),
        ("https://A.svc/x?y=1", Target("url", TargetScheme.HTTP, "a.svc", 443, tls=True), "/x?y=1"),
        ("h2c://[::1]:81/", Target("url", TargetScheme.HTTP, "::1", 81, http2=True), "/"),
        ("h2://a.svc/", Target("url", TargetScheme.HTTP, "a.svc", 443, tls=True, http2=True), "/"),
    ],
)
def test_the_scheme_says_what_is_spoken(url: str, target: Target, path: str) -> None:
    """HTTP/1.1 or HTTP/2, in TLS or not; the port that goes without saying."""
    job = typed(url).job

    assert (target, path, (target.host, target.port)) == (job.target, job.section.endpoints[0].path, job.address)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("grpc://a.svc:9090/a.B/C", Target("url", TargetScheme.GRPC, "a.svc", 9090)),
        ("grpcs://a.svc/a.B/C", Target("url", TargetScheme.GRPC, "a.svc", 443, tls=True)),
    ],
)
def test_a_grpc_url_names_the_method(url: str, target: Target) -> None:
    """As the path of the call."""
    job = typed(url).job

    assert (target, (), (Call("url", "a.B/C"),)) == (job.target, job.section.endpoints, job.section.calls)


def test_the_schedule_is_what_the_flags_say() -> None:
    """A ramp and the warm-up come first and are not measured; ceilings are what was asked for."""
    order = typed(
        "http://a.svc", "--rate", "50/s", "--duration", "10s", "--ramp", "2s", "--warmup", "5s", "--poisson",
        "--seed", "7", "--workers", "2", "--connections", "300", "--max-in-flight", "9", "--timeout", "1s",
    )  # fmt: skip
    job, section = order.job, order.job.section

    assert (LoadStage(StageForm.RAMP, 50.0, 2.0), LoadStage(StageForm.HOLD, 50.0, 13.0)) == section.stages
    assert ((Phase.STEADY, 5.0, 15.0),) == job.judged
    assert (Arrivals.POISSON, 7, 2, 300, 9, 1.0, None, False) == (
        section.arrivals,
        job.seed,
        job.workers,
        section.connections,
        section.max_in_flight,
        section.timeout,
        job.count,
        job.closed,
    )
    assert (50.0, 15.0, 300) == (order.ceilings.rate, order.ceilings.duration, order.ceilings.connections)


@pytest.mark.parametrize(
    ("arguments", "seconds"),
    [
        (("--requests", "500", "--rate", "50/s"), 10.0),
        (("--requests", "500", "--rate", "50/s", "--duration", "3s"), 3.0),
        (("--requests", "500", "--closed"), 86400.0),
    ],
)
def test_a_count_ends_a_load(arguments: tuple[str, ...], seconds: float) -> None:
    """Together with a duration, whichever comes first."""
    job = typed("http://a.svc", *arguments).job

    assert (500, seconds) == (job.count, job.section.stages[-1].duration)


def test_a_closed_loop_has_connections() -> None:
    """Ten, where nothing is said: that many requests are under way."""
    job = typed("h2c://a.svc", "--closed", "--streams", "16").job

    assert (True, 10, 16) == (job.closed, job.section.connections, job.section.streams)


def test_a_request_is_what_the_flags_say(tmp_path: Path) -> None:
    """Headers, body and checks; rows from a file."""
    (tmp_path / "users.csv").write_text("id\n1\n")
    order = typed(
        "http://a.svc/${users.id}", "--header", "X-A: ${env.TENANT}", "--body", "a=${seq}", "--method", "put",
        "--expect", "200,404", "--check-contains", "ok", "--check-matches", "a+", "--check-json", "a == `1`",
        "--max-size", "1KiB", "--data", f"users={tmp_path / 'users.csv'}", "--env", "TENANT", "--gzip",
        "--redirects", "3", "--cookies", "--no-keep-alive", "--trace", "1%", "--connect-timeout", "1s",
        "--connection-age", "5s", "--abort-errors", "5%", "--abort-latency", "p99=2s",
    )  # fmt: skip
    section = order.job.section

    assert (
        Endpoint(
            "url",
            "PUT",
            "/${users.id}",
            (("X-A", "${env.TENANT}"),),
            b"a=${seq}",
            checks=Checks(("ok",), ("a+",), ("a == `1`",), max_size=1024),
            expect=frozenset({200, 404}),
        ),
    ) == section.endpoints
    assert (Feeder("users", ("id",), (("1",),)),) == section.data
    assert (True, 3, True, False, 0.01, 1.0, 5.0, Abort(0.05, (0.99, 2.0))) == (
        section.gzip,
        section.redirects,
        section.cookies,
        section.keep_alive,
        section.trace,
        section.connect_timeout,
        section.connection_age,
        section.abort,
    )


def test_headers_of_answers_are_checked_over_http_and_grpc() -> None:
    """A name asks for the header, a value for that value; both are for every protocol."""
    given = ("--check-header", "X-Cache: hit: fresh", "--check-header", "Etag")

    expected = Checks(headers=(("x-cache", "hit: fresh"), ("etag", None)))
    assert typed("http://a.svc", *given).job.section.endpoints[0].checks == expected
    assert typed("grpc://a.svc:1/a.B/C", *given).job.section.calls[0].checks == expected


def test_a_graphql_query_is_posted_and_its_errors_are_failures(tmp_path: Path) -> None:
    """The query and its variables as JSON; the answer is held against GraphQL's rule; a content type may be given."""
    (tmp_path / "q.graphql").write_text("query Q($id: ID!) { cart(id: $id) { total } }")
    order = typed(
        "http://a.svc/graphql", "--graphql", f"@{tmp_path / 'q.graphql'}", "--graphql-variables", '{"id": "${seq}"}'
    )
    named = typed("http://a.svc/", "--graphql", "{a}", "--header", "content-type: application/graphql-request+json")

    assert order.job.section.endpoints == (
        Endpoint(
            "url",
            "POST",
            "/graphql",
            (("Content-Type", "application/json"),),
            b'{"query":"query Q($id: ID!) { cart(id: $id) { total } }","variables":{"id":"${seq}"}}',
            checks=Checks(graphql=True),
        ),
    )
    assert named.job.section.endpoints[0].headers == (("content-type", "application/graphql-request+json"),)


def test_a_call_is_what_the_flags_say(tmp_path: Path) -> None:
    """Messages from the command line and from a file; sources with what they import."""
    (tmp_path / "acme").mkdir()
    (tmp_path / "a.proto").write_text('import "acme/b.proto";\nimport "google/protobuf/empty.proto";\n')
    (tmp_path / "acme" / "b.proto").write_text("b")
    (tmp_path / "message.json").write_text('{"a": [1]}\n')
    job = typed(
        "grpc://a.svc:1/a.B/C", "--message", '{"a": "${seq}"}', "--message", f"@{tmp_path / 'message.json'}",
        "--schema", str(tmp_path / "a.proto"), "--metadata", "X-A: b", "--deadline", "1s", "--repeat", "2",
        "--interval", "5ms", "--expect", "OK,NOT_FOUND", "--check-json", "a", "--gzip",
    ).job  # fmt: skip

    assert (
        Call(
            "url",
            "a.B/C",
            ('{"a":"${seq}"}', '{"a":[1]}'),
            (("x-a", "b"),),
            SchemaSource(
                SchemaForm.PROTO,
                (
                    ("a.proto", (tmp_path / "a.proto").read_bytes()),
                    ("acme/b.proto", b"b"),
                ),
            ),
            1.0,
            2,
            0.005,
            gzip=True,
            checks=Checks(json=("a",)),
            expect=frozenset({"OK", "NOT_FOUND"}),
        ),
    ) == job.section.calls


def test_where_and_who_are_what_the_flags_say(tmp_path: Path) -> None:
    """TLS material, an identity for this host, another address and authority."""
    for name in ("ca", "cert", "key"):
        (tmp_path / name).write_text(PEM + name)
    (tmp_path / "token").write_text("abc\n")
    order = typed(
        "https://a.svc", "--ca", str(tmp_path / "ca"), "--cert", str(tmp_path / "cert"), "--key", str(tmp_path / "key"),
        "--server-name", "b.svc", "--min-tls", "1.3", "--resolve", "127.0.0.1:81", "--authority", "c.svc:82",
        "--bearer", f"file:{tmp_path / 'token'}",
    )  # fmt: skip
    target = order.job.target

    assert (TlsSettings("ca", "own", "b.svc", TlsVersion.TLS_1_3), ("127.0.0.1", 81), "c.svc:82") == (
        target.settings,
        target.resolve,
        target.authority,
    )
    assert (
        TlsMaterial((PEM + "ca").encode(), (PEM + "cert").encode(), (PEM + "key").encode()),
        Authorization("Bearer abc", 60.0),
    ) == (order.access.tls(target), order.access.authorize(target))


def test_basic_and_client_credentials(tmp_path: Path) -> None:
    """The secret is in a file or a variable; the credentials' file says what the operator's file would."""
    (tmp_path / "password").write_text("b")
    (tmp_path / "oauth2.yaml").write_text(
        "{token_url: 'https://id.svc/token', client_id: a, client_secret: {file: /nowhere}, scope: x}"
    )
    basic = typed("http://a.svc", "--basic", f"me:file:{tmp_path / 'password'}")
    oauth2 = typed("http://a.svc", "--oauth2", str(tmp_path / "oauth2.yaml"))

    assert Authorization("Basic bWU6Yg==", 60.0) == basic.access.authorize(basic.job.target)
    with pytest.raises(Refused, match="/nowhere"):
        oauth2.access.authorize(oauth2.job.target)


HTTP, GRPC = "http://a.svc", "grpc://a.svc:1/a.B/C"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((HTTP, "--message", "{}"), "--message is for gRPC"),
        ((HTTP, "--deadline", "1s"), "--deadline is for gRPC"),
        ((HTTP, "--streams", "2"), "--streams is for HTTP/2 and gRPC"),
        ((GRPC, "--body", "x"), "--body is for HTTP"),
        ((GRPC, "--check-contains", "x"), "--check-contains is for HTTP"),
        (("h2c://a.svc", "--cookies"), "--cookies is for HTTP/1.1"),
        ((HTTP, "--closed", "--rate", "5/s"), "--rate is for the open loop"),
        ((HTTP, "--seed", "5"), "--seed is for --poisson"),
        ((HTTP, "--ca", "x"), "--ca is for TLS"),
        (("https://a.svc", "--cert", "x"), "--cert and --key go together"),
        (("https://a.svc", "--insecure", "--ca", "x"), "--insecure verifies nothing"),
        (("https://a.svc", "--ca", "/nowhere"), "there is no file `/nowhere`"),
        ((HTTP, "--unix", "/x", "--resolve", "a:1"), "--unix and --resolve exclude each other"),
        ((HTTP, "--bearer", "hunter2"), "expected env:NAME or file:PATH"),
        ((HTTP, "--basic", "me:hunter2"), "expected env:NAME or file:PATH"),
        ((HTTP, "--bearer", "env:A", "--basic", "a:env:B"), "--bearer and --basic exclude each other"),
        ((HTTP, "--bearer", "env:A", "--header", "authorization: b"), "exclude each other"),
        ((HTTP, "--oauth2", "/nowhere"), "/nowhere: cannot be read"),
        (("http://a.svc/${x}",), "there is no variable `x`"),
        ((HTTP, "--header", "A: ${env.B}"), "the operator allows no environment variable `B`"),
        ((HTTP, "--check-header", "a b"), "is not of the form 'NAME' or 'NAME: VALUE'"),
        ((HTTP, "--graphql", "{a}", "--body", "x"), "--graphql and --body exclude each other"),
        ((HTTP, "--graphql", "{a}", "--method", "GET"), "--graphql is sent with POST"),
        ((HTTP, "--graphql", " "), "there is no query"),
        ((HTTP, "--graphql-variables", "{}"), "--graphql-variables is for --graphql"),
        ((HTTP, "--graphql", "{a}", "--graphql-variables", "[]"), "`[]` is no JSON object"),
        ((GRPC, "--graphql", "{a}"), "--graphql is for HTTP"),
        ((HTTP, "--data", "a.csv"), "expected NAME=FILE"),
        ((HTTP, "--data", "env=a.csv"), "expected NAME=FILE"),
        ((HTTP, "--data", "a=b.txt"), "expected a .csv or a .jsonl file"),
        ((HTTP, "--env", "A B"), "expected an environment variable's name"),
        ((HTTP, "--trace", "1"), "did you mean `1%`?"),
        ((HTTP, "--abort-latency", "2s"), "expected pNN=DURATION"),
        ((HTTP, "--check-json", "a =="), "is no JMESPath expression"),
        ((HTTP, "--check-matches", "("), "is no regular expression"),
        (("grpc://a.svc:1/",), "`/` is no gRPC method"),
        (("grpc://a.svc/a.B/C",), "has no port"),
        ((GRPC, "--message", "[1]"), "`[1]` is no JSON object"),
        ((GRPC, "--expect", "200"), "no list of gRPC statuses"),
        ((GRPC, "--metadata", "grpc-timeout: 1s"), "is the load engine's own"),
        ((GRPC, "--schema", "/nowhere.proto"), "No such file"),
    ],
)
def test_what_cannot_be_is_refused(arguments: tuple[str, ...], said: str) -> None:
    """Before anything is sent, in one sentence, without a secret in it."""
    with pytest.raises((Refused, click.UsageError)) as error:
        typed(*arguments)
    message = error.value.format_message() if isinstance(error.value, click.UsageError) else str(error.value)

    assert (True, False) == (said in message, "hunter2" in message)
