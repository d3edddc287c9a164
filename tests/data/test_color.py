"""Every color operation agrees with torchvision's, alone and in every order."""

from __future__ import annotations

import colorsys
import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torchvision.transforms import functional as F

from fullrank.data.views import color
from fullrank.data.views.augmentation import OPERATIONS, Augmentation, Parameters, draw

LUMA_GAP = 2e-4  # torchvision rounds the red weight of gray to .2989, PIL and we take .299; factors go up to 2
REFERENCE: dict[str, Callable[[Tensor, float], Tensor]] = {
    "brightness": F.adjust_brightness,
    "contrast": F.adjust_contrast,
    "saturation": F.adjust_saturation,
    "hue": F.adjust_hue,
}
FACTORS = {
    "brightness": [0.0, 0.3, 1.0, 1.7],
    "contrast": [0.0, 0.3, 1.0, 1.9],
    "saturation": [0.0, 0.3, 1.0, 1.9],
    "hue": [-0.5, -0.13, 0.0, 0.31],
}


def some_images(n: int) -> Tensor:
    """(n, 3, 6, 7) whose first pixels are the corners of the cube, grays, and ties."""
    images = torch.rand(n, 3, 6, 7, generator=torch.Generator().manual_seed(0))
    special = [*itertools.product((0.0, 1.0), repeat=3), (0.4, 0.4, 0.4), (0.4, 0.4, 0.1), (0.1, 0.4, 0.4)]
    images.flatten(2)[:, :, : len(special)] = torch.tensor(special).T
    return images


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_agree_with_torchvision(name: str) -> None:
    images, factors = some_images(4), FACTORS[name]
    mine = getattr(color, name)(images.flatten(2).clone(), torch.tensor(factors)).view_as(images)
    expected = torch.stack([REFERENCE[name](x, f) for x, f in zip(images, factors, strict=True)])
    torch.testing.assert_close(mine, expected, atol=2e-6 if name in ("brightness", "hue") else LUMA_GAP, rtol=0)


def test_hue_is_the_shift_of_hsv() -> None:
    images = some_images(1)
    mine = color.hue(images.flatten(2).clone(), torch.tensor([0.2]))[0].T
    for before, after in zip(images.flatten(2)[0].T.tolist(), mine.tolist(), strict=True):
        h, s, v = colorsys.rgb_to_hsv(*before)
        assert after == pytest.approx(colorsys.hsv_to_rgb((h + 0.2) % 1, s, v), abs=2e-6)


def test_hue_of_gray_is_gray_and_a_whole_turn_is_nothing() -> None:
    gray = torch.linspace(0, 1, 12).expand(1, 3, 12).clone()
    torch.testing.assert_close(color.hue(gray.clone(), torch.tensor([0.37])), gray)
    x = some_images(1).flatten(2)
    half = torch.tensor([0.5])
    torch.testing.assert_close(color.hue(color.hue(x.clone(), half), half), x, atol=2e-6, rtol=0)


def test_contrast_and_brightness_of_one_channel() -> None:
    images = some_images(4)[:, :1]
    for name in ("brightness", "contrast"):
        mine = getattr(color, name)(images.flatten(2).clone(), torch.tensor(FACTORS[name])).view_as(images)
        expected = [REFERENCE[name](x, f) for x, f in zip(images, FACTORS[name], strict=True)]
        torch.testing.assert_close(mine, torch.stack(expected), atol=2e-6, rtol=0)


def test_luma_and_solarize_agree_with_torchvision() -> None:
    images = some_images(3)
    expected = F.rgb_to_grayscale(images).flatten(2)
    torch.testing.assert_close(color.luma(images.flatten(2)), expected, atol=1.1e-4, rtol=0)
    torch.testing.assert_close(color.solarize(images), F.solarize(images, 0.5), atol=1e-6, rtol=0)
    levels = torch.arange(256, dtype=torch.uint8).view(1, 1, 256)
    whole = F.solarize(levels, 128)[0] / 255
    torch.testing.assert_close(color.solarize(levels[0] / 255), whole, atol=1e-6, rtol=0)


def parameters(n: int) -> Parameters:
    a = Augmentation(size=8, jitter=1.0, brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2)
    return draw(a, n, 8, 8, torch.Generator().manual_seed(0))


def chain(image: Tensor, drawn: Parameters, row: int) -> Tensor:
    """torchvision's ColorJitter with given factors and order."""
    for operation in drawn.order[row].tolist():
        name = OPERATIONS[operation]
        image = REFERENCE[name](image, getattr(drawn, name)[row].item())
    return image


def test_jitter_agrees_with_torchvision_in_every_order() -> None:
    orders = torch.tensor(list(itertools.permutations(range(4))))
    images, drawn = some_images(24), parameters(24)
    drawn.order.copy_(orders)
    mine = color.jitter(images.flatten(2).clone(), drawn).view_as(images)
    expected = torch.stack([chain(x, drawn, row) for row, x in enumerate(images)])
    # Three later operations may enlarge the gap between the two grays by their factors, up to 1.8 each.
    torch.testing.assert_close(mine, expected, atol=6 * LUMA_GAP, rtol=0)


def test_jitter_leaves_the_unlucky_alone() -> None:
    images, drawn = some_images(6).flatten(2), parameters(6)
    drawn.jitter[1::2] = False
    mine = color.jitter(images.clone(), drawn)
    assert torch.equal(mine[1::2], images[1::2])
    assert ((mine[0::2] - images[0::2]).abs().amax(dim=(1, 2)) > 0.01).all()


def test_jitter_of_one_channel_is_brightness_and_contrast_in_their_order() -> None:
    images, drawn = some_images(12)[:, :1], parameters(12)
    mine = color.jitter(images.flatten(2).clone(), drawn).view_as(images)
    for row, image in enumerate(images):
        expected = image
        for operation in drawn.order[row].tolist():
            if operation < 2:
                name = OPERATIONS[operation]
                expected = REFERENCE[name](expected, getattr(drawn, name)[row].item())
        torch.testing.assert_close(mine[row], expected, atol=2e-6, rtol=0)
