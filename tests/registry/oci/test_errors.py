"""The table of error codes, and the bodies errors become."""

import json

import pytest

from registry.oci import errors

# Code and status, as clients know them.
TABLE = {
    errors.Unknown: ("UNKNOWN", 500),
    errors.StorageFull: ("UNKNOWN", 507),
    errors.Unsupported: ("UNSUPPORTED", 405),
    errors.Unauthorized: ("UNAUTHORIZED", 401),
    errors.Denied: ("DENIED", 403),
    errors.Unavailable: ("UNAVAILABLE", 503),
    errors.TooManyRequests: ("TOOMANYREQUESTS", 429),
    errors.DigestInvalid: ("DIGEST_INVALID", 400),
    errors.SizeInvalid: ("SIZE_INVALID", 400),
    errors.RangeInvalid: ("RANGE_INVALID", 416),
    errors.NameInvalid: ("NAME_INVALID", 400),
    errors.TagInvalid: ("TAG_INVALID", 400),
    errors.NameUnknown: ("NAME_UNKNOWN", 404),
    errors.ManifestUnknown: ("MANIFEST_UNKNOWN", 404),
    errors.ManifestInvalid: ("MANIFEST_INVALID", 400),
    errors.ManifestTooLarge: ("MANIFEST_INVALID", 413),
    errors.ManifestBlobUnknown: ("MANIFEST_BLOB_UNKNOWN", 400),
    errors.BlobUnknown: ("BLOB_UNKNOWN", 404),
    errors.BlobUploadUnknown: ("BLOB_UPLOAD_UNKNOWN", 404),
    errors.BlobUploadInvalid: ("BLOB_UPLOAD_INVALID", 404),
    errors.UploadBodyInvalid: ("BLOB_UPLOAD_INVALID", 400),
    errors.PaginationNumberInvalid: ("PAGINATION_NUMBER_INVALID", 400),
    errors.TooManyTags: ("TAG_INVALID", 414),
    errors.QueryTooLong: ("UNSUPPORTED", 414),
}


# What clients of distribution match on.
MESSAGES = {
    errors.Unknown: "unknown error",
    errors.Unsupported: "The operation is unsupported.",
    errors.Unauthorized: "authentication required",
    errors.Denied: "requested access to the resource is denied",
    errors.Unavailable: "service unavailable",
    errors.TooManyRequests: "too many requests",
    errors.DigestInvalid: "provided digest did not match uploaded content",
    errors.SizeInvalid: "provided length did not match content length",
    errors.RangeInvalid: "invalid content range",
    errors.NameInvalid: "invalid repository name",
    errors.TagInvalid: "manifest tag did not match URI",
    errors.NameUnknown: "repository name not known to registry",
    errors.ManifestUnknown: "manifest unknown",
    errors.ManifestInvalid: "manifest invalid",
    errors.ManifestBlobUnknown: "blob unknown to registry",
    errors.BlobUnknown: "blob unknown to registry",
    errors.BlobUploadUnknown: "blob upload unknown to registry",
    errors.BlobUploadInvalid: "blob upload invalid",
    errors.PaginationNumberInvalid: "invalid number of results requested",
}


def subclasses(of: type[errors.RegistryError]) -> set[type[errors.RegistryError]]:
    found = {item for item in of.__subclasses__() if item.__module__ == errors.__name__}
    return found.union(*(subclasses(item) for item in found))


def test_every_error_has_a_row() -> None:
    assert subclasses(errors.RegistryError) - {errors.ErrorList} == set(TABLE)


@pytest.mark.parametrize("kind", TABLE, ids=lambda kind: kind.__name__)
def test_code_and_status(kind: type[errors.RegistryError]) -> None:
    error = kind()
    assert (error.code, error.status) == TABLE[kind]
    assert error.entries() == [{"code": error.code, "message": error.message}]
    assert error.message


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_message(kind: type[errors.RegistryError]) -> None:
    assert kind().message == MESSAGES[kind]


@pytest.mark.parametrize("detail", ["text", "", 0, {"name": "x"}, [{"Type": "repository"}]])
def test_a_detail_stands_in_the_entry(detail: errors.Detail) -> None:
    entry = errors.NameUnknown(detail).entries()[0]
    assert json.loads(json.dumps(entry))["detail"] == detail


def test_message_and_headers_may_be_given() -> None:
    error = errors.Unavailable(message="not now", headers={"Retry-After": "30"})
    assert error.entries() == [{"code": "UNAVAILABLE", "message": "not now"}]
    assert error.headers == {"Retry-After": "30"}
    assert errors.Unavailable.message == "service unavailable"


def test_a_list_has_the_status_of_its_first_and_an_entry_for_each() -> None:
    both = errors.ErrorList([errors.BlobUnknown("a"), errors.ManifestInvalid("b")])
    assert both.status == 404
    assert [entry["code"] for entry in both.entries()] == ["BLOB_UNKNOWN", "MANIFEST_INVALID"]
    assert [entry["detail"] for entry in both.entries()] == ["a", "b"]
