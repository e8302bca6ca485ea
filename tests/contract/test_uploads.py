"""Every form of pushing a blob, and what a client may rely on when a push goes wrong."""

import re
import uuid

import httpx2
import pytest

from tests.kit import content
from tests.kit.http import Client, Wire, absolute, codes, wait_range, with_query
from tests.kit.servers import Server

ALGORITHMS = ("sha256", "sha512")
DATA = content.blob("uploads", 3000)


def check_created(
    client: Client, response: httpx2.Response, name: str, data: bytes, algorithm: str = "sha256"
) -> None:
    """Hold the 201 of a blob against the contract, and fetch the blob from its Location."""
    wanted = content.digest(data, algorithm)
    assert response.status_code == 201, response.text
    assert response.headers["docker-content-digest"] == wanted
    assert response.headers["content-length"] == "0"
    assert absolute(response) == f"{client.base_url}/v2/{name}/blobs/{wanted}"
    assert client.get(absolute(response)).content == data


def check_standing(response: httpx2.Response, status: int, shown: str) -> None:
    """Hold any answer that says where an upload stands against the contract."""
    assert response.status_code == status, response.text
    upload_id = response.headers["docker-upload-uuid"]
    assert re.search(rf"/blobs/uploads/{upload_id}\?_state=[\w=-]+$", response.headers["location"])
    assert response.headers["range"] == shown


def chunk(first: int, last: int) -> dict[str, str]:
    """Return the Content-Range of a chunk, both ends included, as the specification has it."""
    return {"Content-Range": f"{first}-{last}"}


# Beginning


def test_post_begins_an_upload(client: Client, repo: str) -> None:
    response = client.post(f"/v2/{repo}/blobs/uploads/")
    check_standing(response, 202, "0-0")
    assert response.headers["content-length"] == "0"
    assert "docker-content-digest" not in response.headers


def test_upload_ids_are_random_uuids(client: Client, repo: str) -> None:
    found = {client.begin(repo).headers["docker-upload-uuid"] for _ in range(5)}
    assert len(found) == 5
    assert {uuid.UUID(item).version for item in found} == {4}


def test_post_with_a_json_content_type_begins_an_upload(client: Client, repo: str) -> None:
    headers = {"Content-Type": "application/json"}
    response = client.post(f"/v2/{repo}/blobs/uploads/", headers=headers)
    check_standing(response, 202, "0-0")


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_post_takes_a_known_digest_algorithm(client: Client, repo: str, algorithm: str) -> None:
    response = client.post(f"/v2/{repo}/blobs/uploads/?digest-algorithm={algorithm}")
    check_standing(response, 202, "0-0")


def test_post_refuses_an_unknown_digest_algorithm(client: Client, repo: str) -> None:
    response = client.post(f"/v2/{repo}/blobs/uploads/?digest-algorithm=md5")
    assert (response.status_code, codes(response)) == (400, ["DIGEST_INVALID"])
    assert "md5" in response.json()["errors"][0]["detail"]


# In one piece, by every way


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("data", [DATA, b""], ids=["bytes", "empty"])
class TestInOnePiece:
    def test_single_post(self, client: Client, repo: str, data: bytes, algorithm: str) -> None:
        query = {"digest": content.digest(data, algorithm)}
        response = client.post(f"/v2/{repo}/blobs/uploads/", params=query, content=data)
        check_created(client, response, repo, data, algorithm)

    def test_single_post_in_chunked_framing(
        self, client: Client, repo: str, data: bytes, algorithm: str
    ) -> None:
        query = {"digest": content.digest(data, algorithm)}
        body = content.pieces(data, 1000)
        response = client.post(f"/v2/{repo}/blobs/uploads/", params=query, content=body)
        check_created(client, response, repo, data, algorithm)

    def test_post_then_put(self, client: Client, repo: str, data: bytes, algorithm: str) -> None:
        location = absolute(client.begin(repo))
        url = with_query(location, digest=content.digest(data, algorithm))
        check_created(client, client.put(url, content=data), repo, data, algorithm)

    def test_post_then_put_in_chunked_framing(
        self, client: Client, repo: str, data: bytes, algorithm: str
    ) -> None:
        location = absolute(client.begin(repo))
        url = with_query(location, digest=content.digest(data, algorithm))
        response = client.put(url, content=content.pieces(data, 700))
        check_created(client, response, repo, data, algorithm)

    def test_streamed_patch_then_put(
        self, client: Client, repo: str, data: bytes, algorithm: str
    ) -> None:
        location = absolute(client.begin(repo))
        patched = client.patch(location, content=content.pieces(data, 999))
        check_standing(patched, 202, f"0-{max(len(data) - 1, 0)}")
        url = with_query(absolute(patched), digest=content.digest(data, algorithm))
        check_created(client, client.put(url), repo, data, algorithm)


def test_put_takes_a_content_range_of_the_whole(client: Client, repo: str) -> None:
    url = with_query(absolute(client.begin(repo)), digest=content.digest(DATA))
    response = client.put(url, content=DATA, headers=chunk(0, len(DATA) - 1))
    check_created(client, response, repo, DATA)


