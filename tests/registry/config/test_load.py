"""Whole configurations: files, the built-in one, and everything hostile."""

import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from registry.config import Configuration, ConfigurationError, Loaded, load
from registry.config.environment import known_variables
from registry.config.keys import walk

IMAGE_2 = """\
version: 0.1
log:
  fields:
    service: registry
storage:
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
http:
  addr: :5000
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
"""
IMAGE_3 = """\
version: 0.1
log:
  level: debug
  fields:
    service: registry
    environment: development
storage:
  delete:
    enabled: true
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: /var/lib/registry
  tag:
    concurrencylimit: 5
http:
  addr: :5000
  debug:
    addr: :5001
    prometheus:
      enabled: true
      path: /metrics
  headers:
    X-Content-Type-Options: [nosniff]
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
"""


class Files:
    """Loads texts as files of one name."""

    def __init__(self, directory: Path) -> None:
        self.path = str(directory / "config.yml")

    def load(
        self,
        text: str | bytes,
        environ: dict[str, str] | None = None,
        drivers: Collection[str] = ("filesystem", "inmemory"),
    ) -> Loaded:
        data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
        Path(self.path).write_bytes(data)
        return load(self.path, environ or {}, drivers=drivers)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_the_configuration_of_the_image_of_version_2_loads(files: Files) -> None:
    loaded = files.load(IMAGE_2)
    assert not loaded.warnings
    assert loaded.source == files.path
    assert not loaded.built_in
    c = loaded.configuration
    assert c.storage.driver == "filesystem"
    assert c.storage.parameters == {"rootdirectory": "/var/lib/registry", "maxthreads": 100}
    assert c.storage.cache.kind == "inmemory"
    assert not c.storage.delete.enabled
    assert c.http.address is not None
    assert (c.http.address.host, c.http.address.port) == ("", 5000)
    assert c.http.headers == {"X-Content-Type-Options": ["nosniff"]}
    assert c.http.debug.address is None
    assert (c.health.storagedriver.interval, c.health.storagedriver.threshold) == (10.0, 3)
    assert c.log.level == "info"
    assert c.log.fields == {"service": "registry"}


def test_the_configuration_of_the_image_of_version_3_loads(files: Files) -> None:
    loaded = files.load(IMAGE_3)
    assert not loaded.warnings
    c = loaded.configuration
    assert c.storage.delete.enabled
    assert c.storage.tag.concurrencylimit == 5
    assert c.log.level == "debug"
    assert c.http.debug.address is not None
    assert c.http.debug.address.port == 5001
    assert c.http.debug.prometheus.enabled


def test_the_built_in_configuration_is_that_of_image_3_but_for_this_host_only(
    files: Files,
) -> None:
    loaded = load(None, {})
    assert (loaded.source, loaded.warnings) == ("built-in defaults", [])
    assert loaded.built_in
    c = loaded.configuration
    assert (c.http.addr, c.http.debug.addr) == ("127.0.0.1:5000", "127.0.0.1:5001")
    assert c.storage.parameters["rootdirectory"] == "./data"
    assert c.log.level == "info"
    image = files.load(
        IMAGE_3.replace("  level: debug\n", "")
        .replace("    environment: development\n", "")
        .replace("addr: :5001", "addr: 127.0.0.1:5001")
    )
    assert load(None, {}, in_container=True).configuration == image.configuration


def test_a_file_is_not_mixed_with_the_built_in_configuration(files: Files) -> None:
    c = files.load("version: 0.1\nstorage: inmemory\nhttp: {addr: ':5000'}\n").configuration
    assert c.storage.driver == "inmemory"
    assert not c.storage.delete.enabled
    assert c.storage.cache.kind is None
    assert c.http.headers == {}
    assert c.http.debug.address is None
    assert not c.health.storagedriver.enabled


def test_the_source_tells_how_many_variables_were_applied(files: Files) -> None:
    environ = {"REGISTRY_HTTP_ADDR": ":1", "REGISTRY_NONSENSE": "1", "REGISTRY_PORT": "tcp://h:1"}
    assert load(None, environ).source == "built-in defaults and 1 environment variable"
    environ["REGISTRY_LOG_LEVEL"] = "warn"
    assert files.load(IMAGE_2, environ).source == f"{files.path} and 2 environment variables"


