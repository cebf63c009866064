"""Servers of the operator's file: who we are to them, what they may cost, and what never leaves."""

from __future__ import annotations

import base64
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from gitslo.config import parse_sources_file
from gitslo.errors import Refused, Retry
from gitslo.model import Allowed, MetricForm, MetricRequest, MetricSection
from gitslo.ports import MetricAnswer, MetricQuestion
from gitslo.wiring_run import metric_sources
from tests.authority import Authority
from tests.metrics.lying_server import Answer, lying_server
from tests.metrics.worlds import source_of
from tests.run.token_endpoint import token_endpoint

WINDOWS = ((1_700_000_000.0, 1_700_000_060.0), (1_700_000_060.0, 1_700_000_120.0))
CANARY = "canary-4f1c9e"


def question(path: str = "/n", **variables: str) -> MetricQuestion:
    section = MetricSection("m", "it", MetricForm.GAUGE, {"value": "n"}, request=MetricRequest("GET", path))
    return MetricQuestion(section, WINDOWS, variables=variables)


def one(_: object) -> Answer:
    return Answer(200, b'{"n": 1}')


def rest(server, more: str = "", path: str = "/n") -> MetricAnswer:
    comma = ", " if more else ""
    return source_of(f"sources: {{it: {{rest: '{server.url}/v1'{comma}{more}}}}}").measure(question(path))


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(f"{CANARY}\n", encoding="utf-8")
    return file


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [
        ("{bearer: {file: SECRET}}", "authorization", f"Bearer {CANARY}"),
        (
            "{basic: {username: me, password: {file: SECRET}}}",
            "authorization",
            f"Basic {base64.b64encode(f'me:{CANARY}'.encode()).decode()}",
        ),
        ("{header: {name: X-Api-Key, value: {file: SECRET}}}", "x-api-key", CANARY),
    ],
)
def test_we_are_who_the_operator_says(auth: str, header: str, value: str, secret: Path) -> None:
    """With every request; a secret that has changed is taken up with the next."""
    with lying_server(one) as server:
        text = f"sources: {{it: {{rest: '{server.url}', auth: {auth.replace('SECRET', str(secret))}}}}}"
        source = source_of(text)
        source.measure(question())
        secret.write_text("another", encoding="utf-8")
        source.measure(question())

    assert [value] * 2 == [asked.headers[header] for asked in server.asked[:2]]
    assert value != server.asked[-1].headers[header]


def test_a_token_is_asked_for_once(secret: Path) -> None:
    """OAuth2: one token serves the questions that it lives for."""
    with token_endpoint() as endpoint, lying_server(one) as server:
        client = f"{{token_url: '{endpoint.url}', client_id: me, client_secret: {{file: {secret}}}}}"
        rest(server, f"auth: {{oauth2: {client}}}")

    assert (["Bearer abc.def"] * 2, 1) == (
        [each.headers["authorization"] for each in server.asked],
        len(endpoint.asked),
    )


@pytest.mark.parametrize("status", [200, 400, 401, 503])
def test_a_secret_that_a_server_repeats_is_struck_out(status: int, secret: Path) -> None:
    """In errors and in values, the whole header and its parts."""

    def echo(asked) -> Answer:
        told = asked.headers["authorization"]
        return Answer(status, json.dumps({"error": f"no entry for {told}", "n": told.partition(" ")[2]}).encode())

    with lying_server(echo) as server:
        try:
            said = str(rest(server, f"auth: {{bearer: {{file: {secret}}}}}"))
        except (Refused, Retry) as error:
            said = f"{error} {error.__cause__}"

    assert (False, True) == (CANARY in said, "it" in said or "n" in said)


@pytest.mark.parametrize(
    "path", ["/../admin", "/%2e%2E/admin", "/a/..", "/./x", "/a b", "/a/../../x?y=1", "/é", "//..//x"]
)
def test_a_path_stays_below_the_url(path: str) -> None:
    """What could be read as another path is refused, and nothing is sent."""
    with lying_server(one) as server, pytest.raises(Refused, match="no path below the URL"):
        rest(server, path=path)

    assert [] == server.asked


def test_a_variables_value_is_no_path() -> None:
    """Blanks and other signs in it are escaped."""
    with lying_server(one) as server:
        source_of(f"sources: {{it: {{rest: '{server.url}/v1'}}}}").measure(
            question("/n?e=${environment}", environment="a b#c")
        )

    assert {"/v1/n?e=a%20b%23c"} == {asked.path for asked in server.asked}


