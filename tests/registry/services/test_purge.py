"""Purging: what is old goes, what is written to or not an upload stays."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime, timedelta

import pytest
import trio
from trio.testing import MockClock

from drivers.errors import Unavailable
from drivers.inmemory import InMemoryDriver
from registry.oci.names import RepositoryName, UploadId
from registry.services.policy import Policy
from registry.services.purge import PurgeSettings
from registry.storage import paths
from tests.drivers.stores import DirectoryStore, Store
from tests.kit.assembly import Assembly, assemble
from tests.kit.bodies import BytesBody
from tests.kit.trouble import Failing
from tests.kit.uploads import NAME, UPLOAD, leave

NOW = datetime(2026, 6, 1, tzinfo=UTC)
WEEK = PurgeSettings(age_s=7 * 86400.0)
OTHER = RepositoryName("other")


def at(store: Store, moment: datetime, purging: PurgeSettings = WEEK) -> Assembly:
    return assemble(store.open(), now=lambda: moment, purging=purging)


async def begun(
    store: Store, *, days_ago: float, name: RepositoryName = NAME, data: bytes = b"some bytes"
) -> UploadId:
    uploads = at(store, NOW - timedelta(days=days_ago)).uploads
    upload_id = (await uploads.start(name)).upload_id
    await uploads.append(name, upload_id, BytesBody(data), None)
    return upload_id


async def test_old_uploads_go_and_young_ones_stay(store: Store) -> None:
    old, older = await begun(store, days_ago=8), await begun(store, days_ago=30, name=OTHER)
    young = await begun(store, days_ago=6)
    removed = await at(store, NOW).purge.purge()
    assert sorted(removed) == sorted([(NAME, old), (OTHER, older)])
    parts = at(store, NOW)
    assert await parts.upload_store.list(NAME) == [young]
    assert (await parts.uploads.status(NAME, young)).offset == len(b"some bytes")


async def test_nothing_of_a_purged_upload_is_left(store: Store) -> None:
    await begun(store, days_ago=8)
    await at(store, NOW).purge.purge()
    assert store.remains() == []


async def test_the_age_is_a_bound(store: Store) -> None:
    await begun(store, days_ago=7)
    assert await at(store, NOW).purge.purge() == []
    assert len(await at(store, NOW + timedelta(seconds=1)).purge.purge()) == 1


async def test_a_dry_run_only_says_what_would_go(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    old = await begun(store, days_ago=8)
    before = sorted(store.remains())
    purging = PurgeSettings(age_s=WEEK.age_s, dry_run=True)
    with caplog.at_level(logging.INFO, "registry.purge"):
        assert await at(store, NOW, purging).purge.purge() == [(NAME, old)]
    assert sorted(store.remains()) == before
    assert f"would purge upload {old} of {NAME}" in caplog.text


async def test_an_upload_that_is_being_written_is_left_alone(store: Store) -> None:
    old = await begun(store, days_ago=8)
    parts = at(store, NOW)
    gate = trio.Event()
    body = BytesBody(b"more", gate=gate)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(parts.uploads.append, NAME, old, body, None)
        await body.waiting.wait()
        assert await at(store, NOW).purge.purge() == []
        gate.set()
    assert (await parts.uploads.status(NAME, old)).offset == len(b"some bytes" + b"more")


async def test_what_is_no_upload_is_left_alone(store: Store) -> None:
    driver = store.open()
    strays = [
        f"{paths.uploads(NAME)}/lost+found/data",
        f"{paths.uploads(NAME)}/{UPLOAD.upper()}/startedat",
        f"{paths.uploads(NAME)}/{UPLOAD}/data",  # without a start
        f"{paths.repository(NAME)}/_layers/{UPLOAD}/startedat",
        f"{paths.REPOSITORIES}/_uploads/{UPLOAD}/startedat",
    ]
    for path in strays:
        await driver.put_content(path, b"2001-01-01T00:00:00Z")
    assert await at(store, NOW).purge.purge() == []
    assert sorted(store.remains()) == sorted(strays)


async def test_an_upload_of_go_is_purged_whole(appending: Store) -> None:
    await leave(
        appending.open(), b"data", states={"4": b"whatever"}, started="2026-05-01T00:00:00Z"
    )
    assert await at(appending, NOW).purge.purge() == [(NAME, UPLOAD)]
    assert appending.remains() == []


async def test_a_damaged_start_counts_from_the_file(appending: Store) -> None:
    if not isinstance(appending, DirectoryStore):
        return
    await leave(appending.open(), b"data", started="yesterday")
    file = f"{appending.root}{paths.upload_started_at(NAME, UPLOAD)}"
    for age_days, removed in ((6, []), (8, [(NAME, UPLOAD)])):
        moment = (NOW - timedelta(days=age_days)).timestamp()
        os.utime(file, (moment, moment))
        assert await at(appending, NOW).purge.purge() == removed


async def test_an_upload_damaged_beyond_use_is_purged(store: Store) -> None:
    old = await begun(store, days_ago=8)
    driver = store.open()
    if driver.properties.append:
        await driver.delete(paths.upload_data(NAME, old))
    else:
        for path in store.remains():
            if "/data.tail." in path:
                await driver.delete(path)
    assert await at(store, NOW).purge.purge() == [(NAME, old)]
    assert store.remains() == []


async def test_an_upload_that_cannot_be_removed_keeps_none_of_the_others(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = sorted([await begun(store, days_ago=8), await begun(store, days_ago=8)])
    driver = store.open()

    class OneIsStuck(Failing):
        async def delete(self, path: str) -> None:
            if first in path:
                raise Unavailable(self.name, path, "input/output error")
            await super().delete(path)

    parts = assemble(OneIsStuck(driver), now=lambda: NOW, purging=WEEK)
    with caplog.at_level(logging.ERROR, "registry.purge"):
        assert await parts.purge.purge() == [(NAME, second)]
    assert first in caplog.text


@pytest.mark.parametrize(
    ("settings", "policy"),
    [(PurgeSettings(enabled=False), Policy()), (WEEK, Policy(read_only=True))],
    ids=["switched off", "read-only"],
)
async def test_nothing_is_purged_unless_it_may(
    store: Store, settings: PurgeSettings, policy: Policy
) -> None:
    await begun(store, days_ago=8)
    before = sorted(store.remains())
    parts = assemble(store.open(), policy=policy, purging=settings, now=lambda: NOW)
    await parts.purge.run(0.0)
    assert sorted(store.remains()) == before


async def test_it_runs_again_after_a_failure(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    driver = Failing(InMemoryDriver(), fails_at=1)
    began = trio.current_time()
    parts = assemble(
        driver,
        now=lambda: NOW + timedelta(seconds=trio.current_time() - began),
        purging=PurgeSettings(age_s=7 * 86400.0, interval_s=86400.0),
    )
    with trio.move_on_after(60):
        await parts.purge.run(30.0)
    assert "purging uploads failed" in caplog.text
    await parts.uploads.start(NAME)
    with trio.move_on_after(9 * 86400):
        await parts.purge.run(30.0)
    assert await parts.upload_store.list(NAME) == []
