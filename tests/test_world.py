"""One world: two processes with half the batch each have the loss and the gradient of one with the whole batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.multiprocessing.spawn import spawn

from fullrank.engine.gather import gather, sharing
from fullrank.losses import dcl, infonce, koleo, nt_xent, ssl_hsic, uniformity
from fullrank.testing.clouds import noise
from fullrank.testing.loss_values import Loss
from tests.losses.declared import NAMED
from tests.processes import joined

WORLD = 2
BATCH = 16
INPUTS = noise(3, BATCH, 5)  # (V, N, features of the input), the whole batch
Step = tuple[Tensor, Tensor]  # the loss and the gradient of the weight (5, 6)


def step(loss: Loss, inputs: Tensor, *, with_gather: bool) -> Step:
    """One training step of a linear encoder, averaged over the processes there are, as DDP does."""
    weight = noise(5, 6, seed=1).to(inputs.device).requires_grad_()
    z = inputs @ weight
    total = loss(gather(z, dim=1) if with_gather else z)["loss"]
    total.backward()
    gradient, total = total.new_zeros(0) if weight.grad is None else weight.grad, total.detach()
    if dist.is_initialized():
        for average in (gradient, total):
            dist.all_reduce(average)
            average /= WORLD
    return total.cpu(), gradient.cpu()


MANY = noise(2, 1040, 5)  # so many rows are shared
SHARED: dict[str, Loss] = {
    "nt_xent": nt_xent,
    "infonce": infonce,
    "dcl": dcl,
    "uniformity": uniformity,
    "koleo": koleo,
    "ssl_hsic": ssl_hsic,
}


LEARNED = {
    "nt_xent": "temperature",
    "infonce": "temperature",
    "dcl": "temperature",
    "uniformity": "t",
    "ssl_hsic": "scale",
}


def slope(name: str, inputs: Tensor) -> Tensor:
    """The gradient of a learned setting, averaged over the processes there are, as DDP does."""
    setting = torch.tensor(0.5, dtype=torch.float64, device=inputs.device, requires_grad=True)
    loss = SHARED[name](gather(inputs, dim=1), **{LEARNED[name]: setting})["loss"]
    (gradient,) = torch.autograd.grad(loss, setting)
    if dist.is_initialized():
        dist.all_reduce(gradient)
        gradient /= WORLD
    return gradient.cpu()


def process(rank: int, folder: str, kind: str) -> None:
    device = torch.device(f"cuda:{rank}" if kind == "cuda" else kind)
    if kind == "cuda":
        torch.cuda.set_device(device)
    with joined(rank, WORLD, folder, "nccl" if kind == "cuda" else "gloo"):
        inputs = INPUTS.chunk(WORLD, dim=1)[rank].to(device)
        for kind, with_gather in (("gathered", True), ("local", False)):
            steps = {name: step(loss, inputs, with_gather=with_gather) for name, loss in NAMED.items()}
            torch.save(steps, f"{folder}/{kind}-{rank}.pt")
        with sharing():
            many = MANY.chunk(WORLD, dim=1)[rank].to(device)
            steps = {name: step(loss, many, with_gather=True) for name, loss in SHARED.items()}
            slopes = {name: slope(name, many) for name in LEARNED}
        torch.save(steps, f"{folder}/shared-{rank}.pt")
        torch.save(slopes, f"{folder}/slopes-{rank}.pt")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, device: torch.device) -> Path:
    if device.type == "cuda" and torch.cuda.device_count() < WORLD:
        pytest.skip(f"{WORLD} processes need a GPU each, and this machine has {torch.cuda.device_count()}.")
    folder = tmp_path_factory.mktemp("world")
    spawn(process, args=(str(folder), device.type), nprocs=WORLD)
    return folder


def read(world: Path, kind: str, rank: int) -> dict[str, Step]:
    steps: dict[str, Step] = torch.load(world / f"{kind}-{rank}.pt", weights_only=True)
    return steps


@pytest.mark.slow
@pytest.mark.parametrize("rank", range(WORLD))
@pytest.mark.parametrize("name", NAMED)
def test_two_processes_equal_one(world: Path, name: str, rank: int) -> None:
    loss, gradient = step(NAMED[name], INPUTS, with_gather=True)
    their_loss, their_gradient = read(world, "gathered", rank)[name]
    assert gradient.norm() > 1e-6
    torch.testing.assert_close(their_loss, loss, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(their_gradient, gradient, rtol=1e-10, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", SHARED)
def test_processes_that_share_all_pairs_equal_one(world: Path, name: str) -> None:
    loss, gradient = step(SHARED[name], MANY, with_gather=True)
    for rank in range(WORLD):
        their_loss, their_gradient = read(world, "shared", rank)[name]
        torch.testing.assert_close(their_loss, loss, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(their_gradient, gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", LEARNED)
def test_processes_that_share_all_pairs_learn_the_setting_of_one(world: Path, name: str) -> None:
    expected = slope(name, MANY)
    assert abs(expected) > 1e-6
    for rank in range(WORLD):
        found = torch.load(world / f"slopes-{rank}.pt", weights_only=True)[name]
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.slow
def test_without_gather_every_loss_between_samples_is_another(world: Path) -> None:
    local = read(world, "local", 0)
    same = set()
    for name, loss in NAMED.items():
        gradient = step(loss, INPUTS, with_gather=True)[1]
        if torch.allclose(local[name][1], gradient, rtol=1e-3, atol=1e-6):
            same.add(name)
    assert same == {"alignment"}  # the only one that looks at each sample alone


@pytest.mark.slow
def test_intl_check_11_and_14_beta_and_gradient_are_those_of_the_global_batch(world: Path) -> None:
    """Beta by the rule grows with the batch that was whitened: gathered, it is that of all processes."""
    loss, gradient = step(NAMED["intl"], INPUTS, with_gather=False)
    for rank in range(WORLD):
        their_loss, their_gradient = read(world, "gathered", rank)["intl"]
        torch.testing.assert_close(their_loss, loss, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(their_gradient, gradient, rtol=1e-10, atol=1e-12)
    assert abs(float(read(world, "local", 0)["intl"][0] - loss)) > 1e-3
