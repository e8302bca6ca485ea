"""Access for the users of an htpasswd file, each of whom may do everything.

The file is read again when it changed, within `CHECK_S`. It fails closed: a record that cannot be
used lets nobody in, and a file that cannot be read has no users, until it can be read again. Each
is said in the log once, with the file's name and the line.
"""

from __future__ import annotations

import logging
import os
import secrets
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass

import trio

from registry.auth import userfile
from registry.auth.basic import challenge, parse_credentials
from registry.auth.controller import Access, Challenge, Identity, InvalidParameter
from registry.auth.verifier import Verifier

CHECK_S = 0.25
MAX_FILE_BYTES = 4 * 1024 * 1024  # 50 000 users
MAX_REPORTED = 20  # lines of one file that are complained about one by one
SETTLED_NS = 2_000_000_000  # a file may change twice within a time stamp's grain, 2 s on FAT
CREATED_USER = "docker"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Users:
    """Who can log in: names and bcrypt hashes, and a hash to refuse everyone else with."""

    hashes: dict[bytes, bytes]
    decoy: bytes


_NOBODY = _Users({}, userfile.decoy(userfile.GENERATED_COST))


class HtpasswdAccess:
    """Lets in who shows the name and password of a record in an htpasswd file."""

    def __init__(self, realm: str, path: str) -> None:
        """Read the file, or create it with one user whose password goes to the log.

        Blocks; meant for start-up.

        Args:
            realm: What clients show to their users when they ask for a password.
            path: The file.

        Raises:
            InvalidParameter: `realm` or `path` cannot be used, or the file cannot be read.
        """
        if not realm:
            raise InvalidParameter("realm", "is empty, give the name users see, such as 'Registry'")
        if not path:
            raise InvalidParameter("path", "is empty, give the path of an htpasswd file")
        try:
            self._header = challenge(realm)
        except ValueError as exc:
            raise InvalidParameter("realm", str(exc)) from None
        _create_missing(path)
        self._file = _File(path)
        try:
            self._users = _read_users(path, self._file.read_changed() or b"")
        except OSError as exc:
            raise InvalidParameter("path", f"{path!r}: {_reason(exc)}") from None
        self._verifier = Verifier()
        self._checking = trio.Lock()
        self._reading = trio.CapacityLimiter(1)
        self._next_check = 0.0
        self._complaint = ""

    async def authorize(
        self,
        authorization: str | None,
        access: Sequence[Access],
        *,
        host: str = "",
        scheme: str = "http",
    ) -> Identity:
        """Let the request pass when its Basic credentials are those of a record.

        An unknown name takes as long to refuse as a known one, if all hashes have the same cost.

        Raises:
            Challenge: they are missing, malformed or wrong.

        Cancellation: nothing is granted or remembered.
        """
        credentials = parse_credentials(authorization)
        if credentials is None:
            raise Challenge(self._header, access)
        await self._refresh()
        name = credentials.user.encode()
        hashed = self._users.hashes.get(name)
        verified = await self._verifier.verify(
            name, credentials.password, hashed or self._users.decoy
        )
        if hashed is None or not verified:
            log.info("refused the credentials of user %r", credentials.user[:64])
            raise Challenge(self._header, access)
        return Identity(credentials.user)

    def recall(self, authorization: str | None, access: Sequence[Access]) -> Identity | None:
        """Return who it is when that password was verified lately and the file looked at."""
        credentials = parse_credentials(authorization)
        if credentials is None or trio.current_time() >= self._next_check:
            return None
        name = credentials.user.encode()
        hashed = self._users.hashes.get(name)
        if hashed is None or not self._verifier.remembers(name, credentials.password, hashed):
            return None
        return Identity(credentials.user)

    def may(self, identity: Identity, access: Access) -> bool:
        """Return True: every user of the file may do everything."""
        return True

    async def _refresh(self) -> None:
        """Take over what changed in the file, looking at most once in `CHECK_S`.

        Cancellation: the next call looks again.
        """
        if trio.current_time() < self._next_check:
            return
        async with self._checking:  # who comes later waits for the look, and none looks twice
            if trio.current_time() < self._next_check:
                return
            if await trio.to_thread.run_sync(self._take_over, limiter=self._reading):
                self._verifier.forget()
            self._next_check = trio.current_time() + CHECK_S

    def _take_over(self) -> bool:
        """Read the file and return True if it changed; in a thread while `_checking` is held."""
        try:
            content = self._file.read_changed()
        except OSError as exc:
            complaint = f"{self._file.path}: {_reason(exc)}"
            if complaint != self._complaint:
                log.error("nobody can log in: %s", complaint)
            self._complaint = complaint
            self._users = _NOBODY
            return True
        self._complaint = ""
        if content is None:
            return False
        self._users = _read_users(self._file.path, content)
        log.info("read %d users from %s", len(self._users.hashes), self._file.path)
        return True


