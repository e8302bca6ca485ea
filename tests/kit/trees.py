"""A registry's directory as text that can be compared: names and contents, ids and times aside."""

from __future__ import annotations

import re
from pathlib import Path

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_OURS = re.compile(
    r"docker/registry/v2/repositories/.+/"
    r"(_referrers/.+/entry|_types/.+/type|_aliases/.+/digest|_uploads/[^/]+/trireme)"
)


def read_tree(root: Path) -> dict[str, bytes]:
    """Return each file's content by its path; an upload's id and time are masked."""
    found: dict[str, bytes] = {}
    for path in sorted(root.rglob("*")):
        if not path.is_file():
            continue
        name = _UUID.sub("<id>", path.relative_to(root).as_posix())
        data = path.read_bytes()
        if name.endswith("/startedat"):
            assert _TIME.fullmatch(data), f"{path} holds {data!r}"
            data = b"<time>"
        assert name not in found, f"two uploads in one repository cannot be told apart: {name}"
        found[name] = data
    return found


def ours_alone(tree: dict[str, bytes]) -> set[str]:
    """Return the paths of a tree that only Trireme writes, each in a place Go passes over."""
    return {name for name in tree if _OURS.fullmatch(name)}


def without_ours(tree: dict[str, bytes]) -> dict[str, bytes]:
    """Return a tree as a Go registry sees it."""
    extra = ours_alone(tree)
    return {name: data for name, data in tree.items() if name not in extra}


def without_remains(tree: dict[str, bytes]) -> dict[str, bytes]:
    """Return a tree without what Go leaves behind of an upload that it has removed.

    It saves the hash once more when it lets go of the upload, so that a state remains alone.
    """
    return {
        name: data
        for name, data in tree.items()
        if "/hashstates/" not in name or f"{name.partition('/hashstates/')[0]}/startedat" in tree
    }
