"""The page: everything that is known about some runs, in one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from fullrank.errors import UserError
from fullrank.report.draw.svg import SERIES
from fullrank.report.html import render, write_html
from fullrank.report.runs import figures, pictures, tables
from fullrank.report.runs.next_steps import next_steps
from fullrank.runs import read_as_run
from fullrank.runs.run import Run, read_run

T = TypeVar("T")
_CURVES = (figures.losses, figures.collapse, figures.mutual_information, figures.knn)


def write_report(runs: Sequence[Path], out: Path, *, refresh: int | None = None) -> Path:
    """Write one HTML page about one to eight run folders, and return its path.

    The page is complete or not there: it is written beside and renamed.

    Args:
        runs: Folders of runs.
        out: The page.
        refresh: Seconds after which a browser reads the page again, while a training goes on; None does not.

    Raises:
        UserError: A folder is not a run, there is none, or more than can be told apart, or nothing can be written.

    >>> write_report([], Path("report.html"))
    Traceback (most recent call last):
    fullrank.errors.UserError: No run to report on: pass the folder of a run.
    """
    folders = list({folder.resolve(): folder for folder in runs}.values())
    if not folders:
        raise UserError("No run to report on: pass the folder of a run.")
    if len(folders) > len(SERIES):
        raise UserError(f"{len(folders)} runs cannot be told apart in one figure: pass {len(SERIES)} or fewer.")
    found = []
    for folder in folders:
        with read_as_run(folder):
            found.append(read_run(folder))
    return write_html(_page(found, refresh), out)


def _page(runs: Sequence[Run], refresh: int | None) -> str:
    labels = tables.short_names([run.path for run in runs])
    spectra = [
        figures.final_spectra(runs, labels),
        *_each(figures.training_spectra, runs, labels),
        *_each(figures.watched_spectra, runs, labels),
    ]
    shown = {
        "labels": labels,
        "refresh": refresh,
        "keys": figures.run_keys(labels),
        "answer": tables.answer(runs, labels),
        "cards": _each(lambda run, _, label: tables.card(run, label), runs, labels),
        "unreadable": [(label, run.unreadable) for run, label in zip(runs, labels, strict=True) if run.unreadable],
        "next": _each(lambda run, _, label: next_steps(run, label), runs, labels),
        "comparison": tables.comparison(runs),
        "curves": _present([draw(runs, labels) for draw in _CURVES]),
        "spectra": _present(spectra),
        "sheets": [_present(_each(draw, runs, labels)) for draw in (pictures.views, pictures.neighbors)],
        "projections": _present(_each(figures.projection, runs, labels)),
        "settings": tables.differences([tables.settings(run) for run in runs]),
        "machines": tables.differences([tables.environment(run) for run in runs]),
    }
    return render("runs/page.html.j2", shown)


def _each(draw: Callable[[Run, int, str], T], runs: Sequence[Run], labels: Sequence[str]) -> list[T]:
    """What is drawn of each run alone; an error names the run."""
    drawn = []
    for at, (run, label) in enumerate(zip(runs, labels, strict=True)):
        with read_as_run(run.path):
            drawn.append(draw(run, at, label))
    return drawn


def _present(items: Sequence[T | None]) -> list[T]:
    return [item for item in items if item is not None]
