"""Tags on a store: damaged links, halves of a removal, and lists in pages."""

from __future__ import annotations

import pytest

from registry.digest import Digest
from registry.oci.names import RepositoryName, Tag
from registry.storage import paths, tags
from registry.storage.tags import TagTarget
from tests.kit.assembly import Assembly

NAME = RepositoryName("team/app")
TAG = Tag("1.0")
ONE, TWO = Digest.of("sha256", b"one"), Digest.of("sha256", b"two")
ONE_512 = Digest.of("sha512", b"one")
DAMAGED = pytest.mark.parametrize("damage", [b"", b"sha256:12"], ids=["empty", "torn"])


async def set_tags(parts: Assembly, *names: str, target: Digest = ONE) -> None:
    for name in names:
        await parts.tag_store.set(NAME, Tag(name), target, target)


async def test_a_tag_points_to_what_it_was_set_to_last(parts: Assembly) -> None:
    await set_tags(parts, TAG, target=ONE)
    await set_tags(parts, TAG, target=TWO)
    assert await parts.tag_store.get(NAME, TAG) == TagTarget(TWO, TWO)


async def test_a_tag_that_was_never_set_is_absent(parts: Assembly) -> None:
    assert await parts.tag_store.get(NAME, TAG) is None


async def test_the_layout_is_that_of_distribution(parts: Assembly) -> None:
    await set_tags(parts, TAG)
    below = f"/docker/registry/v2/repositories/team/app/_manifests/tags/{TAG}"
    for path in (f"{below}/current/link", f"{below}/index/sha256/{ONE.hex}/link"):
        assert await parts.driver.get_content(path) == str(ONE).encode()


@DAMAGED
async def test_a_damaged_tag_is_read_from_its_history(parts: Assembly, damage: bytes) -> None:
    await set_tags(parts, TAG)
    await parts.driver.put_content(paths.tag_current(NAME, TAG), damage)
    assert await parts.tag_store.get(NAME, TAG) == TagTarget(ONE, ONE)


@DAMAGED
async def test_a_damaged_tag_with_two_candidates_is_absent(parts: Assembly, damage: bytes) -> None:
    await set_tags(parts, TAG, target=ONE)
    await set_tags(parts, TAG, target=TWO)
    await parts.driver.put_content(paths.tag_current(NAME, TAG), damage)
    assert await parts.tag_store.get(NAME, TAG) is None


@DAMAGED
async def test_a_damaged_entry_of_the_history_is_no_candidate(
    parts: Assembly, damage: bytes
) -> None:
    await set_tags(parts, TAG, target=ONE)
    await set_tags(parts, TAG, target=TWO)
    await parts.driver.put_content(paths.tag_current(NAME, TAG), damage)
    await parts.driver.put_content(paths.tag_history_link(NAME, TAG, ONE), damage)
    assert await parts.tag_store.get(NAME, TAG) == TagTarget(TWO, TWO)


@DAMAGED
async def test_a_damaged_tag_without_history_is_absent(parts: Assembly, damage: bytes) -> None:
    await parts.driver.put_content(paths.tag_current(NAME, TAG), damage)
    assert await parts.tag_store.get(NAME, TAG) is None


async def test_a_tag_without_its_link_is_not_made_from_its_history(parts: Assembly) -> None:
    await set_tags(parts, TAG)
    await parts.driver.delete(paths.tag_current(NAME, TAG))
    assert await parts.tag_store.get(NAME, TAG) is None


async def test_a_removal_that_was_cut_off_is_not_listed(parts: Assembly) -> None:
    await set_tags(parts, "a", "b", "c")
    await parts.driver.delete(paths.tag_current(NAME, Tag("b")))
    assert await parts.tag_store.list(NAME) == ["a", "c"]


async def test_a_removal_that_was_cut_off_can_be_done_again(parts: Assembly) -> None:
    await set_tags(parts, TAG)
    await parts.driver.delete(paths.tag_current(NAME, TAG))
    assert not await parts.tag_store.remove(NAME, TAG)
    assert await parts.driver.stat_many([paths.tag(NAME, TAG)]) == [None]


