"""What a training leaves in its folder: at its beginning what it is, at its end encoder, pictures and result."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from fullrank.data import Views
from fullrank.data.identity import kept_in_config
from fullrank.data.options import data_name
from fullrank.diagnosis.known import parts_of
from fullrank.diagnosis.report import as_json
from fullrank.diagnosis.training import judge_run, looks_of, profile_of
from fullrank.engine.device import this_device
from fullrank.engine.environment import environment
from fullrank.engine.launcher import folder_of_all
from fullrank.evaluation.nearest import nearest
from fullrank.methods import Method
from fullrank.nn import encoder_bytes
from fullrank.recipes import settings
from fullrank.runs import read_config, read_rows, replace, write_json, write_npz
from fullrank.runs.probe import ProbeRows, read_probe, write_probe
from fullrank.runs.trusted import file_of_code, is_file_of_code, trust_file
from fullrank.stats import normalize
from fullrank.training.probe import Probe, Reading
from fullrank.training.same_data import places
from fullrank.training.step_plan import Job

_SHOWN, _QUERIES, _NEIGHBORS = 8, 6, 7  # pictures in the report


@runtime_checkable
class TakesFirstFeatures(Protocol):
    """A projector that hands only the first `loss_features` features of the representation to the loss."""

    loss_features: int


def made_run(name: str, job: Job, preset: str | None) -> AbstractContextManager[Path]:
    """The folder with its config.json and env.json, made by the first process and known to others during the body."""

    def fill(run: Path) -> None:
        config: dict[str, Any] = {
            "recipe": name if not name.endswith(".py") else str(Path(name).resolve()),
            "preset": preset,
            "fullrank": version("fullrank"),
            "settings": settings(job.recipe) | places(job.recipe),
            "data": kept_in_config(job.dataset),
            "chosen": job.reasons,
            "run": dataclasses.asdict(job.options),
            "start": job.begun,
        }
        write_json(run / "config.json", config)
        write_json(run / "env.json", environment(this_device()))
        for code in filter(is_file_of_code, (config["recipe"], job.recipe.backbone, job.recipe.views)):
            trust_file(file_of_code(code))  # whose user has named it

    return folder_of_all(job.options.out, f"{Path(name).stem}-{data_name(job.recipe.data)}", fill)


def save_probe(run: Path, probe: Probe, reading: Reading, *, step: int) -> None:
    """probe.npz: the rows of this look, so that a verdict on the run needs nothing but the file."""
    labels = None if probe.labels is None else probe.labels.to(torch.int64).numpy()
    classes = () if labels is None else probe.classes
    write_probe(run, ProbeRows(step, reading.representation.numpy(), reading.embedding.numpy(), labels, classes))


def save_samples(run: Path, probe: Probe, views: Views, reading: Reading) -> None:
    """samples.npz: views of some probe images, nearest neighbors of others, a 2-D projection of all."""
    some = probe.images[:_SHOWN]
    parameters = views.draw(len(some), some.shape[2], some.shape[3], torch.Generator().manual_seed(0))
    seen = [_bytes(view.float(), views, some.shape[-1]) for view in views.apply(some, parameters)]
    features = normalize(reading.representation - reading.representation.mean(0))
    queries = min(_QUERIES, len(features))
    near = nearest(features[:queries], [features], _NEIGHBORS + 1)[1]
    projected = features @ torch.linalg.svd(features, full_matrices=False).Vh[:2].T
    arrays: dict[str, Tensor] = {
        "views": torch.stack(seen),
        "neighbors": _shown(probe.images)[near].permute(0, 1, 3, 4, 2),
        "projection": projected,
    }
    if probe.labels is not None:
        arrays |= {"neighbor_labels": probe.labels[near], "projection_labels": probe.labels}

    content = {name: value.numpy() for name, value in arrays.items()}
    write_npz(run / "samples.npz", {"classes": np.array(probe.classes, dtype=np.str_), **content}, compressed=True)


def _bytes(view: Tensor, views: Views, size: int) -> Tensor:
    """One view (n, C, S, S) back to uint8 images (n, size, size, C)."""
    mean, std = (torch.tensor(list(values)).view(-1, 1, 1) for values in (views.mean, views.std))
    images = (view.cpu() * std + mean).clamp(0, 1)
    if images.shape[-1] != size:
        images = torch.nn.functional.interpolate(images, (size, size))
    return _shown(images * 255).round().to(torch.uint8).permute(0, 2, 3, 1)


def _shown(images: Tensor) -> Tensor:
    """What a page can show of images (n, C, H, W): of more than three channels the first three, of two the first."""
    return images if images.shape[1] in (1, 3) else images[:, : 3 if images.shape[1] > 3 else 1]


def write_result(
    run: Path,
    probe: Probe,
    reading: Reading,
    *,
    seconds: Mapping[str, float],
    speed: Mapping[str, float | None],
    steps: int,
    seed: int,
) -> None:
    """result.json: what `diagnose` says of the rows of probe.npz, the collapse numbers, times, versions and seed."""
    looks = looks_of(read_rows(run / "metrics.jsonl"))
    untrained = bool(looks) and looks[0]["step"] == 0  # rows that were damaged are lost
    config = read_config(run)
    profile, parts = profile_of(str(config["recipe"])), parts_of(str(config["recipe"]), config["settings"])
    judged, _ = judge_run(read_probe(run), looks, profile=profile, source=str(run), parts=parts)
    result = {
        "verdict": {
            "where": judged.where,
            "state": judged.verdict.state,
            "kind": judged.verdict.kind,
            "sentence": judged.sentence,
            "findings": [as_json(one) for one in judged.verdict.findings if one.severity != "note"],
        },
        "knn": None,
        "linear": None,
        "probe_knn": reading.row["knn"],
        "probe_baselines": {"pixels": probe.knn_of_pixels(), "untrained": looks[0]["knn"] if untrained else None},
        "collapse": {name: reading.row[name] for name in ("backbone", "embedding")},
        "seconds": {name: round(value, 1) for name, value in seconds.items()},
        "images_per_second": speed,
        "steps": steps,
        "seed": seed,
        "versions": {name: version(name) for name in ("fullrank", "torch", "timm", "lightning")},
    }
    write_json(run / "result.json", result)


def finish(run: Path, method: Method, views: Views, probe: Probe, reading: Reading) -> None:
    """Write encoder.safetensors and samples.npz."""
    head, config = method.projector, read_config(run)
    span = config.get("data", {}).get("range")  # version 0.1.0 noted none
    content = encoder_bytes(
        method.encoder,
        mean=tuple(views.mean),
        std=tuple(views.std),
        loss_features=head.loss_features if isinstance(head, TakesFirstFeatures) else None,
        recipe=str(config["recipe"]),
        span=None if span is None else (span[0], span[1]),
    )
    replace(run / "encoder.safetensors", lambda beside: beside.write_bytes(content))
    save_samples(run, probe, views, reading)
