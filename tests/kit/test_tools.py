import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kit.tools import require_tool

ROOT = Path(__file__).parents[2]

NEEDY = """
from tests.kit.tools import require_privilege, require_tool

def test_tool():
    require_tool("no-such-tool", "no-such-package")

def test_privilege():
    require_privilege("mounting takes root")

async def test_async_privilege():
    require_privilege("mounting takes root", held=False)

async def test_async_tool():
    require_tool("other-tool", "other-package")

def test_held():
    require_privilege("nothing", held=True)
"""


def run(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "test_needy.py").write_text(NEEDY)
    clean = {name: os.environ[name] for name in os.environ if name != "CI"}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "tests.conftest", "-c", ROOT / "pyproject.toml",
         "--rootdir", tmp_path, "-p", "no:cacheprovider", tmp_path],
        capture_output=True, text=True, check=False, cwd=ROOT, env={**clean, **environment},
    )  # fmt: skip


def test_what_is_missing_skips_with_the_reason(tmp_path: Path) -> None:
    ended = run(tmp_path)
    assert ended.returncode == 0
    assert "1 passed, 4 skipped" in ended.stdout
    assert "no-such-tool is missing: install Debian's package no-such-package" in ended.stdout
    assert "other-tool is missing: install Debian's package other-package" in ended.stdout


def test_under_ci_a_missing_tool_fails_and_a_missing_privilege_skips(tmp_path: Path) -> None:
    ended = run(tmp_path, CI="true")
    assert ended.returncode == 1
    assert "2 failed, 1 passed, 2 skipped" in ended.stdout
    assert "no-such-tool is missing" in ended.stdout


def test_the_summary_lists_what_was_not_tried_for_want_of_a_privilege(tmp_path: Path) -> None:
    ended = run(tmp_path)
    _, _, listed = ended.stdout.partition("not tried for want of a privilege")
    assert "\n2 tests: mounting takes root\n" in listed


def test_a_tool_that_is_there_is_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert os.access(require_tool("sh", "dash"), os.X_OK)


def test_a_tool_of_the_administrator_is_found_off_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert require_tool("useradd", "passwd").endswith("sbin/useradd")
