"""The sanitizers notice what they are there for: a copy of the tree with a fault of each kind."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
IGNORED = shutil.ignore_patterns("__pycache__", "*.so")
ENTRY = "    size_t read = 0;\n"  # of framing_feed

FAULTS = {
    "heap": ("    bytes[size + 12] = 0;\n", "AddressSanitizer: heap-buffer-overflow"),
    "undefined": (
        "    self->digits = 1u << (32 + self->digits);\n",
        "runtime error: shift exponent",
    ),
}


@pytest.mark.parametrize(("fault", "report"), FAULTS.values(), ids=FAULTS)
def test_a_fault_ends_the_run_with_a_report(fault: str, report: str, tmp_path: Path) -> None:
    for name in ("registry", "drivers", "scripts", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=IGNORED)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    source = tmp_path / "registry/digest/framing.c"
    text = source.read_text()
    assert text.count(ENTRY) == 1
    source.write_text(text.replace(ENTRY, ENTRY + fault))
    ended = subprocess.run(
        [tmp_path / "scripts/sanitize", "tests/registry/framing/test_decoder.py", "-x", "-s"],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**os.environ, "CHECK_BIN": os.path.dirname(sys.executable)},
    )
    assert ended.returncode != 0
    assert report in ended.stdout + ended.stderr
    assert "framing.c" in ended.stdout + ended.stderr
