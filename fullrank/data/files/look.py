"""What one decoding of a file says of it, and what follows for the whole data set: pages, channels, range."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fullrank.data.options import DataOptions
from fullrank.data.pixels import DEEP_OPAQUE, MOST_CHANNELS, Array, Raw, gives
from fullrank.errors import UserError

_BITS = (8, 10, 12, 14, 16, 32)
_USED = 1 / 4  # of a range of so many bits, from which on it is taken whole
_STRAY = 0.1  # percent of the pixels of an image at each end that may be defects of a sensor
IDLE_RANGE = "--range applies to images of more than 8 bits, and there are none"
_PIXELS = 1 << 16  # of an image, for its percentiles


@dataclass(frozen=True)
class Look:
    """A file that was decoded; `low` to `high` are its values, `inner` without a thousandth at each end, where deep."""

    channels: int = 0
    alpha: bool = False
    """A channel is marked as transparency, and something is transparent."""
    marked: bool = False
    """A channel is marked as transparency."""
    depth: str = ""
    """"" for 8 bits, "integer" or "float" for more."""
    frames: int = 1
    low: float = 0.0
    high: float = 0.0
    inner_low: float = 0.0
    inner_high: float = 0.0
    problem: str = ""


def look_at(raws: Sequence[Raw], channels: int | None) -> Look:
    """At all pages that were decoded of one file, or its first, as they are read with so many channels."""
    first = raws[0]
    alpha, marked = any(map(_transparent, raws)), all(raw.alpha for raw in raws)
    if isinstance(first.content, Image.Image):
        return Look(channels=first.channels, alpha=alpha, marked=marked, frames=first.frames)
    if first.content.dtype == np.uint8:
        return Look(channels=first.channels, frames=first.frames)
    values = np.concatenate([_colors(raw, channels) for raw in raws])
    depth = "float" if np.issubdtype(values.dtype, np.floating) else "integer"
    if depth == "float" and not np.isfinite(values).all():
        return Look(problem="pixels that are NaN or infinite")
    some = values[:: max(1, len(values) // _PIXELS)]
    inner = np.percentile(some, (_STRAY, 100 - _STRAY))
    return Look(
        channels=first.channels,
        alpha=alpha,
        marked=marked,
        depth=depth,
        frames=first.frames,
        low=float(values.min()),
        high=float(values.max()),
        inner_low=float(inner[0]),
        inner_high=float(inner[1]),
    )


def _colors(raw: Raw, channels: int | None) -> Array:
    """The numbers (n,) that are read of an image: without transparency, and without a channel that is left out."""
    kept = channels if channels in (1, 3) and raw.channels == channels + 1 else raw.channels
    return raw.colors()[:, :kept].reshape(-1)


def _transparent(raw: Raw) -> bool:
    if not isinstance(raw.content, Image.Image):
        return raw.marked and bool((raw.content[..., -1] < DEEP_OPAQUE).any())
    if not raw.alpha:
        return False
    least = raw.content.convert("RGBA").getchannel("A").getextrema()[0]
    return isinstance(least, int | float) and least < 255


def pages_of(files: Sequence[str], looks: Sequence[Look], options: DataOptions) -> list[str]:
    """Notes on files of several pages; raises UserError where nobody said which of them are images."""
    several = [(path, look.frames) for path, look in zip(files, looks, strict=True) if look.frames > 1]
    if not several:
        return []
    path, frames = several[0]
    if options.pages is None:
        raise UserError(
            f"{len(several):,} of {len(files):,} files hold{'s' * (len(several) == 1)} several images (first: {path} "
            f"with {frames:,}): pass {options.flag('pages')} first or {options.flag('pages')} all."
        )
    what = "the first" if options.pages == "first" else "every one is an image"
    return [f"{len(several):,} file{'s' * (len(several) > 1)} of several pages, {what}"]


def paged(files: Sequence[str], times: Sequence[int]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Each file as often as it has pages that are images, and which of them each is; no pages where all are the first.

    >>> paged(["a.tif", "b.png"], [2, 1]), paged(["b.png"], [1])
    ((('a.tif', 'a.tif', 'b.png'), (0, 1, 0)), (('b.png',), ()))
    """
    pages = tuple(page for count in times for page in range(count)) if max(times) > 1 else ()
    return tuple(path for path, count in zip(files, times, strict=True) for _ in range(count)), pages


