"""Random uploads over every form of store, with crashes between, held against a model of bytes."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Literal

import pytest
import trio
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    rule,
)

from registry.digest import Digest, implementations
from registry.oci import errors
from registry.oci.names import RepositoryName, UploadId
from registry.oci.ranges import ByteRange
from registry.services.uploads import OutOfOrder
from registry.storage import paths
from tests.kit.assembly import assemble
from tests.kit.bodies import BytesBody, broken
from tests.kit.machines import Forms, kill, machine_settings, run, without_threads
from tests.kit.uploads import NAME, use_hash

pytestmark = pytest.mark.timeout(1800)  # half a minute, or as long as the examples asked for take

ELSEWHERE = RepositoryName("team-two")
DATA = st.binary(max_size=40)
SOME = st.binary(min_size=1, max_size=40)
ALGORITHMS = st.sampled_from(["sha256", "sha256", "sha384", "sha512"])
CLAIMS = st.sampled_from(["none", "right", "right", "early", "late"])
Claim = Literal["none", "right", "early", "late"]
UPLOAD_PATH = re.compile(rf"{paths.uploads(NAME)}/([^/]+)/.*")


def span(start: int, size: int) -> ByteRange | None:
    """Return the range of a chunk; an empty one cannot be declared."""
    return ByteRange(start, start + size - 1) if size else None


class Uploads(RuleBasedStateMachine):
    """The model: the acknowledged bytes of each open upload, and the blobs of the repository."""

    form = "memory"
    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.forms = Forms(self.form)
        self.patch = pytest.MonkeyPatch()
        without_threads(self.patch)
        self.open: dict[UploadId, bytes] = {}
        self.blobs: dict[Digest, bytes] = {}
        self.begin_process(implementations()[0])

    def begin_process(self, implementation: str) -> None:
        """Start anew over the same bytes, with another implementation of the hash."""
        self.parts = assemble(self.forms.store.open())
        use_hash(self.patch, implementation)

    @initialize(target=ids)
    def first(self) -> UploadId:
        return self.start()

    @rule(target=ids)
    def begin(self) -> UploadId:
        return self.start()

    def start(self) -> UploadId:
        status = run(lambda: self.parts.uploads.start(NAME))
        assert status.offset == 0
        self.open[status.upload_id] = b""
        return status.upload_id

    def expect(self, upload_id: UploadId, call: Callable[[], Awaitable[object]]) -> bool:
        """Tell whether the upload is open; a call on one that is not must say so."""
        if upload_id in self.open:
            return True
        with pytest.raises(errors.BlobUploadUnknown):
            run(call)
        return False

    def chunk(self, upload_id: UploadId, data: bytes, claim: Claim) -> ByteRange | None:
        offset = len(self.open.get(upload_id, b""))
        match claim:
            case "none":
                return None
            case "right":
                return span(offset, len(data))
            case "early":
                return span(max(offset - 1, 0), len(data))
            case "late":
                return span(offset + 1, len(data))

    def is_out_of_order(self, upload_id: UploadId, chunk: ByteRange | None) -> bool:
        return chunk is not None and chunk.first != len(self.open[upload_id])

    @rule(upload_id=ids, data=DATA, claim=CLAIMS, declared=st.booleans())
    def append(self, upload_id: UploadId, data: bytes, claim: Claim, declared: bool) -> None:
        chunk = self.chunk(upload_id, data, claim)
        body = BytesBody(data, declared=declared)

        async def call() -> int:
            return (await self.parts.uploads.append(NAME, upload_id, body, chunk)).offset

        if not self.expect(upload_id, call):
            return
        if self.is_out_of_order(upload_id, chunk):
            with pytest.raises(OutOfOrder) as caught:
                run(call)
            assert caught.value.upload.offset == len(self.open[upload_id])
            assert body.received_bytes == 0
            return
        self.open[upload_id] += data
        assert run(call) == len(self.open[upload_id])

    @rule(upload_id=ids, data=SOME, more=st.integers(1, 9), declared=st.booleans())
    def append_another_size(
        self, upload_id: UploadId, data: bytes, more: int, declared: bool
    ) -> None:
        """Declare a chunk longer than the body: nothing of it may count."""
        offset = len(self.open.get(upload_id, b""))
        body = BytesBody(data, declared=declared)

        async def call() -> object:
            chunk = span(offset, len(data) + more)
            return await self.parts.uploads.append(NAME, upload_id, body, chunk)

        if self.expect(upload_id, call):
            with pytest.raises(errors.SizeInvalid):
                run(call)

    @rule(upload_id=ids, data=DATA, finishing=st.booleans())
    def break_off(self, upload_id: UploadId, data: bytes, finishing: bool) -> None:
        whole = self.open.get(upload_id, b"") + data

        async def call() -> object:
            if finishing:
                digest = Digest.of("sha256", whole)
                return await self.parts.uploads.finish(NAME, upload_id, digest, broken(data), None)
            return await self.parts.uploads.append(NAME, upload_id, broken(data), None)

        if self.expect(upload_id, call):
            with pytest.raises(errors.UploadBodyInvalid):
                run(call)
            self.open[upload_id] = whole

    @rule(
        upload_id=ids,
        data=SOME,
        recorded=st.booleans(),
        implementation=st.sampled_from(implementations()),
    )
    def crash(self, upload_id: UploadId, data: bytes, recorded: bool, implementation: str) -> None:
        """Die while a body comes, before or after the bytes are durable, but unacknowledged."""

        async def call() -> None:
            writer = await self.parts.upload_store.open(NAME, upload_id)
            if writer is not None:
                await writer.write(data)
                if recorded:
                    await writer._session.checkpoint()
                kill(writer)

        run(call)
        self.begin_process(implementation)
        note(f"the next process hashes with {implementation}")

    @rule(
        upload_id=ids, first=SOME, second=SOME, how=st.sampled_from(["append", "finish", "cancel"])
    )
    def write_twice_at_once(
        self, upload_id: UploadId, first: bytes, second: bytes, how: str
    ) -> None:
        gate = trio.Event()
        slow = BytesBody(first, gate=gate)

        async def meddle() -> None:
            body = BytesBody(second)
            match how:
                case "append":
                    await self.parts.uploads.append(NAME, upload_id, body, None)
                case "finish":
                    digest = Digest.of("sha256", second)
                    await self.parts.uploads.finish(NAME, upload_id, digest, body, None)
                case "cancel":
                    await self.parts.uploads.cancel(NAME, upload_id)

        async def both() -> None:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.parts.uploads.append, NAME, upload_id, slow, None)
                await slow.waiting.wait()
                with pytest.raises(OutOfOrder) as caught:
                    await meddle()
                gate.set()
            assert caught.value.upload.offset == len(self.open[upload_id])

        if self.expect(upload_id, lambda: self.parts.uploads.append(NAME, upload_id, slow, None)):
            run(both)
            self.open[upload_id] += first

    @rule(upload_id=ids, data=DATA, claim=CLAIMS, algorithm=ALGORITHMS)
    def finish(self, upload_id: UploadId, data: bytes, claim: Claim, algorithm: str) -> None:
        chunk = self.chunk(upload_id, data, claim)
        whole = self.open.get(upload_id, b"") + data
        digest = Digest.of(algorithm, whole)

        async def call() -> int:
            blob = await self.parts.uploads.finish(NAME, upload_id, digest, BytesBody(data), chunk)
            assert (blob.digest, blob.canonical) == (digest, Digest.of("sha256", whole))
            return blob.size_bytes

        if not self.expect(upload_id, call):
            return
        if self.is_out_of_order(upload_id, chunk):
            with pytest.raises(OutOfOrder):
                run(call)
            return
        assert run(call) == len(whole)
        self.keep(digest, whole)
        del self.open[upload_id]

    @rule(upload_id=consumes(ids), data=DATA, algorithm=ALGORITHMS)
    def finish_as_something_else(self, upload_id: UploadId, data: bytes, algorithm: str) -> None:
        digest = Digest.of(algorithm, self.open.get(upload_id, b"") + data + b"!")

        async def call() -> object:
            return await self.parts.uploads.finish(NAME, upload_id, digest, BytesBody(data), None)

        if self.expect(upload_id, call):
            with pytest.raises(errors.DigestInvalid):
                run(call)
            del self.open[upload_id]

    @rule(upload_id=consumes(ids))
    def cancel(self, upload_id: UploadId) -> None:
        if self.expect(upload_id, lambda: self.parts.uploads.cancel(NAME, upload_id)):
            run(lambda: self.parts.uploads.cancel(NAME, upload_id))
            del self.open[upload_id]

    @rule(data=DATA, algorithm=ALGORITHMS, fate=st.sampled_from(["whole", "wrong", "broken"]))
    def put_at_once(self, data: bytes, algorithm: str, fate: str) -> None:
        digest = Digest.of(algorithm, data + (b"!" if fate == "wrong" else b""))
        body = broken(data) if fate == "broken" else BytesBody(data)

        async def call() -> object:
            return await self.parts.uploads.put(NAME, digest, body)

        match fate:
            case "whole":
                run(call)
                self.keep(digest, data)
            case "wrong":
                with pytest.raises(errors.DigestInvalid):
                    run(call)
            case "broken":
                with pytest.raises(errors.UploadBodyInvalid):
                    run(call)

    def keep(self, digest: Digest, content: bytes) -> None:
        self.blobs[digest] = content
        self.blobs[Digest.of("sha256", content)] = content

    @invariant()
    def what_is_served_is_what_was_acknowledged(self) -> None:
        async def check() -> None:
            for upload_id, taken in self.open.items():
                assert (await self.parts.uploads.status(NAME, upload_id)).offset == len(taken)
                with pytest.raises(errors.BlobUploadUnknown):
                    await self.parts.uploads.status(ELSEWHERE, upload_id)
            for digest, content in self.blobs.items():
                blob = await self.parts.blobs.stat(NAME, digest)
                async with await self.parts.blobs.open(blob) as reader:
                    assert await reader.read_at(0, 10_000) == content

        run(check)

    @invariant()
    def nothing_is_left_behind(self) -> None:
        links = {paths.layer_link(NAME, digest) for digest in self.blobs}
        data = {paths.blob_data(digest) for digest in self.blobs if digest.algorithm == "sha256"}
        multiparts = 0
        for path in self.forms.store.remains():
            match = UPLOAD_PATH.fullmatch(path)
            if match is not None:
                assert match[1] in self.open
            elif path.startswith("/"):
                assert path in links | data
            else:
                multiparts += 1
        assert multiparts <= len(self.open)

    def teardown(self) -> None:
        self.patch.undo()
        self.forms.close()


class UploadsInMemory(Uploads):
    form = "memory"


class UploadsInParts(Uploads):
    form = "parts"


class UploadsInADirectory(Uploads):
    form = "directory"


TestUploadsInMemory = UploadsInMemory.TestCase
TestUploadsInMemory.settings = machine_settings()
TestUploadsInParts = UploadsInParts.TestCase
TestUploadsInParts.settings = machine_settings()
TestUploadsInADirectory = UploadsInADirectory.TestCase
TestUploadsInADirectory.settings = machine_settings()
