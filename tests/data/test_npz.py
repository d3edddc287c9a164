"""Files of arrays: the layouts that are read, and a sentence for everything else."""

from __future__ import annotations

import io
import re
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from fullrank.cli import main
from fullrank.data.images import ImageTensor
from fullrank.data.options import DataOptions
from fullrank.data.sources.load import load_dataset
from fullrank.data.sources.npz import read_npz
from fullrank.errors import UserError

Array = npt.NDArray[Any]


def saved(folder: Path, **arrays: Any) -> Path:
    path = folder / "some.npz"
    np.savez(path, **arrays)
    return path


def noise(*shape: int) -> Array:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((4, 5, 6), None),
        ((4, 5, 6, 1), (0, 3, 1, 2)),
        ((4, 5, 6, 3), (0, 3, 1, 2)),
        ((4, 1, 5, 6), (0, 1, 2, 3)),
        ((4, 3, 5, 6), (0, 1, 2, 3)),
        ((4, 3, 5, 3), (0, 3, 1, 2)),  # both fit: channels last
    ],
)
def test_layouts(tmp_path: Path, shape: tuple[int, ...], axes: tuple[int, ...] | None) -> None:
    images = noise(*shape)
    read = read_npz(saved(tmp_path, images=images)).images
    expected = images[:, None] if axes is None else images.transpose(axes)
    assert torch.equal(read.images, torch.from_numpy(expected.copy()))
    assert read.images.is_contiguous()
    assert read.labels is None


@pytest.mark.parametrize("channels", [2, 4, 13, 16])
def test_up_to_16_channels_at_either_end(tmp_path: Path, channels: int) -> None:
    images = noise(4, channels, 20, 24)
    expected = torch.from_numpy(images)
    assert torch.equal(read_npz(saved(tmp_path, images=images)).images.images, expected)
    assert torch.equal(read_npz(saved(tmp_path, images=images.transpose(0, 2, 3, 1))).images.images, expected)
    tiles = noise(4, channels, 8, 5)
    assert read_npz(saved(tmp_path, images=tiles), DataOptions(channels=channels)).images.channels == channels
    with pytest.raises(UserError, match=rf"shape \(4, {channels}, 20, 24\): save them .* with 7 channels"):
        read_npz(saved(tmp_path, images=images), DataOptions(channels=7))


def test_as_many_channels_as_rows_are_told(tmp_path: Path) -> None:
    cubes = noise(4, 8, 8, 8)
    read = read_npz(saved(tmp_path, images=cubes))
    assert torch.equal(read.images.images, torch.from_numpy(cubes).permute(0, 3, 1, 2))
    assert read.notes == ("of the shape (4, 8, 8, 8) the last axis was taken for the channels, not the second",)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int64])
def test_whole_numbers_keep_256_levels(tmp_path: Path, dtype: npt.DTypeLike) -> None:
    values = np.linspace(0, 4095, 4 * 32 * 32).astype(dtype).reshape(4, 32, 32)
    data = load_dataset(str(saved(tmp_path, images=values)))
    assert isinstance(data.train, ImageTensor)
    assert data.range == (0.0, 4095.0)
    assert "hold 0 to 4095: 0 to 4095 (12 bits) become 256 levels" in data.inventory().line()
    assert len(data.train.images.unique()) == 256
    read = read_npz(saved(tmp_path, images=values), DataOptions(range="0,2000"))
    assert int((read.images.images == 255).sum()) > 2000


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, ">f4"])
def test_floats_become_the_bytes_they_were(tmp_path: Path, dtype: npt.DTypeLike) -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)
    read = read_npz(saved(tmp_path, images=(levels / 255).astype(dtype))).images
    assert (read.images[:, 0].numpy() == levels).all()


@pytest.mark.parametrize(
    ("labels", "numbers", "classes"),
    [
        (np.array([7, 3, 7, -1]), [1, 0, 1, -1], ("3", "7")),
        (np.array([2, 0, 1, 2], dtype=np.uint8), [2, 0, 1, 2], ("0", "1", "2")),
        (np.array(["dog", "cat", "cat", "dog"]), [1, 0, 0, 1], ("cat", "dog")),
    ],
)
def test_labels(tmp_path: Path, labels: Array, numbers: list[int], classes: tuple[str, ...]) -> None:
    read = read_npz(saved(tmp_path, images=noise(4, 5, 5), labels=labels)).images
    assert read.labels is not None
    assert read.labels.dtype == torch.int64
    assert read.labels.tolist() == numbers
    assert read.classes == classes


def test_as_a_data_set_it_has_its_own_statistics(tmp_path: Path) -> None:
    images = noise(9, 6, 6, 3) // np.array([1, 2, 3], dtype=np.uint8)
    images[..., 2] = 51  # constant: must not be divided by zero
    data = load_dataset(str(saved(tmp_path, images=images)))
    assert (data.name, data.test) == ("some", None)
    assert data.mean == pytest.approx((images / 255).mean((0, 1, 2)), abs=1e-12)
    assert data.std == pytest.approx([*(images / 255).std((0, 1, 2))[:2], 1.0], abs=1e-12)


