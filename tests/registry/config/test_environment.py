"""Variables over a configuration."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.config import ConfigurationError, load
from registry.config.environment import Overlay, known_variables, variable_name
from registry.config.keys import walk
from registry.config.scalars import resolve
from registry.config.schema import Configuration
from registry.config.yaml_text import parse_document

BASE = "version: 0.1\nstorage: {inmemory: }\nhttp: {addr: ':5000'}\n"


def overlaid(environ: Mapping[str, str], text: str = BASE) -> Overlay:
    overlay = Overlay(parse_document(text, "c.yml"))
    overlay.apply(environ)
    return overlay


def values(environ: Mapping[str, str], text: str = BASE) -> Any:
    overlay = overlaid(environ, text)
    assert not overlay.problems
    return resolve(overlay.root)


def test_both_dialects_reach_the_same_keys() -> None:
    yaml_names = values(
        {
            "REGISTRY_NOTIFICATIONS_EVENTS_INCLUDEREFERENCES": "true",
            "REGISTRY_HEALTH_FILE_0_FILE": "/f",
            "REGISTRY_HEALTH_HTTP_0_URI": "http://h",
            "REGISTRY_HEALTH_TCP_0_ADDR": "h:1",
            "REGISTRY_COMPATIBILITY_SCHEMA1_SIGNINGKEYFILE": "/k",
        }
    )
    go_names = values(
        {
            "REGISTRY_NOTIFICATIONS_EVENTCONFIG_INCLUDEREFERENCES": "true",
            "REGISTRY_HEALTH_FILECHECKERS_0_FILE": "/f",
            "REGISTRY_HEALTH_HTTPCHECKERS_0_URI": "http://h",
            "REGISTRY_HEALTH_TCPCHECKERS_0_ADDR": "h:1",
            "REGISTRY_COMPATIBILITY_SCHEMA1_TRUSTKEY": "/k",
        }
    )
    assert yaml_names == go_names
    assert go_names["health"] == {
        "file": [{"file": "/f"}],
        "http": [{"uri": "http://h"}],
        "tcp": [{"addr": "h:1"}],
    }


def test_a_scalar_replaces_a_map_and_is_filled_by_longer_names() -> None:
    got = values(
        {
            "REGISTRY_STORAGE_S3_BUCKET": "b",
            "REGISTRY_STORAGE": "s3",
            "REGISTRY_AUTH_HTPASSWD_REALM": "Registry Realm",
            "REGISTRY_AUTH": "htpasswd",
            "REGISTRY_AUTH_HTPASSWD_PATH": "/auth/htpasswd",
        },
        BASE.replace("{inmemory: }", "{filesystem: {rootdirectory: /d}, delete: {enabled: true}}"),
    )
    assert got["storage"] == {"s3": {"bucket": "b"}}
    assert got["auth"] == {"htpasswd": {"realm": "Registry Realm", "path": "/auth/htpasswd"}}


def test_values_are_yaml_of_any_kind() -> None:
    got = values(
        {
            "REGISTRY_HTTP_TLS_CIPHERSUITES": "[A, B]",
            "REGISTRY_HTTP_HEADERS": "{X-A: [v, w]}",
            "REGISTRY_STORAGE_DELETE_ENABLED": "true",
            "REGISTRY_STORAGE_MAINTENANCE": "{readonly: {enabled: yes}}",
        }
    )
    assert got["http"]["tls"]["ciphersuites"] == ["A", "B"]
    assert got["http"]["headers"] == {"X-A": ["v", "w"]}
    assert got["storage"]["delete"] == {"enabled": True}
    assert got["storage"]["maintenance"] == {"readonly": {"enabled": True}}


def test_maps_match_their_keys_in_any_case_and_lower_new_ones() -> None:
    text = BASE.replace("':5000'}", "':5000', headers: {X-Frame-Options: [DENY]}}")
    got = values(
        {
            "REGISTRY_HTTP_HEADERS_X-FRAME-OPTIONS": "[SAMEORIGIN]",
            "REGISTRY_HTTP_HEADERS_X-Foo": "[v]",
            "REGISTRY_LOG_FIELDS_ENVIRONMENT": "production",
            "REGISTRY_LOG_FIELDS_a_B": "nested",
        },
        text,
    )
    assert got["http"]["headers"] == {"X-Frame-Options": ["SAMEORIGIN"], "x-foo": ["v"]}
    assert got["log"]["fields"] == {"environment": "production", "a": {"b": "nested"}}


def test_lists_are_indexed_appended_to_and_never_have_a_gap() -> None:
    text = BASE + "health: {file: [{file: /a}, {file: /b, interval: 5s}]}\n"
    got = values({"REGISTRY_HEALTH_FILE_1_FILE": "/c", "REGISTRY_HEALTH_FILE_2_FILE": "/d"}, text)
    assert got["health"]["file"] == [
        {"file": "/a"},
        {"file": "/c", "interval": "5s"},
        {"file": "/d"},
    ]
    (problem,) = overlaid({"REGISTRY_HEALTH_FILE_4_FILE": "/e"}, text).problems
    assert str(problem) == (
        "REGISTRY_HEALTH_FILE_4_FILE: health.file[4]: element 4 of a list that has 2; "
        "number them without a gap: the next is 2"
    )


def test_elements_are_applied_in_the_order_of_their_numbers() -> None:
    environ = {f"REGISTRY_HTTP_TLS_CLIENTCAS_{n}": f"/{n}" for n in reversed(range(12))}
    assert values(environ)["http"]["tls"]["clientcas"] == [f"/{n}" for n in range(12)]


def test_elements_inside_untyped_values() -> None:
    text = BASE + "middleware: {storage: [{name: x, options: {l: [a, b], m: word}}]}\n"
    environ = {
        "REGISTRY_MIDDLEWARE_STORAGE_0_OPTIONS_L_1": "c",
        "REGISTRY_MIDDLEWARE_STORAGE_0_OPTIONS_M_N": "x",
    }
    overlay = overlaid(environ, text)
    options = resolve(overlay.root)["middleware"]["storage"][0]["options"]  # type: ignore[index]
    assert options == {"l": ["a", "c"], "m": "word"}
    assert [w.place for w in overlay.warnings] == ["REGISTRY_MIDDLEWARE_STORAGE_0_OPTIONS_M_N"]


def test_keys_with_underscores_can_be_named() -> None:
    got = values({"REGISTRY_STORAGE": "azure", "REGISTRY_STORAGE_AZURE_MAX_RETRIES": "7"})
    assert got["storage"] == {"azure": {"max_retries": 7}}


def test_an_overlay_leaves_what_yaml_shares_alone() -> None:
    text = BASE + "log: {fields: &f {a: 1}}\nmiddleware: {storage: [{name: x, options: *f}]}\n"
    got = values({"REGISTRY_LOG_FIELDS_A": "2"}, text)
    assert got["log"]["fields"] == {"a": 2}
    assert got["middleware"]["storage"][0]["options"] == {"a": 1}


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("REGISTRY_HTTP_ADRR", "REGISTRY_HTTP_ADDR"),
        ("REGISTRY_HTTP_TLS_CERTIFICAT", "REGISTRY_HTTP_TLS_CERTIFICATE"),
        ("REGISTRY_STORAGE_DELETE_ENABELD", "REGISTRY_STORAGE_DELETE_ENABLED"),
        ("REGISTRY_TRIREME_WORKERZ", "REGISTRY_TRIREME_WORKERS"),
        ("REGISTRY_TRIREME_FOO", "REGISTRY_TRIREME_WORKERS"),
        ("REGISTRY_HTTP_H2C_FOO", "REGISTRY_HTTP_H2C_ENABLED"),
        ("REGISTRY_HTTP_ADDR_MORE", "REGISTRY_HTTP_ADDR"),
        ("REGISTRY_HEALTH_FILE_X_FILE", "REGISTRY_HEALTH_FILE_0_FILE"),
        ("REGISTRY_", None),
        ("REGISTRY_ZZZZZZZZZZZZZZZZ_QQQQQQ", None),
    ],
)
def test_an_unknown_variable_is_a_warning_with_the_nearest_name(
    name: str, hint: str | None
) -> None:
    overlay = overlaid({name: "1"})
    (warning,) = overlay.warnings
    assert not overlay.problems
    assert not overlay.applied
    assert (warning.place, warning.quiet) == (name, False)
    if hint:
        assert warning.nearest == hint


@pytest.mark.parametrize(
    "name",
    [
        "REGISTRY_AUTH_PORT",
        "REGISTRY_AUTH_SERVICE_HOST",
        "REGISTRY_STORAGE_PORT_9000_TCP_ADDR",
    ],
)
def test_what_kubernetes_sets_for_another_service_is_quietly_ignored(name: str) -> None:
    overlay = overlaid({name: "tcp://10.0.0.1:5000"})
    (warning,) = overlay.warnings
    assert warning.quiet
    assert not overlay.problems
    assert overlay.root == parse_document(BASE, "c.yml")


def test_what_kubernetes_sets_for_a_service_of_our_name_is_one_warning() -> None:
    names = [
        "REGISTRY_PORT",
        "REGISTRY_PORT_5000_TCP",
        "REGISTRY_PORT_5000_TCP_ADDR",
        "REGISTRY_PORT_5000_TCP_PORT",
        "REGISTRY_PORT_5000_TCP_PROTO",
        "REGISTRY_SERVICE_HOST",
        "REGISTRY_SERVICE_PORT",
        "REGISTRY_SERVICE_PORT_HTTP",
    ]
    overlay = overlaid(dict.fromkeys(names, "tcp://10.0.0.1:5000"))
    (warning,) = overlay.warnings
    assert not warning.quiet
    assert all(name in str(warning) for name in names)
    assert not overlay.problems
    assert overlay.root == parse_document(BASE, "c.yml")


def test_the_credentials_file_of_podman_is_ignored_and_said() -> None:
    """Whoever has logged in by podman or skopeo may well have it set, and means no registry."""
    overlay = overlaid({"REGISTRY_AUTH_FILE": "/run/containers/0/auth.json"})
    (warning,) = overlay.warnings
    assert "podman" in warning.message
    assert not overlay.problems
    assert overlay.root == parse_document(BASE, "c.yml")


def test_a_file_that_is_wrong_above_a_key_is_not_repaired_by_a_variable() -> None:
    text = BASE.replace("{addr: ':5000'}", "[1]")
    overlay = overlaid({"REGISTRY_HTTP_ADDR": ":1"}, text)
    assert overlay.root == parse_document(text, "c.yml")
    assert not overlay.applied


def test_other_variables_are_none_of_our_business() -> None:
    overlay = overlaid(
        {"HOME": "/", "registry_http_addr": "x", "REGISTRY_CONFIGURATION_PATH": "/c"}
    )
    assert not overlay.warnings
    assert not overlay.applied


def test_a_value_that_is_not_yaml_is_a_problem_without_the_secret() -> None:
    overlay = overlaid({"REGISTRY_HTTP_SECRET": "*hunter2", "REGISTRY_LOG_LEVEL": "[a"})
    secret, plain = overlay.problems
    assert "hunter2" not in str(secret)
    assert secret.key == "http.secret"
    assert "put it in quotes: REGISTRY_HTTP_SECRET=" in secret.fix
    assert plain.key == "log.level"


def test_every_key_has_a_variable_and_every_variable_is_known() -> None:
    names = set(known_variables())
    for path, field in walk(Configuration):
        name = variable_name(path)
        if not path.endswith("[]"):
            assert name in names
        assert field.name.upper() in name


SCALARS = [
    path
    for path, field in walk(Configuration)
    if field.shape.kind in ("text", "flag", "whole", "duration", "choice") and "[]" not in path
]
DRIVERS = ("filesystem", "s3", "gcs", "azure")
REQUIRED = {"s3": "bucket", "gcs": "bucket", "azure": "container"}


def base_for(path: str) -> dict[str, Any]:
    """Return the least configuration in which `path` may stand."""
    driver = path.split(".")[1] if path.startswith("storage.") else ""
    storage: dict[str, Any] = {"inmemory": ""}
    if driver in DRIVERS:
        storage = {driver: {REQUIRED[driver]: "b"} if driver in REQUIRED else {}}
    return {"version": "0.1", "storage": storage, "http": {"addr": "':5000'"}}


def flow(value: Any) -> str:
    """Write nested maps of YAML texts as one flow map."""
    if isinstance(value, str):
        return value
    return "{" + ", ".join(f"{key}: {flow(item)}" for key, item in value.items()) + "}"


def outcome(text: str, environ: Mapping[str, str], tmp: Any) -> object:
    file = tmp / "c.yml"
    file.write_text(text, encoding="utf-8")
    try:
        return load(str(file), environ, drivers=[*DRIVERS, "inmemory"]).configuration
    except ConfigurationError as exc:
        return {(p.key, p.message) for p in exc.problems}


@given(
    path=st.sampled_from(SCALARS),
    value=st.one_of(
        st.sampled_from(["true", "no", "10s", "1h30m", "7", "0", "-3", "tls1.3", "debug", "null"]),
        st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=12).map(
            lambda text: "'" + text.replace("'", "''") + "'"
        ),
    ),
)
def test_a_variable_equals_the_same_value_in_the_file(
    tmp_path_factory: pytest.TempPathFactory, path: str, value: str
) -> None:
    tmp = tmp_path_factory.getbasetemp()
    base = base_for(path)
    from_variable = outcome(flow(base), {variable_name(path): value}, tmp)
    *above, name = path.split(".")
    inner = base
    for part in above:
        inner = inner.setdefault(part, {})
    inner[name] = value
    assert outcome(flow(base), {}, tmp) == from_variable


@pytest.mark.parametrize("path", ["log.level", *(f"storage.{name}.x" for name in DRIVERS)])
def test_the_bases_of_the_property_above_load(
    path: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Or it would only compare errors."""
    loaded = outcome(flow(base_for(path)), {}, tmp_path_factory.getbasetemp())
    assert isinstance(loaded, Configuration)
