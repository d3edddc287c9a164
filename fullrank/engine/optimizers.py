"""Optimizers and the learning-rate schedule of the papers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fullrank.errors import UserError, suggest

_NAMES = ("adamw", "sgd", "lars")
_FINAL = 1e-3  # the cosine ends at this share of the peak (INTL's and W2's code)


class LARS(Optimizer):
    """SGD whose step on every weight matrix is scaled to a share of the weight's norm (You et al. 2017).

    Parameters of one dimension (biases, norms) are stepped as by plain SGD, as in the papers of SimCLR, BYOL and
    Barlow Twins. `trust` is their 0.001 (Fang et al. 2024 use 0.02).

    >>> weight = nn.Parameter(torch.ones(2, 2))
    >>> weight.grad = torch.full((2, 2), 100.0)
    >>> LARS([weight], lr=1.0, momentum=0.0).step()
    >>> weight[0, 0].item()  # 1 - 0.001 * |w| / |g| * g
    0.9990000128746033
    """

    def __init__(
        self, params: Any, *, lr: float, momentum: float = 0.9, weight_decay: float = 0.0, trust: float = 1e-3
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "trust": trust})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """One step; parameters without gradient are left as they are."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)
        return loss

    def _update(self, parameter: Tensor, group: dict[str, Any]) -> None:
        change = parameter.grad + group["weight_decay"] * parameter
        if parameter.ndim > 1:
            weight_norm, change_norm = parameter.norm(), change.norm()
            scale = group["trust"] * weight_norm / torch.where(change_norm == 0, 1.0, change_norm)
            change = change * torch.where((weight_norm > 0) & (change_norm > 0), scale, 1.0)
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        state["momentum"].mul_(group["momentum"]).add_(change)
        parameter.sub_(group["lr"] * state["momentum"])


def optimizer(
    name: Literal["adamw", "sgd", "lars"],
    module: nn.Module,
    *,
    lr: float,
    weight_decay: float,
    lars_trust: float = 1e-3,
    shares: Mapping[Tensor, float] | None = None,
) -> Optimizer:
    """The named optimizer over the trainable parameters of a module; those of one dimension are not decayed.

    `shares` says of some parameters which share of the learning rate they have; the others have all of it. Raises
    UserError for a name that is none of these.

    >>> [group["weight_decay"] for group in optimizer("sgd", nn.Linear(2, 2), lr=0.1, weight_decay=1e-4).param_groups]
    [0.0001, 0.0]
    """
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    share = {id(parameter): value for parameter, value in (shares or {}).items()}
    groups = []
    for one in sorted({share.get(id(parameter), 1.0) for parameter in parameters}, reverse=True) or [1.0]:
        mine = [parameter for parameter in parameters if share.get(id(parameter), 1.0) == one]
        matrices, vectors = ([p for p in mine if (p.ndim > 1) is wide] for wide in (True, False))
        groups += [{"params": matrices, "weight_decay": weight_decay, "lr": lr * one}]
        groups += [{"params": vectors, "weight_decay": 0.0, "lr": lr * one}]
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=lr)
    if name == "sgd":
        return torch.optim.SGD(groups, lr=lr, momentum=0.9)
    if name == "lars":
        return LARS(groups, lr=lr, trust=lars_trust)
    raise UserError(f"There is no optimizer {name}: {suggest(name, _NAMES, otherwise='pass adamw, sgd or lars.')}")


def warmup_cosine(step: int, *, total: int, warmup: int) -> float:
    """Share of the peak learning rate at a step: linear from 1/warmup up to 1, then a cosine down to 0.001.

    >>> [round(warmup_cosine(step, total=10, warmup=2), 3) for step in (0, 1, 2, 6, 9)]
    [0.5, 1.0, 1.0, 0.5, 0.039]
    """
    if step < warmup:
        return (step + 1) / warmup
    return cosine(min((step - warmup) / max(total - warmup, 1), 1.0), 1.0, _FINAL)


def cosine(progress: float, start: float, end: float) -> float:
    """A value after a share of the training, on half a cosine from start to end.

    >>> [round(cosine(progress, 0.04, 0.4), 2) for progress in (0.0, 0.5, 1.0)]
    [0.04, 0.22, 0.4]
    """
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * progress))


def decay(stepper: Optimizer, weight_decay: float) -> None:
    """Set the weight decay of the groups that hold matrices, of an `optimizer` as above.

    >>> stepper = optimizer("sgd", nn.Linear(2, 2), lr=0.1, weight_decay=0.0)
    >>> decay(stepper, 0.5)
    >>> [group["weight_decay"] for group in stepper.param_groups]
    [0.5, 0.0]
    """
    for group in stepper.param_groups:
        if any(parameter.ndim > 1 for parameter in group["params"]):
            group["weight_decay"] = weight_decay


def clip(parameters: Iterable[nn.Parameter], norm: float | None, *, each: bool = False) -> None:
    """Scale the gradients down, in place, to a norm of all together, or of each parameter; not at all with None.

    >>> layer = nn.Linear(1, 1)
    >>> layer.weight.grad, layer.bias.grad = torch.tensor([[3.0]]), torch.tensor([4.0])
    >>> clip(layer.parameters(), 1.0)
    >>> layer.weight.grad, layer.bias.grad
    (tensor([[0.6000]]), tensor([0.8000]))
    >>> clip(layer.parameters(), 0.7, each=True)
    >>> layer.weight.grad, layer.bias.grad
    (tensor([[0.6000]]), tensor([0.7000]))
    """
    if norm is None:
        return
    having = [parameter for parameter in parameters if parameter.grad is not None]
    for group in [[parameter] for parameter in having] if each else [having]:
        nn.utils.clip_grad_norm_(group, norm)
