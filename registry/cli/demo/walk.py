"""What the demo does: push an image in every way there is, pull it back, check all of it, clean up.

Nothing the registry says is believed: what comes back is hashed here and followed from the digest
of the index, which was computed before anything was sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import httpx2

from registry.cli.demo.client import Answer, Client, DemoFailed
from registry.cli.demo.image import NOTE, Content, Image, PlatformImage, digest_of, unpacked
from registry.cli.demo.report import Report, readable_size, short
from registry.oci.media_types import IMAGES, INDEXES, OCI_INDEX, OCTET_STREAM

CHUNK_BYTES = 256 * 1024
RANGE_BYTES = 1000
ACCEPT = ", ".join(sorted(IMAGES | INDEXES))


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the registry.

    Attributes:
        repository: Of the image.
        source: Another repository; gets the base layer first, to be mounted from.
        tag: Of the index.
    """

    repository: str
    source: str
    tag: str


async def push(client: Client, image: Image, place: Place, report: Report) -> None:
    """Push everything.

    Raises:
        DemoFailed: the registry did not do what it should; what was pushed stays.
    """
    with report.step("find the registry: GET /v2/"):
        await client.ask("GET", "", expect=(200,))
    base = image.base
    with report.step(f"push the base layer to {place.source}, in chunks") as step:
        count = await _push_in_chunks(client, place.source, base)
        step.text += f" ({count})"
        step.size_bytes = len(base.data)
    with report.step(f"mount it into {place.repository}") as step:
        if not await _mount(client, place, base):
            step.text = f"push it to {place.repository} too, as no mount is offered"
            step.size_bytes = len(base.data)
    for item in image.platforms:
        platform = f"linux/{item.architecture}"
        with report.step(f"push the layer of {platform}") as step:
            step.size_bytes = len(item.layer.data)
            if item is image.platforms[0]:
                count = await _push_in_chunks(client, place.repository, item.layer)
                step.text += f", in chunks ({count})"
            else:
                await _push_whole(client, place.repository, item.layer)
                step.text += ", in one piece"
        with report.step(f"push the configuration of {platform}, in one request") as step:
            step.size_bytes = len(item.config.data)
            await _push_at_once(client, place.repository, item.config)
        with report.step(f"push the manifest of {platform}, by digest") as step:
            step.size_bytes = len(item.manifest.data)
            await _push_manifest(client, place.repository, item.manifest, item.manifest.digest)
    with report.step(f"push the index of both, as {place.tag}") as step:
        step.size_bytes = len(image.index.data)
        await _push_manifest(client, place.repository, image.index, place.tag)
    with report.step("push a note about the index: an artifact with a subject") as step:
        step.size_bytes = len(image.artifact.data) + len(image.note.data)
        for blob in (image.note, image.note_config):
            await _push_at_once(client, place.repository, blob)
        answer = await _push_manifest(
            client, place.repository, image.artifact, image.artifact.digest
        )
        _check_header(answer, "oci-subject", image.index.digest)


async def pull(client: Client, image: Image, place: Place, report: Report) -> None:
    """Pull everything by the tag and check it.

    Raises:
        DemoFailed: something is missing or differs from what was pushed.
    """
    repository = place.repository
    with report.step(f"ask for {place.tag}: HEAD, then the list of tags"):
        head = await client.ask(
            "HEAD", f"{repository}/manifests/{place.tag}", expect=(200,), headers={"Accept": ACCEPT}
        )
        _check_header(head, "docker-content-digest", image.index.digest)
        _check_header(head, "content-length", str(len(image.index.data)))
        listed = await client.ask("GET", f"{repository}/tags/list", expect=(200,))
        tags = listed.document().get("tags")
        if not isinstance(tags, list) or place.tag not in tags:
            await _find_tag(client, listed, place.tag)
    with report.step(f"pull the index by {place.tag}") as step:
        index = await _pull_manifest(client, repository, place.tag, image.index.descriptor())
        step.size_bytes = len(index)
        step.text += f": {short(digest_of(index))}"
    for item, descriptor in zip(image.platforms, _descriptors(index, "manifests"), strict=True):
        await _pull_platform(client, repository, item, descriptor, report)
    with report.step(f"pull {RANGE_BYTES} bytes from the middle of a layer") as step:
        step.size_bytes = RANGE_BYTES
        await _pull_range(client, repository, image.platforms[0].layer)
    with report.step("list what refers to the index, and pull it") as step:
        artifact = await _pull_referrer(client, image, repository)
        step.size_bytes = len(artifact) + len(image.note.data)