def test_pushing_what_is_there_already_is_created_again(client: Client, repo: str) -> None:
    client.push_blob(repo, DATA)
    response = client.finish(absolute(client.begin(repo)), DATA, DATA)
    check_created(client, response, repo, DATA)


# In chunks


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("prefix", ["", "bytes ", "bytes="])
def test_chunks_with_content_range(client: Client, repo: str, algorithm: str, prefix: str) -> None:
    location = absolute(client.begin(repo))
    for first in range(0, 3000, 1000):
        headers = {"Content-Range": f"{prefix}{first}-{first + 999}"}
        patched = client.patch(location, content=DATA[first : first + 1000], headers=headers)
        check_standing(patched, 202, f"0-{first + 999}")
        assert patched.headers["content-length"] == "0"
        location = absolute(patched)
    done = client.put(with_query(location, digest=content.digest(DATA, algorithm)))
    check_created(client, done, repo, DATA, algorithm)


def test_chunks_without_content_range_are_appended(client: Client, repo: str) -> None:
    location = absolute(client.begin(repo))
    for first in range(0, 3000, 1000):
        location = absolute(client.patch(location, content=DATA[first : first + 1000]))
    check_created(client, client.finish(location, DATA), repo, DATA)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("headers", [{}, chunk(2000, 2999)], ids=["plain", "with-range"])
def test_last_chunk_in_the_put(
    client: Client, repo: str, algorithm: str, headers: dict[str, str]
) -> None:
    location = absolute(client.begin(repo))
    patched = client.patch(location, content=DATA[:2000], headers=chunk(0, 1999))
    url = with_query(absolute(patched), digest=content.digest(DATA, algorithm))
    response = client.put(url, content=DATA[2000:], headers=headers)
    check_created(client, response, repo, DATA, algorithm)


def test_old_locations_of_an_upload_stay_good(client: Client, repo: str) -> None:
    location = absolute(client.begin(repo))
    client.patch(location, content=DATA[:1000])
    client.patch(location, content=DATA[1000:])
    check_standing(client.get(location), 204, "0-2999")
    check_created(client, client.finish(location, DATA), repo, DATA)


def test_an_upload_needs_no_state(client: Client, repo: str) -> None:
    location = absolute(client.begin(repo)).partition("?")[0]
    client.patch(location, content=DATA)
    check_created(client, client.finish(location, DATA), repo, DATA)


# Out of order: 416, and the session survives

OUT_OF_ORDER = {
    "gap": (chunk(1001, 2000), DATA[1001:2001]),
    "overlap": (chunk(999, 1999), DATA[999:2000]),
    "from the start again": (chunk(0, 999), DATA[:1000]),
    "unreadable": ({"Content-Range": "1000"}, DATA[1000:]),
    "backwards": (chunk(1500, 1000), DATA[1000:]),
}


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("case", OUT_OF_ORDER)
class TestOutOfOrder:
    def refused(self, client: Client, repo: str, method: str, case: str) -> httpx2.Response:
        location = absolute(client.begin(repo))
        location = absolute(client.patch(location, content=DATA[:1000]))
        if method == "PUT":
            location = with_query(location, digest=content.digest(DATA))
        headers, body = OUT_OF_ORDER[case]
        return client.request(method, location, content=body, headers=headers)

    def test_is_range_invalid(self, client: Client, repo: str, method: str, case: str) -> None:
        response = self.refused(client, repo, method, case)
        assert (response.status_code, codes(response)) == (416, ["RANGE_INVALID"])

    def test_tells_where_to_go_on(self, client: Client, repo: str, method: str, case: str) -> None:
        check_standing(self.refused(client, repo, method, case), 416, "0-999")

    def test_can_be_gone_on_with(self, client: Client, repo: str, method: str, case: str) -> None:
        location = absolute(self.refused(client, repo, method, case))
        check_standing(client.get(location), 204, "0-999")
        patched = client.patch(location, content=DATA[1000:], headers=chunk(1000, 2999))
        check_standing(patched, 202, "0-2999")
        check_created(client, client.finish(absolute(patched), DATA), repo, DATA)


def test_first_chunk_out_of_order_is_refused_and_keeps_the_upload_empty(
    client: Client, repo: str
) -> None:
    location = absolute(client.begin(repo))
    refused = client.patch(location, content=DATA[1000:], headers=chunk(1000, 2999))
    check_standing(refused, 416, "0-0")
    check_created(client, client.finish(location, DATA, DATA), repo, DATA)


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
def test_content_range_of_another_length_than_the_body(
    client: Client, repo: str, method: str
) -> None:
    location = absolute(client.begin(repo))
    url = with_query(location, digest=content.digest(DATA))
    response = client.request(method, url, content=DATA, headers=chunk(0, 999))
    assert (response.status_code, codes(response)) == (400, ["SIZE_INVALID"])
    check_standing(client.get(location), 204, "0-0")


def test_content_range_of_another_length_than_a_chunked_body(client: Client, repo: str) -> None:
    location = absolute(client.begin(repo))
    body = content.pieces(DATA, 500)
    response = client.patch(location, content=body, headers=chunk(0, 999))
    assert (response.status_code, codes(response)) == (400, ["SIZE_INVALID"])
    check_standing(client.get(location), 204, "0-0")


