"""The figures to reach: least ratios of Trireme to a Go registry, by workload and connections."""

from __future__ import annotations

DEBIAN = "docker-registry"
TOLERANCE = 0.95  # a figure is reached by a median no more than 5 % below it
MAX_LATENCY_RATIO = 1.0  # ping p99 while two pushes run, at most that of the peer
MAX_SLOW_MIB = 64.0  # what 256 slow uploads at once may cost over idle
CONNECTIONS_OF_REQUESTS = 16

_PUSH = {1: (2.7, 1.7), 2: (1.9, 1.2), 4: (1.8, 1.2)}
_LEAST: dict[str, dict[int, tuple[float, float]]] = {
    "push-length": _PUSH,
    "push-monolithic": _PUSH,
    "push-chunked": {1: (2.7, 1.6), 2: (1.9, 1.2), 4: (1.6, 1.0)},
    "push-tls-length": {1: (1.8, 1.1), 2: (1.4, 0.95), 4: (1.6, 1.1)},
    "push-tls-chunked": {1: (1.7, 1.0), 2: (1.3, 0.95), 4: (1.4, 1.0)},
    "pull": {1: (1.2, 1.2), 2: (1.3, 1.4), 4: (1.4, 1.5)},
    "pull-tls": {1: (1.2, 1.1), 2: (1.2, 1.1)},
    "manifest-get": {CONNECTIONS_OF_REQUESTS: (4, 1.5)},
    "manifest-head": {CONNECTIONS_OF_REQUESTS: (4, 1.5)},
    "blob-head": {CONNECTIONS_OF_REQUESTS: (3, 1.0)},
    "ping": {CONNECTIONS_OF_REQUESTS: (4, 0.5)},
}


def least_ratio(workload: str, connections: int, peer: str) -> float | None:
    """Return the figure to reach against `peer`, None where none is set.

    Args:
        workload: Its name.
        connections: How many.
        peer: `DEBIAN`, or a name that begins with ``v3`` for distribution v3.
    """
    pair = _LEAST.get(workload, {}).get(connections)
    if pair is None:
        return None
    if peer == DEBIAN:
        return pair[0]
    return pair[1] if peer.startswith("v3") else None


def is_reached(ratio: float, least: float) -> bool:
    """Tell whether a median ratio reaches a figure."""
    return ratio >= least * TOLERANCE
