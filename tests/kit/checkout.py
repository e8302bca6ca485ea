"""A copy of this checkout in which scripts/serve starts at once, as one that was set up before."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

SOURCE = Path(__file__).parents[2]
_LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", ".cache", ".hypothesis", "*_cache", "__pycache__", "data", "*.egg-info"
)
_COMMANDS = {"registry": "registry.cli", "htpasswd": "registry.cli.htpasswd"}


def copy_checkout(directory: Path) -> Path:
    """Copy the checkout, with an environment that borrows this one's packages, and return it."""
    shutil.copytree(SOURCE, directory, ignore=_LEFT_OUT)
    environment = directory / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    variables = {"base": str(environment), "platbase": str(environment)}
    packages = Path(sysconfig.get_path("purelib", vars=variables))
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    # The copy first: it hides the original, should that be installed.
    (packages / "borrowed.pth").write_text("\n".join([str(directory), *sorted(borrowed)]) + "\n")
    for name, module in _COMMANDS.items():
        program = environment / "bin" / name
        program.write_text(
            f"#!{environment}/bin/python\nimport sys\nfrom {module} import main\nsys.exit(main())\n"
        )
        program.chmod(0o755)
    mark = '. scripts/environment.sh; fingerprint run >"$venv/made-for-run"'
    subprocess.run(["bash", "-c", mark], cwd=directory, check=True)
    return directory
