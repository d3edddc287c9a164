"""The page about a detector: its scores beside its control's, by class, its curves, and pictures of what it found."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fullrank.report.draw.lines import Line, Panel, column, panel
from fullrank.report.html import render, write_html
from fullrank.report.numbers import duration, fixed
from fullrank.runs import read_json, read_rows

_ROWS = (
    ("AP", "average precision, mean over overlaps of 0.5 to 0.95"),
    ("AP50", "a box counts as found from an overlap of 0.5 on"),
    ("AP75", "from an overlap of 0.75 on"),
    ("AP_small", "below 32² pixels"),
    ("AP_medium", "32² to 96² pixels"),
    ("AP_large", "above 96² pixels"),
    ("AR_100", "recall of 100 detections"),
)
_VOC = (
    ("AP50_11_points", "VOC 2007, eleven points"),
    ("AP50_area", "VOC 2010, area"),
    ("AP_11_points", "eleven points, overlaps of 0.5 to 0.95"),
    ("AP75_11_points", "eleven points, overlap of 0.75"),
)


@dataclass(frozen=True)
class Row:
    """A line of a table: a name, what it means, and a cell for each run."""

    name: str
    remark: str
    cells: Sequence[str]


def write_detection(run: Path, out: Path) -> Path:
    """Write the page about a finished run of `fullrank detect`, complete or not at all; returns its path."""
    config, results, rows = read_json(run / "config.json"), [read_json(run / "result.json")], [_rows(run)]
    if (run / "control" / "result.json").is_file():
        results.append(read_json(run / "control" / "result.json"))
        rows.append(_rows(run / "control"))
    scores = [result["scores"] for result in results]
    shown = {
        "run": str(run),
        "answer": _answer(scores),
        "encoder": config["encoder"]["source"],
        "network": config["network"]["name"],
        "columns": ["this encoder", "random weights"][: len(results)],
        "tables": _tables(scores),
        "curves": [one for one in _curves(rows) if one is not None],
        "pictures": [_data(path) for path in sorted((run / "pictures").glob("*.jpg"), key=lambda path: int(path.stem))],
        "data": [config["data"]["train"], config["data"]["val"]],
        "seconds": [duration(result["seconds"]) for result in results],
        "steps": results[0]["steps"],
        "settings": config["settings"],
    }
    return write_html(render("detection/page.html.j2", shown), out)


def _answer(scores: Sequence[Mapping[str, Any]]) -> str:
    box = [score["box"]["AP50"] for score in scores]
    said = f"Average precision of boxes (AP50): {fixed(box[0], 3)} of 1"
    return said if len(box) == 1 else f"{said}, and {fixed(box[1], 3)} from random weights"


def _tables(scores: Sequence[Mapping[str, Any]]) -> list[tuple[str, list[Row]]]:
    kinds = [kind for kind in ("box", "mask") if kind in scores[0]]
    tables = [
        (
            f"COCO's scores of {_plural(kind)}",
            [_row(name, remark, [score[kind] for score in scores]) for name, remark in _ROWS],
        )
        for kind in kinds
    ]
    tables.append(
        ("VOC's scores of boxes", [_row(name, remark, [score["voc"] for score in scores]) for name, remark in _VOC])
    )
    tables += [
        (
            f"AP of {_plural(kind)} by class",
            [_row(name, "", [score[kind]["classes"] for score in scores]) for name in scores[0][kind]["classes"]],
        )
        for kind in kinds
    ]
    return tables


def _plural(kind: str) -> str:
    return {"box": "boxes", "mask": "masks"}[kind]


def _row(name: str, remark: str, numbers: Sequence[Mapping[str, Any]]) -> Row:
    return Row(name.replace("_", " "), remark, [fixed(each[name], 3) for each in numbers])


def _rows(run: Path) -> list[dict[str, Any]]:
    return read_rows(run / "metrics.jsonl")


def _curves(runs: Sequence[Sequence[Mapping[str, Any]]]) -> list[Panel | None]:
    losses, scores = [], []
    for at, rows in enumerate(runs):
        train = [row for row in rows if row["kind"] == "train"]
        looks = [row for row in rows if row["kind"] == "evaluation"]
        losses.append(Line(np.array([row["step"] for row in train]), column(row["loss"] for row in train), at))
        found = column(row["scores"]["box"]["AP50"] for row in looks)
        if len(looks) > 1:
            scores.append(Line(np.array([row["step"] for row in looks]), found, at))
    return [
        panel("loss", "Loss", "sum of the losses", losses),
        panel("ap", "AP50 of boxes", "AP50", scores, limits=(0.0, None)),
    ]


def _data(path: Path) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}"
