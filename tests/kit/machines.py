"""What the state machines share: how long they run, their stores, and a loop for each rule."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from hypothesis import HealthCheck, settings

from drivers.filesystem.session import FilesystemSession
from registry.storage.upload_writer import UploadWriter
from tests.drivers.stores import DirectoryStore, SharedMemory, Store

T = TypeVar("T")

EXAMPLES = "TRIREME_TEST_EXAMPLES"
"""Environment variable: how many examples a machine tries, new ones each time. Unset: 100, always
the same."""

PART_MIN_BYTES = 5  # of the store that declares nothing; below the least body that has two blocks
MEMORY_DIRECTORY = "/dev/shm"  # where fsync costs nothing; power cuts are tested elsewhere


def machine_settings() -> settings:
    """Return how a machine is run; to be set on its ``TestCase``."""
    asked = os.environ.get(EXAMPLES)
    return settings(
        max_examples=int(asked) if asked else 100,
        derandomize=not asked,
        database=None,
        print_blob=True,
        stateful_step_count=30,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )


def run(action: Callable[[], Awaitable[T]]) -> T:
    """Run one rule on a loop of its own: what lives on between rules is what the store holds."""

    async def main() -> T:
        return await action()

    return trio.run(main)


async def _run_here(action: Callable[..., T], *args: object, **_options: object) -> T:
    await trio.lowlevel.checkpoint()
    return action(*args)


def without_threads(patch: pytest.MonkeyPatch) -> None:
    """Let blocking calls run on the loop: a machine makes 100 000, each 0.3 ms away in a thread."""
    patch.setattr(trio.to_thread, "run_sync", _run_here)


class Forms:
    """Makes stores of every form and removes what they leave."""

    def __init__(self, form: str) -> None:
        self._root: str | None = None
        self.store: Store
        if form == "directory":
            parent = MEMORY_DIRECTORY if os.access(MEMORY_DIRECTORY, os.W_OK) else None
            self._root = tempfile.mkdtemp(prefix="trireme-test-", dir=parent)
            self.store = DirectoryStore(Path(self._root))
        else:
            self.store = SharedMemory(PART_MIN_BYTES if form == "parts" else None)

    def close(self) -> None:
        if self._root is not None:
            shutil.rmtree(self._root)


FORMS = ("directory", "memory", "parts")


def kill(writer: UploadWriter) -> None:
    """Do to an upload what the kernel does when its process dies: the claim goes, no more."""
    session = writer._session
    if isinstance(session, FilesystemSession):
        session._end()
    else:
        session._over = True  # type: ignore[attr-defined]  # both kinds in memory have it
    gc.collect(0)
