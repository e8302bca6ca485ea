"""The layout, written out: what a Go registry reads and writes is exactly this."""

from __future__ import annotations

import pytest

from registry.digest import Digest
from registry.oci.names import RepositoryName, Tag, UploadId
from registry.storage import paths

NAME, TAG = RepositoryName("team/app"), Tag("1.0")
ID = UploadId("0b0a6f0e-7d5c-4f83-9a39-3a2f0b8a9f10")
DIGEST = Digest("sha256", "ab" * 32)
DIGEST_512 = Digest("sha512", "cd" * 64)
ROOT = "/docker/registry/v2"
REPOSITORY = f"{ROOT}/repositories/team/app"
HEX, HEX_512 = DIGEST.hex, DIGEST_512.hex

OF_DISTRIBUTION = {
    paths.blob_data(DIGEST): f"{ROOT}/blobs/sha256/ab/{HEX}/data",
    paths.layer_link(NAME, DIGEST): f"{REPOSITORY}/_layers/sha256/{HEX}/link",
    paths.layer_link(NAME, DIGEST_512): f"{REPOSITORY}/_layers/sha512/{HEX_512}/link",
    paths.revision_link(NAME, DIGEST): f"{REPOSITORY}/_manifests/revisions/sha256/{HEX}/link",
    paths.tag_current(NAME, TAG): f"{REPOSITORY}/_manifests/tags/1.0/current/link",
    paths.tag_history_link(NAME, TAG, DIGEST): (
        f"{REPOSITORY}/_manifests/tags/1.0/index/sha256/{HEX}/link"
    ),
    paths.upload_data(NAME, ID): f"{REPOSITORY}/_uploads/{ID}/data",
    paths.upload_started_at(NAME, ID): f"{REPOSITORY}/_uploads/{ID}/startedat",
    paths.upload_hash_state(NAME, ID, "sha256", 70): (
        f"{REPOSITORY}/_uploads/{ID}/hashstates/sha256/70"
    ),
}
OURS = [
    paths.tag_alias(NAME, TAG),
    paths.referrer(NAME, DIGEST, DIGEST_512),
    paths.recorded_type(NAME, DIGEST),
]


@pytest.mark.parametrize(("path", "expected"), OF_DISTRIBUTION.items())
def test_the_layout_is_that_of_distribution(path: str, expected: str) -> None:
    assert path == expected


@pytest.mark.parametrize("path", OURS)
def test_our_own_data_lies_where_go_does_not_walk(path: str) -> None:
    directory = path.removeprefix(f"{REPOSITORY}/").partition("/")[0]
    assert directory.startswith("_")
    assert directory not in ("_layers", "_manifests", "_uploads")


def test_our_record_of_an_upload_goes_with_its_directory() -> None:
    assert paths.upload_record(NAME, ID).startswith(f"{paths.upload(NAME, ID)}/")
