"""The writer of an upload: what it takes, what it refuses, and the blob it makes."""

from __future__ import annotations

import resource
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

import pytest
import trio

from drivers.errors import DriverError, OutOfSpace
from drivers.wrappers import Operation, Wrapper
from registry.digest import Digest, implementations
from registry.oci.names import UploadId
from registry.storage import paths
from registry.storage.upload_writer import DigestMismatch, UploadWriter, hash_content
from tests.drivers.stores import DirectoryStore, SharedMemory, Store
from tests.kit.assembly import Assembly, assemble, utc_now
from tests.kit.trouble import Recording
from tests.kit.uploads import NAME, go_state, use_hash

T = TypeVar("T")

DATA = bytes(range(100))
DIGEST = Digest.of("sha256", DATA)
FILE_LIMIT_BYTES = 1024 * 1024  # large enough for whatever else this process writes meanwhile


async def begin(parts: Assembly) -> UploadId:
    return (await parts.upload_store.create(NAME, utc_now())).upload_id


@asynccontextmanager
async def opened(
    parts: Assembly, upload_id: UploadId | None = None, also: str | None = None
) -> AsyncIterator[UploadWriter]:
    writer = await parts.upload_store.open(NAME, upload_id or await begin(parts), also=also)
    assert writer is not None
    async with writer:
        yield writer


