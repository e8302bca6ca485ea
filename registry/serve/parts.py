"""Makes each part of the registry from the configuration. Nothing runs yet."""

from __future__ import annotations

import logging
import os
import re
import secrets
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import trio

from drivers.contract import Driver
from drivers.errors import DriverError, PathNotFound
from registry.api.base import BaseApi, ExtensionsApi
from registry.api.blobs import BlobsApi
from registry.api.catalog import CatalogApi
from registry.api.dispatch import Dispatcher, Resources
from registry.api.front import Front
from registry.api.manifests import ManifestsApi
from registry.api.quick import QuickAnswers, RecalledAccess
from registry.api.referrers import ReferrersApi
from registry.api.tags import TagsApi
from registry.api.uploads import UploadsApi
from registry.api.urls import UrlPolicy
from registry.auth import AccessController, InvalidParameter, OpenAccess
from registry.auth.htpasswd import HtpasswdAccess
from registry.config import Configuration
from registry.health import Health, file_check, http_check, storage_check, tcp_check
from registry.server import (
    Listener,
    TlsSettings,
    TlsUnusable,
    bind_tcp,
    bind_unix,
    inherited,
    make_context,
)
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
from registry.storage.immediate import ImmediateDriver
from registry.storage.links import Links
from registry.storage.referrers import ReferrerStore
from registry.storage.repositories import layers, revisions
from registry.storage.tags import TagStore
from registry.storage.types import TypeStore
from registry.storage.uploads import UploadStore

log = logging.getLogger("registry")

PROBE_PATH = "/.trireme-probe"

Answer = Callable[[], Awaitable[bytes]]
"""What a worker says to its siblings' questions."""


class StartError(Exception):
    """The registry cannot start; the text says what is wrong and how to mend it."""


@dataclass(frozen=True, slots=True)
class Services:
    """What the rest of the process needs of the services.

    Attributes:
        dispatcher: Answers requests.
        purge: Removes old uploads.
    """

    dispatcher: Dispatcher
    purge: PurgeService


def make_services(
    config: Configuration, driver: Driver, access: AccessController, secret: bytes
) -> Services:
    """Return the services over one driver."""
    policy = Policy(
        read_only=config.storage.maintenance.readonly.enabled,
        delete_enabled=config.storage.delete.enabled,
    )
    links = Links(driver)
    blob_store, catalog = BlobStore(driver), Catalog(driver)
    upload_store = UploadStore(driver, blob_store)
    layer_links, revision_links = layers(links), revisions(links)
    tag_store, referrer_store = TagStore(driver, links), ReferrerStore(driver)
    blobs = BlobService(blob_store, layer_links, catalog, policy)
    manifests = ManifestService(
        blobs=blob_store,
        layers=layer_links,
        revisions=revision_links,
        tags=tag_store,
        referrers=referrer_store,
        types=TypeStore(driver),
        policy=policy,
        validation=_validation(config),
    )
    referrers = ReferrerService(referrer_store, revision_links, tag_store, blob_store)
    uploads = UploadService(upload_store, layer_links, policy)
    resources = Resources(
        base=BaseApi(),
        extensions=ExtensionsApi(),
        catalog=CatalogApi(CatalogService(catalog), config.catalog.maxentries),
        tags=TagsApi(TagService(tag_store, catalog), config.tags.maxtags),
        manifests=ManifestsApi(manifests),
        blobs=BlobsApi(blobs),
        uploads=UploadsApi(uploads, blobs, secret),
        referrers=ReferrersApi(referrers),
    )
    urls = UrlPolicy(config.http.host, url_prefix(config), relative=config.http.relativeurls)
    extra = [(name, value) for name, values in config.http.headers.items() for value in values]
    purge = PurgeService(upload_store, catalog, policy, _purge_settings(config))
    return Services(Dispatcher(resources, access, urls, extra), purge)


def make_quick(
    config: Configuration, driver: Driver, access: AccessController, front: Front
) -> QuickAnswers | None:
    """Return what answers small requests at once, None where the store has no immediate reads."""
    if not driver.properties.immediate_reads:
        return None
    recalled = RecalledAccess(access)
    services = make_services(config, ImmediateDriver(driver), recalled, b"")
    return QuickAnswers(services.dispatcher, front)


def upload_secret(config: Configuration) -> bytes:
    """Return ``http.secret``, or a random one that lives as long as this process."""
    if config.http.secret:
        return config.http.secret.encode()
    return secrets.token_bytes(32)


