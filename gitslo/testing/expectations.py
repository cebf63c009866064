"""How the checks of every contract say that something is wrong: by AssertionError, with or without pytest around."""

from __future__ import annotations

from collections.abc import Callable

from gitslo.errors import GitsloError

__all__ = ["expect", "expect_raised"]


def expect(actual: object, expected: object, what: str = "") -> None:
    """Say so where two values differ; `what` they are of, where that is not clear from them."""
    if actual != expected:
        raise AssertionError(f"{what + ': ' if what else ''}expected {expected!r}, found {actual!r}")


def expect_raised(kind: type[GitsloError], work: Callable[[], object]) -> GitsloError:
    """The error of this kind that `work` raises, or say that it does not."""
    try:
        result = work()
    except kind as error:
        return error
    raise AssertionError(f"expected {kind.__name__}, found {result!r}")
