"""Every operation that writes, with what must hold however far it came.

A scenario is prepared on a sound store, done on one that fails or under a cancel, and looked at on
a sound store again, by driver objects made anew. It must then be possible to do it again.
"""

from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest

from registry.digest import Digest
from registry.oci import errors
from registry.oci.names import RepositoryName, Tag, UploadId
from registry.services.purge import PurgeSettings
from registry.storage import paths
from tests.drivers.stores import Store
from tests.kit import content
from tests.kit.assembly import Assembly, anyone, assemble, utc_now
from tests.kit.bodies import BytesBody

NAME, SOURCE = RepositoryName("team/app"), RepositoryName("source")
FIRST, SECOND = content.blob("first", 20), content.blob("second", 18)
WHOLE = FIRST + SECOND
WHOLE_256, WHOLE_512 = Digest.of("sha256", WHOLE), Digest.of("sha512", WHOLE)
CONFIG = content.config()
OLD = content.image(CONFIG)
NEW = content.image(CONFIG, subject=content.descriptor(OLD, content.OCI_MANIFEST))
OLD_256, NEW_256 = Digest.of("sha256", OLD), Digest.of("sha256", NEW)
NEW_512 = Digest.of("sha512", NEW)
TAG, OTHER = Tag("latest"), Tag("other")


async def put_blob(parts: Assembly, name: RepositoryName, data: bytes) -> None:
    await parts.uploads.put(name, Digest.of("sha256", data), BytesBody(data))


async def is_served(parts: Assembly, digest: Digest) -> bool:
    """Whether the repository has the blob; its bytes must be right then."""
    blob = await parts.blobs.find(NAME, digest)
    if blob is None:
        return False
    async with await parts.blobs.open(blob) as reader:
        assert await reader.read_at(0, 1000) == WHOLE
    return True


async def purge_all(store: Store) -> None:
    """Purge a year from now, after which nothing of any upload may be left."""
    later = utc_now() + timedelta(days=366)
    await assemble(store.open(), purging=PurgeSettings(), now=lambda: later).purge.purge()
    strays = [path for path in store.remains() if f"/{paths.UPLOADS_DIRECTORY}/" in path]
    assert strays == []
    assert all(path.startswith("/") for path in store.remains()), "a multipart upload is left"


class Scenario:
    """One operation. `store` is set before anything else."""

    store: Store

    async def prepare(self, parts: Assembly) -> None:
        """Bring about what the operation needs."""

    async def operate(self, parts: Assembly) -> None:
        """Do it."""
        raise NotImplementedError

    async def verify(self, parts: Assembly, done: bool) -> None:
        """Check what must hold; `done` when the operation returned."""
        raise NotImplementedError


class _WithUpload(Scenario):
    """FIRST is acknowledged."""

    upload_id: UploadId

    async def prepare(self, parts: Assembly) -> None:
        self.upload_id = (await parts.uploads.start(NAME)).upload_id
        await parts.uploads.append(NAME, self.upload_id, BytesBody(FIRST), None)

    async def finish_from_where_it_stands(self, parts: Assembly) -> None:
        offset = (await parts.uploads.status(NAME, self.upload_id)).offset
        assert len(FIRST) <= offset <= len(WHOLE)
        rest = BytesBody(WHOLE[offset:])
        await parts.uploads.finish(NAME, self.upload_id, WHOLE_256, rest, None)
        assert await is_served(parts, WHOLE_256)
        await purge_all(self.store)


class Start(Scenario):
    async def operate(self, parts: Assembly) -> None:
        await parts.uploads.start(NAME)

    async def verify(self, parts: Assembly, done: bool) -> None:
        started = [
            await parts.upload_store.started_at(NAME, item) for item in await self.ids(parts)
        ]
        assert None not in started
        assert len(started) == 1 or not done
        await purge_all(self.store)

    async def ids(self, parts: Assembly) -> list[UploadId]:
        return await parts.upload_store.list(NAME)


