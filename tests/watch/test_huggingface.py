"""The callback of Transformers, against its documented protocol.

Transformers with accelerate takes some 90 MB and most of a minute to load on a busy machine, so these tests bring a
stand-in: a base class with the events, a state with `global_step` and `log_history`, a control with
`should_training_stop`, and a loop that calls the events as `Trainer` does.
"""

from __future__ import annotations

import json
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fullrank.errors import UserError
from fullrank.watch import CollapseWarning, Rules, hf_monitor
from tests.watch.loops import healthy, pull

EVENTS = ("on_init_end", "on_train_begin", "on_step_begin", "on_step_end", "on_log", "on_train_end")
NOW = Rules(grace=0)


class TrainerCallback:
    """The documented base: every event is a method that does nothing."""

    def __getattribute__(self, name: str) -> Any:
        try:
            return super().__getattribute__(name)
        except AttributeError:
            if name in EVENTS:
                return lambda args, state, control, **kwargs: None
            raise


@pytest.fixture
def transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("transformers")
    module.__dict__["TrainerCallback"] = TrainerCallback
    monkeypatch.setitem(sys.modules, "transformers", module)


class Sentences(nn.Module):
    """Tokens to a mean embedding of two views by dropout, as SimCSE does."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 16)
        self.encoder = nn.Sequential(nn.Dropout(0.2), nn.Linear(16, 16))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        tokens = self.encoder(self.table(input_ids))
        return {"last_hidden_state": tokens, "pooled": tokens.mean(1)}


def tokens(seed: int) -> dict[str, Tensor]:
    ids = torch.randint(50, (64, 4), generator=torch.Generator().manual_seed(seed))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def train(callback: Any, *, loss: Any, steps: int, log_history: list[dict[str, Any]] | None = None) -> Any:
    """As `Trainer.train` calls a callback; the state at the end."""
    torch.manual_seed(0)
    model = Sentences()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    state = SimpleNamespace(global_step=0, log_history=log_history or [])
    control = SimpleNamespace(should_training_stop=False)
    event = {"args": None, "state": state, "control": control, "model": model, "optimizer": optimizer}
    callback.on_init_end(**event)
    callback.on_train_begin(**event)
    while state.global_step < steps and not control.should_training_stop:
        callback.on_step_begin(**event)
        batch = tokens(state.global_step)
        optimizer.zero_grad()
        loss(torch.stack([model(**batch)["pooled"] for _ in range(2)])).backward()
        optimizer.step()
        state.global_step += 1
        callback.on_step_end(**event)
    callback.on_train_end(**event)
    return state


@pytest.mark.usefixtures("transformers")
def test_it_is_a_callback_that_stops_a_collapse_and_logs() -> None:
    callback = hf_monitor(["encoder"], tokens(10**6), every=10, on_alarm="stop", rules=Rules(grace=50))
    assert isinstance(callback, TrainerCallback)
    with pytest.warns(CollapseWarning, match="encoder, step"):
        state = train(callback, loss=pull, steps=1500)
    assert callback.alarms[-1].severity == "fail"
    assert state.global_step == callback.alarms[-1].step < 1500
    steps = [row["step"] for row in state.log_history if "collapse/encoder/relative_spread" in row]
    assert steps == list(range(1, state.global_step + 1, 10))
    assert callback.cost.readings == len(steps)


@pytest.mark.usefixtures("transformers")
def test_a_healthy_training_goes_on() -> None:
    callback = hf_monitor(["encoder"], tokens(10**6), every=10, on_alarm="stop", rules=Rules(grace=50))
    assert train(callback, loss=healthy, steps=200).global_step == 200
    assert callback.alarms == []


@pytest.mark.usefixtures("transformers")
@pytest.mark.filterwarnings("ignore::fullrank.watch.CollapseWarning")
def test_a_resumed_training_knows_its_readings() -> None:
    first, second = (hf_monitor(["encoder", "table"], tokens(0), every=1, rules=NOW) for _ in range(2))
    state = train(first, loss=pull, steps=30)
    train(
        second, loss=pull, steps=0, log_history=json.loads(json.dumps([{"loss": 0.5, "step": 3}, *state.log_history]))
    )
    assert second.alarms == first.alarms
    for name, monitor in first._monitor.monitors.items():
        assert second._monitor.monitors[name].readings == monitor.readings


def test_without_transformers_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match=r"install it with `pip install fullrank\[hf\]`"):
        hf_monitor(["encoder"], tokens(0))
