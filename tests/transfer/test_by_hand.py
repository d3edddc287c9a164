"""Every protocol beside a loop that is written out with its paper's numbers: the same weights after every step."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from rich.console import Console
from torch import Tensor, nn
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, ExponentialLR, LRScheduler, MultiStepLR, StepLR
from torch.utils.data import BatchSampler

from fullrank.data import Batch, Order
from fullrank.engine.trainer import make_trainer
from fullrank.transfer import fit as fitting
from fullrank.transfer.classifier import Classifier, new_head
from fullrank.transfer.fit import Fit, Fitted, classifier_of, fit
from fullrank.transfer.frozen import head as heads
from fullrank.transfer.frozen.stored import Stored
from fullrank.transfer.options import Where
from fullrank.transfer.protocols import Classify, protocol
from fullrank.transfer.task import labels_of
from tests.transfer.made import task

Weights = list[Tensor]
Scheduled = Callable[[torch.optim.Optimizer], LRScheduler]
EPOCHS = 7  # of a fine-tuning


@dataclass(frozen=True)
class Paper:
    """What a paper's own code does, in the words of torch."""

    lr: float
    weight_decay: float
    schedule: Scheduled
    epochs: int = 100
    batch_size: int = 256
    small_head: bool = True


LINEAR = {
    "intl/imagenet": Paper(0.2, 0.0, lambda stepper: MultiStepLR(stepper, [60, 80], 0.1)),
    "intl/imagenet-multicrop": Paper(0.4, 0.0, lambda stepper: MultiStepLR(stepper, [60, 80], 0.1)),
    "corinfomax/small": Paper(0.2, 0.0, lambda stepper: CosineAnnealingLR(stepper, 100, 2e-3), small_head=False),
    "corinfomax/imagenet": Paper(25.0, 0.0, lambda stepper: StepLR(stepper, 20, 0.1), small_head=False),
    "directclr": Paper(0.1, 1e-6, lambda stepper: ConstantLR(stepper, 1.0)),  # its cosine is never stepped
    "w2": Paper(0.3, 1e-6, lambda stepper: CosineAnnealingLR(stepper, 100)),
    "moco": Paper(30.0, 0.0, lambda stepper: MultiStepLR(stepper, [60, 80], 0.1)),
}


def steps(*milestones: int, gamma: float = 0.1) -> Scheduled:
    return lambda stepper: MultiStepLR(stepper, milestones, gamma)


def every(epochs: int, gamma: float) -> Scheduled:
    return lambda stepper: StepLR(stepper, epochs, gamma)


def cosine(stepper: torch.optim.Optimizer) -> LRScheduler:
    return CosineAnnealingLR(stepper, EPOCHS)


@dataclass(frozen=True)
class Tuned:
    """The rates of head and backbone and their schedules."""

    head: float
    backbone: float
    head_schedule: Scheduled
    backbone_schedule: Scheduled
    weight_decay: float = 0.0
    epochs: int = 20
    batch_size: int = 256


FINETUNE = {
    ("intl/imagenet", 0.01): Tuned(0.2, 0.006, steps(60, 80), steps(60, 80)),
    ("intl/imagenet-multicrop", 0.1): Tuned(0.2, 0.004, steps(60, 80), steps(60, 80)),
    ("corinfomax/imagenet", 0.01): Tuned(10.0, 0.005, every(5, 0.1), every(5, 0.2)),
    ("corinfomax/imagenet", 0.1): Tuned(20.0, 0.005, every(5, 0.1), every(5, 0.2)),
    ("ours", 1.0): Tuned(0.1, 0.01, cosine, cosine, weight_decay=1e-4, epochs=30, batch_size=64),
}


def after_every_step(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, job: Fit) -> list[Weights]:
    """The head's weights, and the backbone's where it is trained, after each step of our training."""
    seen: list[Weights] = []

    class Seeing(pl.Callback):
        def on_train_batch_end(
            self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
        ) -> None:
            seen.append([parameter.detach().clone() for parameter in pl_module.parameters()])

    real = make_trainer

    def with_eyes(*arguments: Any, callbacks: list[pl.Callback], **options: Any) -> pl.Trainer:
        return real(*arguments, callbacks=[Seeing(), *callbacks], **options)

    monkeypatch.setattr(fitting, "make_trainer", with_eyes)
    console = Console(file=io.StringIO())
    assert isinstance(fit(tmp_path / "run", job, Where(workers=0), console, name="made"), Fitted)
    return seen


def batches(job: Fit, epochs: int, batch_size: int) -> Iterator[tuple[bool, Batch]]:
    """Batches by torch's sampler over our order of the images; with each, whether an epoch ends with it."""
    assert hasattr(job.train, "images")
    step = 0
    for epoch in range(epochs):
        whole = Order(len(job.train), len(job.train), job.seed, range(epoch, epoch + 1))
        ((_, _, order),) = whole.rows()
        chunks = [*BatchSampler(order.tolist(), batch_size, drop_last=False)]
        for at, rows in enumerate(chunks):
            yield at == len(chunks) - 1, Batch(step, job.train.images[rows], torch.tensor(rows))
            step += 1


def take(steppers: Sequence[torch.optim.Optimizer], loss: Tensor) -> None:
    for stepper in steppers:
        stepper.zero_grad()
    loss.backward()
    for stepper in steppers:
        stepper.step()


def begun(name: str, how: Classify | None, train: int, epochs: int) -> tuple[Fit, Classifier]:
    assert how is not None, name
    work = task(train=train)
    job = Fit(work.model, work.train, work, replace(how, epochs=epochs) if epochs else how, 3)
    return job, classifier_of(job)


