"""Entries of the referrers list, and recorded media types: what lies beside the layout."""

from __future__ import annotations

import pytest

from registry.digest import Digest
from registry.oci.names import RepositoryName
from registry.oci.referrers import Referrer
from registry.storage import paths
from tests.kit.assembly import Assembly

NAME = RepositoryName("team/app")
SUBJECT = Digest.of("sha256", b"subject")
ONE, TWO = sorted(Digest.of("sha256", item) for item in (b"one", b"two"))
ONE_512 = Digest.of("sha512", b"one")


def entry(digest: Digest, size: int = 10) -> Referrer:
    return Referrer(
        media_type="application/vnd.oci.image.manifest.v1+json",
        size=size,
        digest=str(digest),
        artifact_type="application/vnd.example",
        annotations={"a": "b"},
    )


async def add(parts: Assembly, *digests: Digest) -> None:
    for digest in digests:
        await parts.referrer_store.add(NAME, SUBJECT, digest, entry(digest))


async def test_entries_come_back_as_they_were_in_the_order_of_digests(parts: Assembly) -> None:
    await add(parts, ONE_512, TWO, ONE)
    found = await parts.referrer_store.list(NAME, SUBJECT)
    assert found == [entry(ONE), entry(TWO), entry(ONE_512)]


async def test_entries_are_of_one_repository_and_subject(parts: Assembly) -> None:
    await add(parts, ONE)
    assert await parts.referrer_store.list(RepositoryName("team"), SUBJECT) == []
    assert await parts.referrer_store.list(NAME, ONE) == []


async def test_adding_again_replaces(parts: Assembly) -> None:
    await add(parts, ONE)
    await parts.referrer_store.add(NAME, SUBJECT, ONE, entry(ONE, size=99))
    assert await parts.referrer_store.list(NAME, SUBJECT) == [entry(ONE, size=99)]


async def test_removing_twice_is_no_error(parts: Assembly) -> None:
    await add(parts, ONE, TWO)
    await parts.referrer_store.remove(NAME, SUBJECT, ONE)
    await parts.referrer_store.remove(NAME, SUBJECT, ONE)
    assert await parts.referrer_store.list(NAME, SUBJECT) == [entry(TWO)]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"digest": 1}', b"\xff"])
async def test_a_damaged_entry_is_left_out(parts: Assembly, damage: bytes) -> None:
    await add(parts, ONE, TWO)
    await parts.driver.put_content(paths.referrer(NAME, SUBJECT, ONE), damage)
    assert await parts.referrer_store.list(NAME, SUBJECT) == [entry(TWO)]


async def test_an_entry_cut_off_in_its_removal_is_left_out(parts: Assembly) -> None:
    await add(parts, TWO)
    directory = paths.referrers(NAME, SUBJECT, "sha256")
    await parts.driver.put_content(f"{directory}/{ONE.hex}/stray", b"x")
    assert await parts.referrer_store.list(NAME, SUBJECT) == [entry(TWO)]


async def test_a_type_is_recorded_for_one_manifest(parts: Assembly) -> None:
    await parts.types.set(NAME, ONE, "application/vnd.example+json")
    assert await parts.types.get(NAME, ONE) == "application/vnd.example+json"
    assert await parts.types.get(NAME, TWO) is None


@pytest.mark.parametrize(
    ("damage", "read"), [(b"", None), (b"a/\xff", "a/\N{REPLACEMENT CHARACTER}")]
)
async def test_a_damaged_type_never_raises(
    parts: Assembly, damage: bytes, read: str | None
) -> None:
    await parts.driver.put_content(paths.recorded_type(NAME, ONE), damage)
    assert await parts.types.get(NAME, ONE) == read
