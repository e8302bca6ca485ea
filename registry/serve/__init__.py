"""Composition root: from a configuration to a running registry, and back to nothing.

The only package that knows every part, and the only owner of long-lived nurseries. `parts` makes
each part from the configuration, `process` runs them, `launch` decides in how many processes,
`supervisor` keeps those alive, `banner` says what was started.
"""

from registry.serve.launch import run
from registry.serve.parts import StartError

__all__ = ["StartError", "run"]
