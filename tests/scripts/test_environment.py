"""The scripts' own environment, made by real venv and pip from a project of a few lines."""

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

# A build backend that needs nothing from outside, and counts how often it is asked.
BACKEND = """
import os, zipfile
HERE = os.path.dirname(os.path.abspath(__file__))
def build_editable(directory, settings=None, metadata=None):
    with open(os.path.join(HERE, "builds"), "a") as builds:
        builds.write("x")
    if os.path.exists(os.path.join(HERE, "broken")):
        raise SystemExit("the backend says why")
    if os.path.exists(os.path.join(HERE, "native")):
        open(os.path.join(HERE, "registry/digest/_native.py"), "w").close()
    name, info = "trireme-0-py3-none-any.whl", "trireme-0.dist-info"
    files = {
        "trireme.pth": HERE,
        f"{info}/METADATA": "Metadata-Version: 2.1\\nName: trireme\\nVersion: 0\\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        f"{info}/entry_points.txt": "[console_scripts]\\nregistry = registry.cli:main\\n",
    }
    record = "".join(f"{path},,\\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        for path, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(path, text)
    return name
"""
PYPROJECT = """
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
[project]
name = "trireme"
version = "0"
"""
CLI = """
import os, sys
def main():
    for word in (os.getcwd(), *sys.argv[1:], os.environ.get("REGISTRY_HTTP_ADDR", "")):
        print(word)
"""


def make_project(path: Path) -> Path:
    shutil.copytree(SCRIPTS, path / "scripts")
    for package in ("registry", "registry/digest"):
        (path / package).mkdir()
        (path / package / "__init__.py").touch()
    (path / "registry/digest/native.c").touch()
    (path / "registry/cli.py").write_text(CLI)
    (path / "backend.py").write_text(BACKEND)
    (path / "pyproject.toml").write_text(PYPROJECT)
    (path / "native").touch()
    return path


def serve(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {name: os.environ[name] for name in os.environ if not name.startswith("REGISTRY_")}
    return subprocess.run(
        [project / "scripts/serve", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
        env={**clean, "PYTHON": sys.executable, **environment},
    )


def builds(project: Path) -> int:
    return (project / "builds").stat().st_size


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that was set up once; tests leave it working."""
    project = make_project(tmp_path_factory.mktemp("project dir"))
    first = serve(project)
    assert first.returncode == 0, first.stderr
    assert re.fullmatch(r"trireme: installing into \.venv.*\n", first.stderr)
    return project


def test_arguments_variables_and_directory_pass_through_untouched(made: Path) -> None:
    ended = serve(made, "a b", "--x=$HOME", "", REGISTRY_HTTP_ADDR="':5 0'")
    assert ended.stdout.split("\n") == ["/", "serve", "a b", "--x=$HOME", "", "':5 0'", ""]


def test_with_nothing_to_do_it_does_and_says_nothing(made: Path) -> None:
    before = builds(made)
    ended = serve(made)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert builds(made) == before


def test_it_works_through_a_link(made: Path, tmp_path: Path) -> None:
    link = tmp_path / "serve"
    link.symlink_to(made / "scripts/serve")
    ended = subprocess.run([link], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("changed", ["pyproject.toml", "registry/digest/native.c"])
def test_a_change_of_what_it_was_made_from_installs_again(made: Path, changed: str) -> None:
    before = builds(made)
    with (made / changed).open("a") as file:
        file.write("\n")
    assert serve(made).returncode == 0
    assert builds(made) == before + 1
    assert serve(made).stderr == ""


def test_a_failed_installation_says_why_and_is_tried_again(made: Path) -> None:
    (made / "broken").touch()
    (made / "pyproject.toml").write_text(PYPROJECT + "# broken")
    for _ in range(2):
        ended = serve(made)
        assert ended.returncode == 1
        assert ended.stdout == ""
        assert "the backend says why" in ended.stderr
        assert "pip install" in ended.stderr
    (made / "broken").unlink()
    assert serve(made).returncode == 0
    assert serve(made).stderr == ""


def test_without_the_native_module_it_warns_and_goes_on(made: Path) -> None:
    (made / "native").unlink()
    (made / "registry/digest/_native.py").unlink()
    (made / "pyproject.toml").write_text(PYPROJECT + "# no compiler")
    ended = serve(made)
    assert ended.returncode == 0
    assert "native digest module could not be built" in ended.stderr
    assert serve(made).stderr == ""
    (made / "native").touch()
    (made / "pyproject.toml").write_text(PYPROJECT)
    assert serve(made).returncode == 0


def test_several_at_once_install_once(tmp_path: Path) -> None:
    project = make_project(tmp_path / "project")
    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(lambda _: serve(project), range(3)))
    assert [(ended.returncode, ended.stdout) for ended in runs] == [(0, "/\nserve\n\n")] * 3
    assert builds(project) == 1
    moved = project.rename(tmp_path / "moved")
    ended = serve(moved)
    assert (ended.returncode, ended.stdout) == (0, "/\nserve\n\n")
    assert builds(moved) == 2


def fake_python(path: Path, script: str) -> str:
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("exit 1", "is not a Python of version 3.11 or later"),
        ("echo 3.10.0 /usr headers; exit 1", "is not a Python of version 3.11 or later"),
        (
            f'case "$*" in *ensurepip*) exit 1;; esac; exec {sys.executable} "$@"',
            "has no venv and ensurepip",
        ),
    ],
    ids=["broken", "old", "incomplete"],
)
def test_a_python_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, script: str, message: str
) -> None:
    project = make_project(tmp_path / "project")
    ended = serve(project, PYTHON=fake_python(tmp_path / "python", script))
    assert ended.returncode == 1
    assert ended.stderr.startswith("trireme: ")
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert not (project / ".venv").exists()