async def clean_up(client: Client, image: Image, place: Place, report: Report) -> None:
    """Delete everything that was pushed, where the registry lets deletes happen.

    Raises:
        DemoFailed: a delete failed, or what was deleted is still there.
    """
    repository = place.repository
    with report.step(f"delete {place.tag}") as step:
        answer = await client.ask(
            "DELETE", f"{repository}/manifests/{place.tag}", expect=(202, 405)
        )
        if answer.status == 405:
            step.text = "leave everything in place, as deletes are disabled here"
            return
    manifests = (image.artifact, image.index, *(item.manifest for item in image.platforms))
    with report.step(f"delete {len(manifests)} manifests"):
        for manifest in manifests:
            await client.ask("DELETE", f"{repository}/manifests/{manifest.digest}", expect=(202,))
    with report.step(f"delete {len(image.blobs) + 1} links to blobs"):
        for blob in image.blobs:
            await client.ask("DELETE", f"{repository}/blobs/{blob.digest}", expect=(202,))
        await client.ask("DELETE", f"{place.source}/blobs/{image.base.digest}", expect=(202,))
    with report.step("look for what was deleted: 404"):
        for reference in (place.tag, image.index.digest):
            await client.ask("GET", f"{repository}/manifests/{reference}", expect=(404,))
        await client.ask("GET", f"{repository}/blobs/{image.base.digest}", expect=(404,))


async def _begin(client: Client, repository: str) -> Answer:
    return await client.ask("POST", f"{repository}/blobs/uploads/", expect=(202,))


async def _push_in_chunks(client: Client, repository: str, blob: Content) -> int:
    """Push by PATCH, the last chunk by PUT, and return how many chunks it took."""
    answer = await _begin(client, repository)
    smallest = answer.headers.get("oci-chunk-min-length", "")
    size = max(CHUNK_BYTES, int(smallest) if smallest.isdecimal() else 0)
    url, count = answer.location(), 0
    for start in range(0, len(blob.data), size):
        chunk = blob.data[start : start + size]
        end = start + len(chunk)
        last = end == len(blob.data)
        headers = {"Content-Type": OCTET_STREAM, "Content-Range": f"{start}-{end - 1}"}
        count += 1
        if last:
            await _finish(client, url, blob, chunk, headers)
            break
        answer = await client.ask("PATCH", url, expect=(202,), body=chunk, headers=headers)
        url = answer.location()
        if start == 0:  # what a client asks that lost its connection
            status = await client.ask("GET", url, expect=(204,))
            _check_header(status, "range", f"0-{end - 1}")
            url = status.location()
    return count


async def _push_whole(client: Client, repository: str, blob: Content) -> None:
    answer = await _begin(client, repository)
    await _finish(client, answer.location(), blob, blob.data, {"Content-Type": OCTET_STREAM})


async def _push_at_once(client: Client, repository: str, blob: Content) -> None:
    answer = await client.ask(
        "POST",
        f"{repository}/blobs/uploads/",
        expect=(201, 202),
        body=blob.data,
        headers={"Content-Type": OCTET_STREAM},
        params={"digest": blob.digest},
    )
    if answer.status == 202:  # the specification lets a registry decline and ask for a PUT
        headers = {"Content-Type": OCTET_STREAM}
        await _finish(client, answer.location(), blob, blob.data, headers)
        return
    _check_pushed(answer, blob.digest)


async def _finish(
    client: Client, url: httpx2.URL, blob: Content, rest: bytes, headers: Mapping[str, str]
) -> None:
    answer = await client.ask(
        "PUT", url, expect=(201,), body=rest, headers=headers, params={"digest": blob.digest}
    )
    _check_pushed(answer, blob.digest)


async def _mount(client: Client, place: Place, blob: Content) -> bool:
    """Mount a blob from the other repository; False when it had to be pushed instead."""
    answer = await client.ask(
        "POST",
        f"{place.repository}/blobs/uploads/",
        expect=(201, 202),
        params={"mount": blob.digest, "from": place.source},
    )
    if answer.status == 201:
        _check_pushed(answer, blob.digest)
        return True
    headers = {"Content-Type": OCTET_STREAM}
    await _finish(client, answer.location(), blob, blob.data, headers)
    return False


async def _push_manifest(
    client: Client, repository: str, manifest: Content, reference: str
) -> Answer:
    answer = await client.ask(
        "PUT",
        f"{repository}/manifests/{reference}",
        expect=(201,),
        body=manifest.data,
        headers={"Content-Type": manifest.media_type},
    )
    _check_pushed(answer, manifest.digest)
    return answer


async def _pull_platform(
    client: Client,
    repository: str,
    item: PlatformImage,
    descriptor: Mapping[str, object],
    report: Report,
) -> None:
    platform = f"linux/{item.architecture}"
    with report.step(f"pull the manifest and configuration of {platform}") as step:
        reference = str(descriptor.get("digest"))
        manifest = await _pull_manifest(client, repository, reference, descriptor)
        (described,) = _descriptors(manifest, "config")
        config = await _pull_blob(client, repository, described, "the configuration")
        step.size_bytes = len(manifest) + len(config)
    with report.step(f"pull the layers of {platform}, unpack them, compare all digests") as step:
        layers = _descriptors(manifest, "layers")
        step.size_bytes = 0
        for layer, diff_id in zip(layers, _diff_ids(config), strict=True):
            data = await _pull_blob(client, repository, layer, "the layer")
            step.size_bytes += len(data)
            if digest_of(unpacked(data)) != diff_id:
                raise DemoFailed(f"the layer {layer.get('digest')} unpacks to another archive")


