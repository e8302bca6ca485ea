"""Numbers that all workers of one registry see: a page of memory shared by fork.

Each worker writes only its own slot, so nothing is locked; whoever reads may be a moment late, and
everything that uses these numbers only steers by them.
"""

from __future__ import annotations

import mmap
import struct

_SLOT = struct.Struct("=qq")


class WorkerTable:
    """One slot per worker: uploads in progress and open connections.

    Made before the workers are forked.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._memory = mmap.mmap(-1, max(mmap.PAGESIZE, workers * _SLOT.size))

    def write(self, slot: int, uploads: int, connections: int) -> None:
        """Store the numbers of one worker."""
        _SLOT.pack_into(self._memory, slot * _SLOT.size, uploads, connections)

    def clear(self, slot: int) -> None:
        """Forget a worker that died."""
        self.write(slot, 0, 0)

    def uploads(self) -> int:
        """Uploads in progress on this host."""
        return sum(self._read(slot)[0] for slot in range(self._workers))

    def fewest_connections(self) -> int:
        """Open connections of the worker that has fewest."""
        return min(self._read(slot)[1] for slot in range(self._workers))

    def _read(self, slot: int) -> tuple[int, int]:
        uploads, connections = _SLOT.unpack_from(self._memory, slot * _SLOT.size)
        return uploads, connections


class WorkerSlot:
    """One worker's view of the table; see `registry.server.engine.Siblings`."""

    def __init__(self, table: WorkerTable, slot: int) -> None:
        self._table = table
        self._slot = slot
        self._uploads = 0
        self._connections = 0
        table.clear(slot)

    def _write(self) -> None:
        self._table.write(self._slot, self._uploads, self._connections)

    def enter(self) -> None:
        """Count one more upload in this worker."""
        self._uploads += 1
        self._write()

    def leave(self) -> None:
        """Count one less."""
        self._uploads -= 1
        self._write()

    def alone(self) -> bool:
        """Tell whether at most one upload is in progress on the host."""
        return self._table.uploads() <= 1

    def set_connections(self, count: int) -> None:
        """Tell how many connections this worker has."""
        self._connections = count
        self._write()

    def is_busier(self) -> bool:
        """Tell whether a sibling has fewer connections."""
        return self._connections > self._table.fewest_connections()
