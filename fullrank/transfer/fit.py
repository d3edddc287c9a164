"""Train one classifier in a folder of its own, from its last checkpoint or from the start, to the end."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
from rich.console import Console
from torch import Tensor

from fullrank.data import Batch, ImageSet, train_batches
from fullrank.data.missing import Missing
from fullrank.engine.checkpoint import Checkpoint, begun_by, last_checkpoint
from fullrank.engine.device import this_device, world
from fullrank.engine.gather import gather_rows, same_buffers
from fullrank.engine.progress import Progress, Steps
from fullrank.engine.signals import Ending
from fullrank.engine.trainer import Batches, in_good_order, make_trainer
from fullrank.errors import UserError
from fullrank.nn import SavedEncoder
from fullrank.transfer.classifier import Classifier, new_head, order_of, views_of
from fullrank.transfer.options import Where
from fullrank.transfer.protocols import Classify, Neighbors, Sphere
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
    of: Mapping[str, str] = field(default_factory=dict)
    """What else must be the same where it goes on."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """A finished classifier: its last scores, and those of every epoch."""

    last: Scores
    course: list[dict[str, Any]]
    classifier: Classifier


def fit(folder: Path, job: Fit, where: Where, console: Console, *, name: str) -> Fitted | Ending:
    """Train the classifier of a folder to its end; how it ended if it was asked to stop, also at its last step."""
    (folder / "checkpoints").mkdir(parents=True, exist_ok=True)
    about = {"seed": job.seed, "images": len(job.train), "classes": list(job.task.classes)}
    learned = {**settings_of(job.how), **about, **job.of}
    begun = _begun(folder, learned, later=job.of)
    options = where.options(folder)
    classifier = classifier_of(job, world(options))
    steps = job.how.epochs * classifier.order.per_epoch
    seen: dict[str, Tensor] = {}

    def score(of: Classifier) -> Scores:
        return scores_of(_answers(of, job, where, seen), labels_of(job.task.test))

    progress = Progress(name, steps, console)
    checkpoint = Checkpoint(folder, every=where.checkpoint_every, learned=learned)
    told = Steps(progress, job.how.batch_size)
    epochs = Epochs(folder, score, show=lambda row: progress.show(row) if row["kind"] == "train" else None)
    with in_good_order(checkpoint, progress, silent=console.quiet):
        trainer = make_trainer(folder, options, steps=steps, callbacks=[epochs, checkpoint, told])
        made = Batches(lambda: _batches(job, classifier, where, trainer))
        trainer.fit(classifier, made, ckpt_path=begun, weights_only=True)
    if trainer.global_step < steps or checkpoint.stopped_by:
        return Ending(False, checkpoint.stopped_by)
    checkpoint.forget_previous()
    return Fitted(epochs.last or _again(classifier, score), course(folder), classifier)


def _again(classifier: Classifier, score: Callable[[Classifier], Scores]) -> Scores:
    """The scores of a classifier that was finished before; Lightning has left it on the CPU, also beside a GPU."""
    classifier.to(this_device())
    classifier.encoder.to(this_device())
    found = score(classifier)
    classifier.cpu()
    return found


def settings_of(how: Classify | Neighbors | Sphere) -> dict[str, Any]:
    """The settings of a part of a protocol by name, as JSON has them."""
    values = {one.name: getattr(how, one.name) for one in fields(how) if one.name != "sources"}
    return {name: [*value] if isinstance(value, tuple) else value for name, value in values.items()}


def _begun(folder: Path, learned: dict[str, Any], *, later: Collection[str]) -> Path | None:
    """The checkpoint to go on from, None at the start; raises UserError where it is of another training.

    What is `later` was not noted by former versions, and is then not compared.
    """
    if not last_checkpoint(folder).exists():
        return None
    before = begun_by(folder).learned or {}
    known = {name: value for name, value in learned.items() if name in before or name not in later}
    if changed := [name for name, value in known.items() if before.get(name) != value]:
        raise UserError(
            f"{folder} was begun with another {', '.join(changed)}: remove it, or pass another --out to begin anew."
        )
    return last_checkpoint(folder)


def classifier_of(job: Fit, count: int = 1) -> Classifier:
    """The classifier of so many processes at its beginning, on a copy of the encoder: several begin from the same."""
    how, saved, labels = job.how, copy.deepcopy(job.encoder), labels_of(job.train)
    head = new_head(saved.encoder.width, len(job.task.classes), how, job.seed)
    views = views_of(saved.encoder, how, saved.mean, saved.std)
    order = order_of(len(job.train), how, job.seed, count)
    return Classifier(saved.encoder, head, views, how, labels, order, job.seed)


def _answers(of: Classifier, job: Fit, where: Where, seen: dict[str, Tensor]) -> Tensor:
    """The logits of the test images in every process; of a frozen encoder their features are computed once."""
    if of.frozen and seen:
        return of.answers(seen["features"])
    same_buffers(of.encoder)
    mine = of.features_of(job.task.plain(job.task.test, where.workers, shared=True))
    seen["features"] = gather_rows(mine, len(job.task.test))
    return of.answers(seen["features"])


def _batches(job: Fit, classifier: Classifier, where: Where, trainer: pl.Trainer) -> Iterable[Batch]:
    return train_batches(
        job.train,
        batch_size=job.how.batch_size,
        seed=job.seed,
        start=trainer.global_step,
        stop=len(classifier.order),
        rank=trainer.global_rank,
        world=trainer.world_size,
        workers=where.workers,
        crop=classifier.views.crop,
        device=classifier.device,
        keep_last=True,
        missing=job.missing,
    )
