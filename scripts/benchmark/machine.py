"""Says the machine, and how much else went on there meanwhile."""

from __future__ import annotations

import os
import platform
import re
import resource
import ssl
import subprocess
import time
from pathlib import Path

from scripts.benchmark.samples import rounded
from scripts.benchmark.servers import ROOT


def describe(directory: Path) -> dict[str, object]:
    """Return processor, kernel, memory and software, and what `directory` lies on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    release = platform.freedesktop_os_release()
    return {
        "processor": _processor(),
        "cores": cores(),
        "memory_gib": rounded(memory / 1024**3),
        "kernel": platform.release(),
        "system": release.get("PRETTY_NAME", ""),
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
        "storage": _file_system(directory),
        "commit": _commit(),
    }


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _file_system(directory: Path) -> str:
    best, kind = "", ""
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, name, *_ = line.split()
        inside = directory.is_relative_to(re.sub(r"\\040", " ", place))
        if inside and len(place) >= len(best):
            best, kind = place, name
    return kind


def _commit() -> str:
    try:
        said = subprocess.run(
            ["git", "describe", "--always", "--dirty"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return said.stdout.strip()


class Noise:
    """Counts what other processes of the machine use, from its making on."""

    def __init__(self) -> None:
        self._load = os.getloadavg()[0]
        self._begun = time.monotonic()
        self._busy = _busy_seconds()
        self._own = _own_seconds()

    def document(self) -> dict[str, float]:
        """Return the share of all cores others used; servers must have been waited for."""
        elapsed = time.monotonic() - self._begun
        used = _busy_seconds() - self._busy - (_own_seconds() - self._own)
        all_cores = elapsed * (os.cpu_count() or 1)
        return {
            "seconds": rounded(elapsed),
            "load_average_before": rounded(self._load),
            "cpu_share_of_others": rounded(max(0.0, used) / all_cores),
        }


def _busy_seconds() -> float:
    """Return what all cores have spent on anything, hypervisor's theft included."""
    first = Path("/proc/stat").read_text().partition("\n")[0]
    user, nice, system, _, _, irq, softirq, steal = map(int, first.split()[1:9])
    return sum((user, nice, system, irq, softirq, steal)) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(sum(resource.getrusage(who)[:2]) for who in both)
