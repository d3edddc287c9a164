"""The drawn parameters have torchvision's law."""

from __future__ import annotations

import itertools
from dataclasses import fields
from typing import Any

import pytest
import torch
from scipy.stats import chisquare, ks_2samp
from torch import Tensor
from torchvision.transforms import ColorJitter, RandomResizedCrop

from fullrank.data.views.augmentation import OPERATIONS, Augmentation, Parameters, draw, draw_boxes
from fullrank.errors import UserError

N = 20_000


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def reference_boxes(n: int, height: int, width: int, scale: tuple[float, float], ratio: tuple[float, float]) -> Tensor:
    """(n, 4) boxes drawn by torchvision."""
    image = torch.empty(1, height, width)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return torch.tensor([RandomResizedCrop.get_params(image, scale, ratio) for _ in range(n)])


@pytest.mark.parametrize(("height", "width"), [(32, 32), (20, 60), (64, 24)])
def test_crops_have_the_law_of_torchvision(height: int, width: int) -> None:
    a = Augmentation(size=8)
    top, left, h, w = draw_boxes(a, N, height, width, generator())
    t, le, hh, ww = reference_boxes(3000, height, width, a.scale, a.ratio).T
    pairs = {
        "area": (h * w, hh * ww),
        "aspect": (w / h, ww / hh),
        "top": (top, t),
        "left": (left, le),
        "bottom": (top + h, t + hh),
        "right": (left + w, le + ww),
    }
    for name, (mine, theirs) in pairs.items():
        # Fixed seeds; a right law fails once in 1000 seeds and quantities.
        assert ks_2samp(mine.numpy(), theirs.numpy()).pvalue > 1e-3, name


def test_every_position_of_a_crop_is_equally_likely() -> None:
    a = Augmentation(size=8, scale=(0.25, 0.25), ratio=(1.0, 1.0))
    top, left, height, width = draw_boxes(a, 10 * N, 8, 8, generator())
    assert (height == 4).all()
    assert (width == 4).all()
    assert chisquare((top * 5 + left).bincount(minlength=25).numpy()).pvalue > 1e-3
    assert len((top * 5 + left).bincount()) == 25


@pytest.mark.parametrize(("height", "width"), [(10, 200), (200, 10), (1, 1), (9, 3), (12, 13)])
def test_crop_falls_back_to_the_largest_central_box(height: int, width: int) -> None:
    scale, ratio = (1.0, 1.0), (0.5, 0.8)
    expected = reference_boxes(1, height, width, scale, ratio)[0]
    a = Augmentation(size=8, scale=scale, ratio=ratio)
    boxes = torch.stack(draw_boxes(a, 50, height, width, generator()), dim=1)
    assert (boxes == expected).all()


def test_crops_lie_inside_the_image() -> None:
    for height, width in ((1, 1), (1, 9), (5, 40), (33, 32)):
        top, left, h, w = draw_boxes(Augmentation(size=8), 500, height, width, generator())
        assert torch.stack((top, left)).min() >= 0
        assert torch.stack((h, w)).min() >= 1
        assert (top + h).max() <= height
        assert (left + w).max() <= width


@pytest.mark.parametrize("name", ["flip", "jitter", "grayscale", "solarize", "blur"])
@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_probabilities(name: str, probability: float) -> None:
    settings: dict[str, Any] = {"size": 8, name: probability}
    parameters = draw(Augmentation(**settings), N, 8, 8, generator())
    mask = parameters.sigma > 0 if name == "blur" else getattr(parameters, name)
    deviation = 5 * (probability * (1 - probability) / N) ** 0.5  # five standard errors; exact at 0 and 1
    assert abs(mask.double().mean().item() - probability) <= deviation


def test_factors_are_uniform_in_the_ranges_of_torchvision() -> None:
    strengths: dict[str, Any] = {"brightness": 0.4, "contrast": 0.2, "saturation": 1.5, "hue": 0.1}
    parameters = draw(Augmentation(size=8, **strengths), N, 8, 8, generator())
    reference = ColorJitter(**strengths)
    for name in strengths:
        low, high = getattr(reference, name)
        drawn = getattr(parameters, name).double()
        assert drawn.min() >= low - 1e-6
        assert drawn.max() <= high + 1e-6
        uniform = (torch.arange(N) + 0.5) / N * (high - low) + low
        assert ks_2samp(drawn.numpy(), uniform.numpy()).pvalue > 1e-3, name


