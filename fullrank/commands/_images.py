"""`fullrank diagnose RUN --data IMAGES`: images through the frozen encoder of a run, and what it makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from rich.console import Console
from torch import Tensor

from fullrank.commands._reading import watched
from fullrank.data import DataOptions, load_dataset, plain_batches, with_channels
from fullrank.data.identity import compared
from fullrank.diagnosis.diagnose import diagnose_sketch
from fullrank.diagnosis.profiles import find_profile
from fullrank.diagnosis.report import Report
from fullrank.diagnosis.training import profile_of
from fullrank.nn import load_encoder
from fullrank.runs import read_json
from fullrank.stats.sketch import sketch


def image_report(
    run: Path, data: tuple[str, ...], *, profile: str | None, seed: int, console: Console
) -> tuple[Report, list[str]]:
    """The report on the representation of all training images of `data`, and the names of their classes."""
    config = read_json(run / "config.json")
    objective = profile_of(str(config["recipe"])) if profile is None else find_profile(profile)
    saved = load_encoder(run / "encoder.safetensors")
    options = DataOptions.from_json(config["settings"])
    dataset = load_dataset(data, root=config["settings"].get("data_root"), options=options)
    same = compared(config, dataset)
    dataset = with_channels(dataset, saved.encoder.channels)
    said = {"same": "the training images", "other": "other images than it was trained on", "unknown": "images"}[same]
    line = f"{dataset.inventory().line()}; {said} through the encoder of {run}"
    console.print(line, highlight=False, soft_wrap=True, markup=False)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    saved.encoder.to(device)

    def rows() -> Iterator[Tensor]:
        for batch in plain_batches(dataset.train, size=saved.encoder.image_size, workers=2):
            with torch.inference_mode():
                yield saved(batch.to(device)).float().cpu()

    found = sketch(watched(rows(), len(dataset.train), console, "Encoding"), seed=seed)
    labels = dataset.train.labels
    known = labels is not None and bool((labels >= 0).all())
    made = diagnose_sketch(
        found,
        labels=labels if known else None,
        profile=objective.name,
        where="backbone",
        source=f"{run} on {dataset.name}",
        read_as=line,
        seed=seed,
    )
    return made, [*dataset.train.classes] if known else []
