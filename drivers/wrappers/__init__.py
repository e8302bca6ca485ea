"""Drivers around a driver: each adds one behaviour and is otherwise not to be noticed.

`Wrapper` sends every call through one method, and the others override that. The usual order, from
the outside, is validated, observed, retried, limited: what is refused is not counted, the time
that is observed is the caller's, and a wait between two tries holds no place.
"""

from __future__ import annotations

from drivers.wrappers.base import Operation, Wrapper
from drivers.wrappers.limited import Limited
from drivers.wrappers.observed import Observed, Observer
from drivers.wrappers.retried import Retried
from drivers.wrappers.validated import Validated

__all__ = ["Limited", "Observed", "Observer", "Operation", "Retried", "Validated", "Wrapper"]
