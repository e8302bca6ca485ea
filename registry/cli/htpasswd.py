"""``htpasswd``: Apache's command for password files, with the one kind of hash a registry accepts.

Options, messages and statuses are Apache's, so that recipes written for that tool work, such as the
``htpasswd -Bbn user password`` of many a container. What differs: hashes are always bcrypt, at cost
10; records that no reader could find again are refused; and a file is replaced in one step, so that
a registry which reads it sees all of the old or all of the new users.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import getopt
import getpass
import os
import secrets
import stat
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from registry.auth import userfile

MAX_NAME_BYTES = 255
MAX_PASSWORD_BYTES = 255
MAX_RECORD_BYTES = 254  # Apache's command cannot read a longer one back
USAGE = f"""\
Usage:
  htpasswd [-ciBDv] [-C cost] file user
  htpasswd -b[cBDv] [-C cost] file user password
  htpasswd -n[iB] [-C cost] user
  htpasswd -nb[B] [-C cost] user password

  -c  create the file, or empty it first
  -n  print the record, change no file
  -b  take the password from the command line (others on this machine may see it)
  -i  read the password from standard input, once
  -B  hash with bcrypt, which is always done
  -C  cost of bcrypt, {userfile.MIN_COST} to {userfile.MAX_COST}: each step doubles the work \
(default: {userfile.GENERATED_COST})
  -D  delete the user
  -v  verify the user's password
"""

_OTHER_HASHES = {
    "-2": "SHA-256",
    "-5": "SHA-512",
    "-d": "crypt",
    "-m": "MD5",
    "-p": "plain text",
    "-r": "rounds of SHA-2",
    "-s": "SHA-1",
}
_IN_PLACE = (errno.EACCES, errno.EBUSY, errno.EPERM, errno.EROFS)


class Status(IntEnum):
    """Exit statuses, with the meaning they have for Apache's command."""

    OK = 0
    FILE = 1
    SYNTAX = 2
    PASSWORD = 3
    INTERRUPTED = 4
    TOO_LONG = 5
    NAME = 6
    NOT_A_PASSWORD_FILE = 7


class _Failure(Exception):
    """The command ends: a status and what is said about it."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class _Request:
    """A command line that was understood.

    Attributes:
        action: ``set``, ``create``, ``print``, ``delete`` or ``verify``.
        path: The file; empty for ``print``.
        name: The user.
        password: From the command line; None to ask, or to read where `from_input`.
        from_input: The password comes from standard input.
        cost: Of a new hash.
    """

    action: str
    path: str
    name: bytes
    password: bytes | None
    from_input: bool
    cost: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status, one of `Status`.

    Args:
        arguments: What follows the command's name; None takes the process's own.
    """
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        return _run(arguments)
    except _Failure as failure:
        _say(f"htpasswd: {failure}")
        if failure.status == Status.SYNTAX:
            _say("Try 'htpasswd --help'.")
        return failure.status
    except KeyboardInterrupt:
        _say("\nhtpasswd: Interrupted.")
        return Status.INTERRUPTED


def _run(arguments: Sequence[str]) -> int:
    if any(argument in ("-h", "--help") for argument in arguments[:1]):
        print(USAGE, end="")
        return Status.OK
    request = _parse(arguments)
    if request.action == "print":
        record = _record(request, _new_password(request))
        sys.stdout.buffer.write(record + b"\n\n")  # Apache ends with an empty line, too
        sys.stdout.flush()
        return Status.OK
    _check_file(request)
    if request.action == "verify":
        return _verify(request)
    record = b"" if request.action == "delete" else _record(request, _new_password(request))
    return _change(request, record)


