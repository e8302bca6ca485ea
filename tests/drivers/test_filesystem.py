"""What is particular to the file system: layout, links, odd files, and claims across processes."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import subprocess
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest
import trio

from drivers import contract, errors, filesystem
from drivers.filesystem import FilesystemDriver, disk
from tests.drivers.cancelling import at_every_checkpoint
from tests.drivers.suite_content import TEMPORARY_LOOK
from tests.drivers.suite_uploads import append

PATH = "/uploads/1/data"


@pytest.fixture
def driver(tmp_path: Path) -> FilesystemDriver:
    return filesystem.create({"rootdirectory": str(tmp_path)})


# Parameters


def test_defaults_are_those_of_distribution() -> None:
    driver = filesystem.create({})
    assert (driver.name, driver.location) == ("filesystem", "/var/lib/registry")
    assert driver.max_threads == 100
    assert driver.properties == contract.Properties(
        atomic_move=True,
        append=True,
        cheap_list=True,
        local_files=True,
        process_local=False,
        immediate_reads=True,
    )


@pytest.mark.parametrize(
    ("given", "threads"), [(0, 25), (-3, 25), (25, 25), (26, 26), ("300", 300)]
)
def test_fewer_than_25_threads_become_25(given: object, threads: int) -> None:
    assert filesystem.create({"maxthreads": given}).max_threads == threads


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("maxthreads", "many"),
        ("maxthreads", 1.5),
        ("maxthreads", True),
        ("maxthreads", None),
        ("rootdirectory", ""),
        ("rootdirectory", 5),
        ("rootdirectory", None),
        ("rootdirectory", "/a\0b"),
    ],
)
def test_bad_parameters_are_named_with_their_value(field: str, value: object) -> None:
    with pytest.raises(errors.InvalidParameters) as caught:
        filesystem.create({field: value})
    assert caught.value.path == field
    assert repr(value) in str(caught.value)
    assert field in filesystem.PARAMETERS


def test_a_relative_root_is_that_of_the_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    driver = filesystem.create({"rootdirectory": "store/"})
    monkeypatch.chdir("/")
    assert driver.location == str(tmp_path / "store")


def test_the_root_of_the_file_system_can_be_the_store() -> None:
    assert filesystem.create({"rootdirectory": "/"}).location == "/"


# Layout


async def test_files_and_modes_are_those_of_distribution(
    driver: FilesystemDriver, tmp_path: Path
) -> None:
    umask = os.umask(0o027)
    try:
        await driver.put_content("/docker/v2/a/link", b"sha256:00")
        async with await driver.open_upload(PATH) as session:
            await append(session, b"blob")
            await session.commit("/docker/v2/blobs/ab/data")
    finally:
        os.umask(umask)
    assert (tmp_path / "docker/v2/a/link").read_bytes() == b"sha256:00"
    assert (tmp_path / "docker/v2/blobs/ab/data").read_bytes() == b"blob"
    for file in ("docker/v2/a/link", "docker/v2/blobs/ab/data"):
        assert stat.S_IMODE((tmp_path / file).stat().st_mode) == 0o640
    for directory in ("docker", "docker/v2/blobs/ab", "uploads/1"):
        assert stat.S_IMODE((tmp_path / directory).stat().st_mode) == 0o750


async def test_an_upload_rests_at_its_path_and_counts_no_more_than_was_written(
    driver: FilesystemDriver, tmp_path: Path
) -> None:
    """A Go registry takes the file's length for the offset."""
    file = tmp_path / PATH[1:]
    async with await driver.open_upload(PATH) as session:
        await append(session, b"0123456")
        descriptor = session.fileno()
        assert descriptor is not None
        os.pwrite(descriptor, b"never counted", 7)
        assert await session.checkpoint() == b"fs1 7"
        assert file.read_bytes() == b"0123456"


async def test_a_store_without_its_root_is_empty(tmp_path: Path) -> None:
    driver = filesystem.create({"rootdirectory": str(tmp_path / "not" / "made")})
    assert await driver.list("/") == []
    assert (await driver.stat("/")).is_directory
    assert await driver.free_bytes() > 0
    with pytest.raises(errors.PathNotFound):
        await driver.list("/docker")
    with pytest.raises(errors.PathNotFound):
        await driver.delete("/docker")
    assert not (tmp_path / "not").exists()


