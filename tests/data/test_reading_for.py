"""How images are read for the encoder of a run: its own as they were, of others only the pixels, and as is said."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fullrank.data import DataOptions, Dataset, load_dataset
from fullrank.data.identity import Same, absolute, kept_in_config, read_for, reading_of
from tests.data.files import by_class


def saved(path: Path, count: int = 12) -> str:
    """An .npz file of three splits with labels."""
    random = np.random.default_rng(count)
    parts: dict[str, Any] = {
        f"{name}_{what}": values
        for name in ("train", "val", "test")
        for what, values in (
            ("images", random.integers(0, 256, (count, 8, 8), dtype=np.uint8)),
            ("labels", np.arange(count) % 3),
        )
    }
    np.savez(path, **parts)
    return str(path)


def trained(place: str, **options: Any) -> dict[str, Any]:
    """The config.json of a run that was trained on this place with these options."""
    kept = kept_in_config(load_dataset(place, options=DataOptions(**options)))
    return {"settings": {"data": absolute(place), "pages": None, **options}, "data": kept}


def read(config: dict[str, Any], place: str, data: object, **given: Any) -> tuple[Dataset, Same]:
    """The images at a place, as `data` were given for them."""

    def load(options: DataOptions) -> Dataset:
        return load_dataset(place, options=options)

    return read_for(config, DataOptions(**given), data, load)


def test_a_default_that_is_said_takes_the_place_of_what_the_run_began_with(tmp_path: Path) -> None:
    """`evaluate RUN --labels auto` of a run without labels said that the images had none."""
    own = saved(tmp_path / "own.npz")
    config = trained(own, labels="none", split="train,val", max_corrupt=0.5)
    read_own = partial(read, config, own, None)
    assert read_own()[0].train.labels is None
    assert read_own(labels="auto")[0].train.classes == ("0", "1", "2")
    assert "tested on val" in read_own()[0].inventory().line()
    assert "tested on test" in read_own(split="auto")[0].inventory().line()
    assert reading_of(config, DataOptions(), None).most_corrupt == 0.5
    assert reading_of(config, DataOptions(max_corrupt=0.1), None).most_corrupt == 0.1
    assert read_own(labels="auto", split="auto")[1] == "same"


def test_other_images_are_not_read_by_the_splits_and_classes_of_the_run(tmp_path: Path) -> None:
    """The error named a --split that nobody had typed, and --classes could not be unset."""
    own, other = saved(tmp_path / "own.npz"), str(tmp_path / "other.npz")
    (tmp_path / "keep.txt").write_text("0\n1\n")
    config = trained(own, split="train,val", classes=tmp_path / "keep.txt", labels=None, channels=1)
    config["settings"]["classes"] = str(tmp_path / "keep.txt")
    np.savez(other, images=np.zeros((6, 8, 8), np.uint8), labels=np.arange(6) % 3 + 5)
    data, same = read(config, other, [other])
    assert (data.train.classes, data.test, same) == (("5", "6", "7"), None, "other")
    assert reading_of(config, DataOptions(), other).channels == 1
    assert reading_of(config, DataOptions(), (own,)) == reading_of(config, None, None)
    assert reading_of(config, DataOptions(), np.zeros((6, 8, 8), np.uint8)).classes is None


@pytest.mark.parametrize("given", [None, "own"])
def test_its_own_images_at_a_new_place_are_read_as_they_were(given: str | None, tmp_path: Path) -> None:
    by_class(tmp_path / "own" / "train", "ab", 8)
    by_class(tmp_path / "own" / "val", "ab", 4)
    by_class(tmp_path / "own" / "test", "ab", 4)
    config = trained(str(tmp_path / "own"), split="val,train")
    (tmp_path / "own").rename(tmp_path / "moved")
    config["settings"]["data"] = str(tmp_path / ("moved" if given is None else "own"))
    place = str(tmp_path / "moved")
    data, same = read(config, place, given and [place])
    assert (len(data.train), None if data.test is None else len(data.test), same) == (4, 8, "same")
    assert read(config, place, given and [place], split="auto")[1] == "other"


def test_its_own_images_at_a_new_place_are_scored_on_the_test_images_of_the_run(tmp_path: Path) -> None:
    """The training images are the same by either split, so that they do not tell."""
    for split, count in (("train", 8), ("val", 4), ("test", 6)):
        by_class(tmp_path / "own" / split, "ab", count)
    config = trained(str(tmp_path / "own"), split="train,val")
    config["settings"]["data"] = str(tmp_path / "gone")
    place = str(tmp_path / "own")
    data, same = read(config, place, [place])
    assert (same, len(data.test or ())) == ("same", 4)


def test_a_run_that_wrote_its_defaults_reads_other_images_once(tmp_path: Path) -> None:
    own, other = saved(tmp_path / "own.npz"), saved(tmp_path / "other.npz", count=9)
    config = trained(own)
    config["settings"] |= {"split": "auto", "labels": "auto", "max_corrupt": 0.1, "download": True}
    asked: list[DataOptions] = []

    def load(options: DataOptions) -> Dataset:
        asked.append(options)
        return load_dataset(other, options=options)

    assert read_for(config, None, [other], load)[1] == "other"
    assert [options.download for options in asked] == [False]
