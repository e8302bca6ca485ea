"""What a manifest is and what it refers to, whatever is pushed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.digest import Digest
from registry.oci import errors, media_types
from registry.oci.manifests import (
    MAX_DEPTH,
    MAX_DESCRIPTORS,
    MAX_MANIFEST_BYTES,
    MAX_SIZE_BYTES,
    Kind,
    Manifest,
    parse,
    shown_type,
    stated_type,
)
from tests.kit import content

CONFIG, LAYER = content.config(), content.blob("layer")
IMAGE = content.image(CONFIG, LAYER)

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
type_names = st.sampled_from(
    [
        "",
        media_types.OCI_MANIFEST,
        media_types.OCI_INDEX,
        media_types.DOCKER_MANIFEST,
        media_types.DOCKER_LIST,
        *media_types.DOCKER_SCHEMA1,
        "application/json",
        "application/vnd.test+json",
    ]
)
descriptors = st.fixed_dictionaries(
    {
        "digest": st.just(content.digest(b"x")) | st.text(max_size=10),
        "size": st.integers(-1, 2**60) | values,
    },
    optional={
        "mediaType": type_names | values,
        "urls": st.lists(st.text(max_size=5), max_size=2) | values,
        "platform": values,
        "annotations": st.dictionaries(st.text(max_size=3), st.text(max_size=3)) | values,
    },
)
documents = st.fixed_dictionaries(
    {},
    optional={
        "schemaVersion": st.sampled_from([1, 2, "2", None]) | values,
        "mediaType": type_names | values,
        "config": descriptors | values,
        "layers": st.lists(descriptors, max_size=3) | values,
        "manifests": st.lists(descriptors, max_size=3) | values,
        "subject": descriptors | values,
        "artifactType": st.text(max_size=5) | values,
        "annotations": st.dictionaries(st.text(max_size=3), st.text(max_size=3)) | values,
        "other": values,
    },
)


def check_parsed(found: Manifest) -> None:
    """Hold a parsed manifest against what the rest of the registry relies on."""
    assert media_types.is_media_type(found.media_type)
    assert found.media_type not in media_types.DOCKER_SCHEMA1
    assert (found.kind is Kind.IMAGE) == (found.media_type in media_types.IMAGES)
    assert (found.kind is Kind.INDEX) == (found.media_type in media_types.INDEXES)
    assert (found.config is not None) == (found.kind is Kind.IMAGE)
    assert not (found.layers and found.children)
    for item in (*found.blobs, *found.children):
        assert 0 <= item.size_bytes <= MAX_SIZE_BYTES


@given(documents, type_names | st.none())
def test_any_document_is_parsed_or_a_registry_error(
    document: dict[str, Any], content_type: str | None
) -> None:
    try:
        found = parse(json.dumps(document).encode(), content_type)
    except errors.RegistryError:
        return
    check_parsed(found)


@given(st.binary(max_size=60) | st.text('{}[]":,mediaType0 \\u00e9', max_size=40).map(str.encode))
def test_any_bytes_are_parsed_or_a_registry_error(data: bytes) -> None:
    try:
        found = parse(data, "application/vnd.test+json")
    except errors.RegistryError:
        return
    check_parsed(found)


@given(st.integers(0, len(IMAGE) - 1), st.binary(min_size=1, max_size=1))
def test_an_image_with_one_other_byte_is_parsed_or_a_registry_error(at: int, byte: bytes) -> None:
    changed = IMAGE[:at] + byte + IMAGE[at + 1 :]
    try:
        found = parse(changed, media_types.OCI_MANIFEST)
    except errors.RegistryError:
        return
    check_parsed(found)


@given(st.binary(max_size=60) | documents.map(lambda item: json.dumps(item).encode()))
def test_looking_at_stored_content_never_fails(data: bytes) -> None:
    stated = stated_type(data)
    assert stated is None or media_types.is_media_type(stated)
    assert shown_type(data) in (media_types.OCI_MANIFEST, media_types.OCI_INDEX)


def test_an_image_is_taken_apart() -> None:
    made = content.image(
        CONFIG,
        LAYER,
        LAYER,
        subject=content.descriptor(b"subject", media_types.OCI_INDEX),
        annotations={"a": "b"},
    )
    found = parse(made)
    assert (found.kind, found.media_type, found.typed) == (
        Kind.IMAGE,
        media_types.OCI_MANIFEST,
        True,
    )
    assert found.config is not None
    assert found.config.digest == Digest.of("sha256", CONFIG)
    assert [item.digest for item in found.blobs] == [
        Digest.of("sha256", data) for data in (CONFIG, LAYER, LAYER)
    ]
    assert found.layers[0].size_bytes == len(LAYER)
    assert found.subject is not None
    assert found.subject.digest == Digest.of("sha256", b"subject")
    assert found.annotations == {"a": "b"}
    assert found.artifact_type == found.config.media_type


def test_an_index_is_taken_apart() -> None:
    found = parse(content.index(content.child(IMAGE, architecture="arm64")))
    assert (found.kind, found.media_type) == (Kind.INDEX, media_types.OCI_INDEX)
    (child,) = found.children
    assert child.platform is not None
    assert (child.platform.os, child.platform.architecture) == ("linux", "arm64")
    assert (found.blobs, found.artifact_type) == ((), None)


def test_an_opaque_document_shows_its_subject_alone() -> None:
    made = content.encode(
        {
            "mediaType": "a/b",
            "subject": content.descriptor(b"s", "x/y"),
            "artifactType": "c/d",
            "annotations": {"text": "yes", "number": 1},
            "layers": "anything",
        }
    )
    found = parse(made)
    assert (found.kind, found.media_type, found.typed) == (Kind.OPAQUE, "a/b", True)
    assert found.subject is not None
    assert (found.artifact_type, found.annotations) == ("c/d", {"text": "yes"})
    assert found.blobs == found.children == ()


@pytest.mark.parametrize(
    ("body_type", "header", "typed"),
    [
        (media_types.OCI_MANIFEST, None, True),
        (media_types.OCI_MANIFEST, media_types.OCI_MANIFEST, True),
        (media_types.OCI_MANIFEST, "application/json", True),
        (None, None, True),
        (None, media_types.OCI_MANIFEST, True),
        (None, media_types.DOCKER_MANIFEST, False),
        (media_types.DOCKER_MANIFEST, None, True),
    ],
)
def test_typed_tells_whether_the_body_alone_gives_the_type_back(
    body_type: str | None, header: str | None, typed: bool
) -> None:
    data = content.image(CONFIG, mediaType=body_type)
    found = parse(data, header)
    assert found.typed is typed
    assert typed == ((stated_type(data) or shown_type(data)) == found.media_type)


def nested(levels: int) -> bytes:
    """Return a document of this many levels, itself being the first."""
    inner = "1"
    for _ in range(levels - 2):
        inner = f"[{inner}]"
    return b'{"mediaType":"a/b","x":' + inner.encode() + b"}"


def test_as_deep_as_is_taken_and_one_level_more() -> None:
    parse(nested(MAX_DEPTH))
    with pytest.raises(errors.ManifestInvalid, match="deeper"):
        parse(nested(MAX_DEPTH + 1))


@pytest.mark.parametrize("bomb", [b"[", b'{"a":', b'[{"a":'])
def test_a_depth_bomb_of_4_mib_is_refused(bomb: bytes) -> None:
    with pytest.raises(errors.ManifestInvalid):
        parse(bomb * (MAX_MANIFEST_BYTES // len(bomb)))


def test_a_byte_too_many_is_too_large() -> None:
    with pytest.raises(errors.ManifestTooLarge) as caught:
        parse(b" " * (MAX_MANIFEST_BYTES + 1))
    assert caught.value.detail == {"limit": MAX_MANIFEST_BYTES, "size": MAX_MANIFEST_BYTES + 1}


def test_as_many_descriptors_as_are_taken_and_one_more() -> None:
    child = content.descriptor(b"x", "a/b")
    parse(content.index(*[child] * MAX_DESCRIPTORS))
    with pytest.raises(errors.ManifestInvalid, match="descriptors"):
        parse(content.index(*[child] * (MAX_DESCRIPTORS + 1)))


def test_a_number_of_many_digits_is_refused() -> None:
    with pytest.raises(errors.ManifestInvalid):
        parse(IMAGE[:-1] + b',"x":' + b"9" * 1_000_000 + b"}")


@pytest.mark.parametrize("text", ['"\\ud800"', '"\\udc00\\ud800"', '"\\ud800\\u0041"'])
def test_half_a_surrogate_pair_is_refused(text: str) -> None:
    data = b'{"mediaType":"a/b","annotations":{"x":' + text.encode() + b"}}"
    with pytest.raises(errors.ManifestInvalid, match="surrogate"):
        parse(data)


def test_a_whole_surrogate_pair_is_a_character() -> None:
    found = parse(b'{"mediaType":"a/b","annotations":{"x":"\\ud83d\\ude00"}}')
    assert found.annotations == {"x": "\U0001f600"}
