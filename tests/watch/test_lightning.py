"""The callback in Lightning's own Trainer, with modules that are not ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor, nn
from torch.utils.data import DataLoader

from fullrank.errors import UserError
from fullrank.watch import Alarm, CollapseWarning, LightningMonitor, Rules
from tests.watch.loops import FEATURES, Loss, healthy, points, pull

pytestmark = [
    pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning"),  # of Lightning's own code
]
PROBE = points(seed=10**6)[0]
FAST = Rules(grace=60)


class Module(L.LightningModule):
    """Backbone and projector, with batch norm and dropout, so that a change of mode or a stray number would show."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(FEATURES, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Dropout(0.1))
        self.projector = nn.Linear(32, 16)
        self.loss = loss

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.projector(self.backbone(x))
        return z

    def training_step(self, batch: Tensor, batch_idx: int) -> Tensor:
        return self.loss(self(torch.cat([batch, batch + 0.3 * torch.randn_like(batch)])).unflatten(0, (2, -1)))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=3e-3)


def fit(folder: Path, loss: Loss, callback: LightningMonitor | None, steps: int, **options: Any) -> Module:
    torch.manual_seed(0)
    module = Module(loss)
    trainer = L.Trainer(
        max_steps=steps,
        max_epochs=-1,
        accelerator="cpu",
        callbacks=[callback] if callback else [],
        default_root_dir=folder,
        **({"logger": False, "enable_checkpointing": False} | options),
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    data = torch.cat([points(seed)[0] for seed in range(8)])
    trainer.fit(module, DataLoader(data, batch_size=128))  # type: ignore[arg-type]
    return module


@pytest.mark.slow
def test_it_stops_a_collapse_logs_and_says_which_layer(tmp_path: Path) -> None:
    callback = LightningMonitor(["backbone", "projector"], PROBE, every=10, on_alarm="stop", rules=FAST)
    logger = CSVLogger(tmp_path)
    with pytest.warns(CollapseWarning, match="projector, step"):
        module = fit(tmp_path, pull, callback, 400, logger=logger)
    failed = [alarm for alarm in callback.alarms if alarm.severity == "fail"]
    assert module.trainer.should_stop
    assert {alarm.where for alarm in failed} == {"projector"}
    assert failed[0].step == module.trainer.global_step < 400
    head = (Path(logger.log_dir) / "metrics.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert {"collapse/projector/relative_spread", "collapse/backbone/effective_rank"} <= set(head)
    assert callback.cost.readings == len(range(1, failed[0].step + 1, 10))
    assert callback.cost.seconds > 0


@pytest.mark.slow
@pytest.mark.parametrize("probe", [PROBE, DataLoader(PROBE, batch_size=32)], ids=["tensor", "loader"])  # type: ignore[arg-type]
def test_a_healthy_training_goes_on_and_is_the_same_with_and_without(tmp_path: Path, probe: Any) -> None:
    alarms: list[Alarm] = []
    callback = LightningMonitor(["projector"], probe, every=5, on_alarm=alarms.append, rules=Rules(grace=100))
    watched = fit(tmp_path, healthy, callback, 160)
    alone = fit(tmp_path, healthy, None, 160)
    assert alarms == []
    assert callback.cost.readings == 32
    for name, value in alone.state_dict().items():
        assert torch.equal(value, watched.state_dict()[name]), name


@pytest.mark.filterwarnings("ignore::fullrank.watch.CollapseWarning")
def test_the_state_of_the_callback_is_its_readings() -> None:
    first, second = (LightningMonitor(["projector"], PROBE, every=1, rules=Rules(grace=0, pace=1)) for _ in range(2))
    module = Module(pull)
    nn.init.zeros_(module.projector.weight)
    for step in range(4):
        first._monitor.look(module, step)
    second.load_state_dict(first.state_dict())
    assert len(first.alarms) == 1
    assert second.alarms == first.alarms


def test_a_callback_that_is_used_for_a_second_training_watches_it_from_its_start(tmp_path: Path) -> None:
    callback = LightningMonitor(["projector"], PROBE, every=2)
    fit(tmp_path, healthy, callback, 9)
    fit(tmp_path, healthy, callback, 3)
    assert [reading.step for reading in callback._monitor.monitors["projector"].readings] == [1, 3]


def test_a_training_that_goes_on_from_before_what_was_seen_is_another_one() -> None:
    callback = LightningMonitor(["projector"], PROBE, every=1)
    for step in (0, 60):
        callback._monitor.look(Module(healthy), step)
    callback._monitor.begin(60)
    assert [one.step for one in callback._monitor.monitors["projector"].readings] == [0, 60]
    callback._monitor.begin(50)  # a checkpoint without the callback's state
    assert callback._monitor.monitors["projector"].readings == []
    callback._monitor.look(Module(healthy), 51)


def test_an_unknown_layer_stops_with_a_suggestion(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean projector"):
        fit(tmp_path, healthy, LightningMonitor(["projektor"], PROBE), 2)
