"""``n`` and ``last``, and the Link to the next page."""

import re
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.oci import errors
from registry.oci.pagination import Page, next_link, parse_page

LINK = re.compile(r'<([^<>\s"]*)>; rel="next"', re.ASCII)


@given(st.integers(0, 10**9), st.text(max_size=20))
def test_a_number_up_to_the_maximum_is_the_limit(n: int, last: str) -> None:
    assert parse_page(str(n), last, maximum=10**9, default=7, above="refuse") == Page(n, last)


@given(st.integers(101, 10**10 - 1))
def test_a_larger_number_is_clamped_or_refused(n: int) -> None:
    page = parse_page(str(n), None, maximum=100, default=None, above="clamp")
    assert page == Page(100, "")
    with pytest.raises(errors.PaginationNumberInvalid) as caught:
        parse_page(str(n), None, maximum=100, default=None, above="refuse")
    assert caught.value.detail == {"n": str(n), "maximum": 100}


@pytest.mark.parametrize("default", [None, 5])
@pytest.mark.parametrize("n", [None, ""])
def test_without_a_number_the_default_holds(n: str | None, default: int | None) -> None:
    assert parse_page(n, "x", maximum=9, default=default, above="clamp") == Page(default, "x")


@given(st.text(min_size=1, max_size=15).filter(lambda text: not re.fullmatch("[0-9]{1,10}", text)))
@pytest.mark.parametrize("above", ["clamp", "refuse"])
def test_any_other_text_is_refused(above: Literal["clamp", "refuse"], text: str) -> None:
    with pytest.raises(errors.PaginationNumberInvalid):
        parse_page(text, None, maximum=9, default=None, above=above)


def test_a_number_of_megabytes_is_shown_cut() -> None:
    with pytest.raises(errors.PaginationNumberInvalid) as caught:
        parse_page("1" * 5_000_000, None, maximum=9, default=None, above="clamp")
    assert caught.value.detail == {"n": "1" * 32, "maximum": 9}


@given(st.text(min_size=1), st.integers(1, 1000), st.text(min_size=1))
def test_a_link_leads_back_to_the_values_it_was_made_of(last: str, limit: int, kind: str) -> None:
    match = LINK.fullmatch(next_link("/v2/a/referrers/x", last, limit, artifactType=kind))
    assert match is not None
    target = urlsplit(match[1])
    assert target.path == "/v2/a/referrers/x"
    assert parse_qs(target.query, strict_parsing=True) == {
        "artifactType": [kind],
        "last": [last],
        "n": [str(limit)],
    }


def test_a_link_reads_as_that_of_distribution() -> None:
    assert next_link("/v2/_catalog", "a/b", 5) == '</v2/_catalog?last=a%2Fb&n=5>; rel="next"'
