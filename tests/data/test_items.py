"""Images one by one from Python: which axis of an array is that of the channels, its numbers, and its size."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fullrank.data import DataOptions, ImageTensor
from fullrank.data.sources.acting import refuse_idle_reading
from fullrank.data.sources.objects import from_object
from fullrank.errors import UserError
from tests.data.test_objects import Mine

GRAY_SHAPES: dict[tuple[int, ...], int] = {
    (8, 10): 1, (1, 8, 8): 1, (8, 8, 1): 1, (3, 16, 16): 3, (16, 16, 3): 3, (5, 20, 20): 5, (20, 20, 5): 5,
}  # fmt: skip


@pytest.mark.parametrize("shape", GRAY_SHAPES)
def test_arrays_of_items_have_their_channels_first_or_last(shape: tuple[int, ...]) -> None:
    """Of (1, 8, 8) eight channels were read, and of a tensor (32, 32, 3) thirty-two."""
    values = np.zeros(shape, dtype=np.uint8)
    for item in (values, torch.from_numpy(values)):
        data = from_object([item] * 4, DataOptions()).train
        assert data.channels == GRAY_SHAPES[shape]
        assert not isinstance(data, ImageTensor)
        size = {1: (8, 8), 3: (16, 16), 5: (20, 20)}[data.channels] if len(shape) == 3 else (10, 8)
        assert data.open(0).size == size


def test_channels_decide_which_axis_is_theirs() -> None:
    values = np.zeros((8, 16, 12), dtype=np.uint8)
    for channels, size in ((8, (12, 16)), (12, (16, 8))):
        data = from_object([values] * 3, DataOptions(channels=channels)).train
        assert not isinstance(data, ImageTensor)
        assert (data.channels, data.open(0).size) == (channels, size)
    assert from_object([torch.from_numpy(values)] * 3, DataOptions()).train.channels == 8  # a tensor is (C, H, W)


def test_bfloat16_is_read_as_float32() -> None:
    images = torch.linspace(0, 1, 4 * 64).view(4, 1, 8, 8).bfloat16()
    whole, single = (from_object(data, DataOptions()) for data in (images, [*images]))
    expected = (images.float() * 255 + 0.5).floor().byte()
    assert isinstance(whole.train, ImageTensor)
    assert not isinstance(single.train, ImageTensor)
    assert torch.equal(whole.train.images, expected)
    assert (np.asarray(single.train.open(3)) == expected[3, 0].numpy()).all()


def test_a_larger_image_of_an_object_is_read_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sentence about it named a flag that did not act."""
    for at in range(2):
        Image.new("L", (90, 100)).save(tmp_path / f"{at}.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 8000)
    files = [str(tmp_path / f"{at}.png") for at in range(2)]

    class Opened(Mine):
        def __len__(self) -> int:
            return len(files)

        def __getitem__(self, row: int) -> tuple[Image.Image, int]:
            return Image.open(io.BytesIO(Path(files[row]).read_bytes())), row

    for data in (files, Opened()):
        with pytest.raises(UserError, match=r"Item 0 .* maybe a decompression bomb \(--max-pixels allows more\)"):
            from_object(data, DataOptions())
        read = from_object(data, DataOptions(max_pixels=9000)).train
        assert not isinstance(read, ImageTensor)
        assert read.open(1).size == (90, 100)
        refuse_idle_reading(data, DataOptions(max_pixels=9000))
