"""What an experiment is, what it is told and what it says; loads no torch and draws nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from fullrank.papers.kit.parts import Part


@dataclass(frozen=True, kw_only=True)
class Series:
    """One line or cloud of points of a panel.

    Attributes:
        label: Its name in the legend.
        x, y: Its points; NaN in y is a gap.
        style: A line, points, a closed form (drawn dashed), or the threshold of a verdict (dotted).
    """

    label: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    style: Literal["line", "points", "expected", "threshold"] = "line"


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: Above it.
        x_label, y_label: What is drawn, with its unit.
        series: What is drawn.
        log_x, log_y: Whether an axis is logarithmic.
        x_names: Names for x = 0, 1, 2, ... where x is not a number.
    """

    title: str
    x_label: str
    y_label: str
    series: tuple[Series, ...]
    log_x: bool = False
    log_y: bool = False
    x_names: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came out of an experiment.

    Attributes:
        measured: One sentence with the numbers.
        panels: The figure.
        rows: The table, from which the parts are judged; `seed` counts repetitions from 0 in it.
    """

    measured: str
    panels: tuple[Panel, ...]
    rows: tuple[dict[str, str | float], ...]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How an experiment is run; `out` is its own folder, where trainings leave their runs."""

    out: Path
    """The experiment's own folder, where trainings leave their runs."""
    full: bool = False
    """Larger: the paper's size of made-up data; on images ResNet-18 for 100 epochs, with our settings."""
    seeds: int = 3
    """Independent repetitions, one seed each."""
    seed_from: int = 0
    """The first seed; the others follow it."""
    data: str = ""
    """The data set of images; "" where the experiment makes up its data."""
    data_root: Path | None = None
    """Folder of the named data set; None is the default one."""
    steps: int | None = None
    """Steps of a training, of 256 images each, or as many of smaller batches as see these; None is the usual."""
    image_size: int | None = None
    """Pixels of a side; None is the usual."""
    backbone: str | None = None
    """The encoder; None is the usual."""
    progress: Callable[[float], None] = lambda share: None
    """To be called with the share that is done, from 0 to 1."""

    @property
    def each_seed(self) -> range:
        """The seeds.

        >>> [*Settings(out=Path("x"), seeds=2, seed_from=1000).each_seed]
        [1000, 1001]
        """
        return range(self.seed_from, self.seed_from + self.seeds)

    @property
    def averaged(self) -> str:
        """What a number in a sentence is of: the mean of the seeds, or one."""
        return "one seed" if self.seeds == 1 else f"means of {self.seeds} seeds"


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One claim of one paper and the function that tests it.

    A file of this room declares its experiments at top level, with literal strings and numbers but for `run` and
    `parts`: they are listed without importing the file.
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
    """Measured on one CPU core, with ten seeds; of fewer seeds, in proportion."""
    run: Callable[[Settings], Outcome]
    """Does it."""
    parts: tuple[Part, ...]
    """What the claim says, part by part; the first is the headline, which decides."""
    full: str = ""
    """What --full does instead; "" where the default is the paper's own size."""
    data: str = ""
    """The data set of images that it uses unless told another; "" where it makes up its data."""
    trainings: int = 0
    """Trainings on images for each seed, from which the hours of --full are estimated; 0 where it makes up its data."""
    caveat: str = ""
    """What else than the claim could make the result, or what it leaves out; "" where nothing is known."""