class Append(_WithUpload):
    async def operate(self, parts: Assembly) -> None:
        status = await parts.uploads.append(NAME, self.upload_id, BytesBody(SECOND), None)
        assert status.offset == len(WHOLE)

    async def verify(self, parts: Assembly, done: bool) -> None:
        if done:
            assert (await parts.uploads.status(NAME, self.upload_id)).offset == len(WHOLE)
        await self.finish_from_where_it_stands(parts)


class Finish(_WithUpload):
    digest = WHOLE_256

    async def operate(self, parts: Assembly) -> None:
        await parts.uploads.finish(NAME, self.upload_id, self.digest, BytesBody(SECOND), None)

    async def verify(self, parts: Assembly, done: bool) -> None:
        if await is_served(parts, self.digest):
            await purge_all(self.store)
            return
        assert not done
        if await parts.blob_store.get(WHOLE_256) == WHOLE:
            # The bytes are a blob and no longer an upload, but the link is missing: push again.
            await parts.uploads.put(NAME, self.digest, BytesBody(WHOLE))
            assert await is_served(parts, self.digest)
            await purge_all(self.store)
            return
        await self.finish_from_where_it_stands(parts)


class FinishByAnotherAlgorithm(Finish):
    digest = WHOLE_512

    async def verify(self, parts: Assembly, done: bool) -> None:
        if not done and not self.can_resume(parts):
            await parts.uploads.put(NAME, self.digest, BytesBody(WHOLE))
        await super().verify(parts, done)

    def can_resume(self, parts: Assembly) -> bool:
        """A store without append joins the bytes before it can hash them; they may be lost then."""
        return parts.driver.properties.append


class FinishAsSomethingElse(_WithUpload):
    async def operate(self, parts: Assembly) -> None:
        digest = Digest.of("sha256", b"something else")
        with pytest.raises(errors.DigestInvalid):
            await parts.uploads.finish(NAME, self.upload_id, digest, BytesBody(SECOND), None)

    async def verify(self, parts: Assembly, done: bool) -> None:
        assert await parts.blob_store.get(WHOLE_256) is None
        if not done:
            with contextlib.suppress(errors.BlobUploadUnknown):
                await parts.uploads.status(NAME, self.upload_id)
        await purge_all(self.store)


class Put(Scenario):
    async def operate(self, parts: Assembly) -> None:
        await parts.uploads.put(NAME, WHOLE_512, BytesBody(WHOLE))

    async def verify(self, parts: Assembly, done: bool) -> None:
        assert await is_served(parts, WHOLE_512) or not done
        await parts.uploads.put(NAME, WHOLE_512, BytesBody(WHOLE))
        assert await is_served(parts, WHOLE_512)
        assert await is_served(parts, WHOLE_256)
        await purge_all(self.store)


class Cancel(_WithUpload):
    async def operate(self, parts: Assembly) -> None:
        await parts.uploads.cancel(NAME, self.upload_id)

    async def verify(self, parts: Assembly, done: bool) -> None:
        if done:
            with pytest.raises(errors.BlobUploadUnknown):
                await parts.uploads.status(NAME, self.upload_id)
        with contextlib.suppress(errors.BlobUploadUnknown):
            await parts.uploads.cancel(NAME, self.upload_id)
            assert not done
        await purge_all(self.store)


class Mount(Scenario):
    async def prepare(self, parts: Assembly) -> None:
        await parts.uploads.put(SOURCE, WHOLE_512, BytesBody(WHOLE))

    async def operate(self, parts: Assembly) -> None:
        assert await parts.blobs.mount(NAME, WHOLE_512, SOURCE, anyone) is not None

    async def verify(self, parts: Assembly, done: bool) -> None:
        assert await is_served(parts, WHOLE_512) or not done
        await self.operate(parts)
        assert await is_served(parts, WHOLE_512)


