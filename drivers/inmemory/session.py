"""Upload sessions in memory: one that appends to content, one that gathers parts.

The second is what a session over an object store must be. Bytes wait until they make a part of the
least size; a checkpoint stores a shorter rest, the tail, as an object beside the upload, and the
state names both:

    mem1 <offset>
    memparts1 <multipart id> <parts> <bytes in parts> <tail's number or -> <bytes in tail>

A commit completes the multipart upload at its own path, copies to the key and cleans up. When it is
cut off after the first step the multipart upload is gone; a later session then finds the joined
bytes at the path and goes on from a copy of as many as the state counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import trio

from drivers import errors
from drivers.contract import Block
from drivers.inmemory.store import NAME, Content, MemoryStore

_NUMBER: Final = rb"(0|[1-9][0-9]{0,18})"
_APPEND_STATE: Final = re.compile(rb"mem1 " + _NUMBER)
_PARTS_STATE: Final = re.compile(
    rb"memparts1 (m[0-9]+) " + _NUMBER + rb" " + _NUMBER + rb" ([1-9][0-9]*|-) " + _NUMBER
)
_CLEAN_UP_S: Final = 5.0


class _Session:
    """What both kinds share: the claim, the offset, and when the session is over."""

    def __init__(self, store: MemoryStore, path: str, check_key: Callable[[str], None]) -> None:
        self._store = store
        self._path = path
        self._check_key = check_key
        self._offset = 0
        self._over = False
        store.claim(path, self)

    @property
    def path(self) -> str:
        """The path the upload was opened at."""
        return self._path

    @property
    def offset(self) -> int:
        """Bytes taken so far."""
        return self._offset

    @property
    def is_over(self) -> bool:
        """Whether the claim was given back."""
        return self._over

    def fileno(self) -> int | None:
        """None: memory has no descriptor."""
        return None

    def advance(self, offset: int) -> None:
        """Refuse: without `fileno` nobody can have written past this session.

        Raises:
            errors.SessionEnded: the session is over.
            errors.OffsetMismatch: `offset` is not the present one.
        """
        self._require_open()
        if offset != self._offset:
            raise errors.OffsetMismatch(NAME, self._path, self._offset, offset)

    def _require_open(self) -> None:
        if self._over:
            raise errors.SessionEnded(NAME, self._path, "the session is over")

    async def _begin(self, at: int | None = None) -> None:
        """Open a call: the one place it can be cancelled, and what it must find true after."""
        self._require_open()
        await trio.lowlevel.checkpoint()
        self._require_open()
        if at is not None and at != self._offset:
            raise errors.OffsetMismatch(NAME, self._path, self._offset, at)

    async def aclose(self) -> None:
        """Give the claim back; what the last checkpoint counted stays."""
        self._over = True
        await trio.lowlevel.cancel_shielded_checkpoint()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


class AppendSession(_Session):
    """An upload whose bytes rest at its own path and grow there."""

    def __init__(
        self,
        store: MemoryStore,
        path: str,
        check_key: Callable[[str], None],
        *,
        state: bytes | None,
        offset: int | None,
    ) -> None:
        if state is not None:
            offset = int(_parse(_APPEND_STATE, path, state)[1])
        super().__init__(store, path, check_key)
        try:
            self._content = self._resume(offset)
            self._content.growing = True
            store.put(path, self._content)
        except errors.DriverError:
            self._over = True
            raise

    def _resume(self, offset: int | None) -> Content:
        if offset is None:
            if not isinstance(self._store.find(self._path), Content):
                return Content(bytearray())
            offset = 0
        content = self._store.content(self._path)
        if len(content.data) < offset:
            raise errors.OffsetMismatch(NAME, self._path, len(content.data), offset)
        self._offset = offset
        return content if content.growing else Content(bytearray(content.data))

    def _grown(self) -> bytearray:
        """Return the bytes up to `offset`, all that there are from now on."""
        data = self._content.data
        assert isinstance(data, bytearray)
        del data[self._offset :]
        return data

    async def write(self, data: Block, *, at: int) -> None:
        """Append `data`; see the contract."""
        await self._begin(at)
        grown = self._grown()
        grown += data
        self._offset = len(grown)

    async def checkpoint(self) -> bytes:
        """Return the offset as state; memory needs no flush."""
        await self._begin()
        self._require_ours()
        self._grown()
        return b"mem1 %d" % self._offset

    async def commit(self, key: str) -> None:
        """Move the content to `key` in one step; see the contract."""
        self._check_key(key)
        await self._begin()
        self._require_ours()
        self._store.require_room(key)
        self._grown()
        self._store.remove(self._path)
        self._content.growing = False
        self._store.put(key, self._content)
        self._over = True

    async def abort(self) -> None:
        """Remove the content; see the contract."""
        await trio.lowlevel.checkpoint()
        if not self._over:
            if self._store.find(self._path) is self._content:
                self._store.remove(self._path)
            self._over = True

    def _require_ours(self) -> None:
        if self._store.find(self._path) is not self._content:
            self._over = True
            raise errors.SessionEnded(NAME, self._path, "the upload was deleted meanwhile")


class PartsSession(_Session):
    """An upload made of parts of a least size and a tail."""

    def __init__(
        self,
        store: MemoryStore,
        path: str,
        check_key: Callable[[str], None],
        *,
        state: bytes | None,
        offset: int | None,
    ) -> None:
        match = None if state is None else _parse(_PARTS_STATE, path, state)
        super().__init__(store, path, check_key)
        self._upload_id = ""
        self._parts = 0
        self._parts_bytes = 0
        self._rest = bytearray()
        self._tails: list[str] = []  # keys of the last two checkpoints' tails
        try:
            if match is not None:
                self._resume(match)
            elif offset is not None:
                self._adopt(offset)
            else:
                self._store.require_room(path)
                self._remove_remains()
                self._upload_id = store.begin_multipart(path)
        except errors.DriverError:
            self._over = True
            raise
        self._offset = self._parts_bytes + len(self._rest)

    def _resume(self, match: re.Match[bytes]) -> None:
        upload_id, parts, parts_bytes, tail, tail_bytes = match.groups()
        multipart = self._store.multipart(upload_id.decode())
        if multipart is None:
            self._adopt(int(parts_bytes) + int(tail_bytes))
            return
        counted = [multipart.parts.get(number, b"") for number in range(1, int(parts) + 1)]
        if multipart.path != self._path or sum(map(len, counted)) != int(parts_bytes):
            raise errors.StateInvalid(NAME, self._path, "the parts are not those of the state")
        if tail != b"-":
            key = self._tail_key(tail.decode())
            content = self._store.find(key)
            if not isinstance(content, Content) or len(content.data) != int(tail_bytes):
                raise errors.StateInvalid(NAME, self._path, "the tail is not that of the state")
            self._rest += content.data
            self._tails = [key]
        self._upload_id = upload_id.decode()
        self._parts, self._parts_bytes = int(parts), int(parts_bytes)

    def _adopt(self, offset: int) -> None:
        """Go on from a copy of the first bytes of the content at the path."""
        data = self._store.content(self._path).data
        if len(data) < offset:
            raise errors.OffsetMismatch(NAME, self._path, len(data), offset)
        self._upload_id = self._store.begin_multipart(self._path)
        if offset >= self._store.part_min_bytes:
            self._store.put_part(self._upload_id, 1, bytes(data[:offset]))
            self._parts, self._parts_bytes = 1, offset
        else:
            self._rest += data[:offset]

    async def write(self, data: Block, *, at: int) -> None:
        """Take `data`, first storing what waits as a part if it is long enough; see contract."""
        await self._begin(at)
        if len(self._rest) >= self._store.part_min_bytes:
            await self._store_part()
        self._rest += data
        self._offset = self._parts_bytes + len(self._rest)

    async def _store_part(self) -> None:
        await trio.lowlevel.checkpoint()
        self._require_upload()
        self._store.put_part(self._upload_id, self._parts + 1, bytes(self._rest))
        self._parts += 1
        self._parts_bytes += len(self._rest)
        self._rest.clear()

    async def checkpoint(self) -> bytes:
        """Store what waits, as a part or as the tail; see the contract."""
        await self._begin()
        self._require_upload()
        number = "-"
        if len(self._rest) >= self._store.part_min_bytes:
            await self._store_part()
        elif self._rest:
            number = str(self._store.serial())
            self._store.put(self._tail_key(number), Content(bytes(self._rest)))
        await self._forget_tails(number)
        state = f"memparts1 {self._upload_id} {self._parts} {self._parts_bytes}"
        return f"{state} {number} {len(self._rest)}".encode()

    async def _forget_tails(self, number: str) -> None:
        """Remove all tails but that of this checkpoint and of the one before."""
        kept = [*self._tails[-1:], *([self._tail_key(number)] if number != "-" else [])]
        await trio.lowlevel.checkpoint()
        for key in self._stored_tails():
            if key not in kept:
                self._store.remove(key)
        self._tails = kept

    async def commit(self, key: str) -> None:
        """Complete at the upload's path, copy to `key`, clean up; see the contract."""
        self._check_key(key)
        await self._begin()
        self._require_upload()
        self._store.require_room(key)
        if self._parts:
            await self._join()
            try:
                await trio.lowlevel.checkpoint()
                self._store.put(key, Content(self._store.content(self._path).data))
            except BaseException:
                self._over = True  # the multipart upload is gone, so only a new session can go on
                raise
        else:  # a multipart upload needs a part; so little goes to the key directly
            self._store.put(key, Content(bytes(self._rest)))
        with trio.move_on_after(_CLEAN_UP_S, shield=True):
            await trio.lowlevel.checkpoint()
            self._remove_remains(but=key)
        self._over = True  # not before: this would take the remains of a successor with it

    async def _join(self) -> None:
        count = self._parts
        if self._rest:
            await trio.lowlevel.checkpoint()
            count += 1  # not `_parts`: should this go no further, the rest is still no part
            self._store.put_part(self._upload_id, count, bytes(self._rest))
        await trio.lowlevel.checkpoint()
        self._require_upload()
        self._store.complete(self._upload_id, count)

    async def abort(self) -> None:
        """Remove parts, tails and what was adopted; see the contract."""
        await trio.lowlevel.checkpoint()
        if not self._over:
            self._remove_remains()
            self._over = True

    def _require_upload(self) -> None:
        if self._store.multipart(self._upload_id) is None:
            self._over = True
            raise errors.SessionEnded(NAME, self._path, "the upload was deleted meanwhile")

    def _tail_key(self, number: str) -> str:
        return f"{self._path}.tail.{number}"

    def _stored_tails(self) -> list[str]:
        """Return the keys of all tails of this path, whichever session left them."""
        directory, _, name = self._path.rpartition("/")
        siblings = self._store.find(directory or "/")
        tail = re.compile(re.escape(name) + r"\.tail\.[1-9][0-9]*")
        names = list(siblings) if isinstance(siblings, dict) else []
        return [f"{directory}/{name}" for name in names if tail.fullmatch(name)]

    def _remove_remains(self, but: str | None = None) -> None:
        """Remove everything an upload keeps at and beside its path, except the key it became."""
        self._store.remove_multiparts(self._path)
        for key in (self._path, *self._stored_tails()):
            if key != but and isinstance(self._store.find(key), Content):
                self._store.remove(key)


def _parse(pattern: re.Pattern[bytes], path: str, state: bytes) -> re.Match[bytes]:
    match = pattern.fullmatch(state)
    if match is None:
        raise errors.StateInvalid(NAME, path, f"not a state of this driver: {state[:64]!r}")
    return match
