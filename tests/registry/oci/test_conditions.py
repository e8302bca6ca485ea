"""If-None-Match and If-Range against digests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.digest import Digest
from registry.oci.conditions import entity_tag, matches, range_applies

ONE, TWO, THREE = (Digest.of("sha256", text) for text in (b"1", b"2", b"3"))
LONG = Digest.of("sha512", b"1")


@pytest.mark.parametrize(
    "form", ["{}", '"{}"', 'W/"{}"', ' "{}" ', '"x", "{}"', "x, {}", '"{}","y"']
)
@pytest.mark.parametrize("digest", [ONE, LONG])
def test_forms_that_match(form: str, digest: Digest) -> None:
    header = form.format(digest)
    assert matches(header, digest)
    assert matches(header, TWO, digest)
    assert not matches(header, TWO)


@pytest.mark.parametrize("header", ["*", " * "])
def test_a_star_matches_everything(header: str) -> None:
    assert matches(header, ONE)


@pytest.mark.parametrize("header", [None, "", '"*"', '""', '"', ",", f"{ONE}x", f'"{ONE} "'])
def test_what_matches_nothing(header: str | None) -> None:
    assert not matches(header, ONE)


@given(st.text(max_size=60))
def test_any_text_matches_only_when_it_holds_the_digest_or_a_star(header: str) -> None:
    assert not matches(header, ONE) or str(ONE) in header or "*" in header


@pytest.mark.parametrize(
    ("header", "applies"),
    [
        (None, True),
        (entity_tag(ONE), True),
        (f" {entity_tag(ONE)} ", True),
        (entity_tag(TWO), False),
        (f"W/{entity_tag(ONE)}", False),
        (str(ONE), False),
        ("Tue, 18 Aug 2026 00:00:00 GMT", False),
        ("", False),
    ],
)
def test_if_range_needs_the_strong_tag(header: str | None, applies: bool) -> None:
    assert range_applies(header, ONE) is applies
