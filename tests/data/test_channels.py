"""Gray and color files, every --channels and encoders of one and three channels: what is said is what is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fullrank.data import Dataset, ImageFolder, ImageItems, with_channels
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
