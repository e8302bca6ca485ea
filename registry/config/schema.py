"""Every key of the configuration, of both distribution 2.8 and 3 and our own.

Python names are YAML names (`from` is `from_`), values are in seconds and bytes, and a section that
was not written is there with its defaults. `storage` is in `registry.config.stores`, `redis` in
`registry.config.redis`.

Source: the configuration reference of distribution, versions 2.8 and 3.1.
"""

# ruff: noqa: RUF012 - msgspec gives each instance its own copy of an empty list or map

from typing import Annotated, ClassVar, Literal

from registry.config.address import Address, parse_address
from registry.config.keys import Key, Seconds, Section
from registry.config.redis import Redis
from registry.config.stores import Parameters, Storage

DRAIN_S = 8.0  # `docker stop` kills after 10 s: leave 2 for closing what is open


class AccessLog(Section, frozen=True, kw_only=True):
    """The log of requests."""

    disabled: Annotated[bool, Key("do not write a line for each request")] = False


class SMTP(Section, frozen=True, kw_only=True):
    """A mail server."""

    addr: Annotated[str, Key("host and port of the mail server")] = ""
    username: Annotated[str, Key("user of the mail server")] = ""
    password: Annotated[str, Key("password of the mail server", secret=True)] = ""
    insecure: Annotated[bool, Key("do not check the mail server's certificate")] = False


class MailOptions(Section, frozen=True, kw_only=True, rename={"from_": "from"}):
    """Who is told by mail, and how."""

    smtp: Annotated[SMTP, Key("mail server")] = SMTP()
    from_: Annotated[str, Key("sender of the mail")] = ""
    to: Annotated[list[str], Key("recipients of the mail")] = []


class LogHook(Section, frozen=True, kw_only=True):
    """Something that is told what is logged."""

    disabled: Annotated[bool, Key("leave this hook out")] = False
    type: Annotated[str, Key("kind of hook: mail")] = ""
    levels: Annotated[list[str], Key("levels the hook is told of")] = []
    options: Annotated[MailOptions, Key("options of the hook")] = MailOptions()


class Log(Section, frozen=True, kw_only=True):
    """What is logged."""

    accesslog: Annotated[AccessLog, Key("log of requests")] = AccessLog()
    level: Annotated[Literal["error", "warn", "info", "debug"], Key("least level logged")] = "info"
    formatter: Annotated[Literal["text", "json", "logstash"], Key("form of a log line")] = "text"
    fields: Annotated[dict[str, object], Key("fields added to every log line")] = {}
    hooks: Annotated[list[LogHook], Key("what is told of errors")] = []
    reportcaller: Annotated[bool, Key("name the line of code in each log line", version="3")] = (
        False
    )


class SillyAuth(Parameters, frozen=True, kw_only=True):
    """Whoever sends credentials is let in; for development."""

    realm: Annotated[str, Key("realm of the challenge", required=True)] = ""
    service: Annotated[str, Key("service of the challenge", required=True)] = ""


class HtpasswdAuth(Parameters, frozen=True, kw_only=True):
    """Users and bcrypt hashes in a file."""

    realm: Annotated[str, Key("realm of the challenge", required=True)] = ""
    path: Annotated[str, Key("file of users and bcrypt hashes", required=True)] = ""


class TokenAuth(Parameters, frozen=True, kw_only=True):
    """Tokens of a token server."""

    realm: Annotated[str, Key("URL of the token server", required=True)] = ""
    service: Annotated[str, Key("audience a token must name", required=True)] = ""
    issuer: Annotated[str, Key("issuer a token must name", required=True)] = ""
    rootcertbundle: Annotated[str, Key("PEM bundle of keys that sign tokens")] = ""
    jwks: Annotated[str, Key("JWKS file of keys that sign tokens", version="3")] = ""
    signingalgorithms: Annotated[
        list[str], Key("signature algorithms that are accepted", version="3")
    ] = []
    autoredirect: Annotated[bool, Key("build the realm from the host asked for")] = False
    autoredirectpath: Annotated[str, Key("path of that realm", version="3")] = "/auth/token"


class NoAuth(Parameters, frozen=True, kw_only=True):
    """Everybody may do everything, said out loud."""


