"""`fullrank diagnose RUN --data IMAGES`: images through a frozen encoder, and what it makes of them."""

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
from fullrank.evaluation.embed import read_as_trained
from fullrank.evaluation.model import open_model
from fullrank.runs import read_config
from fullrank.stats.sketch import sketch


def image_report(
    source: str, data: tuple[str, ...], *, profile: str | None, seed: int, console: Console
) -> tuple[Report, list[str]]:
    """The report on the representation of all training images of `data`, and the names of their classes.

    `source` is the folder of a run, the file of an encoder, timm:NAME or torchvision:NAME.
    """
    saved = open_model(source, say=lambda text: console.print(text, highlight=False, soft_wrap=True, markup=False))
    is_run = (Path(source) / "config.json").is_file()
    config = read_config(Path(source)) if is_run else {"settings": {}}
    of_run = profile_of(str(config["recipe"])).name if is_run else "generic"
    objective = find_profile(profile or of_run)
    options = read_as_trained(saved, DataOptions())
    dataset = load_dataset(data, root=config["settings"].get("data_root"), options=options)
    same = compared(config, dataset) if is_run else "unknown"
    dataset = with_channels(dataset, saved.encoder.channels)
    said = {"same": "the training images", "other": "other images than it was trained on", "unknown": "images"}[same]
    line = f"{dataset.inventory().line()}; {said} through the encoder of {source}"
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
        source=f"{source} on {dataset.name}",
        read_as=line,
        seed=seed,
    )
    return made, [*dataset.train.classes] if known else []
