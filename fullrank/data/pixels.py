"""Pixels as a file has them, and as they are trained on: 8 bits, with as many channels as are asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array = NDArray[Any]

MOST_CHANNELS = 16
DEEP_OPAQUE = 65535.0  # of transparency of 16 bits


@dataclass(frozen=True, eq=False)
class Bands:
    """An image (H, W, C) uint8 with channels that PIL has no mode for; it crops and resizes as PIL's do."""

    pixels: NDArray[np.uint8]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def width(self) -> int:
        """Pixels from left to right."""
        return self.size[0]

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        return self.size[1]

    def getbands(self) -> tuple[str, ...]:
        """A name for each channel."""
        return tuple(str(number) for number in range(self.pixels.shape[2]))

    def crop(self, box: tuple[int, int, int, int]) -> Bands:
        """The pixels inside of left, top, right, bottom."""
        left, top, right, bottom = box
        return Bands(self.pixels[top:bottom, left:right])

    def resize(
        self, size: tuple[int, int], resample: int | None = None, box: tuple[float, float, float, float] | None = None
    ) -> Bands:
        """Each channel as PIL resizes a gray image."""
        channels = [Image.fromarray(np.ascontiguousarray(self.pixels[..., at])) for at in range(self.pixels.shape[2])]
        return Bands(np.stack([np.asarray(channel.resize(size, resample, box)) for channel in channels], axis=2))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.array(self.pixels, dtype=dtype)


Decoded = Image.Image | Bands


@dataclass(frozen=True)
class Decoding:
    """How pixels become 8 bits: `channels` is None for those of the file, `range` what becomes 0 and 255.

    With `gray`, the three channels are the gray of the image.
    """

    channels: int | None = None
    range: tuple[float, float] | None = None
    gray: bool = False


@dataclass(frozen=True, eq=False)
class Raw:
    """An image as its file has it: PIL's, of 8 bits, or numbers (H, W, C) where PIL would lose some of them.

    The last channel of numbers of 16 bits may be `marked` as transparency.
    """

    content: Image.Image | Array
    frames: int = 1
    marked: bool = False

    @property
    def channels(self) -> int:
        """Without transparency."""
        if isinstance(self.content, Image.Image):
            return 1 if self.content.mode in ("1", "L", "LA") else 3
        return int(self.content.shape[2]) - self.marked

    @property
    def alpha(self) -> bool:
        """Whether a channel is marked as transparency."""
        if not isinstance(self.content, Image.Image):
            return self.marked
        return self.content.mode in ("LA", "PA", "RGBA") or "transparency" in self.content.info

    def colors(self) -> Array:
        """The numbers (n, C) without transparency and without what it hides; all of them where it hides all."""
        values = np.asarray(self.content)
        seen = values[..., -1] > 0 if self.marked else np.zeros(1, dtype=np.bool_)
        shown = values[seen] if seen.any() else values
        return shown.reshape(-1, values.shape[2])[:, : self.channels]


def gives(channels: int, alpha: bool, wanted: int) -> bool:
    """Whether pixels of so many channels, and maybe transparency, become the wanted number without a guess.

    >>> gives(3, False, 1), gives(3, True, 4), gives(3, False, 4), gives(4, False, 3), gives(5, False, 3)
    (True, True, False, True, False)
    """
    if wanted in (1, 3) and channels in (1, 3, wanted + 1):  # as gray or color, or without the last
        return True
    return wanted == channels or (alpha and wanted == channels + 1)


def channels_last(first: int, last: int, channels: int | None) -> bool | None:
    """Whether the last of these axes is that of the channels and not the first; None where it could be both.

    >>> channels_last(3, 16, None), channels_last(32, 3, None), channels_last(8, 16, None), channels_last(8, 16, 8)
    (False, True, None, False)
    """
    for fits in (lambda size: size == channels, lambda size: size in (1, 3), lambda size: size <= MOST_CHANNELS):
        if fits(last) or fits(first):
            return None if fits(last) and fits(first) else fits(last)
    return False


def finished(raw: Raw, decoding: Decoding) -> Decoded:
    """8 bits and the channels that are asked for; ValueError where that would be a guess."""
    if decoding.gray:
        image = finished(raw, Decoding(1, decoding.range))
        assert isinstance(image, Image.Image)  # as of one channel
        return _in_mode(image, "RGB")
    wanted, content = decoding.channels, raw.content
    if wanted is not None and not gives(raw.channels, raw.alpha, wanted):
        raise ValueError(f"{raw.channels} channels, not {wanted}")
    if isinstance(content, Image.Image):
        if wanted in (2, 4):
            return Bands(np.asarray(content.convert("LA" if wanted == 2 else "RGBA")))
        flat = _on_white(content)
        return flat if wanted is None else _in_mode(flat, "L" if wanted == 1 else "RGB")
    pixels = eight_bit(content[..., : raw.channels], decoding.range)
    if raw.marked:
        pixels = _with_alpha(pixels, content[..., -1:], on_white=wanted != raw.channels + 1)
    if wanted in (1, 3) and raw.channels == wanted + 1:
        pixels = pixels[..., :wanted]
    if pixels.shape[2] not in (1, 3):
        return Bands(pixels)
    image = Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))
    return image if wanted is None else _in_mode(image, "L" if wanted == 1 else "RGB")


def eight_bit(values: Array, span: tuple[float, float] | None) -> NDArray[np.uint8]:
    """Numbers to 0..255: `span` is what becomes 0 and 255; only floats in [0, 1] do without, ValueError for others."""
    if values.dtype == np.uint8:
        return values
    floats = np.issubdtype(values.dtype, np.floating)
    if span is None:
        if not floats:
            raise ValueError("more than 8 bits: --range LOW,HIGH decides which values become black and white")
        span = (0.0, 1.0)
        if not (values.min() >= span[0] and values.max() <= span[1]):  # also false for NaN
            raise ValueError("float pixels outside [0, 1]: --range LOW,HIGH decides")
    elif floats and not np.isfinite(values).all():
        raise ValueError("pixels that are NaN or infinite")
    low, high = span
    numbers: NDArray[np.float64] = values.astype(np.float64)
    levels: NDArray[np.uint8] = np.floor((numbers - low) * (255 / (high - low)) + 0.5).clip(0, 255).astype(np.uint8)
    return levels


def _with_alpha(pixels: NDArray[np.uint8], alpha: Array, *, on_white: bool) -> NDArray[np.uint8]:
    """Pixels (H, W, C) of 8 bits on white, or with their transparency of 16 bits as one more channel."""
    if not on_white:
        return np.concatenate([pixels, eight_bit(alpha, (0.0, DEEP_OPAQUE))], axis=2)
    share = alpha / DEEP_OPAQUE
    levels: NDArray[np.uint8] = np.floor(pixels * share + 255 * (1 - share) + 0.5).astype(np.uint8)
    return levels


def _on_white(image: Image.Image) -> Image.Image:
    gray = "L" if image.mode in ("1", "L", "LA") else "RGB"
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert(gray)
    return _in_mode(image, gray)


def _in_mode(image: Image.Image, mode: str) -> Image.Image:
    """The image itself where it has the mode: PIL would copy it."""
    return image if image.mode == mode else image.convert(mode)
