"""A whole batch of views equals torchvision, image by image, on the same parameters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional as F

from fullrank.data.views.augmentation import OPERATIONS, Augmentation, Parameters
from fullrank.data.views.views import Views
from fullrank.errors import UserError

MEAN, STD = (0.49, 0.48, 0.44), (0.25, 0.24, 0.26)
ALL: dict[str, Any] = {"size": 16, "blur": 0.5, "solarize": 0.3, "blur_kernel": 3}
ADJUST = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_images(n: int, channels: int = 3, height: int = 20, width: int = 26) -> Tensor:
    """Smooth uint8 images, as photographs are."""
    coarse = torch.rand(n, channels, 4, 5, generator=generator(1))
    fine = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bilinear")
    return (fine * 255).byte()


def views(*augmentations: Augmentation, channels: int = 3) -> Views:
    return Views(augmentations, MEAN[:channels], STD[:channels])


def jitter(x: Tensor, p: Parameters, row: int) -> Tensor:
    for operation in p.order[row].tolist():
        if len(x) == 3 or operation < 2:
            x = ADJUST[operation](x, getattr(p, OPERATIONS[operation])[row].item())
    return x


def reference(image: Tensor, a: Augmentation, p: Parameters, row: int) -> Tensor:
    """One view of one image by torchvision."""
    box = [int(side[row]) for side in (p.top, p.left, p.height, p.width)]
    mode = F.InterpolationMode(a.interpolation)
    x = F.resized_crop(image / 255, *box, [a.size, a.size], mode, antialias=True).clamp(0, 1)
    x = F.hflip(x) if p.flip[row] else x
    x = jitter(x, p, row) if p.jitter[row] else x
    x = F.rgb_to_grayscale(x, 3) if p.grayscale[row] and len(x) == 3 else x
    if p.sigma[row] > 0:
        kernel = a.blur_kernel or 13
        x = F.gaussian_blur(x, [kernel, kernel], [p.sigma[row].item()] * 2)
    x = F.solarize(x, 0.5) if p.solarize[row] else x
    normal: Tensor = F.normalize(x, MEAN[: len(x)], STD[: len(x)])
    return normal


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"interpolation": "bicubic"},
        {"size": 40},
        {"hue": 0.0},
        {"blur_kernel": None, "blur_sigma": (0.1, 1.0)},
        {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.0},
        {"jitter": 1.0, "blur": 1.0, "grayscale": 1.0, "solarize": 1.0, "flip": 1.0},
    ],
)
def test_views_agree_with_torchvision(channels: int, changes: dict[str, Any], device: torch.device) -> None:
    a, images = Augmentation(**(ALL | changes)), some_images(40, channels)
    both = views(a, a, channels=channels)
    parameters = both.draw(40, 20, 26, generator())
    for mine, drawn in zip(both.apply(images.to(device), parameters), parameters, strict=True):
        expected = torch.stack([reference(image, a, drawn, row) for row, image in enumerate(images)])
        assert mine.dtype == torch.float32
        # Gray is .299 red here and .2989 in torchvision (1e-4), enlarged by the jitter and by 1 / std = 4.
        torch.testing.assert_close(mine.cpu(), expected, atol=4e-3, rtol=0)


def test_views_agree_with_the_eight_bit_pipeline_on_average() -> None:
    """PIL rounds after every step: half a level each, nothing systematic."""
    a, images = Augmentation(**ALL, hue=0), some_images(60)
    one = views(a)
    (p,) = one.draw(60, 20, 26, generator())
    (mine,) = one.apply(images, [p])
    levels = mine * torch.tensor(STD).view(3, 1, 1) + torch.tensor(MEAN).view(3, 1, 1)
    for row, image in enumerate(images):
        top, left, height, width = (int(side[row]) for side in (p.top, p.left, p.height, p.width))
        x = F.resized_crop(Image.fromarray(image.permute(1, 2, 0).numpy()), top, left, height, width, [16, 16])
        x = F.hflip(x) if p.flip[row] else x
        for operation in p.order[row].tolist() if p.jitter[row] else []:
            x = ADJUST[operation](x, getattr(p, OPERATIONS[operation])[row].item())
        x = F.rgb_to_grayscale(x, 3) if p.grayscale[row] else x
        x = F.gaussian_blur(x, [3, 3], [p.sigma[row].item()] * 2) if p.sigma[row] > 0 else x
        x = F.solarize(x, 128) if p.solarize[row] else x
        gap = (levels[row] * 255 - torch.from_numpy(np.array(x)).permute(2, 0, 1)).abs()
        assert gap.mean() < 2.0  # of 255 levels; every step of PIL cuts or rounds by up to one, times its factor


def test_the_rows_of_a_batch_do_not_touch_each_other() -> None:
    a = Augmentation(**ALL)
    one, n = views(a), 2000  # several chunks
    images = some_images(n, height=18, width=18)
    (p,) = one.draw(n, 18, 18, generator())
    (whole,) = one.apply(images, [p])
    part = slice(1350, 1420)  # across the border of two chunks
    torch.testing.assert_close(one.apply(images[part], [p.rows(part)])[0], whole[part], atol=1e-5, rtol=0)
    index = torch.tensor([1999, 0, 77])
    torch.testing.assert_close(one.apply(images[index], [p.rows(index)])[0], whole[index], atol=1e-5, rtol=0)


def test_equal_images_get_different_views() -> None:
    both = views(Augmentation(size=16), Augmentation(size=16))
    images = some_images(1).expand(6, -1, -1, -1)
    stacked = torch.cat(both.apply(images, both.draw(6, 20, 26, generator()))).flatten(1)
    assert torch.cdist(stacked, stacked)[~torch.eye(12, dtype=torch.bool)].min() > 0.5


def test_the_generator_decides_and_the_input_is_left_alone() -> None:
    both, images = views(Augmentation(**ALL), Augmentation(size=9)), some_images(8)
    before = images.clone()
    first = both.apply(images, both.draw(8, 20, 26, generator(5)))
    second = both.apply(images, both.draw(8, 20, 26, generator(5)))
    other = both.apply(images, both.draw(8, 20, 26, generator(6)))
    assert [view.shape[2:] for view in first] == [(16, 16), (9, 9)]
    for a, b, c in zip(first, second, other, strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
    assert torch.equal(images, before)


@pytest.mark.parametrize(("height", "width", "size"), [(1, 1, 1), (1, 1, 5), (1, 30, 8), (3, 2, 32)])
def test_tiny_and_narrow_images(height: int, width: int, size: int) -> None:
    a = Augmentation(size=size, blur=1.0, solarize=0.5, interpolation="bicubic")
    one = views(a)
    images = some_images(12, height=height, width=width)
    (view,) = one.apply(images, one.draw(12, height, width, generator()))
    assert view.shape == (12, 3, size, size)
    low, high = -torch.tensor(MEAN) / torch.tensor(STD), (1 - torch.tensor(MEAN)) / torch.tensor(STD)
    assert (view >= low.view(3, 1, 1) - 1e-5).all()
    assert (view <= high.view(3, 1, 1) + 1e-5).all()


def test_no_images_give_no_views() -> None:
    one = views(Augmentation(**ALL))
    (view,) = one.apply(some_images(1)[:0], one.draw(0, 20, 26, generator()))
    assert view.shape == (0, 3, 16, 16)


def test_plain_only_normalizes() -> None:
    images = some_images(3)
    expected = F.normalize(images / 255, MEAN, STD)
    torch.testing.assert_close(views(Augmentation(size=8)).plain(images), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("filter_", ["bilinear", "bicubic"])
def test_images_cropped_one_by_one_are_not_cropped_again(mode: str, filter_: Any) -> None:
    channels = len(Image.new(mode, (1, 1)).getbands())
    off: dict[str, Any] = {"jitter": 0, "grayscale": 0, "flip": 0, "interpolation": filter_}
    two = views(Augmentation(size=16, **off), Augmentation(size=7, **off), channels=channels)
    (image,) = some_images(1, channels)
    opened = Image.fromarray(image.permute(1, 2, 0).squeeze(2).numpy())
    source = generator()
    cuts = [two.crop(opened, source) for _ in range(10)]
    batches = [torch.stack(view) for view in zip(*cuts, strict=True)]
    parameters = two.draw(10, 16, 16, generator())
    cropped = two.apply(batches, parameters)
    for a, batch, mine in zip(two.augmentations, batches, cropped, strict=True):
        assert mine.shape == (10, channels, a.size, a.size)
        torch.testing.assert_close(mine, two.plain(batch), atol=1e-5, rtol=0)
    again = two.crop(opened, generator())
    assert all(torch.equal(a, b) for a, b in zip(again, cuts[0], strict=True))
    assert not torch.equal(batches[0][0], batches[0][1])


def test_crop_cuts_like_pil() -> None:
    whole = Augmentation(size=9, scale=(1.0, 1.0), ratio=(1.3, 1.3))
    (image,) = some_images(1, 3, 20, 26)
    opened = Image.fromarray(image.permute(1, 2, 0).numpy())
    (cut,) = views(whole).crop(opened, generator())
    expected = np.asarray(opened.resize((9, 9), Image.Resampling.BILINEAR))
    assert np.array_equal(cut.permute(1, 2, 0).numpy(), expected)


def test_cropped_images_are_flipped_but_not_cropped() -> None:
    a = Augmentation(size=16, jitter=0, grayscale=0, scale=(0.08, 0.1))
    one, images = views(a), some_images(30, height=16, width=16)
    (p,) = one.draw(30, 16, 16, generator())
    (mine,) = one.apply([images], [p])
    assert 0 < p.flip.sum() < 30
    expected = one.plain(torch.where(p.flip.view(-1, 1, 1, 1), images.flip(3), images))
    torch.testing.assert_close(mine, expected, atol=1e-5, rtol=0)


def test_bad_input_is_named() -> None:
    one, images = views(Augmentation(size=16)), some_images(4)
    drawn = one.draw(4, 20, 26, generator())
    with pytest.raises(UserError, match="1 batches and 2 parameters for 1 views"):
        one.apply(images, drawn * 2)
    with pytest.raises(UserError, match="4 parameters for 3 images"):
        one.apply(images[:3], drawn)
    with pytest.raises(UserError, match=r"float32 .* give torch\.uint8"):
        one.apply(images.float(), drawn)
    with pytest.raises(UserError, match=r"give torch\.uint8"):
        one.apply(some_images(4, 4), drawn)
    with pytest.raises(UserError, match="cropped images are 20 x 26"):
        one.apply([images], drawn)
    with pytest.raises(UserError, match="mode RGBA: convert it to RGB"):
        one.crop(Image.new("RGBA", (9, 9)), generator())
    with pytest.raises(UserError, match="17 means"):
        Views([Augmentation(size=16)], (0.5,) * 17, (0.5,) * 17)
    with pytest.raises(UserError, match="positive"):
        Views([Augmentation(size=16)], (0.5,), (0.0,))
