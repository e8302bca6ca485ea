"""What a value may look like in a line, whatever a client put into it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.log.escaping import (
    MAX_VALUE_BYTES,
    cap,
    clean_key,
    escape,
    escape_word,
    quote,
    replace_surrogates,
)

any_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=300)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain words", "plain words"),
        ("größe 日本", "größe 日本"),
        ("a\nb\rc\td", r"a\nb\rc\td"),
        ("\x1b[2J\x07\x00", r"\x1b[2J\x07\x00"),
        ("\x7f\x85\x9b", r"\x7f\u0085\u009b"),
        ("\u2028\u2029", r"\u2028\u2029"),
        ("\u202e\u2066\u2069\u200f\u061c", r"\u202e\u2066\u2069\u200f\u061c"),
        ("\u00a0\ufeff", r"\u00a0\ufeff"),
        ('say "x" \\ y', r"say \"x\" \\ y"),
        ("\udcff", r"\xff"),
        ("\ud800", r"\ud800"),
        ("\U000e0001", r"\U000e0001"),
    ],
)
def test_what_is_not_printable_is_written_as_an_escape(raw: str, shown: str) -> None:
    assert escape(raw) == shown


@given(any_text)
def test_escaped_text_is_printable_and_ends_no_quotes(raw: str) -> None:
    shown = escape(raw)
    assert shown.isprintable()
    assert '"' not in shown.replace("\\\\", "").replace('\\"', "")
    shown.encode("utf-8")


@given(any_text)
def test_an_escaped_word_has_no_blank_and_no_bracket(raw: str) -> None:
    assert not set(escape_word(raw)) & set(' []\n\t"') - {'"'}
    assert " " not in escape_word(raw)


@given(any_text, any_text)
def test_escaping_keeps_different_values_apart(one: str, other: str) -> None:
    surrogate = any(0xD800 <= ord(c) <= 0xDFFF for c in one + other)
    if one != other and not surrogate:
        assert escape(one) != escape(other)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [("info", "info"), ("", ""), ("a b", '"a b"'), ("a=b", '"a=b"'), ("sha256:00", '"sha256:00"')],
)
def test_only_what_is_no_plain_word_is_quoted(raw: str, shown: str) -> None:
    assert quote(raw) == shown


@pytest.mark.parametrize("mark", ["a", "é", "日", "\U0001f433"])
def test_a_long_value_is_cut_between_characters_and_marked(mark: str) -> None:
    shown = cap(mark * MAX_VALUE_BYTES)
    kept, _, note = shown.partition("...")
    assert set(kept) == {mark}
    assert MAX_VALUE_BYTES - 4 < len(kept.encode()) <= MAX_VALUE_BYTES
    cut = MAX_VALUE_BYTES * len(mark.encode()) - len(kept.encode())
    if cut:
        assert note == f"({cut} bytes cut)"


def test_a_value_of_exactly_the_cap_is_whole() -> None:
    assert cap("a" * MAX_VALUE_BYTES) == "a" * MAX_VALUE_BYTES
    assert cap("a" * (MAX_VALUE_BYTES + 1)).endswith("...(1 bytes cut)")


@given(any_text)
def test_capped_text_never_exceeds_the_cap_by_more_than_the_mark(raw: str) -> None:
    kept = cap(raw, 50).partition("...(")[0]
    assert (
        len(raw.encode("utf-8", "surrogatepass")) <= 50
        or len(kept.encode("utf-8", "surrogatepass")) <= 50
    )


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("http.request.id", "http.request.id"),
        ("a b\n=", "a_b__"),
        ("", "_"),
        ("@version", "@version"),
    ],
)
def test_a_key_is_a_dotted_word(raw: str, shown: str) -> None:
    assert clean_key(raw) == shown


@given(any_text)
def test_replacing_surrogates_makes_any_text_encodable(raw: str) -> None:
    replace_surrogates(raw).encode("utf-8")