class Auth(Section, frozen=True, kw_only=True):
    """Who may do what. At most one type is set after a successful load."""

    open_field: ClassVar[str | None] = "others"
    warn_unknown: ClassVar[bool] = False
    scalar_is_key: ClassVar[bool] = True

    silly: Annotated[SillyAuth | None, Key("any credentials will do; for development")] = None
    htpasswd: Annotated[HtpasswdAuth | None, Key("users in a file")] = None
    token: Annotated[TokenAuth | None, Key("tokens of a token server")] = None
    none: Annotated[NoAuth | None, Key("nobody is asked, said out loud", version="3")] = None
    others: dict[str, dict[str, object]] = {}

    @property
    def types(self) -> list[str]:
        """Every type given; at most one after a successful load."""
        known = [n for n in ("silly", "htpasswd", "token", "none") if getattr(self, n) is not None]
        return known + list(self.others)

    @property
    def type(self) -> str | None:
        """The type of authentication, or None where nobody is asked and nothing was said."""
        return next(iter(self.types), None)


class MiddlewareEntry(Section, frozen=True, kw_only=True):
    """Something put between the registry and its storage or clients."""

    name: Annotated[str, Key("name of the middleware", required=True)] = ""
    disabled: Annotated[bool, Key("leave this entry out")] = False
    options: Annotated[dict[str, object], Key("options of the middleware", secret=True)] = {}


class Middleware(Section, frozen=True, kw_only=True):
    """What is put in between."""

    registry: Annotated[list[MiddlewareEntry], Key("around the registry")] = []
    repository: Annotated[list[MiddlewareEntry], Key("around each repository")] = []
    storage: Annotated[list[MiddlewareEntry], Key("around the storage driver")] = []


class Bugsnag(Section, frozen=True, kw_only=True):
    """A service for error reports."""

    apikey: Annotated[str, Key("key of the service", version="2.8", secret=True)] = ""
    releasestage: Annotated[str, Key("stage that is reported", version="2.8")] = ""
    endpoint: Annotated[str, Key("URL of the service", version="2.8")] = ""


class NewRelic(Section, frozen=True, kw_only=True):
    """A service for measurements."""

    licensekey: Annotated[str, Key("key of the service", version="2.8", secret=True)] = ""
    name: Annotated[str, Key("name that is reported", version="2.8")] = ""
    verbose: Annotated[bool, Key("log what is reported", version="2.8")] = False


class Reporting(Section, frozen=True, kw_only=True):
    """Services that distribution 2.8 could report to."""

    bugsnag: Annotated[Bugsnag, Key("error reports", version="2.8")] = Bugsnag()
    newrelic: Annotated[NewRelic, Key("measurements", version="2.8")] = NewRelic()


class LetsEncrypt(Section, frozen=True, kw_only=True):
    """Certificates by ACME."""

    cachefile: Annotated[str, Key("where certificates are kept")] = ""
    email: Annotated[str, Key("address the authority may write to")] = ""
    hosts: Annotated[list[str], Key("host names certificates are asked for")] = []
    directoryurl: Annotated[str, Key("URL of the authority", version="3")] = ""


class TLS(Section, frozen=True, kw_only=True):
    """Transport security of the main listener."""

    certificate: Annotated[str, Key("PEM file: the certificate, then its intermediates")] = ""
    key: Annotated[str, Key("PEM file of the private key")] = ""
    clientcas: Annotated[list[str], Key("PEM files of authorities for client certificates")] = []
    clientauth: Annotated[
        Literal[
            "require-and-verify-client-cert",
            "request-client-cert",
            "require-any-client-cert",
            "verify-client-cert-if-given",
        ]
        | None,
        Key(
            "what is asked of client certificates",
            version="3",
            default="require-and-verify-client-cert",
        ),
    ] = None
    minimumtls: Annotated[
        Literal["tls1.0", "tls1.1", "tls1.2", "tls1.3"], Key("lowest protocol version")
    ] = "tls1.2"
    ciphersuites: Annotated[list[str], Key("suites of TLS 1.2, by Go's names")] = []
    letsencrypt: Annotated[LetsEncrypt, Key("certificates by ACME")] = LetsEncrypt()

    @property
    def minimum(self) -> Literal["tls1.2", "tls1.3"]:
        """The lowest version that is served: never below 1.2."""
        return "tls1.3" if self.minimumtls == "tls1.3" else "tls1.2"


