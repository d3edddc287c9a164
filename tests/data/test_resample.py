"""The matrices are torchvision's (and PIL's) antialiased resize and its Gaussian blur."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional as F

from fullrank.data.views.resample import blur_matrix, crop_matrix, resample

Filter = Literal["bilinear", "bicubic"]
FILTERS: tuple[Filter, Filter] = ("bilinear", "bicubic")
BOXES = [(0, 0, 24, 40), (3, 5, 1, 1), (0, 39, 24, 1), (2, 0, 7, 33), (11, 4, 13, 9), (23, 0, 1, 40)]
# shrunk, enlarged, one pixel, one axis only


def some_images(n: int, height: int = 24, width: int = 40) -> Tensor:
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(0))


def matrices(size: int, filter_: Filter, flip: Tensor | None = None) -> tuple[Tensor, Tensor]:
    top, left, height, width = torch.tensor(BOXES).T
    rows = crop_matrix(top, height, None, inputs=24, outputs=size, interpolation=filter_)
    return rows, crop_matrix(left, width, flip, inputs=40, outputs=size, interpolation=filter_)


def reference(images: Tensor, size: int, filter_: Filter) -> Tensor:
    mode = F.InterpolationMode(filter_)
    cuts = [
        F.resized_crop(image, *box, [size, size], mode, antialias=True)
        for image, box in zip(images, BOXES, strict=True)
    ]
    return torch.stack(cuts)


@pytest.mark.parametrize("filter_", FILTERS)
@pytest.mark.parametrize("size", [1, 9, 16, 50])
def test_crop_and_resize_agree_with_torchvision(filter_: Filter, size: int) -> None:
    images = some_images(len(BOXES))
    mine = resample(images, *matrices(size, filter_))
    torch.testing.assert_close(mine, reference(images, size, filter_), atol=2e-5, rtol=0)


@pytest.mark.parametrize("filter_", FILTERS)
def test_crop_and_resize_agree_with_pil(filter_: Filter) -> None:
    images = (some_images(len(BOXES)) * 128 + 64).byte()  # no overshoot: PIL also cuts it after the first axis
    mine = resample(images.float(), *matrices(16, filter_)).clamp(0, 255)
    pil_filter = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}[filter_]
    for image, (top, left, height, width), view in zip(images, BOXES, mine, strict=True):
        opened = Image.fromarray(image.permute(1, 2, 0).numpy())
        cut = opened.crop((left, top, left + width, top + height)).resize((16, 16), pil_filter)
        # PIL rounds to whole levels after each axis; a cubic row weighs the first rounding by up to 1.3.
        assert np.abs(view.permute(1, 2, 0).numpy() - np.asarray(cut)).max() < 1.3


@pytest.mark.parametrize("filter_", FILTERS)
def test_flip_mirrors_the_view_of_its_own_image_only(filter_: Filter) -> None:
    images = some_images(len(BOXES))
    flip = torch.arange(len(BOXES)) % 2 == 0
    plain = resample(images, *matrices(16, filter_))
    flipped = resample(images, *matrices(16, filter_, flip))
    torch.testing.assert_close(flipped[0::2], plain[0::2].flip(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(flipped[1::2], plain[1::2])


@pytest.mark.parametrize("filter_", FILTERS)
def test_weights_sum_to_one_and_stay_in_the_crop(filter_: Filter) -> None:
    start, length = torch.tensor([0, 3, 9, 4]), torch.tensor([10, 4, 1, 6])
    matrix = crop_matrix(start, length, None, inputs=10, outputs=7, interpolation=filter_)
    torch.testing.assert_close(matrix.sum(2), torch.ones(4, 7))
    pixel = torch.arange(10)
    outside = (pixel < start[:, None]) | (pixel >= (start + length)[:, None])
    assert matrix.movedim(1, 2)[outside].abs().sum() == 0


@pytest.mark.parametrize("filter_", FILTERS)
def test_the_whole_image_at_its_own_size_is_unchanged(filter_: Filter) -> None:
    matrix = crop_matrix(torch.tensor([0]), torch.tensor([8]), None, inputs=8, outputs=8, interpolation=filter_)
    torch.testing.assert_close(matrix[0], torch.eye(8))


@pytest.mark.parametrize("kernel", [1, 3, 9])
@pytest.mark.parametrize("size", [5, 32])
def test_blur_agrees_with_torchvision(kernel: int, size: int) -> None:
    images = some_images(4, size, size)
    sigma = torch.tensor([0.1, 0.5, 1.0, 2.0])
    matrix = blur_matrix(sigma, size=size, kernel=kernel, reach=2.0)
    expected = torch.stack(
        [F.gaussian_blur(x, [kernel, kernel], [s, s]) for x, s in zip(images, sigma.tolist(), strict=True)]
    )
    torch.testing.assert_close(resample(images, matrix, matrix), expected, atol=1e-5, rtol=0)


def test_uncut_blur_is_the_limit_of_wide_kernels() -> None:
    images, sigma = some_images(3, 40, 40), torch.tensor([0.3, 1.1, 2.0])
    matrix = blur_matrix(sigma, size=40, kernel=None, reach=2.0)
    expected = torch.stack([F.gaussian_blur(x, [39, 39], [s, s]) for x, s in zip(images, sigma.tolist(), strict=True)])
    torch.testing.assert_close(resample(images, matrix, matrix), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_blur_of_tiny_images_reflects_again_and_again(size: int) -> None:
    matrix = blur_matrix(torch.tensor([2.0]), size=size, kernel=None, reach=2.0)[0]
    period = np.pad(np.arange(size), (10, 10), mode="reflect" if size > 1 else "edge")  # numpy bounces too
    taps = np.exp(-0.5 * (np.arange(-10, 11) / 2.0) ** 2)
    expected = np.zeros((size, size))
    for pixel in range(size):
        np.add.at(expected[pixel], period[pixel : pixel + 21], taps / taps.sum())
    np.testing.assert_allclose(matrix.numpy(), expected, atol=1e-6)


def test_resample_is_rows_times_image_times_columns() -> None:
    images = some_images(2, 4, 6)
    rows, columns = torch.rand(2, 3, 4), torch.rand(2, 5, 6)
    expected = torch.einsum("nsh,nchw,ntw->ncst", rows, images, columns)
    torch.testing.assert_close(resample(images, rows, columns), expected)
