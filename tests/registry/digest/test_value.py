"""The grammar of digests, by example and by accident."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.digest import ALGORITHMS, CANONICAL, Digest, InvalidDigest

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

digests = st.sampled_from(sorted(ALGORITHMS)).flatmap(
    lambda name: st.text(
        "0123456789abcdef", min_size=ALGORITHMS[name], max_size=ALGORITHMS[name]
    ).map(lambda digits: f"{name}:{digits}")
)


@given(digests)
def test_a_digest_reads_back_as_its_text(text: str) -> None:
    digest = Digest.parse(text)
    assert str(digest) == text
    assert (digest.algorithm, digest.hex) == tuple(text.split(":"))
    assert digest == Digest.parse(text)
    assert hash(digest) == hash(Digest.parse(text))


@given(st.lists(digests))
def test_digests_are_ordered_as_their_text(texts: list[str]) -> None:
    assert [str(digest) for digest in sorted(map(Digest.parse, texts))] == sorted(texts)


@given(st.text() | st.text(":0123456789abcdefABCDEFsh", max_size=80) | digests.map(str.upper))
def test_any_other_text_is_refused_or_is_exactly_a_digest(text: str) -> None:
    try:
        digest = Digest.parse(text)
    except InvalidDigest:
        return
    assert str(digest) == text
    assert len(digest.hex) == ALGORITHMS[digest.algorithm]


@given(digests, st.data())
def test_one_wrong_character_is_refused(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text) - 1))
    good = "0123456789abcdef" if at > 6 else text[at]
    wrong = data.draw(st.characters().filter(lambda c: c not in good))
    with pytest.raises(InvalidDigest):
        Digest.parse(text[:at] + wrong + text[at + 1 :])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "'' has no colon"),
        ("sha256", "'sha256' has no colon"),
        ("latest", "'latest' has no colon"),
        (":" + EMPTY[7:], "algorithm '' is not supported, expected one of sha256, sha384, sha512"),
        ("md5:d41d8cd98f00b204e9800998ecf8427e", "algorithm 'md5' is not supported"),
        ("SHA256:" + EMPTY[7:], "algorithm 'SHA256' is not supported"),
        (" " + EMPTY, "algorithm ' sha256' is not supported"),
        ("sha256:", "has 0 digits, sha256 has 64"),
        (EMPTY[:-1], "has 63 digits, sha256 has 64"),
        (EMPTY + "0", "has 65 digits, sha256 has 64"),
        (EMPTY.replace("sha256", "sha384"), "has 64 digits, sha384 has 96"),
        (EMPTY.replace("sha256", "sha512"), "has 64 digits, sha512 has 128"),
        (EMPTY.replace("b", "B"), "has upper-case digits, write it in lower case"),
        (EMPTY[:-1] + "g", "has a character that is no hexadecimal digit"),
        (EMPTY + "\n", "has a character that is no hexadecimal digit"),
        (EMPTY[:-1] + "٣", "has a character that is no hexadecimal digit"),
        (EMPTY + ":", "has a character that is no hexadecimal digit"),
        ("sha256:../../../etc/passwd", "has a character that is no hexadecimal digit"),
    ],
)
def test_the_message_says_what_is_wrong_with_which_value(text: str, says: str) -> None:
    with pytest.raises(InvalidDigest) as caught:
        Digest.parse(text)
    assert says in str(caught.value)
    assert repr(text)[1:20] in str(caught.value) or "algorithm" in says


def test_the_message_about_a_huge_value_is_short() -> None:
    for text in ("a" * 100_000, "a" * 100_000 + ":", "sha256:" + "a" * 100_000):
        with pytest.raises(InvalidDigest) as caught:
            Digest.parse(text)
        assert len(str(caught.value)) < 400


def test_an_invalid_digest_cannot_be_constructed() -> None:
    with pytest.raises(InvalidDigest):
        Digest("sha256", "E3")


@pytest.mark.parametrize("algorithm", sorted(ALGORITHMS))
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_of_hashes_any_block(algorithm: str, kind: type) -> None:
    data = b"layer"
    expected = hashlib.new(algorithm, data).hexdigest()
    assert Digest.of(algorithm, kind(data)) == Digest(algorithm, expected)


def test_of_refuses_an_unknown_algorithm() -> None:
    with pytest.raises(InvalidDigest, match="'md5' is not supported"):
        Digest.of("md5", b"")


def test_the_canonical_algorithm_is_one_of_them() -> None:
    assert Digest.of(CANONICAL, b"") == Digest.parse(EMPTY)
