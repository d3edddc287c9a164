"""Formats that Pillow does not read, or not whole: deep and many-channel TIFF, HEIC and DICOM, by optional packages."""

from __future__ import annotations

import importlib.util
import io
import lzma
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from fullrank.data.pixels import MOST_CHANNELS, Array, Raw

EXTRAS = {  # ending -> the package that reads it, and FullRank's extra with it
    ".heic": ("pillow_heif", "heic"),
    ".heif": ("pillow_heif", "heic"),
    ".dcm": ("pydicom", "dicom"),
    ".dicom": ("pydicom", "dicom"),
}
ORIENTATION = 0x0112  # of Exif
TURNED = (5, 6, 7, 8)  # orientations that swap width and height
_UNPACKED_WHOLE: dict[int, Callable[[], Any]] = {  # by TIFF's numbers
    8: zlib.decompressobj,
    32946: zlib.decompressobj,
    34925: lzma.LZMADecompressor,
}
_DICOM_HEAD = 128 + 4 + 12  # bytes before what FileMetaInformationGroupLength counts


def installed(ending: str) -> bool:
    """Whether the package that reads files of this ending is here."""
    return importlib.util.find_spec(EXTRAS[ending][0]) is not None


def needs(ending: str) -> str:
    """What to install for files of an ending.

    >>> needs(".heic")
    "pip install 'fullrank[heic]' reads .heic"
    """
    return f"pip install 'fullrank[{EXTRAS[ending][1]}]' reads {ending}"


def read_extra(path: Path, page: int) -> Raw:
    """Decode a file with one of the endings of EXTRAS."""
    ending = path.suffix.lower()
    if not installed(ending):
        raise ValueError(needs(ending))
    return _heif(path) if EXTRAS[ending][1] == "heic" else _dicom(path, page)


def read_tiff(path: Path, page: int, frames: int | None) -> Raw:
    """A page of a TIFF with all its bits and channels; `frames` is None where they are to be counted."""
    if importlib.util.find_spec("tifffile") is None:
        raise ValueError("more bits or channels than Pillow reads: pip install 'fullrank[tiff]'")
    import tifffile

    with tifffile.TiffFile(path) as file:
        one: Any = file.pages[page]
        bounded(one.imagewidth, one.imagelength)
        bounded(math.prod(one.shape), 1, channels=MOST_CHANNELS)
        _bounded_segments(path, one)
        values, axes = one.asarray(), one.axes
        orientation = one.tags[ORIENTATION].value if ORIENTATION in one.tags else 1
        count = len(file.pages) if frames is None else frames
    if axes == "SYX":
        values = np.moveaxis(values, 0, 2)
    elif axes == "YX":
        values = values[..., None]
    if values.ndim != 3 or not 1 <= values.shape[2] <= MOST_CHANNELS:
        what = f"a TIFF of the shape {values.shape} ({axes})"
        raise ValueError(f"{what} is not an image of 1 to {MOST_CHANNELS} channels")
    return Raw(turned(values.astype(values.dtype.newbyteorder("=")), orientation), count)


def turned(values: Array, orientation: int) -> Array:
    """Pixels (H, W, C) upright, by an orientation of Exif.

    >>> turned(np.arange(2).reshape(1, 2, 1), 3)[..., 0], turned(np.arange(2).reshape(1, 2, 1), 6).shape
    (array([[1, 0]]), (2, 1, 1))
    """
    upright = values.swapaxes(0, 1) if orientation in TURNED else values
    from_right, from_below = orientation in (2, 3, 6, 7), orientation in (3, 4, 7, 8)
    return upright[:: -1 if from_below else 1, :: -1 if from_right else 1]


def _bounded_segments(path: Path, page: Any) -> None:
    """DecompressionBombError if a strip or tile holds more than its pixels: without imagecodecs, all is unpacked."""
    if page.compression not in _UNPACKED_WHOLE or importlib.util.find_spec("imagecodecs"):
        return
    bounded(math.prod(page.chunks), 1, channels=MOST_CHANNELS)
    most = math.prod(page.chunks) * int(page.dtype.itemsize)
    with path.open("rb") as file:
        for at, size in zip(page.dataoffsets, page.databytecounts, strict=True):
            file.seek(at)
            unpacked(file.read(size), most, _UNPACKED_WHOLE[page.compression]())


def unpacked(data: bytes, most: int, decompressor: Any) -> bytes:
    """What packed bytes hold; DecompressionBombError before memory is taken for more than `most`, and a KiB."""
    whole: bytes = decompressor.decompress(data, most + 1024)
    if len(whole) == most + 1024:
        raise Image.DecompressionBombError
    return whole


def _heif(path: Path) -> Raw:
    import pillow_heif

    file: Any = pillow_heif.open_heif(path, convert_hdr_to_8bit=True)
    bounded(*file.size)
    image: Image.Image = file.to_pillow()
    return Raw(image)


def _dicom(path: Path, page: int) -> Raw:
    """Values by the modality's table (Hounsfield units of CT), colors by a palette; turned where white is low."""
    import pydicom
    import pydicom.pixels as pixels

    data: Any = _deflated_dicom(path) or pydicom.dcmread(path)
    if "PixelData" not in data:
        raise ValueError("a DICOM file without pixels")
    bounded(int(data.Columns), int(data.Rows))
    frames = int(data.get("NumberOfFrames", 1) or 1)
    tools: Any = pixels
    values: Array = tools.pixel_array(data, index=page)
    if values.ndim == 3:
        return Raw(values, frames)
    if data.PhotometricInterpretation == "PALETTE COLOR":
        colors: Array = tools.apply_color_lut(values, data)  # of 8 or 16 bits, for a screen either way
        levels = colors if colors.dtype == np.uint8 else (colors / 257).round().astype(np.uint8)
        return Raw(Image.fromarray(levels), frames)
    if data.PhotometricInterpretation == "MONOCHROME1":
        values = (-1 if data.PixelRepresentation else (1 << int(data.BitsStored)) - 1) - values.astype(np.int32)
    elif values.dtype == np.uint8 and "RescaleSlope" not in data:
        return Raw(values[..., None], frames)
    made = np.asarray(tools.apply_modality_lut(values, data))
    whole = np.issubdtype(made.dtype, np.integer) or bool((made == np.round(made)).all())
    return Raw((made.astype(np.int32) if whole else made)[..., None], frames)


def _deflated_dicom(path: Path) -> Any:
    """The file, if all but its head is packed: pydicom would unpack any amount; None for others."""
    import pydicom
    from pydicom.filereader import read_dataset

    head: Any = pydicom.filereader.read_file_meta_info(path)
    if head.get("TransferSyntaxUID") != pydicom.uid.DeflatedExplicitVRLittleEndian:
        return None
    content = path.read_bytes()[_DICOM_HEAD + head.FileMetaInformationGroupLength :]
    most = (Image.MAX_IMAGE_PIXELS or 2**40) * MOST_CHANNELS
    data: Any = read_dataset(io.BytesIO(unpacked(content, most, zlib.decompressobj(-zlib.MAX_WBITS))), False, True)
    data.file_meta = head
    head.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    return data


def bounded(width: int, height: int, *, channels: int = 1) -> None:
    """DecompressionBombError above the limit that `strict_decoding` set, times a number of channels."""
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and width * height > limit * channels:
        raise Image.DecompressionBombError
