"""Short trainings of FullRank: what the encoder makes of test images, and what the projector made of the probe.

Each run is made once, by the command line, into the folder that the sets are made in. A backbone of 200 steps that
beats the untrained one by its neighbors is healthy; whether a projector's output is, only the reader can know: it is
open, but for objectives that collapse by construction.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.sets.sprites import sprites
from fullrank.cli import main as command
from fullrank.data import ImageSet, ImageTensor, load_dataset
from fullrank.nn import load_encoder
from fullrank.runs.probe import read_probe

from .source import Expected, Made, Source

ROWS = 800
BATCH = 64
FASHION = {  # recipe: steps
    "simclr": (20, 200),
    "intl": (20, 200),
    "vicreg": (200,),
    "barlow_twins": (200,),
    "byol": (200,),
    "moco": (200,),
    "swav": (200,),
    "w_mse": (200,),
    "simsiam": (200,),
    "mmcr": (200,),
    "align_uniform": (200,),
    "invariance": (200,),
    "spectral": (200,),
}
COLOR = dict.fromkeys(("simclr", "barlow_twins", "moco", "byol", "invariance"), (400,))
WITH_NEGATIVES = {"simclr", "moco", "align_uniform", "swav"}
COLLAPSES = {"invariance"}  # nothing keeps apart; of `spectral` only the embedding collapses
NO_BETTER = {"w_mse"}  # after so few steps its neighbors tell less than those of the untrained network: open
EARLY = 20  # steps up to which a run is open: too early for anyone to know


def _trained(root: Path, recipe: str, steps: int, *, color: bool) -> Path:
    """The folder of a run; made if it is not there."""
    out = root / "runs" / f"{'color' if color else 'fashion'}-{recipe}-{steps}"
    if not (out / "result.json").exists():
        data = ["--data", str(sprites(root, 32)), "--image-size", "32"] if color else ["--data", "fashion-mnist"]
        flags = [*data, "--steps", str(steps), "--batch-size", str(BATCH), "--monitor-every", str(steps)]
        if command(["train", recipe, *flags, "--out", str(out)]) != 0:
            raise RuntimeError(f"{recipe} did not train: see {out}")
    return out


def _backbone(root: Path, *, recipe: str, steps: int, color: bool) -> Made:
    run = _trained(root, recipe, steps, color=color)
    dataset = load_dataset(str(sprites(root, 32)) if color else "fashion-mnist")
    rows = dataset.test or dataset.train
    take = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:ROWS].tolist()
    images, labels = _images(rows, take)
    encoder = load_encoder(run / "encoder.safetensors")
    with torch.inference_mode():
        return torch.cat([encoder(part) for part in images.split(100)]), labels


def _images(rows: ImageSet, take: list[int]) -> tuple[Tensor, Tensor | None]:
    labels = None if rows.labels is None else rows.labels[take]
    if isinstance(rows, ImageTensor):
        return rows.images[take], labels
    return torch.from_numpy(np.stack([np.asarray(rows.open(number)) for number in take])).permute(0, 3, 1, 2), labels


def _embedding(root: Path, *, recipe: str, steps: int, color: bool) -> Made:
    probe = read_probe(_trained(root, recipe, steps, color=color))
    return torch.from_numpy(probe.embedding), None if probe.labels is None else torch.from_numpy(probe.labels)


def sources() -> Iterator[Source]:
    """Backbone and embedding of every run."""
    for color, table in ((False, FASHION), (True, COLOR)):
        for recipe, lengths in table.items():
            for steps in lengths:
                profile = "contrastive" if recipe in WITH_NEGATIVES else "non-contrastive"
                of = f"{recipe}, {steps} steps, {'sprites' if color else 'Fashion-MNIST'}"
                settings: dict[str, Any] = {"recipe": recipe, "steps": steps, "color": color}
                backbone: Expected = "open" if steps <= EARLY or recipe in COLLAPSES | NO_BETTER else "healthy"
                embedding: Expected = "ruined" if recipe in COLLAPSES else "open"
                yield Source(f"backbone of {of}", "runs", profile, backbone, partial(_backbone, **settings))
                yield Source(f"embedding of {of}", "runs", profile, embedding, partial(_embedding, **settings))
