"""``registry serve``: run a registry until it is told to stop."""

from __future__ import annotations

import os
import sys

import click

CONTAINER_VARIABLE = "TRIREME_CONTAINER"  # set in the image: every address, /var/lib/registry


@click.command("serve")
@click.argument("config", required=False, type=click.Path(), metavar="[CONFIG]")
def serve_command(config: str | None) -> None:
    """Serve a registry until SIGTERM or Ctrl-C.

    CONFIG is a YAML file with the keys of distribution. Without one, the file that
    REGISTRY_CONFIGURATION_PATH names is read; without that, built-in defaults serve on this machine
    only, with data below ./data. REGISTRY_* variables override single keys.
    """
    from drivers import factory
    from registry.config import ConfigurationError, load
    from registry.serve import StartError, run

    try:
        loaded = load(
            config,
            os.environ,
            in_container=bool(os.environ.get(CONTAINER_VARIABLE)),
            drivers=factory.names(),
        )
    except ConfigurationError as exc:
        raise click.ClickException(f"configuration error: {exc}") from exc
    try:
        status = run(loaded, os.environ)
    except StartError as exc:
        raise click.ClickException(str(exc)) from exc
    sys.exit(status)
