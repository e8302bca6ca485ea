"""What other registries and crashes leave of an upload, put on a store by hand."""

from __future__ import annotations

import functools

import pytest

from drivers.contract import Driver
from registry.digest import new_hasher, restore_hasher
from registry.oci.names import RepositoryName, UploadId
from registry.storage import paths, upload_writer

NAME = RepositoryName("team/app")
UPLOAD = UploadId("0b0a6f0e-7d5c-4f83-9a39-3a2f0b8a9f10")
STARTED = "2026-02-03T04:05:06Z"


def use_hash(patch: pytest.MonkeyPatch, implementation: str) -> None:
    """Let uploads hash with this implementation, as TRIREME_DIGEST does for a whole process."""
    for function in (new_hasher, restore_hasher):
        with_it = functools.partial(function, using=implementation)
        patch.setattr(upload_writer, function.__name__, with_it)


def go_state(data: bytes) -> bytes:
    """Return the state of the hash after `data`, in the form that Go reads and writes."""
    hasher = new_hasher(using="libcrypto")
    hasher.update(data)
    state = hasher.state()
    assert state is not None
    return state


async def leave(
    driver: Driver,
    data: bytes | None,
    *,
    states: dict[str, bytes] | None = None,
    record: bytes | None = None,
    started: str | None = STARTED,
) -> None:
    """Put an upload on a store that can append.

    Args:
        driver: The store.
        data: Content of ``data``; None for no such file.
        states: Content of files below ``hashstates/sha256``, by name.
        record: Content of our own record.
        started: Content of ``startedat``; None for no such file.
    """
    if data is not None:
        await driver.put_content(paths.upload_data(NAME, UPLOAD), data)
    for name, state in (states or {}).items():
        directory = paths.upload_hash_states(NAME, UPLOAD, "sha256")
        await driver.put_content(f"{directory}/{name}", state)
    if record is not None:
        await driver.put_content(paths.upload_record(NAME, UPLOAD), record)
    if started is not None:
        await driver.put_content(paths.upload_started_at(NAME, UPLOAD), started.encode())
