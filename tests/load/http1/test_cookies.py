"""Cookies: what is kept, where it is sent, and what is ignored."""

from __future__ import annotations

import time

import pytest

from gitslo.load.http1.cookies import LONGEST, MOST, Jar

NOW = 1_000_000_000.0


def jar(*said: str, path: str = "/shop/cart?x=1", secure: bool = False, host: str = "www.shop.test") -> Jar:
    made = Jar(host, secure=secure)
    made.take([(b"Set-Cookie", text.encode("latin-1")) for text in said], path, NOW)
    return made


@pytest.mark.parametrize(
    ("said", "asked", "sent"),
    [
        ("a=1", "/shop/x", "a=1"),
        ("a=1", "/shop", "a=1"),
        ("a=1", "/shopping", ""),
        ("a=1", "/", ""),
        ("a=1; Path=/", "/any?thing", "a=1"),
        ("a=1; path=/other", "/other/x", "a=1"),
        ("a=1; Path=other", "/shop/x", "a=1"),
        ("a=1; Domain=shop.test; Path=/", "/", "a=1"),
        ("a=1; Domain=.WWW.shop.test; Path=/", "/", "a=1"),
        ("a=1; Domain=shop.example; Path=/", "/", ""),
        ("a=1; Domain=op.test; Path=/", "/", ""),
        ("a=1; Domain=x.www.shop.test; Path=/", "/", ""),
        ("a=1; Secure; Path=/", "/", ""),
        ("a=1; Max-Age=10; Path=/", "/", "a=1"),
        ("a=1; Max-Age=0; Path=/", "/", ""),
        ("a=1; Max-Age=-5; Path=/", "/", ""),
        ("a=1; Max-Age=x; Path=/", "/", "a=1"),
        ("a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/", "/", ""),
        ("a=1; Expires=Thu, 01 Jan 2026 00:00:00 GMT; Path=/", "/", "a=1"),
        ("a=1; Expires=soon; Path=/", "/", "a=1"),
        ("a=1; Max-Age=5; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/", "/", "a=1"),
        ('a="x y"; HttpOnly; SameSite=Lax; Path=/', "/", 'a="x y"'),
        ("a=b=c; Path=/", "/", "a=b=c"),
        ("a=; Path=/", "/", "a="),
        ("a; Path=/", "/", ""),
        ("=1; Path=/", "/", ""),
        ("a b=1; Path=/", "/", ""),
        ("a=\x01; Path=/", "/", ""),
        (f"a={'x' * LONGEST}; Path=/", "/", ""),
        ("", "/", ""),
    ],
)
def test_what_is_sent(said, asked, sent):
    """Name and value as they came, where domain, path, age and TLS let them; anything else is ignored."""
    assert jar(said).header(asked, NOW) == sent


def test_a_date_without_a_zone_is_in_utc(monkeypatch):
    """Wherever the generator stands."""
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "JST-9")
        time.tzset()
        found = jar("a=1; Expires=Sun, 09 Sep 2001 01:46:50; Path=/")
    time.tzset()

    assert found.header("/", NOW) == "a=1"
    assert found.header("/", NOW + 11) == ""


def test_secure_cookies_go_over_tls():
    """And so do the others."""
    assert jar("a=1; Secure; Path=/", "b=2; Path=/", secure=True).header("/", NOW) == "a=1; b=2"


def test_a_cookie_is_replaced_and_ends():
    """By the same name and path; with its age; and when it is told to."""
    found = jar("a=1; Path=/", "a=2; Path=/", "a=3; Path=/x", "b=1; Max-Age=10; Path=/")

    assert found.header("/x", NOW) == "a=3; a=2; b=1"
    assert found.header("/x", NOW + 11) == "a=3; a=2"
    found.take([(b"set-cookie", b"a=; Path=/; Max-Age=0")], "/", NOW)
    assert found.header("/", NOW + 11) == ""


def test_a_jar_is_bounded():
    """Whatever a target sets, so many are kept and no more; those that are kept can still be replaced."""
    found = jar(*(f"c{number}=1; Path=/" for number in range(MOST + 5)), "c0=2; Path=/")
    sent = found.header("/", NOW).split("; ")

    assert len(sent) == MOST
    assert "c0=2" in sent
