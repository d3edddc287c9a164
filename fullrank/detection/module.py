"""The training step of a detector: images and boxes -> named losses -> their sum."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from fullrank.detection.models import Detector
from fullrank.detection.options import DetectorSettings
from fullrank.detection.plan import Plan
from fullrank.detection.samples import Batch
from fullrank.engine.device import seed_networks
from fullrank.engine.finite import Finite
from fullrank.engine.optimizers import optimizer
from fullrank.errors import UserError

_NETWORK, _DRAWN = 5, 6  # streams of random numbers


class Detecting(pl.LightningModule):
    """A detector, its settings and its plan, as Lightning wants them. `terms` are those of the last step."""

    def __init__(self, detector: Detector, settings: DetectorSettings, plan: Plan) -> None:
        super().__init__()
        self.detector = detector
        self.settings = settings
        self.plan = plan
        self.terms: dict[str, Tensor] = {}
        self.finite = Finite()

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The sum of the detector's losses; what is drawn is a function of the seed, the step and the place."""
        seed_networks(mix(self.settings.seed, _NETWORK, batch.step, self.global_rank), self.device)
        terms = self.detector.losses(batch.images, batch.targets, seeds_of(self.settings.seed, batch))
        loss = torch.stack([value.float() for value in terms.values()]).sum()
        self.terms = {"loss": loss.detach()} | {name: value.detach() for name, value in terms.items()}
        self._refuse(self.finite.ask(self.terms["loss"], batch.step))
        return loss

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """No checkpoint keeps weights that are not finite."""
        self.require_finite()

    def require_finite(self) -> None:
        """Raise a UserError for the first step whose loss was not finite; a GPU is waited for."""
        self._refuse(self.finite.first())

    def _refuse(self, step: int | None) -> None:
        if step is None:
            return
        shown = ", ".join(f"{name} {float(value):.4g}" for name, value in self.terms.items())
        raise UserError(
            f"The loss is not finite at step {step} ({shown}): lower --lr, warm up for longer (--warmup), "
            "or train in --precision 32-true."
        )

    def configure_optimizers(self) -> Any:
        """The optimizer of the settings, with the plan's rate at each step."""
        settings = self.settings
        stepper = optimizer(settings.optimizer, self.detector, lr=settings.lr, weight_decay=settings.weight_decay)
        schedule = LambdaLR(stepper, self.plan.rate)
        return {"optimizer": stepper, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def seeds_of(seed: int, batch: Batch) -> list[int]:
    """A seed for each image of a batch, by its place in the whole batch."""
    return [mix(seed, _DRAWN, batch.step, position) for position in batch.positions]


def mix(*parts: int) -> int:
    """One well-mixed seed of several small numbers, with room for two more above it."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(2))
