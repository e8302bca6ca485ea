"""The grammar of names, tags, references and upload ids, against grammars written out by hand."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.digest import Digest
from registry.oci import errors
from registry.oci.names import (
    NAME_MAX_CHARACTERS,
    is_tag,
    parse_digest,
    parse_reference,
    parse_repository,
    parse_tag,
    parse_upload_id,
)

LOWER = "abcdefghijklmnopqrstuvwxyz0123456789"
TAG_FIRST = LOWER + LOWER.upper() + "_"
EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

words = st.text(LOWER, min_size=1, max_size=6)
separators = st.sampled_from([".", "_", "__", "-", "--", "-----"])


@st.composite
def names(draw: st.DrawFn) -> str:
    components = []
    for _ in range(draw(st.integers(1, 5))):
        component = draw(words)
        for _ in range(draw(st.integers(0, 2))):
            component += draw(separators) + draw(words)
        components.append(component)
    return "/".join(components)


tags = st.builds(str.__add__, st.sampled_from(TAG_FIRST), st.text(TAG_FIRST + ".-", max_size=127))


def is_component(text: str) -> bool:
    """Tell by hand what the specification tells by an expression."""
    if not text or text[0] not in LOWER or text[-1] not in LOWER:
        return False
    between, runs = "", []
    for character in text:
        if character in LOWER:
            runs.append(between)
            between = ""
        elif character in "._-":
            between += character
        else:
            return False
    return all(run in ("", ".", "_", "__") or set(run) == {"-"} for run in runs)


@given(names())
def test_names_of_the_grammar_are_taken(text: str) -> None:
    if len(text) <= NAME_MAX_CHARACTERS:
        assert parse_repository(text) == text


@given(st.text(LOWER + "A._-/:%\n ", max_size=12) | st.text(max_size=12))
def test_names_are_taken_when_each_component_is_of_the_grammar(text: str) -> None:
    if all(is_component(component) for component in text.split("/")):
        assert parse_repository(text) == text
        return
    with pytest.raises(errors.NameInvalid) as caught:
        parse_repository(text)
    assert caught.value.detail == {"name": text}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "a\n",
        "a\nb",
        "A",
        "a___b",
        "a..b",
        "a._b",
        "-a",
        "a-",
        "é",
        "a b",
    ],
)
def test_names_outside_the_grammar(text: str) -> None:
    with pytest.raises(errors.NameInvalid):
        parse_repository(text)


def test_the_longest_name() -> None:
    longest = "a" * NAME_MAX_CHARACTERS
    assert parse_repository(longest) == longest
    with pytest.raises(errors.NameInvalid):
        parse_repository(longest + "a")


def test_a_hostile_name_is_shown_cut() -> None:
    with pytest.raises(errors.NameInvalid) as caught:
        parse_repository("A" * 100_000)
    assert caught.value.detail == {"name": "A" * NAME_MAX_CHARACTERS}


@given(tags)
def test_tags_of_the_grammar_are_taken(text: str) -> None:
    assert is_tag(text)
    assert parse_tag(text) == text
    assert parse_reference(text) == text


@given(
    st.text(TAG_FIRST + ".-/: \né", max_size=10) | st.text(TAG_FIRST, min_size=126, max_size=131)
)
def test_tags_are_taken_when_every_character_may_be_there(text: str) -> None:
    wanted = (
        1 <= len(text) <= 128
        and text[0] in TAG_FIRST
        and all(character in TAG_FIRST + ".-" for character in text)
    )
    assert is_tag(text) == wanted
    if not wanted:
        with pytest.raises(errors.TagInvalid):
            parse_tag(text)


def test_a_reference_with_a_colon_is_a_digest() -> None:
    assert parse_reference(EMPTY) == Digest.parse(EMPTY)


@given(st.text(max_size=20), st.text("0123456789abcdefABCDEF", max_size=70))
def test_a_reference_with_a_colon_is_a_digest_or_digest_invalid(before: str, after: str) -> None:
    text = f"{before}:{after}"
    try:
        assert str(parse_reference(text)) == text
    except errors.DigestInvalid:
        with pytest.raises(errors.DigestInvalid):
            parse_digest(text)


@given(st.uuids())
def test_upload_ids_are_uuids_in_lower_case(value: uuid.UUID) -> None:
    assert parse_upload_id(str(value)) == str(value)


@given(st.text(max_size=40) | st.uuids().map(lambda value: value.hex))
def test_any_other_upload_id_is_unknown(text: str) -> None:
    with pytest.raises(errors.BlobUploadUnknown):
        parse_upload_id(text)


@pytest.mark.parametrize("form", ["{{{}}}", "urn:uuid:{}", "{} ", "{}\n"])
def test_other_spellings_of_a_uuid_are_unknown(form: str) -> None:
    with pytest.raises(errors.BlobUploadUnknown):
        parse_upload_id(form.format("5f0e3a3e-6b0a-4c55-8d0f-2f5b7c1d9e00"))
    with pytest.raises(errors.BlobUploadUnknown):
        parse_upload_id("5F0E3A3E-6B0A-4C55-8D0F-2F5B7C1D9E00")
