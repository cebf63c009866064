"""The frames that we build, held against what `hyperframe` makes of them."""

from __future__ import annotations

import hyperframe.frame as other
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitslo.load.http2 import frames


def parsed(data: bytes) -> list[other.Frame]:
    """Every frame of some bytes, as hyperframe reads them."""
    found = []
    while data:
        frame, length = other.Frame.parse_frame_header(memoryview(data[:9]))
        frame.parse_body(memoryview(data[9 : 9 + length]))
        assert 9 + length <= len(data)
        data = data[9 + length :]
        found.append(frame)
    return found


@given(data=st.binary(max_size=200), end=st.booleans(), most=st.integers(1, 50))
def test_data_is_cut_into_frames(data: bytes, end: bool, most: int) -> None:
    """No frame is larger than it may be, and only the last one ends the stream."""
    found = parsed(frames.data_frames(5, data, most, end=end))
    assert data == b"".join(frame.data for frame in found)
    assert all(isinstance(frame, other.DataFrame) and len(frame.data) <= most for frame in found)
    ends = ["END_STREAM" in frame.flags for frame in found]
    assert [False] * (len(found) - 1) + [end] == ends if found else not data and not end


@given(block=st.binary(max_size=200), end=st.booleans(), most=st.integers(1, 50))
def test_a_header_block_is_cut_into_frames(block: bytes, end: bool, most: int) -> None:
    """HEADERS, then CONTINUATIONs; the last one ends the block, the first one the stream."""
    first, *rest = found = parsed(frames.header_frames(7, block, most, end=end))
    assert isinstance(first, other.HeadersFrame)
    assert end == ("END_STREAM" in first.flags)
    assert all(isinstance(frame, other.ContinuationFrame) for frame in rest)
    assert block == b"".join(frame.data for frame in found)
    assert [False] * len(rest) + [True] == ["END_HEADERS" in frame.flags for frame in found]


def test_frames_about_the_connection() -> None:
    """Settings, windows, resets and goodbyes say what they should."""
    data = (
        frames.settings([(frames.SETTING_INITIAL_WINDOW_SIZE, 17)])
        + frames.window_update(3, 2**31 - 1)
        + frames.reset(5, 8)
        + frames.goaway(9, 11, b"why")
        + frames.frame(frames.PING, frames.ACK, 0, b"12345678")
    )
    first, second, third, fourth, fifth = parsed(data)
    assert {4: 17} == first.settings
    assert (3, 2**31 - 1) == (second.stream_id, second.window_increment)
    assert (5, 8) == (third.stream_id, third.error_code)
    assert (9, 11, b"why") == (fourth.last_stream_id, fourth.error_code, fourth.additional_data)
    assert ({"ACK"}, b"12345678") == (set(fifth.flags), fifth.opaque_data)


@given(values=st.lists(st.tuples(st.integers(0, 2**16 - 1), st.integers(0, 2**32 - 1)), max_size=5))
def test_settings_are_read_as_they_are_written(values: list[tuple[int, int]]) -> None:
    """In the same order, repeated ones too."""
    assert values == list(frames.settings_in(frames.settings(values)[9:]))


@pytest.mark.parametrize(
    ("code", "name"), [(0, "no error"), (7, "refused"), (13, "HTTP/1.1 required"), (14, "unknown error")]
)
def test_error_names(code: int, name: str) -> None:
    """Codes that nobody has named share one name."""
    assert name == frames.error_name(code)
