"""What the image and the compose file are made from, read without building anything."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from registry.config import Configuration, load
from registry.config.defaults import builtin
from registry.digest import implementations

TREE = Path(__file__).parents[2]
CONTAINERFILE = (TREE / "Containerfile").read_text()
PROJECT = tomllib.loads((TREE / "pyproject.toml").read_text())


def lint(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a linter of the lint group, which is installed beside this Python."""
    path = shutil.which(program, path=os.path.dirname(sys.executable))
    if path is None:
        reason = f"{program} is missing: install the dependency group lint, or run scripts/test"
        if os.environ.get("CI") == "true":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return subprocess.run(
        [path, *arguments], check=False, capture_output=True, text=True, cwd=TREE, timeout=60
    )


class TestContainerfile:
    def test_hadolint_finds_nothing(self) -> None:
        done = lint("hadolint", "--no-color", "Containerfile")
        assert (done.returncode, done.stdout) == (0, "")

    def test_both_stages_stand_on_the_same_base(self) -> None:
        assert re.findall(r"^FROM (\S+)", CONTAINERFILE, re.MULTILINE) == ["${BASE}", "${BASE}"]

    def test_nothing_is_copied_from_another_image(self) -> None:
        assert set(re.findall(r"--from=(\S+)", CONTAINERFILE)) == {"build"}

    def test_the_version_is_that_of_the_package(self) -> None:
        (version,) = re.findall(r"^ARG VERSION=(.+)$", CONTAINERFILE, re.MULTILINE)
        assert version == PROJECT["project"]["version"]

    @pytest.mark.parametrize("used", implementations())
    def test_a_build_without_the_native_module_fails(self, used: str) -> None:
        """The very words of the file, with each implementation forced in turn."""
        (code,) = re.findall(r"^RUN /app/bin/python -I -c '(.+?)'", CONTAINERFILE, re.M | re.S)
        done = subprocess.run(
            [sys.executable, "-I", "-c", code.replace("\\\n", "")],
            check=False,
            capture_output=True,
            text=True,
            env={"TRIREME_DIGEST": used},
        )
        if used == "native":
            assert (done.returncode, done.stderr) == (0, "")
        else:
            assert (done.returncode, used in done.stderr) == (1, True)


class TestLocks:
    @pytest.mark.parametrize("name", ["requirements.lock", "requirements-build.lock"])
    def test_every_version_is_exact_and_hashed_and_no_address_is_named(self, name: str) -> None:
        text = (TREE / name).read_text()
        assert "://" not in text
        for entry in re.split(r"\n(?=\S)", text.strip()):
            first, *hashes = entry.split(" \\\n")
            assert re.match(r"[a-z0-9-]+==\S+( ; .+)?$", first), first
            assert hashes, first
            assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}", line) for line in hashes)

    @pytest.mark.parametrize(
        ("name", "wanted"),
        [
            ("requirements.lock", PROJECT["project"]["dependencies"]),
            ("requirements-build.lock", PROJECT["build-system"]["requires"]),
        ],
    )
    def test_what_the_package_asks_for_is_there(self, name: str, wanted: list[str]) -> None:
        """After a change of pyproject.toml run scripts/lock."""
        locked = dict(re.findall(r"^(\S+)==(\S+)", (TREE / name).read_text(), re.MULTILINE))
        for requirement in map(Requirement, wanted):
            version = locked[requirement.name.lower().replace("_", "-")]
            assert requirement.specifier.contains(version), f"{requirement} but {version}"


class TestConfigurations:
    @staticmethod
    def read(name: str) -> Configuration:
        loaded = load(str(TREE / "deploy/container" / name), {})
        assert not loaded.warnings
        return loaded.configuration

    @pytest.mark.parametrize("name", ["docker.yml", "distribution.yml"])
    def test_both_serve_every_address_from_the_volume(self, name: str) -> None:
        config = self.read(name)
        assert config.http.addr == ":5000"
        assert config.storage.parameters["rootdirectory"] == "/var/lib/registry"

    def test_deletes_are_enabled_in_the_third_generation_only(self) -> None:
        enabled = [
            self.read(name).storage.delete.enabled for name in ("docker.yml", "distribution.yml")
        ]
        assert enabled == [False, True]

    def test_the_third_generation_s_is_the_built_in_one_but_for_the_debug_address(self) -> None:
        shipped = yaml.safe_load((TREE / "deploy/container/distribution.yml").read_text())
        built_in = yaml.safe_load(builtin(in_container=True))
        assert shipped["http"]["debug"].pop("addr") == ":5001"
        built_in["http"]["debug"].pop("addr")
        assert shipped["log"].pop("level") == "info"
        assert shipped["log"]["fields"].pop("environment") == "development"
        assert shipped == built_in


class TestCompose:
    def test_the_file_is_valid(self) -> None:
        done = lint("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yaml")
        assert done.returncode == 0, done.stdout

    def test_a_linter_finds_nothing_dangerous(self) -> None:
        done = lint("compose-lint", "check", "compose.yaml")
        assert done.returncode == 0, done.stdout

    def test_the_service_is_that_of_the_docker_page(self) -> None:
        service = yaml.safe_load((TREE / "compose.yaml").read_text())["services"]["registry"]
        assert service["restart"] == "always"
        assert service["ports"] == ["5000:5000"]
        assert service["environment"] == {
            "REGISTRY_HTTP_TLS_CERTIFICATE": "/certs/domain.crt",
            "REGISTRY_HTTP_TLS_KEY": "/certs/domain.key",
            "REGISTRY_AUTH": "htpasswd",
            "REGISTRY_AUTH_HTPASSWD_PATH": "/auth/htpasswd",
            "REGISTRY_AUTH_HTPASSWD_REALM": "Registry Realm",
        }
        mounted = {volume.split(":")[1] for volume in service["volumes"]}
        assert mounted == {"/var/lib/registry", "/certs", "/auth"}
