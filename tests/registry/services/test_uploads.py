"""What a client may rely on after each answer; the random walk is in test_uploads_machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import TypeVar

import pytest
import trio

from drivers.contract import Driver
from drivers.errors import OutOfSpace, Unavailable
from drivers.wrappers import Operation, Wrapper
from registry.digest import Digest
from registry.oci import errors
from registry.oci.names import RepositoryName, UploadId
from registry.oci.ranges import ByteRange
from registry.services.uploads import OutOfOrder
from registry.storage import paths
from registry.stream import BodyTooSlow
from tests.drivers.stores import Store
from tests.kit.assembly import Assembly, assemble
from tests.kit.bodies import BytesBody, broken
from tests.kit.trouble import Meddling
from tests.kit.uploads import NAME, UPLOAD, go_state, leave

T = TypeVar("T")

DATA = bytes(range(100))
DIGEST = Digest.of("sha256", DATA)
WRONG = Digest.of("sha256", b"something else")


class Broken(Wrapper):
    """Fails each call of `method`."""

    def __init__(self, inner: Driver, method: str) -> None:
        super().__init__(inner)
        self._method = method

    async def around(
        self, operation: Operation, paths: Sequence[str], call: Callable[[], Awaitable[T]]
    ) -> T:
        if operation.method == self._method:
            raise Unavailable(self.name, next(iter(paths), "/"), "input/output error")
        return await call()


async def begin(parts: Assembly, data: bytes = b"") -> UploadId:
    upload_id = (await parts.uploads.start(NAME)).upload_id
    await parts.uploads.append(NAME, upload_id, BytesBody(data), None)
    return upload_id


async def offset(parts: Assembly, upload_id: UploadId) -> int:
    return (await parts.uploads.status(NAME, upload_id)).offset


async def test_the_status_says_when_it_began(store: Store) -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    parts = assemble(store.open(), now=lambda: moment)
    upload_id = await begin(parts, DATA)
    status = await parts.uploads.status(NAME, upload_id)
    assert (status.name, status.upload_id, status.offset) == (NAME, upload_id, len(DATA))
    assert status.started_at == moment


async def test_each_operation_on_an_unknown_upload_says_so(parts: Assembly) -> None:
    body = BytesBody(DATA)
    for call in (
        lambda: parts.uploads.status(NAME, UPLOAD),
        lambda: parts.uploads.append(NAME, UPLOAD, body, None),
        lambda: parts.uploads.finish(NAME, UPLOAD, DIGEST, body, None),
        lambda: parts.uploads.cancel(NAME, UPLOAD),
    ):
        with pytest.raises(errors.BlobUploadUnknown):
            await call()
    assert body.received_bytes == 0


@pytest.mark.parametrize(("first", "last"), [(0, 9), (49, 58), (51, 60), (10**18, 10**18 + 9)])
async def test_a_chunk_out_of_order_is_not_read_and_is_told_where_to_go_on(
    parts: Assembly, first: int, last: int
) -> None:
    upload_id = await begin(parts, DATA[:50])
    body = BytesBody(bytes(10))
    with pytest.raises(OutOfOrder) as caught:
        await parts.uploads.append(NAME, upload_id, body, ByteRange(first, last))
    assert caught.value.status == 416
    assert caught.value.upload.offset == 50
    assert body.received_bytes == 0


async def test_a_chunk_whose_declared_length_is_another_is_not_read(parts: Assembly) -> None:
    upload_id = await begin(parts)
    body = BytesBody(DATA)
    with pytest.raises(errors.SizeInvalid):
        await parts.uploads.append(NAME, upload_id, body, ByteRange(0, 50))
    assert body.received_bytes == 0
    assert await offset(parts, upload_id) == 0


@pytest.mark.parametrize("size", [50, 150])
async def test_a_chunk_that_turns_out_to_be_another_length_is_not_appended(
    parts: Assembly, size: int
) -> None:
    upload_id = await begin(parts)
    body = BytesBody(DATA, declared=False)
    with pytest.raises(errors.SizeInvalid):
        await parts.uploads.append(NAME, upload_id, body, ByteRange(0, size - 1))
    assert await offset(parts, upload_id) == 0
    await parts.uploads.finish(NAME, upload_id, DIGEST, BytesBody(DATA), None)


@pytest.mark.parametrize("error", [None, BodyTooSlow("stalled")], ids=["gone", "stalled"])
async def test_what_came_before_a_body_broke_off_is_kept(
    parts: Assembly, error: BodyTooSlow | None
) -> None:
    upload_id = await begin(parts, DATA[:10])
    body = BytesBody(DATA[10:60], error=error) if error else broken(DATA[10:60])
    with pytest.raises(errors.UploadBodyInvalid):
        await parts.uploads.append(NAME, upload_id, body, None)
    assert await offset(parts, upload_id) == 60
    await parts.uploads.finish(NAME, upload_id, DIGEST, BytesBody(DATA[60:]), None)


async def test_what_came_before_the_request_was_cancelled_is_kept(store: Store) -> None:
    parts = assemble(store.open())
    upload_id = await begin(parts, DATA[:10])
    body = BytesBody(DATA[10:], gate=trio.Event())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(parts.uploads.append, NAME, upload_id, body, None)
        await body.waiting.wait()
        nursery.cancel_scope.cancel()
    taken = await offset(assemble(store.open()), upload_id)
    assert taken == 10 + body.received_bytes
    rest = BytesBody(DATA[taken:])
    await parts.uploads.finish(NAME, upload_id, DIGEST, rest, ByteRange(taken, 99))


async def test_a_body_that_hits_a_full_store_leaves_what_was_acknowledged(store: Store) -> None:
    class Full(Broken):
        async def around(
            self, operation: Operation, paths: Sequence[str], call: Callable[[], Awaitable[T]]
        ) -> T:
            if operation.method == self._method:
                raise OutOfSpace(self.name, "/", "no space left")
            return await call()

    parts = assemble(store.open())
    upload_id = await begin(parts, DATA[:10])
    full = assemble(Full(store.open(), "checkpoint"))
    with pytest.raises(OutOfSpace):
        await full.uploads.append(NAME, upload_id, BytesBody(DATA[10:]), None)
    assert await offset(parts, upload_id) == 10
    await parts.uploads.finish(NAME, upload_id, DIGEST, BytesBody(DATA[10:]), None)


async def test_a_wrong_digest_ends_the_upload_and_leaves_nothing(store: Store) -> None:
    parts = assemble(store.open())
    upload_id = await begin(parts, DATA)
    with pytest.raises(errors.DigestInvalid, match=str(DIGEST)):
        await parts.uploads.finish(NAME, upload_id, WRONG, BytesBody(b""), None)
    assert store.remains() == []


async def test_a_wrong_digest_is_the_answer_though_cleaning_up_fails(store: Store) -> None:
    upload_id = await begin(assemble(store.open()), DATA)
    parts = assemble(Broken(store.open(), "delete"))
    with pytest.raises(errors.DigestInvalid):
        await parts.uploads.finish(NAME, upload_id, WRONG, BytesBody(b""), None)


async def test_a_blob_is_created_though_cleaning_up_fails(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    """It is stored and linked; what is left of the upload is for the purge."""
    upload_id = await begin(assemble(store.open()), DATA)
    parts = assemble(Broken(store.open(), "delete"))
    blob = await parts.uploads.finish(NAME, upload_id, DIGEST, BytesBody(b""), None)
    assert await parts.blobs.find(NAME, DIGEST) == blob
    assert upload_id in caplog.text


@pytest.mark.parametrize(
    ("body", "digest", "error"),
    [
        (broken(DATA), DIGEST, errors.UploadBodyInvalid),
        (BytesBody(DATA), WRONG, errors.DigestInvalid),
    ],
    ids=["broken", "wrong"],
)
async def test_a_failed_push_in_one_request_leaves_nothing(
    store: Store, body: BytesBody, digest: Digest, error: type[errors.RegistryError]
) -> None:
    with pytest.raises(error):
        await assemble(store.open()).uploads.put(NAME, digest, body)
    assert store.remains() == []


async def test_a_failed_push_is_told_as_it_failed_though_cleaning_up_fails(store: Store) -> None:
    parts = assemble(Broken(store.open(), "delete"))
    with pytest.raises(errors.UploadBodyInvalid):
        await parts.uploads.put(NAME, DIGEST, broken(DATA))


async def test_a_push_in_one_request_that_is_cancelled_leaves_nothing(store: Store) -> None:
    parts = assemble(store.open())
    body = BytesBody(DATA, gate=trio.Event())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(parts.uploads.put, NAME, DIGEST, body)
        await body.waiting.wait()
        nursery.cancel_scope.cancel()
    assert store.remains() == []


async def cancelled_before(
    store: Store, method: str, operate: Callable[[Assembly], Awaitable[object]]
) -> None:
    """Do it, with the client leaving right before the first call of `method`."""
    with trio.CancelScope() as scope:

        async def leave_now() -> None:
            scope.cancel()

        await operate(assemble(Meddling(store.open(), method, leave_now)))
    assert scope.cancel_called


async def test_a_commit_is_not_split_by_a_client_that_leaves(store: Store) -> None:
    parts = assemble(store.open())
    upload_id = await begin(parts, DATA)
    body = BytesBody(b"")
    await cancelled_before(
        store, "put_content", lambda it: it.uploads.finish(NAME, upload_id, DIGEST, body, None)
    )
    assert await parts.blobs.find(NAME, DIGEST) is not None
    assert not [path for path in store.remains() if "_uploads" in path]


async def test_a_cancel_is_not_split_by_a_client_that_leaves(store: Store) -> None:
    upload_id = await begin(assemble(store.open()), DATA)
    await cancelled_before(store, "delete", lambda it: it.uploads.cancel(NAME, upload_id))
    assert store.remains() == []


async def test_an_acknowledgement_is_not_split_by_a_client_that_leaves(store: Store) -> None:
    parts = assemble(store.open())
    upload_id = await begin(parts, DATA[:10])
    body = BytesBody(DATA[10:])
    await cancelled_before(
        store, "checkpoint", lambda it: it.uploads.append(NAME, upload_id, body, None)
    )
    assert await offset(parts, upload_id) == len(DATA)


async def test_an_upload_is_of_one_repository(parts: Assembly) -> None:
    upload_id = await begin(parts, DATA)
    other = RepositoryName("team/other")
    with pytest.raises(errors.BlobUploadUnknown):
        await parts.uploads.finish(other, upload_id, DIGEST, BytesBody(b""), None)
    assert await offset(parts, upload_id) == len(DATA)


async def test_a_cancelled_upload_leaves_nothing(store: Store) -> None:
    parts = assemble(store.open())
    await parts.uploads.cancel(NAME, await begin(parts, DATA))
    assert store.remains() == []


async def test_an_upload_of_go_is_finished_here(appending: Store) -> None:
    driver = appending.open()
    await leave(driver, DATA[:64], states={"64": go_state(DATA[:64])})
    parts = assemble(driver)
    body = BytesBody(DATA[64:])
    blob = await parts.uploads.finish(NAME, UPLOAD, DIGEST, body, ByteRange(64, 99))
    assert blob.size_bytes == len(DATA)
    assert sorted(appending.remains()) == sorted(
        [paths.blob_data(DIGEST), paths.layer_link(NAME, DIGEST)]
    )


async def test_what_is_pushed_twice_is_stored_once(store: Store) -> None:
    parts = assemble(store.open())
    for name in (NAME, RepositoryName("other")):
        await parts.uploads.put(name, DIGEST, BytesBody(DATA))
        await parts.uploads.put(name, DIGEST, BytesBody(DATA))
    data = [path for path in store.remains() if path.endswith("/data")]
    assert data == [paths.blob_data(DIGEST)]


async def test_the_same_blob_can_be_pushed_by_many_at_once(store: Store) -> None:
    parts = assemble(store.open())
    gate = trio.Event()
    bodies = [BytesBody(DATA, gate=gate) for _ in range(5)]
    async with trio.open_nursery() as nursery:
        for body in bodies:
            nursery.start_soon(parts.uploads.put, NAME, DIGEST, body)
        for body in bodies:
            await body.waiting.wait()
        gate.set()
    assert sorted(store.remains()) == sorted(
        [paths.blob_data(DIGEST), paths.layer_link(NAME, DIGEST)]
    )


class Small(Wrapper):
    """A store with little room left."""

    async def free_bytes(self) -> int | None:
        await trio.lowlevel.checkpoint()
        return 50


async def test_a_body_larger_than_the_room_is_refused_before_a_byte_is_read(store: Store) -> None:
    parts = assemble(Small(store.open()))
    upload_id = await begin(parts)
    body = BytesBody(DATA)
    with pytest.raises(errors.StorageFull) as caught:
        await parts.uploads.append(NAME, upload_id, body, None)
    assert body.received_bytes == 0
    assert caught.value.status == 507
    assert "Retry-After" in caught.value.headers
    assert (await parts.uploads.status(NAME, upload_id)).offset == 0
