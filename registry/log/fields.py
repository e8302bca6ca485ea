"""The fields that belong to what is being done, carried along by `contextvars`.

A scope is opened with `bind` where a request begins. Tasks and threads started inside inherit it
(Trio copies the context), and `set_fields`, called anywhere below, amends the scope itself: the
name that authentication finds deep inside stands in the line that the outermost layer writes when
the answer is complete.

Names are distribution's: ``http.request.id``, ``.method``, ``.host``, ``.uri``, ``.referer``,
``.useragent``, ``.remoteaddr``, ``.contenttype``; ``http.response.written``, ``.status``,
``.contenttype``, ``.duration``; ``vars.name``, ``.reference``, ``.digest``, ``.uuid``;
``auth.user.name``; ``err.code``, ``.message``, ``.detail``; ``instance.id``, ``version``.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar, Token
from types import TracebackType

FieldValue = str | int | float | bool | None
"""What a field may hold; None leaves the field out of the line."""


class _Scope:
    __slots__ = ("fields", "parent")

    def __init__(self, parent: _Scope | None, fields: dict[str, FieldValue]) -> None:
        self.parent = parent
        self.fields = fields


_scope: ContextVar[_Scope | None] = ContextVar("registry.log.scope", default=None)


class bind:  # noqa: N801  # used as a function: `with bind(...)`
    """Open a scope of fields for the block: ``with bind({"http.request.id": id}): ...``.

    Fields of an enclosing scope stay visible; the inner value wins. The block must be left in the
    context (task) it was entered in.

    Args:
        fields: Names and values; dotted names need this form.
        more: Further fields as keywords.
    """

    __slots__ = ("_fields", "_token")

    def __init__(
        self, fields: Mapping[str, FieldValue] | None = None, /, **more: FieldValue
    ) -> None:
        self._fields: dict[str, FieldValue] = {**(fields or {}), **more}
        self._token: Token[_Scope | None] | None = None

    def __enter__(self) -> None:
        self._token = _scope.set(_Scope(_scope.get(), self._fields))

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._token is not None, "left before it was entered"
        _scope.reset(self._token)
        self._token = None


def set_fields(fields: Mapping[str, FieldValue] | None = None, /, **more: FieldValue) -> None:
    """Amend the innermost open scope, for everybody inside it from now on.

    Outside any scope the fields hold for the rest of the current context.
    """
    scope = _scope.get()
    if scope is None:
        scope = _Scope(None, {})
        _scope.set(scope)
    if fields:
        scope.fields.update(fields)
    scope.fields.update(more)


def current_fields() -> dict[str, FieldValue]:
    """Return a copy of all fields visible here, inner scopes over outer ones."""
    chain: list[_Scope] = []
    scope = _scope.get()
    while scope is not None:
        chain.append(scope)
        scope = scope.parent
    merged: dict[str, FieldValue] = {}
    for one in reversed(chain):
        merged.update(one.fields)
    return merged


def format_duration(seconds: float) -> str:
    """Return a duration as Go prints it: ``1.5s``, ``2.25ms``, ``1m2.5s``."""
    sign = "-" if seconds < 0 else ""
    nanoseconds = round(abs(seconds) * 1e9)
    if nanoseconds == 0:
        return "0s"
    for unit, size in (("ns", 1), ("µs", 1000), ("ms", 1_000_000)):
        if nanoseconds < size * 1000:
            return f"{sign}{_decimal(nanoseconds, size)}{unit}"
    minutes, rest = divmod(nanoseconds, 60_000_000_000)
    hours, minutes = divmod(minutes, 60)
    head = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{sign}{head}{_decimal(rest, 1_000_000_000)}s"


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    digits = len(str(unit)) - 1
    return f"{whole}.{rest:0{digits}d}".rstrip("0").rstrip(".") if rest else str(whole)
