"""SHA-256 by the C module: the fastest, and the one image and packages carry.

The environment variable ``TRIREME_SHA256`` forces the way in which blocks are compressed, for
tests: ``portable`` or, on processors that have the extensions, ``shani`` (x86) or ``armv8``.
"""

from __future__ import annotations

import os
from typing import Final, Self

from registry.digest import _native
from registry.digest.hasher import ImplementationUnavailable
from registry.digest.value import Digest
from registry.stream import Block

VARIABLE: Final = "TRIREME_SHA256"


def _forced_backend() -> str | None:
    forced = os.environ.get(VARIABLE) or None
    if forced is not None and forced not in _native.backends:
        choices = ", ".join(_native.backends)
        raise ImplementationUnavailable(
            f"{VARIABLE}={forced!r} is not available here, choose one of {choices} or unset it"
        )
    return forced


_BACKEND = _forced_backend()


class Sha256:
    """A `Hasher` over `_native.Sha256`, which does the locking."""

    __slots__ = ("_hash",)

    algorithm: Final = "sha256"

    def __init__(self) -> None:
        self._hash = _native.Sha256(_BACKEND)

    @classmethod
    def from_state(cls, state: bytes) -> Self:
        """Go on from `state`; ValueError when `Sha256State.unpack` would refuse it."""
        hasher = cls.__new__(cls)
        hasher._hash = _native.Sha256.from_state(state, _BACKEND)
        return hasher

    @property
    def inner(self) -> _native.Sha256:
        """The object of the C module, for its other calls; it stays this hasher's state."""
        return self._hash

    @property
    def backend(self) -> str:
        """How blocks are compressed: ``shani``, ``armv8`` or ``portable``."""
        return self._hash.backend

    @property
    def length_bytes(self) -> int:
        """Bytes hashed so far."""
        return self._hash.length

    def update(self, data: Block) -> None:
        """Hash `data`; see `Hasher.update`."""
        self._hash.update(data)

    def digest(self) -> Digest:
        """Return the digest so far; see `Hasher.digest`."""
        return Digest(self.algorithm, self._hash.digest().hex())

    def state(self) -> bytes:
        """Return the 108 bytes to go on from."""
        return self._hash.state()
