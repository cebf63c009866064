from __future__ import annotations

import io

from gitslo.observers.live import LiveObserver, progress_line
from gitslo.observers.redaction import Redactor
from gitslo.ports import Event


def shown(*told: tuple[float, Event], in_place: bool = False, colour: bool = False, width: int = 80) -> str:
    stream = io.StringIO()
    times = iter([at for at, _ in told])
    observer = LiveObserver(
        stream, Redactor(["canary"]), in_place=in_place, colour=colour, width=lambda: width, wall=lambda: next(times)
    )
    for _, event in told:
        observer.tell(event)
    assert observer.close()
    return stream.getvalue()


PROGRESS = Event(
    "run.progress", "dev", "", {"elapsed": 12.2, "sent": 1200, "errors": 0, "rate": 100.0, "p50": 0.0031, "p99": None}
)
JUDGED = Event("run.judged", "dev", "pass in 12 s", {"verdict": "pass"})


def test_a_log_gets_plain_lines() -> None:
    """Off a terminal every event is a line, progress at most one in ten seconds, and nothing is redrawn."""
    text = shown(
        (0.0, Event("run.claimed", "dev", "run 1 starts")),
        (1.0, PROGRESS),
        (2.0, PROGRESS),
        (11.0, PROGRESS),
        (12.0, JUDGED),
        (13.0, Event("poll.done", "", "")),
    )
    row = "dev               12 s: 1200 sent, 0 errors, 100/s, p50 3.1 ms"

    assert [
        "00:00:00  dev               run 1 starts",
        f"00:00:01  {row}",
        f"00:00:11  {row}",
        "00:00:12  dev               pass in 12 s",
    ] == text.splitlines()


def test_a_terminal_is_redrawn_in_place() -> None:
    """On a terminal the runs under way stay at the bottom: each redraw erases exactly the rows drawn before."""
    text = shown(
        (0.0, Event("run.claimed", "dev", "run 1 starts")), (1.0, PROGRESS), (2.0, JUDGED), in_place=True, width=40
    )

    assert (
        "00:00:00  dev               run 1 starts\n"
        "  ... dev                 starting\n"
        "\r\x1b[1A\x1b[J"
        "  ... dev                 12 s: 1200 se\n"
        "\r\x1b[1A\x1b[J"
        "00:00:02  dev               pass in 12 s\n"
    ) == text


def test_verdicts_are_painted_only_when_asked() -> None:
    """Colour belongs to the verdict's line and appears only where it was asked for."""
    assert ("\x1b[32m" in shown((0.0, JUDGED), colour=True), "\x1b" in shown((0.0, JUDGED))) == (True, False)


def test_repository_text_cannot_act() -> None:
    """A message's control characters and secrets are written out."""
    acting = "\x1b]0;title\x07 canary"
    text = shown(
        (0.0, Event("change.proposed", "dev", acting)), (1.0, Event("run.progress", "dev", acting)), in_place=True
    )
    harmless = "\\x1b]0;title\\x07 ***"

    assert f"00:00:00  dev               {harmless}\n  ... dev                 {harmless}\n" == text


def test_progress_leaves_out_what_is_unknown() -> None:
    """What was not measured is not printed, least of all as zero."""
    assert ["3 sent", "not ready: 503"] == [
        progress_line(Event("run.progress", "dev", "not ready: 503", fields))
        for fields in ({"p50": None, "sent": 3}, {})
    ]
