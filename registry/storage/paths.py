"""The layout of distribution on a driver, and where our own data lies beside it.

Everything that a Go registry reads or writes has exactly its path. What is ours alone lies where Go
never looks: below directories of a repository that begin with an underscore and have no meaning to
it (``_referrers``, ``_types``, ``_aliases``), or in a file of an upload's directory that it ignores
and removes with the directory.

Source: reference of distribution v2.8 and v3, ``registry/storage/paths``.
"""

from __future__ import annotations

from registry.digest import Digest
from registry.oci.names import RepositoryName, Tag, UploadId

ROOT = "/docker/registry/v2"
REPOSITORIES = f"{ROOT}/repositories"
BLOBS = f"{ROOT}/blobs"

MANIFESTS_DIRECTORY = "_manifests"
UPLOADS_DIRECTORY = "_uploads"


def blob_data(digest: Digest) -> str:
    """Content of a blob or manifest, by canonical digest."""
    return f"{BLOBS}/{digest.algorithm}/{digest.hex[:2]}/{digest.hex}/data"


def repository(name: RepositoryName) -> str:
    """Directory of a repository."""
    return f"{REPOSITORIES}/{name}"


def layer_link(name: RepositoryName, digest: Digest) -> str:
    """Says that a blob belongs to the repository."""
    return f"{repository(name)}/_layers/{digest.algorithm}/{digest.hex}/link"


def manifests(name: RepositoryName) -> str:
    """Directory whose existence makes the repository appear in the catalog."""
    return f"{repository(name)}/{MANIFESTS_DIRECTORY}"


def revision_link(name: RepositoryName, digest: Digest) -> str:
    """Says that a manifest belongs to the repository."""
    return f"{manifests(name)}/revisions/{digest.algorithm}/{digest.hex}/link"


def tags(name: RepositoryName) -> str:
    """Directory with one directory per tag."""
    return f"{manifests(name)}/tags"


def tag(name: RepositoryName, tag_name: Tag) -> str:
    """Directory of a tag."""
    return f"{tags(name)}/{tag_name}"


def tag_current(name: RepositoryName, tag_name: Tag) -> str:
    """Link to the manifest that the tag names now."""
    return f"{tag(name, tag_name)}/current/link"


def tag_history(name: RepositoryName, tag_name: Tag, algorithm: str) -> str:
    """Directory with one directory per manifest the tag ever named."""
    return f"{tag(name, tag_name)}/index/{algorithm}"


def tag_history_link(name: RepositoryName, tag_name: Tag, digest: Digest) -> str:
    """Link to a manifest that the tag names or named."""
    return f"{tag_history(name, tag_name, digest.algorithm)}/{digest.hex}/link"


def tag_alias(name: RepositoryName, tag_name: Tag) -> str:
    """Ours: the digest of another algorithm that the tag was pushed with."""
    return f"{repository(name)}/_aliases/{tag_name}/digest"


def uploads(name: RepositoryName) -> str:
    """Directory with one directory per upload."""
    return f"{repository(name)}/{UPLOADS_DIRECTORY}"


def upload(name: RepositoryName, upload_id: UploadId) -> str:
    """Directory of an upload."""
    return f"{uploads(name)}/{upload_id}"


def upload_data(name: RepositoryName, upload_id: UploadId) -> str:
    """Bytes of an upload so far."""
    return f"{upload(name, upload_id)}/data"


def upload_started_at(name: RepositoryName, upload_id: UploadId) -> str:
    """When the upload began; its existence makes the upload one."""
    return f"{upload(name, upload_id)}/startedat"


def upload_hash_states(name: RepositoryName, upload_id: UploadId, algorithm: str) -> str:
    """Directory with one file per offset at which the hash was saved."""
    return f"{upload(name, upload_id)}/hashstates/{algorithm}"


def upload_hash_state(
    name: RepositoryName, upload_id: UploadId, algorithm: str, offset: int
) -> str:
    """State of the hash after `offset` bytes."""
    return f"{upload_hash_states(name, upload_id, algorithm)}/{offset}"


def upload_record(name: RepositoryName, upload_id: UploadId) -> str:
    """Ours: what a hash state cannot say of an upload."""
    return f"{upload(name, upload_id)}/trireme"


def referrers(name: RepositoryName, subject: Digest, algorithm: str) -> str:
    """Ours: directory with one directory per manifest about `subject`."""
    return f"{repository(name)}/_referrers/{subject.algorithm}/{subject.hex}/{algorithm}"


def referrer(name: RepositoryName, subject: Digest, digest: Digest) -> str:
    """Ours: the list entry of one manifest about `subject`."""
    return f"{referrers(name, subject, digest.algorithm)}/{digest.hex}/entry"


def recorded_type(name: RepositoryName, digest: Digest) -> str:
    """Ours: media type of a manifest whose body does not name it."""
    return f"{repository(name)}/_types/{digest.algorithm}/{digest.hex}/type"
