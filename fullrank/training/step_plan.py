"""What a recipe and its options mean in steps, and whether they make sense."""

from __future__ import annotations

import importlib
import importlib.util
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fullrank.data import Dataset, Views, crop_sizes
from fullrank.data.options import data_name
from fullrank.data.sources.acting import refuse_idle_reading
from fullrank.engine import RunOptions
from fullrank.engine.device import require_precision, world
from fullrank.engine.launcher import refuse_uneven, require_strategy
from fullrank.engine.options import require_acting, require_numbers
from fullrank.errors import UserError, as_flag
from fullrank.methods import Method
from fullrank.recipes import Recipe, settings

_LEAST = {  # what the settings and options of a training are at least
    **{"batch_size": 2, "steps": 1, "image_size": 1, "warmup_epochs": 0, "weight_decay": 0, "weight_decay_end": 0},
    **{"freeze": 0, "max_corrupt": 0, "seed": 0, "devices": 1, "nodes": 1, "accumulate": 1, "workers": 0},
    **{"monitor_every": 1, "checkpoint_every": 1, "probe": 8, "w2_end": 0},
}


@dataclass(frozen=True)
class Plan:
    """What one training does, in steps: every random number is a function of the recipe's seed and the step."""

    recipe: Recipe
    batch_size: int
    lr: float
    accumulate: int
    steps: int
    warmup: int
    steps_per_epoch: int

    @property
    def epochs(self) -> int:
        """How many passes over the data are begun."""
        return -(-self.steps * self.accumulate // self.steps_per_epoch)


@dataclass(frozen=True, eq=False)
class Job:
    """What a recipe means for its data."""

    recipe: Recipe  # without gaps, as `options`
    options: RunOptions
    reasons: dict[str, str]  # of the settings that were chosen, by name
    dataset: Dataset
    method: Method
    views: Views
    plan: Plan
    image_size: int
    begun: Mapping[str, Any]


def make_plan(recipe: Recipe, options: RunOptions, images: int) -> Plan:
    """The plan for a training set of so many images, of a recipe without gaps.

    Raises UserError if a batch does not fit.
    """
    batch, lr, warmup_epochs = recipe.batch_size, recipe.lr, recipe.warmup_epochs
    assert batch is not None  # choose.py has filled these
    assert lr is not None
    assert warmup_epochs is not None
    refuse_large_batch(recipe, images)
    refuse_uneven(batch, world(options))
    per_epoch = images // batch
    steps = recipe.steps or max(1, round((recipe.epochs or 0) * per_epoch / options.accumulate))
    warmup = min(round(warmup_epochs * per_epoch / options.accumulate), steps // 2)
    return Plan(recipe, batch, lr, options.accumulate, steps, warmup, per_epoch)


def refuse_large_batch(recipe: Recipe, images: int) -> None:
    """Raise a UserError if the batch that was asked for is larger than the training set."""
    if recipe.batch_size is not None and recipe.batch_size > images:
        raise UserError(
            f"--batch-size {recipe.batch_size} is larger than the {images} images of {data_name(recipe.data)}: "
            f"pass --batch-size {images} or less."
        )


def _check_logger(name: str) -> None:
    """Raise a UserError if the package of a logger is missing, or lacks what it needs to write here."""
    remedy = f"pip install 'fullrank[{name}]'"
    if importlib.util.find_spec(name) is None:
        raise UserError(f"--logger {name} needs a package: {remedy}.")
    try:
        importlib.import_module(name)
    except Exception as error:  # a package that is there in part, as mlflow-skinny is
        what = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"--logger {name} cannot be used, as its package does not load ({what}): {remedy}.") from error
    local = name == "mlflow" and "MLFLOW_TRACKING_URI" not in os.environ
    lacking = [each for each in ("sqlalchemy", "alembic") if local and importlib.util.find_spec(each) is None]
    if lacking:
        raise UserError(
            f"--logger mlflow writes to a database in the run folder, which needs {' and '.join(lacking)}: {remedy}, "
            "or set MLFLOW_TRACKING_URI to a server."
        )


def refuse_idle(
    recipe: Recipe, begun: Recipe, *, data: object = None, named: Callable[[str], str] | None = None
) -> None:
    """Raise a UserError for a setting that the user changed from those `begun` with, and that cannot act.

    `data` is an object with images in the place of the recipe's; `named` says how the user writes a setting, by default
    as a flag.
    """
    now, before, default = (settings(each) for each in (recipe, begun, type(recipe)()))
    require_acting(now, recipe.acts_with, before, default, named=named or as_flag)
    refuse_idle_reading(
        recipe.data if data is None else data,
        recipe.reading,
        root=recipe.data_root,
        begun=begun.reading,
        begun_root=begun.data_root,
        named=named,
    )


def check(recipe: Recipe, options: RunOptions) -> None:
    """Raise a UserError for the first setting that can never work, whatever the data."""
    if options.logger not in ("none", "csv"):
        _check_logger(options.logger)
    require_strategy(options.strategy)
    require_precision(options.precision)
    least = _LEAST | dict.fromkeys(recipe.regularizers(), 0)  # named by their weights
    require_numbers(settings(recipe) | vars(options), least, above=("lr", "epochs", "lars_trust", "clip_gradients"))
    if recipe.stepping.clip_each and recipe.stepping.clip_gradients is None:
        raise UserError("--clip-each does not say to what gradients are clipped: pass --clip-gradients too.")
    if not 0 < recipe.start.layer_decay <= 1:
        raise UserError(f"--layer-decay {recipe.start.layer_decay} is not a share: pass a number above 0, up to 1.")
    if recipe.crops is not None:
        crop_sizes(recipe.crops)
    if not recipe.projector or min(recipe.projector) < 1:
        raise UserError(f"--projector {recipe.projector} has no width: pass at least one positive width.")
