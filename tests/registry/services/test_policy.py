"""Every change against every switch, and that every operation asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from drivers.inmemory import InMemoryDriver
from registry.digest import Digest
from registry.oci import errors
from registry.oci.names import RepositoryName, Tag
from registry.services.policy import Change, Policy
from tests.kit.assembly import Assembly, anyone, assemble
from tests.kit.bodies import BytesBody
from tests.kit.trouble import Recording
from tests.kit.uploads import UPLOAD

NAME = RepositoryName("team/app")
DIGEST = Digest.of("sha256", b"content")
READ_ONLY = "storage.maintenance.readonly.enabled"
NO_DELETES = "storage.delete.enabled"

# change -> the key that refuses it with (read only, delete enabled), None where it is allowed
TABLE: dict[Change, dict[tuple[bool, bool], str | None]] = {
    change: {
        (True, True): READ_ONLY,
        (True, False): READ_ONLY,
        (False, True): None,
        (False, False): NO_DELETES if change.name.startswith("DELETE") else None,
    }
    for change in Change
}
ROWS = [
    pytest.param(
        change, *switches, key, id=f"{change.value}, read-only {switches[0]}, delete {switches[1]}"
    )
    for change, row in TABLE.items()
    for switches, key in row.items()
]

OPERATIONS: dict[str, tuple[Change, Callable[[Assembly], Awaitable[object]]]] = {
    "start": (Change.PUSH, lambda p: p.uploads.start(NAME)),
    "append": (Change.PUSH, lambda p: p.uploads.append(NAME, UPLOAD, BytesBody(b""), None)),
    "finish": (Change.PUSH, lambda p: p.uploads.finish(NAME, UPLOAD, DIGEST, BytesBody(b""), None)),
    "put": (Change.PUSH, lambda p: p.uploads.put(NAME, DIGEST, BytesBody(b"content"))),
    "mount": (Change.PUSH, lambda p: p.blobs.mount(NAME, DIGEST, None, anyone)),
    "push": (Change.PUSH, lambda p: p.manifests.put(NAME, Tag("x"), b"{}", None)),
    "cancel": (Change.CANCEL_UPLOAD, lambda p: p.uploads.cancel(NAME, UPLOAD)),
    "delete blob": (Change.DELETE_BLOB, lambda p: p.blobs.delete(NAME, DIGEST)),
    "delete manifest": (Change.DELETE_MANIFEST, lambda p: p.manifests.delete(NAME, DIGEST)),
    "delete tag": (Change.DELETE_TAG, lambda p: p.manifests.delete(NAME, Tag("x"))),
}


@pytest.mark.parametrize(("change", "read_only", "delete_enabled", "key"), ROWS)
def test_a_switch_refuses_what_it_is_for(
    change: Change, read_only: bool, delete_enabled: bool, key: str | None
) -> None:
    policy = Policy(read_only=read_only, delete_enabled=delete_enabled)
    if key is None:
        policy.check(change)
        return
    with pytest.raises(errors.Unsupported) as caught:
        policy.check(change)
    assert isinstance(caught.value.detail, str)
    assert key in caught.value.detail
    assert change.value in caught.value.detail


def test_deletion_is_off_unless_it_is_switched_on() -> None:
    assert Policy() == Policy(read_only=False, delete_enabled=False)


@pytest.mark.parametrize(("read_only", "delete_enabled"), [(True, True), (False, False)])
@pytest.mark.parametrize(("change", "operation"), OPERATIONS.values(), ids=OPERATIONS)
async def test_every_operation_asks_before_it_touches_the_store(
    change: Change,
    operation: Callable[[Assembly], Awaitable[object]],
    read_only: bool,
    delete_enabled: bool,
) -> None:
    driver = Recording(InMemoryDriver())
    policy = Policy(read_only=read_only, delete_enabled=delete_enabled)
    refused = TABLE[change][read_only, delete_enabled] is not None
    try:
        await operation(assemble(driver, policy=policy))
        assert not refused
    except errors.Unsupported:
        assert refused
        assert driver.changes == []
    except errors.RegistryError:
        assert not refused  # there is no such thing, but it was asked for


def test_every_change_has_an_operation_here() -> None:
    assert {change for change, _ in OPERATIONS.values()} == set(Change)