class DeleteBlob(Scenario):
    async def prepare(self, parts: Assembly) -> None:
        await parts.uploads.put(NAME, WHOLE_512, BytesBody(WHOLE))

    async def operate(self, parts: Assembly) -> None:
        await parts.blobs.delete(NAME, WHOLE_512)

    async def verify(self, parts: Assembly, done: bool) -> None:
        by_name = [await is_served(parts, digest) for digest in (WHOLE_256, WHOLE_512)]
        assert by_name in ([True, True], [False, False])
        assert not (done and by_name[0])
        if by_name[0]:
            await self.operate(parts)
        await parts.uploads.put(NAME, WHOLE_256, BytesBody(WHOLE))
        assert await is_served(parts, WHOLE_256)


class _WithManifests(Scenario):
    """OLD has both tags."""

    async def prepare(self, parts: Assembly) -> None:
        await put_blob(parts, NAME, CONFIG)
        await parts.manifests.put(NAME, OLD_256, OLD, None, [TAG, OTHER])

    async def check_consistency(self, parts: Assembly) -> dict[Tag, bytes]:
        """Every tag that is listed and every referrer leads to a manifest, whole and right."""
        found = {}
        for tag in await parts.tag_store.list(NAME):
            manifest = await parts.manifests.get(NAME, tag)
            assert Digest.of("sha256", manifest.content) == manifest.canonical
            found[tag] = manifest.content
        for entry in await parts.referrers.find(NAME, OLD_256):
            served = await parts.manifests.get(NAME, Digest.parse(entry.digest))
            assert served.content == NEW
        return found


class PushManifest(_WithManifests):
    reference: Tag | Digest = TAG
    tags: tuple[Tag, ...] = ()

    async def operate(self, parts: Assembly) -> None:
        await parts.manifests.put(NAME, self.reference, NEW, None, self.tags)

    async def verify(self, parts: Assembly, done: bool) -> None:
        before = await self.check_consistency(parts)
        assert before.keys() == {TAG, OTHER}
        assert before[TAG] == NEW if done else before[TAG] in (OLD, NEW)
        await self.operate(parts)
        after = await self.check_consistency(parts)
        assert after[TAG] == NEW
        assert len(await parts.referrers.find(NAME, OLD_256)) == 1


class PushManifestByAnotherAlgorithm(PushManifest):
    reference = NEW_512
    tags = (TAG, OTHER)

    async def verify(self, parts: Assembly, done: bool) -> None:
        await super().verify(parts, done)
        for reference in (TAG, OTHER, NEW_512):
            assert (await parts.manifests.get(NAME, reference)).digest == NEW_512


class DeleteTag(_WithManifests):
    async def operate(self, parts: Assembly) -> None:
        await parts.manifests.delete(NAME, TAG)

    async def verify(self, parts: Assembly, done: bool) -> None:
        tags = await self.check_consistency(parts)
        assert OTHER in tags
        assert not (done and TAG in tags)
        if TAG in tags:
            await self.operate(parts)
        else:
            with pytest.raises(errors.ManifestUnknown):
                await self.operate(parts)
        assert (await self.check_consistency(parts)).keys() == {OTHER}
        directory = paths.tag(NAME, TAG)
        assert not [path for path in self.store.remains() if path.startswith(f"{directory}/")]


class DeleteManifest(_WithManifests):
    async def prepare(self, parts: Assembly) -> None:
        await super().prepare(parts)
        await parts.manifests.put(NAME, NEW_512, NEW, None, [TAG])

    async def operate(self, parts: Assembly) -> None:
        await parts.manifests.delete(NAME, NEW_512)

    async def verify(self, parts: Assembly, done: bool) -> None:
        tags = await self.check_consistency(parts)
        assert tags.get(OTHER) == OLD
        assert not (done and TAG in tags)
        try:
            await self.operate(parts)
            assert not done
        except errors.ManifestUnknown:
            assert TAG not in tags
        assert (await self.check_consistency(parts)).keys() == {OTHER}
        assert await parts.referrers.find(NAME, OLD_256) == []


SCENARIOS: tuple[type[Scenario], ...] = (
    Start,
    Append,
    Finish,
    FinishByAnotherAlgorithm,
    FinishAsSomethingElse,
    Put,
    Cancel,
    Mount,
    DeleteBlob,
    PushManifest,
    PushManifestByAnotherAlgorithm,
    DeleteTag,
    DeleteManifest,
)
