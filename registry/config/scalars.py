"""What a scalar's text means, as Go's yaml.v2 resolves it (YAML 1.1 with its own habits).

Truths are ``yes``, ``on`` and ``y`` besides ``true``; whole numbers may have ``0x``, ``0b`` or a
leading 0 for octal, and underscores; neither dates nor ``1:30`` are anything but text.
"""

import re

from registry.config.nodes import Mapping, Node, Scalar, Sequence

MAX_DIGITS = 100  # more digits than any number that fits into 64 bits

_TRUE = frozenset({"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"})
_FALSE = frozenset({"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"})
_WHOLE = re.compile(
    r"([-+]?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0[bB](?P<binary>[01]+)|0[oO]?(?P<octal>[0-7]+)"
    r"|(?P<decimal>0|[1-9][0-9]*))"
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_SPECIAL = {".inf": "inf", "+.inf": "inf", "-.inf": "-inf", ".nan": "nan"}
_SPECIAL_CASES = frozenset(
    form for word in _SPECIAL for form in (word, word.upper(), word.replace("i", "I"))
) | {".NaN"}
_NUMBER_STARTS = frozenset("+-.0123456789")
_BASES = {"hex": 16, "binary": 2, "octal": 8, "decimal": 10}


def truth(text: str) -> bool | None:
    """Return the truth `text` stands for, or None."""
    if text in _TRUE:
        return True
    return False if text in _FALSE else None


def whole_number(text: str) -> int | None:
    """Return the whole number `text` stands for, or None; a number of 64 bits, signed or not."""
    match = _WHOLE.fullmatch(text.replace("_", "")) if len(text) <= MAX_DIGITS else None
    if match is None:
        return None
    base = _BASES[match.lastgroup or "decimal"]
    value = int(match[match.lastgroup or "decimal"], base)
    value = -value if match[1] == "-" else value
    return value if -(2**63) <= value < 2**64 else None


def number(text: str) -> float | None:
    """Return the number with a fraction `text` stands for, or None."""
    if text in _SPECIAL_CASES:
        return float(_SPECIAL[text.lower()])
    cleaned = text.replace("_", "")
    return float(cleaned) if len(text) <= MAX_DIGITS and _FLOAT.fullmatch(cleaned) else None


def resolve(node: Node) -> object:
    """Return `node` as plain values, for keys without a type of their own."""
    match node:
        case Mapping():
            return {key: resolve(entry.node) for key, entry in node.entries.items()}
        case Sequence():
            return [resolve(item) for item in node.items]
        case Scalar():
            return _resolve_scalar(node)


def _resolve_scalar(node: Scalar) -> object:
    if not node.plain:
        return node.text
    if node.is_null:
        return None
    readers = (whole_number, number) if node.text[0] in _NUMBER_STARTS else (truth,)
    found = (read(node.text) for read in readers)
    return next((value for value in found if value is not None), node.text)
