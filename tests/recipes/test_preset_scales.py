"""Where the code that a preset cites has its loss on another scale, the preset makes the code's step all the same."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy, mse_loss, normalize

from fullrank import recipes
from fullrank.losses import MoCo, byol
from fullrank.recipes.presets import begin, left_out, presets

ALL = [(recipe, name) for recipe in recipes.names() for name in presets(recipe)]
GENERATOR = torch.Generator().manual_seed(0)
Z, TARGET = (torch.randn(2, 32, 8, generator=GENERATOR) for _ in range(2))
QUEUE = MoCo(8, size=64, temperature=0.2).eval()
IMAGES = {"cifar10": 50_000, "cifar100": 50_000, "stl10": 105_000, "ImageNet-100": 126_689, "ImageNet": 1_281_167}
Loss = Callable[[Tensor], Tensor]


def half_of_two_cosines(z: Tensor) -> Tensor:
    """lightly's BYOL."""
    return -0.5 * (cosine_similarity(z[0], TARGET[1]).mean() + cosine_similarity(z[1], TARGET[0]).mean())


def half_of_two_directions(z: Tensor) -> Tensor:
    """MoCo of lightly and solo-learn; that of the authors' one direction has this mean."""
    q, k = normalize(z, dim=2), normalize(TARGET, dim=2)
    losses = []
    for a, b in ((0, 1), (1, 0)):
        logits = torch.cat([(q[a] * k[b]).sum(1, keepdim=True), q[a] @ QUEUE.queue.T], 1)
        losses.append(cross_entropy(logits / 0.2, torch.zeros(32, dtype=torch.int64)))
    return torch.stack(losses).sum() / 2


def sum_of_both_variances(z: Tensor) -> Tensor:
    """solo-learn's VICReg."""
    hinges = torch.stack([torch.relu(1 - (view.var(0) + 1e-4).sqrt()).mean() for view in z])
    off = torch.stack([(view.T.cov().square().sum() - view.var(0).square().sum()) / 8 for view in z])
    return 25.0 * mse_loss(z[0], z[1]) + 25.0 * hinges.sum() + 1.0 * off.sum()


@pytest.mark.parametrize(
    ("recipe", "name", "loss", "lr", "weight_decay"),
    [
        ("byol", "cifar10-lightly", half_of_two_cosines, 0.06, 5e-4),
        ("moco", "cifar10-lightly", half_of_two_directions, 0.06, 5e-4),
        ("moco", "imagenet-100-lightly", half_of_two_directions, 0.03, 1e-4),
        ("moco", "cifar10-solo", half_of_two_directions, 0.3, 1e-4),
        ("moco", "cifar100-solo", half_of_two_directions, 0.3, 1e-4),
        ("moco", "imagenet-100-solo", half_of_two_directions, 0.3, 1e-4),
        ("moco", "imagenet", half_of_two_directions, 0.03, 1e-4),
        ("moco", "imagenet-800epochs", half_of_two_directions, 0.03, 1e-4),
    ],
)
def test_a_step_of_sgd_is_that_of_the_code(recipe: str, name: str, loss: Loss, lr: float, weight_decay: float) -> None:
    ours: dict[str, Loss] = {"byol": lambda z: byol(z, TARGET)["loss"], "moco": lambda z: QUEUE(z, TARGET)["loss"]}
    made = begin(recipe, recipes.load(recipe), ["--preset", name])[1]
    assert made.optimizer == "sgd"
    assert made.lr is not None
    torch.testing.assert_close(made.lr * slope(ours[recipe]), lr * slope(loss), rtol=1e-4, atol=1e-8)
    assert made.lr * made.weight_decay == pytest.approx(lr * weight_decay)


@pytest.mark.parametrize("name", ["cifar10-solo", "cifar100-solo", "imagenet-100-solo"])
def test_vicreg_weighs_its_terms_as_solo_learn_does(name: str) -> None:
    objective = begin("vicreg", recipes.load("vicreg"), ["--preset", name])[1].objective()
    z = 0.3 * Z
    torch.testing.assert_close(objective(z)["loss"], sum_of_both_variances(z))


@pytest.mark.parametrize(("recipe", "name"), ALL)
def test_a_learning_rate_that_is_divided_has_its_weight_decay_multiplied(recipe: str, name: str) -> None:
    settings = presets(recipe)[name].settings
    divided = re.search(r" / (\d+), as its loss", settings["lr"].source)
    multiplied = re.search(r"([\d.]+) x (\d+), as its loss", settings["weight_decay"].source)
    assert (divided is None) == (multiplied is None)
    if divided and multiplied:
        assert divided[1] == multiplied[2]
        assert settings["weight_decay"].value == pytest.approx(float(multiplied[1]) * int(multiplied[2]))
        assert settings["optimizer"].value == "sgd"  # the only one that sees the scale of a loss in all weights


@pytest.mark.parametrize(("recipe", "name"), ALL)
def test_what_a_preset_prints_is_true_of_it(recipe: str, name: str) -> None:
    one = presets(recipe)[name]
    values = {field: setting.value for field, setting in one.settings.items()}
    data, said = one.settings["data"], " ".join(one.notes)
    assert ("here AdamW" in said) <= (values["optimizer"] == "adamw")
    if steps := re.search(r"(\d+) steps", one.settings["warmup_epochs"].source):
        images = IMAGES[data.value or data.source.removesuffix("'s training images")]
        assert values["warmup_epochs"] * (images // values["batch_size"]) == pytest.approx(int(steps[1]), rel=0.03)
    for size in re.findall(r"--crops \d+x(\d+)", said):
        assert int(size) == values["image_size"]
    assert left_out(recipe, name)[0] == f"Preset {name}: {one.source}. Notes:"


def slope(loss: Loss) -> Tensor:
    z = Z.clone().requires_grad_()
    return torch.autograd.grad(loss(z), z)[0]
