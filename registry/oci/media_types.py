"""Media types of manifests and layers, in both families."""

from __future__ import annotations

import re

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_SCHEMA1 = frozenset(
    {
        "application/vnd.docker.distribution.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
    }
)
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"

IMAGES = frozenset({DOCKER_MANIFEST, OCI_MANIFEST})
INDEXES = frozenset({DOCKER_LIST, OCI_INDEX})

OCTET_STREAM = "application/octet-stream"
JSON = "application/json"

# Content types that say nothing about a manifest: what curl and simple HTTP clients send unasked.
GENERIC = frozenset(
    {"", JSON, OCTET_STREAM, "application/x-www-form-urlencoded", "text/plain", "text/json"}
)

# RFC 9110 section 8.3.1: media-type = type "/" subtype, both tokens. RFC 6838 allows fewer
# characters, but what can stand in a header can be served.
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(rf"{_WORD}/{_WORD}")
MAX_CHARACTERS = 255  # RFC 6838 section 4.2: two names of 127 characters

_FOREIGN_PREFIX = "application/vnd.oci.image.layer.nondistributable.v1"
_FOREIGN_DOCKER = "application/vnd.docker.image.rootfs.foreign.diff.tar"


def base_type(header: str | None) -> str:
    """Return the media type of a Content-Type header without parameters, lower case."""
    return (header or "").partition(";")[0].strip().lower()


def is_media_type(text: str) -> bool:
    """Tell whether `text` is a media type without parameters, and so may stand in Content-Type."""
    return len(text) <= MAX_CHARACTERS and _MEDIA_TYPE.fullmatch(text) is not None


def is_docker_type(media_type: str) -> bool:
    """Tell whether a type belongs to docker's family."""
    return media_type.startswith("application/vnd.docker.")


def is_foreign_layer(media_type: str) -> bool:
    """Tell whether layers of this type may rest elsewhere ("non-distributable")."""
    return media_type.startswith((_FOREIGN_PREFIX, _FOREIGN_DOCKER))
