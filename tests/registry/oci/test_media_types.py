"""Content-Type headers, families, and layers that rest elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.oci import media_types


@pytest.mark.parametrize(
    ("header", "found"),
    [
        (None, ""),
        ("", ""),
        ("a/b", "a/b"),
        (" A/B ; charset=utf-8", "a/b"),
        (";q=1", ""),
        ("a/b;c;d", "a/b"),
    ],
)
def test_the_type_without_its_parameters(header: str | None, found: str) -> None:
    assert media_types.base_type(header) == found


@given(st.text(max_size=30))
def test_the_type_of_a_type_is_itself(header: str) -> None:
    found = media_types.base_type(header)
    assert media_types.base_type(found) == found


@pytest.mark.parametrize(
    ("media_type", "foreign"),
    [
        ("application/vnd.oci.image.layer.nondistributable.v1.tar", True),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", True),
        ("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", True),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", True),
        ("application/vnd.docker.image.rootfs.foreign.diff.tar", True),
        ("application/vnd.docker.image.rootfs.diff.tar.gzip", False),
        ("application/vnd.oci.image.layer.v1.tar+gzip", False),
        ("", False),
    ],
)
def test_which_layers_may_rest_elsewhere(media_type: str, foreign: bool) -> None:
    assert media_types.is_foreign_layer(media_type) is foreign


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        (media_types.OCI_MANIFEST, True),
        (media_types.DOCKER_LIST, True),
        ("a/b", True),
        ("*/*", True),
        ("A/x.y-z+json", True),
        ("a" * 127 + "/" + "b" * 127, True),
        ("a" * 128 + "/" + "b" * 127, False),
        ("", False),
        ("a", False),
        ("a/", False),
        ("/b", False),
        ("a/b/c", False),
        ("a/b;q=1", False),
        ("a/b ", False),
        ("a/b\n", False),
        ("a/b\r\nX: y", False),
        ("a/\u00e4", False),
    ],
)
def test_what_may_stand_in_a_content_type_header(text: str, valid: bool) -> None:
    assert media_types.is_media_type(text) is valid


def test_families() -> None:
    assert media_types.is_docker_type(media_types.DOCKER_LIST)
    assert not media_types.is_docker_type(media_types.OCI_INDEX)
