"""Nodes to the classes of the schema, with every problem and every unknown key on the way.

A value that cannot be read becomes its default, so that one decoding finds all the problems there
are; a result with problems is only good for finding more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from registry.config.durations import from_nanoseconds, parse_duration
from registry.config.keys import Field, Key, Section, Shape, fields_of, known_names, open_shape
from registry.config.nodes import Mapping, Node, Place, Scalar, Sequence, describe
from registry.config.problems import ConfigurationWarning, Problem, nearest, shown
from registry.config.scalars import number, resolve, truth, whole_number
from registry.config.schema import Configuration

SUSPICIOUS_S = 0.001  # a bare number below a millisecond was hardly meant as nanoseconds

_EXPECTED = {
    "text": ("a text", "write one value"),
    "flag": ("true or false", "write true or false"),
    "whole": ("a whole number", "write a number such as 100"),
    "duration": ("a duration", "write a number with a unit, such as 10s or 1h30m"),
    "list": ("a list", "write [a, b], or one line with `- ` for each"),
    "map": ("a map", "write one `key: value` on each line below it"),
    "section": ("a map", "write its keys below it, indented"),
}


@dataclass(slots=True)
class Decoder:
    """Reads nodes by shape and collects what is wrong with them."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[ConfigurationWarning] = field(default_factory=list)

    def configuration(self, root: Mapping) -> Configuration:
        """Read the whole tree; usable when `problems` is empty afterwards."""
        result = self._section(root, Configuration, "")
        assert isinstance(result, Configuration)
        return result

    def _section(self, node: Node, section: type[Section], path: str) -> Section:
        if isinstance(node, Scalar) and section.scalar_is_key and not node.is_null:
            node = Mapping({}, node.place).with_entry(node.text, node.place, Scalar("", node.place))
        if not isinstance(node, Mapping):
            if not (isinstance(node, Scalar) and node.is_null):
                self._mismatch(node, "section", path, Key(""))
            node = Mapping({}, node.place)
        values: dict[str, Any] = {}
        for known in fields_of(section):
            child = node.get(known.name)
            child_path = f"{path}.{known.name}" if path else known.name
            if child is not None:
                value = self._field(child, known, child_path, present=section.scalar_is_key)
                values[known.attribute] = value
            if known.key.required and not _is_given(child):
                place = node.place if child is None else child.place
                self._problem(
                    place, child_path, "a value is required", f"set it: {known.key.meaning}"
                )
        unknown = [key for key in node.entries if key not in known_names(section)]
        taken = {key: self._unknown(node, key, section, path) for key in unknown}
        if section.open_field is not None and taken:
            values[section.open_field] = taken
        return section(**values)

    def _unknown(self, node: Mapping, key: str, section: type[Section], path: str) -> object:
        entry = node.entries[key]
        child_path = f"{path}.{key}" if path else key
        if section.warn_unknown:
            like = nearest(key, known_names(section))
            effect = "unknown key" if section.open_field else "unknown key, ignored"
            self._warning(entry.place, child_path, effect, like)
        shape = open_shape(section)
        if shape is None:
            return None
        return self._value(entry.node, shape, child_path, Key(""), {})

    def _field(self, node: Node, known: Field, path: str, *, present: bool) -> object:
        """Read one known key; null is the default, or an empty section where `present`."""
        if isinstance(node, Scalar) and node.is_null:
            if present and known.default is None and known.shape.section is not None:
                return self._section(node, known.shape.section, path)
            return known.default
        return self._value(node, known.shape, path, known.key, known.default)

    def _value(self, node: Node, shape: Shape, path: str, key: Key, default: Any) -> Any:
        match shape.kind:
            case "any":
                return resolve(node)
            case "section":
                assert shape.section is not None
                return self._section(node, shape.section, path)
            case "list":
                return self._list(node, shape, path, key, default)
            case "map":
                return self._map(node, shape, path, key, default)
            case _:
                if not isinstance(node, Scalar):
                    return self._mismatch(node, shape.kind, path, key, default)
                return self._scalar(node, shape, path, key, default)

    def _list(self, node: Node, shape: Shape, path: str, key: Key, default: Any) -> Any:
        if isinstance(node, Scalar) and node.is_null:
            return []
        if not isinstance(node, Sequence) or shape.inner is None:
            return self._mismatch(node, "list", path, key, default)
        inner, empty = shape.inner, _EMPTY.get(shape.inner.kind)
        return [
            self._value(item, inner, f"{path}[{index}]", key, empty)
            for index, item in enumerate(node.items)
        ]

    def _map(self, node: Node, shape: Shape, path: str, key: Key, default: Any) -> Any:
        if isinstance(node, Scalar) and node.is_null:
            return {}
        if not isinstance(node, Mapping) or shape.inner is None:
            return self._mismatch(node, "map", path, key, default)
        inner, empty = shape.inner, _EMPTY.get(shape.inner.kind)
        return {
            name: self._value(entry.node, inner, f"{path}.{name}", key, empty)
            for name, entry in node.entries.items()
        }

    def _scalar(self, node: Scalar, shape: Shape, path: str, key: Key, default: Any) -> Any:
        if shape.kind == "text":
            return "" if node.is_null else node.text
        if shape.kind == "choice":
            return self._choice(node, shape, path, default)
        readers: dict[str, Callable[[Scalar, str, Key], Any]] = {
            "flag": self._flag,
            "whole": self._whole,
            "duration": self._duration,
        }
        value = readers[shape.kind](node, path, key)
        return default if value is None else value

    def _choice(self, node: Scalar, shape: Shape, path: str, default: Any) -> Any:
        text = node.text.lower()
        if not text:
            return default
        if text not in shape.choices:
            words = ", ".join(shape.choices)
            self._problem(
                node.place, path, f"{shown(node.text)} is not known", f"use one of {words}"
            )
            return default
        return text

    def _flag(self, node: Scalar, path: str, key: Key) -> bool | None:
        value = truth(node.text)
        if value is None:
            self._mismatch(node, "flag", path, key)
        return value

    def _whole(self, node: Scalar, path: str, key: Key) -> int | None:
        value = whole_number(node.text)
        if value is None:
            fraction = number(node.text)
            value = int(fraction) if fraction is not None and fraction.is_integer() else None
        if value is None or abs(value) >= 2**63:
            self._mismatch(node, "whole", path, key)
            return None
        return None if self._out_of_range(node, value, path, key) else value

    def _duration(self, node: Scalar, path: str, key: Key) -> float | None:
        bare = whole_number(node.text) if node.plain else None
        try:
            value = parse_duration(node.text) if bare is None else from_nanoseconds(bare)
        except ValueError as exc:
            message = f"{shown(node.text)} is not a duration: {exc}"
            self._problem(node.place, path, message, _EXPECTED["duration"][1])
            return None
        if bare is not None and 0 < value < SUSPICIOUS_S:
            message = f"{node.text} without a unit is nanoseconds"
            self._warning(node.place, path, message, f"{node.text}s")
        return None if self._out_of_range(node, value, path, key) else value

    def _out_of_range(self, node: Scalar, value: float, path: str, key: Key) -> bool:
        """Report a number the key does not take; True also for a 0 that stands for the default."""
        if value < 0 and not key.signed:
            message = f"{shown(node.text)} is negative"
            self._problem(node.place, path, message, "write a number above 0")
            return True
        if value == 0 and key.positive:
            fix = "write a value above 0, or leave the key out for the default"
            self._problem(node.place, path, f"{shown(node.text)} is not above 0", fix)
            return True
        return value == 0 and key.zero_is_default

    def _mismatch(self, node: Node, kind: str, path: str, key: Key, default: Any = None) -> Any:
        expected, fix = _EXPECTED.get(kind, ("a text", "write one value"))
        match node:
            case Scalar():
                found = shown(node.text, secret=key.secret)
            case _:
                found = describe(node)
        self._problem(node.place, path, f"{found} is not {expected}", fix)
        return default

    def _problem(self, place: Place, path: str, message: str, fix: str) -> None:
        self.problems.append(Problem(str(place), path, message, fix))

    def _warning(self, place: Place, path: str, message: str, like: str | None) -> None:
        self.warnings.append(ConfigurationWarning(str(place), path, message, like))


_EMPTY: dict[str, Any] = {
    "text": "",
    "flag": False,
    "whole": 0,
    "duration": 0.0,
    "list": [],
    "map": {},
}


def _is_given(node: Node | None) -> bool:
    if node is None:
        return False
    return not isinstance(node, Scalar) or (not node.is_null and node.text != "")
