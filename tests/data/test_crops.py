"""`--crops`: what can be written, and the distributions of the authors' multi-crop."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from PIL import Image

from fullrank.data import Views, crop_sizes, crop_views, preset
from fullrank.errors import UserError


@pytest.mark.parametrize(
    ("crops", "sizes"),
    [
        ("2x224,192,160,128,96", (224, 224, 192, 160, 128, 96)),
        ("28,20", (28, 20)),
        ("3x8", (8, 8, 8)),
        (" 2x28, 16 ", (28, 28, 16)),
        ("16,2x28", (16, 28, 28)),
    ],
)
def test_sizes_come_in_their_order(crops: str, sizes: tuple[int, ...]) -> None:
    assert crop_sizes(crops) == sizes


@pytest.mark.parametrize(
    ("crops", "sentence"),
    [
        ("", "cannot be read at ''"),
        ("224;192", "cannot be read at '224;192'"),
        ("2x224,,96", "cannot be read at ''"),
        ("2*28", "cannot be read at '2\\*28'"),
        ("-28,28", "cannot be read at '-28'"),
        ("28.5,28", "cannot be read at '28.5'"),
        ("28,²8", "cannot be read at '²8'"),
        ("28,0", "has no view at '0'"),
        ("0x28,28", "has no view at '0x28'"),
        ("28", "is one view: pass at least two, such as 2x28"),
        ("1x28", "is one view: pass at least two, such as 2x28."),
        ("100000000x8", "has more than 1000 views: pass fewer"),
        ("999x8,2x9", "has more than 1000 views: pass fewer"),
        ("9" * 5000 + "x8", "cannot be read at"),
    ],
)
def test_what_cannot_be_meant_is_an_error(crops: str, sentence: str) -> None:
    with pytest.raises(UserError, match=f"--crops .*{sentence}"):
        crop_sizes(crops)


def test_the_multi_crop_of_intl_has_the_authors_table() -> None:
    views = crop_views("byol", crop_sizes("2x224,192,160,128,96"), channels=3)
    scales = [(0.2, 1.0), (0.2, 1.0), (0.171, 0.857), (0.143, 0.714), (0.114, 0.571), (0.086, 0.429)]
    assert [tuple(round(end, 3) for end in view.scale) for view in views] == scales
    first = preset("byol", size=224, channels=3)[0]
    for view in views:
        assert (view.blur, view.solarize) == (0.5, 0.1)
        assert replace(view, size=224, scale=first.scale, blur=first.blur, solarize=first.solarize) == first


@pytest.mark.parametrize("name", ["byol", "gray", "simclr"])
def test_two_equal_crops_are_the_preset(name: str) -> None:
    assert crop_views(name, (40, 40), channels=1) == preset(name, size=40, channels=1)


def test_gray_crops_have_no_color_and_a_kernel_of_their_own_size() -> None:
    views = crop_views("simclr", (200, 100), channels=1)
    assert all(view.saturation == view.hue == view.grayscale == 0 for view in views)
    assert [view.blur_kernel for view in views] == [21, 9]


def test_views_of_tensors_and_of_files_have_the_sizes() -> None:
    views = Views(crop_views("byol", (20, 20, 12), channels=3), mean=(0.5,) * 3, std=(0.25,) * 3)
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (4, 3, 24, 24), dtype=torch.uint8, generator=generator)
    made = views.apply(images, views.draw(4, 24, 24, generator))
    assert [tuple(view.shape) for view in made] == [(4, 3, 20, 20), (4, 3, 20, 20), (4, 3, 12, 12)]
    cut = views.crop(Image.new("RGB", (50, 40)), generator)
    made = views.apply([crop[None] for crop in cut], views.draw(1, 20, 20, generator))
    assert [view.shape[-1] for view in made] == [20, 20, 12]
