"""Which implementation hashes: the best that works here, or the one that was asked for.

The environment variable ``TRIREME_DIGEST`` forces one, for tests and for finding faults; unset or
empty it has no effect. SHA-384 and SHA-512 are hashlib's in every implementation.
"""

from __future__ import annotations

import functools
import importlib
import os
from types import ModuleType
from typing import Final

from registry.digest.hasher import Hasher, ImplementationUnavailable
from registry.digest.state import Sha256State
from registry.digest.stdlib import HashlibHasher
from registry.digest.value import CANONICAL, check_algorithm

VARIABLE: Final = "TRIREME_DIGEST"

_MODULES = {"native": "native", "libcrypto": "libcrypto", "hashlib": "stdlib"}  # best first


@functools.cache
def _probe(name: str) -> ModuleType | str:
    """The module of an implementation, or why it is not to be had."""
    try:
        return importlib.import_module(f"registry.digest.{_MODULES[name]}")
    except ImplementationUnavailable:
        raise  # it is there, and was told to run in a way it cannot
    except ImportError as exc:
        return str(exc)


def _load(name: str, *, asked_by: str) -> ModuleType:
    found = _probe(name) if name in _MODULES else "no such implementation"
    if isinstance(found, ModuleType):
        return found
    choices = ", ".join(implementations())
    raise ImplementationUnavailable(
        f"{asked_by}={name!r} is not available here ({found}), choose one of {choices} or unset it"
    )


def _choose() -> str:
    forced = os.environ.get(VARIABLE)
    if forced:
        _load(forced, asked_by=VARIABLE)
        return forced
    return next(name for name in _MODULES if isinstance(_probe(name), ModuleType))


def implementations() -> tuple[str, ...]:
    """Return the names of those that work here, best first; ``hashlib`` is always among them."""
    return tuple(name for name in _MODULES if isinstance(_probe(name), ModuleType))


implementation: Final = _choose()
"""The one that runs unless a caller names another: ``native``, ``libcrypto`` or ``hashlib``."""


def new_hasher(algorithm: str = CANONICAL, *, using: str = implementation) -> Hasher:
    """Begin a hash.

    Args:
        algorithm: A key of `ALGORITHMS`.
        using: One of `implementations`.

    Raises:
        InvalidDigest: `algorithm` is unknown.
        ImplementationUnavailable: `using` is unknown or does not work here.
    """
    check_algorithm(algorithm)
    module = _load(using, asked_by="using")
    if algorithm != CANONICAL or using == "hashlib":
        return HashlibHasher(algorithm)
    hasher: Hasher = module.Sha256()
    return hasher


def restore_hasher(algorithm: str, state: bytes, *, using: str = implementation) -> Hasher | None:
    """Go on with a hash from what `Hasher.state` gave, here or in a Go registry.

    Args:
        algorithm: A key of `ALGORITHMS`.
        state: The whole state; checked even where it cannot be used, for SHA-256.
        using: One of `implementations`, not necessarily the one the state is from.

    Returns:
        A hasher that stands where the other stood, or None where this implementation cannot go on
        from a state; the content must then be hashed again from its first byte.

    Raises:
        InvalidDigest: `algorithm` is unknown.
        StateInvalid: `state` is malformed. A well-formed state of other bytes is not noticed.
        ImplementationUnavailable: `using` is unknown or does not work here.
    """
    check_algorithm(algorithm)
    module = _load(using, asked_by="using")
    if algorithm != CANONICAL:
        return None
    Sha256State.unpack(state)
    if using == "hashlib":
        return None
    hasher: Hasher = module.Sha256.from_state(state)
    return hasher
