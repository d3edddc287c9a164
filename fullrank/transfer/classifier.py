"""A linear head on an encoder that is frozen or trained with it, as Lightning wants it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR

from fullrank.data import Augmentation, Batch, Order, Views
from fullrank.engine.device import seed_networks
from fullrank.engine.finite import Finite
from fullrank.engine.gather import sum_of_all
from fullrank.errors import UserError
from fullrank.nn import Encoder, evaluating
from fullrank.transfer.protocols import Classify

_VIEWS, _NETWORK, _HEAD = 7, 8, 9  # streams of random numbers


def new_head(width: int, classes: int, how: Classify, seed: int) -> nn.Linear:
    """A linear layer as the protocol begins it: weights N(0, std) and bias 0, or as torch does.

    >>> how = Classify(epochs=1, batch_size=2, optimizer="sgd", lr=0.1, schedule="constant", std=0.01)
    >>> new_head(4, 2, how, 0).bias.tolist()
    [0.0, 0.0]
    """
    with torch.random.fork_rng():
        torch.manual_seed(mix(seed, _HEAD))
        head = nn.Linear(width, classes)
        if how.std is not None:
            nn.init.normal_(head.weight, 0.0, how.std)
            nn.init.zeros_(head.bias)
    return head


def order_of(images: int, how: Classify, seed: int, world: int = 1) -> Order:
    """The batches of all epochs, of so many processes together."""
    order = Order(images, how.batch_size, seed, range(0), world=world, keep_last=True)
    return replace(order, steps=range(how.epochs * order.per_epoch))


def views_of(encoder: Encoder, how: Classify, mean: tuple[float, ...], std: tuple[float, ...]) -> Views:
    """One view of each image: random resized crop and flip, at the encoder's size."""
    one = Augmentation(
        size=encoder.image_size,
        scale=how.scale,
        interpolation=how.interpolation,
        flip=how.flip,
        jitter=0.0,
        grayscale=0.0,
    )
    return Views([one], mean=mean, std=std)


class Classifier(pl.LightningModule):
    """An encoder and its head. A frozen encoder stays in eval mode, and out of the checkpoints."""

    def __init__(
        self, encoder: Encoder, head: nn.Linear, views: Views, how: Classify, labels: Tensor, order: Order, seed: int
    ) -> None:
        super().__init__()
        self.frozen = how.backbone_lr == 0
        self.backbone: nn.Module = nn.Identity() if self.frozen else encoder
        self._outside = [encoder]  # a list, so that a frozen encoder is not a part of this module
        self.head = head
        self.views = views
        self.how = how
        self.labels = labels
        self.order = order
        self.seed = seed
        self.loss = torch.zeros(())
        self.finite = Finite()

    @property
    def encoder(self) -> Encoder:
        """The encoder, frozen or not."""
        return self._outside[0]

    def on_fit_start(self) -> None:
        """Bring a frozen encoder to the device of the head."""
        self.encoder.to(self.device)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The mean cross-entropy of a batch: this process's part of it, times the number of processes.

        Their gradients are averaged, so a last batch that they cannot share evenly counts each image once too.
        """
        assert batch.rows is not None
        seed_networks(mix(self.seed, _NETWORK, batch.step, self.global_rank), self.device)
        self.encoder.train(not self.frozen)
        logits = self.head(self._features(self.view_of(batch)))
        loss = functional.cross_entropy(logits.float(), self.labels[batch.rows].to(logits.device, non_blocking=True))
        if self.order.world > 1:
            loss = loss * (len(batch.rows) * self.order.world / self.order.size(batch.step))
        self.loss = sum_of_all(loss) / self.order.world
        self._refuse(self.finite.ask(self.loss, batch.step))
        return loss

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """No checkpoint keeps weights that are not finite."""
        self.require_finite()

    def require_finite(self) -> None:
        """Raise a UserError for the first step whose loss was not finite; a GPU is waited for."""
        self._refuse(self.finite.first())

    def _refuse(self, step: int | None) -> None:
        if step is not None:
            raise UserError(f"The loss is not finite at step {step}: lower --lr or --backbone-lr.")

    def _features(self, view: Tensor) -> Tensor:
        with torch.set_grad_enabled(not self.frozen):
            features: Tensor = self.encoder(view)
        return features

    def view_of(self, batch: Batch) -> Tensor:
        """The augmented images of this process, drawn for the whole batch by the seed and the step."""
        one = batch.images if isinstance(batch.images, Tensor) else batch.images[0]
        generator = torch.Generator().manual_seed(mix(self.seed, _VIEWS, batch.step))
        parameters = self.views.draw(self.order.size(batch.step), one.shape[-2], one.shape[-1], generator)
        part = replace(self.order, rank=self.global_rank).part(batch.step)
        mine = [drawn.rows(slice(part.start, part.stop)) for drawn in parameters]
        return self.views.apply(batch.images, mine)[0].contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def features_of(self, batches: Iterator[Tensor]) -> Tensor:
        """The features (N, F) of plain images in batches, on the CPU; the modes of all modules stay as they are."""
        with evaluating(self), evaluating(self.encoder):
            parts = [self.encoder(self.views.plain(batch.to(self.device))).float().cpu() for batch in batches]
        return torch.cat(parts)

    @torch.no_grad()
    def answers(self, features: Tensor) -> Tensor:
        """The logits (N, C) for features (N, F), on the CPU."""
        logits: Tensor = self.head(features.to(self.device)).float().cpu()
        return logits

    def configure_optimizers(self) -> Any:
        """One optimizer, with a group for the head and one for the backbone, whose rates change by the epoch."""
        how, per_epoch = self.how, self.order.per_epoch
        groups = [{"params": list(self.head.parameters()), "lr": how.lr}]
        shares = [lambda step: how.share(step // per_epoch)]
        if not self.frozen:
            trained = [parameter for parameter in self.encoder.parameters() if parameter.requires_grad]
            groups.append({"params": trained, "lr": how.backbone_lr})
            shares.append(lambda step: how.share(step // per_epoch, backbone=True))
        stepper = stepper_of(groups, how)
        return {"optimizer": stepper, "lr_scheduler": {"scheduler": LambdaLR(stepper, shares), "interval": "step"}}


def stepper_of(groups: Any, how: Classify) -> torch.optim.Optimizer:
    """The protocol's optimizer over some parameters; all of them are decayed, as in the papers' code."""
    if how.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=how.lr, momentum=0.9, weight_decay=how.weight_decay)
    return torch.optim.Adam(groups, lr=how.lr, weight_decay=how.weight_decay)


def mix(*parts: int) -> int:
    """One well-mixed seed of several small numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))
