"""One line that tells how a training goes: redrawn all the time in a terminal, printed now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import lightning.pytorch as pl
import torch
from rich.console import Console, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from fullrank.engine.launcher import process_rank
from fullrank.errors import printable
from fullrank.terminal import PLAIN_EVERY, say


def say_once(console: Console, text: str) -> None:
    """Print a line, in the first process alone."""
    if process_rank() == 0:
        say(console, text)


def first_speaks(console: Console) -> Console:
    """The console in the first process, and in the others one that says nothing."""
    return console if process_rank() == 0 else Console(quiet=True)


_RECENT = 20  # steps that the images per second are counted over


class Progress:
    """`show` takes the rows of metrics.jsonl; the line has step, time left, loss and collapse numbers.

    In a terminal, `step` says that a step of so many images is done: the line moves between two rows, and has images
    per second and the most memory that was in use.

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
        self._steps: deque[tuple[int, int, float]] = deque(maxlen=_RECENT)  # number, images, and when it was done
        self._printed = -PLAIN_EVERY

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Draw the line during the body."""
        if not self.console.is_terminal:
            yield
            return
        spinner = Spinner("dots")

        def drawn() -> RenderableType:
            spinner.update(text=self._text())
            return spinner

        with Live(get_renderable=drawn, console=self.console, refresh_per_second=4, transient=True) as self._live:
            yield
        self._live = None
        self.console.print(self._text())

    def show(self, row: dict[str, Any]) -> None:
        """Take up a row."""
        if row["kind"] == "train":
            self.train = row
        else:
            self.monitor = row
        self._first = self._first or (row["step"], row["seconds"])
        if self._live is None and row["kind"] == self.plain and self._due(row["step"]):
            say(self.console, self.line())

    def step(self, number: int, images: int) -> None:
        """A step of so many images is done."""
        self._steps.append((number, images, time.monotonic()))

    def line(self) -> str:
        """The line."""
        row = max(self.train, self.monitor, key=lambda row: row.get("step", -1))
        step = max(row.get("step", 0), self._steps[-1][0] if self._steps else 0)
        parts = [f"{self.name}  {step:>{len(str(self.total))}}/{self.total}", self._left(row, step), *self._speed()]
        if self.train:
            parts.append(f"loss {self.train['loss']:.4f}")
        if self.monitor:
            embedding = self.monitor["embedding"]
            parts.append(f"relative spread {embedding['relative_spread']:.3f}")
            parts.append(f"effective rank {embedding['effective_rank']:.1f}/{embedding['dims']:.0f}")
            if self.monitor["knn"] is not None:
                parts.append(f"kNN {self.monitor['knn']:.3f}")
        return "  ".join(part for part in parts if part)

    def _text(self) -> Text:
        return Text(printable(self.line()), no_wrap=True, overflow="ellipsis")

    def _speed(self) -> list[str]:
        """Images per second over the last steps, and the most memory in use."""
        steps = list(self._steps)
        if len(steps) < 2:
            return []
        images = sum(count for _, count, _ in steps[1:])
        took = steps[-1][2] - steps[0][2]
        memory = most_memory()
        used = [f"memory {memory / 2**30:.1f} GiB"] if memory else []
        return [*([f"{images / took:,.0f} images/s{self._limit()}"] if took else []), *used]

    def _limit(self) -> str:
        """The slower of reading images and of the network, and the rate of the other."""
        rates = self.train.get("images_per_second", {})
        reading, network = rates.get("reading"), rates.get("network")
        if not reading or not network:
            return ""
        slow, other, rate = (
            ("reading", "network", network) if reading < network else ("the network", "reading", reading)
        )
        return f", limited by {slow} ({other} {rate:,.0f})"

    def _left(self, row: dict[str, Any], now: int) -> str:
        step, seconds = row.get("step", 0), row.get("seconds", 0.0)
        first_step, first_seconds = self._first or (0, 0.0)
        if first_step == step:
            first_step, first_seconds = 0, 0.0
        if step <= first_step:
            return ""
        left = (seconds - first_seconds) / (step - first_step) * (self.total - now)
        return f"{int(left) // 3600}:{int(left) // 60 % 60:02}:{int(left) % 60:02} left"

    def _due(self, step: int) -> bool:
        now = time.monotonic()
        if now - self._printed < PLAIN_EVERY and step < self.total and step:
            return False
        self._printed = now
        return True


def most_memory() -> int:
    """The most bytes that this process has used: of the GPU where it uses one, else of main memory (0: unknown).

    >>> most_memory() > 2**20
    True
    """
    if torch.cuda.is_available() and (used := torch.cuda.max_memory_reserved()):
        return int(used)
    try:
        import resource  # here, since Windows has none
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


class Steps(pl.Callback):
    """Tells the line of every step of so many images."""

    def __init__(self, progress: Progress, images: int) -> None:
        self.progress = progress
        self.images = images

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """A batch is done, and with the last of them the step."""
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            self.progress.step(trainer.global_step, self.images)
