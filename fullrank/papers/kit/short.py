"""A training in memory, for what a run folder does not keep: weights over the steps, and views of another strength."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from fullrank.data import Augmentation, Views, plain_batches
from fullrank.data.images import ImageTensor
from fullrank.errors import UserError
from fullrank.losses import Terms
from fullrank.methods import JointEmbedding, Method
from fullrank.nn import Encoder, encoder, mlp
from fullrank.papers.kit.experiment import Settings
from fullrank.papers.kit.represented import image_sets
from fullrank.papers.kit.training import LR, Size
from fullrank.recipes import Recipe
from fullrank.training.regularize import regularize

PROJECTOR = (256, 64)
_MOST = 2**31  # bytes of images in memory


@dataclass(frozen=True, eq=False)
class Networks:
    """Encoder and projector, as they are at a step, and what makes views of images for them."""

    encoder: nn.Module
    projector: nn.Sequential
    views: Views

    def embeddings(self, images: Tensor) -> Tensor:
        """The embeddings (N, D) of images uint8 (N, C, H, W), whole and as they are, in eval mode."""
        size = self.views.augmentations[0].size
        plain = Augmentation(size=size, scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=0.0, jitter=0.0, grayscale=0.0)
        whole = Views([plain], self.views.mean, self.views.std)
        for part in (self.encoder, self.projector):
            part.eval()
        with torch.no_grad():
            height, width = images.shape[2:]
            drawn = whole.draw(len(images), height, width, torch.Generator().manual_seed(0))
            found = cast(Tensor, self.projector(self.encoder(whole.apply(images, drawn)[0])))
        for part in (self.encoder, self.projector):
            part.train()
        return found


def gray(size: int, strength: float) -> Augmentation:
    """A view of images without color: the crop, and the jitter of brightness and contrast, grow with strength, 0 to 1.

    >>> gray(16, 1.0).scale[0], gray(16, 0.0).brightness
    (0.08, 0.0)
    """
    return Augmentation(
        size=size,
        scale=(round(1 - 0.92 * strength, 3), 1.0),
        brightness=0.8 * strength,
        contrast=0.8 * strength,
        saturation=0.0,
        hue=0.0,
        grayscale=0.0,
    )


def in_memory(settings: Settings) -> tuple[Tensor, Tensor]:
    """Training and test images, uint8 (N, C, H, W).

    Of files it is the middle, of 7/8 of the shorter side of the first one; raises UserError where they do not fit.
    """
    train, test = image_sets(settings)
    if isinstance(train, ImageTensor):
        return train.images, cast(ImageTensor, test).images
    side = 7 * train.shorter_side(0) // 8
    if (len(train) + len(test)) * train.channels * side**2 > _MOST:
        raise UserError(
            f"The images of {settings.data} take more than 2 GB at {side} x {side} pixels: pass fewer or smaller ones."
        )
    whole = [torch.cat([*plain_batches(one, size=side)]) for one in (train, test)]
    return whole[0], whole[1]


def train(
    images: Tensor,
    objective: Callable[[Tensor], Terms] | Recipe,
    size: Size,
    strength: float,
    seed: int,
    *,
    looks: Sequence[int] = (),
    look: Callable[[int, Networks], None] = lambda step, networks: None,
) -> Networks:
    """Two views of a strength, AdamW as in all experiments; `look` is called after so many steps.

    The objective is one of the embeddings (V, N, D), or a recipe, whose method, projector and regularizers are taken.
    """
    side = size.image_size or images.shape[-1]
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        method = _method(encoder(size.backbone, image_size=side, channels=images.shape[1]), objective)
    mean, std = _statistics(images)
    projector = cast(nn.Sequential, method.projector)
    networks = Networks(method.encoder, projector, Views([gray(side, strength)] * 2, mean, std))
    weights = [weight for weight in method.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=LR, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=size.steps, pct_start=0.15)
    for step in range(size.steps):
        if step in looks:
            look(step, networks)
        batch = images[torch.randint(len(images), (size.batch_size,), generator=generator)]
        drawn = networks.views.draw(len(batch), batch.shape[2], batch.shape[3], generator)
        if step:
            method.update(step / size.steps)
        outputs = method(networks.views.apply(batch, drawn))
        terms = method.loss(outputs)
        if isinstance(objective, Recipe):
            terms = regularize(terms, outputs, method, objective, epoch=1, epochs=1)
        optimizer.zero_grad()
        terms["loss"].backward()
        optimizer.step()
        schedule.step()
    if size.steps in looks:
        look(size.steps, networks)
    return networks


def _method(backbone: Encoder, objective: Callable[[Tensor], Terms] | Recipe) -> Method:
    if isinstance(objective, Recipe):
        return objective.build(backbone)
    return JointEmbedding(backbone, mlp(backbone.width, PROJECTOR), objective)


def _statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    pixels = images[:5000].float() / 255
    return tuple(pixels.mean((0, 2, 3)).tolist()), tuple(pixels.std((0, 2, 3)).tolist())
