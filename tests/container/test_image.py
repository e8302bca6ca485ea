"""The Containerfile, built without an engine, and what its image does.

A process in the image's root, with namespaces of its own, stands for a container.
"""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import bcrypt
import httpx2
import pytest
import yaml

from tests.kit.http import Client
from tests.kit.rootfs import Built, Contained, built_image, contained, require_roots, run
from tests.kit.servers import END_S, free_port
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.timeout(600)  # the base alone takes a minute when it is not kept

TREE = Path(__file__).parents[2]
V2 = "/etc/docker/registry/config.yml"
V3 = "/etc/distribution/config.yml"
LAYERED = "application/vnd.docker.distribution.manifest.v2+json"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    require_roots()
    with built_image(tmp_path_factory.mktemp("image"), TREE) as image:
        yield image


@contextmanager
def serving(
    image: Built, log: Path, *arguments: str, port: int, environ: Mapping[str, str] | None = None
) -> Iterator[Contained]:
    """Run a container that serves at a port of loopback, from the moment it does."""

    def answers() -> bool:
        try:
            return httpx2.get(f"http://127.0.0.1:{port}/", trust_env=False).status_code == 200
        except httpx2.TransportError:
            return False

    debug = {"REGISTRY_HTTP_DEBUG_ADDR": f"127.0.0.1:{free_port()}", **(environ or {})}
    with contained(image, log, *arguments, environ=debug) as container:
        try:
            wait_until(answers, END_S)
        except AssertionError:
            pytest.fail(log.read_text(), pytrace=False)
        yield container


@contextmanager
def replaced(image: Built, path: str, port: int) -> Iterator[None]:
    """Put a configuration over one of the image's, as a mount would, that listens at a port."""
    file = image.root / path.lstrip("/")
    shipped = file.read_bytes()
    document = yaml.safe_load(shipped)
    document["http"]["addr"] = f"127.0.0.1:{port}"
    file.write_text(yaml.safe_dump(document))
    try:
        yield
    finally:
        file.write_bytes(shipped)


@pytest.fixture(scope="module")
def settings(image: Built) -> dict[str, object]:
    inspected = json.loads(run([*image.buildah, "inspect", "--type=image", image.name]))
    docker = inspected["Docker"]["config"]
    assert isinstance(docker, dict)
    return docker


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Entrypoint", ["/entrypoint.sh"]),
        ("Cmd", [V2]),
        ("ExposedPorts", {"5000/tcp": {}}),
        ("Volumes", {"/var/lib/registry": {}}),
        ("StopSignal", "SIGTERM"),
        ("User", ""),
        ("WorkingDir", ""),
    ],
)
def test_the_image_says_how_it_is_run(
    settings: dict[str, object], name: str, expected: object
) -> None:
    assert settings[name] == expected


def test_the_image_says_what_it_is(settings: dict[str, object]) -> None:
    labels = settings["Labels"]
    assert isinstance(labels, dict)
    assert labels["org.opencontainers.image.title"] == "Trireme"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


def test_the_image_is_checked_by_the_health_command(settings: dict[str, object]) -> None:
    check = settings["Healthcheck"]
    assert isinstance(check, dict)
    assert check["Test"] == ["CMD", "/entrypoint.sh", "health"]


def test_the_native_module_computes_digests(image: Built) -> None:
    done = image.run("/bin/registry", "version", "--json")
    assert json.loads(done.stdout)["digest"] == "native", done.stderr


def test_any_user_can_run_it(image: Built) -> None:
    done = image.run("/entrypoint.sh", "--version", user=12345)
    assert done.stdout.startswith("registry trireme-registry "), done.stderr


def test_no_pip_and_no_bytecode_to_compile_is_left(image: Built) -> None:
    packages = next((image.root / "app/lib").glob("python3*/site-packages"))
    assert not (packages / "pip").exists()
    sources = {path.stem for path in (packages / "registry").glob("*.py")}
    compiled = {path.name.partition(".")[0] for path in (packages / "registry").rglob("*.pyc")}
    assert sources <= compiled


def test_where_packages_came_from_is_not_in_the_image(image: Built) -> None:
    configuration = image.root / "etc/pip.conf"
    assert not configuration.exists() or configuration.read_text() == ""


@pytest.mark.parametrize(("path", "name"), [(V2, "docker.yml"), (V3, "distribution.yml")])
def test_both_configurations_are_there_for_everyone_to_read(
    image: Built, path: str, name: str
) -> None:
    file = image.root / path.lstrip("/")
    assert file.read_bytes() == (TREE / "deploy/container" / name).read_bytes()
    assert file.stat().st_mode & 0o777 == 0o644


def test_the_docker_page_s_htpasswd_line_makes_a_password_file(image: Built) -> None:
    done = image.run("htpasswd", "-Bbn", "testuser", "testpassword")
    user, _, hashed = done.stdout.strip().partition(":")
    assert user == "testuser", done.stderr
    assert bcrypt.checkpw(b"testpassword", hashed.encode())


