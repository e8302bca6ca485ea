"""Range and Content-Range against an oracle that cuts a list of byte numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.oci.ranges import (
    MAX_RANGES,
    ByteRange,
    ChunkRangeInvalid,
    RangeUnsatisfiable,
    parse_chunk_range,
    parse_range,
    upload_range,
)

numbers = st.integers(0, 40)
blanks = st.sampled_from(["", " ", "\t", "  "])
specs = st.one_of(
    st.tuples(numbers, numbers).filter(lambda pair: pair[0] <= pair[1]),
    st.tuples(numbers, st.none()),
    st.tuples(st.none(), numbers),
)
Spec = tuple[int | None, int | None]


def text_of(spec: Spec) -> str:
    return "-".join("" if number is None else str(number) for number in spec)


def oracle(spec: Spec, total: int) -> list[int]:
    """Return the numbers of the bytes that a spec asks for."""
    first, last = spec
    whole = list(range(total))
    if first is None:
        assert last is not None
        return whole[-last:] if last else []
    return whole[first:] if last is None else whole[first : last + 1]


@given(st.integers(1, 30), st.lists(specs, min_size=1, max_size=6), blanks)
def test_ranges_are_the_bytes_that_are_asked_for(
    total: int, wanted: list[Spec], blank: str
) -> None:
    header = "bytes=" + ",".join(f"{blank}{text_of(spec)}{blank}" for spec in wanted)
    expected = [bytes_ for spec in wanted if (bytes_ := oracle(spec, total))]
    if not expected:
        with pytest.raises(RangeUnsatisfiable):
            parse_range(header, total)
        return
    found = parse_range(header, total)
    if len(expected) > 1 and sum(map(len, expected)) > total:
        assert found is None
        return
    assert found is not None
    assert [list(range(item.first, item.last + 1)) for item in found] == expected
    assert [item.size_bytes for item in found] == [len(item) for item in expected]


@given(st.text("bytes=0123456789-, x", max_size=20) | st.text(max_size=20), st.integers(0, 2**63))
def test_any_text_gives_ranges_inside_the_content_or_is_unsatisfiable(
    header: str, total: int
) -> None:
    try:
        found = parse_range(header, total)
    except RangeUnsatisfiable:
        return
    for item in found or ():
        assert 0 <= item.first <= item.last < total


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=1",
        "bytes=2-1",
        "bytes=1-2-3",
        "bytes=+1-2",
        "bytes=1 -2",
        "bytes=0x1-2",
        "bytes=\u0661-\u0662",
        "=0-1",
        "bytes=-0",
        "bytes=9-",
        "bytes=0-1,x",
    ],
)
def test_what_is_unsatisfiable(header: str) -> None:
    with pytest.raises(RangeUnsatisfiable):
        parse_range(header, 9)


@pytest.mark.parametrize("header", ["octets=0-1", "Items=1", "x="])
def test_another_unit_than_bytes_is_ignored(header: str) -> None:
    assert parse_range(header, 9) is None


@pytest.mark.parametrize("header", [None, "bytes=0-1", "nonsense"])
def test_empty_content_is_always_sent_whole(header: str | None) -> None:
    assert parse_range(header, 0) is None


def test_no_header_asks_for_the_whole() -> None:
    assert parse_range(None, 9) is None


def test_as_many_ranges_as_are_served_and_one_more() -> None:
    assert parse_range("bytes=" + ",".join(["0-0"] * MAX_RANGES), 1000) is not None
    assert parse_range("bytes=" + ",".join(["0-0"] * (MAX_RANGES + 1)), 1000) is None


def test_a_number_of_megabytes_is_refused_without_being_read() -> None:
    with pytest.raises(RangeUnsatisfiable):
        parse_range("bytes=" + "1" * 5_000_000 + "-", 9)


@given(numbers, numbers, st.integers(1, 99))
def test_content_range_names_both_ends_and_the_total(first: int, size: int, total: int) -> None:
    item = ByteRange(first, first + size)
    assert item.content_range(total) == f"bytes {first}-{first + size}/{total}"


@given(
    st.sampled_from(["", "bytes ", "bytes=", "Bytes "]),
    st.tuples(numbers, numbers),
    st.sampled_from(["", "/*", "/100"]),
    blanks,
)
def test_chunk_ranges_of_every_form(
    unit: str, ends: tuple[int, int], total: str, blank: str
) -> None:
    header = f"{blank}{unit}{ends[0]}-{ends[1]}{total}{blank}"
    if ends[0] > ends[1]:
        with pytest.raises(ChunkRangeInvalid):
            parse_chunk_range(header)
    else:
        assert parse_chunk_range(header) == ByteRange(*ends)


@given(st.text("bytes =0123456789-/*x", max_size=16) | st.text(max_size=16))
def test_any_text_is_a_chunk_range_or_invalid(header: str) -> None:
    try:
        found = parse_chunk_range(header)
    except ChunkRangeInvalid:
        return
    assert found is not None
    assert f"{found.first}" in header
    assert found.size_bytes >= 1


@pytest.mark.parametrize("header", ["", "-", "1-", "-1", "1", "a-b", "1-2/x", "1-2,3-4", "9" * 90])
def test_what_is_no_chunk_range(header: str) -> None:
    with pytest.raises(ChunkRangeInvalid):
        parse_chunk_range(header)


def test_no_header_is_no_chunk_range() -> None:
    assert parse_chunk_range(None) is None


@pytest.mark.parametrize(("offset", "shown"), [(0, "0-0"), (1, "0-0"), (2, "0-1"), (500, "0-499")])
def test_range_of_an_upload(offset: int, shown: str) -> None:
    assert upload_range(offset) == shown
