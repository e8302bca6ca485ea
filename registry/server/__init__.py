"""The engine room: Hypercorn as the protocol engine, in small subclasses that we own.

One connection can never end the process (`connection`), an answer is never waited for without a
deadline, and what the server layer itself refuses looks like the API's own errors (`protocol`).
"""

from registry.server.listen import Listener, bind_tcp, bind_unix, inherited
from registry.server.run import ServerSettings, serve
from registry.server.tls import TlsSettings, TlsUnusable, make_context

__all__ = [
    "Listener",
    "ServerSettings",
    "TlsSettings",
    "TlsUnusable",
    "bind_tcp",
    "bind_unix",
    "inherited",
    "make_context",
    "serve",
]
