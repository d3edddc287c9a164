"""Multi-crop: more than two views of an image, of different sizes, written as in `--crops 2x224,192,160,128,96`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from fullrank.data.views.augmentation import Augmentation
from fullrank.data.views.published import preset
from fullrank.errors import UserError

_MOST = 1000  # views of an image; methods use up to a dozen
_SCALE, _BLUR, _SOLARIZE = (0.2, 1.0), 0.5, 0.1  # of the largest crop; INTL (Weng et al., 2024), the authors' code


def crop_sizes(crops: str) -> tuple[int, ...]:
    """The sizes in pixels of the views that `crops` asks for, in their order.

    Args:
        crops: Sizes with commas between them, each with how often, as in 2x224,192.

    Raises:
        UserError: It is not such a list, or of one view.

    >>> crop_sizes("2x224,192,160")
    (224, 224, 192, 160)
    >>> crop_sizes("28")
    Traceback (most recent call last):
    fullrank.errors.UserError: --crops 28 is one view: pass at least two, such as 2x28.
    """
    sizes: list[int] = []
    for part in crops.split(","):
        match = re.fullmatch(r"(?:(\d{1,9})x)?(\d{1,9})", part.strip(), flags=re.ASCII)
        if match is None:
            raise UserError(f"--crops {crops} cannot be read at {part!r}: pass sizes such as 2x224,192,160,128,96.")
        times, size = int(match[1] or 1), int(match[2])
        if times < 1 or size < 1:
            raise UserError(f"--crops {crops} has no view at {part!r}: pass sizes and numbers of at least 1.")
        if times + len(sizes) > _MOST:
            raise UserError(f"--crops {crops} has more than {_MOST} views: pass fewer.")
        sizes += [size] * times
    if len(sizes) < 2:
        raise UserError(f"--crops {crops} is one view: pass at least two, such as 2x{sizes[0]}.")
    return tuple(sizes)


def crop_views(name: str, sizes: Sequence[int], *, channels: int) -> list[Augmentation]:
    """One Augmentation for each size, in the colors of a preset; two equal sizes are the preset itself.

    Otherwise the multi-crop of INTL's code: a view shows 0.2 to 1 of the image's area, times its size over the
    largest one, is blurred with probability 0.5 and solarized with 0.1; the rest is the preset's first view.

    Args:
        name: A preset, as for `preset`.
        sizes: Pixels of each view.
        channels: Channels of the images.

    >>> [tuple(round(end, 3) for end in view.scale) for view in crop_views("byol", (224, 224, 192), channels=3)]
    [(0.2, 1.0), (0.2, 1.0), (0.171, 0.857)]
    """
    if len(sizes) == 2 and sizes[0] == sizes[1]:
        return preset(name, size=sizes[0], channels=channels)
    views = []
    for size in sizes:
        low, high = (end * size / max(sizes) for end in _SCALE)
        first = preset(name, size=size, channels=channels)[0]
        views.append(replace(first, scale=(low, high), blur=_BLUR, solarize=_SOLARIZE))
    return views
