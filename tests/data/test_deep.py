"""Images of more than 8 bits that Pillow would cut to 8: their levels, their transparency, and what is refused."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, features

from fullrank.data.decode import read_raw, strict_decoding, to_show
from fullrank.data.deep import read_deep
from fullrank.errors import UserError
from tests.data.trees import line, load, pixels

Array = npt.NDArray[Any]
TOP = 4095  # 12 bits in files of 16
VALUES = np.random.default_rng(0).permutation(np.linspace(0, TOP, 16 * 16 * 3).astype(np.uint16)).reshape(16, 16, 3)
LEVELS = np.floor(VALUES * (255 / TOP) + 0.5).astype(np.uint8)


def png(path: Path, values: Array, hidden: bytes = b"") -> None:
    """A PNG of 16 bits, `hidden` is the color that is transparent; Pillow writes none in color."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    marked = chunk(b"tRNS", hidden) if hidden else b""
    content = chunk(b"IHDR", head) + marked + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


def ppm(path: Path, values: Array, top: int = 65535) -> None:
    path.write_bytes(f"P6\n# a comment\n16 16\n{top}\n".encode() + values.astype(">u2").tobytes())


def sgi(path: Path, values: Array, packed: int = 0) -> None:
    channels = values.shape[2]
    head = struct.pack(">hBBHHHHii", 474, packed, 2, 2 if channels == 1 else 3, 16, 16, channels, 0, 65535)
    path.write_bytes(head.ljust(512, b"\0") + np.moveaxis(values[::-1], 2, 0).astype(">u2").tobytes())


def twice(folder: Path, ending: str, write: Callable[[Path, Array], None], values: Array) -> Path:
    for number in range(2):
        write(folder / f"{number}{ending}", values)
    return folder


@pytest.mark.parametrize(("ending", "write"), [(".ppm", ppm), (".sgi", sgi), (".png", png)])
def test_color_of_12_bits_in_files_of_16_keeps_256_levels(
    ending: str, write: Callable[[Path, Array], None], tmp_path: Path
) -> None:
    """A PPM and an SGI had 17 levels, which nobody said."""
    data = load(twice(tmp_path, ending, write, VALUES))
    assert f"hold 0 to {TOP}: 0 to {TOP} (12 bits) become 256 levels" in line(data)
    assert np.array_equal(pixels(data), LEVELS)


def test_of_gray_too_and_of_a_ppm_that_says_how_high_it_goes(tmp_path: Path) -> None:
    for name, write, values in (
        ("sgi", sgi, VALUES[..., :1]),
        ("ppm", lambda path, some: ppm(path, some, TOP), VALUES),
    ):
        folder = tmp_path / name
        folder.mkdir()
        data = load(twice(folder, f".{name}", write, values))
        assert np.array_equal(pixels(data).reshape(values.shape), LEVELS[..., : values.shape[2]])


def test_a_bitmap_of_text_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.pbm").write_text("P1\n2 2\n0 1\n1 0\n")
    with Image.open(tmp_path / "a.pbm") as image:
        assert read_deep(tmp_path / "a.pbm", image) is None


def test_what_is_cut_off_is_unreadable(tmp_path: Path) -> None:
    for ending, write in ((".ppm", ppm), (".sgi", sgi)):
        path = tmp_path / f"a{ending}"
        write(path, VALUES)
        path.write_bytes(path.read_bytes()[:-1])
        with pytest.raises(ValueError, match="image file is truncated"):
            read_raw(path)