def _parse(arguments: Sequence[str]) -> _Request:
    """Understand a command line.

    Raises:
        _Failure: it has no meaning, or asks for what a registry cannot use.
    """
    try:
        options, rest = getopt.getopt(list(arguments), "cniBbDv25mdspC:r:")
    except getopt.GetoptError as exc:
        raise _Failure(Status.SYNTAX, f"{exc.msg}") from None
    given = [name for name, _ in options]
    for name in given:
        if name in _OTHER_HASHES:
            raise _Failure(
                Status.SYNTAX,
                f"{name} ({_OTHER_HASHES[name]}) is refused: a registry lets in users with bcrypt "
                "hashes only, use -B",
            )
    modes = {"-c": "create", "-n": "print", "-D": "delete", "-v": "verify"}
    chosen = {modes[name] for name in given if name in modes}
    if len(chosen) > 1:
        raise _Failure(Status.SYNTAX, "only one of -c -n -v -D may be specified")
    action = chosen.pop() if chosen else "set"
    sources = [name for name in given if name in ("-b", "-i")]
    in_arguments = bool(sources) and sources[-1] == "-b"
    wanted = ["user"] if action == "print" else ["file", "user"]
    wanted += ["password"] if in_arguments else []
    if len(rest) != len(wanted):
        expected = " ".join(wanted)
        raise _Failure(Status.SYNTAX, f"expected {expected}, got {len(rest)} arguments")
    values = dict(zip(wanted, rest, strict=True))
    costs = [value for name, value in options if name == "-C"]
    return _Request(
        action=action,
        path=values.get("file", ""),
        name=_parse_name(os.fsencode(values["user"])),
        password=_checked(os.fsencode(values["password"])) if in_arguments else None,
        from_input=bool(sources) and not in_arguments,
        cost=_parse_cost(costs[-1]) if costs else userfile.GENERATED_COST,
    )


def _parse_name(name: bytes) -> bytes:
    if len(name) > MAX_NAME_BYTES:
        raise _Failure(Status.TOO_LONG, f"username too long (> {MAX_NAME_BYTES})")
    fault = userfile.name_fault(name)
    if fault is not None:
        raise _Failure(Status.NAME, f"username {fault}")
    return name


