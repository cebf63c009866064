"""What a test needs of this machine: where it is missing the test is skipped, and fails where `CI` is set."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import pytest

from tests.components import program

__all__ = ["missing", "required"]


def required(component: str) -> Path:
    """The program of a component; where there is none, the reason says how to get it."""
    try:
        return program(component)
    except LookupError as reason:
        missing(str(reason))


def missing(reason: str) -> NoReturn:
    """This machine cannot run the test."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason}; where CI is set, no test may be skipped")
    pytest.skip(reason)
