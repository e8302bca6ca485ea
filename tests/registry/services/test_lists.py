"""The services for the catalog and for tags: pages, and what more there is."""

from __future__ import annotations

import pytest

from registry.digest import Digest
from registry.oci import errors
from registry.oci.names import RepositoryName, Tag
from registry.oci.pagination import Page
from tests.kit.assembly import Assembly, anyone

NAME = RepositoryName("team/app")
DIGEST = Digest.of("sha256", b"manifest")
PAGES = [
    (Page(None, ""), ["a", "b", "c"], False),
    (Page(0, ""), [], False),
    (Page(1, ""), ["a"], True),
    (Page(2, "a"), ["b", "c"], False),
    (Page(3, ""), ["a", "b", "c"], False),
    (Page(1, "aa"), ["b"], True),
    (Page(1, "c"), [], False),
    (Page(None, "b"), ["c"], False),
]


async def fill(parts: Assembly, *names: str, tag: str = "latest") -> None:
    for name in names:
        await parts.tag_store.set(RepositoryName(name), Tag(tag), DIGEST, DIGEST)


@pytest.mark.parametrize(("page", "found", "more"), PAGES)
async def test_a_page_of_the_catalog(
    parts: Assembly, page: Page, found: list[str], more: bool
) -> None:
    await fill(parts, "a", "b", "c")
    assert await parts.catalog.list(page, anyone) == (found, more)


async def test_the_catalog_shows_what_the_caller_may_pull(parts: Assembly) -> None:
    await fill(parts, "a", "b", "c", "d")
    listed = await parts.catalog.list(Page(1, ""), lambda name: name in ("b", "d"))
    assert listed == (["b"], True)


@pytest.mark.parametrize(("page", "found", "more"), PAGES)
async def test_a_page_of_tags(parts: Assembly, page: Page, found: list[str], more: bool) -> None:
    for tag in ("c", "a", "b"):
        await fill(parts, NAME, tag=tag)
    assert await parts.tags.list(NAME, page) == (found, more)


@pytest.mark.parametrize("limit", [None, 0, 5])
async def test_tags_of_no_repository_are_unknown(parts: Assembly, limit: int | None) -> None:
    await fill(parts, "team/app/below")
    with pytest.raises(errors.NameUnknown):
        await parts.tags.list(NAME, Page(limit, ""))


async def test_a_repository_without_tags_has_an_empty_list(parts: Assembly) -> None:
    await parts.revisions.add(NAME, DIGEST)
    assert await parts.tags.list(NAME, Page(None, "")) == ([], False)
