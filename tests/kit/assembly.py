"""The storage layer and the services over one driver, put together as the server does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from drivers.contract import Driver
from registry.oci.names import RepositoryName
from registry.services.blobs import BlobService
from registry.services.catalog import CatalogService
from registry.services.manifests import ManifestService, Validation
from registry.services.policy import Policy
from registry.services.purge import PurgeService, PurgeSettings
from registry.services.referrers import ReferrerService
from registry.services.tags import TagService
from registry.services.uploads import UploadService
from registry.storage.blobs import BlobStore
from registry.storage.catalog import Catalog
from registry.storage.links import Links
from registry.storage.referrers import ReferrerStore
from registry.storage.repositories import Membership, layers, revisions
from registry.storage.tags import TagStore
from registry.storage.types import TypeStore
from registry.storage.uploads import UploadStore

ALLOW_ALL = Policy(delete_enabled=True)


def utc_now() -> datetime:
    return datetime.now(UTC)


def anyone(_: RepositoryName) -> bool:
    """The right of a caller who may pull from every repository."""
    return True


@dataclass(frozen=True)
class Assembly:
    """Everything between the API and one driver."""

    driver: Driver
    links: Links
    blob_store: BlobStore
    layers: Membership
    revisions: Membership
    tag_store: TagStore
    referrer_store: ReferrerStore
    types: TypeStore
    walk: Catalog
    upload_store: UploadStore
    uploads: UploadService
    blobs: BlobService
    manifests: ManifestService
    tags: TagService
    referrers: ReferrerService
    catalog: CatalogService
    purge: PurgeService


def assemble(
    driver: Driver,
    *,
    policy: Policy = ALLOW_ALL,
    validation: Validation | None = None,
    purging: PurgeSettings | None = None,
    now: Callable[[], datetime] = utc_now,
) -> Assembly:
    """Return all parts over `driver`, which the caller closes."""
    links = Links(driver)
    blob_store, walk = BlobStore(driver), Catalog(driver)
    layer_links, revision_links = layers(links), revisions(links)
    tag_store, referrer_store = TagStore(driver, links), ReferrerStore(driver)
    types, upload_store = TypeStore(driver), UploadStore(driver, blob_store)
    return Assembly(
        driver=driver,
        links=links,
        blob_store=blob_store,
        layers=layer_links,
        revisions=revision_links,
        tag_store=tag_store,
        referrer_store=referrer_store,
        types=types,
        walk=walk,
        upload_store=upload_store,
        uploads=UploadService(upload_store, layer_links, policy, now),
        blobs=BlobService(blob_store, layer_links, walk, policy),
        manifests=ManifestService(
            blobs=blob_store,
            layers=layer_links,
            revisions=revision_links,
            tags=tag_store,
            referrers=referrer_store,
            types=types,
            policy=policy,
            validation=validation or Validation(),
        ),
        tags=TagService(tag_store, walk),
        referrers=ReferrerService(referrer_store, revision_links, tag_store, blob_store),
        catalog=CatalogService(walk),
        purge=PurgeService(upload_store, walk, policy, purging or PurgeSettings(), now),
    )
