"""What this version does not serve yet: what refuses to start, and what is only said.

A key that decides who may do what or where data rests must never be ignored: a registry that starts
without it is open, or writes into the wrong place. Any other key is a warning. A row leaves its
table in the commit that serves the key.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from registry.config.keys import known_names
from registry.config.nodes import Mapping, place_of
from registry.config.problems import ConfigurationWarning, Problem, nearest
from registry.config.schema import Configuration, MiddlewareEntry
from registry.config.stores import Storage, driver_fields


@dataclass(frozen=True, slots=True)
class NotServed:
    """One key, or all keys below it.

    Attributes:
        path: Dotted path; ``[]`` is any element of a list.
        message: What it means that it is not served.
        fix: What to write instead.
        given: The key is written in a way that asks for something.
    """

    path: str
    message: str
    fix: str
    given: Callable[[Configuration], bool]


def _active(entries: list[MiddlewareEntry]) -> bool:
    return any(not entry.disabled for entry in entries)


_OTHER_AUTH = "use auth.htpasswd, or remove auth to let everybody in"
_NO_MIDDLEWARE = "remove it, or set disabled: true"

NOT_SERVED_REFUSE = (
    NotServed(
        "auth.token",
        "tokens are not served yet, and without them everybody would be let in",
        _OTHER_AUTH,
        lambda c: c.auth.token is not None,
    ),
    NotServed(
        "auth.silly",
        "silly authentication is not served",
        _OTHER_AUTH,
        lambda c: c.auth.silly is not None,
    ),
    NotServed(
        "proxy",
        "being a pull-through cache is not served yet",
        "remove proxy and all below it to serve an ordinary registry",
        lambda c: c.proxy != type(c.proxy)(),
    ),
    NotServed(
        "middleware.registry",
        "middleware is not served yet",
        _NO_MIDDLEWARE,
        lambda c: _active(c.middleware.registry),
    ),
    NotServed(
        "middleware.repository",
        "middleware is not served yet",
        _NO_MIDDLEWARE,
        lambda c: _active(c.middleware.repository),
    ),
    NotServed(
        "middleware.storage",
        "middleware is not served yet",
        _NO_MIDDLEWARE,
        lambda c: _active(c.middleware.storage),
    ),
    NotServed(
        "http.tls.clientcas",
        "client certificates are not asked for yet, and without them everybody would be let in",
        "remove it, and ask for certificates in a proxy in front",
        lambda c: bool(c.http.tls.clientcas),
    ),
    NotServed(
        "http.tls.clientauth",
        "client certificates are not asked for yet, and without them everybody would be let in",
        "remove it, and ask for certificates in a proxy in front",
        lambda c: c.http.tls.clientauth is not None,
    ),
    NotServed(
        "http.tls.letsencrypt",
        "certificates are not fetched by ACME yet, and without one the listener has no TLS",
        "remove it and set http.tls.certificate and http.tls.key",
        lambda c: c.http.tls.letsencrypt != type(c.http.tls.letsencrypt)(),
    ),
    NotServed(
        "policy.repository.classes",
        "classes of content are not enforced yet",
        "remove it to allow content of every class",
        lambda c: bool(c.policy.repository.classes),
    ),
)

NOT_SERVED_WARN = (
    NotServed(
        "notifications",
        "notifications are not sent yet",
        "",
        lambda c: any(not endpoint.disabled for endpoint in c.notifications.endpoints),
    ),
    NotServed(
        "redis",
        "Redis is not used; descriptors are remembered in each process",
        "",
        lambda c: c.redis is not None and c.redis != type(c.redis)(),
    ),
    NotServed(
        "log.hooks",
        "hooks of the log are not run",
        "",
        lambda c: any(not hook.disabled for hook in c.log.hooks),
    ),
    NotServed(
        "reporting",
        "nothing is reported to services",
        "",
        lambda c: c.reporting != type(c.reporting)(),
    ),
    NotServed(
        "compatibility.schema1",
        "manifests of schema 1 are refused",
        "",
        lambda c: c.compatibility.schema1.enabled,
    ),
    NotServed(
        "http.h2c",
        "HTTP/2 without TLS is not served",
        "",
        lambda c: c.http.h2c.enabled,
    ),
)

NO_EFFECT = ("storage.tag.concurrencylimit", "storage.redirect.disable")
"""Keys that are taken in silence: what they ask for is so anyway, or needs no limit here."""


def refusals(
    configuration: Configuration, root: Mapping, drivers: Collection[str]
) -> list[Problem]:
    """Return a problem for each key that is given, matters, and is not served."""
    found = [
        Problem(str(place_of(root, row.path)), row.path, row.message, row.fix)
        for row in NOT_SERVED_REFUSE
        if row.given(configuration)
    ]
    for name in configuration.storage.drivers:
        if name in drivers:
            continue
        path = f"storage.{name}"
        known = name in (field.name for field in driver_fields())
        message = "this driver is not served yet" if known else f"{name!r} is not a driver"
        like = None if known else nearest(name, [*drivers, *known_names(Storage)])
        fix = f"use one of {', '.join(sorted(drivers))}" + (f"; or is it {like}?" if like else "")
        found.append(Problem(str(place_of(root, path)), path, message, fix))
    return found


def warnings(configuration: Configuration, root: Mapping) -> list[ConfigurationWarning]:
    """Return a warning for each key that is given and not served."""
    return [
        ConfigurationWarning(str(place_of(root, row.path)), row.path, row.message)
        for row in NOT_SERVED_WARN
        if row.given(configuration)
    ]
