"""Whole blobs of a repository: look, read, mount, delete."""

from __future__ import annotations

import pytest

from registry.digest import Digest
from registry.oci import errors
from registry.oci.names import RepositoryName
from registry.services import blobs as service
from registry.services.blobs import Blob
from registry.storage import paths
from tests.kit.assembly import Assembly, anyone
from tests.kit.bodies import BytesBody

NAME = RepositoryName("team/app")
SOURCE = RepositoryName("source")
DATA = b"content of a blob"
DIGEST = Digest.of("sha256", DATA)
DIGEST_512 = Digest.of("sha512", DATA)


def no_one(_: RepositoryName) -> bool:
    return False


async def push(parts: Assembly, name: RepositoryName = NAME, digest: Digest = DIGEST) -> None:
    await parts.uploads.put(name, digest, BytesBody(DATA))


async def test_a_blob_is_found_and_read(parts: Assembly) -> None:
    await push(parts)
    blob = await parts.blobs.stat(NAME, DIGEST)
    assert blob == Blob(DIGEST, DIGEST, len(DATA))
    async with await parts.blobs.open(blob) as reader:
        assert await reader.read_at(0, 100) == DATA


async def test_a_blob_is_found_by_the_digest_it_was_pushed_with_and_the_canonical_one(
    parts: Assembly,
) -> None:
    await push(parts, digest=DIGEST_512)
    assert await parts.blobs.stat(NAME, DIGEST_512) == Blob(DIGEST_512, DIGEST, len(DATA))
    assert await parts.blobs.stat(NAME, DIGEST) == Blob(DIGEST, DIGEST, len(DATA))


async def test_a_blob_of_another_repository_is_unknown(parts: Assembly) -> None:
    await push(parts, SOURCE)
    assert await parts.blobs.find(NAME, DIGEST) is None
    with pytest.raises(errors.BlobUnknown):
        await parts.blobs.stat(NAME, DIGEST)


async def test_a_link_without_content_is_unknown(parts: Assembly) -> None:
    await parts.layers.add(NAME, DIGEST)
    with pytest.raises(errors.BlobUnknown):
        await parts.blobs.stat(NAME, DIGEST)


async def test_a_blob_that_goes_before_it_is_opened_is_unknown(parts: Assembly) -> None:
    await push(parts)
    blob = await parts.blobs.stat(NAME, DIGEST)
    await parts.driver.delete(paths.blob_data(DIGEST))
    with pytest.raises(errors.BlobUnknown):
        await parts.blobs.open(blob)


@pytest.mark.parametrize("source", [SOURCE, None], ids=["named", "searched for"])
async def test_a_mount_links_the_blob(parts: Assembly, source: RepositoryName | None) -> None:
    await push(parts, SOURCE)
    mounted = await parts.blobs.mount(NAME, DIGEST, source, anyone)
    assert mounted == Blob(DIGEST, DIGEST, len(DATA))
    assert await parts.blobs.find(NAME, DIGEST) == mounted


async def test_a_mount_by_another_algorithm_links_both_digests(parts: Assembly) -> None:
    await push(parts, SOURCE, DIGEST_512)
    await parts.blobs.mount(NAME, DIGEST_512, SOURCE, anyone)
    assert await parts.blobs.find(NAME, DIGEST) == Blob(DIGEST, DIGEST, len(DATA))
    assert await parts.blobs.find(NAME, DIGEST_512) is not None


@pytest.mark.parametrize("source", [SOURCE, None], ids=["named", "searched for"])
async def test_what_the_caller_may_not_pull_is_not_mounted(
    parts: Assembly, source: RepositoryName | None
) -> None:
    await push(parts, SOURCE)
    assert await parts.blobs.mount(NAME, DIGEST, source, no_one) is None
    assert await parts.blobs.find(NAME, DIGEST) is None


@pytest.mark.parametrize("source", [SOURCE, None], ids=["named", "searched for"])
async def test_what_is_nowhere_is_not_mounted(
    parts: Assembly, source: RepositoryName | None
) -> None:
    assert await parts.blobs.mount(NAME, DIGEST, source, anyone) is None


async def test_a_search_finds_what_is_here_already(parts: Assembly) -> None:
    await push(parts)
    assert await parts.blobs.mount(NAME, DIGEST, None, no_one) is not None


async def test_a_search_ends_after_so_many_repositories(
    parts: Assembly, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOUNT_SEARCH_REPOSITORIES", 2)
    for name in ("a", "b"):
        await parts.uploads.put(
            RepositoryName(name), Digest.of("sha256", b"other"), BytesBody(b"other")
        )
    await push(parts, RepositoryName("c"))
    assert await parts.blobs.mount(NAME, DIGEST, None, anyone) is None


async def test_deleting_unlinks_here_only(parts: Assembly) -> None:
    await push(parts)
    await push(parts, SOURCE)
    await parts.blobs.delete(NAME, DIGEST)
    assert await parts.blobs.find(NAME, DIGEST) is None
    assert await parts.blobs.find(SOURCE, DIGEST) is not None


@pytest.mark.parametrize("digest", [DIGEST, DIGEST_512])
async def test_deleting_by_either_digest_removes_both(parts: Assembly, digest: Digest) -> None:
    await push(parts, digest=DIGEST_512)
    await parts.blobs.delete(NAME, digest)
    assert await parts.blobs.find(NAME, DIGEST) is None
    assert await parts.blobs.find(NAME, DIGEST_512) is None


async def test_deleting_what_is_not_there_is_unknown(parts: Assembly) -> None:
    await push(parts)
    await parts.blobs.delete(NAME, DIGEST)
    with pytest.raises(errors.BlobUnknown):
        await parts.blobs.delete(NAME, DIGEST)
