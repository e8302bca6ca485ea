"""The two kinds of stream a connection can have, each usable from the loop and from a thread.

Both are Trio streams for the protocol engine. For the byte path they are also a source and a drain
on a worker thread: what is named there never blocks and raises `BlockingIOError` when the
peer is not ready. A stream is read by one side at a time, loop or
thread, and written by one side at a time.
"""

from __future__ import annotations

import errno
import os
import ssl
import threading
from collections import deque
from contextlib import suppress
from typing import Protocol, cast

import trio

CIPHER_BYTES = 256 * 1024  # ciphertext per receive: one system call for 16 records
PLAIN_BYTES = 256 * 1024  # file content that is encrypted at once


class Transport(Protocol):
    """What the byte path needs of a stream."""

    def fileno(self) -> int:
        """The socket's descriptor."""
        ...

    def receive_into(self, view: memoryview) -> int:
        """Put received bytes into `view` and return how many; 0 when the peer has ended.

        Raises:
            BlockingIOError: nothing has come.
            OSError: the connection is broken.
        """
        ...


class PlainStream(trio.abc.HalfCloseableStream):
    """A TCP or Unix socket."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        # A thread must never use a descriptor's number after it was closed and given to another
        # connection: whoever closes waits for the system call that is running, which is short.
        self._reading = threading.Lock()
        self._writing = threading.Lock()
        self._closed = False

    @property
    def socket(self) -> trio.socket.SocketType:
        """The socket underneath."""
        return self._stream.socket

    def fileno(self) -> int:
        """The socket's descriptor; -1 once it is closed."""
        return self._stream.socket.fileno()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Receive; the contract of `trio.abc.ReceiveStream`."""
        return await self._stream.receive_some(max_bytes)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send; the contract of `trio.abc.SendStream`."""
        await self._stream.send_all(data)

    def send_now(self, data: bytes) -> int:
        """Send what the socket takes at once, from the loop, and return how much that was."""
        try:
            return os.write(self._stream.socket.fileno(), data)
        except OSError:
            return 0  # the ordinary way meets the same error and deals with it

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until sending is likely not to block."""
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        """End the sending side."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Close the socket."""
        with self._reading, self._writing:
            self._closed = True
        await self._stream.aclose()

    def break_off(self) -> None:
        """Let every read and write fail from now on, without closing the descriptor."""
        with suppress(OSError):
            self._stream.socket.shutdown(trio.socket.SHUT_RDWR)

    def _number(self) -> int:
        if self._closed:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return self._stream.socket.fileno()

    def receive_into(self, view: memoryview) -> int:
        """Receive on a thread; see `Transport`."""
        with self._reading:
            return os.readv(self._number(), [view])

    def send_some(self, data: memoryview) -> int:
        """Send what the socket takes now, on a thread; raises `BlockingIOError` for nothing."""
        with self._writing:
            return os.write(self._number(), data)

    def send_file(self, descriptor: int, offset: int, count: int) -> int:
        """Send up to `count` bytes of a file on a thread, without a copy through this process.

        Raises:
            BlockingIOError: the peer takes nothing now.
            OSError: the connection is broken.
            EOFError: the file is shorter than `offset`.
        """
        with self._writing:
            sent = os.sendfile(self._number(), descriptor, offset, count)
        if not sent:
            raise EOFError(f"the file ends at {offset}")
        return sent


_scratch = threading.local()


def _cipher_buffer() -> bytearray:
    """Return this thread's buffer for ciphertext."""
    found = getattr(_scratch, "cipher", None)
    if not isinstance(found, bytearray):
        found = _scratch.cipher = bytearray(CIPHER_BYTES)
    return found


