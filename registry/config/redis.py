"""The keys below `redis`: those of distribution 2.8 and of 3 side by side."""

# ruff: noqa: RUF012 - msgspec gives each instance its own copy of an empty list or map

from typing import Annotated

from registry.config.keys import Key, Seconds, Section


class Pool(Section, frozen=True, kw_only=True):
    """Connections kept open, as distribution 2.8 names them."""

    maxidle: Annotated[int | None, Key("most idle connections", version="2.8")] = None
    maxactive: Annotated[int | None, Key("most connections", version="2.8")] = None
    idletimeout: Annotated[
        Seconds | None, Key("when idle connections are closed", version="2.8")
    ] = None


class RedisTLS(Section, frozen=True, kw_only=True):
    """Transport security towards Redis."""

    certificate: Annotated[str, Key("PEM file of the client's certificate", version="3")] = ""
    key: Annotated[str, Key("PEM file of the client's key", version="3")] = ""
    rootcas: Annotated[list[str], Key("PEM files of authorities", version="3")] = []


class Redis(Section, frozen=True, kw_only=True):
    """A Redis server, cluster or sentinel set. Negative numbers and times mean "off" there."""

    addr: Annotated[str, Key("host and port of the server", version="2.8")] = ""
    addrs: Annotated[
        list[str], Key("host and port: one for a server, more for a cluster", version="3")
    ] = []
    clientname: Annotated[str, Key("name told to the server", version="3")] = ""
    db: Annotated[int, Key("number of the database")] = 0
    protocol: Annotated[int | None, Key("version of the protocol", version="3")] = None
    username: Annotated[str, Key("user", version="3")] = ""
    password: Annotated[str, Key("password", secret=True)] = ""
    sentinelusername: Annotated[str, Key("user of the sentinels", version="3")] = ""
    sentinelpassword: Annotated[str, Key("password of the sentinels", version="3", secret=True)] = (
        ""
    )
    mastername: Annotated[str, Key("name of the set the sentinels watch", version="3")] = ""
    maxretries: Annotated[int | None, Key("tries after a failure", version="3", signed=True)] = None
    minretrybackoff: Annotated[
        Seconds | None, Key("shortest wait before another try", version="3", signed=True)
    ] = None
    maxretrybackoff: Annotated[
        Seconds | None, Key("longest wait before another try", version="3", signed=True)
    ] = None
    dialtimeout: Annotated[Seconds | None, Key("longest wait for a connection", signed=True)] = None
    readtimeout: Annotated[Seconds | None, Key("longest wait for an answer", signed=True)] = None
    writetimeout: Annotated[Seconds | None, Key("longest write", signed=True)] = None
    contexttimeoutenabled: Annotated[
        bool | None, Key("obey deadlines of the request", version="3")
    ] = None
    poolfifo: Annotated[bool | None, Key("take the oldest idle connection", version="3")] = None
    poolsize: Annotated[int | None, Key("most connections", version="3", signed=True)] = None
    pooltimeout: Annotated[
        Seconds | None, Key("longest wait for a free connection", version="3", signed=True)
    ] = None
    minidleconns: Annotated[int | None, Key("least idle connections", version="3")] = None
    maxidleconns: Annotated[int | None, Key("most idle connections", version="3")] = None
    maxactiveconns: Annotated[int | None, Key("most connections in use", version="3")] = None
    connmaxidletime: Annotated[
        Seconds | None, Key("when idle connections are closed", version="3", signed=True)
    ] = None
    connmaxlifetime: Annotated[
        Seconds | None, Key("when any connection is closed", version="3", signed=True)
    ] = None
    maxredirects: Annotated[
        int | None, Key("redirections followed in a cluster", version="3", signed=True)
    ] = None
    readonly: Annotated[bool | None, Key("read from replicas", version="3")] = None
    routebylatency: Annotated[bool | None, Key("read from the nearest", version="3")] = None
    routerandomly: Annotated[bool | None, Key("read from any", version="3")] = None
    disableidentity: Annotated[bool | None, Key("do not name the client library", version="3")] = (
        None
    )
    identitysuffix: Annotated[str, Key("suffix of the client library's name", version="3")] = ""
    unstableresp3: Annotated[bool | None, Key("use unfinished parts of RESP3", version="3")] = None
    pool: Annotated[Pool, Key("connections kept open", version="2.8")] = Pool()
    tls: Annotated[RedisTLS, Key("transport security", version="3")] = RedisTLS()
