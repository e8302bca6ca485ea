"""The grammar of repository names, tags and upload ids."""

from __future__ import annotations

import re
from typing import NewType
from uuid import UUID

from registry.digest import Digest, InvalidDigest
from registry.oci import errors

RepositoryName = NewType("RepositoryName", str)
Tag = NewType("Tag", str)
UploadId = NewType("UploadId", str)

NAME_MAX_CHARACTERS = 255  # distribution's limit; many clients cap host and name at this too

# OCI distribution spec, "Pulling manifests":
# <name> MUST match [a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
# The same section, of a <reference> that is a tag.
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")


def parse_repository(text: str) -> RepositoryName:
    """Return `text` as a repository name.

    Raises:
        errors.NameInvalid: it is outside the grammar or longer than 255 characters.
    """
    if len(text) > NAME_MAX_CHARACTERS or not _NAME.fullmatch(text):
        raise errors.NameInvalid({"name": text[:NAME_MAX_CHARACTERS]})
    return RepositoryName(text)


def is_tag(text: str) -> bool:
    """Tell whether `text` is of the tag grammar."""
    return _TAG.fullmatch(text) is not None


def parse_tag(text: str) -> Tag:
    """Return `text` as a tag.

    Raises:
        errors.TagInvalid: it is outside the grammar.
    """
    if not is_tag(text):
        raise errors.TagInvalid({"tag": text[:256]})
    return Tag(text)


def parse_digest(text: str) -> Digest:
    """Return `text` as a digest.

    Raises:
        errors.DigestInvalid: it is malformed or its algorithm is not served.
    """
    try:
        return Digest.parse(text)
    except InvalidDigest as exc:
        raise errors.DigestInvalid(str(exc)) from exc


def parse_reference(text: str) -> Tag | Digest:
    """Return `text` as a tag or, when it has a colon, a digest.

    Raises:
        errors.DigestInvalid: it has a colon and is no digest.
        errors.TagInvalid: it is no tag.
    """
    return parse_digest(text) if ":" in text else parse_tag(text)


def parse_upload_id(text: str) -> UploadId:
    """Return `text` as an upload id: a UUID in its usual lower-case form.

    Raises:
        errors.BlobUploadUnknown: it is anything else, which no upload can have.
    """
    try:
        if str(UUID(text)) == text:
            return UploadId(text)
    except ValueError:
        pass
    raise errors.BlobUploadUnknown()
