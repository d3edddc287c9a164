"""Losses as modules: the settings are given once, and are in its repr; what is drawn or counted is in its state."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from fullrank.errors import UserError, suggest
from fullrank.losses.terms import Terms, check_settings, rules


class LossModule(nn.Module):
    """A loss as a module, made from its function: `class VICReg(EmbeddingLoss, function=vicreg)`.

    The keyword settings of the function are those of the constructor and then attributes, which may change from step to
    step. The module has the signature and docstring of the function, and is blind to what the function is blind to.

    Raises:
        UserError: A setting is unknown, or cannot work.

    >>> from fullrank.losses import VICReg
    >>> VICReg(variance=10.0)
    VICReg(invariance=25.0, variance=10.0, covariance=1.0)
    >>> VICReg(varianec=10.0)
    Traceback (most recent call last):
    fullrank.errors.UserError: VICReg has no setting varianec: did you mean variance?
    """

    function: ClassVar[Callable[..., Terms]]
    defaults: ClassVar[dict[str, Any]]
    __signature__: inspect.Signature | None = None
    if TYPE_CHECKING:

        def __setattr__(self, name: str, value: Any) -> None: ...  # a setting may be of any type

    def __init_subclass__(cls, *, function: Callable[..., Terms] | None = None) -> None:
        super().__init_subclass__()
        if function is None:
            return
        parameters = inspect.signature(function).parameters.values()
        settings = [parameter for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY]
        cls.function = staticmethod(function)
        cls.defaults = {setting.name: setting.default for setting in settings}
        cls.__signature__ = inspect.Signature(settings)
        cls.__doc__ = f"`{function.__name__}` as a module. {function.__doc__}"

    def __init__(self, **settings: object) -> None:
        super().__init__()
        self.__signature__ = None  # that of the class is the constructor's, not that of a call
        for name in settings:
            if name not in self.defaults:
                hint = suggest(name, self.defaults, otherwise=f"it has {', '.join(self.defaults) or 'none'}.")
                raise UserError(f"{type(self).__name__} has no setting {name}: {hint}")
        for name, value in (self.defaults | settings).items():
            setattr(self, name, value)
        check_settings(type(self).__name__, rules(self.function), self.settings(), self.defaults)

    def settings(self) -> dict[str, Any]:
        """The settings by name, as they are now."""
        return {name: getattr(self, name) for name in self.defaults}

    def extra_repr(self) -> str:
        """All settings, as they would be passed."""
        values = {name: getattr(value, "__name__", repr(value)) for name, value in self.settings().items()}
        return ", ".join(f"{name}={value}" for name, value in values.items())


class EmbeddingLoss(LossModule):
    """A loss of embeddings z (V, N, D) as a module. Blind to: what its function is blind to."""

    def forward(self, z: Tensor) -> Terms:
        """The named terms of z (V, N, D), and their weighted sum under "loss"."""
        return self.function(z, **self.settings())


class PairLoss(LossModule):
    """A loss of predictions and targets as a module. Blind to: what its function is blind to."""

    def forward(self, prediction: Tensor, target: Tensor) -> Terms:
        """The named terms of prediction (V, N, D) and target (T, N, D), and their weighted sum under "loss"."""
        return self.function(prediction, target, **self.settings())


class SlicedLoss(EmbeddingLoss):
    """A loss with a `seed` (SIGReg, VISReg, WMSE) as a module that draws anew at every step: its seed is the step.

    The step starts at `seed` and is a persistent buffer: it is the same on every process, and a resumed training goes
    on with the next draw. A module in eval mode draws what the next step will draw, and does not count. Another `seed`
    later draws nothing else: write another `step`. On a GPU the step is counted beside the buffer too, so that no step
    waits for the GPU to say it. What is written there by `step.data`, by a collective (torch.distributed.broadcast) or
    in inference mode is not seen: assign `loss.step = loss.step.clone()` afterwards. It is blind to what its function
    is blind to.

    >>> from fullrank.losses import SIGReg
    >>> objective, z = SIGReg(slices=8), torch.eye(4).expand(2, 4, 4)
    >>> bool(objective(z)["loss"] == objective(z)["loss"]), objective.step
    (False, tensor(2))
    """

    step: Tensor
    seed: int

    def __init__(self, **settings: object) -> None:
        super().__init__(**settings)
        self.register_buffer("step", torch.tensor(self.seed))
        self._counted: tuple[Tensor, int, int] | None = None  # the buffer, how often it was written to, and its number
        self._count(self.seed)

    def _count(self, step: int) -> None:
        """Note the number of the buffer as it is now."""
        if not self.step.is_inference():
            self._counted = self.step, self.step._version, step

    def _apply(self, *args: Any, **kwargs: Any) -> SlicedLoss:
        """Move to a device, say, which writes nothing."""
        step = self._drawn()
        super()._apply(*args, **kwargs)  # type: ignore[no-untyped-call]
        self._count(step)
        return self

    def _drawn(self) -> int:
        """The step; of a GPU it is asked only where another buffer stands, or this one was written to."""
        if self._counted and not self.step.is_cpu and not self.step.is_inference():
            buffer, writes, step = self._counted
            if self.step is buffer and self.step._version == writes:
                return step
        return int(self.step)

    def forward(self, z: Tensor) -> Terms:
        """The terms of z (V, N, D) in this step's draw; in training mode, this also advances the step by one."""
        step = self._drawn()
        terms = self.function(z, **(self.settings() | {"seed": step}))
        if self.training:
            self.step += 1
        self._count(step + self.training)
        return terms
