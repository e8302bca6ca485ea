"""What may stand in a line: the characters of a value that are written as they are.

The rule is Unicode's own: what is not printable (controls of C0 and C1, DEL, line and paragraph
separators, bidirectional and other format controls, lone surrogates, private and unassigned code
points, every blank but the ASCII one) is written as a backslash escape, as Go's ``%q`` would.
"""

from __future__ import annotations

import re

MAX_VALUE_BYTES = 8 * 1024
"""Longest value in a line, in UTF-8. Request heads are limited to 16 KiB, so a line of a dozen
values stays well below what a collector accepts (64 KiB to 1 MiB)."""

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\\": "\\\\", '"': '\\"'}
_PLAIN = re.compile(r"[A-Za-z0-9\-._/@^+]+")  # what logrus leaves without quotes
_KEY = re.compile(r"[A-Za-z0-9_.@-]+")


def _escape_character(character: str) -> str:
    short = _SHORT.get(character)
    if short is not None:
        return short
    if character.isprintable():
        return character
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that was not UTF-8, kept by surrogateescape
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def escape(value: str) -> str:
    """Return `value` safe to stand between double quotes: printable characters only.

    Quotes and backslashes are escaped too, so that the result can be told apart from its
    surroundings and read back.
    """
    if value.isprintable() and '"' not in value and "\\" not in value:
        return value
    return "".join(map(_escape_character, value))


def escape_word(value: str) -> str:
    """Return `value` safe to stand unquoted in a line of fields divided by blanks."""
    return escape(value).replace(" ", "\\x20").replace("[", "\\x5b").replace("]", "\\x5d")


def quote(value: str) -> str:
    """Return `value` as logrus writes it: bare when it is a plain word, else quoted and escaped."""
    if not value or _PLAIN.fullmatch(value):
        return value
    return f'"{escape(value)}"'


def clean_key(key: str) -> str:
    """Return `key` if it is a dotted word, else with an underscore for each foreign character."""
    if _KEY.fullmatch(key):
        return key
    return re.sub(r"[^A-Za-z0-9_.@-]", "_", key) or "_"


def replace_surrogates(value: str) -> str:
    """Return `value` encodable in UTF-8: a lone surrogate becomes its backslash escape."""
    if value.isascii():
        return value
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


def cap(value: str, max_bytes: int = MAX_VALUE_BYTES) -> str:
    """Return `value`, or its first `max_bytes` of UTF-8 and a mark saying how much was cut."""
    if len(value) * 4 <= max_bytes:
        return value
    encoded = value.encode("utf-8", "surrogatepass")
    if len(encoded) <= max_bytes:
        return value
    kept = encoded[:max_bytes]
    while kept and (encoded[len(kept)] & 0xC0) == 0x80:  # do not split a character
        kept = kept[:-1]
    return f"{kept.decode('utf-8', 'surrogatepass')}...({len(encoded) - len(kept)} bytes cut)"
