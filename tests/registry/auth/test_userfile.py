import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.auth import userfile


def records(content: bytes) -> list[tuple[bytes | None, bytes, bool]]:
    return [(line.name, line.hash, line.damaged) for line in userfile.parse_lines(content)]


def test_records_comments_blanks_and_damage_are_told_apart() -> None:
    content = b"# c\n\n  \nu:h:1\n  v : x \r\njunk\n:empty\nlast:h"
    assert records(content) == [
        (None, b"", False),
        (None, b"", False),
        (None, b"", False),
        (b"u", b"h:1", False),
        (b"v ", b" x", False),
        (None, b"", True),
        (b"", b"empty", False),
        (b"last", b"h", False),
    ]


def test_an_empty_file_has_no_lines() -> None:
    assert records(b"") == []


@given(st.binary())
def test_lines_keep_every_byte(content: bytes) -> None:
    lines = [line.text for line in userfile.parse_lines(content)]
    assert b"\n".join(lines) == content.removesuffix(b"\n")


@pytest.mark.parametrize("prefix", [b"$2a$", b"$2b$", b"$2y$"])
def test_each_bcrypt_prefix_matches(prefix: bytes) -> None:
    hashed = prefix + bcrypt.hashpw(b"secret", bcrypt.gensalt(4))[4:]
    assert userfile.cost_of(hashed) == 4
    assert userfile.matches(b"secret", hashed)
    assert not userfile.matches(b"Secret", hashed)


@pytest.mark.parametrize(
    "hashed",
    [
        b"",
        b"secret",
        b"$apr1$kGF8QlGA$mE9Lc9sJWozxvqWav/Ucl.",
        b"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        b"$2x$05$" + b"." * 53,
        b"$2b$05$" + b"." * 52,
        b"$2b$05$" + b"." * 54,
        b"$2b$05$" + b"A" * 53,  # bits beyond the salt's 128
        b"$2b$5$" + b"." * 53,
        b"$2b$03$" + b"." * 53,
        b"$2b$16$" + b"." * 53,
        b"$2b$05$" + b"\xff" * 53,
    ],
)
def test_anything_else_never_matches(hashed: bytes) -> None:
    assert not userfile.matches(b"secret", hashed)


def test_only_the_first_72_bytes_of_a_password_count() -> None:
    hashed = userfile.hash_password(b"x" * 72 + b"tail", cost=4)
    assert userfile.matches(b"x" * 72, hashed)
    assert userfile.matches(b"x" * 73, hashed)
    assert not userfile.matches(b"x" * 71, hashed)


def test_a_nul_does_not_end_a_password() -> None:
    hashed = userfile.hash_password(b"a\0b", cost=4)
    assert userfile.matches(b"a\0b", hashed)
    assert not userfile.matches(b"a\0c", hashed)


def test_new_hashes_have_the_prefix_of_apache() -> None:
    assert userfile.hash_password(b"p", cost=4).startswith(b"$2y$04$")


def test_the_decoy_has_its_cost_and_matches_nothing() -> None:
    decoy = userfile.decoy(5)
    assert userfile.cost_of(decoy) == 5
    assert not userfile.matches(b"", decoy)


@pytest.mark.parametrize("name", [b"", b"a:b", b"#a", b" a", b"a ", b"a\nb", b"a\x7f"])
def test_names_that_would_not_be_read_back_are_refused(name: bytes) -> None:
    assert userfile.name_fault(name) is not None


@given(st.binary(max_size=20))
def test_an_accepted_name_is_read_back(name: bytes) -> None:
    if userfile.name_fault(name) is None:
        assert records(name + b":h\n") == [(name, b"h", False)]
