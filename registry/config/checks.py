"""Rules that one value alone cannot tell: what must be together, what must be alone, and grammars.

Types, required keys and ranges are the decoder's; what is not served is `registry.config.served`'s.
"""

from __future__ import annotations

import re
import warnings as python_warnings
from collections.abc import Mapping as Environ
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from registry.config.address import parse_address
from registry.config.ciphers import GO_NAMES
from registry.config.keys import known_names
from registry.config.nodes import Mapping, find, place_of
from registry.config.problems import ConfigurationWarning, Problem, nearest, shown
from registry.config.schema import Configuration
from registry.config.stores import Storage, driver_fields

VERSION = "0.1"

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
# What the server says of a connection or an answer itself: a second value would break either.
_OWN_HEADERS = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "date",
        "docker-distribution-api-version",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_HEADER_VALUE = re.compile(r"(?:[^\x00-\x1f\x7f]|\t)*")  # no line ends: they would end the header


@dataclass(slots=True)
class Checks:
    """Looks at one configuration and collects what does not fit.

    Args:
        configuration: As decoded.
        root: The tree it was decoded from, for places and for what was written out.
        environ: Tells whether a listening socket is inherited.
    """

    configuration: Configuration
    root: Mapping
    environ: Environ[str, str]
    problems: list[Problem] = field(default_factory=list)
    warnings: list[ConfigurationWarning] = field(default_factory=list)

    def run(self) -> None:
        """Make every check."""
        self._version()
        self._driver()
        self._auth()
        self._purging()
        self._listeners()
        self._urls()
        self._headers("http.headers", self.configuration.http.headers)
        self._own_headers("http.headers", self.configuration.http.headers)
        self._tls()
        self._health()
        self._patterns()
        self._cache()

    def _problem(self, path: str, message: str, fix: str) -> None:
        self.problems.append(Problem(str(place_of(self.root, path)), path, message, fix))

    def _warning(self, path: str, message: str, like: str | None = None) -> None:
        place = str(place_of(self.root, path))
        self.warnings.append(ConfigurationWarning(place, path, message, like))

    def _version(self) -> None:
        version = self.configuration.version
        if version not in ("", VERSION):
            self._problem("version", f"{shown(version)} is not known", f"write version: {VERSION}")

    def _driver(self) -> None:
        drivers = list(self.configuration.storage.drivers)
        if len(drivers) > 1 and self._misspelt():
            return
        if not drivers:
            names = " or ".join(field.name for field in driver_fields()[:3])
            fix = f"name one below storage, such as {names}"
            self._problem("storage", "no storage driver is given", fix)
        elif len(drivers) > 1:
            # The one that is not from the same source as the map itself was added to it.
            source = place_of(self.root, "storage").source
            places = {name: place_of(self.root, f"storage.{name}") for name in drivers}
            added = next((name for name in drivers if places[name].source != source), drivers[-1])
            where = ", ".join(f"{name} ({places[name]})" for name in drivers)
            fix = f"keep one; the variable REGISTRY_STORAGE={added} replaces the others by {added}"
            self._problem(f"storage.{added}", f"more than one storage driver: {where}", fix)

    def _misspelt(self) -> bool:
        """Report what stands beside a driver and looks like another key of `storage`, if any."""
        found = False
        for name in self.configuration.storage.others:
            like = nearest(name, known_names(Storage))
            if like is not None:
                message = f"{shown(name)} is not a key of storage"
                self._problem(f"storage.{name}", message, f"did you mean {like}?")
                found = True
        return found

    def _auth(self) -> None:
        auth = self.configuration.auth
        if len(auth.types) > 1:
            fix = f"keep one; the variable REGISTRY_AUTH={auth.types[0]} replaces the others"
            message = f"more than one type of authentication: {', '.join(auth.types)}"
            self._problem("auth", message, fix)
        for name in auth.others:
            like = nearest(name, ["htpasswd", "token", "none", "silly"])
            fix = "use htpasswd" + (f"; or is it {like}?" if like else "")
            self._problem(f"auth.{name}", f"{shown(name)} is not a type of authentication", fix)

    def _purging(self) -> None:
        path = "storage.maintenance.uploadpurging"
        node = find(self.root, path)
        purging = self.configuration.storage.maintenance.uploadpurging
        if not isinstance(node, Mapping) or not purging.enabled:
            return
        names = ("enabled", "age", "interval", "dryrun")
        missing = [name for name in names if node.get(name) is None]
        if missing:
            fix = "write all of enabled, age, interval and dryrun, or leave the map out"
            self._problem(path, f"{', '.join(missing)} missing", fix)

    def _listeners(self) -> None:
        http = self.configuration.http
        if not http.addr and "LISTEN_FDS" not in self.environ:
            fix = "write :5000 for every address of this host, or 127.0.0.1:5000"
            self._problem("http.addr", "a value is required", fix)
        if http.net == "tcp" and http.addr:
            self._address("http.addr", http.addr)
        if http.debug.addr:
            self._address("http.debug.addr", http.debug.addr)
        prometheus = http.debug.prometheus
        if prometheus.enabled and not http.debug.addr:
            message = "metrics are served on the debug listener, and http.debug.addr is not set"
            self._warning("http.debug.prometheus.enabled", message)
        if not prometheus.path.startswith("/"):
            message = f"{shown(prometheus.path)} does not begin with /"
            self._problem("http.debug.prometheus.path", message, "write a path such as /metrics")

    def _address(self, path: str, text: str) -> None:
        try:
            parse_address(text)
        except ValueError as exc:
            fix = "write :5000, 127.0.0.1:5000 or [::1]:5000"
            self._problem(path, f"{shown(text)} is not an address: {exc}", fix)

    def _urls(self) -> None:
        http = self.configuration.http
        if http.host and not _is_base_url(http.host):
            message = f"{shown(http.host)} is not a base URL"
            self._problem("http.host", message, "write one such as https://registry.example.com")
        if http.prefix and not re.fullmatch(r"/[^?#\s\\]*", http.prefix):
            message = f"{shown(http.prefix)} is not a path"
            self._problem("http.prefix", message, "write a path such as /registry/")

    def _headers(self, path: str, headers: dict[str, list[str]]) -> None:
        for name, values in headers.items():
            if not _TOKEN.fullmatch(name):
                message = f"{shown(name)} is not the name of a header"
                self._problem(f"{path}.{name}", message, "use letters, digits and hyphens")
            if not all(_HEADER_VALUE.fullmatch(value) for value in values):
                message = "the value holds a line end or a control character"
                self._problem(f"{path}.{name}", message, "write it on one line")

    def _own_headers(self, path: str, headers: dict[str, list[str]]) -> None:
        for name in headers:
            if name.lower() in _OWN_HEADERS:
                message = f"{shown(name)} is a header that the registry sets itself"
                self._problem(f"{path}.{name}", message, "remove it")

    def _tls(self) -> None:
        tls = self.configuration.http.tls
        for present, absent in (("certificate", "key"), ("key", "certificate")):
            if getattr(tls, present) and not getattr(tls, absent):
                message = f"a value is required with http.tls.{present}"
                fix = f"set it to the PEM file, or remove http.tls.{present}"
                self._problem(f"http.tls.{absent}", message, fix)
        if tls.minimumtls in ("tls1.0", "tls1.1"):
            message = f"{tls.minimumtls} is not served any more; the lowest version is TLS 1.2"
            self._warning("http.tls.minimumtls", message)
        for index, name in enumerate(tls.ciphersuites):
            if name not in GO_NAMES:
                like = nearest(name, sorted(GO_NAMES))
                fix = (
                    f"did you mean {like}?" if like else "use Go's names, such as " + min(GO_NAMES)
                )
                message = f"{shown(name)} is not a cipher suite"
                self._problem(f"http.tls.ciphersuites[{index}]", message, fix)

    def _health(self) -> None:
        health = self.configuration.health
        for index, tcp in enumerate(health.tcp):
            if tcp.addr:
                self._address(f"health.tcp[{index}].addr", tcp.addr)
        for index, http in enumerate(health.http):
            path = f"health.http[{index}]"
            self._headers(f"{path}.headers", http.headers)
            if http.uri and not _is_base_url(http.uri):
                fix = "write a URL such as http://127.0.0.1:8080/health"
                self._problem(f"{path}.uri", f"{shown(http.uri)} is not a URL", fix)
            if not 100 <= http.statuscode <= 599:
                message = f"{http.statuscode} is not a status"
                self._problem(f"{path}.statuscode", message, "write one from 100 to 599")

    def _patterns(self) -> None:
        urls = self.configuration.validation.manifests.urls
        for name, patterns in (("allow", urls.allow), ("deny", urls.deny)):
            for index, pattern in enumerate(patterns):
                reason = _pattern_error(pattern)
                if reason is not None:
                    path = f"validation.manifests.urls.{name}[{index}]"
                    message = f"{shown(pattern)} is not a regular expression: {reason}"
                    self._problem(path, message, "write one such as ^https?://example\\.com/")

    def _cache(self) -> None:
        cache = self.configuration.storage.cache
        path = "storage.cache." + ("blobdescriptor" if cache.blobdescriptor else "layerinfo")
        if cache.kind == "redis":
            self._warning(path, "Redis is not used; descriptors are remembered in each process")
        elif cache.kind not in (None, "", "inmemory"):
            message = f"{shown(cache.kind or '')} is not known; nothing is remembered"
            self._warning(path, message, nearest(cache.kind or "", ["inmemory", "redis"]))


def _is_base_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0


def _pattern_error(pattern: str) -> str | None:
    """Say why `pattern` cannot be compiled, or None.

    Go writes classes as ``[[:alpha:]]``, which Python reads as something else and only warns of.
    """
    if len(pattern) > 4096:
        return "longer than 4096 characters"
    try:
        with python_warnings.catch_warnings():
            python_warnings.simplefilter("error")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError, Warning) as exc:
        return str(exc)
    return None
