"""The sans-IO HTTP/2 class: streams that end early, header tables, windows, and how a session ends."""

from __future__ import annotations

import hpack

from gitslo.load.http2 import frames
from tests.load.http2.sessions import GET, Recording, greeted, head

F = frames


def test_a_refused_stream_may_be_sent_again() -> None:
    """REFUSED_STREAM, and a GOAWAY that names a lower stream, say that a request was never processed."""
    session = greeted()
    for token in ("a", "b", "c"):
        session.ask(token)
    session.receive(frames.reset(3, 7))
    session.receive(frames.goaway(1, 0))
    assert {"b": ("stream reset: refused", True), "c": ("goaway", True)} == session.lost
    assert 1 == session.left
    session.receive(head(1, end=True) + frames.goaway(0, 0))
    assert ["a"] == list(session.ended)
    assert 1 == session.left
    assert not session.goaway


def test_what_is_late_for_a_cancelled_stream_is_ignored() -> None:
    """The server could not know: its frames are read for the tables' sake, and given back to its windows."""
    session = greeted()
    session.ask("a")
    session.cancel(1)
    session.ask("b")
    late = hpack.Encoder()
    session.receive(frames.header_frames(1, late.encode([(":status", "200"), ("own", "v")]), 16384, end=False))
    session.receive(frames.frame(F.DATA, 8, 1, b"\x02x\0\0") + frames.frame(F.DATA, 1, 1, b"x") + frames.reset(1, 0))
    session.receive(frames.header_frames(3, late.encode([(":status", "200"), ("own", "v")]), 16384, end=True))
    assert b"v" == session.ended["b"][0].get(b"own")
    assert "" == session.broken


def test_the_oldest_cancelled_streams_are_forgotten_kindly() -> None:
    """However many streams were given up: what is late for them breaks nothing."""
    session = greeted()
    for number in range(5000):
        session.cancel(session.ask(f"{number}"))
    session.receive(head(1, end=True) + head(9999, end=True))
    assert "" == session.broken


def test_a_constant_request_is_a_constant_block() -> None:
    """The first one puts its fields into the table; from then on nothing but their numbers is sent."""
    session = greeted()
    first, again = session.writer.steady(GET)
    assert not again
    second, again = session.writer.steady(GET)
    assert again
    assert 4 < len(GET) == len(second) < len(first)
    decoder = hpack.Decoder()
    assert GET == [tuple(field) for field in decoder.decode(first, raw=True)]
    for _ in range(3):
        assert GET == [tuple(field) for field in decoder.decode(second, raw=True)]


def test_nothing_leaves_the_table() -> None:
    """What does not fit is a literal for ever, so that what is in stays where blocks say it is."""
    session = greeted()
    decoder = hpack.Decoder()
    many = [[(b"name-%d" % n, b"v" * 1000), (b"x", b"%d" % (n % 3))] for n in range(8)]
    for _ in range(3):
        for each in many:
            assert each == [tuple(field) for field in decoder.decode(session.writer.steady(each)[0], raw=True)]
    assert [True] * 8 == [session.writer.steady(each)[1] for each in many]


def test_what_differs_does_not_go_into_the_table() -> None:
    """Values that are new each time would push the constant ones out: they are literals."""
    session = greeted()
    decoder = hpack.Decoder()
    for number in range(500):
        fields = [*GET, (b"id", b"%d" % number)]
        assert fields == [tuple(field) for field in decoder.decode(session.writer.drawn(0, fields), raw=True)]
    assert b"id" not in {name for name, _ in decoder.header_table.dynamic_entries}


def test_a_kept_block_is_dropped_with_the_table_it_rests_on() -> None:
    """The same bytes say something else once the table has changed."""
    session = greeted(watching=False)
    for token in "abc":
        session.ask(token)
    status = b"\x88"
    session.receive(frames.header_frames(1, status + b"\x40\x01k\x011", 16384, end=True))
    for stream, literal in ((3, b""), (5, b"\x40\x01k\x012")):
        session.receive(frames.header_frames(stream, status + literal + b"\xbe", 16384, end=True))
    found = [session.ended[token][0].fields[-1] for token in "abc"]
    assert [(b"k", b"1"), (b"k", b"1"), (b"k", b"2")] == found


def test_a_large_body_waits_for_windows() -> None:
    """No more is sent than both windows hold; one that shrank below zero has to grow above it first."""
    session = greeted((4, 100), watching=False)
    stream = session.ask("a", body=bytes(250))
    session.taken()
    assert 150 == session.unsent(stream)
    session.receive(frames.settings([(4, 50)]))
    assert frames.frame(F.SETTINGS, 1, 0) == session.taken()
    session.receive(frames.window_update(stream, 50))
    assert b"" == session.taken()
    session.receive(frames.window_update(stream, 30))
    assert frames.frame(F.DATA, 0, stream, bytes(30)) == session.taken()
    session.receive(frames.settings([(4, 170)]))
    assert frames.frame(F.SETTINGS, 1, 0) + frames.frame(F.DATA, 1, stream, bytes(120)) == session.taken()
    assert 65535 - 250 == session.window


def test_received_bytes_are_given_back_in_bulk() -> None:
    """A quarter of a window at a time, for the connection and for a stream."""
    session = Recording(window=100_000)
    session.start()
    session.receive(frames.settings([]))
    session.ask("a")
    session.receive(head(1))
    session.taken()
    for _ in range(3):
        session.receive(frames.frame(F.DATA, 0, 1, bytes(10_000)))
    assert frames.window_update(1, 25_000) + frames.window_update(0, 30_000) == session.taken()


def test_an_early_answer_stops_the_request() -> None:
    """Nobody waits for the rest of a body whose request has been answered."""
    session = greeted((4, 10))
    stream = session.ask("a", body=bytes(50))
    session.taken()
    session.receive(head(stream, end=True))
    assert ["a"] == list(session.ended)
    assert frames.reset(stream, 8) == session.taken()
    session.send_data(stream, b"more", end=True)
    session.receive(frames.window_update(stream, 100))
    assert b"" == session.taken()


def test_an_answer_to_head_has_no_body() -> None:
    """Its length is what a body would have."""
    session = greeted(watching=False)
    session.heads_only.update("ab")
    session.ask("a")
    session.ask("b")
    session.receive(head(1, ("content-length", "12345"), end=True))
    session.receive(head(3, ("content-length", "12345")) + frames.frame(F.DATA, 1, 3))
    assert ["a", "b"] == list(session.ended)


def test_streams_run_out() -> None:
    """Long before the last number a connection asks to be replaced."""
    session = greeted()
    session.tire()
    assert 0 == session.left
    session.next_stream = 2**31 - 2**19 + 1
    session.tire()
    session.tire()
    assert 1 == session.left


def test_a_peer_that_asks_and_does_not_read() -> None:
    """Answers that nobody takes are not collected without end."""
    session = greeted()
    session.receive(frames.frame(F.PING, 0, 0, bytes(8)) * 5000)
    assert "" == session.broken
    session.stuck = True
    session.receive(frames.frame(F.PING, 0, 0, bytes(8)) * 5000)
    assert "protocol error: flood" == session.broken


def test_after_the_end_nothing_is_called() -> None:
    """Whoever ended a session hears nothing of it any more."""
    session = greeted()
    session.ask("a")
    session.end_session()
    session.receive(head(1, end=True) + frames.goaway(0, 0) + b"garbage")
    assert ({}, {}, "", 0) == (session.ended, session.lost, session.broken, session.left)
