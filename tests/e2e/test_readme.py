"""The README's commands, in their order, in a copy of the checkout.

Each block marked ``console`` is read; a command that the table below does not know fails the test,
so that nothing gets into the README untried. Three things are put in place of what is printed: a
free port for 5000, a scratch directory for /srv/registry, and loopback for every address.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.kit.checkout import SOURCE, copy_checkout
from tests.kit.images import Layout, hash_file
from tests.kit.servers import clean_environment, free_port
from tests.kit.tools import require_tool
from tests.kit.waiting import wait_until

README = SOURCE / "README.md"
COMMAND_S = 60.0
READY_S = 20.0
PROGRAMS = {"skopeo": "skopeo", "curl": "curl", "openssl": "openssl"}


@dataclass(frozen=True, slots=True)
class Serve:
    """Run in the background in place of what ran before, until the next one or the end."""

    scheme: str = "http"
    status: int = 200


@dataclass(frozen=True, slots=True)
class Run:
    """Run to a good end; its output has `shows` in it."""

    shows: str = ""


@dataclass(frozen=True, slots=True)
class Left:
    """Not run, for a reason."""

    reason: str


TABLE: dict[str, Serve | Run | Left] = {
    "scripts/serve": Serve(),
    "scripts/test": Left("it is what runs this; test_every_test_is_found_in_a_copy stands in"),
    "skopeo copy docker://alpine:3.20 oci:alpine:3.20": Left(
        "no network: an image is made instead"
    ),
    "skopeo copy --dest-tls-verify=false oci:alpine:3.20 docker://localhost:5000/alpine:3.20": Run(
        "Storing signatures"
    ),
    "skopeo copy --src-tls-verify=false docker://localhost:5000/alpine:3.20 oci:copy:3.20": Run(
        "Storing signatures"
    ),
    "curl http://localhost:5000/v2/_catalog": Run('{"repositories":["alpine"]}'),
    "curl http://localhost:5000/v2/alpine/tags/list": Run('{"name":"alpine","tags":["3.20"]}'),
    ".venv/bin/registry demo http://localhost:5000": Run("localhost"),
    ".venv/bin/registry health http://localhost:5000": Run(),
    "curl http://localhost:5000/readyz": Run("ok"),
    "docker build -f Containerfile -t trireme .": Left(
        "there is no engine; tests/container builds the image"
    ),
    "docker run --detach --publish 5000:5000 --volume trireme:/var/lib/registry trireme": Left(
        "there is no engine; tests/container runs what the image holds"
    ),
    "docker compose up --detach": Left("there is no engine; tests/container reads the file"),
    "scripts/serve config.yml": Serve(),
    "REGISTRY_HTTP_ADDR=:5000 REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/srv/registry "
    "scripts/serve": Serve(),
    "mkdir -p certs": Run(),
    "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost "
    "-addext subjectAltName=DNS:localhost -keyout domain.key -out certs/domain.crt": Run(),
    ".venv/bin/htpasswd -Bbc users testuser testpassword": Run("Adding password"),
    "REGISTRY_HTTP_TLS_CERTIFICATE=certs/domain.crt REGISTRY_HTTP_TLS_KEY=domain.key "
    'REGISTRY_AUTH=htpasswd REGISTRY_AUTH_HTPASSWD_REALM="Registry Realm" '
    "REGISTRY_AUTH_HTPASSWD_PATH=users scripts/serve": Serve("https", 401),
    "skopeo login --cert-dir certs -u testuser -p testpassword localhost:5000": Run(
        "Login Succeeded"
    ),
    "skopeo copy --dest-cert-dir certs oci:alpine:3.20 docker://localhost:5000/alpine:3.20": Run(
        "Storing signatures"
    ),
    "docker stop registry": Left("there is no engine; the differential tests change registries"),
    "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=/srv/registry scripts/serve config.yml": Serve(),
    "docker start registry": Left("there is no engine; the differential tests change registries"),
}


def commands() -> list[str]:
    """Return what stands behind a prompt in the README's console blocks."""
    blocks = re.findall(r"^```console\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", "").splitlines()
    return [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]


def test_each_command_is_in_the_table_and_each_row_in_the_readme() -> None:
    assert sorted(set(commands())) == sorted(TABLE)


def test_nothing_that_looks_like_a_command_is_outside_of_the_console_blocks() -> None:
    text = README.read_text()
    languages = re.findall(r"^```(\w*)\n", text, re.MULTILINE)
    assert set(languages) <= {"", "console", "yaml"}
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert all(line.startswith("$ ") for block in blocks for line in block.splitlines())


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_checkout(tmp_path_factory.mktemp("readme") / "trireme")


