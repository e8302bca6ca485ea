"""The format of an htpasswd file, and the bcrypt hashes that may stand in it.

One record a line, ``name:hash``; blank lines and lines that begin with ``#`` are left out, blanks
around a line do not count, and of two records for one name the later one holds. All of it is
bytes: a name is whatever its writer's terminal sent.

Only bcrypt hashes let anyone in. Records with other hashes (MD5, SHA, crypt, plain text) may stand
in the file, as in a file that an older tool wrote, and never match.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import bcrypt

MAX_PASSWORD_BYTES = 72  # where bcrypt ends; what follows is cut off, as Go and Apache do
MIN_COST = 4
MAX_COST = 15  # 2 s on a machine of 2026: more would let a few log-ins keep it busy
WARN_COST = 12  # 0.25 s; each further step doubles it
GENERATED_COST = 10

# $2y$05$ + 22 characters of salt (128 bits, so the last one carries 2) + 31 of hash
_BCRYPT = re.compile(rb"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}")
_ILLEGAL_IN_NAME = re.compile(rb"[\x00-\x1f\x7f:]")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a file.

    Attributes:
        text: The line as it stands there, without its end.
        name: The record's name; None for a blank line, a comment, and a line without a colon.
        hash: What follows the first colon; empty where there is no record.
        damaged: It is neither a record nor blank nor a comment.
    """

    text: bytes
    name: bytes | None = None
    hash: bytes = field(default=b"", repr=False)
    damaged: bool = False


def parse_lines(content: bytes) -> Iterator[Line]:
    """Yield every line of a file in order, the damaged ones too."""
    lines = content.split(b"\n")
    if not lines[-1]:
        lines.pop()
    for text in lines:
        stripped = text.strip()
        if not stripped or stripped.startswith(b"#"):
            yield Line(text)
            continue
        name, colon, hashed = stripped.partition(b":")
        yield Line(text, name, hashed) if colon else Line(text, damaged=True)


def name_fault(name: bytes) -> str | None:
    """Return why `name` cannot be written as a record's name, None when it can."""
    if _ILLEGAL_IN_NAME.search(name):
        return "contains an illegal character: ':' or a control character"
    if not name:
        return "is empty"
    if name.startswith(b"#"):
        return "begins with '#', which makes the line a comment"
    if name != name.strip():
        return "begins or ends with a blank"
    return None


def cost_of(hashed: bytes) -> int | None:
    """Return the cost of a bcrypt hash (its work is 2 to that power), None for anything else."""
    match = _BCRYPT.fullmatch(hashed)
    return int(match[1]) if match else None


def hash_password(password: bytes, cost: int = GENERATED_COST) -> bytes:
    """Return a new bcrypt hash with Apache's prefix; takes 60 ms at cost 10, so use a thread.

    Args:
        password: Only the first `MAX_PASSWORD_BYTES` count.
        cost: `MIN_COST` to `MAX_COST`.
    """
    salt = bcrypt.gensalt(cost)
    return b"$2y$" + bcrypt.hashpw(password[:MAX_PASSWORD_BYTES], salt).removeprefix(b"$2b$")


def matches(password: bytes, hashed: bytes) -> bool:
    """Whether `hashed` is a bcrypt hash of `password`; as slow as its cost, so use a thread."""
    cost = cost_of(hashed)
    if cost is None or not MIN_COST <= cost <= MAX_COST:
        return False
    return bcrypt.checkpw(password[:MAX_PASSWORD_BYTES], hashed)


def decoy(cost: int) -> bytes:
    """Return a hash that nothing matches and that takes as long to refuse as any of `cost`."""
    return bcrypt.gensalt(cost) + b"." * 31
