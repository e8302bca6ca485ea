"""SHA-256 on 64-bit ARM: cross-compiled, and its examples run in an emulator."""

import subprocess
from pathlib import Path

import pytest

import registry.digest
from tests.kit.tools import require_tool

SOURCES = Path(registry.digest.__file__).parent
MAIN = Path(__file__).parent / "arm_main.c"
FLAGS = ["-std=c11", "-O3", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-static"]


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = require_tool("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu")
    program = tmp_path_factory.mktemp("arm") / "main"
    built = subprocess.run(
        [compiler, *FLAGS, "-I", SOURCES, MAIN, *SOURCES.glob("sha256*.c"), "-o", program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert built.returncode == 0, built.stderr
    return program


def emulate(program: Path, processor: str) -> list[str]:
    """Run on a processor and return the ways of compressing, each of them found right."""
    emulator = require_tool("qemu-aarch64", "qemu-user")
    result = subprocess.run(
        [emulator, "-cpu", processor, program],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout.split()


@pytest.mark.parametrize("processor", ["cortex-a72", "max"])
def test_a_processor_with_the_extension_uses_it_rightly(program: Path, processor: str) -> None:
    assert emulate(program, processor) == ["armv8", "portable"]
