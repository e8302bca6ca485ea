"""Manifests of a repository: the order of writes, the checks of a push, types, deletes."""

from __future__ import annotations

import re

import pytest

from registry.digest import Digest
from registry.oci import errors
from registry.oci.names import RepositoryName, Tag
from registry.services.manifests import Validation
from registry.storage import paths
from tests.drivers.stores import Store
from tests.kit import content
from tests.kit.assembly import Assembly, assemble
from tests.kit.bodies import BytesBody
from tests.kit.trouble import Recording

NAME = RepositoryName("team/app")
TAG, MORE = Tag("latest"), Tag("1.0")
CONFIG, LAYER = content.config(), content.blob("layer", 40)
SUBJECT = content.image(CONFIG, LAYER)
ABOUT = content.image(CONFIG, LAYER, subject=content.descriptor(SUBJECT, content.OCI_MANIFEST))
MISSING = content.blob("missing", 40)


def sha256(data: bytes) -> Digest:
    return Digest.of("sha256", data)


async def push_blobs(parts: Assembly, *blobs: bytes) -> None:
    for blob in blobs or (CONFIG, LAYER):
        await parts.uploads.put(NAME, sha256(blob), BytesBody(blob))


def missing(caught: pytest.ExceptionInfo[errors.ErrorList]) -> list[object]:
    return [entry["detail"] for entry in caught.value.entries()]


async def test_the_tag_is_written_last_and_the_content_first(store: Store) -> None:
    await push_blobs(assemble(store.open()))
    driver = Recording(store.open())
    await assemble(driver).manifests.put(NAME, TAG, ABOUT, None, [MORE])
    digest, subject = sha256(ABOUT), sha256(SUBJECT)
    assert driver.changes == [
        ("put_content", paths.blob_data(digest)),
        ("put_content", paths.revision_link(NAME, digest)),
        ("put_content", paths.referrer(NAME, subject, digest)),
        ("put_content", paths.tag_history_link(NAME, TAG, digest)),
        ("put_content", paths.tag_current(NAME, TAG)),
        ("put_content", paths.tag_history_link(NAME, MORE, digest)),
        ("put_content", paths.tag_current(NAME, MORE)),
    ]


async def test_a_recorded_type_is_written_before_the_revision(store: Store) -> None:
    await push_blobs(assemble(store.open()))
    driver = Recording(store.open())
    manifest = content.image(CONFIG, mediaType=None)
    await assemble(driver).manifests.put(NAME, TAG, manifest, content.DOCKER_MANIFEST)
    written = [path for _, path in driver.changes]
    digest = sha256(manifest)
    assert written.index(paths.recorded_type(NAME, digest)) < written.index(
        paths.revision_link(NAME, digest)
    )


async def test_a_delete_takes_the_tags_first_and_the_entry_last(store: Store) -> None:
    parts = assemble(store.open())
    await push_blobs(parts)
    await parts.manifests.put(NAME, TAG, ABOUT, None)
    driver = Recording(store.open())
    await assemble(driver).manifests.delete(NAME, sha256(ABOUT))
    assert driver.changes == [
        ("delete", paths.tag_current(NAME, TAG)),
        ("delete", paths.tag(NAME, TAG)),
        ("delete", paths.revision_link(NAME, sha256(ABOUT))),
        ("delete", paths.referrer(NAME, sha256(SUBJECT), sha256(ABOUT))),
    ]


async def test_missing_content_is_named_in_the_order_of_the_manifest(store: Store) -> None:
    parts = assemble(store.open())
    await push_blobs(parts)
    driver = Recording(store.open())
    manifest = content.image(CONFIG, MISSING, LAYER, b"too")
    with pytest.raises(errors.ErrorList) as caught:
        await assemble(driver).manifests.put(NAME, TAG, manifest, None)
    assert missing(caught) == [
        str(sha256(MISSING)),
        str(sha256(b"too")),
    ]
    assert driver.changes == []


async def test_a_layer_of_another_repository_is_missing(parts: Assembly) -> None:
    await push_blobs(parts)
    with pytest.raises(errors.ErrorList):
        await parts.manifests.put(RepositoryName("other"), TAG, SUBJECT, None)


async def test_a_layer_whose_content_is_gone_is_missing(parts: Assembly) -> None:
    await push_blobs(parts)
    await parts.driver.delete(paths.blob_data(sha256(LAYER)))
    with pytest.raises(errors.ErrorList) as caught:
        await parts.manifests.put(NAME, TAG, SUBJECT, None)
    assert missing(caught) == [str(sha256(LAYER))]


