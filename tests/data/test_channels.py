"""Gray and color files, every --channels and encoders of one and three channels: what is said is what is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fullrank.data import Dataset, ImageFolder, ImageItems, with_channels
from fullrank.data.files.look import Look, channels_of
from fullrank.data.options import DataOptions
from fullrank.data.sources.objects import from_object
from fullrank.errors import UserError
from tests.data.trees import line, load, pixels

REPEATED = "gray repeated in 3 channels, as the encoder takes"
READ_GRAY = "read in gray, as the encoder takes"


def files(folder: Path, mode: str) -> list[Image.Image]:
    """Three images of noise, of which the second is gray anyway."""
    folder.mkdir()
    random = np.random.default_rng(0)
    modes = [mode, "L", mode]
    made = [Image.fromarray(random.integers(0, 256, (6, 5, 3), dtype=np.uint8)).convert(each) for each in modes]
    for at, image in enumerate(made):
        image.save(folder / f"{at}.png")
    return made


def expected(image: Image.Image, taken: int, asked: int | None) -> np.ndarray[Any, Any]:
    """The pixels of an image that is read with the channels that were asked for, and then as the encoder takes."""
    read = image if asked is None else image.convert("L" if asked == 1 else "RGB")
    return np.asarray(read.convert("L" if taken == 1 else "RGB"))


@pytest.mark.parametrize("taken", [1, 3])
@pytest.mark.parametrize("asked", [None, 1, 3])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_what_is_said_is_what_is_read(mode: str, asked: int | None, taken: int, tmp_path: Path) -> None:
    made = files(tmp_path / "photos", mode)
    given = asked or (1 if mode == "L" else 3)
    for data in (load(tmp_path / "photos", channels=asked), from_object(made, DataOptions(channels=asked))):
        found = with_channels(data, taken)
        assert found.train.channels == taken
        said = {(1, 3): REPEATED, (3, 1): READ_GRAY}.get((given, taken), "")
        assert [text for text in (REPEATED, READ_GRAY) if text in line(found)] == ([said] if said else [])
        for at, image in enumerate(made):
            assert isinstance(found.train, ImageFolder | ImageItems)
            read = np.asarray(found.train.open(at))
            assert np.array_equal(read, expected(image, taken, asked))
            if said == REPEATED:
                assert (read == read[..., :1]).all()


@pytest.mark.parametrize("asked", [None, 1, 3])
def test_of_deep_files_too(asked: int | None, tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 65536, (6, 5), dtype=np.uint16)
    (tmp_path / "deep").mkdir()
    for at in range(2):
        Image.fromarray(values).save(tmp_path / "deep" / f"{at}.png")
    gray = pixels(load(tmp_path / "deep", channels=1))
    for taken in (1, 3):
        read = pixels(with_channels(load(tmp_path / "deep", channels=asked), taken))
        assert np.array_equal(read, gray if taken == 1 else np.stack([gray] * 3, axis=-1))


def test_what_cannot_be_honored_is_a_sentence(tmp_path: Path) -> None:
    for at in range(2):
        Image.new("RGBA", (4, 4), (9, 9, 9, at)).save(tmp_path / f"{at}.png")
    data: Dataset = load(tmp_path, channels=4)
    with pytest.raises(UserError, match="has 4 channels and the encoder takes 3: pass images of 3 channels"):
        with_channels(data, 3)


def some(folder: Path, *modes: str) -> Path:
    """An image of each mode, half transparent where it can be."""
    folder.mkdir()
    for at, mode in enumerate(modes):
        Image.new("RGBA", (4, 4), (9, 9, 9, 100)).convert(mode).save(folder / f"{at}.png")
    return folder


@pytest.mark.parametrize(
    ("modes", "asked", "remedy"),
    [
        (("RGB", "RGB"), 4, r"2 of 3 channels\): pass --channels 3, or --channels 1"),
        (("RGB", "RGB"), 2, r"2 of 3 channels\): pass --channels 3, or --channels 1"),
        (("RGB", "RGBA"), 4, r"2 of 3 channels\): pass --channels 3, or --channels 1"),
        (("LA", "LA"), 4, r"2 of 1 channels\): pass --channels 3, or --channels 2, or --channels 1"),
        (("L", "RGB"), 7, r"1 of 1, 1 of 3 channels\): pass --channels 3, or --channels 1"),
    ],
)
def test_channels_that_not_all_images_can_give_are_refused_with_those_that_they_can(
    modes: tuple[str, ...], asked: int, remedy: str, tmp_path: Path
) -> None:
    """They were said to have been readable at the start."""
    photos = some(tmp_path / "photos", *modes)
    with pytest.raises(UserError, match=f"^--channels {asked}: not all images can be read so .{remedy}.$"):
        load(photos, channels=asked)
    for each in re.findall(r"--channels (\d)", remedy):
        assert load(photos, channels=int(each)).train.channels == int(each)


@pytest.mark.parametrize(
    ("modes", "keeps"), [(("LA", "LA"), 2), (("RGBA", "RGBA"), 4), (("RGB", "RGBA"), None), (("LA", "RGBA"), None)]
)
def test_what_keeps_transparency_is_named_where_it_does(
    modes: tuple[str, ...], keeps: int | None, tmp_path: Path
) -> None:
    photos = some(tmp_path / "photos", *modes)
    said = re.search(r"with transparency, on white(?: \(--channels (\d) keeps it as a channel\))?", line(load(photos)))
    assert said is not None
    assert said[1] == (keeps and str(keeps))
    if keeps is not None:
        assert load(photos, channels=keeps).train.channels == keeps


def test_more_than_16_channels_are_refused() -> None:
    for shape in ((20, 20, 17), (17, 20, 30)):
        with pytest.raises(UserError, match=r"an array of the shape .* has no axis of 1 to 16 channels"):
            from_object([np.zeros(shape, dtype=np.uint8)] * 3, DataOptions())
    with pytest.raises(UserError, match=r"more than 16 \(2 of 17 channels\): save all with the same channels"):
        channels_of([Look(channels=17)] * 2, DataOptions())