async def _pull_manifest(
    client: Client, repository: str, reference: str, descriptor: Mapping[str, object]
) -> bytes:
    answer = await client.ask(
        "GET", f"{repository}/manifests/{reference}", expect=(200,), headers={"Accept": ACCEPT}
    )
    media_type = str(descriptor.get("mediaType"))
    _check_header(answer, "content-type", media_type)
    _check_header(answer, "docker-content-digest", str(descriptor.get("digest")))
    return _verified(answer.body, descriptor, "the manifest")


async def _pull_blob(
    client: Client, repository: str, descriptor: Mapping[str, object], what: str
) -> bytes:
    size_bytes = cast(int, descriptor.get("size"))
    answer = await client.ask(
        "GET",
        f"{repository}/blobs/{descriptor.get('digest')}",
        expect=(200,),
        limit_bytes=size_bytes,
    )
    return _verified(answer.body, descriptor, what)


async def _pull_range(client: Client, repository: str, blob: Content) -> None:
    start = len(blob.data) // 2
    end = start + RANGE_BYTES
    answer = await client.ask(
        "GET",
        f"{repository}/blobs/{blob.digest}",
        expect=(206,),
        headers={"Range": f"bytes={start}-{end - 1}"},
    )
    if answer.body != blob.data[start:end]:
        raise DemoFailed(f"bytes {start}-{end - 1} of {blob.digest} came back as others")


async def _pull_referrer(client: Client, image: Image, repository: str) -> bytes:
    answer = await client.ask(
        "GET",
        f"{repository}/referrers/{image.index.digest}",
        expect=(200,),
        params={"artifactType": NOTE},
    )
    _check_header(answer, "content-type", OCI_INDEX)
    for found in _descriptors(answer.body, "manifests"):
        if found.get("digest") == image.artifact.digest:
            break
    else:
        raise DemoFailed(
            f"the referrers of {image.index.digest} do not name {image.artifact.digest}, "
            "which was pushed with it as its subject"
        )
    if found.get("artifactType") != NOTE:
        raise DemoFailed(f"the referrers list the artifact as {found.get('artifactType')!r}")
    manifest = await _pull_manifest(client, repository, image.artifact.digest, found)
    for note in _descriptors(manifest, "layers"):
        await _pull_blob(client, repository, note, "the note")
    return manifest


async def _find_tag(client: Client, page: Answer, tag: str) -> None:
    """Look for a tag on the pages after the first."""
    while 'rel="next"' in page.headers.get("link", ""):
        target = page.headers["link"].partition("<")[2].partition(">")[0]
        page = await client.ask("GET", page.url.join(target), expect=(200,))
        tags = page.document().get("tags")
        if isinstance(tags, list) and tag in tags:
            return
    raise DemoFailed(f"the list of tags does not name {tag}, which was just pushed")


def _descriptors(document: bytes, key: str) -> list[dict[str, object]]:
    """Return the descriptors below a key of a manifest, one for a key that holds one."""
    try:
        value = json.loads(document)[key]
    except (ValueError, LookupError, TypeError):
        value = None
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(item, dict) for item in found):
        raise DemoFailed(f"a manifest came back without {key!r}")
    return cast(list[dict[str, object]], found)


def _diff_ids(config: bytes) -> list[str]:
    return cast(list[str], json.loads(config)["rootfs"]["diff_ids"])


def _verified(data: bytes, descriptor: Mapping[str, object], what: str) -> bytes:
    digest, size_bytes = str(descriptor.get("digest")), cast(int, descriptor.get("size"))
    if len(data) != size_bytes:
        raise DemoFailed(f"{what} {digest} came back with {len(data)} bytes, it has {size_bytes}")
    found = digest_of(data)
    if found != digest:
        raise DemoFailed(
            f"{what} {digest} ({readable_size(size_bytes)}) came back as {found}: "
            "the registry, or something before it, altered it"
        )
    return data


def _check_pushed(answer: Answer, digest: str) -> None:
    if answer.headers.get("location") is None:
        raise DemoFailed(f"{answer.url} answered {answer.status} without a Location")
    _check_header(answer, "docker-content-digest", digest)


def _check_header(answer: Answer, name: str, expected: str) -> None:
    found = answer.headers.get(name)
    if found != expected:
        said = "has no" if found is None else f"{found!r} as"
        raise DemoFailed(f"{answer.url} answered {said} {name}, expected {expected!r}")
