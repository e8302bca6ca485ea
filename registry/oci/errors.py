"""The error codes of the registry protocol: one class, one row of code, status and message.

Anything below the API raises these; exactly one place turns them into an answer. The messages are
the ones that clients of distribution already match on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

Detail = str | int | None | Mapping[str, "Detail"] | Sequence["Detail"]
"""What may stand in an error's ``detail``: any JSON value."""


class RegistryError(Exception):
    """A request that the registry answers with an error body.

    Attributes:
        code: Identifier from the specification, such as ``BLOB_UNKNOWN``.
        status: HTTP status of the answer.
        message: The sentence in the body; for people and for clients that match on it.
        detail: JSON value in the body, or None to leave it out.
        headers: Headers that the answer needs besides the common ones.
    """

    code: ClassVar[str] = "UNKNOWN"
    status: int = 500
    message: str = "unknown error"

    def __init__(
        self,
        detail: Detail = None,
        *,
        message: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        if message is not None:
            self.message = message
        self.detail = detail
        self.headers = dict(headers or {})
        super().__init__(f"{self.code}: {self.message}: {detail!r}")

    def entries(self) -> list[dict[str, Detail]]:
        """Return the entries of the body's ``errors`` list."""
        entry: dict[str, Detail] = {"code": self.code, "message": self.message}
        if self.detail is not None:
            entry["detail"] = self.detail
        return [entry]


class Unknown(RegistryError):
    """Something failed that no request can mend."""


class StorageFull(RegistryError):
    """The store has no room for what was sent; nothing acknowledged was lost."""

    status = 507
    message = "storage full"


class Unsupported(RegistryError):
    """The operation is switched off or does not exist for this resource."""

    code = "UNSUPPORTED"
    status = 405
    message = "The operation is unsupported."


class Unauthorized(RegistryError):
    """Credentials are missing, wrong or not enough."""

    code = "UNAUTHORIZED"
    status = 401
    message = "authentication required"


class Denied(RegistryError):
    """The caller is known and may not do this."""

    code = "DENIED"
    status = 403
    message = "requested access to the resource is denied"


class Unavailable(RegistryError):
    """A store or check failed; trying again may help."""

    code = "UNAVAILABLE"
    status = 503
    message = "service unavailable"


class TooManyRequests(RegistryError):
    """The caller asks too often."""

    code = "TOOMANYREQUESTS"
    status = 429
    message = "too many requests"


class DigestInvalid(RegistryError):
    """A digest is malformed, or the content does not hash to it."""

    code = "DIGEST_INVALID"
    status = 400
    message = "provided digest did not match uploaded content"


class SizeInvalid(RegistryError):
    """A declared length disagrees with what was sent."""

    code = "SIZE_INVALID"
    status = 400
    message = "provided length did not match content length"


class RangeInvalid(RegistryError):
    """A chunk does not start where the upload stands, or a range cannot be served."""

    code = "RANGE_INVALID"
    status = 416
    message = "invalid content range"


class NameInvalid(RegistryError):
    """The repository name is outside the grammar."""

    code = "NAME_INVALID"
    status = 400
    message = "invalid repository name"


class TagInvalid(RegistryError):
    """The tag is outside the grammar."""

    code = "TAG_INVALID"
    status = 400
    message = "manifest tag did not match URI"


class NameUnknown(RegistryError):
    """No such repository."""

    code = "NAME_UNKNOWN"
    status = 404
    message = "repository name not known to registry"


class ManifestUnknown(RegistryError):
    """No such manifest in this repository."""

    code = "MANIFEST_UNKNOWN"
    status = 404
    message = "manifest unknown"


class ManifestInvalid(RegistryError):
    """The manifest breaks a rule of its format."""

    code = "MANIFEST_INVALID"
    status = 400
    message = "manifest invalid"


class ManifestTooLarge(ManifestInvalid):
    """The manifest is longer than the registry accepts."""

    status = 413
    message = "manifest too large"


class ManifestBlobUnknown(RegistryError):
    """The manifest names content that the repository does not hold."""

    code = "MANIFEST_BLOB_UNKNOWN"
    status = 400
    message = "blob unknown to registry"


class BlobUnknown(RegistryError):
    """No such blob in this repository."""

    code = "BLOB_UNKNOWN"
    status = 404
    message = "blob unknown to registry"


class BlobUploadUnknown(RegistryError):
    """No such upload: never begun, committed, cancelled or purged."""

    code = "BLOB_UPLOAD_UNKNOWN"
    status = 404
    message = "blob upload unknown to registry"


class BlobUploadInvalid(RegistryError):
    """The upload is beyond repair; the client must begin again."""

    code = "BLOB_UPLOAD_INVALID"
    status = 404
    message = "blob upload invalid"


class UploadBodyInvalid(RegistryError):
    """The body of an upload ended early, stalled or was badly framed; what came was kept."""

    code = "BLOB_UPLOAD_INVALID"
    status = 400
    message = "the request's body was not whole"


class PaginationNumberInvalid(RegistryError):
    """``n`` is not a number the registry serves."""

    code = "PAGINATION_NUMBER_INVALID"
    status = 400
    message = "invalid number of results requested"


class TooManyTags(RegistryError):
    """More ``tag`` parameters than one manifest push may carry."""

    code = "TAG_INVALID"
    status = 414
    message = "too many tags in one request"


class QueryTooLong(RegistryError):
    """The query has more parameters than any request of the API needs."""

    code = "UNSUPPORTED"
    status = 414
    message = "too many query parameters"


class ErrorList(RegistryError):
    """Several errors in one answer; the first decides the status.

    Attributes:
        errors: At least one error, in the order of the body.
    """

    def __init__(self, errors: Sequence[RegistryError]) -> None:
        first = errors[0]
        super().__init__(first.detail, message=first.message)
        self.errors = tuple(errors)
        self.status = first.status

    def entries(self) -> list[dict[str, Detail]]:
        """Return one entry per error."""
        return [entry for error in self.errors for entry in error.entries()]
