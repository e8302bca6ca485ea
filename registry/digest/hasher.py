"""What a hash in progress can do, whichever implementation runs it."""

from __future__ import annotations

from typing import Protocol

from registry.digest.value import Digest
from registry.stream import Block


class ImplementationUnavailable(ImportError):
    """The implementation that was asked for does not exist or does not work here."""


class Hasher(Protocol):
    """A hash of content that arrives in pieces.

    It serves one thread at a time and is bound to none. Large pieces are hashed without the GIL;
    whoever calls any method meanwhile from another thread gets RuntimeError, and the hash is
    untouched by that call.
    """

    @property
    def algorithm(self) -> str:
        """A key of `registry.digest.ALGORITHMS`."""
        ...

    @property
    def length_bytes(self) -> int:
        """Bytes hashed so far."""
        ...

    def update(self, data: Block) -> None:
        """Hash `data`, a contiguous buffer of 0 bytes or more, not kept after the call.

        Raises:
            RuntimeError: another thread is using this hasher; nothing was hashed.
        """
        ...

    def digest(self) -> Digest:
        """Return the digest of the bytes so far; hashing can go on."""
        ...

    def state(self) -> bytes | None:
        """Return the form from which `restore_hasher` or a Go registry can go on.

        Returns:
            108 bytes (see `registry.digest.state`), or None where this implementation cannot tell:
            the content must then be read again to go on. The answer is of one kind for the life
            of a hasher.
        """
        ...
