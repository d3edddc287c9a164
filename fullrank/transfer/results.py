"""What an evaluation or a fine-tuning leaves: result.json, which the page is made of, and the confusions beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from fullrank.report.transfer.page import write_transfer
from fullrank.runs import write_json, write_npz
from fullrank.transfer.protocols import Classify, Neighbors, Sphere
from fullrank.transfer.scores import Scores, mean_and_spread
from fullrank.transfer.task import Say

NAMES = ("top1", "top5", "balanced")


def row_of(lasts: Sequence[Scores], courses: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, Any]:
    """One line of the table, over seeds: the scores of the last epoch, and of the best one where there are several.

    The best epoch of each seed is the one of highest top-1 on the test set, so it is chosen by what it is scored on.
    """
    row: dict[str, Any] = {"last": _over_seeds([one.to_json() for one in lasts]), "best": None}
    if courses and all(len(course) > 1 for course in courses):
        best = [max(course, key=lambda epoch: epoch["top1"]) for course in courses]
        row["best"] = _over_seeds(best) | {"epochs": [round(one["epoch"]) for one in best]}
        row["course"] = [[epoch["top1"] for epoch in course] for course in courses]
    return row


def _over_seeds(scores: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        name: mean_and_spread([one[name] for one in scores]) if scores[0][name] is not None else None for name in NAMES
    }


def settings_rows(parts: Mapping[str, Classify | Neighbors | Sphere | None]) -> list[dict[str, str]]:
    """The settings of a protocol with their sources, for the page."""
    return [
        {"part": part, "name": name, "value": _text(getattr(how, name)), "source": source}
        for part, how in parts.items()
        if how is not None
        for name, source in how.sources.items()
    ]


def _text(value: Any) -> str:
    """A setting as it is read.

    >>> _text((60, 80)), _text(0.005), _text("sgd")
    ('60, 80', '0.005', 'sgd')
    """
    if isinstance(value, tuple):
        return ", ".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def write_results(
    folder: Path,
    content: dict[str, Any],
    confusions: Mapping[str, Sequence[Scores]],
    spectra: Mapping[str, Any] | None = None,
) -> Path:
    """Write result.json, confusion.npz (the counts of all seeds), spectra.npz and the page; returns its path."""
    versions = {name: version(name) for name in ("fullrank", "torch", "timm", "lightning")}
    write_npz(
        folder / "confusion.npz",
        {
            name: sum((one.confusion for one in scores[1:]), scores[0].confusion).numpy()
            for name, scores in confusions.items()
        },
        compressed=True,
    )
    if spectra:
        write_npz(folder / "spectra.npz", {name: values.numpy() for name, values in spectra.items()})
    write_json(folder / "result.json", content | {"versions": versions})
    return write_transfer(folder, folder / "report.html")


def sentences(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The table in lines, for the terminal."""
    return [f"  {name:<18} {line}" for name, row in rows.items() for line in _lines(row)]


def _lines(row: Mapping[str, Any]) -> list[str]:
    several = row["best"] is not None
    found = [("last epoch  " if several else "") + _scores(row["last"])]
    if several:
        epochs = ", ".join(map(str, row["best"]["epochs"]))
        found.append(f"best epoch  {_scores(row['best'])}   (epoch {epochs}, chosen on the test set)")
    return found


def _scores(scores: Mapping[str, Any]) -> str:
    words = {"top1": "top-1", "top5": "top-5", "balanced": "balanced"}
    return "   ".join(f"{words[name]} {_number(scores[name])}" for name in NAMES if scores[name] is not None)


def _number(value: Mapping[str, Any]) -> str:
    spread = "" if value["spread"] is None else f" ± {value['spread']:.4f}"
    return f"{value['mean']:.4f}{spread}"


def say_top5(classes: int, say: Say) -> None:
    """Say where top-5 means nothing."""
    if classes <= 5:
        say(f"Top-5 is left out: of {classes} classes, five answers always name the right one.")
