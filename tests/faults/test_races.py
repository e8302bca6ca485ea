"""Many clients on one upload and on one tag at once: whatever was acknowledged is there."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import pytest
import trio

from drivers.contract import Driver
from drivers.wrappers import Operation, Wrapper
from registry.digest import Digest
from registry.oci import errors
from registry.oci.names import RepositoryName, Tag, UploadId
from registry.oci.ranges import ByteRange
from registry.services.uploads import OutOfOrder
from tests.drivers.stores import Store
from tests.kit import content
from tests.kit.assembly import Assembly, assemble
from tests.kit.bodies import BytesBody

T = TypeVar("T")

NAME = RepositoryName("team/app")
CLIENTS = 6
SEEDS = 8
CHUNKS = 12  # acknowledged in all


class Uneven(Wrapper):
    """Takes a random while for each call, so that the clients overtake one another."""

    def __init__(self, inner: Driver, chance: random.Random) -> None:
        super().__init__(inner)
        self._chance = chance

    async def around(
        self, operation: Operation, paths: Sequence[str], call: Callable[[], Awaitable[T]]
    ) -> T:
        for _ in range(self._chance.choice((0, 0, 1, 3, 9))):
            await trio.lowlevel.checkpoint()
        return await call()


async def append_chunks(
    parts: Assembly,
    upload_id: UploadId,
    chance: random.Random,
    acknowledged: dict[int, bytes],
) -> None:
    """Append where the upload was last said to stand, until there are enough chunks."""
    stands = 0
    while len(acknowledged) < CHUNKS:
        data = chance.randbytes(chance.randint(1, 30))
        chunk = ByteRange(stands, stands + len(data) - 1)
        try:
            status = await parts.uploads.append(NAME, upload_id, BytesBody(data), chunk)
        except OutOfOrder as exc:
            stands = exc.upload.offset
            await trio.lowlevel.checkpoint()
            continue
        assert stands not in acknowledged, "two chunks were acknowledged at one offset"
        acknowledged[stands] = data
        stands = status.offset


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_no_acknowledged_chunk_is_lost_to_another_client(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    parts = [assemble(Uneven(store.open(), chance)) for _ in range(CLIENTS)]
    upload_id = (await parts[0].uploads.start(NAME)).upload_id
    acknowledged: dict[int, bytes] = {}
    async with trio.open_nursery() as nursery:
        for client in parts:
            nursery.start_soon(append_chunks, client, upload_id, chance, acknowledged)
    whole = b"".join(acknowledged[offset] for offset in sorted(acknowledged))
    digest = Digest.of("sha256", whole)
    await parts[0].uploads.finish(NAME, upload_id, digest, BytesBody(b""), None)
    assert await parts[0].blob_store.get(digest) == whole


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_of_many_that_finish_one_does_and_nothing_is_left(store: Store, seed: int) -> None:
    chance = random.Random(seed)
    parts = [assemble(Uneven(store.open(), chance)) for _ in range(CLIENTS)]
    data = chance.randbytes(50)
    digest = Digest.of("sha256", data)
    upload_id = (await parts[0].uploads.start(NAME)).upload_id
    await parts[0].uploads.append(NAME, upload_id, BytesBody(data), None)
    finished = []

    async def finish(client: Assembly) -> None:
        body = BytesBody(b"")
        with contextlib.suppress(OutOfOrder, errors.BlobUploadUnknown):
            finished.append(await client.uploads.finish(NAME, upload_id, digest, body, None))

    async with trio.open_nursery() as nursery:
        for client in parts:
            nursery.start_soon(finish, client)
    assert len(finished) >= 1
    assert await parts[0].blobs.find(NAME, digest) == finished[0]
    assert not [path for path in store.remains() if "_uploads" in path]


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_a_tag_that_many_move_and_delete_always_leads_to_a_manifest(
    store: Store, seed: int
) -> None:
    chance = random.Random(seed)
    parts = [assemble(Uneven(store.open(), chance)) for _ in range(CLIENTS)]
    config, tag = content.config(), Tag("latest")
    await parts[0].uploads.put(NAME, Digest.of("sha256", config), BytesBody(config))
    images = [content.image(config, annotations={"n": str(n)}) for n in range(CLIENTS)]

    async def churn(client: Assembly, image: bytes) -> None:
        for _ in range(6):
            await client.manifests.put(NAME, tag, image, None)
            found = await client.tag_store.get(NAME, tag)
            assert found is None or found.canonical in map(digest_of, images)
            if chance.random() < 0.4:
                with contextlib.suppress(errors.ManifestUnknown):
                    await client.manifests.delete(NAME, tag)

    async with trio.open_nursery() as nursery:
        for client, image in zip(parts, images, strict=True):
            nursery.start_soon(churn, client, image)
    for listed in await parts[0].tag_store.list(NAME):
        assert (await parts[0].manifests.get(NAME, listed)).content in images


def digest_of(image: bytes) -> Digest:
    return Digest.of("sha256", image)