class _File:
    """A small file that is read only when it changed. Blocks; one thread at a time."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._stamp: tuple[int, ...] = ()
        self._content: bytes | None = None

    def read_changed(self) -> bytes | None:
        """Return the content if it is not what was returned before, None otherwise.

        Raises:
            OSError: it cannot be read; a later success counts as a change.
        """
        try:
            return self._read_changed()
        except OSError:
            self._stamp, self._content = (), None
            raise

    def _read_changed(self) -> bytes | None:
        info = os.stat(self.path)
        if not stat.S_ISREG(info.st_mode):
            raise OSError("is not a regular file")
        if _stamp(info) == self._stamp:
            return None
        with open(self.path, "rb") as file:
            info = os.fstat(file.fileno())
            content = file.read(MAX_FILE_BYTES + 1)
        if len(content) > MAX_FILE_BYTES:
            raise OSError(f"is larger than {MAX_FILE_BYTES} bytes")
        # A stamp that is still fresh may come to stand for other content as well.
        age_ns = time.time_ns() - max(info.st_mtime_ns, info.st_ctime_ns)
        self._stamp = _stamp(info) if age_ns > SETTLED_NS else ()
        changed = content != self._content
        self._content = content
        return content if changed else None


def _stamp(info: os.stat_result) -> tuple[int, ...]:
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


def _reason(exc: OSError) -> str:
    return exc.strerror.lower() if exc.strerror else str(exc)


def _read_users(path: str, content: bytes) -> _Users:
    """Return the records that can let someone in, and log why the others cannot."""
    hashes: dict[bytes, bytes] = {}
    faults: list[str] = []
    highest = 0
    for number, line in enumerate(userfile.parse_lines(content), start=1):
        place = f"{path}:{number}"
        if line.damaged:
            faults.append(f"{place}: expected name:hash, the line is left out")
        if line.name is None:
            continue
        hashes.pop(line.name, None)  # the later record holds, even if it lets nobody in
        cost = userfile.cost_of(line.hash)
        user = line.name.decode(errors="replace")
        if cost is None:
            faults.append(f"{place}: user {user!r} has no bcrypt hash, make one with htpasswd -B")
        elif not userfile.MIN_COST <= cost <= userfile.MAX_COST:
            limits = f"{userfile.MIN_COST} to {userfile.MAX_COST}"
            faults.append(f"{place}: user {user!r} has a bcrypt cost of {cost}, use {limits}")
        else:
            if cost > userfile.WARN_COST:
                log.warning("%s: user %r: bcrypt cost %d makes log-ins slow", place, user, cost)
            hashes[line.name] = line.hash
            highest = max(highest, cost)
    for fault in faults[:MAX_REPORTED]:
        log.error("%s", fault)
    if len(faults) > MAX_REPORTED:
        log.error("%s: %d more lines cannot be used", path, len(faults) - MAX_REPORTED)
    return _Users(hashes, userfile.decoy(highest)) if hashes else _NOBODY


def _create_missing(path: str) -> None:
    """Write a file with one user if there is none, and say the password once.

    Directories above it are made too, for their owner only, as distribution does. Of several
    processes that start together one writes it.

    Raises:
        InvalidParameter: there is none and it cannot be written.
    """
    if os.path.lexists(path):
        return
    _create_directories(os.path.dirname(path))
    password = secrets.token_urlsafe(32)
    record = f"{CREATED_USER}:".encode() + userfile.hash_password(password.encode()) + b"\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return
    except OSError as exc:
        raise InvalidParameter("path", f"{path!r} cannot be created: {_reason(exc)}") from None
    try:
        with open(descriptor, "wb") as file:
            file.write(record)
            file.flush()
            os.fsync(descriptor)
    except OSError as exc:
        os.unlink(path)
        raise InvalidParameter("path", f"{path!r} cannot be written: {_reason(exc)}") from None
    log.warning(
        "%s was missing and has been created: log in as user %s with password %s",
        path,
        CREATED_USER,
        password,
    )


def _create_directories(directory: str) -> None:
    """Make `directory` and what is missing above it, each for its owner only.

    Raises:
        InvalidParameter: one cannot be made.
    """
    missing = []
    while directory and not os.path.isdir(directory):
        missing.append(directory)
        directory = os.path.dirname(directory)
    for one in reversed(missing):
        try:
            os.mkdir(one, 0o700)
        except FileExistsError:
            if not os.path.isdir(one):
                raise InvalidParameter("path", f"{one!r} is not a directory") from None
        except OSError as exc:
            reason = f"directory {one!r} cannot be created: {_reason(exc)}"
            raise InvalidParameter("path", reason) from None
