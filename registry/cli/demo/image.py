"""A small image for two platforms, made here: layers, configurations, manifests, index, artifact.

Everything follows from a marker, down to the last byte, and everything contains it: two runs with
different markers share no digest, so neither can take away what the other is using.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from registry.oci.media_types import OCI_INDEX, OCI_MANIFEST

CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
NOTE = "application/vnd.trireme.demo.note.v1"
ARCHITECTURES = ("amd64", "arm64")

BASE_BYTES = 1024 * 1024
PLATFORM_BYTES = {"amd64": 3 * 1024 * 1024, "arm64": 512 * 1024}  # one in many chunks, one in few
GZIP = 16 + zlib.MAX_WBITS

Descriptor = dict[str, object]


def digest_of(data: bytes) -> str:
    """Return the digest of `data` as text, by another implementation than the server's fast one."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Content:
    """Something a registry keeps under its digest.

    Attributes:
        media_type: What it is.
        data: Its bytes.
        digest: Of `data`.
    """

    media_type: str
    data: bytes
    digest: str

    @classmethod
    def of(cls, media_type: str, data: bytes) -> Content:
        """Return `data` with its digest."""
        return cls(media_type, data, digest_of(data))

    @classmethod
    def document(cls, media_type: str, value: Mapping[str, object]) -> Content:
        """Return a JSON document."""
        return cls.of(media_type, json.dumps(value, indent=2).encode())

    def descriptor(self, **more: object) -> Descriptor:
        """Return what refers to it in a manifest, with further fields by their JSON names."""
        return {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": len(self.data),
            **more,
        }


@dataclass(frozen=True, slots=True)
class PlatformImage:
    """The image of one platform.

    Attributes:
        architecture: Of the platform; its system is always linux.
        layer: The layer that no other platform has.
        config: Its configuration.
        manifest: What names its layers and configuration.
    """

    architecture: str
    layer: Content
    config: Content
    manifest: Content


@dataclass(frozen=True, slots=True)
class Image:
    """All that the demo pushes.

    Attributes:
        marker: What everything was made from.
        base: The layer that all platforms share.
        platforms: One image each.
        index: What names the image of each platform.
        note: A text about the index.
        note_config: The configuration of the artifact.
        artifact: A manifest whose subject is the index, with the note in it.
    """

    marker: str
    base: Content
    platforms: tuple[PlatformImage, ...]
    index: Content
    note: Content
    note_config: Content
    artifact: Content

    @property
    def blobs(self) -> tuple[Content, ...]:
        """Every blob, each once."""
        own = [blob for item in self.platforms for blob in (item.layer, item.config)]
        return (self.base, *own, self.note, self.note_config)

    @property
    def size_bytes(self) -> int:
        """What all blobs and manifests take together."""
        manifests = (*(item.manifest for item in self.platforms), self.index, self.artifact)
        return sum(len(item.data) for item in (*self.blobs, *manifests))


def make_image(marker: str) -> Image:
    """Return the image that belongs to a marker.

    About 5 MiB of hashing and packing that does not yield: call it in a thread.
    """
    base_tar = _tar(
        {
            "etc/os-release": f"ID=demo\nNAME='registry demo'\nBUILD_ID={marker}\n",
            "usr/lib/demo/data": _noise(f"{marker}/base", BASE_BYTES),
        }
    )
    base = _layer(base_tar)
    platforms = tuple(
        _platform(marker, architecture, base_tar, base) for architecture in ARCHITECTURES
    )
    index = Content.document(
        OCI_INDEX,
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [
                item.manifest.descriptor(
                    platform={"architecture": item.architecture, "os": "linux"}
                )
                for item in platforms
            ],
            "annotations": {"org.opencontainers.image.ref.name": f"demo-{marker}"},
        },
    )
    note = Content.of("text/plain", f"{index.digest} was made by registry demo {marker}\n".encode())
    note_config = Content.document(f"{NOTE}+json", {"marker": marker})
    artifact = Content.document(
        OCI_MANIFEST,
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": NOTE,
            "config": note_config.descriptor(),
            "layers": [note.descriptor()],
            "subject": index.descriptor(),
        },
    )
    return Image(marker, base, platforms, index, note, note_config, artifact)


def unpacked(layer: bytes) -> bytes:
    """Return the archive in a layer.

    Raises:
        ValueError: it is not gzip.
    """
    try:
        return zlib.decompress(layer, wbits=GZIP)
    except zlib.error as exc:
        raise ValueError(str(exc)) from exc


def _platform(marker: str, architecture: str, base_tar: bytes, base: Content) -> PlatformImage:
    program = f"#!/bin/sh\necho 'linux/{architecture}, made by registry demo {marker}'\n"
    own_tar = _tar(
        {
            "usr/bin/demo": program,
            "usr/lib/demo/program": _noise(
                f"{marker}/{architecture}", PLATFORM_BYTES[architecture]
            ),
        }
    )
    layer = _layer(own_tar)
    config = Content.document(
        CONFIG,
        {
            "architecture": architecture,
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {"Cmd": ["/usr/bin/demo"], "Labels": {"demo.marker": marker}},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(base_tar), digest_of(own_tar)]},
        },
    )
    manifest = Content.document(
        OCI_MANIFEST,
        {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": config.descriptor(),
            "layers": [base.descriptor(), layer.descriptor()],
        },
    )
    return PlatformImage(architecture, layer, config, manifest)


def _layer(archive: bytes) -> Content:
    # The header says no name and no time, so the same archive packs to the same bytes.
    return Content.of(LAYER, zlib.compress(archive, level=1, wbits=GZIP))


def _tar(files: Mapping[str, str | bytes]) -> bytes:
    """Return an archive whose bytes depend on nothing but `files`."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            member = tarfile.TarInfo(name)  # root, at the epoch
            member.size = len(data)
            member.mode = 0o755 if name.startswith("usr/bin/") else 0o644
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def _noise(seed: str, size_bytes: int) -> bytes:
    """Return bytes that no compression makes smaller, the same for the same seed."""
    return hashlib.shake_128(seed.encode()).digest(size_bytes)