def test_the_file_may_be_named_by_a_variable(files: Files) -> None:
    files.load(IMAGE_2)
    loaded = load(None, {"REGISTRY_CONFIGURATION_PATH": files.path})
    assert (loaded.source, loaded.warnings) == (files.path, [])
    assert load(files.path, {"REGISTRY_CONFIGURATION_PATH": "/nowhere"}).source == files.path


def test_the_old_name_of_the_log_level(files: Files) -> None:
    assert load(None, {"REGISTRY_LOGLEVEL": "debug"}).configuration.log.level == "debug"
    base = "version: 0.1\nstorage: inmemory\nhttp: {addr: ':1'}\nloglevel: error\n"
    assert files.load(base).configuration.log.level == "error"
    assert files.load(base + "log: {level: warn}\n").configuration.log.level == "warn"
    assert files.load(base + "log:\n").configuration.log.level == "error"
    with pytest.raises(ConfigurationError, match="log: 'x' is not a map"):
        files.load(base + "log: x\n")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/nowhere/config.yml", "cannot be read: no such file or directory; name a readable file"),
        ("/", "cannot be read: is a directory"),
        ("a\0b", "cannot be read: embedded null byte"),
    ],
)
def test_a_file_that_cannot_be_read(path: str, expected: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(path, {})
    assert expected in str(caught.value)


def test_all_problems_are_told_at_once_each_with_its_place(files: Files) -> None:
    with pytest.raises(ConfigurationError) as caught:
        files.load(
            "version: 0.2\n"
            "storage:\n"
            "  filesystem: {maxthreads: many}\n"
            "http:\n"
            "  addr: 5000\n"
            "  draintimeout: soon\n"
            "  tls: {certificate: /c}\n"
            "auth: {token: {realm: r, service: s, issuer: i}}\n",
            {"REGISTRY_LOG_LEVEL": "loud"},
        )
    name = files.path
    assert str(caught.value).replace(name, "c.yml").splitlines() == [
        "REGISTRY_LOG_LEVEL: log.level: 'loud' is not known; use one of error, warn, info, debug",
        "c.yml:3:28: storage.filesystem.maxthreads: 'many' is not a whole number; "
        "write a number such as 100",
        "c.yml:6:17: http.draintimeout: 'soon' is not a duration: expected a number with a unit, "
        "such as 10s, 100ms or 1h30m; write a number with a unit, such as 10s or 1h30m",
        "c.yml:1:1: version: '0.2' is not known; write version: 0.1",
        "c.yml:5:3: http.addr: '5000' is not an address: expected host:port with a port from 0 to "
        "65535; write :5000, 127.0.0.1:5000 or [::1]:5000",
        "c.yml:7:3: http.tls.key: a value is required with http.tls.certificate; "
        "set it to the PEM file, or remove http.tls.certificate",
        "c.yml:8:8: auth.token: tokens are not served yet, and without them everybody would be let "
        "in; use auth.htpasswd, or remove auth to let everybody in",
    ]


def test_unknown_keys_are_warnings_with_place_and_nearest_name(files: Files) -> None:
    loaded = files.load(IMAGE_2 + "  filez: []\ntrireme:\n  workerz: 3\nhttpp: {}\n")
    assert [str(w).replace(files.path, "c.yml") for w in loaded.warnings] == [
        "c.yml:19:3: health.filez: unknown key, ignored; did you mean file?",
        "c.yml:21:3: trireme.workerz: unknown key, ignored; did you mean workers?",
        "c.yml:22:1: httpp: unknown key, ignored; did you mean http?",
    ]


EVERYTHING = """\
version: 0.1
log:
  accesslog: {disabled: true}
  level: debug
  formatter: json
  fields: {service: registry, count: 3}
  reportcaller: true
  hooks:
    - type: mail
      disabled: true
      levels: [panic]
      options:
        smtp: {addr: 'mail:25', username: u, password: p, insecure: true}
        from: a@example.com
        to: [b@example.com]
loglevel: info
storage:
  filesystem: {rootdirectory: /data, maxthreads: 50}
  delete: {enabled: true}
  redirect: {disable: true}
  cache: {blobdescriptor: inmemory, blobdescriptorsize: 5000}
  tag: {concurrencylimit: 4}
  maintenance:
    uploadpurging: {enabled: true, age: 72h, interval: 12h, dryrun: true}
    readonly: {enabled: true}
auth:
  htpasswd: {realm: 1:30, path: /auth/htpasswd}
middleware:
  storage:
    - {name: redirect, disabled: true, options: {baseurl: https://example.com/}}
  registry: [{name: x, disabled: true}]
  repository: [{name: x, disabled: true}]
http:
  addr: 127.0.0.1:5000
  net: tcp
  prefix: /registry/
  host: https://registry.example.com
  secret: 0755
  relativeurls: true
  draintimeout: 60s
  headers: {X-Frame-Options: [DENY, SAMEORIGIN]}
  tls:
    certificate: /certs/a.crt
    key: /certs/a.key
    minimumtls: tls1.3
    ciphersuites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_AES_128_GCM_SHA256]
    clientcas: []
    letsencrypt: {cachefile: '', email: '', hosts: [], directoryurl: ''}
  debug:
    addr: localhost:5001
    prometheus: {enabled: true, path: /m}
  http2: {disabled: false}
  h2c: {enabled: false}
notifications:
  events: {includereferences: true}
  endpoints:
    - name: a
      disabled: true
      url: https://example.com/
      headers: {Authorization: [Bearer x]}
      timeout: 500ms
      threshold: 5
      backoff: 1s
      ignoredmediatypes: [a/b]
      ignore: {mediatypes: [c/d], actions: [pull]}
health:
  storagedriver: {enabled: true, interval: 5s, threshold: 2}
  file: [{file: /down, interval: 1s, threshold: 1}]
  http:
    - {uri: 'http://127.0.0.1/h', headers: {A: [b]}, statuscode: 204, timeout: 2s, interval: 3s,
       threshold: 4}
  tcp: [{addr: '127.0.0.1:6379', timeout: 1s, interval: 2s, threshold: 3}]
proxy: {remoteurl: '', username: '', password: '', ttl: 168h, exec: {command: '', lifetime: },
  cachewritetimeout: 5m}
compatibility: {schema1: {signingkeyfile: /k, enabled: false}}
catalog: {maxentries: 500}
tags: {maxtags: 600}
validation:
  enabled: true
  disabled: false
  manifests:
    urls: {allow: ['^https://example\\.com/'], deny: ['^http:']}
    indexes: {platforms: list, platformlist: [{architecture: amd64, os: linux}]}
policy: {repository: {classes: []}}
reporting: {bugsnag: {}, newrelic: {}}
trireme: {workers: 3}
"""


def test_a_configuration_full_of_keys_loads_without_a_warning(files: Files) -> None:
    loaded = files.load(EVERYTHING)
    assert loaded.warnings == []
    c = loaded.configuration
    assert c.log.hooks[0].options.from_ == "a@example.com"
    assert c.log.fields == {"service": "registry", "count": 3}
    assert c.log.level == "debug"
    assert c.storage.maintenance.uploadpurging.age == 72 * 3600.0
    assert c.storage.maintenance.readonly.enabled
    assert c.auth.type == "htpasswd"
    assert c.auth.htpasswd is not None
    assert c.auth.htpasswd.realm == "1:30"
    assert c.http.secret == "0755"
    assert c.http.drain_s == 60.0
    assert c.http.http2_enabled
    assert c.http.tls.minimum == "tls1.3"
    assert c.notifications.endpoints[0].timeout == 0.5
    assert c.health.http[0].statuscode == 204
    assert c.proxy.ttl == 168 * 3600.0
    assert c.trireme.workers == 3
    assert c.validation.manifests.indexes.platformlist[0].architecture == "amd64"
    assert c.tags.maxtags == 600


@pytest.mark.parametrize("path", [path for path, _ in walk(Configuration)])
def test_the_full_configuration_and_the_tables_below_hold_every_key(path: str) -> None:
    """A new key of the schema must come with a value in these tests."""
    written = {
        **yaml.safe_load(EVERYTHING),
        "redis": yaml.safe_load(REDIS)["redis"],
    }
    written["storage"] |= yaml.safe_load(STORES)
    written["storage"]["cache"]["layerinfo"] = "inmemory"
    written["http"]["tls"]["clientauth"] = "request-client-cert"
    token = ["realm", "service", "issuer", "rootcertbundle", "jwks", "signingalgorithms"]
    written["auth"] |= {
        "silly": {"realm": "r", "service": "s"},
        "none": {},
        "token": dict.fromkeys([*token, "autoredirect", "autoredirectpath"]),
    }
    written["reporting"] = {
        "bugsnag": dict.fromkeys(("apikey", "releasestage", "endpoint")),
        "newrelic": dict.fromkeys(("licensekey", "name", "verbose")),
    }
    for entries in written["middleware"].values():
        entries[0].setdefault("options", {})
    node: Any = written
    for part in path.replace("[]", ".0").split("."):
        assert (int(part) < len(node)) if part == "0" else part in node, path
        node = node[0] if part == "0" else node[part]


STORES = """\
inmemory: {}
s3: {accesskey: a, secretkey: b, region: r, regionendpoint: 'http://h', redirectendpoint: 'http://i',
  forcepathstyle: true, accelerate: false, usedualstack: no, usefipsendpoint: off, bucket: b,
  rootdirectory: /p, encrypt: true, keyid: k, secure: "true", skipverify: false, v4auth: true,
  chunksize: 5242880, multipartcopychunksize: 1, multipartcopymaxconcurrency: 2,
  multipartcopythresholdsize: 3, storageclass: NONE, objectacl: private, useragent: u,
  loglevel: debug}
gcs: {bucket: b, keyfile: /k, credentials: {type: service_account, project_id: p},
  rootdirectory: /p, chunksize: 5242880, maxconcurrency: 5, useragent: u}
azure: {accountname: a, accountkey: k, container: c, connectionstring: s, serviceurl: 'http://h',
  credentials: {type: shared_key, clientid: c, tenantid: t, secret: s}, realm: r,
  rootdirectory: /p, max_retries: 3, retry_delay: 200ms, skipverify: true}
swift: {username: u, container: c, chunksize: 5}
oss: {bucket: b, region: r}
"""
REDIS = """\
redis: {addr: 'h:1', addrs: ['h:1'], clientname: n, db: 1, protocol: 3, username: u, password: p,
  sentinelusername: u, sentinelpassword: p, mastername: m, maxretries: -1, minretrybackoff: 8ms,
  maxretrybackoff: -1, dialtimeout: 5s, readtimeout: 3s, writetimeout: 3s,
  contexttimeoutenabled: true, poolfifo: true, poolsize: 10, pooltimeout: 4s, minidleconns: 1,
  maxidleconns: 2, maxactiveconns: 3, connmaxidletime: 30m, connmaxlifetime: 0s, maxredirects: 3,
  readonly: false, routebylatency: false, routerandomly: false, disableidentity: true,
  identitysuffix: x, unstableresp3: false, pool: {maxidle: 1, maxactive: 2, idletimeout: 60s},
  tls: {certificate: /c, key: /k, rootcas: [/r]}}
"""


@pytest.mark.parametrize("driver", yaml.safe_load(STORES))
def test_every_parameter_of_every_driver_loads_where_the_driver_is_known(
    files: Files, driver: str
) -> None:
    given_parameters = yaml.safe_load(STORES)[driver]
    text = yaml.safe_dump(
        {"version": 0.1, "http": {"addr": ":1"}, "storage": {driver: given_parameters}}
    )
    loaded = files.load(text, drivers=[driver])
    assert loaded.warnings == []
    parameters = loaded.configuration.storage.parameters
    assert set(parameters) >= set(given_parameters)
    if driver == "azure":
        assert parameters["retry_delay"] == 0.2
        assert parameters["credentials"] == given_parameters["credentials"]
    if driver == "s3":
        assert parameters["secure"] is True
        assert parameters["chunksize"] == 5242880


def test_a_driver_of_somebody_else_gets_its_parameters_as_they_are(files: Files) -> None:
    loaded = files.load(
        "version: 0.1\nhttp: {addr: ':1'}\nstorage: {tape: {speed: 3, label: 'yes', on: yes}}\n",
        drivers=["tape"],
    )
    assert loaded.configuration.storage.driver == "tape"
    assert loaded.configuration.storage.parameters == {"speed": 3, "label": "yes", "on": True}
    assert loaded.warnings == []


def test_parameters_a_known_driver_does_not_know_are_kept_with_a_warning(files: Files) -> None:
    loaded = files.load(
        "version: 0.1\nhttp: {addr: ':1'}\nstorage: {filesystem: {rootdirectroy: /d, own: 1}}\n"
    )
    assert loaded.configuration.storage.parameters == {
        "rootdirectroy": "/d",
        "own": 1,
        "rootdirectory": "/var/lib/registry",
        "maxthreads": 100,
    }
    assert [(w.key, w.nearest) for w in loaded.warnings] == [
        ("storage.filesystem.rootdirectroy", "rootdirectory"),
        ("storage.filesystem.own", None),
    ]


def test_the_representation_hides_secrets(files: Files) -> None:
    text = yaml.safe_dump(
        {
            "version": 0.1,
            "http": {"addr": ":1", "secret": "hunter2"},
            "storage": {"s3": {"bucket": "b", "secretkey": "hunter2", "region": "r"}},
        }
    )
    shown = repr(files.load(text, drivers=["s3"]))
    assert "hunter2" not in shown
    assert "region='r'" in shown


def test_importing_the_package_needs_neither_trio_nor_the_rest_of_the_server() -> None:
    script = "import sys, registry.config as c; c.load(None, {}); print(sorted(sys.modules))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "'trio'" not in run.stdout
    assert "'quart'" not in run.stdout


SETTINGS = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
WORDS = sorted({part.rstrip("[]") for path, _ in walk(Configuration) for part in path.split(".")})
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.sampled_from(["0.1", ":5000", "10s", "[::1]:1", "tls1.2", "(", "<<", "*", "redis", "1e999"]),
    st.text(max_size=8),
)
TREES = st.dictionaries(
    st.sampled_from(WORDS) | st.text(max_size=4),
    st.recursive(
        LEAVES,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=4), inner, max_size=4)
        ),
        max_leaves=12,
    ),
    max_size=6,
)


