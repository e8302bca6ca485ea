"""Debian's container tools, each with a home of its own: no daemon, nothing outside `directory`."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path

from tests.kit.servers import Server, clean_environment
from tests.kit.tools import require_privilege, require_tool

COMMAND_S = 60.0
IMAGES_BY_ROOT = "podman and buildah make images as root, outside a user namespace"


class Clients:
    """The tools as one user of one registry has them.

    Args:
        directory: Holds their configuration, credentials and images.
        server: The registry.
        authority: PEM of what they trust; without one they are told not to ask for TLS.
        certificates: Directory with it as ``ca.crt``.
    """

    def __init__(
        self,
        directory: Path,
        server: Server,
        *,
        authority: Path | None = None,
        certificates: Path | None = None,
    ) -> None:
        self.directory = directory
        self.server = server
        self._certificates = certificates
        self._files = {
            name: directory / name
            for name in ("home", "run", "docker", "auth.json", "storage.conf", "registries.conf")
        }
        for name in ("home", "run", "docker"):
            self._files[name].mkdir(parents=True)
        self._files["auth.json"].write_text('{"auths":{}}')
        self._files["storage.conf"].write_text(
            f'[storage]\ndriver = "vfs"\ngraphroot = "{directory}/graph"\n'
            f'runroot = "{directory}/runroot"\n'
        )
        self._files["registries.conf"].write_text("unqualified-search-registries = []\n")
        trusted = {"SSL_CERT_FILE": str(authority)} if authority else {}
        self._environ = clean_environment(
            {
                "HOME": str(self._files["home"]),
                "XDG_RUNTIME_DIR": str(self._files["run"]),
                "DOCKER_CONFIG": str(self._files["docker"]),
                "REGISTRY_AUTH_FILE": str(self._files["auth.json"]),
                "CONTAINERS_STORAGE_CONF": str(self._files["storage.conf"]),
                "CONTAINERS_REGISTRIES_CONF": str(self._files["registries.conf"]),
                "BUILDAH_ISOLATION": "chroot",
                **trusted,
            }
        )

    def remember(self, user: str, password: str) -> None:
        """Store credentials for the registry, as a login would."""
        auth = base64.b64encode(f"{user}:{password}".encode()).decode()
        entries = {"auths": {self.server.host: {"auth": auth}}}
        self._files["auth.json"].write_text(json.dumps(entries))

    def forget(self) -> None:
        """Have no credentials."""
        self._files["auth.json"].write_text('{"auths":{}}')

    def logins(self, program: str) -> dict[str, object]:
        """Return what a program has stored, by registry."""
        path = self._files["docker"] / "config.json"
        path = path if program == "docker" else self._files["auth.json"]
        return dict(json.loads(path.read_text())["auths"])

    def image(self, name: str) -> str:
        """Return how skopeo calls an image of the registry."""
        return f"docker://{self.server.host}/{name}"

    def _tls_option(self, prefix: str = "") -> str:
        if self._certificates:
            return f"--{prefix}cert-dir={self._certificates}"
        return f"--{prefix}tls-verify=false"

    def skopeo(
        self, *arguments: str, ok: bool = True, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run skopeo against the registry, see `run`."""
        program = require_tool("skopeo", "skopeo")
        command, *rest = arguments
        options = [] if command == "logout" else [self._tls_option()]
        if command in ("copy", "sync"):
            options = [self._tls_option("src-"), self._tls_option("dest-")]
        return self.run(program, "--insecure-policy", command, *options, *rest, ok=ok, text=text)

    def push(self, source: str, name: str, *options: str) -> str:
        """Copy an image into the registry by skopeo and return its digest."""
        file = self.directory / "pushed"
        self.skopeo("copy", f"--digestfile={file}", *options, source, self.image(name))
        return file.read_text().strip()

    def pull(self, name: str, directory: Path, *options: str) -> Path:
        """Copy an image out of the registry by skopeo, bytes as they are, and return where."""
        self.skopeo("copy", *options, self.image(name), f"dir:{directory}")
        return directory

    def podman(self, *arguments: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        """Run podman, see `run`; `pull`, `push` and `search` get their TLS option."""
        program = require_tool("podman", "podman")
        return self._by_root(program, arguments, ["--cgroup-manager=cgroupfs"], ok=ok)

    def buildah(self, *arguments: str, ok: bool = True) -> subprocess.CompletedProcess[str]:
        """Run buildah, see `run`; `pull`, `push` and `from` get their TLS option."""
        return self._by_root(require_tool("buildah", "buildah"), arguments, [], ok=ok)

    def _by_root(
        self, program: str, arguments: tuple[str, ...], options: list[str], *, ok: bool
    ) -> subprocess.CompletedProcess[str]:
        require_privilege(IMAGES_BY_ROOT, held=os.geteuid() == 0)
        words = 2 if arguments[0] == "manifest" else 1
        command, rest = list(arguments[:words]), arguments[words:]
        if command[-1] in ("pull", "push", "from", "add"):
            command.append(self._tls_option())
        elif command[-1] == "search" and not self._certificates:
            command.append("--tls-verify=false")  # it has no --cert-dir
        return self.run(program, *options, *command, *rest, ok=ok)

    def docker(
        self, *arguments: str, ok: bool = True, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run the docker client, which has no daemon here, see `run`."""
        return self.run(require_tool("docker", "docker.io"), *arguments, ok=ok, text=text)

    def run(
        self, *command: str, ok: bool = True, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the tools' environment.

        Args:
            command: Program and arguments.
            ok: Whether it has to succeed; else it has to fail.
            text: Its standard input.
        """
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            env=self._environ,
            cwd=self.directory,
            input=text or "",
            timeout=COMMAND_S,
        )
        said = f"{' '.join(command)}\nexit status {done.returncode}\n{done.stdout}{done.stderr}"
        assert (done.returncode == 0) is ok, said
        return done
