"""The referrers list: entries, filter, the tag of older clients, pages, and deletion at once."""

import json
from typing import Any

import httpx2
import pytest

from tests.contract.table import NOWHERE
from tests.contract.test_lists import next_target
from tests.kit import content
from tests.kit.http import Client, codes

SBOM, SIGNATURE = "application/vnd.test.sbom+json", "application/vnd.test.signature"


def about(subject: bytes, algorithm: str = "sha256") -> dict[str, Any]:
    """Return the subject field of a manifest about `subject`."""
    return content.descriptor(subject, content.OCI_MANIFEST, algorithm=algorithm)


def artifact(subject: bytes, artifact_type: str, seed: str = "", **more: object) -> bytes:
    """Return an image manifest about `subject`, with the empty config."""
    return content.image(
        b"{}",
        subject=about(subject),
        config_type=content.OCI_EMPTY,
        artifactType=artifact_type,
        annotations={"seed": seed} if seed else None,
        **more,
    )


def referrers(client: Client, repo: str, digest: str, query: str = "") -> list[dict[str, Any]]:
    """Return the entries of a list after holding its frame against the contract."""
    response = client.get(f"/v2/{repo}/referrers/{digest}{query}")
    return entries(response)


def entries(response: httpx2.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == content.OCI_INDEX
    document = response.json()
    assert set(document) == {"schemaVersion", "mediaType", "manifests"}
    assert (document["schemaVersion"], document["mediaType"]) == (2, content.OCI_INDEX)
    found: list[dict[str, Any]] = document["manifests"]
    return found


def entry(manifest: bytes, media_type: str = content.OCI_MANIFEST, **more: object) -> Any:
    return content.descriptor(manifest, media_type, **more)


@pytest.fixture
def subject(client: Client, repo: str) -> bytes:
    """A pushed image, with what artifacts about it need."""
    client.push_blob(repo, b"{}")
    return client.push_image(repo, "subject", repo)


def test_a_subject_without_referrers(client: Client, repo: str, subject: bytes) -> None:
    assert referrers(client, repo, content.digest(subject)) == []


def test_an_unknown_subject(client: Client, repo: str, subject: bytes) -> None:
    assert referrers(client, repo, NOWHERE) == []


def test_an_unknown_repository(client: Client) -> None:
    assert referrers(client, "contract/never", NOWHERE) == []


def test_an_artifact_is_listed_with_its_type_and_annotations(
    client: Client, repo: str, subject: bytes
) -> None:
    made = artifact(subject, SBOM, "one")
    client.push_manifest(repo, content.digest(made), made)
    wanted = entry(made, artifactType=SBOM, annotations={"seed": "one"})
    assert referrers(client, repo, content.digest(subject)) == [wanted]


def test_an_image_is_listed_with_the_type_of_its_config(
    client: Client, repo: str, subject: bytes
) -> None:
    made = content.image(b"{}", subject=about(subject), config_type="application/x-config")
    client.push_manifest(repo, "image", made)
    wanted = entry(made, artifactType="application/x-config")
    assert referrers(client, repo, content.digest(subject)) == [wanted]


def test_an_index_is_listed_without_a_type_unless_it_names_one(
    client: Client, repo: str, subject: bytes
) -> None:
    plain = content.index(subject=about(subject))
    named = content.index(subject=about(subject), artifactType=SBOM)
    for made in (plain, named):
        client.push_manifest(repo, content.digest(made), made)
    found = referrers(client, repo, content.digest(subject))
    wanted = [
        entry(plain, content.OCI_INDEX),
        entry(named, content.OCI_INDEX, artifactType=SBOM),
    ]
    assert found == sorted(wanted, key=lambda item: item["digest"])


def test_a_manifest_of_an_unknown_type_is_listed(client: Client, repo: str, subject: bytes) -> None:
    made = content.encode(
        {"mediaType": content.OCI_ARTIFACT, "artifactType": SBOM, "subject": about(subject)}
    )
    client.push_manifest(repo, content.digest(made), made)
    wanted = entry(made, content.OCI_ARTIFACT, artifactType=SBOM)
    assert referrers(client, repo, content.digest(subject)) == [wanted]


def test_referrers_may_come_before_their_subject(client: Client, repo: str) -> None:
    client.push_blob(repo, b"{}")
    later = content.image(b"{}")
    made = artifact(later, SBOM)
    client.push_manifest(repo, content.digest(made), made)
    assert referrers(client, repo, content.digest(later)) == [entry(made, artifactType=SBOM)]


def test_referrers_by_sha512_are_listed_by_sha512(client: Client, repo: str) -> None:
    client.push_blob(repo, b"{}")
    later = content.image(b"{}")
    made = content.image(b"{}", subject=about(later, "sha512"), artifactType=SBOM)
    digest = content.digest(made, "sha512")
    client.push_manifest(repo, digest, made)
    found = referrers(client, repo, content.digest(later, "sha512"))
    assert [item["digest"] for item in found] == [digest]


# Filter


@pytest.fixture
def mixed(client: Client, repo: str, subject: bytes) -> dict[str, list[str]]:
    """Three SBOMs and a signature about the subject: their digests by type, sorted."""
    made = [artifact(subject, SBOM, str(number)) for number in range(3)]
    made.append(artifact(subject, SIGNATURE))
    for manifest in made:
        client.push_manifest(repo, content.digest(manifest), manifest)
    digests = [content.digest(manifest) for manifest in made]
    return {SBOM: sorted(digests[:3]), SIGNATURE: digests[3:], "": sorted(digests)}


@pytest.mark.parametrize("wanted", [SBOM, SIGNATURE])
def test_filter_gives_the_type_alone_and_says_so(
    client: Client, repo: str, subject: bytes, mixed: dict[str, list[str]], wanted: str
) -> None:
    response = client.get(
        f"/v2/{repo}/referrers/{content.digest(subject)}", params={"artifactType": wanted}
    )
    assert [item["digest"] for item in entries(response)] == mixed[wanted]
    assert response.headers["oci-filters-applied"] == "artifactType"


def test_filter_of_no_match(
    client: Client, repo: str, subject: bytes, mixed: dict[str, list[str]]
) -> None:
    response = client.get(f"/v2/{repo}/referrers/{content.digest(subject)}?artifactType=x")
    assert entries(response) == []
    assert response.headers["oci-filters-applied"] == "artifactType"


def test_no_filter_says_none(
    client: Client, repo: str, subject: bytes, mixed: dict[str, list[str]]
) -> None:
    response = client.get(f"/v2/{repo}/referrers/{content.digest(subject)}")
    assert [item["digest"] for item in entries(response)] == mixed[""]
    assert "oci-filters-applied" not in response.headers


# Pages


@pytest.mark.parametrize("query", ["n=1", "n=3", f"n=1&artifactType={SBOM.replace('+', '%2B')}"])
def test_pages_join_to_the_whole(
    client: Client, repo: str, subject: bytes, mixed: dict[str, list[str]], query: str
) -> None:
    target: str | None = f"/v2/{repo}/referrers/{content.digest(subject)}?{query}"
    found = []
    while target is not None:
        response = client.get(target)
        page = entries(response)
        assert 1 <= len(page) <= int(query[2])
        found += [item["digest"] for item in page]
        target = next_target(response)
    assert found == mixed[SBOM if "artifactType" in query else ""]


def test_a_list_over_4_mib_is_cut_into_pages(client: Client, repo: str, subject: bytes) -> None:
    made = [artifact(subject, SBOM, str(number) * 3_000_000) for number in range(3)]
    for manifest in made:
        client.push_manifest(repo, content.digest(manifest), manifest)
    target: str | None = f"/v2/{repo}/referrers/{content.digest(subject)}"
    found = []
    while target is not None:
        response = client.get(target)
        assert len(response.content) <= 4 * 1024 * 1024
        found += [item["digest"] for item in entries(response)]
        target = next_target(response)
    assert found == sorted(content.digest(manifest) for manifest in made)


# The tag that clients keep at registries without the API


def push_unlisted(client: Client, repo: str, manifest: bytes) -> None:
    client.push_manifest(repo, content.digest(manifest), manifest)


def fallback_tag(digest: str) -> str:
    return digest.replace(":", "-")


def test_entries_of_the_fallback_tag_are_merged(client: Client, repo: str, subject: bytes) -> None:
    """What the tag lists counts where the manifest itself names the subject; once."""
    listed, wrong = artifact(subject, SBOM), artifact(b"another", SIGNATURE)
    for manifest in (listed, wrong):
        push_unlisted(client, repo, manifest)
    tagged = content.index(*(entry(manifest) for manifest in (listed, wrong)))
    client.push_manifest(repo, fallback_tag(content.digest(subject)), tagged)
    assert referrers(client, repo, content.digest(subject)) == [entry(listed, artifactType=SBOM)]


def test_a_missing_child_of_the_fallback_tag_is_passed_over(
    client: Client, repo: str, subject: bytes
) -> None:
    made = artifact(subject, SBOM)
    push_unlisted(client, repo, made)
    client.push_manifest(repo, fallback_tag(content.digest(subject)), content.index(entry(made)))
    client.delete(f"/v2/{repo}/manifests/{content.digest(made)}")
    assert referrers(client, repo, content.digest(subject)) == []


def test_a_fallback_tag_that_is_no_index_is_passed_over(
    client: Client, repo: str, subject: bytes
) -> None:
    client.push_manifest(repo, fallback_tag(content.digest(subject)), b'{"mediaType":"a/b"}')
    assert referrers(client, repo, content.digest(subject)) == []


# Deletion


def test_a_deleted_referrer_is_gone_at_once(
    client: Client, repo: str, subject: bytes, mixed: dict[str, list[str]]
) -> None:
    gone = mixed[SIGNATURE][0]
    assert client.delete(f"/v2/{repo}/manifests/{gone}").status_code == 202
    found = referrers(client, repo, content.digest(subject))
    assert [item["digest"] for item in found] == mixed[SBOM]


def test_a_deleted_referrer_comes_back_with_its_next_push(
    client: Client, repo: str, subject: bytes
) -> None:
    made = artifact(subject, SBOM)
    for _ in range(2):
        client.push_manifest(repo, content.digest(made), made)
        assert len(referrers(client, repo, content.digest(subject))) == 1
        client.delete(f"/v2/{repo}/manifests/{content.digest(made)}")
        assert referrers(client, repo, content.digest(subject)) == []


def test_referrers_outlive_their_subject(
    client: Client, repo: str, subject: bytes, mixed: dict[str, list[str]]
) -> None:
    client.delete(f"/v2/{repo}/manifests/{content.digest(subject)}")
    found = referrers(client, repo, content.digest(subject))
    assert [item["digest"] for item in found] == mixed[""]


def test_untagging_a_referrer_keeps_it_listed(client: Client, repo: str, subject: bytes) -> None:
    made = artifact(subject, SBOM)
    client.push_manifest(repo, "a-tag", made)
    client.delete(f"/v2/{repo}/manifests/a-tag")
    assert len(referrers(client, repo, content.digest(subject))) == 1


def test_referrers_of_a_repository_are_its_own(
    client: Client, repo: str, subject: bytes, mixed: dict[str, list[str]]
) -> None:
    assert referrers(client, f"{repo}/other", content.digest(subject)) == []


def test_bad_n(client: Client, repo: str) -> None:
    response = client.get(f"/v2/{repo}/referrers/{NOWHERE}?n=-1")
    assert (response.status_code, codes(response)) == (400, ["PAGINATION_NUMBER_INVALID"])


def test_head_has_the_length_of_get(
    client: Client, repo: str, subject: bytes, mixed: dict[str, list[str]]
) -> None:
    target = f"/v2/{repo}/referrers/{content.digest(subject)}"
    got = client.get(target)
    assert json.loads(got.content)["manifests"]
    assert client.head(target).headers["content-length"] == got.headers["content-length"]
