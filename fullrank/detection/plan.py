"""How many steps, which learning rate at each, and what of the settings cannot be."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from fullrank.detection.options import DetectionOptions, DetectorSettings
from fullrank.engine.device import require_precision, world
from fullrank.engine.launcher import refuse_uneven, require_strategy
from fullrank.engine.options import require_acting, require_numbers
from fullrank.errors import UserError

_FIRST = 1e-3  # the share of the learning rate that a warm-up begins with (detectron2)
_LEAST = {  # what the settings and options of a detection are at least
    **{"batch_size": 1, "steps": 1, "warmup": 0, "precise_bn": 0, "width": 1, "rois": 1, "test_side": 16, "seed": 0},
    **{"accumulate": 1, "checkpoint_every": 1, "evaluate_every": 1, "workers": 0, "devices": 1, "nodes": 1},
    "weight_decay": 0,
}
_ACTS_WITH: dict[str, dict[str, str | None]] = {  # flags, and the others of which one must have this value
    "width": {"head": "fpn"},
    "precise_bn": {"norm": "train", "head": "c4"},  # the head of c4 has a norm that is always trained
    "epochs": {"steps": None},
}


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
    require_strategy(options.strategy)
    require_precision(options.precision)
    require_numbers(asdict(settings) | vars(options), _LEAST, above=("lr", "epochs", "anchor"))
    if not settings.short_side or min(settings.short_side) < 16 or max(settings.short_side) > settings.long_side:
        raise UserError("--short-side takes sides from 16 pixels up to --long-side: correct them.")
    refuse_uneven(settings.batch_size, world(options))


def refuse_other_processes(batch_size: int, world: int) -> None:
    """Raise a UserError unless a run that goes on, and keeps its batches, can share them by so many processes.

    >>> refuse_other_processes(16, 3)
    Traceback (most recent call last):
    fullrank.errors.UserError: The run's batches of 16 cannot be shared by 3 processes: go on with 2, by ...
    """
    if batch_size % world:
        likely = range(1, min(world, 1025))  # a damaged config.json may say any number
        fit = max(count for count in likely if batch_size % count == 0)
        raise UserError(
            f"The run's batches of {batch_size} cannot be shared by {world} processes: go on with {fit}, by so many "
            f"GPUs in CUDA_VISIBLE_DEVICES or by torchrun --nproc-per-node {fit}."
        )


def refuse_idle(settings: DetectorSettings, start: DetectorSettings) -> None:
    """Raise a UserError for a setting that was changed from `start`, and that the others leave without effect.

    >>> refuse_idle(DetectorSettings(steps=10, epochs=2.0), DetectorSettings())
    Traceback (most recent call last):
    fullrank.errors.UserError: --epochs acts with --steps None only: leave it away, or pass --steps None.
    """
    require_acting(asdict(settings), _ACTS_WITH, asdict(start), asdict(DetectorSettings()))
