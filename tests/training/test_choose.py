from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from torch import nn

from fullrank.cli import main
from fullrank.data import load_dataset
from fullrank.engine import RunOptions
from fullrank.errors import UserError
from fullrank.nn import encoder
from fullrank.recipes import Recipe
from fullrank.recipes._start import Start
from fullrank.training.choose import Machine, choose, image_side, say_chosen
from fullrank.training.cost import bytes_per_image
from fullrank.training.step_plan import make_plan

LARGE = Machine(memory=2**34, cores=4)
TINY = encoder("tiny", image_size=8, channels=1)


def chosen(images: int, recipe: Recipe | None = None, machine: Machine = LARGE, accumulate: int = 1) -> Recipe:
    return choose(
        recipe or Recipe(),
        RunOptions(accumulate=accumulate),
        images=images,
        network=TINY,
        bytes_per_image=lambda: 2**20,
        machine=machine,
    ).recipe


def test_sixty_thousand_images_keep_the_settings_that_were_measured_on_fashion_mnist() -> None:
    recipe = chosen(60_000)
    assert (recipe.batch_size, recipe.epochs, recipe.lr) == (256, 10.0, 5e-3)
    plan = make_plan(recipe, RunOptions(), 60_000)
    assert (plan.steps, plan.warmup) == (2340, 35)


@pytest.mark.parametrize(
    ("images", "batch"), [(2, 2), (3, 2), (31, 16), (100, 32), (312, 32), (600, 64), (1397, 128), (5711, 256)]
)
def test_the_batch_grows_with_the_images_and_a_short_set_is_passed_often(images: int, batch: int) -> None:
    recipe = chosen(images)
    assert recipe.batch_size == batch
    plan = make_plan(recipe, RunOptions(), images)
    assert 1000 <= plan.steps < 1000 + images // batch + 1
    assert 1 <= plan.warmup <= plan.steps / 10


def test_a_batch_that_does_not_fit_into_memory_is_halved() -> None:
    assert chosen(60_000, machine=Machine(memory=100 * 2**20, cores=1)).batch_size == 64


def test_what_was_given_is_kept_and_the_rest_follows_it() -> None:
    given = Recipe(batch_size=100, epochs=3, lr=1.0, warmup_epochs=0.0)
    assert chosen(1000, given) == given
    assert chosen(1000, Recipe(steps=7)).epochs is None
    with_small_batches = chosen(60_000, Recipe(batch_size=64))
    assert with_small_batches.warmup_epochs == 0.15
    assert chosen(312, accumulate=3).epochs == pytest.approx(334)


@pytest.mark.parametrize(("optimizer", "rate"), [("sgd", 0.015), ("lars", 0.15), ("adamw", 5e-3)])
def test_the_learning_rate_follows_the_optimizer(optimizer: Literal["sgd", "lars", "adamw"], rate: float) -> None:
    assert chosen(60_000, Recipe(optimizer=optimizer, batch_size=128)).lr == pytest.approx(rate)


@pytest.mark.parametrize(
    ("backbone", "rate", "reason"),
    [
        ("resnet10t", 1e-3, "AdamW on a network with batch norm: Adam's own 0.001"),
        ("test_vit", 5e-4, "AdamW on a network without batch norm: DINO's 0.0005, of batches of 256"),
    ],
)
def test_the_learning_rate_follows_the_network_and_is_a_tenth_from_weights(
    backbone: str, rate: float, reason: str
) -> None:
    network = encoder(backbone, image_size=32)

    def found(start: Start) -> tuple[float | None, str]:
        recipe, size = Recipe(backbone=backbone, start=start), 2**20
        chosen = choose(recipe, RunOptions(), images=1000, network=network, bytes_per_image=lambda: size, machine=LARGE)
        return chosen.recipe.lr, chosen.reasons["lr"]

    assert found(Start()) == (rate, reason)
    assert found(Start(weights="w.pth")) == (rate / 10, f"{reason}; a tenth of it, since it begins from weights")


