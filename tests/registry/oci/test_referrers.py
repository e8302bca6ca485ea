"""Entries, the stand-in tag, and pages of the referrers list."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.digest import ALGORITHMS, Digest
from registry.oci import media_types
from registry.oci.manifests import parse
from registry.oci.names import is_tag
from registry.oci.referrers import MAX_RESPONSE_BYTES, Referrer, cut_page, fallback_tag, referrer_of
from tests.kit import content

CONFIG = content.config()


def entries(count: int, padding: int = 0) -> list[Referrer]:
    return [
        Referrer(
            media_type=media_types.OCI_MANIFEST,
            size=number,
            digest=f"sha256:{number:064x}",
            annotations={"pad": "x" * padding} if padding else None,
        )
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("document", "artifact_type"),
    [
        (content.image(CONFIG, artifactType="a/b"), "a/b"),
        (content.image(CONFIG, config_type="c/d"), "c/d"),
        (content.image(CONFIG, config_type="c/d", artifactType=""), "c/d"),
        (content.index(artifactType="a/b"), "a/b"),
        (content.index(), None),
        (content.encode({"mediaType": "x/y", "config": {"mediaType": "c/d"}}), None),
    ],
)
def test_the_type_of_an_entry(document: bytes, artifact_type: str | None) -> None:
    digest = Digest.of("sha512", document)
    entry = referrer_of(parse(document), digest, len(document))
    assert entry.artifact_type == artifact_type
    assert (entry.digest, entry.size) == (str(digest), len(document))


def test_annotations_are_copied_and_nothing_empty_is_written() -> None:
    document = content.image(CONFIG, config_type="c/d", annotations={"a": "b"})
    entry = referrer_of(parse(document), Digest.of("sha256", document), 7)
    body, _ = cut_page([entry], None)
    assert json.loads(body)["manifests"] == [
        {
            "mediaType": media_types.OCI_MANIFEST,
            "size": 7,
            "digest": content.digest(document),
            "artifactType": "c/d",
            "annotations": {"a": "b"},
        }
    ]
    bare, _ = cut_page(entries(1), None)
    assert set(json.loads(bare)["manifests"][0]) == {"mediaType", "size", "digest"}


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_stand_in_tag_is_a_tag_cut_to_64_characters(algorithm: str) -> None:
    digest = Digest.of(algorithm, b"x")
    tag = fallback_tag(digest)
    assert tag == f"{algorithm}-{digest.hex[:64]}"
    assert is_tag(tag)


@given(st.integers(0, 20), st.none() | st.integers(0, 20))
def test_a_page_has_what_fits_the_limit_and_names_its_last(count: int, limit: int | None) -> None:
    made = entries(count)
    body, last = cut_page(made, limit)
    document = json.loads(body)
    given_out = made if limit is None else made[:limit]
    assert [item["digest"] for item in document.pop("manifests")] == [e.digest for e in given_out]
    assert document == {"schemaVersion": 2, "mediaType": media_types.OCI_INDEX}
    more = 0 < len(given_out) < count
    assert last == (given_out[-1].digest if more else None)


@pytest.mark.parametrize("padding", [1_000_000, 2_097_000, 4_194_000])
def test_pages_stay_below_4_mib(padding: int) -> None:
    rest, seen = entries(9, padding), []
    while rest:
        body, last = cut_page(rest, None)
        assert len(body) <= MAX_RESPONSE_BYTES
        page = [item["digest"] for item in json.loads(body)["manifests"]]
        seen += page
        rest = rest[len(page) :]
        assert (last is None) == (not rest)
    assert seen == [entry.digest for entry in entries(9)]


def test_an_entry_that_fills_a_page_alone_is_given_out() -> None:
    body, last = cut_page(entries(2, MAX_RESPONSE_BYTES), None)
    assert len(json.loads(body)["manifests"]) == 1
    assert last == entries(1)[0].digest