async def test_validation_can_be_switched_off(store: Store) -> None:
    parts = assemble(store.open(), validation=Validation(enabled=False))
    manifest = content.image(MISSING, MISSING)
    await parts.manifests.put(NAME, TAG, manifest, None)
    assert (await parts.manifests.get(NAME, TAG)).content == manifest


async def test_a_missing_subject_is_no_reason_to_refuse(parts: Assembly) -> None:
    await push_blobs(parts)
    pushed = await parts.manifests.put(NAME, TAG, ABOUT, None)
    assert pushed.subject == sha256(SUBJECT)


async def test_layers_may_stand_in_an_index(parts: Assembly) -> None:
    """Build caches are such indexes."""
    await push_blobs(parts)
    cache = content.index(content.descriptor(LAYER, "application/octet-stream"))
    await parts.manifests.put(NAME, TAG, cache, None)
    assert (await parts.manifests.get(NAME, TAG)).content == cache


CHILDREN = [
    content.child(MISSING, architecture="amd64"),
    content.child(MISSING + b"2", architecture="arm64"),
    content.descriptor(MISSING + b"3", content.OCI_MANIFEST),
]
ABSENT = [str(item["digest"]) for item in CHILDREN]


@pytest.mark.parametrize(
    ("validation", "wanted"),
    [
        (Validation(), ABSENT),
        (Validation(platforms="none"), []),
        (
            Validation(platforms="list", platform_list=frozenset({("linux", "arm64")})),
            [ABSENT[1], ABSENT[2]],
        ),
        (Validation(platforms="list"), [ABSENT[2]]),
        (Validation(enabled=False), []),
    ],
    ids=["all", "none", "one platform", "no platform", "switched off"],
)
async def test_which_children_must_exist(
    store: Store, validation: Validation, wanted: list[str]
) -> None:
    parts = assemble(store.open(), validation=validation)
    index = content.index(*CHILDREN)
    if not wanted:
        await parts.manifests.put(NAME, TAG, index, None)
        return
    with pytest.raises(errors.ErrorList) as caught:
        await parts.manifests.put(NAME, TAG, index, None)
    assert missing(caught) == wanted


ALLOW = (re.compile(r"^https://files\.example/"),)
DENY = (re.compile(r"/secret/"),)


@pytest.mark.parametrize(
    ("kind", "validation", "url", "allowed"),
    [
        (content.FOREIGN_LAYER, Validation(), "https://files.example/x", True),
        (content.DOCKER_FOREIGN_LAYER, Validation(), "https://files.example/x", False),
        (
            content.DOCKER_FOREIGN_LAYER,
            Validation(urls_allow=ALLOW),
            "https://files.example/x",
            True,
        ),
        (content.DOCKER_FOREIGN_LAYER, Validation(urls_allow=ALLOW), "https://x.example/", False),
        (content.FOREIGN_LAYER, Validation(urls_allow=ALLOW), "https://x.example/", False),
        (content.DOCKER_FOREIGN_LAYER, Validation(urls_deny=DENY), "https://x.example/", True),
        (content.FOREIGN_LAYER, Validation(urls_deny=DENY), "https://x.example/secret/x", False),
        (
            content.FOREIGN_LAYER,
            Validation(urls_allow=ALLOW, urls_deny=DENY),
            "https://files.example/secret/x",
            False,
        ),
        (content.FOREIGN_LAYER, Validation(urls_allow=ALLOW), "ftp://files.example/x", False),
        (content.FOREIGN_LAYER, Validation(), "https://files.example/#x", False),
        (content.FOREIGN_LAYER, Validation(), "https:///x", False),
        (content.FOREIGN_LAYER, Validation(), "https://[x", False),
        (content.FOREIGN_LAYER, Validation(enabled=False), "gopher://x", True),
    ],
)
async def test_where_a_foreign_layer_may_be(
    store: Store, kind: str, validation: Validation, url: str, allowed: bool
) -> None:
    parts = assemble(store.open(), validation=validation)
    await push_blobs(parts, CONFIG)
    layer = content.descriptor(MISSING, kind, urls=[url])
    manifest = content.image(CONFIG, layers=[layer])
    if allowed:
        await parts.manifests.put(NAME, TAG, manifest, None)
        return
    with pytest.raises(errors.ManifestInvalid, match=re.escape(repr(url))):
        await parts.manifests.put(NAME, TAG, manifest, None)


OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@pytest.mark.parametrize(
    ("kind", "validation", "url", "allowed"),
    [
        (OCI_LAYER, Validation(), "https://x.example/", True),
        ("application/vnd.other.layer", Validation(), "https://x.example/", True),
        (DOCKER_LAYER, Validation(), "https://x.example/", False),
        (OCI_LAYER, Validation(urls_deny=DENY), "https://x.example/secret/x", False),
        (DOCKER_LAYER, Validation(urls_deny=DENY), "https://x.example/secret/x", False),
        (OCI_LAYER, Validation(urls_deny=DENY), "https://x.example/", True),
        (OCI_LAYER, Validation(urls_allow=ALLOW), "https://x.example/", False),
        (OCI_LAYER, Validation(urls_allow=ALLOW), "https://files.example/x", True),
    ],
)
async def test_which_urls_an_ordinary_layer_may_name(
    store: Store, kind: str, validation: Validation, url: str, allowed: bool
) -> None:
    parts = assemble(store.open(), validation=validation)
    await push_blobs(parts)
    manifest = content.image(CONFIG, layers=[content.descriptor(LAYER, kind, urls=[url])])
    if allowed:
        await parts.manifests.put(NAME, TAG, manifest, None)
        return
    with pytest.raises(errors.ManifestInvalid, match=re.escape(repr(url))):
        await parts.manifests.put(NAME, TAG, manifest, None)


async def test_an_ordinary_layer_with_urls_must_be_here(parts: Assembly) -> None:
    await push_blobs(parts, CONFIG)
    layer = content.descriptor(LAYER, OCI_LAYER, urls=["https://x.example/"])
    with pytest.raises(errors.ErrorList):
        await parts.manifests.put(NAME, TAG, content.image(CONFIG, layers=[layer]), None)


async def test_a_foreign_layer_without_a_url_must_exist(parts: Assembly) -> None:
    await push_blobs(parts, CONFIG)
    layer = content.descriptor(MISSING, content.FOREIGN_LAYER)
    with pytest.raises(errors.ErrorList):
        await parts.manifests.put(NAME, TAG, content.image(CONFIG, layers=[layer]), None)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
async def test_a_manifest_is_served_by_the_digest_it_was_pushed_with(
    parts: Assembly, algorithm: str
) -> None:
    await push_blobs(parts)
    digest = Digest.of(algorithm, SUBJECT)
    pushed = await parts.manifests.put(NAME, digest, SUBJECT, None, [TAG])
    assert (pushed.digest, pushed.tags) == (digest, (TAG,))
    for reference in (digest, TAG):
        found = await parts.manifests.get(NAME, reference)
        assert (found.digest, found.canonical) == (digest, sha256(SUBJECT))
        assert found.content == SUBJECT


async def test_a_manifest_of_another_digest_is_refused(parts: Assembly) -> None:
    await push_blobs(parts)
    with pytest.raises(errors.DigestInvalid):
        await parts.manifests.put(NAME, sha256(ABOUT), SUBJECT, None)
    with pytest.raises(errors.ManifestUnknown):
        await parts.manifests.get(NAME, sha256(SUBJECT))


async def test_a_long_manifest_is_taken_whole(parts: Assembly) -> None:
    """Above 64 KiB the work is done in a thread."""
    await push_blobs(parts)
    manifest = content.image(CONFIG, LAYER, annotations={"long": "x" * 100_000})
    pushed = await parts.manifests.put(NAME, sha256(manifest), manifest, None, [TAG])
    assert (await parts.manifests.get(NAME, TAG)).content == manifest
    assert pushed.digest == sha256(manifest)


@pytest.mark.parametrize("media_type", [content.DOCKER_MANIFEST, content.OCI_MANIFEST])
async def test_a_body_without_a_type_is_served_as_it_was_pushed(
    parts: Assembly, media_type: str
) -> None:
    await push_blobs(parts)
    manifest = content.image(CONFIG, mediaType=None)
    await parts.manifests.put(NAME, TAG, manifest, media_type)
    assert (await parts.manifests.get(NAME, TAG)).media_type == media_type


@pytest.mark.parametrize("first", [content.DOCKER_MANIFEST, content.OCI_MANIFEST])
async def test_the_last_push_decides_the_type_of_a_body_without_one(
    parts: Assembly, first: str
) -> None:
    await push_blobs(parts)
    manifest = content.image(CONFIG, mediaType=None)
    (second,) = {content.DOCKER_MANIFEST, content.OCI_MANIFEST} - {first}
    await parts.manifests.put(NAME, TAG, manifest, first)
    await parts.manifests.put(NAME, TAG, manifest, second)
    assert (await parts.manifests.get(NAME, TAG)).media_type == second