def channels_of(looks: Sequence[Look], options: DataOptions) -> tuple[int, list[str]]:
    """How many channels images have, and notes on it.

    Raises UserError where the files differ in more than color and gray, or cannot give those that are asked for.
    """
    counts = Counter(look.channels for look in looks)
    transparent = sum(look.alpha for look in looks)
    asked, fitting = options.channels, _fitting(looks)
    if asked is not None and not 1 <= asked <= MOST_CHANNELS:
        raise UserError(f"--channels {asked}: images have 1 to {MOST_CHANNELS}.")
    said = ", ".join(f"{count:,} of {channels}" for channels, count in sorted(counts.items()))
    if asked is not None and asked not in fitting:
        raise UserError(
            f"--channels {asked}: not all images can be read so ({said} channels): {_remedy(fitting, max(counts))}."
        )
    notes = []
    if transparent and asked in (None, 1, 3):
        keeps = [f" (--channels {each} keeps it as a channel)" for each in fitting if each in (2, 4)]
        notes.append(f"{_images(transparent)} with transparency, on white{''.join(keeps)}")
    if asked is None:
        if set(counts) <= {1, 3}:
            return max(counts), notes
        if len(counts) > 1 or max(counts) in (2, 4) or not fitting:
            raise UserError(
                f"The images differ in channels, or have one more than gray or color, not marked as transparency, or "
                f"more than {MOST_CHANNELS} ({said} channels): {_remedy(fitting, max(counts))}."
            )
        (asked,) = counts
    if asked not in (1, 3) or max(counts) > 3:
        notes.append(f"{asked} channels")
    dropped = sum(count for channels, count in counts.items() if asked in (1, 3) and channels == asked + 1)
    if dropped:
        notes.append(f"the last channel of {_images(dropped)} left out")
    return asked, notes


def _fitting(looks: Sequence[Look]) -> list[int]:
    """The numbers of channels that every image can give, the highest first."""
    kinds = {(look.channels, look.marked) for look in looks}
    return [wanted for wanted in range(MOST_CHANNELS, 0, -1) if all(gives(*kind, wanted) for kind in kinds)]


def _remedy(fitting: Sequence[int], most: int) -> str:
    """What to pass, of the numbers of channels that every image can give; `most` is the highest that one has."""
    if not fitting:
        return "save all with the same channels"
    last = {most - 1: " to leave out the last"}
    return "pass " + ", or ".join(f"--channels {each}{last.get(each, '')}" for each in fitting)


def range_of(looks: Sequence[Look], options: DataOptions) -> tuple[tuple[float, float] | None, list[str]]:
    """What becomes 0 and 255 in files of more than 8 bits, and a note on it."""
    asked = parse_range(options.range)
    deep = [look for look in looks if look.depth]
    if not deep:
        return None, [IDLE_RANGE] if asked else []
    low, high = min(look.low for look in deep), max(look.high for look in deep)
    inner = min(look.inner_low for look in deep), max(look.inner_high for look in deep)
    if len({look.depth for look in deep}) > 1 and asked is None:
        raise UserError("Some images are whole numbers of more than 8 bits and some are floats: pass --range LOW,HIGH.")
    floats = deep[0].depth == "float"
    return chosen_range((low, high), inner, asked, floats=floats, what=f"{_images(len(deep))} of more than 8 bits")


def chosen_range(
    whole: tuple[float, float],
    inner: tuple[float, float],
    asked: tuple[float, float] | None,
    *,
    floats: bool,
    what: str,
) -> tuple[tuple[float, float] | None, list[str]]:
    """The range of values from `whole`, all but 0.2 % of them in `inner`, and a note on it.

    It is that of 8, 10, 12, 14, 16 or 32 bits where values fill a quarter of it, else that of the values.

    >>> chosen_range((0, 3890), (3, 3700), None, floats=False, what="files")
    ((0.0, 4095.0), ['files hold 0 to 3890: 0 to 4095 (12 bits) become 256 levels (--range LOW,HIGH decides)'])
    """
    hold = f"{what} hold {whole[0]:.10g} to {whole[1]:.10g}"
    if asked is not None:
        return asked, [f"{hold}: {asked[0]:.10g} to {asked[1]:.10g} become 256 levels (--range)"]
    if floats:
        if whole[0] >= 0 and whole[1] <= 1:
            return None, []
        raise UserError(f"{hold}, and floats have no range of their own beyond [0, 1]: pass --range LOW,HIGH.")
    low, high = whole
    defects = high - low > (inner[1] - inner[0]) / _USED and inner[1] > inner[0]
    if defects:  # a dead pixel would cost all others their levels
        low, high = inner
    for bits in _BITS:
        top = float(2**bits - 1)
        if low >= 0 and high <= top:
            if high - low >= _USED * top:
                clipped = "; values beyond are defects of 0.1 %, clipped" if defects else ""
                said = f"0 to {top:.10g} ({bits} bits) become 256 levels (--range LOW,HIGH decides){clipped}"
                return (0.0, top), [f"{hold}: {said}"]
            break
    if high <= low:
        high = low + 1
    clipped = ", all but 0.2 % of them," if defects else ""
    return (low, high), [f"{hold}: {low:.10g} to {high:.10g}{clipped} become 256 levels (--range LOW,HIGH decides)"]


def parse_range(text: str | None) -> tuple[float, float] | None:
    """Two numbers of --range LOW,HIGH.

    >>> parse_range("0,4095")
    (0.0, 4095.0)
    """
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"--range {text} cannot be read: pass two numbers, such as --range 0,4095.") from None
    if not (low < high and math.isfinite(high - low) and math.isfinite(255 / (high - low))):
        raise UserError(f"--range {text} is none: pass two finite numbers, the lower first.")
    return low, high


def _images(count: int) -> str:
    return f"{count:,} image{'' if count == 1 else 's'}"
