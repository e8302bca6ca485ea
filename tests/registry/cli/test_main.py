import json
import platform
import subprocess
import sys

import pytest

from registry import PRODUCT, __version__
from registry.cli import main


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "registry", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": "/usr/bin:/bin", **environment},
    )


@pytest.mark.parametrize("option", ["-v", "--version"])
def test_the_version_is_one_line_of_three_words(option: str) -> None:
    ended = run(option)
    assert (ended.returncode, ended.stdout) == (0, f"registry {PRODUCT} {__version__}\n")


@pytest.mark.parametrize("arguments", [[], ["help"], ["-h"], ["--help"]])
def test_help_names_every_command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 0
    shown = capsys.readouterr().out
    for name in ("health", "help", "serve", "version"):
        assert f"\n  {name} " in shown


def test_help_of_a_command_is_the_commands_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", "health"]) == 0
    by_name = capsys.readouterr().out
    assert main(["health", "--help"]) == 0
    assert by_name == capsys.readouterr().out
    assert "--timeout SECONDS" in by_name


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bogus"], "No such command 'bogus'."),
        (["help", "bogus"], "No such command 'bogus', there are "),
        (["version", "--bogus"], "No such option '--bogus'."),
        (["--bogus"], "No such option '--bogus'."),
    ],
)
def test_a_wrong_command_line_is_one_sentence_and_status_2(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"registry: {message}")
    assert said.err.count("\n") == 1


@pytest.mark.parametrize("name", ["garbage-collect", "purge-uploads"])
@pytest.mark.parametrize("arguments", [[], ["-m", "--dry-run", "config.yml"]])
def test_a_command_of_distribution_that_is_not_served_says_so(
    name: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, *arguments]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"registry: {name} is not served yet: ")
    assert said.err.count("\n") == 1
    assert main(["help"]) == 0
    assert name not in capsys.readouterr().out


def test_version_tells_what_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["version"] == __version__
    assert facts["python"] == platform.python_version()
    assert facts["digest"] in ("native", "libcrypto", "hashlib")
    assert main(["version"]) == 0
    shown = capsys.readouterr().out
    assert [line.split(maxsplit=1)[1] for line in shown.splitlines()] == list(facts.values())


def test_version_names_the_implementation_that_is_forced() -> None:
    assert json.loads(run("version", "--json", TRIREME_DIGEST="hashlib").stdout)["digest"] == (
        "hashlib"
    )


def test_an_implementation_that_does_not_exist_is_one_sentence() -> None:
    ended = run("version", TRIREME_DIGEST="abacus")
    assert ended.returncode == 1
    assert ended.stderr.startswith("registry: TRIREME_DIGEST='abacus' is not available")
    assert ended.stderr.count("\n") == 1


UNFORESEEN = (
    "import sys, registry.cli as cli, registry.cli.version as version;"
    "version.version_command.callback = lambda as_json: 1 / 0;"
    "sys.exit(cli.main(['version']))"
)


def test_an_unforeseen_error_is_one_sentence_unless_the_traceback_is_wanted() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", UNFORESEEN], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert ended.stderr == (
        "registry: ZeroDivisionError: division by zero (set TRIREME_TRACEBACK=1 to see where)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", UNFORESEEN],
        capture_output=True,
        text=True,
        check=False,
        env={"TRIREME_TRACEBACK": "1"},
    )
    assert ended.returncode == 1
    assert ended.stderr.startswith("Traceback")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    code = "import sys, registry.cli as cli; sys.exit(cli.main(['help']))"
    ended = subprocess.run(
        ["bash", "-c", f'{sys.executable} -c "$0" | true', code],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr == ""
