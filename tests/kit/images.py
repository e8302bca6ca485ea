"""OCI layouts with real layers, made on the fly, and a check of what a client has pulled."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.kit import content

Descriptor = content.Descriptor

LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"


class Layout:
    """An OCI layout that is being filled.

    Args:
        directory: Where it is; made when missing.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._named: list[Descriptor] = []
        (directory / "blobs" / "sha256").mkdir(parents=True)
        (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')

    def add_image(self, seed: str, *, architecture: str = "amd64", layers: int = 2) -> Descriptor:
        """Add an image of gzipped tars and return its descriptor, with its platform.

        Args:
            seed: Makes images differ; the first layer depends on it alone, so that images of one
                seed share it.
            architecture: Of the platform.
            layers: How many.
        """
        tars = [
            layer_tar({f"{seed}/file{number}": content.blob(f"{seed}{number}", 40_000)})
            for number in range(layers)
        ]
        if layers > 1:
            tars[-1] = layer_tar({f"{seed}/{architecture}": content.blob(architecture, 9_000)})
        described = [self._add(gzip.compress(tar, 6, mtime=0), LAYER) for tar in tars]
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/run"], "Labels": {"seed": seed}},
            "rootfs": {"type": "layers", "diff_ids": [content.digest(tar) for tar in tars]},
            "history": [{"created_by": "a test"} for _ in tars],
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": content.OCI_MANIFEST,
            "config": self._add(content.encode(config), CONFIG),
            "layers": described,
        }
        platform = {"architecture": architecture, "os": "linux"}
        return {**self._add(content.encode(manifest), content.OCI_MANIFEST), "platform": platform}

    def add_index(self, *children: Descriptor) -> Descriptor:
        """Add an index and return its descriptor."""
        return self._add(content.index(*children), content.OCI_INDEX)

    def name(self, tag: str, descriptor: Descriptor) -> str:
        """Give a manifest a name, and return how skopeo calls it."""
        annotations = {"org.opencontainers.image.ref.name": tag}
        self._named.append({**descriptor, "annotations": annotations})
        index = {"schemaVersion": 2, "manifests": self._named}
        (self.directory / "index.json").write_bytes(content.encode(index))
        return f"oci:{self.directory}:{tag}"

    def _add(self, data: bytes, media_type: str) -> Descriptor:
        described = content.descriptor(data, media_type)
        (self.directory / "blobs" / "sha256" / described["digest"][7:]).write_bytes(data)
        return described


def layer_tar(files: dict[str, bytes]) -> bytes:
    """Return a tar of `files` that is the same whenever it is made."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in sorted(files.items()):
            item = tarfile.TarInfo(name)
            item.size, item.mode = len(data), 0o644
            tar.addfile(item, io.BytesIO(data))
    return buffer.getvalue()


@dataclass(frozen=True, slots=True)
class Pulled:
    """What skopeo's ``dir:`` transport holds, every blob hashed.

    Attributes:
        digest: Of the manifest that was named.
        document: That manifest.
        blobs: Digests of the configs and layers.
        manifests: Digests of the images in an index.
    """

    digest: str
    document: dict[str, Any]
    blobs: frozenset[str]
    manifests: frozenset[str]


def read_pulled(directory: Path) -> Pulled:
    """Read a ``dir:`` and check that each file in it is what its name says, and all is there."""
    top = (directory / "manifest.json").read_bytes()
    document = json.loads(top)
    children = [item["digest"] for item in document.get("manifests", ())]
    images = [document]
    if children:
        images = []
        for child in children:
            data = (directory / f"{child[7:]}.manifest.json").read_bytes()
            assert content.digest(data) == child
            images.append(json.loads(data))
    blobs = set()
    for image in images:
        for item in (image["config"], *image["layers"]):
            path = directory / item["digest"][7:]
            assert path.stat().st_size == item["size"]
            assert hash_file(path) == item["digest"]
            blobs.add(item["digest"])
    return Pulled(content.digest(top), document, frozenset(blobs), frozenset(children))


def hash_file(path: Path) -> str:
    """Return the digest of a file."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