@pytest.mark.parametrize("name", LINEAR)
@pytest.mark.slow
def test_a_linear_protocol_steps_as_its_papers_loop(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step an epoch, so that the whole schedule is gone through."""
    paper = LINEAR[name]
    job, hand = begun(name, protocol(name, image_size=8).linear, train=12, epochs=0)
    assert (job.how.epochs, job.how.batch_size) == (paper.epochs, paper.batch_size)
    ours = after_every_step(monkeypatch, tmp_path, job)
    head, criterion = hand.head, nn.CrossEntropyLoss()
    if paper.small_head:
        assert head.weight.std().item() == pytest.approx(0.01, rel=0.1)
        assert head.bias.count_nonzero() == 0
    stepper = torch.optim.SGD(head.parameters(), paper.lr, momentum=0.9, weight_decay=paper.weight_decay)
    schedule = paper.schedule(stepper)
    hand.encoder.eval()
    theirs: list[Weights] = []
    for last, batch in batches(job, paper.epochs, paper.batch_size):
        with torch.no_grad():
            features = hand.encoder(hand.view_of(batch))
        take([stepper], criterion(head(features), labels_of(job.train)[batch.rows]))
        theirs.append([parameter.detach().clone() for parameter in head.parameters()])
        if last:
            schedule.step()
    assert len(ours) == len(theirs) == 100
    for one, other in zip(ours, theirs, strict=True):
        for ours_now, theirs_now in zip(one, other, strict=True):
            torch.testing.assert_close(ours_now, theirs_now, rtol=1e-6, atol=1e-6 * float(theirs_now.abs().max()))


@pytest.mark.parametrize(("name", "labels"), FINETUNE, ids=str)
def test_a_protocol_of_finetuning_steps_as_its_papers_loop(
    name: str, labels: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two optimizers by hand, one for the head and one for the backbone in train mode; two batches an epoch."""
    paper = FINETUNE[name, labels]
    how = protocol(name, image_size=8, labels=labels).finetune
    assert how is not None
    assert (how.epochs, how.batch_size) == (paper.epochs, paper.batch_size)
    job, hand = begun(name, replace(how, batch_size=8), train=12, epochs=EPOCHS)
    head_lr = paper.head
    if head_lr > 1:  # such steps of a head are chaos on 12 images, where rounding would be all that is compared
        job = replace(job, how=replace(job.how, lr=head_lr / 1000))
        head_lr /= 1000
    ours = after_every_step(monkeypatch, tmp_path, job)
    head, net, criterion = hand.head, hand.encoder.train(), nn.CrossEntropyLoss()
    steppers = [
        torch.optim.SGD(head.parameters(), head_lr, momentum=0.9, weight_decay=paper.weight_decay),
        torch.optim.SGD(net.parameters(), paper.backbone, momentum=0.9, weight_decay=paper.weight_decay),
    ]
    schedules = [paper.head_schedule(steppers[0]), paper.backbone_schedule(steppers[1])]
    theirs: list[Weights] = []
    for last, batch in batches(job, EPOCHS, 8):
        view = hand.view_of(batch)
        take(steppers, criterion(head(net(view)), labels_of(job.train)[batch.rows]))
        theirs.append([parameter.detach().clone() for parameter in [*net.parameters(), *head.parameters()]])
        if last:
            for schedule in schedules:
                schedule.step()
    assert len(ours) == len(theirs) == 2 * EPOCHS
    for one, other in zip(ours, theirs, strict=True):
        for ours_now, theirs_now in zip(one, other, strict=True):
            torch.testing.assert_close(ours_now, theirs_now, rtol=1e-6, atol=1e-6 * float(theirs_now.abs().max()))


@pytest.mark.slow
def test_intls_head_on_features_steps_as_its_papers_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """Adam from 1e-2 to 1e-6 over 500 epochs, batches of 1000."""
    how = protocol("intl", image_size=32).linear
    assert how is not None
    assert (how.epochs, how.batch_size, how.on) == (500, 1000, "features")
    torch.manual_seed(0)
    x, y = torch.randn(1500, 6), torch.arange(1500) % 4
    ours: list[Weights] = []
    real = heads.take_step

    def watched(head: nn.Linear, *rest: Any) -> None:
        real(head, *rest)
        ours.append([parameter.detach().clone() for parameter in head.parameters()])

    monkeypatch.setattr(heads, "take_step", watched)
    found = heads.fit_head(Stored(x), y, x[:8], y[:8], how, classes=4, seed=3)
    assert len(found) == 500
    head = copy.deepcopy(new_head(6, 4, how, 3))
    stepper = torch.optim.Adam(head.parameters(), lr=1e-2, weight_decay=5e-6)
    schedule = ExponentialLR(stepper, (1e-6 / 1e-2) ** (1 / 500))
    at = 0
    for epoch in range(500):
        ((_, _, order),) = Order(1500, 1500, 3, range(epoch, epoch + 1)).rows()
        for rows in BatchSampler(order.tolist(), 1000, drop_last=False):
            take([stepper], nn.functional.cross_entropy(head(x[rows]), y[rows]))
            for ours_now, theirs_now in zip(ours[at], head.parameters(), strict=True):
                torch.testing.assert_close(ours_now, theirs_now.detach(), rtol=1e-6, atol=1e-6)
            at += 1
        schedule.step()
    assert at == len(ours) == 1000
