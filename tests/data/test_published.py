"""Presets have their published values."""

from __future__ import annotations

import pytest

from fullrank.data.views.augmentation import Augmentation
from fullrank.data.views.published import default_preset, preset
from fullrank.errors import UserError

NAMES = (
    *("simclr", "byol", "cifar", "cifar-asymmetric", "gray", "digits"),
    *("w2-study", "hsr-byol", "hsr-byol-imagenet"),
)


def strengths(view: Augmentation) -> tuple[float, ...]:
    return view.brightness, view.contrast, view.saturation, view.hue


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_preset_has_two_views_of_the_asked_size(name: str, channels: int) -> None:
    views = preset(name, size=40, channels=channels)
    assert [view.size for view in views] == [40, 40]
    if channels == 1:
        assert all(view.saturation == view.hue == view.grayscale == 0 for view in views)


def test_published_values() -> None:
    first, second = preset("simclr", size=224, channels=3)
    assert first == second
    assert strengths(first) == (0.8, 0.8, 0.8, 0.2)
    assert (first.jitter, first.grayscale, first.blur, first.blur_kernel) == (0.8, 0.2, 0.5, 23)
    first, second = preset("byol", size=224, channels=3)
    assert strengths(first) == strengths(second) == (0.4, 0.4, 0.2, 0.1)
    assert (first.blur, second.blur, first.solarize, second.solarize) == (1.0, 0.1, 0.0, 0.2)
    assert first.interpolation == second.interpolation == "bicubic"
    first, second = preset("cifar", size=32, channels=3)
    assert first == second
    assert (strengths(first), first.blur, first.scale) == ((0.4, 0.4, 0.4, 0.1), 0.0, (0.08, 1.0))
    first, second = preset("cifar-asymmetric", size=32, channels=3)
    assert strengths(first) == strengths(second) == (0.4, 0.4, 0.2, 0.1)
    assert (first.blur, second.blur, first.solarize, second.solarize) == (0.0, 0.0, 0.0, 0.2)
    assert first.interpolation == "bicubic"


def test_the_views_of_byol_are_those_of_intl_directclr_and_corinfomax() -> None:
    """Their code: bicubic crops of 0.08 to 1, jitter 0.4, 0.4, 0.2, 0.1 in 0.8, gray 0.2, a blur of U(0.1, 2) uncut."""
    for size in (32, 64, 224):
        for view in preset("byol", size=size, channels=3):
            assert (view.scale, view.flip, view.jitter, view.grayscale) == ((0.08, 1.0), 0.5, 0.8, 0.2)
            assert (view.blur_sigma, view.blur_kernel) == ((0.1, 2.0), None)


def test_the_views_of_the_w2_study() -> None:
    """Both alike: bicubic crops of 0.08 to 1, jitter 0.4, 0.4, 0.2, 0.1, gray 0.2, blur 0.5, solarize 0.2."""
    first, second = preset("w2-study", size=32, channels=3)
    assert first == second
    assert (first.scale, first.interpolation, first.flip) == ((0.08, 1.0), "bicubic", 0.5)
    assert (strengths(first), first.jitter, first.grayscale) == ((0.4, 0.4, 0.2, 0.1), 0.8, 0.2)
    assert (first.blur, first.blur_sigma, first.blur_kernel, first.solarize) == (0.5, (0.1, 2.0), None, 0.2)


def test_the_views_of_hsr_byol() -> None:
    """CIFAR and STL-10: crops of 0.2 to 1, jitter 0.4, 0.4, 0.2, 0.1, no blur; ImageNet: 0.08 to 1, blur 0.5."""
    for name, scale, blur in (("hsr-byol", 0.2, 0.0), ("hsr-byol-imagenet", 0.08, 0.5)):
        first, second = preset(name, size=64, channels=3)
        assert first == second
        assert (first.scale, first.blur, first.solarize) == ((scale, 1.0), blur, 0.0)
        assert (strengths(first), first.jitter, first.grayscale) == ((0.4, 0.4, 0.2, 0.1), 0.8, 0.2)


def test_gray_presets() -> None:
    gray, digits = preset("gray", size=28, channels=1)[0], preset("digits", size=28, channels=1)[0]
    assert (gray.scale, gray.brightness, gray.contrast, gray.flip) == ((0.25, 1.0), 0.6, 0.6, 0.5)
    assert (digits.scale, digits.brightness, digits.contrast, digits.flip) == ((0.4, 1.0), 0.4, 0.4, 0.0)
    assert gray.blur == gray.solarize == digits.blur == digits.solarize == 0


@pytest.mark.parametrize("size", [1, 8, 28, 32, 64, 96, 224])
def test_blur_kernels_are_odd_and_a_tenth_of_the_image(size: int) -> None:
    kernel = preset("simclr", size=size, channels=3)[0].blur_kernel
    assert kernel is not None
    assert kernel % 2 == 1
    assert abs(kernel - 0.1 * size) <= 1


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (32, 3), (96, 3), (224, 3)])
def test_the_default_is_a_preset(size: int, channels: int) -> None:
    assert preset(default_preset(size=size, channels=channels), size=size, channels=channels)


def test_errors_say_what_to_do() -> None:
    with pytest.raises(UserError, match="did you mean simclr"):
        preset("simcrl", size=32, channels=3)
    with pytest.raises(UserError, match="choose one of simclr, byol"):
        preset("zzz", size=32, channels=3)


def test_only_three_channels_have_color() -> None:
    for channels in (1, 2, 4, 13):
        assert all(
            view.hue == view.saturation == view.grayscale == 0 for view in preset("byol", size=32, channels=channels)
        )
