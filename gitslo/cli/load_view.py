"""What is seen of a load under way: one line a second on standard error. Called by `gitslo.cli.load`."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Self

import click

if TYPE_CHECKING:
    from types import FrameType

    from gitslo.ports import LoadSnapshot

__all__ = ["LiveView", "time_of"]


class LiveView:
    """One line a second; the first Ctrl-C stops the load and still shows the result, the second one gives up."""

    def __init__(self) -> None:
        self._going = True
        self._before = (0.0, 0)
        self._terminal = sys.stderr.isatty()

    def __enter__(self) -> Self:
        self._handlers = {number: signal.signal(number, self._stop) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        if self._terminal:
            click.echo("\r\x1b[K", nl=False, err=True)

    def _stop(self, number: int, _: FrameType | None) -> None:
        if not self._going:
            raise KeyboardInterrupt(number)
        self._going = False

    def show(self, snapshot: LoadSnapshot) -> bool:
        """Print it; False once somebody wants to stop."""
        then, done = self._before
        self._before = (snapshot.elapsed, snapshot.done)
        rate = (snapshot.done - done) / max(snapshot.elapsed - then, 1e-9)
        line = (
            f"{snapshot.elapsed:6.1f} s  {rate:9.1f}/s  p50 {time_of(snapshot.p50):>8}  p99 {time_of(snapshot.p99):>8}"
            f"  errors {snapshot.errors}  lag {time_of(snapshot.lag_p99)}  in flight {snapshot.in_flight}"
        )
        click.echo(f"\r\x1b[K{line}" if self._terminal else line, nl=not self._terminal, err=True)
        return self._going


def time_of(seconds: float | None) -> str:
    """A time as people read it; `-` where it is not known."""
    if seconds is None:
        return "-"
    if seconds >= 1:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.1f} ms" if seconds >= 0.001 else f"{seconds * 1e6:.0f} us"  # noqa: PLR2004 - units
