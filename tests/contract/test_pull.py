"""Rows of pulls: blobs with ranges and conditions, manifests with every kind of Accept."""

import re
from typing import Any

import httpx2
import pytest

from tests.contract.table import ABSENT, Check, Row, World, run
from tests.kit import content
from tests.kit.http import Client

BLOB = "/v2/{repo}/blobs/{blob}"
BLOB_HEADERS = {
    "Content-Type": "application/octet-stream",
    "Content-Length": "2048",
    "Docker-Content-Digest": "{blob}",
    "Etag": '"{blob}"',
    "Cache-Control": "max-age=31536000",
    "Accept-Ranges": "bytes",
    "Content-Range": ABSENT,
    "Content-Encoding": ABSENT,
}
MANIFEST = "/v2/{repo}/manifests/"


def part(first: int, last: int) -> Check:
    """Return a check that the body is these bytes of the blob, both ends included."""

    def holds(world: World, response: httpx2.Response) -> bool:
        return response.content == world.content["blob"][first : last + 1]

    return holds


def ranged(name: str, header: str, first: int, last: int, **more: Any) -> Row:
    """Return the row of one range that is served."""
    return Row(
        f"range {name}",
        f"GET {BLOB}",
        206,
        {
            **BLOB_HEADERS,
            "Content-Range": f"bytes {first}-{last}/2048",
            "Content-Length": str(last - first + 1),
        },
        headers={"Range": header, **more.pop("headers", {})},
        body=part(first, last),
    )


def multipart(*ranges: tuple[int, int]) -> Check:
    """Return a check that the body holds these parts of the blob, by RFC 9110 section 14.6."""

    def holds(world: World, response: httpx2.Response) -> bool:
        match = re.fullmatch(
            r"multipart/byteranges; boundary=([0-9a-f]+)", response.headers["content-type"]
        )
        assert match is not None
        boundary = match[1].encode()
        expected = b""
        for first, last in ranges:
            expected += (
                b"\r\n--%s\r\nContent-Type: application/octet-stream\r\n"
                b"Content-Range: bytes %d-%d/2048\r\n\r\n" % (boundary, first, last)
            ) + world.content["blob"][first : last + 1]
        return response.content == expected + b"\r\n--%s--\r\n" % boundary

    return holds


