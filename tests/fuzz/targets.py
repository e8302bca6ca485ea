"""What the fuzzer drives: each target takes any bytes and fails when an oracle disagrees.

The bytes are a plan first and material after it, so that a mutation of either is a case of its own.
Coverage is that of the Python implementations and of h11; the C module has the same states and is
compared with both on every input.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable

from registry.digest import (
    Hasher,
    StateInvalid,
    new_hasher,
    restore_hasher,
)
from registry.digest import implementations as digest_implementations
from registry.framing import FramingError, implementations, new_decoder, write_block
from tests.kit.framing import ask_h11, check_against_h11, cut, decode

WITH_STATE = [name for name in digest_implementations() if name != "hashlib"]


def split_plan(data: bytes) -> tuple[bytes, bytes]:
    """A plan, whose length modulo 32 is the first byte, and the material."""
    length = data[0] % 32 if data else 0
    return data[1 : 1 + length], data[1 + length :]


def framing(data: bytes) -> None:
    """The plan is where the stream is cut: bytes and verdict are h11's, however it is cut."""
    plan, stream = split_plan(data)
    verdicts = [
        decode(new_decoder(using=using), cut(stream, cuts))
        for using in implementations()
        for cuts in (plan, [], [1] * len(stream))
    ]
    assert all(verdict == verdicts[0] for verdict in verdicts), verdicts
    check_against_h11(stream, verdicts[0])


def digest(data: bytes) -> None:
    """The plan is what to do: hash so many bytes, or go on in another implementation."""
    plan, message = split_plan(data)
    hashers = {using: new_hasher(using=using) for using in digest_implementations()}
    at = 0
    for step in plan:
        if step < 0xF0:
            piece = message[at : at + step]
            at += len(piece)
            for hasher in hashers.values():
                hasher.update(piece)
        else:
            states = {hashers[using].state() for using in WITH_STATE}
            assert len(states) <= 1
            for using, hasher in _moved(hashers, step).items():
                hashers[using] = hasher
    expected = hashlib.sha256(message[:at]).hexdigest()
    for using, hasher in hashers.items():
        assert (hasher.digest().hex, hasher.length_bytes) == (expected, at), using
    _check_same_verdict(message[:108])


def _moved(hashers: dict[str, Hasher], shift: int) -> dict[str, Hasher]:
    """Each implementation that can goes on from the state of another."""
    moved: dict[str, Hasher] = {}
    for number, using in enumerate(WITH_STATE):
        state = hashers[WITH_STATE[(number + shift) % len(WITH_STATE)]].state()
        assert state is not None
        resumed = restore_hasher("sha256", state, using=using)
        assert resumed is not None
        assert resumed.state() == state
        moved[using] = resumed
    return moved


def _check_same_verdict(state: bytes) -> None:
    """Any bytes are a state for every implementation or for none, and go on alike."""
    for candidate in (state, b"sha\x03" + state[4:]):
        said: set[object] = set()
        for using in digest_implementations():
            try:
                resumed = restore_hasher("sha256", candidate, using=using)
            except StateInvalid as error:
                said.add(str(error))
            else:
                if resumed is not None and resumed.length_bytes < 2**60:
                    resumed.update(b"more")
                    said.add((resumed.digest(), resumed.state()))
        assert len(said) <= 1, said


def writing(data: bytes) -> None:
    """The plan is where the stream is cut: file and hash hold what h11 gives, in each pair."""
    plan, stream = split_plan(data)
    expected = ask_h11(stream).payload
    for using in implementations():
        for hashing in digest_implementations():
            fd = os.memfd_create("payload")
            try:
                decoder, hasher = new_decoder(using=using), new_hasher(using=hashing)
                at = 0
                for piece in cut(stream, plan):
                    try:
                        at += write_block(
                            decoder, hasher, bytearray(piece), 0, len(piece), fd=fd, offset=at
                        ).payload_bytes
                    except FramingError as error:
                        at += error.payload_bytes
                        break
                assert os.pread(fd, len(stream) + 1, 0) == expected
                assert hasher.digest().hex == hashlib.sha256(expected).hexdigest()
            finally:
                os.close(fd)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "digest": digest,
    "framing": framing,
    "writing": writing,
}
