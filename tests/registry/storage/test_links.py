"""Links, damaged ones above all: they read as absent and never raise."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry.digest import Digest
from registry.storage.links import parse_link
from tests.kit.assembly import Assembly

PATH = "/links/link"
DIGEST = Digest.of("sha256", b"content")
DAMAGED = {
    "empty": b"",
    "torn": str(DIGEST).encode()[:40],
    "with a newline": f"{DIGEST}\n".encode(),
    "zeros after a power cut": bytes(71),
    "not ascii": "sha256:é".encode(),
    "upper case": str(DIGEST).upper().encode(),
    "of an unknown algorithm": b"md5:" + b"0" * 32,
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
async def test_a_damaged_link_is_absent_and_logged(
    parts: Assembly, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    await parts.driver.put_content(PATH, content)
    with caplog.at_level(logging.WARNING, "registry.storage"):
        assert await parts.links.read(PATH) is None
    assert PATH in caplog.text


@settings(derandomize=True)
@given(st.binary(max_size=100))
def test_no_content_of_a_link_raises(content: bytes) -> None:
    link = parse_link(PATH, content)
    assert link is None or str(link).encode() == content


async def test_a_link_is_the_digest_and_nothing_else(parts: Assembly) -> None:
    await parts.links.write(PATH, DIGEST)
    assert await parts.driver.get_content(PATH) == str(DIGEST).encode()


async def test_links_are_read_in_the_order_asked(parts: Assembly) -> None:
    await parts.links.write("/a/link", DIGEST)
    assert await parts.links.read_many(["/b/link", "/a/link"]) == [None, DIGEST]


async def test_reading_no_links_is_no_call(parts: Assembly) -> None:
    assert await parts.links.read_many([]) == []


async def test_removing_says_whether_there_was_a_link(parts: Assembly) -> None:
    await parts.links.write(PATH, DIGEST)
    assert await parts.links.remove(PATH)
    assert not await parts.links.remove(PATH)