class Prometheus(Section, frozen=True, kw_only=True):
    """Metrics on the debug listener."""

    enabled: Annotated[bool, Key("serve metrics on the debug listener")] = False
    path: Annotated[str, Key("path of the metrics")] = "/metrics"


class Debug(Section, frozen=True, kw_only=True):
    """The second listener: health, metrics, insight. Not for the public."""

    addr: Annotated[str, Key("address of the debug listener; empty is none")] = ""
    prometheus: Annotated[Prometheus, Key("metrics")] = Prometheus()

    @property
    def address(self) -> Address | None:
        """`addr` in parts, or None without a debug listener."""
        return parse_address(self.addr) if self.addr else None


class HTTP2(Section, frozen=True, kw_only=True):
    """HTTP/2 over TLS."""

    disabled: Annotated[bool | None, Key("false, written out, turns HTTP/2 on", default="true")] = (
        None
    )


class H2C(Section, frozen=True, kw_only=True):
    """HTTP/2 without TLS."""

    enabled: Annotated[bool, Key("HTTP/2 without TLS", version="3")] = False


class HTTP(Section, frozen=True, kw_only=True):
    """The listeners and what is said on them."""

    addr: Annotated[str, Key("host:port, :port or a socket's path; required without systemd")] = ""
    net: Annotated[Literal["tcp", "unix"], Key("kind of socket")] = "tcp"
    prefix: Annotated[str, Key("path all routes are below")] = ""
    host: Annotated[str, Key("base URL clients see, for Location headers")] = ""
    secret: Annotated[
        str, Key("signs upload states; equal on all instances", secret=True, default="random")
    ] = ""
    relativeurls: Annotated[bool, Key("Location headers without host")] = False
    draintimeout: Annotated[
        Seconds | None, Key("wait for running requests at the end; 0 stops at once", default="8s")
    ] = None
    headers: Annotated[dict[str, list[str]], Key("headers added to every answer")] = {}
    tls: Annotated[TLS, Key("transport security")] = TLS()
    debug: Annotated[Debug, Key("second listener")] = Debug()
    http2: Annotated[HTTP2, Key("HTTP/2 over TLS")] = HTTP2()
    h2c: Annotated[H2C, Key("HTTP/2 without TLS", version="3")] = H2C()

    @property
    def drain_s(self) -> float:
        """How long running requests may go on after the signal to stop, in seconds."""
        return DRAIN_S if self.draintimeout is None else self.draintimeout

    @property
    def http2_enabled(self) -> bool:
        """HTTP/2 was asked for: `http2.disabled` is written out and false."""
        return self.http2.disabled is False

    @property
    def address(self) -> Address | None:
        """`addr` in parts; None where it is the path of a socket or inherited from systemd."""
        return parse_address(self.addr) if self.net == "tcp" and self.addr else None


class Events(Section, frozen=True, kw_only=True):
    """What every event tells."""

    includereferences: Annotated[bool, Key("events list what a manifest refers to")] = False


class Ignore(Section, frozen=True, kw_only=True):
    """Events an endpoint is not told of."""

    mediatypes: Annotated[list[str], Key("media types that are not told")] = []
    actions: Annotated[list[str], Key("actions that are not told")] = []


class Endpoint(Section, frozen=True, kw_only=True):
    """One receiver of events."""

    name: Annotated[str, Key("name for logs and metrics")] = ""
    disabled: Annotated[bool, Key("leave this endpoint out")] = False
    url: Annotated[str, Key("where events are posted to", secret=True)] = ""
    headers: Annotated[
        dict[str, list[str]], Key("headers of the requests sent there", secret=True)
    ] = {}
    timeout: Annotated[Seconds, Key("longest wait for an answer")] = Seconds(1.0)
    threshold: Annotated[int, Key("failures in a row before a rest")] = 10
    backoff: Annotated[Seconds, Key("length of that rest")] = Seconds(1.0)
    ignoredmediatypes: Annotated[list[str], Key("old name of ignore.mediatypes")] = []
    ignore: Annotated[Ignore, Key("events that are not told")] = Ignore()


