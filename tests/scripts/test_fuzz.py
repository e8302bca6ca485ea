"""The fuzzer finds a fault by itself, and keeps what showed it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("atheris", reason="atheris has no package for this Python")
ROOT = Path(__file__).parents[2]
IGNORED = shutil.ignore_patterns("__pycache__")
STATE = "        elif byte == _LF:\n            raise FramingError("
FAULT = "        elif byte == 0x00:\n            raise FramingError('fault')\n"


def fuzz(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tree / "scripts/fuzz", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**os.environ, "CHECK_BIN": os.path.dirname(sys.executable)},
    )


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("registry", "drivers", "scripts", "tests/fuzz", "tests/kit"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=IGNORED)
    return tmp_path


def test_a_fault_is_found_and_what_showed_it_is_kept(tree: Path) -> None:
    source = tree / "registry/framing/python.py"
    text = source.read_text()
    assert text.count(STATE) == 1
    source.write_text(text.replace(STATE, FAULT + STATE))
    corpus = tree / "tests/fuzz/corpus/framing"
    shutil.rmtree(corpus)
    corpus.mkdir()
    ended = fuzz(tree, "60", "framing")
    assert ended.returncode == 1, ended.stderr
    assert "framing: broken" in ended.stderr
    (kept,) = corpus.glob("found-crash-*")
    assert b"\x00" in kept.read_bytes()


def test_without_a_fault_it_says_how_much_was_tried(tree: Path) -> None:
    ended = fuzz(tree, "1")
    assert ended.returncode == 0, ended.stderr
    said = [line.split(":")[1].strip() for line in ended.stderr.splitlines()]
    assert said == ["digest", "framing", "writing"]


@pytest.mark.parametrize("arguments", [("0",), ("long",), ("1", "nothing")])
def test_what_it_cannot_do_is_refused(arguments: tuple[str, ...]) -> None:
    ended = fuzz(ROOT, *arguments)
    assert ended.returncode == 1
    assert f"'{arguments[-1]}'" in ended.stderr
