"""Writes the measured tables of docs/transfer.md and docs/detection.md: `python -m docs.build.transfer`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.detection import KINDS
from benchmarks.detection import RESULT as DETECTION
from benchmarks.transfer import TASKS, TUNED, read
from docs.build.marks import between
from docs.build.numbers import with_interval

DOCS = Path(__file__).parents[1]
BEGIN, END = "<!-- python -m docs.build.transfer -->\n", "<!-- end -->\n"
TITLES = {
    "sprites-32": "Game sprites, 32 px in color, 21 races, split by figure; SimCLR on the same sprites",
    "patches": "Patches of 12 photographs, at 32 px; SimCLR on the sprites",
    "fashion-mnist": "Fashion-MNIST; SimCLR on the same images",
}
ROWS = (  # of a task: encoder, how, and what the table says
    ("random", "knn", "random weights, frozen: kNN"),
    ("random", "linear", "random weights, frozen: linear"),
    ("random", TUNED, "from scratch"),
    ("simclr", "knn", "SimCLR, frozen: kNN"),
    ("simclr", "linear", "SimCLR, frozen: linear"),
    ("simclr", TUNED, "SimCLR, fine-tuned"),
    ("imagenet", "knn", "ImageNet, frozen: kNN"),
    ("imagenet", "linear", "ImageNet, frozen: linear"),
)
ENCODERS = {"random": "random", "simclr": "SimCLR on the same images", "imagenet": "ImageNet"}
Cells = Sequence[dict[str, Any]]


def tasks() -> str:
    """A table for each task: the accuracies of every beginning at every share of the labels, in percent."""
    cells = read()
    return "\n".join(_task(name, [cell for cell in cells if cell["task"] == name]) for name in TASKS)


def _task(name: str, cells: Cells) -> str:
    shares = sorted({(cell["labels"], cell["images"]) for cell in cells})
    titles = [f"{100 * share:g} % ({images:,})" for share, images in shares]
    lines = [f"**{TITLES[name]}**", "", f"| | {' | '.join(titles)} |", f"|---|{'---|' * len(shares)}"]
    for encoder, how, title in ROWS:
        some = [[cell for cell in cells if _is(cell, share, encoder, how)] for share, _ in shares]
        if any(some):
            lines.append(f"| {title} | {' | '.join(map(_accuracy, some))} |")
    gains = [_gain(cells, share) for share, _ in shares]
    lines.append(f"| *gain of fine-tuning over from scratch* | {' | '.join(gains)} |")
    return "\n".join(lines) + "\n"


def _is(cell: dict[str, Any], share: float, encoder: str, how: str) -> bool:
    return bool((cell["labels"], cell["encoder"], cell["how"]) == (share, encoder, how))


def _accuracy(cells: Cells) -> str:
    return with_interval([100 * cell["top1"] for cell in cells], 1) if cells else ""


def _gain(cells: Cells, share: float) -> str:
    """The difference of each seed, which has the same labels in both."""
    ours, theirs = (
        {cell["seed"]: 100 * cell["top1"] for cell in cells if _is(cell, share, encoder, TUNED)}
        for encoder in ("simclr", "random")
    )
    both = sorted(ours.keys() & theirs.keys())
    return with_interval([ours[seed] - theirs[seed] for seed in both], 1) if both else ""


def detectors(name: str) -> str:
    """AP50 and AP of each encoder on a set."""
    rows = [row for row in json.loads(DETECTION.read_text(encoding="utf-8"))["rows"] if row["set"] == name]
    scores = [key for key in rows[0] if key.startswith("AP")]
    lines = [f"| encoder | seeds | {' | '.join(scores)} | CPU-seconds |", f"|---|---|{'---|' * len(scores)}---|"]
    for encoder, title in ENCODERS.items():
        if not (some := [row for row in rows if row["encoder"] == encoder]):
            continue
        numbers = [with_interval([row[score] for row in some], 3) for score in scores]
        seconds = round(mean(row["cpu_seconds"] for row in some))
        lines.append(f"| {title} | {len(some)} | {' | '.join(numbers)} | {seconds} |")
    return "\n".join(lines) + "\n"


def pages() -> dict[Path, str]:
    """The pages with their tables of today."""
    transfer, detection = DOCS / "transfer.md", DOCS / "detection.md"
    text = detection.read_text(encoding="utf-8")
    for name in KINDS:
        text = between(text, BEGIN.replace(" -->", f" {name} -->"), END, detectors(name))
    return {transfer: between(transfer.read_text(encoding="utf-8"), BEGIN, END, tasks()), detection: text}


if __name__ == "__main__":
    for page, content in pages().items():
        page.write_text(content, encoding="utf-8")
