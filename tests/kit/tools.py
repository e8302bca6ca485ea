"""What tests need from the machine: say so here, and a run without it says what was left out.

A developer's machine may lack a tool, and the test then skips with the reason. Under ``CI=true``
everything has to be there, and the same test fails.
"""

from __future__ import annotations

import os
import shutil

import pytest

PRIVILEGE = "needs a privilege: "
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")  # not on everyone's PATH


def require_tool(name: str, package: str) -> str:
    """Return the path of a program that Debian's `package` installs.

    Skips the test when it is missing; under ``CI=true`` fails it.
    """
    path = shutil.which(name) or shutil.which(name, path=os.pathsep.join(_SBIN))
    if path is not None:
        return path
    reason = f"{name} is missing: install Debian's package {package}, or run scripts/test as root"
    if os.environ.get("CI") == "true":
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def require_privilege(reason: str, *, held: bool = False) -> None:
    """Skip the test unless `held`; the run's summary lists what was not tried for this.

    A missing privilege skips under ``CI=true`` too: a container cannot give itself more.

    Args:
        reason: What the test would do and which privilege that takes.
        held: The caller has found the privilege to be there.
    """
    if not held:
        pytest.skip(PRIVILEGE + reason)
