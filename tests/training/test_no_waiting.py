"""No step waits for a GPU: it runs on torch's meta device, whose tensors have no numbers that could be waited for.

What asks for a number of such a tensor, or for the places where one is true, raises. That a copy to the device lets the
CPU go on, and that nothing is made anew there from numbers of the CPU, is seen by the two modes below.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from fullrank import recipes
from fullrank.data.batches import Batch, Order
from fullrank.engine import RunOptions
from fullrank.engine.finite import Finite
from fullrank.engine.rows import EVERY
from fullrank.losses import STATEFUL_LOSSES
from fullrank.nn import encoder
from fullrank.training.fit import prepare
from fullrank.transfer.classifier import Classifier, new_head, views_of
from fullrank.transfer.protocols import Classify
from tests.losses.declared import NAMED
from tests.training.steps import Stepped

CHOLESKY, ZEROS, FLOOR = "whether a Cholesky failed", "which eigenvalues are zero", "its largest eigenvalue"
WAIT = {  # losses that ask for a number of their own
    **dict.fromkeys(("coding_rate", "log_determinant_mutual_information", "CorInfoMax", "w_mse"), CHOLESKY),
    **dict.fromkeys(("hill_entropy", "hill_entropy_uncentered", "mmcr", "w2"), ZEROS),
    **dict.fromkeys(("cw_rgp", "spectral_transformation", "zero_cl"), FLOOR),
}
DECOMPOSE = {"vne"}  # torch asks CUDA whether an eigendecomposition failed
DECOMPOSITIONS = ("_linalg_eigh", "_linalg_svd", "_linalg_eigvals")


class Copies(TorchDispatchMode):
    """Notes copies between devices that the CPU waits for, and decompositions."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waited: list[str] = []
        self.decomposed: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        before, after = (
            {leaf.device.type for leaf in tree_leaves(values) if isinstance(leaf, Tensor) and leaf.ndim}
            for values in ((args, kwargs), out)
        )
        if len(before | after) > 1 and not kwargs.get("non_blocking"):
            self.waited.append(str(func))
        if str(func).split(".")[1] in DECOMPOSITIONS:
            self.decomposed.append(str(func))
        return out


class Made(TorchFunctionMode):
    """Notes tensors that are made on the device of numbers that the CPU has: torch waits until they are there."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") in ("tensor", "as_tensor", "new_tensor") and out.is_meta:
            self.made.append(func.__name__)
        return out


@pytest.fixture(autouse=True)
def _no_autocast_for_meta(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch has none, and losses switch it off."""
    real: Callable[..., Any] = torch.autocast
    monkeypatch.setattr(
        torch, "autocast", lambda kind, **flags: nullcontext() if kind == "meta" else real(kind, **flags)
    )


@contextmanager
def stepping(name: str, *, begin: int) -> Iterator[tuple[Copies, Made]]:
    """What two steps of a recipe do on the device, from a step on; inside, they are over."""
    images = torch.randint(256, (32, 3, 8, 8), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    recipe = replace(recipes.load(name)(), image_size=8, batch_size=16, steps=10, backbone="tiny")
    job = prepare(recipe, RunOptions(devices=1, workers=0), Console(file=io.StringIO()), data=images)
    training = Stepped(job.method, job.views, job.plan)
    training.to("meta").train()
    training.done = begin
    stepper = training.configure_optimizers()["optimizer"]
    copies, made = Copies(), Made()
    with copies, made, torch.random.fork_rng():
        for step in (begin, begin + 1):
            loss = training.training_step(Batch(step, images[:16].to("meta", non_blocking=True)), step)
            loss.backward()
            training.on_before_optimizer_step(stepper)
            stepper.step()
            stepper.zero_grad()
            training.done += 1
    yield copies, made


@pytest.mark.parametrize("name", ["simclr", "byol", "dino", "moco", "lejepa"])
def test_a_step_never_waits_for_the_device(name: str) -> None:
    with stepping(name, begin=1) as (copies, made):
        assert copies.waited == []
        assert copies.decomposed == []
        assert made.made == []


@pytest.mark.parametrize("name", NAMED)
def test_only_losses_that_are_named_here_wait_for_the_device(name: str) -> None:
    z, copies, made = torch.empty(2, 16, 8, device="meta", requires_grad=True), Copies(), Made()
    stateful = {each.__name__: each for each in STATEFUL_LOSSES}
    loss = stateful[name](8, 2).requires_grad_(False).to("meta") if name in stateful else NAMED[name]
    if name in WAIT:
        with pytest.raises((RuntimeError, NotImplementedError), match=r"meta|nonzero"):
            loss(z)["loss"].backward()
        return
    with copies, made:
        loss(z)["loss"].backward()
    assert copies.waited == []
    assert bool(copies.decomposed) == (name in DECOMPOSE)
    assert made.made == []


def test_what_fine_tuning_and_detection_note_is_asked_for_at_every_tenth_step_alone() -> None:
    loss, finite = torch.empty((), device="meta"), Finite()
    assert [finite.ask(loss, step) for step in range(1, EVERY)] == [None] * (EVERY - 1)
    with pytest.raises(RuntimeError, match="meta"):
        finite.ask(loss, EVERY)


def test_a_step_of_fine_tuning_never_waits_but_every_tenth() -> None:
    how = Classify(epochs=1, batch_size=8, optimizer="sgd", lr=0.1, schedule="constant", std=0.01, backbone_lr=0.1)
    network = encoder("tiny", image_size=8)
    labels, views = torch.arange(8), views_of(network, how, (0.5,) * 3, (0.2,) * 3)
    head = new_head(network.width, 8, how, 0)
    training = Classifier(network, head, views, how, labels, Order(8, 8, 0, range(20)), 0).to("meta")
    images, copies, made = torch.zeros(8, 3, 8, 8, dtype=torch.uint8, device="meta"), Copies(), Made()
    with copies, made, torch.random.fork_rng():
        training.training_step(Batch(1, images, labels), 1).backward()
    assert (copies.waited, made.made) == ([], [])
    with pytest.raises(RuntimeError, match="meta"):
        training.training_step(Batch(EVERY, images, labels), EVERY)


def test_every_tenth_step_asks_whether_all_was_finite() -> None:
    with pytest.raises(RuntimeError, match="meta"), stepping("simclr", begin=EVERY):
        pass
