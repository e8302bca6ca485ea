"""Removes uploads that nobody will finish."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import trio

from drivers.errors import DriverError, UploadBusy
from registry.oci import errors
from registry.oci.names import RepositoryName, UploadId, parse_upload_id
from registry.services.policy import Policy
from registry.storage.catalog import Catalog
from registry.storage.paths import UPLOADS_DIRECTORY
from registry.storage.uploads import UploadStore

log = logging.getLogger("registry.purge")


@dataclass(frozen=True, slots=True)
class PurgeSettings:
    """``storage.maintenance.uploadpurging``.

    Attributes:
        enabled: Whether uploads are purged at all.
        age_s: How old an upload must be, in seconds.
        interval_s: Pause between two runs.
        dry_run: Only say what would go.
    """

    enabled: bool = True
    age_s: float = 168 * 3600.0
    interval_s: float = 24 * 3600.0
    dry_run: bool = False


class PurgeService:
    """Walks all repositories for old uploads."""

    def __init__(
        self,
        uploads: UploadStore,
        catalog: Catalog,
        policy: Policy,
        settings: PurgeSettings,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._uploads = uploads
        self._catalog = catalog
        self._policy = policy
        self._settings = settings
        self._now = now

    async def run(self, first_after_s: float) -> None:
        """Purge again and again until cancelled; a failed run is logged and the next one tries.

        Args:
            first_after_s: Pause before the first run, different on each instance so that they do
                not all walk the store at once.
        """
        if not self._settings.enabled or self._policy.read_only:
            return
        await trio.sleep(first_after_s)
        while True:
            try:
                await self.purge()
            except DriverError as exc:
                log.error("purging uploads failed: %s", exc)
            await trio.sleep(self._settings.interval_s)

    async def purge(self) -> list[tuple[RepositoryName, UploadId]]:
        """Remove every upload older than the age, and return those (that would have been) removed.

        An upload that a request is writing to is left alone, whatever its age; so is what has no
        start. One that cannot be removed is logged and does not keep the others.

        Raises:
            DriverError: the store cannot be walked.
        """
        bound = self._now() - timedelta(seconds=self._settings.age_s)
        removed = []
        for name in await self._catalog.list(holding=UPLOADS_DIRECTORY):
            for candidate in await self._uploads.list(name):
                try:
                    upload_id = parse_upload_id(candidate)
                except errors.BlobUploadUnknown:
                    continue  # not an upload of any registry: not ours to remove
                started = await self._uploads.started_at(name, upload_id)
                if started is None or started >= bound:
                    continue
                if await self._remove(name, upload_id, started):
                    removed.append((name, upload_id))
        return removed

    async def _remove(self, name: RepositoryName, upload_id: UploadId, started: datetime) -> bool:
        verb = "would purge" if self._settings.dry_run else "purging"
        log.info("%s upload %s of %s, begun %s", verb, upload_id, name, started.isoformat())
        if self._settings.dry_run:
            return True
        try:
            writer = await self._uploads.open(name, upload_id)
            if writer is not None:
                async with writer:
                    await writer.abort()
            return await self._uploads.remove(name, upload_id)
        except UploadBusy:
            return False
        except DriverError as exc:
            log.error("upload %s of %s cannot be purged: %s", upload_id, name, exc)
            return False
