"""Whether this registry should get traffic: checks that run on their own, and what they found.

`Health` runs checks at intervals and answers at once from what it knows; the functions of
`checks` make the four kinds that the configuration has.
"""

from registry.health.checks import (
    Check,
    CheckFailed,
    file_check,
    http_check,
    storage_check,
    tcp_check,
)
from registry.health.monitor import DEADLINE_S, INTERVAL_S, Health

__all__ = [
    "DEADLINE_S",
    "INTERVAL_S",
    "Check",
    "CheckFailed",
    "Health",
    "file_check",
    "http_check",
    "storage_check",
    "tcp_check",
]
