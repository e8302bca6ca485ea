"""The configuration that is used when none is given.

That of the `registry:3` image but for two things: the log says less, and the debug listener is
for this host only. Outside a container nothing is writable below ``/var/lib`` as a rule and nobody
has published a port on purpose, so data rests below the working directory and the listener is for
this host only as well.
"""

from registry.config.nodes import Mapping
from registry.config.yaml_text import parse_document

SOURCE = "built-in defaults"

_TEXT = """\
version: 0.1
log:
  fields:
    service: registry
storage:
  delete:
    enabled: true
  cache:
    blobdescriptor: inmemory
  filesystem:
    rootdirectory: {directory}
  tag:
    concurrencylimit: 5
http:
  addr: {address}
  headers:
    X-Content-Type-Options: [nosniff]
  debug:
    addr: 127.0.0.1:5001
    prometheus:
      enabled: true
      path: /metrics
health:
  storagedriver:
    enabled: true
    interval: 10s
    threshold: 3
"""


def builtin(*, in_container: bool) -> str:
    """Return the built-in configuration as YAML text."""
    if in_container:
        return _TEXT.format(directory="/var/lib/registry", address=":5000")
    return _TEXT.format(directory="./data", address="127.0.0.1:5000")


def builtin_tree(*, in_container: bool) -> Mapping:
    """Return the built-in configuration as it is read; its places are `SOURCE`."""
    return parse_document(builtin(in_container=in_container), SOURCE, lines=False)
