"""How the registry speaks to whoever runs it: the log, its fields, and the access log.

Every module logs through the standard library (``logging.getLogger(__name__)``), with the fields of
one line in ``extra`` under distribution's names: ``extra={"err.code": "BLOB_UNKNOWN"}``. What
belongs to a whole request is bound once with `bind` and amended with `set_fields`. `setup` decides
where lines go and how they look; nothing is written, and no thread runs, before it.

Three promises hold in every format: a record is one line; no character of a value can act on a
terminal or forge a line; and credentials are struck out. A fourth holds at run time: a reader that
stalls costs lines, which are counted and reported, and never time.
"""

from registry.log.access import AccessLog
from registry.log.escaping import MAX_VALUE_BYTES, escape
from registry.log.fields import FieldValue, bind, current_fields, format_duration, set_fields
from registry.log.formats import FORMATTERS, LEVELS
from registry.log.output import setup
from registry.log.redaction import REDACTED, redact
from registry.log.writer import LineWriter

__all__ = [
    "FORMATTERS",
    "LEVELS",
    "MAX_VALUE_BYTES",
    "REDACTED",
    "AccessLog",
    "FieldValue",
    "LineWriter",
    "bind",
    "current_fields",
    "escape",
    "format_duration",
    "redact",
    "set_fields",
    "setup",
]
