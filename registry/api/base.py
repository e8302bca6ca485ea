"""What belongs to no repository: the ping of every client, and the list of extensions."""

from __future__ import annotations

from registry.api.call import Answer, Call, json_answer


class BaseApi:
    """``/v2/``: says that this is a registry and that the credentials are good."""

    async def get(self, call: Call) -> Answer:
        """Answer the ping of every client."""
        return json_answer(200, b"{}")


class ExtensionsApi:
    """``/v2/_oci/ext/discover`` and ``/v2/<name>/_oci/ext/discover``.

    Lists what this registry serves beyond the specification: nothing yet.
    """

    async def get(self, call: Call) -> Answer:
        """List the extensions."""
        if call.match.name:
            _ = call.repository  # a name outside the grammar is an error here too
        return json_answer(200, {"extensions": []})
