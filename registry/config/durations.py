"""The grammar of durations, as Go's ``time.ParseDuration`` reads them.

duration = [ "+" | "-" ] ( "0" | part+ )
part     = ( digits [ "." digits* ] | "." digits ) unit
unit     = "ns" | "us" | "µs" | "μs" | "ms" | "s" | "m" | "h"
"""

import re
from decimal import Decimal

NANOSECOND = Decimal("1e-9")
MAX_NANOSECONDS = 2**63 - 1  # Go keeps a duration in 64 bits

_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_WHOLE = re.compile(rf"([+-]?)(0|(?:{_PART.pattern})+)")
_UNITS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_MAX_LENGTH = 128  # longer than any duration somebody means


def parse_duration(text: str) -> float:
    """Return the seconds `text` stands for, such as 5400.0 for ``1h30m``.

    Raises:
        ValueError: `text` is not of the grammar or does not fit into 64 bits of nanoseconds.
    """
    match = _WHOLE.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if match is None:
        raise ValueError("expected a number with a unit, such as 10s, 100ms or 1h30m")
    total = Decimal(0)
    for number, unit in _PART.findall(match[2]):
        total += Decimal(number) * _UNITS[unit]
    return _seconds(-total if match[1] == "-" else total)


def from_nanoseconds(count: int) -> float:
    """Return the seconds of a bare number, which Go takes as nanoseconds.

    Raises:
        ValueError: it does not fit into 64 bits.
    """
    return _seconds(Decimal(count))


def _seconds(nanoseconds: Decimal) -> float:
    if abs(nanoseconds) > MAX_NANOSECONDS:
        raise ValueError("expected less than 292 years")
    return float(nanoseconds * NANOSECOND)


def format_duration(seconds: float) -> str:
    """Write `seconds` in the largest unit that keeps it whole: ``168h``, ``5m``, ``100ms``."""
    nanoseconds = round(seconds * 10**9)
    if nanoseconds == 0:
        return "0s"
    for unit in ("h", "m", "s", "ms", "us"):
        if nanoseconds % _UNITS[unit] == 0:
            return f"{nanoseconds // _UNITS[unit]}{unit}"
    return f"{nanoseconds}ns"
