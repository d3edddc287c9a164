"""Settings that nobody gave, chosen from the data, the network and the machine: one rule per setting.

A flag, a preset or another run's settings always win. `docs/settings.md` shows what each rule was measured on.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

import torch
from rich.console import Console
from torch import nn

from fullrank.data import ImageSet, ImageTensor
from fullrank.engine import RunOptions
from fullrank.errors import as_given
from fullrank.nn import has_statistics
from fullrank.recipes import Recipe, settings
from fullrank.terminal import say

_STEPS = 1000
_PASSES = 10
_WARMUP_STEPS, _WARMUP_SHARE = 35, 0.015
_SMALLEST, _LARGEST = 32, 256  # batches
_BATCHES_PER_PASS = 8
_WORKERS = 12
_SMALLEST_SIDE, _MEASURED = 32, 24  # pixels; files


@dataclass(frozen=True)
class Machine:
    """What a training may use: bytes of memory for what a backward pass needs, and CPU cores for each process."""

    memory: int
    cores: int


@dataclass(frozen=True)
class Chosen:
    """A recipe and its options without gaps, and for each setting that was chosen the reason, in words."""

    recipe: Recipe
    options: RunOptions
    reasons: dict[str, str] = field(default_factory=dict)


def this_machine(devices: int | None) -> Machine:
    """Nine tenths of the free memory of so many GPUs, or half of the main memory; the processes share the cores."""
    devices = devices or max(1, torch.cuda.device_count())
    cores = max(1, len(os.sched_getaffinity(0)) // devices) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if torch.cuda.is_available():
        return Machine(int(0.9 * devices * torch.cuda.mem_get_info()[0]), cores)
    return Machine(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2, cores)


def image_side(images: ImageSet) -> tuple[int, str]:
    """The side in pixels at which a network sees these images, and why: at most 224, and of files at least 32."""
    if isinstance(images, ImageTensor):
        return images.images.shape[-1], "the width of the images"
    some = range(0, len(images), max(1, len(images) // _MEASURED))
    side = int(median(images.shorter_side(number) for number in some))
    if side >= 224:
        return 224, f"the usual size; the median of the shorter sides is {side} px"
    if side < _SMALLEST_SIDE:
        return _SMALLEST_SIDE, f"the least; the median of the shorter sides is {side} px"
    return side - side % 32 if side > 64 else side, f"the median of the shorter sides is {side} px"


def settled_side(recipe: Recipe, images: ImageSet, *, resumed: bool) -> tuple[int, dict[str, str]]:
    """The image size, and the reason if it was chosen; version 0.1.0 left it open in config.json, for files as 224."""
    if recipe.image_size is not None:
        return recipe.image_size, {}
    if resumed and not isinstance(images, ImageTensor):
        return 224, {}
    side, reason = image_side(images)
    return side, {"image_size": reason}


def choose(
    recipe: Recipe,
    options: RunOptions,
    *,
    images: int,
    network: nn.Module,
    bytes_per_image: Callable[[], int],
    machine: Machine,
) -> Chosen:
    """Fill the gaps of a recipe and its options.

    Args:
        recipe: what was asked for; a setting that is None is chosen.
        options: as the recipe; `workers` is chosen.
        images: how many there are to train on.
        network: the backbone, whose layers decide the learning rate.
        bytes_per_image: measures the memory that one image of a batch needs, all its views together; called only
            where the batch size is chosen.
        machine: what the training may use.

    Returns:
        The recipe, the options, and a reason for each chosen setting.
    """
    reasons: dict[str, str] = {}

    def settle(name: str, given: Any, rule: Callable[[], tuple[Any, str]]) -> Any:
        if given is not None:
            return given
        value, reasons[name] = rule()
        return value

    batch = settle("batch_size", recipe.batch_size, lambda: _batch_size(images, bytes_per_image(), machine))
    per_pass = max(1, images // batch)
    updates = per_pass / options.accumulate
    epochs = recipe.epochs
    if recipe.steps is None:
        epochs = settle("epochs", epochs, lambda: _epochs(updates))
    steps = recipe.steps or (epochs or 0) * updates
    lr = settle("lr", recipe.lr, lambda: _lr(recipe, network, batch))
    warmup = settle("warmup_epochs", recipe.warmup_epochs, lambda: _warmup(steps, updates))
    workers = settle("workers", options.workers, lambda: _workers(machine))
    settled = replace(recipe, batch_size=batch, epochs=epochs, lr=lr, warmup_epochs=warmup)
    return Chosen(settled, replace(options, workers=workers), reasons)


def _batch_size(images: int, bytes_per_image: int, machine: Machine) -> tuple[int, str]:
    wanted = min(max(_power_of_two(images // _BATCHES_PER_PASS), _SMALLEST), _LARGEST)
    fitting = _power_of_two(machine.memory // max(1, bytes_per_image))
    size = max(2, min(wanted, fitting, _power_of_two(images)))
    if size < wanted and size == fitting:
        return size, f"{wanted} images need more than the {machine.memory / 2**30:.3g} GiB of memory at hand"
    if size == _LARGEST:
        return size, "the largest that is chosen"
    if size < _SMALLEST:
        return size, f"the largest power of two that {images:,} images fill"
    return size, f"about an eighth of {images:,} images, at least {_SMALLEST}"


def _power_of_two(number: int) -> int:
    """The largest power of two up to a number, 1 for less than one."""
    return 1 << max(0, number.bit_length() - 1)


def _epochs(updates: float) -> tuple[float, str]:
    needed = -(-_STEPS // updates)
    if needed <= _PASSES:
        return float(_PASSES), f"at least {_PASSES} passes over the images"
    return float(needed), f"{_STEPS:,} optimizer steps, with {updates:g} in a pass"


def _warmup(steps: float, updates: float) -> tuple[float, str]:
    warmup = min(max(_WARMUP_STEPS, _WARMUP_SHARE * steps), steps / 10)
    rule = f"{_WARMUP_SHARE:.1%} of them, but {_WARMUP_STEPS} or more, and a tenth of them at most"
    return round(warmup / updates, 4), f"{warmup:,.0f} of {steps:,.0f} steps ({rule})"


def _workers(machine: Machine) -> tuple[int, str]:
    return min(machine.cores, _WORKERS), f"one per core, at most {_WORKERS}"


def _lr(recipe: Recipe, network: nn.Module, batch: int) -> tuple[float, str]:
    rate, reason = _lr_of_random_weights(recipe, network, batch)
    if recipe.start.weights is None:
        return rate, reason
    return rate / 10, f"{reason}; a tenth of it, since it begins from weights"


def _lr_of_random_weights(recipe: Recipe, network: nn.Module, batch: int) -> tuple[float, str]:
    if recipe.optimizer == "lars":
        return 0.3 * batch / 256, "0.3 x batch size / 256, as SimCLR's authors have it for LARS"
    if recipe.optimizer == "sgd":
        return 0.03 * batch / 256, "0.03 x batch size / 256, as MoCo's authors have it for SGD"
    if recipe.backbone == "tiny":
        return 5e-3, "AdamW on the tiny encoder"
    if has_statistics(network):
        return 1e-3, "AdamW on a network with batch norm: Adam's own 0.001"
    return 5e-4, "AdamW on a network without batch norm: DINO's 0.0005, of batches of 256"


def say_chosen(recipe: Recipe, options: RunOptions, reasons: dict[str, str], console: Console) -> None:
    """Print each chosen setting as its flag, with the reason."""
    if not reasons:
        return
    say(console, "Settings chosen from data and machine (a flag overrides each):")
    given = settings(recipe) | {"workers": options.workers}
    for name, reason in reasons.items():
        value = given[name]
        flag = as_given(name, value if isinstance(value, str) else f"{value:g}")
        say(console, f"  {flag:<22} {reason}")
