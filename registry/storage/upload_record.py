"""Our own record of an upload: what a hash state in Go's form cannot say."""

from __future__ import annotations

import binascii

import msgspec


class UploadRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Content of the ``trireme`` file. Version 1; a reader refuses versions it does not know."""

    version: int
    offset: int
    driver_state: str

    def state(self) -> bytes:
        """Return the driver's state.

        Raises:
            binascii.Error: the record is damaged.
        """
        return binascii.a2b_base64(self.driver_state, strict_mode=True)


def parse_record(content: bytes | None) -> UploadRecord | None:
    """Return the record in a ``trireme`` file, None when there is none that can be used."""
    if content is None:
        return None
    try:
        record = msgspec.json.decode(content, type=UploadRecord)
        record.state()
    except (msgspec.DecodeError, binascii.Error):
        return None
    return record if record.version == 1 and record.offset >= 0 else None
