"""The form in which a half-done SHA-256 leaves one process and enters another.

It is what ``encoding.BinaryMarshaler`` gives for Go's ``crypto/sha256``, so that an upload begun by
a Go registry can be finished here and the other way round. Integers are big-endian::

    4 bytes    "sha" 0x03
    8 x 4      the chaining value
    64         the bytes that fill no block yet, from the left; the rest is written as zeros
    8          how many bytes were hashed

How many bytes are pending is not recorded: it is the length modulo 64. What stands behind them is
of no meaning and is not looked at. ``sha256.c`` has the same form in C.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, Self

STATE_BYTES: Final = 108
BLOCK_BYTES: Final = 64
MAX_BYTES: Final = 2**61 - 1  # the length is hashed as a number of bits in 64 bits

_MAGIC = b"sha\x03"
_FORM = struct.Struct(">4s8I64sQ")
assert _FORM.size == STATE_BYTES


class StateInvalid(ValueError):
    """The bytes are not a state of the hash they are said to be of."""


@dataclass(frozen=True, slots=True)
class Sha256State:
    """Where a SHA-256 stands.

    Attributes:
        chain: The eight words of the chaining value.
        pending: The last ``length_bytes % 64`` bytes of the message.
        length_bytes: How much was hashed.
    """

    chain: tuple[int, ...]
    pending: bytes
    length_bytes: int

    @classmethod
    def unpack(cls, state: bytes) -> Self:
        """Read a state.

        Raises:
            StateInvalid: its length, its magic or the length it counts is impossible.
        """
        if len(state) != STATE_BYTES:
            raise StateInvalid(f"state of sha256 has {len(state)} bytes, expected {STATE_BYTES}")
        magic, *chain, pending, length_bytes = _FORM.unpack(state)
        if magic != _MAGIC:
            raise StateInvalid(f"state of sha256 begins with {magic!r}, expected {_MAGIC!r}")
        if length_bytes > MAX_BYTES:
            raise StateInvalid(
                f"state of sha256 counts {length_bytes} bytes, expected at most {MAX_BYTES}"
            )
        return cls(tuple(chain), pending[: length_bytes % BLOCK_BYTES], length_bytes)

    def pack(self) -> bytes:
        """Write the state; every implementation gives the same bytes for the same message."""
        return _FORM.pack(_MAGIC, *self.chain, self.pending, self.length_bytes)
