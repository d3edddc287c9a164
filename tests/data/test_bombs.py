"""Small image files that claim or unpack to much: one sentence, and little memory."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import fullrank.training.fit  # noqa: F401 (its memory is not that of a bomb)
from fullrank.cli import main
from fullrank.data.decode import read_raw, strict_decoding
from tests.memory import takes_less_than

MANY = 2**27  # bytes of zeros
SENTENCE = "too many pixels, maybe a decompression bomb (--max-pixels allows more)"


@cache
def zeros(wbits: int = zlib.MAX_WBITS) -> bytes:
    """Zeros, packed, without holding them."""
    packing = zlib.compressobj(1, zlib.DEFLATED, wbits)
    return b"".join(packing.compress(bytes(2**24)) for _ in range(MANY // 2**24)) + packing.flush()


def png(path: Path, width: int, height: int, data: bytes) -> None:
    """A gray PNG."""
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", data), (b"IEND", b""))
    parts = [
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def large_png(folder: Path) -> Path:
    """Of 400 million pixels."""
    png(folder / "0.png", 20_000, 20_000, zeros())
    return folder / "0.png"


def large_tiff(folder: Path) -> Path:
    """The same in 16 bits and color, by its head."""
    tifffile = pytest.importorskip("tifffile")
    path = folder / "0.tif"
    tifffile.imwrite(path, np.zeros((4, 4, 3), np.uint16), photometric="rgb")
    with tifffile.TiffFile(path) as file:
        places = [file.pages[0].tags[name].valueoffset for name in ("ImageWidth", "ImageLength")]
    content = bytearray(path.read_bytes())
    for place in places:
        content[place : place + 2] = (20_000).to_bytes(2, "little")
    path.write_bytes(content)
    return path


def packed_tiff(folder: Path) -> Path:
    """Of 16 pixels, whose strip unpacks to 128 MiB."""
    tifffile = pytest.importorskip("tifffile")
    path = folder / "0.tif"
    tifffile.imwrite(path, np.zeros((4, 4, 3), np.uint16), photometric="rgb", compression="zlib")
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        at, count = tags["StripOffsets"].valueoffset, tags["StripByteCounts"].valueoffset
        sizes = tags["StripOffsets"].dtype, tags["StripByteCounts"].dtype
    content, data = bytearray(path.read_bytes()), zeros()
    for place, kind, value in ((at, sizes[0], len(content)), (count, sizes[1], len(data))):
        width = {3: 2, 4: 4}[int(kind)]
        content[place : place + width] = value.to_bytes(width, "little")
    path.write_bytes(content + data)
    return path


def packed_dicom(folder: Path) -> Path:
    """A head, and all that follows packed."""
    pydicom = pytest.importorskip("pydicom")
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    path = folder / "0.dcm"
    with path.open("wb") as file:
        file.write(bytes(128) + b"DICM")
        pydicom.filewriter.write_file_meta_info(file, meta)
        file.write(zeros(-zlib.MAX_WBITS))
    return path


@pytest.mark.slow
@pytest.mark.parametrize("make", [large_png, large_tiff, packed_tiff, packed_dicom])
def test_an_image_that_is_a_bomb_is_one_sentence_and_takes_little_memory(
    make: Callable[[Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make(tmp_path)
    assert path.stat().st_size < MANY / 100
    if make is packed_dicom:
        monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 2**20)
    said = ["train", "vicreg", "--data", str(tmp_path), "--out", str(tmp_path / "run"), "--backbone", "tiny"]
    with takes_less_than(MANY // 2):
        assert main(said) == 2
    error = capsys.readouterr().err
    assert SENTENCE in error.replace("\n", " ")
    assert "Traceback" not in error


@pytest.mark.slow
def test_a_png_with_more_data_than_pixels_is_read_without_the_rest(tmp_path: Path) -> None:
    png(tmp_path / "0.png", 4, 4, zeros())
    with takes_less_than(MANY // 2), strict_decoding():
        assert read_raw(tmp_path / "0.png").channels == 1
