"""What Accept headers say, and who is an old client."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.oci import media_types
from registry.oci.accept import accepted_types, wants_platform_image

types = st.sampled_from(
    [media_types.DOCKER_MANIFEST, media_types.DOCKER_LIST, media_types.OCI_INDEX, "*/*", "a/b"]
)
qualities = st.sampled_from(["", ";q=1", "; q=0.5", ";q=0", "; q=0.000 ", ";level=1", ";q=x"])
blanks = st.sampled_from(["", " ", "\t"])


@given(st.lists(st.tuples(types, qualities, blanks), max_size=8), st.integers(1, 4))
def test_types_are_found_however_headers_are_cut(
    parts: list[tuple[str, str, str]], size: int
) -> None:
    texts = [f"{blank}{name}{quality}{blank}" for name, quality, blank in parts]
    headers = [",".join(texts[start : start + size]) for start in range(0, len(texts), size)]
    wanted = {name for name, quality, _ in parts if "q=0" not in quality or "0.5" in quality}
    assert accepted_types(headers) == wanted


@given(st.lists(st.text(max_size=30) | st.text(",;=q0. */a", max_size=30), max_size=4))
def test_any_text_gives_types_without_separators(headers: list[str]) -> None:
    for name in accepted_types(headers):
        assert name == name.strip() != ""
        assert not set(name) & set(",;")


def test_types_are_lower_case() -> None:
    assert accepted_types(["Application/JSON;Q=0.3"]) == {"application/json"}


def test_quality_zero_in_capitals_refuses() -> None:
    assert accepted_types(["a/b;Q=0"]) == frozenset()


@pytest.mark.parametrize(
    ("accepted", "old"),
    [
        ([], False),
        (["*/*"], False),
        ([media_types.DOCKER_MANIFEST], True),
        ([media_types.DOCKER_MANIFEST, "application/json"], True),
        ([media_types.DOCKER_MANIFEST, media_types.OCI_INDEX], True),
        ([media_types.DOCKER_MANIFEST, "*/*"], False),
        ([media_types.DOCKER_MANIFEST, "application/*"], False),
        ([media_types.DOCKER_MANIFEST, media_types.DOCKER_LIST], False),
        ([media_types.OCI_MANIFEST], False),
        (["text/html"], False),
    ],
)
def test_who_gets_an_image_in_place_of_a_list(accepted: list[str], old: bool) -> None:
    assert wants_platform_image(frozenset(accepted)) is old
