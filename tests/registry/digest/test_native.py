"""The C module itself: each way of compressing, its arguments, its warnings."""

import gc
import hashlib
import random
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

import registry.digest

native = pytest.importorskip("registry.digest._native", reason="the C module is not built")
SOURCES = Path(registry.digest.__file__).parent

every_backend = pytest.mark.parametrize("backend", native.backends)


@every_backend
def test_every_backend_agrees_with_hashlib(backend: str) -> None:
    for length in [*range(301), 2047, 2048, 2049, 65_537]:
        message = random.Random(length).randbytes(length)
        hasher = native.Sha256(backend=backend)
        hasher.update(message)
        assert hasher.backend == backend
        assert hasher.length == length
        assert hasher.digest() == hashlib.sha256(message).digest(), length


@pytest.mark.parametrize("taker", native.backends)
@every_backend
def test_a_state_moves_between_backends(backend: str, taker: str) -> None:
    message = random.Random(0).randbytes(1000)
    begun = native.Sha256(backend)
    begun.update(message[:777])
    resumed = native.Sha256.from_state(begun.state(), backend=taker)
    assert resumed.backend == taker
    resumed.update(message[777:])
    assert resumed.digest() == hashlib.sha256(message).digest()


@every_backend
def test_a_copy_goes_its_own_way(backend: str) -> None:
    first = native.Sha256(backend)
    first.update(b"abc")
    second = first.copy()
    second.update(b"def")
    assert second.backend == backend
    assert first.digest() == hashlib.sha256(b"abc").digest()
    assert second.digest() == hashlib.sha256(b"abcdef").digest()


def test_the_first_backend_is_the_default() -> None:
    assert native.Sha256().backend == native.backends[0]
    assert native.Sha256(None).backend == native.backends[0]
    assert native.backends[-1] == "portable"


def test_an_unknown_backend_is_refused_with_the_choices() -> None:
    with pytest.raises(ValueError, match="no SHA-256 backend 'md5' on this machine: choose"):
        native.Sha256("md5")
    with pytest.raises(ValueError, match="'portable'"):
        native.Sha256.from_state(native.Sha256().state(), "md5")


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (b"", "has 0 bytes, not 108"),
        (bytes(109), "has 109 bytes, not 108"),
        (bytes(108), "does not begin with the magic"),
        (b"sha\x03" + bytes(96) + b"\x20" + bytes(7), "counts more bytes than SHA-256 can take"),
    ],
)
def test_a_malformed_state_is_refused(state: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        native.Sha256.from_state(state)


@pytest.mark.parametrize("arguments", [(), ("text",), (None,), (bytes(108), None, 3)])
def test_from_state_refuses_other_arguments(arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError):
        native.Sha256.from_state(*arguments)


@pytest.mark.parametrize("kind", [native.Sha256, native.Decoder])
def test_a_type_cannot_be_changed_or_derived_from(kind: type) -> None:
    with pytest.raises(TypeError):
        kind.update = None
    with pytest.raises(TypeError):
        type("Derived", (kind,), {})


@pytest.mark.parametrize("arguments", [(), (b"", 0, 0), (bytearray(), 0), (bytearray(), "0", 0)])
def test_a_decoder_refuses_other_arguments(arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError):
        native.Decoder().feed(*arguments)
    with pytest.raises(TypeError):
        native.Decoder(1)


@pytest.mark.parametrize(
    ("decoder", "hasher"), [(native.Sha256(), None), (None, native.Decoder()), (7, 7)]
)
def test_writing_refuses_what_is_not_of_its_types(decoder: object, hasher: object) -> None:
    with pytest.raises(TypeError, match="must be one of this module's or None"):
        native.write_block(decoder, hasher, -1, 0, bytearray(), 0, 0)


def test_nothing_is_left_of_dropped_objects() -> None:
    """Refused constructions, copies and calls included; a heap type counts its instances."""

    def use() -> None:
        hasher = native.Sha256()
        hasher.copy().update(bytes(5000))
        native.Sha256.from_state(hasher.state())
        for state in (bytes(3), bytes(108)):
            with pytest.raises(ValueError):
                native.Sha256.from_state(state)
        with pytest.raises(ValueError):
            native.Sha256("md5")
        decoder = native.Decoder()
        assert decoder.feed(block, 0, 5000) == (4994, 5000, False, None)
        with pytest.raises(OSError):
            native.write_block(decoder, hasher, -1, 0, block, 0, 5)
        assert native.write_block(native.Decoder(), None, -1, 0, bytearray(b"?"), 0, 1)[3]
        with pytest.raises(ValueError):
            native.write_block(decoder, hasher, -1, 0, block, 0, 9999)

    block = bytearray(5000)
    block[:6] = b"ffff\r\n"
    counted = [native.Sha256, native.Decoder, block, None]
    use()
    block[:6] = b"ffff\r\n"
    gc.collect()
    before = [sys.getrefcount(thing) for thing in counted]
    for _ in range(50):
        block[:6] = b"ffff\r\n"
        use()
    gc.collect()
    after = [sys.getrefcount(thing) for thing in counted]  # not within the assertion, which holds
    assert after[:3] == before[:3]
    assert abs(after[3] - before[3]) < 50
    block.extend(b"free")  # BufferError if anything still exported it


def test_a_second_load_of_the_module_is_independent() -> None:
    code = """
import gc, importlib.util, sys
import registry.digest._native as first
spec = importlib.util.find_spec("registry.digest._native")
second = importlib.util.module_from_spec(spec)
spec.loader.exec_module(second)
assert second.Sha256 is not first.Sha256
old = first.Sha256()
del sys.modules["registry.digest._native"], first, spec
gc.collect()
old.update(b"abc")
assert second.Decoder().feed(bytearray(b"5\\r\\n"), 0, 3) == (0, 3, False, None)
try:
    second.write_block(None, old, -1, 0, b"", 0, 0)
except TypeError:
    pass
else:
    sys.exit("an object of the other module was taken")
twin = second.Sha256.from_state(old.copy().state())
assert twin.digest() == old.digest()
print(old.digest().hex()[:8])
"""
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.stdout.strip() == "ba7816bf", result.stderr


@pytest.mark.parametrize("source", sorted(path.name for path in SOURCES.glob("*.c")))
def test_the_sources_compile_without_a_warning(source: str, tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    headers = Path(sysconfig.get_path("include"))
    if compiler is None or not (headers / "Python.h").exists():
        pytest.skip("no C compiler, or no header files of Python")
    flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
    flags += ["-DPy_LIMITED_API=0x030b0000", "-isystem", str(headers)]
    result = subprocess.run(
        [compiler, *flags, "-c", str(SOURCES / source), "-o", str(tmp_path / "object.o")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
