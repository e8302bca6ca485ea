"""Reads the arguments of scripts/bench, measures, and writes what was found."""

from __future__ import annotations

import argparse
import dataclasses
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from scripts.benchmark import report
from scripts.benchmark.client import BenchError
from scripts.benchmark.figures import DEBIAN
from scripts.benchmark.results import Document
from scripts.benchmark.run import Run
from scripts.benchmark.servers import OURS, ROOT, Peer, other, trireme
from scripts.benchmark.settings import (
    GIB,
    KIB,
    MIB,
    SHORT,
    WORKLOADS,
    Settings,
    make_rows,
    size_text,
)

PUBLISHED = ROOT / "docs/performance"
SCRATCH = ROOT / ".cache/bench"


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark and return the exit status: 1 when something was answered wrongly."""
    options = _parser().parse_args(words)
    settings = SHORT if options.short else Settings()
    if options.rounds:
        settings = dataclasses.replace(settings, rounds=options.rounds)
    if options.size:
        settings = dataclasses.replace(settings, size_bytes=options.size)
    # A part must not take the place of a whole run that is published.
    whole = not (options.only or options.short)
    output: Path = options.output or (PUBLISHED if whole else SCRATCH)
    try:
        peers = _peers(options.peer, debian=not options.no_debian)
        with tempfile.TemporaryDirectory(prefix="trireme-bench-", dir=options.directory) as place:
            run = Run(peers, settings, Path(place))
            document = run.measure(make_rows(settings, tuple(options.only)))
    except BenchError as exc:
        print(f"bench: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(report.terminal(document))
    _write(document, output)
    print(f"written to {output}", file=sys.stderr)
    return 0


def _write(document: Document, output: Path) -> None:
    output.mkdir(parents=True, exist_ok=True)
    for old in output.glob("*.svg"):
        old.unlink()
    charts = report.charts(document)
    for name, text in charts.items():
        (output / f"{name}.svg").write_text(text)
    text = json.dumps(document, indent=1, ensure_ascii=False)
    (output / "results.json").write_text(text + "\n")
    (output / "results.md").write_text(report.markdown(document, list(charts)))


def _peers(given: Sequence[tuple[str, str]], *, debian: bool) -> list[Peer]:
    peers = [trireme()]
    if debian and all(name != DEBIAN for name, _ in given):
        try:
            peers.append(other(DEBIAN, DEBIAN))
        except BenchError:
            print(
                f"bench: {DEBIAN} is missing, so nothing is compared with it"
                f" (Debian: apt-get install {DEBIAN})",
                file=sys.stderr,
            )
    return [*peers, *(other(name, path) for name, path in given)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Measure Trireme beside other registries on this machine, and write a table,"
        " JSON and charts: a whole run into docs/performance, a part or the short form into"
        " .cache/bench.",
        epilog=f"Workloads: {' '.join(WORKLOADS)}",
    )
    parser.add_argument("--short", action="store_true", help="tiny sizes, to prove that it works")
    parser.add_argument(
        "--peer",
        type=_peer,
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="another registry, run as PATH serve config.yml; NAME v3 has the figures of v3",
    )
    parser.add_argument("--no-debian", action="store_true", help=f"leave {DEBIAN} out")
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        choices=WORKLOADS,
        metavar="WORKLOAD",
        help="measure this one; may be given again",
    )
    parser.add_argument("--rounds", type=_count, help="of each row, 5")
    parser.add_argument("--size", type=_size, help="of the blobs, 512M")
    parser.add_argument(
        "--directory",
        type=_directory,
        default=_default_directory(),
        help="where the servers keep their data: on tmpfs, by default /dev/shm",
    )
    parser.add_argument("--output", type=Path, help="where to write")
    return parser


def _default_directory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _directory(text: str) -> str:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r} is no directory")
    return str(Path(text).resolve())


def _peer(text: str) -> tuple[str, str]:
    name, _, path = text.partition("=")
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name) or not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PATH with a name in small letters")
    if name == OURS:
        raise argparse.ArgumentTypeError(f"{OURS} is this checkout: give another name")
    return name, path


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


def _size(text: str) -> int:
    match = re.fullmatch(r"(\d+)([KMG]?)", text)
    size = int(match[1]) * {"": 1, "K": KIB, "M": MIB, "G": GIB}[match[2]] if match else 0
    if size < KIB:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a size like 256M, {size_text(KIB)} least"
        )
    return size


if __name__ == "__main__":
    sys.exit(main())
