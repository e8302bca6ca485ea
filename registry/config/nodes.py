"""A configuration as it was written: a tree of scalars, lists and maps, each with its place.

Scalars keep their text; what a text means depends on the key it stands under. Nodes never change:
an edit returns a new tree, so a node that YAML shares between two places stays as it is in one when
the other is changed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

_INDEXED = re.compile(r"(.*?)((?:\[[0-9]{1,6}\])*)", re.DOTALL)
_INDEX = re.compile(r"[0-9]+")

NULLS = frozenset({"", "~", "null", "Null", "NULL"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was written.

    Attributes:
        source: Name of a file or of a variable.
        line: From 1, or 0 where a line says nothing.
        column: From 1, or 0.
    """

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Write ``file:line:column``, or the source alone."""
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Scalar:
    """A text.

    Attributes:
        text: As written, without quotes.
        place: Where it begins.
        plain: It was written without quotes, so that it may be a number, a truth or nothing.
    """

    text: str
    place: Place
    plain: bool = True

    @property
    def is_null(self) -> bool:
        """Nothing was written, or YAML's word for nothing."""
        return self.plain and self.text in NULLS


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Entry:
    """The value under a key, and where the key was written."""

    place: Place
    node: Node


@dataclass(frozen=True, slots=True)
class Mapping:
    """A map. Keys are texts, in the order they were written."""

    entries: dict[str, Entry]
    place: Place

    def get(self, key: str) -> Node | None:
        """Return the value under `key`, or None."""
        entry = self.entries.get(key)
        return None if entry is None else entry.node

    def with_entry(self, key: str, place: Place, node: Node) -> Mapping:
        """Return this map with `node` under `key`."""
        return replace(self, entries={**self.entries, key: Entry(place, node)})


Node = Scalar | Sequence | Mapping


def describe(node: Mapping | Sequence) -> str:
    """Say what kind of thing `node` is, for a message."""
    return "a map" if isinstance(node, Mapping) else "a list"


def find(root: Node, path: str) -> Node | None:
    """Return what stands at a dotted path such as ``health.file[0].interval``, or None."""
    node: Node | None = root
    for part in _parts(path):
        if isinstance(part, int):
            known = isinstance(node, Sequence) and part < len(node.items)
            node = node.items[part] if known and isinstance(node, Sequence) else None
        else:
            node = node.get(part) if isinstance(node, Mapping) else None
        if node is None:
            return None
    return node


def place_of(root: Node, path: str) -> Place:
    """Return where the key at a dotted path was written, or the nearest one above it."""
    node, place = root, root.place
    for part in _parts(path):
        if isinstance(part, int) and isinstance(node, Sequence) and part < len(node.items):
            node = node.items[part]
            place = node.place
        elif isinstance(part, str) and isinstance(node, Mapping) and part in node.entries:
            place, node = node.entries[part].place, node.entries[part].node
        else:
            break
    return place


def _parts(path: str) -> list[str | int]:
    """Cut a path; a key that itself has dots in it is not found, and its map answers for it."""
    parts: list[str | int] = []
    for word in path.split(".") if path else []:
        match = _INDEXED.fullmatch(word)
        assert match is not None, "the pattern takes any text"
        parts.append(match[1])
        parts.extend(int(index) for index in _INDEX.findall(match[2]))
    return parts
