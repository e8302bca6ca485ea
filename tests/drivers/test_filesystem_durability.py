"""What is flushed and in which order, and what is left when the disk fails or is full."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from drivers import errors, filesystem
from drivers.filesystem import FilesystemDriver, disk
from tests.drivers.suite_uploads import append
from tests.kit.tools import require_tool

PATH = "/uploads/1/data"


@pytest.fixture
def driver(tmp_path: Path) -> FilesystemDriver:
    return filesystem.create({"rootdirectory": str(tmp_path / "root")})


class Recorder:
    """Notes calls that change or flush names and bytes, as ``(call, path below the root)``."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.root = str(root)
        self.failing: dict[str, int] = {}
        for name in ("fsync", "fdatasync", "rename", "mkdir", "unlink", "ftruncate"):
            monkeypatch.setattr(os, name, self._recording(name, getattr(os, name)))

    def _recording(self, name: str, call: Callable[..., object]) -> Callable[..., object]:
        def record(*arguments: object) -> object:
            paths = [self._name(argument) for argument in arguments[: 2 if name == "rename" else 1]]
            self.calls.append((name, *paths))
            if name in self.failing:
                raise OSError(self.failing[name], os.strerror(self.failing[name]))
            return call(*arguments)

        return record

    def _name(self, argument: object) -> str:
        file = os.readlink(f"/proc/self/fd/{argument}") if isinstance(argument, int) else argument
        assert isinstance(file, str)
        name = file.removeprefix(self.root) or "/"
        return name.rsplit(".", 2)[0] + ".TMP" if name.endswith(".tmp") else name

    def take(self) -> list[tuple[str, ...]]:
        calls, self.calls = self.calls, []
        return calls


