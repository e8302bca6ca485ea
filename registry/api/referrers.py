"""The manifests about a manifest, in pages."""

from __future__ import annotations

from registry.api.call import Answer, Call, json_answer
from registry.oci import media_types
from registry.oci.names import parse_digest
from registry.oci.pagination import next_link, parse_page
from registry.oci.referrers import cut_page
from registry.services.referrers import ReferrerService

MAX_ENTRIES = 10_000  # in one page, whatever n says; 4 MiB usually end a page before


class ReferrersApi:
    """``/v2/<name>/referrers/<digest>``."""

    def __init__(self, referrers: ReferrerService) -> None:
        self._referrers = referrers

    async def get(self, call: Call) -> Answer:
        """List the manifests about a subject, in pages of at most 4 MiB."""
        subject = parse_digest(call.match.last)
        artifact_type = call.parameter("artifactType") or None
        page = parse_page(
            call.parameter("n"),
            call.parameter("last"),
            maximum=MAX_ENTRIES,
            default=None,
            above="clamp",
        )
        found = await self._referrers.find(
            call.repository, subject, artifact_type=artifact_type, after=page.after
        )
        body, last = cut_page(found, page.limit)
        headers = []
        filters = {}
        if artifact_type is not None:
            headers.append(("OCI-Filters-Applied", "artifactType"))
            filters["artifactType"] = artifact_type
        if last is not None:
            limit = page.limit or MAX_ENTRIES
            headers.append(("Link", next_link(call.path, last, limit, **filters)))
        return json_answer(200, body, headers, media_types.OCI_INDEX)
