"""Published augmentations by name: the distributions of the views, one Augmentation each."""

from __future__ import annotations

from dataclasses import replace

from fullrank.data.views.augmentation import Augmentation
from fullrank.errors import UserError, suggest


def preset(name: str, *, size: int, channels: int) -> list[Augmentation]:
    """The two views of a published setting, at size x size pixels, for images of 1 to 16 channels.

    Only images of 3 channels have hue, saturation and grayscale.

    Args:
        name: A name that `--views` lists.
        size: Pixels of a side of the views.
        channels: Channels of the images, 1 to 16.

    Raises:
        UserError: There is no such preset; the sentence has the nearest name.

    >>> [view.solarize for view in preset("byol", size=224, channels=3)]
    [0.0, 0.2]
    >>> preset("simclr", size=224, channels=3)[0].blur_kernel
    23
    >>> preset("cifer", size=32, channels=3)
    Traceback (most recent call last):
    fullrank.errors.UserError: There is no augmentation 'cifer': did you mean cifar?
    """
    presets = _presets(size)
    if name not in presets:
        hint = suggest(name, presets, otherwise=f"choose one of {', '.join(presets)}.")
        raise UserError(f"There is no augmentation {name!r}: {hint}")
    views = presets[name]
    return [replace(view, saturation=0, hue=0, grayscale=0) for view in views] if channels != 3 else views


def without_color(name: str, *, size: int, channels: int) -> str:
    """What images of so many channels do not get of a preset, in a sentence; empty where they get all of it.

    >>> without_color("byol", size=224, channels=4)
    'Views: no saturation, hue or grayscale with 4 channels; each has its own contrast, and all share the rest.'
    """
    views = _presets(size).get(name, [])
    left_out = any(view.saturation or view.hue or view.grayscale for view in views)
    if channels == 3 or not left_out:
        return ""
    rest = "" if channels == 1 else "; each has its own contrast, and all share the rest"
    return f"Views: no saturation, hue or grayscale with {channels} channel{'s' if channels > 1 else ''}{rest}."


def default_preset(*, size: int, channels: int) -> str:
    """The name of the preset for images of which nothing else is known.

    Args:
        size: Pixels of a side of the views.
        channels: Channels of the images.

    >>> default_preset(size=28, channels=1), default_preset(size=32, channels=3), default_preset(size=224, channels=3)
    ('gray', 'cifar', 'byol')
    """
    if channels == 1:
        return "gray"
    return "cifar" if size <= 64 else "byol"


def _presets(size: int) -> dict[str, list[Augmentation]]:
    # SimCLR (Chen et al., 2020), appendix A: color distortion of strength 1, blur with a kernel of 10 % of the
    # image in half of the views.
    simclr = Augmentation(
        size=size,
        brightness=0.8,
        contrast=0.8,
        saturation=0.8,
        hue=0.2,
        blur=0.5,
        blur_kernel=2 * round((0.1 * size - 1) / 2) + 1,
    )
    # SimCLR on CIFAR-10, appendix B.9: strength 0.5, no blur.
    cifar = Augmentation(size=size, brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1)
    # BYOL (Grill et al., 2020), table 6 (also Barlow Twins and VICReg): blur 1.0 / 0.1, solarize 0 / 0.2. Its
    # kernel of 23 at 224 px does not cut the Gaussian, so none is cut here at any size. The code of INTL and of
    # DirectCLR has the same views for ImageNet, that of CorInfoMax for every data set, also at 32 px.
    byol = Augmentation(size=size, interpolation="bicubic", brightness=0.4, contrast=0.4, saturation=0.2, hue=0.1)
    # Fang et al. (2024, W2 uniformity), their code for CIFAR: blur in half, solarize in a fifth of both views.
    w2_study = replace(byol, blur=0.5, solarize=0.2)
    # Durrant & Leontidis (HSR-BYOL), the first author's code of BYOL, not confirmed for their paper: CIFAR and STL-10
    # from crops of at least a fifth, ImageNet with blur. Bilinear crops and the blur's sigma are ours: not stated.
    hsr_byol = replace(cifar, scale=(0.2, 1.0), saturation=0.2)
    hsr_byol_imagenet = replace(hsr_byol, scale=(0.08, 1.0), blur=0.5)
    # Small gray images in which color means nothing (Fashion-MNIST, digits): measured for this package.
    gray = Augmentation(size=size, scale=(0.25, 1.0), brightness=0.6, contrast=0.6, saturation=0, hue=0, grayscale=0)
    # A digit is the same in every color, but not when it is mirrored.
    digits = replace(gray, scale=(0.4, 1.0), brightness=0.4, contrast=0.4, flip=0.0)
    digits = replace(digits, saturation=0.4, hue=0.5, grayscale=0.2)
    return {
        "simclr": [simclr, simclr],
        "byol": [replace(byol, blur=1.0), replace(byol, blur=0.1, solarize=0.2)],
        "cifar": [cifar, cifar],
        "cifar-asymmetric": [byol, replace(byol, solarize=0.2)],  # INTL (Weng et al., 2024), CIFAR settings
        "w2-study": [w2_study, w2_study],
        "hsr-byol": [hsr_byol, hsr_byol],
        "hsr-byol-imagenet": [hsr_byol_imagenet, hsr_byol_imagenet],
        **_later(cifar, byol),
        "gray": [gray, gray],
        "digits": [digits, digits],
    }


def _later(cifar: Augmentation, byol: Augmentation) -> dict[str, list[Augmentation]]:
    """Those that begin from the views of SimCLR for CIFAR, or of BYOL."""
    # MoCo v2 (Chen et al., 2020) and v3, their code; SimSiam's for CIFAR, as lightly and HaoChen et al. have it.
    moco_v2 = replace(cifar, scale=(0.2, 1.0), blur=0.5)
    moco_v3 = replace(byol, interpolation="bilinear", scale=(0.2, 1.0))
    # solo-learn's symmetric.yaml, symmetric_weak.yaml and its views of VICReg, which it does not blur at CIFAR's size.
    solo = replace(byol, brightness=0.8, contrast=0.8, saturation=0.8, hue=0.2, blur=0.5)
    solo_weak = replace(byol, saturation=0.4, blur=0.5)
    solo_vicreg = replace(byol, scale=(0.2, 1.0), blur=0.5 if byol.size > 64 else 0.0, solarize=0.1)
    # W-MSE (Ermolov et al., 2021), their code.
    w_mse = replace(byol, scale=(0.2, 1.0), saturation=0.4, grayscale=0.1)
    return {
        "moco-v2": [moco_v2, moco_v2],
        "moco-v3": [replace(moco_v3, blur=1.0), replace(moco_v3, blur=0.1, solarize=0.2)],
        "simsiam-cifar": [replace(moco_v2, blur=0.0)] * 2,
        "solo-symmetric": [solo, solo],
        "solo-weak": [solo_weak, solo_weak],
        "solo-vicreg": [solo_vicreg, solo_vicreg],
        "w-mse": [w_mse, w_mse],
    }
