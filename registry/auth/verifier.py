"""Password checks that are paid for once: shared while they run, remembered when they succeed.

bcrypt is slow by design and a client sends its password with each of a push's hundred requests.
What is remembered is a keyed hash that only this process can make; failures are never remembered,
so guessing stays as slow as bcrypt makes it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass, field
from functools import partial

import trio

from registry.auth import userfile

REMEMBER_S = 300.0
MAX_REMEMBERED = 10_000  # 1 MB
THREADS = 2  # bcrypt takes a core each: an attacker's guesses must not take all of them


@dataclass(slots=True, eq=False)
class _Run:
    """One bcrypt run and those who wait for it."""

    finished: trio.Event = field(default_factory=trio.Event)
    outcome: bool | None = None  # None: cancelled before it began


class Verifier:
    """Compares passwords with bcrypt hashes. May be called from any number of tasks at once."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)
        self._limiter = trio.CapacityLimiter(THREADS)
        self._running: dict[bytes, _Run] = {}
        self._expiry: dict[bytes, float] = {}  # oldest first, because each lives equally long

    async def verify(self, user: bytes, password: bytes, hashed: bytes) -> bool:
        """Whether `hashed` is the hash of `password`.

        Equal calls at the same time share one bcrypt run, and a success is remembered for
        `REMEMBER_S`. At most `THREADS` runs go on at once.

        Args:
            user: Whose password it is; nothing is shared between users.
            password: Only the first 72 bytes count.
            hashed: A bcrypt hash; anything else is refused.

        Cancellation: nothing is remembered unless the run had finished; another call that waited
            for the same run goes on with its own.
        """
        key = self._name(user, password[: userfile.MAX_PASSWORD_BYTES], hashed)
        while not self._remembered(key):
            run = self._running.get(key)
            if run is None:
                return await self._run(key, partial(userfile.matches, password, hashed))
            await run.finished.wait()
            if run.outcome is not None:
                return run.outcome
        return True

    def remembers(self, user: bytes, password: bytes, hashed: bytes) -> bool:
        """Whether `verify` would say yes without waiting."""
        return self._remembered(self._name(user, password[: userfile.MAX_PASSWORD_BYTES], hashed))

    def forget(self) -> None:
        """Let everyone be checked again."""
        self._expiry.clear()

    @property
    def remembered(self) -> int:
        """How many successes are held, expired ones included."""
        return len(self._expiry)

    async def _run(self, key: bytes, check: partial[bool]) -> bool:
        run = self._running[key] = _Run()
        try:
            run.outcome = await trio.to_thread.run_sync(check, limiter=self._limiter)
        finally:
            del self._running[key]
            run.finished.set()
        if run.outcome:
            self._remember(key)
        return run.outcome

    def _name(self, *parts: bytes) -> bytes:
        """Return what stands for a user, password and hash: their lengths keep them apart."""
        lengths = b"".join(len(part).to_bytes(8, "big") for part in parts)
        return hmac.digest(self._key, lengths + b"".join(parts), hashlib.sha256)

    def _remembered(self, key: bytes) -> bool:
        return self._expiry.get(key, 0.0) > trio.current_time()

    def _remember(self, key: bytes) -> None:
        now = trio.current_time()
        self._expiry.pop(key, None)
        while self._expiry:
            oldest = next(iter(self._expiry))
            if self._expiry[oldest] > now and len(self._expiry) < MAX_REMEMBERED:
                break
            del self._expiry[oldest]
        self._expiry[key] = now + REMEMBER_S
