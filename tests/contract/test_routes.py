"""Rows of every route: what answers, what does not, and with which error."""

import re

import pytest

from tests.contract.table import ABSENT, NOWHERE, Row, World, json_is, run
from tests.kit.http import Client

JSON = {"Content-Type": "application/json"}
NOT_FOUND = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": ABSENT}
LONG_NAME = "a/" * 127 + "aa"
UPPER = "sha256:" + "A" * 64

ROWS = [
    # The base
    Row(
        "root says nothing",
        "GET /",
        200,
        {"Cache-Control": "no-cache", "Content-Length": "0", "X-Content-Type-Options": ABSENT},
        body=b"",
    ),
    Row("root with HEAD", "HEAD /", 200, {"Content-Length": "0"}),
    Row("root takes no POST", "POST /", 404, NOT_FOUND),
    Row("ping", "GET /v2/", 200, {**JSON, "Content-Length": "2"}, body=b"{}"),
    Row("ping with HEAD", "HEAD /v2/", 200, {**JSON, "Content-Length": "2"}),
    Row("ping without the slash", "GET /v2", 200, JSON, body=b"{}"),
    Row("ping with a query", "GET /v2/?ns=registry.test", 200, JSON, body=b"{}"),
    Row("ping has the configured headers", "GET /v2/", 200, {"X-Content-Type-Options": "nosniff"}),
    # Extensions
    Row("extensions", "GET /v2/_oci/ext/discover", 200, JSON, body=json_is({"extensions": []})),
    Row(
        "extensions of a repository",
        "GET /v2/{repo}/_oci/ext/discover",
        200,
        JSON,
        body=json_is({"extensions": []}),
    ),
    Row(
        "extensions of no repository name",
        "GET /v2/UPPER/_oci/ext/discover",
        400,
        code="NAME_INVALID",
    ),
    # No route
    Row("no route", "GET /nothing", 404, NOT_FOUND, body=b"404 page not found\n"),
    Row("no route below v2", "GET /v2/nothing", 404, NOT_FOUND, body=b"404 page not found\n"),
    Row("no route after a name", "GET /v2/{repo}/nothing/x", 404, NOT_FOUND),
    Row("no name before tags", "GET /v2/tags/list", 404, NOT_FOUND),
    Row("no reference", "GET /v2/{repo}/manifests/", 404, NOT_FOUND),
    Row("no digest", "GET /v2/{repo}/blobs/", 404, NOT_FOUND),
    Row("an API of the past", "GET /v1/_ping", 404, NOT_FOUND),
    # Methods
    *[
        Row(
            f"{method} {name} is not allowed",
            f"{method} {target}",
            405,
            {"Allow": f"{allow}, OPTIONS"},
            code="UNSUPPORTED",
        )
        for name, target, allow, methods in [
            ("base", "/v2/", "GET, HEAD", ("POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW")),
            ("catalog", "/v2/_catalog", "GET, HEAD", ("POST", "PUT", "DELETE")),
            ("tags", "/v2/{repo}/tags/list", "GET, HEAD", ("POST", "PUT", "DELETE")),
            (
                "manifest",
                "/v2/{repo}/manifests/oci",
                "GET, HEAD, PUT, DELETE",
                ("POST", "PATCH", "BREW"),
            ),
            ("blob", "/v2/{repo}/blobs/{blob}", "GET, HEAD, DELETE", ("POST", "PUT", "PATCH")),
            ("uploads", "/v2/{repo}/blobs/uploads/", "POST", ("GET", "HEAD", "PUT", "DELETE")),
            (
                "upload",
                "/v2/{repo}/blobs/uploads/{uuid}",
                "GET, HEAD, PATCH, PUT, DELETE",
                ("POST",),
            ),
            ("referrers", "/v2/{repo}/referrers/{oci}", "GET, HEAD", ("PUT", "DELETE")),
            ("extensions", "/v2/_oci/ext/discover", "GET, HEAD", ("POST", "DELETE")),
        ]
        for method in methods
    ],
    # OPTIONS
    *[
        Row(
            f"OPTIONS of {name}",
            f"OPTIONS {target}",
            204,
            {
                "Allow": re.compile(".*GET.*|POST, OPTIONS"),
                "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
                "Access-Control-Allow-Headers": re.compile(".*Authorization.*Accept.*"),
                "Access-Control-Expose-Headers": re.compile(".*Docker-Content-Digest.*"),
                "Access-Control-Allow-Origin": ABSENT,
            },
        )
        for name, target in [
            ("base", "/v2/"),
            ("catalog", "/v2/_catalog"),
            ("tags", "/v2/{repo}/tags/list"),
            ("manifest", "/v2/{repo}/manifests/oci"),
            ("blob", "/v2/{repo}/blobs/{blob}"),
            ("uploads", "/v2/{repo}/blobs/uploads/"),
            ("upload", "/v2/{repo}/blobs/uploads/{uuid}"),
            ("referrers", "/v2/{repo}/referrers/{oci}"),
        ]
    ],
    # Names
    *[
        Row(
            f"name {name!r} is refused by {route}",
            request.replace("NAME", name),
            400,
            code="NAME_INVALID",
            detail={"name": name},
        )
        for name in ("UPPER", "a..b", "a/-b", "a___b", "a.", "registry.test:80/a")
        for route, request in [
            ("tags", "GET /v2/NAME/tags/list"),
            ("manifest", "GET /v2/NAME/manifests/latest"),
            ("blob", f"GET /v2/NAME/blobs/{NOWHERE}"),
            ("uploads", "POST /v2/NAME/blobs/uploads/"),
            ("referrers", f"GET /v2/NAME/referrers/{NOWHERE}"),
        ]
    ],
    Row(
        "a name of 256 characters is too long",
        f"GET /v2/{LONG_NAME}/tags/list",
        400,
        code="NAME_INVALID",
    ),
    Row(
        "a name of 255 characters is not",
        f"GET /v2/{LONG_NAME[1:]}/tags/list".replace("/v2//", "/v2/b"),
        404,
        code="NAME_UNKNOWN",
    ),
    Row(
        "an encoded slash makes no component",
        "GET /v2/a%2fb/../tags/list".replace("/..", ""),
        404,
        code="NAME_UNKNOWN",
    ),
    # Digests
    *[
        Row(
            f"digest {text[:20]!r} is refused by {route}",
            request.replace("DIGEST", text),
            400,
            code="DIGEST_INVALID",
        )
        for text in (
            UPPER,
            "sha256:abc",
            "md5:" + "a" * 32,
            "sha256:" + "g" * 64,
            "sha512:" + "a" * 64,
        )
        for route, request in [
            ("blob GET", "GET /v2/{repo}/blobs/DIGEST"),
            ("blob HEAD", "HEAD /v2/{repo}/blobs/DIGEST"),
            ("blob DELETE", "DELETE /v2/{repo}/blobs/DIGEST"),
            ("manifest GET", "GET /v2/{repo}/manifests/DIGEST"),
            ("manifest DELETE", "DELETE /v2/{repo}/manifests/DIGEST"),
            ("manifest PUT", "PUT /v2/{repo}/manifests/DIGEST"),
            ("referrers", "GET /v2/{repo}/referrers/DIGEST"),
            ("single POST", "POST /v2/{repo}/blobs/uploads/?digest=DIGEST"),
            ("mount", "POST /v2/{repo}/blobs/uploads/?mount=DIGEST&from={other}"),
            ("anonymous mount", "POST /v2/{repo}/blobs/uploads/?mount=DIGEST"),
            ("finish", "PUT /v2/{repo}/blobs/uploads/{uuid}?digest=DIGEST"),
        ]
    ],
    Row(
        "a blob needs a digest, not a tag",
        "GET /v2/{repo}/blobs/latest",
        400,
        code="DIGEST_INVALID",
    ),
    # Upload ids
    *[
        Row(
            f"upload id {text!r} is unknown to {method}",
            f"{method} /v2/{{repo}}/blobs/uploads/{text}?digest={NOWHERE}",
            404,
            code="BLOB_UPLOAD_UNKNOWN",
        )
        for text in ("{no_uuid}", "x", "..%2f..", "A0000000-0000-4000-8000-00000000000A")
        for method in ("GET", "HEAD", "PATCH", "PUT", "DELETE")
    ],
    Row(
        "an upload is of its repository only",
        "GET /v2/{other}/blobs/uploads/{uuid}",
        404,
        code="BLOB_UPLOAD_UNKNOWN",
    ),
    # The containerd mirror's parameter
    *[
        Row(f"?ns= changes nothing on {name}", f"{request}?ns=registry.test", 200)
        for name, request in [
            ("a manifest", "GET /v2/{repo}/manifests/oci"),
            ("a manifest's HEAD", "HEAD /v2/{repo}/manifests/oci"),
            ("a blob", "GET /v2/{repo}/blobs/{blob}"),
            ("a blob's HEAD", "HEAD /v2/{repo}/blobs/{blob}"),
            ("tags", "GET /v2/{repo}/tags/list"),
            ("referrers", "GET /v2/{repo}/referrers/{oci}"),
        ]
    ],
    # Queries
    Row("a thousand parameters", "GET /v2/?" + "a=1&" * 999 + "a=1", 200),
    Row("more than a thousand", "GET /v2/?" + "a=1&" * 1001, 414, code="UNSUPPORTED"),
]


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_row(row: Row, world: World, client: Client) -> None:
    run(row, world, client)