def test_every_choice_is_printed_as_a_flag_with_its_reason() -> None:
    found = choose(Recipe(lr=0.1), RunOptions(), images=312, network=TINY, bytes_per_image=lambda: 1, machine=LARGE)
    assert set(found.reasons) == {"batch_size", "epochs", "warmup_epochs", "workers"}
    file = io.StringIO()
    say_chosen(found.recipe, found.options, found.reasons, Console(file=file, width=200))
    assert "--batch-size 32 " in file.getvalue()
    assert "--lr" not in file.getvalue()


def test_the_memory_of_an_image_is_what_autograd_keeps() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    kept = {"input": 8 * 8, "after the convolution": 4 * 8 * 8}
    assert bytes_per_image(network, 1, [8]) == 4 * sum(kept.values())
    before = {name: value.clone() for name, value in TINY.state_dict().items()}
    bytes_per_image(TINY, 1, [8, 8])
    assert all(torch.equal(value, before[name]) for name, value in TINY.state_dict().items())


class Plain(nn.Module):
    """A convolution whose map, mean and deviation are told apart by a tensor that no `to` moves."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 4, 3, padding=1)
        self.shift = torch.full((1, 1, 1, 1), 0.5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = torch.relu(self.first(images - self.shift)).mean((2, 3))
        return features


class Branching(Plain):
    """The same, which looks at a number."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        features = super().forward(images)
        return features.clamp(-1e9, 1e9) if features.abs().max() > 1e9 else features


class Unable(Plain):
    """The same, which takes batches of eight alone."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images.view(8, *images.shape[1:]))


@pytest.mark.parametrize("kind", [Plain, Branching])
def test_the_memory_of_a_network_that_must_compute_is_measured(kind: type[Plain]) -> None:
    kept = {"input": 8 * 8, "after the convolution": 4 * 8 * 8}
    assert bytes_per_image(kind(), 1, [8]) == pytest.approx(4 * sum(kept.values()), abs=64)


def test_a_network_that_cannot_be_measured_asks_for_the_batch_size(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"The memory of the network cannot be measured \(.*\): pass --batch-size"):
        bytes_per_image(Unable(), 1, [8])


def test_a_dry_run_says_nothing_of_memory_that_cannot_be_measured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> int:
        raise UserError("It cannot be measured: pass --batch-size.")

    flags = ["--data", "digits", "--batch-size", "16", "--steps", "1", "--image-size", "8", "--dry-run"]
    monkeypatch.setattr("fullrank.training.dry_run.bytes_per_image", fail)
    assert main(["train", "simclr", *flags]) == 0
    said = capsys.readouterr().out
    assert "\nmemory" not in said
    assert "\ntime" in said


@pytest.mark.parametrize(
    ("width", "height", "side"), [(300, 500, 224), (500, 200, 192), (72, 72, 64), (40, 48, 40), (9, 9, 32)]
)
def test_the_image_size_is_that_of_the_files_up_to_224(tmp_path: Path, width: int, height: int, side: int) -> None:
    for number in range(3):
        Image.new("RGB", (width, height)).save(tmp_path / f"{number}.png")
    assert image_side(load_dataset(str(tmp_path)).train)[0] == side


def test_the_image_size_is_read_from_headers_whichever_way_is_up(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for number, (ending, turned) in enumerate((("png", 1), ("jpg", 6), ("webp", 1), ("tif", 1))):
        image = Image.fromarray(random.integers(0, 256, (50, 70, 3), dtype=np.uint8))
        exif = Image.Exif()
        exif[0x0112] = turned
        image.save(tmp_path / f"{number}.{ending}", exif=exif)
    images = load_dataset(str(tmp_path)).train
    for file in tmp_path.iterdir():
        if file.suffix in (".png", ".jpg"):  # of the others Pillow wants the whole file
            file.write_bytes(file.read_bytes()[:700])  # pixels that decoding would miss
    with pytest.raises(UserError, match="cannot be read now"):
        images.open(1)  # type: ignore[union-attr]
    assert image_side(images) == (50, "the median of the shorter sides is 50 px")
