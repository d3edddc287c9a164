"""Trainings of an experiment: FullRank's own trainer, one run folder each under runs/, and what they measured."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from fullrank.engine import RunOptions
from fullrank.engine.checkpoint import last_checkpoint
from fullrank.papers.kit.experiment import Panel, Series, Settings
from fullrank.recipes import Recipe
from fullrank.runs import read_json, read_rows
from fullrank.runs.former import by_todays_names
from fullrank.training.fit import resume, start


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much one training does."""

    steps: int
    batch_size: int = 256
    backbone: str = "tiny"
    image_size: int | None = None
    probe: int | None = None
    looks: int = 10
    """Readings of the collapse numbers, evenly over the steps."""


def usual_size(settings: Settings, batch_size: int = 256) -> Size:
    """38,400 images at 16 pixels through the tiny encoder; with --full 6,000,000 at their own size through ResNet-18.

    Of Fashion-MNIST these are two thirds of an epoch, and 100 epochs. What the settings say of the steps, the images'
    size and the encoder replaces either.

    >>> usual_size(Settings(out=Path("x"), steps=900), batch_size=128).steps
    1800
    """
    size = Size(steps=38_400 // batch_size, batch_size=batch_size, image_size=16)
    if settings.full:
        size = Size(steps=6_000_000 // batch_size, batch_size=batch_size, backbone="resnet18", looks=50)
    if settings.steps:
        size = replace(size, steps=256 * settings.steps // batch_size)
    return replace(size, backbone=settings.backbone or size.backbone, image_size=settings.image_size or size.image_size)


_ROUNDING = 1e-10  # of the largest eigenvalue: embeddings are float32
LR, WARMUP = 5e-3, 0.15  # of every experiment that says nothing else, whatever its data


@dataclass(frozen=True)
class Job:
    """A name for the run folder, the name of the recipe, and its settings, but for data, size and seed.

    With a batch size of its own it sees as many images as the others, in fewer or more steps, or with `equal_steps`
    fewer or more images, in as many.
    """

    run: str
    recipe: str
    settings: Recipe
    batch_size: int | None = None
    equal_steps: bool = False


def train_all(settings: Settings, jobs: Sequence[Job], size: Size) -> dict[str, list[Path]]:
    """Train every job with every seed; the run folders by the job's name, in the order of the seeds.

    What is finished stays, what was stopped goes on from its checkpoint. KeyboardInterrupt when asked to stop.
    """
    total = len(jobs) * settings.seeds
    found: dict[str, list[Path]] = {job.run: [] for job in jobs}
    for done, (seed, job) in enumerate((seed, job) for seed in settings.each_seed for job in jobs):
        settings.progress(done / total)
        batch_size = job.batch_size or size.batch_size
        steps = size.steps if job.equal_steps else size.steps * size.batch_size // batch_size
        recipe = replace(
            job.settings,
            lr=job.settings.lr or LR,
            warmup_epochs=WARMUP if job.settings.warmup_epochs is None else job.settings.warmup_epochs,
            data=settings.data,
            data_root=settings.data_root,
            backbone=size.backbone,
            image_size=size.image_size,
            batch_size=batch_size,
            steps=steps,
            seed=seed,
        )
        folder = settings.out / "runs" / job.run / f"seed-{seed}"
        options = RunOptions(out=folder, monitor_every=max(1, steps // size.looks), probe=size.probe, devices=1)
        _train(folder, job.recipe, recipe, options)
        found[job.run].append(folder)
    settings.progress(1.0)
    return found


def _train(folder: Path, name: str, recipe: Recipe, options: RunOptions) -> None:
    if (folder / "result.json").exists():
        return
    quiet = Console(quiet=True)
    if last_checkpoint(folder).exists():
        ending = resume(folder, recipe, options, quiet)
    else:
        shutil.rmtree(folder, ignore_errors=True)  # killed before its first checkpoint
        ending = start(name, recipe, options, quiet)[1]
    gc.collect()  # a finished trainer refers to itself, and so keeps its images
    if not ending:
        raise KeyboardInterrupt if ending.name in ("", "SIGINT") else SystemExit(ending.code)
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)  # a finished training is never resumed


def numbers(runs: Mapping[str, Sequence[Path]], space: str, name: str) -> dict[str, list[float]]:
    """A collapse number of the finished runs by case, in the order of the seeds: `space` is backbone or embedding."""
    return {
        case: [float(by_todays_names(_result(run)["collapse"][space])[name]) for run in folders]
        for case, folders in runs.items()
    }


def _result(run: Path) -> dict[str, Any]:
    return read_json(run / "result.json")


def last_terms(runs: Mapping[str, Sequence[Path]], term: str) -> dict[str, list[float]]:
    """A term of the loss, unweighted, as it was last logged; by case, in the order of the seeds."""
    return {case: [float(_rows(run, "train")[-1]["terms"][term]) for run in folders] for case, folders in runs.items()}


def over_steps(runs: Mapping[str, Sequence[Path]], space: str, name: str) -> tuple[Series, ...]:
    """A collapse number over the steps, the mean over the seeds."""
    return _over_steps(runs, "monitor", space, name)


def terms_over_steps(runs: Mapping[str, Sequence[Path]], term: str) -> tuple[Series, ...]:
    """A term of the loss over the steps, unweighted, the mean over the seeds."""
    return _over_steps(runs, "train", "terms", term)


def _over_steps(runs: Mapping[str, Sequence[Path]], kind: str, group: str, name: str) -> tuple[Series, ...]:
    found = []
    for label, folders in runs.items():
        logged = [_rows(run, kind) for run in folders]
        steps = tuple(float(row["step"]) for row in logged[0])
        values = tuple(mean(_number(row[group][name]) for row in rows) for rows in zip(*logged, strict=True))
        found.append(Series(label=label, x=steps, y=values))
    return tuple(found)


def _rows(run: Path, kind: str) -> list[dict[str, Any]]:
    return [row for row in read_rows(run / "metrics.jsonl") if row["kind"] == kind]


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


def accuracy_over_steps(run: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The steps (T,) at which a run was read, and the kNN accuracy (T,) of its representation there, in percent."""
    readings = _rows(run, "monitor")
    return np.array([float(row["step"]) for row in readings]), np.array([100 * float(row["knn"]) for row in readings])


def spectra_over_steps(run: Path, space: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The steps (T,) at which a run was read, and the eigenvalues (T, D) of the covariance there, largest first."""
    with np.load(run / "spectra.npz", allow_pickle=False) as file:
        return np.asarray(file["steps"], dtype=np.float64), np.asarray(file[space], dtype=np.float64)


def spectra(runs: Mapping[str, Sequence[Path]], space: str) -> Panel:
    """The last spectrum of the first seed's run, over the index of the dimension, down to rounding."""
    series = []
    for label, folders in runs.items():
        values = spectra_over_steps(folders[0], space)[1][-1]
        shown = tuple(float(value) if value > _ROUNDING * values[0] else float("nan") for value in values)
        series.append(Series(label=label, x=tuple(float(at) for at in range(1, len(shown) + 1)), y=shown))
    return Panel(
        title=f"spectrum of the {space}, seed 0",
        x_label="dimension, largest first",
        y_label="eigenvalue (variance)",
        series=tuple(series),
        log_y=True,
    )
