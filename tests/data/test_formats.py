"""Formats that need an optional package, with it and without."""

from __future__ import annotations

import importlib.util
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from fullrank.data import plain_batches
from fullrank.data.decode import header_size, read_raw, strict_decoding
from fullrank.data.decode import upright as to_upright
from fullrank.errors import UserError
from tests.data.trees import line, load, pixels

Array = npt.NDArray[Any]


def test_tiff_of_16_bits_and_many_channels(tmp_path: Path) -> None:
    tifffile = pytest.importorskip("tifffile")
    random = np.random.default_rng(0)
    values = random.integers(0, 16384, (9, 12, 3)).astype(np.uint16)
    for number in range(2):
        tifffile.imwrite(tmp_path / f"{number}.tif", values, photometric="rgb")
    data = load(tmp_path)
    assert data.range == (0.0, 16383.0)
    assert (pixels(data) == np.floor(values * (255 / 16383) + 0.5)).all()

    bands = random.integers(0, 256, (9, 12, 13)).astype(np.uint8)
    (tmp_path / "many").mkdir()
    for number in range(4):
        planar = number % 2 == 0
        tifffile.imwrite(
            tmp_path / "many" / f"{number}.tif",
            np.moveaxis(bands, 2, 0) if planar else bands,
            photometric="minisblack",
            planarconfig="separate" if planar else "contig",
        )
    data = load(tmp_path / "many")
    assert data.train.channels == 13
    assert "; 13 channels" in line(data)
    assert (pixels(data, 0) == bands).all()
    assert (pixels(data, 1) == bands).all()
    assert len(data.mean) == 13
    (batch,) = plain_batches(data.train, size=8)
    assert batch.shape == (4, 13, 8, 8)


