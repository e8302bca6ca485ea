"""Durations as Go writes them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.config.durations import format_duration, from_nanoseconds, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0.0),
        ("10s", 10.0),
        ("1h30m", 5400.0),
        ("1.5h", 5400.0),
        ("100ms", 0.1),
        ("168h", 604800.0),
        ("1h1m1s1ms1us1ns", 3661.001001001),
        ("2µs", 2e-6),
        ("2μs", 2e-6),
        (".5s", 0.5),
        ("1.s", 1.0),
        ("+3m", 180.0),
        ("-3m", -180.0),
        ("0.3s", 0.3),
    ],
)
def test_parses(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        "10",
        "10 s",
        "ten",
        "1d",
        "1h-5m",
        ".s",
        "1..5s",
        "+",
        "s10",
        "10S",
        "1s\n",
        "9" * 200,
    ],
)
def test_refuses_what_go_refuses(text: str) -> None:
    with pytest.raises(ValueError, match="number with a unit"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["2562048h", "9223372037s"])
def test_refuses_what_64_bits_cannot_hold(text: str) -> None:
    with pytest.raises(ValueError, match="292 years"):
        parse_duration(text)


def test_bare_numbers_are_nanoseconds() -> None:
    assert from_nanoseconds(1_500_000_000) == 1.5
    with pytest.raises(ValueError, match="292 years"):
        from_nanoseconds(2**63)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0s"), (604800.0, "168h"), (300.0, "5m"), (90.0, "90s"), (0.1, "100ms"), (1e-9, "1ns")],
)
def test_formats_in_the_largest_whole_unit(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(0, 10**15))
def test_what_is_formatted_parses_to_the_same(microseconds: int) -> None:
    seconds = parse_duration(f"{microseconds}us")
    assert parse_duration(format_duration(seconds)) == pytest.approx(seconds, rel=1e-12)
