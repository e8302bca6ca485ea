"""Uploads that a Go registry begins and Trireme ends, the reverse, and what either left behind."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from drivers import factory
from registry.oci.names import RepositoryName
from registry.services.policy import Policy
from registry.services.purge import PurgeService, PurgeSettings
from registry.storage.blobs import BlobStore
from registry.storage.catalog import Catalog
from registry.storage.uploads import UploadStore
from tests.kit import content
from tests.kit.http import with_query
from tests.kit.pairs import BOTH, OCTETS, Name, Pair, other, pair

AGE_S = 168 * 3600.0


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Run both on one directory, with one secret."""
    with pair(tmp_path_factory.mktemp("shared"), shared=True) as made:
        yield made


class Upload:
    """An upload that goes from one registry to the other and back, by its Location alone."""

    def __init__(self, shared: Pair, name: str, at: Name) -> None:
        self.shared = shared
        self.name = name
        answer = shared.clients[at].begin(name)
        self.location = answer.headers["location"]
        self.directory = (
            shared.root
            / "docker/registry/v2/repositories"
            / name
            / "_uploads"
            / answer.headers["docker-upload-uuid"]
        )

    def append(self, at: Name, data: bytes) -> str:
        """Send a chunk to one of the two and return the Range it answers with."""
        answer = self.shared.clients[at].patch(self._at(at), content=data, headers=OCTETS)
        assert answer.status_code == 202, answer.text
        self.location = answer.headers["location"]
        return answer.headers["range"]

    def stands(self, at: Name) -> str:
        """Ask one of the two for the Range."""
        answer = self.shared.clients[at].get(self._at(at))
        assert answer.status_code == 204, answer.text
        return answer.headers["range"]

    def finish(self, at: Name, whole: bytes, rest: bytes = b"") -> None:
        """End it at one of the two; the blob is then the same in both."""
        digest = content.digest(whole)
        target = with_query(self._at(at), digest=digest)
        answer = self.shared.clients[at].put(target, content=rest, headers=OCTETS)
        assert answer.status_code == 201, answer.text
        assert answer.headers["docker-content-digest"] == digest
        for client in self.shared.clients.values():
            assert client.get(f"/v2/{self.name}/blobs/{digest}").content == whole

    def forget_hash(self) -> None:
        """Remove the saved hash, as a Go registry that was built without it leaves an upload."""
        shutil.rmtree(self.directory / "hashstates")

    def _at(self, name: Name) -> str:
        return self.shared.moved(self.location, name)


@pytest.mark.parametrize("first", BOTH)
class TestHalfway:
    DATA = content.blob("halfway", 300_001)

    def test_the_other_one_goes_on_and_ends_it(self, shared: Pair, first: Name) -> None:
        upload = Upload(shared, f"halfway/{first}", first)
        assert upload.append(first, self.DATA[:100_000]) == "0-99999"
        assert upload.stands(other(first)) == "0-99999"
        assert upload.append(other(first), self.DATA[100_000:]) == "0-300000"
        upload.finish(other(first), self.DATA)
        assert not upload.directory.exists()

    def test_the_other_one_ends_it_with_the_last_bytes(self, shared: Pair, first: Name) -> None:
        upload = Upload(shared, f"last/{first}", first)
        upload.append(first, self.DATA[:100_000])
        upload.finish(other(first), self.DATA, self.DATA[100_000:])

    def test_it_goes_back_and_forth(self, shared: Pair, first: Name) -> None:
        upload, at = Upload(shared, f"back/{first}", first), first
        for start in range(0, len(self.DATA), 50_000):
            upload.append(at, self.DATA[start : start + 50_000])
            at = other(at)
        upload.finish(at, self.DATA)

    def test_it_may_be_empty(self, shared: Pair, first: Name) -> None:
        upload = Upload(shared, f"empty/{first}", first)
        upload.finish(other(first), self.DATA, self.DATA)

    def test_without_a_saved_hash_it_is_hashed_again(self, shared: Pair, first: Name) -> None:
        upload = Upload(shared, f"unhashed/{first}", first)
        upload.append(first, self.DATA[:100_000])
        upload.forget_hash()
        upload.append(other(first), self.DATA[100_000:200_000])
        upload.finish(other(first), self.DATA, self.DATA[200_000:])

    def test_the_saved_hash_is_used(self, shared: Pair, first: Name) -> None:
        """The bytes before it are swapped behind the back of both: only who reads them notices."""
        data = content.blob(f"swapped {first}", 200_000)  # a blob of its own: it is stored wrong
        upload = Upload(shared, f"hashed/{first}", first)
        upload.append(first, data[:100_000])
        with (upload.directory / "data").open("r+b") as file:
            file.write(b"x" * 10)
        target = with_query(
            shared.moved(upload.location, other(first)), digest=content.digest(data)
        )
        answer = shared.clients[other(first)].put(target, content=data[100_000:], headers=OCTETS)
        assert answer.status_code == 201, answer.text

    def test_the_other_one_cancels_it(self, shared: Pair, first: Name) -> None:
        upload = Upload(shared, f"cancelled/{first}", first)
        upload.append(first, self.DATA[:1000])
        location = shared.moved(upload.location, other(first))
        assert shared.clients[other(first)].delete(location).status_code == 204
        assert not (upload.directory / "data").exists()
        location = shared.moved(upload.location, first)
        assert shared.clients[first].get(location).status_code == 404


def test_an_older_location_of_go_still_works_with_us(shared: Pair) -> None:
    """Its signed offset is stale by then; we go by what is on the disk."""
    upload = Upload(shared, "stale", "go")
    begun = upload.location
    upload.append("go", bytes(500))
    upload.location = begun
    assert upload.stands("ours") == "0-499"
    upload.finish("ours", bytes(500))


@pytest.mark.parametrize("left_by", BOTH)
async def test_what_either_left_is_purged_by_age(
    tmp_path: Path, shared: Pair, left_by: Name
) -> None:
    """Old uploads go, whoever left them; younger ones and everything else stay."""
    old, young = (Upload(shared, f"purged/{left_by}", left_by) for _ in range(2))
    for upload in (old, young):
        upload.append(left_by, content.blob("left", 1000))
    root = tmp_path / "data"
    shutil.copytree(shared.root, root)
    old_directory, young_directory = (
        root / upload.directory.relative_to(shared.root) for upload in (old, young)
    )
    now = datetime.now(UTC)
    begun = now - timedelta(seconds=AGE_S + 60)
    (old_directory / "startedat").write_text(begun.strftime("%Y-%m-%dT%H:%M:%SZ"))
    before = {path for path in root.rglob("*") if path.is_file()}

    async with factory.create("filesystem", {"rootdirectory": str(root)}) as driver:
        store = UploadStore(driver, BlobStore(driver))
        settings = PurgeSettings(age_s=AGE_S)
        policy = Policy(read_only=False, delete_enabled=True)
        removed = await PurgeService(store, Catalog(driver), policy, settings, lambda: now).purge()

    assert removed == [(RepositoryName(f"purged/{left_by}"), old_directory.name)]
    assert not old_directory.exists()
    assert young_directory.exists()
    after = {path for path in root.rglob("*") if path.is_file()}
    assert {path for path in before - after if not path.is_relative_to(old_directory)} == set()
