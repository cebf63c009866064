"""The lines between engine and worker carry everything and nothing else."""

from __future__ import annotations

import pytest

from gitslo.load.messages import (
    Authorize,
    Ready,
    Report,
    Start,
    decode,
    encode,
)
from tests.load.lines import ASSIGNMENT, COUNTS, END, FINISHED


@pytest.mark.parametrize(
    "line",
    [
        ASSIGNMENT,
        Start(1.25),
        Authorize("Bearer y"),
        Ready(3, ""),
        Report(1.0, 5, 4, 1, 1, None, COUNTS),
        Report(2.0, 5, 4, 1, 1, FINISHED, COUNTS),
        END,
    ],
)
def test_a_line_comes_back_as_it_went(line):
    """Encoding and decoding is the identity, and one message is one line."""
    text = encode(line)

    assert text.count(b"\n") == 1
    assert decode(text) == line


@pytest.mark.parametrize(
    "text", [b"", b"warning: x\n", b"[]\n", b"{}\n", b'{"is":"Start"}\n', b'{"is":"Popen","a":1}\n']
)
def test_anything_else_is_no_message(text):
    """Noise on the pipe is told apart from a message."""
    with pytest.raises(ValueError, match=r"."):
        decode(text)
