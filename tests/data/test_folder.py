"""Folders of images: what is read, how, and what is said about the rest."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fullrank.data import DataOptions
from fullrank.data.files.folder import read_folder
from fullrank.data.images import ImageFolder
from fullrank.errors import UserError
from tests.data.files import ODD, make_folder, noise, odd, plain, quiet


def read(path: Path, max_corrupt: float = 0.1) -> ImageFolder:
    found = read_folder(path, options=DataOptions(max_corrupt=max_corrupt), say=quiet)
    assert found.test is None
    return found.train


def opened(images: ImageFolder, name: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    image = images.open([Path(path).name for path in images.files].index(name))
    assert isinstance(image, Image.Image)
    assert image.mode == ("L" if images.channels == 1 else "RGB")
    return np.asarray(image)


def test_a_real_folder(tmp_path: Path) -> None:
    images = read(make_folder(tmp_path))
    assert len(images) == 295
    assert images.channels == 3
    assert images.classes == ("cats", "dogs")
    assert images.labels is not None
    assert images.labels.bincount().tolist() == [150, 145]
    for path, label in zip(images.files, images.labels.tolist(), strict=True):
        assert Path(path).parent.name == images.classes[label]
    assert {Path(path).name for path in images.files} >= set(ODD)
    assert [(Path(path).name, why.split(" (")[0]) for path, why in images.skipped] == [
        ("cut.jpg", "image file is truncated"),  # ... (how many bytes)
        ("empty.png", "empty file"),
        ("half.png", "image file is truncated"),
        ("text.png", "no image inside"),
        ("zip.jpg", "no image inside"),
    ]


def test_odd_images_are_read_as_they_look(tmp_path: Path) -> None:
    odd(tmp_path)
    images = read(tmp_path)
    assert images.labels is None
    assert (opened(images, "alpha.png") == 255).all()  # wholly transparent red, on white
    assert np.abs(opened(images, "cmyk.jpg").astype(int) - [255, 0, 0]).max() < 8  # JPEG's own error
    assert opened(images, "deep.png")[0, :, 0].tolist() == [0, 1, 128, 255]
    assert opened(images, "pixel.png").tolist() == [[[0, 0, 255]]]
    expected = np.asarray(noise(8, 8, seed=1).quantize(16).convert("RGB"))
    assert (opened(images, "palette.gif") == expected).all()
    turned = opened(images, "turned.jpg")
    assert turned.shape == (32, 16, 3)
    assert turned[:14].min() > 200
    assert turned[18:].max() < 55


def test_gray_images_have_one_channel_until_one_has_color(tmp_path: Path) -> None:
    Image.new("L", (4, 4), 7).save(tmp_path / "a.png")
    Image.new("1", (4, 4), 1).save(tmp_path / "b.png")
    Image.new("LA", (4, 4), (0, 128)).save(tmp_path / "c.png")
    Image.fromarray(np.full((4, 4), 1 / 3, dtype=np.float32)).save(tmp_path / "d.tif")
    gray = read(tmp_path)
    assert gray.channels == 1
    assert [int(opened(gray, Path(path).name)[0, 0]) for path in gray.files] == [7, 255, 127, 85]
    Image.new("RGB", (4, 4)).save(tmp_path / "e.png")
    assert read(tmp_path).channels == 3
    assert opened(read(tmp_path), "a.png")[0, 0].tolist() == [7, 7, 7]


def test_a_cut_jpeg_is_found_wherever_it_is_cut(tmp_path: Path) -> None:
    plain(tmp_path, 2)
    buffer = io.BytesIO()
    noise(40, 40, seed=0).save(buffer, "JPEG", progressive=True)
    data = buffer.getvalue()
    for share in (1, 30, 60, 90):
        (tmp_path / f"cut{share}.jpg").write_bytes(data[: len(data) * share // 100])
    assert len(read(tmp_path, 1.0).skipped) == 4


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0garbage", b"Exif\0\0II*\0\xff\xff\xff\xff", b"x"])
def test_a_broken_exif_does_not_cost_the_image(tmp_path: Path, exif: bytes) -> None:
    plain(tmp_path, 1)
    noise(8, 8, seed=0).save(tmp_path / "a.jpg", exif=exif)
    assert len(read(tmp_path)) == 2


def test_bombs_and_programs_are_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain(tmp_path, 2)
    Image.new("1", (90, 100)).save(tmp_path / "warns.png")
    Image.new("1", (190, 100)).save(tmp_path / "raises.png")
    Image.new("RGB", (10, 10)).save(tmp_path / "program.eps")
    (tmp_path / "program.eps").rename(tmp_path / "program.png")  # PIL would start Ghostscript
    os.mkfifo(tmp_path / "pipe.png")  # would block for ever
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 8000)
    assert [(Path(path).name, why) for path, why in read(tmp_path, 1.0).skipped] == [
        ("pipe.png", "there is no such file"),
        ("program.png", "no image inside"),
        ("raises.png", "too many pixels, maybe a decompression bomb (--max-pixels allows more)"),
        ("warns.png", "too many pixels, maybe a decompression bomb (--max-pixels allows more)"),
    ]


def test_links_neither_hang_nor_count_twice(tmp_path: Path) -> None:
    plain(tmp_path / "b" / "deep", 3)
    plain(tmp_path / "c", 2)
    (tmp_path / "a").symlink_to(tmp_path / "b" / "deep")
    (tmp_path / "b" / "up").symlink_to(tmp_path)
    (tmp_path / "c" / "self").symlink_to("self")
    images = read(tmp_path)
    assert images.classes == ("b", "c")
    assert len(images) == 5
    (tmp_path / "c" / "gone.png").symlink_to("nowhere.png")
    assert read(tmp_path, 0.5).skipped == ((str(tmp_path / "c" / "gone.png"), "there is no such file"),)


def test_what_has_no_classes_has_no_labels(tmp_path: Path) -> None:
    plain(tmp_path / "only" / "deep", 2)
    assert read(tmp_path).labels is None
    plain(tmp_path / "other", 2)
    assert read(tmp_path).classes == ("only", "other")
    assert read_folder(tmp_path, options=DataOptions(labels="none"), say=quiet).train.labels is None


def test_too_many_unreadable(tmp_path: Path) -> None:
    plain(tmp_path, 9)
    (tmp_path / "bad.png").touch()
    assert len(read(tmp_path, 0.1)) == 9
    text = f"1 of 10 images in {tmp_path} cannot be read (first: {tmp_path}/bad.png: empty file): repair or"
    with pytest.raises(UserError, match=re.escape(text) + r".*--max-corrupt \(now 0.09\)\.$"):
        read(tmp_path, 0.09)


def test_too_few(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no image: pass a folder with PNG, JPEG"):
        read(tmp_path)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match="holds no image"):
        read(tmp_path)
    plain(tmp_path, 1)
    with pytest.raises(UserError, match=r"holds 1 readable image\(s\), and training needs at least 2"):
        read(tmp_path)


def test_a_slow_check_says_how_far_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain(tmp_path, 3)
    monkeypatch.setattr("fullrank.terminal.QUIET", 0.0)
    said: list[str] = []
    read_folder(tmp_path, options=DataOptions(), say=said.append)
    assert said == ["Checking: 1 of 3 images, 0 s left"]  # the next line is due ten seconds later

    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", terminal)
    said.clear()
    read_folder(tmp_path, options=DataOptions(), say=said.append)
    assert said == []
    assert "Checking" in terminal.getvalue()


def test_a_file_that_vanishes_is_named(tmp_path: Path) -> None:
    plain(tmp_path, 2)
    images = read(tmp_path)
    Path(images.files[1]).unlink()
    with pytest.raises(UserError, match=r"001\.png could be read at the start and cannot be read now \(there is no"):
        images.open(1)


def test_a_test_folder_of_which_nothing_is_readable_is_left_out(tmp_path: Path) -> None:
    for place in ("train/a", "train/b"):
        plain(tmp_path / place, 2)
    for place in ("test/a/0.png", "test/b/0.png"):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_text("not an image")
    found = read_folder(tmp_path, options=DataOptions(max_corrupt=1.0), say=quiet)
    assert (len(found.train), found.test) == (4, None)
    assert "without a test set, of which none of 2 images can be read" in found.notes
