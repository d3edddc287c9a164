"""Checks B1 to B5 of the DirectCLR specification: its toy tasks, trained for seconds, and what is said of them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from fullrank.papers import Outcome, Settings, load
from fullrank.papers.directclr import depth, implicit, toys
from fullrank.papers.directclr.depth import LIVE
from fullrank.papers.directclr.implicit import predicted_singular_values
from fullrank.papers.directclr.nets import FEATURES, Nets, decaying_layers, dot_loss, embedding_spectrum, product, train
from fullrank.papers.directclr.nets import uniform_layers as uniform
from fullrank.papers.directclr.theory import alignment, euclidean_loss
from fullrank.papers.directclr.toys import blockwise
from fullrank.testing.clouds import noise
from tests.papers.labels import labels

STRENGTHS = (0.1, 1.0, 1.5, 3.0, 4.0)
WEAK = torch.full((1, FEATURES), 1e-6)
LR, STEPS, SNAPSHOTS = 0.02, 1500, 30


@pytest.fixture(scope="module")
def one_layer() -> Tensor:
    """Singular values (S, K, d) of one layer for each strength of the augmentation, by the theory's loss."""
    nets = uniform(seeds=[0, 1], nets=len(STRENGTHS))
    values: Tensor = torch.linalg.svdvals(product(train(nets, blockwise(STRENGTHS), lr=0.2, steps=1500, batch=64)[-1]))
    return values


@pytest.mark.slow
def test_directclr_check_b1_the_moved_half_vanishes_beyond_twice_the_variance(one_layer: Tensor) -> None:
    share = one_layer / one_layer[..., :1]
    dead = (share < 1e-2).sum(-1)
    assert bool((share[:, 0, :15] > 0.2).all())
    assert bool((share[:, 0, 15] > 0.05).all())  # a random square start has one small value, that training keeps
    assert bool((dead[:, :3] == 0).all())  # up to k = 1.5
    assert bool((dead[:, 3] >= 6).all())  # at k = 3, most
    assert bool((dead[:, 4] == 8).all())
    assert bool((share[..., 8].diff(dim=1) < 0).all())  # monotone in k


@pytest.fixture(scope="module")
def depth_counts() -> Tensor:
    """Live dimensions of 1 to 4 linear layers, then of 2 to 4 with ReLU between, by the scripts' loss."""
    nets = decaying_layers([0], [1, 2, 3, 4, 2, 3, 4], [False] * 4 + [True] * 3)
    trained = train(nets, WEAK.repeat(7, 1), loss="dot", lr=0.05, steps=1000, batch=64)[-1]
    return (embedding_spectrum(trained)[0] > LIVE).sum(-1)


@pytest.mark.slow
def test_directclr_check_b2_one_layer_under_weak_augmentation_loses_nothing(depth_counts: Tensor) -> None:
    assert int(depth_counts[0]) == FEATURES


@pytest.mark.slow
def test_directclr_check_b4_every_linear_layer_costs_dimensions(depth_counts: Tensor) -> None:
    assert bool((depth_counts[:4].diff() < 0).all())
    assert int(depth_counts[3]) <= 5


@pytest.mark.slow
def test_directclr_check_b5_with_relu_the_order_is_the_same(depth_counts: Tensor) -> None:
    assert bool((depth_counts[[0, 4, 5, 6]].diff() < 0).all())


@pytest.fixture(scope="module")
def two_layers() -> list[Nets]:
    return train(decaying_layers([0], [2], [False]), WEAK, lr=LR, steps=STEPS, snapshots=SNAPSHOTS)


@pytest.mark.slow
def test_directclr_check_b3_two_layers_align_and_leave_small_directions_behind(two_layers: list[Nets]) -> None:
    first, second = two_layers[-1].weights[0, 0].double()
    values = torch.linalg.svdvals(second @ first)
    live = values > 1e-2 * values[0]
    assert int((~live).sum()) >= 8
    assert bool((values[live] > 0.05 * values[0]).all())  # the fifth, .13 at 10,000 steps of rate .01, is the last
    assert bool((values[~live] < 0.006 * values[0]).all())
    straight = alignment(first, second).abs().diagonal()
    assert bool((straight[live] > 0.95).all())
    assert float(straight[~live].mean()) < 0.6
    before, after = (_conserved(nets) for nets in (two_layers[0], two_layers[-1]))
    assert float((after - before).norm() / before.norm()) < 0.05