async def test_an_old_client_gets_the_image_of_a_docker_list(parts: Assembly) -> None:
    await push_blobs(parts)
    arm = content.image(CONFIG, media_type=content.DOCKER_MANIFEST)
    amd = content.image(CONFIG, LAYER, media_type=content.DOCKER_MANIFEST)
    index = content.index(
        content.child(arm, content.DOCKER_MANIFEST, architecture="arm64"),
        content.child(amd, content.DOCKER_MANIFEST, architecture="amd64"),
        media_type=content.DOCKER_LIST,
    )
    for manifest in (arm, amd):
        await parts.manifests.put(NAME, sha256(manifest), manifest, None)
    await parts.manifests.put(NAME, TAG, index, None)
    old = frozenset({content.DOCKER_MANIFEST})
    assert (await parts.manifests.get(NAME, TAG, old)).content == amd
    assert (await parts.manifests.get(NAME, TAG)).content == index
    assert (await parts.manifests.get(NAME, sha256(index), old)).content == index


async def test_deleting_a_manifest_takes_each_of_its_tags(parts: Assembly) -> None:
    await push_blobs(parts)
    await parts.manifests.put(NAME, sha256(ABOUT), ABOUT, None, [TAG, MORE])
    await parts.manifests.put(NAME, Tag("other"), SUBJECT, None)
    await parts.manifests.delete(NAME, sha256(ABOUT))
    assert await parts.tag_store.list(NAME) == ["other"]


async def test_deleting_a_tag_leaves_the_manifest(parts: Assembly) -> None:
    await push_blobs(parts)
    await parts.manifests.put(NAME, TAG, SUBJECT, None)
    await parts.manifests.delete(NAME, TAG)
    assert (await parts.manifests.get(NAME, sha256(SUBJECT))).content == SUBJECT
    with pytest.raises(errors.ManifestUnknown):
        await parts.manifests.get(NAME, TAG)


async def test_deleting_a_manifest_whose_content_is_gone(parts: Assembly) -> None:
    await push_blobs(parts)
    await parts.manifests.put(NAME, TAG, SUBJECT, None)
    await parts.driver.delete(paths.blob_data(sha256(SUBJECT)))
    await parts.manifests.delete(NAME, sha256(SUBJECT))
    assert await parts.revisions.resolve(NAME, sha256(SUBJECT)) is None


@pytest.mark.parametrize("stored", [b"", b"{", b"[]", b"\xff"])
async def test_a_manifest_that_another_registry_damaged_can_be_deleted(
    parts: Assembly, stored: bytes
) -> None:
    digest = await parts.blob_store.put(stored)
    await parts.revisions.add(NAME, digest)
    assert (await parts.manifests.get(NAME, digest)).content == stored
    await parts.manifests.delete(NAME, digest)
    with pytest.raises(errors.ManifestUnknown):
        await parts.manifests.get(NAME, digest)


@pytest.mark.parametrize(
    "damaged",
    [b"", SUBJECT[:-1], SUBJECT.replace(b"2", b"3", 1)],
    ids=["empty", "short", "changed"],
)
async def test_a_damaged_manifest_is_not_served_until_it_is_pushed_again(
    parts: Assembly, damaged: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    await push_blobs(parts)
    await parts.manifests.put(NAME, TAG, SUBJECT, None)
    await parts.driver.put_content(paths.blob_data(sha256(SUBJECT)), damaged)
    for reference in (TAG, sha256(SUBJECT)):
        with pytest.raises(errors.ManifestUnknown):
            await parts.manifests.get(NAME, reference)
    said = [each.getMessage() for each in caplog.records if each.levelname == "ERROR"]
    assert len(said) == 2
    assert all(str(sha256(SUBJECT)) in text for text in said)
    await parts.manifests.put(NAME, TAG, SUBJECT, None)
    assert (await parts.manifests.get(NAME, TAG)).content == SUBJECT


async def test_a_tag_whose_manifest_is_gone_is_unknown(parts: Assembly) -> None:
    await parts.tag_store.set(NAME, TAG, sha256(SUBJECT), sha256(SUBJECT))
    with pytest.raises(errors.ManifestUnknown):
        await parts.manifests.get(NAME, TAG)
