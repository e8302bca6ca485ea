"""Manifests: what a pushed document is, what it refers to, and what makes it invalid.

The registry stores the bytes as they came and never writes a manifest of its own making; this
module only looks into them. A document is an *image* (config and layers), an *index* (children), or
*opaque*: any other JSON type, stored without questions except its ``subject``.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Never, cast

import msgspec

from registry.digest import Digest, InvalidDigest
from registry.oci import errors, media_types

MAX_MANIFEST_BYTES = 4 * 1024 * 1024  # OCI: registries should accept at least 4 MiB
MAX_DEPTH = 64  # deeper nesting is an attack, not an image
MAX_DESCRIPTORS = 10_000
MAX_SIZE_BYTES = 2**53  # what every JSON reader can hold exactly

JsonValue = (
    None | bool | int | float | str | list["JsonValue"] | dict[str, "JsonValue"]
)  # what json.loads returns


class Kind(enum.Enum):
    """Which rules a manifest is held to."""

    IMAGE = "image"
    INDEX = "index"
    OPAQUE = "opaque"


class Platform(msgspec.Struct, frozen=True, kw_only=True):
    """The machine that an index child is for."""

    architecture: str = ""
    os: str = ""


class DescriptorDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A descriptor as it stands in a document."""

    digest: str
    size: Annotated[int, msgspec.Meta(ge=0, le=MAX_SIZE_BYTES)]
    media_type: str = ""
    urls: list[str] | None = None
    platform: Platform | None = None
    artifact_type: str | None = None
    annotations: dict[str, str] | None = None


