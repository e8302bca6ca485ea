"""The grammar of a listener's address, as Go's network package writes it: ``host:port``."""

import ipaddress
import re
from dataclasses import dataclass

MAX_PORT = 65535

_HOST_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?")
_PORT = re.compile(r"[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen or connect.

    Attributes:
        host: A name or an address without brackets; empty is every address of this host.
        port: 0 to 65535; 0 takes any free port.
    """

    host: str
    port: int

    def __str__(self) -> str:
        """Write it back, an IPv6 address in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_loopback(self) -> bool:
        """Only this host can reach it."""
        if self.host.lower() == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host.partition("%")[0]).is_loopback
        except ValueError:
            return False


def parse_address(text: str) -> Address:
    """Parse ``:5000``, ``127.0.0.1:5000``, ``[::1]:5000`` or ``name:5000``.

    Raises:
        ValueError: `text` is none of these; the message says what was expected.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not _PORT.fullmatch(port) or int(port) > MAX_PORT:
        raise ValueError(f"expected host:port with a port from 0 to {MAX_PORT}")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        try:
            ipaddress.IPv6Address(host)
        except ValueError:
            raise ValueError("expected an IPv6 address between the brackets") from None
    elif ":" in host:
        raise ValueError("an IPv6 address needs brackets, as in [::1]:5000")
    elif host and not _HOST_NAME.fullmatch(host):
        raise ValueError("expected a host name or an address before the colon")
    return Address(host, int(port))
