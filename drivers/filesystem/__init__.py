"""A directory of this host as a store, byte for byte laid out as distribution does.

A path of the contract is the file of the same name below ``rootdirectory``; nothing else is kept.
`disk` does the blocking work, `driver` moves it to threads, `session` and `reader` hold the open
files.
"""

from __future__ import annotations

from collections.abc import Mapping

from drivers import errors
from drivers.filesystem.disk import NAME
from drivers.filesystem.driver import FilesystemDriver

PARAMETERS = frozenset({"rootdirectory", "maxthreads"})
"""What `create` reads. It ignores anything else: whoever reads the configuration can warn."""

DEFAULT_ROOT = "/var/lib/registry"
DEFAULT_THREADS = 100
MIN_THREADS = 25  # distribution raises smaller values to this without a word, and so must we

__all__ = ["PARAMETERS", "FilesystemDriver", "create"]


def create(parameters: Mapping[str, object]) -> FilesystemDriver:
    """Return a driver over the directory that `parameters` names; touches no disk yet.

    The result is also an async context manager of itself, as `contract.DriverContext` wants.

    Args:
        parameters: ``rootdirectory``, a path (default /var/lib/registry; relative ones are taken
            from the working directory of this moment), and ``maxthreads``, a whole number
            (default 100; less than 25 becomes 25).

    Raises:
        errors.InvalidParameters: one of them is of the wrong kind.
    """
    root = parameters.get("rootdirectory", DEFAULT_ROOT)
    if not isinstance(root, str) or not root or "\0" in root:
        raise errors.InvalidParameters(
            NAME, "rootdirectory", f"must be the path of a directory, not {root!r}"
        )
    threads = _whole_number("maxthreads", parameters.get("maxthreads", DEFAULT_THREADS))
    return FilesystemDriver(root, max_threads=max(threads, MIN_THREADS))


def _whole_number(field: str, value: object) -> int:
    """Read a parameter that YAML or the environment may give as a number or as its digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            pass
    raise errors.InvalidParameters(
        NAME, field, f"must be a whole number such as 100, not {value!r}"
    )
