"""HTTP/1.1 where requests differ and answers are looked into: what is sent, what is followed, and what is an error."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

import pytest

from gitslo.load.results.detail import LoadDetail
from gitslo.model import ByteCount, Checks, Endpoint, Feeder, Share
from gitslo.ports import LoadJob
from tests.load.jobs import bad, get, hold, job, measured, total
from tests.load.service import Received, service
from tests.required import required

NUMBER = 20


def run(
    port: int,
    *endpoints: Endpoint,
    number: int = NUMBER,
    timeout: float = 2.0,
    connections: int = 4,
    **section: object,
) -> LoadDetail:
    """So many requests to these endpoints, with these settings of the section."""
    stages = [hold(200, number / 200)]
    return measured(changed(job(port, *endpoints, stages=stages, timeout=timeout, connections=connections), **section))


def changed(asked: LoadJob, **section: object) -> LoadJob:
    return replace(asked, section=replace(asked.section, **section))


def errors(found: LoadDetail) -> dict[str, int]:
    return dict(found.result.summaries[0].errors)


def checked(path: str, **checks: object) -> Endpoint:
    """A GET whose answer is looked into."""
    return replace(get(path, name="a"), checks=Checks(**checks))


def numbered(endpoints: Iterable[Endpoint]) -> list[Endpoint]:
    """With names of their own."""
    return [replace(endpoint, name=f"n{index}") for index, endpoint in enumerate(endpoints)]


def kinds(found: LoadDetail) -> list[tuple[str, int]]:
    """What became of each endpoint's requests: their errors, in the order of the endpoints."""
    return [error for summary in found.result.summaries[1:] for error in summary.errors]


def lines(received: Received) -> dict[str, str]:
    """A request's headers."""
    return {name.lower(): value for name, value in (line.split(": ", 1) for line in received.head.split("\r\n"))}


# --------------------------------------------------------------------------- what is sent


def test_every_request_is_another():
    """Templates are rendered per request, with a correct length, and none is sent twice."""
    users = Feeder("users", ("name",), (("Ada",), ("Bob",)))
    body = b'{"n": ${seq}, "who": "${users.name}"}'
    endpoint = Endpoint("a", "POST", "/echo/${seq}?u=${uuid}", (("X-Who", "${users.name}"),), body)
    with service() as target:
        found = run(target.port, endpoint, data=(users,))
        log = list(target.log)

    assert (errors(found), total(found)) == ({}, NUMBER)
    assert sorted(int(entry.path.split("?")[0].removeprefix("/echo/")) for entry in log) == list(range(NUMBER))
    assert len({entry.path.split("=")[1] for entry in log}) == NUMBER
    for entry in log:
        sent = json.loads(entry.body)
        assert entry.path.startswith(f"/echo/{sent['n']}?")
        assert lines(entry)["x-who"] == sent["who"] == users.rows[sent["n"] % 2][0]


def test_head_has_no_body_whatever_it_announces():
    """And the connection goes on; so does one where a template is asked for."""
    with service() as target:
        found = run(target.port, get("/head", method="HEAD"), get("/head?${seq}", name="b", method="HEAD"), get("/"))
        accepted = target.accepted

    assert (errors(found), found.done, accepted <= 4) == ({}, NUMBER, True)


def test_one_connection_per_request():
    """`keep_alive: false` says so, and nobody uses a connection again although the server would."""
    with service() as target:
        found = run(target.port, get("/"), keep_alive=False)
        log, accepted = list(target.log), target.accepted

    assert (errors(found), len(log)) == ({}, NUMBER)
    assert accepted >= NUMBER
    assert {lines(entry)["connection"] for entry in log} == {"close"}


