"""YAML text to nodes."""

import pytest

from registry.config.nodes import Place, Scalar, find, place_of
from registry.config.problems import ConfigurationError
from registry.config.scalars import resolve
from registry.config.yaml_text import (
    MAX_DEPTH,
    MAX_TEXT_BYTES,
    decode_text,
    parse_document,
    parse_value,
)


def problem_of(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        parse_document(text, "c.yml")
    (problem,) = caught.value.problems
    return str(problem)


def test_scalars_keep_their_text_and_place() -> None:
    root = parse_document("version: 0.1\nhttp:\n  addr: :5000\n", "c.yml")
    assert find(root, "version") == Scalar("0.1", Place("c.yml", 1, 10))
    assert str(place_of(root, "http.addr")) == "c.yml:3:3"
    assert str(place_of(root, "http.nothing.here")) == "c.yml:2:1"
    assert str(place_of(root, "nothing")) == "c.yml:1:1"


def test_places_in_lists() -> None:
    root = parse_document("a:\n  - x: 1\n  - x: 2\n", "c.yml")
    assert str(place_of(root, "a[1].x")) == "c.yml:3:5"
    assert find(root, "a[2].x") is None
    assert find(root, "a.b") is None


def test_aliases_and_merge_keys() -> None:
    root = parse_document(
        "base: &b {x: 1, y: 2}\nmore: &m {y: 3, z: 4}\n"
        "one: {<<: *b, y: 9}\ntwo: {<<: [*b, *m]}\nsame: *b\nquoted: {'<<': plain}\n",
        "c.yml",
    )
    assert resolve(root) == {
        "base": {"x": 1, "y": 2},
        "more": {"y": 3, "z": 4},
        "one": {"x": 1, "y": 9},
        "two": {"x": 1, "y": 2, "z": 4},
        "same": {"x": 1, "y": 2},
        "quoted": {"<<": "plain"},
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "c.yml: the file is empty; begin with the line `version: 0.1`"),
        ("# only\n", "c.yml: the file is empty; "),
        ("---\n", "c.yml: the file is empty; "),
        ("- a\n- b\n", "c.yml:1:1: found a list where a map of keys was expected; "),
        ("just words", "c.yml:1:1: found a single text where "),
        ("a: 1\nb: 2\na: 3\n", "c.yml:3:1: the key 'a' stands twice in this map (first on line 1)"),
        ("a: {b: 1, b: 2}\n", "c.yml:1:11: the key 'b' stands twice"),
        ("a: 1\n---\nb: 2\n", "c.yml:2:1: a second document begins; keep one document"),
        ("a: *nobody\n", "c.yml:1:4: no anchor '&nobody' stands before"),
        ("a: &a [*a]\n", "c.yml:1:8: '*a' contains itself"),
        ("a: &a {b: *a}\n", "c.yml:1:11: '*a' contains itself"),
        ("<<: 5\n", "c.yml:1:5: `<<` takes a map or a list of maps"),
        ("<<: [5]\n", "c.yml:1:5: `<<` takes a map or a list of maps"),
        ("[a]: 1\n", "c.yml:1:1: a key must be a single word"),
        ("a: !thing x\n", "c.yml:1:4: the tag '!thing' is not understood"),
        ("a: !!binary eA==\n", "c.yml:1:4: the tag 'tag:yaml.org,2002:binary' is not understood"),
        ("a: !!set {x}\n", "c.yml:1:4: the tag 'tag:yaml.org,2002:set' is not understood"),
        ("a: [1\n", "c.yml:2:1: not YAML: "),
        ("a: b: c\n", "c.yml:1:5: not YAML: "),
        ("a:\n\tb: 1\n", "c.yml:2:1: not YAML: "),
        ("a: \x00\n", "c.yml: character U+0000 is not allowed in YAML; remove it"),
        ("a: \ud800\n", "c.yml: not YAML"),
    ],
)
def test_says_what_is_wrong_and_where(text: str, expected: str) -> None:
    assert problem_of(text).startswith(expected)


def test_a_tab_gets_a_fix_of_its_own() -> None:
    assert problem_of("a:\n\tb: 1\n").endswith("indent with spaces instead of tabs")


def test_bytes_that_are_not_utf8_are_told_with_their_place() -> None:
    with pytest.raises(ConfigurationError, match=r"c\.yml:2:4: byte 0xff is not UTF-8; save"):
        decode_text(b"a: 1\nb: \xff\n", "c.yml")


def test_a_byte_order_mark_is_dropped() -> None:
    assert decode_text(b"\xef\xbb\xbfversion: 0.1", "c.yml") == "version: 0.1"


def test_a_file_without_end_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="longer than"):
        decode_text(b"#" * (MAX_TEXT_BYTES + 1), "c.yml")


def test_nested_aliases_cannot_grow_without_bound() -> None:
    """Nine times nine aliases nine levels deep would be hundreds of millions of values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    for level in range(1, 10):
        aliases = ", ".join([f"*a{level - 1}"] * 9)
        lines.append(f"a{level}: &a{level} [{aliases}]")
    assert "values when every alias is written out" in problem_of("\n".join(lines))


def test_depth_is_bounded_whether_written_or_made_of_aliases() -> None:
    deep = MAX_DEPTH + 1
    assert f"more than {MAX_DEPTH} levels" in problem_of("a: " + "[" * deep + "]" * deep)
    chain = ["a0: &a0 {x: 1}"] + [f"a{n}: &a{n} {{x: *a{n - 1}}}" for n in range(1, deep)]
    assert f"more than {MAX_DEPTH} levels" in problem_of("\n".join(chain))


def test_a_value_of_a_variable_has_the_variable_for_its_place() -> None:
    assert parse_value("", "REGISTRY_X") == Scalar("", Place("REGISTRY_X"))
    assert parse_value("a", "REGISTRY_X").place == Place("REGISTRY_X")
