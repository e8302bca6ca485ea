"""The command line of ``registry demo``."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import click
import trio
from rich.console import Console

from registry.cli.demo import walk
from registry.cli.demo.client import DemoFailed, Target, connect, parse_target
from registry.cli.demo.image import make_image
from registry.cli.demo.report import Report, readable_size
from registry.cli.health import configured_target
from registry.oci import errors
from registry.oci.names import parse_repository

DEFAULT_REPOSITORY = "trireme/demo"
PASSWORD_VARIABLE = "TRIREME_DEMO_PASSWORD"  # noqa: S105  # the name of a variable


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command line asks for.

    Attributes:
        target: Which registry.
        repository: Where the image goes.
        keep: Leave it there.
    """

    target: Target
    repository: str
    keep: bool


@click.command("demo")
@click.argument("url", metavar="[URL]", required=False)
@click.option("--config", metavar="FILE", help="Take the address from this configuration.")
@click.option(
    "--repository",
    default=DEFAULT_REPOSITORY,
    show_default=True,
    metavar="NAME",
    help="Push the image here, and its base layer to NAME-base first.",
)
@click.option("--username", metavar="NAME", help="User to push and pull as; may be in URL instead.")
@click.option(
    "--password",
    envvar=PASSWORD_VARIABLE,
    show_envvar=True,
    metavar="PASSWORD",
    help="Their password; asked for when it is not given.",
)
@click.option("--insecure", is_flag=True, help="Do not check the registry's certificate.")
@click.option(
    "--keep/--delete",
    default=False,
    help="Leave the image in place, or delete it at the end where that is enabled (the default).",
)
def demo_command(  # noqa: PLR0917  # click passes them by name
    url: str | None,
    config: str | None,
    repository: str,
    username: str | None,
    password: str | None,
    insecure: bool,
    keep: bool,
) -> None:
    """Push a small image to the registry at URL, pull it back and check every byte.

    The image is made on the spot, for two platforms, different each time; no other tool and no
    network but the way to the registry is needed. Without URL the address comes from the
    configuration that `registry serve` would use, with its REGISTRY_ variables. The status is 0
    when everything was as it should be, else 1.
    """
    if url is not None and config is not None:
        raise click.UsageError("URL and --config exclude each other.")
    try:
        parse_repository(f"{repository}-base")
    except errors.NameInvalid:
        raise click.UsageError(
            f"--repository {repository!r}: expected a name such as {DEFAULT_REPOSITORY}"
        ) from None
    target = _target(url, config, insecure)
    wish = Wish(_with_credentials(target, username, password), repository, keep)
    report = Report(Console(highlight=False))
    try:
        trio.run(_run, wish, report)
    except DemoFailed as exc:
        raise click.ClickException(str(exc)) from None


def _target(url: str | None, config: str | None, insecure: bool) -> Target:
    if url is not None:
        try:
            return parse_target(url, verify=not insecure)
        except ValueError as exc:
            raise click.UsageError(str(exc)) from None
    found = configured_target(config)  # on this host, under a name no certificate need have
    base = found.url.removesuffix("/").removesuffix("/v2")
    return Target(base, verify=found.verify and not insecure, socket_path=found.socket_path)


def _with_credentials(target: Target, username: str | None, password: str | None) -> Target:
    if username is not None:
        target = replace(target, username=username, password="")
    if target.username is None:
        if password is not None and not os.environ.get(PASSWORD_VARIABLE):
            raise click.UsageError("--password needs --username.")
        return target
    if ":" in target.username:
        raise click.UsageError(f"user {target.username!r}: a name cannot have a colon")
    if password is None and not target.password:
        password = click.prompt(f"Password of {target.username}", hide_input=True, err=True)
    return target if password is None else replace(target, password=password)


async def _run(wish: Wish, report: Report) -> None:
    marker = secrets.token_hex(6)
    place = walk.Place(wish.repository, f"{wish.repository}-base", f"demo-{marker}")
    report.title("make")
    with report.step("make an image for linux/amd64 and linux/arm64") as step:
        image = await trio.to_thread.run_sync(make_image, marker)
        step.size_bytes = image.size_bytes
    async with connect(wish.target) as client:
        report.title(f"push to {wish.target.url}")
        await walk.push(client, image, place, report)
        report.title("pull and check")
        await walk.pull(client, image, place, report)
        if not wish.keep:
            report.title("clean up")
            await walk.clean_up(client, image, place, report)
    report.say(
        f"All {report.steps} steps went well: {readable_size(image.size_bytes)} in "
        f"{len(image.blobs)} blobs, every digest as it was computed here."
    )
    if wish.keep:
        host = urlsplit(wish.target.url).netloc
        report.say(f"The image stays: docker pull {host}/{wish.repository}:{place.tag}")
