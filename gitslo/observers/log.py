"""Structured logs of events, on structlog: JSON lines for machines, key=value for people.

Built by the wiring for `serve` and `once`. Keys are part of the public surface: `time`, `level`, `event`,
`environment`, `message`, then the event's own fields. What must stay true: telling never blocks and never raises, and
every text goes through the redactor.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, TextIO

import structlog

from gitslo.core.escape import plain
from gitslo.observers.redaction import Redactor
from gitslo.observers.writer import BackgroundWriter, write_text
from gitslo.ports import Event

__all__ = ["LogForm", "LogObserver", "level_of"]

_WARNINGS = frozenset(
    {
        "poll.failed",
        "environment.refused",
        "hold.set",
        "run.cut_off",
        "error.retry",
        "error.refused",
        "change.rejected",
        "webhook.refused",
    }
)
_FIRST = ("time", "level", "event", "environment", "message")


class LogForm(StrEnum):
    """How a line is written."""

    JSON = "json"
    TEXT = "text"
    """`key=value`."""


def level_of(event: str) -> str:
    """`error`, `warning`, `info` or `debug`, by the event's name."""
    if event == "error.unexpected":
        return "error"
    if event in _WARNINGS:
        return "warning"
    return "debug" if event in {"poll.done", "run.progress"} else "info"


@dataclass(frozen=True, slots=True)
class _Told:
    event: Event
    wall: float


class LogObserver:
    """Writes one line per event."""

    def __init__(
        self,
        stream: TextIO,
        form: LogForm,
        redactor: Redactor,
        *,
        debug: bool = False,
        wall: Callable[[], float] = time.time,
        capacity: int = 10_000,
    ) -> None:
        """Start.

        Args:
            stream: where the lines go; it is flushed after each and never closed here.
            form: of the lines.
            redactor: every text goes through it.
            debug: also write polls without news and the progress of runs.
            wall: seconds since the epoch.
            capacity: events that wait at most while the stream does not take them.
        """
        self._debug = debug
        self._wall = wall
        self._reported = 0
        renderer: structlog.typing.Processor = (
            structlog.processors.JSONRenderer(ensure_ascii=True)
            if form is LogForm.JSON
            else structlog.processors.LogfmtRenderer(bool_as_flag=False)
        )
        self._log: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(
            _Lines(stream),
            processors=[_Redact(redactor), renderer],
            wrapper_class=structlog.make_filtering_bound_logger(0),
            cache_logger_on_first_use=True,
        )
        self._writer = BackgroundWriter(self._write, capacity)

    @property
    def dropped(self) -> int:
        """Events that were never written."""
        return self._writer.dropped

    def tell(self, event: Event) -> None:
        """Queue one line."""
        if self._debug or level_of(event.name) != "debug":
            self._writer.put(_Told(event, self._wall()))

    def close(self, timeout: float = 2.0) -> bool:
        """Write what is queued, at most `timeout` seconds long; whether all of it was written."""
        return self._writer.close(timeout)

    def _write(self, told: _Told) -> None:
        if self.dropped > self._reported:
            lost, self._reported = self.dropped - self._reported, self.dropped
            message = f"{lost} log lines were dropped: the sink did not take them in time"
            self._line(Event("log.dropped", "", message, {"lines": lost}), told.wall, "warning")
        self._line(told.event, told.wall, level_of(told.event.name))

    def _line(self, event: Event, wall: float, level: str) -> None:
        facts: dict[str, Any] = {"time": _timestamp(wall), "level": level, "event": event.name}
        if event.environment:
            facts["environment"] = event.environment
        facts["message"] = event.message
        # The keys above cannot be overwritten by a field of the same name.
        facts |= {key: value for key, value in event.fields.items() if key not in _FIRST}
        self._log.info(**facts)


class _Lines:
    """The end of the chain: structlog calls the method named after the level."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def info(self, line: str) -> None:
        write_text(self._stream, f"{line}\n")


class _Redact:
    """A structlog processor: every text clean, the stable keys first."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor

    def __call__(self, logger: Any, method: str, facts: MutableMapping[str, Any]) -> Mapping[str, Any]:
        del logger, method
        keys = (*(key for key in _FIRST if key in facts), *(key for key in facts if key not in _FIRST))
        clean = self._redactor.clean
        return {key: plain(clean(value)) if isinstance(value := facts[key], str) else value for key in keys}


def _timestamp(wall: float) -> str:
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
