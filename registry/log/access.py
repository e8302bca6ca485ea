"""The access log: one line of Apache's combined format per request."""

from __future__ import annotations

import logging
import sys
import time
from types import TracebackType
from typing import Self, TextIO

from registry.log.escaping import cap, escape, escape_word
from registry.log.redaction import redact
from registry.log.writer import MAX_LINES, LineWriter

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_log = logging.getLogger(__name__)


def _report(lines: int) -> None:
    # The format has no room for such a line; the other log tells.
    _log.warning("access log lines were dropped", extra={"log.dropped": lines})


def _quoted(value: str | None) -> str:
    return escape(cap(redact(value))) if value else "-"


def _word(value: str | None) -> str:
    return escape_word(cap(value)) if value else "-"


class AccessLog:
    """Writes a line per request from a thread of its own; `write` never waits.

    Lines that the stream does not take are dropped and counted, as `registry.log.setup` does it;
    the count is told by the other log. Close it, or use it as a context manager, to write out what
    is queued.

    Args:
        stream: Where lines go; standard output as it is now.
        disabled: `write` does nothing.
        max_lines: Lines that may wait for the stream.
    """

    def __init__(
        self, stream: TextIO | None = None, disabled: bool = False, *, max_lines: int = MAX_LINES
    ) -> None:
        self._writer: LineWriter | None = None
        self._stamp: tuple[int, str] = (-1, "")
        if not disabled:
            self._writer = LineWriter(
                sys.stdout if stream is None else stream,
                name="registry-access-log",
                report=_report,
                max_lines=max_lines,
            )

    @property
    def disabled(self) -> bool:
        """Nothing is written, so a caller may save itself the trouble."""
        return self._writer is None

    @property
    def dropped(self) -> int:
        """Lines lost so far."""
        return 0 if self._writer is None else self._writer.dropped

    def write(
        self,
        *,
        remote_addr: str,
        user: str | None,
        method: str,
        uri: str | bytes,
        status: int,
        written_bytes: int,
        referer: str | None = None,
        user_agent: str | None = None,
        protocol: str = "HTTP/1.1",
        received_s: float | None = None,
    ) -> None:
        """Queue the line of one request.

        Everything a client sent is escaped, capped at 8 KiB and stripped of secrets.

        Args:
            remote_addr: The client's address, without port.
            user: Who was authenticated, or None.
            method: As the client sent it.
            uri: The request target as the client sent it: path and query, not decoded.
            status: Status of the answer.
            written_bytes: Length of the answer's body.
            referer: The header, or None.
            user_agent: The header, or None.
            protocol: The version as in the request line.
            received_s: When the request came, in seconds since the epoch; now, if None.
        """
        if self._writer is None:
            return
        target = uri.decode("utf-8", "surrogateescape") if isinstance(uri, bytes) else uri
        line = (
            f"{_word(remote_addr)} - {_word(user)} "
            f"[{self._time(time.time() if received_s is None else received_s)}] "
            f'"{_word(method)} {_quoted(target)} {_word(protocol)}" {status:d} {written_bytes:d} '
            f'"{_quoted(referer)}" "{_quoted(user_agent)}"\n'
        )
        self._writer.put(line.encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Write out what is queued, for up to two seconds; later lines are dropped."""
        if self._writer is not None:
            self._writer.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _time(self, seconds: float) -> str:
        whole = int(seconds)
        stamp = self._stamp
        if stamp[0] != whole:  # made once a second; a race makes it twice
            t = time.gmtime(whole)
            text = (
                f"{t.tm_mday:02d}/{_MONTHS[t.tm_mon - 1]}/{t.tm_year:04d}:"
                f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} +0000"
            )
            self._stamp = stamp = (whole, text)
        return stamp[1]
