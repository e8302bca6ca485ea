"""Variables named ``REGISTRY_…`` laid over a configuration.

A name is cut at its underscores, and each word chooses a key below the one before: a known key by
its YAML name or its Go field name, an element of a list by number, anything in an open map by name
whatever its case (a new name is lower-cased). The value is YAML. Variables are applied in the order
of their names, so that ``REGISTRY_STORAGE=s3`` comes before ``REGISTRY_STORAGE_S3_BUCKET``.

Source: the configuration parser of distribution 2.8 and 3.1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Mapping as Environ
from dataclasses import dataclass, field

from registry.config.keys import Field, Key, Section, Shape, fields_of, open_shape
from registry.config.nodes import Mapping, Node, Place, Scalar, Sequence
from registry.config.problems import (
    ConfigurationError,
    ConfigurationWarning,
    Problem,
    nearest,
    shown,
)
from registry.config.schema import Configuration
from registry.config.yaml_text import parse_value

PREFIX = "REGISTRY_"
PATH_VARIABLE = "REGISTRY_CONFIGURATION_PATH"

FEW = 3  # so many keys of a section are named when none looks like the one that was given

_ORCHESTRATOR = re.compile(
    r"REGISTRY_(?:[A-Z0-9]+_)*?"
    r"(?:PORT|PORT_[0-9]+_(?:TCP|UDP|SCTP)(?:_(?:ADDR|PORT|PROTO))?|SERVICE_(?:HOST|PORT(?:_\w+)?))"
)
_OF_OUR_NAME = re.compile(r"REGISTRY_(?:PORT|SERVICE)(?:_\w+)?")
_OF_OTHERS = {
    "REGISTRY_AUTH_FILE": "names the credentials of podman, buildah and skopeo; ignored",
}
_ROOT = Shape("section", section=Configuration)


@dataclass(slots=True)
class Overlay:
    """A tree with the variables in it, and what was said about them.

    Attributes:
        root: The tree.
        applied: Names of the variables that found their key.
    """

    root: Mapping
    applied: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[ConfigurationWarning] = field(default_factory=list)

    def apply(self, environ: Environ[str, str]) -> None:
        """Lay every variable of `environ` that begins with ``REGISTRY_`` over `root`."""
        names = (name for name in environ if name.startswith(PREFIX) and name != PATH_VARIABLE)
        of_our_name = []
        for name in sorted(names, key=_sort_key):
            if _ORCHESTRATOR.fullmatch(name) and _OF_OUR_NAME.fullmatch(name):
                of_our_name.append(name)
            elif _ORCHESTRATOR.fullmatch(name):
                message = "looks like a variable an orchestrator sets for a service; ignored"
                self.warnings.append(ConfigurationWarning(name, "", message, quiet=True))
            elif name in _OF_OTHERS:
                self.warnings.append(ConfigurationWarning(name, "", _OF_OTHERS[name]))
            else:
                self._apply(name, environ[name])
        if of_our_name:
            message = "set by an orchestrator for a service called registry, as it seems; ignored"
            self.warnings.append(ConfigurationWarning(", ".join(of_our_name), "", message))

    def _apply(self, name: str, value: str) -> None:
        variable = _Variable(name, value)
        try:
            root = variable.under(self.root, _ROOT, Key(""), name.split("_")[1:], "")
        except _UnknownVariable:
            message = "no key of this name; ignored"
            like = _nearest_variable(name)
            self.warnings.append(ConfigurationWarning(name, "", message, like))
        except ConfigurationError as exc:
            self.problems.extend(exc.problems)
        else:
            assert isinstance(root, Mapping)
            self.root = root
            self.applied.append(name)


def variable_name(path: str) -> str:
    """Return the variable of a dotted path; ``[]`` becomes ``_0``."""
    return PREFIX + path.replace("[]", ".0").replace(".", "_").upper()


def known_variables() -> list[str]:
    """Return the name of every variable that sets a key or a section, for hints."""
    return list(_variables(Configuration, PREFIX))


def _nearest_variable(name: str) -> str | None:
    """Return which variable `name` may be meant to be: below the same section if there is one."""
    known = known_variables()
    words = name.split("_")
    for count in range(len(words) - 1, 1, -1):
        above = "_".join(words[:count]) + "_"
        below = [variable for variable in known if variable.startswith(above)]
        if below:
            few = " or ".join(below) if len(below) <= FEW else None
            return nearest(name, below) or few
    return nearest(name, known)


def _variables(section: type[Section], prefix: str) -> Iterator[str]:
    for known in fields_of(section):
        for word in known.variable_names:
            yield prefix + word
            shape, inner = known.shape, prefix + word + "_"
            if shape.kind == "list" and shape.inner is not None:
                shape, inner = shape.inner, inner + "0_"
            if shape.section is not None:
                yield from _variables(shape.section, inner)


def _sort_key(name: str) -> list[tuple[int, int, str]]:
    """Order by words, numbers by value: element 10 of a list comes after element 2."""
    return [(0, int(w), w) if _is_index(w) else (1, 0, w) for w in name.split("_")]


def _is_index(word: str) -> bool:
    return word.isascii() and word.isdigit() and len(word) <= 6


class _UnknownVariable(Exception):
    """No key fits the name."""


@dataclass(frozen=True, slots=True)
class _Variable:
    name: str
    value: str

    @property
    def place(self) -> Place:
        return Place(self.name)

    def under(self, node: Node | None, shape: Shape, key: Key, words: list[str], path: str) -> Node:
        """Return what stands at `path` once the variable has set what `words` name below it."""
        if not words:
            return self._parsed(key, path)
        match shape.kind:
            case "section":
                assert shape.section is not None
                return self._under_section(node, shape.section, words, path)
            case "map":
                assert shape.inner is not None
                return self._under_map(node, shape.inner, key, words, path)
            case "list":
                assert shape.inner is not None
                return self._under_list(node, shape.inner, key, words, path)
            case "any":
                return self._under_any(node, shape, key, words, path)
            case _:
                raise _UnknownVariable

    def _parsed(self, key: Key, path: str) -> Node:
        try:
            return parse_value(self.value, self.name)
        except ConfigurationError as exc:
            reason = exc.problems[0].message
            found = f"{shown(self.value, secret=True)} cannot be read" if key.secret else reason
            fix = f"put it in quotes: {self.name}=\"'…'\""
            raise ConfigurationError([Problem(self.name, path, found, fix)]) from None

    def _under_section(
        self, node: Node | None, section: type[Section], words: list[str], path: str
    ) -> Node:
        if isinstance(node, Scalar) and section.scalar_is_key and not node.is_null:
            bare = Scalar("", node.place)
            node = Mapping({}, node.place).with_entry(node.text, node.place, bare)
        known, rest = _choose(section, words)
        if known is not None:
            child_path = f"{path}.{known.name}" if path else known.name
            base = self._map_or_new(node)
            child = self.under(base.get(known.name), known.shape, known.key, rest, child_path)
            return self._with(base, known.name, child, whole=not rest)
        shape = open_shape(section)
        if shape is None:
            raise _UnknownVariable
        return self._under_map(node, shape, Key("", secret=True), words, path)

    def _under_map(
        self, node: Node | None, inner: Shape, key: Key, words: list[str], path: str
    ) -> Node:
        base = self._map_or_new(node)
        word, *rest = words
        if not word:
            raise _UnknownVariable
        same = (name for name in base.entries if name.casefold() == word.casefold())
        name = next(same, word.lower())
        child = self.under(base.get(name), inner, key, rest, f"{path}.{name}")
        return self._with(base, name, child, whole=not rest)

    def _under_any(
        self, node: Node | None, shape: Shape, key: Key, words: list[str], path: str
    ) -> Node:
        if isinstance(node, Sequence) and _is_index(words[0]):
            return self._under_list(node, shape, key, words, path)
        if node is None or isinstance(node, Mapping) or (isinstance(node, Scalar) and node.is_null):
            return self._under_map(node, shape, key, words, path)
        raise _UnknownVariable

    def _under_list(
        self, node: Node | None, inner: Shape, key: Key, words: list[str], path: str
    ) -> Node:
        word, *rest = words
        if not _is_index(word):
            raise _UnknownVariable
        items = node.items if isinstance(node, Sequence) else ()
        place = node.place if isinstance(node, Sequence) else self.place
        index = int(word)
        if index > len(items):
            message = f"element {index} of a list that has {len(items)}"
            fix = f"number them without a gap: the next is {len(items)}"
            raise ConfigurationError([Problem(self.name, f"{path}[{index}]", message, fix)])
        before = items[index] if index < len(items) else None
        item = self.under(before, inner, key, rest, f"{path}[{index}]")
        return Sequence((*items[:index], item, *items[index + 1 :]), place)

    def _map_or_new(self, node: Node | None) -> Mapping:
        """Return the map to set a key in: a new one for what is absent, as Go makes one."""
        if isinstance(node, Mapping):
            return node
        if node is None or (isinstance(node, Scalar) and node.is_null):
            return Mapping({}, self.place)
        raise _UnknownVariable  # the decoder says what is wrong with the file there

    def _with(self, base: Mapping, name: str, child: Node, *, whole: bool) -> Mapping:
        """Set a key; it keeps the place of the file unless the variable set all of it."""
        entry = base.entries.get(name)
        place = self.place if entry is None or whole else entry.place
        return base.with_entry(name, place, child)


def _choose(section: type[Section], words: list[str]) -> tuple[Field | None, list[str]]:
    """Return the key that the first words name, and the words below it.

    A key whose own name has underscores takes as many words as it needs; Go cannot address those.
    """
    for known in fields_of(section):
        for name in known.variable_names:
            count = name.count("_") + 1
            if "_".join(words[:count]).upper() == name:
                return known, words[count:]
    return None, words
