"""The same SimCLR views by three packages: ours, lightly's transform and torchvision's, image by image from PIL."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from fullrank.data import Augmentation

TwoViews = Callable[[Image.Image], list[Tensor]]
NEEDS = "lightly is not installed: `pip install --no-deps lightly lightly-utils hydra-core omegaconf aenum`."


def has_lightly() -> bool:
    """Whether lightly can be imported."""
    try:
        importlib.import_module("lightly.transforms")
    except ImportError:
        return False
    return True


def lightly_views(a: Augmentation, mean: Sequence[float], std: Sequence[float]) -> TwoViews:
    """lightly's SimCLRTransform with the distribution of an augmentation without solarize."""
    transforms: Any = importlib.import_module("lightly.transforms")
    made = transforms.SimCLRTransform(
        input_size=a.size,
        cj_prob=a.jitter,
        cj_strength=1.0,
        cj_bright=a.brightness,
        cj_contrast=a.contrast,
        cj_sat=a.saturation,
        cj_hue=a.hue,
        min_scale=a.scale[0],
        random_gray_scale=a.grayscale,
        gaussian_blur=a.blur,
        hf_prob=a.flip,
        normalize={"mean": list(mean), "std": list(std)},
    )
    return lambda image: list(made(image))


def torchvision_views(a: Augmentation, mean: Sequence[float], std: Sequence[float]) -> TwoViews:
    """The pipeline of torchvision's transforms that most code of papers has, with the same distribution."""
    from torchvision import transforms as t

    jitter = t.ColorJitter(a.brightness, a.contrast, a.saturation, a.hue)
    steps = [
        t.RandomResizedCrop(a.size, scale=a.scale),
        t.RandomHorizontalFlip(a.flip),
        t.RandomApply([jitter], p=a.jitter),
        t.RandomGrayscale(a.grayscale),
        *([t.RandomApply([t.GaussianBlur(a.blur_kernel or 23, a.blur_sigma)], p=a.blur)] if a.blur else []),
        t.ToTensor(),
        t.Normalize(list(mean), list(std)),
    ]
    once = t.Compose(steps)
    return lambda image: [once(image), once(image)]


def stacked(items: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """V batches (n, C, S, S) of n times V views."""
    return [torch.stack(view) for view in zip(*items, strict=True)]