GOOD = noise(4, 5, 5)
BAD_PIXELS = [
    (
        GOOD + 0.5,
        "images of float64 hold 0.5 to 248.5, and floats have no range of their own beyond [0, 1]: pass --range",
    ),
    (np.full((4, 5, 5), np.nan), "images contain NaN or infinity: repair or remove"),
    (GOOD.astype(complex), "images are complex128: save them as whole numbers, or as float in [0, 1]."),
    (GOOD[0], "images have shape (5, 5): save them as (N, H, W), (N, H, W, C) or (N, C, H, W)"),
    (noise(4, 20, 20, 17), "images have shape (4, 20, 20, 17): save them as"),
    (noise(4, 4, 20, 13), "with the channels first or last: pass --channels 4 or --channels 13."),
    (noise(4, 0, 5), "images have shape (4, 0, 5): save them as"),
    (noise(1, 5, 5), "holds one image, and training needs at least 2: add images."),
]


@pytest.mark.parametrize(("images", "text"), BAD_PIXELS)
def test_bad_images(tmp_path: Path, images: Array, text: str) -> None:
    path = saved(tmp_path, images=images)
    with pytest.raises(UserError, match=re.escape(path.name) + ".*" + re.escape(text)):
        read_npz(path)


@pytest.mark.parametrize(
    ("labels", "text"),
    [
        (
            np.zeros(3, dtype=int),
            "labels have shape (3,) for 4 images: save one label per image, or pass --labels none.",
        ),
        (np.zeros((4, 2), dtype=int), "labels have shape (4, 2) for 4 images"),
        (np.zeros(4), "labels are float64: save integers or strings, or pass --labels none."),
        (np.array([0, -2, 1, 1]), "labels go down to -2: use 0 and more, or -1 for unknown."),
    ],
)
def test_bad_labels(tmp_path: Path, labels: Array, text: str) -> None:
    with pytest.raises(UserError, match=re.escape(text)):
        read_npz(saved(tmp_path, images=GOOD, labels=labels))


def test_missing_key(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no array named images \(it has: x, y\): save it with numpy.savez"):
        read_npz(saved(tmp_path, x=GOOD, y=GOOD))


@pytest.mark.parametrize("key", ["images", "labels"])
def test_objects_are_never_unpickled(tmp_path: Path, key: str) -> None:
    arrays = {"images": GOOD, key: np.array([{}] * 4, dtype=object)}
    with pytest.raises(UserError, match=r"holds objects, which only unpickling could read\): save plain numbers"):
        read_npz(saved(tmp_path, **arrays))


def test_a_truncated_file(tmp_path: Path) -> None:
    path = saved(tmp_path, images=GOOD)
    whole = path.read_bytes()
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"is not an \.npz file, or it is cut off: write it again"):
            read_npz(path)


@pytest.mark.parametrize("compress", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_damaged_member(tmp_path: Path, compress: int) -> None:
    buffer = io.BytesIO()
    np.save(buffer, GOOD)
    path = tmp_path / "some.npz"
    with zipfile.ZipFile(path, "w", compress) as archive:
        archive.writestr("images.npy", buffer.getvalue())
    data = bytearray(path.read_bytes())
    data[90:100] = bytes(10)
    path.write_bytes(data)
    with pytest.raises(UserError, match=rf"{path} cannot be read .*: save"):
        read_npz(path)


def test_a_member_that_is_no_array(tmp_path: Path) -> None:
    path = tmp_path / "some.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images", "hello")
    with pytest.raises(UserError, match=r"has no array named images \(it has: nothing\): save it with"):
        read_npz(path)


def test_a_header_that_lies_about_its_size(tmp_path: Path) -> None:
    path = tmp_path / "some.npz"
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": (2**40, 8, 8)})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("images.npy", buffer.getvalue())
    with pytest.raises(UserError, match=f"{path} cannot be read"):
        read_npz(path)


def bomb(folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small file that unpacks to much, promises terabytes, or holds more than is free."""
    path = folder / "bomb.npz"
    if kind == "promise":
        header = io.BytesIO()
        np.lib.format.write_array_header_2_0(
            header, {"descr": "|u1", "fortran_order": False, "shape": (2**30, 64, 64, 3)}
        )
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("images.npy", header.getvalue())
        return path
    np.savez_compressed(path, images=np.zeros((64, 256, 256), np.uint8), labels=np.zeros(64, np.int64))
    if kind == "zeros":
        monkeypatch.setattr("fullrank.runs.arrays._HARMLESS", 2**20)
    else:
        monkeypatch.setattr("fullrank.stats.sketch.memory.free_memory", lambda: 2**20)
    return path


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("promise", "cannot be read (images claims more bytes than it can hold): save plain numbers"),
        ("zeros", "to 4,194,432 bytes: if it is meant, write it with numpy.savez"),
        ("large", "would take 0.0 GB, and 0.0 GB are free: pass a folder of images"),
    ],
)
def test_a_bomb_is_refused_before_memory_is_taken(
    kind: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = bomb(tmp_path, kind, monkeypatch)
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=re.escape(sentence)):
            load_dataset(str(path))
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()
    assert main(["train", "vicreg", "--data", str(path), "--out", str(tmp_path / "run")]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
