"""The errors a driver may raise, one class per decision that a caller can make.

Each carries the driver's name and the path in question. Foreign exceptions (``OSError``, a store's
client errors) are translated into these where they enter a driver, once.
"""


class DriverError(Exception):
    """A driver could not do what was asked; the base of every error in this module.

    Attributes:
        driver: Name of the driver, such as ``filesystem``.
        path: The path the call was about, as the caller gave it.
        reason: What went wrong, lower case, without the path.
    """

    def __init__(self, driver: str, path: str, reason: str) -> None:
        super().__init__(f"{driver}: {path!r}: {reason}")
        self.driver = driver
        self.path = path
        self.reason = reason


class InvalidPath(DriverError):
    """The path is not of the contract's grammar; nothing was touched."""


class InvalidParameters(DriverError):
    """The driver's parameters are unusable; raised by constructors only."""


class PathNotFound(DriverError):
    """Nothing rests at the path."""


class OffsetMismatch(DriverError):
    """A write did not start where the session stands, or a session cannot be opened there.

    Attributes:
        offset: Where the session stands, in bytes; nothing was written.
    """

    def __init__(self, driver: str, path: str, offset: int, asked: int) -> None:
        super().__init__(driver, path, f"offset is {offset}, not {asked}")
        self.offset = offset
        self.asked = asked


class StateInvalid(DriverError):
    """The recorded state of an upload is not of this driver or no longer fits what is stored."""


class UploadBusy(DriverError):
    """Another session, in this process or another one, holds the upload; nothing was changed."""


class SessionEnded(DriverError):
    """The session was committed, aborted or closed before this call."""


class OutOfSpace(DriverError):
    """The store is full or over quota; what was acknowledged before is untouched."""


class Unavailable(DriverError):
    """The store failed or did not answer; the call may be tried again."""
