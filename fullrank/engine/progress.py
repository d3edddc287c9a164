"""One line that tells how a training goes: redrawn in a terminal, printed now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.text import Text

from fullrank.engine.launcher import process_rank
from fullrank.errors import printable
from fullrank.terminal import PLAIN_EVERY, say


def say_once(console: Console, text: str) -> None:
    """Print a line, in the first process alone."""
    if process_rank() == 0:
        say(console, text)


class Progress:
    """`show` takes the rows of metrics.jsonl; the line has step, time left, loss and collapse numbers.

    >>> progress = Progress("intl", 100, Console(width=120, force_terminal=False))
    >>> progress.show({"kind": "train", "step": 10, "seconds": 1.0, "loss": 2.5})
    >>> progress.line()
    'intl   10/100  0:00:09 left  loss 2.5000'
    """

    def __init__(self, name: str, total: int, console: Console, *, plain: str = "monitor") -> None:
        self.name = printable(name)
        self.total = total
        self.console = console
        self.plain = plain  # the kind of rows that are printed where the output is not a terminal
        self.train: dict[str, Any] = {}
        self.monitor: dict[str, Any] = {}
        self._first: tuple[int, float] | None = None
        self._live: Live | None = None
        self._printed = -PLAIN_EVERY

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draw the line during the body."""
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, refresh_per_second=4, transient=False) as self._live:
            yield
        self._live = None

    def show(self, row: dict[str, Any]) -> None:
        """Take up a row."""
        if row["kind"] == "train":
            self.train = row
        else:
            self.monitor = row
        self._first = self._first or (row["step"], row["seconds"])
        if self._live is not None:
            self._live.update(Text(self.line(), no_wrap=True, overflow="ellipsis"))
        elif row["kind"] == self.plain and self._due(row["step"]):
            say(self.console, self.line())

    def line(self) -> str:
        """The line."""
        row = max(self.train, self.monitor, key=lambda row: row.get("step", -1))
        step = row.get("step", 0)
        parts = [f"{self.name}  {step:>{len(str(self.total))}}/{self.total}", self._left(row)]
        if self.train:
            parts.append(f"loss {self.train['loss']:.4f}")
        if self.monitor:
            embedding = self.monitor["embedding"]
            parts.append(f"relative spread {embedding['relative_spread']:.3f}")
            parts.append(f"effective rank {embedding['effective_rank']:.1f}/{embedding['dims']:.0f}")
            if self.monitor["knn"] is not None:
                parts.append(f"kNN {self.monitor['knn']:.3f}")
        return "  ".join(part for part in parts if part)

    def _left(self, row: dict[str, Any]) -> str:
        step, seconds = row.get("step", 0), row.get("seconds", 0.0)
        first_step, first_seconds = self._first or (0, 0.0)
        if first_step == step:
            first_step, first_seconds = 0, 0.0
        if step <= first_step:
            return ""
        left = (seconds - first_seconds) / (step - first_step) * (self.total - step)
        return f"{int(left) // 3600}:{int(left) // 60 % 60:02}:{int(left) % 60:02} left"

    def _due(self, step: int) -> bool:
        now = time.monotonic()
        if now - self._printed < PLAIN_EVERY and step < self.total and step:
            return False
        self._printed = now
        return True
