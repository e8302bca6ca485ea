"""Digests and the hashes that give them; what other packages use is exported here."""

from registry.digest.choice import (
    implementation,
    implementations,
    new_hasher,
    restore_hasher,
)
from registry.digest.hasher import Hasher, ImplementationUnavailable
from registry.digest.state import StateInvalid
from registry.digest.value import ALGORITHMS, CANONICAL, Digest, InvalidDigest

__all__ = [
    "ALGORITHMS",
    "CANONICAL",
    "Digest",
    "Hasher",
    "ImplementationUnavailable",
    "InvalidDigest",
    "StateInvalid",
    "implementation",
    "implementations",
    "new_hasher",
    "restore_hasher",
]
