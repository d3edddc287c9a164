"""Half precision, channels last and torch.compile: each acts, and what is trained stays what it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fullrank.data.batches import Batch
from fullrank.methods import JointEmbedding
from fullrank.nn import load_encoder
from fullrank.recipes import Recipe
from fullrank.runs import read_rows
from fullrank.training.module import Training
from tests.training.steps import differ

Train = Callable[..., tuple[Path, bool]]


@pytest.mark.slow
def test_bf16_computes_networks_in_half_precision_and_losses_in_float32(
    train: Train, small: Recipe, device: torch.device, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, set[Any]] = {"outputs": set(), "terms": set(), "device": set()}
    step = Training.training_step

    def look(self: Training, batch: Batch, batch_idx: int) -> Tensor:
        inner = self.method.loss

        def loss(outputs: dict[str, Tensor]) -> dict[str, Tensor]:
            terms = inner(outputs)
            seen["outputs"].add(outputs["embedding"].dtype)
            seen["terms"] |= {value.dtype for value in terms.values()}
            seen["device"].add(outputs["embedding"].device.type)
            return terms

        with monkeypatch.context() as patched:
            patched.setattr(self.method, "loss", loss)
            return step(self, batch, batch_idx)

    monkeypatch.setattr(Training, "training_step", look)
    run, _ = train("run", replace(small, steps=2), precision="bf16-mixed")
    assert seen == {"outputs": {torch.bfloat16}, "terms": {torch.float32}, "device": {device.type}}
    assert read_rows(run / "metrics.jsonl")[-2]["loss"] > 0
    weights = load_encoder(run / "encoder.safetensors").encoder.state_dict().values()
    assert {value.dtype for value in weights} <= {torch.float32, torch.int64}


@pytest.mark.slow
def test_compiling_translates_every_network_and_trains_the_same_weights(
    train: Train, small: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    translated: list[str] = []

    def as_it_is(call: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        translated.append(type(getattr(call, "__self__", None)).__name__)
        return call

    monkeypatch.setattr(torch, "compile", as_it_is)
    states = []
    for name in ("plain", "compiled"):
        run, _ = train(name, replace(small, steps=2), compile=name == "compiled")
        states.append([*load_encoder(run / "encoder.safetensors").encoder.state_dict().values()])
    assert sorted(translated) == ["Encoder", "Sequential"]
    assert not differ(*states)


@pytest.mark.slow
def test_images_and_convolutions_have_their_channels_last(
    train: Train, small: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    last: list[bool] = []
    forward = JointEmbedding.forward

    def look(self: JointEmbedding, views: list[Tensor]) -> Any:
        tensors = [*views, *(module.weight for module in self.modules() if isinstance(module, nn.Conv2d))]
        last.extend(one.is_contiguous(memory_format=torch.channels_last) for one in tensors)
        return forward(self, views)

    monkeypatch.setattr(JointEmbedding, "forward", look)
    train("run", replace(small, steps=1))
    assert last
    assert all(last)
