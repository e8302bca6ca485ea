"""What is particular to memory: its two forms, and parts as an object store counts them."""

from __future__ import annotations

import gc

import pytest

from drivers import contract, errors, inmemory
from drivers.inmemory import InMemoryDriver, MemoryStore
from tests.drivers.suite_uploads import append

PATH = "/uploads/1/data"


def test_the_plain_form_declares_all_but_files() -> None:
    driver = inmemory.create({"rootdirectory": "ignored"})
    assert (driver.name, driver.location) == ("inmemory", "memory")
    assert driver.properties == contract.Properties(
        atomic_move=True,
        append=True,
        cheap_list=True,
        local_files=False,
        process_local=True,
        immediate_reads=True,
    )
    assert frozenset() == inmemory.PARAMETERS


def test_the_other_form_declares_nothing() -> None:
    assert InMemoryDriver(part_min_bytes=5).properties == contract.Properties(
        atomic_move=False,
        append=False,
        cheap_list=False,
        local_files=False,
        process_local=True,
        part_min_bytes=5,
    )


def test_a_shared_store_must_be_of_the_same_form() -> None:
    with pytest.raises(ValueError, match="parts of 1"):
        InMemoryDriver(MemoryStore(), part_min_bytes=5)


async def test_two_stores_know_nothing_of_each_other() -> None:
    one, other = inmemory.create({}), inmemory.create({})
    await one.put_content("/a", b"x")
    assert await other.list("/") == []
    assert await InMemoryDriver(one.store).get_content("/a") == b"x"


async def test_directories_go_with_their_last_child() -> None:
    driver = inmemory.create({})
    await driver.put_content("/a/b/c", b"x")
    await driver.put_content("/a/d", b"x")
    await driver.delete("/a/b/c")
    with pytest.raises(errors.PathNotFound):
        await driver.stat("/a/b")
    await driver.delete("/a/d")
    assert await driver.list("/") == []


async def test_a_reader_of_an_open_upload_sees_what_there_was() -> None:
    driver = inmemory.create({})
    async with await driver.open_upload(PATH) as session:
        await append(session, b"0123")
        reader = await driver.open_reader(PATH)
        await append(session, b"4567")
        assert await reader.read_at(0, 100) == b"0123"


async def test_a_session_that_is_dropped_holds_no_claim() -> None:
    for driver in (InMemoryDriver(), InMemoryDriver(part_min_bytes=5)):
        session = await driver.open_upload(PATH)
        state = await session.checkpoint()
        with pytest.raises(errors.UploadBusy):
            await driver.open_upload(PATH, state=state)
        del session
        gc.collect()
        await (await driver.open_upload(PATH, state=state)).aclose()


def test_a_part_too_small_is_refused_except_at_the_end() -> None:
    store = MemoryStore(part_min_bytes=5)
    for parts, good in (([5, 5], True), ([5, 1], True), ([1], True), ([4, 5], False), ([], True)):
        upload_id = store.begin_multipart("/a")
        for number, size in enumerate(parts, start=1):
            store.put_part(upload_id, number, b"x" * size)
        if good:
            store.complete(upload_id, len(parts))
            assert len(store.content("/a").data) == sum(parts)
            with pytest.raises(errors.Unavailable):
                store.complete(upload_id, len(parts))
        else:
            with pytest.raises(errors.Unavailable, match="too small"):
                store.complete(upload_id, len(parts))
    with pytest.raises(errors.Unavailable, match="missing"):
        store.complete(store.begin_multipart("/a"), 1)


async def test_only_long_enough_blocks_become_parts_and_the_tail_rests_beside() -> None:
    driver = InMemoryDriver(part_min_bytes=5)
    async with await driver.open_upload(PATH) as session:
        await append(session, b"abc", b"def", b"gh")
        (upload_id,) = driver.unfinished()
        multipart = driver.store.multipart(upload_id)
        assert multipart is not None
        assert multipart.parts == {1: b"abcdef"}
        state = await session.checkpoint()
        (tail,) = await driver.list("/uploads/1")
        assert await driver.get_content(f"/uploads/1/{tail}") == b"gh"
        assert state.split()[1:] == [upload_id.encode(), b"1", b"6", tail[-1:].encode(), b"2"]
        await append(session, b"ijk")
        assert (await session.checkpoint()).split()[2:] == [b"2", b"11", b"-", b"0"]
        assert multipart.parts == {1: b"abcdef", 2: b"ghijk"}


async def test_tails_do_not_pile_up() -> None:
    driver = InMemoryDriver(part_min_bytes=1000)
    async with await driver.open_upload(PATH) as session:
        for _ in range(20):
            await append(session, b"x")
            await session.checkpoint()
        assert len(await driver.list("/uploads/1")) == 2


async def test_a_state_whose_parts_or_tail_are_gone_is_refused() -> None:
    driver = InMemoryDriver(part_min_bytes=5)
    async with await driver.open_upload(PATH) as session:
        await append(session, b"abcdef", b"gh")
        state = await session.checkpoint()
    (tail,) = await driver.list("/uploads/1")
    await driver.put_content(f"/uploads/1/{tail}", b"longer")
    with pytest.raises(errors.StateInvalid, match="tail"):
        await driver.open_upload(PATH, state=state)
    await driver.delete(f"/uploads/1/{tail}")
    with pytest.raises(errors.StateInvalid, match="tail"):
        await driver.open_upload(PATH, state=state)
    multipart = driver.store.multipart(driver.unfinished()[0])
    assert multipart is not None
    multipart.parts.clear()
    with pytest.raises(errors.StateInvalid, match="parts"):
        await driver.open_upload(PATH, state=state)
    with pytest.raises(errors.StateInvalid, match="parts"):
        await driver.open_upload("/uploads/2/data", state=state)