def test_sigma_is_uniform() -> None:
    sigma = draw(Augmentation(size=8, blur=1.0, blur_sigma=(0.5, 1.5)), N, 8, 8, generator()).sigma
    uniform = (torch.arange(N) + 0.5) / N + 0.5
    assert ks_2samp(sigma.numpy(), uniform.numpy()).pvalue > 1e-3


@pytest.mark.parametrize("off", [None, "hue", "brightness"])
def test_every_order_is_equally_likely(off: str | None) -> None:
    settings: dict[str, Any] = {"size": 8} | ({off: 0.0} if off else {})
    order = draw(Augmentation(**settings), N, 8, 8, generator()).order
    active = [i for i, name in enumerate(OPERATIONS) if name != off]
    names = dict.fromkeys(itertools.permutations(active), 0)
    for row in order.tolist():
        names[tuple(row)] += 1
    assert chisquare(list(names.values())).pvalue > 1e-3


def test_no_active_operation_draws_no_order() -> None:
    a = Augmentation(size=8, brightness=0, contrast=0, saturation=0, hue=0)
    assert draw(a, 5, 8, 8, generator()).order.shape == (5, 0)


def equal(a: Parameters, b: Parameters) -> bool:
    return all(torch.equal(getattr(a, field.name), getattr(b, field.name)) for field in fields(a))


def test_the_generator_decides() -> None:
    a, source = Augmentation(size=8, blur=0.5, solarize=0.5), generator(3)
    first, second = draw(a, 9, 20, 20, source), draw(a, 9, 20, 20, source)
    assert equal(first, draw(a, 9, 20, 20, generator(3)))
    assert not equal(first, second)


def test_images_are_independent() -> None:
    parameters = draw(Augmentation(size=8, blur=0.5), N, 32, 32, generator())
    for name in ("width", "left", "flip", "brightness", "hue", "sigma", "grayscale"):
        drawn = getattr(parameters, name).double()
        neighbors = torch.corrcoef(torch.stack((drawn[:-1], drawn[1:])))[0, 1]
        assert abs(neighbors) < 5 / N**0.5, name  # five standard errors of a zero correlation


def test_operations_are_independent_of_each_other() -> None:
    p = draw(Augmentation(size=8, blur=0.5, solarize=0.5, jitter=0.5), N, 32, 32, generator())
    drawn = (p.flip, p.jitter, p.brightness, p.contrast, p.saturation, p.hue, p.grayscale, p.sigma, p.solarize)
    correlation = torch.corrcoef(torch.stack([values.double() for values in drawn])) - torch.eye(9)
    assert correlation.abs().max() < 5 / N**0.5


def test_rows_take_the_same_rows_of_every_tensor() -> None:
    parameters = draw(Augmentation(size=8), 9, 20, 20, generator())
    index = torch.tensor([2, 3, 4])
    assert len(parameters) == 9
    assert len(parameters.rows(slice(2, 5))) == 3
    assert equal(parameters.rows(slice(2, 5)), parameters.rows(index))
    assert parameters.rows(index).order.tolist() == parameters.order[2:5].tolist()
    assert equal(parameters.to("cpu"), parameters)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 0},
        {"flip": 1.5},
        {"solarize": -0.1},
        {"scale": (0.5, 0.1)},
        {"scale": (0.5, 1.5)},
        {"ratio": (0.0, 1.0)},
        {"blur_sigma": (0.0, 1.0)},
        {"brightness": -1.0},
        {"hue": 0.6},
        {"blur_kernel": 4},
        {"interpolation": "nearest"},
        {"grayscale": float("nan")},
    ],
)
def test_bad_settings_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=next(iter(wrong))):
        Augmentation(**({"size": 8} | wrong))
