"""Membership: links under the canonical digest, and aliases that count only beside it."""

from __future__ import annotations

import pytest

from registry.digest import Digest
from registry.oci.names import RepositoryName
from registry.storage import paths
from tests.kit.assembly import Assembly

NAME = RepositoryName("team/app")
OTHER = RepositoryName("team/app-two")
CONTENT = b"content"
CANONICAL = Digest.of("sha256", CONTENT)
ALIAS = Digest.of("sha512", CONTENT)


async def test_an_alias_resolves_to_the_canonical_digest(parts: Assembly) -> None:
    await parts.layers.add(NAME, CANONICAL, ALIAS)
    assert await parts.layers.resolve_many(NAME, [ALIAS, CANONICAL]) == [CANONICAL, CANONICAL]


async def test_an_alias_vanishes_with_the_canonical_link(parts: Assembly) -> None:
    await parts.layers.add(NAME, CANONICAL, ALIAS)
    assert await parts.layers.remove(NAME, CANONICAL)
    assert await parts.layers.resolve(NAME, ALIAS) is None


async def test_an_alias_counts_again_when_the_content_is_linked_again(parts: Assembly) -> None:
    await parts.layers.add(NAME, CANONICAL, ALIAS)
    await parts.layers.remove(NAME, CANONICAL)
    await parts.layers.add(NAME, CANONICAL)
    assert await parts.layers.resolve(NAME, ALIAS) == CANONICAL


async def test_removing_by_alias_removes_both_links(parts: Assembly) -> None:
    await parts.layers.add(NAME, CANONICAL, ALIAS)
    assert await parts.layers.remove(NAME, CANONICAL, ALIAS)
    await parts.layers.add(NAME, CANONICAL)
    assert await parts.layers.resolve(NAME, ALIAS) is None


async def test_removing_twice_says_that_nothing_stood(parts: Assembly) -> None:
    await parts.layers.add(NAME, CANONICAL)
    assert await parts.layers.remove(NAME, CANONICAL)
    assert not await parts.layers.remove(NAME, CANONICAL)


async def test_membership_ends_at_the_repository(parts: Assembly) -> None:
    await parts.layers.add(NAME, CANONICAL)
    assert await parts.layers.resolve(OTHER, CANONICAL) is None


async def test_layers_and_revisions_are_apart(parts: Assembly) -> None:
    await parts.layers.add(NAME, CANONICAL)
    assert await parts.revisions.resolve(NAME, CANONICAL) is None


@pytest.mark.parametrize("content", [b"", b"sha256:12"], ids=["empty", "torn"])
async def test_a_damaged_canonical_link_makes_both_absent(parts: Assembly, content: bytes) -> None:
    await parts.layers.add(NAME, CANONICAL, ALIAS)
    await parts.driver.put_content(paths.layer_link(NAME, CANONICAL), content)
    assert await parts.layers.resolve_many(NAME, [CANONICAL, ALIAS]) == [None, None]


async def test_a_canonical_link_to_other_content_is_damaged(parts: Assembly) -> None:
    other = Digest.of("sha256", b"other content")
    await parts.layers.add(NAME, other)
    await parts.links.write(paths.layer_link(NAME, CANONICAL), other)
    assert await parts.layers.resolve(NAME, CANONICAL) is None


async def test_many_digests_are_resolved_in_their_order(parts: Assembly) -> None:
    digests = [Digest.of("sha256", bytes([item])) for item in range(4)]
    for digest in digests[::2]:
        await parts.revisions.add(NAME, digest)
    found = await parts.revisions.resolve_many(NAME, [*digests, digests[0]])
    assert found == [digests[0], None, digests[2], None, digests[0]]
