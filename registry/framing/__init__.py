"""Chunked transfer coding, undone in place; what other packages use is exported here."""

from registry.framing.choice import (
    implementation,
    implementations,
    new_decoder,
)
from registry.framing.contract import (
    MAX_HEAD_BYTES,
    MAX_TRAILER_BYTES,
    Decoder,
    Fed,
    FramingError,
    WritableBlock,
)
from registry.framing.writing import write_block

__all__ = [
    "MAX_HEAD_BYTES",
    "MAX_TRAILER_BYTES",
    "Decoder",
    "Fed",
    "FramingError",
    "WritableBlock",
    "implementation",
    "implementations",
    "new_decoder",
    "write_block",
]
