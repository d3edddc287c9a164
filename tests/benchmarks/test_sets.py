"""Sets out of packages: built from small packages made here, none of which is downloaded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.sets import __main__ as command
from benchmarks.sets import cutouts, packages
from benchmarks.sets.__main__ import CHECKSUMS, SETS, checksum, main
from benchmarks.sets.arrays import as_arrays
from benchmarks.sets.emoji import emoji
from benchmarks.sets.patches import patches
from benchmarks.sets.sprites import FIGURES, sprites
from fullrank.data import load_dataset
from fullrank.data.images import ImageTensor
from fullrank.detection.annotations import read_annotations
from fullrank.detection.annotations.masks import drawn


def image(path: Path, *, side: int | tuple[int, int] = 20, seed: int = 0, clear: bool = True) -> None:
    """A file of random colors; `clear` leaves a border of four pixels transparent."""
    size = (side, side) if isinstance(side, int) else side
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 4), dtype=np.uint8)
    pixels[..., 3] = 255
    if clear:
        pixels[:4, :, 3] = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = Image.fromarray(pixels)
    (whole if path.suffix == ".png" else whole.convert("RGB")).save(path)


def test_frames_of_a_figure_stay_together_and_none_is_there_twice(tmp_path: Path) -> None:
    units = tmp_path / "packages" / "wesnoth-1.16-data" / "data" / "core" / "images" / "units"
    for at, figure in enumerate(("archer", "knight", "mage", "scout")):
        for frame in range(3):
            image(units / "humans" / f"{figure}-{frame}.png", seed=10 * at + frame)
    image(units / "humans" / "copy-1.png", seed=0)  # the first archer's
    built = sprites(tmp_path, 16)
    counts = {split: len(list((built / split / "humans").iterdir())) for split in ("train", "test")}
    assert counts == {"train": 9, "test": 3}
    lines = (tmp_path / FIGURES).read_text().splitlines()
    assert lines[:3] == [f"train/humans/{at:05d}.png,archer" for at in range(3)]
    assert len(lines) == 12
    assert load_dataset(str(built)).train.channels == 3


def test_arrays_have_the_pixels_and_the_classes_of_the_files(tmp_path: Path) -> None:
    for at, (split, race) in enumerate((("train", "elves"), ("train", "orcs"), ("test", "orcs"), ("train", "orcs"))):
        image(tmp_path / "some" / split / race / f"{at}.png", seed=at, clear=False)
    data = load_dataset(str(as_arrays(tmp_path / "some")))
    assert isinstance(data.train, ImageTensor)
    assert isinstance(data.test, ImageTensor)
    assert data.train.classes == ("elves", "orcs")
    assert data.train.labels is not None
    assert data.test.labels is not None
    assert (data.train.labels.tolist(), data.test.labels.tolist()) == ([0, 1, 1], [1])
    pixels = np.asarray(Image.open(tmp_path / "some" / "test" / "orcs" / "2.png").convert("RGB"))
    assert (data.test.images[0].permute(1, 2, 0).numpy() == pixels).all()


def test_patches_of_both_halves_do_not_overlap(tmp_path: Path) -> None:
    folder = tmp_path / "packages" / "mate-backgrounds" / "mate" / "nature"
    for seed, name in enumerate(("Dune", "Wood")):
        image(folder / f"{name}.jpg", side=(1024, 768), seed=seed)
    built = patches(tmp_path)
    lefts = {
        split: {int(path.stem.split("-")[1]) for path in (built / split).rglob("*.png")} for split in ("train", "test")
    }
    assert max(lefts["train"]) + 64 < min(lefts["test"])
    assert {path.name for path in (built / "test").iterdir()} == {"Dune", "Wood"}


def test_two_artists_have_the_same_names_and_what_one_lacks_is_left_out(tmp_path: Path) -> None:
    known = [{"image": f"{code}.png", "category": "Food & Drink"} for code in ("1f34e", "1f34f")]
    for artist in ("google", "twitter"):
        package = tmp_path / "packages" / f"emoji-datasource-{artist}" / "package"
        image(package / "img" / artist / "64" / "1f34e.png", seed=len(artist))
        (package / "emoji.json").write_text(json.dumps(known))
    image(tmp_path / "packages" / "emoji-datasource-google" / "package" / "img" / "google" / "64" / "1f34f.png")
    built = emoji(tmp_path)
    found = sorted(path.relative_to(built).as_posix() for path in built.rglob("*.png"))
    assert found == ["google/Food-Drink/1f34e.png", "twitter/Food-Drink/1f34e.png"]
    assert Image.open(built / found[0]).getpixel((0, 0)) == (255, 255, 255)


def test_boxes_and_masks_are_those_of_the_pixels_that_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutouts, "COUNTS", {"train": 12, "val": 4})
    image(tmp_path / "packages" / "mate-backgrounds" / "mate" / "nature" / "Dune.jpg", side=(600, 512))
    for at in range(8):
        stamps = tmp_path / "packages" / "tuxpaint-stamps-default" / "tuxpaint" / "stamps"
        image(stamps / ("animals" if at % 2 else "food") / f"{at}.png", side=40, seed=at)
    built = cutouts.cutouts(tmp_path)
    read = read_annotations([built / "train.json"], masks=True)
    assert len(read.images) == 12
    things = [thing for one in read.images for thing in one.things]
    assert things
    for thing in things:
        assert thing.mask is not None
        pixels = drawn(thing.mask, cutouts.SIDE, cutouts.SIDE)
        rows, columns = np.flatnonzero(pixels.any(1)), np.flatnonzero(pixels.any(0))
        assert thing.box == pytest.approx((columns[0], rows[0], columns[-1] + 1, rows[-1] + 1))
        assert thing.area == pixels.sum()
    for one in read.images:
        masks = [drawn(thing.mask, cutouts.SIDE, cutouts.SIDE) for thing in one.things if thing.mask is not None]
        assert np.sum(masks, axis=0).max(initial=0) <= 1  # none hides what is marked


def test_an_archive_with_another_checksum_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(command: list[str], **options: Any) -> None:
        (Path(options["cwd"]) / "mate-backgrounds.deb").write_bytes(b"another version")

    monkeypatch.setattr("benchmarks.sets.packages.subprocess.run", fetch)
    with pytest.raises(SystemExit, match=r"is not mate-backgrounds 1\.26\.0-1: its SHA-256 differs"):
        packages.debian(tmp_path, "mate-backgrounds")
    assert not (tmp_path / "packages" / "mate-backgrounds").exists()


def test_a_set_of_other_pixels_than_the_known_ones_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image(tmp_path / "made" / "train" / "a.png")
    monkeypatch.setattr(command, "SETS", {"emoji": lambda root: root / "made"})
    monkeypatch.setattr(command, "CHECKSUMS", tmp_path / "checksums.json")
    assert main(["emoji", "--out", str(tmp_path), "--write"]) == 0
    assert main(["emoji", "--out", str(tmp_path)]) == 0
    image(tmp_path / "made" / "train" / "a.png", seed=1)
    assert main(["emoji", "--out", str(tmp_path)]) == 1
    assert "not the known ones" in capsys.readouterr().out


def test_a_checksum_sees_pixels_and_names_and_not_the_compression(tmp_path: Path) -> None:
    for name, level in (("one", 0), ("two", 9)):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8), (1, 2, 3)).save(tmp_path / name / "a.png", compress_level=level)
    assert checksum(tmp_path / "one") == checksum(tmp_path / "two")
    (tmp_path / "two" / "a.png").rename(tmp_path / "two" / "b.png")
    assert checksum(tmp_path / "one") != checksum(tmp_path / "two")


def test_every_set_has_a_known_checksum_and_every_package_a_license() -> None:
    assert set(json.loads(CHECKSUMS.read_text(encoding="utf-8"))) == set(SETS)
    for package in packages.PACKAGES.values():
        assert len(package.sha256) == hashlib.sha256().digest_size * 2
        assert package.license