async def test_rests_of_interrupted_writes_are_not_seen(
    driver: FilesystemDriver, tmp_path: Path
) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / TEMPORARY_LOOK).write_bytes(b"half")
    await driver.put_content("/d/link", b"x")
    assert await driver.list("/d") == ["link"]
    with pytest.raises(errors.PathNotFound):
        await driver.get_content(f"/d/{TEMPORARY_LOOK}")
    with pytest.raises(errors.PathNotFound):
        await driver.open_reader(f"/d/{TEMPORARY_LOOK}")
    with pytest.raises(errors.PathNotFound):
        await driver.stat(f"/d/{TEMPORARY_LOOK}")
    with pytest.raises(errors.InvalidPath):
        await driver.open_upload(f"/d/{TEMPORARY_LOOK}")
    await driver.delete("/d")
    assert not (tmp_path / "d").exists()


async def test_names_that_no_path_can_hold_are_not_listed(
    driver: FilesystemDriver, tmp_path: Path
) -> None:
    for name in ("good", "with space", "new\nline", "käse", os.fsdecode(b"\xff"), "a:b"):
        (tmp_path / name).write_bytes(b"")
    assert await driver.list("/") == ["good"]


async def test_names_as_long_as_the_file_system_allows(driver: FilesystemDriver) -> None:
    longest = "n" * 255
    await driver.put_content(f"/d/{longest}", b"x")
    assert await driver.list("/d") == [longest]
    too_long = "n" * 256
    for path in (f"/d/{too_long}", f"/{too_long}/d"):
        with pytest.raises(errors.PathNotFound):
            await driver.get_content(path)
        with pytest.raises(errors.PathNotFound):
            await driver.stat(path)
        with pytest.raises(errors.InvalidPath, match="too long"):
            await driver.put_content(path, b"x")
        with pytest.raises(errors.InvalidPath, match="too long"):
            await driver.open_upload(path)


def test_keys_deeper_than_python_recurses(tmp_path: Path) -> None:
    async def main() -> None:
        driver = filesystem.create({"rootdirectory": str(tmp_path)})
        deep = "/a" * 1500
        await driver.put_content(deep, b"x")
        assert await driver.get_content(deep) == b"x"
        await driver.delete("/a")
        assert await driver.list("/") == []

    try:
        trio.run(main)
    finally:  # should the test fail, pytest could not remove such a tree
        subprocess.run(["rm", "-rf", str(tmp_path / "a")], check=True)


# Links and other strange things


