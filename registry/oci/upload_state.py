"""The ``_state`` token that distribution puts into upload Locations.

Form: padded URL-safe base64 of an HMAC-SHA256 under ``http.secret`` followed by the JSON it signs.
Ours is written so that a Go registry with the same secret can go on with an upload; Trireme itself
never asks for it, since its own record of the upload says more.

Source: reference of distribution v2.8 and v3 (``hmac.go`` form: fields Name, UUID, Offset,
StartedAt).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime


def seal(secret: bytes, name: str, upload_id: str, offset: int, started_at: datetime) -> str:
    """Return the token of an upload that stands at `offset` bytes.

    Args:
        secret: ``http.secret``, the same on all instances.
        name: Repository of the upload.
        upload_id: Its UUID.
        offset: Bytes taken so far.
        started_at: When it began; written in UTC with whole seconds.
    """
    message = json.dumps(
        {
            "Name": name,
            "UUID": upload_id,
            "Offset": offset,
            "StartedAt": format_time(started_at),
        },
        separators=(",", ":"),
    ).encode()
    signature = hmac.digest(secret, message, hashlib.sha256)
    return base64.urlsafe_b64encode(signature + message).decode("ascii")


def format_time(moment: datetime) -> str:
    """Return `moment` as RFC 3339 in UTC with whole seconds, the form of ``startedat`` files."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
