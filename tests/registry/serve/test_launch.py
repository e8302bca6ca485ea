"""How many workers a configuration comes to, and what they know of each other."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from registry.config import load
from registry.serve import StartError, launch, run
from registry.serve.control import merge_health
from registry.serve.shared import WorkerSlot, WorkerTable
from registry.server.engine import NoSiblings

AFFINITY = {0, 1, 2, 3}

QUOTAS = {
    "max 100000\n": 4,
    "50000 100000\n": 1,
    "100000 100000\n": 1,
    "150000 100000\n": 2,
    "200000 100000\n": 2,
    "400000 100000\n": 4,
    "9900000 100000\n": 4,
    "1000 100000\n": 1,
    "0 100000\n": 1,
    "": 4,
    "nonsense\n": 4,
    "1 2 3\n": 4,
    "100000 0\n": 4,
    "-1 100000\n": 4,
    "200000 max\n": 4,
}


@pytest.mark.parametrize("quota", QUOTAS)
def test_cores_are_those_of_the_affinity_within_the_containers_quota(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quota: str
) -> None:
    file = tmp_path / "cpu.max"
    file.write_text(quota)
    monkeypatch.setattr(launch, "CGROUP_CPU", str(file))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: AFFINITY)
    assert launch.available_cores() == QUOTAS[quota]


def test_without_a_quota_cores_are_those_of_the_affinity(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "CGROUP_CPU", str(tmp_path / "none"))
    assert launch.available_cores() == len(os.sched_getaffinity(0))


class TestWorkerSlot:
    def test_uploads_of_all_workers_count(self) -> None:
        table = WorkerTable(3)
        one, other = WorkerSlot(table, 0), WorkerSlot(table, 2)
        assert one.alone()
        one.enter()
        assert one.alone()
        assert other.alone()  # it is about to be the only other one, and looks again later
        other.enter()
        assert not one.alone()
        assert not other.alone()
        one.leave()
        assert other.alone()

    def test_the_busier_is_who_has_more_connections_than_any(self) -> None:
        table = WorkerTable(2)
        one, other = WorkerSlot(table, 0), WorkerSlot(table, 1)
        assert not one.is_busier()
        one.set_connections(2)
        other.set_connections(1)
        assert one.is_busier()
        assert not other.is_busier()
        other.set_connections(2)
        assert not one.is_busier()

    def test_a_dead_workers_numbers_are_forgotten(self) -> None:
        table = WorkerTable(2)
        dead, other = WorkerSlot(table, 0), WorkerSlot(table, 1)
        for _ in range(5):
            dead.enter()
        dead.set_connections(9)
        table.clear(0)
        other.enter()
        assert other.alone()
        assert table.fewest_connections() == 0

    def test_a_replacement_begins_at_nothing(self) -> None:
        table = WorkerTable(1)
        WorkerSlot(table, 0).enter()
        WorkerSlot(table, 0)
        assert table.uploads() == 0

    def test_many_workers_have_room(self) -> None:
        table = WorkerTable(1000)
        for number in range(1000):
            table.write(number, number, number + 1)
        assert table.uploads() == sum(range(1000))
        assert table.fewest_connections() == 1

    @pytest.mark.filterwarnings(
        "ignore:.*fork:DeprecationWarning"
    )  # the child does next to nothing
    def test_another_process_sees_the_numbers(self) -> None:
        """Workers are forked: the table is one page for all of them."""
        table = WorkerTable(2)
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            slot = WorkerSlot(table, 1)
            slot.enter()
            slot.set_connections(3)
            os.write(writer, b"x")
            os._exit(0)
        os.read(reader, 1)
        os.waitpid(pid, 0)
        for descriptor in (reader, writer):
            os.close(descriptor)
        assert table.uploads() == 1
        assert WorkerSlot(table, 0).alone()


def test_without_siblings_only_the_own_uploads_count() -> None:
    alone = NoSiblings()
    alone.enter()
    assert alone.alone()
    alone.enter()
    assert not alone.alone()
    alone.leave()
    assert alone.alone()
    alone.set_connections(100)
    assert not alone.is_busier()


class TestHealth:
    def test_well_is_200(self) -> None:
        assert merge_health([b"{}", b"{}"]) == (200, b"{}")

    def test_what_fails_anywhere_fails(self) -> None:
        assert merge_health([b"{}", b'{"b":"x"}', b'{"a":"y"}']) == (503, b'{"a":"y","b":"x"}')


def test_a_start_that_fails_gives_back_the_signals_it_held() -> None:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, set())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        loaded = load(None, {"REGISTRY_HTTP_ADDR": address})
        with pytest.raises(StartError, match="cannot listen"):
            run(loaded, {})
    assert signal.pthread_sigmask(signal.SIG_BLOCK, set()) == before
