"""What a line looks like: logrus text, logrus JSON, and logstash, as distribution writes them.

A record becomes an `_Entry` first: time, level, message, caller and fields, every value redacted
and capped. Formats only arrange it. Formatting never fails: a record whose arguments do not fit, or
whose value cannot be shown, becomes a line that says so.
"""

from __future__ import annotations

import json
import logging
import math
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from registry.log.escaping import MAX_VALUE_BYTES, cap, clean_key, quote, replace_surrogates
from registry.log.fields import FieldValue, current_fields
from registry.log.redaction import REDACTED, is_secret_name, redact

TRACE = 5

LEVELS: Mapping[str, int] = {
    "panic": logging.CRITICAL,
    "fatal": logging.CRITICAL,
    "error": logging.ERROR,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "info": logging.INFO,
    "debug": logging.DEBUG,
    "trace": TRACE,
}
"""The names that ``log.level`` may have, distribution's four and the others logrus knows."""

_RESERVED = frozenset({"time", "msg", "level", "func", "file", "@timestamp", "@version", "message"})
_STANDARD = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}
_MAX_INTEGER = 2**63  # what readers of JSON take at most, and far below where str(int) refuses
_MAX_STACK_BYTES = 2 * MAX_VALUE_BYTES

_Shown = str | int | float | bool


@dataclass(frozen=True, slots=True)
class _Entry:
    time: str
    level: str
    message: str
    func: str | None
    file: str | None
    fields: dict[str, _Shown]


def _level_name(level: int) -> str:
    if level >= logging.CRITICAL:
        return "fatal"
    if level >= logging.ERROR:
        return "error"
    if level >= logging.WARNING:
        return "warning"
    if level >= logging.INFO:
        return "info"
    return "debug" if level >= logging.DEBUG else "trace"


def _timestamp(created_s: float) -> str:
    seconds, fraction = divmod(created_s, 1)
    moment = time.gmtime(seconds)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', moment)}.{int(fraction * 1e6):06d}Z"


@lru_cache(maxsize=256)  # the names in use are a few dozen
def _key(name: str) -> tuple[str, bool]:
    """Return a field's name as it stands in the line, and whether its value is never shown."""
    key = clean_key(name)
    return (f"fields.{key}" if key in _RESERVED else key), is_secret_name(name)


def _shown(value: object) -> _Shown:
    """Return `value` fit for a line: a number as it is, anything else as redacted, capped text."""
    if isinstance(value, str):
        return cap(redact(value))
    if isinstance(value, int) and abs(value) < _MAX_INTEGER:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, (bytes, bytearray)):
        return cap(redact(bytes(value).decode("utf-8", "surrogateescape")))
    try:
        return cap(redact(str(value)))
    except Exception:  # noqa: BLE001  # any __str__ may raise anything; the line must go out
        return f"(a {type(value).__name__} that cannot be shown)"


def _message(record: logging.LogRecord) -> str:
    try:
        text = record.getMessage()
    except Exception as exc:  # noqa: BLE001  # arguments that do not fit the message
        return f"{_shown(record.msg)} (arguments do not fit: {type(exc).__name__})"
    return cap(redact(text))


def _caller_file(record: logging.LogRecord) -> str:
    """Return file and line, from the package on: where it is installed tells nothing."""
    package = record.name.partition(".")[0]
    _, found, inside = record.pathname.rpartition(f"/{package}/")
    return f"{package}/{inside if found else record.filename}:{record.lineno}"


def _exception_fields(record: logging.LogRecord) -> dict[str, _Shown]:
    if not record.exc_info or record.exc_info[1] is None:
        return {}
    exc = record.exc_info[1]
    whole = "".join(traceback.format_exception(exc)).rstrip()
    # The end of a traceback tells more than its beginning.
    encoded = redact(whole[-4 * _MAX_STACK_BYTES :]).encode("utf-8", "backslashreplace")
    stack = encoded[-_MAX_STACK_BYTES:].decode("utf-8", "ignore")
    if len(encoded) > _MAX_STACK_BYTES:
        stack = f"(beginning cut)...{stack}"
    return {"error": f"{type(exc).__name__}: {_shown(exc)}", "stack": stack}


class LineFormatter(logging.Formatter):
    """Turns a record into one line of text, without the newline at its end.

    Args:
        static_fields: Fields of every line (``log.fields``); fields in scope and fields of the
            record win over them.
        report_caller: Add ``func`` and ``file`` of the place that logged.
    """

    def __init__(
        self,
        arrange: Callable[[_Entry], str],
        *,
        static_fields: Mapping[str, FieldValue],
        report_caller: bool,
    ) -> None:
        super().__init__()
        self._arrange = arrange
        self._static_fields = dict(static_fields)
        self._report_caller = report_caller

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; see the class."""
        merged: dict[str, object] = {**self._static_fields, **current_fields()}
        for name, value in record.__dict__.items():
            if name not in _STANDARD:
                merged[name] = value
        fields: dict[str, _Shown] = {}
        for name, value in merged.items():
            if value is not None:
                key, secret = _key(name)
                fields[key] = REDACTED if secret else _shown(value)
        fields.update(_exception_fields(record))
        entry = _Entry(
            time=_timestamp(record.created),
            level=_level_name(record.levelno),
            message=_message(record),
            func=record.funcName if self._report_caller else None,
            file=_caller_file(record) if self._report_caller else None,
            fields=fields,
        )
        return self._arrange(entry)


def _as_text(value: _Shown) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def _text(entry: _Entry) -> str:
    parts = [f'time="{entry.time}"', f"level={entry.level}"]
    if entry.message:
        parts.append(f"msg={quote(entry.message)}")
    if entry.func is not None:
        parts.append(f"func={quote(entry.func)}")
    if entry.file is not None:
        parts.append(f"file={quote(entry.file)}")
    parts += [f"{key}={quote(_as_text(entry.fields[key]))}" for key in sorted(entry.fields)]
    return " ".join(parts)


def _dump(document: dict[str, _Shown]) -> str:
    # Pure ASCII: whatever is not printable, and any separator a reader may split at, is escaped.
    return json.dumps(document, ensure_ascii=True, sort_keys=True, separators=(",", ":"))


def _document(entry: _Entry) -> dict[str, _Shown]:
    document: dict[str, _Shown] = {
        key: replace_surrogates(value) if isinstance(value, str) else value
        for key, value in entry.fields.items()
    }
    if entry.func is not None:
        document["func"] = entry.func
    if entry.file is not None:
        document["file"] = replace_surrogates(entry.file)
    document["level"] = entry.level
    return document


def _json(entry: _Entry) -> str:
    document = _document(entry)
    document["msg"] = replace_surrogates(entry.message)
    document["time"] = entry.time
    return _dump(document)


def _logstash(entry: _Entry) -> str:
    document = _document(entry)
    document["@timestamp"] = entry.time
    document["@version"] = "1"
    document["message"] = replace_surrogates(entry.message)
    return _dump(document)


FORMATTERS: Mapping[str, Callable[[_Entry], str]] = {
    "text": _text,
    "json": _json,
    "logstash": _logstash,
}
"""The names that ``log.formatter`` may have."""
