"""Composition root: from a configuration to a running registry, and back to nothing.

The only package that knows every part, and the only owner of long-lived nurseries. `parts` makes
each part from the configuration, `process` runs them, `banner` says what was started.
"""

from registry.serve.parts import StartError
from registry.serve.process import run

__all__ = ["StartError", "run"]
