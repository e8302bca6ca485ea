"""nginx in front of registries, as the Docker page's recipe sets it up."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.kit.certificates import Certificates
from tests.kit.servers import free_port
from tests.kit.tools import require_tool

READY_S = 10.0

_CONFIGURATION = """\
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
{user}
events {{ worker_connections 64; }}
http {{
  access_log {directory}/access.log;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  upstream registries {{
    {upstreams}
  }}
  server {{
    listen 127.0.0.1:{port} ssl;
    server_name localhost;
    ssl_certificate {certificates.bundle};
    ssl_certificate_key {certificates.key};
    client_max_body_size 0;
    chunked_transfer_encoding on;
    location / {{
      proxy_pass http://registries;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_request_buffering off;
      proxy_read_timeout 900;
    }}
  }}
}}
"""


@contextmanager
def nginx(directory: Path, certificates: Certificates, ports: Sequence[int]) -> Iterator[str]:
    """End TLS in front of registries on 127.0.0.1, which take turns; yields host and port.

    Args:
        directory: For its configuration, logs and temporary files.
        certificates: What it shows.
        ports: Where the registries listen.
    """
    program = require_tool("nginx", "nginx")
    directory.mkdir(parents=True)
    port = free_port()
    configuration = directory / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            directory=directory,
            user="user root;" if os.geteuid() == 0 else "",
            upstreams=" ".join(f"server 127.0.0.1:{item};" for item in ports),
            port=port,
            certificates=certificates,
        )
    )
    with (directory / "output.log").open("wb") as output:
        process = subprocess.Popen(
            [program, "-p", str(directory), "-c", str(configuration), "-e", output.name],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        _wait_ready(process, port, directory)
        yield f"localhost:{port}"
    finally:
        process.terminate()
        process.wait(READY_S)


def _wait_ready(process: subprocess.Popen[bytes], port: int, directory: Path) -> None:
    deadline = time.monotonic() + READY_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError(f"nginx did not start: {(directory / 'output.log').read_text()}")
