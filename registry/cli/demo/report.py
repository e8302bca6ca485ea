"""What the demo prints while it runs: a line for each step, with size and time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

KIB = 1024
TEXT_COLUMNS = 62


@dataclass(slots=True)
class Step:
    """A step that runs.

    Attributes:
        text: What it does; may be made more exact until it ends.
        size_bytes: How much it moved, None for a step that moves nothing.
    """

    text: str
    size_bytes: int | None = None


class Report:
    """Prints to a console.

    Args:
        console: Where to; colours are left out where it has none.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self.steps = 0

    def title(self, text: str) -> None:
        """Print a line that opens a group of steps."""
        self._console.print(Text(text, style="bold"), soft_wrap=True)

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(Text(text), soft_wrap=True)

    @contextmanager
    def step(self, text: str) -> Iterator[Step]:
        """Run the block as one step and print how it went; an error goes on upwards."""
        step = Step(text)
        started = time.perf_counter()
        try:
            yield step
        except BaseException:
            self._print(step, time.perf_counter() - started, failed=True)
            raise
        self.steps += 1
        self._print(step, time.perf_counter() - started, failed=False)

    def _print(self, step: Step, seconds: float, *, failed: bool) -> None:
        mark = Text("  FAILED  ", style="bold red") if failed else Text("  ok      ", style="green")
        size = "" if step.size_bytes is None else readable_size(step.size_bytes)
        line = f"{step.text:<{TEXT_COLUMNS}} {size:>10} {seconds * 1000:>8.1f} ms"
        self._console.print(mark + Text(line), soft_wrap=True)


def readable_size(size_bytes: int) -> str:
    """Return a size for people, such as ``1.5 MiB``."""
    if size_bytes < KIB:
        return f"{size_bytes} B"
    if size_bytes < KIB * KIB:
        return f"{size_bytes / KIB:.1f} KiB"
    return f"{size_bytes / KIB / KIB:.1f} MiB"


def short(digest: str) -> str:
    """Return the beginning of a digest, enough to tell it from others."""
    return digest[:19]
