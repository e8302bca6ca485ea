r"""Which parts of a text are secrets, and how they are struck out.

Four shapes are known, wherever in a text they occur:

- an ``Authorization`` header, or a ``Basic`` or ``Bearer`` credential by itself;
- a parameter of a query or a form whose name is secret (``_state``, passwords, tokens, signatures),
  also when the name is percent-encoded;
- the same as a quoted key: ``"password": "..."``;
- the user part of a URI: ``https://user:password@host/``.

Every pattern is linear in the text: a run begins at a fixed character and excludes it.
"""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote_plus

REDACTED = "***"
"""What stands in the place of a secret."""

_MAX_TEXT = 64 * 1024  # more than any value that comes with a request; bounds the work per value

_SECRET_NAMES = frozenset(
    {
        "_state",
        "access_token",
        "accesskey",
        "accountkey",
        "api_key",
        "apikey",
        "auth",
        "authorization",
        "awsaccesskeyid",
        "client_secret",
        "cookie",
        "id_token",
        "identity_token",
        "identitytoken",
        "passwd",
        "password",
        "proxy-authorization",
        "pwd",
        "refresh_token",
        "registrytoken",
        "secret",
        "secretkey",
        "set-cookie",
        "sig",
        "signature",
        "token",
        "x-amz-credential",
        "x-amz-security-token",
        "x-amz-signature",
        "x-goog-credential",
        "x-goog-signature",
    }
)

_HEADER = re.compile(
    r"""((?:proxy-)?authorization["']?\s{0,8}[:=,]\s{0,8}
    (?:b(?=["']))?["']?)  # also in a dumped list
    (?:digest\s.* | (?:(basic|bearer|negotiate)\s{1,8})? [^\s"'\\]+)""",
    re.IGNORECASE | re.VERBOSE,
)
_CREDENTIAL = re.compile(r"""\b(basic|bearer)\s{1,8}([A-Za-z0-9._~+/=-]{6,})""", re.IGNORECASE)
_PARAMETER = re.compile(r"""(?<![^?&;\s"'(,{])([^\s=&?;"'<>(),{]{1,64})=""")
_PARAMETER_VALUE = re.compile(r""""[^"]*"?|'[^']*'?|[^\s&;"'<>)]*""")
_QUOTED_KEY = re.compile(r"""(["'])([A-Za-z_-]{1,32})\1(\s{0,8}[:,]\s{0,8}b?)(?:"[^"]*"|'[^']*')""")
_USER_PART = re.compile(r"""(?<=://)[^/\s"'?#<>]*@""")

_BEARER_MIN = 20  # no English word after "bearer" is this long


def is_secret_name(name: str) -> bool:
    """Is a field of this name (its last dotted part) never to be shown?"""
    return name.rpartition(".")[2].lower() in _SECRET_NAMES


def _strike_credential(match: re.Match[str]) -> str:
    scheme, value = match.group(1), match.group(2)
    if scheme.lower() == "bearer":
        secret = len(value) >= _BEARER_MIN or any(c.isdigit() for c in value)
    else:
        try:
            secret = b":" in base64.b64decode(value + "=" * (-len(value) % 4))
        except (binascii.Error, ValueError):
            secret = False
    return f"{scheme} {REDACTED}" if secret else match.group(0)


def _strike_parameters(text: str) -> str:
    kept: list[str] = []
    done = 0
    for match in _PARAMETER.finditer(text):
        # A value is passed over only when it is struck: it may hold further parameters.
        if match.start() < done or unquote_plus(match.group(1)).lower() not in _SECRET_NAMES:
            continue
        value = _PARAMETER_VALUE.match(text, match.end())
        assert value is not None, "the last alternative matches anything"
        kept += (text[done : match.end()], REDACTED)
        done = value.end()
    return "".join([*kept, text[done:]])


def _strike_quoted_key(match: re.Match[str]) -> str:
    quote, name, between = match.group(1), match.group(2), match.group(3)
    if name.lower() not in _SECRET_NAMES:
        return match.group(0)
    return f"{quote}{name}{quote}{between}{quote}{REDACTED}{quote}"


def redact(text: str) -> str:
    """Return `text` with every credential it can be seen to hold replaced by `REDACTED`.

    A text over 64 KiB is cut there first, which bounds the cost; `escaping.cap` marks the cut of
    what is shown anyway.
    """
    if len(text) > _MAX_TEXT:
        text = text[:_MAX_TEXT]
    lowered = text.lower()
    if "authorization" in lowered:
        text = _HEADER.sub(
            lambda m: f"{m.group(1)}{m.group(2) + ' ' if m.group(2) else ''}{REDACTED}", text
        )
    if "basic" in lowered or "bearer" in lowered:
        text = _CREDENTIAL.sub(_strike_credential, text)
    if "=" in text:
        text = _strike_parameters(text)
    if '"' in text or "'" in text:
        text = _QUOTED_KEY.sub(_strike_quoted_key, text)
    if "://" in text and "@" in text:
        text = _USER_PART.sub(f"{REDACTED}@", text)
    return text
