"""YAML text to nodes: merge keys, anchors, duplicate keys, and bounds for hostile files.

libyaml's events are composed here instead of by PyYAML, because its composer recurses, lets a later
duplicate win in silence, and decides what a scalar is before anyone knows which key it stands
under. Anchors share nodes, so a file of nested aliases costs nothing to read; what it would cost to
expand is counted and bounded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from registry.config.nodes import Entry, Mapping, Node, Place, Scalar, Sequence
from registry.config.problems import ConfigurationError, Problem, shown

MAX_TEXT_BYTES = 1024 * 1024  # a large configuration is 10 KiB
MAX_NODES = 50_000  # after every alias is written out
MAX_DEPTH = 64  # of lists and maps in each other; the schema needs 6

_STRING_TAGS = frozenset({"!", "tag:yaml.org,2002:str", "tag:yaml.org,2002:timestamp"})
_PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null"))
_COLLECTION_TAGS = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", "!"})
_MERGE_TAG = "tag:yaml.org,2002:merge"


def decode_text(data: bytes, source: str) -> str:
    """Return the text of a file.

    Raises:
        ConfigurationError: it is too large or not UTF-8.
    """
    if len(data) > MAX_TEXT_BYTES:
        raise _error(Place(source), f"longer than {MAX_TEXT_BYTES} bytes", "name another file")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        column = exc.start - data.rfind(b"\n", 0, exc.start)
        found = f"byte 0x{data[exc.start]:02x} is not UTF-8"
        raise _error(Place(source, line, column), found, "save the file as UTF-8") from None


def parse_document(text: str, source: str, *, lines: bool = True) -> Mapping:
    """Parse a configuration file: one document, a map at the top.

    Args:
        text: The whole file.
        source: Its name, for places.
        lines: Places tell line and column besides the source.

    Raises:
        ConfigurationError: `text` is not YAML, has a duplicate key or an alias that contains
            itself, is empty, or holds something else than a map.
    """
    fix = "begin with the line `version: 0.1`"
    node = _Composer(source, lines=lines).compose(text)
    if node is None or (isinstance(node, Scalar) and node.is_null):
        raise _error(Place(source), "the file is empty", fix)
    if not isinstance(node, Mapping):
        kind = "a list" if isinstance(node, Sequence) else "a single text"
        raise _error(node.place, f"found {kind} where a map of keys was expected", fix)
    return node


def parse_value(text: str, source: str) -> Node:
    """Parse the value of a variable; an empty one is null. Every place is the variable's name.

    Raises:
        ConfigurationError: as `parse_document`, but for what the value may be.
    """
    node = _Composer(source, lines=False).compose(text)
    return Scalar("", Place(source)) if node is None else node


def _error(place: Place, message: str, fix: str) -> ConfigurationError:
    return ConfigurationError([Problem(str(place), "", message, fix)])


@dataclass(slots=True)
class _Built:
    """A node, what it costs written out, and how deep it goes."""

    node: Node
    size: int = 1
    depth: int = 1


@dataclass(slots=True)
class _Frame:
    """A list or map that is being read; a map's keys and values alternate."""

    is_map: bool
    place: Place
    anchor: str | None
    items: list[_Built] = field(default_factory=list)


