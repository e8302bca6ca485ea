"""Users whose file is missing at first, and passwords that are longer than bcrypt takes."""

from __future__ import annotations

import re
from pathlib import Path

from tests.kit.clients import Clients
from tests.kit.http import Client
from tests.kit.servers import trireme
from tests.kit.users import USER, htpasswd_variables, make_htpasswd
from tests.kit.waiting import wait_until


def test_the_password_in_the_log_opens_a_file_that_was_missing(tmp_path: Path) -> None:
    environ = htpasswd_variables(tmp_path / "created")
    with trireme(tmp_path / "server", environ=environ) as server:
        pattern = r"log in as user docker with password ([A-Za-z0-9_-]+)"
        wait_until(lambda: bool(re.search(pattern, server.log.read_text())), 10.0)
        (password,) = re.findall(pattern, server.log.read_text())
        clients = Clients(tmp_path / "clients", server)
        clients.docker("login", "-u", "docker", "--password-stdin", server.host, text=password)


def test_a_password_of_more_than_72_bytes_logs_in(tmp_path: Path) -> None:
    """A client that sends more, or much more, is answered and not failed."""
    password = "p" * 100
    environ = htpasswd_variables(make_htpasswd(tmp_path / "htpasswd", password=password))
    with trireme(tmp_path / "server", environ=environ) as server, Client(server.url) as client:
        assert client.get("/v2/", auth=(USER, password)).status_code == 200
        assert client.get("/v2/", auth=(USER, "q" * 5000)).status_code == 401