AS_SAVED: dict[int, Callable[[Array], Array]] = {  # what an orientation of Exif makes of an array (H, W)
    1: lambda array: array,
    2: np.fliplr,
    3: lambda array: np.rot90(array, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda array: np.rot90(array, -1),
    7: lambda array: np.rot90(array, 2).T,
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", AS_SAVED)
@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("packed", [None, "zlib"])
def test_a_tiff_is_upright(tmp_path: Path, orientation: int, depth: Any, channels: int, packed: str | None) -> None:
    """One of 16 bits in color was not turned, and a gray one of 8 bits came back in rows of a wrong length."""
    tifffile = pytest.importorskip("tifffile")
    values = np.random.default_rng(0).integers(0, 256, (10, 20, channels)).astype(depth)
    path, kind = tmp_path / "a.tif", "rgb" if channels == 3 else "minisblack"
    tag = (274, "H", 1, orientation, True)
    squeezed = values[..., 0] if channels == 1 else values
    tifffile.imwrite(path, squeezed, photometric=kind, compression=packed, planarconfig="contig", extratags=[tag])
    upright = np.stack([AS_SAVED[orientation](values[..., at]) for at in range(channels)], axis=2)
    read = np.asarray(read_raw(path).content).reshape(upright.shape)
    assert (read == upright).all()
    if channels < 5:  # Pillow opens no TIFF of five channels
        assert header_size(path) == upright.shape[1::-1]
    if channels == 1:
        with Image.open(path) as opened:  # by its user
            assert (np.asarray(to_upright(opened).content).reshape(upright.shape) == upright).all()


@pytest.mark.parametrize("orientation", AS_SAVED)
def test_a_png_of_16_bits_in_color_is_upright(tmp_path: Path, orientation: int) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (4, 6, 3)).astype(np.uint16)
    deep_png(tmp_path / "a.png", values, orientation)
    upright = np.stack([AS_SAVED[orientation](values[..., at]) for at in range(3)], axis=2)
    with strict_decoding():
        assert np.array_equal(np.asarray(read_raw(tmp_path / "a.png").content), upright)


def deep_png(path: Path, values: Array, orientation: int) -> None:
    """Color of 16 bits, which Pillow does not write."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    height, width, _ = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0),
        b"eXIf": exif.tobytes().removeprefix(b"Exif\0\0"),
        b"IDAT": zlib.compress(rows),
        b"IEND": b"",
    }
    chunks = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts.items()
    ]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def test_a_tiff_that_pillow_would_crush_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile = pytest.importorskip("tifffile")
    for number in range(2):
        tifffile.imwrite(tmp_path / f"{number}.tif", np.zeros((4, 4, 3), dtype=np.uint16), photometric="rgb")
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *rest: None if name == "tifffile" else real(name, *rest)
    )
    with pytest.raises(UserError, match=r"more bits or channels than Pillow reads: pip install 'fullrank\[tiff\]'"):
        load(tmp_path)


def test_heic_is_read_by_an_extra_and_counted_without(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heif = pytest.importorskip("pillow_heif")
    image = Image.new("RGB", (32, 32), (200, 40, 40))
    for number in range(3):
        heif.from_pillow(image).save(tmp_path / f"{number}.heic", quality=90)
    assert np.abs(pixels(load(tmp_path)).astype(int) - [200, 40, 40]).max() < 12
    real = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *a: None if name == "pillow_heif" else real(name, *a))
    with pytest.raises(UserError, match=r"no image \(but \.heic 3\).*pip install 'fullrank\[heic\]' reads \.heic"):
        load(tmp_path)
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.png")
    assert line(load(tmp_path)).endswith("3 files left out (.heic 3); pip install 'fullrank[heic]' reads .heic")


def dicom(path: Path, values: Array, **tags: Any) -> None:
    """A minimal file of one gray image."""
    pydicom = pytest.importorskip("pydicom")
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = pydicom.uid.CTImageStorage
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    data = pydicom.dataset.FileDataset(path, {}, file_meta=meta, preamble=b"\0" * 128)
    data.Rows, data.Columns = values.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = 16, 12, 11, 0
    data.PixelData = values.astype(np.uint16).tobytes()
    for name, value in tags.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)


def test_dicom_is_read_by_an_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.linspace(0, 4095, 64).astype(np.uint16).reshape(8, 8)
    dicom(tmp_path / "a.dcm", values)
    dicom(tmp_path / "b.dcm", 4095 - values, PhotometricInterpretation="MONOCHROME1")
    data = load(tmp_path)
    assert data.range == (0.0, 4095.0)
    assert (pixels(data, 0) == np.floor(values * (255 / 4095) + 0.5)).all()
    assert (pixels(data, 1) == pixels(data, 0)).all()  # white was low
    (tmp_path / "ct").mkdir()
    for name in ("a.dcm", "b.dcm"):
        dicom(tmp_path / "ct" / name, values, RescaleSlope="1", RescaleIntercept="-1024")
    assert load(tmp_path / "ct").range == (-1024.0, 3071.0)  # Hounsfield units
    (tmp_path / "film").mkdir()
    for name in ("a.dcm", "b.dcm"):
        dicom(tmp_path / "film" / name, np.stack([values] * 3), NumberOfFrames="3")
    assert len(load(tmp_path / "film", pages="all").train) == 6
    real = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *a: None if name == "pydicom" else real(name, *a))
    with pytest.raises(UserError, match=r"pip install 'fullrank\[dicom\]' reads \.dcm"):
        load(tmp_path)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_dicom_with_a_palette_has_its_colors(tmp_path: Path, bits: int) -> None:
    """The places in its palette were taken for gray."""
    places = np.arange(256, dtype=np.uint8).reshape(16, 16)
    palette = np.stack([255 - np.arange(256), np.zeros(256), np.arange(256)], axis=1).astype(np.uint16)
    words = {}
    for name, column in zip(("Red", "Green", "Blue"), palette.T, strict=True):
        words[f"{name}PaletteColorLookupTableDescriptor"] = [256, 0, bits]
        words[f"{name}PaletteColorLookupTableData"] = (
            column.astype(np.uint8).tobytes() if bits == 8 else (column * 257).tobytes()
        )
    for number in range(2):
        of = {"PhotometricInterpretation": "PALETTE COLOR", "BitsAllocated": 8, "BitsStored": 8, "HighBit": 7}
        dicom(tmp_path / f"{number}.dcm", places, PixelData=places.tobytes(), **of, **words)
    assert (pixels(load(tmp_path)) == palette[places]).all()


def test_a_deflated_dicom_is_read_as_others(tmp_path: Path) -> None:
    pydicom = pytest.importorskip("pydicom")
    values = np.linspace(0, 4095, 64).astype(np.uint16).reshape(8, 8)
    for number in range(2):
        dicom(tmp_path / f"{number}.dcm", values)
        data = pydicom.dcmread(tmp_path / f"{number}.dcm")
        data.file_meta.TransferSyntaxUID = pydicom.uid.DeflatedExplicitVRLittleEndian
        data.save_as(tmp_path / f"{number}.dcm", enforce_file_format=True)
    assert (pixels(load(tmp_path), 0) == np.floor(values * (255 / 4095) + 0.5)).all()
