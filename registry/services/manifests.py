"""Manifests of a repository: push with its checks, pull by tag or digest, delete."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeVar
from urllib.parse import urlsplit

import trio

from registry.digest import Digest
from registry.oci import accept, errors, manifests, media_types
from registry.oci.manifests import Descriptor, Kind, Manifest
from registry.oci.names import RepositoryName, Tag
from registry.oci.referrers import referrer_of
from registry.services.policy import Change, Policy
from registry.storage.blobs import BlobStore
from registry.storage.referrers import ReferrerStore
from registry.storage.repositories import Membership
from registry.storage.tags import TagStore
from registry.storage.types import TypeStore

log = logging.getLogger("registry.services")

R = TypeVar("R")

INLINE_BYTES = 64 * 1024  # larger documents take over 1 ms to parse and go to a thread


@dataclass(frozen=True, slots=True)
class Validation:
    """What a pushed manifest must satisfy besides its format.

    Attributes:
        enabled: Whether referenced content must exist; ``validation.disabled`` switches it off.
        urls_allow: Patterns of which a layer's URL must match one; empty for any URL that
            `urls_deny` does not match. With both empty docker's layers may have no URL, as in Go;
            others may: OCI's non-distributable ones, since nobody is to push their content, and
            any whose content is here.
        urls_deny: Patterns that a layer's URL must not match.
        platforms: Which children of an index must exist: ``all``, ``none`` or ``list``.
        platform_list: For ``list``: (os, architecture) of the children that must exist.
    """

    enabled: bool = True
    urls_allow: tuple[re.Pattern[str], ...] = ()
    urls_deny: tuple[re.Pattern[str], ...] = ()
    platforms: Literal["all", "none", "list"] = "all"
    platform_list: frozenset[tuple[str, str]] = frozenset()

    def allows_url(self, media_type: str, url: str) -> bool:
        """Tell whether a layer of this type may point to `url`."""
        if not self.enabled:
            return True
        try:
            parts = urlsplit(url)
        except ValueError:
            return False
        if parts.scheme not in ("http", "https") or not parts.netloc or parts.fragment:
            return False
        if not self.urls_allow and not self.urls_deny:
            return not media_types.is_docker_type(media_type)
        if self.urls_allow and not any(pattern.search(url) for pattern in self.urls_allow):
            return False
        return not any(pattern.search(url) for pattern in self.urls_deny)

    def wants_child(self, child: Descriptor) -> bool:
        """Tell whether this child of an index must exist."""
        if not self.enabled or self.platforms == "none":
            return False
        if self.platforms == "all" or child.platform is None:
            return True
        return (child.platform.os, child.platform.architecture) in self.platform_list


@dataclass(frozen=True, slots=True)
class StoredManifest:
    """A manifest as it is served.

    Attributes:
        digest: As the client named it; canonical when it named a tag.
        canonical: The digest it is stored under.
        media_type: Its type.
        content: Its bytes, exactly as pushed.
    """

    digest: Digest
    canonical: Digest
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class PushedManifest:
    """What a push stored.

    Attributes:
        digest: As the client named it, else canonical.
        subject: The manifest it is about.
        tags: Every tag that points to it now because of this push.
    """

    digest: Digest
    subject: Digest | None
    tags: tuple[Tag, ...]


class ManifestService:
    """The rules for manifests."""

    def __init__(
        self,
        *,
        blobs: BlobStore,
        layers: Membership,
        revisions: Membership,
        tags: TagStore,
        referrers: ReferrerStore,
        types: TypeStore,
        policy: Policy,
        validation: Validation,
    ) -> None:
        self._blobs = blobs
        self._layers = layers
        self._revisions = revisions
        self._tags = tags
        self._referrers = referrers
        self._types = types
        self._policy = policy
        self._validation = validation

    async def get(
        self,
        name: RepositoryName,
        reference: Tag | Digest,
        accepted: frozenset[str] = frozenset(),
    ) -> StoredManifest:
        """Return a manifest.

        Args:
            name: Repository.
            reference: Tag or digest.
            accepted: Media types the client named, none for everything. Only a client from before
                manifest lists is answered differently: with the linux/amd64 image of a list.

        Raises:
            errors.ManifestUnknown: the repository has no such tag or manifest.
        """
        if isinstance(reference, Digest):
            return await self._get(name, reference)
        target = await self._tags.get(name, reference)
        if target is None:
            raise errors.ManifestUnknown({"Tag": reference})
        found = await self._get(name, target.digest)
        if found.media_type == media_types.DOCKER_LIST and accept.wants_platform_image(accepted):
            for child in manifests.parse(found.content, found.media_type).children:
                platform = child.platform
                if platform and (platform.os, platform.architecture) == ("linux", "amd64"):
                    return await self._get(name, child.digest)
        return found

    async def _get(self, name: RepositoryName, digest: Digest) -> StoredManifest:
        canonical = await self._revisions.resolve(name, digest)
        content = await self._blobs.get(canonical) if canonical is not None else None
        if canonical is None or content is None or not _is_whole(canonical, content):
            raise errors.ManifestUnknown({"Name": name, "Revision": str(digest)})
        media_type = manifests.stated_type(content)
        if media_type is None:
            media_type = await self._types.get(name, canonical) or manifests.shown_type(content)
        return StoredManifest(digest, canonical, media_type, content)

    async def put(
        self,
        name: RepositoryName,
        reference: Tag | Digest,
        content: bytes,
        content_type: str | None,
        tags: Sequence[Tag] = (),
    ) -> PushedManifest:
        """Check and store a manifest, then point tags to it.

        The order is content, revision, referrers entry, tag history, tag: a reader sees the old or
        the new state, and a crash leaves at worst a manifest without a tag.

        Args:
            name: Repository.
            reference: The tag it gets, or the digest it must have.
            content: Its bytes.
            content_type: Content-Type of the push.
            tags: More tags it gets.

        Raises:
            errors.DigestInvalid: `reference` is a digest and the bytes are another.
            errors.ManifestInvalid, errors.ManifestTooLarge: see `registry.oci.manifests.parse`.
            errors.ManifestBlobUnknown: referenced content is missing, one entry each.
        """
        self._policy.check(Change.PUSH)
        manifest = await _off_loop(manifests.parse, content, content_type)
        asked = reference if isinstance(reference, Digest) else None
        if asked is not None:
            found = await _off_loop(Digest.of, asked.algorithm, content)
            if found != asked:
                raise errors.DigestInvalid(f"content hashes to {found}, not {asked}")
        await self._check_references(name, manifest)
        canonical = await self._blobs.put(content)
        digest = asked or canonical
        await self._record_type(name, canonical, manifest, content)
        await self._revisions.add(name, canonical, digest)
        subject = manifest.subject.digest if manifest.subject else None
        if subject is not None:
            entry = referrer_of(manifest, digest, len(content))
            await self._referrers.add(name, subject, digest, entry)
        wanted = tags if asked is not None else (Tag(str(reference)), *tags)
        stored = tuple(dict.fromkeys(wanted))
        for tag in stored:
            await self._tags.set(name, tag, canonical, digest)
        return PushedManifest(digest, subject, stored)

    async def _record_type(
        self, name: RepositoryName, canonical: Digest, manifest: Manifest, content: bytes
    ) -> None:
        """Record the type if the body does not tell it, or if an earlier push recorded another."""
        if manifest.typed:
            if manifests.stated_type(content) is not None:
                return
            recorded = await self._types.get(name, canonical)
            if recorded is None or recorded == manifest.media_type:
                return
        await self._types.set(name, canonical, manifest.media_type)

    async def _check_references(self, name: RepositoryName, manifest: Manifest) -> None:
        if manifest.kind is Kind.OPAQUE or not self._validation.enabled:
            return
        blobs = [layer for layer in manifest.blobs if not self._may_be_elsewhere(layer)]
        children = [child for child in manifest.children if self._validation.wants_child(child)]
        missing = await self._missing(name, blobs, children)
        if missing:
            raise errors.ErrorList([errors.ManifestBlobUnknown(str(digest)) for digest in missing])

    def _may_be_elsewhere(self, layer: Descriptor) -> bool:
        """Tell whether a layer is foreign and has URLs.

        Raises:
            errors.ManifestInvalid: a URL is not allowed, be the layer foreign or not.
        """
        for url in layer.urls:
            if not self._validation.allows_url(layer.media_type, url):
                raise errors.ManifestInvalid(
                    f"layer {layer.digest}: URL {url[:256]!r} is not allowed "
                    "(validation.manifests.urls)"
                )
        return bool(layer.urls) and media_types.is_foreign_layer(layer.media_type)

    async def _missing(
        self,
        name: RepositoryName,
        blobs: Sequence[Descriptor],
        children: Sequence[Descriptor],
    ) -> list[Digest]:
        """Return digests that the repository does not hold, in the manifest's order.

        Children are looked for among the layers too: build caches are indexes of layers.
        """
        blob_digests = list(dict.fromkeys(item.digest for item in blobs))
        child_digests = list(dict.fromkeys(item.digest for item in children))
        linked = await self._layers.resolve_many(name, [*blob_digests, *child_digests])
        revisions = await self._revisions.resolve_many(name, child_digests)
        targets = linked[: len(blob_digests)]
        for layer, revision in zip(linked[len(blob_digests) :], revisions, strict=True):
            targets.append(revision or layer)
        known = [target for target in targets if target is not None]
        sizes = dict(zip(known, await self._blobs.sizes(known), strict=True))
        wanted = [*blob_digests, *child_digests]
        return [
            digest
            for digest, target in zip(wanted, targets, strict=True)
            if target is None or sizes[target] is None
        ]

    async def delete(self, name: RepositoryName, reference: Tag | Digest) -> None:
        """Remove a tag; or a manifest with every tag that points to it.

        Raises:
            errors.ManifestUnknown: the repository has no such tag or manifest.
            errors.Unsupported: deletion is switched off.
        """
        if not isinstance(reference, Digest):
            self._policy.check(Change.DELETE_TAG)
            if not await self._tags.remove(name, reference):
                raise errors.ManifestUnknown({"Tag": reference})
            return
        self._policy.check(Change.DELETE_MANIFEST)
        canonical = await self._revisions.resolve(name, reference)
        if canonical is None:
            raise errors.ManifestUnknown({"Name": name, "Revision": str(reference)})
        for tag in await self._tags.pointing_at(name, canonical):
            await self._tags.remove(name, tag)
        content = await self._blobs.get(canonical)
        await self._revisions.remove(name, canonical, reference)
        if content is not None:
            await self._forget_referrer(name, content, {canonical, reference})

    async def _forget_referrer(
        self, name: RepositoryName, content: bytes, digests: Iterable[Digest]
    ) -> None:
        try:
            subject = manifests.parse(content).subject
        except errors.RegistryError:
            return  # stored by a registry with other rules: it has no entry of ours
        if subject is not None:
            for digest in digests:
                await self._referrers.remove(name, subject.digest, digest)


def _is_whole(digest: Digest, content: bytes) -> bool:
    """Tell whether stored bytes are those of `digest`; if not, say so in the log.

    A few µs for the usual kilobytes, and 3 ms for the largest manifest there can be, which comes
    too seldom to be worth a thread.
    """
    if Digest.of(digest.algorithm, content) == digest:
        return True
    log.error(
        "blob %s is damaged: its %d bytes do not have that digest; the manifest is not served, "
        "push it again",
        digest,
        len(content),
    )
    return False


async def _off_loop(call: Callable[..., R], *arguments: Any) -> R:
    """Run pure work on a document: here when it is small, on a thread when it is not."""
    if any(isinstance(item, bytes) and len(item) > INLINE_BYTES for item in arguments):
        return await trio.to_thread.run_sync(partial(call, *arguments))
    return call(*arguments)
