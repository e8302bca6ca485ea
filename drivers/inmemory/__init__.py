"""A store in the memory of this process: for trying things out and for tests.

It comes in two forms. The plain one can do everything but hand out a descriptor. The other,
``InMemoryDriver(part_min_bytes=5)``, declares nothing and behaves as an object store does: uploads
are multipart uploads whose parts have a least size, and a commit copies. Whatever works on both
presumes nothing of a store that the contract does not say.
"""

from __future__ import annotations

from collections.abc import Mapping

from drivers.inmemory.driver import InMemoryDriver
from drivers.inmemory.store import MemoryStore

PARAMETERS: frozenset[str] = frozenset()
"""`create` reads none."""

__all__ = ["PARAMETERS", "InMemoryDriver", "MemoryStore", "create"]


def create(parameters: Mapping[str, object]) -> InMemoryDriver:
    """Return a driver over an empty store of its own; `parameters` are not looked at.

    The result is also an async context manager of itself, as `contract.DriverContext` wants.
    """
    del parameters
    return InMemoryDriver()
