"""The list of the experiments."""

from __future__ import annotations

from fullrank.papers import Entry, catalog
from fullrank.papers.published import full_hours


def listing() -> str:
    """Every experiment with the minutes it takes, what it does, and what --full makes of it.

    >>> "w2/hosts" in listing()
    True
    """
    width = max(map(len, catalog()))
    lines = [f"{'':<{width}}     time  (one CPU core, 10 seeds)"]
    for name, entry in catalog().items():
        full = f"; --full: {entry.full}{hours(entry, 10)}" if entry.full else ""
        lines.append(f"{name:<{width}}  {_minutes(entry.minutes):>7}  {entry.title}{full}")
    return "\n".join(lines)


def hours(entry: Entry, seeds: int) -> str:
    """What --full takes, where the experiment trains on images."""
    return f", about {full_hours(entry.trainings * seeds):.0f} GPU hours" if entry.trainings else ""


def _minutes(minutes: float) -> str:
    return f"{minutes:.0f} min" if minutes >= 1 else f"{60 * minutes:.0f} s"
