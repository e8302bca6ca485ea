"""When a check counts as failing, and that nothing a probe does ends the runner."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from registry.health import Check, CheckFailed, Health

Script = list[str | None]


def scripted(script: Script, name: str = "db") -> Check:
    """A check that says each entry in turn (None: well), and the last one from then on."""

    async def probe() -> None:
        await trio.lowlevel.checkpoint()
        said = script.pop(0) if len(script) > 1 else script[0]
        if said is not None:
            raise CheckFailed(said)

    return Check(name, probe)


async def verdicts(health: Health, *, until_s: int) -> list[bool]:
    """Run and note `healthy` half a second after each full second."""
    seen = []
    async with trio.open_nursery() as nursery:
        await nursery.start(health.run)
        await trio.sleep(0.5)
        for _ in range(until_s):
            seen.append(health.healthy)
            await trio.sleep(1)
        nursery.cancel_scope.cancel()
    return seen


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0, [True, False, False, False, True, False]),
        (1, [True, False, False, False, True, False]),
        (2, [True, True, False, False, True, True]),
        (3, [True, True, True, False, True, True]),
        (4, [True, True, True, True, True, True]),
    ],
)
async def test_only_failures_in_a_row_reach_the_threshold(
    autojump_clock: MockClock, threshold: int, expected: list[bool]
) -> None:
    health = Health()
    script: Script = [None, "a", "b", "c", None, "d"]
    health.add(scripted(script), interval_s=1, threshold=threshold)
    assert await verdicts(health, until_s=6) == expected


async def test_the_latest_error_is_shown(autojump_clock: MockClock) -> None:
    health = Health()
    health.add(scripted(["first", "second"]), interval_s=10, threshold=2)
    assert health.failures() == {}
    await verdicts(health, until_s=1)
    assert health.failures() == {}
    await verdicts(health, until_s=2)
    assert health.failures() == {"db": "second"}


async def test_the_document_names_each_failing_check(autojump_clock: MockClock) -> None:
    health = Health()
    health.add(scripted([None], "well"), interval_s=1)
    assert health.health_document() == (200, b"{}")
    health.add(scripted(["größe \x1b["], "unwell"), interval_s=1)
    await verdicts(health, until_s=1)
    status, body = health.health_document()
    assert status == 503
    assert json.loads(body) == {"unwell": "größe  ["}


async def test_a_probe_that_hangs_has_failed_at_its_deadline(autojump_clock: MockClock) -> None:
    health = Health()
    health.add(Check("stuck", trio.sleep_forever, deadline_s=2), interval_s=1, threshold=2)
    health.add(scripted([None], "other"), interval_s=1)
    # Deadlines fall at 2 s and, after the interval, at 5 s.
    assert await verdicts(health, until_s=7) == [True] * 5 + [False] * 2
    assert health.failures() == {"stuck": "no answer within 2 s"}


async def test_a_probe_that_cannot_be_cancelled_reaches_the_threshold(
    autojump_clock: MockClock,
) -> None:
    async def probe() -> None:
        with trio.CancelScope(shield=True):
            await trio.sleep(4.25)

    health = Health()
    health.add(Check("nfs", probe, deadline_s=1), interval_s=1, threshold=3)
    # Counted at 1 s (deadline), 2 s and 3 s (still stuck); its late success counts for nothing.
    assert await verdicts(health, until_s=6) == [True] * 3 + [False] * 3


async def test_a_default_deadline_holds_where_none_is_given(autojump_clock: MockClock) -> None:
    health = Health()
    health.add(Check("stuck", trio.sleep_forever))
    assert await verdicts(health, until_s=11) == [True] * 10 + [False]


@pytest.mark.parametrize(
    ("raised", "text"),
    [
        (ValueError("x"), "ValueError: x"),
        (KeyError("https://u:pw@h/p?token=t"), "KeyError: 'https://***@h/p?***'"),
        (OSError("a\nb"), "OSError: a b"),
        (ExceptionGroup("many", [ValueError("x")]), "ExceptionGroup: many (1 sub-exception)"),
        (RuntimeError("x" * 10_000), "RuntimeError: " + "x" * 486 + "..."),
    ],
)
async def test_no_exception_ends_the_runner_or_shows_a_secret(
    autojump_clock: MockClock, raised: Exception, text: str
) -> None:
    async def probe() -> None:
        await trio.lowlevel.checkpoint()
        raise raised

    health = Health()
    health.add(Check("odd", probe), interval_s=1)
    await verdicts(health, until_s=3)
    assert health.failures() == {"odd": text}


async def test_starting_does_not_wait_for_a_probe(autojump_clock: MockClock) -> None:
    health = Health()
    health.add(Check("stuck", trio.sleep_forever))
    async with trio.open_nursery() as nursery:
        await nursery.start(health.run)
        assert trio.current_time() == 0 or autojump_clock.rate == 0
        assert health.healthy
        nursery.cancel_scope.cancel()


async def test_a_runner_without_checks_runs_until_cancelled(autojump_clock: MockClock) -> None:
    assert await verdicts(Health(), until_s=3) == [True] * 3


async def test_checks_cannot_run_twice_at_once_but_again(autojump_clock: MockClock) -> None:
    health = Health()
    health.add(scripted(["bad"]), interval_s=1)
    async with trio.open_nursery() as nursery:
        await nursery.start(health.run)
        with pytest.raises(trio.BusyResourceError):
            await health.run()
        with pytest.raises(RuntimeError, match="before they run"):
            health.add(scripted([None], "late"))
        nursery.cancel_scope.cancel()
    assert await verdicts(health, until_s=1) == [False]


async def test_changes_are_logged_once(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    health = Health()
    health.add(scripted(["a", "b", None, None]), interval_s=1)
    with caplog.at_level(logging.INFO, logger="registry.health"):
        await verdicts(health, until_s=5)
    assert [r.getMessage() for r in caplog.records] == [
        "health check failed",
        "health check recovered",
    ]
    assert caplog.records[0].__dict__["health.check"] == "db"
    assert caplog.records[0].__dict__["err.detail"] == "a"


@pytest.mark.parametrize(
    ("interval_s", "threshold", "part"),
    [
        (-1, 0, "interval of 'db' is -1"),
        (float("nan"), 0, "interval of 'db' is nan"),
        (float("inf"), 0, "interval of 'db' is inf"),
        (1, -1, "threshold of 'db' is -1"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(
    interval_s: float, threshold: int, part: str
) -> None:
    with pytest.raises(ValueError, match=part):
        Health().add(scripted([None]), interval_s=interval_s, threshold=threshold)


def test_a_name_is_checked_once() -> None:
    health = Health()
    health.add(scripted([None]))
    with pytest.raises(ValueError, match="'db' is checked twice"):
        health.add(scripted([None]))


async def test_an_interval_of_zero_means_the_default(autojump_clock: MockClock) -> None:
    times: list[float] = []

    async def probe() -> None:
        await trio.lowlevel.checkpoint()
        times.append(trio.current_time())

    health = Health()
    health.add(Check("count", probe), interval_s=0)
    await verdicts(health, until_s=25)
    assert [round(t - times[0]) for t in times] == [0, 10, 20]


async def test_cancelling_the_runner_ends_every_probe() -> None:
    ended: list[str] = []

    def probe(name: str) -> Callable[[], Awaitable[None]]:
        async def run() -> None:
            try:
                await trio.sleep_forever()
            finally:
                ended.append(name)

        return run

    health = Health()
    for name in ("a", "b"):
        health.add(Check(name, probe(name)))
    async with trio.open_nursery() as nursery:
        await nursery.start(health.run)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert sorted(ended) == ["a", "b"]
    assert health.healthy
