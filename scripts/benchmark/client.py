"""The load client: compiled here, run as a process of its own, one for every server."""

from __future__ import annotations

import hashlib
import json
import random
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

PATTERN_BYTES = 1024 * 1024  # as in load.h
TIMEOUT_S = 600.0
_FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-pthread")
_LIBRARIES = ("-l:libssl.so.3", "-l:libcrypto.so.3")

Figures = dict[str, float]


class BenchError(Exception):
    """Something that ends the run; the text says what, and how to mend it where that is known."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob no server has seen: the pattern over and over, ended by a token."""

    digest: str
    token: str
    size_bytes: int


class Pattern:
    """The bytes blobs are made of, and digests that need no second look at them."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "pattern"
        self._bytes = random.Random(20).randbytes(PATTERN_BYTES)
        self.path.write_bytes(self._bytes)
        self._prefixes: dict[int, hashlib._Hash] = {}

    def blob(self, size_bytes: int) -> Blob:
        """Return a new blob of at least 64 bytes."""
        token = secrets.token_hex(32)
        if size_bytes not in self._prefixes:
            self._prefixes[size_bytes] = self._hash(size_bytes - len(token))
        whole = self._prefixes[size_bytes].copy()
        whole.update(token.encode())
        return Blob(f"sha256:{whole.hexdigest()}", token, size_bytes)

    def _hash(self, count: int) -> hashlib._Hash:
        prefix = hashlib.sha256()
        whole, rest = divmod(count, PATTERN_BYTES)
        for _ in range(whole):
            prefix.update(self._bytes)
        prefix.update(self._bytes[:rest])
        return prefix


class Client:
    """The compiled load client and the pattern it sends.

    Args:
        directory: Where both are put.

    Raises:
        BenchError: it cannot be compiled.
    """

    def __init__(self, directory: Path) -> None:
        self.pattern = Pattern(directory)
        self._program = directory / "load"
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            raise BenchError("the load client needs a C compiler (Debian: apt-get install gcc)")
        sources = sorted(Path(__file__).parent.glob("*.c"))
        built = subprocess.run(
            [compiler, *_FLAGS, "-o", self._program, *sources, *_LIBRARIES],
            capture_output=True,
            text=True,
            check=False,
        )
        if built.returncode != 0:
            raise BenchError(
                "the load client cannot be compiled: it needs a C compiler with its headers and"
                f" OpenSSL 3 (Debian: apt-get install gcc libc6-dev libssl3)\n{built.stderr}"
            )

    def run(self, command: str, *options: object, lines: Sequence[str]) -> Figures:
        """Run one command to its end and return what it measured.

        Raises:
            BenchError: an answer was not the right one.
        """
        try:
            ended = subprocess.run(
                [self._program, command, *map(str, options)],
                input="".join(f"{line}\n" for line in lines),
                capture_output=True,
                text=True,
                check=False,
                timeout=TIMEOUT_S,
            )
        except subprocess.TimeoutExpired as exc:
            raise BenchError(f"{command} took more than {TIMEOUT_S:.0f} s") from exc
        if ended.returncode != 0:
            raise BenchError(f"{command}: {ended.stderr.strip() or ended.returncode}")
        return _figures(ended.stdout)

    @contextmanager
    def pinging(self, *options: object) -> Iterator[Figures]:
        """Ping as long as the block runs; what is yielded holds the times after it."""
        figures: Figures = {}
        process = subprocess.Popen(
            [self._program, "ping", *map(str, options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout is not None
            process.stdout.readline()  # it is connected
            yield figures
            out, errors = process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()
            process.wait()
        if process.returncode != 0:
            raise BenchError(f"ping: {errors.strip()}")
        figures.update(_figures(out))


def _figures(text: str) -> Figures:
    return {str(name): float(value) for name, value in json.loads(text).items()}
