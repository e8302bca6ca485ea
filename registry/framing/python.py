"""The decoder in Python: where the C module was not built, and to compare that one with.

It is a table of states, each a method that takes one byte. Payload is moved at once, and a chunk
head that lies whole in the block is matched at once, so that states see only what is cut or odd.
``framing.c`` has the same states.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from registry.digest.claim import Claim
from registry.framing.contract import (
    MAX_HEAD_BYTES,
    MAX_SIZE_DIGITS,
    MAX_TRAILER_BYTES,
    Fed,
    FramingError,
    WritableBlock,
)

# "Greedy up to LF" makes CR LF the only way on, so that no input costs more than its length.
_WHOLE_HEAD = re.compile(rb"([0-9A-Fa-f]{1,20})(?:;[^\n]*|[ \t]*)\r\n")
_USUAL_HEAD_BYTES = 32  # looked at first: copying the bound for each head would cost more

_CR, _LF, _COLON, _SEMICOLON = b"\r\n:;"
_BLANK = frozenset(b" \t")
_HEXADECIMAL = frozenset(b"0123456789abcdefABCDEF")
_TOKEN = frozenset(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_NOT_IN_VALUE = frozenset(b"\x00\x0b\x0c")  # CR and LF have states of their own
_FRAMING_NAMES = (b"content-length", b"transfer-encoding")


def check_range(start: int, end: int, size: int) -> None:
    """Return when ``start:end`` is a range of a block of `size` bytes.

    Raises:
        ValueError: it is not.
    """
    if not 0 <= start <= end <= size:
        raise ValueError(f"range {start}:{end} is not within a block of {size} bytes")


class PythonDecoder:
    """A `Decoder` in Python."""

    __slots__ = (
        "_claim",
        "_digits",
        "_fault",
        "_has_field",
        "_left_bytes",
        "_line_bytes",
        "_name",
        "_state",
    )

    def __init__(self) -> None:
        self._claim = Claim()
        self._state: Callable[[PythonDecoder, int], None] = PythonDecoder._size
        self._digits = 0
        self._left_bytes = 0  # of the chunk, or the size as far as it was read
        self._line_bytes = 0  # of the head, or of all trailers
        self._name = bytearray()
        self._has_field = False
        self._fault: str | None = None

    @property
    def finished(self) -> bool:
        """The body is whole; see `Decoder.finished`."""
        with self._claim:
            return self._state is PythonDecoder._finished

    def feed(self, block: WritableBlock, start: int, end: int) -> Fed:
        """Undo the framing of a block in place; see `Decoder.feed`."""
        with self._claim, memoryview(block) as raw, raw.cast("B") as view:
            if view.readonly:
                raise TypeError("block is read-only, and the payload has to move in it")
            check_range(start, end, view.nbytes)
            if self._fault is not None:
                raise FramingError(self._fault)
            return self._decode(view, start, end)

    def _decode(self, view: memoryview, start: int, end: int) -> Fed:
        read = write = start
        while read < end and self._state is not PythonDecoder._finished:
            if self._state is PythonDecoder._data:
                taken = min(self._left_bytes, end - read)
                if read != write:
                    view[write : write + taken] = view[read : read + taken]
                read += taken
                write += taken
                self._left_bytes -= taken
                if not self._left_bytes:
                    self._state = PythonDecoder._data_cr
                continue
            if self._state is PythonDecoder._size and not self._line_bytes:
                head_bytes = self._whole_head(view, read, end)
                if head_bytes:
                    read += head_bytes
                    continue
            try:
                self._state(self, view[read])
            except FramingError as error:
                self._fault = str(error)
                error.payload_bytes = write - start
                raise
            read += 1
        return Fed(write - start, read - start, self._state is PythonDecoder._finished)

    def _whole_head(self, view: memoryview, read: int, end: int) -> int:
        """Take a head that is whole and well-formed; its length in bytes, 0 without one."""
        match = _WHOLE_HEAD.match(bytes(view[read : min(end, read + _USUAL_HEAD_BYTES)]))
        if match is None and end - read > _USUAL_HEAD_BYTES:
            match = _WHOLE_HEAD.match(bytes(view[read : min(end, read + MAX_HEAD_BYTES)]))
        if match is None:
            return 0
        self._left_bytes = int(match[1], 16)
        self._end_head()
        return match.end()

    def _end_head(self) -> None:
        self._state = PythonDecoder._data if self._left_bytes else PythonDecoder._trailer_start
        self._digits = self._line_bytes = 0

    def _count(self, limit_bytes: int, what: str) -> None:
        self._line_bytes += 1
        if self._line_bytes > limit_bytes:
            raise FramingError(f"{what} longer than {limit_bytes} bytes")

    def _count_head(self) -> None:
        self._count(MAX_HEAD_BYTES, "chunk head is")

    def _count_trailers(self) -> None:
        self._count(MAX_TRAILER_BYTES, "trailers are")

    # The states. Each takes the byte that comes next.

    def _size(self, byte: int) -> None:
        self._count_head()
        if byte in _HEXADECIMAL:
            if self._digits == MAX_SIZE_DIGITS:
                raise FramingError(f"chunk size has more than {MAX_SIZE_DIGITS} digits")
            self._digits += 1
            self._left_bytes = self._left_bytes << 4 | int(chr(byte), 16)
        elif not self._digits:
            raise _unexpected(byte, "chunk head: expected a hexadecimal digit")
        elif byte == _SEMICOLON:
            self._state = PythonDecoder._extension
        elif byte in _BLANK:
            self._state = PythonDecoder._padding
        elif byte == _CR:
            self._state = PythonDecoder._head_lf
        else:
            raise _unexpected(byte, "chunk head: expected a digit, an extension or CR LF")

    def _padding(self, byte: int) -> None:
        self._count_head()
        if byte == _CR:
            self._state = PythonDecoder._head_lf
        elif byte not in _BLANK:
            raise _unexpected(byte, "chunk head: expected CR LF after blanks")

    def _extension(self, byte: int) -> None:
        self._count_head()
        if byte == _CR:
            self._state = PythonDecoder._extension_cr
        elif byte == _LF:
            raise FramingError("chunk extension: LF without CR")

    def _extension_cr(self, byte: int) -> None:
        self._count_head()
        if byte == _LF:
            self._end_head()
        elif byte != _CR:
            self._state = PythonDecoder._extension

    def _head_lf(self, byte: int) -> None:
        self._count_head()
        if byte != _LF:
            raise _unexpected(byte, "chunk head: expected LF after CR")
        self._end_head()

    def _data(self, _byte: int) -> None:
        raise AssertionError("payload is moved, not taken by the byte")

    def _data_cr(self, byte: int) -> None:
        if byte != _CR:
            raise _unexpected(byte, "chunk: expected CR LF after its data")
        self._state = PythonDecoder._data_lf

    def _data_lf(self, byte: int) -> None:
        if byte != _LF:
            raise _unexpected(byte, "chunk: expected CR LF after its data")
        self._state = PythonDecoder._size

    def _trailer_start(self, byte: int) -> None:
        self._count_trailers()
        if byte == _CR:
            self._state = PythonDecoder._last_lf
        elif byte == _LF:
            self._state = PythonDecoder._finished
        elif byte in _BLANK:
            if not self._has_field:
                raise FramingError("trailers: continuation line without a field before it")
            self._state = PythonDecoder._trailer_value
        elif byte in _TOKEN:
            self._name[:] = (byte,)
            self._state = PythonDecoder._trailer_name
        else:
            raise _unexpected(byte, "trailers: expected the name of a field")

    def _trailer_name(self, byte: int) -> None:
        self._count_trailers()
        if byte in _TOKEN:
            self._name.append(byte)
        elif byte != _COLON:
            raise _unexpected(byte, "trailers: expected a colon after the name of a field")
        elif self._name.lower() in _FRAMING_NAMES:
            raise FramingError("trailers: Content-Length and Transfer-Encoding are not allowed")
        else:
            self._has_field = True
            self._state = PythonDecoder._trailer_value

    def _trailer_value(self, byte: int) -> None:
        self._count_trailers()
        if byte == _LF:
            self._state = PythonDecoder._trailer_start
        elif byte == _CR:
            self._state = PythonDecoder._trailer_lf
        elif byte in _NOT_IN_VALUE:
            raise _unexpected(byte, "trailers: NUL, VT and FF are not allowed in a field")

    def _trailer_lf(self, byte: int) -> None:
        self._count_trailers()
        if byte != _LF:
            raise _unexpected(byte, "trailers: expected LF after CR")
        self._state = PythonDecoder._trailer_start

    def _last_lf(self, byte: int) -> None:
        self._count_trailers()
        if byte != _LF:
            raise _unexpected(byte, "trailers: expected LF after CR")
        self._state = PythonDecoder._finished

    def _finished(self, _byte: int) -> None:
        raise AssertionError("a finished body takes no byte")


def _unexpected(byte: int, problem: str) -> FramingError:
    return FramingError(f"{problem}, got byte 0x{byte:02x}")
