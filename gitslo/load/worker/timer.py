"""A timer with microseconds for the worker's loop: `timerfd` on CLOCK_MONOTONIC with absolute deadlines.

uvloop's own timers are 1 ms, which alone would under-deliver above 1000 requests a second. CPython has `timerfd` from
3.13 on; before that it is called through libc.
"""

from __future__ import annotations

import ctypes
import os
import sys

__all__ = ["DeadlineTimer"]

_ABSOLUTE = 1  # TFD_TIMER_ABSTIME
_NONBLOCK = os.O_NONBLOCK
_CLOEXEC = os.O_CLOEXEC
_CLOCK_MONOTONIC = 1
_NANOSECONDS = 1_000_000_000


class _TimeSpec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


class _Setting(ctypes.Structure):
    _fields_ = (("interval", _TimeSpec), ("value", _TimeSpec))


class DeadlineTimer:
    """One timer; `fd` is readable from the deadline on until the timer is armed again or stopped.

    Arming resets the expiry, so nobody needs to read the descriptor: one system call per wake-up.
    """

    def __init__(self) -> None:
        """Open the descriptor.

        Raises:
            OSError: the kernel refuses, e.g. no descriptor is left.
        """
        self._libc = ctypes.CDLL(None, use_errno=True)
        if sys.version_info >= (3, 13):
            self.fd = os.timerfd_create(_CLOCK_MONOTONIC, flags=_NONBLOCK | _CLOEXEC)
        else:
            self.fd = self._libc.timerfd_create(_CLOCK_MONOTONIC, _NONBLOCK | _CLOEXEC)
            if self.fd < 0:
                number = ctypes.get_errno()
                raise OSError(number, os.strerror(number))
            self._setting = _Setting()
            self._value = self._setting.value
            self._pointer = ctypes.byref(self._setting)
            self._settime = self._libc.timerfd_settime

    def arm(self, at: float) -> None:
        """Expire at `at`, seconds of `time.monotonic()`; a past moment expires at once."""
        nanoseconds = max(1, int(at * _NANOSECONDS))
        if sys.version_info >= (3, 13):
            os.timerfd_settime_ns(self.fd, flags=os.TFD_TIMER_ABSTIME, initial=nanoseconds)
        else:
            self._value.seconds, self._value.nanoseconds = divmod(nanoseconds, _NANOSECONDS)
            self._settime(self.fd, _ABSOLUTE, self._pointer, None)

    def stop(self) -> None:
        """Never expire (until armed again)."""
        if sys.version_info >= (3, 13):
            os.timerfd_settime_ns(self.fd, initial=0)
        else:
            self._value.seconds = self._value.nanoseconds = 0
            self._settime(self.fd, 0, self._pointer, None)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self.fd)