class _Composer:
    """Builds nodes from events, with a stack of its own instead of the interpreter's."""

    def __init__(self, source: str, *, lines: bool) -> None:
        self._source = source
        self._lines = lines
        self._anchors: dict[str, _Built | None] = {}  # None: not complete yet
        self._frames: list[_Frame] = []
        self._root: _Built | None = None
        self._documents = 0

    def compose(self, text: str) -> Node | None:
        """Return the only document's node, or None where there is none."""
        try:
            for event in self._events(text):
                self._take(event)
        except yaml.reader.ReaderError as exc:
            found = f"character U+{_code(exc.character):04X} is not allowed in YAML"
            raise _error(Place(self._source), found, "remove it") from None
        except yaml.MarkedYAMLError as exc:
            mark = exc.problem_mark or exc.context_mark
            place = Place(self._source) if mark is None else self._at(mark)
            raise _error(place, f"not YAML: {exc.problem}", _syntax_fix(text)) from None
        except (yaml.YAMLError, UnicodeError, ValueError):
            # ValueError: int() of the digits of a %YAML directive in some versions
            raise _error(Place(self._source), "not YAML", _syntax_fix(text)) from None
        return None if self._root is None else self._root.node

    def _events(self, text: str) -> Iterator[Any]:
        text.encode()  # a lone surrogate is a UnicodeError here, not an accident in the parser
        yield from yaml.parse(text, Loader=yaml.CSafeLoader)

    def _at(self, mark: Any) -> Place:
        if not self._lines:
            return Place(self._source)
        return Place(self._source, mark.line + 1, mark.column + 1)

    def _take(self, event: Any) -> None:
        match event:
            case yaml.DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    place = self._at(event.start_mark)
                    raise _error(place, "a second document begins", "keep one document")
            case yaml.ScalarEvent():
                self._anchored(event.anchor, _Built(self._scalar(event)))
            case yaml.AliasEvent():
                self._add(self._alias(event))
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._open(event)
            case yaml.MappingEndEvent():
                frame = self._frames.pop()
                self._anchored(frame.anchor, self._map(frame))
            case yaml.SequenceEndEvent():
                frame = self._frames.pop()
                nodes = tuple(item.node for item in frame.items)
                built = self._measured(Sequence(nodes, frame.place), frame.items)
                self._anchored(frame.anchor, built)

    def _open(self, event: Any) -> None:
        place = self._at(event.start_mark)
        if event.tag is not None and event.tag not in _COLLECTION_TAGS:
            raise _error(place, f"the tag {shown(event.tag)} is not understood", "remove it")
        if len(self._frames) >= MAX_DEPTH:
            raise _error(place, f"more than {MAX_DEPTH} levels deep", "use fewer levels")
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        is_map = isinstance(event, yaml.MappingStartEvent)
        self._frames.append(_Frame(is_map, place, event.anchor))

    def _anchored(self, anchor: str | None, built: _Built) -> None:
        if anchor is not None:
            self._anchors[anchor] = built
        self._add(built)

    def _add(self, built: _Built) -> None:
        if self._frames:
            self._frames[-1].items.append(built)
        else:
            self._root = built

    def _alias(self, event: Any) -> _Built:
        place = self._at(event.start_mark)
        name = event.anchor
        if name not in self._anchors:
            raise _error(place, f"no anchor {shown('&' + name)} stands before", "define it first")
        built = self._anchors[name]
        if built is None:
            raise _error(place, f"{shown('*' + name)} contains itself", "remove the alias")
        return built

    def _scalar(self, event: Any) -> Scalar:
        place = self._at(event.start_mark)
        plain = event.style is None or event.style == ""
        if event.tag in _STRING_TAGS:
            plain = False
        elif event.tag in _PLAIN_TAGS:
            plain = True
        elif event.tag is not None and event.tag != _MERGE_TAG:
            fix = "remove it and write the value as a text"
            raise _error(place, f"the tag {shown(event.tag)} is not understood", fix)
        return Scalar(event.value, place, plain)

    def _map(self, frame: _Frame) -> _Built:
        entries: dict[str, Entry] = {}
        merges: list[Mapping] = []
        for key, value in zip(frame.items[::2], frame.items[1::2], strict=True):
            if not isinstance(key.node, Scalar):
                raise _error(key.node.place, "a key must be a single word", "quote it")
            name, place = key.node.text, key.node.place
            if name == "<<" and key.node.plain:
                merges.extend(self._merged(value.node))
            elif name in entries:
                before = entries[name].place
                where = f" (first on line {before.line})" if before.line else ""
                message = f"the key {shown(name)} stands twice in this map{where}"
                raise _error(place, message, "remove one of the two")
            else:
                entries[name] = Entry(place, value.node)
        for merge in merges:
            entries = {**merge.entries, **entries}
        return self._measured(Mapping(entries, frame.place), frame.items)

    def _merged(self, node: Node) -> list[Mapping]:
        """Return the maps that ``<<`` brings in, the strongest first."""
        found = node.items if isinstance(node, Sequence) else (node,)
        maps = [item for item in found if isinstance(item, Mapping)]
        if len(maps) != len(found):
            raise _error(node.place, "`<<` takes a map or a list of maps", "name an anchor of one")
        return maps

    def _measured(self, node: Node, items: list[_Built]) -> _Built:
        size = 1 + sum(item.size for item in items)
        depth = 1 + max((item.depth for item in items), default=0)
        if size > MAX_NODES:
            message = f"more than {MAX_NODES} values when every alias is written out"
            raise _error(node.place, message, "use fewer aliases")
        if depth > MAX_DEPTH:
            raise _error(node.place, f"more than {MAX_DEPTH} levels deep", "use fewer levels")
        return _Built(node, size, depth)


def _code(character: object) -> int:
    return character if isinstance(character, int) else ord(str(character)[:1] or "\0")


def _syntax_fix(text: str) -> str:
    if "\t" in text:
        return "indent with spaces instead of tabs"
    return "check the indentation, and quote values that hold any of `: # { } [ ] , & * ! | > % @`"
