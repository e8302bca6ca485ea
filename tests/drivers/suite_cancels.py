"""The shared suite, third part: what a cancelled call leaves behind, wherever the cut falls."""

from __future__ import annotations

import pytest

from drivers import errors
from drivers.contract import Driver, UploadSession
from tests.drivers.cancelling import at_every_checkpoint
from tests.drivers.stores import Store
from tests.drivers.suite_uploads import append


async def content_or_none(driver: Driver, path: str) -> bytes | None:
    (content,) = await driver.get_many([path])
    return content


class CancelSuite:
    async def test_cancelled_put_leaves_the_old_or_the_new(
        self, driver: Driver, store: Store
    ) -> None:
        async def prepare(count: int) -> str:
            await driver.put_content(f"/p/{count}", b"old")
            return f"/p/{count}"

        async def verify(path: str, returned: bool) -> None:
            content = await driver.get_content(path)
            assert content == b"new" if returned else content in (b"old", b"new")
            assert all(found.startswith("/p/") and "tmp" not in found for found in store.remains())

        await at_every_checkpoint(prepare, lambda path: driver.put_content(path, b"new"), verify)

    async def test_cancelled_move_keeps_the_content(self, driver: Driver) -> None:
        async def prepare(count: int) -> int:
            await driver.put_content(f"/s/{count}", b"x")
            return count

        async def verify(count: int, returned: bool) -> None:
            source = await content_or_none(driver, f"/s/{count}")
            target = await content_or_none(driver, f"/t/{count}")
            assert {source, target} <= {b"x", None}
            assert target == b"x" or (source == b"x" and not returned)
            assert source is None or target is None or not driver.properties.atomic_move
            if returned:
                assert source is None

        await at_every_checkpoint(
            prepare, lambda count: driver.move(f"/s/{count}", f"/t/{count}"), verify
        )

    async def test_cancelled_delete_can_be_done_again(self, driver: Driver, store: Store) -> None:
        async def prepare(count: int) -> str:
            for name in ("a", "b/c", "b/d/e"):
                await driver.put_content(f"/d/{count}/{name}", b"x")
            return f"/d/{count}"

        async def verify(path: str, returned: bool) -> None:
            try:
                await driver.delete(path)
                assert not returned
            except errors.PathNotFound:
                pass
            assert store.remains() == []

        await at_every_checkpoint(prepare, driver.delete, verify)

    async def test_cancelled_open_holds_no_claim(self, driver: Driver) -> None:
        opened: list[UploadSession] = []

        async def prepare(count: int) -> str:
            return f"/u/{count}/data"

        async def open_it(path: str) -> None:
            opened.append(await driver.open_upload(path))

        async def verify(path: str, returned: bool) -> None:
            assert len(opened) == returned
            while opened:
                await opened.pop().aclose()
            async with await driver.open_upload(path) as session:
                assert session.offset == 0

        await at_every_checkpoint(prepare, open_it, verify)

    async def test_cancelled_reopening_leaves_the_state_good(
        self, driver: Driver, store: Store
    ) -> None:
        opened: list[UploadSession] = []

        async def prepare(count: int) -> tuple[str, bytes]:
            path = f"/u/{count}/data"
            async with await driver.open_upload(path) as session:
                await append(session, b"0123456", b"78")
                return path, await session.checkpoint()

        async def open_it(upload: tuple[str, bytes]) -> None:
            opened.append(await driver.open_upload(upload[0], state=upload[1]))

        async def verify(upload: tuple[str, bytes], returned: bool) -> None:
            assert len(opened) == returned
            while opened:
                await opened.pop().aclose()
            async with await store.open().open_upload(upload[0], state=upload[1]) as session:
                await session.commit("/key")
            assert await driver.get_content("/key") == b"012345678"

        await at_every_checkpoint(prepare, open_it, verify)

    @pytest.mark.parametrize("more", [b"abc", b"abcdefgh"])
    async def test_cancelled_write_counts_all_or_nothing(self, driver: Driver, more: bytes) -> None:
        async def prepare(count: int) -> UploadSession:
            session = await driver.open_upload(f"/u/{count}/data")
            await append(session, b"0123456")
            return session

        async def verify(session: UploadSession, returned: bool) -> None:
            assert session.offset in ({7 + len(more)} if returned else {7, 7 + len(more)})
            counted = session.offset
            await append(session, b"end")
            await session.commit("/key")
            assert await driver.get_content("/key") == (b"0123456" + more)[:counted] + b"end"

        await at_every_checkpoint(
            prepare, lambda session: session.write(more, at=session.offset), verify
        )

    @pytest.mark.parametrize("more", [b"", b"89", b"89abcdefgh"])
    async def test_cancelled_checkpoint_keeps_earlier_states(
        self, driver: Driver, store: Store, more: bytes
    ) -> None:
        async def prepare(count: int) -> tuple[UploadSession, bytes]:
            session = await driver.open_upload(f"/u/{count}/data")
            await append(session, b"01234")
            await session.checkpoint()
            await append(session, b"567")
            state = await session.checkpoint()
            await append(session, more)
            return session, state

        async def verify(upload: tuple[UploadSession, bytes], _returned: bool) -> None:
            session, state = upload
            assert session.offset == 8 + len(more)
            await append(session, b"x")  # the session is as before the call
            await session.aclose()
            async with await store.open().open_upload(session.path, state=state) as session:
                assert session.offset == 8
                await append(session, b"end")
                await session.commit("/key")
            assert await driver.get_content("/key") == b"01234567end"
            assert store.remains() == ["/key"]

        await at_every_checkpoint(prepare, lambda upload: upload[0].checkpoint(), verify)

    @pytest.mark.parametrize("size", [0, 3, 8, 12])
    async def test_cancelled_commit_leaves_the_key_untouched_or_complete(
        self, driver: Driver, store: Store, size: int
    ) -> None:
        whole = b"0123456789ab"[:size]

        async def prepare(count: int) -> tuple[UploadSession, bytes]:
            await driver.put_content("/key", b"old")
            session = await driver.open_upload(f"/u/{count}/data")
            await append(session, whole[:6])
            await append(session, whole[6:])
            return session, await session.checkpoint()

        async def verify(upload: tuple[UploadSession, bytes], returned: bool) -> None:
            session, state = upload
            await session.aclose()
            content = await driver.get_content("/key")
            assert content == whole if returned else content in (b"old", whole)
            if content == b"old":
                async with await store.open().open_upload(session.path, state=state) as session:
                    assert session.offset == size
                    await session.commit("/key")
                assert await driver.get_content("/key") == whole
            assert store.remains() == ["/key"]

        await at_every_checkpoint(prepare, lambda upload: upload[0].commit("/key"), verify)

    async def test_cancelled_abort_can_be_done_again(self, driver: Driver, store: Store) -> None:
        async def prepare(count: int) -> UploadSession:
            session = await driver.open_upload(f"/u/{count}/data")
            await append(session, b"0123456", b"78")
            await session.checkpoint()
            return session

        async def verify(session: UploadSession, _returned: bool) -> None:
            await session.abort()
            await session.aclose()
            assert store.remains() == []

        await at_every_checkpoint(prepare, lambda session: session.abort(), verify)

    async def test_cancelled_aclose_has_closed(self, driver: Driver) -> None:
        async def prepare(count: int) -> UploadSession:
            return await driver.open_upload(f"/u/{count}/data")

        async def verify(session: UploadSession, _returned: bool) -> None:
            async with await driver.open_upload(session.path) as other:
                assert other.offset == 0
            with pytest.raises(errors.SessionEnded):
                await session.checkpoint()

        await at_every_checkpoint(prepare, lambda session: session.aclose(), verify)

    async def test_cancelled_reads_can_be_done_again(self, driver: Driver) -> None:
        await driver.put_content("/r/a", b"0123456")

        async def prepare(_count: int) -> None: ...

        async def read(_subject: None) -> None:
            await driver.get_content("/r/a")
            await driver.stat_many(["/r/a", "/r"])
            await driver.list("/r")
            async with await driver.open_reader("/r/a") as reader:
                await reader.read_at(0, 5)

        async def verify(_subject: None, _returned: bool) -> None:
            assert await driver.get_content("/r/a") == b"0123456"

        await at_every_checkpoint(prepare, read, verify)
