"""Requests as bytes: what is sent, and what cannot be."""

from __future__ import annotations

import pytest

from gitslo.errors import Refused
from gitslo.load.request import render
from gitslo.model import Endpoint, Target, TargetScheme

TARGET = Target("shop", TargetScheme.HTTP, "shop.test", 8080, path="/base")


def test_the_whole_request():
    """Method, base path, Host, an honest User-Agent with the run, own headers, body and its length."""
    endpoint = Endpoint("pay", "POST", "/pay?x=1", (("Content-Type", "text/plain"),), b"body")
    text = render(endpoint, TARGET, "7").decode()

    assert text.splitlines()[0] == "POST /base/pay?x=1 HTTP/1.1"
    assert "Host: shop.test:8080\r\n" in text
    assert "(load; run 7)\r\n" in text
    assert text.endswith("Content-Type: text/plain\r\nContent-Length: 4\r\n\r\nbody")


def test_own_headers_replace_ours():
    """A Host or User-Agent of the author's is sent once, as given."""
    text = render(Endpoint("a", "GET", "/", (("host", "other"), ("User-Agent", "me"))), TARGET, "7").decode()

    assert text.lower().count("host:") == text.lower().count("user-agent:") == 1


def test_an_ipv6_host_is_bracketed():
    """Host is `[::1]`, and the scheme's own port is left out."""
    text = render(Endpoint("a", "GET", "/"), Target("a", TargetScheme.HTTP, "::1", 443, tls=True), "7").decode()

    assert "Host: [::1]\r\n" in text


@pytest.mark.parametrize(
    "endpoint",
    [
        Endpoint("a", "GE T", "/"),
        Endpoint("a", "CONNECT", "/"),
        Endpoint("a", "GET", "/a b"),
        Endpoint("a", "GET", "/a\r\nX: y"),
        Endpoint("a", "GET", "/é"),
        Endpoint("a", "GET", "/", (("X-A", "1\r\nX-B: 2"),)),
        Endpoint("a", "GET", "/", (("X A", "1"),)),
        Endpoint("a", "POST", "/", (("Content-Length", "0"),), b"x"),
        Endpoint("a", "POST", "/", (("transfer-encoding", "chunked"),), b"x"),
    ],
)
def test_what_would_break_the_framing_is_refused(endpoint):
    """Nothing in a plan can smuggle a second request or a header into the first."""
    with pytest.raises(Refused, match="endpoint 'a'"):
        render(endpoint, TARGET, "7")


@pytest.mark.parametrize("target", [Target("a", TargetScheme.HTTP, "a\r\nX: y", 80)])
def test_a_host_with_a_line_end_is_refused(target):
    """The same goes for the target's host."""
    with pytest.raises(Refused):
        render(Endpoint("a", "GET", "/"), target, "7")
