"""The name of content: an algorithm and the hash it gave."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Self

from registry.stream import Block

CANONICAL: Final = "sha256"
"""The algorithm a registry stores by, whichever one a client asks for."""

ALGORITHMS: Final = {"sha256": 64, "sha384": 96, "sha512": 128}
"""The algorithms a digest may name, and how many hexadecimal digits each has."""

_LOWER_HEX = re.compile(r"[0-9a-f]*")
_ANY_HEX = re.compile(r"[0-9A-Fa-f]*")
_SHOWN_CHARACTERS = 160  # a whole sha512 digest; more of a hostile value would only fill the log


class InvalidDigest(ValueError):
    """The text is not a digest, or names an algorithm this registry does not know."""


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A digest: always valid, hashable, and ordered as its text.

    Attributes:
        algorithm: A key of `ALGORITHMS`.
        hex: The hash in lower-case hexadecimal digits, as many as the algorithm has.

    Raises:
        InvalidDigest: on construction, when either is not as above.

    Source: OCI image specification, "Digests", narrowed to the registered algorithms.
    """

    algorithm: str
    hex: str

    def __post_init__(self) -> None:
        check_algorithm(self.algorithm)
        digits = ALGORITHMS[self.algorithm]
        if len(self.hex) == digits and _LOWER_HEX.fullmatch(self.hex):
            return
        shown = _shown(f"{self.algorithm}:{self.hex}")
        if not _ANY_HEX.fullmatch(self.hex):
            problem = "has a character that is no hexadecimal digit"
        elif len(self.hex) != digits:
            problem = f"has {len(self.hex)} digits, {self.algorithm} has {digits}"
        else:
            problem = "has upper-case digits, write it in lower case"
        raise InvalidDigest(f"digest {shown} {problem}")

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``<algorithm>:<hex>``, the whole of `text`.

        Raises:
            InvalidDigest: it is not of that form; the message says why and shows the value.
        """
        algorithm, colon, digits = text.partition(":")
        if not colon:
            raise InvalidDigest(f"digest {_shown(text)} has no colon, expected <algorithm>:<hex>")
        return cls(algorithm, digits)

    @classmethod
    def of(cls, algorithm: str, data: Block) -> Self:
        """Hash `data`, which is all of the content; for content in pieces see `new_hasher`.

        Raises:
            InvalidDigest: the algorithm is unknown.
        """
        check_algorithm(algorithm)
        return cls(algorithm, hashlib.new(algorithm, data, usedforsecurity=False).hexdigest())


def check_algorithm(algorithm: str) -> None:
    """Return if `algorithm` is one of `ALGORITHMS`.

    Raises:
        InvalidDigest: it is not.
    """
    if algorithm not in ALGORITHMS:
        known = ", ".join(ALGORITHMS)
        raise InvalidDigest(
            f"digest algorithm {_shown(algorithm)} is not supported, expected one of {known}"
        )


def _shown(text: str) -> str:
    """`text` for a message, quoted and cut to a bearable length."""
    if len(text) <= _SHOWN_CHARACTERS:
        return repr(text)
    return repr(text[:_SHOWN_CHARACTERS]) + "..."
