"""Where an upload stands, by what is recorded of it: ours, a Go registry's, or damaged."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from drivers.contract import Driver
from drivers.errors import UploadBusy
from drivers.wrappers import Wrapper
from registry.digest import Digest, implementations
from registry.oci.names import RepositoryName, UploadId
from registry.storage import paths
from registry.storage.uploads import UploadStore
from tests.drivers.stores import DirectoryStore, Store
from tests.kit.assembly import Assembly, assemble, utc_now
from tests.kit.trouble import Meddling
from tests.kit.uploads import NAME, STARTED, UPLOAD, go_state, leave, use_hash

DATA = bytes(range(100))


class CountingReads(Wrapper):
    """Counts readers, to tell a hash that was continued from one that was computed again."""

    readers = 0

    async def open_reader(self, path: str):  # type: ignore[no-untyped-def]  # as the wrapper's
        self.readers += 1
        return await super().open_reader(path)


async def finish(driver: Driver, rest: bytes, offset: int) -> bytes | None:
    """Go on with the upload of tests.kit.uploads from `offset`, and return the blob it became."""
    parts = assemble(driver)
    writer = await parts.upload_store.open(NAME, UPLOAD)
    assert writer is not None
    async with writer:
        assert writer.offset == offset
        await writer.write(rest)
        canonical = await writer.commit(Digest.of("sha256", DATA))
    return await parts.blob_store.get(canonical)


async def standing(uploads: UploadStore, upload_id: UploadId = UPLOAD) -> int | None:
    status = await uploads.status(NAME, upload_id)
    return None if status is None else status.offset


async def test_a_new_upload_stands_at_nothing(parts: Assembly) -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    created = await parts.upload_store.create(NAME, now)
    assert await parts.upload_store.status(NAME, created.upload_id) == created
    assert (created.offset, created.started_at) == (0, now)


async def test_an_upload_that_was_never_begun_is_unknown(parts: Assembly) -> None:
    assert await parts.upload_store.status(NAME, UPLOAD) is None
    assert await parts.upload_store.open(NAME, UPLOAD) is None
    assert await parts.upload_store.started_at(NAME, UPLOAD) is None
    assert not await parts.upload_store.remove(NAME, UPLOAD)
    assert await parts.upload_store.list(NAME) == []


async def test_data_without_a_start_is_no_upload(appending: Store) -> None:
    await leave(appending.open(), DATA, started=None)
    uploads = assemble(appending.open()).upload_store
    assert await uploads.status(NAME, UPLOAD) is None
    assert await uploads.open(NAME, UPLOAD) is None


async def test_an_upload_of_go_without_a_hash_state_is_hashed_again(appending: Store) -> None:
    driver = CountingReads(appending.open())
    await leave(driver, DATA[:70])
    assert await finish(driver, DATA[70:], 70) == DATA
    assert driver.readers > 0


async def test_the_hash_state_of_go_is_continued(appending: Store) -> None:
    driver = CountingReads(appending.open())
    await leave(driver, DATA[:70], states={"0": go_state(b""), "70": go_state(DATA[:70])})
    assert await finish(driver, DATA[70:], 70) == DATA
    assert driver.readers == 0


async def test_go_begun_and_wrote_nothing(appending: Store) -> None:
    driver = appending.open()
    await leave(driver, None)
    assert await finish(driver, DATA, 0) == DATA


async def test_bytes_after_the_last_record_are_dropped(appending: Store) -> None:
    """A crash after the data was written and before it was recorded, with other bytes since."""
    driver = appending.open()
    states = {"0": go_state(b""), "40": go_state(DATA[:40])}
    await leave(driver, DATA[:40] + b"never acknowledged", states=states)
    assert await standing(assemble(driver).upload_store) == 40
    assert await finish(driver, DATA[40:], 40) == DATA


async def test_a_state_beyond_the_data_does_not_count(appending: Store) -> None:
    driver = appending.open()
    states = {"40": go_state(DATA[:40]), "70": go_state(DATA[:70])}
    await leave(driver, DATA[:50], states=states)
    assert await finish(driver, DATA[40:], 40) == DATA


@pytest.mark.parametrize(
    "state",
    [b"", go_state(DATA[:70])[:-1], bytes(108), go_state(DATA[:69])],
    ids=["empty", "torn", "zeros", "of another length"],
)
async def test_an_unusable_hash_state_is_computed_again(appending: Store, state: bytes) -> None:
    driver = CountingReads(appending.open())
    await leave(driver, DATA[:70], states={"70": state})
    assert await finish(driver, DATA[70:], 70) == DATA
    assert driver.readers > 0


async def test_strange_names_among_the_hash_states_are_passed_over(appending: Store) -> None:
    driver = appending.open()
    await leave(driver, DATA[:70], states={"70": go_state(DATA[:70]), "x": b"", "-1": b""})
    assert await finish(driver, DATA[70:], 70) == DATA


@pytest.mark.parametrize("first", implementations())
@pytest.mark.parametrize("second", implementations())
async def test_any_implementation_goes_on_where_any_other_stopped(
    store: Store, first: str, second: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_hash(monkeypatch, first)
    uploads = assemble(store.open()).upload_store
    upload_id = (await uploads.create(NAME, utc_now())).upload_id
    writer = await uploads.open(NAME, upload_id)
    assert writer is not None
    async with writer:
        await writer.write(DATA[:70])
        await writer.checkpoint()
    use_hash(monkeypatch, second)
    parts = assemble(store.open())
    writer = await parts.upload_store.open(NAME, upload_id)
    assert writer is not None
    async with writer:
        assert writer.offset == 70
        await writer.write(DATA[70:])
        canonical = await writer.commit(Digest.of("sha256", DATA))
    assert await parts.blob_store.get(canonical) == DATA


async def has_record(parts: Assembly, upload_id: UploadId) -> bool:
    path = paths.upload_record(NAME, upload_id)
    return (await parts.driver.stat_many([path]))[0] is not None


async def test_a_record_of_our_own_is_kept_only_where_it_is_needed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = assemble(store.open())
    for implementation in implementations():
        use_hash(monkeypatch, implementation)
        upload_id = (await parts.upload_store.create(NAME, utc_now())).upload_id
        expected = implementation == "hashlib" or not parts.driver.properties.append
        assert await has_record(parts, upload_id) == expected


@pytest.mark.parametrize(
    "record",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        msgspec.json.encode({"version": 2, "offset": 3, "driver_state": ""}),
        msgspec.json.encode({"version": 1, "offset": -3, "driver_state": ""}),
        msgspec.json.encode({"version": 1, "offset": 70, "driver_state": "a"}),
    ],
)
async def test_a_damaged_record_counts_as_none(appending: Store, record: bytes) -> None:
    driver = appending.open()
    await leave(driver, DATA[:70], record=record)
    assert await standing(assemble(driver).upload_store) == 70
    assert await finish(driver, DATA[70:], 70) == DATA


async def test_a_damaged_record_means_to_begin_again_where_nothing_else_counts(
    store: Store,
) -> None:
    parts = assemble(store.open())
    if parts.driver.properties.append:
        return
    upload_id = (await parts.upload_store.create(NAME, utc_now())).upload_id
    writer = await parts.upload_store.open(NAME, upload_id)
    assert writer is not None
    async with writer:
        await writer.write(DATA)
        await writer.checkpoint()
    await parts.driver.put_content(paths.upload_record(NAME, upload_id), b'{"version":1')
    assert await standing(parts.upload_store, upload_id) == 0
    writer = await parts.upload_store.open(NAME, upload_id)
    assert writer is not None
    async with writer:
        await writer.write(DATA)
        await writer.commit(Digest.of("sha256", DATA))


@pytest.mark.parametrize(
    ("started", "moment"),
    [
        (STARTED, datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)),
        (f"{STARTED}\n", datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("2026-02-03T04:05:06", datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("2026-02-03T06:05:06+02:00", datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("2026-02-03T04:05:06.789Z", datetime(2026, 2, 3, 4, 5, 6, 789000, tzinfo=UTC)),
    ],
)
async def test_the_start_is_read_in_any_form_of_rfc_3339(
    appending: Store, started: str, moment: datetime
) -> None:
    await leave(appending.open(), b"", started=started)
    assert await assemble(appending.open()).upload_store.started_at(NAME, UPLOAD) == moment


@pytest.mark.parametrize("started", ["", "2026-02", "tomorrow", "0001-01-01T00:00:00+14:00", "\0"])
async def test_a_damaged_start_is_the_time_of_its_file(appending: Store, started: str) -> None:
    await leave(appending.open(), b"", started=started)
    status = await assemble(appending.open()).upload_store.status(NAME, UPLOAD)
    assert status is not None
    assert abs(status.started_at - utc_now()) < timedelta(minutes=5)


async def test_a_damaged_start_on_disk_is_as_old_as_its_file(appending: Store) -> None:
    if not isinstance(appending, DirectoryStore):
        return
    await leave(appending.open(), b"", started="")
    os.utime(f"{appending.root}{paths.upload_started_at(NAME, UPLOAD)}", (1000, 1000))
    started = await assemble(appending.open()).upload_store.started_at(NAME, UPLOAD)
    assert started == datetime.fromtimestamp(1000, UTC)


async def test_a_second_writer_is_told_that_it_is_one(store: Store) -> None:
    parts, others = assemble(store.open()), assemble(store.open())
    upload_id = (await parts.upload_store.create(NAME, utc_now())).upload_id
    writer = await parts.upload_store.open(NAME, upload_id)
    assert writer is not None
    async with writer:
        with pytest.raises(UploadBusy):
            await others.upload_store.open(NAME, upload_id)


async def test_an_upload_that_ends_between_look_and_claim_is_unknown(store: Store) -> None:
    parts = assemble(store.open())
    upload_id = (await parts.upload_store.create(NAME, utc_now())).upload_id
    driver = Meddling(
        store.open(), "open_upload", lambda: parts.upload_store.remove(NAME, upload_id)
    )
    assert await assemble(driver).upload_store.open(NAME, upload_id) is None
    assert store.remains() == []


async def test_a_claim_that_comes_too_late_leaves_no_file_behind(appending: Store) -> None:
    """An upload of Go without data is the one whose claim has to make the file."""
    await leave(appending.open(), None)
    uploads = assemble(appending.open()).upload_store
    driver = Meddling(appending.open(), "open_upload", lambda: uploads.remove(NAME, UPLOAD))
    assert await assemble(driver).upload_store.open(NAME, UPLOAD) is None
    assert appending.remains() == []


@pytest.mark.parametrize("states", [{"0": go_state(b"")}, {"70": go_state(DATA[:70])}])
async def test_an_upload_whose_bytes_became_a_blob_is_over(
    appending: Store, states: dict[str, bytes]
) -> None:
    """Between commit and cleaning up, or for good when the process died there."""
    await leave(appending.open(), None, states=states)
    uploads = assemble(appending.open()).upload_store
    assert await uploads.status(NAME, UPLOAD) is None
    assert await uploads.open(NAME, UPLOAD) is None
    assert await uploads.started_at(NAME, UPLOAD) is not None


async def test_an_upload_of_which_bytes_are_lost_cannot_be_opened(store: Store) -> None:
    parts = assemble(store.open())
    if parts.driver.properties.append:
        return
    upload_id = (await parts.upload_store.create(NAME, utc_now())).upload_id
    await parts.driver.delete(paths.upload_data(NAME, upload_id))
    assert await parts.upload_store.open(NAME, upload_id) is None


async def test_an_upload_that_goes_on_between_look_and_claim_is_looked_at_again(
    store: Store,
) -> None:
    parts = assemble(store.open())
    upload_id = (await parts.upload_store.create(NAME, utc_now())).upload_id

    async def go_on() -> None:
        writer = await parts.upload_store.open(NAME, upload_id)
        assert writer is not None
        async with writer:
            await writer.write(DATA[:70])
            await writer.checkpoint()

    driver = Meddling(store.open(), "open_upload", go_on)
    writer = await assemble(driver).upload_store.open(NAME, upload_id)
    assert writer is not None
    async with writer:
        assert writer.offset == 70


async def test_an_upload_belongs_to_its_repository(parts: Assembly) -> None:
    upload_id = (await parts.upload_store.create(NAME, utc_now())).upload_id
    other = RepositoryName("team/other")
    assert await parts.upload_store.status(other, upload_id) is None
    assert await parts.upload_store.list(NAME) == [upload_id]
    assert await parts.upload_store.list(other) == []


async def test_removing_leaves_nothing(store: Store) -> None:
    parts = assemble(store.open())
    upload_id = (await parts.upload_store.create(NAME, utc_now())).upload_id
    assert await parts.upload_store.remove(NAME, upload_id)
    assert store.remains() == []
