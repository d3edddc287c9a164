"""What is said in a terminal: plain lines, and the progress of what takes long."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn

T = TypeVar("T")

QUIET = 2.0  # seconds before progress is shown
PLAIN_EVERY = 10.0  # seconds between two lines when the output is not a terminal


def say(console: Console, text: str) -> None:
    """Print a line as it is: without colors of its own, unwrapped, and with its brackets."""
    console.print(text, highlight=False, soft_wrap=True, markup=False)


def bars(console: Console, *columns: ProgressColumn) -> Progress:
    """Bars that go when they are done, with the time left; in a terminal alone."""
    shown = (TextColumn("{task.description}"), BarColumn(), *columns, TimeRemainingColumn())
    return Progress(*shown, console=console, transient=True, disable=not console.is_terminal)


def watched(
    items: Iterable[T],
    total: int | None,
    title: str,
    unit: str,
    *,
    console: Console,
    tell: Callable[[str], None] | None = None,
    size: Callable[[T], int] = lambda item: 1,
) -> Generator[T, None, None]:
    """Hand the items on and show how many of `total` units are done, as `progress` does; an item is `size` units."""
    done = 0
    with progress(console, title, total, unit, tell) as show:
        for item in items:
            yield item
            done += size(item)
            show(done)


@contextmanager
def progress(
    console: Console, title: str, total: float | None, unit: str, tell: Callable[[str], None] | None = None
) -> Iterator[Callable[[float], None]]:
    """Show how much of `total` is done, and the time left, when it takes more than two seconds.

    A terminal has a bar; elsewhere `tell` gets a line, and then one every ten seconds; by default it prints them.
    What is done in the first second may have been there already, so that the time left is told by the rest.
    """
    begun = time.monotonic()
    due = begun + QUIET
    start = (begun, 0.0)
    drawn = bars(console, TextColumn(f"{{task.completed:,}} {unit}"))
    bar = drawn.add_task(title, total=total)

    def show(done: float) -> None:
        nonlocal due, start
        now = time.monotonic()
        drawn.update(bar, completed=done)
        if now < begun + QUIET / 2:
            start = (now, done)
        if now < due or drawn.live.is_started:
            return
        due = now + PLAIN_EVERY
        if console.is_terminal:
            drawn.start()
        else:
            line = _line(title, unit, done, total, done - start[1], now - start[0])
            tell(line) if tell else say(console, line)

    try:
        yield show
    finally:
        drawn.stop()


def _line(title: str, unit: str, done: float, total: float | None, new: float, seconds: float) -> str:
    """One plain line of progress, of which the `new` part took so many seconds.

    >>> _line("Reading z.npy", "rows", 500, 2000, 500, 10.0), _line("Reading z.csv", "rows", 500, None, 500, 10.0)
    ('Reading z.npy: 500 of 2,000 rows, 30 s left', 'Reading z.csv: 500 rows')
    """
    if total is None:
        return f"{title}: {done:,} {unit}"
    left = f", {seconds * (total - done) / new:.0f} s left" if new > 0 else ""
    return f"{title}: {done:,} of {total:,} {unit}{left}"
