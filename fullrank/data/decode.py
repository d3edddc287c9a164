"""One image file to pixels: 8 bits, upright, with as many channels as are asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fullrank.data.deep import read_deep
from fullrank.data.formats import EXTRAS, ORIENTATION, TURNED, read_extra, read_tiff
from fullrank.data.pixels import Decoded, Decoding, Raw, finished

# These open only with the help of another program (EPS starts Ghostscript) or hold no pixels for PIL.
_NO_PIXELS = ("BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF")
_SMALLER = ("JPEG", "MPO")  # these can be decoded at a half, a quarter or an eighth of their size
_FRAMED = ("GIF", "PNG", "TIFF", "WEBP")  # several images in one file; of an MPO the first is the image

Shrink = Callable[[int, int], int]  # width and height of an upright image to how many times smaller it may be decoded


class Opener(Protocol):
    """Decodes one image, no smaller than `shrink` allows."""

    def __call__(self, shrink: Shrink | None = None) -> Decoded:
        """The image; raises UserError if it cannot be read now."""


@contextmanager
def strict_decoding(max_pixels: int | None = None) -> Iterator[None]:
    """Make a decompression bomb an error and silence decoders; enter it once around threads, not inside them."""
    limit = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            if max_pixels is not None:
                Image.MAX_IMAGE_PIXELS = max_pixels
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@cache
def image_formats() -> tuple[str, ...]:
    """Return the names of the formats that PIL itself can decode, without another program.

    >>> "PNG" in image_formats(), "EPS" in image_formats()
    (True, False)
    """
    Image.init()
    return tuple(name for name in Image.OPEN if name not in _NO_PIXELS)


def read_image(path: Path, *, page: int = 0, decoding: Decoding | None = None, shrink: Shrink | None = None) -> Decoded:
    """Decode a whole image: upright, 8 bit, by default "L" or "RGB" on white, a JPEG smaller if `shrink` says so.

    Raises whatever the decoder raises for a broken file.
    """
    return finished(read_raw(path, page=page, shrink=shrink), decoding or Decoding())


def header_size(path: Path) -> tuple[int, int]:
    """Width and height of an upright image by its header; raises anything where it has none."""
    with Image.open(path, formats=image_formats()) as image:
        return _upright_size(image)


def to_show(path: Path) -> Image.Image:
    """An image for eyes: of more than three channels the first three, of two the first."""
    raw = read_raw(path)
    span = None
    if not isinstance(raw.content, Image.Image):  # its own range: only to look at
        colors = raw.colors()
        span = float(colors.min()), max(float(colors.max()), float(colors.min()) + 1)
    image = finished(raw, Decoding(range=span))
    if isinstance(image, Image.Image):
        return image
    pixels = image.pixels
    return Image.fromarray(np.ascontiguousarray(pixels[..., :3] if pixels.shape[2] > 3 else pixels[..., 0]))


def as_gray_or_rgb(image: Image.Image, span: tuple[float, float] | None = None) -> Image.Image:
    """An opened image as "L" or "RGB": upright, on white, 8 bit; `span` is what becomes 0 and 255 of more bits.

    >>> as_gray_or_rgb(Image.new("LA", (4, 2))).mode
    'L'
    """
    made = finished(_of_pil(image, 0), Decoding(range=span))
    assert isinstance(made, Image.Image)
    return made


def read_raw(path: Path, *, page: int = 0, shrink: Shrink | None = None) -> Raw:
    """Decode a whole image as its file has it, a JPEG 1, 2, 4 or 8 times smaller if `shrink` says so.

    All of the file is read either way.
    """
    if not path.is_file():  # a named pipe would block for ever
        raise FileNotFoundError("there is no such file")
    ending = path.suffix.lower()
    if ending in EXTRAS:
        return read_extra(path, page)
    try:
        with Image.open(path, formats=image_formats()) as image:
            if shrink is not None and image.format in _SMALLER:
                _draft(image, shrink(*_upright_size(image)))
            if (deep := read_deep(path, image)) is not None:
                return deep
            if image.format == "TIFF" and _more_than_pil(image):
                return read_tiff(path, page, getattr(image, "n_frames", 1))
            return _of_pil(image, page)
    except UnidentifiedImageError:
        if ending in (".tif", ".tiff"):
            with path.open("rb") as file:
                if file.read(2) in (b"II", b"MM"):
                    return read_tiff(path, page, None)  # more channels than PIL knows
        raise


def upright(image: Image.Image) -> Raw:
    """An opened image, decoded and turned as its Exif says."""
    return _of_pil(image, 0)


def reason(error: Exception) -> str:
    """Say in a few words why an image could not be decoded.

    >>> reason(OSError("image file is truncated"))
    'image file is truncated'
    """
    if isinstance(error, UnidentifiedImageError):
        return "no image inside"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return "too many pixels, maybe a decompression bomb (--max-pixels allows more)"
    return " ".join(str(error).split()) or type(error).__name__


def _upright_size(image: Image.Image) -> tuple[int, int]:
    if image.format not in (*_SMALLER, "TIFF"):
        return image.size
    tags: Any = getattr(image, "tag_v2", {})  # Pillow turns the size of a TIFF when it opens or when it loads it
    width, height = tags.get(256, image.width), tags.get(257, image.height)
    return (height, width) if image.getexif().get(ORIENTATION) in TURNED else (width, height)


def _draft(image: Image.Image, times: int) -> None:
    """Decode so many times smaller; less so where the part of a pixel at the end would be turned to the beginning."""
    lies = image.getexif().get(ORIENTATION, 1) != 1
    while lies and (image.width % times or image.height % times):
        times //= 2
    image.draft(image.mode, (max(1, image.width // times), max(1, image.height // times)))


def _of_pil(image: Image.Image, page: int) -> Raw:
    frames = getattr(image, "n_frames", 1) if image.format in _FRAMED else 1
    if page:
        image.seek(page)
    with _unmapped(image):
        image.load()
    lies = image.getexif().get(ORIENTATION, 1) != 1
    upright = ImageOps.exif_transpose(image) if lies else image  # which would also copy what is upright
    if upright.mode == "F" or upright.mode.startswith("I"):  # I;16, I;16B, I
        return Raw(np.asarray(upright)[..., None], frames)
    return Raw(upright, frames)


@contextmanager
def _unmapped(image: Any) -> Iterator[None]:
    """Read a TIFF without mapping its file into memory, for which Pillow takes the size that it will be turned to."""
    if image.format != "TIFF":
        yield
        return
    name, image.filename = image.filename, ""
    try:
        yield
    finally:
        image.filename = name


def _more_than_pil(image: Any) -> bool:
    """Whether a TIFF has more bits or channels than PIL would hand on."""
    bits, samples = image.tag_v2.get(258, (1,)), image.tag_v2.get(277, 1)
    marked = any(kind in (1, 2) for kind in image.tag_v2.get(338, ()))
    return samples > 1 and (max(bits) > 8 or (samples > 3 and not marked and image.mode != "CMYK"))
