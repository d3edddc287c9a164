from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from fullrank.errors import UserError
from fullrank.nn import SavedEncoder, encoder, encoder_bytes, load_encoder
from fullrank.nn.encoder_file import _checksum as checksum
from fullrank.nn.encoder_file import read_encoder
from fullrank.nn.exports.folder import About, Pixels, whole
from tests.memory import takes_less_than


@pytest.mark.slow
def test_a_saved_encoder_gives_the_same_representation(tmp_path: Path) -> None:
    torch.manual_seed(0)
    trained = encoder("resnet18", image_size=16, channels=3).eval()
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(encoder_bytes(trained, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7)))
    images = torch.randint(0, 256, (2, 3, 16, 16), dtype=torch.uint8)
    normalized = (images / 255 - torch.tensor([0.1, 0.2, 0.3]).view(3, 1, 1)) / torch.tensor([0.5, 0.6, 0.7]).view(
        3, 1, 1
    )
    saved = load_encoder(path)
    assert not saved.encoder.training
    with torch.no_grad():
        torch.testing.assert_close(saved(images), trained(normalized))


def test_an_untrained_encoder_is_the_same_network_with_weights_that_the_seed_decides() -> None:
    saved = SavedEncoder(encoder("tiny", image_size=16, channels=1).eval(), (0.5,), (0.2,), loss_features=90)
    images = torch.randint(0, 256, (2, 1, 16, 16), dtype=torch.uint8)
    before = torch.random.get_rng_state()
    first, again, other = (saved.untrained(seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(first(images), again(images))
    assert not torch.equal(first(images), other(images))
    assert not torch.equal(first(images), saved(images))
    assert (first.mean, first.std, first.loss_features) == (saved.mean, saved.std, saved.loss_features)
    assert not first.encoder.training


def test_what_is_no_encoder_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is missing, and .* is not a run folder: pass a run"):
        load_encoder(tmp_path / "encoder.safetensors")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(UserError, match="is missing: finish the training"):
        load_encoder(tmp_path / "encoder.safetensors")
    (tmp_path / "text").write_text("hello")
    save_file({"weight": torch.zeros(2)}, tmp_path / "other")
    whole = encoder_bytes(encoder("tiny", image_size=16, channels=1), mean=(0.5,), std=(0.2,))
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    for name in ("text", "other", "cut"):
        with pytest.raises(UserError, match="is not an encoder of FullRank"):
            load_encoder(tmp_path / name)


def test_every_flipped_bit_of_header_and_weights_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "encoder.safetensors"
    whole = encoder_bytes(encoder("tiny", image_size=16, channels=1), mean=(0.5,), std=(0.2,))
    text = 8 * len(whole[: 8 + int.from_bytes(whole[:8], "little")].rstrip())  # spaces may follow
    chosen = random.Random(0)
    for bit in [*chosen.sample(range(text), 50), *chosen.sample(range(text + 64, 8 * len(whole)), 50)]:
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(UserError, match="is not an encoder of FullRank"):
            load_encoder(path)


def test_how_many_features_entered_the_loss_is_kept_and_older_files_do_not_say(tmp_path: Path) -> None:
    trained, path = encoder("tiny", image_size=16, channels=1), tmp_path / "encoder.safetensors"
    path.write_bytes(encoder_bytes(trained, mean=(0.5,), std=(0.2,), loss_features=90))
    assert load_encoder(path).loss_features == 90
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["fullrank"])
    assert (about.pop("loss_features"), about.pop("format"), len(about.pop("checksum"))) == (90, 3, 32)
    save_file(trained.state_dict(), path, metadata={"fullrank": json.dumps(about)})
    assert load_encoder(path).loss_features is None


def libraries_own(name: str) -> nn.Module:
    model: nn.Module
    if name.startswith("torchvision/"):
        model = torchvision.models.get_model(name.removeprefix("torchvision/"), weights=None)
        model.fc = nn.Identity()
        return model
    model = timm.create_model(name, num_classes=0)
    return model


@pytest.mark.parametrize("name", ["resnet18", "vit_tiny_patch16_224", "torchvision/resnet18"])
@pytest.mark.slow
def test_the_file_loads_strictly_into_the_library_of_its_encoder_with_equal_features(name: str, tmp_path: Path) -> None:
    """The names began with "model.", so that torchvision matched nothing and left a random network without a word."""
    trained = encoder(name, image_size=224).eval()
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(encoder_bytes(trained, mean=(0.5,) * 3, std=(0.2,) * 3))
    theirs = libraries_own(name)
    theirs.load_state_dict(load_file(path), strict=True)
    images = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(theirs.eval()(images), trained(images))


def test_the_file_is_a_checkpoint_of_timm(tmp_path: Path) -> None:
    trained = encoder("resnet10t", image_size=96).eval()
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(encoder_bytes(trained, mean=(0.5,) * 3, std=(0.2,) * 3))
    theirs = timm.create_model("resnet10t", num_classes=0, checkpoint_path=str(path)).eval()
    images = torch.randn(2, 3, 96, 96)
    with torch.no_grad():
        torch.testing.assert_close(theirs(images), trained(images))


def test_the_header_says_what_is_needed_to_use_the_weights(tmp_path: Path) -> None:
    trained, path = encoder("resnet10t", image_size=32, stem="imagenet"), tmp_path / "encoder.safetensors"
    path.write_bytes(encoder_bytes(trained, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6), recipe="intl"))
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["fullrank"])
    assert about.pop("versions").keys() == {"fullrank", "torch", "torchvision", "timm"}
    del about["checksum"]
    assert about == {
        "format": 3, "name": "resnet10t", "stem": "imagenet", "image_size": 32, "channels": 3,
        "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "loss_features": None, "recipe": "intl", "range": None,
    }  # fmt: skip
    saved = load_encoder(path)
    assert (saved.encoder.stem, saved.recipe, saved.versions["timm"]) == ("imagenet", "intl", timm.__version__)
    assert saved.untrained(0).encoder.stem == "imagenet"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("image_size", 10**6), ("image_size", 10**12), ("image_size", 8.0), ("channels", 10**12), ("channels", -1)),
        *(("mean", [0.5, 0.5]), ("mean", ["a"]), ("std", [0.0]), ("std", [1e999]), ("name", 1), ("name", "x" * 5000)),
        *(("stem", "large"), ("loss_features", -1), ("recipe", []), ("versions", 1), ("range", [1]), ("range", 3)),
        *(("name", "vit_giant_patch14_dinov2"), ("name", "tiny_residual"), ("channels", 3)),
    ],
)
def test_a_header_that_cannot_be_is_one_sentence_before_memory_is_taken(name: str, value: Any, tmp_path: Path) -> None:
    made = encoder("tiny", image_size=16, channels=1)
    content = encoder_bytes(made, mean=(0.5,), std=(0.25,))
    path = tmp_path / "encoder.safetensors"
    path.write_bytes(content)
    about, tensors = read_encoder(path)
    about[name] = value
    about["checksum"] = checksum(about, tensors)
    save_file(tensors, path, metadata={"fullrank": json.dumps(about)})
    with takes_less_than(2**28), pytest.raises(UserError) as refused:
        load_encoder(path)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 400


