from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitslo.core.units import (
    format_duration,
    format_rate,
    format_share,
    format_size,
    parse_duration,
    parse_rate,
    parse_share,
    parse_size,
)
from gitslo.errors import Refused
from gitslo.model import ByteCount, RatePerSecond, Seconds, Share


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("2m", 120.0),
        ("6h", 21600.0),
        ("1m30s", 90.0),
        ("0s", 0.0),
        ("1.5s", 1.5),
        ("0.1ms", 0.0001),
        ("1d2h3m4s5ms", 93784.005),
        ("1m500ms", 60.5),
        ("366d", 31622400.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    """A number and a unit, or several from large to small; exactly the number that was written."""
    assert seconds == parse_duration(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a duration, e.g. `250ms`, `2m` or `1h30m`; found ``"),
        ("5", "expected a duration, e.g. `250ms`, `2m` or `1h30m`; found `5` (did you mean `5s`?)"),
        ("5 minutes", "expected a duration, e.g. `250ms`, `2m` or `1h30m`; found `5 minutes`"),
        ("367d", "expected a duration of at most 366 days, e.g. `250ms`, `2m` or `1h30m`; found `367d`"),
    ],
)
def test_what_is_no_duration_is_told(text: str, message: str) -> None:
    """The message has an example, and the unit that was forgotten."""
    with pytest.raises(Refused) as refused:
        parse_duration(text)

    assert message == str(refused.value)


@pytest.mark.parametrize(
    "text", ["1s1m", "1m1m", "-1s", "+1s", "1e3s", "١s", "1S", "1us", ".5s", "5.s", " 1s", "1s\n", "9" * 400 + "s"]
)
def test_what_is_almost_a_duration_is_none(text: str) -> None:
    """Nothing is guessed: order, signs, exponents, other digits and blanks are refused."""
    with pytest.raises(Refused):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "rate"), [("200/s", 200.0), ("30/m", 0.5), ("0.5/s", 0.5), ("36/h", 0.01), ("1/ms", 1000.0)]
)
def test_rates(text: str, rate: float) -> None:
    """Requests per unit of time, told as requests per second."""
    assert rate == parse_rate(text)


@pytest.mark.parametrize(
    ("text", "share"), [("1%", 0.01), ("0.5%", 0.005), ("99.9%", 0.999), ("100%", 1.0), ("0%", 0.0)]
)
def test_shares(text: str, share: float) -> None:
    """A percentage is the nearest number to that share, not a hundredth of the nearest number."""
    assert share == parse_share(text)


@pytest.mark.parametrize(
    ("text", "size"), [("5GiB", 5 * 1024**3), ("10MB", 10**7), ("4096", 4096), ("0.5KiB", 512), ("1kB", 1000)]
)
def test_sizes(text: str, size: int) -> None:
    """Binary and decimal units are told apart; plain numbers are bytes."""
    assert size == parse_size(text)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_rate, "200"),
        (parse_rate, "200/"),
        (parse_rate, "2000000000/s"),
        (parse_rate, "-1/s"),
        (parse_share, "1"),
        (parse_share, "101%"),
        (parse_share, "1 %"),
        (parse_share, "nan%"),
        (parse_size, "5GB/s"),
        (parse_size, "0.3B"),
        (parse_size, "9000000TiB"),
        (parse_size, "5 GiB"),
    ],
)
def test_other_quantities_are_refused(parse, text: str) -> None:
    """What has no unit, too many digits or too large a value is refused."""
    with pytest.raises(Refused):
        parse(text)


@given(st.floats(0, 366 * 86400 - 1).map(lambda number: round(number, 9)))
def test_durations_come_back(seconds: float) -> None:
    """What is printed is read as the same number."""
    assert seconds == parse_duration(format_duration(Seconds(seconds)))


@given(st.integers(0, 10**9), st.sampled_from(["s", "m", "h", "d"]))
def test_rates_come_back(number: int, unit: str) -> None:
    """What is printed is read as the same rate, to nine digits at least."""
    rate = parse_rate(f"{number}/{unit}")

    assert parse_rate(format_rate(rate)) == pytest.approx(rate, rel=1e-9)


@given(st.decimals(0, 100, places=6))
def test_shares_come_back(percent) -> None:
    """What is printed is read as the same share."""
    share = parse_share(f"{percent:f}%")

    assert share == parse_share(format_share(share))


@given(st.integers(0, 2**60))
def test_sizes_come_back(size: int) -> None:
    """What is printed is read as the same size."""
    assert size == parse_size(format_size(ByteCount(size)))


@pytest.mark.parametrize(
    ("expected", "text"),
    [
        ("1h30m", format_duration(Seconds(5400.0))),
        ("250ms", format_duration(Seconds(0.25))),
        ("0s", format_duration(Seconds(0.0))),
        ("1m0.5s", format_duration(Seconds(60.5))),
        ("30/m", format_rate(RatePerSecond(0.5))),
        ("200/s", format_rate(RatePerSecond(200.0))),
        ("0.5%", format_share(Share(0.005))),
        ("5GiB", format_size(ByteCount(5 * 1024**3))),
        ("1000", format_size(ByteCount(1000))),
    ],
)
def test_people_read_round_numbers(expected: str, text: str) -> None:
    """Formatted as a person would write it."""
    assert expected == text
