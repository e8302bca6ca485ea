"""Which changes the registry allows at all, whoever asks.

One function decides for every operation that changes something, so that a new route cannot forget
a switch (as tag deletion did in CVE-2026-41888).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from registry.oci import errors


class Change(enum.Enum):
    """What an operation changes."""

    PUSH = "push"
    CANCEL_UPLOAD = "cancel upload"
    DELETE_BLOB = "delete blob"
    DELETE_MANIFEST = "delete manifest"
    DELETE_TAG = "delete tag"


_DELETES = frozenset({Change.DELETE_BLOB, Change.DELETE_MANIFEST, Change.DELETE_TAG})


@dataclass(frozen=True, slots=True)
class Policy:
    """The switches of the configuration.

    Attributes:
        read_only: ``storage.maintenance.readonly.enabled``.
        delete_enabled: ``storage.delete.enabled``.
    """

    read_only: bool = False
    delete_enabled: bool = False

    def check(self, change: Change) -> None:
        """Return when `change` is allowed.

        Raises:
            errors.Unsupported: it is switched off; the detail says by which key.
        """
        if self.read_only:
            raise errors.Unsupported(
                f"{change.value}: the registry is read-only (storage.maintenance.readonly.enabled)"
            )
        if change in _DELETES and not self.delete_enabled:
            raise errors.Unsupported(
                f"{change.value}: deletion is switched off (storage.delete.enabled)"
            )
