"""Six recipes with ResNet-18 for the time that is left, through the trainer that everyone uses."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

import fullrank
from benchmarks.gpu.clock import waits
from fullrank.runs import read_json, read_rows

RECIPES = ("simclr", "vicreg", "barlow_twins", "byol", "intl", "corinfomax")
_FEW = 30  # steps that say how long one takes


def trained(recipe: str, data: object, folder: Path, *, root: Path | None, tiny: bool, steps: int) -> dict[str, Any]:
    """What a training of so many steps leaves."""
    flags: dict[str, Any] = {"backbone": "tiny", "batch_size": 16, "probe": 64} if tiny else {"backbone": "resnet18"}
    flags |= {"data_root": root} if root and isinstance(data, str) else {}
    run = fullrank.train(recipe, data=data, out=folder, steps=steps, devices=1, monitor_every=10**6, **flags)
    result = read_json(run.path / "result.json")
    last = [row for row in read_rows(run.path / "metrics.jsonl") if row["kind"] == "monitor"][-1]
    return {
        "steps": steps,
        "seconds": result["seconds"],
        "images_per_second": result["images_per_second"],
        "probe_knn": result["probe_knn"],
        "relative_spread": last["embedding"]["relative_spread"],
        "effective_rank": last["embedding"]["effective_rank"],
        "verdict": result["verdict"]["sentence"],
    }


def trainings(
    sets: dict[str, object], device: torch.device, *, root: Path | None, tiny: bool, until: float
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each recipe on each set, with an equal share of the time until then (of time.monotonic)."""
    left = [(name, recipe) for name in sets for recipe in (RECIPES[:2] if tiny else RECIPES)]
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, recipe) in enumerate(left):
            share = (until - time.monotonic()) / (len(left) - number)
            label = f"{recipe} on {name}"
            if share <= 0:
                yield label, {"left out": "no time was left."}
                continue
            begun, few = time.monotonic(), 2 if tiny else _FEW
            short = Path(folder) / f"{number}-short"
            run = partial(trained, recipe, sets[name], root=root, tiny=tiny)
            waited = waits(partial(run, folder=short, steps=few), device)
            first = time.monotonic() - begun
            each = read_json(short / "result.json")["seconds"]["train"] / few
            steps = max(few, int((share - 2 * first) / max(each, 1e-4)))
            found = run(folder=Path(folder) / str(number), steps=few if tiny else steps)
            yield label, {**found, "waits of a short run": waited, "steps of a short run": few}
