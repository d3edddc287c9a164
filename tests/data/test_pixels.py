"""Pixels of more than 8 bits, of other than one or three channels, of several pages, and of formats by extras."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image
from rich.console import Console

from fullrank import recipes
from fullrank.data import load_dataset, plain_batches
from fullrank.data.decode import to_show
from fullrank.data.identity import kept_in_config, options_of
from fullrank.engine import RunOptions
from fullrank.errors import UserError
from fullrank.training.fit import prepare
from tests.data.files import noise
from tests.data.trees import deep, line, load, pixels

Array = npt.NDArray[Any]


def deep_png(path: Path, values: Array) -> None:
    """Color of 16 bits, which Pillow cannot write."""
    height, width, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    content = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_files_of_more_than_8_bits_keep_256_levels(tmp_path: Path, bits: int) -> None:
    top = 2**bits - 1
    (values, *_) = deep(tmp_path, top)
    data = load(tmp_path)
    assert data.range == (0.0, float(top))
    assert f"3 images of more than 8 bits hold 0 to {top}: 0 to {top} ({bits} bits) become 256 levels" in line(data)
    assert (pixels(data) == np.floor(values * (255 / top) + 0.5)).all()
    assert len(np.unique(pixels(data))) == 256
    assert data.mean == pytest.approx([0.5], abs=0.01)  # of these images, not ImageNet's


def test_a_range_that_no_number_of_bits_fits_is_that_of_the_values(tmp_path: Path) -> None:
    deep(tmp_path, 9000, low=7000)  # a thermal camera
    data = load(tmp_path)
    assert data.range == (7000.0, 9000.0)
    assert "hold 7000 to 9000: 7000 to 9000 become 256 levels (--range LOW,HIGH decides)" in line(data)
    assert len(np.unique(pixels(data))) == 256


def test_a_dead_pixel_does_not_cost_the_others_their_levels(tmp_path: Path) -> None:
    arrays = deep(tmp_path, 4095)
    arrays[0][0, 0] = 65535
    Image.fromarray(arrays[0]).save(tmp_path / "0.png")
    data = load(tmp_path)
    assert data.range == (0.0, 4095.0)
    assert "defects of 0.1 %, clipped" in line(data)
    assert len(np.unique(pixels(data))) == 256


def test_the_flag_decides_the_range(tmp_path: Path) -> None:
    (values, *_) = deep(tmp_path, 4095)
    data = load(tmp_path, range="1000,2000")
    assert "1000 to 2000 become 256 levels (--range)" in line(data)
    assert (pixels(data) == np.floor((values.astype(float) - 1000) * 0.255 + 0.5).clip(0, 255)).all()
    for text in ("4095", "0,x", "5,5", "9,1", "-inf,5", "0,inf", "nan,1", "-1e308,1e308", "0,1e-320"):
        with pytest.raises(UserError, match=f"--range {text}"):
            load(tmp_path, range=text)
    noise(8, 8, 0).save(tmp_path / "a.png")
    assert len(load(tmp_path).train) == 4  # 8 bits beside more
    for number in range(3):
        (tmp_path / f"{number}.png").unlink()
    noise(8, 8, 0).save(tmp_path / "b.png")
    idle, plain = load(tmp_path, range="0,9"), load(tmp_path)
    assert "--range applies to images of more than 8 bits, and there are none" in line(idle)
    assert (idle.range, idle.mean, idle.std) == (None, plain.mean, plain.std)


def test_floats_beyond_one_need_the_flag(tmp_path: Path) -> None:
    for number in range(2):
        Image.fromarray(np.full((4, 4), 50.0 + number, dtype=np.float32)).save(tmp_path / f"{number}.tif")
    with pytest.raises(
        UserError, match=r"hold 50 to 51, and floats have no range of their own .*: pass --range LOW,HIGH"
    ):
        load(tmp_path)
    assert pixels(load(tmp_path, range="0,100"))[0, 0] == 127


def test_color_of_16_bits_keeps_its_levels(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 4096, (16, 16, 3)).astype(np.uint16)
    deep_png(tmp_path / "a.png", values)
    deep_png(tmp_path / "b.png", np.concatenate([values, np.full((16, 16, 1), 65535, dtype=np.uint16)], axis=2))
    data = load(tmp_path)
    expected = np.floor(values * (255 / 4095) + 0.5)
    assert (pixels(data, 0) == expected).all()
    assert (pixels(data, 1) == expected).all()  # nothing is transparent


def test_a_fourth_channel_is_never_taken_for_transparency_in_silence(tmp_path: Path) -> None:
    bands = np.random.default_rng(0).integers(0, 255, (8, 8, 4)).astype(np.uint8)
    for number in range(3):
        Image.fromarray(bands).save(tmp_path / f"{number}.png")
    data = load(tmp_path)
    assert data.train.channels == 3
    assert "3 images with transparency, on white (--channels 4 keeps it as a channel)" in line(data)
    four = load(tmp_path, channels=4)
    assert (pixels(four) == bands).all()
    assert "; 4 channels" in line(four)
    assert len(four.mean) == 4

    tifffile = pytest.importorskip("tifffile")
    (tmp_path / "near").mkdir()
    for number in range(3):
        tifffile.imwrite(tmp_path / "near" / f"{number}.tif", bands, photometric="rgb", extrasamples=["unspecified"])
    with pytest.raises(UserError, match=r"one more than gray or color, not marked as .* --channels 4, or --channels 3"):
        load(tmp_path / "near")
    assert (pixels(load(tmp_path / "near", channels=4)) == bands).all()
    three = load(tmp_path / "near", channels=3)
    assert (pixels(three) == bands[..., :3]).all()
    assert "the last channel of 3 images left out" in line(three)
    with pytest.raises(UserError, match="--channels 17: images have 1 to 16"):
        load(tmp_path / "near", channels=17)


def test_opaque_images_with_an_alpha_channel_are_nothing_special(tmp_path: Path) -> None:
    for number in range(2):
        Image.new("RGBA", (4, 4), (1, 2, 3, 255)).save(tmp_path / f"{number}.png")
    assert line(load(tmp_path)).endswith("2 images, no labels, no test set")


def test_color_and_gray_by_flag(tmp_path: Path) -> None:
    noise(4, 4, 0).save(tmp_path / "a.png")
    Image.new("L", (4, 4), 7).save(tmp_path / "b.png")
    assert load(tmp_path).train.channels == 3
    assert pixels(load(tmp_path, channels=1)).shape == (4, 4)


def test_pages_are_asked_for(tmp_path: Path) -> None:
    frames = [Image.new("L", (4, 4), 10 * number) for number in range(3)]
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        frames[0].save(tmp_path / name / "a.tif", save_all=True, append_images=frames[1:])
        frames[0].save(tmp_path / name / "b.png")
    with pytest.raises(UserError, match=r"2 of 4 files hold several images \(first: .*a\.tif with 3\): pass --pages f"):
        load(tmp_path)
    first = load(tmp_path, pages="first")
    assert len(first.train) == 4
    assert "2 files of several pages, the first" in line(first)
    every = load(tmp_path, pages="all")
    assert every.train.labels is not None
    assert every.train.labels.tolist() == [0] * 4 + [1] * 4
    assert [int(pixels(every, at)[0, 0]) for at in range(4)] == [0, 10, 20, 0]
    (batch,) = plain_batches(every.train, size=4)
    assert batch[:, 0, 0, 0].tolist() == [0, 10, 20, 0] * 2


def test_large_tiles_by_flag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        Image.new("L", (90, 100)).save(tmp_path / f"{number}.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 8000)
    with pytest.raises(UserError, match=r"too many pixels, maybe a decompression bomb \(--max-pixels allows more\)"):
        load(tmp_path)
    data = load(tmp_path, max_pixels=9000)
    assert pixels(data).shape == (100, 90)
    assert Image.MAX_IMAGE_PIXELS == 8000


def test_a_run_reads_other_images_by_its_own_range(tmp_path: Path) -> None:
    deep(tmp_path / "bright", 4095)
    (values, *_) = deep(tmp_path / "dark", 1000)
    config = {"settings": {}, "data": kept_in_config(load(tmp_path / "bright"))}
    data = load_dataset(str(tmp_path / "dark"), options=options_of(config))
    assert (pixels(data) == np.floor(values * (255 / 4095) + 0.5)).all()
    assert options_of({"settings": {}}).pages == "first"  # as version 0.1.0, which did not ask


def test_views_say_what_they_leave_out_of_other_channels(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (12, 5, 24, 24), dtype=np.uint8)
    np.savez(tmp_path / "a.npz", images=images)
    recipe: Any = recipes.load("simclr")(data=str(tmp_path / "a.npz"), batch_size=4, steps=1, projector=(8, 4))
    said = io.StringIO()
    job = prepare(recipe, RunOptions(), Console(file=said, width=200))
    assert "no saturation, hue or grayscale with 5 channels; each has its own contrast" in said.getvalue()
    drawn = job.views.draw(4, 24, 24, torch.Generator().manual_seed(0))
    first, second = job.views.apply(torch.from_numpy(images[:4]), drawn)
    assert first.shape == second.shape == (4, 5, 24, 24)
    assert not torch.equal(first, second)


def test_a_deep_image_is_shown_by_its_own_range(tmp_path: Path) -> None:
    (values,) = deep(tmp_path / "dim", 500, low=100, count=1)
    shown = np.asarray(to_show(tmp_path / "dim" / "0.png"))
    assert (shown == np.floor((values - 100.0) * (255 / 400) + 0.5)).all()
    Image.fromarray(np.full((4, 4), 700, dtype=np.uint16)).save(tmp_path / "flat.png")
    assert set(np.asarray(to_show(tmp_path / "flat.png")).reshape(-1).tolist()) == {0}
