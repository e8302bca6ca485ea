"""skopeo: every format in and out, over plain HTTP and TLS, with and without a password."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Site
from tests.kit.content import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST
from tests.kit.images import Layout, read_pulled
from tests.kit.waiting import wait_until


def named(layout: Layout, tag: str) -> str:
    return f"oci:{layout.directory}:{tag}"


def logged_push(site: Site, start: int, last: str) -> list[str]:
    """Return the access log from `start` on, once it has the push of a manifest at its end."""

    def lines() -> list[str]:
        with site.server.access_log.open() as log:
            log.seek(start)
            return log.read().splitlines()

    wait_until(lambda: any(f'"PUT {last}' in line for line in lines()), 5)
    return lines()


@pytest.mark.parametrize(("form", "media_type"), [("oci", OCI_MANIFEST), ("v2s2", DOCKER_MANIFEST)])
def test_an_image_comes_back_as_it_was_pushed(
    site: Site, layout: Layout, tmp_path: Path, form: str, media_type: str
) -> None:
    digest = site.clients.push(named(layout, "one"), f"formats/{form}:v1", f"--format={form}")

    pulled = read_pulled(site.clients.pull(f"formats/{form}:v1", tmp_path / "by-tag"))
    assert pulled.digest == digest
    assert pulled.document["mediaType"] == media_type
    assert len(pulled.document["layers"]) == 3

    by_digest = read_pulled(site.clients.pull(f"formats/{form}@{digest}", tmp_path / "by-digest"))
    assert by_digest == pulled


@pytest.mark.parametrize(("form", "media_type"), [("oci", OCI_INDEX), ("v2s2", DOCKER_LIST)])
def test_all_platforms_of_a_list_come_back(
    site: Site, layout: Layout, tmp_path: Path, form: str, media_type: str
) -> None:
    name = f"lists/{form}:v1"
    digest = site.clients.push(named(layout, "many"), name, "--all", f"--format={form}")

    pulled = read_pulled(site.clients.pull(name, tmp_path / "all", "--all"))
    assert pulled.digest == digest
    assert pulled.document["mediaType"] == media_type
    assert len(pulled.manifests) == 2


@pytest.mark.parametrize("architecture", ["amd64", "arm64"])
def test_a_list_gives_the_image_of_a_platform(
    site: Site, layout: Layout, tmp_path: Path, architecture: str
) -> None:
    name = "platforms:v1"
    site.clients.push(named(layout, "many"), name, "--all")
    site.clients.skopeo(
        "copy",
        f"--override-arch={architecture}",
        site.clients.image(name),
        f"dir:{tmp_path}/one",
    )

    pulled = read_pulled(tmp_path / "one")
    config = json.loads((tmp_path / "one" / pulled.document["config"]["digest"][7:]).read_bytes())
    assert config["architecture"] == architecture


def test_zstd_layers_come_back_compressed_as_they_were(
    site: Site, layout: Layout, tmp_path: Path
) -> None:
    digest = site.clients.push(
        named(layout, "zstd"), "zstd:v1", "--dest-compress-format=zstd", "--format=oci"
    )

    pulled = read_pulled(site.clients.pull("zstd:v1", tmp_path / "zstd"))
    assert pulled.digest == digest
    for layer in pulled.document["layers"]:
        assert layer["mediaType"].endswith("tar+zstd")
        content = (tmp_path / "zstd" / layer["digest"][7:]).read_bytes()
        assert content.startswith(b"\x28\xb5\x2f\xfd")  # zstd's magic number


def test_a_copy_to_another_repository_mounts_its_blobs(
    site: Site, layout: Layout, tmp_path: Path
) -> None:
    digest = site.clients.push(named(layout, "one"), "mounts/source:v1")
    before = site.server.access_log.stat().st_size
    copied = site.clients.push(site.clients.image("mounts/source:v1"), "mounts/target:v1")

    assert copied == digest
    lines = logged_push(site, before, "/v2/mounts/target/manifests/v1")
    mounts = [line for line in lines if "POST" in line and "mount=" in line]
    assert len(mounts) == 3  # skopeo mounts layers and copies the config
    assert all(" 201 " in line for line in mounts)
    assert read_pulled(site.clients.pull("mounts/target:v1", tmp_path / "target")).digest == digest


def test_a_deleted_image_is_gone_at_once(site: Site, layout: Layout) -> None:
    site.clients.push(named(layout, "one"), "deleted:v1")
    site.clients.push(named(layout, "many"), "deleted:v2")
    site.clients.skopeo("delete", site.clients.image("deleted:v1"))

    refused = site.clients.skopeo("inspect", site.clients.image("deleted:v1"), ok=False)
    assert "manifest unknown" in refused.stderr
    listed = json.loads(site.clients.skopeo("list-tags", site.clients.image("deleted")).stdout)
    assert listed["Tags"] == ["v2"]


def test_inspect_tells_digest_layers_and_tags(site: Site, layout: Layout) -> None:
    digest = site.clients.push(named(layout, "one"), "inspected:v1")
    shown = json.loads(site.clients.skopeo("inspect", site.clients.image("inspected:v1")).stdout)
    assert shown["Digest"] == digest
    assert shown["RepoTags"] == ["v1"]
    assert len(shown["Layers"]) == 3


def test_sync_brings_every_tag_of_a_repository(site: Site, layout: Layout, tmp_path: Path) -> None:
    for tag in ("a", "b"):
        site.clients.push(named(layout, "one"), f"synced:{tag}")
    site.clients.skopeo(
        "sync", "--src=docker", "--dest=dir", f"{site.server.host}/synced", str(tmp_path)
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["synced:a", "synced:b"]
    for path in tmp_path.iterdir():
        read_pulled(path)


def test_pushing_again_sends_no_blob(site: Site, layout: Layout) -> None:
    site.clients.push(named(layout, "one"), "again:v1")
    before = site.server.access_log.stat().st_size
    site.clients.push(named(layout, "one"), "again:v2")
    lines = logged_push(site, before, "/v2/again/manifests/v2")
    assert not [line for line in lines if "PATCH" in line]
