"""A test of the contract: losses that are wrong on purpose, as some that were published, and what is said of each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fullrank.errors import UserError
from fullrank.losses import (
    BYOL,
    Terms,
    VICReg,
    alignment,
    byol,
    combine,
    embedding_loss,
    infonce,
    uniformity,
    vicreg,
    w2,
)
from fullrank.losses.declaration import LAWS
from fullrank.stats import normalize
from fullrank.testing import check_loss, laws_of_losses, laws_of_pair_losses


def coding_rate(z: Tensor, sign: float) -> Terms:
    """Of unit rows; released code exists with the sign +1."""
    rows = normalize(z).flatten(0, 1)
    gram = torch.eye(z.shape[2], dtype=z.dtype) + rows.T @ rows * z.shape[2] / len(rows) / 0.2
    return combine({"coding_rate": (sign, torch.logdet(gram) / 2)})


collapsing = partial(coding_rate, sign=1.0)


def pull_to_zero(z: Tensor) -> Terms:
    """Invariance with a weight decay: zero is the optimum."""
    return combine({"loss_of_views": (1.0, z.var(0).mean()), "size": (1.0, z.square().mean())})


def astray(z: Tensor) -> Terms:
    """W2 whose gradient goes astray, as when an all-reduce throws it away."""
    return combine({"w2": (1.0, w2(z.detach())["loss"] + 0.0 * z.sum())})


def of_numbers(z: Tensor) -> Tensor:
    """A value that came by way of NumPy."""
    return torch.from_numpy(z.detach().numpy().var(1)).mean().neg()


def weights_apart(z: Tensor) -> Terms:
    terms = vicreg(z)
    return {**terms, "loss": terms["loss"] + terms["variance"]}


def twice(z: Tensor) -> Terms:
    return {name: 2 * term for name, term in vicreg(z).items()}


def per_sample(z: Tensor) -> Terms:
    return {"distances": z.var(0).mean(1), "loss": z.var(0).mean()}


def half(z: Tensor) -> Terms:
    """No decorator: autocast reaches the matmul."""
    return combine({"similarity": (1.0, (z[0] @ z[1].T).square().mean())})


def plain_w2(z: Tensor) -> Terms:
    """W2 by autograd through the eigenvalues, without a guard."""
    rows = normalize(z).flatten(0, 1)
    covariance = (rows - rows.mean(0)).T @ (rows - rows.mean(0)) / len(rows)
    spread = torch.linalg.eigvalsh(covariance).sqrt().sum() / z.shape[2] ** 0.5
    return combine({"w2": (1.0, (2 - 2 * spread).sqrt())})


@embedding_loss()
def first_half_only(z: Tensor) -> Terms:
    return combine({"infonce": (1.0, infonce(z[:, : z.shape[1] // 2])["loss"])})


@embedding_loss()
def unpaired(z: Tensor) -> Terms:
    return uniformity(z)


@embedding_loss()
def nan_hider(z: Tensor) -> Terms:
    return combine({"uniformity": (1.0, uniformity(z)["loss"].nan_to_num())})


@embedding_loss()
def raises_on_nan(z: Tensor) -> Terms:
    return combine({"largest": (1.0, torch.linalg.eigvalsh(z[0].T @ z[0]).amax())})


@embedding_loss()
def gradient_hider(z: Tensor) -> Terms:
    return combine({"sum": (1.0, z.sum())})


@embedding_loss()
def first_view_most(z: Tensor) -> Terms:
    return combine({"first": (1.0, uniformity(z[:1])["loss"]), "all": (1.0, uniformity(z)["loss"])})


def narrow(z: Tensor) -> Terms:
    return w2(z.float())


def no_numbers(z: Tensor) -> str:
    return "loss"


def stopped(z: Tensor) -> Terms:
    return combine({"stopped": (1.0, (z * z.detach()).mean())})


class OfOldStyle(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, z: Tensor) -> Tensor:
        ctx.save_for_backward(z)
        return z.square()

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> Tensor:
        slope: Tensor = 2 * slopes[0] * ctx.saved_tensors[0]
        return slope


def of_old_style(z: Tensor) -> Terms:
    return combine({"squares": (1.0, OfOldStyle.apply(z).mean())})


def both_learn(prediction: Tensor, target: Tensor) -> Tensor:
    return -(normalize(prediction) * normalize(target.flip(0)[: len(prediction)])).sum(-1).mean()


def distance(prediction: Tensor, target: Tensor) -> Terms:
    """Of embeddings as they come, in order, and pushed apart."""
    weights = torch.arange(prediction.shape[1], dtype=prediction.dtype)[:, None]
    return combine({"distance": (-1.0, ((prediction - target.detach().flip(0)).square() * weights).mean())})


Loss = Callable[..., object]
BROKEN: tuple[tuple[str, Loss, str], ...] = (
    ("point", collapsing, r"64 samples of 16 features cost \S+ spread and \S+ in one point"),
    ("shape", collapsing, "in 4 dimensions"),
    ("norm", pull_to_zero, r"a spread cloud costs 1, 0\.25 at half of its size and 1e-08 at a ten-thousandth"),
    ("escape", collapsing, "64 samples of 16 features around one point have a relative spread of "),
    ("escape", astray, "the gradient of 64 samples of 16 features is 0 of the norm of the input, which moves nothing"),
    ("escape of few samples", pull_to_zero, "16 samples of 32 features around one point have a relative spread of "),
    ("rank", collapsing, "64 samples of 16 features have an effective rank of "),
    ("revival", collapsing, r"what is in the other 12 grows at a rate of -\d"),
    ("pairing", unpaired, r"16 samples cost \S+ in pairs, and \S+ with every view beside that of another sample"),
    (
        "gradient",
        astray,
        r"on noise, 2 views of 6 samples of 3 features, a derivative is 0 by autograd and \S+ by",
    ),
    ("gradient", of_numbers, r"the loss -\d\S+ has no gradient"),
    ("second derivative", stopped, r"on noise, 2 views of 12 samples of 6 features, a second derivative is off by "),
    ("functional", of_old_style, r"torch.func.grad does not work on it: "),
    ("finite", plain_w2, r"on a constant 0, 2 views of 2 samples of 5 features, float32, the gradient is not finite"),
    ("large norms", half, "on noise times 1e.15, 3 views of 2 samples of 2 features, float32, similarity is inf"),
    ("half precision", half, r"on noise of bfloat16, similarity is \S+ in bfloat16; of the same in float32 \d"),
    ("double precision", narrow, "on noise of float64, the loss is of float32"),
    ("NaN", nan_hider, "with NaN in the input, the loss is 0"),
    ("NaN", raises_on_nan, "with NaN in the input, it raises _LinAlgError"),
    ("NaN", gradient_hider, "with NaN in the input, the gradient is finite"),
    ("order of samples", first_half_only, r"with 9 samples in another order and as they are, it costs \S+ and \S+\."),
    ("order of views", first_view_most, "with 3 views in another order and as they are, it costs "),
    ("rotation", vicreg, "with 6 features turned and as they are, it costs "),
    ("mean over pairs", w2, "of 3 views, and the mean of their 3 pairs, it costs "),
    ("input", pull_to_zero, r"an input of shape \(4, 3\) and float32 is taken, and costs 0"),
    ("terms", weights_apart, r"cost \S+, and the terms with their weights are \S+ \(invariance\) \+ "),
    ("terms", per_sample, r"the term distances has the shape \(12,\), and is not a number"),
    ("plateau", twice, "8 samples of 4 features, two views, all at one point cost 49.5, not 24.75"),
    ("point", no_numbers, "it returned a str, and no scalar, nor named terms with their sum"),
    ("target", both_learn, "on noise of 2 views of 6 samples, the target has a gradient of size "),
    (
        "gradient",
        lambda prediction, target: byol(prediction.detach() + 0 * prediction, target),
        "a derivative is -0 by",
    ),
    ("matching", distance, "6 predictions cost "),
    ("scale", distance, r"noise costs \S+, and times 1e-30 -?0"),
    (
        "finite",
        lambda p, t: (p * t).mean().log(),
        "on a constant 0, float32, the loss is -inf",
    ),
    ("order of samples", distance, "6 samples cost "),
    ("half precision", lambda p, t: (p * t).to(torch.bfloat16).mean(), "of the same in float32"),
    ("input", lambda prediction, target: prediction.float().mean(), r"of shapes? .* are taken|predictions and targets"),
)


@pytest.mark.parametrize(("law", "broken", "sentence"), BROKEN)
def test_a_wrong_loss_is_told_the_law_the_input_and_the_numbers(law: str, broken: Loss, sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence) as error:
        check_loss(broken, law=law, name="mine", breaks={}, point=24.75 if law == "plateau" else None)
    assert str(error.value).startswith(f'mine breaks the law "{law}" ({LAWS[law]}): ')
    assert str(error.value).endswith(".")
    assert str(error.value).count("\n") == 0


def test_every_law_is_broken_by_a_wrong_loss() -> None:
    assert {law for law, *_ in BROKEN} == {*laws_of_losses, *laws_of_pair_losses}


def test_all_broken_laws_are_told_at_once() -> None:
    with pytest.raises(AssertionError) as error:
        check_loss(alignment, breaks={})
    laws = ["point", "shape", "escape", "escape of few samples", "rank", "revival"]
    assert [line.split('"')[1] for line in str(error.value).splitlines()] == laws


def test_a_law_that_is_said_to_be_broken_and_is_not_fails() -> None:
    sentence = (
        r'w2 is said to break the law "rotation" \(a rotation of the features does not matter\), since "of a reason", '
        "but holds it: leave it out of breaks"
    )
    with pytest.raises(AssertionError, match=sentence):
        check_loss(w2, law="rotation", breaks={"rotation": "of a reason"})


def test_an_unknown_law_is_named_with_the_closest() -> None:
    with pytest.raises(UserError, match=r"There is no law 'rotations' of w2: did you mean rotation\?"):
        check_loss(w2, law="rotations")
    with pytest.raises(UserError, match="There is no law 'colour' of byol: pass one of target, gradient, "):
        check_loss(byol, breaks={"colour": "why not"})


class Running(nn.Module):
    """W2 of what is left after the running mean: one step is not the next."""

    mean: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))

    def forward(self, z: Tensor) -> Terms:
        self.mean = 0.5 * self.mean + 0.5 * z.detach().mean((0, 1))
        return w2(z - self.mean)


class OfOtherWords(nn.Module):
    """Nothing says that the module itself is called self."""

    def forward(s, z: Tensor) -> Terms:
        return w2(z)


def test_a_class_is_told_from_a_loss_of_pairs_by_any_name_of_its_module() -> None:
    check_loss(OfOtherWords, law="order of samples")
    check_loss(BYOL, law="order of samples")


def test_a_module_is_seen_at_its_first_step_each_time() -> None:
    check_loss(Running, law="order of samples")
    one = Running(6)
    check_loss(one, law="order of samples")
    assert bool((one.mean == 0).all())
    check_loss(VICReg, law="rotation")  # a module form declares what its function does
    check_loss(VICReg(variance=20.0), law="rotation", weights={})


@pytest.mark.parametrize("collapse", ["point", "shape", "escape", "rank", "revival"])
def test_the_right_sign_of_the_coding_rate_passes(collapse: str) -> None:
    check_loss(partial(coding_rate, sign=-1.0), law=collapse)
