"""What a handler gets and what it gives: one request, one answer, no framework."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import parse_qs

from drivers.contract import Reader
from registry.api.routes import Match
from registry.api.urls import Urls
from registry.auth import Access, AccessController, Identity
from registry.oci import errors, media_types
from registry.oci.names import RepositoryName, parse_repository
from registry.oci.ranges import ByteRange
from registry.stream import Body

MAX_PARAMETERS = 1000  # of a query


class Headers:
    """Request headers: names without case, values in order."""

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in raw:
            self._values.setdefault(name.decode("latin1").lower(), []).append(
                value.decode("latin1").strip()
            )

    def get(self, name: str) -> str | None:
        """Return the first value of the header `name` (lower case), None when it is absent."""
        values = self._values.get(name)
        return values[0] if values else None

    def all(self, name: str) -> Sequence[str]:
        """Return every value of the header `name` (lower case)."""
        return self._values.get(name, ())


@dataclass(frozen=True, slots=True)
class Call:
    """One request, authorized.

    Attributes:
        method: Upper case.
        path: The path as sent, percent-encoded, without query.
        match: The route and its variables.
        query: Decoded parameters, every value of each.
        headers: Request headers.
        body: The body, not yet read.
        urls: Builds URLs for the answer.
        identity: Who asks.
        access: Decides on rights beyond those the route needed.
    """

    method: str
    path: str
    match: Match
    query: Mapping[str, Sequence[str]]
    headers: Headers
    body: Body
    urls: Urls
    identity: Identity
    access: AccessController

    @property
    def repository(self) -> RepositoryName:
        """The repository of the route.

        Raises:
            errors.NameInvalid: it is outside the grammar.
        """
        return parse_repository(self.match.name)

    def parameter(self, name: str) -> str | None:
        """Return the first value of a query parameter, None when it is absent."""
        values = self.query.get(name)
        return values[0] if values else None

    def may_pull(self, name: RepositoryName) -> bool:
        """Tell whether the caller may pull from a repository."""
        return self.access.may(self.identity, Access("repository", name, "pull"))


@dataclass(frozen=True, slots=True)
class Content:
    """A body that is read from storage while it is sent.

    Attributes:
        reader: Open content; whoever sends the answer closes it.
        parts: Bytes to send as they are, and ranges to read, in order.
    """

    reader: Reader
    parts: tuple[bytes | ByteRange, ...]

    @property
    def size_bytes(self) -> int:
        """Length of the whole body."""
        return sum(
            part.size_bytes if isinstance(part, ByteRange) else len(part) for part in self.parts
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back.

    Attributes:
        status: HTTP status.
        headers: In order; names in their usual spelling.
        body: Bytes or storage content. HEAD answers carry the headers of GET and no body.
        error_code: Code of the first error, for the log; "" for none.
        error_message: Its message.
        error_detail: Its detail as JSON; "" for none.
    """

    status: int
    headers: Sequence[tuple[str, str]] = ()
    body: bytes | Content = b""
    error_code: str = ""
    error_message: str = ""
    error_detail: str = ""
    matched: bool = field(default=True)


def parse_query(raw: bytes) -> dict[str, list[str]]:
    """Return the parameters of a query, every value of each.

    Raises:
        ValueError: there are more than `MAX_PARAMETERS`.
    """
    return parse_qs(
        raw.decode("latin1"), keep_blank_values=True, max_num_fields=MAX_PARAMETERS, separator="&"
    )


def encode_json(document: object) -> bytes:
    """Return a document as Go writes it, without blanks and with a line end.

    There are scripts that look for ``"code":"MANIFEST_UNKNOWN"``.
    """
    return json.dumps(document, separators=(",", ":")).encode() + b"\n"


def json_answer(
    status: int,
    document: object,
    headers: Sequence[tuple[str, str]] = (),
    content_type: str = media_types.JSON,
) -> Answer:
    """Return a JSON document as an answer."""
    body = document if isinstance(document, bytes) else encode_json(document)
    return Answer(status, [("Content-Type", content_type), *headers], body)


def error_answer(error: errors.RegistryError) -> Answer:
    """Return the answer to an error."""
    entries = error.entries()
    first = entries[0]
    return Answer(
        error.status,
        [("Content-Type", media_types.JSON), *error.headers.items()],
        encode_json({"errors": entries}),
        error_code=str(first["code"]),
        error_message=str(first["message"]),
        error_detail=_one_line(first["detail"]) if "detail" in first else "",
    )


def _one_line(detail: errors.Detail) -> str:
    """Return a detail for the log: a text as it is, anything else as JSON."""
    return detail if isinstance(detail, str) else json.dumps(detail, separators=(",", ":"))
