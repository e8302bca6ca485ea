"""The referrers list: our entries, the tag that stands in for them, and what hides one."""

from __future__ import annotations

import json

import pytest

from registry.digest import Digest
from registry.oci.names import RepositoryName, Tag
from registry.oci.referrers import Referrer, fallback_tag
from registry.storage import paths
from tests.kit import content
from tests.kit.assembly import Assembly
from tests.kit.bodies import BytesBody

NAME = RepositoryName("team/app")
CONFIG = content.config()
SUBJECT = content.image(CONFIG)
SUBJECT_DIGEST = Digest.of("sha256", SUBJECT)
OTHER = content.image(CONFIG, annotations={"other": "subject"})


def about(note: str, subject: bytes = SUBJECT) -> bytes:
    return content.image(
        CONFIG,
        subject=content.descriptor(subject, content.OCI_MANIFEST),
        artifactType=f"application/vnd.{note}",
        annotations={"note": note},
    )


ONE, TWO = sorted([about("one"), about("two")], key=content.digest)


async def push(parts: Assembly, *manifests: bytes) -> None:
    await parts.uploads.put(NAME, Digest.of("sha256", CONFIG), BytesBody(CONFIG))
    for manifest in manifests:
        await parts.manifests.put(NAME, Digest.of("sha256", manifest), manifest, None)


async def push_without_entry(parts: Assembly, *manifests: bytes) -> None:
    """As a Go registry stores a manifest: without our entry."""
    for manifest in manifests:
        digest = await parts.blob_store.put(manifest)
        await parts.revisions.add(NAME, digest)


async def push_fallback(parts: Assembly, *manifests: bytes, tag_of: bytes = SUBJECT) -> None:
    index = content.index(*(content.child(item) for item in manifests))
    digest = await parts.blob_store.put(index)
    await parts.revisions.add(NAME, digest)
    tag = Tag(fallback_tag(Digest.of("sha256", tag_of)))
    await parts.tag_store.set(NAME, tag, digest, digest)


async def found(parts: Assembly, subject: Digest = SUBJECT_DIGEST) -> list[str]:
    return [entry.digest for entry in await parts.referrers.find(NAME, subject)]


async def test_an_entry_says_what_the_manifest_does(parts: Assembly) -> None:
    await push(parts, ONE)
    document = json.loads(ONE)
    assert await parts.referrers.find(NAME, SUBJECT_DIGEST) == [
        Referrer(
            media_type=content.OCI_MANIFEST,
            size=len(ONE),
            digest=content.digest(ONE),
            artifact_type=document["artifactType"],
            annotations=document["annotations"],
        )
    ]


async def test_the_list_is_ordered_by_digest_and_goes_on_after_one(parts: Assembly) -> None:
    await push(parts, TWO, ONE)
    assert await found(parts) == [content.digest(ONE), content.digest(TWO)]
    rest = await parts.referrers.find(NAME, SUBJECT_DIGEST, after=content.digest(ONE))
    assert [entry.digest for entry in rest] == [content.digest(TWO)]


async def test_only_one_type_when_one_is_asked_for(parts: Assembly) -> None:
    await push(parts, ONE, TWO)
    kind = json.loads(TWO)["artifactType"]
    entries = await parts.referrers.find(NAME, SUBJECT_DIGEST, artifact_type=kind)
    assert [entry.digest for entry in entries] == [content.digest(TWO)]


async def test_what_nobody_is_about_has_an_empty_list(parts: Assembly) -> None:
    assert await found(parts) == []


async def test_a_deleted_manifest_is_not_listed(parts: Assembly) -> None:
    await push(parts, ONE, TWO)
    await parts.manifests.delete(NAME, Digest.parse(content.digest(ONE)))
    assert await found(parts) == [content.digest(TWO)]


async def test_what_a_go_registry_deleted_is_not_listed(parts: Assembly) -> None:
    """It removes the link and knows nothing of the entry."""
    await push(parts, ONE, TWO)
    link = paths.revision_link(NAME, Digest.parse(content.digest(ONE)))
    await parts.driver.delete(link)
    assert await found(parts) == [content.digest(TWO)]


@pytest.mark.parametrize("digest", ["", "sha256:12", "md5:12"])
async def test_an_entry_with_a_damaged_digest_is_left_out(parts: Assembly, digest: str) -> None:
    await push(parts, ONE)
    entry = Referrer(media_type="x", size=1, digest=digest)
    await parts.referrer_store.add(NAME, SUBJECT_DIGEST, Digest.of("sha256", b"x"), entry)
    assert await found(parts) == [content.digest(ONE)]


async def test_the_stand_in_tag_is_merged_with_our_entries(parts: Assembly) -> None:
    await push(parts, ONE)
    await push_without_entry(parts, TWO)
    await push_fallback(parts, TWO, ONE)
    assert await found(parts) == [content.digest(ONE), content.digest(TWO)]


async def test_the_stand_in_tag_alone_is_a_list(parts: Assembly) -> None:
    await push_without_entry(parts, TWO)
    await push_fallback(parts, TWO)
    (entry,) = await parts.referrers.find(NAME, SUBJECT_DIGEST)
    assert entry.artifact_type == json.loads(TWO)["artifactType"]


async def test_the_stand_in_tag_lists_nothing_of_another_subject(parts: Assembly) -> None:
    await push_without_entry(parts, about("three", OTHER), OTHER)
    await push_fallback(parts, about("three", OTHER), OTHER)
    assert await found(parts) == []


async def test_the_stand_in_tag_lists_nothing_that_is_not_in_the_repository(
    parts: Assembly,
) -> None:
    await parts.blob_store.put(ONE)
    await push_fallback(parts, ONE)
    assert await found(parts) == []


@pytest.mark.parametrize("index", [b"", b"{", b"[]", SUBJECT, b'{"manifests": 1}'])
async def test_a_stand_in_tag_that_is_no_index_is_passed_over(
    parts: Assembly, index: bytes
) -> None:
    await push(parts, ONE)
    digest = await parts.blob_store.put(index)
    tag = Tag(fallback_tag(SUBJECT_DIGEST))
    await parts.tag_store.set(NAME, tag, digest, digest)
    assert await found(parts) == [content.digest(ONE)]


@pytest.mark.parametrize("stored", [b"{", b"[]", b""])
async def test_a_damaged_manifest_in_the_stand_in_tag_is_passed_over(
    parts: Assembly, stored: bytes
) -> None:
    await push_without_entry(parts, stored, TWO)
    await push_fallback(parts, stored, TWO)
    assert await found(parts) == [content.digest(TWO)]


async def test_a_stand_in_tag_without_content_is_passed_over(parts: Assembly) -> None:
    tag = Tag(fallback_tag(SUBJECT_DIGEST))
    await parts.tag_store.set(NAME, tag, SUBJECT_DIGEST, SUBJECT_DIGEST)
    assert await found(parts) == []