# Status and cancel


def test_status_shows_what_was_taken(client: Client, repo: str) -> None:
    patched = client.patch(absolute(client.begin(repo)), content=DATA)
    check_standing(client.get(absolute(patched)), 204, "0-2999")


def test_status_of_one_byte_reads_as_that_of_none(client: Client, repo: str) -> None:
    patched = client.patch(absolute(client.begin(repo)), content=b"x")
    check_standing(client.get(absolute(patched)), 204, "0-0")


def test_status_by_head(client: Client, repo: str) -> None:
    location = absolute(client.begin(repo))
    check_standing(client.head(location), 204, "0-0")


def test_cancel_ends_the_upload(client: Client, repo: str) -> None:
    begun = client.begin(repo)
    response = client.delete(absolute(begun))
    assert response.status_code == 204
    assert response.headers["docker-upload-uuid"] == begun.headers["docker-upload-uuid"]
    after = client.get(absolute(begun))
    assert (after.status_code, codes(after)) == (404, ["BLOB_UPLOAD_UNKNOWN"])


@pytest.mark.parametrize("method", ["GET", "PATCH", "PUT", "DELETE"])
def test_a_finished_upload_is_unknown(client: Client, repo: str, method: str) -> None:
    location = absolute(client.begin(repo))
    client.finish(location, DATA, DATA)
    url = with_query(location, digest=content.digest(DATA))
    response = client.request(method, url)
    assert (response.status_code, codes(response)) == (404, ["BLOB_UPLOAD_UNKNOWN"])


# Digests that do not fit


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("form", ["single POST", "POST and PUT", "PATCH and PUT"])
def test_content_of_another_digest_is_refused_and_not_kept(
    client: Client, repo: str, form: str, algorithm: str
) -> None:
    wrong = content.digest(b"something else", algorithm)
    if form == "single POST":
        url = f"/v2/{repo}/blobs/uploads/?digest={wrong}"
        response = client.post(url, content=DATA)
    else:
        location, body = absolute(client.begin(repo)), DATA
        if form == "PATCH and PUT":
            location, body = absolute(client.patch(location, content=DATA)), b""
        response = client.put(with_query(location, digest=wrong), content=body)
    assert (response.status_code, codes(response)) == (400, ["DIGEST_INVALID"])
    assert client.head(f"/v2/{repo}/blobs/{wrong}").status_code == 404
    assert client.head(f"/v2/{repo}/blobs/{content.digest(DATA)}").status_code == 404


@pytest.mark.parametrize("query", [{}, {"digest": ""}, {"digest": "sha256:short"}])
def test_put_without_a_readable_digest_keeps_the_upload(
    client: Client, repo: str, query: dict[str, str]
) -> None:
    patched = client.patch(absolute(client.begin(repo)), content=DATA)
    response = client.put(with_query(absolute(patched), **query))
    assert (response.status_code, codes(response)) == (400, ["DIGEST_INVALID"])
    check_created(client, client.finish(absolute(patched), DATA), repo, DATA)


# Broken bodies and second writers


def patch_head(location: str, length: int, more: str = "Accept: */*") -> bytes:
    path = location[location.index("/v2/") :]
    head = f"PATCH {path} HTTP/1.1\r\nHost: x\r\n{more}\r\nContent-Length: {length}\r\n\r\n"
    return head.encode()


@pytest.mark.parametrize("declared", [True, False], ids=["content-length", "chunked"])
def test_a_broken_body_is_kept_and_gone_on_with(
    registry: Server, client: Client, repo: str, declared: bool
) -> None:
    location = absolute(client.begin(repo))
    with Wire(registry.port) as wire:
        if declared:
            wire.send(patch_head(location, 3000) + DATA[:1200])
        else:
            head = patch_head(location, 0).replace(
                b"Content-Length: 0", b"Transfer-Encoding: chunked"
            )
            wire.send(head + b"4b0\r\n" + DATA[:1200] + b"\r\n")
        wire.half_close()
        wire.at_end()
    check_standing(wait_range(client, location, "0-1199"), 204, "0-1199")
    patched = client.patch(location, content=DATA[1200:], headers=chunk(1200, 2999))
    check_created(client, client.finish(absolute(patched), DATA), repo, DATA)


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
def test_a_second_writer_is_told_where_the_upload_stands(
    registry: Server, client: Client, repo: str, method: str
) -> None:
    location = absolute(client.patch(absolute(client.begin(repo)), content=DATA[:500]))
    with Wire(registry.port) as first:
        first.send(patch_head(location, 2500, "Expect: 100-continue"))
        assert first.reply().status == 100  # it has the upload
        url = with_query(location, digest=content.digest(DATA))
        second = client.request(method, url, content=b"" if method == "DELETE" else DATA[500:])
        check_standing(second, 416, "0-499")
        first.send(DATA[500:])
        assert first.reply().status == 202
    check_created(client, client.finish(location, DATA), repo, DATA)
