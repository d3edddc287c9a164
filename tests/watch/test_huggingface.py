"""The callback in the Trainer of Hugging Face's Transformers."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import Trainer, TrainerCallback, TrainingArguments

from fullrank.errors import UserError
from fullrank.watch import CollapseWarning, Rules, hf_monitor
from tests.watch.loops import healthy, pull

Loss = Callable[[Tensor], Tensor]
NOW = Rules(grace=0, pace=1)


class Sentences(nn.Module):
    """Tokens to a mean embedding of two views by dropout, as SimCSE does, and the loss of the views."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.table = nn.Embedding(50, 16)
        self.encoder = nn.Sequential(nn.Dropout(0.2), nn.Linear(16, 16))
        self.loss = loss

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Tensor]:
        views = torch.stack([self.encoder(self.table(input_ids)).mean(1) for _ in range(2)])
        return {"loss": self.loss(views)}


def tokens(seed: int, rows: int = 64) -> dict[str, Tensor]:
    ids = torch.randint(50, (rows, 4), generator=torch.Generator().manual_seed(seed))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def trainer(callback: Any, out: Path, *, loss: Loss, steps: int) -> Trainer:
    arguments = TrainingArguments(
        output_dir=str(out), max_steps=steps, per_device_train_batch_size=64, learning_rate=0.02, weight_decay=0.0,
        lr_scheduler_type="constant", save_steps=20, use_cpu=True, report_to=[], disable_tqdm=True, logging_steps=10**6,
    )  # fmt: skip
    rows = tokens(0, 1024)
    data = [{name: values[row] for name, values in rows.items()} for row in range(1024)]
    torch.manual_seed(0)
    return Trainer(Sentences(loss), arguments, train_dataset=data, callbacks=[callback])


@pytest.mark.slow
def test_it_is_a_callback_that_stops_a_collapse_and_logs(tmp_path: Path) -> None:
    callback = hf_monitor(["encoder"], tokens(10**6), every=10, on_alarm="stop", rules=Rules(grace=50))
    assert isinstance(callback, TrainerCallback)
    training = trainer(callback, tmp_path, loss=pull, steps=1500)
    with pytest.warns(CollapseWarning, match="encoder, step"):
        training.train()
    state = training.state
    assert callback.alarms[-1].severity == "fail"
    assert state.global_step == callback.alarms[-1].step < 1500
    steps = [row["step"] for row in state.log_history if "collapse/encoder/relative_spread" in row]
    assert steps == list(range(1, state.global_step + 1, 10))
    assert callback.cost.readings == len(steps)


@pytest.mark.slow
def test_a_healthy_training_goes_on(tmp_path: Path) -> None:
    callback = hf_monitor(["encoder"], tokens(10**6), every=10, on_alarm="stop", rules=Rules(grace=50))
    training = trainer(callback, tmp_path, loss=healthy, steps=200)
    training.train()
    assert training.state.global_step == 200
    assert callback.alarms == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::fullrank.watch.CollapseWarning")
def test_a_resumed_training_knows_its_readings(tmp_path: Path) -> None:
    first, second = (hf_monitor(["encoder", "table"], tokens(0), every=1, rules=NOW) for _ in range(2))
    trainer(first, tmp_path, loss=pull, steps=20).train()
    trainer(second, tmp_path, loss=pull, steps=30).train(resume_from_checkpoint=True)
    assert [alarm for alarm in second.alarms if alarm.step <= 20] == first.alarms != []
    for name, monitor in first._monitor.monitors.items():
        readings = second._monitor.monitors[name].readings
        assert readings[:20] == monitor.readings
        assert [reading.step for reading in readings] == list(range(1, 31))


def test_a_second_training_is_watched_from_its_start(tmp_path: Path) -> None:
    """As of a cell of a notebook that is run again."""
    callback = hf_monitor(["encoder"], tokens(0), every=2)
    training = trainer(callback, tmp_path, loss=healthy, steps=5)
    for _ in range(2):
        training.train()
        assert [reading.step for reading in callback._monitor.monitors["encoder"].readings] == [1, 3, 5]


class Reported(TrainerCallback):
    """Stands for W&B or TensorBoard: it has what the trainer logs."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:
        self.rows.append(dict(logs))


def test_the_numbers_reach_what_the_trainer_reports_to(tmp_path: Path) -> None:
    callback, reported = hf_monitor(["encoder"], tokens(0), every=5), Reported()
    training = trainer(callback, tmp_path, loss=healthy, steps=21)
    training.add_callback(reported)
    callback.log_to(training.log)
    training.train()
    norms = [row["collapse/encoder/row_norm"] for row in reported.rows if "collapse/encoder/row_norm" in row]
    assert len(norms) == callback.cost.readings == 5
    history = [row for row in training.state.log_history if "collapse/encoder/row_norm" in row]
    assert [row["step"] for row in history] == [1, 6, 11, 16, 21]  # once, so that a resumed training reads it once
    again = hf_monitor(["encoder"], tokens(0), every=5)
    again.on_train_begin(None, training.state, None)
    assert [reading.step for reading in again._monitor.monitors["encoder"].readings] == [1, 6, 11, 16, 21]


def test_without_transformers_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(UserError, match=r"install it with `pip install 'fullrank\[hf\]'`"):
        hf_monitor(["encoder"], tokens(0))
