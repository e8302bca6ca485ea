"""The entry point's rule: what goes to ``registry``, which here says what it was told."""

import os
import subprocess
from pathlib import Path

import click
import pytest

from registry.cli import command
from tests.kit.tools import require_tool

SCRIPT = Path(__file__).parents[2] / "deploy/container/entrypoint.sh"


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with programs that print their name and arguments."""
    directory = tmp_path_factory.mktemp("bin")
    for name in ("registry", "other"):
        program = directory / name
        program.write_text('#!/bin/sh\nprintf "%s" "${0##*/}"\nprintf " <%s>" "$@"\necho\n')
        program.chmod(0o755)
    return directory


def enter(programs: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(SCRIPT), *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={"PATH": f"{programs}:{os.environ['PATH']}"},
        timeout=20,
    )


@pytest.mark.parametrize(
    ("arguments", "ran"),
    [
        (["/etc/x.yml"], "registry <serve> </etc/x.yml>"),
        (["relative.yaml"], "registry <serve> <relative.yaml>"),
        (["with space.yml", "more"], "registry <serve> <with space.yml> <more>"),
        (["/etc/docker/registry/config.yml"], "registry <serve> </etc/docker/registry/config.yml>"),
        ([], "registry <serve> </etc/docker/registry/config.yml>"),
        (["serve", "/etc/x.yml"], "registry <serve> </etc/x.yml>"),
        (["serve"], "registry <serve>"),
        (
            ["garbage-collect", "--dry-run", "x.yml"],
            "registry <garbage-collect> <--dry-run> <x.yml>",
        ),
        (["--version"], "registry <--version>"),
        (["-h"], "registry <-h>"),
        (["health", "http://127.0.0.1:1"], "registry <health> <http://127.0.0.1:1>"),
        (["registry", "serve", "x.yml"], "registry <serve> <x.yml>"),
        (["other", "a b", ""], "other <a b> <>"),
    ],
)
def test_arguments_become_a_command(programs: Path, arguments: list[str], ran: str) -> None:
    done = enter(programs, *arguments)
    assert (done.stdout, done.stderr, done.returncode) == (f"{ran}\n", "", 0)


SUBCOMMANDS = command.list_commands(click.Context(command))


@pytest.mark.parametrize("name", SUBCOMMANDS)
def test_every_subcommand_goes_to_registry(programs: Path, name: str) -> None:
    assert enter(programs, name, "argument").stdout == f"registry <{name}> <argument>\n"


def test_an_unknown_program_fails_as_a_shell_has_it(programs: Path) -> None:
    assert enter(programs, "no-such-program").returncode == 127


def test_the_exit_status_is_the_program_s(programs: Path) -> None:
    assert enter(programs, "sh", "-c", "exit 3").returncode == 3


def test_shellcheck_finds_nothing() -> None:
    shellcheck = require_tool("shellcheck", "shellcheck")
    done = subprocess.run([shellcheck, str(SCRIPT)], check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
