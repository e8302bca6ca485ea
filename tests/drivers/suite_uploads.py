"""The shared suite, second part: upload sessions."""

from __future__ import annotations

import os
import random

import pytest
import trio

from drivers import errors
from drivers.contract import Driver, UploadSession
from tests.drivers.stores import Store
from tests.drivers.suite_content import read_all

PATH = "/uploads/1/data"
KEY = "/blobs/ab/abcd/data"


async def append(session: UploadSession, *blocks: bytes) -> None:
    for block in blocks:
        await session.write(block, at=session.offset)


async def checkpointed(driver: Driver, *blocks: bytes, path: str = PATH) -> bytes:
    """Leave an upload of these blocks behind and return its state."""
    async with await driver.open_upload(path) as session:
        await append(session, *blocks)
        return await session.checkpoint()


class UploadSuite:
    @pytest.mark.parametrize(
        "sizes", [[], [0], [1], [4], [5], [6], [3, 3], [0, 7, 0], [300_000, 1]]
    )
    async def test_commit_joins_what_was_written(
        self, driver: Driver, store: Store, sizes: list[int]
    ) -> None:
        blocks = [os.urandom(size) for size in sizes]
        async with await driver.open_upload(PATH) as session:
            assert (session.path, session.offset) == (PATH, 0)
            await append(session, *blocks)
            assert session.offset == sum(sizes)
            await session.commit(KEY)
        assert await driver.get_content(KEY) == b"".join(blocks)
        assert (await driver.stat(KEY)).size_bytes == sum(sizes)
        assert store.remains() == [KEY]
        with pytest.raises(errors.PathNotFound):
            await driver.stat(PATH)

    @pytest.mark.parametrize("seed", range(5))
    async def test_any_pieces_with_any_checkpoints_give_the_same_bytes(
        self, driver: Driver, store: Store, seed: int
    ) -> None:
        chance = random.Random(seed)
        whole = b""
        session = await driver.open_upload(PATH)
        for _ in range(25):
            block = chance.randbytes(chance.randrange(12))
            await append(session, block)
            whole += block
            if chance.random() < 0.5:
                state = await session.checkpoint()
                if chance.random() < 0.5:
                    await session.aclose()
                    session = await store.open().open_upload(PATH, state=state)
                    assert session.offset == len(whole)
        await session.commit(KEY)
        assert await driver.get_content(KEY) == whole
        assert store.remains() == [KEY]

    async def test_any_buffer_is_taken_and_may_be_reused(self, driver: Driver) -> None:
        async with await driver.open_upload(PATH) as session:
            buffer = bytearray(b"0123456789")
            await session.write(buffer, at=0)
            buffer[:] = b"xxxxxxxxxx"
            await session.write(memoryview(b"..abc..")[2:5], at=10)
            buffer.clear()  # no export may have been kept
            await session.commit(KEY)
        assert await driver.get_content(KEY) == b"0123456789abc"

    @pytest.mark.parametrize("at", [0, 5, 7, 100, -1])
    async def test_a_write_elsewhere_is_refused_and_changes_nothing(
        self, driver: Driver, at: int
    ) -> None:
        async with await driver.open_upload(PATH) as session:
            await session.write(b"012345", at=0)
            with pytest.raises(errors.OffsetMismatch) as caught:
                await session.write(b"xxx", at=at)
            assert (caught.value.offset, caught.value.asked) == (6, at)
            assert session.offset == 6
            with pytest.raises(errors.OffsetMismatch):
                await session.write(b"", at=at)
            await session.write(b"6", at=6)
            await session.commit(KEY)
        assert await driver.get_content(KEY) == b"0123456"

    # Going on from a state

    @pytest.mark.parametrize("size", [0, 3, 5, 8, 100_000])
    async def test_an_upload_goes_on_from_its_state(
        self, driver: Driver, store: Store, size: int
    ) -> None:
        first = os.urandom(size)
        state = await checkpointed(driver, first)
        assert len(state) < 4096
        async with await store.open().open_upload(PATH, state=state) as session:
            assert session.offset == size
            await append(session, b"and more")
            await session.commit(KEY)
        assert await driver.get_content(KEY) == first + b"and more"
        assert store.remains() == [KEY]

    async def test_bytes_past_the_checkpoint_are_not_counted(
        self, driver: Driver, store: Store
    ) -> None:
        async with await driver.open_upload(PATH) as session:
            await append(session, b"kept, ")
            state = await session.checkpoint()
            await append(session, b"lost bytes that are many more than were kept")
        async with await store.open().open_upload(PATH, state=state) as session:
            assert session.offset == 6
            await append(session, b"new")
            await session.commit(KEY)
        assert await driver.get_content(KEY) == b"kept, new"

    @pytest.mark.parametrize("sizes", [(2, 2), (5, 2), (2, 5), (7, 9)])
    async def test_the_state_before_the_last_is_still_good(
        self, driver: Driver, store: Store, sizes: tuple[int, int]
    ) -> None:
        """Who dies between getting a state and recording it goes on from the one before."""
        async with await driver.open_upload(PATH) as session:
            await append(session, b"a" * sizes[0])
            state = await session.checkpoint()
            await append(session, b"b" * sizes[1])
            await session.checkpoint()
        async with await store.open().open_upload(PATH, state=state) as session:
            assert session.offset == sizes[0]
            await append(session, b"c")
            await session.commit(KEY)
        assert await driver.get_content(KEY) == b"a" * sizes[0] + b"c"
        assert store.remains() == [KEY]

    async def test_a_state_can_be_opened_again_and_again(self, driver: Driver) -> None:
        state = await checkpointed(driver, b"0123456")
        for _ in range(3):
            async with await driver.open_upload(PATH, state=state) as session:
                await append(session, b"xyz")
        async with await driver.open_upload(PATH, state=state) as session:
            await session.commit(KEY)
        assert await driver.get_content(KEY) == b"0123456"

    @pytest.mark.parametrize(
        "state", [b"", b"x", b"\0" * 40, b"fs1", b"fs1 -1", b"mem1 1\n", b"{}"]
    )
    async def test_a_foreign_state_is_refused(self, driver: Driver, state: bytes) -> None:
        good = await checkpointed(driver, b"0123456")
        with pytest.raises(errors.StateInvalid):
            await driver.open_upload(PATH, state=state)
        with pytest.raises(errors.StateInvalid):
            await driver.open_upload(PATH, state=good + b"\n")
        async with await driver.open_upload(PATH, state=good) as session:
            assert session.offset == 7

    @pytest.mark.parametrize("end", ["abort", "commit", "delete"])
    async def test_a_state_ends_with_its_upload(self, driver: Driver, end: str) -> None:
        async with await driver.open_upload(PATH) as session:
            await append(session, b"01234567")
            state = await session.checkpoint()
            if end == "abort":
                await session.abort()
            elif end == "commit":
                await session.commit(KEY)
        if end == "delete":
            await driver.delete("/uploads/1")
        with pytest.raises(errors.PathNotFound):
            await driver.open_upload(PATH, state=state)
        async with await driver.open_upload(PATH) as session:  # the failed open holds no claim
            assert session.offset == 0

    async def test_an_upload_can_be_adopted_at_an_offset(
        self, driver: Driver, store: Store
    ) -> None:
        if not driver.properties.append:
            pytest.skip("a store without append never held a Go registry's upload")
        await driver.put_content(PATH, b"0123456789")
        with pytest.raises(errors.OffsetMismatch) as caught:
            await driver.open_upload(PATH, offset=11)
        assert caught.value.offset == 10
        async with await driver.open_upload(PATH, offset=7) as session:
            assert session.offset == 7
            await append(session, b"abc")
            state = await session.checkpoint()
        async with await store.open().open_upload(PATH, state=state) as session:
            await session.commit(KEY)
        assert await driver.get_content(KEY) == b"0123456abc"
        assert store.remains() == [KEY]

    async def test_nothing_cannot_be_adopted(self, driver: Driver, store: Store) -> None:
        with pytest.raises(errors.PathNotFound):
            await driver.open_upload(PATH, offset=0)
        await driver.put_content("/uploads/1/startedat", b"x")
        with pytest.raises(errors.PathNotFound):
            await driver.open_upload(PATH, offset=0)
        with pytest.raises(errors.PathNotFound):
            await driver.open_upload("/uploads/1", offset=0)
        with pytest.raises(errors.InvalidPath):
            await driver.open_upload("/uploads/1")
        with pytest.raises(ValueError, match="negative"):
            await driver.open_upload(PATH, offset=-1)
        assert store.remains() == ["/uploads/1/startedat"]

    @pytest.mark.parametrize("how", ["state", "offset", "neither"])
    async def test_opening_where_the_upload_no_longer_stands_drops_nothing(
        self, driver: Driver, store: Store, how: str
    ) -> None:
        """As who looked before another session went on, and claims after it."""
        if not driver.properties.append:
            how = "state"  # the other two discard at once there
        old = await checkpointed(driver, b"0123")
        async with await driver.open_upload(PATH, state=old) as session:
            await append(session, b"456", b"789")
            state = await session.checkpoint()
        match how:
            case "state":
                session = await driver.open_upload(PATH, state=old)
            case "offset":
                session = await driver.open_upload(PATH, offset=4)
            case _:
                session = await driver.open_upload(PATH)
        assert session.offset == (0 if how == "neither" else 4)
        await session.aclose()
        async with await store.open().open_upload(PATH, state=state) as session:
            assert session.offset == 10
            await session.commit(KEY)
        assert await driver.get_content(KEY) == b"0123456789"

    async def test_a_new_upload_discards_what_was_there(self, driver: Driver, store: Store) -> None:
        await checkpointed(driver, b"0123456789", b"01")
        async with await driver.open_upload(PATH) as session:
            assert session.offset == 0
            await append(session, b"new")
            await session.commit(KEY)
        assert await driver.get_content(KEY) == b"new"
        assert store.remains() == [KEY]

    # The claim

    async def test_an_open_upload_is_busy(self, driver: Driver, store: Store) -> None:
        async with await driver.open_upload(PATH) as session:
            await append(session, b"0123456")
            state = await session.checkpoint()
            for other in (driver, store.open()):
                for arguments in ({}, {"state": state}, {"offset": 1}):
                    with pytest.raises(errors.UploadBusy):
                        await other.open_upload(PATH, **arguments)
            async with await driver.open_upload("/uploads/2/data"):
                pass
            await append(session, b"789")
            await session.commit(KEY)
        assert await driver.get_content(KEY) == b"0123456789"

    @pytest.mark.parametrize("end", ["aclose", "abort", "commit"])
    async def test_the_claim_ends_with_the_session(
        self, driver: Driver, store: Store, end: str
    ) -> None:
        session = await driver.open_upload(PATH)
        await append(session, b"0123456")
        await session.checkpoint()
        await (session.commit(KEY) if end == "commit" else getattr(session, end)())
        async with await store.open().open_upload(PATH):
            pass
        async with await driver.open_upload(PATH):
            pass

    async def test_of_many_that_open_at_once_one_gets_it(
        self, driver: Driver, store: Store
    ) -> None:
        sessions: list[UploadSession] = []
        busy = 0

        async def contend(driver: Driver) -> None:
            nonlocal busy
            try:
                sessions.append(await driver.open_upload(PATH))
            except errors.UploadBusy:
                busy += 1

        async with trio.open_nursery() as nursery:
            for _ in range(6):
                nursery.start_soon(contend, driver)
                nursery.start_soon(contend, store.open())
        assert (len(sessions), busy) == (1, 11)
        await sessions[0].aclose()

    # The end of a session

    @pytest.mark.parametrize("end", ["aclose", "abort", "commit"])
    async def test_a_session_that_is_over_takes_nothing(self, driver: Driver, end: str) -> None:
        session = await driver.open_upload(PATH)
        await append(session, b"0123456")
        await session.checkpoint()
        await (session.commit(KEY) if end == "commit" else getattr(session, end)())
        with pytest.raises(errors.SessionEnded):
            await session.write(b"x", at=7)
        with pytest.raises(errors.SessionEnded):
            await session.checkpoint()
        with pytest.raises(errors.SessionEnded):
            await session.commit("/other")
        with pytest.raises(errors.SessionEnded):
            session.advance(7)
        assert session.fileno() is None
        await session.abort()
        await session.aclose()
        await session.aclose()
        with pytest.raises(errors.PathNotFound):
            await driver.stat("/other")
        if end == "commit":
            assert await driver.get_content(KEY) == b"0123456"

    async def test_abort_leaves_nothing(self, driver: Driver, store: Store) -> None:
        state = b""
        async with await driver.open_upload(PATH) as session:
            for _ in range(4):
                await append(session, b"abc")
                state = await session.checkpoint()
        async with await store.open().open_upload(PATH, state=state) as session:
            await append(session, b"abcdefg")
            await session.abort()
        assert store.remains() == []

    async def test_delete_above_takes_an_upload_away(self, driver: Driver, store: Store) -> None:
        await checkpointed(driver, b"0123456", b"78")
        await driver.delete("/uploads/1")
        assert store.remains() == []

    async def test_an_upload_deleted_from_under_its_session_is_over(
        self, driver: Driver, store: Store
    ) -> None:
        async with await driver.open_upload(PATH) as session:
            await append(session, b"0123456")
            await session.checkpoint()
            await driver.delete("/uploads/1")
            with pytest.raises(errors.SessionEnded):
                await session.commit(KEY)
        async with await driver.open_upload(PATH) as session:
            await append(session, b"0123456")
            await driver.delete("/uploads/1")
            with pytest.raises(errors.SessionEnded):
                await session.checkpoint()
            async with await driver.open_upload(PATH) as successor:
                await append(successor, b"other")
                await session.abort()  # must not take the successor's bytes
                await successor.commit(KEY)
        assert await driver.get_content(KEY) == b"other"
        assert store.remains() == [KEY]

    # The key

    async def test_commit_replaces_and_readers_go_on(self, driver: Driver) -> None:
        await driver.put_content(KEY, b"old" * 1000)
        async with await driver.open_reader(KEY) as reader:
            async with await driver.open_upload(PATH) as session:
                await append(session, b"new")
                await session.commit(KEY)
            assert await read_all(reader) == b"old" * 1000
        assert await driver.get_content(KEY) == b"new"

    async def test_readers_see_all_of_one_blob_while_it_is_committed(self, driver: Driver) -> None:
        done = trio.Event()
        await driver.put_content(KEY, b"a" * 9_000)

        async def read() -> None:
            while not done.is_set():
                async with await driver.open_reader(KEY) as reader:
                    content = await read_all(reader)
                assert len(content) == 9_000
                assert len(set(content)) == 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            nursery.start_soon(read)
            for letter in b"bcdefgh":
                async with await driver.open_upload(PATH) as session:
                    await append(session, *[bytes([letter]) * 3_000] * 3)
                    await session.commit(KEY)
            done.set()

    async def test_a_key_that_cannot_be_leaves_the_upload(
        self, driver: Driver, store: Store
    ) -> None:
        await driver.put_content("/taken/child", b"x")
        async with await driver.open_upload(PATH) as session:
            await append(session, b"0123456")
            state = await session.checkpoint()
            for key in ("/taken", "/taken/child/below", "/../x", "/"):
                with pytest.raises(errors.InvalidPath):
                    await session.commit(key)
        async with await store.open().open_upload(PATH, state=state) as session:
            await session.commit(KEY)
        assert await driver.get_content(KEY) == b"0123456"
        assert await driver.get_content("/taken/child") == b"x"
        assert sorted(store.remains()) == [KEY, "/taken/child"]

    # The descriptor

    async def test_bytes_written_through_the_descriptor_are_counted(
        self, driver: Driver, store: Store
    ) -> None:
        async with await driver.open_upload(PATH) as session:
            descriptor = session.fileno()
            assert (descriptor is not None) == driver.properties.local_files
            await append(session, b"01")
            with pytest.raises(errors.OffsetMismatch) as caught:
                session.advance(1)
            assert caught.value.offset == 2
            session.advance(2)
            if descriptor is None:
                with pytest.raises(errors.OffsetMismatch):
                    session.advance(3)
                return
            os.pwrite(descriptor, b"23456", 2)
            session.advance(5)
            assert session.offset == 5
            state = await session.checkpoint()
            os.pwrite(descriptor, b"lost", 5)
        async with await store.open().open_upload(PATH, state=state) as session:
            await session.commit(KEY)
        assert await driver.get_content(KEY) == b"01234"
