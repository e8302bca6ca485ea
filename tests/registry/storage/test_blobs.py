"""Blob content by digest."""

from __future__ import annotations

import pytest

from registry.digest import Digest
from registry.storage import paths
from tests.drivers.stores import Store
from tests.kit.assembly import Assembly, assemble
from tests.kit.trouble import Recording

CONTENT = b"0123456789"
DIGEST = Digest.of("sha256", CONTENT)
MISSING = Digest.of("sha256", b"missing")


async def test_put_returns_the_canonical_digest(parts: Assembly) -> None:
    assert await parts.blob_store.put(CONTENT) == DIGEST
    assert await parts.blob_store.get(DIGEST) == CONTENT


@pytest.mark.parametrize(
    "damaged",
    [b"", b"01234", CONTENT + b"x", b"0123456780"],
    ids=["empty", "short", "long", "changed"],
)
async def test_put_heals_a_damaged_blob(parts: Assembly, damaged: bytes) -> None:
    await parts.driver.put_content(paths.blob_data(DIGEST), damaged)
    await parts.blob_store.put(CONTENT)
    assert await parts.blob_store.get(DIGEST) == CONTENT


async def test_put_keeps_what_is_there(store: Store) -> None:
    driver = Recording(store.open())
    blobs = assemble(driver).blob_store
    await blobs.put(CONTENT)
    await blobs.put(CONTENT)
    assert driver.changes == [("put_content", paths.blob_data(DIGEST))]


async def test_what_is_not_there_has_no_size(parts: Assembly) -> None:
    await parts.blob_store.put(CONTENT)
    assert await parts.blob_store.sizes([MISSING, DIGEST]) == [None, len(CONTENT)]
    assert await parts.blob_store.sizes([]) == []


async def test_a_directory_in_place_of_content_is_no_blob(parts: Assembly) -> None:
    await parts.driver.put_content(paths.blob_data(DIGEST) + "/stray", b"x")
    assert await parts.blob_store.size(DIGEST) is None
    assert await parts.blob_store.get(DIGEST) is None


async def test_what_is_not_there_cannot_be_opened(parts: Assembly) -> None:
    assert await parts.blob_store.open(MISSING) is None


async def test_many_are_got_in_their_order(parts: Assembly) -> None:
    await parts.blob_store.put(CONTENT)
    assert await parts.blob_store.get_many([MISSING, DIGEST]) == [None, CONTENT]
    assert await parts.blob_store.get_many([]) == []
