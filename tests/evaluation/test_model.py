"""A loaded encoder takes any image right, or says in one sentence what is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import fullrank
from fullrank.data import DataOptions, load_dataset, plain_batches
from fullrank.errors import UserError
from fullrank.evaluation.embed import read_as_trained
from fullrank.evaluation.model import Model, open_model
from fullrank.nn import encoder, encoder_bytes
from fullrank.nn.exports import FORMATS, About
from fullrank.runs.reading import is_run

NET = """
from torch import nn

class Net(nn.Sequential):
    def __init__(self, channels: int = 3) -> None:
        super().__init__(nn.Conv2d(channels, 8, 3, 2), nn.ReLU(), nn.AdaptiveAvgPool2d(2), nn.Flatten())
"""


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


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        (GOOD, "shape"),
        (GOOD[None] + 2, "float32 from 2 to 2"),
        *(
            (other, rf"^A {name} was passed: pass a tensor, or files and PIL images to embed\(\)\.$")
            for name, other in {
                "str": "a.png",
                "PosixPath": Path("a.png"),
                "Image": Image.new("RGB", (16, 16)),
                "list": ["a.png"],
                "ndarray": GOOD[None].numpy(),
                "NoneType": None,
            }.items()
        ),
    ],
)
def test_what_a_call_cannot_take_is_one_sentence(model: Model, images: Any, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        model(images)


def test_a_gray_encoder_takes_images_in_color(tmp_path: Path) -> None:
    path = tmp_path / "gray.safetensors"
    path.write_bytes(encoder_bytes(encoder("tiny", image_size=16, channels=1), mean=(0.5,), std=(0.25,)))
    model = fullrank.load(path)
    torch.testing.assert_close(model.embed([image()]), model.embed([image().convert("L")]))


@pytest.fixture
def gray(tmp_path: Path) -> Path:
    path = tmp_path / "gray.safetensors"
    trained = encoder("tiny", image_size=16, channels=1)
    path.write_bytes(encoder_bytes(trained, mean=(0.5,), std=(0.25,), span=(0.0, 900.0)))
    return path


def test_the_name_of_its_network_changes_nothing_of_an_encoder_that_says_it(gray: Path) -> None:
    """It had 224 px, three channels and a first convolution of random weights."""
    named, alone = open_model(gray, network="tiny"), fullrank.load(gray)
    assert (named.encoder.image_size, named.encoder.channels, named.mean, named.range) == (16, 1, (0.5,), (0.0, 900.0))
    images = torch.randint(0, 256, (2, 1, 16, 16), dtype=torch.uint8)
    assert torch.equal(named(images), alone(images))
    with pytest.raises(UserError, match=r"holds weights of tiny, not of resnet18: leave out --backbone"):
        open_model(gray, network="resnet18")


def test_a_part_of_an_encoder_has_its_size_and_channels(gray: Path) -> None:
    whole = open_model(f"{gray}::", network="tiny")
    assert (whole.encoder.image_size, whole.encoder.channels) == (16, 1)


def test_an_encoder_of_code_takes_its_network_from_where_it_is_now(tmp_path: Path) -> None:
    for name in ("then.py", "now.py"):
        (tmp_path / name).write_text(NET)
    path, images = tmp_path / "own.safetensors", torch.randint(0, 256, (2, 1, 16, 16), dtype=torch.uint8)
    trained = encoder(f"{tmp_path / 'then.py'}:Net", image_size=16, channels=1)
    path.write_bytes(encoder_bytes(trained, mean=(0.5,), std=(0.25,)))
    (tmp_path / "then.py").unlink()
    with pytest.raises(UserError, match="There is no file"):
        open_model(path)
    found = open_model(path, network=f"{tmp_path / 'now.py'}:Net")
    assert (found.encoder.image_size, found.encoder.channels) == (16, 1)
    torch.testing.assert_close(found(images), trained.eval()((images / 255 - 0.5) / 0.25))


def test_a_frozen_encoder_has_no_random_layer(tmp_path: Path) -> None:
    weights = {f"model.{name}": value for name, value in encoder("tiny", image_size=16).model.state_dict().items()}
    first = next(name for name, value in weights.items() if value.ndim == 4)
    torch.save(weights, tmp_path / "whole.pth")
    assert open_model(tmp_path / "whole.pth", network="tiny").encoder.channels == 3
    weights.pop(first)
    torch.save(weights, tmp_path / "part.pth")
    with pytest.raises(UserError, match=rf"no weights for 1 of 18 tensors of tiny \({first[6:]}\), which would"):
        open_model(tmp_path / "part.pth", network="tiny")


def test_an_export_with_a_config_of_its_library_is_no_run(tmp_path: Path) -> None:
    exported, run = tmp_path / "run" / "exported", tmp_path / "run"
    exported.mkdir(parents=True)
    made = Model(encoder("resnet10t", image_size=32, stem="imagenet").eval(), (0.5,) * 3, (0.25,) * 3, place="x")
    FORMATS["timm"].write(made, exported)
    About.of(made, "timm").write(exported)
    (run / "config.json").write_text("{}")
    assert (exported / "config.json").is_file()
    assert (is_run(exported), is_run(run), is_run(tmp_path)) == (False, True, False)
    image().save(tmp_path / "a.png")
    assert read_as_trained(fullrank.load(exported), DataOptions(), str(tmp_path / "a.png")) == DataOptions()
    written = np.load(fullrank.embed(exported, tmp_path / "a.png", out=tmp_path / "z.npy", workers=0))
    torch.testing.assert_close(torch.from_numpy(written), made.embed([tmp_path / "a.png"]), rtol=1e-4, atol=1e-4)


def test_what_is_nowhere_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not exist: pass the folder of a run"):
        fullrank.load(tmp_path / "nowhere")
    with pytest.raises(UserError, match="A NoneType names no run: pass its folder"):
        fullrank.load(None)  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"is missing, and .* is not a run folder: pass a run"):
        fullrank.load(tmp_path)
