"""Random pushes, moves and deletes of manifests and tags, held against a model of the rules."""

from __future__ import annotations

import bisect
import json

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from registry.digest import Digest
from registry.oci import errors
from registry.oci.names import RepositoryName, Tag
from registry.oci.pagination import Page
from tests.kit import content
from tests.kit.assembly import anyone, assemble
from tests.kit.bodies import BytesBody
from tests.kit.machines import Forms, machine_settings, run, without_threads

pytestmark = pytest.mark.timeout(1800)  # half a minute, or as long as the examples asked for take

NAMES = [RepositoryName("a/b"), RepositoryName("a-b")]
CONFIG = content.config()
LAYERS = [content.blob(seed, 30) for seed in ("one", "two")]


def pool() -> list[bytes]:
    """Images, of which some are about others that may or may not be there, and an index."""
    plain = [content.image(CONFIG, layer) for layer in LAYERS]
    typeless = content.image(CONFIG, mediaType=None)
    about = [
        content.image(
            CONFIG,
            subject=content.descriptor(plain[0], content.OCI_MANIFEST),
            annotations={"note": note},
            artifactType=f"application/vnd.example.{note}",
        )
        for note in ("signature", "sbom")
    ]
    chain = content.image(CONFIG, subject=content.descriptor(about[0], content.OCI_MANIFEST))
    return [*plain, typeless, *about, chain, content.index()]


POOL = pool()
REPOSITORIES = st.sampled_from(NAMES)
MANIFESTS = st.sampled_from(POOL)
TAGS = st.sampled_from([Tag(text) for text in ("1.0", "Latest", "_x", "latest", "sha256-0")])


def canonical(manifest: bytes) -> Digest:
    return Digest.of("sha256", manifest)


def subject_of(manifest: bytes) -> Digest | None:
    subject = json.loads(manifest).get("subject")
    return Digest.parse(subject["digest"]) if subject else None


SUBJECTS = sorted({subject_of(item) or canonical(item) for item in POOL})


class Repository:
    """The model of one: which digests are linked, the tags, and who is about whom.

    A link under another algorithm outlives the canonical one and counts again when that is back.
    """

    def __init__(self) -> None:
        self.links: dict[Digest, bytes] = {}
        self.tags: dict[Tag, Digest] = {}
        self.entries: set[tuple[Digest, Digest]] = set()
        self.was_pushed = False

    def holds(self, digest: Digest) -> bool:
        return digest in self.links and canonical(self.links[digest]) in self.links

    def push(self, manifest: bytes, digest: Digest, tags: list[Tag]) -> None:
        self.links |= {canonical(manifest): manifest, digest: manifest}
        self.tags |= dict.fromkeys(tags, digest)
        subject = subject_of(manifest)
        if subject is not None:
            self.entries.add((subject, digest))
        self.was_pushed = True

    def delete(self, digest: Digest) -> None:
        manifest = self.links[digest]
        gone = {digest, canonical(manifest)}
        self.tags = {
            tag: target for tag, target in self.tags.items() if self.links[target] != manifest
        }
        self.links = {name: held for name, held in self.links.items() if name not in gone}
        self.entries = {pair for pair in self.entries if pair[1] not in gone}

    def referrers(self, subject: Digest) -> list[str]:
        return sorted(
            str(digest) for about, digest in self.entries if about == subject and self.holds(digest)
        )


