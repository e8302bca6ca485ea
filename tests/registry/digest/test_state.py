"""The form of a half-done SHA-256, checked against bytes put together by hand."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.digest import StateInvalid, implementations, restore_hasher
from registry.digest.state import MAX_BYTES, STATE_BYTES, Sha256State

INITIAL = bytes.fromhex("6a09e667bb67ae853c6ef372a54ff53a510e527f9b05688c1f83d9ab5be0cd19")
ABC = b"sha\x03" + INITIAL + b"abc" + bytes(61) + (3).to_bytes(8)

every_implementation = pytest.mark.parametrize("using", implementations())


def test_the_state_after_abc_reads_as_its_parts() -> None:
    state = Sha256State.unpack(ABC)
    assert state.pending == b"abc"
    assert state.length_bytes == 3
    assert state.chain[0] == 0x6A09E667
    assert state.chain[7] == 0x5BE0CD19
    assert state.pack() == ABC


@given(
    st.lists(st.integers(0, 2**32 - 1), min_size=8, max_size=8),
    st.binary(min_size=64, max_size=64),
    st.integers(0, MAX_BYTES),
)
def test_what_is_packed_unpacks(chain: list[int], block: bytes, length_bytes: int) -> None:
    state = Sha256State(tuple(chain), block[: length_bytes % 64], length_bytes)
    packed = state.pack()
    assert len(packed) == STATE_BYTES
    assert Sha256State.unpack(packed) == state


@every_implementation
@pytest.mark.parametrize("filler", [b"\x00", b"\xff"])
def test_bytes_behind_the_pending_ones_mean_nothing(using: str, filler: bytes) -> None:
    dirty = ABC[:39] + filler * 61 + ABC[100:]
    hasher = restore_hasher("sha256", dirty, using=using)
    if using == "hashlib":
        assert hasher is None
        return
    assert hasher is not None
    assert hasher.state() == ABC
    hasher.update(b"def")
    assert hasher.digest().hex == hashlib.sha256(b"abcdef").hexdigest()


@every_implementation
@pytest.mark.parametrize(
    ("state", "says"),
    [
        (b"", "has 0 bytes, expected 108"),
        (ABC[:-1], "has 107 bytes, expected 108"),
        (ABC + b"\x00", "has 109 bytes, expected 108"),
        (b"sha\x02" + ABC[4:], r"begins with b'sha\\x02', expected b'sha\\x03'"),
        (bytes(108), "begins with"),
        (b"sha\x07" + bytes(200), "has 204 bytes, expected 108"),
        (ABC[:-8] + (2**61).to_bytes(8), "counts 2305843009213693952 bytes, expected at most"),
        (ABC[:-8] + b"\xff" * 8, "counts 18446744073709551615 bytes"),
    ],
)
def test_a_malformed_state_is_refused(using: str, state: bytes, says: str) -> None:
    with pytest.raises(StateInvalid, match=says):
        restore_hasher("sha256", state, using=using)


@pytest.mark.parametrize("using", [name for name in implementations() if name != "hashlib"])
def test_the_greatest_length_is_taken_and_not_exceeded(using: str) -> None:
    hasher = restore_hasher("sha256", ABC[:-8] + MAX_BYTES.to_bytes(8), using=using)
    assert hasher is not None
    assert hasher.length_bytes == MAX_BYTES
    hasher.update(b"")
    with pytest.raises(OverflowError):
        hasher.update(b"a")
    assert hasher.length_bytes == MAX_BYTES
