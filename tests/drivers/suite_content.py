"""The shared suite, first part: content, listings, readers, moves and deletes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import trio

from drivers import errors
from drivers.contract import Driver, Reader
from tests.drivers.stores import Store

A_UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
TEMPORARY_LOOK = f"link.{A_UUID}.tmp"

BAD_PATHS = [
    "",
    "a",
    "a/b",
    "//",
    "/a/",
    "//a",
    "/a//b",
    "/.",
    "/..",
    "/a/..",
    "/a/../b",
    "/../a",
    "/./a",
    "/a/.",
    "/a b",
    "/a\0b",
    "/a\n",
    "/a/b\n",
    "/a\\b",
    "/a:b",
    "/a%2fb",
    "/ä",
    "/a*",
    "/a\ud800",
]
GOOD_NAMES = ["-", "+", "=", "~", "_", "a.b", "...", "..a", ".a", "a..", "A", "Z9", "x" * 200]

Call = Callable[[Driver, str], Awaitable[object]]


async def _commit_at(driver: Driver, path: str) -> None:
    session = await driver.open_upload("/elsewhere/data")
    async with session:
        try:
            await session.commit(path)
        finally:
            await session.abort()


READS: dict[str, Call] = {
    "get_content": lambda driver, path: driver.get_content(path),
    "get_many": lambda driver, path: driver.get_many(["/a", path]),
    "stat": lambda driver, path: driver.stat(path),
    "stat_many": lambda driver, path: driver.stat_many(["/a", path]),
    "list": lambda driver, path: driver.list(path),
    "open_reader": lambda driver, path: driver.open_reader(path),
}
WRITES: dict[str, Call] = {
    "put_content": lambda driver, path: driver.put_content(path, b"x"),
    "move source": lambda driver, path: driver.move(path, "/elsewhere"),
    "move target": lambda driver, path: driver.move("/present", path),
    "delete": lambda driver, path: driver.delete(path),
    "open_upload": lambda driver, path: driver.open_upload(path),
    "commit": _commit_at,
}


async def read_all(reader: Reader, block_bytes: int = 1000) -> bytes:
    blocks = []
    offset = 0
    while block := await reader.read_at(offset, block_bytes):
        blocks.append(block)
        offset += len(block)
    return b"".join(blocks)


class ContentSuite:
    @pytest.fixture
    def store(self) -> Store:
        raise NotImplementedError("bind the suite by overriding this fixture")

    @pytest.fixture
    async def driver(self, store: Store) -> AsyncIterator[Driver]:
        driver = store.open()
        yield driver
        await driver.aclose()

    async def test_is_a_driver_that_describes_itself(self, driver: Driver) -> None:
        assert isinstance(driver, Driver)
        assert driver.name
        assert driver.location
        assert driver.properties.part_min_bytes >= 1
        assert driver.properties.part_min_bytes == 1 or not driver.properties.append
        free = await driver.free_bytes()
        assert free is None or free > 0

    async def test_an_empty_store_has_an_empty_root(self, driver: Driver) -> None:
        assert await driver.list("/") == []
        root = await driver.stat("/")
        assert (root.path, root.is_directory, root.size_bytes) == ("/", True, 0)

    @pytest.mark.parametrize("size_bytes", [0, 1, 71, 65_536, 1_048_579])
    async def test_content_is_returned_as_put(self, driver: Driver, size_bytes: int) -> None:
        content = bytes(range(256)) * (size_bytes // 256 + 1)
        content = content[:size_bytes]
        await driver.put_content("/a/b/c", content)
        assert await driver.get_content("/a/b/c") == content
        info = await driver.stat("/a/b/c")
        assert (info.path, info.size_bytes, info.is_directory) == ("/a/b/c", size_bytes, False)
        assert info.modified_s > 1_500_000_000
        async with await driver.open_reader("/a/b/c") as reader:
            assert reader.size_bytes == size_bytes
            assert await read_all(reader, 65_537) == content

    async def test_put_replaces_longer_content(self, driver: Driver) -> None:
        await driver.put_content("/a", b"longer than the next")
        await driver.put_content("/a", b"short")
        assert await driver.get_content("/a") == b"short"

    async def test_a_second_driver_sees_what_the_first_put(
        self, driver: Driver, store: Store
    ) -> None:
        await driver.put_content("/a/b", b"x")
        assert await store.open().get_content("/a/b") == b"x"

    @pytest.mark.parametrize("name", GOOD_NAMES)
    async def test_every_name_of_the_grammar_can_be_used(self, driver: Driver, name: str) -> None:
        await driver.put_content(f"/{name}/{name}", b"x")
        assert await driver.get_content(f"/{name}/{name}") == b"x"
        assert await driver.list("/") == [name]
        await driver.delete(f"/{name}/{name}")

    @pytest.mark.parametrize("call", [*READS, *WRITES])
    async def test_paths_outside_the_grammar_are_refused(self, driver: Driver, call: str) -> None:
        await driver.put_content("/present", b"x")
        for path in BAD_PATHS:
            with pytest.raises(errors.InvalidPath) as caught:
                await {**READS, **WRITES}[call](driver, path)
            assert caught.value.path == path
        assert await driver.list("/") in (["present"], ["elsewhere", "present"])
        assert await driver.get_content("/present") == b"x"

    @pytest.mark.parametrize("call", WRITES)
    async def test_the_root_cannot_be_written(self, driver: Driver, call: str) -> None:
        await driver.put_content("/present", b"x")
        with pytest.raises(errors.InvalidPath):
            await WRITES[call](driver, "/")
        assert await driver.get_content("/present") == b"x"

    @pytest.mark.parametrize("path", ["/", "/a", "/a/b", "/nothing", "/a/b/c/below", "/a/x/y"])
    async def test_reading_what_is_not_content_finds_nothing(
        self, driver: Driver, path: str
    ) -> None:
        await driver.put_content("/a/b/c", b"x")
        with pytest.raises(errors.PathNotFound):
            await driver.get_content(path)
        with pytest.raises(errors.PathNotFound):
            await driver.open_reader(path)
        assert await driver.get_many([path]) == [None]
        if driver.properties.immediate_reads:
            assert driver.read_now([path]) == [None]

    async def test_stat_tells_directories_from_content(self, driver: Driver) -> None:
        await driver.put_content("/a/b/c", b"xyz")
        assert (await driver.stat("/a")).is_directory
        assert (await driver.stat("/a/b")).size_bytes == 0
        for path in ("/b", "/a/c", "/a/b/c/d"):
            with pytest.raises(errors.PathNotFound):
                await driver.stat(path)

    async def test_many_keep_their_order_and_their_holes(self, driver: Driver) -> None:
        await driver.put_content("/a/1", b"one")
        await driver.put_content("/a/3", b"")
        paths = ["/a/3", "/a/2", "/a/1", "/a", "/x/y", "/a/1"]
        assert await driver.get_many(paths) == [b"", None, b"one", None, None, b"one"]
        if driver.properties.immediate_reads:
            assert driver.read_now(paths) == await driver.get_many(paths)
            assert driver.stat_now(paths) == await driver.stat_many(paths)
        found = await driver.stat_many(paths)
        sizes = [None if info is None else (info.path, info.size_bytes) for info in found]
        assert sizes == [("/a/3", 0), None, ("/a/1", 3), ("/a", 0), None, ("/a/1", 3)]
        assert await driver.get_many([]) == []
        assert await driver.stat_many([]) == []

    async def test_a_key_holds_content_or_children(self, driver: Driver) -> None:
        await driver.put_content("/a/b", b"x")
        with pytest.raises(errors.InvalidPath):
            await driver.put_content("/a", b"y")
        with pytest.raises(errors.InvalidPath):
            await driver.put_content("/a/b/c", b"y")
        with pytest.raises(errors.InvalidPath):
            await driver.move("/a/b", "/a")
        assert await driver.get_content("/a/b") == b"x"

    async def test_put_leaves_only_its_path(self, driver: Driver, store: Store) -> None:
        await driver.put_content("/a/b", b"x")
        await driver.put_content("/a/b", b"y")
        with pytest.raises(errors.InvalidPath):
            await driver.put_content("/a", b"z")
        assert store.remains() == ["/a/b"]

    # Listing

    async def test_list_is_in_byte_order(self, driver: Driver) -> None:
        names = ["a", "B", "_", "~", "a-", "a.b", "a0", "10", "9", "+", "=", "aa"]
        for name in names:
            await driver.put_content(f"/d/{name}/link", b"")
        assert await driver.list("/d") == sorted(names, key=str.encode)
        assert await driver.list("/") == ["d"]

    async def test_list_goes_on_after_a_name_up_to_a_limit(self, driver: Driver) -> None:
        for name in "bdfh":
            await driver.put_content(f"/d/{name}", b"")
        assert await driver.list("/d", after="d") == ["f", "h"]
        assert await driver.list("/d", after="c") == ["d", "f", "h"]
        assert await driver.list("/d", after="h") == []
        assert await driver.list("/d", after="z" * 300) == []
        assert await driver.list("/d", limit=2) == ["b", "d"]
        assert await driver.list("/d", after="b", limit=1) == ["d"]
        assert await driver.list("/d", limit=0) == []
        assert await driver.list("/d", limit=9) == ["b", "d", "f", "h"]

    @pytest.mark.parametrize("path", ["/x", "/d/x", "/d/content", "/d/content/x"])
    async def test_list_of_what_is_no_directory_finds_nothing(
        self, driver: Driver, path: str
    ) -> None:
        await driver.put_content("/d/content", b"")
        with pytest.raises(errors.PathNotFound):
            await driver.list(path)

    async def test_a_directory_with_a_temporary_look_is_listed(self, driver: Driver) -> None:
        """A tag may be called anything, even what an interrupted write would leave."""
        await driver.put_content(f"/tags/{TEMPORARY_LOOK}/current/link", b"x")
        assert await driver.list("/tags") == [TEMPORARY_LOOK]
        assert (await driver.stat(f"/tags/{TEMPORARY_LOOK}")).is_directory
        await driver.delete(f"/tags/{TEMPORARY_LOOK}")

    async def test_content_with_a_temporary_look_is_refused_or_listed(self, driver: Driver) -> None:
        try:
            await driver.put_content(f"/d/{TEMPORARY_LOOK}", b"x")
        except errors.InvalidPath:
            with pytest.raises(errors.PathNotFound):
                await driver.get_content(f"/d/{TEMPORARY_LOOK}")
        else:
            assert await driver.list("/d") == [TEMPORARY_LOOK]
        await driver.put_content("/d/link.tmp", b"x")
        assert "link.tmp" in await driver.list("/d")

    # Readers

    async def test_reader_reads_anywhere(self, driver: Driver) -> None:
        await driver.put_content("/a", b"0123456789")
        async with await driver.open_reader("/a") as reader:
            assert await reader.read_at(0, 4) == b"0123"
            assert await reader.read_at(4, 100) == b"456789"
            assert await reader.read_at(9, 1) == b"9"
            assert await reader.read_at(3, 0) == b""
            assert await reader.read_at(10, 5) == b""
            assert await reader.read_at(1000, 5) == b""
            with pytest.raises(ValueError, match="negative"):
                await reader.read_at(-1, 5)

    async def test_reader_has_a_descriptor_where_files_are_local(self, driver: Driver) -> None:
        await driver.put_content("/a", b"x")
        reader = await driver.open_reader("/a")
        assert (reader.fileno() is not None) == driver.properties.local_files
        with trio.CancelScope() as scope:
            scope.cancel()
            await reader.aclose()
        await reader.aclose()
        assert reader.fileno() is None

    @pytest.mark.parametrize("change", ["replace", "delete", "delete above", "move", "move onto"])
    async def test_reader_goes_on_with_the_old_bytes(self, driver: Driver, change: str) -> None:
        await driver.put_content("/d/a", b"old" * 1000)
        await driver.put_content("/e/b", b"new")
        async with await driver.open_reader("/d/a") as reader:
            assert await reader.read_at(0, 3) == b"old"
            if change == "replace":
                await driver.put_content("/d/a", b"new")
            elif change == "delete":
                await driver.delete("/d/a")
            elif change == "delete above":
                await driver.delete("/d")
            elif change == "move":
                await driver.move("/d/a", "/e/c")
            else:
                await driver.move("/e/b", "/d/a")
            assert reader.size_bytes == 3000
            assert await read_all(reader) == b"old" * 1000

    async def test_readers_see_the_old_or_the_new_while_it_is_replaced(
        self, driver: Driver
    ) -> None:
        size_bytes = 50_000
        seen: set[bytes] = set()
        done = trio.Event()
        await driver.put_content("/a", b"a" * size_bytes)

        async def read() -> None:
            while not done.is_set():
                content = await driver.get_content("/a")
                assert len(content) == size_bytes
                assert len(set(content)) == 1
                seen.add(content[:1])
                async with await driver.open_reader("/a") as reader:
                    assert len(set(await read_all(reader, 7000))) == 1

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read)
            nursery.start_soon(read)
            for letter in b"bcdefghijk":
                await driver.put_content("/a", bytes([letter]) * size_bytes)
            done.set()
        assert seen

    # Moving and deleting

    async def test_move_replaces_and_leaves_nothing(self, driver: Driver, store: Store) -> None:
        await driver.put_content("/a/b", b"new")
        await driver.put_content("/c/d/e", b"old")
        await driver.move("/a/b", "/c/d/e")
        await driver.move("/c/d/e", "/f/g/h")
        assert await driver.get_content("/f/g/h") == b"new"
        assert store.remains() == ["/f/g/h"]

    async def test_move_onto_itself_changes_nothing(self, driver: Driver) -> None:
        await driver.put_content("/a/b", b"x")
        await driver.move("/a/b", "/a/b")
        assert await driver.get_content("/a/b") == b"x"

    @pytest.mark.parametrize("source", ["/x", "/a", "/a/x", "/a/b/x"])
    async def test_move_of_what_is_not_content_finds_nothing(
        self, driver: Driver, source: str
    ) -> None:
        await driver.put_content("/a/b", b"x")
        with pytest.raises(errors.PathNotFound) as caught:
            await driver.move(source, "/t/t")
        assert caught.value.path == source
        assert await driver.get_content("/a/b") == b"x"
        with pytest.raises(errors.PathNotFound):
            await driver.get_content("/t/t")

    async def test_delete_takes_all_below_and_nothing_beside(
        self, driver: Driver, store: Store
    ) -> None:
        for path in ("/a/b/1", "/a/b/c/2", "/a/b/c/d/3", "/a/bc", "/a/b-"):
            await driver.put_content(path, b"x")
        await driver.delete("/a/b")
        assert sorted(store.remains()) == ["/a/b-", "/a/bc"]
        with pytest.raises(errors.PathNotFound):
            await driver.stat("/a/b")
        await driver.delete("/a/bc")
        assert await driver.list("/a") == ["b-"]

    @pytest.mark.parametrize("path", ["/x", "/a/x", "/a/b/x"])
    async def test_delete_of_nothing_finds_nothing(self, driver: Driver, path: str) -> None:
        await driver.put_content("/a/b", b"x")
        with pytest.raises(errors.PathNotFound):
            await driver.delete(path)
        assert await driver.get_content("/a/b") == b"x"

    async def test_puts_and_deletes_of_one_directory_do_not_break_each_other(
        self, driver: Driver
    ) -> None:
        """The directory comes and goes under the writer, and no put may fail for that."""

        async def delete() -> None:
            for _ in range(25):  # fewer than a driver may lose before it gives up
                try:
                    await driver.delete("/d/e")
                except errors.PathNotFound:
                    await trio.lowlevel.checkpoint()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(delete)
            for number in range(30):
                await driver.put_content(f"/d/e/f/{number}", b"x")
        await driver.put_content("/d/e/f/last", b"x")
        assert "last" in await driver.list("/d/e/f")

    async def test_many_tasks_at_once(self, driver: Driver) -> None:
        async def work(number: int) -> None:
            path = f"/many/{number}/link"
            await driver.put_content(path, b"%d" % number)
            await driver.stat(path)
            assert await driver.get_content(path) == b"%d" % number

        async with trio.open_nursery() as nursery:
            for number in range(40):
                nursery.start_soon(work, number)
        assert len(await driver.list("/many")) == 40