def _conserved(nets: Nets) -> Tensor:
    first, second = nets.weights[0, 0].double()
    conserved: Tensor = first @ first.T - second.T @ second
    return conserved


@pytest.mark.slow
def test_directclr_check_e6_theorem_3_predicts_the_training_once_aligned(two_layers: list[Nets]) -> None:
    measured, theory = predicted_singular_values(two_layers, WEAK, LR * STEPS / SNAPSHOTS, start=15)
    growth = measured[-1, :4] / measured[0, :4]
    assert float(growth[3]) > 1.15  # there is something to predict
    torch.testing.assert_close(theory[-1, :4], measured[-1, :4], rtol=0.03, atol=0)  # X is measured by other batches


def test_nets_side_by_side_are_those_alone() -> None:
    train_briefly = partial(train, lr=0.05, steps=3, batch=16)
    together = train_briefly(decaying_layers([0, 1], [1, 3, 3], [False, False, True]), WEAK.repeat(3, 1))[-1]
    for seeds, net, layers, relu in ((1, 0, 1, False), (2, 1, 3, False), (2, 2, 3, True)):
        alone = train_briefly(decaying_layers(range(seeds), [layers], [relu]), WEAK)[-1]
        torch.testing.assert_close(together.weights[:seeds, net, :layers], alone.weights[:, 0])
    assert torch.equal(together.weights[0, 0, 1], torch.eye(FEATURES))  # no layer, no training


def test_a_step_is_that_of_autograd_on_plain_layers() -> None:
    nets = decaying_layers([0], [2], [True])
    first, second = (layer.clone().requires_grad_() for layer in nets.weights[0, 0])
    x, moved, _ = torch.randn(3, 1, 16, FEATURES, generator=torch.Generator().manual_seed(0)).squeeze(1)
    z, positive = (((rows @ first.T).relu()) @ second.T for rows in (x, x + 0.1 * moved))
    gradients = torch.autograd.grad(euclidean_loss(z, positive) / 16, (first, second))
    ours = train(nets, 0.01 * torch.ones(1, FEATURES), lr=0.5, steps=1, batch=16)[-1].weights[0, 0]
    torch.testing.assert_close(ours[0], first.detach() - 0.5 * gradients[0])
    torch.testing.assert_close(ours[1], second.detach() - 0.5 * gradients[1])


def test_the_scripts_loss_is_a_cross_entropy_of_inner_products() -> None:
    z, other = noise(6, 4), noise(6, 4, seed=1)
    expected = torch.nn.functional.cross_entropy(z @ other.T / 0.1, torch.arange(6), reduction="sum")
    torch.testing.assert_close(dot_loss(z, other), expected)


def test_the_spectrum_is_that_of_the_covariance_and_has_an_end() -> None:
    nets = uniform(seeds=[0], nets=1)
    values = embedding_spectrum(nets, samples=200_000)[0, 0]
    assert values.exp().tolist() == pytest.approx(torch.linalg.svdvals(product(nets)[0, 0]).square().tolist(), rel=0.03)
    dead = replace(nets, weights=nets.weights * 0)
    assert embedding_spectrum(dead).unique().tolist() == [-35.0]


def run_briefly(name: str, monkeypatch: pytest.MonkeyPatch, steps: int) -> Outcome:
    def short(nets: Nets, variance: Tensor, **options: Any) -> list[Nets]:
        return train(nets, variance, **{**options, "steps": min(options["steps"], steps), "batch": 16})

    for module in (toys, depth, implicit):
        monkeypatch.setattr(module, "train", short)
    return load(name).run(Settings(out=Path(), seeds=2))


@pytest.mark.parametrize(
    ("name", "steps", "panels", "rows"),
    [("directclr/toy-augmentation", 3, 4, 16), ("directclr/toy-implicit", 30, 6, 64), ("directclr/toy-depth", 3, 2, 8)],
)
def test_nets_that_were_hardly_trained_do_not_confirm_the_claim(
    name: str, steps: int, panels: int, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = run_briefly(name, monkeypatch, steps)
    assert labels(name, outcome)[0] != "held"
    assert (len(outcome.panels), len(outcome.rows)) == (panels, rows)
    assert all(len(series.x) == len(series.y) for panel in outcome.panels for series in panel.series)
    assert outcome.measured.endswith(".")
