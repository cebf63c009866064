"""Progress for people: in place on a terminal, plain lines in a log.

Built by the wiring for `demo`, `once` and `serve`. On a terminal the runs under way stay at the bottom and are redrawn;
in a log every event is a line, and the progress of a run at most one in ten seconds. What must stay true: telling never
blocks, never raises, and no text of a repository acts on the terminal.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

from gitslo.core.escape import plain
from gitslo.observers.redaction import Redactor
from gitslo.observers.writer import BackgroundWriter, write_text
from gitslo.ports import Event

__all__ = ["LiveObserver", "progress_line"]

_QUIET = frozenset({"poll.done", "push.done", "run.progress", "error.conflict"})
"""Events that are no line of their own."""

_PROGRESS_EVERY = 10.0
"""Seconds between two progress lines of one environment in a log."""

_COLOURS = {"pass": "\x1b[32m", "fail": "\x1b[31m", "inconclusive": "\x1b[33m", "error": "\x1b[31m"}
_DIM, _RESET = "\x1b[2m", "\x1b[0m"
_ERASE_BELOW = "\x1b[J"


def progress_line(event: Event) -> str:
    """What a `run.progress` event says, in one line, e.g. `12 s: 1200 sent, 0 errors, 100/s, p50 3.1 ms, p99 12 ms`.

    Without numbers of a load (readiness is waited for, say) it is the event's own message.
    """
    if "sent" not in event.fields:
        return event.message
    parts: list[str] = []
    elapsed = event.fields.get("elapsed")
    if isinstance(elapsed, int | float):
        parts.append(f"{elapsed:.0f} s:")
    numbers = [
        f"{value:.0f}{unit}"
        for key, unit in (("sent", " sent"), ("errors", " errors"), ("rate", "/s"))
        if isinstance(value := event.fields.get(key), int | float)
    ]
    numbers += [
        f"{key} {value * 1000:.3g} ms"
        for key in ("p50", "p99")
        if isinstance(value := event.fields.get(key), int | float)
    ]
    parts.append(", ".join(numbers))
    return " ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class _Told:
    event: Event
    wall: float


class LiveObserver:
    """Shows events as they come."""

    def __init__(
        self,
        stream: TextIO,
        redactor: Redactor,
        *,
        in_place: bool,
        colour: bool,
        width: Callable[[], int] = lambda: 100,
        wall: Callable[[], float] = time.time,
        capacity: int = 10_000,
    ) -> None:
        """Start.

        Args:
            stream: a terminal or a log; flushed after each event, never closed here.
            redactor: every text goes through it.
            in_place: redraw the runs under way (the stream is a terminal).
            colour: paint verdicts.
            width: columns of the terminal, asked at every redraw.
            wall: seconds since the epoch.
            capacity: events that wait at most while the stream does not take them.
        """
        self._stream = stream
        self._redactor = redactor
        self._in_place = in_place
        self._colour = colour
        self._width = width
        self._wall = wall
        self._under_way: dict[str, str] = {}
        self._drawn = 0
        self._said: dict[str, float] = {}
        self._writer = BackgroundWriter(self._show, capacity)

    def tell(self, event: Event) -> None:
        """Queue one event."""
        self._writer.put(_Told(event, self._wall()))

    def close(self, timeout: float = 2.0) -> bool:
        """Show what is queued, at most `timeout` seconds long; whether all of it was shown."""
        return self._writer.close(timeout)

    def _show(self, told: _Told) -> None:
        event = told.event
        shown = event.name not in _QUIET
        lines = [self._line(event, told.wall)] if shown else []
        if event.name == "run.progress":
            if self._in_place:
                self._under_way[event.environment] = plain(self._redactor.clean(progress_line(event)))
            elif told.wall - self._said.get(event.environment, float("-inf")) >= _PROGRESS_EVERY:
                self._said[event.environment] = told.wall
                lines = [self._row(told.wall, event.environment, progress_line(event))]
        elif event.name in {"run.judged", "run.cut_off", "run.superseded"}:
            self._under_way.pop(event.environment, None)
            self._said.pop(event.environment, None)
        elif self._in_place and event.name in {"run.claimed", "run.taken_over"}:
            self._under_way[event.environment] = "starting"
        block = self._block()
        if not lines and not block and not self._drawn:
            return
        back = f"\r\x1b[{self._drawn}A{_ERASE_BELOW}" if self._drawn else ""
        write_text(self._stream, back + "".join(f"{line}\n" for line in (*lines, *block)))
        self._drawn = len(block)

    def _line(self, event: Event, wall: float) -> str:
        row = self._row(wall, event.environment, event.message or event.name)
        verdict = event.fields.get("verdict")
        if not self._colour or event.name != "run.judged" or not isinstance(verdict, str) or verdict not in _COLOURS:
            return row
        return f"{_COLOURS[verdict]}{row}{_RESET}"

    def _row(self, wall: float, environment: str, text: str) -> str:
        clock = datetime.fromtimestamp(wall, UTC).strftime("%H:%M:%S")
        clean = plain(self._redactor.clean(text))
        return f"{clock}  {plain(environment):<16}  {clean}" if environment else f"{clock}  {clean}"

    def _block(self) -> list[str]:
        """The runs under way; a line never wraps, or the way back up would be too short."""
        width = max(20, self._width() - 1)
        rows = [f"  ... {plain(name):<18}  {text}"[:width] for name, text in sorted(self._under_way.items())]
        return [f"{_DIM}{row}{_RESET}" for row in rows] if self._colour else rows