class _Document(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    schema_version: int | None = None
    media_type: str = ""
    artifact_type: str | None = None
    config: DescriptorDocument | None = None
    layers: list[DescriptorDocument] | None = None
    manifests: list[DescriptorDocument] | None = None
    subject: DescriptorDocument | None = None
    annotations: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A reference to content.

    Attributes:
        digest: Parsed digest.
        size_bytes: Declared length.
        media_type: Declared type, "" when absent.
        urls: Where a non-distributable layer may be had instead.
        platform: For children of an index.
    """

    digest: Digest
    size_bytes: int
    media_type: str
    urls: tuple[str, ...] = ()
    platform: Platform | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest that passed every check that needs no storage.

    Attributes:
        kind: Which rules apply.
        media_type: Its type: the body's own, else the header's, else by structure.
        typed: The body itself names or shows `media_type`; without it the type must be recorded.
        config: The image's config blob.
        layers: Image layers, in order.
        children: Manifests of an index, in order.
        subject: The manifest this one is about.
        artifact_type: What a referrers list shows as ``artifactType``; None to leave it out.
        annotations: Top-level annotations.
    """

    kind: Kind
    media_type: str
    typed: bool
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    children: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    artifact_type: str | None = None
    annotations: dict[str, str] | None = None

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """Config and layers."""
        return (self.config, *self.layers) if self.config else self.layers


def parse(content: bytes, content_type: str | None = None) -> Manifest:
    """Look into a manifest.

    Args:
        content: The document, at most `MAX_MANIFEST_BYTES`.
        content_type: The Content-Type header of a push, or the recorded type of stored content.

    Raises:
        errors.ManifestTooLarge: more than `MAX_MANIFEST_BYTES`.
        errors.ManifestInvalid: not one JSON object without doubled keys; header and body disagree;
            both ``layers`` and ``manifests``; a descriptor is malformed; and so on. The message
            names the field.
        errors.DigestInvalid: a descriptor's digest is malformed.

    Source: OCI image spec 1.1, "manifest" and "image index"; CVE-2021-41190 for the ambiguity.
    """
    if len(content) > MAX_MANIFEST_BYTES:
        raise errors.ManifestTooLarge({"limit": MAX_MANIFEST_BYTES, "size": len(content)})
    raw = _load(content)
    header_type = media_types.base_type(content_type)
    if header_type in media_types.GENERIC:
        header_type = ""
    kind, media_type, typed = _identify(raw, header_type)
    if kind is Kind.OPAQUE:
        return _opaque(raw, media_type, typed=typed)
    try:
        document = msgspec.convert(raw, _Document)
    except msgspec.ValidationError as exc:
        _refuse(str(exc))
    return _typed(document, kind, media_type, typed=typed)


class _Look(msgspec.Struct, frozen=True, rename="camel"):
    media_type: str = ""
    manifests: msgspec.Raw = msgspec.Raw(b"null")


def stated_type(content: bytes) -> str | None:
    """Return the ``mediaType`` that stored content names, None when it names none that is one."""
    try:
        found = msgspec.json.decode(content, type=_Look).media_type
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found if media_types.is_media_type(found) else None


def shown_type(content: bytes) -> str:
    """Return the type of stored content by its structure: an OCI index or an OCI image."""
    try:
        look = msgspec.json.decode(content, type=_Look)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return media_types.OCI_MANIFEST
    has_children = bytes(look.manifests) != b"null"
    return media_types.OCI_INDEX if has_children else media_types.OCI_MANIFEST


def _load(content: bytes) -> dict[str, JsonValue]:
    """Return the JSON object in `content`, refusing whatever two readers could read differently."""
    try:
        raw = json.loads(
            content.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant
        )
    except errors.ManifestInvalid:
        raise
    except (ValueError, RecursionError) as exc:
        _refuse(f"not JSON: {exc}")
    if not isinstance(raw, dict):
        _refuse(f"expected a JSON object, got {type(raw).__name__}")
    _check_depth(raw)
    if b"\\u" in content:
        _check_surrogates(raw)
    return cast("dict[str, JsonValue]", raw)


def _unique(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                _refuse(f"key {name[:64]!r} stands twice in one object")
            seen.add(name)
    return found


def _no_constant(name: str) -> Never:
    _refuse(f"{name} is not JSON")


def _check_depth(raw: JsonValue) -> None:
    level: list[JsonValue] = [raw]
    for _ in range(MAX_DEPTH):
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    _refuse(f"nested deeper than {MAX_DEPTH} levels")


def _check_surrogates(raw: JsonValue) -> None:
    """Refuse escapes of half a surrogate pair: no UTF-8 answer could ever repeat them."""
    try:
        json.dumps(raw, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        _refuse("not JSON: has an escape of half a surrogate pair")


def _children(value: JsonValue) -> Iterator[JsonValue]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def _identify(raw: dict[str, JsonValue], header_type: str) -> tuple[Kind, str, bool]:
    """Return kind, media type, and whether the body alone tells the type."""
    body_type = raw.get("mediaType") or ""
    if not isinstance(body_type, str):
        _refuse(f"mediaType must be a string, not {type(body_type).__name__}")
    if body_type and header_type and body_type.lower() != header_type:
        _refuse(f"mediaType is {body_type!r} but Content-Type says {header_type!r}")
    named = body_type or header_type
    if named and not media_types.is_media_type(named):
        _refuse(f"{named[:256]!r} is not a media type, expected <type>/<subtype>")
    if named in media_types.DOCKER_SCHEMA1 or raw.get("schemaVersion") == 1:
        _refuse("schema 1 manifests are not served; push schema 2 or OCI manifests")
    if raw.get("layers") is not None and raw.get("manifests") is not None:
        _refuse("has both layers and manifests")
    by_structure = _by_structure(raw)
    if not named:
        if by_structure is None:
            _refuse("has no mediaType, and neither manifests nor config and layers")
        return (*by_structure, True)
    kind = _kind_of(named)
    if kind is Kind.OPAQUE:
        return kind, named, bool(body_type)
    if by_structure is not None and by_structure[0] is not kind:
        _refuse(f"type is {named!r} but the document is an {by_structure[0].value}")
    # A docker type without mediaType in the body would be read back as its OCI counterpart.
    return kind, named, bool(body_type) or (by_structure is not None and by_structure[1] == named)


def _kind_of(media_type: str) -> Kind:
    if media_type in media_types.IMAGES:
        return Kind.IMAGE
    return Kind.INDEX if media_type in media_types.INDEXES else Kind.OPAQUE


def _by_structure(raw: dict[str, JsonValue]) -> tuple[Kind, str] | None:
    if raw.get("manifests") is not None:
        return Kind.INDEX, media_types.OCI_INDEX
    if raw.get("config") is not None:
        return Kind.IMAGE, media_types.OCI_MANIFEST
    return None


def _typed(document: _Document, kind: Kind, media_type: str, *, typed: bool) -> Manifest:
    if document.schema_version != 2:
        _refuse(f"schemaVersion must be 2, not {document.schema_version!r}")
    config = None
    artifact_type = document.artifact_type or None
    if kind is Kind.IMAGE:
        if document.config is None:
            _refuse("an image manifest needs config")
        config = _descriptor(document.config, "config")
        artifact_type = artifact_type or config.media_type or None
    layers = _descriptors(document.layers, "layers")
    children = _descriptors(document.manifests, "manifests")
    if len(layers) + len(children) > MAX_DESCRIPTORS:
        _refuse(f"more than {MAX_DESCRIPTORS} descriptors")
    return Manifest(
        kind=kind,
        media_type=media_type,
        typed=typed,
        config=config,
        layers=layers,
        children=children,
        subject=_descriptor(document.subject, "subject") if document.subject else None,
        artifact_type=artifact_type,
        annotations=document.annotations or None,
    )


def _opaque(raw: dict[str, JsonValue], media_type: str, *, typed: bool) -> Manifest:
    """Look for what the referrers list needs; nothing else of a foreign type is ours to judge."""
    subject = raw.get("subject")
    artifact_type = raw.get("artifactType")
    annotations = raw.get("annotations")
    found = None
    if subject is not None:
        try:
            found = _descriptor(msgspec.convert(subject, DescriptorDocument), "subject")
        except msgspec.ValidationError as exc:
            _refuse(f"subject: {exc}")
    return Manifest(
        kind=Kind.OPAQUE,
        media_type=media_type,
        typed=typed,
        subject=found,
        artifact_type=artifact_type if isinstance(artifact_type, str) and artifact_type else None,
        annotations=_text_map(annotations),
    )


def _text_map(value: JsonValue) -> dict[str, str] | None:
    if not isinstance(value, dict):
        return None
    return {name: text for name, text in value.items() if isinstance(text, str)} or None


def _descriptors(documents: list[DescriptorDocument] | None, field: str) -> tuple[Descriptor, ...]:
    return tuple(
        _descriptor(document, f"{field}[{index}]") for index, document in enumerate(documents or ())
    )


def _descriptor(document: DescriptorDocument, field: str) -> Descriptor:
    try:
        digest = Digest.parse(document.digest)
    except InvalidDigest as exc:
        raise errors.DigestInvalid(f"{field}.digest: {exc}") from exc
    return Descriptor(
        digest=digest,
        size_bytes=document.size,
        media_type=document.media_type,
        urls=tuple(document.urls or ()),
        platform=document.platform,
    )


def _refuse(reason: str) -> Never:
    raise errors.ManifestInvalid(reason)
