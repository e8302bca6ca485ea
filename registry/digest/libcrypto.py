"""SHA-256 by OpenSSL's libcrypto through ctypes: where the C module was not built.

``SHA256_Init``, ``_Update`` and ``_Final`` work on a structure of the caller, and that structure is
the state. Its layout has been the same in every OpenSSL, LibreSSL and BoringSSL so far but is no
promise, so it is tried out when this module is imported; ImportError if anything is unexpected.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import hashlib
from typing import Final, Self

from registry.digest.claim import Claim
from registry.digest.state import BLOCK_BYTES, MAX_BYTES, Sha256State
from registry.digest.value import Digest
from registry.stream import Block

_LIBRARIES = ("libcrypto.so.3", "libcrypto.so.1.1")  # tried before asking the linker, which is slow
_COPY_BYTES = 256 * 1024  # read-only views are hashed through copies of this size


class _Context(ctypes.Structure):
    """SHA256_CTX. `pending` holds bytes in the order of the message, the rest is native."""

    _fields_ = (
        ("chain", ctypes.c_uint32 * 8),
        ("bits_low", ctypes.c_uint32),
        ("bits_high", ctypes.c_uint32),
        ("pending", ctypes.c_uint8 * BLOCK_BYTES),
        ("pending_bytes", ctypes.c_uint),
        ("digest_bytes", ctypes.c_uint),
    )
    chain: ctypes.Array[ctypes.c_uint32]
    bits_low: int
    bits_high: int
    pending: ctypes.Array[ctypes.c_uint8]
    pending_bytes: int
    digest_bytes: int


def _load() -> ctypes.CDLL:
    for name in _LIBRARIES:
        try:
            return ctypes.CDLL(name)
        except OSError:
            continue
    found = ctypes.util.find_library("crypto")
    if found is None:
        raise ImportError("no libcrypto on this system")
    try:
        return ctypes.CDLL(found)
    except OSError as exc:
        raise ImportError(f"libcrypto {found!r} cannot be loaded: {exc}") from exc


_library = _load()
try:
    _init = _library.SHA256_Init
    _update = _library.SHA256_Update
    _final = _library.SHA256_Final
except AttributeError as exc:
    raise ImportError(f"libcrypto without SHA-256 in pieces: {exc}") from exc
_init.argtypes = (ctypes.c_void_p,)
_update.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
_final.argtypes = (ctypes.c_void_p, ctypes.c_void_p)


class Sha256:
    """A `Hasher` over a context of libcrypto.

    Foreign functions run without the GIL, so only the claim keeps a second thread away.
    """

    __slots__ = ("_claim", "_context", "_length_bytes")

    algorithm: Final = "sha256"

    def __init__(self) -> None:
        self._context = _Context()
        self._length_bytes = 0
        self._claim = Claim()
        _init(ctypes.byref(self._context))

    @classmethod
    def from_state(cls, state: bytes) -> Self:
        """Go on from `state`.

        Raises:
            StateInvalid: `state` is malformed.
        """
        parsed = Sha256State.unpack(state)
        hasher = cls()
        context = hasher._context
        context.chain[:] = list(parsed.chain)
        context.bits_low = parsed.length_bytes * 8 & 0xFFFFFFFF
        context.bits_high = parsed.length_bytes * 8 >> 32
        context.pending_bytes = len(parsed.pending)
        context.pending[: len(parsed.pending)] = list(parsed.pending)
        hasher._length_bytes = parsed.length_bytes
        return hasher

    @property
    def length_bytes(self) -> int:
        """Bytes hashed so far."""
        with self._claim:
            return self._length_bytes

    def update(self, data: Block) -> None:
        """Hash `data`; see `Hasher.update`."""
        with self._claim, memoryview(data).cast("B") as view:
            if view.nbytes > MAX_BYTES - self._length_bytes:
                raise OverflowError("SHA-256 takes at most 2**61 - 1 bytes")
            context = ctypes.byref(self._context)
            if isinstance(data, bytes):
                _update(context, data, len(data))
            elif view.readonly:
                for start in range(0, view.nbytes, _COPY_BYTES):
                    piece = bytes(view[start : start + _COPY_BYTES])
                    _update(context, piece, len(piece))
            elif view.nbytes:
                # One char and not an array: ctypes keeps an array type for ever, per length.
                first = ctypes.c_char.from_buffer(view)
                _update(context, ctypes.byref(first), view.nbytes)
                del first  # it exports the view, which could not be released
            self._length_bytes += view.nbytes

    def digest(self) -> Digest:
        """Return the digest so far; see `Hasher.digest`."""
        with self._claim:
            context = _Context.from_buffer_copy(self._context)
        digest = ctypes.create_string_buffer(32)
        _final(digest, ctypes.byref(context))
        return Digest(self.algorithm, digest.raw.hex())

    def state(self) -> bytes:
        """Return the 108 bytes to go on from."""
        with self._claim:
            pending = bytes(self._context.pending[: self._length_bytes % BLOCK_BYTES])
            chain = tuple(self._context.chain)
            return Sha256State(chain, pending, self._length_bytes).pack()


_INITIAL_CHAIN = (
    *(0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A),
    *(0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19),
)


def _check_layout() -> None:
    """Raise ImportError unless the library fills a `_Context`, and no more, as is believed here."""
    message = bytes(range(200))
    tail = message[len(message) // BLOCK_BYTES * BLOCK_BYTES :]
    size = ctypes.sizeof(_Context)
    guard = b"\xa5" * 1024
    memory = ctypes.create_string_buffer(bytes(size) + guard)
    context = _Context.from_buffer(memory)

    succeeded = _init(memory) == 1
    empty = tuple(context.chain) == _INITIAL_CHAIN and context.digest_bytes == 32
    empty = empty and context.bits_low == context.bits_high == context.pending_bytes == 0
    succeeded = succeeded and _update(memory, message, len(message)) == 1
    counted = context.bits_low == 8 * len(message) and context.bits_high == 0
    kept = context.pending_bytes == len(tail) and bytes(context.pending[: len(tail)]) == tail
    within = memory.raw[size : size + len(guard)] == guard
    if not (succeeded and empty and counted and kept and within):
        raise ImportError("libcrypto keeps SHA-256 in a structure of unknown layout")


def _check_resuming() -> None:
    """Raise ImportError unless a hash whose state went out and in again ends as hashlib says."""
    message = bytes(range(200))
    begun = Sha256()
    begun.update(message)
    resumed = Sha256.from_state(begun.state())
    resumed.update(message)
    if resumed.digest().hex != hashlib.sha256(message * 2).hexdigest():
        raise ImportError("libcrypto does not go on from a SHA-256 that was put back")


_check_layout()
_check_resuming()
