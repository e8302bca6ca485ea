"""Starts that fail: a registry that ends by itself, and its last words."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.kit.servers import clean_environment, free_port

LIMIT_S = 20.0


@dataclass(frozen=True, slots=True)
class Ended:
    """A registry that did not start.

    Attributes:
        status: Its exit status.
        said: The last line on standard error.
        text: All of standard error.
    """

    status: int
    said: str
    text: str


def start_to_the_end(
    directory: Path, environ: Mapping[str, str], prefix: Sequence[str] = ()
) -> Ended:
    """Start a registry that cannot run and return how it ended.

    Args:
        directory: Its working directory, where its data would be.
        environ: Its ``REGISTRY_`` variables.
        prefix: A command that runs the command behind it.
    """
    variables = {
        "REGISTRY_HTTP_ADDR": f"127.0.0.1:{free_port()}",
        "REGISTRY_HTTP_DEBUG_ADDR": f"127.0.0.1:{free_port()}",
        **environ,
    }
    done = subprocess.run(
        [*prefix, sys.executable, "-m", "registry", "serve"],
        check=False,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        env=clean_environment(variables),
        cwd=directory,
        timeout=LIMIT_S,
    )
    lines = done.stderr.splitlines()
    return Ended(done.returncode, lines[-1] if lines else "", done.stderr)