BLOB_ROWS = [
    Row("blob", f"GET {BLOB}", 200, BLOB_HEADERS, body="{blob}"),
    Row("blob by HEAD", f"HEAD {BLOB}", 200, BLOB_HEADERS),
    Row(
        "blob by sha512",
        "GET /v2/{repo}/blobs/{blob512}",
        200,
        {**BLOB_HEADERS, "Docker-Content-Digest": "{blob512}", "Etag": '"{blob512}"'},
        body="{blob}",
    ),
    Row(
        "empty blob",
        "GET /v2/{repo}/blobs/{empty}",
        200,
        {"Content-Length": "0", "Docker-Content-Digest": "{empty}"},
        body=b"",
    ),
    Row("empty blob by HEAD", "HEAD /v2/{repo}/blobs/{empty}", 200, {"Content-Length": "0"}),
    Row(
        "a range of the empty blob is the whole",
        "GET /v2/{repo}/blobs/{empty}",
        200,
        {"Content-Length": "0"},
        headers={"Range": "bytes=0-"},
        body=b"",
    ),
    Row(
        "blob that nobody holds",
        "GET /v2/{repo}/blobs/{nowhere}",
        404,
        code="BLOB_UNKNOWN",
        detail="{nowhere}",
    ),
    Row(
        "blob that nobody holds by HEAD",
        "HEAD /v2/{repo}/blobs/{nowhere}",
        404,
        code="BLOB_UNKNOWN",
    ),
    Row(
        "blob of another repository",
        "GET /v2/{repo}/blobs/{elsewhere}",
        404,
        code="BLOB_UNKNOWN",
        detail="{elsewhere}",
    ),
    Row(
        "blob of a repository that is not",
        "GET /v2/{absent}/blobs/{blob}",
        404,
        code="BLOB_UNKNOWN",
        detail="{blob}",
    ),
    Row(
        "blob by a sha512 that was never pushed",
        "GET /v2/{repo}/blobs/sha512:" + "0" * 128,
        404,
        code="BLOB_UNKNOWN",
    ),
    Row(
        "nothing is compressed",
        f"GET {BLOB}",
        200,
        BLOB_HEADERS,
        headers={"Accept-Encoding": "gzip"},
        body="{blob}",
    ),
    # Ranges
    ranged("from a to b", "bytes=500-1499", 500, 1499),
    ranged("from a", "bytes=500-", 500, 2047),
    ranged("of the last bytes", "bytes=-500", 1548, 2047),
    ranged("of more last bytes than there are", "bytes=-5000", 0, 2047),
    ranged("of one byte", "bytes=0-0", 0, 0),
    ranged("of the last byte", "bytes=2047-2047", 2047, 2047),
    ranged("whose end is cut", "bytes=2000-5000", 2000, 2047),
    ranged("that is everything", "bytes=0-2047", 0, 2047),
    ranged("with the unit in capitals", "Bytes=1-2", 1, 2),
    ranged("of which another has no byte", "bytes=9000-9001,1-2", 1, 2),
    ranged("with an empty element", "bytes=1-2,", 1, 2),
    *[
        Row(
            f"range {header} cannot be served",
            f"GET {BLOB}",
            416,
            {"Content-Range": "bytes */2048", "Accept-Ranges": "bytes"},
            headers={"Range": header},
            code="RANGE_INVALID",
            detail={"range": header, "size": 2048},
        )
        for header in (
            "bytes=2048-",
            "bytes=5000-10000",
            "bytes=500-0",
            "bytes=-0",
            "bytes=a-b",
            "bytes=-",
            "bytes=1",
            "bytes 0-1",
            "bytes=" + "9" * 40 + "-",
        )
    ],
    Row(
        "a range of another unit is ignored",
        f"GET {BLOB}",
        200,
        {"Content-Range": ABSENT, "Content-Length": "2048"},
        headers={"Range": "octets=0-1"},
        body="{blob}",
    ),
    Row(
        "several ranges",
        f"GET {BLOB}",
        206,
        {"Content-Range": ABSENT, "Docker-Content-Digest": "{blob}", "Etag": '"{blob}"'},
        headers={"Range": "bytes=0-9, 100-199,-8"},
        body=multipart((0, 9), (100, 199), (2040, 2047)),
    ),
    Row(
        "several ranges longer than the whole",
        f"GET {BLOB}",
        200,
        BLOB_HEADERS,
        headers={"Range": "bytes=0-,0-,0-"},
        body="{blob}",
    ),
    Row(
        "more ranges than are served",
        f"GET {BLOB}",
        200,
        BLOB_HEADERS,
        headers={"Range": "bytes=" + ",".join(["0-0"] * 129)},
        body="{blob}",
    ),
    Row("HEAD knows no range", f"HEAD {BLOB}", 200, BLOB_HEADERS, headers={"Range": "bytes=0-9"}),
    ranged("with If-Range of this blob", "bytes=0-9", 0, 9, headers={"If-Range": '"{blob}"'}),
    *[
        Row(
            f"If-Range of {name} gives the whole",
            f"GET {BLOB}",
            200,
            BLOB_HEADERS,
            headers={"Range": "bytes=0-9", "If-Range": value},
            body="{blob}",
        )
        for name, value in [
            ("another blob", '"{empty}"'),
            ("a date", "Tue, 18 Aug 2026 00:00:00 GMT"),
            ("a weak tag", 'W/"{blob}"'),
        ]
    ],
    # Conditions
    *[
        Row(
            f"If-None-Match {name} is 304 to {method}",
            f"{method} {BLOB}",
            304,
            {
                "Etag": '"{blob}"',
                "Docker-Content-Digest": "{blob}",
                "Cache-Control": "max-age=31536000",
            },
            headers={"If-None-Match": value},
        )
        for method in ("GET", "HEAD")
        for name, value in [
            ("quoted", '"{blob}"'),
            ("bare", "{blob}"),
            ("weak", 'W/"{blob}"'),
            ("in a list", '"x", "{blob}"'),
            ("any", "*"),
        ]
    ],
    Row(
        "If-None-Match of another is 200",
        f"GET {BLOB}",
        200,
        BLOB_HEADERS,
        headers={"If-None-Match": '"{empty}"'},
        body="{blob}",
    ),
    Row(
        "If-None-Match comes before Range",
        f"GET {BLOB}",
        304,
        headers={"If-None-Match": '"{blob}"', "Range": "bytes=0-9"},
    ),
    Row(
        "If-None-Match of a blob that is not is 404",
        "GET /v2/{repo}/blobs/{nowhere}",
        404,
        headers={"If-None-Match": '"{nowhere}"'},
        code="BLOB_UNKNOWN",
    ),
]


def manifest(key: str, media_type: str) -> dict[str, str | re.Pattern[str] | None]:
    """Return the headers of a manifest of the world."""
    return {
        "Content-Type": media_type,
        "Docker-Content-Digest": f"{{{key}}}",
        "Etag": f'"{{{key}}}"',
        "Content-Encoding": ABSENT,
    }