async def test_removal_takes_the_history_along(parts: Assembly) -> None:
    await set_tags(parts, TAG)
    assert await parts.tag_store.remove(NAME, TAG)
    assert await parts.driver.stat_many([paths.tag(NAME, TAG)]) == [None]


async def test_removing_what_is_not_there_says_so(parts: Assembly) -> None:
    assert not await parts.tag_store.remove(NAME, TAG)


async def test_tags_are_listed_in_byte_order(parts: Assembly) -> None:
    names = ["a.b", "a-b", "A", "_", "a", "10", "9", "ab"]
    await set_tags(parts, *names)
    assert await parts.tag_store.list(NAME) == sorted(names)


@pytest.mark.parametrize("after", ["", "b", "bb", "e", "z"])
@pytest.mark.parametrize("limit", [None, 0, 1, 2, 5, 9])
async def test_a_page_begins_after_the_last_one(
    parts: Assembly, after: str, limit: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tags, "BATCH", 2)
    await set_tags(parts, "a", "b", "c", "d", "e")
    await parts.driver.delete(paths.tag_current(NAME, Tag("c")))
    expected = [name for name in ("a", "b", "d", "e") if name > after][:limit]
    assert await parts.tag_store.list(NAME, after=after, limit=limit) == expected


async def test_names_that_no_tag_can_have_are_left_out(parts: Assembly) -> None:
    await set_tags(parts, "a")
    await parts.driver.put_content(f"{paths.tags(NAME)}/.stray/current/link", str(ONE).encode())
    assert await parts.tag_store.list(NAME) == ["a"]


async def test_all_tags_of_a_manifest_are_found_over_batches(
    parts: Assembly, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tags, "BATCH", 2)
    await set_tags(parts, "a", "c", "d", "e", target=ONE)
    await set_tags(parts, "b", target=TWO)
    assert await parts.tag_store.pointing_at(NAME, ONE) == ["a", "c", "d", "e"]


@DAMAGED
async def test_a_damaged_tag_of_a_manifest_is_found_by_its_history(
    parts: Assembly, damage: bytes
) -> None:
    await set_tags(parts, "a", "b", target=ONE)
    await parts.driver.put_content(paths.tag_current(NAME, Tag("b")), damage)
    assert await parts.tag_store.pointing_at(NAME, ONE) == ["a", "b"]


async def test_a_tag_answers_with_the_digest_it_was_pushed_with(parts: Assembly) -> None:
    await parts.tag_store.set(NAME, TAG, ONE, ONE_512)
    assert await parts.tag_store.get(NAME, TAG) == TagTarget(ONE, ONE_512)


async def test_the_other_digest_is_forgotten_with_a_push_by_the_canonical_one(
    parts: Assembly,
) -> None:
    await parts.tag_store.set(NAME, TAG, ONE, ONE_512)
    await parts.tag_store.set(NAME, TAG, ONE, ONE)
    assert await parts.tag_store.get(NAME, TAG) == TagTarget(ONE, ONE)


async def test_the_other_digest_is_that_of_one_target_only(parts: Assembly) -> None:
    """A Go registry moves the tag and knows nothing of our file beside it."""
    await parts.tag_store.set(NAME, TAG, ONE, ONE_512)
    await parts.links.write(paths.tag_current(NAME, TAG), TWO)
    assert await parts.tag_store.get(NAME, TAG) == TagTarget(TWO, TWO)


@pytest.mark.parametrize("damage", [b"", b"\xff", str(ONE).encode(), f"{ONE} sha512:12".encode()])
async def test_a_damaged_other_digest_is_ignored(parts: Assembly, damage: bytes) -> None:
    await parts.tag_store.set(NAME, TAG, ONE, ONE_512)
    await parts.driver.put_content(paths.tag_alias(NAME, TAG), damage)
    assert await parts.tag_store.get(NAME, TAG) == TagTarget(ONE, ONE)
