"""The grammar of paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import errors
from drivers.contract import check_path, is_name
from tests.drivers.suite_content import BAD_PATHS, GOOD_NAMES

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._+=~-"


def is_path(text: str) -> bool:
    try:
        check_path("test", text, root=False)
    except errors.InvalidPath:
        return False
    return True


def plainly_a_path(text: str) -> bool:
    """The same grammar, said without a regular expression."""
    first, *segments = text.split("/")
    return (
        first == ""
        and bool(segments)
        and all(
            segment not in ("", ".", "..") and set(segment) <= set(LETTERS) for segment in segments
        )
    )


@given(st.text(alphabet=st.sampled_from("/..aZ0_+=~- \n\0ä"), max_size=12))
def test_the_pattern_is_the_grammar(text: str) -> None:
    assert is_path(text) == plainly_a_path(text)


@given(st.text(max_size=8), st.text(max_size=8))
def test_any_text_is_judged_the_same(before: str, after: str) -> None:
    for text in (before, f"/{before}", f"/a{before}/{after}"):
        assert is_path(text) == plainly_a_path(text)


@pytest.mark.parametrize("name", GOOD_NAMES)
def test_good_names(name: str) -> None:
    assert is_name(name)
    assert is_path(f"/{name}/{name}")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", "a b", "a\n", "ä"])
def test_bad_names(name: str) -> None:
    assert not is_name(name)


@pytest.mark.parametrize("path", BAD_PATHS)
def test_bad_paths_are_named(path: str) -> None:
    with pytest.raises(errors.InvalidPath) as caught:
        check_path("test", path)
    assert (caught.value.driver, caught.value.path) == ("test", path)


def test_the_root_is_good_where_it_may_be() -> None:
    check_path("test", "/")
    with pytest.raises(errors.InvalidPath, match="root"):
        check_path("test", "/", root=False)
