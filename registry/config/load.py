"""From a file and the environment to a configuration that can be used, or all reasons why not."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Mapping as Environ
from dataclasses import dataclass

from registry.config import served
from registry.config.checks import Checks
from registry.config.decode import Decoder
from registry.config.defaults import SOURCE, builtin_tree
from registry.config.environment import PATH_VARIABLE, Overlay
from registry.config.nodes import Mapping, Scalar, find
from registry.config.problems import ConfigurationError, ConfigurationWarning, Problem
from registry.config.schema import Configuration
from registry.config.yaml_text import MAX_TEXT_BYTES, decode_text, parse_document

SERVED_DRIVERS = ("filesystem", "inmemory")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration that can be used.

    Attributes:
        configuration: The values, every default filled in.
        source: Where they come from, for people: ``built-in defaults``, ``config.yml``,
            ``config.yml and 3 environment variables``.
        warnings: What was read but does not do what its writer may expect.
    """

    configuration: Configuration
    source: str
    warnings: list[ConfigurationWarning]

    @property
    def built_in(self) -> bool:
        """No file was read: nobody chose what is not in a variable."""
        return self.source.startswith(SOURCE)


def load(
    path: str | None,
    environ: Environ[str, str],
    *,
    in_container: bool = False,
    drivers: Collection[str] = SERVED_DRIVERS,
) -> Loaded:
    """Read the configuration.

    A file is taken as it is: nothing of the built-in configuration is mixed into it. Variables are
    laid over whichever is used.

    Args:
        path: The file; None takes `REGISTRY_CONFIGURATION_PATH`, and without that the built-in
            configuration.
        environ: The environment variables.
        in_container: Which built-in configuration: with every address and ``/var/lib/registry``, or
            with loopback and ``./data``.
        drivers: Names of the storage drivers there are; any other refuses to start.

    Raises:
        ConfigurationError: it cannot be used; all problems that were found.
    """
    path = path or environ.get(PATH_VARIABLE) or None
    root = builtin_tree(in_container=in_container) if path is None else _read(path)
    overlay = Overlay(root)
    overlay.apply(environ)
    tree = _with_old_log_level(overlay.root)
    decoder = Decoder()
    configuration = decoder.configuration(tree)
    checks = Checks(configuration, tree, environ)
    checks.run()
    refusals = served.refusals(configuration, tree, drivers)
    problems = [*overlay.problems, *decoder.problems, *checks.problems, *refusals]
    if problems:
        raise ConfigurationError(_distinct(problems))
    warnings = [
        *overlay.warnings,
        *decoder.warnings,
        *checks.warnings,
        *served.warnings(configuration, tree),
    ]
    return Loaded(configuration, _source(path, len(overlay.applied)), warnings)


def _read(path: str) -> Mapping:
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_TEXT_BYTES + 1)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) and exc.strerror else str(exc)
        message = f"cannot be read: {reason.lower()}"
        fix = f"name a readable file on the command line or in {PATH_VARIABLE}"
        raise ConfigurationError([Problem(path, "", message, fix)]) from None
    return parse_document(decode_text(data, path), path)


def _with_old_log_level(root: Mapping) -> Mapping:
    """Return the tree with `loglevel` as `log.level`, unless that is written as well."""
    old, log = root.entries.get("loglevel"), root.get("log")
    if old is None or find(root, "log.level") is not None:
        return root
    if log is None or (isinstance(log, Scalar) and log.is_null):
        log = Mapping({}, old.place)
    if not isinstance(log, Mapping):
        return root  # the decoder says what is wrong with it
    return root.with_entry("log", old.place, log.with_entry("level", old.place, old.node))


def _distinct(problems: list[Problem]) -> list[Problem]:
    """Return one problem for each place and key, the first: others are its consequences."""
    first: dict[tuple[str, str], Problem] = {}
    for problem in problems:
        first.setdefault((problem.place, problem.key), problem)
    return list(first.values())


def _source(path: str | None, applied: int) -> str:
    base = SOURCE if path is None else path
    if not applied:
        return base
    return f"{base} and {applied} environment variable{'' if applied == 1 else 's'}"
