"""Rules about values, one row each: what is written, and what is said."""

from pathlib import Path

import pytest
import yaml

from registry.config import Configuration, ConfigurationError, Loaded, load
from registry.config.served import NO_EFFECT, NOT_SERVED_REFUSE, NOT_SERVED_WARN

BASE = {"version": "0.1", "storage": {"inmemory": {}}, "http": {"addr": ":5000"}}


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "c.yml")


def loaded(path: str, text: str, environ: dict[str, str] | None = None) -> Loaded:
    """Load `text` below the least configuration there is; its own top keys replace those."""
    given = yaml.load(text, Loader=yaml.BaseLoader) if text else {}
    rest = {key: value for key, value in BASE.items() if key not in given}
    Path(path).write_text(text + "\n" + yaml.safe_dump(rest))
    return load(path, environ or {})


def problems(path: str, text: str, environ: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        loaded(path, text, environ)
    return [f"{problem.key}: {problem.message}" for problem in caught.value.problems]


def configuration(path: str, text: str) -> Configuration:
    result = loaded(path, text)
    assert result.warnings == []
    return result.configuration


REFUSED = [
    # what must be there
    ("version:", "version: a value is required"),
    ("version: 0.2", "version: '0.2' is not known"),
    ("version: [1]", "version: a list is not a text"),
    ("storage:", "storage: no storage driver is given"),
    ("storage: {delete: {enabled: true}}", "storage: no storage driver is given"),
    ("http: {}", "http.addr: a value is required"),
    ("http: {addr: ''}", "http.addr: a value is required"),
    ("auth: {htpasswd: {path: /p}}", "auth.htpasswd.realm: a value is required"),
    ("auth: {htpasswd: {realm: r}}", "auth.htpasswd.path: a value is required"),
    ("auth: {htpasswd: {realm: r, path: ''}}", "auth.htpasswd.path: a value is required"),
    ("auth: {htpasswd: {realm: r, path: ~}}", "auth.htpasswd.path: a value is required"),
    ("health: {file: [{interval: 1s}]}", "health.file[0].file: a value is required"),
    ("health: {http: [{statuscode: 200}]}", "health.http[0].uri: a value is required"),
    ("health: {tcp: [{timeout: 1s}]}", "health.tcp[0].addr: a value is required"),
    # what must be alone, or together
    ("storage: {inmemory: , filesystem: }", "storage.inmemory: more than one storage driver: "),
    ("storage: {inmemory: , delte: {enabled: true}}", "storage.delte: 'delte' is not a key of st"),
    ("storage: {inmemory: , other: , more: }", "storage.more: more than one storage driver: "),
    ("auth: {none: , htpasswd: {realm: r, path: p}}", "auth: more than one type of authenticat"),
    ("http: {addr: ':1', tls: {certificate: /c}}", "http.tls.key: a value is required with http.t"),
    (
        "http: {addr: ':1', tls: {key: /k}}",
        "http.tls.certificate: a value is required with http.tl",
    ),
    (
        "storage: {inmemory: , maintenance: {uploadpurging: {enabled: true, age: 1h}}}",
        "storage.maintenance.uploadpurging: interval, dryrun missing",
    ),
    (
        "storage: {inmemory: , maintenance: {uploadpurging: {age: 1h, interval: 1h, dryrun: no}}}",
        "storage.maintenance.uploadpurging: enabled missing",
    ),
    # types
    ("http: []", "http: a list is not a map"),
    ("http: {addr: {a: b}}", "http.addr: a map is not a text"),
    ("http: {addr: ':1', relativeurls: maybe}", "http.relativeurls: 'maybe' is not true or false"),
    ("http: {addr: ':1', headers: [a]}", "http.headers: a list is not a map"),
    ("http: {addr: ':1', headers: {A: b}}", "http.headers.A: 'b' is not a list"),
    ("http: {addr: ':1', headers: {A: [[b]]}}", "http.headers.A[0]: a list is not a text"),
    ("http: {addr: ':1', draintimeout: 8 s}", "http.draintimeout: '8 s' is not a duration: "),
    ("http: {addr: ':1', draintimeout: -1s}", "http.draintimeout: '-1s' is negative"),
    ("http: {addr: ':1', draintimeout: {}}", "http.draintimeout: a map is not a duration"),
    ("catalog: {maxentries: many}", "catalog.maxentries: 'many' is not a whole number"),
    ("catalog: {maxentries: 1.5}", "catalog.maxentries: '1.5' is not a whole number"),
    ("catalog: {maxentries: -1}", "catalog.maxentries: '-1' is negative"),
    ("catalog: {maxentries: 9223372036854775808}", "catalog.maxentries: '9223372036854775808' is"),
    ("log: {level: loud}", "log.level: 'loud' is not known"),
    ("log: {formatter: xml}", "log.formatter: 'xml' is not known"),
    ("http: {addr: ':1', net: udp}", "http.net: 'udp' is not known"),
    ("http: {addr: ':1', tls: {minimumtls: tls1.9}}", "http.tls.minimumtls: 'tls1.9' is not known"),
    ("http: {addr: ':1', secret: [s3cret]}", "http.secret: a list is not a text"),
    # ranges
    ("health: {storagedriver: {interval: 0}}", "health.storagedriver.interval: '0' is not above 0"),
    ("health: {file: [{file: /f, interval: 0s}]}", "health.file[0].interval: '0s' is not above 0"),
    ("health: {http: [{uri: 'http://h', interval: 0}]}", "health.http[0].interval: '0' is not abo"),
    ("health: {tcp: [{addr: 'h:1', interval: -5s}]}", "health.tcp[0].interval: '-5s' is negative"),
    ("health: {http: [{uri: 'http://h', statuscode: 42}]}", "health.http[0].statuscode: 42 is not"),
    ("storage: {filesystem: {maxthreads: 0}}", "storage.filesystem.maxthreads: '0' is not above 0"),
    # grammars
    ("http: {addr: '5000'}", "http.addr: '5000' is not an address: "),
    ("http: {addr: '::1:5000'}", "http.addr: '::1:5000' is not an address: an IPv6 address needs"),
    ("http: {addr: ':http'}", "http.addr: ':http' is not an address: "),
    ("http: {addr: ':1', debug: {addr: x}}", "http.debug.addr: 'x' is not an address: "),
    ("health: {tcp: [{addr: nowhere}]}", "health.tcp[0].addr: 'nowhere' is not an address: "),
    ("http: {addr: ':1', host: registry.example}", "http.host: 'registry.example' is not a base U"),
    ("http: {addr: ':1', host: 'ftp://h'}", "http.host: 'ftp://h' is not a base URL"),
    ("http: {addr: ':1', host: 'http://h:x'}", "http.host: 'http://h:x' is not a base URL"),
    ("http: {addr: ':1', prefix: registry}", "http.prefix: 'registry' is not a path"),
    ("http: {addr: ':1', prefix: '/a?b'}", "http.prefix: '/a?b' is not a path"),
    ("http: {addr: ':1', headers: {'A B': [c]}}", "http.headers.A B: 'A B' is not the name of a"),
    ("http: {addr: ':1', headers: {content-LENGTH: ['1']}}", "http.headers.content-LENGTH: 'cont"),
    ("http: {addr: ':1', headers: {Date: [now]}}", "http.headers.Date: 'Date' is a header that"),
    ('http: {addr: ":1", headers: {A: ["b\\r\\nC: d"]}}', "http.headers.A: the value holds a line"),
    ('health: {http: [{uri: "http://h", headers: {A: ["\\n"]}}]}', "health.http[0].headers.A: the"),
    ("health: {http: [{uri: h}]}", "health.http[0].uri: 'h' is not a URL"),
    (
        "http: {addr: ':1', debug: {addr: ':2', prometheus: {path: m}}}",
        "http.debug.prometheus.path: 'm' does not begin with /",
    ),
    (
        "http: {addr: ':1', tls: {ciphersuites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA255]}}",
        "http.tls.ciphersuites[0]: 'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA255' is not a cipher suite",
    ),
    ("validation: {manifests: {urls: {allow: ['(']}}}", "validation.manifests.urls.allow[0]: '(' "),
    (
        "validation: {manifests: {urls: {deny: [ok, '[[:alpha:]]']}}}",
        "validation.manifests.urls.deny[1]: '[[:alpha:]]' is not a regular expression: Possible",
    ),
    (
        "validation: {manifests: {urls: {allow: [" + "a" * 5000 + "]}}}",
        "validation.manifests.urls.allow[0]: 'aaaaaaaaaa",
    ),
    ("validation: {manifests: {indexes: {platforms: some}}}", "validation.manifests.indexes.platf"),
    # what is not served and matters
    ("auth: {token: {realm: r, service: s, issuer: i}}", "auth.token: tokens are not served yet"),
    ("auth: {silly: {realm: r, service: s}}", "auth.silly: silly authentication is not served"),
    ("auth: {htpaswd: {realm: r}}", "auth.htpaswd: 'htpaswd' is not a type of authentication"),
    ("auth: ldap", "auth.ldap: 'ldap' is not a type of authentication"),
    ("proxy: {remoteurl: 'https://registry.example'}", "proxy: being a pull-through cache is not"),
    ("proxy: {username: u}", "proxy: being a pull-through cache is not"),
    ("proxy: {ttl: 1h}", "proxy: being a pull-through cache is not"),
    ("middleware: {registry: [{name: x}]}", "middleware.registry: middleware is not served yet"),
    ("middleware: {repository: [{name: x}]}", "middleware.repository: middleware is not served"),
    (
        "middleware: {storage: [{name: a, disabled: true}, {name: b}]}",
        "middleware.storage: middleware is not served yet",
    ),
    ("http: {addr: ':1', tls: {clientcas: [/c]}}", "http.tls.clientcas: client certificates are"),
    (
        "http: {addr: ':1', tls: {clientauth: request-client-cert}}",
        "http.tls.clientauth: client certificates are not asked for yet",
    ),
    (
        "http: {addr: ':1', tls: {letsencrypt: {cachefile: /c}}}",
        "http.tls.letsencrypt: certificates are not fetched by ACME yet",
    ),
    ("policy: {repository: {classes: [image]}}", "policy.repository.classes: classes of content"),
    ("storage: {s3: {bucket: b}}", "storage.s3: this driver is not served yet"),
    ("storage: {gcs: {bucket: b}}", "storage.gcs: this driver is not served yet"),
    ("storage: {azure: {container: b}}", "storage.azure: this driver is not served yet"),
    ("storage: {swift: {}}", "storage.swift: this driver is not served yet"),
    ("storage: {oss: {}}", "storage.oss: this driver is not served yet"),
    ("storage: {'[': }", "storage.[: '[' is not a driver"),
    ("storage: {'a.b[0]': {x: y}}", "storage.a.b[0]: 'a.b[0]' is not a driver"),
    ("storage: {inmemory: [1]}", "storage.inmemory: a list is not a map"),
    ("storage: {tape: 5}", "storage.tape: '5' is not a map"),
    ("health: {file: [/down]}", "health.file[0]: '/down' is not a map"),
    ("storage: filesytem", "storage.filesytem: 'filesytem' is not a driver"),
]


@pytest.mark.parametrize(("text", "expected"), REFUSED)
def test_refuses(path: str, text: str, expected: str) -> None:
    assert any(problem.startswith(expected) for problem in problems(path, text)), problems(
        path, text
    )


WARNED = [
    (
        "notifications: {endpoints: [{name: a, url: 'http://h'}]}",
        "notifications: notifications are not sent yet",
    ),
    (
        "redis: {addr: 'h:1'}",
        "redis: Redis is not used; descriptors are remembered in each process",
    ),
    ("log: {hooks: [{type: mail}]}", "log.hooks: hooks of the log are not run"),
    ("reporting: {bugsnag: {apikey: k}}", "reporting: nothing is reported to services"),
    ("compatibility: {schema1: {enabled: true}}", "compatibility.schema1: manifests of schema 1"),
    ("http: {addr: ':1', h2c: {enabled: true}}", "http.h2c: HTTP/2 without TLS is not served"),
    (
        "http: {addr: ':1', tls: {minimumtls: tls1.0}}",
        "http.tls.minimumtls: tls1.0 is not served any more; the lowest version is TLS 1.2",
    ),
    (
        "storage: {inmemory: , cache: {blobdescriptor: redis}}",
        "storage.cache.blobdescriptor: Redis is not used",
    ),
    (
        "storage: {inmemory: , cache: {layerinfo: inmemroy}}",
        "storage.cache.layerinfo: 'inmemroy' is not known; nothing is remembered; "
        "did you mean inmemory?",
    ),
    (
        "http: {addr: ':1', debug: {prometheus: {enabled: true}}}",
        "http.debug.prometheus.enabled: metrics are served on the debug listener, and",
    ),
    (
        "http: {addr: ':1', draintimeout: 10}",
        "http.draintimeout: 10 without a unit is nanoseconds; did you mean 10s?",
    ),
    ("auth: {htpasswd: {realm: r, path: p, pth: q}}", "auth.htpasswd.pth: unknown key; did you"),
    ("trireme: {anything: 1}", "trireme.anything: unknown key, ignored"),
]


@pytest.mark.parametrize(("text", "expected"), WARNED)
def test_warns(path: str, text: str, expected: str) -> None:
    (warning,) = loaded(path, text).warnings
    assert str(warning).split(": ", 1)[1].startswith(expected)
    assert warning.place.startswith(path + ":1:")


def test_every_row_of_the_tables_is_tested_above() -> None:
    refused = {expected.partition(":")[0] for _, expected in REFUSED}
    assert {row.path for row in NOT_SERVED_REFUSE} <= refused
    warned = {expected.partition(":")[0] for _, expected in WARNED}
    assert {row.path for row in NOT_SERVED_WARN} <= warned


@pytest.mark.parametrize(
    "text",
    [
        "",
        "auth:",
        "auth: {}",
        "auth: none",
        "auth: {none: }",
        "redis: {}",
        "middleware: {storage: [{name: x, disabled: true}]}",
        "notifications: {endpoints: [{name: x, disabled: true}]}",
        "log: {hooks: [{type: mail, disabled: true}]}",
        "http: {addr: '[::1]:5000'}",
        "http: {addr: /run/registry.sock, net: unix}",
        "http: {addr: ':0', net: ''}",
        "http: {addr: ':1', host: 'https://h:5000'}",
        "storage: inmemory",
        "storage: {inmemory: , maintenance: {uploadpurging: {enabled: false}}}",
        "storage: {inmemory: , redirect: {disable: true}, tag: {concurrencylimit: 3}}",
        "storage: {inmemory: , cache: {layerinfo: inmemory}}",
        "log: {level: WARN}",
        "redis: ",
        "trireme:",
        "http: {addr: ':1', headers: }",
        "http: {addr: ':1', headers: {A: }}",
        "http: {addr: ':1', headers: {A: ['']}, tls: {ciphersuites: }}",
        "health: {file: [], http: , tcp: []}",
    ],
)
def test_takes_in_silence(path: str, text: str) -> None:
    assert configuration(path, text).storage.driver == "inmemory"


def test_keys_without_effect_are_two() -> None:
    assert NO_EFFECT == ("storage.tag.concurrencylimit", "storage.redirect.disable")


def test_an_inherited_socket_needs_no_address(path: str) -> None:
    assert loaded(path, "http: {}", {"LISTEN_FDS": "1"}).configuration.http.address is None


def test_a_second_driver_by_a_variable_is_told_how_to_replace_the_first(path: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(None, {"REGISTRY_STORAGE_S3_BUCKET": "b"})
    (problem,) = caught.value.problems
    assert str(problem) == (
        "REGISTRY_STORAGE_S3_BUCKET: storage.s3: more than one storage driver: "
        "filesystem (built-in defaults), s3 (REGISTRY_STORAGE_S3_BUCKET); "
        "keep one; the variable REGISTRY_STORAGE=s3 replaces the others by s3"
    )


def test_a_variable_replaces_the_driver_and_all_beside_it() -> None:
    loaded = load(None, {"REGISTRY_STORAGE": "inmemory"})
    assert loaded.configuration.storage.driver == "inmemory"
    assert not loaded.configuration.storage.delete.enabled


def test_the_docker_page_s_variables_turn_authentication_on() -> None:
    environ = {
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_REALM": "Registry Realm",
        "REGISTRY_AUTH_HTPASSWD_PATH": "/auth/htpasswd",
        "REGISTRY_HTTP_ADDR": "0.0.0.0:443",
        "REGISTRY_HTTP_TLS_CERTIFICATE": "/certs/domain.crt",
        "REGISTRY_HTTP_TLS_KEY": "/certs/domain.key",
    }
    c = load(None, environ, in_container=True).configuration
    assert c.auth.type == "htpasswd"
    assert c.auth.htpasswd is not None
    assert (c.auth.htpasswd.realm, c.auth.htpasswd.path) == ("Registry Realm", "/auth/htpasswd")
    assert c.http.tls.certificate == "/certs/domain.crt"


@pytest.mark.parametrize(
    ("text", "enabled"),
    [
        ("http: {addr: ':1'}", False),
        ("http: {addr: ':1', http2: }", False),
        ("http: {addr: ':1', http2: {}}", False),
        ("http: {addr: ':1', http2: {disabled: }}", False),
        ("http: {addr: ':1', http2: {disabled: true}}", False),
        ("http: {addr: ':1', http2: {disabled: false}}", True),
    ],
)
def test_http2_is_on_only_when_it_is_written_out(path: str, text: str, enabled: bool) -> None:
    assert configuration(path, text).http.http2_enabled is enabled


@pytest.mark.parametrize(
    ("written", "kept", "drain_s"),
    [("", None, 8.0), ("0", 0.0, 0.0), ("0s", 0.0, 0.0), ("1m", 60.0, 60.0)],
)
def test_no_drain_time_is_not_a_drain_time_of_nothing(
    path: str, written: str, kept: float | None, drain_s: float
) -> None:
    http = configuration(path, f"http: {{addr: ':1', draintimeout: {written}}}").http
    assert (http.draintimeout, http.drain_s) == (kept, drain_s)


@pytest.mark.parametrize(
    ("text", "value"),
    [("0", 1000), ("5", 5), ("'7'", 7), ("1_000_0", 10000), ("2.0", 2), ("", 1000)],
)
def test_numbers(path: str, text: str, value: int) -> None:
    c = configuration(path, f"catalog: {{maxentries: {text}}}\ntags: {{maxtags: {text}}}")
    assert (c.catalog.maxentries, c.tags.maxtags) == (value, value)


@pytest.mark.parametrize(
    "text", ["0755", "1:30", "2026-01-02", "yes", "0x10", "1e3", "3.10", ".inf"]
)
def test_texts_stay_as_they_are_written(path: str, text: str) -> None:
    assert configuration(path, f"http: {{addr: ':1', secret: {text}}}").http.secret == text


@pytest.mark.parametrize("text", ["", "~", "null"])
def test_nothing_is_no_text(path: str, text: str) -> None:
    assert configuration(path, f"http: {{addr: ':1', secret: {text}}}").http.secret == ""


@pytest.mark.parametrize(
    ("text", "value"), [("yes", True), ("On", True), ("'true'", True), ("n", False)]
)
def test_truths(path: str, text: str, value: bool) -> None:
    assert (
        configuration(path, f"http: {{addr: ':1', relativeurls: {text}}}").http.relativeurls
        is value
    )


def test_the_lowest_tls_version_is_never_below_1_2(path: str) -> None:
    result = loaded(path, "http: {addr: ':1', tls: {minimumtls: tls1.1}}")
    assert result.configuration.http.tls.minimum == "tls1.2"
