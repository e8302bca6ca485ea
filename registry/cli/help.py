"""``registry help``: what ``--help`` tells, by name."""

from __future__ import annotations

import click


@click.command("help")
@click.argument("name", metavar="[COMMAND]", required=False)
@click.pass_context
def help_command(ctx: click.Context, name: str | None) -> None:
    """Tell how a command is used, or which commands there are."""
    root = ctx.find_root()
    group = root.command
    assert isinstance(group, click.Group)
    if name is None:
        click.echo(root.get_help())
        return
    command = group.get_command(root, name)
    if command is None:
        known = ", ".join(group.list_commands(root))
        raise click.UsageError(f"No such command {name!r}, there are {known}.", root)
    click.echo(command.get_help(click.Context(command, info_name=name, parent=root)))
