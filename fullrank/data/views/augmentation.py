"""The distribution of one augmented view, and its parameters drawn for a whole batch at once."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor

from fullrank.errors import UserError

OPERATIONS = ("brightness", "contrast", "saturation", "hue")  # the values of Parameters.order
CROP_TRIES = 10  # as in torchvision's RandomResizedCrop


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """The distribution of ONE view, operation by operation the one of torchvision's transforms.

    The operations come in the order of the arguments.

    Attributes:
        size: Pixels of a side of the view, after a random resized crop.
        scale, ratio: Ranges of the crop's share of the area, and of its width / height.
        interpolation: How it is resized.
        flip: Probability of a horizontal flip.
        jitter: Probability of the color jitter, whose parts come in random order.
        brightness, contrast, saturation, hue: Strengths of the color jitter.
        grayscale, blur, solarize: Probabilities.
        blur_sigma: Range of the Gaussian's deviation in pixels of the view.
        blur_kernel: An odd number of pixels to which the Gaussian is cut; None does not cut it.

    >>> Augmentation(size=32, blur=0.5).scale
    (0.08, 1.0)
    >>> Augmentation(size=32, flip=2.0)
    Traceback (most recent call last):
    fullrank.errors.UserError: Augmentation: flip is a probability, not 2.0: choose a number from 0 to 1.
    """

    size: int
    scale: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    flip: float = 0.5
    jitter: float = 0.8
    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.2
    hue: float = 0.1
    grayscale: float = 0.2
    blur: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    blur_kernel: int | None = None
    solarize: float = 0.0

    def __post_init__(self) -> None:
        for name in ("flip", "jitter", "grayscale", "blur", "solarize"):
            value = getattr(self, name)
            _check(0 <= value <= 1, f"{name} is a probability, not {value}: choose a number from 0 to 1.")
        for name in ("scale", "ratio", "blur_sigma"):
            low, high = getattr(self, name)
            _check(0 < low <= high, f"{name} is a range, not ({low}, {high}): choose 0 < low <= high.")
        for name in ("brightness", "contrast", "saturation"):
            value = getattr(self, name)
            _check(value >= 0, f"{name} is a strength, not {value}: choose a number from 0.")
        kernel = self.blur_kernel
        _check(0 <= self.hue <= 0.5, f"hue is a share of the circle, not {self.hue}: choose 0 to 0.5.")
        _check(self.scale[1] <= 1, f"scale ends at {self.scale[1]}: a crop is at most 1, the whole image.")
        _check(self.size >= 1, f"size is {self.size}: choose at least one pixel.")
        _check(kernel is None or (kernel > 0 and kernel % 2 == 1), f"blur_kernel is {kernel}: choose an odd number.")
        known = self.interpolation in ("bilinear", "bicubic")
        _check(known, f"interpolation is {self.interpolation!r}: choose 'bilinear' or 'bicubic'.")


def _check(right: bool, sentence: str) -> None:
    if not right:
        raise UserError(f"Augmentation: {sentence}")


@dataclass(frozen=True)
class Parameters:
    """All drawn values of ONE view for n images; every tensor has the leading dimension n.

    top, left, height, width: the crop in pixels of the image, int64. order: (n, k) the k operations of the
    color jitter (indices into OPERATIONS) in the order of their turn. hue: shift as a share of the circle.
    brightness, contrast, saturation: factors. sigma: pixels of the view, 0 where there is no blur.
    """

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    flip: Tensor
    jitter: Tensor
    order: Tensor
    brightness: Tensor
    contrast: Tensor
    saturation: Tensor
    hue: Tensor
    grayscale: Tensor
    sigma: Tensor
    solarize: Tensor

    def rows(self, index: slice | Tensor) -> Parameters:
        """The parameters of some of the images."""
        return Parameters(*(getattr(self, field.name)[index] for field in fields(self)))

    def to(self, device: torch.device | str) -> Parameters:
        """The same parameters on another device; a GPU is not waited for, the CPU waits for a GPU."""
        wait = torch.device(device).type == "cpu"
        return Parameters(*(getattr(self, field.name).to(device, non_blocking=not wait) for field in fields(self)))

    def __len__(self) -> int:
        return len(self.top)


def draw(augmentation: Augmentation, n: int, height: int, width: int, generator: torch.Generator) -> Parameters:
    """Draw the parameters of one view of n images of height x width pixels; generator lives on the CPU.

    >>> parameters = draw(Augmentation(size=32), 8, 48, 64, torch.Generator().manual_seed(0))
    >>> len(parameters), bool((parameters.left + parameters.width <= 64).all())
    (8, True)
    """
    a = augmentation

    def chance(probability: float) -> Tensor:
        return torch.rand(n, generator=generator) < probability

    def factor(strength: float) -> Tensor:
        return _uniform((n,), max(0.0, 1 - strength), 1 + strength, generator).float()

    top, left, crop_height, crop_width = draw_boxes(a, n, height, width, generator)
    active = torch.tensor([i for i, name in enumerate(OPERATIONS) if getattr(a, name) > 0], dtype=torch.int64)
    return Parameters(
        top=top,
        left=left,
        height=crop_height,
        width=crop_width,
        flip=chance(a.flip),
        jitter=chance(a.jitter),
        order=active[torch.rand(n, len(active), generator=generator).argsort(dim=1)],
        brightness=factor(a.brightness),
        contrast=factor(a.contrast),
        saturation=factor(a.saturation),
        hue=_uniform((n,), -a.hue, a.hue, generator).float(),
        grayscale=chance(a.grayscale),
        sigma=_uniform((n,), *a.blur_sigma, generator).float() * chance(a.blur),
        solarize=chance(a.solarize),
    )


def draw_boxes(
    augmentation: Augmentation, n: int, height: int, width: int, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draw n crops (top, left, height, width) in whole pixels by the law of torchvision's RandomResizedCrop.

    The area is uniform and the aspect ratio log-uniform; of ten tries the first that fits into the image
    counts; when none fits, the largest central crop whose aspect ratio is in range is taken.
    """
    low, high = (math.log(end) for end in augmentation.ratio)
    area = height * width * _uniform((n, CROP_TRIES), *augmentation.scale, generator)
    ratio = _uniform((n, CROP_TRIES), low, high, generator).exp()
    heights, widths = (area / ratio).sqrt().round().long(), (area * ratio).sqrt().round().long()
    fits = (widths > 0) & (widths <= width) & (heights > 0) & (heights <= height)
    found, first = fits.max(dim=1)  # first: the index of the first True
    crop_height, crop_width = (tried.gather(1, first[:, None])[:, 0] for tried in (heights, widths))
    top = (_uniform((n,), 0, 1, generator) * (height - crop_height + 1)).long()
    left = (_uniform((n,), 0, 1, generator) * (width - crop_width + 1)).long()
    central = _central_box(augmentation, height, width)
    return (
        top.where(found, central[0]),
        left.where(found, central[1]),
        crop_height.where(found, central[2]),
        crop_width.where(found, central[3]),
    )


def _central_box(augmentation: Augmentation, height: int, width: int) -> tuple[int, int, int, int]:
    """The largest central crop (top, left, height, width) with an aspect ratio in the range."""
    low, high = augmentation.ratio
    crop_height, crop_width = height, width
    if width / height < low:
        crop_height = round(width / low)
    elif width / height > high:
        crop_width = round(height * high)
    return (height - crop_height) // 2, (width - crop_width) // 2, crop_height, crop_width


def _uniform(shape: tuple[int, ...], low: float, high: float, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, dtype=torch.float64, generator=generator) * (high - low) + low
