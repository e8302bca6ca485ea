"""The `registry` command: its subcommands by name, and how its errors look.

A subcommand's module is imported when the subcommand is used, so that ``registry --version`` and
``registry health`` do not wait for the server's libraries. A command says what went wrong by
raising `click.ClickException` (status 1) or `click.UsageError` (status 2); `main` prints either as
one sentence.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from types import TracebackType
from typing import NamedTuple

import click

from registry import PRODUCT, __version__

TRACEBACK_VARIABLE = "TRIREME_TRACEBACK"
INTERRUPTED = 130  # 128 + SIGINT, as a shell reports it


class _Subcommand(NamedTuple):
    module: str
    attribute: str
    summary: str


_SUBCOMMANDS = {
    "demo": _Subcommand("registry.cli.demo.command", "demo_command", "Try a registry out."),
    "health": _Subcommand("registry.cli.health", "health_command", "Ask a registry how it is."),
    "help": _Subcommand("registry.cli.help", "help_command", "Tell how a command is used."),
    "serve": _Subcommand("registry.cli.serve", "serve_command", "Serve a registry."),
    "version": _Subcommand("registry.cli.version", "version_command", "Tell what runs here."),
}


_LATER = {
    "garbage-collect": "nothing was collected",
    "purge-uploads": "the server itself removes old uploads (storage.maintenance.uploadpurging)",
}
"""Commands of distribution that scripts may call, and what to say of each."""


class _LazyGroup(click.Group):
    """Knows the subcommands by name and imports the one that is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_SUBCOMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = _SUBCOMMANDS.get(cmd_name)
        if entry is None:
            if cmd_name in _LATER:
                said = f"{cmd_name} is not served yet: {_LATER[cmd_name]}."
                raise click.ClickException(said)
            return None
        command = getattr(importlib.import_module(entry.module), entry.attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, _SUBCOMMANDS[name].summary) for name in sorted(_SUBCOMMANDS)]
            )


def _print_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        click.echo(f"{ctx.find_root().info_name} {PRODUCT} {__version__}")
        ctx.exit()


@click.group(
    cls=_LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "-v",
    "--version",
    is_flag=True,
    expose_value=False,
    is_eager=True,
    callback=_print_version,
    help="Show the version and exit.",
)
@click.pass_context
def command(ctx: click.Context) -> None:
    """A container registry: stores images and hands them out."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: What follows the command's name; None takes the process's own.

    Returns:
        The exit status: 0, 1 for what failed, 2 for a command line that cannot be understood, 130
        after an interrupt.
    """
    sys.excepthook = _print_uncaught
    name = os.path.basename(sys.argv[0])
    try:
        outcome = command.main(
            None if arguments is None else list(arguments),
            prog_name="registry" if name == "__main__.py" else name,
            standalone_mode=False,
        )
    except click.UsageError as exc:
        path = exc.ctx.command_path if exc.ctx else "registry"
        return _fail(f"{exc.format_message()} Try '{path} --help'.", exc.exit_code)
    except click.ClickException as exc:
        return _fail(exc.format_message(), exc.exit_code)
    except click.Abort:
        return INTERRUPTED
    except BrokenPipeError:  # whoever read the output, such as head, has left
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return outcome if isinstance(outcome, int) else 0


def _fail(message: str, status: int) -> int:
    click.echo(f"registry: {message}", err=True)
    return status


def _print_uncaught(
    kind: type[BaseException], exc: BaseException, traceback: TracebackType | None
) -> None:
    """Print an error that nothing foresaw as a sentence; with the variable set, the traceback."""
    if os.environ.get(TRACEBACK_VARIABLE):
        sys.__excepthook__(kind, exc, traceback)
        return
    for leaf in _leaves(exc):
        text = str(leaf)
        said = f"{type(leaf).__name__}: {text}" if text else type(leaf).__name__
        click.echo(f"registry: {said} (set {TRACEBACK_VARIABLE}=1 to see where)", err=True)


def _leaves(exc: BaseException) -> list[BaseException]:
    if isinstance(exc, BaseExceptionGroup):
        return [leaf for inner in exc.exceptions for leaf in _leaves(inner)]
    return [exc]