def test_what_only_pillow_can_decode_is_refused_with_the_remedy(tmp_path: Path) -> None:
    words = " ".join(map(str, VALUES.reshape(-1)))
    (tmp_path / "a.ppm").write_text(f"P3 16 16 65535 {words}\n")
    sgi(tmp_path / "b.sgi", VALUES, packed=1)
    if features.check("jpg_2000"):
        file = io.BytesIO()
        Image.fromarray(LEVELS).save(file, "JPEG2000")
        content = bytearray(file.getvalue())
        content[content.index(b"\xff\x4f\xff\x51") + 42] = 15  # 16 bits
        (tmp_path / "c.jp2").write_bytes(content)
    for path in tmp_path.iterdir():
        with pytest.raises(ValueError, match=r"^more than 8 bits, of which Pillow keeps 8: save it as PNG or TIFF$"):
            read_raw(path)
    with pytest.raises(UserError, match=r"cannot be read \(first: .*a\.ppm: more than 8 bits, .* as PNG or TIFF\)"):
        load(tmp_path)
    (tmp_path / "d.ppm").write_text(f"P3 16 16 255 {' '.join(map(str, LEVELS.reshape(-1)))}\n")
    assert np.array_equal(np.asarray(read_raw(tmp_path / "d.ppm").content), LEVELS)


@pytest.mark.parametrize("channels", [1, 3])
def test_transparency_of_16_bits_is_counted_and_put_on_white_and_decides_no_range(
    channels: int, tmp_path: Path
) -> None:
    """White was put at 65535 before the range was chosen, which left 18 levels."""
    alpha = np.full((16, 16, 1), 65535, dtype=np.uint16)
    alpha[0], alpha[1] = 0, 32768
    values = np.concatenate([VALUES[..., :channels], alpha], axis=2)
    values[0, 0, 0] = 65535  # which nobody sees
    data = load(twice(tmp_path, ".png", png, values))
    keeps = channels + 1
    assert f"2 images with transparency, on white (--channels {keeps} keeps it as a channel)" in line(data)
    top = int(VALUES[1:, :, :channels].max())
    assert f"hold {VALUES[1:, :, :channels].min()} to {top}: 0 to {TOP} (12 bits)" in line(data)
    read = pixels(data).reshape(16, 16, channels)
    assert (read[0] == 255).all()
    assert np.abs(read[1] - (LEVELS[1, :, :channels] / 2 + 127.5)).max() <= 1
    assert np.array_equal(read[2:], LEVELS[2:, :, :channels])
    kept = load(tmp_path, channels=keeps)
    assert np.array_equal(pixels(kept)[1:, :, :channels], LEVELS[1:, :, :channels])
    assert np.array_equal(pixels(kept)[..., channels], np.floor(alpha[..., 0] / 257 + 0.5))
    assert "on white" not in line(kept)
    assert load(tmp_path, channels=1).range == load(tmp_path, channels=3).range == (0.0, float(TOP))
    with strict_decoding():
        shown = np.asarray(to_show(tmp_path / "0.png")).reshape(16, 16, channels)
    assert (shown[0] == 255).all()
    assert len(np.unique(shown)) > 128


@pytest.mark.parametrize("channels", [1, 3])
def test_a_color_of_16_bits_that_is_transparent_is_put_on_white(channels: int, tmp_path: Path) -> None:
    values = VALUES[..., :channels].copy()
    values[0] = 4000
    hidden = np.full(channels, 4000, dtype=">u2").tobytes()
    data = load(twice(tmp_path, ".png", lambda path, some: png(path, some, hidden), values))
    assert "2 images with transparency, on white" in line(data)
    read = pixels(data).reshape(16, 16, channels)
    assert (read[0] == 255).all()
    seen = (values != 4000).any(2)
    assert np.array_equal(read[seen], LEVELS[..., :channels][seen])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_channel_that_is_left_out_decides_no_range(channels: int, tmp_path: Path) -> None:
    """The opaque fourth channel of a TIFF left 17 levels of the three others."""
    tifffile = pytest.importorskip("tifffile")
    values = np.concatenate([VALUES[..., :channels], np.full((16, 16, 1), 65535, dtype=np.uint16)], axis=2)
    for number in range(2):
        kind = "rgb" if channels == 3 else "minisblack"
        tifffile.imwrite(tmp_path / f"{number}.tif", values, photometric=kind, planarconfig="contig")
    data = load(tmp_path, channels=channels)
    assert data.range == (0.0, float(TOP))
    assert "the last channel of 2 images left out" in line(data)
    assert np.array_equal(pixels(data).reshape(16, 16, channels), LEVELS[..., :channels])
    assert load(tmp_path, channels=channels + 1).range == (0.0, 65535.0)
