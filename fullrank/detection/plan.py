"""How many steps, which learning rate at each, and what of the settings cannot be."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fullrank.detection.options import DetectionOptions, DetectorSettings
from fullrank.engine.launcher import refuse_uneven
from fullrank.errors import UserError

_FIRST = 1e-3  # the share of the learning rate that a warm-up begins with (detectron2)


@dataclass(frozen=True)
class Plan:
    """The steps of a training."""

    steps: int
    steps_per_epoch: int
    warmup: int
    decay_at: tuple[int, ...]

    def rate(self, step: int) -> float:
        """Share of the highest learning rate at a step: a linear warm-up, then a tenth after each of the decays.

        >>> plan = Plan(steps=90, steps_per_epoch=10, warmup=10, decay_at=(60, 80))
        >>> [round(plan.rate(step), 4) for step in (0, 5, 10, 59, 60, 80)]
        [0.001, 0.5005, 1.0, 1.0, 0.1, 0.01]
        """
        share = min(step / self.warmup, 1.0) if self.warmup else 1.0
        return float((_FIRST + (1 - _FIRST) * share) * 0.1 ** sum(step >= decay for decay in self.decay_at))


def make_plan(settings: DetectorSettings, options: DetectionOptions, images: int) -> Plan:
    """The plan for so many training images; raises UserError where the settings do not fit them or each other."""
    check(settings, options)
    if settings.batch_size > images:
        raise UserError(
            f"A batch of {settings.batch_size} is more than the {images} images: pass --batch-size {images}."
        )
    per_epoch = images // settings.batch_size
    steps = settings.steps or max(round(settings.epochs * per_epoch / options.accumulate), 1)
    decays = settings.decay_at if settings.decay_at is not None else (round(steps * 2 / 3), round(steps * 8 / 9))
    return Plan(steps, per_epoch, settings.warmup, decays)


def check(settings: DetectorSettings, options: DetectionOptions) -> None:
    """Raise a UserError for settings that mean nothing."""
    least = {"batch_size": 1, "steps": 1, "warmup": 0, "precise_bn": 0, "width": 1, "rois": 1, "test_side": 16}
    for name, value in least.items():
        given = getattr(settings, name)
        if given is not None and given < value:
            raise UserError(f"--{name.replace('_', '-')} {given} is too small: pass {value} or more.")
    for name in ("accumulate", "checkpoint_every", "evaluate_every"):
        given = getattr(options, name)
        if given is not None and given < 1:
            raise UserError(f"--{name.replace('_', '-')} {given} is too small: pass 1 or more.")
    if not (settings.lr > 0 and math.isfinite(settings.lr) and settings.weight_decay >= 0 and settings.epochs > 0):
        raise UserError("--lr and --epochs must be above 0, and --weight-decay 0 or more: correct them.")
    if not settings.short_side or min(settings.short_side) < 16 or max(settings.short_side) > settings.long_side:
        raise UserError("--short-side takes sides from 16 pixels up to --long-side: correct them.")
    if settings.anchor is not None and not settings.anchor > 0:
        raise UserError(f"--anchor {settings.anchor} is not a size: pass more than 0 pixels.")
    refuse_uneven(settings.batch_size, (options.devices or 1) * options.nodes)