class TlsStream(trio.abc.Stream):
    """TLS over a plain stream, by an `ssl.SSLObject` between two memory buffers.

    Unlike `trio.SSLStream` it reads many records per system call, and its work can be done on a
    thread. A lock keeps reader and writer from using the TLS object at once.
    """

    def __init__(self, transport: PlainStream, context: ssl.SSLContext) -> None:
        self.transport_stream = transport
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._lock = threading.Lock()
        self._unsent: deque[memoryview] = deque()
        self._ended = False
        self._fault: ssl.SSLError | None = None

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self.transport_stream.fileno()

    def selected_alpn_protocol(self) -> str | None:
        """Return the protocol agreed on, None for none."""
        return self._ssl.selected_alpn_protocol()

    async def do_handshake(self) -> None:
        """Shake hands.

        Raises:
            trio.BrokenResourceError: the peer broke off or speaks no TLS we speak.
        """
        while True:
            try:
                with self._lock:
                    self._ssl.do_handshake()
            except ssl.SSLWantReadError:
                await self._flush()
                data = await self.transport_stream.receive_some(CIPHER_BYTES)
                if data:
                    self._incoming.write(data)
                else:
                    self._incoming.write_eof()
            except ssl.SSLError as exc:
                await self._flush()
                raise trio.BrokenResourceError from exc
            else:
                await self._flush()
                return

    async def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            await self.transport_stream.send_all(data)

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Return decrypted bytes, empty at the end; the contract of `trio.abc.ReceiveStream`."""
        view = memoryview(bytearray(max_bytes or CIPHER_BYTES))
        while True:
            count = self._decrypt_into(view)
            if count is not None:
                await trio.lowlevel.checkpoint()
                return bytes(view[:count])
            data = await self.transport_stream.receive_some(CIPHER_BYTES)
            self._feed(data)

    def _feed(self, data: bytes | bytearray | memoryview) -> None:
        with self._lock:
            if len(data):
                self._incoming.write(data)
            else:
                self._incoming.write_eof()

    def _decrypt_into(self, view: memoryview) -> int | None:
        """Return how many bytes were decrypted, 0 at the end, None when more must be received."""
        total = 0
        with self._lock:
            while total < len(view) and not self._ended:
                try:
                    room = view[total:]
                    count = cast("int", self._ssl.read(len(room), room))
                except ssl.SSLWantReadError:
                    return total or None
                except ssl.SSLZeroReturnError:
                    count = 0
                except ssl.SSLEOFError:
                    count = 0  # HTTP tells itself whether a message is whole
                except ssl.SSLError as exc:
                    self._fault, self._ended, count = exc, True, 0
                if not count:
                    self._ended = True
                total += count
        if not total and self._fault is not None:  # what came before it is given out first
            raise trio.BrokenResourceError from self._fault
        return total

    def receive_into(self, view: memoryview) -> int:
        """Receive and decrypt on a thread; see `Transport`."""
        while True:
            try:
                count = self._decrypt_into(view)
            except trio.BrokenResourceError as exc:
                raise ConnectionResetError("TLS record cannot be read") from exc
            if count is not None:
                return count
            buffer = _cipher_buffer()
            view_of_buffer = memoryview(buffer)
            received = self.transport_stream.receive_into(view_of_buffer)
            self._feed(view_of_buffer[:received])

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Encrypt and send; the contract of `trio.abc.SendStream`."""
        if len(data):
            with self._lock:
                try:
                    self._ssl.write(data)
                except ssl.SSLError as exc:
                    raise trio.BrokenResourceError from exc
        await self.send_unsent()
        await self._flush()

    def send_now(self, data: bytes) -> int:
        """Send nothing: encrypting is left to `send_all`."""
        del data
        return 0

    async def send_unsent(self) -> None:
        """Send ciphertext that a thread left behind."""
        while self._unsent:
            await self.transport_stream.send_all(self._unsent.popleft())

    async def wait_send_all_might_not_block(self) -> None:
        """Wait until sending is likely not to block."""
        await self.transport_stream.wait_send_all_might_not_block()

    def encrypt_file(self, descriptor: int, offset: int, count: int) -> tuple[int, memoryview]:
        """Read up to `count` bytes of a file and encrypt them, on a thread.

        Returns:
            How many bytes of the file were taken, and the ciphertext, which must be sent in the
            order of the calls.

        Raises:
            EOFError: the file is shorter than `offset`.
            OSError: the file or the TLS object failed.
        """
        content = os.pread(descriptor, min(count, PLAIN_BYTES), offset)
        if not content:
            raise EOFError(f"the file ends at {offset}")
        with self._lock:
            self._ssl.write(content)
            return len(content), memoryview(self._outgoing.read())

    def queue(self, ciphertext: memoryview) -> None:
        """Let ciphertext be sent after what is queued already."""
        if ciphertext:
            self._unsent.append(ciphertext)

    def send_queued(self) -> bool:
        """Send queued ciphertext on a thread; tell whether none is left.

        Raises:
            BlockingIOError: the peer takes nothing now.
            OSError: the connection is broken.
        """
        if self._unsent:
            first = self._unsent[0]
            rest = first[self.transport_stream.send_some(first) :]
            if rest:
                self._unsent[0] = rest
            else:
                self._unsent.popleft()
        return not self._unsent

    def break_off(self) -> None:
        """Let every read and write fail from now on, without closing the descriptor."""
        self.transport_stream.break_off()

    async def aclose(self) -> None:
        """Say goodbye if that is possible at once, and close the socket."""
        try:
            with self._lock:
                self._ssl.unwrap()
        except (ssl.SSLError, ValueError, OSError):
            pass
        try:
            with trio.move_on_after(1):
                await self._flush()
        except (trio.BrokenResourceError, trio.ClosedResourceError, trio.BusyResourceError):
            pass
        finally:
            await self.transport_stream.aclose()
