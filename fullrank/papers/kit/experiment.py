"""What an experiment is, what it is told and what it says; loads no torch and draws nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Verdict = Literal["holds", "holds in part", "not visible at this scale", "contradicted"]


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line, cloud of points, or closed-form expectation (drawn dashed, in ink); NaN in y is a gap."""

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    style: Literal["line", "points", "expected"] = "line"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes, labeled with units; `x_names` are names for x = 0, 1, 2, ... where x is not a number."""

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    log_x: bool = False
    log_y: bool = False
    x_names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came out: the verdict on the claim, the one sentence with the numbers behind it, panels and a table."""

    verdict: Verdict
    measured: str
    panels: tuple[Panel, ...]
    rows: tuple[Mapping[str, str | float], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How an experiment is run; `out` is its own folder, where trainings leave their runs."""

    out: Path
    full: bool = False
    """The paper's own size, or as close to it as the data allow."""
    seeds: int = 3
    """Independent repetitions, seeds 0, 1, 2, ..."""
    data: str = ""
    """The data set of images; "" where the experiment makes up its data."""
    data_root: Path | None = None
    """Folder of the named data set; None is the default one."""
    progress: Callable[[float], None] = lambda share: None
    """To be called with the share that is done, from 0 to 1."""

    @property
    def averaged(self) -> str:
        """What a number in a sentence is of: the mean of the seeds, or one."""
        return "one seed" if self.seeds == 1 else f"means of {self.seeds} seeds"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One claim of one paper and the function that tests it.

    A file of this room declares its experiments at top level, with literal strings and numbers: they are listed
    without importing the file.
    """

    name: str
    """PAPER/WHAT, such as directclr/toy-augmentation; the folder of its result."""
    paper: str
    """Authors, year and place in the paper: section, figure or equation."""
    title: str
    """What is done, in a few words."""
    claim: str
    """What the paper claims, in one sentence, in our words."""
    minutes: float
    """Measured on one CPU core, with the default settings."""
    run: Callable[[Settings], Outcome]
    full: str = ""
    """What --full does instead; "" where the default is the paper's own size."""
    data: str = ""
    """The data set of images that it uses unless told another; "" where it makes up its data."""
