"""States exchanged with a real Go registry, through the files it keeps beside an upload."""

import hashlib
import random
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx2
import pytest

from registry.digest import implementations, new_hasher, restore_hasher

REGISTRY = shutil.which("docker-registry")
WITH_STATE = [name for name in implementations() if name != "hashlib"]
LENGTHS = [1, 55, 63, 64, 65, 127, 128, 5000]

pytestmark = pytest.mark.skipif(REGISTRY is None, reason="docker-registry is not installed")

CONFIGURATION = """
version: 0.1
storage:
  filesystem:
    rootdirectory: {root}
http:
  addr: 127.0.0.1:0
"""


@dataclass(frozen=True)
class GoRegistry:
    client: httpx2.Client
    root: Path

    def upload(self, content: bytes) -> tuple[str, Path]:
        """Begin an upload with `content`; where to go on, and the directory of its states."""
        begun = self.client.post("/v2/go/blobs/uploads/")
        patched = self.client.patch(
            begun.headers["location"],
            content=content,
            headers={"content-type": "application/octet-stream"},
        )
        assert patched.status_code == 202, patched.text
        session = patched.headers["docker-upload-uuid"]
        uploads = self.root / "docker/registry/v2/repositories/go/_uploads"
        return patched.headers["location"], uploads / session / "hashstates/sha256"

    def finish(self, location: str, content: bytes, digest: str) -> httpx2.Response:
        return self.client.put(
            httpx2.URL(location).copy_merge_params({"digest": digest}),
            content=content,
            headers={"content-type": "application/octet-stream"},
        )


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoRegistry]:
    assert REGISTRY is not None
    directory = tmp_path_factory.mktemp("go")
    root = directory / "root"
    configuration = directory / "config.yml"
    configuration.write_text(CONFIGURATION.format(root=root))
    with subprocess.Popen(
        [REGISTRY, "serve", str(configuration)],
        env={"OTEL_TRACES_EXPORTER": "none"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        drain = threading.Thread(target=process.stderr.read)  # a full pipe would stop the server
        try:
            url = _wait_until_listening(process.stderr)
            drain.start()
            with httpx2.Client(base_url=url, trust_env=False) as client:
                yield GoRegistry(client, root)
        finally:
            process.kill()
            if drain.ident is not None:
                drain.join()


def _wait_until_listening(log: IO[bytes]) -> str:
    for line in log:
        if found := re.search(rb"listening on (127\.0\.0\.1:\d+)", line):
            return f"http://{found[1].decode()}"
    pytest.fail("docker-registry ended before it listened")


@pytest.mark.parametrize("length", LENGTHS)
def test_go_writes_the_state_we_write(go: GoRegistry, length: int) -> None:
    content = random.Random(length).randbytes(length)
    location, states = go.upload(content)
    state = (states / str(length)).read_bytes()

    for using in WITH_STATE:
        ours = new_hasher(using=using)
        ours.update(content)
        assert ours.state() == state

    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    assert go.finish(location, b"", digest).status_code == 201


@pytest.mark.parametrize("using", WITH_STATE)
@pytest.mark.parametrize("length", LENGTHS)
def test_we_go_on_from_a_state_of_go(go: GoRegistry, using: str, length: int) -> None:
    content = random.Random(length).randbytes(length + 100)
    location, states = go.upload(content[:length])
    hasher = restore_hasher("sha256", (states / str(length)).read_bytes(), using=using)
    assert hasher is not None
    assert hasher.length_bytes == length
    hasher.update(content[length:])
    assert hasher.digest().hex == hashlib.sha256(content).hexdigest()
    assert go.finish(location, content[length:], str(hasher.digest())).status_code == 201


@pytest.mark.parametrize("using", WITH_STATE)
@pytest.mark.parametrize("length", LENGTHS)
def test_go_goes_on_from_a_state_of_ours(go: GoRegistry, using: str, length: int) -> None:
    """Our state is of other bytes of the same length, so that only a Go that reads it agrees."""
    sent, hashed = (random.Random(seed).randbytes(length) for seed in (1, 2))
    rest = b"and the rest"
    location, states = go.upload(sent)
    hasher = new_hasher(using=using)
    hasher.update(hashed)
    state = hasher.state()
    assert state is not None
    (states / str(length)).write_bytes(state)

    digest = f"sha256:{hashlib.sha256(hashed + rest).hexdigest()}"
    answer = go.finish(location, rest, digest)
    assert answer.status_code == 201, answer.text
    assert answer.headers["docker-content-digest"] == digest