def test_statuses_of_one_endpoint():
    """An endpoint's own `expect` replaces the section's for it alone."""
    with service() as target:
        found = run(target.port, replace(get("/status/404"), expect=frozenset({404})), get("/status/500"))

    assert [summary.errors for summary in found.result.summaries[1:]] == [(), (("status 500", NUMBER // 2),)]


def test_sampled_requests_are_traced():
    """A share has a traceparent; the rest are the same bytes each time."""
    with service() as target:
        found = run(target.port, get("/"), trace=Share(0.25))
        log = list(target.log)
    traced = [lines(entry).get("traceparent", "") for entry in log]

    assert errors(found) == {}
    assert len([value for value in traced if re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-01", value)]) == NUMBER // 4
    assert len({entry.head for entry, value in zip(log, traced, strict=True) if not value}) == 1


# --------------------------------------------------------------------------- checks


HOLDING = (
    checked("/json", contains=("state",), json=("state == 'ok'",), headers=(("x-cache", "hit"),)),
    checked("/dribble", contains=("abc",)),
    checked("/trailers", contains=("ok",)),
    checked("/until-end", contains=("the end",), matches=("end$",)),
    checked("/early", contains=("ok",)),
    checked("/gzip", json=("state == 'ok'",)),
    checked("/gzip-twice", matches=("^ab$",)),
    checked("/gzip-bomb", matches=("^\0+$",)),
    checked("/json", graphql=True),
    checked("/json", max_size=ByteCount(32)),
    replace(checked("/head", max_size=ByteCount(1)), method="HEAD"),
)


@pytest.mark.parametrize("packed", [False, True])
def test_what_holds(packed):
    """However the body is framed or packed, and whether we asked for that or not, it is read whole."""
    unasked = checked("/brotli", headers=(("content-encoding", "br"),))
    with service() as target:
        found = run(target.port, *numbered(HOLDING if packed else (*HOLDING, unasked)), gzip=packed)

    assert (kinds(found), bad(found), total(found)) == ([], 0, found.done)


BROKEN = (
    (checked("/json", contains=("later",)), "check: body does not contain"),
    (checked("/json", matches=("^x",)), "check: body does not match"),
    (checked("/json", json=("state == 'ko'",)), "check: json"),
    (checked("/errors", graphql=True), "check: graphql"),
    (checked("/json", headers=(("etag", None),)), "check: header is missing"),
    (checked("/json", headers=(("x-cache", "miss"),)), "check: header has another value"),
    (checked("/trailers", headers=(("x-late", None),)), "check: header is missing"),
    (checked("/json", max_size=ByteCount(31)), "too large"),
    (checked("/chunked", max_size=ByteCount(2)), "too large"),
    (checked("/gzip-cut", contains=("",)), "gzip: broken"),
    (checked("/gzip-no", contains=("plain",)), "gzip: broken"),
    (checked("/brotli", contains=("",)), "unknown content encoding"),
    (checked("/headers", contains=("",)), "too many headers"),
    (checked("/chunked", contains=("abcd",)), "check: body does not contain"),
    (checked("/early", contains=("abcd",)), "check: body does not contain"),
    (checked("/until-end", max_size=ByteCount(3)), "too large"),
    (checked("/big", json=("@",)), "check: json"),
    (checked("/status/503", contains=("x",)), "status 503"),
    (checked("/half-close", contains=("half",)), "answer cut short"),
    (checked("/cut", contains=("short",)), "answer cut short"),
    (checked("/hang-up", contains=("",)), "closed without an answer"),
    (checked("/reset", contains=("",)), "reset"),
    (checked("/upgrade", contains=("",)), "protocol error"),
    (checked("/garbage", contains=("",)), "protocol error"),
    (checked("/twice", contains=("",)), "protocol error"),
)


@pytest.mark.parametrize("keep_alive", [True, False])
def test_what_does_not_is_a_named_error(keep_alive):
    """Every one of them is counted under its name, none is asked twice, and the next one finds a connection."""
    with service() as target:
        endpoints = numbered(endpoint for endpoint, _ in BROKEN)
        found = run(target.port, *endpoints, number=2 * len(BROKEN), keep_alive=keep_alive, connections=20)
        asked = len(target.log)

    assert kinds(found) == [(kind, 2) for _, kind in BROKEN]
    assert bad(found) == total(found) == asked == 2 * len(BROKEN)


def test_what_takes_too_long_is_a_named_error():
    """A body that comes slowly, no answer at all, and a pattern that would never end: the next requests go on."""
    stuck = checked("/json", matches=("(.*)*,(.*)*,x",))
    with service() as target:
        endpoints = numbered(
            [checked("/slow", contains=("",)), checked("/silent", contains=("",)), stuck, get("/slow")]
        )
        found = run(target.port, *endpoints, timeout=0.4, connections=NUMBER)

    assert kinds(found) == [
        (kind, NUMBER // 4) for kind in ("timeout", "timeout", "check: pattern takes too long", "timeout")
    ]


def test_an_encoding_that_was_not_asked_for_is_a_named_error():
    """Where the section says what it takes, with checks or without."""
    with service() as target:
        found = run(target.port, get("/brotli"), gzip=True)

    assert errors(found) == {"unknown content encoding": NUMBER}


def test_a_body_of_ten_gigabytes_ends_at_its_limit():
    """What is too large is not read: not what was announced, and no more than a read of what comes without end."""
    with service() as target:
        began = time.monotonic()
        found = run(
            target.port, checked("/flood", max_size=ByteCount(10_000)), checked("/announced", max_size=ByteCount(1))
        )
        took = time.monotonic() - began

    assert errors(found) == {"too large": NUMBER}
    assert took < 5.0


def test_a_share_of_bodies_is_checked():
    """`sample` says which good answers are looked into; the others count as good."""
    with service() as target:
        found = run(target.port, checked("/json", contains=("nothing",), sample=Share(0.25)))

    assert errors(found) == {"check: body does not contain": NUMBER // 4}


# --------------------------------------------------------------------------- redirects


def test_a_chain_is_one_request():
    """It counts once, from its own intended time to its last answer, on one connection where that lasts."""
    with service(fixed=0.02) as target:
        found = run(target.port, get("/hop/2"), redirects=2)
        asked = Counter(entry.path for entry in target.log)
        accepted = target.accepted

    assert (errors(found), total(found), found.done) == ({}, NUMBER, NUMBER)
    assert asked == {"/hop/2": NUMBER, "/hop/1": NUMBER, "/hop/0": NUMBER}
    assert (found.result.summaries[0].latency.p50 or 0) >= 0.06
    assert accepted <= 4


@pytest.mark.parametrize(("path", "keep_alive"), [("/hop-closing/3", True), ("/hop/3", False)])
def test_a_chain_goes_on_with_another_connection(path, keep_alive):
    """Where the server closes in between, or we do, nothing of the request is lost and nothing is asked twice."""
    with service() as target:
        found = run(target.port, get(path), redirects=3, keep_alive=keep_alive, cookies=True)
        asked = Counter(int(entry.path.rpartition("/")[2]) for entry in target.log)
        accepted = target.accepted

    assert (errors(found), total(found), found.done) == ({}, NUMBER, NUMBER)
    assert asked == {3: NUMBER, 2: NUMBER, 1: NUMBER, 0: NUMBER}
    assert accepted >= 3 * NUMBER


@pytest.mark.parametrize(
    ("path", "redirects", "kind"),
    [
        ("/hop/3", 2, "too many redirects"),
        ("/loop", 5, "too many redirects"),
        ("/away", 5, "redirect: to another host"),
        ("/bad-location", 5, "redirect: no valid location"),
    ],
)
def test_a_redirect_that_is_not_followed_is_a_named_error(path, redirects, kind):
    """A loop ends at the limit, and no other host is ever asked."""
    with service() as target:
        found = run(target.port, get(path, name="a"), redirects=redirects)

    assert errors(found) == {kind: NUMBER}
    assert bad(found) == NUMBER


@pytest.mark.parametrize(
    ("path", "section"),
    [("/loop", {}), ("/loop", {"redirects": 5, "expect": frozenset({302})}), ("/no-location", {"redirects": 5})],
)
def test_a_redirect_that_is_the_answer(path, section):
    """Without `redirects`, where the plan expects the status itself, or where it leads nowhere, it is judged itself."""
    with service() as target:
        found = run(target.port, get(path), **section)
        received = len(target.log)

    assert (errors(found), received) == ({}, NUMBER)


@pytest.mark.parametrize(
    ("status", "method", "expected"),
    [
        (301, "POST", ("GET", "")),
        (302, "POST", ("GET", "")),
        (303, "POST", ("GET", "")),
        (307, "POST", ("POST", "b")),
        (308, "POST", ("POST", "b")),
        (302, "PUT", ("PUT", "b")),
        (303, "PUT", ("GET", "")),
        (303, "HEAD", ("HEAD", "")),
    ],
)
def test_what_a_redirect_asks_for(status, method, expected):
    """Method and body by RFC 9110; the path is resolved against the one before, escaped, and without its fragment."""
    body = b"" if method == "HEAD" else b"b"
    endpoint = Endpoint("a", method, f"/moved/{status}", (("Content-Type", "text/plain"), ("X-Own", "1")), body)
    with service() as target:
        found = run(target.port, endpoint, redirects=1)
        landed = [entry for entry in target.log if entry.path == "/echo/landed?x=%20y%20z"]

    assert errors(found) == {}
    assert {(entry.method, entry.body.decode()) for entry in landed} == {expected}
    assert {lines(entry)["x-own"] for entry in landed} == {"1"}
    assert all(("content-type" in lines(entry)) == (expected == (method, "b") or method == "HEAD") for entry in landed)


def test_the_last_answer_of_a_chain_is_checked():
    """And its status is the one that counts."""
    with service() as target:
        found = run(target.port, checked("/hop/1", contains=("ok",)), redirects=1)
        failing = run(target.port, checked("/hop/1", contains=("on",)), redirects=1)

    assert errors(found) == {}
    assert errors(failing) == {"check: body does not contain": NUMBER}


# --------------------------------------------------------------------------- cookies


def test_cookies_are_kept_by_a_connection():
    """What one answer sets, the connection's next requests send, where domain and path say so; within a chain, too."""
    with service() as target:
        run(target.port, get("/set"), redirects=1, cookies=True, connections=1)
        kept = [lines(entry).get("cookie") for entry in target.log]
        target.log.clear()
        run(target.port, get("/set"), redirects=1, connections=1)
        off = {lines(entry).get("cookie") for entry in target.log}

    assert kept == [None] + ["a=1"] * (2 * NUMBER - 1)
    assert off == {None}


# --------------------------------------------------------------------------- a real server


def answers(port: int) -> bool:
    """Whether somebody listens."""
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def nginx(tmp_path):
    """A real nginx on a port of its own, with a page, gzip and redirects."""
    program = required("nginx")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    (tmp_path / "page").write_text('{"state": "ok"}' * 1000)
    (tmp_path / "nginx.conf").write_text(
        f"""daemon off; master_process off; pid {tmp_path}/pid; error_log stderr; events {{}}
        http {{ access_log off; gzip on; gzip_types *; gzip_min_length 1; root {tmp_path};
          client_body_temp_path {tmp_path}/a; proxy_temp_path {tmp_path}/b; fastcgi_temp_path {tmp_path}/c;
          uwsgi_temp_path {tmp_path}/d; scgi_temp_path {tmp_path}/e;
          server {{ listen 127.0.0.1:{port}; location /old {{ return 301 /page; }}
                    location /slash {{ absolute_redirect on; return 302 http://127.0.0.1:{port}/page; }} }} }}"""
    )
    process = subprocess.Popen([program, "-p", tmp_path, "-c", tmp_path / "nginx.conf"], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 10
        while not answers(port):
            assert process.poll() is None, "nginx has ended"
            assert time.monotonic() < deadline, "nginx does not listen"
        yield port
    finally:
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize("path", ["/page", "/old", "/slash"])
def test_against_nginx(nginx, path):
    """Compressed, redirected and checked, nginx's answers are understood, and so are those to HEAD."""
    endpoint = checked(path, contains=('"ok"}{"state"',), headers=(("content-encoding", "gzip"),))
    found = run(nginx, endpoint, get(path, name="b", method="HEAD"), gzip=True, redirects=1)

    assert (errors(found), total(found)) == ({}, NUMBER)
