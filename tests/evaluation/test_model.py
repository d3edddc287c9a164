"""A loaded encoder takes any image right, or says in one sentence what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import fullrank
from fullrank.data import load_dataset, plain_batches
from fullrank.errors import UserError
from fullrank.evaluation.model import Model
from fullrank.nn import encoder, encoder_bytes


@pytest.fixture
def file(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(encoder_bytes(encoder("tiny", image_size=16), mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3)))
    return path


@pytest.fixture
def model(file: Path) -> Model:
    return fullrank.load(file)


def image(height: int = 40, width: int = 50) -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_a_path_a_string_a_folder_and_a_run_are_one_encoder(file: Path) -> None:
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    (file.parent / "config.json").write_text("{}")
    loaded = [fullrank.load(each) for each in (file, str(file), file.parent, str(file.parent))]
    assert all(torch.equal(each(images), loaded[0](images)) for each in loaded)


def test_images_are_normalized_once_whether_they_are_uint8_or_float(model: Model) -> None:
    """The features of floats in [0, 1] were off by a relative 1.1: they were divided by 255 again."""
    images = torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (model.mean, model.std))
    expected = model.encoder((images / 255 - mean) / std)
    for given in (images, images / 255, images.double() / 255):
        torch.testing.assert_close(model(given), expected)
        torch.testing.assert_close(model.embed(given), expected)
        torch.testing.assert_close(model.embed(list(given)), expected)


def test_images_of_any_kind_are_embedded_as_evaluate_embeds_them(model: Model, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for name in ("a.png", "b.png", "c.png"):
        image().save(folder / name)
    (batch,) = plain_batches(load_dataset(str(folder)).train, size=16)
    given: list[Any] = [str(folder / "a.png"), folder / "b.png", image(), batch[0], batch[0] / 255]
    rows = model.embed(given, batch_size=2)
    assert rows.shape == (5, 512)
    assert rows.dtype == torch.float32
    assert not rows.requires_grad
    torch.testing.assert_close(rows, model(batch[:1]).expand(5, -1))


def test_a_tensor_of_another_size_is_resized_by_embed_and_refused_by_a_call(model: Model) -> None:
    large = torch.randint(0, 256, (2, 3, 32, 20), dtype=torch.uint8)
    with pytest.raises(UserError, match=r"32 x 20 px, and this encoder takes 16 x 16: .* embed\(\)"):
        model(large)
    torch.testing.assert_close(model.embed(large), model.embed(large.float() / 255))
    square = torch.full((1, 3, 32, 32), 77, dtype=torch.uint8)
    torch.testing.assert_close(model.embed(square), model(square[..., :16, :16]))


def test_an_image_given_is_left_as_it_was(model: Model) -> None:
    given = image()
    given.getexif()[0x0112] = 6  # to be turned
    model.embed([given])
    assert given.size == (50, 40)
    assert given.getexif()[0x0112] == 6


GOOD = torch.zeros(3, 16, 16)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ([GOOD, GOOD - 2.1], r"Image 1: .*float32 from -2.1 to -2.1: pass uint8, or float in \[0, 1\] before any"),
        ([GOOD + 255.0], r"float32 from 255 to 255"),
        ([GOOD * float("nan")], r"float32 from nan to nan"),
        ([GOOD.long()], r"int64: pass uint8, or float in \[0, 1\]"),
        ([torch.zeros(1, 16, 16)], r"1 channels, and this encoder takes 3"),
        ([torch.zeros(16, 16, 3)], r"16 channels, .* with the channels before height and width"),
        ([torch.zeros(16, 16)], r"shape \(16, 16\): pass \(channels, height, width\)"),
        ([np.zeros((16, 16, 3), dtype=np.uint8)], r"type ndarray: pass a path, a PIL image or a tensor"),
        (["nowhere.jpg"], r"there is no file nowhere.jpg"),
        (["text.jpg"], r"text.jpg cannot be read"),
        ("a.jpg", r"One image was passed: pass a list"),
        (GOOD, r"One image was passed: pass a list"),
        ([], r"no image to embed"),
        ((image for image in [GOOD]), r"A generator was passed: pass a list of images"),
        (torch.zeros(2, 4, 16, 16), r"4 channels, and this encoder takes 3"),
    ],
)
def test_what_cannot_be_embedded_is_one_sentence(
    model: Model, wrong: Any, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("text.jpg").write_text("no image")
    with pytest.raises(UserError, match=sentence) as raised:
        model.embed(wrong)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("images", "sentence"), [(GOOD, "shape"), (GOOD[None] + 2, "float32 from 2 to 2")])
def test_what_a_call_cannot_take_is_one_sentence(model: Model, images: Tensor, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        model(images)


def test_a_gray_encoder_takes_images_in_color(tmp_path: Path) -> None:
    path = tmp_path / "gray.safetensors"
    path.write_bytes(encoder_bytes(encoder("tiny", image_size=16, channels=1), mean=(0.5,), std=(0.25,)))
    model = fullrank.load(path)
    torch.testing.assert_close(model.embed([image()]), model.embed([image().convert("L")]))


def test_what_is_nowhere_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist: pass the folder of a run"):
        fullrank.load(tmp_path / "nowhere")
    with pytest.raises(UserError, match="A NoneType names no run: pass its folder"):
        fullrank.load(None)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"is missing, and .* is not a run folder: pass a run"):
        fullrank.load(tmp_path)
