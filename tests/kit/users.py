"""Users of a registry, in the file that our own ``htpasswd`` command writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

USER = "testuser"
PASSWORD = "testpassword"


def htpasswd(*arguments: str, text: str = "") -> subprocess.CompletedProcess[str]:
    """Run our ``htpasswd`` command as an entry point would, with `text` as standard input."""
    code = "import sys; from registry.cli.htpasswd import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        check=False,
        capture_output=True,
        text=True,
        input=text,
        timeout=30,
    )


def make_htpasswd(path: Path, user: str = USER, password: str = PASSWORD) -> Path:
    """Write a file with one user the way the Docker page does, and return it."""
    done = htpasswd("-Bbn", user, password)
    assert done.returncode == 0, done.stderr
    path.write_text(done.stdout)
    return path


def htpasswd_variables(path: Path) -> dict[str, str]:
    """Return the variables of the Docker page that ask for the users in a file."""
    return {
        "REGISTRY_AUTH": "htpasswd",
        "REGISTRY_AUTH_HTPASSWD_REALM": "Registry Realm",
        "REGISTRY_AUTH_HTPASSWD_PATH": str(path),
    }
