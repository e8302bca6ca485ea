"""Listening sockets: bound here, inherited from systemd, or a path in the file system."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Mapping
from dataclasses import dataclass

BACKLOG = 1024
FIRST_INHERITED = 3  # where systemd's descriptors begin


@dataclass(frozen=True, slots=True)
class Listener:
    """Sockets that belong to one address, listening.

    Attributes:
        sockets: At least one; two when a name or every interface means both IP families.
        unix_path: Path of a Unix socket that is removed at the end; "" for others.
    """

    sockets: tuple[socket.socket, ...]
    unix_path: str = ""

    @property
    def port(self) -> int:
        """The TCP port that was really bound; 0 for a Unix socket."""
        item = self.sockets[0]
        return 0 if item.family == socket.AF_UNIX else int(item.getsockname()[1])

    def close(self) -> None:
        """Close the sockets and remove the path of a Unix one."""
        for item in self.sockets:
            item.close()
        if self.unix_path:
            _remove_socket(self.unix_path)


def bind_tcp(host: str, port: int) -> Listener:
    """Bind and listen on TCP.

    Args:
        host: Name or address; "" for every interface.
        port: 0 for any free one, the same in both families.

    Raises:
        OSError: the address is taken or not ours, or the port needs more rights.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    sockets: list[socket.socket] = []
    try:
        for family, kind, protocol, _, where in found:
            bound = _bound(family, kind, protocol, (where[0], port, *where[2:]))
            if bound is not None:
                sockets.append(bound)
                port = int(bound.getsockname()[1])
        if not sockets:
            raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
        return Listener(tuple(_listening(item) for item in sockets))
    except BaseException:
        for item in sockets:
            item.close()
        raise


def _bound(
    family: int, kind: int, protocol: int, where: tuple[object, ...]
) -> socket.socket | None:
    """Return a bound socket, None for IPv6 on a host that has it switched off."""
    try:
        item = socket.socket(family, kind, protocol)
    except OSError:
        if family == socket.AF_INET6:
            return None
        raise
    try:
        item.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        item.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            item.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        item.bind(where)
    except OSError as exc:
        item.close()
        if family == socket.AF_INET6 and exc.errno == errno.EADDRNOTAVAIL:
            return None
        raise
    return item


def bind_unix(path: str) -> Listener:
    """Bind and listen on a Unix socket; one that a dead server left at `path` is replaced.

    Raises:
        OSError: something else is at `path`, or it cannot be made there.
    """
    _remove_socket(path)
    item = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        item.bind(path)
        return Listener((_listening(item),), path)
    except BaseException:
        item.close()
        raise


def inherited(environ: Mapping[str, str]) -> Listener | None:
    """Return the sockets that systemd passed to this process, None when it passed none.

    Source: sd_listen_fds(3).
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = environ.get("LISTEN_FDS", "")
    if not count.isdigit() or int(count) == 0:
        return None
    sockets = []
    for descriptor in range(FIRST_INHERITED, FIRST_INHERITED + int(count)):
        os.set_inheritable(descriptor, False)  # noqa: FBT003  # its only form
        sockets.append(_listening(socket.socket(fileno=descriptor)))
    return Listener(tuple(sockets))


def _listening(item: socket.socket) -> socket.socket:
    item.listen(BACKLOG)
    item.setblocking(False)  # noqa: FBT003  # its only form
    return item


def _remove_socket(path: str) -> None:
    """Remove a socket at `path`; anything else there is not ours."""
    try:
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)
    except FileNotFoundError:
        pass
