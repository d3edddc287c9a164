"""Images with their boxes as tensors: mirrored and resized by a seed of each step and place in the batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.utils.data
from PIL import Image
from torch import Tensor

from fullrank.data import Order, strict_decoding
from fullrank.data.decode import read_raw, reason
from fullrank.data.pixels import Decoded, Decoding, finished
from fullrank.detection.annotations import AnnotatedImage
from fullrank.detection.annotations.masks import drawn
from fullrank.detection.models.detector import Target
from fullrank.detection.options import DetectorSettings
from fullrank.errors import UserError

Key = tuple[int, int, int]  # step, position in the global batch, index of the image
ORDER, _IMAGE = 3, 4  # streams of random numbers
_TRIED = 8  # images of a set that are decoded before anything is written


class Batch(NamedTuple):
    """One rank's part of one step: images (C, H, W) uint8 with their targets, and the positions in the whole batch."""

    step: int
    positions: list[int]
    images: list[Tensor]
    targets: list[Target]


@dataclass(frozen=True)
class Samples(torch.utils.data.Dataset[tuple[Tensor, Target] | UserError]):
    """Training images and targets by key; an error is handed on as a value, so that its text stays one sentence."""

    images: Sequence[AnnotatedImage]
    settings: DetectorSettings
    decoding: Decoding

    def __getitem__(self, key: Key) -> tuple[Tensor, Target] | UserError:
        step, position, index = key
        random = np.random.default_rng([self.settings.seed, _IMAGE, step, position])
        side = int(random.choice(self.settings.short_side))
        mirrored = bool(random.random() < 0.5) and self.settings.flip
        annotated = self.images[index]
        try:
            image = opened(annotated, self.decoding, side, self.settings.long_side)
        except UserError as error:
            return error
        target = target_of(annotated, image.shape[1:], masks=self.settings.masks)
        return mirror(image, target) if mirrored else (image, target)


def require_taken(images: Sequence[AnnotatedImage], decoding: Decoding) -> None:
    """Raise a UserError where some of the images, evenly spaced, are not what the encoder takes, or broken."""
    for at in np.unique(np.linspace(0, len(images) - 1, min(_TRIED, len(images))).astype(int)).tolist():
        path = images[at].path
        try:
            with strict_decoding():
                _shown(path, decoding)
        except UserError:
            raise
        except Exception as error:  # decoders raise anything
            raise UserError(f"{path} cannot be read ({reason(error)}): restore it.") from None


def opened(image: AnnotatedImage, decoding: Decoding, short: int, long: int) -> Tensor:
    """An image as uint8 (C, H, W), its shorter side `short` pixels, or less where the longer would exceed `long`."""
    try:
        with strict_decoding():
            shown = _shown(image.path, decoding)
            if shown.size != (image.width, image.height):
                raise ValueError(f"it has {shown.size[0]} x {shown.size[1]} pixels now")
            scale = min(short / min(shown.size), long / max(shown.size))
            size = max(round(shown.width * scale), 1), max(round(shown.height * scale), 1)
            resized = shown if size == shown.size else shown.resize(size, Image.Resampling.BILINEAR)
            pixels = np.array(resized)
    except UserError:
        raise
    except Exception as error:  # decoders raise anything
        raise UserError(f"{image.path} cannot be read ({reason(error)}): restore it and go on with --resume.") from None
    return torch.from_numpy(pixels).view(size[1], size[0], -1).permute(2, 0, 1).contiguous()


def _shown(path: Path, decoding: Decoding) -> Decoded:
    """An image as the encoder takes it. Raises UserError for one that it does not take, anything for a broken one."""
    raw = read_raw(path)
    try:
        return finished(raw, decoding)
    except ValueError as error:
        why = reason(error).partition(": --range")[0]  # a flag of the training
        raise UserError(
            f"{path} is not as the encoder takes images ({why}): convert it, or begin from an encoder that was trained "
            "on such images."
        ) from None


def target_of(image: AnnotatedImage, size: Sequence[int], *, masks: bool) -> Target:
    """What is learned of an image that was resized to (height, width); crowds are not."""
    height, width = size
    things = [thing for thing in image.things if not thing.crowd]
    scale = width / image.width, height / image.height
    boxes = torch.tensor([thing.box for thing in things], dtype=torch.float32).view(-1, 4)
    target = {
        "boxes": boxes * torch.tensor([*scale, *scale], dtype=torch.float32),
        "labels": torch.tensor([thing.label + 1 for thing in things], dtype=torch.long),
    }
    if masks:
        pixels = [drawn(thing.mask, height, width, scale=scale) for thing in things if thing.mask is not None]
        whole = np.stack(pixels) if pixels else np.zeros((0, height, width), dtype=bool)
        target["masks"] = torch.from_numpy(whole.astype(np.uint8))
    return target


def mirror(image: Tensor, target: Target) -> tuple[Tensor, Target]:
    """Left and right exchanged, of the image (C, H, W) and of its target.

    >>> _, target = mirror(torch.zeros(3, 4, 10), {"boxes": torch.tensor([[1.0, 0.0, 4.0, 2.0]])})
    >>> target["boxes"]
    tensor([[6., 0., 9., 2.]])
    """
    left, top, right, bottom = target["boxes"].unbind(1)
    width = image.shape[2]
    changed = {**target, "boxes": torch.stack([width - right, top, width - left, bottom], 1)}
    if "masks" in target:
        changed["masks"] = target["masks"].flip(2)
    return image.flip(2), changed


def batches(samples: Samples, order: Order, workers: int, *, pin: bool = False) -> Iterable[Batch]:
    """The batches of an order."""
    loader = torch.utils.data.DataLoader(
        samples,
        batch_sampler=order,
        num_workers=workers,
        collate_fn=_listed,
        pin_memory=pin,
        generator=torch.Generator(),  # else the loader draws from the global one, and a resumed run differs
    )
    for keys, items in zip(order, loader, strict=True):
        sound: list[tuple[Tensor, Target]] = []
        for item in items:
            if isinstance(item, UserError):
                raise item
            sound.append(item)
        images, targets = [image for image, _ in sound], [target for _, target in sound]
        yield Batch(keys[0][0], [key[1] for key in keys], images, targets)


def _listed(items: list[object]) -> list[object]:
    return items
