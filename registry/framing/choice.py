"""Which implementation undoes framing: that of the C module where it hashes, else Python's.

The choice is `registry.digest.implementation`'s, and with it the environment variable that forces
one: ``native`` means the C module here as there, and everything else means Python.
"""

from __future__ import annotations

import functools
import importlib
from types import ModuleType
from typing import Final

import registry.digest
from registry.framing.contract import Decoder
from registry.framing.python import PythonDecoder

implementation: Final = "native" if registry.digest.implementation == "native" else "python"
"""The one that runs unless a caller names another: ``native`` or ``python``."""


@functools.cache
def native_module() -> ModuleType | None:
    """`registry.framing.native`, or None where the C module does not work."""
    if "native" not in registry.digest.implementations():
        return None
    return importlib.import_module("registry.framing.native")


def implementations() -> tuple[str, ...]:
    """Return the names of those that work here, best first; ``python`` is always among them."""
    return ("native", "python") if native_module() is not None else ("python",)


def new_decoder(*, using: str = implementation) -> Decoder:
    """Begin a chunked body.

    Args:
        using: One of `implementations`.

    Raises:
        ValueError: `using` is unknown or does not work here.
    """
    if using == "python":
        return PythonDecoder()
    native = native_module()
    if using != "native" or native is None:
        raise ValueError(f"no decoder {using!r} here, choose one of {', '.join(implementations())}")
    decoder: Decoder = native.NativeDecoder()
    return decoder
