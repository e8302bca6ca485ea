"""One suite for every implementation: what they hash, how they go on, who may use them."""

import hashlib
import random
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.digest import ALGORITHMS, Digest, Hasher, implementations, new_hasher, restore_hasher

every_implementation = pytest.mark.parametrize("using", implementations())
WITH_STATE = [name for name in implementations() if name != "hashlib"]
BLOCK_EDGES = [n + d for n in (64, 128, 1024, 2048, 4096, 65536) for d in (-9, -8, -1, 0, 1)]

# FIPS 180-4 examples, published by NIST with the standard.
VECTORS = [
    (b"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    (b"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
    (
        b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
    ),
    (b"a" * 1_000_000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"),
]


def pattern(length: int) -> bytes:
    return random.Random(length).randbytes(length)


def digest_of(hasher: Hasher, *pieces: bytes) -> str:
    for piece in pieces:
        hasher.update(piece)
    return hasher.digest().hex


@every_implementation
@pytest.mark.parametrize(("message", "expected"), VECTORS, ids=["empty", "abc", "448", "million"])
def test_published_examples(using: str, message: bytes, expected: str) -> None:
    assert digest_of(new_hasher(using=using), message) == expected


@every_implementation
@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
def test_every_length_agrees_with_hashlib(using: str, algorithm: str) -> None:
    for length in [*range(301), *BLOCK_EDGES]:
        message = pattern(length)
        hasher = new_hasher(algorithm, using=using)
        hasher.update(message)
        expected = hashlib.new(algorithm, message).hexdigest()
        assert hasher.digest() == Digest(algorithm, expected), length
        assert hasher.length_bytes == length


@every_implementation
@given(pieces=st.lists(st.binary(max_size=200), max_size=12))
def test_it_does_not_matter_how_a_message_is_cut(using: str, pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    hasher = new_hasher(using=using)
    assert digest_of(hasher, *pieces) == hashlib.sha256(whole).hexdigest()
    assert hasher.length_bytes == len(whole)


@every_implementation
def test_byte_by_byte_with_a_digest_after_each(using: str) -> None:
    message = pattern(200)
    hasher = new_hasher(using=using)
    for end in range(len(message)):
        assert hasher.digest().hex == hashlib.sha256(message[:end]).hexdigest()
        assert hasher.digest() == hasher.digest()
        hasher.update(message[end : end + 1])


@every_implementation
@pytest.mark.parametrize("length", [0, 5, 5000, 600_000])
def test_any_kind_of_block_at_any_alignment(using: str, length: int) -> None:
    message = pattern(length + 3)
    blocks: list[bytearray | memoryview] = [
        bytearray(message),
        memoryview(message),
        memoryview(bytearray(message)),
        memoryview(bytearray(message)).toreadonly(),
    ]
    for block in blocks:
        for start in (0, 1, 3):
            hasher = new_hasher(using=using)
            hasher.update(block[start:])
            assert hasher.digest().hex == hashlib.sha256(message[start:]).hexdigest()
            assert hasher.length_bytes == len(message) - start


@every_implementation
def test_a_buffer_is_free_again_after_update(using: str) -> None:
    buffer = bytearray(pattern(5000))
    hasher = new_hasher(using=using)
    hasher.update(buffer)
    with memoryview(buffer) as view:
        hasher.update(view)
    buffer.extend(b"more")  # BufferError if anything still exported it
    assert hasher.length_bytes == 10_000


@every_implementation
@pytest.mark.parametrize("wrong", ["text", None, 7, memoryview(b"abcdefgh")[::2]])
def test_what_is_no_contiguous_buffer_is_refused_and_not_hashed(using: str, wrong: object) -> None:
    hasher = new_hasher(using=using)
    hasher.update(b"abc")
    with pytest.raises((TypeError, BufferError)):
        hasher.update(wrong)  # type: ignore[arg-type]  # the point of the test
    assert hasher.length_bytes == 3
    assert hasher.digest().hex == VECTORS[1][1]


@pytest.mark.parametrize("giver", WITH_STATE)
@pytest.mark.parametrize("taker", WITH_STATE)
def test_a_state_taken_at_any_length_goes_on_in_any_implementation(giver: str, taker: str) -> None:
    message = pattern(330)
    expected = hashlib.sha256(message).hexdigest()
    begun = new_hasher(using=giver)
    for length in range(331):
        state = begun.state()
        assert state is not None
        resumed = restore_hasher("sha256", state, using=taker)
        assert resumed is not None
        assert resumed.length_bytes == length
        assert resumed.state() == state
        assert digest_of(resumed, message[length:]) == expected
        begun.update(message[length : length + 1])


def test_every_implementation_gives_the_same_state() -> None:
    for length in [*range(130), *BLOCK_EDGES]:
        states = set()
        for using in WITH_STATE:
            hasher = new_hasher(using=using)
            hasher.update(pattern(length))
            states.add(hasher.state())
        assert len(states) <= 1, length


@pytest.mark.parametrize("using", WITH_STATE)
def test_lengths_beyond_four_gibibytes_count_in_the_digest(using: str) -> None:
    """The upper half of the bit count is zero in every short message."""
    results = set()
    for length in (3, 3 + 2**29, 3 + 2**32, 3 + 2**35):
        fresh = new_hasher(using=using)
        fresh.update(b"abc")
        state = fresh.state()
        assert state is not None
        resumed = restore_hasher("sha256", state[:100] + length.to_bytes(8), using=using)
        other = restore_hasher("sha256", state[:100] + length.to_bytes(8), using=WITH_STATE[-1])
        assert resumed is not None
        assert other is not None
        assert resumed.digest() == other.digest()
        assert resumed.length_bytes == length
        results.add(resumed.digest())
    assert len(results) == 4


@every_implementation
def test_threads_at_one_hash_are_refused_or_counted_whole(using: str) -> None:
    """However they meet: what was taken is in the digest, what was refused is not."""
    hasher = new_hasher(using=using)
    block = b"a" * 40_000
    start = threading.Barrier(4)
    taken: list[int] = []

    def update_often() -> None:
        start.wait()
        for _ in range(150):
            try:
                hasher.update(block)
            except RuntimeError:
                continue
            taken.append(len(block))

    threads = [threading.Thread(target=update_often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken
    assert hasher.length_bytes == sum(taken)
    assert hasher.digest().hex == hashlib.sha256(block * len(taken)).hexdigest()


@every_implementation
def test_another_thread_runs_during_a_long_update_and_is_kept_off(using: str) -> None:
    """A refusal can be seen only if the GIL was released in the middle of the update."""
    hasher = new_hasher(using=using)
    block = bytearray(16 * 1024 * 1024)
    calls: list[Callable[[], object]] = [
        hasher.digest,
        hasher.state,
        lambda: hasher.length_bytes,
        lambda: hasher.update(b""),
    ]
    if using == "hashlib":
        calls.remove(hasher.state)  # None, whatever happens
    refused = 0
    rounds = 0
    while refused < len(calls) and rounds < 400:
        rounds += 1
        begun = threading.Event()

        def update(begun: threading.Event = begun) -> None:
            begun.set()
            hasher.update(block)

        thread = threading.Thread(target=update)
        thread.start()
        begun.wait()
        while thread.is_alive() and refused < len(calls):
            try:
                calls[refused]()
            except RuntimeError:
                refused += 1
        thread.join()
    assert refused == len(calls)