TYPES = {
    "oci": content.OCI_MANIFEST,
    "docker": content.DOCKER_MANIFEST,
    "list": content.DOCKER_LIST,
    "index": content.OCI_INDEX,
    "untyped": content.OCI_MANIFEST,
}

MANIFEST_ROWS = [
    *[
        Row(
            f"{key} manifest by {how} and {method}",
            f"{method} {MANIFEST}{reference}",
            200,
            manifest(key, media_type),
            body=f"{{{key}}}" if method == "GET" else None,
        )
        for key, media_type in TYPES.items()
        for how, reference in (("tag", key), ("digest", f"{{{key}}}"))
        for method in ("GET", "HEAD")
    ],
    *[
        Row(
            f"{key} manifest for Accept {accept}",
            f"GET {MANIFEST}{key}",
            200,
            manifest(key, media_type),
            headers={"Accept": accept},
            body=f"{{{key}}}",
        )
        for key, media_type in TYPES.items()
        for accept in (
            "*/*",
            "application/*",
            "text/html",
            content.OCI_INDEX,
            f"{content.DOCKER_MANIFEST}, {content.DOCKER_LIST};q=0.5",
            f"{content.DOCKER_MANIFEST}, */*;q=0.1",
        )
    ],
    *[
        Row(
            f"old client gets the amd64 image of a list: {name}",
            f"{method} {MANIFEST}list",
            200,
            manifest("docker", content.DOCKER_MANIFEST),
            headers={"Accept": accept},
            body="{docker}" if method == "GET" else None,
        )
        for method in ("GET", "HEAD")
        for name, accept in [
            ("schema 2 only", content.DOCKER_MANIFEST),
            ("list of no quality", f"{content.DOCKER_MANIFEST}, {content.DOCKER_LIST};q=0"),
        ]
    ],
    Row(
        "old client gets the list by digest",
        f"GET {MANIFEST}{{list}}",
        200,
        manifest("list", content.DOCKER_LIST),
        headers={"Accept": content.DOCKER_MANIFEST},
        body="{list}",
    ),
    Row(
        "old client gets an OCI index whole",
        f"GET {MANIFEST}index",
        200,
        manifest("index", content.OCI_INDEX),
        headers={"Accept": content.DOCKER_MANIFEST},
        body="{index}",
    ),
    *[
        Row(
            f"manifest If-None-Match {name} is 304 to {method}",
            f"{method} {MANIFEST}oci",
            304,
            {"Etag": '"{oci}"', "Docker-Content-Digest": "{oci}"},
            headers={"If-None-Match": value},
        )
        for method in ("GET", "HEAD")
        for name, value in [("quoted", '"{oci}"'), ("bare", "{oci}"), ("any", "*")]
    ],
    Row(
        "manifest If-None-Match of what the tag was",
        f"GET {MANIFEST}oci",
        200,
        headers={"If-None-Match": '"{docker}"'},
        body="{oci}",
    ),
    Row(
        "unknown tag",
        f"GET {MANIFEST}none",
        404,
        code="MANIFEST_UNKNOWN",
        detail={"Tag": "none"},
    ),
    Row(
        "unknown digest",
        f"GET {MANIFEST}{{nowhere}}",
        404,
        code="MANIFEST_UNKNOWN",
        detail={"Name": "{repo}", "Revision": "{nowhere}"},
    ),
    Row("unknown manifest by HEAD", f"HEAD {MANIFEST}none", 404, code="MANIFEST_UNKNOWN"),
    Row("what is no tag is unknown", f"GET {MANIFEST}.INVALID", 404, code="MANIFEST_UNKNOWN"),
    Row(
        "tag of 129 characters is unknown",
        f"GET {MANIFEST}" + "a" * 129,
        404,
        code="MANIFEST_UNKNOWN",
    ),
    Row(
        "manifest of another repository",
        "GET /v2/{other}/manifests/{oci}",
        404,
        code="MANIFEST_UNKNOWN",
    ),
    Row(
        "manifest of a repository that is not",
        "GET /v2/{absent}/manifests/latest",
        404,
        code="MANIFEST_UNKNOWN",
    ),
    Row("a manifest is no blob", "GET /v2/{repo}/blobs/{oci}", 404, code="BLOB_UNKNOWN"),
    Row("a blob is no manifest", f"GET {MANIFEST}{{blob}}", 404, code="MANIFEST_UNKNOWN"),
]

ROWS = BLOB_ROWS + MANIFEST_ROWS


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_row(row: Row, world: World, client: Client) -> None:
    run(row, world, client)