def loads_or_refuses(files: Files, data: str | bytes, environ: dict[str, str]) -> None:
    """Load; the only error there may be is the one that tells what is wrong."""
    try:
        loaded = files.load(data, environ)
    except ConfigurationError as exc:
        problems = exc.problems
    else:
        assert loaded.configuration.storage.driver in ("filesystem", "inmemory")
        return
    assert problems
    assert all(problem.message and problem.place for problem in problems)


@SETTINGS
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_any_bytes_load_or_refuse(files: Files, data: str | bytes) -> None:
    loads_or_refuses(files, data, {})


@SETTINGS
@given(st.text(alphabet="ab:- \n\t{}[],&*!|>'\"#%@`?<0.~\\", max_size=60))
def test_any_yaml_punctuation_loads_or_refuses(files: Files, data: str) -> None:
    loads_or_refuses(files, "version: 0.1\nhttp:\n  addr: " + data, {})


@SETTINGS
@given(TREES)
def test_any_tree_loads_or_refuses(files: Files, tree: dict[str, Any]) -> None:
    data = yaml.safe_dump({"version": "0.1", "storage": "inmemory"} | tree, allow_unicode=True)
    loads_or_refuses(files, data, {})


@SETTINGS
@given(
    st.dictionaries(
        st.sampled_from(known_variables())
        | st.tuples(st.sampled_from(known_variables()), st.text(max_size=6)).map("_".join)
        | st.text(alphabet="ABC_019x-", max_size=10).map("REGISTRY_".__add__),
        st.one_of(
            st.text(alphabet="ab:- \n\t{}[],&*!|>'\"#%@`?<0.~\\\udc80", max_size=20),
            LEAVES.map(str),
            TREES.map(yaml.safe_dump),
        ),
        max_size=4,
    )
)
def test_any_variables_load_or_refuse(files: Files, environ: dict[str, str]) -> None:
    loads_or_refuses(files, IMAGE_2, environ)
