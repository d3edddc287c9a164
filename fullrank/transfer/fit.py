"""Train one classifier in a folder of its own, from its last checkpoint or from the start, to the end."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from rich.console import Console
from torch import Tensor

from fullrank.data import Batch, ImageSet, train_batches
from fullrank.data.missing import Missing
from fullrank.engine import TrainerOptions
from fullrank.engine.checkpoint import Checkpoint, begun_by, last_checkpoint
from fullrank.engine.progress import Progress, Steps
from fullrank.engine.signals import Ending
from fullrank.engine.trainer import Batches, in_good_order, make_trainer
from fullrank.errors import UserError
from fullrank.nn import SavedEncoder
from fullrank.transfer.classifier import Classifier, new_head, order_of, views_of
from fullrank.transfer.options import Where
from fullrank.transfer.protocols import Classify
from fullrank.transfer.record import Epochs, course
from fullrank.transfer.scores import Scores, scores_of
from fullrank.transfer.task import Task, labels_of


@dataclass(frozen=True, eq=False)
class Fit:
    """One classifier: the encoder it begins from, what it learns from and is asked about, how, and its seed."""

    encoder: SavedEncoder
    train: ImageSet
    task: Task
    how: Classify
    seed: int
    missing: Missing | None = None
    """Notes the images that cannot be read any more, in whose place others come; without it they are an error."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A finished classifier: its last scores, and those of every epoch."""

    last: Scores
    course: list[dict[str, Any]]
    classifier: Classifier


def fit(folder: Path, job: Fit, where: Where, console: Console, *, name: str) -> Fitted | Ending:
    """Train the classifier of a folder to its end; how it ended if it was asked to stop, also at its last step."""
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    learned = {**settings_of(job.how), "seed": job.seed, "images": len(job.train), "classes": list(job.task.classes)}
    begun = _begun(folder, learned)
    classifier = classifier_of(job)
    steps = job.how.epochs * classifier.order.per_epoch
    seen: dict[str, Tensor] = {}

    def score(of: Classifier) -> Scores:
        return scores_of(_answers(of, job, where, seen), labels_of(job.task.test))

    progress = Progress(name, steps, console)
    checkpoint = Checkpoint(folder, every=where.checkpoint_every, learned=learned)
    told = Steps(progress, job.how.batch_size)
    epochs = Epochs(folder, score, show=lambda row: progress.show(row) if row["kind"] == "train" else None)
    with in_good_order(checkpoint, progress, silent=console.quiet):
        trainer = make_trainer(folder, _options(where), steps=steps, callbacks=[epochs, checkpoint, told])
        made = Batches(lambda: _batches(job, classifier, where, trainer))
        trainer.fit(classifier, made, ckpt_path=begun, weights_only=True)
    if trainer.global_step < steps or checkpoint.stopped_by:
        return Ending(False, checkpoint.stopped_by)
    checkpoint.forget_previous()
    return Fitted(epochs.last or score(classifier), course(folder), classifier)


def settings_of(how: Classify) -> dict[str, Any]:
    """The settings of a classifier by name, as JSON has them."""
    values = {one.name: getattr(how, one.name) for one in fields(how) if one.name != "sources"}
    return {name: [*value] if isinstance(value, tuple) else value for name, value in values.items()}


def _begun(folder: Path, learned: dict[str, Any]) -> Path | None:
    """The checkpoint to go on from, None at the start; raises UserError where it is of another training."""
    if not last_checkpoint(folder).exists():
        return None
    before = begun_by(folder).learned or {}
    if changed := [name for name, value in learned.items() if before.get(name) != value]:
        raise UserError(
            f"{folder} was begun with another {', '.join(changed)}: remove it, or pass another --out to begin anew."
        )
    return last_checkpoint(folder)


def classifier_of(job: Fit) -> Classifier:
    """The classifier at its beginning; a copy of the encoder, so that several begin from the same one."""
    how, saved, labels = job.how, copy.deepcopy(job.encoder), labels_of(job.train)
    head = new_head(saved.encoder.width, len(job.task.classes), how, job.seed)
    views = views_of(saved.encoder, how, saved.mean, saved.std)
    return Classifier(saved.encoder, head, views, how, labels, order_of(len(job.train), how, job.seed), job.seed)


def _answers(of: Classifier, job: Fit, where: Where, seen: dict[str, Tensor]) -> Tensor:
    """The logits of the test images; of a frozen encoder their features are computed once."""
    batches = job.task.plain(job.task.test, where.workers)
    if not of.frozen:
        return of.answers(of.features_of(batches))
    if not seen:
        seen["features"] = of.features_of(batches)
    return of.answers(seen["features"])


def _batches(job: Fit, classifier: Classifier, where: Where, trainer: pl.Trainer) -> Iterable[Batch]:
    return train_batches(
        job.train,
        batch_size=job.how.batch_size,
        seed=job.seed,
        start=trainer.global_step,
        stop=len(classifier.order),
        workers=where.workers,
        crop=classifier.views.crop,
        device=classifier.device,
        keep_last=True,
        missing=job.missing,
    )


def _options(where: Where) -> TrainerOptions:
    return TrainerOptions(devices=1, precision=where.precision)
