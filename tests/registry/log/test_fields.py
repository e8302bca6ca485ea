"""Fields follow the work: into tasks, into threads, and no further."""

from __future__ import annotations

import pytest
import trio

from registry.log.fields import bind, current_fields, format_duration, set_fields


def test_fields_hold_inside_the_block_only() -> None:
    with bind({"http.request.id": "1"}, service="registry"):
        assert current_fields() == {"http.request.id": "1", "service": "registry"}
    assert current_fields() == {}


def test_an_inner_scope_wins_and_is_forgotten() -> None:
    with bind(a="outer", b=1):
        with bind(a="inner"):
            assert current_fields() == {"a": "inner", "b": 1}
        assert current_fields() == {"a": "outer", "b": 1}


def test_the_scope_is_left_when_the_block_raises() -> None:
    with pytest.raises(RuntimeError), bind(a=1):
        raise RuntimeError
    assert current_fields() == {}


async def test_a_field_set_in_a_child_task_is_seen_by_the_request() -> None:
    async def authenticate() -> None:
        await trio.lowlevel.checkpoint()
        set_fields({"auth.user.name": "alice"})

    with bind({"http.request.id": "1"}):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(authenticate)
        assert current_fields()["auth.user.name"] == "alice"
    assert current_fields() == {}


async def test_a_thread_sees_the_fields_of_its_request() -> None:
    with bind({"vars.name": "a/b"}):
        assert await trio.to_thread.run_sync(current_fields) == {"vars.name": "a/b"}


async def test_requests_do_not_see_each_other() -> None:
    seen: dict[str, dict[str, object]] = {}

    async def request(name: str) -> None:
        with bind({"http.request.id": name}):
            await trio.lowlevel.checkpoint()
            set_fields({"vars.name": name})
            await trio.lowlevel.checkpoint()
            seen[name] = dict(current_fields())

    async with trio.open_nursery() as nursery:
        for name in "abc":
            nursery.start_soon(request, name)
    assert seen == {n: {"http.request.id": n, "vars.name": n} for n in "abc"}


async def test_fields_set_outside_any_scope_hold_for_the_task() -> None:
    async def task() -> None:
        set_fields(a=1)
        await trio.lowlevel.checkpoint()
        assert current_fields() == {"a": 1}

    async with trio.open_nursery() as nursery:
        nursery.start_soon(task)
    assert current_fields() == {}


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0s"),
        (1e-9, "1ns"),
        (1.5e-6, "1.5µs"),
        (0.00225, "2.25ms"),
        (0.1, "100ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (62.5, "1m2.5s"),
        (60, "1m0s"),
        (3600, "1h0m0s"),
        (-0.5, "-500ms"),
    ],
)
def test_a_duration_is_printed_as_go_does(seconds: float, shown: str) -> None:
    assert format_duration(seconds) == shown
