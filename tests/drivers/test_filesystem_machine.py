"""Random uploads with crashes, held against a model of bytes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest
import trio
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from drivers import errors, filesystem
from drivers.filesystem.session import FilesystemSession

T = TypeVar("T")

PATH = "/uploads/1/data"
KEYS = st.sampled_from(["/blobs/a/data", "/blobs/b/data"])


def run(action: Callable[[], Awaitable[T]]) -> T:
    async def main() -> T:
        return await action()

    return trio.run(main)


class Uploads(RuleBasedStateMachine):
    """One upload path and two keys.

    The model: the bytes taken so far, the states that must be good with the bytes each counts (the
    last two), and what each key holds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.root = tempfile.mkdtemp()
        self.driver = filesystem.create({"rootdirectory": self.root})
        self.session: FilesystemSession | None = None
        self.taken = b""
        self.states: list[tuple[bytes, bytes]] = []
        self.keys: dict[str, bytes] = {}

    def opened(self) -> FilesystemSession:
        assert self.session is not None
        return self.session

    @precondition(lambda self: self.session is None)
    @rule()
    def begin(self) -> None:
        self.session = run(lambda: self.driver.open_upload(PATH))
        self.taken, self.states = b"", []

    @precondition(lambda self: self.session is None and self.states)
    @rule(which=st.integers(0, 1))
    def resume(self, which: int) -> None:
        state, counted = self.states[-1 - which % len(self.states)]
        self.session = run(lambda: self.driver.open_upload(PATH, state=state))
        self.taken = counted
        self.states = [(state, counted)]

    @precondition(lambda self: self.session)
    @rule(data=st.binary(max_size=40))
    def write(self, data: bytes) -> None:
        session = self.opened()
        run(lambda: session.write(data, at=len(self.taken)))
        self.taken += data

    @precondition(lambda self: self.session)
    @rule(data=st.binary(max_size=5), away=st.integers(1, 50))
    def write_elsewhere(self, data: bytes, away: int) -> None:
        session = self.opened()
        with pytest.raises(errors.OffsetMismatch):
            run(lambda: session.write(data, at=len(self.taken) + away))

    @precondition(lambda self: self.session)
    @rule()
    def open_a_second(self) -> None:
        with pytest.raises(errors.UploadBusy):
            run(lambda: self.driver.open_upload(PATH))

    @precondition(lambda self: self.session)
    @rule()
    def checkpoint(self) -> None:
        state = run(self.opened().checkpoint)
        self.states = [*self.states[-1:], (state, self.taken)]

    @precondition(lambda self: self.session)
    @rule()
    def crash(self) -> None:
        """Do what the kernel does with a dead process: close its descriptor, and nothing else."""
        session = self.opened()
        session._end()
        self.session = None
        self.driver = filesystem.create({"rootdirectory": self.root})

    @precondition(lambda self: self.session)
    @rule()
    def close(self) -> None:
        run(self.opened().aclose)
        self.session = None

    @precondition(lambda self: self.session)
    @rule(key=KEYS)
    def commit(self, key: str) -> None:
        session = self.opened()
        run(lambda: session.commit(key))
        self.session = None
        self.keys[key] = self.taken
        self.states = []

    @precondition(lambda self: self.session)
    @rule()
    def abort(self) -> None:
        run(self.opened().abort)
        self.session = None
        self.states = []

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        if key in self.keys:
            run(lambda: self.driver.delete(key))
            del self.keys[key]
        else:
            with pytest.raises(errors.PathNotFound):
                run(lambda: self.driver.delete(key))

    @invariant()
    def keys_hold_what_was_committed(self) -> None:
        async def check() -> None:
            names = ["/blobs/a/data", "/blobs/b/data"]
            assert await self.driver.get_many(names) == [self.keys.get(name) for name in names]

        run(check)

    @invariant()
    def the_session_stands_where_the_model_does(self) -> None:
        if self.session is not None:
            assert self.session.offset == len(self.taken)

    def teardown(self) -> None:
        if self.session is not None:
            run(self.session.aclose)
        shutil.rmtree(self.root)


TestUploads = Uploads.TestCase
TestUploads.settings = settings(
    max_examples=30,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
