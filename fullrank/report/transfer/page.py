"""The page of an evaluation by a protocol, or of a fine-tuning, from the files of its folder alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from fullrank.report.draw.lines import Line, panel, spectrum
from fullrank.report.draw.svg import SERIES
from fullrank.report.html import render, write_html
from fullrank.report.runs.figures import Plot, run_keys
from fullrank.report.transfer.confusion import Grid, confusion_of
from fullrank.runs import read_json
from fullrank.runs.arrays import read_npz
from fullrank.runs.samples import Array

_HEADINGS = (("top1", "top-1"), ("top5", "top-5"), ("balanced", "balanced accuracy"))
_SPACES = ("representation", "embedding")


def write_transfer(folder: Path, out: Path) -> Path:
    """Write the page of a folder with result.json, complete or not at all; returns its path."""
    return write_html(transfer_page(folder), out)


def transfer_page(folder: Path) -> str:
    """The HTML of an evaluation or a fine-tuning, self-contained and without scripts."""
    content = read_json(folder / "result.json")
    confusions, spectra = _arrays(folder / "confusion.npz"), _arrays(folder / "spectra.npz")
    shown = {
        "content": content,
        "headings": [title for _, title in _HEADINGS],
        "rows": [(name, when, cells) for name, row in content["rows"].items() for when, cells in _rows(row)],
        "course": _course(content["rows"]),
        "grids": [_grid(name, counts, content["classes"]) for name, counts in confusions.items()],
        "sphere": content.get("sphere") or {},
        "spectra": _spectra(spectra),
    }
    return render("transfer/page.html.j2", shown)


def _rows(row: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """The lines of the table about one encoder or way: of the last epoch, and of the best one."""
    if row["best"] is None:
        return [("", _cells(row["last"]))]
    best = f"best epoch ({', '.join(map(str, row['best']['epochs']))})"
    return [("last epoch", _cells(row["last"])), (best, _cells(row["best"]))]


def _cells(scores: Mapping[str, Any]) -> list[str]:
    return [percent(scores[name]) for name, _ in _HEADINGS]


def percent(value: Mapping[str, Any] | None) -> str:
    """A mean with its spread over seeds in percent.

    >>> percent({"mean": 0.81234, "spread": 0.01, "values": []}), percent({"mean": 0.5, "spread": None}), percent(None)
    ('81.23 ± 1.00', '50.00', '–')
    """
    if value is None:
        return "–"
    spread = "" if value["spread"] is None else f" ± {100 * value['spread']:.2f}"
    return f"{100 * value['mean']:.2f}{spread}"


def _course(rows: Mapping[str, Mapping[str, Any]]) -> Plot | None:
    """Top-1 over the epochs, a line for each seed."""
    named = [(name, row["course"]) for name, row in rows.items() if row.get("course")][: len(SERIES)]
    lines = [
        Line(np.arange(1, len(course) + 1), np.array(course, dtype=np.float64), at, opacity=0.8)
        for at, (_, courses) in enumerate(named)
        for course in courses
    ]
    drawn = panel("course", "", "top-1 on the test set", lines, across="epoch")
    caption = (
        "One line per seed. The best epoch is chosen by the very images it is scored on, as several papers do; the last"
        " one is not chosen by anything."
    )
    keys = run_keys([name for name, _ in named])
    return None if drawn is None else Plot("course", "Accuracy over the epochs", caption, keys, [drawn])


def _spectra(spectra: Mapping[str, Array]) -> Plot | None:
    known = [name for name in _SPACES if name in spectra]
    lines = [spectrum(spectra[name], at) for at, name in enumerate(known)]
    drawn = panel("spectra", "", "singular value", lines, across="index, largest first", log=True)
    caption = (
        "Singular values of the covariance over the whole test set, rows scaled to length 1, divisor N - 1, as in"
        " DirectCLR's figures 2, 7 and 9 and W2's figure 7. A cliff is where dimensions are unused."
    )
    return None if drawn is None or not known else Plot("spectra", "Spectra", caption, run_keys(known), [drawn])


def _grid(name: str, counts: Array, classes: Sequence[str]) -> tuple[str, Grid]:
    return name, confusion_of(counts, classes)


def _arrays(path: Path) -> dict[str, Array]:
    if not path.is_file():
        return {}
    return read_npz(path)
