"""Which implementation runs, in processes of their own since it is decided at import."""

import os
import subprocess
import sys

import pytest

from registry.digest import (
    ImplementationUnavailable,
    InvalidDigest,
    implementation,
    implementations,
    new_hasher,
    restore_hasher,
)
from registry.digest.hasher import Hasher

REPORT = """
from registry.digest import implementation, new_hasher
hasher = new_hasher()
hasher.update(b"abc")
print(implementation, getattr(hasher, "backend", "-"), hasher.digest().hex[:8])
"""

WITHOUT = """
import sys
import registry.stream  # what it takes from elsewhere may need ctypes, and is not in question
for name in {absent!r}:
    sys.modules[name] = None
from registry.digest import implementation, implementations
print(implementation, *implementations())
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TRIREME_")}
    return subprocess.run(
        [sys.executable, "-c", code],
        env=kept | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_best_one_runs_when_none_is_forced() -> None:
    assert run(REPORT).stdout.split()[0] == implementations()[0]


def test_an_empty_variable_forces_nothing() -> None:
    assert run(REPORT, TRIREME_DIGEST="").stdout.split()[0] == implementations()[0]


@pytest.mark.parametrize("name", implementations())
def test_a_forced_implementation_runs(name: str) -> None:
    ran, _, digest = run(REPORT, TRIREME_DIGEST=name).stdout.split()
    assert (ran, digest) == (name, "ba7816bf")


def test_an_unknown_implementation_is_refused_with_the_choices() -> None:
    result = run(REPORT, TRIREME_DIGEST="openssl")
    assert result.returncode != 0
    message = result.stderr.splitlines()[-1]
    assert "TRIREME_DIGEST='openssl' is not available here (no such implementation)" in message
    assert f"choose one of {', '.join(implementations())}" in message


def test_a_forced_implementation_that_does_not_load_is_refused_with_the_reason() -> None:
    code = "import sys; sys.modules['registry.digest._native'] = None; import registry.digest"
    result = run(code, TRIREME_DIGEST="native")
    message = result.stderr.splitlines()[-1]
    assert "ImplementationUnavailable: TRIREME_DIGEST='native' is not available here" in message
    assert "_native" in message
    assert "native, " not in message.partition("choose one of")[2]


@pytest.mark.parametrize(
    ("absent", "left"),
    [
        (["registry.digest._native"], ["libcrypto", "hashlib"]),
        (["registry.digest._native", "ctypes"], ["hashlib"]),
    ],
)
def test_what_does_not_load_is_passed_over(absent: list[str], left: list[str]) -> None:
    expected = [name for name in left if name in implementations()]
    result = run(WITHOUT.format(absent=absent))
    assert result.stdout.split() == [expected[0], *expected], result.stderr


def test_a_library_of_another_layout_is_not_trusted() -> None:
    code = """
import ctypes
import registry.digest.state as state
state.BLOCK_BYTES = 60
try:
    import registry.digest.libcrypto
except ImportError as exc:
    print(exc)
"""
    if "libcrypto" not in implementations():
        pytest.skip("no libcrypto here")
    result = run(code, TRIREME_DIGEST="hashlib")
    assert "structure of unknown layout" in result.stdout, result.stderr


@pytest.mark.skipif("native" not in implementations(), reason="the C module is not built")
def test_a_forced_backend_runs_and_an_unknown_one_is_refused() -> None:
    assert run(REPORT, TRIREME_SHA256="portable").stdout.split()[:2] == ["native", "portable"]
    result = run(REPORT, TRIREME_SHA256="avx512")
    assert result.returncode != 0
    assert "TRIREME_SHA256='avx512' is not available here" in result.stderr.splitlines()[-1]


def test_the_one_that_runs_is_the_default() -> None:
    assert implementation in implementations()
    assert type(new_hasher()) is type(new_hasher(using=implementation))


def test_an_unknown_name_is_refused_by_the_constructors() -> None:
    with pytest.raises(ImplementationUnavailable, match="using='md5' is not available here"):
        new_hasher(using="md5")
    with pytest.raises(ImplementationUnavailable, match="using='md5' is not available here"):
        restore_hasher("sha256", b"", using="md5")


@pytest.mark.parametrize("using", implementations())
def test_an_unknown_algorithm_is_refused_by_the_constructors(using: str) -> None:
    with pytest.raises(InvalidDigest, match="'md5' is not supported"):
        new_hasher("md5", using=using)
    with pytest.raises(InvalidDigest, match="'md5' is not supported"):
        restore_hasher("md5", b"", using=using)


@pytest.mark.parametrize("using", implementations())
@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_the_long_algorithms_keep_their_state(using: str, algorithm: str) -> None:
    hasher: Hasher = new_hasher(algorithm, using=using)
    assert hasher.algorithm == algorithm
    assert hasher.state() is None
    assert restore_hasher(algorithm, b"whatever", using=using) is None