@pytest.fixture
def recorder(driver: FilesystemDriver, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    os.mkdir(driver.location)
    return Recorder(monkeypatch, Path(driver.location))


async def test_put_flushes_bytes_then_name_and_each_new_directory(
    driver: FilesystemDriver, recorder: Recorder
) -> None:
    await driver.put_content("/a/b/link", b"x")
    # each mkdir that fails for want of a parent asks for the one above first
    assert recorder.take() == [
        ("mkdir", "/a/b"),
        ("mkdir", "/a"),
        ("fsync", "/"),
        ("mkdir", "/a/b"),
        ("fsync", "/a"),
        ("fsync", "/a/b/link.TMP"),
        ("rename", "/a/b/link.TMP", "/a/b/link"),
        ("fsync", "/a/b"),
    ]
    await driver.put_content("/a/b/link", b"y")
    assert recorder.take() == [
        ("fsync", "/a/b/link.TMP"),
        ("rename", "/a/b/link.TMP", "/a/b/link"),
        ("fsync", "/a/b"),
    ]


async def test_a_missing_root_is_made_durable_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(monkeypatch, tmp_path)
    driver = filesystem.create({"rootdirectory": str(tmp_path / "x/y")})
    await driver.put_content("/link", b"x")
    calls = recorder.take()
    assert calls.index(("mkdir", "/x")) < calls.index(("fsync", "/")) < calls.index(("fsync", "/x"))
    assert calls[-1] == ("fsync", "/x/y")


async def test_checkpoint_flushes_the_name_once(
    driver: FilesystemDriver, recorder: Recorder
) -> None:
    async with await driver.open_upload(PATH) as session:
        recorder.take()
        await append(session, b"0123")
        state = await session.checkpoint()
        assert recorder.take() == [("fdatasync", PATH), ("fsync", "/uploads/1")]
        await append(session, b"4567")
        await session.checkpoint()
        assert recorder.take() == [("fdatasync", PATH)]
    async with await driver.open_upload(PATH, state=state) as session:
        assert recorder.take() == []
        await session.checkpoint()
        assert recorder.take() == [("ftruncate", PATH), ("fdatasync", PATH)]
    async with await driver.open_upload(PATH, offset=4) as session:
        await session.checkpoint()
        assert recorder.take() == [("fdatasync", PATH), ("fsync", "/uploads/1")]


async def test_commit_flushes_bytes_before_the_rename_and_names_after_it(
    driver: FilesystemDriver, recorder: Recorder
) -> None:
    async with await driver.open_upload(PATH) as session:
        await append(session, b"0123")
        recorder.take()
        await session.commit("/blobs/ab/data")
    assert recorder.take() == [
        ("fsync", PATH),
        ("rename", PATH, "/blobs/ab/data"),  # fails: there is no such directory yet
        ("mkdir", "/blobs/ab"),
        ("mkdir", "/blobs"),
        ("fsync", "/"),
        ("mkdir", "/blobs/ab"),
        ("fsync", "/blobs"),
        ("rename", PATH, "/blobs/ab/data"),
        ("fsync", "/blobs/ab"),
    ]


async def test_move_and_delete_flush_the_directories_they_changed(
    driver: FilesystemDriver, recorder: Recorder
) -> None:
    await driver.put_content("/a/link", b"x")
    await driver.put_content("/b/link", b"x")
    recorder.take()
    await driver.move("/a/link", "/b/link")
    assert recorder.take() == [
        ("rename", "/a/link", "/b/link"),
        ("fsync", "/b"),
        ("fsync", "/a"),
    ]
    await driver.delete("/b/link")
    assert recorder.take() == [("unlink", "/b/link"), ("fsync", "/b")]
    await driver.delete("/a")
    assert recorder.take() == [("fsync", "/")]


async def test_a_failed_flush_ends_the_session_and_is_never_tried_again(
    driver: FilesystemDriver, recorder: Recorder
) -> None:
    async with await driver.open_upload(PATH) as session:
        await append(session, b"0123")
        state = await session.checkpoint()
        await append(session, b"4567")
        recorder.take()
        recorder.failing["fdatasync"] = errno.EIO
        with pytest.raises(errors.Unavailable, match="EIO"):
            await session.checkpoint()
        recorder.failing.clear()
        with pytest.raises(errors.SessionEnded):
            await session.checkpoint()
        with pytest.raises(errors.SessionEnded):
            await session.commit("/key")
        assert recorder.take() == [("fdatasync", PATH)]
        async with await driver.open_upload(PATH, state=state) as successor:
            assert successor.offset == 4


async def test_a_failed_flush_at_commit_leaves_the_key_untouched(
    driver: FilesystemDriver, recorder: Recorder
) -> None:
    await driver.put_content("/key", b"old")
    async with await driver.open_upload(PATH) as session:
        await append(session, b"0123")
        state = await session.checkpoint()
        recorder.failing["fsync"] = errno.ENOSPC
        with pytest.raises(errors.OutOfSpace):
            await session.commit("/key")
        recorder.failing.clear()
        with pytest.raises(errors.SessionEnded):
            await session.commit("/key")
    assert await driver.get_content("/key") == b"old"
    async with await driver.open_upload(PATH, state=state) as session:
        await session.commit("/key")
    assert await driver.get_content("/key") == b"0123"


@pytest.mark.parametrize("call", ["fsync", "rename"])
async def test_a_failed_put_leaves_the_old_and_no_temporary_file(
    driver: FilesystemDriver, recorder: Recorder, call: str
) -> None:
    await driver.put_content("/d/link", b"old")
    recorder.failing[call] = errno.EIO
    with pytest.raises(errors.Unavailable):
        await driver.put_content("/d/link", b"new")
    assert os.listdir(f"{driver.location}/d") == ["link"]
    assert await driver.get_content("/d/link") == b"old"


async def test_a_file_system_that_cannot_flush_directories_is_put_up_with(
    driver: FilesystemDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.EINVAL, "invalid argument")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    await driver.put_content("/a/b", b"x")
    assert await driver.get_content("/a/b") == b"x"


async def test_short_writes_are_gone_on_with(
    driver: FilesystemDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, offset: real(fd, data[:3], offset))
    async with await driver.open_upload(PATH) as session:
        await append(session, b"0123456789", b"abcd")
        await session.commit("/key")
    await driver.put_content("/small", b"0123456789")
    monkeypatch.undo()
    assert await driver.get_content("/key") == b"0123456789abcd"
    assert await driver.get_content("/small") == b"0123456789"


async def test_short_reads_are_gone_on_with(
    driver: FilesystemDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await driver.put_content("/a", b"0123456789")
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, offset: real(fd, min(size, 3), offset))
    async with await driver.open_reader("/a") as reader:
        assert await reader.read_at(1, 8) == b"12345678"
        assert await reader.read_at(5, 100) == b"56789"


async def test_a_write_that_fails_half_way_is_cut_off(
    driver: FilesystemDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.pwrite

    def pwrite(descriptor: int, data: memoryview, offset: int) -> int:
        if offset > 4:
            raise OSError(errno.EIO, "broken")
        return real(descriptor, data[:3], offset)

    async with await driver.open_upload(PATH) as session:
        await append(session, b"0123")
        monkeypatch.setattr(os, "pwrite", pwrite)
        with pytest.raises(errors.Unavailable):
            await session.write(b"456789", at=4)
        monkeypatch.undo()
        assert session.offset == 4
        assert os.stat(f"{driver.location}{PATH}").st_size == 4
        await append(session, b"end")
        await session.commit("/key")
    assert await driver.get_content("/key") == b"0123end"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    mount = tmp_path / "small"
    mount.mkdir()
    program = require_tool("mount", "mount")
    command = [program, "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mount)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"mounting needs a privilege: {done.stderr.decode().strip()}")
    try:
        yield mount
    finally:
        subprocess.run(["umount", str(mount)], check=True)


async def test_a_full_disk_takes_nothing_and_loses_nothing(small_disk: Path) -> None:
    driver = filesystem.create({"rootdirectory": str(small_disk)})
    await driver.put_content("/kept", b"kept")
    async with await driver.open_upload(PATH) as session:
        await append(session, b"a" * 100_000)
        state = await session.checkpoint()
        with pytest.raises(errors.OutOfSpace):
            await session.write(b"b" * 300_000, at=100_000)
        assert session.offset == 100_000
        assert os.stat(f"{small_disk}{PATH}").st_size == 100_000
        with pytest.raises(errors.OutOfSpace):
            await driver.put_content("/kept", b"c" * 300_000)
        assert await driver.get_content("/kept") == b"kept"
        assert await driver.list("/") == ["kept", "uploads"]
        assert sorted(os.listdir(small_disk)) == ["kept", "uploads"]
        assert 0 < await driver.free_bytes() < 256 * 1024
        await append(session, b"d" * 10_000)
    async with await driver.open_upload(PATH, state=state) as session:
        await append(session, b"e")
        await session.commit("/blob")
    assert await driver.get_content("/blob") == b"a" * 100_000 + b"e"
    assert await driver.get_content("/kept") == b"kept"


async def test_writeback_begins_while_an_upload_still_grows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[tuple[int, int]] = []
    monkeypatch.setattr(
        disk, "start_writeback", lambda _, offset, count: begun.append((offset, count))
    )
    mib = 1024 * 1024
    driver = filesystem.create({"rootdirectory": str(tmp_path)})
    async with driver, await driver.open_upload("/u") as session:
        for at in range(0, 5 * mib, mib):
            await session.write(bytes(mib), at=at)
    assert begun == [(0, 2 * mib), (2 * mib, 2 * mib)]


def test_writeback_of_a_closed_descriptor_is_no_error() -> None:
    disk.start_writeback(10_000, 0, 1)