def test_a_file_of_version_0_1_0_is_read_as_before(tmp_path: Path) -> None:
    trained, path = encoder("tiny", image_size=16, channels=1).eval(), tmp_path / "encoder.safetensors"
    about = {"name": "tiny", "image_size": 16, "channels": 1, "mean": [0.5], "std": [0.2], "loss_features": None}
    older = trained.state_dict()
    assert all(name.startswith("model.") for name in older)
    save_file(older, path, metadata={"fullrank": json.dumps(about)})
    images = torch.randint(0, 256, (2, 1, 16, 16), dtype=torch.uint8)
    torch.testing.assert_close(load_encoder(str(path))(images), trained((images / 255 - 0.5) / 0.2))


class Twice(nn.Module):
    """One convolution under two names, tied weights, and two buffers of one tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3)
        self.again = self.first
        self.up, self.down = nn.Linear(8, 8), nn.Linear(8, 8)
        self.down.weight = self.up.weight
        for name, row in zip(("low", "high"), torch.randn(2, 8), strict=True):
            self.register_buffer(name, row)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.down(self.up(self.again(images).mean((2, 3))))
        return made + self.get_buffer("low") + self.get_buffer("high")


def test_a_network_that_holds_a_tensor_under_two_names_is_written_and_read(tmp_path: Path) -> None:
    """It trained for hours, and then its encoder could not be written."""
    trained, path = encoder(Twice(), image_size=16).eval(), tmp_path / "encoder.safetensors"
    path.write_bytes(encoder_bytes(trained, mean=(0.0,) * 3, std=(1.0,) * 3))
    images = torch.rand(2, 3, 16, 16)
    assert torch.equal(load_encoder(path, backbone=Twice())(images), trained(images))


def test_the_untrained_network_of_an_exported_graph_sees_normalized_pixels() -> None:
    mean, std = (0.1, 0.2, 0.3), (0.4, 0.5, 0.6)
    saved = SavedEncoder(encoder("tiny", image_size=16).eval(), mean, std)
    exported = whole(About.of(saved, "onnx"), Pixels(saved))
    images = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(exported(images), saved(images))
    torch.testing.assert_close(exported.untrained(3)(images), saved.untrained(3)(images))


@pytest.mark.parametrize("of", ["mean", "name", "image_size"])
def test_a_header_that_lacks_something_is_said_to_be_no_encoder(of: str, tmp_path: Path) -> None:
    trained, path = encoder("tiny", image_size=16, channels=1), tmp_path / "encoder.safetensors"
    path.write_bytes(encoder_bytes(trained, mean=(0.5,), std=(0.2,)))
    with safe_open(path, framework="pt") as file:
        about = json.loads(file.metadata()["fullrank"])
    about[of] = None
    save_file(load_file(path), path, metadata={"fullrank": json.dumps(about)})
    with pytest.raises(UserError, match="is not an encoder of FullRank"):
        load_encoder(path)
