"""The contract between the API and whoever decides who may do what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Access:
    """One right that a request needs.

    Attributes:
        type: ``repository`` or ``registry``.
        name: The repository's name, or ``catalog`` for the registry.
        action: ``pull``, ``push``, ``delete`` or ``*``.
    """

    type: str
    name: str
    action: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Whose request it is.

    Attributes:
        name: The user's name, empty for someone who showed no credentials.
    """

    name: str


ANONYMOUS = Identity("")


class Challenge(Exception):
    """Credentials are missing, wrong, or not enough for what was asked.

    Attributes:
        header: Value of the ``WWW-Authenticate`` header that tells the client what is expected.
        access: The rights that were asked for.
    """

    def __init__(self, header: str, access: Sequence[Access] = ()) -> None:
        super().__init__("credentials are missing or not sufficient")
        self.header = header
        self.access = tuple(access)


class InvalidParameter(Exception):
    """A controller cannot be built from what it was given; raised by constructors only.

    Attributes:
        parameter: Name of the parameter, as in the configuration below ``auth.<type>``.
    """

    def __init__(self, parameter: str, reason: str) -> None:
        super().__init__(f"{parameter}: {reason}")
        self.parameter = parameter


class AccessController(Protocol):
    """Decides who may do what. Every method may be called from any number of tasks at once."""

    async def authorize(
        self,
        authorization: str | None,
        access: Sequence[Access],
        *,
        host: str = "",
        scheme: str = "http",
    ) -> Identity:
        """Let the request pass or refuse it.

        Args:
            authorization: Value of the ``Authorization`` header as it came, or None.
            access: Every right the request needs; empty for the base route, which needs nothing
                but to be known.
            host: What the client calls this registry, for challenges that name an address.
            scheme: ``http`` or ``https``, as the client sees it.

        Returns:
            Whose request it is; all of `access` is granted.

        Raises:
            Challenge: one of the rights is not granted. Whatever stands in the header, however
                malformed, ends here and in no other error.

        Cancellation: nothing is granted or remembered. A decision that needs no waiting is made
            without a checkpoint.
        """
        ...

    def recall(self, authorization: str | None, access: Sequence[Access]) -> Identity | None:
        """Do what `authorize` does if that takes no waiting, else return None.

        None also for whatever would be refused: only `authorize` refuses.
        """
        ...

    def may(self, identity: Identity, access: Access) -> bool:
        """Whether someone who passed `authorize` would also be granted `access`.

        Filters lists, and decides about the source of a mount.
        """
        ...


class OpenAccess:
    """Everyone may do everything; credentials are not looked at."""

    async def authorize(
        self,
        authorization: str | None,
        access: Sequence[Access],
        *,
        host: str = "",
        scheme: str = "http",
    ) -> Identity:
        """Let every request pass, as nobody in particular."""
        return ANONYMOUS

    def recall(self, authorization: str | None, access: Sequence[Access]) -> Identity | None:
        """Let every request pass."""
        return ANONYMOUS

    def may(self, identity: Identity, access: Access) -> bool:
        """Return True."""
        return True
