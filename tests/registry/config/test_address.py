"""Addresses of listeners."""

import pytest

from registry.config.address import Address, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (":5000", Address("", 5000)),
        ("127.0.0.1:5000", Address("127.0.0.1", 5000)),
        ("[::1]:5000", Address("::1", 5000)),
        ("[::]:0", Address("::", 0)),
        ("registry.example.com:443", Address("registry.example.com", 443)),
        ("localhost:65535", Address("localhost", 65535)),
    ],
)
def test_parses_and_writes_back(text: str, address: Address) -> None:
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "5000",
        ":",
        ":http",
        ":65536",
        ":-1",
        "::1:5000",
        "[::1]",
        "[nonsense]:1",
        "a b:1",
        "h:1\n",
    ],
)
def test_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|brackets"):
        parse_address(text)


@pytest.mark.parametrize(
    ("text", "loopback"),
    [
        ("127.0.0.1:1", True),
        ("127.9.9.9:1", True),
        ("[::1]:1", True),
        ("LocalHost:1", True),
        (":1", False),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("example.com:1", False),
    ],
)
def test_tells_loopback(text: str, loopback: bool) -> None:
    assert parse_address(text).is_loopback is loopback
