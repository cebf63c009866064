"""Answers that are known by their bytes mean what the parser would have said, and are kept within bounds."""

from __future__ import annotations

from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from gitslo.load.http1.connection import Connection, KnownAnswers
from gitslo.model import Endpoint
from tests.load.http1.by_hand import World, world
from tests.load.service import OK

DIFFERENT = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 4\r\n\r\noops"
EARLY = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
PIECES = (OK, DIFFERENT, EARLY, EARLY + OK, OK + OK, OK[:-1], OK[-1:], OK[:4], OK[4:], b"\r\n", b"HTTP/1.1 ")


def outcome(reads: list[bytes], known: KnownAnswers) -> tuple[dict[str, int], int, int]:
    """What a connection makes of `reads`, one request before each where it has none under way; and when it was cut."""
    made = world(Endpoint("a", "GET", "/"))
    made.open = partial(Connection, known=known)  # type: ignore[assignment]  # the fast path
    connection, wire = made.connect()
    for number, data in enumerate(reads):
        if wire.cut:
            return (*made.outcome(), number)
        if not connection.busy:
            made.send()
        connection.data_received(data)
    return (*made.outcome(), len(reads))


def settled(made: World) -> int:
    """How many requests are settled."""
    return made.outcome()[1]


@given(st.lists(st.sampled_from(PIECES), max_size=8))
def test_a_known_answer_means_what_the_parser_says(reads):
    """Whatever was read before, wherever it was cut: knowing answers changes nothing."""
    warm = KnownAnswers()
    for piece in PIECES:
        outcome([piece], warm)

    assert outcome(reads, warm) == outcome(reads, KnownAnswers()) == outcome(reads, KnownAnswers(0))


def test_the_beginning_of_another_answer_is_not_forgotten():
    """An answer with four bytes more leaves the parser within the next one: a whole answer after it is none."""
    known = KnownAnswers()
    outcome([OK], known)

    assert OK in known
    assert outcome([OK + OK[:4], OK], known)[0] == {"protocol error": 1}
    assert OK + OK[:4] not in known


def test_an_answer_that_ends_its_connection_is_not_kept():
    """What follows an answer is part of what it means: after this one nothing does."""
    known = KnownAnswers()
    outcome([b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"], known)

    assert known == {}


def test_a_connection_that_is_to_leave_closes_after_a_known_answer():
    """Being known does not keep a connection alive."""
    known = KnownAnswers()
    outcome([OK], known)
    made = world(Endpoint("a", "GET", "/"))
    made.open = partial(Connection, known=known)  # type: ignore[assignment]  # the fast path
    connection, wire = made.connect()
    made.send()
    connection.leave()
    connection.data_received(OK)

    assert (settled(made), wire.cut) == (1, True)


def test_old_answers_make_room():
    """A date that changes every second fills the table slowly: then it starts again."""
    known = KnownAnswers(10)
    for second in range(25):
        known.keep(b"%d" % second, 200, float(second))

    assert list(known) == [b"20", b"21", b"22", b"23", b"24"]


def test_answers_that_all_differ_are_not_kept():
    """As many within a second as there is room for: none is kept any more."""
    known = KnownAnswers(10)
    for number in range(100):
        known.keep(b"%d" % number, 200, 5.0 + number / 1000)

    assert known == {}


def test_a_long_answer_is_not_kept():
    """It costs more to look up than to parse."""
    known = KnownAnswers()
    known.keep(b"x" * 2048, 200, 0.0)
    known.keep(b"x" * 2049, 200, 0.0)

    assert [len(answer) for answer in known] == [2048]
