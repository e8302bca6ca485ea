"""Where the log goes: joins loggers, formatter and writer for as long as a process serves."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TextIO, TypeVar

from registry.log.formats import FORMATTERS, LEVELS, LineFormatter
from registry.log.writer import MAX_LINES, LineWriter

LOGGERS = ("registry", "drivers")

_T = TypeVar("_T")


class _WriterHandler(logging.Handler):
    """Formats in the caller, where the fields in scope are, and queues the finished line."""

    def __init__(self, writer: LineWriter, formatter: LineFormatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        self._writer.put(_encode(self.format(record)))


def _encode(line: str) -> bytes:
    return line.encode("utf-8", "backslashreplace") + b"\n"


def _named(key: str, value: str, known: Mapping[str, _T]) -> _T:
    found = known.get(value)
    if found is None:
        raise ValueError(f"{key}: {value!r} is not known: use one of {', '.join(known)}")
    return found


@contextmanager
def setup(
    level: str = "info",
    formatter: str = "text",
    fields: Mapping[str, str] | None = None,
    report_caller: bool = False,
    stream: TextIO | None = None,
    *,
    loggers: Sequence[str] = LOGGERS,
    max_lines: int = MAX_LINES,
    threaded: bool = True,
) -> Iterator[LineWriter]:
    """Send what the named loggers say to `stream` while the block runs, never blocking a caller.

    Lines are formatted by the caller (about 30 µs with a dozen fields) and written by a thread of
    their own. When the stream does not take them, up to `max_lines` (and 8 MiB) wait; further ones
    are dropped and counted, and a warning with the count follows when the stream moves again. At
    the end what is queued is written out for up to two seconds, and the loggers are as before.

    Args:
        level: A key of `LEVELS`.
        formatter: A key of `FORMATTERS`: ``text``, ``json`` or ``logstash``.
        fields: Static fields of every line.
        report_caller: Add ``func`` and ``file`` to every line.
        stream: Where lines go; standard error as it is when the block begins.
        loggers: Names of the loggers that are taken over, with all below them.
        max_lines: Lines that may wait for the stream.
        threaded: False for a process that must have no thread, since it forks: lines are then
            written by whoever logs, who may have to wait for the stream.

    Yields:
        The writer; its ``dropped`` is the number of lines lost so far.

    Raises:
        ValueError: `level` or `formatter` is not known; the text names the key, value and choices.
    """
    number = _named("log.level", level, LEVELS)
    arrange = _named("log.formatter", formatter, FORMATTERS)
    line_formatter = LineFormatter(
        arrange, static_fields=dict(fields or {}), report_caller=report_caller
    )

    def report(lines: int) -> bytes:
        record = logging.LogRecord(
            __name__, logging.WARNING, __file__, 0, "log lines were dropped", None, None
        )
        record.__dict__["log.dropped"] = lines
        return _encode(line_formatter.format(record))

    writer = LineWriter(
        sys.stderr if stream is None else stream,
        name="registry-log",
        report=report,
        max_lines=max_lines,
    )
    handler: logging.Handler = _WriterHandler(writer, line_formatter)
    if not threaded:
        handler = logging.StreamHandler(sys.stderr if stream is None else stream)
        handler.setFormatter(line_formatter)
    before: list[tuple[logging.Logger, int, bool, list[logging.Handler]]] = []
    for name in loggers:
        logger = logging.getLogger(name)
        before.append((logger, logger.level, logger.propagate, logger.handlers))
        logger.setLevel(number)
        logger.propagate = False
        logger.handlers = [handler]  # what a parent process set up is not ours to write to
    try:
        yield writer
    finally:
        for logger, level_before, propagate, handlers in before:
            logger.handlers = handlers
            logger.setLevel(level_before)
            logger.propagate = propagate
        writer.close()