def _parse_cost(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise _Failure(Status.SYNTAX, f"argument to -C must be a positive integer, not {text!r}")
    cost = int(text)
    if not userfile.MIN_COST <= cost <= userfile.MAX_COST:
        limits = f"{userfile.MIN_COST} to {userfile.MAX_COST}"
        raise _Failure(Status.SYNTAX, f"a cost of {cost} is not possible, use {limits}")
    return cost


def _checked(password: bytes) -> bytes:
    if len(password) > MAX_PASSWORD_BYTES:
        raise _Failure(Status.TOO_LONG, f"password too long (> {MAX_PASSWORD_BYTES})")
    return password


def _new_password(request: _Request) -> bytes:
    """Return the password to set, asked for twice where a person types it."""
    password = request.password
    if password is None and request.from_input:
        password = _read_password()
    elif password is None:
        password = _ask("New password: ")
        if password != _ask("Re-type new password: "):
            raise _Failure(Status.PASSWORD, "password verification error")
    if len(password) > userfile.MAX_PASSWORD_BYTES:
        _say(f"Warning: only the first {userfile.MAX_PASSWORD_BYTES} bytes of the password count.")
    return password


def _read_password() -> bytes:
    text = sys.stdin.buffer.read(MAX_PASSWORD_BYTES + 3)
    return _checked(text.removesuffix(b"\n").removesuffix(b"\r") if text[-1:] == b"\n" else text)


def _ask(prompt: str) -> bytes:
    try:
        return _checked(os.fsencode(getpass.getpass(prompt)))
    except EOFError:
        raise _Failure(Status.PASSWORD, "the input ended before a password was given") from None


def _record(request: _Request, password: bytes) -> bytes:
    record = request.name + b":" + userfile.hash_password(password, request.cost)
    if len(record) > MAX_RECORD_BYTES:
        raise _Failure(Status.TOO_LONG, f"resultant record too long (> {MAX_RECORD_BYTES})")
    return record


def _check_file(request: _Request) -> None:
    """Fail before a password is asked for when the file cannot be used."""
    path, action = request.path, request.action
    if os.path.isdir(path):
        raise _Failure(Status.FILE, f"{path} is a directory")
    if os.path.exists(path):
        if action != "verify" and not os.access(path, os.W_OK):
            raise _Failure(Status.FILE, f"cannot modify file {path}: permission denied")
    elif action != "create":
        raise _Failure(Status.FILE, f"cannot modify file {path}; use '-c' to create it")
    if action != "create":
        _read(path)


def _read(path: str) -> list[userfile.Line]:
    try:
        with open(path, "rb") as file:
            lines = list(userfile.parse_lines(file.read()))
    except OSError as exc:
        message = f"cannot open file {path} for reading: {_reason(exc)}"
        raise _Failure(Status.FILE, message) from None
    for number, line in enumerate(lines, start=1):
        if line.damaged:
            message = (
                f"The file {path} does not appear to be a valid htpasswd file (line {number})."
            )
            raise _Failure(Status.NOT_A_PASSWORD_FILE, message)
    return lines


def _verify(request: _Request) -> int:
    password = request.password
    if password is None:
        password = _read_password() if request.from_input else _ask("Enter password: ")
    hashes = [line.hash for line in _read(request.path) if line.name == request.name]
    if not hashes:
        _say(f"User {_shown(request.name)} not found")
        return Status.NAME
    if not userfile.matches(password, hashes[-1]):
        _say("password verification failed")
        return Status.PASSWORD
    _say(f"Password for user {_shown(request.name)} correct.")
    return Status.OK


def _change(request: _Request, record: bytes) -> int:
    """Put `record` in the place of the user's records, or remove them if it is empty."""
    path, name = request.path, request.name
    try:
        with _locked(path):
            lines = [] if request.action == "create" else _read(path)
            known = any(line.name == name for line in lines)
            verb = "Updating" if known else "Adding"
            if request.action == "delete":
                if not known:
                    _say(f"User {_shown(name)} not found")
                    return Status.OK
                verb = "Deleting"
            _replace(path, _with_record(lines, name, record))
    except OSError as exc:
        what = "create" if request.action == "create" else "write"
        raise _Failure(Status.FILE, f"cannot {what} file {path}: {_reason(exc)}") from None
    _say(f"{verb} password for user {_shown(name)}")
    return Status.OK


def _with_record(lines: list[userfile.Line], name: bytes, record: bytes) -> bytes:
    """Return the file's content with the one record for `name`, where its first one stood."""
    texts: list[bytes] = []
    for line in lines:
        if line.name != name:
            texts.append(line.text)
        elif record:
            texts.append(record)
            record = b""
    if record:
        texts.append(record)
    return b"".join(text + b"\n" for text in texts)


@contextlib.contextmanager
def _locked(path: str) -> Iterator[None]:
    """Keep other runs of this command away from the file between reading and replacing it."""
    directory = os.open(os.path.dirname(os.path.realpath(path)), os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # some network file systems have no locks
            fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _replace(path: str, content: bytes) -> None:
    """Let `content` be the file's, in one step where the file system allows it.

    A link is followed, owner and mode of an old file are kept. A file that cannot be replaced, such
    as a mount point or one in a directory that is not ours, is written over instead.
    """
    target = os.path.realpath(path)
    old = os.stat(path) if os.path.exists(path) else None
    if old is not None and not stat.S_ISREG(old.st_mode):
        _write_over(path, content)
        return
    temporary = os.path.join(os.path.dirname(target), f".htpasswd-{secrets.token_hex(8)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
        try:
            with open(descriptor, "wb") as file:
                if old is not None:
                    os.fchmod(descriptor, stat.S_IMODE(old.st_mode))
                    if (old.st_uid, old.st_gid) != (os.geteuid(), os.fstat(descriptor).st_gid):
                        os.fchown(descriptor, old.st_uid, old.st_gid)
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as exc:
        if old is None or exc.errno not in _IN_PLACE:
            raise
        _write_over(path, content)
        return
    _sync_directory(os.path.dirname(target))


def _write_over(path: str, content: bytes) -> None:
    with open(os.open(path, os.O_WRONLY), "wb") as file:
        file.write(content)
        file.flush()
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            file.truncate()
            os.fsync(file.fileno())


def _sync_directory(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _shown(name: bytes) -> str:
    return name.decode(errors="backslashreplace")


def _reason(exc: OSError) -> str:
    return (exc.strerror or str(exc)).lower()


def _say(message: str) -> None:
    print(message, file=sys.stderr)
