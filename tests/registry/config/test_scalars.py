"""Scalars without a type of their own are what Go's yaml.v2 makes of them."""

import pytest

from registry.config.scalars import resolve
from registry.config.yaml_text import parse_value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", True),
        ("On", True),
        ("y", True),
        ("no", False),
        ("OFF", False),
        ("yEs", "yEs"),
        ("12", 12),
        ("+12", 12),
        ("-12", -12),
        ("1_000", 1000),
        ("_1", "_1"),
        ("0755", 493),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b101", 5),
        ("08", 8.0),
        ("1.5", 1.5),
        (".5", 0.5),
        ("1e+3", 1000.0),
        ("1e3", 1000.0),
        ("1.", 1.0),
        (".", "."),
        ("1e", "1e"),
        ("--", "--"),
        (".inf", float("inf")),
        ("-.Inf", float("-inf")),
        ("1:30", "1:30"),
        ("2026-01-02", "2026-01-02"),
        ("10s", "10s"),
        ("'12'", "12"),
        ('"yes"', "yes"),
        ("!!str 12", "12"),
        ("! 12", "12"),
        ('!!int "12"', 12),
        ("~", None),
        ("null", None),
        ("", None),
        ("[1, a, [x]]", [1, "a", ["x"]]),
        ("{a: {b: no}}", {"a": {"b": False}}),
        ("18446744073709551615", 2**64 - 1),
        ("18446744073709551616", 2.0**64),
    ],
)
def test_resolves(text: str, value: object) -> None:
    assert resolve(parse_value(text, "V")) == value
    assert type(resolve(parse_value(text, "V"))) is type(value)
