"""Who may do what; the contracts are exported here, each kind of controller has its own module."""

from registry.auth.controller import (
    Access,
    AccessController,
    Challenge,
    Identity,
    InvalidParameter,
    OpenAccess,
)

__all__ = [
    "Access",
    "AccessController",
    "Challenge",
    "Identity",
    "InvalidParameter",
    "OpenAccess",
]