def test_the_entry_point_runs_other_programs_as_they_stand(image: Built) -> None:
    done = image.run("/entrypoint.sh", "sh", "-c", 'echo "$0 $TRIREME_CONTAINER"')
    assert done.stdout == "sh 1\n", done.stderr


def test_the_entry_point_passes_commands_to_registry(image: Built) -> None:
    assert "Usage: registry" in image.run("/entrypoint.sh", "help").stdout


class TestAContainer:
    def test_serves_takes_its_own_image_and_stops(self, image: Built, tmp_path: Path) -> None:
        port = free_port()
        address = {"REGISTRY_HTTP_ADDR": f"127.0.0.1:{port}"}
        digest_file = tmp_path / "digest"
        with serving(image, tmp_path / "log", V2, port=port, environ=address) as container:
            health = container.run("registry", "health")
            assert (health.returncode, health.stdout) == (
                0,
                f"http://127.0.0.1:{port}/v2/ answered 200\n",
            )
            how = ["--tls-verify=false", "--disable-compression", f"--digestfile={digest_file}"]
            run([*image.buildah, "push", *how, image.name, f"docker://127.0.0.1:{port}/trireme:1"])
            with Client(f"http://127.0.0.1:{port}") as client:
                manifest = client.get("/v2/trireme/manifests/1", headers={"Accept": LAYERED})
                layers = manifest.json()["layers"]
                sizes = [
                    client.head(f"/v2/trireme/blobs/{layer['digest']}").headers["content-length"]
                    for layer in layers
                ]
            assert manifest.headers["docker-content-digest"] == digest_file.read_text()
            assert sizes == [str(layer["size"]) for layer in layers]
            assert container.stop() == 0
        assert (image.root / "var/lib/registry/docker/registry/v2/repositories/trireme").is_dir()

    def test_demo_runs_beside_it(self, image: Built, tmp_path: Path) -> None:
        port = free_port()
        address = {"REGISTRY_HTTP_ADDR": f"127.0.0.1:{port}"}
        with serving(image, tmp_path / "log", V3, port=port, environ=address) as container:
            done = container.run("/entrypoint.sh", "demo")
        assert done.returncode == 0, done.stdout + done.stderr

    @pytest.mark.parametrize("path", [V2, V3])
    def test_a_configuration_mounted_at_either_path_is_served_and_checked(
        self, image: Built, tmp_path: Path, path: str
    ) -> None:
        port = free_port()
        log = tmp_path / "log"
        with replaced(image, path, port), serving(image, log, V2, port=port) as container:
            health = container.run("/entrypoint.sh", "health")
            assert health.stdout == f"http://127.0.0.1:{port}/v2/ answered 200\n", health.stderr
            assert container.stop() == 0
        assert f"configuration {path} and 1 environment variable\n" in log.read_text()

    def test_with_both_mounted_the_one_that_was_asked_for_is_served(
        self, image: Built, tmp_path: Path
    ) -> None:
        port, other = free_port(), free_port()
        with (
            replaced(image, V2, port),
            replaced(image, V3, other),
            serving(image, tmp_path / "log", V2, port=port) as container,
        ):
            assert container.stop() == 0

    def test_without_arguments_the_image_s_configuration_is_served(
        self, image: Built, tmp_path: Path
    ) -> None:
        port = free_port()
        log = tmp_path / "log"
        address = {"REGISTRY_HTTP_ADDR": f"127.0.0.1:{port}"}
        with serving(image, log, port=port, environ=address) as container:
            assert container.stop() == 0
        assert f"configuration {V2} and 2 environment variables\n" in log.read_text()

    def test_serve_alone_takes_the_defaults_of_a_container(
        self, image: Built, tmp_path: Path
    ) -> None:
        port = free_port()
        log = tmp_path / "log"
        address = {"REGISTRY_HTTP_ADDR": f"127.0.0.1:{port}"}
        with serving(image, log, "serve", port=port, environ=address) as container:
            assert container.stop() == 0
        assert "filesystem at /var/lib/registry" in log.read_text()

    def test_a_directory_of_another_user_is_served_by_that_user(
        self, image: Built, tmp_path: Path
    ) -> None:
        """What ``docker run --user`` does: the server needs nothing of root."""
        store = image.root / "store"
        store.mkdir()
        os.chown(store, 12345, 12345)
        port = free_port()
        variables = {
            "REGISTRY_HTTP_ADDR": f"127.0.0.1:{port}",
            "REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY": "/store",
        }
        words = ("setpriv", "--reuid=12345", "--regid=12345", "--clear-groups", "/entrypoint.sh")
        log = tmp_path / "log"
        with serving(image, log, *words, V2, port=port, environ=variables) as container:
            demo = container.run("registry", "demo", f"http://127.0.0.1:{port}", "--keep")
            assert demo.returncode == 0, demo.stdout + demo.stderr
            assert container.stop() == 0
        assert {path.stat().st_uid for path in store.rglob("*")} == {12345}
        shutil.rmtree(store)