async def test_an_upload_does_not_follow_a_link(driver: FilesystemDriver, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    (tmp_path / "uploads/1").mkdir(parents=True)
    (tmp_path / PATH[1:]).symlink_to(precious)
    for arguments in ({}, {"offset": 0}, {"state": b"fs1 3"}):
        with pytest.raises(errors.InvalidPath, match="symbolic link"):
            await driver.open_upload(PATH, **arguments)
    assert precious.read_bytes() == b"precious"


async def test_put_replaces_a_link_and_not_its_target(
    driver: FilesystemDriver, tmp_path: Path
) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    (tmp_path / "link").symlink_to(precious)
    assert await driver.get_content("/link") == b"precious"
    await driver.put_content("/link", b"new")
    assert precious.read_bytes() == b"precious"
    assert not (tmp_path / "link").is_symlink()


async def test_delete_takes_links_and_not_what_they_point_to(
    driver: FilesystemDriver, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_bytes(b"x")
    (tmp_path / "d/e").mkdir(parents=True)
    (tmp_path / "d/e/directory").symlink_to(outside)
    (tmp_path / "d/e/file").symlink_to(outside / "kept")
    (tmp_path / "d/e/broken").symlink_to("nowhere")
    (tmp_path / "alone").symlink_to(outside)
    await driver.delete("/d")
    await driver.delete("/alone")
    assert sorted(os.listdir(tmp_path)) == ["outside"]
    assert (outside / "kept").exists()


async def test_a_pipe_in_the_tree_is_no_content(driver: FilesystemDriver, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with trio.fail_after(5):
        with pytest.raises(errors.PathNotFound):
            await driver.get_content("/pipe")
        with pytest.raises(errors.PathNotFound):
            await driver.open_reader("/pipe")
        with pytest.raises(errors.PathNotFound):
            await driver.stat("/pipe")
        with pytest.raises(errors.PathNotFound):
            await driver.open_upload("/pipe", offset=0)
        await driver.delete("/pipe")


async def test_an_upload_cut_short_from_outside_is_not_committed(
    driver: FilesystemDriver, tmp_path: Path
) -> None:
    async with await driver.open_upload(PATH) as session:
        await append(session, b"0123456789")
        os.truncate(tmp_path / PATH[1:], 5)
        with pytest.raises(errors.Unavailable, match="5 bytes, 10 were written"):
            await session.commit("/key")
        with pytest.raises(errors.SessionEnded):
            await session.checkpoint()
    with pytest.raises(errors.OffsetMismatch):
        await driver.open_upload(PATH, state=b"fs1 10")


# Claims and descriptors

HOLD = """
import sys, trio
from drivers import filesystem

async def main():
    driver = filesystem.create({"rootdirectory": sys.argv[1]})
    session = await driver.open_upload("/uploads/1/data")
    await session.write(b"counted", at=0)
    state = await session.checkpoint()
    await session.write(b" and not counted", at=7)
    print(state.decode(), flush=True)
    await trio.sleep_forever()

trio.run(main)
"""


async def test_a_claim_of_another_process_ends_when_it_is_killed(
    driver: FilesystemDriver, tmp_path: Path
) -> None:
    root = Path(filesystem.__file__).parents[2]
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    async with trio.open_nursery() as nursery:
        holder = await nursery.start(
            partial(
                trio.run_process,
                command,
                stdout=subprocess.PIPE,
                capture_stdout=False,
                check=False,
                cwd=root,
            )
        )
        try:
            state = (await holder.stdout.receive_some()).strip()
            for arguments in ({}, {"state": state}, {"offset": 0}):
                with pytest.raises(errors.UploadBusy):
                    await driver.open_upload(PATH, **arguments)
        finally:
            holder.send_signal(signal.SIGKILL)
    async with await driver.open_upload(PATH, state=state) as session:
        assert session.offset == 7
        await session.commit("/key")
    assert await driver.get_content("/key") == b"counted"


async def test_a_file_system_without_locks_still_has_the_drivers_own_claims(
    driver: FilesystemDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(_descriptor: int, _operation: int) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    async with await driver.open_upload(PATH):
        with pytest.raises(errors.UploadBusy):
            await driver.open_upload(PATH)
    async with await driver.open_upload(PATH):
        pass


async def test_a_blob_committed_between_open_and_lock_is_not_taken_for_the_upload(
    driver: FilesystemDriver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file that was opened has become somebody's blob by the time its lock is free."""
    async with await driver.open_upload(PATH) as session:
        await append(session, b"blob")
        state = await session.checkpoint()
    real = fcntl.flock

    def flock(descriptor: int, operation: int) -> None:
        if not (tmp_path / "key").exists():
            os.rename(tmp_path / PATH[1:], tmp_path / "key")
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    async with await driver.open_upload(PATH) as session:
        assert session.offset == 0
        await append(session, b"other")
        await session.commit("/other")
    assert await driver.get_content("/key") == b"blob"
    assert await driver.get_content("/other") == b"other"
    await driver.move("/key", PATH)
    with pytest.raises(errors.PathNotFound):
        await driver.open_upload(PATH, state=state)
    assert await driver.get_content("/key") == b"blob"


async def test_an_aborted_session_does_not_take_its_successors_file(
    driver: FilesystemDriver, tmp_path: Path
) -> None:
    other = filesystem.create({"rootdirectory": str(tmp_path)})
    async with await driver.open_upload(PATH) as session:
        await driver.delete("/uploads/1")
        async with await other.open_upload(PATH) as successor:
            await append(successor, b"x")
            await session.abort()
            await successor.commit("/key")
    assert await other.get_content("/key") == b"x"


async def test_a_session_is_for_one_task_at_a_time(
    driver: FilesystemDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the descriptor could be closed, and its number used again, under a writing thread."""
    slow_disk = threading.Event()
    monkeypatch.setattr(os, "fdatasync", lambda _descriptor: slow_disk.wait(10))
    async with await driver.open_upload(PATH) as session:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(session.checkpoint)
            await trio.testing.wait_all_tasks_blocked()
            try:
                with pytest.raises(trio.BusyResourceError):
                    await session.write(b"x", at=0)
                with pytest.raises(trio.BusyResourceError):
                    await session.aclose()
            finally:
                slow_disk.set()
        await session.write(b"x", at=0)


def open_below(driver: FilesystemDriver) -> list[str]:
    """Return what this process has open below the driver's root."""
    found = []
    for descriptor in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the one that the listing itself used
            found.append(os.readlink(f"/proc/self/fd/{descriptor}"))
    return [file for file in found if file.startswith(driver.location)]


async def test_no_descriptor_is_inherited_or_left_open(driver: FilesystemDriver) -> None:
    await driver.put_content("/a", b"x")
    async with await driver.open_reader("/a") as reader, await driver.open_upload(PATH) as session:
        for descriptor in (reader.fileno(), session.fileno()):
            assert descriptor is not None
            assert not os.get_inheritable(descriptor)
        assert len(open_below(driver)) == 2
        await append(session, b"x")
        await session.checkpoint()
        await session.commit("/b")
    for path, error in (("/c", errors.PathNotFound), ("/", errors.PathNotFound)):
        with pytest.raises(error):
            await driver.open_reader(path)
    with pytest.raises(errors.OffsetMismatch):
        await driver.open_upload("/a", offset=100)
    assert open_below(driver) == []


async def test_a_cancelled_open_leaves_no_descriptor(driver: FilesystemDriver) -> None:
    await driver.put_content("/a", b"x")
    readers = []

    async def prepare(_count: int) -> None: ...

    async def open_it(_subject: None) -> None:
        readers.append(await driver.open_reader("/a"))

    async def verify(_subject: None, _returned: bool) -> None:
        assert len(open_below(driver)) == len(readers)
        while readers:
            await readers.pop().aclose()

    await at_every_checkpoint(prepare, open_it, verify)


# Errors


@pytest.mark.parametrize(
    ("code", "reading", "writing"),
    [
        (errno.ENOSPC, errors.OutOfSpace, errors.OutOfSpace),
        (errno.EDQUOT, errors.OutOfSpace, errors.OutOfSpace),
        (errno.ENOENT, errors.PathNotFound, errors.Unavailable),
        (errno.ENOTDIR, errors.PathNotFound, errors.InvalidPath),
        (errno.EISDIR, errors.PathNotFound, errors.InvalidPath),
        (errno.ENAMETOOLONG, errors.PathNotFound, errors.InvalidPath),
        (errno.ELOOP, errors.Unavailable, errors.InvalidPath),
        (errno.EIO, errors.Unavailable, errors.Unavailable),
        (errno.EROFS, errors.Unavailable, errors.Unavailable),
        (errno.EACCES, errors.Unavailable, errors.Unavailable),
        (errno.EMFILE, errors.Unavailable, errors.Unavailable),
        (None, errors.Unavailable, errors.Unavailable),
    ],
)
def test_errors_of_the_system_become_those_of_the_contract(
    code: int | None, reading: type[Exception], writing: type[Exception]
) -> None:
    exc = OSError(code, "text", "/secret/root/file") if code else OSError("text")
    for is_writing, expected in ((False, reading), (True, writing)):
        error = disk.translate(exc, "/a/b", writing=is_writing)
        assert type(error) is expected
        assert (error.driver, error.path) == ("filesystem", "/a/b")
        assert "secret" not in str(error)


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind root")
async def test_a_file_that_may_not_be_read_is_unavailable(
    driver: FilesystemDriver, tmp_path: Path
) -> None:
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "a").chmod(0)
    with pytest.raises(errors.Unavailable, match="EACCES"):
        await driver.get_many(["/a"])
