"""The Basic scheme of HTTP authentication: its header values and nothing else.

Source: RFC 7617; RFC 9110, 11.4 (``credentials = auth-scheme [ 1*SP token68 ]``).
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a client says about itself.

    Attributes:
        user: The name, possibly empty; it cannot hold a colon.
        password: The password as the client encoded it; not part of the repr.
    """

    user: str
    password: bytes = field(repr=False)


def parse_credentials(authorization: str | None) -> Credentials | None:
    """Return the credentials in an ``Authorization`` value, None where there are none to use.

    None covers a missing header, another scheme, damaged base64, bytes that are not UTF-8 and a
    missing colon: to a client all of these are answered alike.
    """
    scheme, _, encoded = (authorization or "").partition(" ")
    encoded = encoded.strip(" ")
    if scheme.lower() != "basic" or len(encoded) % 4:
        return None
    try:
        decoded = base64.b64decode(encoded.encode("ascii"), validate=True)
        user, colon, password = decoded.decode("utf-8").partition(":")
    except (UnicodeError, binascii.Error):
        return None
    return Credentials(user, password.encode("utf-8")) if colon else None


def challenge(realm: str) -> str:
    """Return the ``WWW-Authenticate`` value that asks for Basic credentials of `realm`.

    Raises:
        ValueError: `realm` holds a control character, which no header can carry.
    """
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in realm):
        raise ValueError(f"{realm!r} holds a control character, use printable text")
    escaped = realm.replace("\\", "\\\\").replace('"', '\\"')
    return f'Basic realm="{escaped}"'
