"""Trireme: a container registry server on Trio.

The package knows its own version and nothing else; everything a running server needs is built in
`registry.serve`.
"""

from importlib.metadata import PackageNotFoundError, version

PRODUCT = "trireme-registry"

try:
    __version__ = version(PRODUCT)
except PackageNotFoundError:  # a source tree that was never installed
    __version__ = "0+unknown"
