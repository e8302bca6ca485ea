"""The ``_state`` token, verified as distribution verifies it."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from registry.oci.upload_state import format_time, seal

START = datetime(2026, 8, 18, 9, 30, 5, 999_999, tzinfo=UTC)


@given(
    st.binary(min_size=1, max_size=100),
    st.text("abc/-_.", min_size=1, max_size=255),
    st.uuids().map(str),
    st.integers(0, 2**53),
)
def test_a_token_is_a_signature_and_the_json_it_signs(
    secret: bytes, name: str, upload_id: str, offset: int
) -> None:
    token = seal(secret, name, upload_id, offset, START)
    raw = base64.b64decode(token, altchars=b"-_", validate=True)
    assert base64.urlsafe_b64encode(raw).decode() == token  # padded: Go wants it so
    assert raw[:32] == hmac.new(secret, raw[32:], hashlib.sha256).digest()
    assert json.loads(raw[32:]) == {
        "Name": name,
        "UUID": upload_id,
        "Offset": offset,
        "StartedAt": "2026-08-18T09:30:05Z",
    }


def test_another_secret_signs_otherwise() -> None:
    one, two = (seal(secret, "a", "b", 0, START) for secret in (b"one", b"two"))
    assert one != two


@given(st.datetimes(min_value=datetime(1970, 1, 2)), st.integers(-12, 14))
def test_times_are_in_utc_with_whole_seconds(moment: datetime, hours: int) -> None:
    local = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    text = format_time(local)
    assert datetime.fromisoformat(text) == local.astimezone(UTC).replace(microsecond=0)
    assert text.endswith("Z")
