"""The diagnosis of a FullRank run: its verdicts over training, and the embeddings of its probe images at the end."""

from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from rich.console import Console
from torch import Tensor

from fullrank.diagnosis.diagnose import diagnose_sketch
from fullrank.diagnosis.loss_plateau import SETTINGS
from fullrank.diagnosis.profiles import find_profile
from fullrank.diagnosis.report import Report
from fullrank.diagnosis.verdict import verdict
from fullrank.errors import UserError
from fullrank.runs import read_json, read_rows
from fullrank.stats.sketch import sketch

if TYPE_CHECKING:
    from fullrank.commands.diagnose import Diagnose

_NO_RUN = ("labels", "groups", "loss", *SETTINGS)  # flags that are for a file of embeddings only


def is_run(spec: str) -> bool:
    """Whether this is the folder of a run."""
    return (Path(spec) / "config.json").is_file()


def run_report(options: Diagnose, console: Console) -> tuple[Report, list[dict[str, Any]], list[str]]:
    """The report on one layer of a run, its verdicts over training, and the names of the classes."""
    run, profile = Path(options.file), options.profile or "non-contrastive"
    given = [name for name in _NO_RUN if getattr(options, name) is not None] + ["views"] * (options.views != 1)
    if given:
        flag = f"--{given[0].replace('_', '-')}"
        raise UserError(f"{flag} is of no use for a run, only for a file of embeddings: leave it out.")
    layer = options.layer or "embedding"
    find_profile(profile)
    z, labels, classes = _probe(run, layer, options.data_root, console)
    with console.status("Measuring"):
        made = diagnose_sketch(
            sketch([z], seed=options.seed),
            labels=labels,
            profile=profile,
            where=layer,
            source=str(run),
            seed=options.seed,
        )
    return made, over_training(run, layer), classes


def over_training(run: Path, layer: str) -> list[dict[str, Any]]:
    """The verdict at every look of the training's monitor, by the same thresholds."""
    rows = []
    for row in read_rows(run / "metrics.jsonl"):
        if row["kind"] == "monitor" and layer in row:
            judged, numbers = verdict(row[layer]), row[layer]
            bad = "collapsed" if judged.collapsed else "degraded"
            rows.append(
                {
                    "step": row["step"],
                    "verdict": judged.kind if judged.kind in ("healthy", "undetermined") else bad,
                    "kind": judged.kind if judged.kind in ("complete", "dimensional") else None,
                    "sentence": judged.sentence,
                    **{name: numbers[name] for name in ("relative_spread", "mean_cosine", "effective_rank")},
                }
            )
    return rows


def _probe(run: Path, layer: str, root: Path | None, console: Console) -> tuple[Tensor, Tensor | None, list[str]]:
    """What the last checkpoint makes of the probe images, their labels and the names of these."""
    from fullrank import recipes
    from fullrank.engine import RunOptions
    from fullrank.engine.checkpoint import last_checkpoint
    from fullrank.training.fit import prepare
    from fullrank.training.module import Training
    from fullrank.training.probe import probe_size, read, take_probe

    config = read_json(run / "config.json")
    recipe = recipes.from_settings(recipes.load(config["recipe"]), config["settings"])
    options = recipes.from_settings(RunOptions, config["run"])
    job = prepare(dataclasses.replace(recipe, data_root=root) if root else recipe, options, console)
    path = last_checkpoint(run)
    if not path.is_file():
        raise UserError(f"{run} has no checkpoint yet: wait until it has saved one.")
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
        Training(job.method, job.views, job.plan).load_state_dict(weights)
    except (OSError, KeyError, RuntimeError, ValueError, EOFError, pickle.UnpicklingError) as error:
        raise UserError(f"{path} cannot be read ({str(error).splitlines()[0][:100]}): train again.") from None
    count = probe_size(job.dataset.train, options.probe)
    probe = take_probe(job.dataset.train, size=job.image_size, count=count, seed=job.recipe.seed)
    with console.status("Embedding the probe images"):
        reading = read(job.method, probe, job.views)
    z = reading.representation if layer == "backbone" else reading.embedding
    return z, probe.labels, [*job.dataset.train.classes] if probe.labels is not None else []
