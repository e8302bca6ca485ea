"""Writes that take a part, are interrupted, or take nothing: as a preloaded library has them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry.digest import implementations as digest_implementations
from registry.framing import implementations
from tests.kit.tools import require_tool

SOURCE = Path(__file__).parent / "short_writes.c"
ROOT = Path(__file__).parents[3]

CODE = """
import os, sys
from registry.digest import new_hasher
from registry.framing import new_decoder, write_block
payload = bytes(range(256)) * 40
block = bytearray(b"2800\\r\\n" + payload + b"\\r\\n0\\r\\n\\r\\n")
fd = os.memfd_create("data")
hasher = new_hasher(using=sys.argv[2])
try:
    fed = write_block(new_decoder(using=sys.argv[1]), hasher, block, 0, len(block), fd=fd, offset=7)
except OSError as error:
    print("errno", error.errno, hasher.length_bytes)
else:
    assert fed == (len(payload), len(block), True)
    assert os.pread(fd, 2**20, 0) == bytes(7) + payload
    print("whole", hasher.length_bytes)
"""

each = pytest.mark.parametrize(
    "pair",
    [(one, two) for one in implementations() for two in digest_implementations()],
    ids="+".join,
)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = require_tool("gcc", "gcc libc6-dev")
    library = tmp_path_factory.mktemp("preloaded") / "short_writes.so"
    subprocess.run([compiler, "-shared", "-fPIC", SOURCE, "-o", library], check=True, timeout=60)
    return library


def run(library: Path, pair: tuple[str, str], **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", CODE, *pair],
        env={**os.environ, "LD_PRELOAD": str(library), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=ROOT,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


@each
def test_what_is_written_in_parts_is_whole(library: Path, pair: tuple[str, str]) -> None:
    assert run(library, pair) == "whole 10240"


@each
def test_a_write_that_takes_nothing_fails(library: Path, pair: tuple[str, str]) -> None:
    """EIO, and not for ever."""
    assert run(library, pair, SHORT_WRITES="none") == "errno 5 0"
