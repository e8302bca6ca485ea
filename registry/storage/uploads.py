"""Uploads on a driver: where each stands, and what other registries left.

What is recorded of an upload
    ``startedat`` makes it one. ``hashstates/<algorithm>/<offset>`` holds the hash after `offset`
    bytes in Go's form; the highest one that the data covers is where the upload stands. Where the
    store cannot append, or the hash cannot be exported, our own ``trireme`` file holds offset and
    the driver's state. The order is data, then record, then acknowledgement, so a crash can lose an
    acknowledgement but never acknowledge lost data. The length of ``data`` counts only when there
    is no record at all. Where the store can append, a record without ``data`` is what a commit
    leaves until the directory is removed: that upload is over.

An upload whose hash state is missing (begun by a Go registry built without it, or by a process
that could not export it) is hashed again from its bytes, not refused.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import trio

from drivers.contract import Driver, UploadSession
from drivers.errors import (
    OffsetMismatch,
    PathNotFound,
    UploadBusy,
)
from drivers.errors import StateInvalid as DriverStateInvalid
from registry.digest import CANONICAL
from registry.oci.names import RepositoryName, UploadId
from registry.oci.upload_state import format_time
from registry.storage import paths
from registry.storage.blobs import BlobStore
from registry.storage.upload_record import parse_record
from registry.storage.upload_writer import UploadWriter

log = logging.getLogger("registry.storage")

OPEN_TRIES = 4
FREE_S = 1.0  # how old a look at the free space may be

_OUTDATED = (PathNotFound, OffsetMismatch, DriverStateInvalid)


@dataclass(frozen=True, slots=True)
class UploadStatus:
    """Where an upload stands.

    Attributes:
        name: Its repository.
        upload_id: Its UUID.
        offset: Bytes acknowledged.
        started_at: When it began.
    """

    name: RepositoryName
    upload_id: UploadId
    offset: int
    started_at: datetime


@dataclass(frozen=True, slots=True)
class _Standing:
    """What the store says of an upload."""

    status: UploadStatus
    driver_state: bytes | None
    hash_state: bytes | None
    has_data: bool


class UploadStore:
    """The uploads of all repositories on one driver."""

    def __init__(self, driver: Driver, blobs: BlobStore) -> None:
        self._driver = driver
        self._blobs = blobs
        self._free: int | None = None
        self._free_until = float("-inf")

    async def create(self, name: RepositoryName, now: datetime) -> UploadStatus:
        """Begin an empty upload under a new random id.

        The start is written first: what is left when this is cut off is an upload too, though
        nobody knows its id, and is purged as one.
        """
        upload_id = UploadId(str(uuid4()))
        await self._driver.put_content(
            paths.upload_started_at(name, upload_id), format_time(now).encode("ascii")
        )
        async with await self._driver.open_upload(paths.upload_data(name, upload_id)) as session:
            writer = UploadWriter(self._driver, self._blobs, session, name, upload_id)
            await writer.checkpoint()
        return UploadStatus(name, upload_id, 0, now)

    async def status(self, name: RepositoryName, upload_id: UploadId) -> UploadStatus | None:
        """Return where the upload stands, None when there is no such upload."""
        standing = await self._standing(name, upload_id)
        return standing.status if standing else None

    async def started_at(self, name: RepositoryName, upload_id: UploadId) -> datetime | None:
        """Return when the upload began, None when there is no such upload."""
        path = paths.upload_started_at(name, upload_id)
        content = (await self._driver.get_many([path]))[0]
        return await self._parse_started_at(path, content) if content is not None else None

    async def open(
        self, name: RepositoryName, upload_id: UploadId, *, also: str | None = None
    ) -> UploadWriter | None:
        """Claim an upload for writing, None when there is no such upload.

        An upload that what is stored no longer fits its record counts as none.

        Args:
            name: Its repository.
            upload_id: Its UUID.
            also: A second algorithm to hash with, for a digest that is not canonical.

        Raises:
            drivers.errors.UploadBusy: another writer, here or in another process, holds it.
        """
        for _ in range(OPEN_TRIES):
            standing = await self._standing(name, upload_id)
            if standing is None:
                return None
            offset = standing.status.offset
            try:
                session = await self._open_session(standing)
            except _OUTDATED as exc:
                # Ended or gone on since the look; if not, then it is damaged beyond use.
                log.warning("upload %s of %s cannot be opened: %s", upload_id, name, exc)
                continue
            writer = UploadWriter(self._driver, self._blobs, session, name, upload_id)
            writer.reopen = partial(self._reopen, name, upload_id)
            try:
                # Another writer may have moved on between the look and the claim.
                again = await self._standing(name, upload_id)
                if again is not None and again.status.offset == offset == session.offset:
                    await writer.prepare(again.hash_state, also)
                    return writer
                if again is None:  # it ended, so what the claim may have made anew is nobody's
                    await writer.abort()
                    await self.remove(name, upload_id)
            except BaseException:
                await writer.aclose()
                raise
            await writer.aclose()
        return None

    async def _open_session(self, standing: _Standing) -> UploadSession:
        status = standing.status
        path = paths.upload_data(status.name, status.upload_id)
        if standing.driver_state is not None:
            return await self._driver.open_upload(path, state=standing.driver_state)
        if standing.has_data:
            return await self._driver.open_upload(path, offset=status.offset)
        return await self._driver.open_upload(path)

    async def _reopen(
        self, name: RepositoryName, upload_id: UploadId, offset: int
    ) -> UploadSession | None:
        """Claim an upload again that should still stand at `offset`, None when it does not."""
        standing = await self._standing(name, upload_id)
        if standing is None or standing.status.offset != offset:
            return None
        try:
            session = await self._open_session(standing)
        except (UploadBusy, *_OUTDATED):
            return None
        try:
            again = await self._standing(name, upload_id)
        except BaseException:
            await session.aclose()
            raise
        if again is None or again.status.offset != offset:
            await session.aclose()
            return None
        return session

    async def free_bytes(self) -> int | None:
        """Return the room that is left, at most `FREE_S` old; None where it is unknown."""
        now = trio.current_time()
        if now >= self._free_until:
            self._free = await self._driver.free_bytes()
            self._free_until = now + FREE_S
        return self._free

    async def remove(self, name: RepositoryName, upload_id: UploadId) -> bool:
        """Remove what is left of an upload and say whether there was anything."""
        try:
            await self._driver.delete(paths.upload(name, upload_id))
        except PathNotFound:
            return False
        return True

    async def list(self, name: RepositoryName) -> list[UploadId]:
        """Return the ids below the repository's uploads, valid or not."""
        try:
            return [UploadId(item) for item in await self._driver.list(paths.uploads(name))]
        except PathNotFound:
            return []

    async def _standing(self, name: RepositoryName, upload_id: UploadId) -> _Standing | None:
        started_path = paths.upload_started_at(name, upload_id)
        started, record_content = await self._driver.get_many(
            [started_path, paths.upload_record(name, upload_id)]
        )
        if started is None:
            return None
        data = (await self._driver.stat_many([paths.upload_data(name, upload_id)]))[0]
        size = data.size_bytes if data is not None else 0
        record = parse_record(record_content)
        offset = record.offset if record else None
        # A store without append shows no data before commit: there the record alone counts.
        saved = await self._saved_offsets(name, upload_id)
        if self._driver.properties.append:
            if data is None and (saved or record is not None):
                return None  # its bytes are a blob by now, and the rest is about to be removed
            covered = [item for item in saved if item <= size]
            offset = max([*covered, *([offset] if offset is not None else [])], default=None)
            if offset is None:
                offset = 0 if saved else size
        if offset is None:
            offset = 0
        hash_state = None
        if offset in saved:
            path = paths.upload_hash_state(name, upload_id, CANONICAL, offset)
            hash_state = (await self._driver.get_many([path]))[0]
        state = None
        if record is not None and record.offset == offset:
            state = record.state()
        return _Standing(
            UploadStatus(
                name, upload_id, offset, await self._parse_started_at(started_path, started)
            ),
            state,
            hash_state,
            data is not None,
        )

    async def _saved_offsets(self, name: RepositoryName, upload_id: UploadId) -> set[int]:
        try:
            names = await self._driver.list(paths.upload_hash_states(name, upload_id, CANONICAL))
        except PathNotFound:
            return set()
        return {int(item) for item in names if item.isascii() and item.isdigit()}

    async def _parse_started_at(self, path: str, content: bytes) -> datetime:
        """Return the time in a ``startedat`` file; that of the file when it is damaged."""
        try:
            moment = datetime.fromisoformat(content.decode("ascii").strip())
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            info = (await self._driver.stat_many([path]))[0]
            return datetime.fromtimestamp(info.modified_s if info else 0, UTC)
