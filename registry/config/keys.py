"""What a key of the configuration is: its shape, its marks and how a class of keys is read.

`registry.config.schema` and `registry.config.stores` describe every key once, as a field of a
`Section`; the decoder, the environment overlay, the checks and the printed reference all read that
description through `fields_of`, so none of them can know a key the others do not.
"""

import functools
import types
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, NewType, Union

import msgspec

Seconds = NewType("Seconds", float)
"""A duration in seconds, written in YAML as Go writes it (``1h30m``)."""

Version = Literal["both", "2.8", "3", "own"]
"""Which versions of distribution know a key; ``own`` keys are Trireme's."""


@dataclass(frozen=True, slots=True)
class Key:
    """What a field's annotation tells beyond its type.

    Attributes:
        meaning: One short sentence for the reference.
        version: Which versions of distribution know the key.
        go: The name of the Go field in upper case where it differs from the YAML name; variables
            may use either.
        required: The key must be there, and not empty, when its section is.
        secret: The value never appears in messages or in the representation.
        signed: A number or duration may be negative.
        positive: A number or duration of 0 is refused.
        zero_is_default: A number of 0 stands for the default, as in Go.
        default: How the reference describes a default that the type cannot tell.
    """

    meaning: str
    version: Version = "both"
    go: str | None = None
    required: bool = False
    secret: bool = False
    signed: bool = False
    positive: bool = False
    zero_is_default: bool = False
    default: str | None = None


@dataclass(frozen=True, slots=True)
class Shape:
    """The type of a value as YAML can write it.

    Attributes:
        kind: ``any`` is whatever YAML holds, resolved as Go's YAML library does.
        inner: What a list or a map holds.
        choices: The words of a ``choice``.
        section: The class of a ``section``.
    """

    kind: Literal["text", "flag", "whole", "duration", "any", "choice", "list", "map", "section"]
    inner: "Shape | None" = None
    choices: tuple[str, ...] = ()
    section: "type[Section] | None" = None


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A map of the configuration whose keys are known; the base of every class of the schema.

    Class variables:
        open_field: Name of the field that takes the keys that are not known, instead of dropping
            them.
        warn_unknown: A key that is not known is worth a warning.
        scalar_is_key: A scalar in place of the map stands for a map with that one key, and a key
            without a value is present and empty (`storage: inmemory`).
    """

    open_field: ClassVar[str | None] = None
    warn_unknown: ClassVar[bool] = True
    scalar_is_key: ClassVar[bool] = False

    def __repr__(self) -> str:
        """Show the fields that are set, secrets masked."""
        shown = []
        for field in fields_of(type(self)):
            value = getattr(self, field.attribute)
            if value != field.default:
                shown.append(f"{field.name}={'***' if field.key.secret else repr(value)}")
        return f"{type(self).__name__}({', '.join(shown)})"


@dataclass(frozen=True, slots=True)
class Field:
    """One key of a section.

    Attributes:
        name: The YAML name.
        attribute: The Python name; the same but for ``from``.
        shape: What the value looks like.
        key: Its marks.
        default: The value without the key.
    """

    name: str
    attribute: str
    shape: Shape
    key: Key
    default: object

    @property
    def variable_names(self) -> tuple[str, ...]:
        """The words a variable may use for this key, the YAML name first."""
        return (self.name.upper(), self.key.go) if self.key.go else (self.name.upper(),)


_SCALARS: dict[Any, Shape] = {
    str: Shape("text"),
    bool: Shape("flag"),
    int: Shape("whole"),
    Seconds: Shape("duration"),
    object: Shape("any"),
}


@functools.cache
def fields_of(section: type[Section]) -> tuple[Field, ...]:
    """Return the known keys of `section` in the order they are written in the schema."""
    return tuple(_fields(section))


def known_names(section: type[Section]) -> list[str]:
    """Return the YAML names of the known keys of `section`."""
    return [field.name for field in fields_of(section)]


def open_shape(section: type[Section]) -> Shape | None:
    """Return the shape of what an open section takes under a key it does not know, or None."""
    if section.open_field is None:
        return None
    annotation = typing.get_type_hints(section)[section.open_field]
    return _shape(annotation)[0].inner


def walk(section: type[Section], prefix: str = "") -> Iterator[tuple[str, Field]]:
    """Yield each key that holds a value, by dotted path (``health.file[].interval``).

    Sections are descended into; a section without known keys is yielded itself.
    """
    for field in fields_of(section):
        path = prefix + field.name
        shape = field.shape
        if shape.kind == "list" and shape.inner is not None and shape.inner.kind == "section":
            path += "[]"
            shape = shape.inner
        if shape.section is not None and fields_of(shape.section):
            yield from walk(shape.section, path + ".")
        else:
            yield path, field


def _fields(section: type[Section]) -> Iterator[Field]:
    hints = typing.get_type_hints(section, include_extras=True)
    for info in msgspec.structs.fields(section):
        if info.name == section.open_field:
            continue
        shape, key = _shape(hints[info.name])
        default: object = info.default
        if default is msgspec.NODEFAULT:
            factory: Any = info.default_factory
            assert factory is not msgspec.NODEFAULT, (
                f"{section.__name__}.{info.name} has no default"
            )
            default = factory()
        assert key is not None, f"{section.__name__}.{info.name} is not described"
        yield Field(info.encode_name, info.name, shape, key, default)


def _shape(annotation: Any) -> tuple[Shape, Key | None]:
    origin = typing.get_origin(annotation)
    arguments = typing.get_args(annotation)
    if origin is Annotated:
        key = next((extra for extra in arguments[1:] if isinstance(extra, Key)), None)
        return _shape(arguments[0])[0], key
    if origin in (Union, types.UnionType):
        (only,) = (argument for argument in arguments if argument is not type(None))
        return _shape(only)
    if origin is Literal:
        return Shape("choice", choices=arguments), None
    if origin is list:
        return Shape("list", inner=_shape(arguments[0])[0]), None
    if origin is dict:
        return Shape("map", inner=_shape(arguments[1])[0]), None
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return Shape("section", section=annotation), None
    return _SCALARS[annotation], None
