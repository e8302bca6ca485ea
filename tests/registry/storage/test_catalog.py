"""The catalog's order and pages, against an oracle over random trees."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.contract import Driver
from drivers.inmemory import InMemoryDriver
from registry.oci.names import RepositoryName
from registry.storage import paths
from registry.storage.catalog import Catalog
from tests.kit.assembly import Assembly
from tests.kit.machines import run

# Components on both sides of "/" (0x2f) in byte order, so that the walk and plain sorting differ.
COMPONENTS = st.sampled_from(["a", "a-b", "a.b", "a0", "b", "0"])
REPOSITORIES = st.lists(COMPONENTS, min_size=1, max_size=4).map("/".join)
TREES = st.sets(REPOSITORIES, max_size=12)


async def make(driver: Driver, names: set[str]) -> None:
    for name in names:
        await driver.put_content(f"{paths.manifests(RepositoryName(name))}/tags/x", b"x")


def walk_order(names: set[str]) -> list[str]:
    return sorted(names, key=lambda name: name.split("/"))


@settings(derandomize=True)
@given(TREES, REPOSITORIES | st.just(""), st.none() | st.integers(0, 13))
def test_a_page_is_what_the_oracle_says(names: set[str], after: str, limit: int | None) -> None:
    driver = InMemoryDriver()

    async def page() -> list[RepositoryName]:
        await make(driver, names)
        return await Catalog(driver).list(after=after, limit=limit)

    bound = after.split("/") if after else []
    expected = [name for name in walk_order(names) if name.split("/") > bound]
    assert run(page) == expected[:limit]


@settings(derandomize=True)
@given(TREES, st.integers(1, 5))
def test_pages_put_together_are_the_whole(names: set[str], limit: int) -> None:
    driver = InMemoryDriver()

    async def pages() -> list[str]:
        await make(driver, names)
        found: list[str] = []
        while page := await Catalog(driver).list(after=found[-1] if found else "", limit=limit):
            found += page
        return found

    assert run(pages) == walk_order(names)


async def test_a_child_stands_before_a_longer_sibling(parts: Assembly) -> None:
    await make(parts.driver, {"a-b", "a/b", "a"})
    assert await parts.walk.list() == ["a", "a/b", "a-b"]


async def test_a_repository_without_manifests_is_not_in_it(parts: Assembly) -> None:
    await make(parts.driver, {"a"})
    await parts.driver.put_content(f"{paths.repository(RepositoryName('b'))}/_layers/x", b"x")
    assert await parts.walk.list() == ["a"]
    assert await parts.walk.list(holding="_layers") == ["b"]


async def test_an_empty_store_has_an_empty_catalog(parts: Assembly) -> None:
    assert await parts.walk.list() == []


async def test_only_wanted_repositories_count_towards_the_limit(parts: Assembly) -> None:
    await make(parts.driver, {"a", "b", "c", "d"})
    found = await parts.walk.list(limit=2, wanted=lambda name: name in ("b", "d"))
    assert found == ["b", "d"]


@pytest.mark.parametrize("after", ["a/", "/", "//", "a//b", "~", "\x00"])
async def test_any_text_may_stand_in_last(parts: Assembly, after: str) -> None:
    await make(parts.driver, {"a", "a/b"})
    assert set(await parts.walk.list(after=after)) <= {"a", "a/b"}


async def test_a_repository_exists_once_it_held_a_manifest(parts: Assembly) -> None:
    await make(parts.driver, {"a/b"})
    assert await parts.walk.exists(RepositoryName("a/b"))
    assert not await parts.walk.exists(RepositoryName("a"))
