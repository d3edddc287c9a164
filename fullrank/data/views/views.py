"""Images to V augmented views: a whole batch at once, on its device, with independent draws for each image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from fullrank.data.decode import Opener
from fullrank.data.pixels import MOST_CHANNELS, Bands, Decoded
from fullrank.data.views import color
from fullrank.data.views.augmentation import Augmentation, Parameters, draw
from fullrank.data.views.boxes import Boxes
from fullrank.data.views.resample import blur_matrix, crop_matrix, resample
from fullrank.errors import UserError

CPU_CHUNK, ACCELERATOR_CHUNK = 4 * 2**20, 2**28  # bytes of float32: stays in cache, fills a GPU


@dataclass(frozen=True)
class Views:
    """The augmented and normalized views of a batch, drawn by a generator.

    Images are uint8 with one (gray), three (RGB), or up to 16 channels. Only three have saturation, hue, or
    grayscale; of others, each channel has its own contrast, and all share brightness, blur and solarize.

    Attributes:
        augmentations: One for each view.
        mean, std: By channel, of images in [0, 1].

    >>> views = Views([Augmentation(size=16), Augmentation(size=8)], mean=(0.5,), std=(0.25,))
    >>> images = torch.zeros(4, 1, 28, 28, dtype=torch.uint8)
    >>> parameters = views.draw(4, 28, 28, torch.Generator().manual_seed(0))
    >>> [tuple(view.shape) for view in views.apply(images, parameters)]
    [(4, 1, 16, 16), (4, 1, 8, 8)]
    """

    augmentations: Sequence[Augmentation]
    mean: Sequence[float]
    std: Sequence[float]

    def __post_init__(self) -> None:
        if not 1 <= len(self.mean) <= MOST_CHANNELS or len(self.std) != len(self.mean):
            raise UserError(
                f"Views: {len(self.mean)} means and {len(self.std)} standard deviations: "
                f"images have 1 to {MOST_CHANNELS} channels, give one of each for every channel."
            )
        if not min(self.std) > 0:
            raise UserError(f"Views: std is {tuple(self.std)}: choose positive standard deviations.")

    def draw(self, n: int, height: int, width: int, generator: torch.Generator) -> list[Parameters]:
        """Draw the parameters of every view of n images of height x width pixels (CPU generator)."""
        return [draw(augmentation, n, height, width, generator) for augmentation in self.augmentations]

    def apply(self, images: Tensor | Sequence[Tensor], parameters: Sequence[Parameters]) -> list[Tensor]:
        """Make V views, float32 (N, C, S, S) normalized, of images uint8 (N, C, H, W) on any device.

        Instead of images, V batches uint8 (N, C, S, S) that `crop` has already cut can be given: they are not
        cropped again. Parameters stay on the CPU, where they choose the rows that each operation takes.
        """
        cropped = not isinstance(images, Tensor)
        sources = [images] * len(self.augmentations) if isinstance(images, Tensor) else images
        if not len(sources) == len(parameters) == len(self.augmentations):
            raise UserError(
                f"Views: {len(sources)} batches and {len(parameters)} parameters for "
                f"{len(self.augmentations)} views: give one of each for every view."
            )
        triples = zip(sources, self.augmentations, parameters, strict=True)
        return [self._view(source, augmentation, drawn, cropped) for source, augmentation, drawn in triples]

    def plain(self, images: Tensor) -> Tensor:
        """Only normalize images uint8 (N, C, H, W) to float32, as for evaluation."""
        self._check(images)
        return self._normalize(images.float().div_(255))

    def crop(self, image: Decoded | Opener, generator: torch.Generator) -> list[Tensor]:
        """Cut and resize one large image (mode L or RGB, or `Bands`) for every view: V tensors uint8 (C, S, S).

        For workers that decode files; `apply` does the rest, with parameters drawn for S x S images. Where what
        decodes an image is given in its place, a JPEG is decoded no larger than the boxes that were drawn need it.
        """
        boxes = Boxes(self.augmentations, generator)
        decoded = image if isinstance(image, Image.Image | Bands) else image(boxes.shrink)
        plain = isinstance(decoded, Bands) or decoded.mode in ("L", "RGB")
        if len(decoded.getbands()) != len(self.mean) or not plain:
            what = f"{len(decoded.getbands())} channels" if isinstance(decoded, Bands) else f"mode {decoded.mode}"
            wanted = {1: "L", 3: "RGB"}.get(len(self.mean), f"{len(self.mean)} channels")
            raise UserError(f"Views: an image of {what}: convert it to {wanted}.")
        return boxes.cut(decoded)

    def _view(self, images: Tensor, augmentation: Augmentation, parameters: Parameters, cropped: bool) -> Tensor:
        self._check(images)
        n, channels, height, width = images.shape
        if len(parameters) != n:
            raise UserError(f"Views: {len(parameters)} parameters for {n} images: draw as many as there are.")
        size = augmentation.size
        if cropped and (height, width) != (size, size):
            raise UserError(f"Views: cropped images are {height} x {width}, the view is {size} x {size}.")
        budget = CPU_CHUNK if images.device.type == "cpu" else ACCELERATOR_CHUNK
        chunk = max(1, budget // (4 * channels * max(height * width, size * size)))
        drawn = parameters.to("cpu")
        out = torch.empty(n, channels, size, size, device=images.device)
        for first in range(0, n, chunk):
            rows = slice(first, first + chunk)
            x = augment(images[rows], augmentation, drawn.rows(rows), cropped)
            self._normalize(x, out[rows])
        return out

    def _normalize(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        mean, std = (
            color.constant(tuple(values), x.dtype, x.device).view(-1, 1, 1) for values in (self.mean, self.std)
        )
        return torch.mul(x, 1 / std, out=out).sub_(mean / std)

    def _check(self, images: Tensor) -> None:
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != len(self.mean):
            raise UserError(
                f"Views: images are {images.dtype} {tuple(images.shape)}: give torch.uint8 (N, {len(self.mean)}, H, W)."
            )


@torch.no_grad()
def augment(images: Tensor, augmentation: Augmentation, parameters: Parameters, cropped: bool) -> Tensor:
    """One view, float32 (n, C, S, S) in [0, 1], of images uint8 (n, C, H, W); cropped: only flip, do not crop."""
    size = (augmentation.size, augmentation.size)
    x = _flip(images, parameters) if cropped else _crop(images, augmentation, parameters)
    x = color.jitter(x.flatten(2), parameters)
    if x.shape[1] == 3:
        x = _some(x, parameters.grayscale, lambda some, _: color.luma(some).expand_as(some))

    def blur(some: Tensor, rows: Tensor) -> Tensor:
        matrix = blur_matrix(
            parameters.sigma[rows].to(x.device, non_blocking=True),
            size=augmentation.size,
            kernel=augmentation.blur_kernel,
            reach=augmentation.blur_sigma[1],
        )
        return resample(some.view(*some.shape[:2], *size), matrix, matrix).flatten(2)

    x = _some(x, parameters.sigma > 0, blur)
    x = _some(x, parameters.solarize, lambda some, _: color.solarize(some))
    return x.view(*x.shape[:2], *size)


def _crop(images: Tensor, augmentation: Augmentation, parameters: Parameters) -> Tensor:
    size, filter_ = augmentation.size, augmentation.interpolation
    drawn = torch.stack([parameters.top, parameters.height, parameters.left, parameters.width, parameters.flip.long()])
    top, height, left, width, flip = drawn.to(images.device, non_blocking=True)  # one way to a GPU, not five
    rows = crop_matrix(top, height, None, inputs=images.shape[2], outputs=size, interpolation=filter_)
    columns = crop_matrix(left, width, flip > 0, inputs=images.shape[3], outputs=size, interpolation=filter_)
    return resample(images.float(), rows, columns.div_(255)).clamp_(0, 1)


def _flip(images: Tensor, parameters: Parameters) -> Tensor:
    flip = parameters.flip.to(images.device, non_blocking=True)[:, None, None, None]
    return torch.where(flip, images.flip(3), images).float().div_(255)


def _some(x: Tensor, mask: Tensor, function: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Put function(x[rows], rows) in the place of the rows of the mask."""
    rows = mask.nonzero()[:, 0]
    there = rows.to(x.device, non_blocking=True)
    return x.index_copy_(0, there, function(x.index_select(0, there), rows)) if len(rows) else x