class Notifications(Section, frozen=True, kw_only=True):
    """Who is told of pushes, pulls and deletes."""

    events: Annotated[Events, Key("what events tell", go="EVENTCONFIG")] = Events()
    endpoints: Annotated[list[Endpoint], Key("receivers of events")] = []


class StorageHealth(Section, frozen=True, kw_only=True):
    """A periodic look at the storage driver."""

    enabled: Annotated[bool, Key("look at the storage driver from time to time")] = False
    interval: Annotated[Seconds, Key("time between two looks", positive=True)] = Seconds(10.0)
    threshold: Annotated[int, Key("failures in a row that make it unhealthy")] = 0


class FileCheck(Section, frozen=True, kw_only=True):
    """Unhealthy while a file exists."""

    file: Annotated[str, Key("unhealthy while this file exists", required=True)] = ""
    interval: Annotated[Seconds, Key("time between two looks", positive=True)] = Seconds(10.0)
    threshold: Annotated[int, Key("failures in a row that make it unhealthy")] = 0


class HTTPCheck(Section, frozen=True, kw_only=True):
    """Unhealthy while a URL does not answer as it should."""

    uri: Annotated[str, Key("URL that is asked with HEAD", required=True)] = ""
    headers: Annotated[dict[str, list[str]], Key("headers of the request", secret=True)] = {}
    statuscode: Annotated[int, Key("the status that is healthy", zero_is_default=True)] = 200
    timeout: Annotated[Seconds | None, Key("longest wait for an answer", default="none")] = None
    interval: Annotated[Seconds, Key("time between two looks", positive=True)] = Seconds(10.0)
    threshold: Annotated[int, Key("failures in a row that make it unhealthy")] = 0


class TCPCheck(Section, frozen=True, kw_only=True):
    """Unhealthy while an address refuses connections."""

    addr: Annotated[str, Key("host and port to connect to", required=True)] = ""
    timeout: Annotated[Seconds | None, Key("longest wait for a connection", default="none")] = None
    interval: Annotated[Seconds, Key("time between two looks", positive=True)] = Seconds(10.0)
    threshold: Annotated[int, Key("failures in a row that make it unhealthy")] = 0


class Health(Section, frozen=True, kw_only=True):
    """What makes the registry unhealthy."""

    storagedriver: Annotated[StorageHealth, Key("the storage driver")] = StorageHealth()
    file: Annotated[list[FileCheck], Key("files", go="FILECHECKERS")] = []
    http: Annotated[list[HTTPCheck], Key("URLs", go="HTTPCHECKERS")] = []
    tcp: Annotated[list[TCPCheck], Key("addresses", go="TCPCHECKERS")] = []


class ProxyExec(Section, frozen=True, kw_only=True):
    """A program that knows the upstream's credentials."""

    command: Annotated[str, Key("program that prints credentials", version="3")] = ""
    lifetime: Annotated[Seconds | None, Key("how long they hold", version="3")] = None


class Proxy(Section, frozen=True, kw_only=True):
    """Being a cache of another registry."""

    remoteurl: Annotated[str, Key("URL of the upstream; makes this a pull-through cache")] = ""
    username: Annotated[str, Key("user at the upstream")] = ""
    password: Annotated[str, Key("password at the upstream", secret=True)] = ""
    exec: Annotated[ProxyExec, Key("credentials by a program", version="3")] = ProxyExec()
    ttl: Annotated[Seconds, Key("how long content is kept; 0 is for ever", version="3")] = Seconds(
        168 * 3600.0
    )
    cachewritetimeout: Annotated[
        Seconds, Key("longest write of a blob into the cache", version="3")
    ] = Seconds(300.0)


class Schema1(Section, frozen=True, kw_only=True):
    """Manifests of the first form, which nobody should push any more."""

    enabled: Annotated[bool, Key("take manifests of schema 1", version="2.8")] = False
    signingkeyfile: Annotated[
        str, Key("key that signs such manifests", version="2.8", go="TRUSTKEY")
    ] = ""


class Compatibility(Section, frozen=True, kw_only=True):
    """Things of the past."""

    schema1: Annotated[Schema1, Key("manifests of schema 1", version="2.8")] = Schema1()


