"""What the kernel says of a registry's processes: threads, descriptors, memory, who serves whom."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.kit.http import Wire
from tests.kit.servers import Server


def workers(server: Server) -> list[int]:
    """Return the process ids of a registry's workers; of one that serves alone its own."""
    pid = server.process.pid
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(item) for item in found] or [pid]


def threads(pid: int) -> int:
    """Return how many threads a process has."""
    return len(os.listdir(f"/proc/{pid}/task"))


def descriptors(pid: int) -> int:
    """Return how many descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


def resident(pid: int, key: str = "VmRSS") -> int:
    """Return a process's resident memory in bytes: now, or at its peak (``VmHWM``)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(key)) * 1024


def reset_peak(pid: int) -> None:
    """Let ``VmHWM`` begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def read_bytes(pid: int) -> int:
    """Return how much a process has read so far, from files and sockets."""
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("rchar"))


def owner(server: Server, wire: Wire) -> int | None:
    """Return the process id of the worker that has accepted a connection, None when none has."""
    inode = None
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        _, local, remote, *fields = line.split()
        ports = (int(local.partition(":")[2], 16), int(remote.partition(":")[2], 16))
        if ports == (server.port, wire.local_port):
            inode = fields[6]
    for pid in workers(server):
        for number in os.listdir(f"/proc/{pid}/fd"):
            with suppress(FileNotFoundError):
                if os.readlink(f"/proc/{pid}/fd/{number}") == f"socket:[{inode}]":
                    return pid
    return None


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process holds.

    Attributes:
        threads: How many.
        descriptors: How many.
        resident_bytes: Memory.
    """

    threads: int
    descriptors: int
    resident_bytes: int

    @classmethod
    def of(cls, pid: int) -> Footprint:
        """Look at a process."""
        return cls(threads(pid), descriptors(pid), resident(pid))


def is_locked(path: Path) -> bool:
    """Tell whether any process holds a lock on a file."""
    inode = path.stat().st_ino
    held = Path("/proc/locks").read_text().splitlines()
    return any(line.split()[-3].endswith(f":{inode}") for line in held)
