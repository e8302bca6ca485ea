"""Blobs and manifests made on the fly: small, deterministic, valid unless a test says otherwise."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_ARTIFACT = "application/vnd.oci.artifact.manifest.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
FOREIGN_LAYER = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
DOCKER_FOREIGN_LAYER = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"

_CONFIG_TYPES = {
    DOCKER_MANIFEST: "application/vnd.docker.container.image.v1+json",
    OCI_MANIFEST: "application/vnd.oci.image.config.v1+json",
}
_LAYER_TYPES = {
    DOCKER_MANIFEST: "application/vnd.docker.image.rootfs.diff.tar.gzip",
    OCI_MANIFEST: "application/vnd.oci.image.layer.v1.tar+gzip",
}

Descriptor = dict[str, Any]


def blob(seed: str, size_bytes: int = 1000) -> bytes:
    """Return bytes that look random and are the same for the same seed and size."""
    return hashlib.shake_128(seed.encode()).digest(size_bytes)


def digest(content: bytes, algorithm: str = "sha256") -> str:
    """Return the digest of `content` as text."""
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def config(seed: str = "config", architecture: str = "amd64") -> bytes:
    """Return an image configuration."""
    return encode({"architecture": architecture, "os": "linux", "author": seed})


def descriptor(
    content: bytes, media_type: str, *, algorithm: str = "sha256", **more: object
) -> Descriptor:
    """Return a descriptor of `content`, with further fields by their JSON names."""
    return {
        "mediaType": media_type,
        "digest": digest(content, algorithm),
        "size": len(content),
        **more,
    }


def encode(document: Mapping[str, Any]) -> bytes:
    """Return a document as JSON bytes."""
    return json.dumps(document).encode()


def image(
    config_blob: bytes,
    *layers: bytes,
    media_type: str = OCI_MANIFEST,
    algorithm: str = "sha256",
    config_type: str = "",
    **more: object,
) -> bytes:
    """Return an image manifest of either family.

    Args:
        config_blob: Content of its config.
        layers: Content of its layers.
        media_type: Which family.
        algorithm: Of the digests in it.
        config_type: Another media type for the config.
        more: Further top-level fields by their JSON names; None leaves a field out.
    """
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": descriptor(
            config_blob, config_type or _CONFIG_TYPES[media_type], algorithm=algorithm
        ),
        "layers": [
            descriptor(layer, _LAYER_TYPES[media_type], algorithm=algorithm) for layer in layers
        ],
        **more,
    }
    return encode({name: value for name, value in document.items() if value is not None})


def index(*children: Descriptor, media_type: str = OCI_INDEX, **more: object) -> bytes:
    """Return an index of either family; a further field of None is left out."""
    document: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "manifests": list(children),
        **more,
    }
    return encode({name: value for name, value in document.items() if value is not None})


def child(
    manifest: bytes,
    media_type: str = OCI_MANIFEST,
    *,
    architecture: str = "amd64",
    os: str = "linux",
    algorithm: str = "sha256",
) -> Descriptor:
    """Return the descriptor of an image in an index."""
    return descriptor(
        manifest,
        media_type,
        algorithm=algorithm,
        platform={"architecture": architecture, "os": os},
    )


def pieces(content: bytes, size_bytes: int) -> Iterable[bytes]:
    """Cut `content`; as a request's body it is sent with chunked framing."""
    for start in range(0, len(content), size_bytes):
        yield content[start : start + size_bytes]
