"""``registry version``: what runs here, for people and for programs."""

from __future__ import annotations

import json
import platform

import click

from registry import PRODUCT, __version__


@click.command("version")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def version_command(as_json: bool) -> None:
    """Tell the version, the Python it runs on, and what computes digests."""
    try:
        from registry.digest import implementation
    except ImportError as exc:  # the one that TRIREME_DIGEST asks for is not available
        raise click.ClickException(str(exc)) from exc
    facts = {
        "product": PRODUCT,
        "version": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system().lower()}/{platform.machine()}",
        "digest": implementation,
    }
    if as_json:
        click.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        click.echo(f"{name:<9}{value}")
