"""Stores for the shared suite: something that can be opened more than once and looked into."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from drivers import filesystem
from drivers.contract import Driver
from drivers.inmemory import InMemoryDriver, MemoryStore
from drivers.inmemory.store import Content, Directory
from drivers.wrappers import Limited, Observed, Retried, Validated


class Store(Protocol):
    """What a binding of the suite gives: bytes that outlive the driver objects over them."""

    def open(self) -> Driver:
        """Return a new driver object over the same bytes."""
        ...

    def remains(self) -> list[str]:
        """Return all that is held, by looking behind the driver's back: paths and more."""
        ...


Wrap = Callable[[Driver], Driver]

WRAPPERS: dict[str, Wrap] = {
    "validated": Validated,
    "limited": lambda driver: Limited(driver, limit=3),
    "retried": Retried,
    "observed": lambda driver: Observed(driver, lambda _name, _action, _seconds: None),
}


def bare(driver: Driver) -> Driver:
    return driver


class DirectoryStore:
    """A directory, for the filesystem driver."""

    def __init__(self, root: Path, wrap: Wrap = bare) -> None:
        self.root = root
        self.wrap = wrap

    def open(self) -> Driver:
        return self.wrap(filesystem.create({"rootdirectory": str(self.root)}))

    def remains(self) -> list[str]:
        return [
            os.path.join(current, name)[len(str(self.root)) :]
            for current, _directories, files in os.walk(self.root)
            for name in files
        ]


class SharedMemory:
    """A store in memory, in either form."""

    def __init__(self, part_min_bytes: int | None = None, wrap: Wrap = bare) -> None:
        self.part_min_bytes = part_min_bytes
        self.wrap = wrap
        self.store = MemoryStore(part_min_bytes=part_min_bytes or 1)

    def open(self) -> Driver:
        return self.wrap(InMemoryDriver(self.store, part_min_bytes=self.part_min_bytes))

    def remains(self) -> list[str]:
        root = self.store.find("/")
        assert isinstance(root, dict)
        return [*_contents(root, ""), *self.store.multiparts_below("/")]


def _contents(directory: Directory, prefix: str) -> list[str]:
    found: list[str] = []
    for name, node in directory.items():
        path = f"{prefix}/{name}"
        found += [path] if isinstance(node, Content) else _contents(node, path)
    return found
