"""The tree passes its own check, and the check notices what it is there for."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
IGNORED = shutil.ignore_patterns("__pycache__", "*.so")


def check(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tree / "scripts/check"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "CHECK_BIN": os.path.dirname(sys.executable)},
    )


def test_the_tree_passes_the_check() -> None:
    ended = check(ROOT)
    assert ended.stdout + ended.stderr == ""
    assert ended.returncode == 0


@pytest.fixture(scope="module")
def faulty(tmp_path_factory: pytest.TempPathFactory) -> subprocess.CompletedProcess[str]:
    """What the check says of a copy with one fault of each kind."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("registry", "drivers", "scripts"):
        shutil.copytree(ROOT / name, tree / name, ignore=IGNORED)
    shutil.copy(ROOT / "pyproject.toml", tree)
    faults = {
        "registry/oci/names.py": "\nfrom registry.storage import paths as above\n",
        "drivers/contract.py": "\nimport registry\n",
        "registry/storage/paths.py": "\nWRONG: int = 'text'\n",
        "registry/stream.py": "\nx  =  1\n",
        "drivers/errors.py": "\nimport os, trio\n\n\nasync def slow() -> None:\n"
        "    try:\n        await trio.sleep(1)\n    except BaseException:\n        pass\n",
        "scripts/serve": "\ncd $1\n",
    }
    for name, fault in faults.items():
        with (tree / name).open("a") as file:
            file.write(fault)
    return check(tree)


@pytest.mark.parametrize(
    ("heading", "problem"),
    [
        ("types", "registry/storage/paths.py"),
        ("format", "registry/stream.py"),
        ("lint", "drivers/errors.py"),
        ("layers", "registry: one way down BROKEN"),
        ("layers", "drivers never import the registry BROKEN"),
        ("async", "drivers/errors.py"),
        ("shell", "scripts/serve"),
    ],
)
def test_the_check_notices(
    faulty: subprocess.CompletedProcess[str], heading: str, problem: str
) -> None:
    if heading == "shell" and shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is missing, and without it the check leaves shell scripts out")
    parts = re.split(r"^(types|format|lint|layers|async|shell):\n", faulty.stdout, flags=re.M)
    sections = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert faulty.returncode == 1
    assert problem in sections[heading]