class Reader:
    """Someone who types the README's commands in a shell."""

    def __init__(self, checkout: Path) -> None:
        self.checkout = checkout
        self.port = free_port()
        self.served = 0
        self._server: subprocess.Popen[bytes] | None = None
        self._environ = clean_environment(
            {
                "HOME": str(checkout / "home"),
                "XDG_RUNTIME_DIR": str(checkout / "home"),
                "REGISTRY_HTTP_DEBUG_ADDR": f"127.0.0.1:{free_port()}",
            }
        )
        (checkout / "home").mkdir()
        self._log = checkout / "home" / "serve.log"

    def adapt(self, text: str) -> str:
        """Put what may be used here in place of what is printed."""
        text = text.replace("localhost:5000", f"localhost:{self.port}")
        text = re.sub(r"(?<![\w.])(REGISTRY_HTTP_ADDR=|addr: ):5000", self._loopback, text)
        return text.replace("/srv/registry", str(self.checkout / "srv"))

    def _loopback(self, match: re.Match[str]) -> str:
        return f"{match[1]}127.0.0.1:{self.port}"

    def run(self, command: str, expected: Run) -> None:
        done = subprocess.run(
            ["bash", "-c", self.adapt(command)],
            check=False,
            capture_output=True,
            text=True,
            cwd=self.checkout,
            env=self._environ,
            stdin=subprocess.DEVNULL,
            timeout=COMMAND_S,
        )
        said = done.stdout + done.stderr
        assert done.returncode == 0, f"{command}\n{said}"
        assert expected.shows in said, f"{command}\n{said}"

    def serve(self, command: str, expected: Serve) -> None:
        self.stop()
        environ = dict(self._environ)
        if "config.yml" not in command and "REGISTRY_HTTP_ADDR" not in command:
            environ["REGISTRY_HTTP_ADDR"] = f"127.0.0.1:{self.port}"
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                ["bash", "-c", f"exec env {self.adapt(command)}"],
                cwd=self.checkout,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        wait_until(lambda: self._listens(command), READY_S)
        self.served += 1
        url = f"{expected.scheme}://localhost:{self.port}/v2/"
        asked = ["curl", "-sk", "-o", os.devnull, "-w", "%{http_code}", url]
        status = subprocess.run(
            asked, check=True, capture_output=True, text=True, timeout=COMMAND_S
        )
        assert status.stdout == str(expected.status), command

    def _listens(self, command: str) -> bool:
        assert self._server is not None
        said = f"{command}\n{self._log.read_text()}"
        assert self._server.poll() is None, said
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """Press Ctrl-C."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            assert self._server.wait(READY_S) == 0
            self._server = None

    def end(self) -> None:
        """Leave nothing running, whatever happened."""
        if self._server is not None and self._server.poll() is None:
            self._server.kill()
            self._server.wait()


@pytest.fixture
def reader(checkout: Path) -> Iterator[Reader]:
    for program, package in PROGRAMS.items():
        require_tool(program, package)
    made = Reader(checkout)
    yield made
    made.end()


def test_the_commands_work_in_their_order(reader: Reader, checkout: Path) -> None:
    image = Layout(checkout / "alpine")
    image.name("3.20", image.add_image("alpine"))
    (configuration,) = re.findall(
        r"^```yaml\n# config.yml\n(.*?)^```", README.read_text(), re.MULTILINE | re.DOTALL
    )
    (checkout / "config.yml").write_text(reader.adapt(configuration))

    for command in commands():
        row = TABLE[command]
        if isinstance(row, Serve):
            reader.serve(command, row)
        elif isinstance(row, Run):
            reader.run(command, row)
    reader.stop()

    assert reader.served == sum(isinstance(TABLE[command], Serve) for command in commands())
    copied = {hash_file(path) for path in (checkout / "copy/blobs/sha256").iterdir()}
    assert copied == {hash_file(path) for path in (checkout / "alpine/blobs/sha256").iterdir()}
    assert (checkout / "data" / "docker").is_dir()
    assert (checkout / "srv").is_dir()


def test_every_test_is_found_in_a_copy(checkout: Path) -> None:
    """Stands in for scripts/test, which would run this test again."""
    script = checkout / "scripts" / "test"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)
    done = subprocess.run(
        [str(checkout / ".venv/bin/python"), "-m", "pytest", "--collect-only", "-q", "tests"],
        check=False,
        capture_output=True,
        text=True,
        cwd=checkout,
        env=clean_environment(),
        timeout=COMMAND_S,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "tests/e2e/test_readme.py::test_the_commands_work_in_their_order" in done.stdout
