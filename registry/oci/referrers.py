"""The referrers list: its entries, its pages, and the tag that stands in for it elsewhere."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from registry.digest import Digest
from registry.oci import media_types
from registry.oci.manifests import Manifest

MAX_RESPONSE_BYTES = 4 * 1024 * 1024  # OCI: a response over 4 MiB should be cut into pages
_ALGORITHM_CHARACTERS = 32
_ENCODED_CHARACTERS = 64
_ILLEGAL = re.compile(r"[^a-zA-Z0-9._-]")


class Referrer(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One entry of a referrers list: the descriptor of a manifest that has the subject."""

    media_type: str
    size: int
    digest: str
    artifact_type: str | None = None
    annotations: dict[str, str] | None = None


def referrer_of(manifest: Manifest, digest: Digest, size_bytes: int) -> Referrer:
    """Return the list entry of a stored manifest.

    Source: OCI distribution spec, "Listing referrers": artifactType from the manifest, else the
    config's media type of an image manifest, else left out; annotations copied.
    """
    return Referrer(
        media_type=manifest.media_type,
        size=size_bytes,
        digest=str(digest),
        artifact_type=manifest.artifact_type,
        annotations=manifest.annotations,
    )


def fallback_tag(subject: Digest) -> str:
    """Return the tag under which clients keep the list at registries without the API.

    Source: OCI distribution spec, "Referrers tag schema".
    """
    algorithm = subject.algorithm[:_ALGORITHM_CHARACTERS]
    encoded = subject.hex[:_ENCODED_CHARACTERS]
    return _ILLEGAL.sub("-", f"{algorithm}-{encoded}")


def cut_page(entries: Sequence[Referrer], limit: int | None) -> tuple[bytes, str | None]:
    """Return the body of a page and, when entries remain, the digest to go on after.

    Args:
        entries: What is left of the list, in its order.
        limit: At most this many entries; None for as many as 4 MiB hold. At least one entry is
            given out unless `limit` is 0, however long it is.
    """
    frame = {
        "schemaVersion": 2,
        "mediaType": media_types.OCI_INDEX,
        "manifests": [],
    }
    parts: list[bytes] = []
    room = MAX_RESPONSE_BYTES - len(msgspec.json.encode(frame))
    wanted = entries if limit is None else entries[:limit]
    for entry in wanted:
        encoded = msgspec.json.encode(entry)
        if parts and len(encoded) + 1 > room:
            break
        parts.append(encoded)
        room -= len(encoded) + 1
    body = msgspec.json.encode({**frame, "manifests": [msgspec.Raw(part) for part in parts]})
    more = 0 < len(parts) < len(entries)
    return body, entries[len(parts) - 1].digest if more else None
