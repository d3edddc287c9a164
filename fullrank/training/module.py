"""The training step: views -> method -> gather -> loss -> terms. Everything else is watching."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from fullrank.data import Batch, Views
from fullrank.engine.device import seed_networks
from fullrank.engine.finite import Finite, is_time
from fullrank.engine.gather import gather, sharing
from fullrank.engine.optimizers import clip, cosine, decay, optimizer, warmup_cosine
from fullrank.errors import UserError
from fullrank.losses import Terms
from fullrank.methods import Method
from fullrank.nn import rates
from fullrank.training.regularize import regularize
from fullrank.training.step_plan import Plan

_VIEWS, _NETWORK = 1, 2  # streams of random numbers


class Training(pl.LightningModule):
    """A method, its views and its plan, as Lightning wants them. `terms` are those of the last step.

    A checkpoint brings the rates of its optimizer along, unless settings have `changed` since.
    """

    def __init__(self, method: Method, views: Views, plan: Plan, *, changed: bool = False) -> None:
        super().__init__()
        self.changed = changed
        self.method = method
        self.views = views
        self.plan = plan
        self.terms: Terms = {}
        self.gradient_norm: Tensor | None = None
        self.finite = {"loss": Finite(), "gradient": Finite()}

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The one seam: here, and nowhere else, views become a loss."""
        seed_networks(_mix(self.plan.recipe.seed, _NETWORK, batch.step, self.global_rank), self.device)
        if batch.step > 0 and batch.step % self.plan.accumulate == 0:  # here, so that a resumed run does it too
            self.method.update(self.global_step / self.plan.steps)
        self.method.enter(batch.step / self.plan.steps_per_epoch)
        views = self.augment(batch)
        outputs = {name: gather(output, dim=1) for name, output in self.method(views).items()}
        epoch = batch.step // self.plan.steps_per_epoch + 1
        with sharing():
            terms = self.method.loss(outputs)
            terms = regularize(terms, outputs, self.method, self.plan.recipe, epoch=epoch, epochs=self.plan.epochs)
        self.terms = {name: value.detach() for name, value in terms.items()}
        self.finite["loss"].note(self.terms["loss"], batch.step)
        self._check(batch.step)
        return terms["loss"]

    def _check(self, step: int) -> None:
        """Let a loss or gradient that was not finite end the run, where it is time to ask."""
        if is_time(self.device, step):
            self.require_finite()

    def require_finite(self) -> None:
        """Raise a UserError for the first step whose loss or gradient was not finite; a GPU is waited for."""
        for what, finite in self.finite.items():
            step = finite.first()
            if step is not None and (what == "loss" or self.trainer.precision != "16-mixed"):
                raise UserError(f"The {what} is not finite at step {step} ({_shown(self.terms)}): {_REMEDY}")

    def augment(self, batch: Batch) -> list[Tensor]:
        """V views of the images of this process; drawn for the global batch, so that its split changes nothing."""
        one = batch.images if isinstance(batch.images, Tensor) else batch.images[0]
        generator = torch.Generator().manual_seed(_mix(self.plan.recipe.seed, _VIEWS, batch.step))
        parameters = self.views.draw(self.plan.batch_size, one.shape[-2], one.shape[-1], generator)
        rows = slice(self.global_rank * len(one), (self.global_rank + 1) * len(one))
        mine = [drawn.rows(rows) for drawn in parameters]
        return [view.contiguous(memory_format=torch.channels_last) for view in self.views.apply(batch.images, mine)]

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        """Measure the gradient's norm; one that is not finite ends the run (the scaler of float16 skips it itself).

        Before it, weights that the method holds lose their gradient; then come clipping and this step's weight decay.
        """
        for parameter in self.method.held():
            parameter.grad = None
        gradients = [parameter.grad for parameter in self.method.parameters() if parameter.grad is not None]
        self.gradient_norm = torch.nn.utils.get_total_norm(gradients)
        self.finite["gradient"].note(self.gradient_norm, self.global_step)
        self._check(self.global_step)

        stepping = self.plan.recipe.stepping
        clip(self.method.parameters(), stepping.clip_gradients, each=stepping.clip_each)
        if stepping.weight_decay_end is not None:
            done = self.global_step / self.plan.steps
            decay(optimizer, cosine(done, self.plan.recipe.weight_decay, stepping.weight_decay_end))

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """No checkpoint keeps weights that are not finite."""
        self.require_finite()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Version 0.1.0 spelled DINO's center in another way."""
        state = checkpoint["state_dict"]
        for name in [name for name in state if name.endswith(".centre")]:
            state[name.removesuffix("centre") + "center"] = state.pop(name)
        if self.changed:
            self._take_own_rates(checkpoint)

    def _take_own_rates(self, checkpoint: dict[str, Any]) -> None:
        """Let a checkpoint say the rates and decays of the plan in place of its own."""
        fresh = self.configure_optimizers()
        factor = warmup_cosine(checkpoint["global_step"], total=self.plan.steps, warmup=self.plan.warmup)
        groups = fresh["optimizer"].param_groups
        for saved, group in zip(checkpoint["optimizer_states"][0]["param_groups"], groups, strict=True):
            saved |= {name: value for name, value in group.items() if name != "params"}
            saved["lr"] = group["initial_lr"] * factor
        schedule = checkpoint["lr_schedulers"][0]
        schedule["base_lrs"] = [group["initial_lr"] for group in groups]
        schedule["_last_lr"] = [rate * factor for rate in schedule["base_lrs"]]

    def configure_optimizers(self) -> Any:
        """The recipe's optimizer, with warm-up and cosine per step."""
        plan, recipe = self.plan, self.plan.recipe
        stepper = optimizer(
            recipe.optimizer,
            self.method,
            lr=plan.lr,
            weight_decay=recipe.weight_decay,
            lars_trust=recipe.lars_trust,
            shares=rates(self.method.encoder, recipe.start.layer_decay) if recipe.start.layer_decay != 1 else None,
        )
        schedule = LambdaLR(stepper, lambda step: warmup_cosine(step, total=plan.steps, warmup=plan.warmup))
        return {"optimizer": stepper, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


_REMEDY = "lower --lr, warm up for longer (--warmup-epochs), or train in --precision 32-true."


def _mix(*parts: int) -> int:
    """One well-mixed seed of several small numbers."""
    return int(np.random.SeedSequence(parts).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _shown(terms: Terms) -> str:
    return ", ".join(f"{name} {float(value):.4g}" for name, value in terms.items())
