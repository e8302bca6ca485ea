"""Manifests: pull and push by tag or digest, delete."""

from __future__ import annotations

from registry.api.call import Answer, Call
from registry.digest import Digest
from registry.oci import accept, conditions, errors
from registry.oci.manifests import MAX_MANIFEST_BYTES
from registry.oci.names import RepositoryName, Tag, parse_reference, parse_tag
from registry.services.manifests import ManifestService, StoredManifest
from registry.stream import BodyError, BodyTooLarge

MAX_TAG_PARAMETERS = 64  # the draft asks for at least 10


class ManifestsApi:
    """``/v2/<name>/manifests/<reference>``."""

    def __init__(self, manifests: ManifestService) -> None:
        self._manifests = manifests

    async def head(self, call: Call) -> Answer:
        """Describe a manifest as `get` would."""
        found = await self._find(call)
        if conditions.matches(call.headers.get("if-none-match"), found.digest):
            return Answer(304, _identity(found.digest))
        return Answer(200, _headers(found))

    async def get(self, call: Call) -> Answer:
        """Send a manifest, exactly as it was pushed."""
        found = await self._find(call)
        if conditions.matches(call.headers.get("if-none-match"), found.digest):
            return Answer(304, _identity(found.digest))
        return Answer(200, _headers(found), found.content)

    async def _find(self, call: Call) -> StoredManifest:
        accepted = accept.accepted_types(call.headers.all("accept"))
        name = call.repository
        return await self._manifests.get(name, _existing(name, call.match.last), accepted)

    async def put(self, call: Call) -> Answer:
        """Store a manifest, and point the tags of the query to it."""
        name = call.repository
        reference = parse_reference(call.match.last)
        texts = call.query.get("tag", ())
        if len(texts) > MAX_TAG_PARAMETERS:
            raise errors.TooManyTags({"maximum": MAX_TAG_PARAMETERS, "sent": len(texts)})
        tags = [parse_tag(text) for text in texts]
        try:
            content = await call.body.read(MAX_MANIFEST_BYTES)
        except BodyTooLarge as exc:
            raise errors.ManifestTooLarge({"limit": exc.limit_bytes}) from exc
        except BodyError as exc:
            raise errors.ManifestInvalid(str(exc)) from exc
        pushed = await self._manifests.put(
            name, reference, content, call.headers.get("content-type"), tags
        )
        headers = [
            ("Location", call.urls.manifest(name, pushed.digest)),
            ("Docker-Content-Digest", str(pushed.digest)),
            ("Content-Length", "0"),
        ]
        if pushed.subject is not None:
            headers.append(("OCI-Subject", str(pushed.subject)))
        headers += [("OCI-Tag", tag) for tag in pushed.tags if tag in tags]
        return Answer(201, headers)

    async def delete(self, call: Call) -> Answer:
        """Remove a tag, or a manifest with its tags."""
        name = call.repository
        await self._manifests.delete(name, _existing(name, call.match.last))
        return Answer(202, [("Content-Length", "0")])


def _existing(name: RepositoryName, text: str) -> Tag | Digest:
    """Return a reference to something that should exist; what is no tag cannot exist: 404."""
    try:
        return parse_reference(text)
    except errors.TagInvalid as exc:
        raise errors.ManifestUnknown({"Name": name, "Tag": text[:256]}) from exc


def _identity(digest: Digest) -> list[tuple[str, str]]:
    return [
        ("Docker-Content-Digest", str(digest)),
        ("Etag", conditions.entity_tag(digest)),
    ]


def _headers(found: StoredManifest) -> list[tuple[str, str]]:
    return [
        ("Content-Type", found.media_type),
        ("Content-Length", str(len(found.content))),
        *_identity(found.digest),
    ]
