"""What a client says it can take: the Accept header of manifest requests."""

from __future__ import annotations

from collections.abc import Iterable

from registry.oci import media_types

_EVERYTHING = frozenset({"*/*", "application/*", "*"})


def accepted_types(headers: Iterable[str]) -> frozenset[str]:
    """Return the media types of all Accept headers, lower case, those of quality 0 left out."""
    found = set()
    for header in headers:
        for part in header.split(","):
            name, *parameters = (piece.strip().lower() for piece in part.split(";"))
            if name and not any(_is_zero_quality(parameter) for parameter in parameters):
                found.add(name)
    return frozenset(found)


def _is_zero_quality(parameter: str) -> bool:
    name, _, value = parameter.partition("=")
    if name.strip() != "q":
        return False
    try:
        return float(value) == 0.0
    except ValueError:
        return False


def wants_platform_image(accepted: frozenset[str]) -> bool:
    """Tell whether a docker manifest list must be replaced by its linux/amd64 image.

    Only clients from before manifest lists need it: they name the docker image manifest and
    neither the list nor a wildcard.
    """
    return media_types.DOCKER_MANIFEST in accepted and not (
        media_types.DOCKER_LIST in accepted or accepted & _EVERYTHING
    )
