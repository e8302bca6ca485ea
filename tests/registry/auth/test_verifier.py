import threading

import pytest
import trio
import trio.testing

from registry.auth import userfile, verifier
from registry.auth.verifier import Verifier

HASHED = userfile.hash_password(b"secret", cost=4)


class Bcrypt:
    """The real check, counted, held at a gate while that is closed."""

    def __init__(self) -> None:
        self.calls = 0
        self.most_at_once = 0
        self._now = 0
        self._lock = threading.Lock()
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, password: bytes, hashed: bytes) -> bool:
        with self._lock:
            self.calls += 1
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            assert self.gate.wait(10)
            return REAL(password, hashed)
        finally:
            with self._lock:
                self._now -= 1


REAL = userfile.matches


@pytest.fixture
def bcrypt_runs(monkeypatch: pytest.MonkeyPatch) -> Bcrypt:
    runs = Bcrypt()
    monkeypatch.setattr(userfile, "matches", runs)
    return runs


async def test_a_success_is_remembered_and_a_failure_is_not(bcrypt_runs: Bcrypt) -> None:
    tried = Verifier()
    for _ in range(3):
        assert await tried.verify(b"u", b"secret", HASHED)
        assert not await tried.verify(b"u", b"wrong", HASHED)
    assert bcrypt_runs.calls == 1 + 3


async def test_what_is_remembered_is_bound_to_user_password_and_hash(bcrypt_runs: Bcrypt) -> None:
    tried = Verifier()
    assert await tried.verify(b"u", b"secret", HASHED)
    assert not await tried.verify(b"u", b"secretx", HASHED)
    assert not await tried.verify(b"u", b"secret", userfile.decoy(4))
    assert not await tried.verify(b"us", b"ecret", HASHED)
    assert bcrypt_runs.calls == 4


async def test_it_is_forgotten_after_five_minutes(
    bcrypt_runs: Bcrypt, autojump_clock: trio.testing.MockClock
) -> None:
    tried = Verifier()
    assert await tried.verify(b"u", b"secret", HASHED)
    await trio.sleep(299)
    assert await tried.verify(b"u", b"secret", HASHED)
    assert bcrypt_runs.calls == 1
    await trio.sleep(2)
    assert await tried.verify(b"u", b"secret", HASHED)
    assert bcrypt_runs.calls == 2


async def test_forget_takes_effect_at_once(bcrypt_runs: Bcrypt) -> None:
    tried = Verifier()
    assert await tried.verify(b"u", b"secret", HASHED)
    tried.forget()
    assert await tried.verify(b"u", b"secret", HASHED)
    assert bcrypt_runs.calls == 2


async def test_memory_is_bounded_and_the_oldest_goes_first(
    bcrypt_runs: Bcrypt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifier, "MAX_REMEMBERED", 3)
    tried = Verifier()
    for user in (b"a", b"b", b"c", b"d"):
        assert await tried.verify(user, b"secret", HASHED)
    assert tried.remembered == 3
    assert await tried.verify(b"d", b"secret", HASHED)
    assert bcrypt_runs.calls == 4
    assert await tried.verify(b"a", b"secret", HASHED)
    assert bcrypt_runs.calls == 5


async def test_equal_checks_at_the_same_time_share_one_run(bcrypt_runs: Bcrypt) -> None:
    tried = Verifier()
    outcomes: list[bool] = []

    async def check(password: bytes) -> None:
        outcomes.append(await tried.verify(b"u", password, HASHED))

    bcrypt_runs.gate.clear()
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(check, b"secret")
        for _ in range(10):
            nursery.start_soon(check, b"wrong")
        await trio.testing.wait_all_tasks_blocked()
        bcrypt_runs.gate.set()
    assert sorted(outcomes) == [False] * 10 + [True] * 10
    assert bcrypt_runs.calls == 2


async def test_two_runs_at_most_go_on_at_once(bcrypt_runs: Bcrypt) -> None:
    tried = Verifier()
    bcrypt_runs.gate.clear()
    async with trio.open_nursery() as nursery:
        for number in range(8):
            nursery.start_soon(tried.verify, b"u%d" % number, b"wrong", HASHED)
        while bcrypt_runs.calls < 2:
            await trio.lowlevel.checkpoint()
        bcrypt_runs.gate.set()
    assert bcrypt_runs.calls == 8
    assert bcrypt_runs.most_at_once == 2


async def test_a_cancelled_run_is_taken_over_by_one_that_waited(bcrypt_runs: Bcrypt) -> None:
    tried = Verifier()
    outcomes: list[bool] = []

    async def check(user: bytes, scope: trio.CancelScope) -> None:
        with scope:
            outcomes.append(await tried.verify(user, b"secret", HASHED))

    bcrypt_runs.gate.clear()
    first = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        for busy in (b"x", b"y"):  # no thread is left, so the next can be cancelled in the queue
            nursery.start_soon(check, busy, trio.CancelScope())
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(check, b"u", first)
        await trio.testing.wait_all_tasks_blocked()
        for _ in range(2):
            nursery.start_soon(check, b"u", trio.CancelScope())
        await trio.testing.wait_all_tasks_blocked()
        first.cancel("the client left")
        await trio.testing.wait_all_tasks_blocked()
        bcrypt_runs.gate.set()
    assert first.cancelled_caught
    assert outcomes == [True] * 4
    assert bcrypt_runs.calls == 3


async def test_nothing_but_bcrypt_is_accepted() -> None:
    assert not await Verifier().verify(b"u", b"secret", b"secret")