class Catalog(Section, frozen=True, kw_only=True):
    """The list of repositories."""

    maxentries: Annotated[
        int, Key("most repositories in one answer of the catalog", zero_is_default=True)
    ] = 1000


class Tags(Section, frozen=True, kw_only=True):
    """The list of tags."""

    maxtags: Annotated[
        int, Key("most tags in one answer of the tag list", version="3", zero_is_default=True)
    ] = 1000


class URLs(Section, frozen=True, kw_only=True):
    """URLs that manifests may name for layers kept elsewhere."""

    allow: Annotated[list[str], Key("patterns of layer URLs manifests may name")] = []
    deny: Annotated[list[str], Key("patterns of layer URLs they may not")] = []


class Platform(Section, frozen=True, kw_only=True):
    """One platform of an image."""

    architecture: Annotated[str, Key("architecture, such as amd64", version="3")] = ""
    os: Annotated[str, Key("operating system, such as linux", version="3")] = ""


class Indexes(Section, frozen=True, kw_only=True):
    """What must be there when an index is pushed."""

    platforms: Annotated[
        Literal["all", "none", "list"],
        Key("which images of an index must be there when it is pushed", version="3"),
    ] = "all"
    platformlist: Annotated[list[Platform], Key("those platforms, for list", version="3")] = []


class Manifests(Section, frozen=True, kw_only=True):
    """What a manifest must be."""

    urls: Annotated[URLs, Key("layers kept elsewhere")] = URLs()
    indexes: Annotated[Indexes, Key("images of an index", version="3")] = Indexes()


class Validation(Section, frozen=True, kw_only=True):
    """What is checked at a push."""

    enabled: Annotated[bool | None, Key("old opposite of disabled")] = None
    disabled: Annotated[bool, Key("do not check what a pushed manifest refers to")] = False
    manifests: Annotated[Manifests, Key("what a manifest must be")] = Manifests()


class RepositoryPolicy(Section, frozen=True, kw_only=True):
    """What may be in a repository."""

    classes: Annotated[list[str], Key("classes of content that may be pushed: image, plugin")] = []


class Policy(Section, frozen=True, kw_only=True):
    """What may be kept."""

    repository: Annotated[RepositoryPolicy, Key("what may be in a repository")] = RepositoryPolicy()


class Trireme(Section, frozen=True, kw_only=True):
    """Our own keys. A Go registry ignores the whole map."""

    workers: Annotated[
        int, Key("how many processes serve", version="own", default="one per core")
    ] = 0


class Configuration(Section, frozen=True, kw_only=True):
    """The whole of it."""

    version: Annotated[str, Key("version of the configuration; always 0.1", required=True)] = "0.1"
    log: Annotated[Log, Key("what is logged")] = Log()
    loglevel: Annotated[
        Literal["error", "warn", "info", "debug"] | None, Key("old name of log.level")
    ] = None
    storage: Annotated[Storage, Key("where bytes rest")] = Storage()
    auth: Annotated[Auth, Key("who may do what")] = Auth()
    middleware: Annotated[Middleware, Key("what is put in between")] = Middleware()
    reporting: Annotated[Reporting, Key("reports to services", version="2.8")] = Reporting()
    http: Annotated[HTTP, Key("listeners")] = HTTP()
    notifications: Annotated[Notifications, Key("who is told of events")] = Notifications()
    redis: Annotated[Redis | None, Key("a Redis server")] = None
    health: Annotated[Health, Key("what makes the registry unhealthy")] = Health()
    catalog: Annotated[Catalog, Key("list of repositories")] = Catalog()
    tags: Annotated[Tags, Key("list of tags", version="3")] = Tags()
    proxy: Annotated[Proxy, Key("cache of another registry")] = Proxy()
    compatibility: Annotated[Compatibility, Key("things of the past", version="2.8")] = (
        Compatibility()
    )
    validation: Annotated[Validation, Key("what is checked at a push")] = Validation()
    policy: Annotated[Policy, Key("what may be kept")] = Policy()
    trireme: Annotated[Trireme, Key("our own keys; ignored by distribution", version="own")] = (
        Trireme()
    )
