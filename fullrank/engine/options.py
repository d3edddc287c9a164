"""Where a training runs and how it is watched; its fields are flags, and importing it loads no torch."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_type_hints

from fullrank.errors import UserError, as_flag, suggest
from fullrank.runs.reading import value_of

_MOST = {  # the most that means anything: one number more is a slip, or comes from a damaged file
    "steps": 10**12,
    "epochs": 10**9,
    "accumulate": 2**16,
    "iterations": 1000,
    "seeds": 10**4,
    "shards": 10**5,
    "workers": 16 * (os.cpu_count() or 4),
}
_MOST_OF_ANY = 2**53  # up to here floats and JSON tell whole numbers apart
ActsWith = Mapping[str, Mapping[str, object]]
"""A setting -> the others of which one must have this value, one of these, or any that is `GIVEN`, for it to act."""
GIVEN = object()  # of a setting that another acts with: any value but None and 0


def by_record(caller: str, flags: Mapping[str, Any], *kinds: type[Any]) -> list[dict[str, Any]]:
    """The flags of a call from Python, parted by the record that has each as a field.

    Raises UserError for an unknown one, and for a value of another kind than it is declared.

    >>> by_record("train", {"nodes": 2}, RunOptions)
    [{'nodes': 2}]
    >>> by_record("train", {"node": 2}, RunOptions)
    Traceback (most recent call last):
    fullrank.errors.UserError: train has no setting node: did you mean nodes?
    """
    known = [[field.name for field in fields(kind)] for kind in kinds]
    names = [name for each in known for name in each]
    for flag in flags:
        if flag not in names:
            raise UserError(f"{caller} has no setting {flag}: {suggest(flag, names)}")
    hints = [get_type_hints(kind) for kind in kinds]
    return [
        {name: value_of(name, declared[name], flags[name], argument=True) for name in flags if name in each}
        for each, declared in zip(known, hints, strict=True)
    ]


def require_numbers(values: Mapping[str, object], least: Mapping[str, float], *, above: tuple[str, ...] = ()) -> None:
    """Raise a UserError for the first number that is not finite, below `least`, or larger than anything has.

    Those of `above` must be more than 0. What is None is chosen later, and other kinds are not looked at.

    >>> require_numbers({"batch_size": 0}, {"batch_size": 2})
    Traceback (most recent call last):
    fullrank.errors.UserError: --batch-size 0 is too small: pass 2 or more.
    >>> require_numbers({"steps": 10**18}, {})
    Traceback (most recent call last):
    fullrank.errors.UserError: --steps 1000000000000000000 is too large: pass 1000000000000 or less.
    """
    for name, value in _numbers(values):
        if name in above and not 0 < value < math.inf:
            raise UserError(f"{as_flag(name)} must be positive, got {value}.")
        if not math.isfinite(value):
            raise UserError(f"{as_flag(name)} {value} is not a number that can be used: pass a finite one.")
        if name in least and value < least[name]:
            raise UserError(f"{as_flag(name)} {value} is too small: pass {least[name]} or more.")
        most = _MOST.get(name, math.inf if isinstance(value, float) else _MOST_OF_ANY)
        if value > most:
            raise UserError(f"{as_flag(name)} {value} is too large: pass {most} or less.")


def require_acting(
    values: Mapping[str, object],
    acts_with: ActsWith,
    *unchanged: Mapping[str, object],
    named: Callable[[str], str] = as_flag,
) -> None:
    """Raise a UserError for the first setting that was changed and that the others leave without effect.

    Args:
        values: The settings by name.
        acts_with: What each setting acts with; one without others never acts.
        *unchanged: Settings that somebody began with; what has its value in one of them was not changed.
        named: How the user wrote a setting.

    >>> require_acting({"epochs": 2, "steps": 9}, {"epochs": {"steps": None}}, {"epochs": 1})
    Traceback (most recent call last):
    fullrank.errors.UserError: --epochs acts with --steps None only: leave it away, or pass --steps None.
    """
    for name, others in acts_with.items():
        if any(values[name] == each[name] for each in unchanged):
            continue
        if any(_is(values[other], needed) for other, needed in others.items()):
            continue
        needs = " or ".join(_said(named(other), needed) for other, needed in others.items())
        if not needs:
            raise UserError(f"{named(name)} has no effect here: leave it away.")
        raise UserError(f"{named(name)} acts with {needs} only: leave it away, or pass {needs}.")


def _is(value: object, needed: object) -> bool:
    if needed is GIVEN:
        return bool(value)
    return value in needed if isinstance(needed, tuple) else value == needed


def _said(name: str, needed: object) -> str:
    """A setting with the value that it must have, as a flag or as an argument of Python."""
    if needed is GIVEN:
        return name
    between, each = (" ", str) if name.startswith("--") else ("=", repr)
    return name + between + " or ".join(map(each, needed if isinstance(needed, tuple) else (needed,)))


def _numbers(values: Mapping[str, object]) -> Iterator[tuple[str, int | float]]:
    for name, value in values.items():
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, int | float) and not isinstance(each, bool):
                yield name, each


@dataclass(frozen=True, kw_only=True)
class Stepwise:
    """The settings of every training: how its steps compute, and how often they are kept."""

    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    """auto is bf16-mixed on a GPU that has it, else 32-true; 16-mixed needs a GPU. The losses of recipes are always
    computed in float32."""
    checkpoint_every: int = 500
    """Steps between two checkpoints; the last step and Ctrl-C save one too."""


@dataclass(frozen=True, kw_only=True)
class TrainerOptions(Stepwise):
    """The settings of every training that runs on several processes: how many they are, and what they leave."""

    out: Path | None = None
    """Folder of the run; by default the first free runs/NAME-1, -2, ..., named after what is trained and on what."""
    devices: int | None = None
    """Processes, one per GPU, or on the CPU; by default all GPUs, else 1."""
    nodes: int = 1
    """Machines."""
    strategy: str = "auto"
    """Lightning's strategy: auto, ddp, fsdp, ..."""
    accumulate: int = 1
    """Batches per optimizer step; the loss is computed per batch, so this does not enlarge the batch."""


@dataclass(frozen=True, kw_only=True)
class RunOptions(TrainerOptions):
    """The settings that decide where a run happens and how it is watched, not what is learned."""

    compile: bool = False
    """Compile the networks with torch.compile; its first steps take a minute, so it pays in long trainings on a GPU."""
    workers: int | None = None
    """Processes that decode the images of a folder, per device; by default one per core. Data in memory needs none."""
    monitor_every: int | None = None
    """Steps between two readings of the collapse numbers; by default 100, or more for 5 % of the time at most."""
    on_collapse: Literal["warn", "stop"] = "warn"
    """At a sign of collapse, warn; with stop, also save a checkpoint and stop after a failure."""
    probe: int | None = None
    """Training images that the collapse numbers are read from; by default 2,000, of a folder 500."""
    logger: Literal["none", "tensorboard", "csv", "mlflow", "wandb"] = "none"
    """Also log to TensorBoard, CSV or MLflow (in the run folder, or at $MLFLOW_TRACKING_URI) or Weights & Biases."""
