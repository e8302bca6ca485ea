"""Hashes by hashlib: every algorithm, on every Python, but with a state that stays inside."""

from __future__ import annotations

import hashlib

from registry.digest.claim import Claim
from registry.digest.value import Digest
from registry.stream import Block


class HashlibHasher:
    """A `Hasher` over an object of hashlib, of any algorithm in `ALGORITHMS`.

    hashlib would let a second thread wait; the claim refuses it instead, as elsewhere.
    """

    __slots__ = ("_claim", "_hash", "_length_bytes", "algorithm")

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self._hash = hashlib.new(algorithm, usedforsecurity=False)
        self._length_bytes = 0
        self._claim = Claim()

    @property
    def length_bytes(self) -> int:
        """Bytes hashed so far."""
        with self._claim:
            return self._length_bytes

    def update(self, data: Block) -> None:
        """Hash `data`; see `Hasher.update`."""
        with self._claim, memoryview(data) as view:
            self._hash.update(view)
            self._length_bytes += view.nbytes

    def digest(self) -> Digest:
        """Return the digest so far; see `Hasher.digest`."""
        with self._claim:
            return Digest(self.algorithm, self._hash.hexdigest())

    def state(self) -> None:
        """Return None: hashlib does not let its state out."""
