"""JPEGs are decoded no larger than their crops need it, and the crops stay what a full decoding gives."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import ks_2samp
from torch import Tensor

from fullrank.data import Augmentation, ImageFolder, Views, train_batches
from fullrank.data.decode import Shrink
from fullrank.data.pixels import Decoded
from fullrank.data.views.boxes import Boxes

WIDTH, HEIGHT = 640, 475  # not a multiple of 8


def photograph(path: Path, seed: int, *, height: int = HEIGHT, orientation: int = 1) -> None:
    """Noise with the 1 / f spectrum of photographs, in color."""
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(WIDTH)[None])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(random.normal(size=(3, height, WIDTH))) / frequency
    pixels = np.fft.irfft2(spectrum, s=(height, WIDTH))
    image = Image.fromarray((128 + 45 * pixels / pixels.std()).clip(0, 255).astype(np.uint8).transpose(1, 2, 0))
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, quality=90, exif=exif)


def views(interpolation: Literal["bilinear", "bicubic"] = "bicubic", size: int = 48) -> Views:
    return Views([Augmentation(size=size, interpolation=interpolation)] * 2, (0.5,) * 3, (0.25,) * 3)


def both(path: Path, seed: int, made: Views) -> tuple[Tensor, Tensor]:
    """The crops (2, C, S, S) of a file as they are read, and of its full decoding, by the same draws."""
    images = ImageFolder((str(path),), None, (), channels=3)
    fast = made.crop(partial(images.open, 0), torch.Generator().manual_seed(seed))
    full = made.crop(images.open(0), torch.Generator().manual_seed(seed))
    return torch.stack(fast).float(), torch.stack(full).float()


@pytest.mark.slow
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_crops_have_the_statistics_of_a_full_decoding(
    tmp_path: Path, interpolation: Literal["bilinear", "bicubic"]
) -> None:
    path = tmp_path / "photo.jpg"
    photograph(path, 0)
    pairs = [both(path, seed, views(interpolation)) for seed in range(30)]
    fast, full = (torch.cat(crops) for crops in zip(*pairs, strict=True))
    gap = (fast - full).abs()
    assert gap.mean() < 2.5  # of 255 levels, where the pixels deviate by 45
    assert (fast.mean((2, 3)) - full.mean((2, 3))).abs().max() < 0.5  # of any crop and channel
    assert (fast.std((2, 3)) / full.std((2, 3)) - 1).abs().max() < 0.06
    assert ks_2samp(fast.flatten().numpy(), full.flatten().numpy()).statistic < 0.005
    sharp, soft = ((crops[..., 1:] - crops[..., :-1]).square().mean() for crops in (fast, full))
    assert abs(sharp / soft - 1) < 0.15  # detail from pixel to pixel


def test_no_crop_is_smaller_than_its_view_and_most_photographs_shrink() -> None:
    sizes = (224, 96)
    pair = [Augmentation(size=size) for size in sizes]
    shrunk = []
    for seed in range(300):
        boxes = Boxes(pair, torch.Generator().manual_seed(seed))
        times = boxes.shrink(4000, 3000)
        for (_, _, height, width), size in zip(boxes._boxes, sizes, strict=True):
            assert min(height, width) / times >= size
        assert times == 8 or any(
            min(height, width) / (2 * times) < size
            for (_, _, height, width), size in zip(boxes._boxes, sizes, strict=True)
        )
        shrunk.append(times)
    assert np.mean(np.array(shrunk) >= 4) > 0.9
    assert Boxes(pair, torch.Generator()).shrink(100, 90) == 1


@pytest.mark.parametrize(("orientation", "height"), [(3, HEIGHT), (6, HEIGHT), (3, 480), (6, 480), (8, 480)])
def test_a_turned_photograph_is_cropped_upright(tmp_path: Path, orientation: int, height: int) -> None:
    path = tmp_path / "photo.jpg"
    photograph(path, 1, height=height, orientation=orientation)
    gaps = [(fast - full).abs().mean() for fast, full in (both(path, seed, views()) for seed in range(8))]
    assert max(gaps) < 5.0  # three quarters of a pixel aside, it would be 10


def test_the_decoder_is_asked_for_less(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    photograph(path, 2)
    images = ImageFolder((str(path),), None, (), channels=3)
    seen: list[Decoded] = []

    def opened(shrink: Shrink | None = None) -> Decoded:
        seen.append(images.open(0, shrink))
        return seen[-1]

    views(size=16).crop(opened, torch.Generator().manual_seed(0))
    assert seen[0].size in [(-(-WIDTH // times), -(-HEIGHT // times)) for times in (4, 8)]
    Image.open(path).save(tmp_path / "photo.png")
    lossless = ImageFolder((str(tmp_path / "photo.png"),), None, (), channels=3)
    assert lossless.open(0, lambda width, height: 8).size == (WIDTH, HEIGHT)


@pytest.mark.slow
def test_batches_of_photographs_depend_on_seed_and_step_alone(tmp_path: Path) -> None:
    for seed in range(4):
        photograph(tmp_path / f"{seed}.jpg", seed)
    images = ImageFolder(tuple(str(tmp_path / f"{at}.jpg") for at in range(4)), None, (), channels=3)

    def made(start: int, workers: int = 0) -> list[Tensor]:
        batches = train_batches(
            images, batch_size=2, seed=5, start=start, stop=4, workers=workers, crop=views().crop, device="cpu"
        )
        return [torch.stack(list(batch.images)) for batch in batches]

    whole = made(0)
    for tail in (made(2), made(2, workers=1)):
        assert all(torch.equal(one, other) for one, other in zip(whole[2:], tail, strict=True))
    assert not torch.equal(whole[0], whole[2])
