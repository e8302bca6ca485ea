"""The referrers list: our entries merged with the tag that clients used before.

Our entries are hints (see `registry.storage.referrers`): each is shown only while its manifest is
still linked in the repository. What the stand-in tag lists is believed only where the manifest
itself names the subject, so that pushing that tag puts nothing of another subject into a list.
"""

from __future__ import annotations

from registry.digest import Digest, InvalidDigest
from registry.oci import errors, manifests
from registry.oci.names import RepositoryName, Tag
from registry.oci.referrers import Referrer, fallback_tag, referrer_of
from registry.storage.blobs import BlobStore
from registry.storage.referrers import ReferrerStore
from registry.storage.repositories import Membership
from registry.storage.tags import TagStore

MAX_FALLBACK_ENTRIES = 10_000


class ReferrerService:
    """The rules for referrers."""

    def __init__(
        self, referrers: ReferrerStore, revisions: Membership, tags: TagStore, blobs: BlobStore
    ) -> None:
        self._referrers = referrers
        self._revisions = revisions
        self._tags = tags
        self._blobs = blobs

    async def find(
        self,
        name: RepositoryName,
        subject: Digest,
        *,
        artifact_type: str | None = None,
        after: str = "",
    ) -> list[Referrer]:
        """Return the manifests about `subject`, ordered by digest; empty when there are none.

        Args:
            name: Repository.
            subject: The manifest they are about; it need not exist.
            artifact_type: Only those of this type.
            after: Only those whose digest sorts after this one.
        """
        entries = {entry.digest: entry for entry in await self._standing(name, subject)}
        for entry in await self._from_tag(name, subject, known=frozenset(entries)):
            entries.setdefault(entry.digest, entry)
        return [
            entry
            for digest, entry in sorted(entries.items())
            if digest > after and (artifact_type is None or entry.artifact_type == artifact_type)
        ]

    async def _standing(self, name: RepositoryName, subject: Digest) -> list[Referrer]:
        entries = await self._referrers.list(name, subject)
        digests = []
        readable = []
        for entry in entries:
            try:
                digests.append(Digest.parse(entry.digest))
            except InvalidDigest:
                continue
            readable.append(entry)
        linked = await self._revisions.resolve_many(name, digests)
        return [entry for entry, target in zip(readable, linked, strict=True) if target]

    async def _from_tag(
        self, name: RepositoryName, subject: Digest, known: frozenset[str]
    ) -> list[Referrer]:
        target = await self._tags.get(name, Tag(fallback_tag(subject)))
        content = await self._blobs.get(target.canonical) if target is not None else None
        if content is None:
            return []
        try:
            children = manifests.parse(content).children[:MAX_FALLBACK_ENTRIES]
        except errors.RegistryError:
            return []
        digests = [child.digest for child in children if str(child.digest) not in known]
        linked = await self._revisions.resolve_many(name, digests)
        pairs = [(d, c) for d, c in zip(digests, linked, strict=True) if c is not None]
        contents = await self._blobs.get_many([canonical for _, canonical in pairs])
        found = []
        for (digest, _), child_content in zip(pairs, contents, strict=True):
            entry = _entry(digest, child_content, subject)
            if entry is not None:
                found.append(entry)
        return found


def _entry(digest: Digest, content: bytes | None, subject: Digest) -> Referrer | None:
    """Return the entry of a manifest, None unless it is about `subject`."""
    if content is None:
        return None
    try:
        manifest = manifests.parse(content)
    except errors.RegistryError:
        return None
    if manifest.subject is None or manifest.subject.digest != subject:
        return None
    return referrer_of(manifest, digest, len(content))
