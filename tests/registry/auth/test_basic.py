import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.auth.basic import Credentials, challenge, parse_credentials


def encoded(content: bytes, scheme: str = "Basic") -> str:
    return f"{scheme} {base64.b64encode(content).decode()}"


@pytest.mark.parametrize("scheme", ["Basic", "basic", "BASIC", "bAsIc"])
def test_the_scheme_has_no_case(scheme: str) -> None:
    assert parse_credentials(encoded(b"u:p", scheme)) == Credentials("u", b"p")


def test_blanks_around_the_base64_do_not_count() -> None:
    assert parse_credentials("Basic   dTpw  ") == Credentials("u", b"p")


@pytest.mark.parametrize(
    ("content", "user", "password"),
    [
        (b"u:a:b", "u", b"a:b"),
        (b":", "", b""),
        (b"u:", "u", b""),
        ("ü:ß".encode(), "ü", "ß".encode()),
        (b"u:a\0b", "u", b"a\0b"),
    ],
)
def test_the_first_colon_divides(content: bytes, user: str, password: bytes) -> None:
    assert parse_credentials(encoded(content)) == Credentials(user, password)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "Basic",
        "Basic ",
        "Bearer dTpw",
        "BasicdTpw",
        "Basic\tdTpw",
        "Basic dTp",  # padding is missing
        "Basic dTpw=",
        "Basic dT pw",
        "Basic dTpw, Basic dTpw",
        "Basic ü",
        "Basic \udcff",
        encoded(b"no colon"),
        encoded(b"u:\xff"),
        encoded(b"\xff:p"),
    ],
)
def test_what_cannot_be_used_is_none(value: str | None) -> None:
    assert parse_credentials(value) is None


@given(st.text())
def test_no_value_raises(value: str) -> None:
    parse_credentials(value)
    parse_credentials("Basic " + value)


def test_the_repr_keeps_the_password() -> None:
    assert "hunter2" not in repr(Credentials("u", b"hunter2"))


@pytest.mark.parametrize(
    ("realm", "header"),
    [
        ("Registry Realm", 'Basic realm="Registry Realm"'),
        ('a"b\\c', 'Basic realm="a\\"b\\\\c"'),
        ("Größe", 'Basic realm="Größe"'),
    ],
)
def test_the_challenge_quotes_the_realm(realm: str, header: str) -> None:
    assert challenge(realm) == header


@pytest.mark.parametrize("realm", ["a\r\nSet-Cookie: x", "a\0", "\x7f"])
def test_a_realm_with_control_characters_is_refused(realm: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        challenge(realm)