@contextmanager
def file_limit(limit_bytes: int) -> Iterator[None]:
    """The kernel refuses longer files, as a full disk would: a part of the block, then an error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_the_bytes_become_the_blob(parts: Assembly) -> None:
    async with opened(parts) as writer:
        for start in range(0, len(DATA), 7):
            await writer.write(DATA[start : start + 7])
        assert writer.offset == len(DATA)
        assert await writer.commit(DIGEST) == DIGEST
    assert await parts.blob_store.get(DIGEST) == DATA


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
async def test_any_buffer_is_taken(
    parts: Assembly, kind: type[bytes] | type[bytearray] | type[memoryview]
) -> None:
    async with opened(parts) as writer:
        await writer.write(kind(DATA))
        await writer.commit(DIGEST)
    assert await parts.blob_store.get(DIGEST) == DATA


async def test_nothing_is_a_blob_too(parts: Assembly) -> None:
    empty = Digest.of("sha256", b"")
    async with opened(parts) as writer:
        await writer.commit(empty)
    assert await parts.blob_store.get(empty) == b""


async def test_other_bytes_than_claimed_are_refused_and_the_upload_is_as_before(
    parts: Assembly,
) -> None:
    upload_id = await begin(parts)
    async with opened(parts, upload_id) as writer:
        await writer.write(DATA)
        await writer.checkpoint()
        with pytest.raises(DigestMismatch) as caught:
            await writer.commit(Digest.of("sha256", b"other"))
        assert caught.value.found == DIGEST
    async with opened(parts, upload_id) as writer:
        assert writer.offset == len(DATA)
        await writer.commit(DIGEST)


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
@pytest.mark.parametrize("told_before", [True, False])
async def test_a_digest_of_another_algorithm_is_checked_by_it(
    parts: Assembly, algorithm: str, told_before: bool
) -> None:
    claimed = Digest.of(algorithm, DATA)
    async with opened(parts, also=algorithm if told_before else None) as writer:
        await writer.write(DATA)
        assert await writer.commit(claimed) == DIGEST
    assert await parts.blob_store.get(DIGEST) == DATA


@pytest.mark.parametrize("told_before", [True, False])
async def test_a_wrong_digest_of_another_algorithm_is_refused(
    parts: Assembly, told_before: bool
) -> None:
    async with opened(parts, also="sha512" if told_before else None) as writer:
        await writer.write(DATA)
        with pytest.raises(DigestMismatch):
            await writer.commit(Digest.of("sha512", b"other"))
    assert await parts.blob_store.get(DIGEST) is None


async def test_content_of_the_right_length_is_kept(store: Store) -> None:
    parts = assemble(store.open())
    await parts.blob_store.put(DATA)
    before = (await parts.driver.stat(paths.blob_data(DIGEST))).modified_s
    async with opened(parts) as writer:
        await writer.write(DATA)
        await writer.commit(DIGEST)
    assert (await parts.driver.stat(paths.blob_data(DIGEST))).modified_s == before
    assert not [path for path in store.remains() if path.endswith("/data") and "_up" in path]


@pytest.mark.parametrize("damaged", [b"", DATA[:50], DATA + b"x"], ids=["empty", "short", "long"])
@pytest.mark.parametrize("implementation", implementations())
async def test_damaged_content_is_healed(
    store: Store, damaged: bytes, implementation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_hash(monkeypatch, implementation)
    parts = assemble(store.open())
    await parts.driver.put_content(paths.blob_data(DIGEST), damaged)
    upload_id = await begin(parts)
    async with opened(parts, upload_id) as writer:
        await writer.write(DATA[:70])
        await writer.checkpoint()
    async with opened(parts, upload_id) as writer:
        await writer.write(DATA[70:])
        await writer.commit(DIGEST)
    assert await parts.blob_store.get(DIGEST) == DATA


async def test_a_hash_state_is_in_the_form_of_go_at_each_checkpoint(store: Store) -> None:
    parts = assemble(store.open())
    upload_id = await begin(parts)
    async with opened(parts, upload_id) as writer:
        for end in (30, 70):
            await writer.write(DATA[writer.offset : end])
            await writer.checkpoint()
    for offset in (0, 30, 70):
        path = paths.upload_hash_state(NAME, upload_id, "sha256", offset)
        assert await parts.driver.get_content(path) == go_state(DATA[:offset])


async def test_what_is_recorded_is_durable_before(store: Store) -> None:
    driver = Recording(store.open())
    parts = assemble(driver)
    upload_id = await begin(parts)
    async with opened(parts, upload_id) as writer:
        await writer.write(DATA)
        driver.changes.clear()
        await writer.checkpoint()
    state = paths.upload_hash_state(NAME, upload_id, "sha256", len(DATA))
    record = paths.upload_record(NAME, upload_id)
    assert driver.changes == [
        ("checkpoint", ""),
        ("put_content", state),
        *([] if driver.properties.append else [("put_content", record)]),
    ]


async def test_only_a_store_with_files_lets_threads_write(store: Store) -> None:
    parts = assemble(store.open())
    async with opened(parts) as writer:
        assert writer.threaded == isinstance(store, DirectoryStore)


async def test_a_full_disk_leaves_the_offset_and_the_hash_alone(store: Store) -> None:
    if not isinstance(store, DirectoryStore):
        return
    parts = assemble(store.open())
    async with opened(parts) as writer:
        await writer.write(DATA[:70])
        with file_limit(FILE_LIMIT_BYTES), pytest.raises(OutOfSpace):
            await writer.write(bytes(2 * FILE_LIMIT_BYTES))
        assert writer.offset == 70
        await writer.write(DATA[70:])
        await writer.commit(DIGEST)
    assert await parts.blob_store.get(DIGEST) == DATA


class LateCancels(Wrapper):
    """Cancels `scope` when a write has counted its bytes, which the contract allows a store."""

    scope: trio.CancelScope | None = None

    async def around(
        self, operation: Operation, paths: Sequence[str], call: Callable[[], Awaitable[T]]
    ) -> T:
        result = await call()
        if operation.method == "write" and self.scope is not None:
            self.scope.cancel()
            await trio.lowlevel.checkpoint()
        return result


@pytest.mark.parametrize("part_min_bytes", [None, 5])
async def test_a_block_that_counts_though_its_write_was_cancelled_is_hashed(
    part_min_bytes: int | None,
) -> None:
    driver = LateCancels(SharedMemory(part_min_bytes).open())
    parts = assemble(driver)
    upload_id = await begin(parts)
    async with opened(parts, upload_id) as writer:
        await writer.write(DATA[:30])
        with trio.CancelScope() as driver.scope:
            await writer.write(DATA[30:70])
        driver.scope = None
        assert writer.offset == 70
        await writer.checkpoint()
    path = paths.upload_hash_state(NAME, upload_id, "sha256", 70)
    assert await parts.driver.get_content(path) == go_state(DATA[:70])


async def test_hashing_content_that_is_shorter_than_it_should_be_fails(parts: Assembly) -> None:
    await parts.driver.put_content("/content", DATA)
    async with await parts.driver.open_reader("/content") as reader:
        assert (await hash_content(reader, "sha256", len(DATA))).digest() == DIGEST
        with pytest.raises(DriverError, match="ends at 100, not at 101"):
            await hash_content(reader, "sha256", len(DATA) + 1)