def test_the_cap_is_for_all_answers_together() -> None:
    """Two answers of six hundred bytes are more than a kibibyte: the first one is kept."""
    with lying_server(lambda _: Answer(200, b'{"n": 1}' + b" " * 600)) as server:
        found = rest(server, "cap: 1KiB")

    assert ((1.0, None), True) == (found.values, "more than the 1KiB of its `cap`" in found.notes[0])


def test_a_host_that_does_not_answer_is_named() -> None:
    """By the source's name, with the reason."""
    with lying_server(one) as server:
        url = server.url
    with pytest.raises(Retry, match=r"the source `it`: no connection to 127\.0\.0\.1:\d+: Connection refused"):
        source_of(f"sources: {{it: {{rest: '{url}'}}}}").measure(question())


def test_a_secret_that_no_header_may_have_is_refused(secret: Path) -> None:
    """A line break in it would be another header."""
    secret.write_text("one\ntwo", encoding="utf-8")
    with lying_server(one) as server, pytest.raises(Refused) as caught:
        rest(server, f"auth: {{header: {{name: X, value: {{file: {secret}}}}}}}")

    assert ("two" in str(caught.value), server.asked) == (False, [])


# --------------------------------------------------------------------------- TLS


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority.create(tmp_path_factory.mktemp("tls") / "authority")


@pytest.fixture
def tls_server(authority: Authority):
    """One that wants to see a certificate of the same authority."""
    certificate, key = authority.sign("IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority.certificates)
    context.verify_mode = ssl.CERT_OPTIONAL

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown = 1 if self.connection.getpeercert() else 0
            body = json.dumps({"n": shown}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # handshakes that fail are what is tested
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}", certificate, key
    server.shutdown()
    thread.join()
    server.server_close()


def test_tls_is_as_the_operator_says(tls_server, authority: Authority) -> None:
    """An authority of one's own, a certificate of one's own, no look at all; and otherwise no answer."""
    url, certificate, key = tls_server
    certificates = (
        f"certificates: {{ca: {{file: {authority.certificates}}}, own: {{certificate: {certificate}, key: {key}}}}}"
    )

    def value(tls: str) -> object:
        text = f"{certificates}\nsources: {{it: {{rest: '{url}'{tls}}}}}"
        sources, files = parse_sources_file(text.encode(), file="f")
        return metric_sources(sources, Allowed(sources=("it",)), files)["it"].measure(question()).values[0]

    assert (0.0, 1.0, 0.0) == (
        value(", tls: {ca: ca}"),
        value(", tls: {ca: ca, certificate: own}"),
        value(", tls: {insecure: true}"),
    )
    with pytest.raises(Retry, match="its certificate is not accepted"):
        value("")
    with pytest.raises(Retry, match="its certificate is not accepted"):
        value(", tls: {ca: ca, server_name: other.example.com}")


# --------------------------------------------------------------------------- wiring


def test_only_what_is_allowed_is_there() -> None:
    """A repository's plans see the sources that `allow.sources` names, and no others."""
    sources, files = parse_sources_file(
        b"sources: {a: {rest: 'http://127.0.0.1'}, b-1: {rest: 'http://127.0.0.1'}, b-2: {rest: 'http://127.0.0.1'}}",
        file="f",
    )

    assert ([], ["a"], ["b-1", "b-2"]) == tuple(
        list(metric_sources(sources, Allowed(sources=names), files)) for names in ((), ("a",), ("b-*",))
    )


def test_a_source_is_made_once() -> None:
    """And when it is asked for: what nobody asks costs nothing, and its mistakes stop nobody else."""
    text = b"sources: {good: {rest: 'http://127.0.0.1', scrape_interval: 7s}, bad: {preset: none, url: 'http://127.0.0.1'}}"
    sources, files = parse_sources_file(text, file="f")
    made = metric_sources(sources, Allowed(sources=("*",)), files)

    assert (2, True, 7.0) == (len(made), made["good"] is made["good"], made["good"].every)
    with pytest.raises(Refused, match="there is no preset `none`"):
        made["bad"]
    with pytest.raises(KeyError):
        made["other"]


def test_a_cluster_needs_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In none there is no service account; a kubeconfig that is not there is said by its path."""
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(Refused, match="and it runs in none"):
        source_of("sources: {it: {kubernetes: {in_cluster: true}}}")
    with pytest.raises(Refused, match="config: cannot be read"):
        source_of(f"sources: {{it: {{kubernetes: {{kubeconfig: {tmp_path}/config}}}}}}")
