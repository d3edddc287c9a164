"""Images of more than 8 bits that Pillow opens and cuts to 8: decoded whole, or refused with the remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fullrank.data.formats import ORIENTATION, bounded, turned
from fullrank.data.pixels import Array, Raw

_CUT = "more than 8 bits, of which Pillow keeps 8: save it as PNG or TIFF"
_SIZ = b"\xff\x4f\xff\x51"  # how the pixels of a JPEG 2000 begin
_BITS_AT = 42  # bytes behind that begin, where the bits of the first channel are said
_HEAD = 1 << 16  # bytes in which it is looked for


def read_deep(path: Path, image: Image.Image) -> Raw | None:
    """All bits of an opened image of which Pillow would keep 8, None for another.

    Raises ValueError for one that only Pillow can decode.
    """
    tiles: Any = getattr(image, "tile", None)  # how its file has it
    codec, _, offset, said = tiles[0] if tiles else ("", None, 0, None)
    args: Any = said if isinstance(said, tuple) else (said,)
    if image.format == "PNG" and "16B" in str(said) and (image.mode != "I;16" or "transparency" in image.info):
        return _png(path, image)
    most = args[1] if codec in ("ppm", "ppm_plain") and len(args) > 1 else 0  # bitmaps have none
    if image.format == "PPM" and most > 255 and image.mode != "I":
        if codec == "ppm" and image.mode in ("RGB", "RGBA"):
            return Raw(
                _numbers(path, offset, (image.height, image.width, len(image.mode))), marked=image.mode == "RGBA"
            )
        raise ValueError(_CUT)
    if image.format == "SGI" and codec == "SGI16":
        planes = _numbers(path, offset, (len(image.getbands()), image.height, image.width))
        return Raw(np.moveaxis(planes[:, ::-1], 0, 2), marked=image.mode == "RGBA")  # from below
    if image.format == "SGI" and codec == "sgi_rle" and args[2] > 1:
        raise ValueError(_CUT)
    if image.format == "JPEG2000" and image.mode != "I;16" and _bits_of_jpeg2000(path) > 8:
        raise ValueError(_CUT)
    return None


def _numbers(path: Path, offset: int, shape: tuple[int, ...]) -> Array:
    """Numbers of 16 bits, the high byte first, as they lie in a file."""
    bounded(shape[-1], shape[-2], channels=shape[0])
    values = np.fromfile(path, dtype=">u2", count=int(np.prod(shape)), offset=offset)
    if values.size < np.prod(shape):
        raise ValueError("image file is truncated")
    return values.astype(np.uint16).reshape(shape)


def _bits_of_jpeg2000(path: Path) -> int:
    with path.open("rb") as file:
        head = file.read(_HEAD)
    at = head.find(_SIZ) + _BITS_AT
    return (head[at] & 0x7F) + 1 if _BITS_AT <= at < len(head) else 8


def _png(path: Path, image: Image.Image) -> Raw:
    import torch
    from torchvision.io import decode_png

    bounded(*image.size)
    if path.stat().st_size > 16 * image.width * image.height + 2**24:
        raise ValueError("far more bytes than its pixels need")
    image.load()  # PIL checks it to the last byte
    data = torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8)
    values = decode_png(data).permute(1, 2, 0).numpy()
    color = image.info.get("transparency")  # one that is transparent
    if color is not None:
        seen = (values != np.array(color)).any(2, keepdims=True)
        values = np.concatenate([values, np.where(seen, np.uint16(65535), np.uint16(0))], axis=2)
    return Raw(turned(values, image.getexif().get(ORIENTATION, 1)), marked=values.shape[2] in (2, 4))