class Manifests(RuleBasedStateMachine):
    form = "memory"

    def __init__(self) -> None:
        super().__init__()
        self.forms = Forms(self.form)
        self.patch = pytest.MonkeyPatch()
        without_threads(self.patch)
        self.parts = assemble(self.forms.store.open())
        self.model = {name: Repository() for name in NAMES}
        self.touched = set(NAMES)

    @initialize()
    def push_blobs(self) -> None:
        async def push() -> None:
            for blob in (CONFIG, *LAYERS):
                digest = Digest.of("sha256", blob)
                for name in NAMES:
                    await self.parts.uploads.put(name, digest, BytesBody(blob))

        run(push)

    @rule()
    def restart(self) -> None:
        self.parts = assemble(self.forms.store.open())

    @rule(name=REPOSITORIES, manifest=MANIFESTS, tag=TAGS)
    def push_by_tag(self, name: RepositoryName, manifest: bytes, tag: Tag) -> None:
        self.touched.add(name)
        pushed = run(lambda: self.parts.manifests.put(name, tag, manifest, None))
        assert (pushed.digest, pushed.tags) == (canonical(manifest), (tag,))
        assert pushed.subject == subject_of(manifest)
        self.model[name].push(manifest, canonical(manifest), [tag])

    @rule(
        name=REPOSITORIES,
        manifest=MANIFESTS,
        algorithm=st.sampled_from(["sha256", "sha512"]),
        tags=st.lists(TAGS, max_size=3),
    )
    def push_by_digest(
        self, name: RepositoryName, manifest: bytes, algorithm: str, tags: list[Tag]
    ) -> None:
        self.touched.add(name)
        digest = Digest.of(algorithm, manifest)
        pushed = run(lambda: self.parts.manifests.put(name, digest, manifest, None, tags))
        assert pushed.digest == digest
        assert pushed.tags == tuple(dict.fromkeys(tags))
        self.model[name].push(manifest, digest, tags)

    @rule(name=REPOSITORIES, manifest=MANIFESTS, algorithm=st.sampled_from(["sha256", "sha512"]))
    def push_as_another(self, name: RepositoryName, manifest: bytes, algorithm: str) -> None:
        self.touched.add(name)
        digest = Digest.of(algorithm, manifest + b" ")
        with pytest.raises(errors.DigestInvalid):
            run(lambda: self.parts.manifests.put(name, digest, manifest, None))

    @rule(name=REPOSITORIES, tag=TAGS)
    def push_without_its_layer(self, name: RepositoryName, tag: Tag) -> None:
        self.touched.add(name)
        manifest = content.image(CONFIG, b"never pushed")
        with pytest.raises(errors.ErrorList):
            run(lambda: self.parts.manifests.put(name, tag, manifest, None))

    @rule(name=REPOSITORIES, tag=TAGS)
    def delete_tag(self, name: RepositoryName, tag: Tag) -> None:
        self.deletes(name, tag, exists=tag in self.model[name].tags)
        self.model[name].tags.pop(tag, None)

    @rule(name=REPOSITORIES, manifest=MANIFESTS, algorithm=st.sampled_from(["sha256", "sha512"]))
    def delete_manifest(self, name: RepositoryName, manifest: bytes, algorithm: str) -> None:
        digest = Digest.of(algorithm, manifest)
        exists = self.model[name].holds(digest)
        self.deletes(name, digest, exists=exists)
        if exists:
            self.model[name].delete(digest)

    def deletes(self, name: RepositoryName, reference: Tag | Digest, *, exists: bool) -> None:
        self.touched.add(name)
        if exists:
            run(lambda: self.parts.manifests.delete(name, reference))
            return
        with pytest.raises(errors.ManifestUnknown):
            run(lambda: self.parts.manifests.delete(name, reference))

    @rule(name=REPOSITORIES, after=TAGS | st.sampled_from(["", "M", "~"]), limit=st.integers(0, 4))
    def list_a_page(self, name: RepositoryName, after: str, limit: int) -> None:
        tags = sorted(self.model[name].tags)
        rest = tags[bisect.bisect_right(tags, after) :]
        if self.is_repository(name):
            page = run(lambda: self.parts.tags.list(name, Page(limit, after)))
            assert page == (rest[:limit], 0 < limit < len(rest))
        else:
            with pytest.raises(errors.NameUnknown):
                run(lambda: self.parts.tags.list(name, Page(limit, after)))

    def is_repository(self, name: RepositoryName) -> bool:
        """A store without directories forgets a repository with its last link."""
        model = self.model[name]
        return model.was_pushed if self.form == "directory" else bool(model.links)

    @invariant()
    def everything_is_as_in_the_model(self) -> None:
        async def check() -> None:
            for name in self.touched:
                model = self.model[name]
                await self.check_manifests(name, model)
                await self.check_tags(name, model)
                await self.check_referrers(name, model)
            found, more = await self.parts.catalog.list(Page(None, ""), anyone)
            assert found == [name for name in NAMES if self.is_repository(name)]
            assert not more

        run(check)
        self.touched.clear()

    async def check_manifests(self, name: RepositoryName, model: Repository) -> None:
        for manifest in POOL:
            for algorithm in ("sha256", "sha512"):
                digest = Digest.of(algorithm, manifest)
                if model.holds(digest):
                    found = await self.parts.manifests.get(name, digest)
                    assert (found.digest, found.content) == (digest, manifest)
                else:
                    with pytest.raises(errors.ManifestUnknown):
                        await self.parts.manifests.get(name, digest)

    async def check_tags(self, name: RepositoryName, model: Repository) -> None:
        if self.is_repository(name):
            listed, _ = await self.parts.tags.list(name, Page(None, ""))
            assert listed == sorted(model.tags)
        for tag, digest in model.tags.items():
            found = await self.parts.manifests.get(name, tag)
            assert (found.digest, found.content) == (digest, model.links[digest])

    async def check_referrers(self, name: RepositoryName, model: Repository) -> None:
        for subject in SUBJECTS:
            found = await self.parts.referrers.find(name, subject)
            assert [entry.digest for entry in found] == model.referrers(subject)

    def teardown(self) -> None:
        self.touched = set(NAMES)
        try:
            self.everything_is_as_in_the_model()
        finally:
            self.patch.undo()
            self.forms.close()


class ManifestsInMemory(Manifests):
    form = "memory"


class ManifestsInParts(Manifests):
    form = "parts"


class ManifestsInADirectory(Manifests):
    form = "directory"


TestManifestsInMemory = ManifestsInMemory.TestCase
TestManifestsInMemory.settings = machine_settings()
TestManifestsInParts = ManifestsInParts.TestCase
TestManifestsInParts.settings = machine_settings()
TestManifestsInADirectory = ManifestsInADirectory.TestCase
TestManifestsInADirectory.settings = machine_settings()