def url_prefix(config: Configuration) -> str:
    """Return ``http.prefix`` with a slash at both ends."""
    inner = config.http.prefix.strip("/")
    return f"/{inner}/" if inner else "/"


def _validation(config: Configuration) -> Validation:
    rules = config.validation
    indexes = rules.manifests.indexes
    return Validation(
        enabled=bool(rules.enabled) or not rules.disabled,
        urls_allow=tuple(re.compile(text) for text in rules.manifests.urls.allow),
        urls_deny=tuple(re.compile(text) for text in rules.manifests.urls.deny),
        platforms=indexes.platforms,
        platform_list=frozenset((item.os, item.architecture) for item in indexes.platformlist),
    )


def _purge_settings(config: Configuration) -> PurgeSettings:
    purging = config.storage.maintenance.uploadpurging
    return PurgeSettings(purging.enabled, purging.age, purging.interval, purging.dryrun)


async def make_access(config: Configuration) -> AccessController:
    """Return who may do what.

    Raises:
        StartError: the password file or realm cannot be used.
    """
    htpasswd = config.auth.htpasswd
    if htpasswd is None:
        return OpenAccess()
    try:
        return await trio.to_thread.run_sync(HtpasswdAccess, htpasswd.realm, htpasswd.path)
    except InvalidParameter as exc:
        raise StartError(f"auth.htpasswd.{exc}") from exc


def make_tls(config: Configuration) -> ssl.SSLContext | None:
    """Return the TLS context of the main listener, None for plain HTTP.

    Raises:
        StartError: a file cannot be used.
    """
    tls = config.http.tls
    if not tls.certificate:
        return None
    try:
        return make_context(
            TlsSettings(
                certificate=tls.certificate,
                key=tls.key,
                minimum=tls.minimum,
                cipher_suites=tls.ciphersuites,
                http2=config.http.http2_enabled,
            )
        )
    except TlsUnusable as exc:
        raise StartError(str(exc)) from exc


def make_listener(config: Configuration, environ: Mapping[str, str]) -> Listener:
    """Return the sockets of the main listener.

    Raises:
        StartError: they cannot be had.
    """
    passed = inherited(environ)
    if passed is not None:
        return passed
    http = config.http
    try:
        if http.net == "unix":
            return bind_unix(http.addr)
        address = http.address
        if address is None:
            raise StartError("http.addr: is missing; give host:port, such as 127.0.0.1:5000")
        return bind_tcp(address.host, address.port)
    except OSError as exc:
        raise StartError(
            f"http.addr: cannot listen on {http.addr!r}: {exc.strerror or exc}; "
            "stop what listens there or choose another address"
        ) from exc


def make_health(config: Configuration, driver: Driver) -> Health:
    """Return the configured checks, not running.

    Raises:
        StartError: a check cannot be made.
    """
    health = Health()
    settings = config.health

    async def stat_root() -> None:
        await driver.stat("/")

    try:
        stored = settings.storagedriver
        if stored.enabled:
            health.add(
                storage_check(config.storage.driver, stat_root),
                interval_s=stored.interval,
                threshold=stored.threshold,
            )
        for file in settings.file:
            health.add(file_check(file.file), interval_s=file.interval, threshold=file.threshold)
        for tcp in settings.tcp:
            check = tcp_check(tcp.addr, timeout_s=tcp.timeout)
            health.add(check, interval_s=tcp.interval, threshold=tcp.threshold)
        for http in settings.http:
            check = http_check(
                http.uri,
                status_code=http.statuscode,
                headers=http.headers,
                timeout_s=http.timeout,
            )
            health.add(check, interval_s=http.interval, threshold=http.threshold)
    except ValueError as exc:
        raise StartError(str(exc)) from exc
    return health


async def check_storage(config: Configuration, driver: Driver) -> None:
    """Write, read and remove a probe, so that a store which cannot be used is told of at start.

    Raises:
        StartError: it cannot be written (or, when read-only, read).
    """
    try:
        if config.storage.maintenance.readonly.enabled:
            await driver.stat("/")
            return
        await driver.put_content(PROBE_PATH, b"")
        await driver.get_content(PROBE_PATH)
        await driver.delete(PROBE_PATH)
    except PathNotFound:
        pass  # another instance removed the probe first, or nothing was ever stored
    except DriverError as exc:
        raise StartError(
            f"storage.{config.storage.driver}: cannot write to {driver.location!r} as user "
            f"{os.getuid()}: {exc.reason}; make it writable for them or configure another place"
        ) from exc
